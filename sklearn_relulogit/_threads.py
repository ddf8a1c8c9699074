"""Threads over the rows, and BLAS limited to one thread.

The package's own threads share the rows. BLAS threads would spin on products as small
as those of a row block. Their number also changes the result, even of dot products
inside L-BFGS-B with more than about 10,000 parameters.
"""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import joblib
from threadpoolctl import LibController, ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")

# The number of BLAS threads belongs to the process. The first fit to enter sets it, and
# the last fit to leave restores it. The lock is reentrant, because the garbage
# collector may leave an abandoned context while this thread holds the lock.
_lock = threading.RLock()
_n_holders = 0
_held: list[tuple[LibController, int]] = []


@cache
def _blas_libraries() -> tuple[list[LibController], list[LibController]]:
    """The loaded BLAS libraries: those with one number of threads, and with OpenMP's.

    OpenMP keeps a number for each calling thread. The search takes milliseconds, so it
    is done once.
    """
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    with_openmp = [
        library
        for library in libraries
        if getattr(library, "threading_layer", None) == "openmp"
    ]
    others = [library for library in libraries if library not in with_openmp]
    return others, with_openmp


def n_blas_threads() -> int:
    """The largest number of threads that a BLAS library would use now."""
    numbers = [library.num_threads for group in _blas_libraries() for library in group]
    return max(numbers, default=1)


def _set_num_threads(library: LibController, number: int) -> None:
    # Since threadpoolctl 3.8 one Python thread owns the number, and settings by other
    # threads are silently ignored.
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


def _hold(libraries: list[LibController]) -> list[tuple[LibController, int]]:
    """Set libraries to one thread. Return those that had more, with their numbers."""
    numbers = [(library, library.num_threads) for library in libraries]
    held = [(library, number) for library, number in numbers if number != 1]
    for library, _ in held:
        _set_num_threads(library, 1)
    return held


def _restore(held: list[tuple[LibController, int]]) -> None:
    for library, number in held:
        _set_num_threads(library, number)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread in the body of a ``with`` statement."""
    global _n_holders
    of_process, of_thread = _blas_libraries()
    held_by_thread = _hold(of_thread)
    with _lock:
        _n_holders += 1
        if _n_holders == 1:
            _held[:] = _hold(of_process)
    try:
        yield
    finally:
        with _lock:
            _n_holders -= 1
            if _n_holders == 0:
                _restore(_held)
        _restore(held_by_thread)


@cache
def _n_cores() -> int:
    # Reading the limits of the process takes longer than a small prediction.
    return int(joblib.cpu_count())


def effective_n_threads(n_threads: int | None) -> int:
    """The number of threads that a parameter ``n_threads`` stands for.

    None means as many as BLAS would use, but at most the number of cores. Users limit
    this number by ``OPENBLAS_NUM_THREADS`` or threadpoolctl. joblib limits it in its
    worker processes, and it is 1 within another fit.
    """
    if n_threads is None:
        return min(n_blas_threads(), _n_cores())
    return _n_cores() if n_threads == -1 else n_threads


class ThreadedMap:
    """``ThreadedMap(n_threads)(function, items)``: the results, in order.

    The calling thread and ``n_threads - 1`` other threads take items. Each takes the
    next item as soon as it is free, which never changes the results. The first call
    that needs the threads starts them. They wait between calls, and leaving the context
    ends them.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_helpers = n_threads - 1
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def __call__(self, function: Callable[[T], R], items: Sequence[T]) -> Iterable[R]:
        n_helpers = min(self._n_helpers, len(items) - 1)
        if n_helpers <= 0:
            return map(function, items)
        with self._lock:  # Several restarts may call the same map.
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._n_helpers)
        pool = self._pool
        results: list[Any] = [None] * len(items)
        # Threads may take from a deque at the same time.
        waiting = deque(range(len(items)))

        def work() -> None:
            try:
                while True:
                    try:
                        number = waiting.popleft()
                    except IndexError:
                        return
                    results[number] = function(items[number])
            except BaseException:
                # No thread starts another item.
                waiting.clear()
                raise

        def help_out() -> None:
            with single_threaded_blas():
                work()

        helpers: list[Future[None]] = []
        try:
            for _ in range(n_helpers):
                try:
                    # In the caller's context, which holds numpy's error settings.
                    helper = pool.submit(contextvars.copy_context().run, help_out)
                except RuntimeError:
                    # If no further thread can start, the existing ones do all the work.
                    self._n_helpers = len(helpers)
                    break
                helpers.append(helper)
            work()
        finally:
            errors = [helper.exception() for helper in helpers if not helper.cancel()]
        for error in errors:
            if error is not None:
                raise error
        return results
