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

# Reentrant: an abandoned hold may be released at any line, by the garbage collector.
_lock = threading.RLock()
_holders: set[object] = set()
# The numbers of threads to give back, and whether BLAS is held: set in such an order
# that `_settle` can be cut short by an interrupt anywhere, and done again.
_shared_before: list[int] | None = None
_is_held = False


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


def _settle() -> None:
    """Hold BLAS if there are holders, or else give it back.

    Where the number of BLAS threads belongs to the whole process, the first Python
    thread to hold it sets it, and the last to release it gives it back.
    """
    global _shared_before, _is_held
    if _holders and not _is_held:
        shared, _ = _blas_libraries()
        if _shared_before is None:
            _shared_before = [library.num_threads for library in shared]
        _set_num_threads(shared, [1] * len(shared))
        _is_held = True
    elif not _holders and _shared_before is not None:
        _is_held = False
        _set_num_threads(_blas_libraries()[0], _shared_before)
        _shared_before = None


def _hold(holder: object) -> None:
    with _lock:
        _holders.add(holder)
        _settle()


def _release(holder: object) -> None:
    with _lock:
        _holders.discard(holder)
        _settle()


def _forget_other_threads() -> None:
    """Begin anew in a forked process: the threads that held BLAS are not there."""
    global _lock
    _lock = threading.RLock()
    _holders.clear()
    _settle()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_other_threads)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread for the body."""
    of_thread = _blas_libraries()[1]
    before = [library.num_threads for library in of_thread]
    holder = object()

    def release() -> None:
        _set_num_threads(of_thread, before)
        _release(holder)

    # Twice: an interrupt may cut the first short, and a second time does no harm.
    try:
        try:
            _set_num_threads(of_thread, [1] * len(of_thread))
            _hold(holder)
            yield
        finally:
            release()
    finally:
        release()
