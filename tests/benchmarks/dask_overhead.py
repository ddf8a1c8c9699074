"""The cost of a Dask cluster: compared with threads in memory, and alone.

python tests/benchmarks/dask_overhead.py            two or three minutes, 2 GB of memory
python tests/benchmarks/dask_overhead.py --quick    a tenth of the rows

Two workers of one thread run against two threads, on the same rows. Then follows an
empty evaluation, by the number of chunks and the size of theta. Numbers are medians of
interleaved runs. Run it alone on the machine.
"""

import argparse
import statistics
import time
import warnings
from functools import partial

import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.cluster import Chunk, ClusterMap

HIDDEN = (64, 32)
REPEATS = 3
LATENCY_REPEATS = 10


def make_data(n_rows, n_chunks):
    """Data that the workers make from seeds."""
    rng = da.random.default_rng(0)
    X = rng.standard_normal((n_rows, 50), chunks=(-(-n_rows // n_chunks), 50))
    noise = rng.standard_normal(n_rows, chunks=X.chunks[0])
    y = (X[:, 0] * X[:, 1] + X[:, 2] + noise > 0).astype(int)
    return X, y


def seconds_of(clf, X, y):
    start = time.perf_counter()
    with warnings.catch_warnings():
        # The number of iterations is fixed on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    return time.perf_counter() - start, clf.n_evaluations_, clf.loss_


def overhead(client, n_rows):
    X, y = client.persist(make_data(n_rows, 8))
    inside = X.compute(), y.compute()
    print(f"\n{n_rows} x 50, {HIDDEN}, whole fits: two workers against two threads\n")
    print("| iterations | memory, s | Dask, s | ratio | objective, relative |")
    print("|---|---|---|---|---|")
    for max_iter in (5, 20):
        times = {"memory": [], "dask": []}
        for _ in range(REPEATS):
            for name, data in (("memory", inside), ("dask", (X, y))):
                clf = ReLULogisticClassifier(
                    HIDDEN, alpha=10.0, max_iter=max_iter, n_threads=2, random_state=0
                )
                seconds, n_evaluations, loss = seconds_of(clf, *data)
                times[name].append((seconds, n_evaluations, loss))
        medians = {
            name: statistics.median(entry[0] for entry in entries)
            for name, entries in times.items()
        }
        losses = [times[name][-1][2] for name in times]
        evaluations = {entries[-1][1] for entries in times.values()}
        print(
            f"| {max_iter} ({evaluations} evaluations) | {medians['memory']:.2f} "
            f"| {medians['dask']:.2f} | {medians['dask'] / medians['memory']:.2f} "
            f"| {abs(losses[1] / losses[0] - 1):.0e} |",
            flush=True,
        )


def nothing(theta, part):
    return 0.0, np.zeros_like(theta)


def one_row(_):
    return Block(np.zeros((1, 1)), np.zeros(1, int), np.ones(1))


def latency():
    print("\nAn evaluation that has nothing to do, ms\n")
    print("CPU: of scheduler and caller together, which are one process here.\n")
    print("| parameters | chunks | ms | CPU, ms |")
    print("|---|---|---|---|")
    cluster_map = ClusterMap()
    for n_parameters in (1_000, 100_000, 1_000_000):
        for n_chunks in (2, 8, 32, 128, 512):
            if n_parameters * n_chunks > 1e8:
                continue
            lengths = da.from_array(np.zeros(n_chunks), chunks=1)
            chunks = [Chunk(delayed).then(one_row) for delayed in lengths.to_delayed()]
            function = partial(nothing, np.zeros(n_parameters))
            cluster_map(function, chunks, [(1, 1)])
            times, cpu = [], time.process_time()
            for _ in range(LATENCY_REPEATS):
                start = time.perf_counter()
                cluster_map(function, chunks, [(1, 1)])
                times.append(time.perf_counter() - start)
            cpu = 1e3 * (time.process_time() - cpu) / LATENCY_REPEATS
            milliseconds = 1e3 * statistics.median(times)
            print(
                f"| {n_parameters} | {n_chunks} | {milliseconds:.1f} | {cpu:.1f} |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--latency", action="store_true", help="the second table alone")
    arguments = parser.parse_args()
    n_rows = 100_000 if arguments.quick else 1_000_000
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0
    )
    with cluster, Client(cluster) as client:
        if not arguments.latency:
            overhead(client, n_rows)
        latency()


if __name__ == "__main__":
    main()
