"""The steps in front of a classifier, as piecewise affine functions of one column each.

Scalers are affine. Clipping and the ramps of a PiecewiseLinearEncoder have knots, where
the slope changes. Imputation has its own value for gaps. Encoders of categories and
intervals jump and have slope 0 elsewhere. Compositions are of the same kind, so a whole
pipeline is piecewise affine. Local coefficients and exports read it here.
"""

import reprlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.validation import check_is_fitted

from .._tables.dates import DateParts
from .._tables.encoder import PiecewiseLinearEncoder
from .._tables.outputs import (
    column_of_output,
    compose,
    is_left_out,
    parts_of,
    transform_of,
)
from .._tables.reader import TableReader
from .._tables.target import TargetLogOdds
from .frames import is_missing, numbers


class NotPiecewise(Exception):
    """A step that is not known to be piecewise affine, each output in one column."""

    def __init__(self, step: Any) -> None:
        super().__init__(step)
        self.step = step


class Piecewise(NamedTuple):
    """Features that are piecewise affine functions of one column each.

    Attributes
    ----------
    column : ndarray of shape (n_features,)
        The column that each is a function of, -1 for a constant.
    at, value : ndarray of shape (n_features,)
        A point, and the feature there.
    slopes : ndarray of shape (n_features, n_knots + 1)
        The slopes to the left of each knot and to the right of the last.
    knots : ndarray of shape (n_features, n_knots)
        Where the slope changes, in increasing order, padded with infinities.
    gap : ndarray of shape (n_features,)
        The value where the column is missing; NaN if the feature is missing too.
    marker : ndarray of shape (n_features,)
        A number that also stands for a missing value; NaN for none.
    jumps : ndarray of bool, of shape (n_features,)
        Whether it is constant between jumps, to values that are not known here.
    """

    column: np.ndarray
    at: np.ndarray
    value: np.ndarray
    slopes: np.ndarray
    knots: np.ndarray
    gap: np.ndarray
    marker: np.ndarray
    jumps: np.ndarray

    @classmethod
    def lines(
        cls, column: np.ndarray, slope: Any, at: Any = 0.0, value: Any = 0.0
    ) -> Self:
        """``value + slope * (x - at)`` of each of some columns x."""
        at, value, slope = (np.zeros(len(column)) + part for part in (at, value, slope))
        none, no_knots = np.full(len(column), np.nan), np.empty((len(column), 0))
        jumps = np.zeros(len(column), dtype=bool)
        return cls(column, at, value, slope[:, None], no_knots, none, none, jumps)

    @classmethod
    def side_by_side(cls, parts: list[Self]) -> Self:
        """The features of several parts, one part after the other."""
        n_knots = max(part.knots.shape[1] for part in parts)
        padded = []
        for part in parts:
            more = ((0, 0), (0, n_knots - part.knots.shape[1]))
            knots = np.pad(part.knots, more, constant_values=np.inf)
            slopes = np.pad(part.slopes, more, mode="edge")
            padded.append(part._replace(knots=knots, slopes=slopes))
        return cls(*map(np.concatenate, zip(*padded, strict=True)))

    def take(self, features: np.ndarray) -> Self:
        """Some of the features, by position; -1 for a constant."""
        taken = type(self)(*(array[features] for array in self))
        return taken._replace(column=compose(self.column, features))

    def times(self, weight: float) -> Self:
        """The features, multiplied."""
        slopes, value, gap = (weight * a for a in (self.slopes, self.value, self.gap))
        return self._replace(slopes=slopes, value=value, gap=gap)

    @property
    def is_affine(self) -> bool:
        """Whether all features are affine everywhere and keep gaps."""
        plain = np.isnan(self.gap) & np.isnan(self.marker) & ~self.jumps
        return bool(plain.all() and not np.isfinite(self.knots).any())

    @property
    def is_identity(self) -> np.ndarray:
        """Whether each feature is its column."""
        straight = (self.slopes == 1).all(axis=1)
        return np.asarray(straight & (self.at == self.value))

    def is_gap(self, x: np.ndarray) -> np.ndarray:
        """Whether each feature has a gap, for values x of the features' columns."""
        return np.asarray(np.isnan(x) | (x == self.marker))

    def piece(self, x: np.ndarray) -> np.ndarray:
        """How many knots of each feature lie to the left of x, (..., n_features)."""
        return np.asarray((x[..., np.newaxis] > self.knots).sum(axis=-1))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """The slopes at x, (..., n_features); at a knot that to its left."""
        return np.asarray(self.slopes[np.arange(len(self.slopes)), self.piece(x)])

    def on_line(self, x: np.ndarray) -> np.ndarray:
        """The features at x, (..., n_features), none of which is a gap."""
        z: np.ndarray = self.value + self.slopes[:, 0] * (x - self.at)
        for knots, change in zip(self.knots.T, np.diff(self.slopes).T, strict=True):
            z += change * (np.maximum(x - knots, 0) - np.maximum(self.at - knots, 0))
        return z

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The features at x, (..., n_features)."""
        return np.where(self.is_gap(x), self.gap, self.on_line(x))

    @np.errstate(divide="ignore", invalid="ignore")
    def then(self, step: "Piecewise") -> "Piecewise":
        """The features of the next step, as functions of the same columns."""
        f = self.take(step.column)
        low, high = _ends(f.knots)
        # Where the line of each piece of f reaches the knots of the step.
        start = np.where(np.isfinite(low), low, high)
        start = np.where(np.isfinite(start), start, f.at[:, None])
        rise = step.knots[:, None] - f.on_line(start.T).T[..., None]
        reached = start[..., None] + rise / f.slopes[..., None]
        inside = (low[..., None] < reached) & (reached < high[..., None])
        reached = np.where(inside, reached, np.inf).reshape(len(f.at), -1)
        knots = np.sort(np.concatenate([f.knots, reached], axis=1), axis=1)
        knots = knots[:, : np.isfinite(knots).sum(axis=1).max(initial=0)]
        # The slope of each piece is the slope at a point inside it.
        low, high = _ends(knots)
        beyond = np.where(np.isfinite(low), low + 1 + abs(low), high - 1 - abs(high))
        middle = np.where(np.isfinite(high - low), (low + high) / 2, beyond)
        middle = np.where(np.isfinite(middle), middle, f.at[:, None]).T
        jumps = f.jumps | step.jumps
        slopes = np.where(jumps, 0.0, f.slope(middle) * step.slope(f.on_line(middle)))
        return Piecewise(
            column=f.column,
            at=f.at,
            value=step.on_line(f.value),
            slopes=slopes.T,
            knots=np.where(jumps[:, None], np.inf, knots),
            gap=step(f.gap),
            marker=np.where(np.isnan(f.marker), step.marker, f.marker),
            jumps=jumps,
        )


def _ends(knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the pieces between knots, (n_features, n_knots), begin and end."""
    infinite = np.full((len(knots), 1), np.inf)
    return np.hstack([-infinite, knots]), np.hstack([knots, infinite])


