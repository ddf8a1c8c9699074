"""
=====================================
scikit-learn's inspection tools
=====================================

All of ``sklearn.inspection`` works with this classifier: permutation importance,
partial dependence with the curves of single rows, and the decision boundary on a grid.
We compare each with the exact local coefficients.
"""

# %%
# Permutation importance
# ----------------------
# How much worse the log-loss of unseen data becomes when a feature is shuffled.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris, load_wine
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    permutation_importance,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    LinearRegionsDisplay,
    ReLULogisticClassifier,
    linear_regions,
)

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(
    StandardScaler(), ReLULogisticClassifier((20,), alpha=1.0, random_state=0)
).fit(X_train, y_train)

importance = permutation_importance(
    model, X_test, y_test, scoring="neg_log_loss", n_repeats=20, random_state=0
)
order = np.argsort(importance.importances_mean)[-8:]
_, ax = plt.subplots(layout="constrained")
ax.boxplot(
    importance.importances[order].T,
    orientation="horizontal",
    tick_labels=X.columns[order],
)
ax.axvline(0, color="grey", linewidth=0.8)
ax.set(xlabel="Rise of the log-loss (nats)", title="Permutation importance")

# %%
# The effect of a standard deviation is ``abs(coef) * std``, averaged over the rows. It
# needs no shuffling and no labels. It shows what the model responds to, right or wrong.

effects = linear_regions(model, X_test).features()["effect"]
print(f"{'':32}rise of log-loss   effect on the class logits")
for j in order[::-1]:
    name = X.columns[j]
    of_classes = effects.xs(name, level="feature").round(2).tolist()
    print(f"{name:32}{importance.importances_mean[j]:16.4f}   {of_classes}")

# %%
# Partial dependence
# ------------------
# The mean prediction as one feature moves, and the curves of single rows. Curves of the
# logit would have straight pieces; these are curves of probabilities.

features = ["proline", "flavanoids"]
_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
PartialDependenceDisplay.from_estimator(
    model,
    X_train.astype(float),
    features,
    target=0,
    kind="both",
    subsample=40,
    random_state=0,
    ax=axes,
)
axes[0].figure.suptitle("Partial dependence of the probability of class 0")

# %%
# Decision boundary
# -----------------
# ``DecisionBoundaryDisplay`` evaluates any classifier on a grid.
# ``LinearRegionsDisplay`` draws the boundary of this one exactly, region by region.

X, y = load_iris(return_X_y=True, as_frame=True)
X = X[["petal length (cm)", "petal width (cm)"]]
model = make_pipeline(
    StandardScaler(), ReLULogisticClassifier((8,), alpha=0.3, random_state=0)
).fit(X, y)
_, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
DecisionBoundaryDisplay.from_estimator(
    model,
    X,
    response_method="predict",
    eps=0.3,
    multiclass_colors=["C0", "C1", "C2"],
    alpha=0.4,
    ax=axes[0],
)
colors = np.array(["C0", "C1", "C2"])[y]
axes[0].scatter(*X.to_numpy().T, c=colors, edgecolors="black", linewidths=0.4, s=16)
LinearRegionsDisplay.from_estimator(model, X, y, ax=axes[1])
axes[0].set(title="On a grid", xlim=axes[1].get_xlim(), ylim=axes[1].get_ylim())
print(f"Iris by two features: accuracy {model.score(X, y):.3f}")

plt.show()
