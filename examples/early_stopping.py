"""
Early stopping
==============

A fit may stop when the log-loss of validation data no longer falls. The fit sets these
data aside, or you pass your own. With metadata routing, a pipeline also scales yours.
"""

# %%
# The penalty is far too small here: the training loss goes on falling, but the
# validation loss turns.

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

X, y = load_digits(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=6, size=X.shape)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
X_fit, X_val, y_fit, y_val = train_test_split(
    X_train, y_train, stratify=y_train, random_state=1
)
scaler = StandardScaler().fit(X_fit)
clf = ReLULogisticClassifier((100,), alpha=1e-3, random_state=0)
clf.fit(scaler.transform(X_fit), y_fit, X_val=scaler.transform(X_val), y_val=y_val)

best = int(np.argmin(clf.validation_loss_curve_))
iterations = range(1, clf.n_iter_ + 1)
fig, ax = plt.subplots(layout="constrained")
ax.plot(iterations, clf.loss_curve_, label="training (with penalty)")
ax.plot(iterations, clf.validation_loss_curve_, label="validation")
ax.axvline(best + 1, color="grey", linestyle="--", label="lowest validation loss")
ax.set(xscale="log", yscale="log", xlabel="iteration", ylabel="mean loss, nats")
ax.legend()
plt.show()

# %%
# ``early_stopping`` ends the fit there and keeps the parameters of the best iteration.


def show(name: str, model: sklearn.pipeline.Pipeline) -> None:
    """Print the loss of the test data, and how the fit ended."""
    clf = model[-1]
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"  {name:25}{loss:.4f}  {clf.n_iter_:4} iterations: {clf.stop_reason_}")


print("Noisy digits, alpha=0.001  test log-loss")
for early_stopping in (False, True):
    clf = ReLULogisticClassifier(
        (100,),
        alpha=1e-3,
        early_stopping=early_stopping,
        n_iter_no_change=5,
        random_state=0,
    )
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    show(f"early_stopping={early_stopping}", model)

# %%
# Your own validation data go through the pipeline's scaler by metadata routing.

with sklearn.config_context(enable_metadata_routing=True):
    clf.set_fit_request(X_val=True, y_val=True)
    model = make_pipeline(StandardScaler(), clf, transform_input=["X_val"])
    model.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
show("own validation data", model)
