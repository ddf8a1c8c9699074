"""A fitted model as a network, into which the steps in front of it are folded.

Explanations and exports read a model only here. Contributions need the features of the
network, and the column that each is made of. Local coefficients, linear regions and
exports need the features as piecewise affine functions of the columns. With these the
pipeline is one network of the user's columns.
"""

import copy
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._base import BaseReLULogistic
from .._model.arrays import Matrix, is_torch_array, to_numpy
from .._model.parameters import Layers
from .._rows.input import check_data
from .._tables.outputs import (
    CONSTANT,
    ColumnsMixed,
    column_of_output,
    compose,
    is_left_out,
    needs_check,
)
from .frames import (
    Table,
    as_one_or_more_rows,
    as_table,
    column_names,
    on_host,
    table_of_numbers,
    take_rows,
    with_columns_of,
)
from .piecewise import NotPiecewise, Piecewise, fold

WRAPPERS = CalibratedClassifierCV, FixedThresholdClassifier, TunedThresholdClassifierCV

# Rows by which it is checked that a step does treat its columns one by one.
CHECKED_ROWS = 20


class Pieces(NamedTuple):
    """Features as affine functions of their columns around each row.

    Feature k of row i is ``slope[i, k] * x + shift[i, k]``, x its column. Rows with the
    same bytes ``key[i]`` have the same functions.
    """

    slope: np.ndarray
    shift: np.ndarray
    key: np.ndarray

    def take(self, rows: np.ndarray) -> "Pieces":
        """Those of some rows."""
        return Pieces(*(array if len(array) == 1 else array[rows] for array in self))


