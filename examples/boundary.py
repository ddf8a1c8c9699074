"""
From a straight boundary to a bent one
======================================

Logistic regression draws one straight line between two classes. Each ReLU unit of a
hidden layer adds a line at which the boundary may bend. The penalty decides how far.
"""

# %%
# Two half moons, with noise. The colours show the probability of the second class, on
# data that the models have not seen. On the line it is one half.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

X, y = make_moons(800, noise=0.25, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)


def draw(ax: plt.Axes, title: str, clf: ReLULogisticClassifier) -> None:
    """Fit to the training data, and draw probabilities and test data."""
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    for method, style in [
        ("contourf", {"levels": np.linspace(0, 1, 21), "cmap": "RdBu_r", "alpha": 0.8}),
        ("contour", {"levels": [0.5], "colors": "black"}),
    ]:
        DecisionBoundaryDisplay.from_estimator(
            model,
            X,
            response_method="predict_proba",
            class_of_interest=1,
            plot_method=method,
            grid_resolution=200,
            eps=0.3,
            ax=ax,
            **style,
        )
    ax.scatter(*X_test.T, c=y_test, cmap="RdBu_r", s=14, edgecolors="white", lw=0.6)
    loss = log_loss(y_test, model.predict_proba(X_test))
    ax.set(title=f"{title}\ntest log-loss {loss:.3f}", xticks=[], yticks=[])


fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, hidden in zip(axes, [(), (3,), (100,)], strict=True):
    clf = ReLULogisticClassifier(hidden, alpha=1.0, n_init=3, random_state=0)
    draw(ax, f"hidden_layer_sizes={hidden}", clf)
plt.show()

# %%
# A stronger penalty means less bending: with a hundred units, from almost no penalty to
# one that leaves little more than a line.

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, alpha in zip(axes, [0.01, 1.0, 100.0], strict=True):
    # With a weak penalty, weights grow for a long time.
    clf = ReLULogisticClassifier(alpha=alpha, max_iter=5000, random_state=0)
    draw(ax, f"alpha={alpha:g}", clf)
plt.show()
