"""Expected times of whole fits to one objective, beside the peers.

The target of a data set is the median of the objectives that MLPClassifier's L-BFGS
ends with from several starts; it counts as met within a thousandth. Whoever starts
again until it is met needs, in expectation, the time of all starts over the number of
those that met it. So the time spent on local minima above the target counts as well.
All parameters but `alpha` are the defaults, which also say when a fit gives up. Only
large fits of ours have a tighter `tol`: by the default, those of text end just above
the target.
"""

import time
from functools import partial

import numpy as np
from measure import geometric_mean, shape_name, title
from peers import MLP, N_THREADS, Ours, installed
from synthetic import dense, text
from threadpoolctl import threadpool_limits

from sklearn_relulogit._model.parameters import initial_theta, layer_shapes

ALPHA = 1.0
SLACK = 1e-3
WHOLE_TOL = 1e-5

# Data, rows, features, hidden layers.
WHOLE = [
    (dense, 20_000, 100, (100,)),
    (dense, 20_000, 30, (32, 16)),
    (dense, 10_000, 784, (100,)),
    (dense, 200_000, 30, ()),
    (dense, 3_000, 50, (256, 256)),
    (text, 3_000, 5_000, (50,)),
]
QUICK_WHOLE = [(dense, 2_000, 30, (32, 16)), (dense, 20_000, 30, ())]
SMALL = [
    (dense, 200, 10, (10,)),
    (dense, 300, 20, (10,)),
    (dense, 300, 20, (100,)),
    (dense, 500, 30, (30, 30)),
    (dense, 1_000, 20, (10,)),
    (dense, 1_000, 20, (100,)),
]

# The starts of ours and of MLPClassifier, those of the others (with at most so many
# iterations), and those on each data set of a small shape. With three data sets the
# mean of the ratios differed by a tenth from one draw to another.
N_STARTS, N_PEER_STARTS, PEER_ITERATIONS = 5, 2, 400
N_SMALL_SETS, N_SMALL_STARTS = 9, 10


def target_of(traces):
    """What half of the fits reached, with some slack."""
    return np.median([trace.values.min() for trace in traces]) * (1 + SLACK)


def expected(trials):
    """Seconds until a start meets the target, of (seconds, met) of each."""
    seconds, met = zip(*trials, strict=True)
    return sum(seconds) / sum(met) if any(met) else np.inf


def n_met(trials):
    return f"{sum(met for _, met in trials)}/{len(trials)}"


def print_means(ratios, width):
    """Geometric means of finite ratios, and of how many."""
    cells = ""
    for values in ratios.values():
        finite = [value for value in values if np.isfinite(value) and value > 0]
        cell = f"{geometric_mean(finite):.2f}x of {len(finite)}"
        cells += f"{cell:>15s}"
    print(f"{'geometric mean':{width}s}{cells}", flush=True)


def race(make, n, p, hidden, dtype, n_starts, peers, n_threads, clock):
    """Name -> (seconds, met) of each start. First MLPClassifier: it gives the target.

    The peers take part in the first starts of dense data.
    """
    X, y = make(n, p, dtype)
    data = X, y, hidden, ALPHA
    mlp, ours = MLP(*data), Ours(*data, n_threads=n_threads)
    with threadpool_limits(n_threads, user_api="blas"):
        traces = [mlp.trace(seed, clock=clock) for seed in range(n_starts)]
        target = target_of(traces)
        trials = {"ours": [], "MLPClassifier": [t.to(target) for t in traces]}
        for seed in range(n_starts):
            settings = {"tol": WHOLE_TOL}
            trace = ours.trace(seed, settings, target=target, clock=clock)
            trials["ours"].append(trace.to(target))
            shapes = layer_shapes(p, hidden, 2)
            theta = initial_theta(shapes, np.random.RandomState(seed))
            # None of them takes scipy's sparse matrices.
            for peer in peers if seed < N_PEER_STARTS and make is not text else []:
                met = peer(*data).minimize(theta, target, PEER_ITERATIONS)
                trials.setdefault(peer.name, []).append(met)
    return trials


def races(quick, peers, n_threads, clock):
    """Print the expected times of the large fits."""
    names = ["MLPClassifier", *(peer.name for peer in peers)]
    print(f"{'':35s}    ours, s" + "".join(f"{name:>15s}" for name in names))
    for dtype in (np.float64,) if quick else (np.float64, np.float32):
        ratios = {name: [] for name in names}
        for problem in QUICK_WHOLE if quick else WHOLE:
            n_starts = 2 if quick else N_STARTS
            trials = race(*problem, dtype, n_starts, peers, n_threads, clock)
            base, cells = expected(trials["ours"]), ""
            for name in names:
                ratio = expected(trials[name]) / base if name in trials else np.nan
                ratios[name].append(ratio)
                cells += f"{ratio:14.2f}x" if name in trials else f"{'-':>15s}"
            met = ", ".join(f"{name} {n_met(trials[name])}" for name in trials)
            print(
                f"{shape_name(*problem[1:], dtype)}{base:11.3f}{cells}   met: {met}",
                flush=True,
            )
        print_means(ratios, 46)


def whole_fits(quick):
    """With all threads, by the clock."""
    title("Whole fits: expected seconds to MLPClassifier(lbfgs)'s median objective")
    races(quick, installed(), N_THREADS, time.perf_counter)


def whole_fits_one_thread(quick):
    """As many fits at the same time have it; other work disturbs it little."""
    title("Whole fits as above, one thread each, seconds of the processor")
    races(quick, [], 1, time.thread_time)


def small_fits(quick):
    """Processor time of one thread, the two in turns."""
    title(
        "Small fits: expected milliseconds to MLPClassifier(lbfgs)'s median, 1 thread"
    )
    n_starts = 2 if quick else N_SMALL_STARTS
    ratios = {"MLPClassifier": []}
    print(f"{'':35s}   ours, ms  MLPClassifier")
    for make, n, p, hidden in SMALL[:3] if quick else SMALL:
        trials = {Ours: [], MLP: []}
        for data_seed in range(2 if quick else N_SMALL_SETS):
            X, y = make(n, p, seed=data_seed)
            competitors = {
                Ours: Ours(X, y, hidden, ALPHA, n_threads=1),
                MLP: MLP(X, y, hidden, ALPHA),
            }
            traces = {Ours: [], MLP: []}
            with threadpool_limits(1, user_api="blas"):
                for seed in range(n_starts):
                    for name, competitor in competitors.items():
                        trace = partial(competitor.trace, clock=time.thread_time)
                        traces[name].append(trace(seed))
            target = target_of(traces[MLP])
            for name, seen in traces.items():
                trials[name] += [trace.to(target) for trace in seen]
        base = expected(trials[Ours])
        ratio = expected(trials[MLP]) / base
        ratios["MLPClassifier"].append(ratio)
        print(
            f"{shape_name(n, p, hidden, np.float64)}{base * 1e3:11.1f}{ratio:14.2f}x   "
            f"met: ours {n_met(trials[Ours])}, MLPClassifier {n_met(trials[MLP])}",
            flush=True,
        )
    print_means(ratios, 46)
