"""
Probabilities that you can trust
================================

A probability of 0.7 should be right for seven rows in ten. The penalty decides whether
it is: a network that fits the noise is too sure of itself.
"""

# %%
# Is the digit odd? The images are so noisy that nobody can be sure.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

X, digit = load_digits(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=6, size=X.shape)
y = digit % 2
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)

# %%
# The penalty is chosen by the log-loss, which measures probabilities and not only
# labels.

search = GridSearchCV(
    make_pipeline(StandardScaler(), ReLULogisticClassifier(random_state=0)),
    {"relulogisticclassifier__alpha": [0.1, 1.0, 10.0, 30.0, 100.0]},
    scoring="neg_log_loss",
    cv=3,
).fit(X_train, y_train)
chosen = search.best_params_["relulogisticclassifier__alpha"]

models = {
    "alpha=0.1": ReLULogisticClassifier(alpha=0.1, random_state=0),
    f"alpha={chosen:g}, chosen": ReLULogisticClassifier(alpha=chosen, random_state=0),
    "MLPClassifier": MLPClassifier(max_iter=1000, random_state=0),
}
fig, axes = plt.subplots(1, 3, figsize=(10, 4), sharey=True, layout="constrained")
for ax, (name, clf) in zip(axes, models.items(), strict=True):
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    CalibrationDisplay.from_estimator(model, X_test, y_test, n_bins=8, ax=ax)
    loss = log_loss(y_test, model.predict_proba(X_test))
    ax.get_legend().remove()
    ax.set(title=f"{name}\ntest log-loss {loss:.2f}", xlabel="predicted probability")
axes[0].set(ylabel="share of odd digits")
for ax in axes[1:]:
    ax.set(ylabel="")
plt.show()

# %%
# The first and the last model are too sure: below the diagonal on the right and above
# it on the left. The one in the middle is close to the diagonal.
