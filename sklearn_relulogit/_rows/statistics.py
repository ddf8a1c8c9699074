"""Statistics of the features, over all rows or merged from parts of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._model.arrays import Matrix, namespace, to_numpy
from .._model.blocks import Block, features_of, rows_of, weight_of

# Quartiles are those of so many rows, if they hold no more numbers than this.
QUARTILE_ROWS, QUARTILE_NUMBERS = 1000, 2**22

# Of fewer rows quartiles say little. Just beside the quarters, so that no rounding of
# weights decides where a quarter of them ends at a row.
FEWEST_ROWS, QUARTILES = 30, (25.01, 50.01, 74.99)

# The distance of the quartiles of the normal law, in deviations.
NORMAL_QUARTILES = 1.349

# Numbers that several rows hold together, so that they are quickly added up.
LONG_ROW = 1024

# Numbers of a block of rows, so that its deviations from the mean stay in the cache.
BLOCK_NUMBERS = 2**17


class Moments(NamedTuple):
    """Mean, variance, smallest and largest value of each feature; the total weight.

    Where rows come in a random order also the median and the distance of the quartiles,
    as a deviation of the normal law.

    Rows of weight zero count for none of them.
    """

    weight: float
    mean: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray | None = None
    spread: np.ndarray | None = None

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each feature."""
        return np.sqrt(self.variance)

    @property
    def reach(self) -> np.ndarray:
        """The largest distance of each feature from its mean."""
        with np.errstate(over="ignore"):
            above, below = self.high - self.mean, self.mean - self.low
            return np.maximum(above, below)

    @property
    def sizes(self) -> list[np.ndarray]:
        """Deviation, reach and, where it is known, the spread of each feature."""
        spread = [] if self.spread is None else [self.spread]
        # Those of a constant are rounding errors.
        return [
            np.where(self.varies, size, 0.0)
            for size in (self.deviation, self.reach, *spread)
        ]

    def with_quartiles(self, data: Block) -> "Moments":
        """The same with the quartiles of the first rows, if these are not too many."""
        X, weights = data.X, data.sample_weight[:QUARTILE_ROWS]
        n_rows = len(weights)
        if n_rows < FEWEST_ROWS or X.shape[1] * n_rows > QUARTILE_NUMBERS:
            return self
        with np.errstate(over="ignore", invalid="ignore"):
            low, middle, high = _quartiles(rows_of(X, slice(0, n_rows)), weights)
            return self._replace(middle=middle, spread=(high - low) / NORMAL_QUARTILES)

    @property
    def varies(self) -> np.ndarray:
        """Whether each feature is no constant, to the rounding of float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            width = self.high - self.low
        rounding = 4 * np.finfo(np.float64).eps * self.largest
        return width > rounding

    @property
    def largest(self) -> np.ndarray:
        """The largest absolute value of each feature."""
        return np.maximum(self.high, -self.low)


def rows_of_block(X: Matrix, numbers: int) -> int:
    """The number of rows that hold about so many numbers, stored ones if X is sparse.

    A block of sparse rows should hold more than a dense row, since its sums are dense.
    """
    n_samples, n_features = X.shape
    of_row: float = n_features
    if issparse(X):
        of_row = max(X.nnz / max(n_samples, 1), 1)
        numbers = max(numbers, 4 * n_features)
    return max(1, int(numbers / of_row))


def moments_of(data: Block) -> Moments:
    """Of all rows, in two passes: the mean, and the squared distances from it."""
    X, _, weights = data
    weights = to_numpy(weights).astype(np.float64, copy=False)
    present = weights > 0
    total = weight_of(data)
    n_samples, n_features = X.shape
    mean, variance = np.zeros((2, n_features))
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    if not present.any():
        return Moments(0.0, mean, variance, mean, mean)
    step = rows_of_block(X, BLOCK_NUMBERS)
    blocks = [slice(i, min(i + step, n_samples)) for i in range(0, n_samples, step)]
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in blocks:
            mean += _column_sums(_in_float64(rows_of(X, rows)), weights[rows])
        mean /= total
        for rows in blocks:
            block, w = _in_float64(rows_of(X, rows)), weights[rows]
            if not present[rows].all():
                block, w = block[present[rows]], w[present[rows]]
            if not block.shape[0]:
                continue
            block_low, block_high = _extremes(block)
            low, high = np.minimum(low, block_low), np.maximum(high, block_high)
            variance += _sums_of_distances(np.square, block, w, mean)
        variance /= total
    return Moments(total, mean, variance, low, high)


def _quartiles(X: Matrix, weights: np.ndarray) -> np.ndarray:
    """The weighted quartiles of each feature, (3, n_features)."""

    def of(values: np.ndarray) -> np.ndarray:
        return np.asarray(
            np.percentile(
                values, QUARTILES, axis=0, method="inverted_cdf", weights=weights
            )
        )

    if not issparse(X):
        return of(to_numpy(X))
    quartiles = np.zeros((3, X.shape[1]))
    columns = X.tocsc()
    columns.sum_duplicates()
    stored = columns.copy()
    stored.data = np.ones_like(stored.data)
    # Where the stored numbers have less weight, all three are zero.
    for j in np.flatnonzero(stored.T @ weights > weights.sum() / 5):
        entries = slice(columns.indptr[j], columns.indptr[j + 1])
        column = np.zeros(X.shape[0])
        column[columns.indices[entries]] = columns.data[entries]
        quartiles[:, j] = of(column)
    return quartiles


def _in_float64(X: Matrix) -> Matrix:
    if issparse(X):
        return X.astype(np.float64, copy=False)
    return np.ascontiguousarray(to_numpy(X), dtype=np.float64)


def _column_sums(X: Matrix, weights: np.ndarray) -> np.ndarray:
    """sum_i s_i x_i, in an order that does not depend on where X is in memory.

    The result of BLAS does, in the last digit.
    """
    if issparse(X):
        return X.T @ weights
    terms = X if (weights == 1).all() else weights[:, None] * X
    return _over_rows(np.add, terms)


def _over_rows(ufunc: np.ufunc, X: np.ndarray) -> np.ndarray:
    """``ufunc.reduce(X, axis=0)``, in another order.

    Numpy takes longer to begin with a short row than for its numbers, so several are
    taken as a long one: two to ten times faster for 30 to 5 features.
    """
    n_samples, n_features = X.shape
    several = LONG_ROW // n_features
    if several > 1 and n_samples > several:
        end = n_samples - n_samples % several
        long = X[:end].reshape(-1, several * n_features)
        first = ufunc.reduce(long, axis=0).reshape(several, n_features)
        X = np.concatenate([first, X[end:]])
    return ufunc.reduce(X, axis=0)


def _extremes(X: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest number of each feature."""
    if not issparse(X):
        return _over_rows(np.minimum, X), _over_rows(np.maximum, X)
    columns = X.tocsc()  # Once for both.
    low, high = columns.min(axis=0), columns.max(axis=0)
    return low.toarray().ravel(), high.toarray().ravel()


