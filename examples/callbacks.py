"""
Callbacks: progress, scores, and one that stops
===============================================

scikit-learn's callbacks (1.9 and newer) watch each iteration of a fit, and each penalty
that ``alpha="auto"`` tries before it. They work in a classifier alone, in a pipeline
and in a search. They may stop the fit or the search for the penalty.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/callbacks.svg"

# %%
# Your own callback is a class with these four methods. ``on_fit_task_end`` returns True
# to stop at the end of an iteration. At the end of a penalty
# (``context.task_name == "penalty"``) True means that the best penalty so far is good
# enough. The fitted estimator is then that of one half of the rows.

from typing import Any

from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier


class StopWhenRight:
    """Stops a fit once nearly all of its training data are classified correctly."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        X: Any = None,
        y: Any = None,
        fitted_estimator: Any = None,
    ) -> bool:
        """Whether to stop the fit. The search is never stopped."""
        if context.task_name != "lbfgs-iter" or fitted_estimator is None:
            return False
        return fitted_estimator.score(X, y) > 0.985


# %%
# A progress bar, the scores after each iteration, and the callback above.

X, y = load_breast_cancer(return_X_y=True)
X_scaled = StandardScaler().fit_transform(X)

monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
clf = ReLULogisticClassifier((20,), random_state=0)
clf.set_callbacks(ProgressBar(), monitor, StopWhenRight()).fit(X_scaled, y)
print(f"Stopped after {clf.n_iter_} iterations: {clf.stop_reason_}")
for row in monitor.get_logs().data:
    if row["task_name"] in ("penalty", "lbfgs-iter"):
        print(
            f"  {row['task_name']} {row['task_id'] + 1}: "
            f"accuracy {row['accuracy']:.3f}, log-loss {-row['neg_log_loss']:.3f}"
        )

# %%
# The same progress bar for a whole search.

clf = ReLULogisticClassifier((20,), random_state=0)
pipeline = make_pipeline(StandardScaler(), clf)
grid = {"relulogisticclassifier__alpha": [1.0, 10.0]}
search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=3)
search.set_callbacks(ProgressBar()).fit(X, y)
print(f"Best: {search.best_params_}, log-loss {-search.best_score_:.4f}")
