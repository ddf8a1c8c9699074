"""Row blocks, and the limit of one BLAS thread around the work on them.

The loss is a sum over rows. It is taken block by block, so that the
activations of a block stay in the processor's cache and memory does not grow
with the number of rows; results are added in block order. Blocks depend on the
problem alone, never on the machine, and BLAS runs on one thread (L-BFGS-B's own
dot products included), so a fit gives the same bits under any thread setting.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_even_slices
from threadpoolctl import ThreadpoolController

from ._products import Matrix

# Numbers that the activations of one block may hold: 1 MiB of float64, half a common
# level-2 cache; fewer rows lose to the cost of calls, more rows to cache misses.
BLOCK_NUMBERS = 2**17
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 512, 16384


class Block(NamedTuple):
    """Some consecutive rows: data, labels 0..K-1 and weights."""

    X: Matrix
    y: np.ndarray
    sample_weight: np.ndarray


def row_slices(X: Matrix, layer_sizes: int) -> list[slice]:
    """Cut the rows of X into even blocks.

    ``layer_sizes`` is the sum m_1 + ... + m_L of the numbers that a row takes
    in all layers.
    """
    n_samples, n_features = X.shape
    rows = np.clip(BLOCK_NUMBERS // layer_sizes, MIN_BLOCK_ROWS, MAX_BLOCK_ROWS)
    if issparse(X):
        # Adding a block's dense gradient should cost less than computing it.
        rows = max(rows, int(8 * n_features * n_samples / max(X.nnz, 1)))
    n_blocks = -(-n_samples // int(rows))
    return list(gen_even_slices(n_samples, n_blocks))


def take_rows(X: Matrix, rows: slice, dtype: np.dtype) -> Matrix:
    """The rows of X as a matrix that BLAS can read, copied only where it must be."""
    block = X[rows]
    if issparse(block):
        return block.astype(dtype, copy=False)
    block = np.asarray(block, dtype=dtype)
    if block.itemsize not in block.strides:
        block = np.ascontiguousarray(block)
    return block


_lock = threading.Lock()
_limit = ExitStack()
_n_users = 0


@cache
def _threadpool_controller() -> ThreadpoolController:
    # Looking for the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread, as long as any thread of the process is inside.

    The limit is the whole process's, so the first to enter sets it and the last
    to leave restores what was there before.
    """
    global _n_users
    with _lock:
        if _n_users == 0:
            _limit.enter_context(
                _threadpool_controller().limit(limits=1, user_api="blas")
            )
        _n_users += 1
    try:
        yield
    finally:
        with _lock:
            _n_users -= 1
            if _n_users == 0:
                _limit.close()