def _sums_of_distances(
    function: Callable[[np.ndarray], np.ndarray],
    X: Matrix,
    weights: np.ndarray,
    mean: np.ndarray,
) -> np.ndarray:
    """sum_i s_i function(x_i - mean) of each feature, for an even function."""
    if not issparse(X):
        return _column_sums(function(X - mean), weights)
    X = _canonical(X)
    sums = _sums_of_stored(X, function(X.data - mean[X.indices]), weights)
    n_stored = np.bincount(X.indices, minlength=len(mean))
    if (weights == 1).all():
        return sums + (len(weights) - n_stored) * function(mean)
    zeros = weights.sum() - _sums_of_stored(X, np.ones(X.nnz), weights)
    # Of a feature without zeros nothing is left of it but a rounding error.
    zeros[n_stored == len(weights)] = 0
    return sums + np.maximum(zeros, 0) * function(mean)


def _canonical(X: Matrix) -> Matrix:
    """CSR data whose entries are stored in one term each."""
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def _sums_of_stored(X: Matrix, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i s_i d_ij of each feature j, of data d in the place of those of CSR X."""
    if not (weights == 1).all():
        data = data * np.repeat(weights, np.diff(X.indptr))
    return np.bincount(X.indices, data, minlength=X.shape[1])


def absolute_deviations(mean: np.ndarray, part: list[Block]) -> np.ndarray:
    """sum_i s_i |x_i - mean| of each feature over one part."""
    total = np.zeros(len(mean))
    with np.errstate(over="ignore", invalid="ignore"):
        for block in part:
            weights = to_numpy(block.sample_weight).astype(np.float64, copy=False)
            n_samples, step = len(weights), rows_of_block(block.X, BLOCK_NUMBERS)
            for start in range(0, n_samples, step):
                rows = slice(start, min(start + step, n_samples))
                X = _in_float64(rows_of(features_of(block.X, len(mean)), rows))
                total += _sums_of_distances(np.abs, X, weights[rows], mean)
    return total


def joint_moments(several: Sequence[Moments]) -> Moments:
    """Of the rows of several data sets together, of which some may be empty."""
    several = [moments for moments in several if moments.weight] or several[:1]
    parts = [moments[:5] for moments in several]
    weights, means, variances, lows, highs = zip(*parts, strict=True)
    total = sum(weights)
    if not total:
        return several[0]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(means, axis=0, weights=weights)
        distances = (np.array(means) - mean) ** 2
        variance = np.average(variances + distances, axis=0, weights=weights)
    return Moments(total, mean, variance, np.min(lows, axis=0), np.max(highs, axis=0))


def largest_values(X: Matrix) -> np.ndarray:
    """The largest absolute value of each feature."""
    if issparse(X):
        high, low = (extreme(axis=0).toarray().ravel() for extreme in (X.max, X.min))
    else:
        xp = namespace(X)
        high, low = (to_numpy(extreme(X, axis=0)) for extreme in (xp.max, xp.min))
    return np.maximum(high, -low)
