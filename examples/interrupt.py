"""
Ctrl-C keeps the best parameters
================================

Ctrl-C ends a fit. Its best parameters become the fitted attributes. Then
``KeyboardInterrupt`` is raised again, so that a search or a script stops at once.
``verbose`` shows the progress. During the search of ``alpha="auto"`` there are no
parameters to keep yet, so the classifier stays unchanged.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/interrupt.svg"

# %%
# This fit would take minutes. A timer presses Ctrl-C after a second.

import os
import signal
import threading

from sklearn.datasets import load_digits

from sklearn_relulogit import ReLULogisticClassifier

X, y = load_digits(return_X_y=True)
clf = ReLULogisticClassifier(
    (200, 100), alpha=10.0, tol=0, max_iter=10_000, random_state=0, verbose=1
)
# Programs that a shell starts in the background ignore Ctrl-C otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    clf.fit(X / 16, y)
except KeyboardInterrupt as interrupt:
    print(interrupt)

# %%
# The classifier is fitted.

print(f"{clf.stop_reason_}: accuracy {clf.score(X / 16, y):.3f}")
