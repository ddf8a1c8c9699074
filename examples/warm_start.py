"""
Warm starts that lose nothing
=============================

Several short fits, each continuing from the last, reach about the loss of one long fit.
They also pass on the optimiser's knowledge of the curvature, so this holds even for
fits of one iteration. These evaluate the loss twice as often, since each fit also
evaluates it at its start.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/warm_start.svg"

# %%
# 100 iterations in one fit, in ten and in a hundred.

import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

# Each fit is meant to end by its iteration limit.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
print("Digits: fits x iterations    objective  evaluations")
for n_fits, max_iter in [(1, 100), (10, 10), (100, 1)]:
    clf = ReLULogisticClassifier(
        (30,), alpha=1.0, tol=0, max_iter=max_iter, warm_start=True, random_state=0
    )
    n_evaluations = 0
    for _ in range(n_fits):
        n_evaluations += clf.fit(X, y).n_evaluations_
    print(f"  ours {n_fits:12} x {max_iter:<10}{clf.loss_:9.5f}{n_evaluations:13}")

# %%
# ``MLPClassifier`` begins each fit without this knowledge.

for n_fits, max_iter in [(1, 100), (100, 1)]:
    clf = MLPClassifier(
        (30,),
        solver="lbfgs",
        alpha=1.0,
        max_iter=max_iter,
        warm_start=True,
        random_state=0,
    )
    for _ in range(n_fits):
        clf.fit(X, y)
    print(f"  MLPClassifier {n_fits:3} x {max_iter:<10}{clf.loss_:9.5f}")
