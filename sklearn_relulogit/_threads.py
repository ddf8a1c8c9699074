"""An ordered map over several threads, and how many there should be."""

import contextvars
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import joblib

from ._blas import n_blas_threads, single_threaded_blas

T = TypeVar("T")
R = TypeVar("R")


@cache
def _n_cores() -> int:
    # Reading the limits of the process takes longer than a small prediction.
    return int(joblib.cpu_count())


def effective_n_threads(n_threads: int | None) -> int:
    """The number of threads that a parameter ``n_threads`` stands for.

    None means as many as BLAS would use, but no more than there are cores: that
    number is what users limit (by ``OPENBLAS_NUM_THREADS``, by threadpoolctl), what
    joblib limits in its worker processes, and 1 within another fit.
    """
    if n_threads is None:
        return min(n_blas_threads(), _n_cores())
    return _n_cores() if n_threads == -1 else n_threads


class ThreadedMap:
    """``ThreadedMap(n_threads)(function, items)``: the results, in order.

    The calling thread does its share, beside ``n_threads - 1`` others that wait in
    between. Each takes the next item as soon as it is free, so which thread does
    what changes from call to call, but never the results.
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
        if n_helpers == 0:
            return map(function, items)
        with self._lock:  # restarts share the map
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._n_helpers)
        pool = self._pool
        results: list[Any] = [None] * len(items)
        numbers = iter(range(len(items)))  # advancing it is atomic

        def work() -> None:
            try:
                for number in numbers:
                    results[number] = function(items[number])
            finally:
                # After an exception no thread begins another item.
                for _ in numbers:
                    pass

        def help_out() -> None:
            with single_threaded_blas():
                work()

        # In the caller's context, with numpy's error state for one.
        helpers: list[Future[None]] = []
        try:
            for _ in range(n_helpers):
                try:
                    helper = pool.submit(contextvars.copy_context().run, help_out)
                except RuntimeError:
                    # No further thread can be started: these do it too.
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
