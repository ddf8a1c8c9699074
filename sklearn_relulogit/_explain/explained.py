"""A fitted model as a classifier and the steps in front of it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._base import BaseReLULogistic
from .._model.arrays import Matrix
from .._model.parameters import Layers
from .columns import (
    CONSTANT,
    ColumnsMixed,
    column_of_output,
    compose,
    is_declared,
    is_left_out,
)
from .frames import (
    Table,
    as_table,
    column,
    column_names,
    numbers,
    take_rows,
    with_columns_of,
)
from .scaling import fold_scaling, scaling_steps
from .slopes import SlopeUnknown, through

WRAPPERS = (
    CalibratedClassifierCV,
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)

# Rows by which it is checked that a step does treat its columns one by one.
CHECKED_ROWS = 20


@dataclass(frozen=True)
class ExplainedModel:
    """A fitted classifier and the steps in front of it, with their names."""

    steps: list[tuple[str, BaseEstimator]]
    classifier: BaseReLULogistic

    @property
    def scalers(self) -> list[BaseEstimator]:
        """The single scalers in order; another kind of step raises a TypeError."""
        return [scaler for _, step in self.steps for scaler in scaling_steps(step)]

    @property
    def first_step(self) -> BaseEstimator:
        """The step that knows the number and the names of the user's columns."""
        return [*(step for _, step in self.steps), self.classifier][0]

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

    def transform(self, X: Table) -> Table:
        """The input of the classifier."""
        for _, step in self.steps:
            X = step.transform(X)
        return X

    def columns(self, X: Table) -> list[str]:
        """The names of the user's columns: of the fit, or of X, or x0, x1, ..."""
        first = self.first_step
        known = getattr(first, "feature_names_in_", None)
        if known is None:
            known = column_names(X)
        if known is None:
            n_columns = getattr(first, "n_features_in_", X.shape[1])
            known = [f"x{j}" for j in range(n_columns)]
        return [str(name) for name in known]

    def column_of_feature(self, n_columns: int, widths: list[int]) -> np.ndarray:
        """The user's column that each feature of the classifier is made of.

        ``widths`` are the numbers of columns that the steps make.

        Raises
        ------
        TypeError
            If a step mixes columns.
        """
        columns = np.arange(n_columns)
        for i, ((name, step), width) in enumerate(zip(self.steps, widths, strict=True)):
            try:
                made_of = column_of_output(step, len(columns), width)
            except ColumnsMixed as mixed:
                raise TypeError(_mixed_message(i, name, step, mixed)) from mixed
            columns = compose(columns, made_of)
        return columns

    def encode(self, X: Table) -> "Encoding":
        """The features that the classifier sees, and of which columns they are made.

        Raises
        ------
        TypeError
            If a step mixes columns.
        """
        Z, widths = X, []
        for _, step in self.steps:
            Z = step.transform(Z)
            widths.append(Z.shape[1])
        n_columns = getattr(self.first_step, "n_features_in_", X.shape[1])
        columns = self.column_of_feature(n_columns, widths)
        if X.shape[1] == n_columns and any(is_declared(step) for _, step in self.steps):
            self._check_columns(X, columns)
        return Encoding(Z, columns, n_columns)

    def _check_columns(self, X: Table, columns: np.ndarray) -> None:
        """Raise a TypeError if features depend on other columns than is declared.

        Rows with some of their columns exchanged must have the same features
        exchanged. For any two columns there is a set with one of them only.
        """
        A = take_rows(X, slice(0, CHECKED_ROWS))
        n_rows, n_columns = A.shape
        if n_rows < 2:
            return
        B = take_rows(A, np.roll(np.arange(n_rows), 1))
        Z_A, Z_B = dense(self.transform(A)), dense(self.transform(B))
        for bit in range(max(n_columns - 1, 0).bit_length()):
            exchanged = np.arange(n_columns) >> bit & 1 == 1
            taken = with_columns_of(A, B, np.flatnonzero(exchanged))
            expected = np.where(exchanged[columns], Z_B, Z_A)
            same = np.isclose(
                dense(self.transform(taken)), expected, rtol=1e-6, equal_nan=True
            )
            same[:, columns == CONSTANT] = True
            if not same.all():
                raise TypeError(
                    "Explain what comes behind the steps that mix columns. One of "
                    f"{[name for name, _ in self.steps]} is declared to treat its "
                    "columns one by one (column_of_output_, or "
                    "feature_names_out='one-to-one'), but its output number "
                    f"{np.argmin(same.all(axis=0))} depends on other columns as well."
                )

    @property
    def only_scales(self) -> bool:
        """Whether all steps are scalers that are affine in the whole."""
        try:
            return self.scalers is not None
        except NotFittedError:
            raise
        except (TypeError, ValueError):
            return False

    def scale(self, X: Matrix) -> Matrix:
        """The input of the classifier behind scalers alone."""
        for scaler in self.scalers:
            X = scaler.transform(X)
        return X

    def local_linear(
        self, X: Table, *, scaled: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The affine function around each row, of the user's columns or the features.

        Raises
        ------
        TypeError
            If a step mixes columns, or its slope is not known.
        """
        if scaled:
            X = self.transform(X)
        if scaled or self.only_scales:
            function = self.classifier.local_linear(X if scaled else self.scale(X))
            return function if scaled else self.fold(*function)
        encoding = self.encode(as_table(X))
        coef, intercept = self.classifier.local_linear(encoding.features)
        return encoding.by_pieces(coef, intercept, self.pieces(as_table(X), encoding))

    def pieces(self, X: Table, encoding: "Encoding") -> "Pieces":
        """The affine functions of the columns that the features are around each row."""
        try:
            _, slope = through([step for _, step in self.steps], X)
        except SlopeUnknown as unknown:
            (step,) = unknown.args
            raise TypeError(
                "Use contributions(model, X), which needs no slopes: that of "
                f"{step!r} is not known. A transformer can tell it by a method "
                "local_linear(X) that returns slopes and intercepts, both (n_rows, "
                "n_outputs)."
            ) from None
        Z = dense(encoding.features)
        slope = np.broadcast_to(slope, Z.shape)
        names = self.columns(X)
        values = np.zeros((X.shape[0], encoding.n_columns))
        for j in np.unique(encoding.column_of_feature[(slope != 0).any(axis=0)]):
            of_column = numbers(column(X, j, names[j]))
            values[:, j] = np.nan if of_column is None else of_column
        x = np.where(slope != 0, values[:, encoding.column_of_feature], 0.0)
        return Pieces(slope, Z - slope * x)


@dataclass(frozen=True)
class Pieces:
    """Features as affine functions of the columns that they are made of.

    Feature k of row i is ``slope[i, k] * x + shift[i, k]``, where x is its column.
    """

    slope: np.ndarray
    shift: np.ndarray

    def take(self, rows: np.ndarray) -> "Pieces":
        """Those of some rows."""
        return Pieces(self.slope[rows], self.shift[rows])


@dataclass(frozen=True)
class Encoding:
    """Rows as the classifier sees them.

    Attributes
    ----------
    features : table of shape (n_samples, n_features)
    column_of_feature : ndarray of shape (n_features,)
        The user's column that each feature is made of, -1 for a constant.
    n_columns : int
    """

    features: Table
    column_of_feature: np.ndarray
    n_columns: int

    @cached_property
    def _sums(self) -> csr_array:
        made = np.flatnonzero(self.column_of_feature != CONSTANT)
        return csr_array(
            (np.ones(len(made)), (made, self.column_of_feature[made])),
            shape=(len(self.column_of_feature), self.n_columns),
        )

    def by_pieces(
        self, coef: np.ndarray, intercept: np.ndarray, pieces: Pieces
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and intercepts for the columns, from those for the features."""
        slope, shift = pieces.slope, pieces.shift
        if coef.ndim == 3:
            slope, shift = slope[:, np.newaxis], shift[:, np.newaxis]
        folded = self.by_column(coef * slope)
        shifted = intercept + (coef * shift).sum(axis=-1)
        return folded.astype(coef.dtype), shifted.astype(intercept.dtype)

    def by_column(self, terms: np.ndarray) -> np.ndarray:
        """Terms of the features, (..., n_features), added up to (..., n_columns)."""
        shape = (*terms.shape[:-1], self.n_columns)
        if np.array_equal(self.column_of_feature, np.arange(self.n_columns)):
            return terms
        sums = terms.reshape(-1, terms.shape[-1]) @ self._sums
        return np.asarray(sums).reshape(shape)


def dense(Z: Table) -> np.ndarray:
    """Features as an array of floats."""
    Z = np.asarray(Z.toarray() if issparse(Z) else Z)
    return np.asarray(Z, dtype=None if Z.dtype.kind == "f" else np.float64)


def _mixed_message(i: int, name: str, step: BaseEstimator, mixed: ColumnsMixed) -> str:
    kind = type(mixed.step).__name__
    which = f"a {kind} in it" if mixed.step is not step else f"the {kind}"
    return (
        f"Explain what comes behind step {name!r}: contributions(pipeline[{i + 1}:], "
        f"pipeline[:{i + 1}].transform(X)). Its outputs cannot be told to be of one "
        f"column each: {which} {mixed.reason}. If it does treat its columns one by "
        "one, give it one column at a time in a ColumnTransformer, or an attribute "
        "column_of_output_ with the index of the column that each of its outputs is "
        "made of."
    )


def split_model(
    model: BaseEstimator, *, same_predictions: bool = False
) -> ExplainedModel:
    """The classifier of a pipeline, search or wrapper, and the steps in front of it.

    With ``same_predictions``, calibrations and thresholds are refused: the classifier
    in them predicts otherwise than they do.

    Raises
    ------
    TypeError, NotFittedError
        If there is no fitted classifier at the end.
    """
    if hasattr(model, "best_estimator_"):
        return split_model(model.best_estimator_, same_predictions=same_predictions)
    if isinstance(model, FrozenEstimator):
        return split_model(model.estimator, same_predictions=same_predictions)
    if isinstance(model, Pipeline):
        *steps, (_, last) = model.steps
        end = split_model(last, same_predictions=same_predictions)
        kept = [(name, step) for name, step in steps if not is_left_out(step)]
        return replace(end, steps=kept + end.steps)
    if isinstance(model, WRAPPERS) and not same_predictions:
        check_is_fitted(model)
        return split_model(_within(model))
    if not isinstance(model, BaseReLULogistic):
        wrappers = "" if same_predictions else ", calibration or threshold"
        raise TypeError(
            "The model must be a ReLULogisticClassifier, a Pipeline that ends with "
            f"one, or a fitted search{wrappers} of these. Got "
            f"{type(model).__name__}."
        )
    return ExplainedModel([], model.on_host())


def _within(model: BaseEstimator) -> BaseEstimator:
    """The one estimator whose predictions a calibration or threshold goes by."""
    if not isinstance(model, CalibratedClassifierCV):
        return model.estimator_
    calibrated = model.calibrated_classifiers_
    if len(calibrated) > 1:
        raise TypeError(
            "Explain one of the networks: model.calibrated_classifiers_[0].estimator. "
            f"This {type(model).__name__} is the mean of {len(calibrated)}; with "
            "ensemble=False, or of a FrozenEstimator, it has one."
        )
    return calibrated[0].estimator


def check_feature_names(names: ArrayLike | None, model: ExplainedModel) -> np.ndarray:
    """The given names of the features; by default those seen in fit, or x0, x1, ..."""
    first = model.first_step
    n_features = int(
        getattr(first, "n_features_in_", None) or model.classifier.n_features_in_
    )
    if names is None:
        default = [f"x{j}" for j in range(n_features)]
        names = getattr(first, "feature_names_in_", default)
    names = np.asarray(names, dtype=object)
    if names.shape != (n_features,):
        raise ValueError(
            f"feature_names must hold a name for each of the {n_features} features. "
            f"Got an array of shape {names.shape}."
        )
    return names


def check_scaled_names(names: ArrayLike | None, model: ExplainedModel) -> np.ndarray:
    """Names of the features that the classifier sees: given, or made by the steps."""
    clf = model.classifier
    if names is None and not model.only_scales:
        names = getattr(clf, "feature_names_in_", None)
        if names is None:
            try:
                names = Pipeline(model.steps).get_feature_names_out()
            except (AttributeError, ValueError):
                names = [f"x{j}" for j in range(clf.n_features_in_)]
    if names is None:
        return check_feature_names(None, model)
    names = np.asarray(names, dtype=object)
    if names.shape != (clf.n_features_in_,):
        raise ValueError(
            f"feature_names must hold a name for each of the {clf.n_features_in_} "
            f"features that the classifier sees. Got an array of shape {names.shape}."
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


def output_of_class(
    classes: np.ndarray, class_label: float | str | None
) -> tuple[int, str]:
    """The index and the name of the output that explains a class."""
    if len(classes) == 2:
        if class_label is not None and class_label != classes[1]:
            raise ValueError(
                f"class_label must be {classes[1]!r} or None for two classes: the "
                f"log-odds of {classes[0]!r} are the same with the other sign. Got "
                f"{class_label!r}."
            )
        return 0, f"log-odds of {classes[1]}"
    known = classes.tolist()
    if class_label not in known:
        raise ValueError(
            f"class_label must be one of {known} to say whose logit to explain. Got "
            f"{class_label!r}."
        )
    return known.index(class_label), f"logit of {class_label}"


def local_linear(model: BaseEstimator, X: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """The affine function that a model is around each row, for its original features.

    :meth:`ReLULogisticClassifier.local_linear` gives it for the features that the
    classifier sees. This function gives it for the features that the pipeline is
    given, in their own units.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier`, a :class:`~sklearn.pipeline.Pipeline`
        that ends with one and whose steps treat columns one by one, or a fitted search,
        threshold or calibration of either, such as
        :class:`~sklearn.model_selection.GridSearchCV`.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to explain, as the model takes them.

    Returns
    -------
    coef : ndarray of shape (n_samples, n_features)
        The change of the log-odds of ``classes_[1]``, in nats, per unit of each
        feature. For more than two classes, of shape (n_samples, n_classes,
        n_features), that of each class's logit. 0 where a feature is missing, clipped
        or no number: what it contributes is then part of the intercept.

    intercept : ndarray of shape (n_samples,) or (n_samples, n_classes)
        ``model.decision_function(X)`` is ``(coef * X).sum(axis=-1) + intercept``, for
        dense X and two classes, to rounding.

    Raises
    ------
    TypeError
        If the model is no such estimator, a step mixes columns, or the slope of a step
        is not known.

    ValueError
        If X is not what the model takes.

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
