"""Statistics of the features, over all rows or merged from parts of them."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

from .._model.arrays import Matrix, namespace, to_numpy
from .._model.blocks import row_parts, rows_of


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


def feature_deviations(X: Matrix) -> np.ndarray:
    """The standard deviation of each feature."""
    if issparse(X) or isinstance(X, np.ndarray):
        deviations: np.ndarray = np.sqrt(moments_of(X).variance)
        return deviations
    return to_numpy(namespace(X).std(X, axis=0))


def largest_values(X: Matrix) -> np.ndarray:
    """The largest absolute value of each feature."""
    if issparse(X):
        high, low = (extreme(axis=0).toarray().ravel() for extreme in (X.max, X.min))
    else:
        xp = namespace(X)
        high, low = (to_numpy(extreme(X, axis=0)) for extreme in (xp.max, xp.min))
    largest: np.ndarray = np.maximum(high, -low)
    return largest
