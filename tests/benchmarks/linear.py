"""Fits without hidden layers compared with LogisticRegression, in processor time.

OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/linear.py    2 minutes

Default fits of both take turns. Ours also runs until its first iteration that is not
above the objective of the other.
"""

import time
import warnings

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from synthetic import correlated, word_counts

from sklearn_relulogit import ReLULogisticClassifier

SECONDS = 6  # for each data set


def one_hot(rng, n, n_columns, n_levels):
    """Categories whose shares follow Zipf's law."""
    shares = 1 / np.arange(1, n_levels + 1)
    levels = rng.choice(n_levels, (n, n_columns), p=shares / shares.sum())
    columns = levels + n_levels * np.arange(n_columns)
    starts = np.arange(0, n * n_columns + 1, n_columns)
    arrays = np.ones(columns.size), columns.ravel(), starts
    return scipy.sparse.csr_array(arrays, shape=(n, n_columns * n_levels))


def labels(rng, X):
    logit = X @ rng.standard_normal(X.shape[1])
    logit = 2 * (logit - logit.mean()) / logit.std()
    return (rng.uniform(size=X.shape[0]) < 1 / (1 + np.exp(-logit))).astype(int)


def objective(model, X, y, alpha):
    """The penalised mean loss, by its definition."""
    w = model.coef_.ravel()
    signed = (2 * y - 1) * (X @ w + model.intercept_)
    return (np.logaddexp(0, -signed).sum() + alpha / 2 * w @ w) / len(y)


def milliseconds(models, X, y):
    """The median time of a fit of each."""
    times = [[] for _ in models]
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times[0]) < 3:
        for model, seen in zip(models, times, strict=True):
            start = time.process_time()
            model.fit(X, y)
            seen.append(time.process_time() - start)
    return [1e3 * float(np.median(seen)) for seen in times]


def compare(name, X, y, alpha):
    def ours(**settings):
        settings = {"random_state": 0} | settings
        return ReLULogisticClassifier((), alpha=alpha, **settings)

    theirs = LogisticRegression(C=1 / alpha).fit(X, y)
    target = objective(theirs, X, y, alpha)
    curve = np.array(ours(tol=0, max_iter=1000).fit(X, y).loss_curve_)
    # Their objective is computed with other roundings.
    enough = int(np.argmax(curve <= target * (1 + 1e-9))) + 1
    models = [theirs, ours(), ours(tol=0, max_iter=enough)]
    other, default, ended = milliseconds(models, X, y)
    print(
        f"{name:26s} alpha={alpha:<4} LogisticRegression {other:7.1f}, ours "
        f"{default:7.1f}, {other / default:.1f}x; to its "
        f"objective {ended:7.1f}, {other / ended:.1f}x",
        flush=True,
    )


def main():
    # Fits that should stop at an iteration do so by their limit.
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    cases = {
        "200000 x 30": (correlated(rng, 200_000, 30), [1.0]),
        "200 x 10": (correlated(rng, 200, 10), [1.0]),
        "one-hot, 50000 x 2000": (one_hot(rng, 50_000, 20, 100), [1.0]),
        "text, 20000 x 50000": (word_counts(rng, 20_000, 50_000, 70), [1.0, 0.1]),
    }
    print("Milliseconds of processor time")
    for name, (X, alphas) in cases.items():
        y = labels(rng, X)
        for alpha in alphas:
            compare(name, X, y, alpha)


if __name__ == "__main__":
    main()