@dataclass(frozen=True)
class Encoded:
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

    def by_column(self, terms: np.ndarray) -> np.ndarray:
        """Terms of the features, (..., n_features), added up to (..., n_columns)."""
        if np.array_equal(self.column_of_feature, np.arange(self.n_columns)):
            return terms
        sums = terms.reshape(-1, terms.shape[-1]) @ self._sums
        return np.asarray(sums).reshape(*terms.shape[:-1], self.n_columns)

    def fold(
        self, coef: np.ndarray, intercept: np.ndarray, pieces: Pieces
    ) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and intercepts for the columns, from those for the features."""
        slope, shift = pieces.slope, pieces.shift
        if coef.ndim == 3:
            slope, shift = slope[:, np.newaxis], shift[:, np.newaxis]
        folded = self.by_column(coef * slope)
        shifted = intercept + (coef * shift).sum(axis=-1)
        return folded.astype(coef.dtype), shifted.astype(intercept.dtype)


@dataclass(frozen=True)
class Network:
    """The network that a fitted model ends in, and the steps in front of it."""

    steps: list[tuple[str, BaseEstimator]]
    classifier: BaseReLULogistic

    @classmethod
    def of(cls, model: BaseEstimator, *, same_predictions: bool = False) -> "Network":
        """The network of a classifier, or of a pipeline, search or wrapper around one.

        With ``same_predictions``, calibrations and thresholds are refused: the network
        in them predicts otherwise than they do.

        Raises
        ------
        TypeError, NotFittedError
            If there is no fitted classifier at the end.
        """
        again = {"same_predictions": same_predictions}
        if hasattr(model, "best_estimator_"):
            return cls.of(model.best_estimator_, **again)
        if isinstance(model, FrozenEstimator):
            return cls.of(model.estimator, **again)
        if isinstance(model, Pipeline):
            *steps, (_, last) = model.steps
            end = cls.of(last, **again)
            kept = [(name, step_on_host(s)) for name, s in steps if not is_left_out(s)]
            return replace(end, steps=kept + end.steps)
        if not same_predictions and isinstance(model, WRAPPERS):
            check_is_fitted(model)
            return cls.of(_within(model))
        if not isinstance(model, BaseReLULogistic):
            raise TypeError(_model_message(model, same_predictions))
        return cls([], model.on_host())

    @property
    def first_step(self) -> BaseEstimator:
        """The step that knows the number and the names of the user's columns."""
        return self.steps[0][1] if self.steps else self.classifier

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

    def transform(self, X: Table) -> Table:
        """The input of the classifier."""
        for _, step in self.steps:
            X = step.transform(X)
        return X

    def features(self, X: Table) -> Matrix:
        """The input of the classifier, checked: float64, dense or CSR."""
        Z = self.transform(X)
        return check_data(self.classifier, Z, dtype=np.float64, reset=False)

    def features_of_reference(self, reference: Any) -> tuple[Table, np.ndarray]:
        """A reference of the user's as a table, and its features, (n_rows, n_features).

        Raises
        ------
        ValueError
            If the model does not take it.
        """
        rows = as_one_or_more_rows(reference, "reference")
        try:
            return rows, dense(self.features(rows))
        except ValueError as refused:
            raise ValueError(
                f"Pass a reference that the model takes, as X: {refused}"
            ) from refused

    def encode(self, X: Table) -> Encoded:
        """The features that the classifier sees, and of which columns they are made.

        Raises
        ------
        TypeError
            If a step mixes columns.
        """
        Z, checked = X, False
        n_columns = getattr(self.first_step, "n_features_in_", X.shape[1])
        columns = np.arange(n_columns)
        for i, (name, step) in enumerate(self.steps):
            Z = step.transform(Z)
            try:
                made_of = column_of_output(step, len(columns), Z.shape[1])
            except ColumnsMixed as mixed:
                raise TypeError(_mixed_message(i, name, step, mixed)) from mixed
            checked |= needs_check(step, len(columns))
            columns = compose(columns, made_of)
        if checked and X.shape[1] == n_columns:
            self._check_columns(X, columns)
        return Encoded(Z, columns, n_columns)

    def _check_columns(self, X: Table, columns: np.ndarray) -> None:
        """Raise a TypeError if features depend on other columns than is known.

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
                    f"{[name for name, _ in self.steps]} should treat its columns one "
                    "by one, by its type, column_of_output_, or "
                    "feature_names_out='one-to-one', but its output number "
                    f"{np.argmin(same.all(axis=0))} depends on other columns as well."
                )

    def piecewise(self, jumps: np.ndarray) -> Piecewise:
        """The features as functions of the columns, of which some hold no numbers.

        Raises
        ------
        NotPiecewise
            If a step is not known to be piecewise affine.
        """
        columns = Piecewise.lines(np.arange(len(jumps)), 1.0 - jumps)
        features = columns._replace(jumps=jumps)
        for _, step in self.steps:
            features = fold(step, features)
        return features

    def functions(self, numbers: np.ndarray) -> Piecewise:
        """The features as functions of the columns, of which some hold only gaps.

        Raises
        ------
        TypeError
            If the slope of a step is not known.
        """
        try:
            return self.piecewise(np.isnan(numbers).all(axis=0))
        except NotPiecewise as unknown:
            raise TypeError(
                "Use contributions(model, X), which needs no slopes: that of "
                f"{unknown.step!r} is not known. Slopes go through scalers, "
                "imputation, PiecewiseLinearEncoder, selections and encoders of "
                "categories, in a Pipeline, ColumnTransformer or FeatureUnion."
            ) from None

    def pieces(self, X: Table, encoded: Encoded) -> Pieces:
        """The affine functions of the columns that the features are around each row.

        Raises
        ------
        TypeError
            If the slope of a step is not known.
        """
        numbers = table_of_numbers(X, self.columns(X))
        f = self.functions(numbers)
        if f.is_affine:
            slope = f.slopes[np.newaxis, :, 0]
            no_key = np.empty((X.shape[0], 0), np.uint8)
            return Pieces(slope, f.value - slope * f.at, no_key)
        x, Z = numbers[:, f.column], dense(encoded.features)
        gap = f.is_gap(x)
        slope = np.where(gap, 0.0, f.slope(x))
        shift = Z - slope * np.where(slope == 0, 0.0, x)
        piece = np.where(gap, -1, f.piece(x))
        key = np.ascontiguousarray(np.hstack([piece, Z[:, f.jumps]]), np.float64)
        return Pieces(slope, shift, key.view(np.uint8))

    def local_linear(self, X: Table) -> tuple[np.ndarray, np.ndarray]:
        """The affine function of the columns around each row.

        Raises
        ------
        TypeError
            If a step mixes columns, or its slope is not known.
        """
        X = as_table(X)
        if not self.steps:
            return self.classifier.local_linear(X)
        encoded = self.encode(X)
        function = self.classifier.local_linear(encoded.features)
        return encoded.fold(*function, self.pieces(X, encoded))

    @property
    def layers(self) -> Layers:
        """The layers (W_l^T, b_l) of the network of the columns, all of them numbers.

        In float64 where a step was folded, since the mean of a feature may be much
        larger than its spread; else in the type of the fit.

        Raises
        ------
        TypeError
            If a step cannot be folded.
        """
        clf = self.classifier
        layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
        if not self.steps:
            return layers
        n_columns = self.n_features
        try:
            f = self.piecewise(np.zeros(n_columns, dtype=bool))
        except (NotPiecewise, ColumnsMixed) as unknown:
            raise TypeError(_unfolded_message(repr(unknown.step))) from None
        of_numbers = ~f.jumps & np.isnan(f.marker)
        if not of_numbers.all():
            names = getattr(self.first_step, "feature_names_in_", np.arange(n_columns))
            others = np.unique(f.column[~of_numbers])
            what = f"the encoding of the columns {np.asarray(names)[others].tolist()}"
            raise TypeError(_unfolded_message(what))
        first, *deeper = [(W_T.astype(float), b.astype(float)) for W_T, b in layers]
        return [*fold_layer(f, n_columns, *first), *deeper]

    def layers_beside(self, row: Table, columns: list[int]) -> Layers:
        """The layers of some columns of numbers, the others held at those of a row.

        The others may hold anything that the model takes.

        Raises
        ------
        TypeError
            If the slope of a step is not known, or the features of these columns jump.
        """
        names, clf = self.columns(row), self.classifier
        x = table_of_numbers(row, names)
        x[:, columns] = 0.0  # Any number, so that they are no gaps.
        f, z = self.functions(x), dense(self.features(row))[0]
        free = np.isin(f.column, columns)
        if (f.jumps | ~np.isnan(f.marker))[free].any():
            raise TypeError(
                _unfolded_message(f"the encoding of {[names[j] for j in columns]}")
            )
        layers = zip(clf.coefs_, clf.intercepts_, strict=True)
        (W_T, b), *deeper = [(W_T.astype(float), b.astype(float)) for W_T, b in layers]
        first = W_T[free], b + z[~free] @ W_T[~free]
        return [*fold_layer(f.take(np.flatnonzero(free)), len(names), *first), *deeper]

    @property
    def n_features(self) -> int:
        """The number of the user's columns."""
        steps = [*(step for _, step in self.steps), self.classifier]
        return int(
            next(s.n_features_in_ for s in steps if hasattr(s, "n_features_in_"))
        )