def fold(step: Any, f: Piecewise, n_outputs: int | None = None) -> Piecewise:
    """The outputs of a fitted step, as functions of the columns of its inputs f.

    A step is known by the class that defines its `transform`. A subclass that inherits
    it is compared with what it computes, so that it is read correctly or refused.

    Raises
    ------
    NotPiecewise
        If the step is of another kind.
    """
    if is_left_out(step):
        return f
    if isinstance(step, FrozenEstimator):
        return fold(step.estimator, f, n_outputs)
    if f.jumps.all():
        return f.take(column_of_output(step, len(f.column), n_outputs))
    kind = transform_of(step)
    if kind is Pipeline:
        for _, part in step.steps:
            f = fold(part, f)
        return f
    if kind in (ColumnTransformer, FeatureUnion):
        return Piecewise.side_by_side(
            [
                fold(part, f.take(columns), width).times(weight)
                for part, columns, width, weight in parts_of(step, len(f.column))
            ]
        )
    if kind not in KNOWN or getattr(step, "func", None) is not None:
        raise NotPiecewise(step)
    check_is_fitted(step)
    if getattr(step, "n_features_in_", len(f.column)) != len(f.column):
        raise ValueError(
            f"{type(step).__name__} takes {step.n_features_in_} features, but gets "
            f"{len(f.column)}."
        )
    own = KNOWN[kind](step, column_of_output(step, len(f.column), n_outputs))
    marked = ~(np.isnan(own.marker) | f.take(own.column).is_identity)
    inherited = type(step) is not kind or "transform" in vars(step)
    if marked.any() or (inherited and not _agrees(step, own)):
        raise NotPiecewise(step)
    return f.then(own)


