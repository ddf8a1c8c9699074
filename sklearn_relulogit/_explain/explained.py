"""A classifier behind scalers, explained in terms of the unscaled features."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from .._base import BaseReLULogistic
from .._model.arrays import Matrix
from .._model.parameters import Layers
from .scaling import fold_scaling, scaling_steps


@dataclass(frozen=True)
class ScaledClassifier:
    """A fitted classifier and the steps in front of it, which should be scalers."""

    steps: list[BaseEstimator]
    classifier: BaseReLULogistic

    @property
    def scalers(self) -> list[BaseEstimator]:
        """The single scalers in order; another kind of step raises a TypeError."""
        return [scaler for step in self.steps for scaler in scaling_steps(step)]

    @property
    def first_step(self) -> BaseEstimator:
        """The step that knows the number and the names of the unscaled features."""
        return [*self.scalers, self.classifier][0]

    @property
    def layers(self) -> Layers:
        """The layers of the network, with a first layer for the unscaled features."""
        clf = self.classifier
        (W_T, b), *deeper = zip(clf.coefs_, clf.intercepts_, strict=True)
        W, b = self.fold(W_T.T, b)
        return [(W.T, b), *deeper]

    def fold(
        self, coef: np.ndarray, intercept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and intercepts for the unscaled features."""
        for scaler in reversed(self.scalers):
            coef, intercept = fold_scaling(coef, intercept, scaler)
        return coef, intercept

    def scale(self, X: Matrix) -> Matrix:
        """The input of the classifier."""
        for scaler in self.scalers:
            X = scaler.transform(X)
        return X

    def local_linear(
        self, X: Matrix, *, scaled: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The affine function around each row, of the unscaled or scaled features."""
        function = self.classifier.local_linear(self.scale(X))
        return function if scaled else self.fold(*function)


def split_model(model: BaseEstimator) -> ScaledClassifier:
    """The classifier of a pipeline or search, and the steps in front of it.

    Raises
    ------
    TypeError, NotFittedError
        If there is no fitted classifier at the end.
    """
    if hasattr(model, "best_estimator_"):
        return split_model(model.best_estimator_)
    if isinstance(model, Pipeline):
        *steps, (_, last) = model.steps
        end = split_model(last)
        return replace(end, steps=[step for _, step in steps] + end.steps)
    if not isinstance(model, BaseReLULogistic):
        raise TypeError(
            "The model must be a ReLULogisticClassifier, a Pipeline of "
            f"scalers and one, or a fitted search over these. Got {model!r}."
        )
    return ScaledClassifier([], model.on_host())


def check_feature_names(names: ArrayLike | None, model: ScaledClassifier) -> np.ndarray:
    """The given names of the features; by default those seen in fit, or x0, x1, ..."""
    n_features = model.first_step.n_features_in_
    if names is None:
        default = [f"x{j}" for j in range(n_features)]
        names = getattr(model.first_step, "feature_names_in_", default)
    names = np.asarray(names, dtype=object)
    if names.shape != (n_features,):
        raise ValueError(
            f"feature_names must hold a name for each of the {n_features} features. "
            f"Got an array of shape {names.shape}."
        )
    return names


def class_codes(y: ArrayLike, X: Matrix, classes: np.ndarray) -> np.ndarray:
    """The checked labels of the rows of X, as indices into the classes."""
    labels = column_or_1d(y)
    check_consistent_length(X, labels)
    known = np.isin(labels, classes)
    if not known.all():
        unknown = np.unique(labels[~known]).tolist()
        raise ValueError(
            f"y holds {unknown}, which the model was not fitted to: its classes are "
            f"{classes.tolist()}."
        )
    return np.asarray(np.searchsorted(classes, labels))


def local_linear(model: BaseEstimator, X: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """The affine function that a model is around each row, for its original features.

    :meth:`ReLULogisticClassifier.local_linear` gives it for the scaled features that
    the classifier sees. This function gives it for the features that the pipeline is
    given, in their own units.

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
    return split_model(model).local_linear(X)
