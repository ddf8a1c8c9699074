"""Row blocks: how the rows are divided.

The loss is a sum over rows. It is taken block by block, so that the activations
of a block stay in the processor's cache and memory does not grow with the number
of rows. Blocks are gathered into parts, and each part is one thread's task. Both
depend on the problem alone, never on the machine, and sums are taken in their
order, so a fit gives the same bits with any number of threads.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from scipy.sparse import issparse

from .arrays import (
    Matrix,
    Namespace,
    Numpy,
    is_on_device,
    namespace,
    take_rows,
    to_numpy,
)
from .parameters import Shapes

# Numbers in the narrowest hidden layer of a block: with fewer, threads spend their
# time on handing each other the interpreter's lock between two short steps. And in
# all layers of a block together: with more, they leave the cache. But with fewer rows
# the products of wide layers are slower.
LAYER_NUMBERS, BLOCK_NUMBERS = 2**17, 2**19
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 1000, 16384

# Numbers in the rows and all layers of a block on a device. The block should be so long
# that the time to start a step does not count, and small beside the device's memory.
DEVICE_NUMBERS = 2**25

# Work of a part that is worth another thread: about a millisecond.
PART_WORK = 2e7
MAX_PARTS = 32

# So many rows tell how many entries of a row are not zero.
SOME_ROWS = 1000

# A matrix with fewer numbers may be copied: it has a few megabytes.
SMALL_NUMBERS = 2**20

# ``ordered_map(function, items)``: results, or sums of neighbours, in the items' order.
OrderedMap: TypeAlias = Callable[..., Iterable[Any]]


class Block(NamedTuple):
    """Rows of a data set, or all of it: X, labels 0..K-1 and weights."""

    X: Matrix
    y: np.ndarray
    sample_weight: np.ndarray


@dataclass(frozen=True)
class Parts:
    """The rows as a sum over them needs them: in parts, with the map over the parts.

    Attributes
    ----------
    items : list of list of Block
        A list of row blocks for each part, or whatever stands for it elsewhere.
    weight_sum : float
        The sum of the weights.
    weighted : bool
        Whether any weight is not one.
    sparse : bool
    work : float
        The work of an evaluation; see `work_of`.
    n_parts : int
        The number of parts that the rows would have in the memory of this process.
    xp : Numpy or ArrayAPI
        The functions of the arrays, and where these are.
    ones : bool
        Whether X ends with a column of ones.
    ordered_map : callable
        The map over ``items``.
    """

    items: Any
    weight_sum: float
    weighted: bool = True
    sparse: bool = False
    work: float = 0.0
    n_parts: int = 1
    xp: Namespace = Numpy
    ones: bool = False
    ordered_map: OrderedMap = map

    @classmethod
    def of(cls, data: Block, shapes: Shapes, ordered_map: OrderedMap = map) -> Self:
        """Of rows in memory or, with labels and weights on the host, on a device."""
        xp, there = Numpy if issparse(data.X) else namespace(data.X), data
        if xp is not Numpy:
            # A device has threads of its own.
            there = Block(data.X, xp.to_device(data.y), xp.to_device(data[2]))
            ordered_map = map
        items = row_blocks(there, shapes, ones=True)
        return cls(
            items,
            weight_of(data),
            weighted=bool((data.sample_weight != 1).any()),
            sparse=issparse(data.X),
            work=work_of(data, shapes),
            n_parts=division(data.X.shape[0], shapes, stored(data.X))[0],
            xp=xp,
            ones=items[0][0].X.shape[1] > shapes[0][0],
            ordered_map=ordered_map,
        )

    def map(self, function: Callable[[list[Block]], Any]) -> Iterable[Any]:
        """The results of the parts, or sums of neighbours, in order."""
        return self.ordered_map(function, self.items)


def weight_of(block: Block) -> float:
    """The sum of the weights."""
    return float(block.sample_weight.sum(dtype=np.float64))


def work_of_row(shapes: Shapes, non_zeros: float | None = None) -> float:
    """Multiplications, or what takes as long, of a row in an evaluation.

    6 for each weight, 100 for each unit, 600 for the likelihood. ``shapes`` are the
    (n_l, m_l) of the layers that the rows go through, ``non_zeros`` the mean number of
    stored entries of a row of sparse data, each of which takes 40 for each unit.
    """
    work: float = 6 * sum(n * m for n, m in shapes) + 100 * _width(shapes) + 600
    if non_zeros is not None:
        n_1, m_1 = shapes[0]
        work += 40 * non_zeros * m_1 - 6 * n_1 * m_1
    return work


def _width(shapes: Shapes) -> int:
    """The number of units of all layers."""
    return sum(m for _, m in shapes)


def stored(X: Matrix) -> float | None:
    """The mean number of stored entries of a row of sparse data; None for dense."""
    return X.nnz / X.shape[0] if issparse(X) else None


def work_of(data: Block, shapes: Shapes) -> float:
    """The work of an evaluation of rows. The first ones tell how dense they are.

    As dense or as sparse data, whichever takes less, so that the storage of X does not
    matter. A row of weight zero is no row.
    """
    X, _, weights = data
    n_samples = np.count_nonzero(weights)
    some = take_rows(X, np.flatnonzero(weights)[:SOME_ROWS])
    count = some.count_nonzero() if issparse(some) else np.count_nonzero(to_numpy(some))
    non_zeros = float(count) / max(some.shape[0], 1)
    return n_samples * min(work_of_row(shapes), work_of_row(shapes, non_zeros))


def division(
    n_samples: int, shapes: Shapes, non_zeros: float | None = None
) -> tuple[int, int]:
    """The number of parts, and the largest number of rows of a block.

    The parameters are those of `work_of_row`.
    """
    narrowest = min((m for _, m in shapes[:-1]), default=1)
    block_rows = min(LAYER_NUMBERS // narrowest, BLOCK_NUMBERS // _width(shapes))
    # Not by numpy, whose functions of single numbers take longer than a prediction.
    block_rows = min(max(block_rows, MIN_BLOCK_ROWS), MAX_BLOCK_ROWS)
    if non_zeros is not None:
        # To add up a block's dense gradient should cost less than to compute it.
        block_rows = max(block_rows, int(16 * shapes[0][0] / max(non_zeros, 1e-9)))
    # A power of two, so that two or four threads have the same share.
    work = work_of_row(shapes, non_zeros) * n_samples
    n_parts = min(work / PART_WORK, 2 * n_samples / block_rows)
    return 2 ** int(math.log2(min(max(n_parts, 1), MAX_PARTS))), block_rows


def row_parts(
    X: Matrix, shapes: Shapes, device_numbers: int = DEVICE_NUMBERS
) -> list[list[slice]]:
    """Divide the rows of X into parts, and those into blocks, evenly."""
    n_samples, n_features = X.shape
    rows = slice(0, n_samples)
    if is_on_device(X):
        numbers = n_samples * (n_features + sum(m for _, m in shapes))
        return [_even_slices(rows, -(-numbers // device_numbers))]
    if 2 * n_samples <= MIN_BLOCK_ROWS:
        # What follows comes to the same, in more time than one row takes.
        return [[rows]]
    n_parts, block_rows = division(n_samples, shapes, stored(X))
    return [
        _even_slices(part, -(-(part.stop - part.start) // block_rows))
        for part in _even_slices(rows, n_parts)
    ]


def _even_slices(rows: slice, n: int) -> list[slice]:
    # scikit-learn's gen_even_slices takes 40 microseconds to check its parameters.
    length = rows.stop - rows.start
    bounds = [rows.start + length * i // n for i in range(n + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def row_blocks(data: Block, shapes: Shapes, ones: bool = False) -> list[list[Block]]:
    """Views of the blocks of each part; a small X is copied, feature by feature.

    BLAS's products of small matrices are faster so, and give the same bits for data
    frames, which are stored like that. With ``ones``, the copy ends with a column of
    ones: then weights and biases are one matrix, and so are their gradients.
    """
    parts = row_parts(data.X, shapes)
    X = data.X
    if (
        isinstance(X, np.ndarray)
        and X.size <= SMALL_NUMBERS
        and len(parts) == len(parts[0]) == 1
    ):
        data = data._replace(X=beside_ones(X) if ones else np.asfortranarray(X))
    return [
        [
            Block(rows_of(data.X, rows), data.y[rows], data.sample_weight[rows])
            for rows in part
        ]
        for part in parts
    ]


def beside_ones(X: np.ndarray) -> np.ndarray:
    """A copy of X, feature by feature, with a column of ones at the end."""
    n_samples, n_features = X.shape
    copy = np.empty((n_samples, n_features + 1), X.dtype, order="F")
    copy[:, :-1] = X
    copy[:, -1] = 1
    return copy


def features_of(X: Matrix, n_features: int) -> Matrix:
    """X without the column of ones at its end, if it has one."""
    return X if X.shape[1] == n_features else X[:, :n_features]


def rows_of(X: Matrix, rows: slice) -> Matrix:
    """A view of some rows of X; of CSR data too, of which scipy would take a copy."""
    if not issparse(X):
        return X[rows, :]
    start, stop = X.indptr[rows.start], X.indptr[rows.stop]
    view = type(X)((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    # The constructor would copy what is a small part of another array.
    view.data = X.data[start:stop]
    view.indices = X.indices[start:stop]
    view.indptr = X.indptr[rows.start : rows.stop + 1] - start
    return view
