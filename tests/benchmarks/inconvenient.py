"""Data that are merely inconvenient: what a fit makes of them, and what it takes.

usage: python tests/benchmarks/inconvenient.py [CASE ...]

Cases: rows, weights, shape, place, unit, rare, wide; by default all. Only public names
are used, so that another checkout can be measured with PYTHONPATH. Losses are in nats.
"""

import sys
import time
import tracemalloc
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler, scale

from sklearn_relulogit import ReLULogisticClassifier, fold_scaling


def fit(*data, hidden=(100,), sample_weight=None, **kwargs):
    """A fitted classifier, with its time and the beginnings of its warnings."""
    clf = ReLULogisticClassifier(hidden, random_state=0, **kwargs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        clf.fit(*data, sample_weight=sample_weight)
        clf.seconds = time.perf_counter() - start
    clf.warned = [str(warning.message)[:45] for warning in caught]
    return clf


def state(clf):
    """Penalty, loss, iterations, reason and warnings of a fit."""
    return (
        f"alpha {clf.alpha_:.3g}  loss {clf.loss_:.4f}  {clf.n_iter_} iterations  "
        f"{clf.stop_reason_}  {clf.warned or ''}"
    )


def rows():
    """Order, repeats and weights; repeated rows cost nothing."""
    X, y = load_breast_cancer(return_X_y=True)
    X, rng = scale(X), np.random.RandomState(0)
    weights = rng.randint(0, 4, len(y))
    order = rng.permutation(np.repeat(np.arange(len(y)), weights))
    for kwargs in ({}, {"early_stopping": True}):
        a = fit(X, y, hidden=(10,), sample_weight=weights, **kwargs)
        b = fit(X[order], y[order], hidden=(10,), **kwargs)
        same = all(
            np.array_equal(p, q) for p, q in zip(a.coefs_, b.coefs_, strict=True)
        )
        print(f"weights or shuffled repeats, {kwargs}: the same bits: {same}")
    few = X[:50], y[:50]
    many = np.repeat(few[0], 2000, axis=0), np.repeat(few[1], 2000)
    a = fit(*few, alpha=1.0, sample_weight=np.full(50, 2000.0))
    b = fit(*many, alpha=1.0)
    print(f"50 rows, each 2000 times: {b.seconds:.2f} s; as weights: {a.seconds:.2f} s")


def weights():
    """The unit of the weights."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((80, 2))
    y = (X[:, 0] + 0.5 * rng.standard_normal(80) > 0).astype(int)
    for unit in (1.0, 1000.0, 2292.0):
        clf = fit(X, y, hidden=(10,), sample_weight=np.full(80, unit))
        print(f"all weights {unit:g}: {state(clf)}")
    clf = fit(X, y, hidden=(10,), class_weight={0: 1000, 1: 100000})
    print(f"class weights of 1000 and 100000: {state(clf)}")


def shape():
    """Data without any linear correlation."""
    rng = np.random.RandomState(0)
    design = np.array(np.meshgrid(*[[-1, 1]] * 4)).reshape(4, -1).T.astype(float)
    product = design[:, 0] * design[:, 1] > 0
    X = np.repeat(design, 8, axis=0)
    y = np.repeat(product, 8) ^ (rng.rand(len(X)) < 0.1)
    clf = fit(X, y)
    right = (clf.predict(design) == product).mean()
    print(f"2^4 design, product of two: {right:.0%} of the cells right; {state(clf)}")
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    clf = fit(np.repeat(X, 25, axis=0), np.repeat(y, 25))
    proba = clf.predict_proba(X)[:, 1].round(2)
    print(f"xor, each row 25 times: {clf.predict(X)}, {proba}; {state(clf)}")
    half = rng.standard_normal((60, 3))
    y = np.tile(np.abs(half[:, 0]) > 0.7, 2)
    X = np.vstack([half, -half])
    clf = fit(X, y)
    print(f"mirror images of one label: {clf.score(X, y):.0%} right; {state(clf)}")


def place():
    """A year beside other features: raw, centred and scaled."""
    rng = np.random.RandomState(0)
    year, others = 2010 + 8 * rng.standard_normal(1000), rng.standard_normal((1000, 3))
    noise = 0.3 * rng.standard_normal(1000)
    y = ((year - 2010) / 8 * others[:, 0] + noise > 0).astype(int)
    raw = np.column_stack([year, others])
    for name, X in {
        "raw": raw,
        "centred": raw - raw.mean(0),
        "scaled": scale(raw),
    }.items():
        for kwargs in ({}, {"hidden": (10,), "alpha": 1.0}):
            clf = fit(X, y, **kwargs)
            loss = log_loss(y, clf.predict_proba(X))
            print(f"year, {name}, {kwargs}: log-loss {loss:.3f}; {state(clf)}")


def objective(clf, X, y, alpha):
    """F / n of a network, written out."""
    Z = X
    for index, (W_T, b) in enumerate(zip(clf.coefs_, clf.intercepts_, strict=True)):
        Z = (np.maximum(Z, 0) if index else Z) @ W_T + b
    Z = np.column_stack([0 * Z, Z]) if Z.shape[1] == 1 else Z
    nll = np.logaddexp.reduce(Z, axis=1) - Z[np.arange(len(y)), y]
    return (nll.sum() + alpha / 2 * sum((W**2).sum() for W in clf.coefs_)) / len(y)


def unit():
    """Features in other units; raw data beside scaled fits folded back."""
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    one = np.ones(30)
    one[0] = 1e6
    for name, factor in {"1": 1, "1e-4": 1e-4, "1e6, of one feature": one}.items():
        clf = fit(X * factor, y)
        print(f"breast cancer times {name}: {clf.seconds:.2f} s; {state(clf)}")
    for load in (load_breast_cancer, load_wine, load_iris, load_digits):
        X, y = load(return_X_y=True)
        scaler = StandardScaler().fit(X)
        for hidden in [(), (10,), (100,)]:
            raw = objective(fit(X, y, hidden=hidden, alpha=1.0), X, y, 1.0)
            folded = []
            for seed in range(10):
                clf = ReLULogisticClassifier(hidden, alpha=1.0, random_state=seed)
                clf.fit(scaler.transform(X), y)
                W, b = fold_scaling(clf.coefs_[0].T, clf.intercepts_[0], scaler)
                clf.coefs_[0], clf.intercepts_[0] = W.T, b
                folded.append(objective(clf, X, y, 1.0))
            ratio = raw / min(folded)
            print(f"raw {load.__name__[5:]}, {hidden}: {ratio:.3f} of the best of ten")


def rare():
    """Rare events: the mean probability over their share."""
    rng = np.random.RandomState(0)
    for n_rows, n_events in [(200_000, 18), (400_000, 11)]:
        X = rng.standard_normal((n_rows, 5))
        y = np.zeros(n_rows, int)
        y[np.argsort(-(X[:, 0] + rng.standard_normal(n_rows)))[:n_events]] = 1
        for hidden in [(), (10,)]:
            for kwargs in ({"alpha": 1.0}, {}):
                clf = fit(X, y, hidden=hidden, **kwargs)
                ratio = clf.predict_proba(X)[:, 1].mean() / y.mean()
                print(
                    f"{n_events} events in {n_rows}, {hidden}, {kwargs}: "
                    f"{ratio:.4f} of the share, {clf.seconds:.1f} s"
                )


def wide():
    """80 rows of 10,000 features, beside peers."""
    rng = np.random.RandomState(0)
    X, X_test = rng.standard_normal((80, 10_000)), rng.standard_normal((500, 10_000))
    y, y_test = ((A[:, :2].sum(axis=1) > 0).astype(int) for A in (X, X_test))
    models = {
        "ReLULogisticClassifier()": ReLULogisticClassifier(random_state=0),
        "ReLULogisticClassifier(alpha=31.6)": ReLULogisticClassifier(
            alpha=31.6, random_state=0
        ),
        "LogisticRegression(C=1/31.6)": LogisticRegression(C=1 / 31.6),
        "MLPClassifier(lbfgs, alpha=31.6)": MLPClassifier(
            solver="lbfgs", alpha=31.6, random_state=0
        ),
    }
    for name, model in models.items():
        with warnings.catch_warnings():
            # Peers reach their limits here as a matter of course.
            warnings.simplefilter("ignore", ConvergenceWarning)
            start = time.perf_counter()
            model.fit(X, y)
            seconds = time.perf_counter() - start
            tracemalloc.start()
            model.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
        loss = log_loss(y_test, model.predict_proba(X_test))
        print(f"{name:36} {seconds:6.2f} s  {peak:6.1f} MiB  test log-loss {loss:.3f}")


CASES = (rows, weights, shape, place, unit, rare, wide)

if __name__ == "__main__":
    chosen = sys.argv[1:] or [case.__name__ for case in CASES]
    for case in CASES:
        if case.__name__ in chosen:
            print(f"\n{case.__doc__}", flush=True)
            case()
