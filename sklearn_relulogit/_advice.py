"""What a warning or an error tells the user about the scale of the features."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

from ._arrays import arrays_of, numpy_dtype, to_numpy
from ._blocks import row_parts, rows_of
from ._products import Matrix

# Standard deviations that differ by more than this factor are called unscaled.
SCALE_RATIO = 1000


def feature_name(index: int, names: np.ndarray | None) -> str:
    """The name of a feature, or its number where there are no names."""
    return f"feature {index}" if names is None else f"feature {str(names[index])!r}"


def unscaled_features(X: Matrix, names: np.ndarray | None) -> str:
    """A sentence about features of very different scale; empty where there are none."""
    return different_scales(np.sqrt(moments_of(X).variance), names)


class Moments(NamedTuple):
    """Number of rows, mean and variance of each feature."""

    n_rows: int
    mean: np.ndarray
    variance: np.ndarray


def moments_of(X: Matrix) -> Moments:
    """Of all rows of X, block by block."""
    scaler = StandardScaler(with_mean=False)
    with np.errstate(over="ignore", invalid="ignore"):
        # Parts of a network as wide as X have a moderate number of rows.
        for rows in chain.from_iterable(row_parts(X, [(1, X.shape[1])])):
            scaler.partial_fit(rows_of(X, rows))
    return Moments(X.shape[0], scaler.mean_, scaler.var_)


def joint_moments(several: Sequence[Moments]) -> Moments:
    """Of the rows of several data sets together, of which some may be empty."""
    several = [moments for moments in several if moments.n_rows] or several[:1]
    n_rows, means, variances = zip(*several, strict=True)
    n_all = sum(n_rows)
    if not n_all:
        return several[0]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(means, axis=0, weights=n_rows)
        variance = np.average(variances + (means - mean) ** 2, axis=0, weights=n_rows)
    return Moments(n_all, mean, variance)


def different_scales(deviation: np.ndarray, names: np.ndarray | None) -> str:
    """The same of standard deviations."""
    varying = np.flatnonzero(deviation > 0)
    if len(varying) == 0:
        return ""
    low = varying[deviation[varying].argmin()]
    high = varying[deviation[varying].argmax()]
    if deviation[high] <= SCALE_RATIO * deviation[low]:
        return ""
    return (
        f"The features are on very different scales: the standard deviation of "
        f"{feature_name(low, names)} is {deviation[low]:.2g}, that of "
        f"{feature_name(high, names)} {deviation[high]:.2g}. Put a scaler such as "
        f"sklearn.preprocessing.StandardScaler in front."
    )


def overflow_message(what: str, X: Matrix, names: np.ndarray | None) -> str:
    """Why something computed from X may have overflowed, and what to do."""
    return too_large(what, largest_values(X), numpy_dtype(X.dtype), names)


def largest_values(X: Matrix) -> np.ndarray:
    """The largest absolute value of each feature."""
    if issparse(X):
        high, low = (extreme(axis=0).toarray().ravel() for extreme in (X.max, X.min))
    else:
        xp = arrays_of(X)
        high, low = (to_numpy(extreme(X, axis=0)) for extreme in (xp.max, xp.min))
    return np.maximum(high, -low)


def too_large(
    what: str, largest: np.ndarray, dtype: np.dtype, names: np.ndarray | None
) -> str:
    """The same of the largest absolute values of the features."""
    top = int(largest.argmax())
    return (
        f"{what} overflows the range of {dtype}. The largest "
        f"absolute value in X is {largest[top]:.3g}, in {feature_name(top, names)}. "
        "Scale the features, for example with sklearn.preprocessing.StandardScaler; "
        "if they are scaled, lower alpha or the sample weights."
    )
