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
from peers import MLP, Ours, installed
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
# iterations), and those on each of three data sets of a small shape.
N_STARTS, N_PEER_STARTS, PEER_ITERATIONS, N_SMALL_STARTS = 5, 2, 400, 10


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


def whole_fits(quick):
    """Two threads. First all fits of MLPClassifier, which give the target."""
    title("Whole fits: expected seconds to MLPClassifier(lbfgs)'s median objective")
    n_starts, n_peer_starts = (2, 1) if quick else (N_STARTS, N_PEER_STARTS)
    peers = installed()
    names = ["MLPClassifier", *(peer.name for peer in peers)]
    print(f"{'':35s}    ours, s" + "".join(f"{name:>15s}" for name in names))
    for dtype in (np.float64,) if quick else (np.float64, np.float32):
        ratios = {name: [] for name in names}
        for make, n, p, hidden in QUICK_WHOLE if quick else WHOLE:
            X, y = make(n, p, dtype)
            data = X, y, hidden, ALPHA
            traces = [MLP(*data).trace(seed) for seed in range(n_starts)]
            target = target_of(traces)
            trials = {"ours": [], "MLPClassifier": [t.to(target) for t in traces]}
            # None of the others takes scipy's sparse matrices.
            others = [] if make is text else [peer(*data) for peer in peers]
            for seed in range(n_starts):
                ours = Ours(*data).trace(seed, {"tol": WHOLE_TOL}, target=target)
                trials["ours"].append(ours.to(target))
                theta = initial_theta(
                    layer_shapes(p, hidden, 1), np.random.RandomState(seed)
                )
                for peer in others if seed < n_peer_starts else []:
                    met = peer.minimize(theta, target, PEER_ITERATIONS)
                    trials.setdefault(peer.name, []).append(met)
            base, cells = expected(trials["ours"]), ""
            for name in names:
                ratio = expected(trials[name]) / base if name in trials else np.nan
                ratios[name].append(ratio)
                cells += f"{ratio:14.2f}x" if name in trials else f"{'-':>15s}"
            met = ", ".join(f"{name} {n_met(trials[name])}" for name in trials)
            print(
                f"{shape_name(n, p, hidden, dtype)}{base:11.3f}{cells}   met: {met}",
                flush=True,
            )
        print_means(ratios, 46)


def small_fits(quick):
    """Processor time of one thread, the two in turns."""
    title(
        "Small fits: expected milliseconds to MLPClassifier(lbfgs)'s median, 1 thread"
    )
    n_starts = 2 if quick else N_SMALL_STARTS
    ratios = {"MLPClassifier": []}
    print(f"{'':35s}   ours, ms  MLPClassifier")
    for make, n, p, hidden in SMALL:
        trials = {Ours: [], MLP: []}
        for data_seed in range(3):
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
