"""Distinct rows, recognised by a hash of their values, and samples of them.

What the hashes decide does not depend on the order of the rows, nor on the chunks that
they are in.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils import murmurhash3_32

from .._model.arrays import Matrix
from .._model.blocks import Block, rows_of

# Numbers hashed at a time.
HASHED_NUMBERS = 2**18


class DistinctRows(NamedTuple):
    """The distinct rows that have weight, sorted by label and then by key.

    Key, label and total weight of each, and the number of its first occurrence.
    """

    keys: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    first: np.ndarray


def distinct_rows(data: Block) -> DistinctRows:
    """Rows of equal features and labels are one row, with the sum of their weights."""
    rows = np.flatnonzero(data.sample_weight > 0)
    keys, y = row_keys(data.X)[rows], data.y[rows]
    order = np.lexsort((keys, y))
    rows, keys, y = rows[order], keys[order], y[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (y[1:] != y[:-1])
    starts = np.flatnonzero(is_new)
    weights = np.add.reduceat(data.sample_weight[rows], starts, dtype=np.float64)
    return DistinctRows(keys[starts], y[starts], weights, rows[starts])


def row_keys(X: Matrix, hashed_numbers: int = HASHED_NUMBERS) -> np.ndarray:
    """A 64-bit hash of the values of each row; the same for dense and sparse X.

    Each number's two halves are hashed by MurmurHash3; a row's key is the sum of
    its numbers' hashes times odd numbers that stand for the columns (multilinear
    hashing). A zero adds nothing.
    """
    n_samples, n_features = X.shape
    columns = np.random.RandomState(0).randint(2**62, size=n_features, dtype=np.int64)
    columns = 2 * columns + 1
    step = max(1, hashed_numbers // n_features)
    return np.concatenate(
        [
            _keys(rows_of(X, slice(start, min(start + step, n_samples))), columns)
            for start in range(0, n_samples, step)
        ]
    )


def _keys(X: Matrix, columns: np.ndarray) -> np.ndarray:
    if issparse(X):
        hashes = X.copy()
        hashes.data = _hash(X.data)
    else:
        hashes = _hash(X)
    # Integers, whose sums wrap around silently and in any order.
    return np.asarray(hashes @ columns)


def _hash(values: np.ndarray) -> np.ndarray:
    # Adding zero makes zeros of the two signs one.
    values = np.ascontiguousarray(values, dtype=np.float64) + 0.0
    words = values.view(np.int32)
    low, high = (
        murmurhash3_32(words[..., i::2].copy(), seed=i).astype(np.int64)
        for i in range(2)
    )
    hashes: np.ndarray = low + (high << 32)
    hashes[values == 0] = 0
    return hashes


class Keyed(NamedTuple):
    """Rows and their keys."""

    keys: np.ndarray
    block: Block


def keyed(block: Block) -> Keyed:
    """The rows that weigh anything."""
    rows = np.flatnonzero(block.sample_weight > 0)
    block = Block(*(array[rows] for array in block))
    return Keyed(row_keys(block.X) if len(rows) else np.empty(0, np.int64), block)


def smallest_keys(samples: list[Keyed], n_rows: int) -> Keyed:
    """The rows of the smallest keys, and the two smallest of each class.

    Equal rows become one, with the sum of their weights. Merging is associative, so the
    result does not depend on how the rows are divided into samples.
    """
    keys = np.concatenate([sample.keys for sample in samples])
    y = np.concatenate([sample.block.y for sample in samples])
    weights = np.concatenate([sample.block.sample_weight for sample in samples])
    X = _stacked([sample.block.X for sample in samples])
    if not len(keys):
        return Keyed(keys, Block(X, y, weights))
    order = np.lexsort((y, keys))
    keys, y = keys[order], y[order]
    first = np.flatnonzero(np.r_[True, (np.diff(keys) != 0) | (np.diff(y) != 0)])
    sums = np.add.reduceat(weights[order], first, dtype=np.float64)
    keys, y, rows = keys[first], y[first], order[first]
    kept = np.arange(len(keys)) < n_rows
    for code in np.unique(y):
        kept[np.flatnonzero(y == code)[:2]] = True
    return Keyed(
        keys[kept], Block(X[rows[kept]], y[kept], sums[kept].astype(weights.dtype))
    )


def _stacked(pieces: list[Matrix]) -> Matrix:
    if any(map(issparse, pieces)):
        return vstack(pieces, format="csr")
    return np.concatenate(pieces)
