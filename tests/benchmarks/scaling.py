"""Growth of time and test log-loss with rows and features, by default settings.

Times are processor seconds with one thread each, so that other work disturbs them
little. The data have one law (`synthetic.factors`). A model is skipped at a size where
it would take more than three minutes, estimated from the size before. The table then
shows a dash and the estimate. Slopes are of log time over log size, by least squares.
"""

import statistics
import time
import warnings

import numpy as np
from measure import title
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from synthetic import factors
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier

MODELS = {
    "ours": lambda: ReLULogisticClassifier(random_state=0),
    "MLPClassifier, adam": lambda: MLPClassifier(random_state=0),
    "MLPClassifier, lbfgs": lambda: MLPClassifier(solver="lbfgs", random_state=0),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "LogisticRegression": LogisticRegression,
}
ROWS, AT_FEATURES = [10_000, 100_000, 1_000_000], 30
FEATURES, AT_ROWS = [10, 100, 1_000, 10_000], 1_000
LIMIT = 180.0  # seconds
N_TEST = 10_000


def slope(sizes, seconds):
    """The slope of log time over log size; NaN for a single size."""
    if len(sizes) < 2:
        return np.nan
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def forecast(size, sizes, seconds):
    """Seconds at the next size, by the last step, at least in proportion."""
    if not sizes:
        return 0.0
    growth = max(slope(sizes[-2:], seconds[-2:]), 1.0) if len(sizes) > 1 else 1.0
    return seconds[-1] * (size / sizes[-1]) ** growth


def measured(make, X, y, X_test, y_test):
    """Seconds of a fit, the median of three where they are short; test log-loss."""
    times = []
    while len(times) < 3 and sum(times) < 2:
        clf = make()
        start = time.thread_time()
        clf.fit(X, y)
        times.append(time.thread_time() - start)
    return statistics.median(times), log_loss(y_test, clf.predict_proba(X_test))


def table(label, sizes, shape, limit):
    """Fit all models at all sizes and print a row of each in Markdown."""
    done = {name: ([], []) for name in MODELS}
    cells = {name: [] for name in MODELS}
    for size in sizes:
        n, p = shape(size)
        X, y = factors(n, p, seed=1)
        test = factors(N_TEST, p, seed=2)
        for name, make in MODELS.items():
            seen, seconds = done[name]
            estimate = forecast(size, seen, seconds)
            if estimate > limit:
                cells[name].append(f"- ({estimate:.0f} s)")
                continue
            took, loss = measured(make, X, y, *test)
            seen.append(size)
            seconds.append(took)
            cells[name].append(f"{took:.3g} s, {loss:.4f}")
            print(f"  {label} {size}, {name}: {cells[name][-1]}", flush=True)
        del X, test
    print(f"\n| {label} | " + " | ".join(f"{size:,}" for size in sizes) + " | slope |")
    print("|---" * (len(sizes) + 2) + "|")
    for name in MODELS:
        print(f"| {name} | {' | '.join(cells[name])} | {slope(*done[name]):.2f} |")


def scaling(quick):
    """Seconds of a fit and test log-loss by number of rows and of features."""
    title("Scaling: seconds of a default fit and test log-loss, one thread")
    # Peers often reach their limits.
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = [250, 2_500] if quick else ROWS
    features = [10, 100] if quick else FEATURES
    n, limit = (250, 10.0) if quick else (AT_ROWS, LIMIT)
    with threadpool_limits(1):
        table(f"rows, {AT_FEATURES} features", rows, lambda n: (n, AT_FEATURES), limit)
        table(f"features, {n} rows", features, lambda p: (n, p), limit)
