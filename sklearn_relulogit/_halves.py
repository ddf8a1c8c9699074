"""Two halves of a data set that the data themselves define.

Which half a row falls in depends on its values and its weight alone, never on its
place. So a weight of two is the same as a row given twice.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse, vstack
from scipy.special import bdtrik
from sklearn.utils import murmurhash3_32

from ._blocks import Block, rows_of
from ._products import Matrix

# Numbers hashed at a time.
HASHED_NUMBERS = 2**18

# Different rows of the halves together: more would tell little more. And numbers.
MAX_ROWS = 10_000
MAX_NUMBERS, MIN_ROWS = 2**22, 2000

# An odd number without a pattern: 2^64 divided by the golden ratio.
MIXER = np.uint64(0x9E3779B97F4A7C15)


class Halves(NamedTuple):
    """Two halves to fit, the two to validate on, and what they hold together.

    ``validation[i]`` is ``training[i]`` less what is in both. ``n_rows`` counts the
    rows that fell in either half by their own lot.
    """

    training: list[Block]
    validation: list[Block]
    n_rows: int


def halves(data: Block, n_classes: int) -> Halves:
    """Cut a data set in halves. Rows that are equal become one, of their weight.

    Each class gives half of its different rows to either, whole. But where the same
    features are seen with several labels, as with few features of few values, rows
    to come will repeat those of today. There the copies of a row are cast one by one
    (binomially, the dice being its key). A copy weighs one, as in the likelihood.

    A class of only one different row belongs to both halves. Of large data the halves
    are a part, which the values of the rows decide again.
    """
    keys, y, weights, rows = different_rows(data)
    _, number, n_labels = np.unique(keys, return_inverse=True, return_counts=True)
    recurring = n_labels[number] > 1
    max_rows = most_rows(data.X.shape[1])
    copies = np.ones(len(keys))
    share = np.full(len(keys), np.nan)  # of the first half; nan for both or none
    shared = np.zeros(len(keys), dtype=bool)
    for code in range(n_classes):
        of_class = np.flatnonzero(y == code)
        if len(of_class) < 2:
            shared[of_class] = True
            continue
        kept = of_class[: max(2, -(-len(of_class) * max_rows // len(keys)))]
        whole, cast = kept[~recurring[kept]], kept[recurring[kept]]
        share[whole] = np.arange(len(whole)) % 2
        copies[cast] = np.maximum(1, np.rint(weights[cast]))
        share[cast] = binomial(dice(keys[cast], code), copies[cast]) / copies[cast]

    def half(share: np.ndarray, extra: np.ndarray) -> Block:
        share = np.where(extra, 1.0, share)
        chosen = np.flatnonzero(share > 0)
        chosen = chosen[np.argsort(rows[chosen])]
        return Block(
            data.X[rows[chosen]],
            y[chosen],
            (share * weights)[chosen].astype(data.sample_weight.dtype),
        )

    shares, none = (share, 1 - share), np.zeros_like(shared)
    cut = ~np.isnan(share)
    return Halves(
        training=[half(share, shared) for share in shares],
        validation=[half(share, none) for share in shares],
        n_rows=int(copies[cut].sum()),
    )


def most_rows(n_features: int) -> int:
    """Different rows of the halves together, about."""
    return min(MAX_ROWS, max(MAX_NUMBERS // n_features, MIN_ROWS))


def different_rows(
    data: Block,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Key, label, weight and first number of the different rows that have weight.

    They come sorted by label, and then by key.
    """
    rows = np.flatnonzero(data.sample_weight > 0)
    keys, y = row_keys(data.X)[rows], data.y[rows]
    order = np.lexsort((keys, y))
    rows, keys, y = rows[order], keys[order], y[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (keys[1:] != keys[:-1]) | (y[1:] != y[:-1])
    starts = np.flatnonzero(is_new)
    weights = np.add.reduceat(data.sample_weight[rows], starts, dtype=np.float64)
    return keys[starts], y[starts], weights, rows[starts]


def dice(keys: np.ndarray, code: int) -> np.ndarray:
    """A number between 0 and 1 for each key, and other ones for another code."""
    mixed = (keys.astype(np.uint64) + np.uint64(2 * code + 1)) * MIXER
    mixed ^= mixed >> np.uint64(32)
    mixed *= MIXER
    return (mixed >> np.uint64(11)) / 2.0**53


def binomial(u: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The number of heads in n throws of a coin whose distribution function is u."""
    with np.errstate(invalid="ignore"):
        heads = np.ceil(bdtrik(u, n, 0.5))
    return np.clip(np.nan_to_num(heads), 0, n)


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

    Repeats are one row, with the weights of all. Merging is associative, so that the
    rows do not depend on the chunks.
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
