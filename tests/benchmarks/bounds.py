"""What bounds an evaluation of loss and gradient: its products, and the memory.

python tests/benchmarks/bounds.py     two minutes

One BLAS thread throughout. `products`: the matrix products of an evaluation alone, of
the same blocks in the same memory, beside a large product and the whole evaluation.
`bandwidth`: reading memory by one and by two threads, beside evaluations without hidden
layers, which read X and do little else.
"""

import time
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_relulogit._model.arrays import Numpy
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.memory import ActivationMemory, GradientMemory
from sklearn_relulogit._model.objective import NumpySettings, Objective
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes
from sklearn_relulogit._threads import ThreadedMap

# rows, features, hidden layers
WIDE = [(100_000, 50, (256, 256)), (20_000, 100, (100,)), (60_000, 784, (100,))]
LINEAR = [(200_000, 30, ()), (20_000, 30, ())]


def shortest(functions, repeats, clock):
    """Of each function, called in turns, the quarter of the times that are shorter."""
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, seen in zip(functions, times, strict=True):
            start = clock()
            function()
            seen.append(clock() - start)
    return [float(np.quantile(seen, 0.25)) for seen in times]


def problem(n, p, hidden, dtype, threads=map):
    rng = np.random.default_rng(0)
    order = "F" if dtype == np.float64 else "C"  # as merged rows are stored
    X = rng.standard_normal((n, p)).astype(dtype, order=order)
    y = (X[:, 0] > 0).astype(int)
    shapes = layer_shapes(p, hidden, 2)
    ones = np.broadcast_to(dtype(1), n)
    parts = Parts.of(Block(X, y, ones), shapes, threads)
    objective = Objective(parts, shapes, 1.0, np.dtype(dtype))
    return objective, initial_theta(shapes, np.random.RandomState(0))


def products_alone(objective, theta, scale):
    """The products of forward and backward; numbers are kept small by ``scale``."""
    evaluation = objective.evaluation
    dtype, shapes = evaluation.dtype, evaluation.shapes
    weights = [W_T for W_T, _ in evaluation.layers(theta)]
    gradients = [W_T for W_T, _ in GradientMemory(shapes, dtype, False, Numpy).layers]
    memory = ActivationMemory(shapes, dtype, False, Numpy)

    def run(multiply=True):
        for part in objective.parts.items:
            for block in part:
                *hidden, delta = arrays = memory.rows(len(block.y))
                Z = [block.X, *hidden]
                if multiply:
                    for A, W_T, out in zip(Z, weights, arrays, strict=True):
                        np.matmul(A, W_T, out=out)
                    for index in range(len(weights) - 1, -1, -1):
                        np.matmul(Z[index].T, delta, out=gradients[index])
                        if index:
                            W = weights[index].T
                            outer = np.multiply if len(W) == 1 else np.matmul
                            delta = outer(delta, W, out=Z[index])
                for A in arrays:
                    A *= scale

    return run


def products():
    print("Products alone and whole evaluations, one thread, GFlop/s\n")
    for dtype in (np.float64, np.float32):
        A = np.random.default_rng(0).standard_normal((2000, 2000)).astype(dtype)
        out = np.empty_like(A)
        for n, p, hidden in WIDE:
            objective, theta = problem(n, p, hidden, dtype)
            run = products_alone(objective, theta, dtype(1e-3))
            functions = [
                run,
                partial(run, multiply=False),
                partial(objective, theta),
                partial(np.matmul, A, A, out=out),
            ]
            with NumpySettings():
                seconds = shortest(functions, 8, time.thread_time)
            alone, scaling, whole, large = seconds
            alone -= scaling
            (n_1, m_1), *others = layer_shapes(p, hidden, 2)
            flops = n * (4 * n_1 * m_1 + 6 * sum(a * b for a, b in others)) / 1e9
            peak = 2 * 2000**3 / large / 1e9
            print(
                f"{n:6d} x {p:<4d}{hidden!s:11s}{np.dtype(dtype).name}: large product "
                f"{peak:.1f}; products alone {flops / alone:.1f}, "
                f"{flops / alone / peak:.0%} of it; evaluation {flops / whole:.1f}, "
                f"{flops / whole / peak:.0%} of it and {alone / whole:.0%} of the "
                "products",
                flush=True,
            )


def bandwidth():
    print("\nMemory: GB/s, by one thread and by two\n")
    numbers = np.ones(2**25)  # 256 MiB, beyond every cache
    pieces = np.array_split(numbers, 32)

    def read(threads):
        list(threads(np.max, pieces))

    def both(function_of):
        with ThreadedMap(2) as two:
            one, other = shortest(
                [partial(function_of, map), partial(function_of, two)],
                9,
                time.perf_counter,
            )
        return one, other

    one, two = both(read)
    gigabytes = numbers.nbytes / 1e9
    print(f"reading        {gigabytes / one:6.1f} {gigabytes / two:6.1f}")
    for dtype in (np.float64, np.float32):
        for n, p, hidden in LINEAR:
            with ThreadedMap(2) as threads:
                evaluations = [
                    partial(*problem(n, p, hidden, dtype, of)) for of in (map, threads)
                ]
                one, two = shortest(evaluations, 40, time.perf_counter)
            gigabytes = n * p * np.dtype(dtype).itemsize / 1e9
            print(
                f"{n} x {p}, {np.dtype(dtype).name}: an evaluation {one * 1e3:.2f} and "
                f"{two * 1e3:.2f} ms, {one / two:.2f}x; X by second "
                f"{gigabytes / one:.1f} and {gigabytes / two:.1f} GB",
                flush=True,
            )


if __name__ == "__main__":
    with threadpool_limits(1, user_api="blas"):
        products()
        bandwidth()