def _agrees(step: Any, own: Piecewise) -> bool:
    """Whether a step computes what its functions say, also far away and in gaps."""
    if own.jumps.any():
        return True
    unit = np.ones(step.n_features_in_)
    at = np.zeros(step.n_features_in_)
    at[own.column] = own.at
    steep = np.abs(own.slopes).max(axis=1)
    np.maximum.at(unit, own.column[steep > 0], 1 / steep[steep > 0])
    distances = np.array([-1e3, -3, -0.4, 0, 0.4, 3, 1e3])[:, np.newaxis]
    rows = at + distances * unit
    if not np.isnan(own.gap).all():
        marker = np.full_like(at, np.nan)
        marker[own.column] = own.marker
        rows = np.vstack([rows, marker])
    with warnings.catch_warnings():
        # The rows are made here, and have no names.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        Z = np.asarray(step.transform(rows), dtype=float)
    expected = own(rows[:, own.column])
    size = np.nanmax(np.abs(expected), axis=0, initial=0)
    error = np.abs(Z - expected) > 1e-6 * size
    return bool(not error.any() and (np.isnan(Z) == np.isnan(expected)).all())


def _jumps(step: Any, column: np.ndarray) -> Piecewise:
    lines = Piecewise.lines(column, 0.0)
    return lines._replace(jumps=np.ones(len(column), dtype=bool))


def _copied(step: Any, column: np.ndarray) -> Piecewise:
    return Piecewise.lines(column, 1.0)


def _scaled(step: Any, column: np.ndarray) -> Piecewise:
    at = value = 0.0
    slope = np.ones(len(column)) if step.scale_ is None else 1 / step.scale_
    match step:
        case MinMaxScaler():
            slope, value = step.scale_, step.min_
        case StandardScaler(with_mean=True):
            at = step.mean_
        case RobustScaler(with_centering=True):
            at = step.center_
    lines = Piecewise.lines(column, slope, at, value)
    if not getattr(step, "clip", False):
        return lines
    low, high = getattr(step, "feature_range", (-1, 1))
    return lines.then(_clipped(np.arange(len(column)), low, high))


def _clipped(
    column: np.ndarray, low: Any, high: Any, center: Any = 0.0, scale: Any = 1.0
) -> Piecewise:
    """``(clip(x, low, high) - center) / scale`` of each of some columns x."""
    low, high = np.zeros(len(column)) + low, np.zeros(len(column)) + high
    has_low, has_high = np.isfinite(low), np.isfinite(high)
    at = np.where(has_low, low, np.where(has_high, high, center))
    lines = Piecewise.lines(column, 1 / scale, at, (at - center) / scale)
    (slope,) = lines.slopes.T
    rises = [~has_low, has_low | ~has_high, ~has_high]
    ends = [np.where(has_low, low, np.inf), np.where(has_high, high, np.inf)]
    return lines._replace(
        slopes=np.column_stack([slope * rises_here for rises_here in rises]),
        knots=np.sort(np.column_stack(ends), axis=1),
    )


def _encoded(step: PiecewiseLinearEncoder, column: np.ndarray) -> Piecewise:
    ramps = _clipped(column, step.lower_, step.upper_, step.center_, step.scale_)
    return ramps._replace(gap=step.value_of_missing_)


def _read(step: TableReader, column: np.ndarray) -> Piecewise:
    are_numbers = [of.kind == "numbers" for of in step.readings_.values()]
    return Piecewise.lines(column, are_numbers)._replace(jumps=~np.array(are_numbers))


