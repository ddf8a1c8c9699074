"""
Ctrl-C keeps what there is
==========================

Ctrl-C ends a fit and keeps its best parameters; ``verbose`` shows how far it is. Within
the search of ``alpha="auto"`` these are those of one half of the rows, at the best
penalty so far. A second Ctrl-C ends the program at once, and leaves the classifier as
it was.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/interrupt.svg"

# %%
# A fit that would take minutes. Here a timer presses the keys after a second.

import os
import signal
import threading
import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier

X, y = load_digits(return_X_y=True)
clf = ReLULogisticClassifier(
    (200, 100), alpha=10.0, tol=0, max_iter=10_000, random_state=0, verbose=1
)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
with warnings.catch_warnings(record=True) as record:
    warnings.simplefilter("always", ConvergenceWarning)
    clf.fit(X / 16, y)

# %%
# A warning says so, and the classifier is fitted.

print(record[0].message)
print(f"{clf.stop_reason_}: accuracy {clf.score(X / 16, y):.3f}")
