"""Distinct rows, recognised by a hash of their values, and samples of them.

What the hashes decide depends neither on the order of the rows nor on their chunks. Two
different rows have the same 64-bit hash only by chance. The probability is 3e-8 among a
million rows.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils import murmurhash3_32

from .._model.arrays import Matrix, take_rows, to_numpy
from .._model.blocks import Block, rows_of
from .statistics import Moments, moments_of, rows_of_block

# Steps of a standard deviation that a standard key tells apart.
STANDARD_STEPS = 2.0**16


# An odd number without a pattern: 2^64 divided by the golden ratio.
MIXER = np.uint64(0x9E3779B97F4A7C15)

# The distance between the keys of rows that standard keys do not tell apart: 2^63
# divided by the golden ratio, odd.
RANK_STEP = np.int64(5700357409661599241)

# Weights have a common divisor if the remainders are at most this share of a weight,
# and if the smallest weight is at most this many times the divisor.
DIVISOR_TOLERANCE, LARGEST_QUOTIENT = 1e-6, 50

# Numbers hashed at a time.
HASHED_NUMBERS = 2**18


class Keyed(NamedTuple):
    """Rows, with their keys if they are distinct, and their groups if there are any."""

    block: Block
    keys: np.ndarray | None = None
    groups: np.ndarray | None = None

    def take(self, rows: np.ndarray, weights: np.ndarray | None = None) -> "Keyed":
        """Some of the rows, with other weights if these are given."""
        X, y, s = self.block
        weights = s[rows] if weights is None else weights.astype(s.dtype)
        keys, groups = (
            None if of_rows is None else of_rows[rows] for of_rows in self[1:]
        )
        return Keyed(Block(take_rows(X, rows), y[rows], weights), keys, groups)


def distinct_rows(
    data: Block, keys: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of equal features, labels and groups are one, with the sum of their weights.

    Returns
    -------
    rows : ndarray of shape (n_distinct,)
        One index into the data for each distinct row, sorted by key, label and group.
    keys : ndarray of shape (n_distinct,)
    weights : ndarray of shape (n_distinct,)
        float64, and the same bits for any order of the rows. Each is positive.
    """
    rows = np.flatnonzero(data.sample_weight > 0)
    keys, y, weights = keys[rows], data.y[rows], data.sample_weight[rows]
    of_rows = [y, keys] if groups is None else [groups[rows], y, keys]
    # Equal rows are added up by ascending weight, so that their order is irrelevant.
    order = np.lexsort((weights, *of_rows))
    rows, keys = rows[order], keys[order]
    new = [np.diff(values[order]) != 0 for values in of_rows]
    first = np.flatnonzero(np.r_[True, np.logical_or.reduce(new)])
    sums = np.add.reduceat(weights[order], first, dtype=np.float64)
    return rows[first], keys[first], sums


def merge_equal_rows(
    data: Block,
    max_numbers: int,
    max_hashed: int | None = None,
    weigh: Callable[[Block], Block] = lambda data: data,
    groups: np.ndarray | None = None,
) -> Keyed:
    """The distinct rows and their keys, in an order that the rows define.

    ``groups`` are hashes of the names of the rows' groups. With them, equal rows of
    different groups are different rows, and the groups of distinct rows are numbered.

    ``weigh`` is applied after equal rows are merged, or else to all rows. The distinct
    rows are a copy. If they hold more than ``max_numbers`` numbers (stored numbers of
    sparse data), or X more than ``max_hashed``, the rows are returned as they are, with
    None. X on a device stays there.
    """
    X = data.X
    numbers = X.nnz if issparse(X) else X.shape[0] * X.shape[1]
    if max_hashed is not None and numbers > max_hashed:
        return Keyed(weigh(data), None, groups)
    if issparse(X) and not X.has_canonical_format:
        # An entry that is stored in several terms counts by its sum.
        X = X.copy()
        X.sum_duplicates()
    rows, exact, weights = distinct_rows(data, row_keys(X), groups)
    if len(rows) * numbers > max_numbers * X.shape[0]:
        return Keyed(weigh(data), None, groups)
    weights = weights.astype(data.sample_weight.dtype)
    merged = weigh(Block(take_rows(X, rows), data.y[rows], weights))
    keys = separate(standard_keys(merged, moments_of(merged)), exact)
    # Labels of the same features are in the order of the classes. Rows with the same
    # key and label stay in the order of their values.
    marks = class_marks(keys, *merged[1:], int(merged.y.max()) + 1)
    sort_by = [marks[merged.y], keys]
    if groups is not None:
        classes = np.argsort(np.argsort(marks, kind="stable"))[merged.y]
        groups = number_groups(groups[rows], keys, classes, merged.sample_weight)
        sort_by = [groups, *sort_by]
    order = np.lexsort(sort_by)
    order = order[merged.sample_weight[order] > 0]
    X, y, weights = merged
    del merged  # There are at most two copies of X.
    X, y, weights = take_rows(X, order), y[order], weights[order]
    if isinstance(X, np.ndarray) and X.dtype == np.float64:
        # BLAS is up to a fifth faster on columns, and equally fast in float32.
        X = np.asfortranarray(X)
    groups = None if groups is None else groups[order]
    return Keyed(Block(X, y, weights), keys[order], groups)


