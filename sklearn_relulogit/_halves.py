"""Two halves of a data set that the data themselves define.

Which half a row falls in depends on its values alone. So repeats of a row stay
together, as two halves of a cross-validation should have it, a weight of two is the
same as a row given twice, and the order of the rows does not matter.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import murmurhash3_32

from ._blocks import Block, rows_of
from ._products import Matrix

# Numbers hashed at a time.
HASHED_NUMBERS = 2**18

# Different rows of the halves together: more would tell little more. And numbers.
MAX_ROWS = 10_000
MAX_NUMBERS = 2**22


class Halves(NamedTuple):
    """Ascending numbers of rows: of one half, the other, and those of both.

    ``n_different`` is the number of different rows in one or the other.
    """

    first: np.ndarray
    second: np.ndarray
    shared: np.ndarray
    n_different: int


def halves(data: Block, n_classes: int) -> Halves:
    """Cut a data set in halves.

    Each class gives half of its different rows to either. A class of which there is
    only one belongs to both. Rows of zero weight belong to none. Of large data the
    halves are a part: again one that the values of the rows decide.
    """
    keys = row_keys(data.X)
    present = data.sample_weight > 0
    max_rows = most_rows(data.X.shape[1])
    side = np.full(len(keys), -1, dtype=np.int8)
    n_keys = len(np.unique(keys[present]))
    n_different = 0
    for code in range(n_classes):
        rows = np.flatnonzero(present & (data.y == code))
        different, rank = np.unique(keys[rows], return_inverse=True)
        if len(different) < 2:
            side[rows] = 2
            continue
        side[rows] = rank % 2
        n_kept = max(2, -(-len(different) * max_rows // n_keys))
        side[rows[rank >= n_kept]] = -1
        n_different += min(n_kept, len(different))
    first, second, shared = (np.flatnonzero(side == value) for value in range(3))
    return Halves(first, second, shared, n_different)


def most_rows(n_features: int) -> int:
    """Different rows of the halves together, about."""
    return min(MAX_ROWS, max(MAX_NUMBERS // n_features, 2000))


def row_keys(X: Matrix) -> np.ndarray:
    """A 64-bit hash of the values of each row; the same for dense and sparse X.

    Each number's two halves are hashed by MurmurHash3; a row's key is the sum of
    its numbers' hashes times odd numbers that stand for the columns (multilinear
    hashing). A zero adds nothing.
    """
    n_samples, n_features = X.shape
    columns = np.random.RandomState(0).randint(2**62, size=n_features, dtype=np.int64)
    columns = 2 * columns + 1
    step = max(1, HASHED_NUMBERS // n_features)
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
    hashes = low + (high << 32)
    hashes[values == 0] = 0
    return hashes
