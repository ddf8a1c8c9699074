"""Row blocks, and the limit of one BLAS thread around the work on them.

The loss is a sum over rows. It is taken block by block, so that the
activations of a block stay in the processor's cache and memory does not grow
with the number of rows; results are added in block order. Blocks depend on the
problem alone, never on the machine, and BLAS runs on one thread (L-BFGS-B's own
dot products included), so a fit gives the same bits under any thread setting.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_even_slices
from threadpoolctl import LibController, ThreadpoolController

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
_n_users = 0
_shared_before: list[int] = []


@cache
def _blas_libraries() -> tuple[list[LibController], list[LibController]]:
    """The loaded BLAS libraries: thread number of the process, or of each thread.

    Looking for them takes milliseconds, so it is done once.
    """
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    of_thread = [
        library
        for library in libraries
        if getattr(library, "threading_layer", None) == "openmp"
    ]
    return [library for library in libraries if library not in of_thread], of_thread


def _set_num_threads(libraries: list[LibController], numbers: list[int]) -> None:
    for library, number in zip(libraries, numbers, strict=True):
        # From threadpoolctl 3.8 on, one Python thread owns the number and the
        # setting by any other is ignored without a word.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread for the body.

    Where the number of BLAS threads belongs to the whole process, the first
    Python thread to enter sets it and the last to leave gives it back.
    """
    global _n_users, _shared_before
    shared, of_thread = _blas_libraries()
    of_thread_before = [library.num_threads for library in of_thread]
    _set_num_threads(of_thread, [1] * len(of_thread))
    with _lock:
        if _n_users == 0:
            _shared_before = [library.num_threads for library in shared]
            _set_num_threads(shared, [1] * len(shared))
        _n_users += 1
    try:
        yield
    finally:
        _set_num_threads(of_thread, of_thread_before)
        with _lock:
            _n_users -= 1
            if _n_users == 0:
                _set_num_threads(shared, _shared_before)