def fold_layer(f: Piecewise, n_columns: int, W_T: np.ndarray, b: np.ndarray) -> Layers:
    """The layers of the columns, from a layer of features that are functions of them.

    Functions with knots need a layer of ReLU units in front. With q_0 < q_1 < ... the
    knots of all features of a column x, and s_0, s_1, ... the slopes of one of them,

        f(x) = f(q_0) + s_0 (relu(x - q_0) - relu(q_0 - x))
               + sum_k (s_(k+1) - s_k) relu(x - q_k).

    A column without knots gets one, at which no slope changes.
    """
    if not np.isfinite(f.knots).any():
        slopes = f.slopes[:, 0]
        to_features = np.zeros((n_columns, len(slopes)))
        to_features[f.column, np.arange(len(slopes))] = slopes
        return [(to_features @ W_T, b + (f.value - slopes * f.at) @ W_T)]
    units: list[tuple[int, int, float]] = []  # Column, sign and knot.
    to_features = np.zeros((0, len(f.column)))
    first_knot = np.zeros(len(f.column))
    for j in np.unique(f.column):
        features = np.flatnonzero(f.column == j)
        knots = np.unique(f.knots[features])
        knots = knots[np.isfinite(knots)]
        knots = knots if len(knots) else f.at[features[:1]]
        units += [(j, -1, knots[0]), *((j, 1, q) for q in knots)]
        first_knot[features] = knots[0]
        of_column = np.zeros((1 + len(knots), len(f.column)))
        of_column[0, features] = -f.slopes[features, 0]
        of_column[1, features] = f.slopes[features, 0]
        for q, change in zip(f.knots.T, np.diff(f.slopes).T, strict=True):
            bent = features[np.isfinite(q[features])]
            of_column[1 + np.searchsorted(knots, q[bent]), bent] += change[bent]
        to_features = np.vstack([to_features, of_column])
    column, sign, knot = np.array(units).T
    to_units = np.zeros((n_columns, len(units)))
    to_units[column.astype(int), np.arange(len(units))] = sign
    shift = f.on_line(first_knot) @ W_T
    return [(to_units, -sign * knot), (to_features @ W_T, b + shift)]


