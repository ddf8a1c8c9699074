"""
=====================================
One prediction, explained exactly
=====================================

A network of ReLU units is piecewise affine: around any row it *is* a logistic
regression. ``local_linear`` returns the coefficients of this regression. LIME fits its
coefficients to the model with samples; these are exact. Here: why does the model think
that a tumour of the breast cancer data is malignant, and where does the explanation
hold?
"""

# sphinx_gallery_thumbnail_number = 3

# %%
# A model in a pipeline
# ---------------------
# ``local_linear`` takes the whole pipeline and answers in the units of its features.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    ContributionsDisplay,
    ContributionSummaryDisplay,
    LossCurveDisplay,
    ReLULogisticClassifier,
    linear_regions,
    local_linear,
)

data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target_names[data.target]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
clf = ReLULogisticClassifier((20,), random_state=0)
model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
print(f"Accuracy {model.score(X_test, y_test):.3f}, stopped by {clf.stop_reason_}")

display = LossCurveDisplay.from_estimator(model)
display.ax_.set_title("The fit")

# %%
# The row closest to call
# -----------------------

logit = model.decision_function(X_test)
row = X_test.iloc[[np.argmin(np.abs(logit))]]
coef, intercept = local_linear(model, row)
value = row.to_numpy()[0]
print(f"Probability of {clf.classes_[1]}: {model.predict_proba(row)[0, 1]:.3f}")
print(f"decision_function      {model.decision_function(row)[0]:.12f}")
print(f"coef . x + intercept   {coef[0] @ value + intercept[0]:.12f}")

# %%
# A coefficient is the effect of one more unit, so coefficients of features in different
# units cannot be compared. Contributions can. They are what the features of this row
# add to its log-odds, compared with the mean of the training data.

ContributionsDisplay.from_estimator(model, row, max_columns=8)

# %%
# Where the explanation holds
# ---------------------------
# The coefficients hold within the linear region of the row. They change where a hidden
# unit switches on or off. To see this, we move one feature from its smallest to its
# largest value.

feature = "radius error"
j = X.columns.get_loc(feature)
grid = np.linspace(X[feature].min(), X[feature].max(), 400)
moved = row.loc[row.index.repeat(len(grid))].assign(**{feature: grid})
along = model.decision_function(moved)
tangent = model.decision_function(row)[0] + coef[0, j] * (grid - value[j])
same = np.isclose(local_linear(model, moved)[0], coef, rtol=1e-9).all(axis=1)

_, ax = plt.subplots(layout="constrained")
ax.plot(grid, along, label="model")
ax.plot(grid, tangent, "--", label="its local linear function at the row")
ax.axvspan(*grid[same][[0, -1]], alpha=0.2, label="linear region of the row")
ax.plot(value[j], model.decision_function(row)[0], "ko", label="the row")
ax.set(xlabel=feature, ylabel="Log-odds of malignant", title="Exact inside the region")
ax.legend()

inside = np.abs(along - tangent)[same].max()
print(
    f"Largest deviation inside the region {inside:.1e}, anywhere on the line ", end=""
)
print(f"{np.abs(along - tangent).max():.2f}")

# %%
# Over all rows
# -------------
# The mean absolute contribution of each feature, then the spread of its coefficient. If
# the smallest and the largest are equal, the model is linear in this feature.

ContributionSummaryDisplay.from_estimator(model, X_test, max_columns=8)
regions = linear_regions(model, X_test, y_test)
print(regions)
print(regions.features()[["min", "median", "max", "effect"]].head(8).round(3))

plt.show()
