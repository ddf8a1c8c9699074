"""Speed and memory compared with the peers, as ratios measured in this run.

python tests/benchmarks/run.py            everything, about an hour
python tests/benchmarks/run.py --quick    smaller, under two minutes
python tests/benchmarks/run.py --only whole_fits small_fits scaling

Whole fits are in `fits.py`, and the growth with the size of the data in `scaling.py`.
Other numbers are medians of interleaved runs. Run it alone on the machine. torch and
JAX are included if they are installed: pip install torch jax.
"""

import argparse
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext
from functools import partial

import numpy as np
import scipy.sparse
from fits import small_fits, whole_fits, whole_fits_one_thread
from measure import geometric_mean, interleaved, shape_name, title
from peers import MLP, Ours, installed
from scaling import scaling
from synthetic import dense, linear_labels, word_counts

from sklearn_relulogit._model.parameters import (
    initial_theta,
    layer_shapes,
    n_parameters,
)
from sklearn_relulogit._threads import single_threaded_blas

# rows, features, hidden layers
SHAPES = [
    (20_000, 100, (100,)),
    (200_000, 30, (32, 16)),
    (60_000, 784, (100,)),
    (100_000, 50, (256, 256)),
    (200_000, 30, ()),
    (1_000, 20, (10,)),
]
QUICK_SHAPES = [(10_000, 100, (100,)), (20_000, 30, (32, 16)), (1_000, 20, (10,))]


def evaluation(quick):
    """Milliseconds for one loss and gradient, all threads."""
    title("One evaluation of loss and gradient, ms (peers as ratios to ours)")
    peers = installed()
    names = ["MLPClassifier", *(peer.name for peer in peers)]
    print(f"{'':35s}    ours  " + "".join(f"{name:>15s}" for name in names))
    ratios = {name: [] for name in names}
    for dtype in (np.float64, np.float32):
        for n, p, hidden in QUICK_SHAPES if quick else SHAPES:
            X, y = dense(n, p, dtype)
            shapes = layer_shapes(p, hidden, 2)
            theta = initial_theta(shapes, np.random.RandomState(0))
            ours = Ours(X, y, hidden, 1.0)
            mlp = MLP(X, y, hidden, 1.0).evaluation(theta)
            others = [peer(X, y, hidden, 1.0) for peer in peers]
            functions = [lambda o=ours: o.evaluate(theta), mlp]
            functions += [lambda o=other: o.evaluate(theta) for other in others]
            # Ours limits BLAS to one thread, once around a fit.
            contexts = [single_threaded_blas] + [nullcontext] * (len(functions) - 1)
            base, *seconds = interleaved(functions, 0.5 if quick else 5, 300, contexts)
            cells = ""
            for name, value in zip(names, seconds, strict=True):
                ratios[name].append(value / base)
                cells += f"{value / base:14.2f}x"
            print(
                f"{shape_name(n, p, hidden, dtype)}{base * 1e3:12.3f} {cells}",
                flush=True,
            )
    print(
        f"{'geometric mean':48s}"
        + "".join(f"{geometric_mean(ratios[name]):14.2f}x" for name in names)
    )


def latency(quick):
    """Microseconds of predict_proba for one row, as in a service."""
    title("One row: predict_proba, microseconds")
    for n, p, hidden in [(1000, 10, (10,)), (1000, 30, (100,)), (1000, 100, (64, 32))]:
        X, y = dense(n, p)
        models = [
            Ours(X, y, hidden, 1.0).fit(0, max_iter=5),
            MLP(X, y, hidden, 1.0).fit(0, max_iter=5),
        ]
        base, other = interleaved(
            [partial(model.predict_proba, X[:1]) for model in models],
            0.5 if quick else 3,
            20_000,
        )
        print(
            f"{f'{p} features, {hidden}':28s} ours {base * 1e6:5.0f}, MLPClassifier "
            f"{other * 1e6:5.0f}: {other / base:.2f}x",
            flush=True,
        )


