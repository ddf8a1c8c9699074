"""A classifier behind scalers, explained by the features that the scalers are given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from .._base import BaseReLULogistic, check_has_network
from .._model.arrays import Matrix
from .._model.parameters import Layers
from .scaling import fold_scaling, scaling_steps


@dataclass(frozen=True)
class Explained:
    """The scalers and the classifier that a model consists of.

    ``outermost`` is the first of them: it knows the number and the names of the
    features that the model is given.
    """

    outermost: Any
    scalers: list[Any]
    classifier: BaseReLULogistic

    @property
    def feature_names(self) -> np.ndarray:
        """Those of the fit, or x0, x1, ... as in scikit-learn."""
        names = getattr(self.outermost, "feature_names_in_", None)
        if names is None:
            names = [f"x{j}" for j in range(self.outermost.n_features_in_)]
        return np.asarray(names, dtype=object)

    @property
    def layers(self) -> Layers:
        """The layers, the first one taking the features as they are before scaling."""
        clf = self.classifier
        (W_T, b), *others = zip(clf.coefs_, clf.intercepts_, strict=True)
        W, b = self.fold(W_T.T, b)
        return [(W.T, b), *others]

    def fold(
        self, coef: np.ndarray, intercept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients by the features before scaling."""
        for scaler in reversed(self.scalers):
            coef, intercept = fold_scaling(coef, intercept, scaler)
        return coef, intercept

    def scale(self, X: Any) -> Matrix:
        """X as the classifier sees it."""
        for scaler in self.scalers:
            X = scaler.transform(X)
        return X

    def local_coefficients(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """`local_linear` by the features before scaling."""
        return self.fold(*self.classifier.local_linear(self.scale(X)))


def explained(model: Any) -> Explained:
    """A classifier, a pipeline of scalers and one, or a search over these, taken apart.

    Raises
    ------
    TypeError
        If it is anything else.

    NotFittedError
        Before `fit`.
    """
    if hasattr(model, "best_estimator_"):
        return explained(model.best_estimator_)
    if isinstance(model, Pipeline):
        *before, (_, last) = model.steps
        scalers = [scaler for _, step in before for scaler in scaling_steps(step)]
        inner = explained(last)
        outermost = scalers[0] if scalers else inner.outermost
        return Explained(outermost, scalers + inner.scalers, inner.classifier)
    if not isinstance(model, BaseReLULogistic):
        raise TypeError(
            "The model to explain must be a ReLULogisticClassifier, a Pipeline of "
            "scalers and one, or a fitted search over these. Got "
            f"{model!r}."
        )
    check_has_network(model)
    return Explained(model, [], model.on_host())


def checked_feature_names(given: Any, parts: Explained) -> np.ndarray:
    """The given names of the features, or those of the model."""
    if given is None:
        return parts.feature_names
    names = np.asarray(given, dtype=object)
    n_features = parts.outermost.n_features_in_
    if names.shape != (n_features,):
        raise ValueError(
            f"feature_names must hold a name for each of the {n_features} features. "
            f"Got an array of shape {names.shape}."
        )
    return names


def class_codes(y: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Labels as indices into the classes."""
    y = column_or_1d(y)
    check_consistent_length(X, y)
    known = np.isin(y, classes)
    if not known.all():
        raise ValueError(
            f"y holds {np.unique(y[~known]).tolist()}, which the model was not fitted "
            f"to: its classes are {classes.tolist()}."
        )
    return np.asarray(np.searchsorted(classes, y))


def local_linear(model: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
    """The affine function that a model is around each row, by its original features.

    What :meth:`ReLULogisticClassifier.local_linear` gives for the scaled features
    that the classifier sees, this gives for the features that the pipeline is given,
    in their own units.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier`, or a :class:`~sklearn.pipeline.Pipeline`
        that ends with one and before it only scales (see :func:`fold_scaling`), or a
        fitted search over either, such as
        :class:`~sklearn.model_selection.GridSearchCV`.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to explain, as the model takes them.

    Returns
    -------
    coef : ndarray of shape (n_samples, n_features)
        The change of the log-odds of ``classes_[1]``, in nats, per unit of each
        feature. For more than two classes, of shape (n_samples, n_classes,
        n_features), that of each class's logit.

    intercept : ndarray of shape (n_samples,) or (n_samples, n_classes)
        ``model.decision_function(X)`` is ``(coef * X).sum(axis=-1) + intercept``, for
        dense X and two classes, to rounding.

    Raises
    ------
    TypeError
        If the model is no such estimator or does more than scale.

    ValueError
        If a scaler clips, or X is not what the model takes.

    NotFittedError
        Before `fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, local_linear
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((10,), random_state=0)
    ... ).fit(X, y)
    >>> coef, intercept = local_linear(model, X[:1])
    >>> logit = coef[0] @ X[0] + intercept[0]
    >>> bool(abs(logit - model.decision_function(X[:1])[0]) < 1e-9)
    True
    """
    return explained(model).local_coefficients(X)