def separate(keys: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The keys, with new ones where equal keys stand for different exact keys.

    Beside an outlier, standardised values of all other rows may round to one number.
    """
    order = np.lexsort((exact, keys))
    key, value = keys[order], exact[order]
    new_key = np.r_[True, np.diff(key) != 0]
    number = np.cumsum(new_key | np.r_[True, np.diff(value) != 0])
    rank = number - np.maximum.accumulate(np.where(new_key, number, 0))
    separated = keys.copy()
    # Integers wrap around silently.
    separated[order] = key + rank * RANK_STEP
    return separated


def copy_weight(weights: np.ndarray) -> float:
    """The weight of one copy of a row: the greatest common divisor, if there is one.

    It is 1 for counts, and c for counts times c. Without a divisor it is the smallest
    weight, but no less than a hundredth of the median.
    """
    least = max(float(weights.min()), float(np.median(weights)) / 100)
    divisor = 0.0
    for weight in np.unique(weights):
        a, b = float(weight), divisor
        while b > DIVISOR_TOLERANCE * weight:
            a, b = b, abs(a - np.rint(a / b) * b)
        divisor = a
        if divisor < least / LARGEST_QUOTIENT:
            return least
    return divisor


def standard_keys(data: Block, moments: Moments) -> np.ndarray:
    """Hashes of the rows that do not change with the place or unit of a feature.

    Standardised features are rounded to a multiple of 2^-16 and hashed. The moments are
    from all rows; the data may be a part of them.
    """
    X, mean = data.X, moments.mean
    # Squares of very small or large features underflow or overflow.
    has_deviation = (moments.variance > 0) & (moments.variance < np.inf)
    unit = np.where(has_deviation, moments.deviation, moments.reach)
    # A constant minus its mean is a rounding error, so it is set to zero.
    varies = moments.varies
    with np.errstate(over="ignore"):
        factor = STANDARD_STEPS / np.where(varies, unit, np.inf)

    def standard(X: Matrix) -> Matrix:
        if not issparse(X):
            return np.rint((to_numpy(X) - mean) * factor)
        X = X.astype(np.float64)
        columns = X.indices
        X.data = np.rint((X.data - mean[columns]) * factor[columns])
        return X

    # The hash of a sparse row is that of zeros, and the differences of stored numbers.
    zero = _hash(np.rint(-mean * factor)) if issparse(X) else None
    with np.errstate(over="ignore", invalid="ignore"):
        return row_keys(X, transform=standard, zero=zero)


def class_marks(
    keys: np.ndarray, y: np.ndarray, weights: np.ndarray, n_classes: int
) -> np.ndarray:
    """A number for each class that its rows define, whatever its name.

    It is the sum of s_i u_i over its rows. u_i is between 0 and 1 and depends on the
    standard key. So weights are the same as repeats, and parts are added up. Two
    classes that cannot be told apart have the same number.
    """
    return np.bincount(y, weights * uniforms(keys, 0), n_classes)


def uniforms(keys: np.ndarray, code: int | np.ndarray) -> np.ndarray:
    """A number between 0 and 1 for each hash, and others for another code."""
    bits = mixed(keys.astype(np.uint64) + np.asarray(2 * code + 1, np.uint64))
    return (bits >> np.uint64(11)) / 2.0**53


def mixed(bits: np.ndarray) -> np.ndarray:
    """Bits without a pattern for each 64 bits, different ones for different bits."""
    result: np.ndarray = bits.astype(np.uint64) * MIXER
    result ^= result >> np.uint64(32)
    result *= MIXER
    return result


def number_groups(
    ids: np.ndarray, keys: np.ndarray, classes: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """A number for each distinct row's group, which the rows of the group define.

    The numbers follow the order of hashes, which is as good as random. Names decide
    only between groups of the same rows and weights, whose order does not matter.

    Parameters
    ----------
    ids : ndarray of shape (n_distinct,)
        Hashes of the names.
    keys, classes, weights : ndarray of shape (n_distinct,)
        Of the rows: their keys, the numbers of their classes, and their weights.
    """
    names, number = np.unique(ids, return_inverse=True)
    of_rows = mixed(keys.astype(np.uint64) + (2 * classes + 1).astype(np.uint64))
    # Sums of integers wrap around silently, and in any order.
    hashes = np.zeros(len(names), dtype=np.uint64)
    np.add.at(hashes, number, of_rows)
    order = np.lexsort((names, np.bincount(number, weights), mixed(hashes)))
    return np.argsort(order)[number]


def to_host(X: Matrix) -> Matrix:
    """Dense X as an array of numpy; sparse X as it is."""
    return X if issparse(X) else to_numpy(X)


def row_keys(
    X: Matrix,
    hashed_numbers: int = HASHED_NUMBERS,
    transform: Callable[[Matrix], Matrix] = to_host,
    zero: np.ndarray | None = None,
) -> np.ndarray:
    """A 64-bit hash of the values of each row; the same for dense and sparse X.

    Each number's two halves are hashed by MurmurHash3; a row's key is the sum of
    its numbers' hashes times odd numbers that stand for the columns (multilinear
    hashing). A zero adds nothing.

    ``transform`` is applied to rows before they are hashed. If it does not keep the
    zeros of sparse X, ``zero`` holds the hashes of what it makes of them.
    """
    n_samples, n_features = X.shape
    columns = _column_numbers(n_features)
    step = rows_of_block(X, hashed_numbers)
    of_zeros = None if zero is None else zero @ columns
    return np.concatenate(
        [
            _keys(
                transform(rows_of(X, slice(start, min(start + step, n_samples)))),
                columns,
                zero,
                of_zeros,
            )
            for start in range(0, n_samples, step)
        ]
    )


@lru_cache(maxsize=4)
def _column_numbers(n_features: int) -> np.ndarray:
    # Making a random state takes a tenth of a millisecond.
    columns = np.random.RandomState(0).randint(2**62, size=n_features, dtype=np.int64)
    numbers: np.ndarray = 2 * columns + 1
    numbers.flags.writeable = False
    return numbers


def _keys(
    X: Matrix,
    columns: np.ndarray,
    zero: np.ndarray | None,
    of_zeros: np.int64 | None,
) -> np.ndarray:
    # Sums of integers wrap around silently, and in any order.
    if not issparse(X):
        return _hash(X) @ columns
    hashes = X.copy()
    hashes.data = _hash(X.data)
    if zero is None:
        return hashes @ columns
    hashes.data -= zero[X.indices]
    return hashes @ columns + of_zeros


def _hash(values: np.ndarray) -> np.ndarray:
    # Adding zero turns -0 into 0.
    values = np.ascontiguousarray(values, dtype=np.float64) + 0.0
    words = values.view(np.int32)
    low, high = (
        murmurhash3_32(words[..., i::2].copy(), seed=i).astype(np.int64)
        for i in range(2)
    )
    hashes: np.ndarray = low + (high << 32)
    hashes[values == 0] = 0
    return hashes


def keyed(block: Block, moments: Moments, groups: np.ndarray | None = None) -> Keyed:
    """The rows that weigh anything, and their standard keys."""
    rows = Keyed(block, None, groups).take(np.flatnonzero(block.sample_weight > 0))
    if not len(rows.block.y):
        return rows._replace(keys=np.empty(0, np.int64))
    return rows._replace(keys=standard_keys(rows.block, moments))


def smallest_keys(samples: list[Keyed], n_rows: int) -> Keyed:
    """The rows of the smallest keys, and the two smallest of each class.

    Equal rows become one, with the sum of their weights. Merging is associative, so the
    result does not depend on how the rows are divided into samples.
    """
    blocks, of_keys, of_groups = zip(*samples, strict=True)
    of_X, of_y, of_weights = zip(*blocks, strict=True)
    data = Block(_stacked(of_X), np.concatenate(of_y), np.concatenate(of_weights))
    keys = np.concatenate(of_keys)
    groups = None if of_groups[0] is None else np.concatenate(of_groups)
    if not len(keys):
        return Keyed(data, keys, groups)
    rows, keys, sums = distinct_rows(data, keys, groups)
    y = data.y[rows]
    kept = np.arange(len(keys)) < n_rows
    for code in np.unique(y):
        kept[np.flatnonzero(y == code)[:2]] = True
    merged = Keyed(data, None, groups).take(rows[kept], sums[kept])
    return merged._replace(keys=keys[kept])


def _stacked(pieces: Sequence[Matrix]) -> Matrix:
    if any(map(issparse, pieces)):
        return vstack(pieces, format="csr")
    return np.concatenate(pieces)
