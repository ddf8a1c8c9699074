"""Times of fits and predictions compared with another checkout, in one run.

usage: python tests/benchmarks/against.py FOLDER [--repeats N]

FOLDER is another checkout of this project (`git worktree add FOLDER COMMIT`). One
process for each checkout imports its code. They take turns, so that other work on the
machine disturbs them alike. It prints median milliseconds, and the median over turns of
the ratio: below 1 this checkout is faster. Only public names are used.
"""

import argparse
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale


def cases():
    """Name -> a function to time."""
    # The number of iterations is fixed on purpose.
    warnings.simplefilter("ignore", ConvergenceWarning)
    from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

    def fit(clf, data):
        return lambda: clf.fit(*data)

    def iterations(hidden, data, n):
        clf = ReLULogisticClassifier(
            hidden, alpha=1.0, tol=0.0, max_iter=n, random_state=0, n_threads=1
        )
        return fit(clf, data)

    def of(n_samples, n_features, dtype=np.float64, **kwargs):
        X, y = make_classification(
            n_samples, n_features, n_informative=8, random_state=0, **kwargs
        )
        return X.astype(dtype), y

    cancer = load_breast_cancer(return_X_y=True)
    cancer = scale(cancer[0]), cancer[1]
    small, clf = of(200, 10), ReLULogisticClassifier((10,), random_state=0)
    large = of(20_000, 50)
    fitted = ReLULogisticClassifier((100,), alpha=1.0, max_iter=2, random_state=0)
    fitted.fit(*large)
    linear = ReLULogisticClassifier((), alpha=1.0)
    cv = ReLULogisticClassifierCV((10,), cv=3, alphas=5, random_state=0)
    alpha = {"alpha": 1.0, "random_state": 0}
    return {
        "20 iterations, 20000 x 50, (100,)": iterations((100,), large, 20),
        "20 iterations, 20000 x 50, (32, 16)": iterations((32, 16), large, 20),
        "20 iterations, 1000 x 784, (100,)": iterations((100,), of(1000, 784), 20),
        "20 iterations, float32, 20000 x 50": iterations(
            (100,), of(20_000, 50, np.float32), 20
        ),
        "fit, 200 x 10, (10,), alpha=1": fit(
            ReLULogisticClassifier((10,), **alpha), small
        ),
        "fit, 200 x 10, (10,), auto": fit(clf, small),
        "fit, breast cancer, (100,), auto": fit(
            ReLULogisticClassifier(random_state=0), cancer
        ),
        "fit, no hidden layer, 20000 x 50": fit(linear, large),
        "fit, 3 starts": fit(ReLULogisticClassifier((10,), n_init=3, **alpha), cancer),
        "fit, CV class": fit(cv, cancer),
        "predict_proba, 1 row": lambda: [
            fitted.predict_proba(large[0][:1]) for _ in range(50)
        ],
        "predict_proba, 20000 rows": lambda: fitted.predict_proba(large[0]),
        "local_linear, 1000 rows": lambda: fitted.local_linear(large[0][:1000]),
    }


def serve():
    """Time the cases whose names arrive, one on each line."""
    functions = cases()
    for line in sys.stdin:
        start = time.perf_counter()
        functions[line.rstrip("\n")]()
        print(time.perf_counter() - start, flush=True)


class Checkout:
    """A process that times the code of one checkout."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(folder)},
        )

    def seconds(self, name):
        """The time of one call."""
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main():
    """Print the ratios."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    here = Checkout(Path(__file__).resolve().parents[2])
    other = Checkout(arguments.folder.resolve())
    print(f"{'':38} {'here':>9} {'other':>9} {'ratio':>6}")
    for name in cases():
        times = []
        for repeat in range(arguments.repeats + 1):
            pair = [here, other] if repeat % 2 else [other, here]
            measured = {checkout: checkout.seconds(name) for checkout in pair}
            times.append((measured[here], measured[other]))
        # The first call warms up.
        a, b = 1000 * np.array(times[1:]).T
        ratio = np.median(a / b)
        print(
            f"{name:38} {np.median(a):9.2f} {np.median(b):9.2f} {ratio:6.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