def _imputed(step: SimpleImputer, column: np.ndarray) -> Piecewise:
    fill = numbers(np.asarray(step.statistics_))
    if fill is None:
        raise NotPiecewise(step)
    n_indicators = len(step.indicator_.features_) if step.add_indicator else 0
    is_copy = np.arange(len(column)) < len(column) - n_indicators
    marker = np.nan if is_missing(step.missing_values) else step.missing_values
    return Piecewise.lines(column, is_copy)._replace(
        gap=np.where(is_copy, fill[column], 1.0),
        marker=np.full(len(column), marker, dtype=float),
    )


# What the outputs of a step are, by the class that defines its `transform`.
KNOWN: dict[type, Callable[[Any, np.ndarray], Piecewise]] = {
    **dict.fromkeys(
        [MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler], _scaled
    ),
    PiecewiseLinearEncoder: _encoded,
    SimpleImputer: _imputed,
    **dict.fromkeys([FunctionTransformer, SelectorMixin], _copied),
    TableReader: _read,
    **dict.fromkeys([Binarizer, KBinsDiscretizer, MissingIndicator], _jumps),
    **dict.fromkeys([OneHotEncoder, OrdinalEncoder, TargetEncoder], _jumps),
    **dict.fromkeys([DateParts, TargetLogOdds], _jumps),
}


def fold_scaling(
    coef: ArrayLike, intercept: ArrayLike, scaler: BaseEstimator | str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts for the features before scaling.

    The affine function of scaled features is rewritten as the same function of the
    features before scaling, in their own units. It may be the `coef_` of a linear model
    behind a scaler, or what :meth:`ReLULogisticClassifier.local_linear` returns.

    Parameters
    ----------
    coef : array-like of shape (..., n_features)
        Coefficients of the scaled features.

    intercept : array-like of shape (...)
        Intercepts.

    scaler : fitted transformer
        A :class:`~sklearn.preprocessing.StandardScaler`,
        :class:`~sklearn.preprocessing.MinMaxScaler`,
        :class:`~sklearn.preprocessing.MaxAbsScaler` or
        :class:`~sklearn.preprocessing.RobustScaler`, or a
        :class:`~sklearn.pipeline.Pipeline` of these and "passthrough".

    Returns
    -------
    coef : ndarray of shape (..., n_features)
        Coefficients of the features before scaling, of the floating type of `coef`.

    intercept : ndarray of shape (...)
        Intercepts.

    Raises
    ------
    TypeError
        If a step is not such a scaler.

    ValueError
        If a scaler clips, which is not affine, or if the number of features is not that
        of `coef`.

    NotFittedError
        If a scaler is not fitted.

    See Also
    --------
    sklearn_relulogit.local_linear : Explains the rows given to a whole pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn_relulogit import fold_scaling
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> linear = model[-1]
    >>> coef, intercept = fold_scaling(linear.coef_, linear.intercept_, model[0])
    >>> bool(np.allclose(model.decision_function(X), X @ coef[0] + intercept))
    True
    """
    coef, intercept = _as_floating(coef), _as_floating(intercept)
    if coef.shape[:-1] != intercept.shape:
        raise ValueError(
            f"coef of shape {coef.shape} needs an intercept of shape "
            f"{coef.shape[:-1]}. Got one of shape {intercept.shape}."
        )
    try:
        z = fold(scaler, Piecewise.lines(np.arange(coef.shape[-1]), 1.0))
        if not np.array_equal(z.column, np.arange(coef.shape[-1])):
            raise NotPiecewise(scaler)
    except NotPiecewise as other:
        raise TypeError(
            "Explain what follows the steps that do not scale: pipeline[1:] with "
            "pipeline[:1].transform(X), where the first of them is such a step. Only a "
            "StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler, a Pipeline of "
            "those or 'passthrough' can be folded back to the features before it. Got "
            f"{reprlib.repr(other.step)}."
        ) from None
    if not z.is_affine:
        raise ValueError(
            "Use scalers that do not clip, such as MinMaxScaler(clip=False). This "
            f"{type(scaler).__name__} is not affine, so it cannot be folded back."
        )
    slope = z.slopes[:, 0]
    # In float64, since the mean of a feature is often much larger than its spread.
    shifted = intercept + coef @ (z.value - slope * z.at)
    return (coef * slope).astype(coef.dtype), np.asarray(shifted, dtype=intercept.dtype)


def _as_floating(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