def exported_layers(model: BaseEstimator, dtype: Any) -> Layers:
    """The layers of a model with the same predictions, copied to a floating type.

    None is their own type.

    Raises
    ------
    ValueError
        If the type is neither float32 nor float64.
    TypeError, NotFittedError
        As :meth:`Network.of` and :attr:`Network.layers`.
    """
    layers = Network.of(model, same_predictions=True).layers
    if dtype is None:
        dtype = layers[0][0].dtype
    # numpy's types have a __name__ or are written so; those of torch have a prefix.
    name = getattr(dtype, "__name__", str(dtype).removeprefix("torch."))
    if name not in ("float32", "float64"):
        raise ValueError(
            f"The parameter dtype must be 'float32', 'float64' or None. Got {dtype!r}."
        )
    return [(np.array(W_T, name), np.array(b, name)) for W_T, b in layers]


def step_on_host(step: Any) -> Any:
    """A step with its arrays in the host's memory: itself, or a shallow copy."""
    if isinstance(step, Pipeline):
        parts = [(name, step_on_host(part)) for name, part in step.steps]
        moved = any(
            a is not b for (_, a), (_, b) in zip(parts, step.steps, strict=True)
        )
        return Pipeline(parts) if moved else step
    arrays = {
        name: to_numpy(value)
        for name, value in getattr(step, "__dict__", {}).items()
        if not isinstance(value, np.ndarray | np.generic | type)
        and (hasattr(value, "__array_namespace__") or is_torch_array(value))
    }
    if arrays:
        step = copy.copy(step)
        vars(step).update(arrays)
    return step


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


def _model_message(model: Any, same_predictions: bool) -> str:
    """What to do about a model that ends in no single network."""
    others = "" if same_predictions else ", calibration or threshold"
    what = (
        "the model must be a ReLULogisticClassifier, a Pipeline that ends with one, or "
        f"a fitted search{others} of these. Got {type(model).__name__}."
    )
    for one in getattr(model, "estimators_", []):
        with suppress(TypeError):
            Network.of(one)
            return f"Take each of model.estimators_, as model.estimators_[0]: {what}"
    return f"{what[0].upper()}{what[1:]}"


def _unfolded_message(what: str) -> str:
    return (
        "Take the classifier alone, such as pipeline[-1], and give it what the steps "
        f"make, pipeline[:-1].transform(X). Cannot fold {what} into the network: "
        "before the classifier may be scalers, SimpleImputer, PiecewiseLinearEncoder, "
        "selections, and a Pipeline, ColumnTransformer or FeatureUnion of these, all "
        "of numbers."
    )


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


def class_codes(y: ArrayLike, X: Matrix, classes: np.ndarray) -> np.ndarray:
    """The checked labels of the rows of X, as indices into the classes."""
    labels = column_or_1d(on_host(y))
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
    """The affine function of a model around each row, in its original features.

    :meth:`ReLULogisticClassifier.local_linear` uses the features that the classifier
    sees. This function uses the features that the pipeline is given, in their own
    units.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that
        ends with one. It may also be a fitted search, such as
        :class:`~sklearn.model_selection.GridSearchCV`, threshold or calibration of
        these. The steps may be scalers, imputation, a :class:`PiecewiseLinearEncoder`,
        selections of features, encoders of categories, and combinations of these column
        by column.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to explain, as the model takes them.

    Returns
    -------
    coef : ndarray of shape (n_samples, n_features)
        The change of the log-odds of ``classes_[1]``, in nats, per unit of each
        feature. For more than two classes it is the change of each class's logit, of
        shape (n_samples, n_classes, n_features). 0 where a feature is missing, clipped
        or not a number; its effect is then part of the intercept.

    intercept : ndarray of shape (n_samples,) or (n_samples, n_classes)
        ``model.decision_function(X)`` is ``(coef * X).sum(axis=-1) + intercept``, for
        dense X and two classes, to rounding.

    Raises
    ------
    TypeError
        If the model is not such an estimator, a step mixes columns, or the slope of a
        step is not known.

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
    return Network.of(model).local_linear(X)
