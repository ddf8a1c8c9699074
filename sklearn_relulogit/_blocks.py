"""Row blocks: how the rows are cut up.

The loss is a sum over rows. It is taken block by block, so that the activations
of a block stay in the processor's cache and memory does not grow with the number
of rows. Blocks are gathered into parts, of which each is one thread's task. Both
depend on the problem alone, never on the machine, and sums are taken in their
order, so a fit gives the same bits with any number of threads.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_even_slices

from ._parameters import Shapes
from ._products import Matrix

# Numbers that the activations of one block may hold: 1 MiB of float64, a common
# level-2 cache; fewer rows lose to the cost of calls, more rows to cache misses.
BLOCK_NUMBERS = 2**17
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 512, 16384

# A part is worth another thread's while: about half a millisecond.
PART_WORK = 1e7
MAX_PARTS = 32


class Block(NamedTuple):
    """Rows of a data set, or all of it: X, labels 0..K-1 and weights."""

    X: Matrix
    y: np.ndarray
    sample_weight: np.ndarray


def row_parts(X: Matrix, shapes: Shapes) -> list[list[slice]]:
    """Cut the rows of X into parts, and those into blocks, evenly.

    ``shapes`` are the (n_l, m_l) of the layers that the rows go through.
    """
    n_samples, n_features = X.shape
    width = sum(m for _, m in shapes)
    block_rows = np.clip(BLOCK_NUMBERS // width, MIN_BLOCK_ROWS, MAX_BLOCK_ROWS)
    # Work of a row in multiplications or what takes as long: 6 for each weight, 100
    # for each unit, 600 for the likelihood.
    work = 6 * sum(n * m for n, m in shapes) + 100 * width + 600
    if issparse(X):
        n_1, m_1 = shapes[0]
        per_row = X.nnz / n_samples
        work += 40 * per_row * m_1 - 6 * n_1 * m_1
        # Adding up a block's dense gradient should cost less than computing it.
        block_rows = max(block_rows, int(8 * n_features / max(per_row, 1e-9)))
    n_parts = np.clip(work * n_samples / PART_WORK, 1, MAX_PARTS)
    n_parts = min(2 ** int(np.log2(n_parts)), -(-n_samples // int(block_rows)))
    return [
        [
            slice(part.start + block.start, part.start + block.stop)
            for block in _even_slices(part.stop - part.start, int(block_rows))
        ]
        for part in gen_even_slices(n_samples, n_parts)
    ]


def _even_slices(n: int, at_most: int) -> list[slice]:
    return list(gen_even_slices(n, -(-n // at_most)))


def cut(data: Block, shapes: Shapes) -> list[list[Block]]:
    """Views of the blocks of each part."""
    return [
        [
            Block(rows_of(data.X, rows), data.y[rows], data.sample_weight[rows])
            for rows in part
        ]
        for part in row_parts(data.X, shapes)
    ]


def rows_of(X: Matrix, rows: slice) -> Matrix:
    """A view of some rows of X; of CSR data too, of which scipy would take a copy."""
    if not issparse(X):
        return X[rows]
    start, stop = X.indptr[rows.start], X.indptr[rows.stop]
    return type(X)(
        (
            X.data[start:stop],
            X.indices[start:stop],
            X.indptr[rows.start : rows.stop + 1] - start,
        ),
        shape=(rows.stop - rows.start, X.shape[1]),
    )
