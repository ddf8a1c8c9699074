"""Row blocks: how the rows are cut up.

The loss is a sum over rows. It is taken block by block, so that the activations
of a block stay in the processor's cache and memory does not grow with the number
of rows. Blocks are gathered into parts, of which each is one thread's task. Both
depend on the problem alone, never on the machine, and sums are taken in their
order, so a fit gives the same bits with any number of threads.
"""

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.sparse import issparse

from ._arrays import Arrays, Numpy, is_on_device
from ._parameters import Shapes
from ._products import Matrix

# Numbers in the narrowest hidden layer of a block: with fewer, threads spend their
# time on handing each other the interpreter's lock between two short steps. And in
# all layers of a block together: with more, they leave the cache.
LAYER_NUMBERS, BLOCK_NUMBERS = 2**17, 2**19
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 512, 16384

# On a device a block should be long enough to hide what it takes to begin each step,
# and small beside its memory: numbers of the rows and all layers.
DEVICE_NUMBERS = 2**25

# A part is worth another thread's while: about a millisecond.
PART_WORK = 2e7
MAX_PARTS = 32


# A matrix with fewer numbers may be copied: a few megabytes.
SMALL_NUMBERS = 2**20


class Block(NamedTuple):
    """Rows of a data set, or all of it: X, labels 0..K-1 and weights."""

    X: Matrix
    y: np.ndarray
    sample_weight: np.ndarray


class Parts(NamedTuple):
    """What an ordered map takes, and what there is to know of the rows in it.

    Attributes
    ----------
    of_map : list of list of Block
        A list of row blocks for each task, or whatever stands for it elsewhere.
    weight_sum : float
    weighted : bool
        Whether any weight is not one.
    sparse : bool
    xp : Numpy or ArrayAPI
        The functions of the arrays, and where these are.
    """

    of_map: Any
    weight_sum: float
    weighted: bool
    sparse: bool
    xp: Arrays = Numpy

    @classmethod
    def of(cls, parts: list[list[Block]]) -> Self:
        """Of parts in memory."""
        blocks = [block for part in parts for block in part]
        return cls(
            parts,
            sum(weight_of(block) for block in blocks),
            any((block.sample_weight != 1).any() for block in blocks),
            any(issparse(block.X) for block in blocks),
        )


def weight_of(block: Block) -> float:
    """The sum of the weights."""
    return float(block.sample_weight.sum(dtype=np.float64))


def row_parts(X: Matrix, shapes: Shapes) -> list[list[slice]]:
    """Cut the rows of X into parts, and those into blocks, evenly.

    ``shapes`` are the (n_l, m_l) of the layers that the rows go through.
    """
    n_samples, n_features = X.shape
    width = sum(m for _, m in shapes)
    if is_on_device(X):
        n_blocks = -(-n_samples * (n_features + width) // DEVICE_NUMBERS)
        return [_even_slices(slice(0, n_samples), n_blocks)]
    narrowest = min((m for _, m in shapes[:-1]), default=1)
    block_rows = min(LAYER_NUMBERS // narrowest, BLOCK_NUMBERS // width)
    block_rows = int(np.clip(block_rows, MIN_BLOCK_ROWS, MAX_BLOCK_ROWS))
    # Work of a row in multiplications or what takes as long: 6 for each weight, 100
    # for each unit, 600 for the likelihood.
    work = 6 * sum(n * m for n, m in shapes) + 100 * width + 600
    if issparse(X):
        n_1, m_1 = shapes[0]
        per_row = X.nnz / n_samples
        work += 40 * per_row * m_1 - 6 * n_1 * m_1
        # Adding up a block's dense gradient should cost less than computing it.
        block_rows = max(block_rows, int(16 * n_features / max(per_row, 1e-9)))
    # A power of two, so that two or four threads have the same share.
    n_parts = min(work * n_samples / PART_WORK, 2 * n_samples / block_rows)
    n_parts = 2 ** int(np.log2(np.clip(n_parts, 1, MAX_PARTS)))
    return [
        _even_slices(part, -(-(part.stop - part.start) // block_rows))
        for part in _even_slices(slice(0, n_samples), n_parts)
    ]


def _even_slices(rows: slice, n: int) -> list[slice]:
    # scikit-learn's gen_even_slices takes 40 microseconds to check its parameters.
    length = rows.stop - rows.start
    bounds = [rows.start + length * i // n for i in range(n + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def cut(data: Block, shapes: Shapes) -> list[list[Block]]:
    """Views of the blocks of each part; a small X is copied, feature by feature.

    BLAS's products of small matrices are faster so, and give the same bits for data
    frames, which are stored like that.
    """
    parts = row_parts(data.X, shapes)
    X = data.X
    if (
        isinstance(X, np.ndarray)
        and X.size <= SMALL_NUMBERS
        and len(parts) == len(parts[0]) == 1
    ):
        data = data._replace(X=np.asfortranarray(X))
    return [
        [
            Block(rows_of(data.X, rows), data.y[rows], data.sample_weight[rows])
            for rows in part
        ]
        for part in parts
    ]


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
