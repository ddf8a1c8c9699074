"""
=====================================
The linear regions of a network
=====================================

All rows at which the same hidden units are active share one linear region, with one
logistic regression. With a few units you can read the regions like a table. Over two
features you can see them.
"""

# %%
# Over two features
# -----------------
# The regions are polygons. We find them exactly: each unit cuts the plane along the
# line where it switches. In each region the decision boundary is straight. More units
# make more regions.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_wine, make_moons
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    LinearRegionsDisplay,
    ReLULogisticClassifier,
    linear_regions,
)

X, y = make_moons(300, noise=0.2, random_state=0)
_, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained", sharey=True)
for ax, (hidden, alpha) in zip(
    axes, [((6,), 0.1), ((30,), 0.1), ((8, 8), 0.1)], strict=True
):
    clf = ReLULogisticClassifier(hidden, alpha=alpha, random_state=0).fit(X, y)
    display = LinearRegionsDisplay.from_estimator(clf, X, y, ax=ax)
    n_regions = len(display.regions)
    ax.set_title(f"hidden layers {hidden}: {n_regions} regions")
    ax.get_legend().set(visible=ax is axes[0])
    print(
        f"hidden layers {hidden}: {n_regions} regions, accuracy {clf.score(X, y):.3f}"
    )

# %%
# Three classes, two of thirteen features
# ---------------------------------------
# The other features are fixed at their medians. The scaler is folded back, so the axes
# are in the units of the data.

X, y = load_wine(return_X_y=True, as_frame=True)
model = make_pipeline(
    StandardScaler(), ReLULogisticClassifier((4,), alpha=1.0, random_state=0)
).fit(X, y)
LinearRegionsDisplay.from_estimator(model, X, y, features=("proline", "flavanoids"))

# %%
# As a table
# ----------
# The table shows for each region the number of rows, the predictions, the outcomes and
# the features with the largest effects.

pd.set_option("display.width", 120, "display.max_columns", 12)
regions = linear_regions(model, X, y)
print(regions)
print(regions.summary(n_regions=3, n_features=2).round(3))

# %%
# With hundreds of units nearly every row has its own region. Then the spread of the
# coefficients over the rows is more informative.

large = make_pipeline(StandardScaler(), ReLULogisticClassifier((100,), random_state=0))
regions = linear_regions(large.fit(X, y), X, y)
print(regions)
print(regions.features().loc[0].head(5).round(4))

plt.show()
