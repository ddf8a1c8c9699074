"""Row blocks: the division of the rows.

The loss is a sum over rows, computed block by block. So the activations of a block stay
in the processor's cache, and memory does not grow with the number of rows. Each part is
a list of blocks and one thread's task. Blocks and parts depend only on the problem, not
on the machine, and are added in their order. So a fit gives the same bits with any
number of threads.
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

# Numbers in the narrowest hidden layer of a block. With fewer, threads lose time to
# the interpreter's lock between short steps.
# Numbers in all layers of a block together. With more, they leave the cache. But with
# fewer rows the products of wide layers are slower.
LAYER_NUMBERS, BLOCK_NUMBERS = 2**17, 2**19
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 1000, 16384

# Numbers in the rows and layers of a block on a device. The block should be long enough
# to hide the start of each step, and small beside the device's memory.
DEVICE_NUMBERS = 2**25

# Work that justifies another thread: about a millisecond.
PART_WORK = 2e7
MAX_PARTS = 32

# Number of rows that show how sparse X is.
SOME_ROWS = 1000

# A matrix with fewer numbers may be copied: a few megabytes.
SMALL_NUMBERS = 2**20

# ``ordered_map(function, items)``: results or sums of neighbours, in the items' order.
OrderedMap: TypeAlias = Callable[..., Iterable[Any]]


class Block(NamedTuple):
    """Rows of a data set, or all of it: X, labels 0..K-1 and weights."""

    X: Matrix
    y: np.ndarray
    sample_weight: np.ndarray


@dataclass(frozen=True)
class Parts:
    """The rows in parts, with the map over the parts, for sums over rows.

    Attributes
    ----------
    items : list of list of Block
        A list of row blocks for each part, or its equivalent on other machines.
    weight_sum : float
        The sum of the weights.
    weighted : bool
        Whether any weight is not one.
    sparse : bool
    work : float
        The work of an evaluation; see `work_of`.
    n_parts : int
        The number of parts that the rows would have in this process.
    xp : Numpy or ArrayAPI
        The functions of the arrays, and their device.
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
        """Parts of rows in memory, or of X on a device with labels on the host."""
        xp, there = Numpy if issparse(data.X) else namespace(data.X), data
        if xp is not Numpy:
            # A device has its own threads.
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
    """Multiplications of a row in an evaluation, or steps of equal time.

    6 for each weight, 100 for each unit, 600 for the likelihood. ``shapes`` are the
    (n_l, m_l) of the layers. ``non_zeros`` is the mean number of stored entries of a
    sparse row, each of which takes 40 for each unit.
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
    """The mean number of stored entries of a sparse row; None for dense data."""
    return X.nnz / X.shape[0] if issparse(X) else None


def work_of(data: Block, shapes: Shapes) -> float:
    """The work of an evaluation of rows, with the density of the first rows.

    It is the lesser of the work as dense and as sparse data. So the storage of X does
    not matter. Rows of weight zero do not count.
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

    It takes the arguments of `work_of_row`.
    """
    narrowest = min((m for _, m in shapes[:-1]), default=1)
    block_rows = min(LAYER_NUMBERS // narrowest, BLOCK_NUMBERS // _width(shapes))
    # Without numpy, whose functions of single numbers take longer than a prediction.
    block_rows = min(max(block_rows, MIN_BLOCK_ROWS), MAX_BLOCK_ROWS)
    if non_zeros is not None:
        # Adding a block's dense gradient should cost less than computing it.
        block_rows = max(block_rows, int(16 * shapes[0][0] / max(non_zeros, 1e-9)))
    # A power of two, so that two or four threads have equal shares.
    work = work_of_row(shapes, non_zeros) * n_samples
    n_parts = min(work / PART_WORK, 2 * n_samples / block_rows)
    return 2 ** int(math.log2(min(max(n_parts, 1), MAX_PARTS))), block_rows


def row_parts(
    X: Matrix, shapes: Shapes, device_numbers: int = DEVICE_NUMBERS
) -> list[list[slice]]:
    """Divide the rows of X evenly into parts, and these into blocks."""
    n_samples, n_features = X.shape
    rows = slice(0, n_samples)
    if is_on_device(X):
        numbers = n_samples * (n_features + sum(m for _, m in shapes))
        return [_even_slices(rows, -(-numbers // device_numbers))]
    if 2 * n_samples <= MIN_BLOCK_ROWS:
        # The code below gives the same, but takes longer than one row's prediction.
        return [[rows]]
    n_parts, block_rows = division(n_samples, shapes, stored(X))
    return [
        _even_slices(part, -(-(part.stop - part.start) // block_rows))
        for part in _even_slices(rows, n_parts)
    ]


def _even_slices(rows: slice, n: int) -> list[slice]:
    # scikit-learn's gen_even_slices needs 40 microseconds to check its parameters.
    length = rows.stop - rows.start
    bounds = [rows.start + length * i // n for i in range(n + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def row_blocks(data: Block, shapes: Shapes, ones: bool = False) -> list[list[Block]]:
    """Views of the blocks of each part; a small X is copied in feature order.

    BLAS multiplies small matrices faster in this order. Data frames have it too, so
    they give the same bits. With ``ones``, the copy ends with a column of ones. Then
    weights and biases are one matrix, and so are their gradients.
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
    """A copy of X in feature order, with a column of ones at the end."""
    n_samples, n_features = X.shape
    copy = np.empty((n_samples, n_features + 1), X.dtype, order="F")
    copy[:, :-1] = X
    copy[:, -1] = 1
    return copy


def features_of(X: Matrix, n_features: int) -> Matrix:
    """X without the column of ones at its end, if it has one."""
    return X if X.shape[1] == n_features else X[:, :n_features]


def rows_of(X: Matrix, rows: slice) -> Matrix:
    """A view of some rows of X, also of CSR data, which scipy would copy."""
    if not issparse(X):
        return X[rows, :]
    start, stop = X.indptr[rows.start], X.indptr[rows.stop]
    view = type(X)((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    # The constructor would copy a small part of another array.
    view.data = X.data[start:stop]
    view.indices = X.indices[start:stop]
    view.indptr = X.indptr[rows.start : rows.stop + 1] - start
    return view