def threads(quick):
    """The gain from a second thread."""
    title("Two threads over one")
    for dtype in (np.float64, np.float32):
        for n, p, hidden in QUICK_SHAPES[:2] if quick else SHAPES[:5]:
            X, y = dense(n, p, dtype)
            shapes = layer_shapes(p, hidden, 2)
            theta = initial_theta(shapes, np.random.RandomState(0))
            one, two = (Ours(X, y, hidden, 1.0, n_threads=k) for k in (1, 2))
            a, b = interleaved(
                [lambda: one.evaluate(theta), lambda: two.evaluate(theta)],
                1 if quick else 4,
                200,
                [single_threaded_blas] * 2,
            )
            print(f"{shape_name(n, p, hidden, dtype)} {a / b:.2f}x", flush=True)


def sparse(quick):
    """One-hot and text-like data."""
    title("Sparse data: whole fits of 20 iterations")
    rng = np.random.default_rng(0)
    scale = 8 if quick else 1
    uniform = partial(scipy.sparse.random_array, rng=rng, format="csr")
    cases = {
        "one-hot, 40000 x 2000, 20 a row": uniform(
            (40_000 // scale, 2000), density=0.01
        ),
        "text, 10000 x 30000, 60 a row": uniform(
            (10_000 // scale, 30_000 // scale), density=2e-3 * scale
        ),
        "text by Zipf, 10000 x 30000": word_counts(
            rng, 10_000 // scale, 30_000 // scale, 100
        ),
    }
    for name, X in cases.items():
        y = linear_labels(rng, X)
        ours, mlp = Ours(X, y, (50,), 1.0), MLP(X, y, (50,), 1.0)
        fit = partial(ours.fit, 0, tol=0, max_iter=20)
        base, other = interleaved([fit, partial(mlp.fit, 0, max_iter=20)], 2, 3)
        print(
            f"{name:36s} ours {base:.2f} s, MLPClassifier {other / base:.2f}x",
            flush=True,
        )


MEMORY = """
    import sys, threading, time, warnings
    import numpy as np, psutil
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn_relulogit import ReLULogisticClassifier
    # One iteration is meant.
    warnings.simplefilter("ignore", ConvergenceWarning)
    n, p, hidden = {n}, {p}, {hidden}
    X = np.random.default_rng(0).standard_normal((n, p))
    y = (X[:, 0] > 0).astype(int)
    clf = {model}
    process, peak, done = psutil.Process(), 0, False
    base = process.memory_info().rss
    def watch():
        global peak
        while not done:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.002)
    thread = threading.Thread(target=watch); thread.start()
    clf.fit(X, y); clf.predict_proba(X)
    done = True; thread.join()
    print((peak - base) / 2**20)
"""


def memory(quick):
    """The peak beyond X, each in a new process."""
    title("Peak memory beyond X in fit and predict_proba, MiB")
    cases = [(100_000, 100, (256, 256))]
    cases += [] if quick else [(1_000_000, 100, (256, 256))]
    for n, p, hidden in cases:
        models = {"ours": f"ReLULogisticClassifier({hidden}, alpha=5.0, max_iter=1)"}
        # It takes about 9 GB for the larger case.
        models["MLPClassifier"] = f"MLPClassifier({hidden}, solver='lbfgs', max_iter=1)"
        peaks = []
        for model in models.values():
            script = MEMORY.format(n=n, p=p, hidden=hidden, model=model)
            result = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(script)],
                capture_output=True,
                text=True,
                check=True,
            )
            peaks.append(float(result.stdout))
        n_theta = n_parameters(layer_shapes(p, hidden, 2))
        print(
            f"{shape_name(n, p, hidden, np.float64)} X {n * p * 8 / 2**20:.0f}, ours "
            f"{peaks[0]:.0f} (the history takes {60 * n_theta * 8 / 2**20:.0f}), "
            f"MLPClassifier {peaks[1]:.0f}: {peaks[1] / peaks[0]:.1f}x",
            flush=True,
        )


SECTIONS = {
    function.__name__: function
    for function in (
        evaluation,
        whole_fits,
        whole_fits_one_thread,
        small_fits,
        scaling,
        latency,
        threads,
        sparse,
        memory,
    )
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    start = time.perf_counter()
    for name in arguments.only:
        SECTIONS[name](arguments.quick)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
