"""The slope of each output of a column-wise step, by the column that it is made of.

Scalers, clipping, imputation and ramps are piecewise affine; power transforms, splines
and a few functions are smooth. Indicators, bins and codes of categories have slope 0:
they are constant but where they jump.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
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
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from .._tables.columns import GapsAsNaN
from .columns import (
    CONSTANT,
    column_of_output,
    is_left_out,
    n_outputs_of,
    parts_of,
)
from .frames import Table, column, column_names, numbers, take_columns
from .scaling import slope_and_shift

# The derivative of a function of numpy by its argument.
DERIVATIVES: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    np.abs: np.sign,
    np.arcsinh: lambda x: 1 / np.sqrt(1 + x**2),
    np.arctan: lambda x: 1 / (1 + x**2),
    np.cbrt: lambda x: 1 / (3 * np.cbrt(x) ** 2),
    np.cos: lambda x: -np.sin(x),
    np.exp: np.exp,
    np.expm1: np.exp,
    np.fabs: np.sign,
    np.log: lambda x: 1 / x,
    np.log10: lambda x: 1 / (x * np.log(10)),
    np.log1p: lambda x: 1 / (1 + x),
    np.log2: lambda x: 1 / (x * np.log(2)),
    np.negative: lambda x: np.full_like(x, -1.0),
    np.reciprocal: lambda x: -1 / x**2,
    np.sin: np.cos,
    np.sqrt: lambda x: 0.5 / np.sqrt(x),
    np.square: lambda x: 2 * x,
    np.tanh: lambda x: 1 / np.cosh(x) ** 2,
    scipy.special.expit: lambda x: scipy.special.expit(x) * scipy.special.expit(-x),
    scipy.special.logit: lambda x: 1 / (x * (1 - x)),
}


class SlopeUnknown(Exception):
    """A transformer whose slope is not known."""


def numeric(X: Table) -> np.ndarray:
    """X as floats, with NaN in columns that hold no numbers."""
    names = column_names(X) or [""] * X.shape[1]
    values = [numbers(column(X, j, name)) for j, name in enumerate(names)]
    gap = np.full(X.shape[0], np.nan)
    return np.column_stack([gap if v is None else v for v in values])


def slopes(step: Any, X: Table) -> np.ndarray:
    """The slope of each output at each row, (n_samples or 1, n_outputs).

    Parameters
    ----------
    step : fitted transformer or "passthrough"
        One that treats its columns one by one.
    X : table
        Its input.

    Raises
    ------
    SlopeUnknown
        If it is not known.
    """
    if is_left_out(step):
        return np.ones((1, X.shape[1]))
    return np.asarray(_slopes(step, X))


@singledispatch
def _slopes(step: Any, X: Table) -> np.ndarray:
    """The same by the type of a transformer, or by its method `local_linear`."""
    if hasattr(step, "local_linear"):
        return np.asarray(step.local_linear(X)[0])
    if np.isnan(numeric(X)).all():  # Text, dates, categories.
        return np.zeros((1, n_outputs_of(step)))
    raise SlopeUnknown(step)


@_slopes.register(Binarizer)
@_slopes.register(KBinsDiscretizer)
@_slopes.register(MissingIndicator)
@_slopes.register(OneHotEncoder)
@_slopes.register(OrdinalEncoder)
@_slopes.register(TargetEncoder)
def _no_slope(step: Any, X: Table) -> np.ndarray:
    return np.zeros((1, n_outputs_of(step)))


@_slopes.register(GapsAsNaN)
@_slopes.register(SelectorMixin)
def _copied(step: Any, X: Table) -> np.ndarray:
    return np.ones((1, n_outputs_of(step)))


@_slopes.register(MaxAbsScaler)
@_slopes.register(RobustScaler)
@_slopes.register(StandardScaler)
def _scaled(step: Any, X: Table) -> np.ndarray:
    slope, _ = slope_and_shift(step)
    return np.asarray(slope)[np.newaxis]


@_slopes.register(MinMaxScaler)
def _(step: MinMaxScaler, X: Table) -> np.ndarray:
    if not step.clip:
        return np.asarray(step.scale_)[np.newaxis]
    # At an end the slope is that outside, as relu'(0) = 0.
    x = numeric(X)
    inside = (x > step.data_min_) & (x < step.data_max_)
    return np.asarray(np.where(inside, step.scale_, 0.0))


@_slopes.register(SimpleImputer)
def _(step: SimpleImputer, X: Table) -> np.ndarray:
    x = numeric(X)
    columns = column_of_output(step, X.shape[1])
    n_indicators = len(step.indicator_.features_) if step.add_indicator else 0
    missing = np.isnan(x) | (x == step.missing_values)
    found = np.where(missing, 0.0, 1.0)[:, columns]
    found[:, len(columns) - n_indicators :] = 0.0
    return found


@_slopes.register(FunctionTransformer)
def _(step: FunctionTransformer, X: Table) -> np.ndarray:
    if step.func is None:
        return np.ones((1, X.shape[1]))
    if step.func not in DERIVATIVES or step.kw_args:
        raise SlopeUnknown(step)
    return DERIVATIVES[step.func](numeric(X))


@_slopes.register(FrozenEstimator)
def _(step: FrozenEstimator, X: Table) -> np.ndarray:
    return slopes(step.estimator, X)


@_slopes.register(PolynomialFeatures)
def _(step: PolynomialFeatures, X: Table) -> np.ndarray:
    x = numeric(X)
    columns = column_of_output(step, X.shape[1])
    degree = step.powers_.sum(axis=1)
    return np.asarray(degree * x[:, columns] ** np.maximum(degree - 1, 0))


@_slopes.register(SplineTransformer)
def _(step: SplineTransformer, X: Table) -> np.ndarray:
    x, found = numeric(X), []
    for j, spline in enumerate(step.bsplines_):
        x_j, k = x[:, j], spline.k
        low, high = spline.t[k], spline.t[-k - 1]
        inside = (x_j >= low) & (x_j <= high)
        if step.extrapolation == "periodic":
            x_j, inside = low + (x_j - low) % (high - low), True
        elif step.extrapolation != "continue":
            x_j = np.clip(x_j, low, high)
        slope = spline.derivative()(x_j)
        if step.extrapolation == "constant":
            slope = np.where(inside[:, np.newaxis], slope, 0.0)
        found.append(slope if step.include_bias else slope[:, :-1])
    return np.asarray(np.nan_to_num(np.concatenate(found, axis=1)))


@_slopes.register(PowerTransformer)
def _(step: PowerTransformer, X: Table) -> np.ndarray:
    x, found = numeric(X), []
    positive = step.method == "box-cox"
    at = np.array([[1.0], [2.0]]) if positive else np.array([[0.0], [1.0]])
    # With standardize=True the power is scaled, by what two points far apart show.
    points = np.stack([np.nanmin(x, axis=0), np.nanmax(x, axis=0)])
    points = np.concatenate([points, np.broadcast_to(at, points.shape)])
    names = column_names(X)
    Z = np.asarray(step.transform(_like(points, X, names)))
    for j, power in enumerate(step.lambdas_):
        y = _power(points[:, j], power, positive)
        low, high = np.nanargmin(y), np.nanargmax(y)
        scale = (Z[high, j] - Z[low, j]) / (y[high] - y[low])
        found.append(scale * _power_slope(x[:, j], power, positive))
    return np.asarray(np.nan_to_num(np.stack(found, axis=1)))


def _power(x: np.ndarray, power: float, positive: bool) -> np.ndarray:
    if positive:
        return np.asarray(scipy.special.boxcox(x, power))
    # Yeo and Johnson: that of |x| + 1, with the power 2 - power below zero.
    powers = np.where(x < 0, 2 - power, power)
    return np.asarray(np.sign(x) * scipy.special.boxcox1p(np.abs(x), powers))


def _power_slope(x: np.ndarray, power: float, positive: bool) -> np.ndarray:
    if positive:
        return np.asarray(x ** (power - 1))
    powers = np.where(x < 0, 2 - power, power)
    return np.asarray((np.abs(x) + 1) ** (powers - 1))


@_slopes.register(QuantileTransformer)
def _(step: QuantileTransformer, X: Table) -> np.ndarray:
    x = numeric(X)
    found = np.zeros_like(x)
    references = step.references_
    for j, quantiles in enumerate(step.quantiles_.T):
        end = np.searchsorted(quantiles, x[:, j]).clip(1, len(quantiles) - 1)
        width = quantiles[end] - quantiles[end - 1]
        inside = (x[:, j] > quantiles[0]) & (x[:, j] < quantiles[-1]) & (width > 0)
        rise = references[end] - references[end - 1]
        np.divide(rise, width, out=found[:, j], where=inside)
    if step.output_distribution == "normal":
        names = column_names(X)
        z = np.asarray(step.transform(_like(x, X, names)))
        found = np.divide(
            found, scipy.stats.norm.pdf(z), out=np.zeros_like(x), where=found > 0
        )
    return np.asarray(np.nan_to_num(found))


def _like(x: np.ndarray, X: Table, names: list[str] | None) -> Table:
    """Numbers as an array, or as a frame of the kind of X if that is one."""
    if names is None:
        return x
    return type(X)({name: x[:, j] for j, name in enumerate(names)})


@_slopes.register(Pipeline)
def _(step: Pipeline, X: Table) -> np.ndarray:
    return through([part for _, part in step.steps], X)[1]


def through(steps: list[Any], X: Table) -> tuple[Table, np.ndarray]:
    """The output of steps in a row, and the slopes of their last one by the first."""
    total = np.ones((1, X.shape[1]))
    for step in steps:
        if is_left_out(step):
            continue
        Z = step.transform(X)
        columns = column_of_output(step, X.shape[1], Z.shape[1])
        total = np.where(columns == CONSTANT, 0.0, slopes(step, X) * total[:, columns])
        X = Z
    return X, total


@_slopes.register(FeatureUnion)
def _(step: FeatureUnion, X: Table) -> np.ndarray:
    weights = step.transformer_weights or {}
    kept = [(name, part) for name, part in step.transformer_list if part != "drop"]
    found = [weights.get(name, 1.0) * slopes(part, X) for name, part in kept]
    return _side_by_side(found, X.shape[0])


@_slopes.register(ColumnTransformer)
def _(step: ColumnTransformer, X: Table) -> np.ndarray:
    weights, slices = step.transformer_weights or {}, step.output_indices_
    names = getattr(step, "feature_names_in_", None)
    found = []
    for name, part, taken in parts_of(step):
        chosen = take_columns(X, taken, names)
        n_outputs = slices[name].stop - slices[name].start
        if np.isnan(numeric(chosen)).all():
            slope = np.zeros((1, n_outputs))
        else:
            slope = weights.get(name, 1.0) * slopes(part, chosen)
        found.append((slices[name].start, slope))
    ordered = [slope for _, slope in sorted(found, key=lambda pair: pair[0])]
    return _side_by_side(ordered, X.shape[0])


def _side_by_side(found: list[np.ndarray], n_rows: int) -> np.ndarray:
    if all(len(slope) == 1 for slope in found):
        return np.concatenate(found, axis=1)
    shape = (n_rows,)
    return np.concatenate(
        [np.broadcast_to(slope, shape + slope.shape[1:]) for slope in found], axis=1
    )
