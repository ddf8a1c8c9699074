"""Scores of networks by scikit-learn's scorers, for folds and for new data."""

import copy
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring, get_scorer
from sklearn.utils import _safe_indexing

from ._classifier import ReLULogisticClassifier
from ._features import Features
from ._fit import set_attributes
from ._optimize.monitors import Watcher
from ._rows.rows import Rows


def scorer_of(estimator: BaseEstimator, scoring: Any) -> Any:
    """The scorer that a parameter ``scoring`` stands for; None is accuracy."""
    # Without a name scikit-learn would take the estimator's own `score`, our caller.
    if scoring is None:
        return get_scorer("accuracy")
    return check_scoring(estimator, scoring)


def with_labels(scorer: Any, classes: np.ndarray) -> Any:
    """The scorer, told about all classes, since the rows of a fold may lack some.

    Otherwise metrics such as the Brier score do not know the class of each column of
    the probabilities. The scorer's own arguments are kept. Scorers that are not
    scikit-learn's are unchanged.
    """
    if not hasattr(scorer, "_score_func"):
        return scorer
    accepted = inspect.signature(scorer._score_func).parameters
    if "labels" not in accepted:
        return scorer
    told = {"labels": classes}
    if "pos_label" in accepted and len(classes) == 2:
        told["pos_label"] = classes[1]
    scorer = copy.copy(scorer)
    scorer._kwargs = told | (scorer._kwargs or {})
    return scorer


class Undefined(Watcher):
    """Warns once about folds in which a score is not defined."""

    def __init__(self, scoring: Any) -> None:
        self.scoring = scoring
        self._known: set[int] = set()

    def end(
        self, alpha: float, values: np.ndarray, mean: float, theta: np.ndarray
    ) -> bool:
        """Warn if a fold has no score and there was no warning about it yet."""
        new = sorted({*np.flatnonzero(np.isnan(values)).tolist()} - self._known)
        if not new:
            return False
        self._known.update(new)
        folds = ("fold " if len(new) == 1 else "folds ") + ", ".join(map(str, new))
        warnings.warn(
            f"The score {self.scoring} is not defined (nan) in {folds} at "
            f"alpha={alpha:.3g}. A fold without a score for any penalty is left out, "
            "and a penalty without the score of another fold is not chosen.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return False


@dataclass(frozen=True)
class Scorer:
    """A scikit-learn scorer, called with parameters of a network and test rows.

    Attributes
    ----------
    scorer : callable
    X, y : array-like or data frame
        All rows and their labels, in the form that the scorer gets.
    rows : Rows
    features : Features
    params : dict
        Other arguments of the scorer. Arrays with a value for each row are cut to the
        test rows.
    """

    scorer: Callable[..., float]
    X: Any
    y: Any
    rows: Rows
    features: Features
    params: dict[str, Any]

    def __call__(self, theta: np.ndarray, test: np.ndarray) -> float:
        shapes = self.features.scale.shapes
        estimator = ReLULogisticClassifier([m for _, m in shapes[:-1]])
        set_attributes(estimator, self.features.attributes(self.rows, theta))
        estimator.n_features_in_ = shapes[0][0]
        if self.rows.feature_names is not None:
            estimator.feature_names_in_ = self.rows.feature_names
        n_rows = self.rows.X.shape[0]
        params = {
            name: _safe_indexing(value, test) if _has_length(value, n_rows) else value
            for name, value in self.params.items()
            if value is not None
        }
        X, y = (_safe_indexing(array, test) for array in (self.X, self.y))
        return float(self.scorer(estimator, X, y, **params))


def _has_length(value: Any, n: int) -> bool:
    """Whether an object has one value for each of n rows."""
    if np.ndim(value) == 0 or isinstance(value, str | dict):
        return False
    return bool((value.shape[0] if hasattr(value, "shape") else len(value)) == n)
