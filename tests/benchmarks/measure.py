"""Times of several functions in turns, and how they are printed."""

import statistics
import time
from contextlib import nullcontext

import numpy as np


def interleaved(functions, seconds, at_most, contexts=None):
    """Median seconds of each function, called in turns of a quarter of a second.

    After another function's turn there is a pause, since idle threads of BLAS and
    OpenMP spin for a while. Then follows a first call that does not count. A turn has
    at least three calls, inside the function's context.
    """
    times = [[] for _ in functions]
    contexts = contexts or [nullcontext] * len(functions)
    end = time.perf_counter() + seconds * len(functions)
    while len(times[0]) < 3 or (time.perf_counter() < end and len(times[0]) < at_most):
        for function, context, seen in zip(functions, contexts, times, strict=True):
            time.sleep(0.2)
            with context():
                function()
                turn = time.perf_counter()
                for call in range(at_most):
                    start = time.perf_counter()
                    function()
                    seen.append(time.perf_counter() - start)
                    if call >= 2 and time.perf_counter() > turn + 0.25:
                        break
    return [statistics.median(seen) for seen in times]


def geometric_mean(values):
    return float(np.exp(np.mean(np.log(values)))) if len(values) else float("nan")


def title(text):
    print(f"\n## {text}\n")


def shape_name(n, p, hidden, dtype):
    return f"{n:7d} x {p:<4d}{hidden!s:12s}{np.dtype(dtype).name:8s}"
