"""
More than two classes
=====================

Ten classes by softmax, and the coefficients of the model without hidden layers.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/multiclass.svg"

# %%
# Handwritten digits, without and with hidden layers.

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print("Digits                 log-loss  accuracy")
for hidden in [(), (50,), (50, 50)]:
    clf = ReLULogisticClassifier(hidden, random_state=0)
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"  {hidden!s:20}{loss:9.4f}{model.score(X_test, y_test):10.4f}")

# %%
# One logit for each class; their differences are log-odds.

print(np.round(model.decision_function(X_test[:1]), 1)[0])

# %%
# Without hidden layers there are ``coef_`` and ``intercept_``, as in
# ``LogisticRegression``.

data = load_iris()
model = make_pipeline(StandardScaler(), ReLULogisticClassifier((), alpha=1.0))
model.fit(data.data, data.target_names[data.target])
linear = model[-1]
print(f"Iris, coef_ and intercept_ ({linear.out_activation_})")
for label, coef, intercept in zip(
    linear.classes_, linear.coef_, linear.intercept_, strict=True
):
    print(f"  {label:12}{np.round(coef, 2)}  {intercept:.2f}")
