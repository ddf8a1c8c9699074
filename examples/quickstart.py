"""
Quickstart: from a table to probabilities
=========================================

This example takes a raw table with numbers, categories and gaps. One line makes a
model. We compare it with the usual models and their times, check its probabilities, and
explain one prediction.

The table describes 1629 smokers who were interviewed in the United States from 1971 to
1975, and says who had died by 1992. It comes from the NHANES I Epidemiologic Follow-up
Study of the National Center for Health Statistics, which is in the public domain, by
way of the book *Causal Inference: What If* by M. Hernán and J. Robins. It contains only
what was known at the interview. ``income`` is in thousands of dollars a year.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/quickstart.svg"

# %%
# The table
# ---------
# Men have no number of pregnancies, half of the people were not asked about diabetes,
# and people who do not drink have no favourite drink.

import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relulogit import (
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    contributions,
    tabular_pipeline,
)

people = pd.read_csv(Path(__file__).parent / "nhefs.csv")
X, y = people.drop(columns="died"), people["died"]
died = (y == "yes").to_numpy()
print(f"{len(X)} people, {X.shape[1]} columns, {died.mean():.0%} died\n")
print(X.iloc[:3, [0, 1, 2, 4, 8, 9, 11, 15, 20]].to_string(index=False))
gaps = X.isna().mean()
text = ", ".join(f"{name} {gaps[name]:.0%}" for name in gaps.index[gaps > 0.01])
print(f"\nmissing: {text}")

# %%
# The models
# ----------
# Ours is one line. The others get the usual preparation: gaps of numbers are filled,
# numbers scaled, and categories become indicators. Boosting takes gaps and categories
# directly.


def prepared(classifier):
    """A classifier with the usual preparation in front."""
    numbers = make_column_selector(dtype_include=["number", "bool"])
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            remainder=OneHotEncoder(handle_unknown="ignore"),
        ),
        classifier,
    )


categories = X.select_dtypes(exclude=["number", "bool"]).columns
with_categories = X.astype(dict.fromkeys(categories, "category"))

models = {
    "LogisticRegression": prepared(LogisticRegression(max_iter=1000)),
    "RandomForestClassifier": prepared(RandomForestClassifier(random_state=0)),
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier(random_state=0),
    "tabular_pipeline()": tabular_pipeline(ReLULogisticClassifier(random_state=0)),
    "tabular_pipeline(...CV())": tabular_pipeline(
        ReLULogisticClassifierCV(random_state=0)
    ),
}

# %%
# Each person's probability comes from a model that has not seen this person, by five
# folds. The log-loss measures the probabilities; lower is better. Its unit is the nat,
# of the natural logarithm. The seconds are those of one fit.
# ``ReLULogisticClassifierCV`` tunes the penalty more thoroughly.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
predicted = {}
print(f"{'':32}log-loss  area under curve  accuracy  seconds")
for label, model in models.items():
    table = with_categories if label.startswith("Hist") else X
    start = time.perf_counter()
    p = cross_val_predict(model, table, y, cv=folds, method="predict_proba")[:, 1]
    seconds = (time.perf_counter() - start) / 5
    predicted[label] = p
    print(
        f"{label:32}{log_loss(died, p):8.3f}{roc_auc_score(died, p):18.3f}"
        f"{accuracy_score(died, p > 0.5):10.3f}{seconds:9.1f}"
    )

# %%
# Are the probabilities right?
# ----------------------------
# We sort the people by probability into five groups of equal size. For each group we
# compare the mean probability with the share that died.

print(f"{'':32}{'from the lowest fifth to the highest':>40}")
for label in ("HistGradientBoostingClassifier", "tabular_pipeline()"):
    p = predicted[label]
    groups = np.array_split(np.argsort(p), 5)
    for what, values in (("predicted", p), ("died", died)):
        shares = "".join(f"{values[group].mean():8.1%}" for group in groups)
        print(f"{label if what == 'predicted' else '':32}{what:>10}{shares}")

# %%
# Why this probability?
# ---------------------
# Each prediction is exactly a sum over the columns of the table: what each adds to the
# log-odds, compared with the mean of all people.

model = models["tabular_pipeline()"].fit(X, y)
someone = X.iloc[[int(np.argsort(predicted["tabular_pipeline()"])[-100])]]
found = contributions(model, someone)
print(f"probability of death by 1992: {model.predict_proba(someone)[0, 1]:.2f}")
print(found.to_text())
