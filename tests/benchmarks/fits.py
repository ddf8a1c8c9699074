"""Expected times of whole fits to one objective, compared with MLPClassifier.

The target of a data set is the median final objective of MLPClassifier's L-BFGS over
several starts. A start meets it if it ends within a thousandth. The expected time until
a start meets it is the time of all starts, divided by the number that met it. So time
spent on worse local minima counts too. All parameters except `alpha` are defaults,
which also end the fits. Only our large fits have a smaller `tol`: with the default,
those of text end just above the target.
"""

import time
from functools import partial

import numpy as np
from measure import geometric_mean, shape_name, title
from peers import MLP, N_THREADS, Ours
from synthetic import dense, text
from threadpoolctl import threadpool_limits

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

# The starts on each large data set; the data sets of each small shape, and the starts
# on each. With three sets the mean ratio varied by a tenth between draws.
N_STARTS = 5
N_SMALL_SETS, N_SMALL_STARTS = 9, 10


def target_of(traces):
    """The objective that half of the fits reached, with a small margin."""
    return np.median([trace.values.min() for trace in traces]) * (1 + SLACK)


def expected(trials):
    """Expected seconds until a start meets the target, from (seconds, met) of each."""
    seconds, met = zip(*trials, strict=True)
    return sum(seconds) / sum(met) if any(met) else np.inf


def n_met(trials):
    return f"{sum(met for _, met in trials)}/{len(trials)}"


def print_mean(ratios):
    """The geometric mean of finite ratios, and their number."""
    finite = [ratio for ratio in ratios if 0 < ratio < np.inf]
    cell = f"{geometric_mean(finite):.2f}x of {len(finite)}"
    print(f"{'geometric mean':46s}{cell:>15s}", flush=True)


def print_race(problem, dtype, trials):
    """Print the expected times of ours and of MLPClassifier; return their ratio."""
    ours, mlp = (trials[peer] for peer in (Ours, MLP))
    ratio = expected(mlp) / expected(ours)
    print(
        f"{shape_name(*problem, dtype)}{expected(ours):11.3f}{ratio:14.2f}x   "
        f"met: ours {n_met(ours)}, MLPClassifier {n_met(mlp)}",
        flush=True,
    )
    return ratio


def race(make, n, p, hidden, dtype, n_starts, n_threads, clock):
    """(Seconds, met) of each start. MLPClassifier comes first and sets the target."""
    X, y = make(n, p, dtype)
    data = X, y, hidden, ALPHA
    mlp, ours = MLP(*data), Ours(*data, n_threads=n_threads)
    seeds, settings = range(n_starts), {"tol": WHOLE_TOL}
    with threadpool_limits(n_threads, user_api="blas"):
        theirs = [mlp.trace(seed, clock=clock) for seed in seeds]
        target = target_of(theirs)
        cut = [ours.trace(s, settings, target=target, clock=clock) for s in seeds]
    return {
        peer: [trace.to(target) for trace in traces]
        for peer, traces in {Ours: cut, MLP: theirs}.items()
    }


def races(quick, n_threads, clock):
    """Print the expected times of the large fits."""
    print(f"{'':35s}    ours, s  MLPClassifier")
    for dtype in (np.float64,) if quick else (np.float64, np.float32):
        ratios = []
        for problem in QUICK_WHOLE if quick else WHOLE:
            n_starts = 2 if quick else N_STARTS
            trials = race(*problem, dtype, n_starts, n_threads, clock)
            ratios.append(print_race(problem[1:], dtype, trials))
        print_mean(ratios)


def whole_fits(quick):
    """With all threads, by the clock."""
    title("Whole fits: expected seconds to MLPClassifier(lbfgs)'s median objective")
    races(quick, N_THREADS, time.perf_counter)


def whole_fits_one_thread(quick):
    """With one thread each, as in parallel fits; other work disturbs them little."""
    title("Whole fits as above, one thread each, seconds of the processor")
    races(quick, 1, time.thread_time)


def small_fits(quick):
    """Processor time of one thread, the two in turns."""
    title("Small fits: expected seconds to MLPClassifier(lbfgs)'s median, 1 thread")
    n_starts = 2 if quick else N_SMALL_STARTS
    ratios = []
    print(f"{'':35s}    ours, s  MLPClassifier")
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
        ratios.append(print_race((n, p, hidden), np.float64, trials))
    print_mean(ratios)
