"""BLAS held at one thread.

Threads are ours to use, over row blocks. BLAS's own spin on products as small as a
block's, above all when other processes want the cores, and change the result with
their number: L-BFGS-B's dot products too, beyond about 10,000 parameters.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import LibController, ThreadpoolController

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


def n_blas_threads() -> int:
    """The largest number of threads that a BLAS library would use now."""
    numbers = [library.num_threads for group in _blas_libraries() for library in group]
    return max(numbers, default=1)


def _set_num_threads(libraries: list[LibController], numbers: list[int]) -> None:
    for library, number in zip(libraries, numbers, strict=True):
        # From threadpoolctl 3.8 on, one Python thread owns the number and the
        # setting by any other is ignored without a word.
        release = getattr(library, "clear_controlling_thread", lambda force: None)
        release(force=True)
        library.set_num_threads(number)
        release(force=True)


def _forget_other_threads() -> None:
    """Begin anew in a forked process: the threads that held BLAS are not there."""
    global _lock, _n_users
    _lock = threading.Lock()
    if _n_users > 0:
        _n_users = 0
        _set_num_threads(_blas_libraries()[0], _shared_before)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_other_threads)


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
