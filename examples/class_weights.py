"""
Class weights for a rare class
==============================

With class weights the model finds a rare class more often, but its probabilities are
worse.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/class_weights.svg"

# %%
# Is it an eight? One image in ten is, and all are noisy.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

X, digit = load_digits(return_X_y=True)
X = X + np.random.default_rng(0).normal(scale=6, size=X.shape)
y = np.where(digit == 8, "eight", "other")
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(f"Share of eights: {np.mean(y == 'eight'):.3f}")

# %%
# Without weights the probabilities are best, but most eights are missed. "balanced" or
# your own dict finds more of them.

print("class_weight             recall of eight  log-loss")
for class_weight in (None, "balanced", {"eight": 3.0, "other": 1.0}):
    clf = ReLULogisticClassifier(
        (20,), alpha=20, class_weight=class_weight, random_state=0
    )
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    recall = recall_score(y_test, model.predict(X_test), pos_label="eight")
    loss = log_loss(y_test, model.predict_proba(X_test))
    name = str(class_weight).replace("'", "")
    print(f"  {name:25}{recall:12.3f}{loss:11.4f}")
