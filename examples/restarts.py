"""
Local minima, and several starts against them
=============================================

With hidden layers the objective has many minima. ``n_init`` starts from different
initial weights, in parallel, and keeps the best.
"""

# %%
# Two moons and five hidden units: the losses at the ends of ten starts.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay

from sklearn_relulogit import ReLULogisticClassifier

X, y = make_moons(300, noise=0.2, random_state=0)
clf = ReLULogisticClassifier((5,), alpha=0.1, n_init=10, n_jobs=2, random_state=0)
clf.fit(X, y)
print("Final objective of each start:", *(f"{v:.3f}" for v in clf.restart_losses_))
print(f"Kept: {clf.loss_:.3f}, accuracy {clf.score(X, y):.3f}")

# %%
# The first start alone, which is ``n_init=1``, compared with the best.

first = ReLULogisticClassifier((5,), alpha=0.1, random_state=0).fit(X, y)
fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
order = np.argsort(clf.restart_losses_)
axes[0].bar(range(10), clf.restart_losses_[order])
axes[0].set(xlabel="start, in order", ylabel="final objective, nats", xticks=[])
for ax, (title, model) in zip(
    axes[1:], {"first start": first, "best of ten": clf}.items(), strict=True
):
    DecisionBoundaryDisplay.from_estimator(
        model,
        X,
        response_method="predict_proba",
        class_of_interest=1,
        levels=np.linspace(0, 1, 21),
        cmap="RdBu_r",
        alpha=0.8,
        eps=0.3,
        grid_resolution=200,
        ax=ax,
    )
    ax.scatter(*X.T, c=y, cmap="RdBu_r", s=14, edgecolors="white", lw=0.6)
    ax.set(title=f"{title}: {model.loss_:.3f}", xticks=[], yticks=[])
plt.show()
