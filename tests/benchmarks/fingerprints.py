"""Hashes of fits across the package, to check that a change of code keeps them.

usage: python tests/benchmarks/fingerprints.py FILE            write hashes to FILE
       python tests/benchmarks/fingerprints.py FILE --check    compare with FILE

Only public names are used. So FILE can be written at one commit and checked at another,
on the same machine with the same libraries. Each hash covers the parameters, the loss
curve, the penalty and its search, the reason of stopping and the probabilities.
"""

import argparse
import hashlib
import json
import os
import warnings
from pathlib import Path

# scipy reads it at its import.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import sklearn
from scipy.sparse import csr_array, random_array
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sklearn_relulogit import (
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    linear_regions,
)

# An interrupted fit's bits are as informative.
warnings.simplefilter("ignore", ConvergenceWarning)


def fingerprint(clf, X):
    """The hash of all results of a fit."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, list | tuple):
            for item in value:
                add(item)
        elif isinstance(value, dict):
            add(sorted(value.items()))
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            digest.update(str(value.dtype).encode() + value.tobytes())
        else:
            digest.update(repr(value).encode())

    for name in (
        "coefs_",
        "intercepts_",
        "loss_curve_",
        "validation_loss_curve_",
        "restart_losses_",
        "alpha_",
        "alpha_losses_",
        "scores_",
        "n_evaluations_",
        "stop_reason_",
    ):
        value = getattr(clf, name, None)
        add([np.asarray(item) for item in value] if name in LISTS else value)
    proba = clf.predict_proba(X)
    add(np.asarray(proba.compute() if hasattr(proba, "compute") else proba))
    return digest.hexdigest()[:16]


LISTS = ("coefs_", "intercepts_")


def fits():
    """The name, classifier and arguments of each fit."""
    base = {"random_state": 0}
    clf = ReLULogisticClassifier
    cancer_X, cancer_y = load_breast_cancer(return_X_y=True)
    cancer = scale(cancer_X), cancer_y
    digits_X, digits_y = load_digits(return_X_y=True)
    digits = digits_X / 16, digits_y
    wine_X, wine_y = load_wine(return_X_y=True)
    wine = scale(wine_X), wine_y
    rng = np.random.RandomState(0)
    sparse = csr_array(random_array((3000, 400), density=0.02, rng=0))
    sparse_y = (sparse @ rng.standard_normal(400) > 0).astype(int)
    large = make_classification(60_000, 30, n_informative=10, random_state=0)
    middle = make_classification(12_000, 20, n_informative=8, random_state=1)
    weights = rng.randint(0, 4, len(cancer_y))
    few = rng.randint(0, 3, (400, 3)).astype(float), rng.randint(0, 2, 400)

    yield "default, two classes", clf(**base), cancer, {}
    yield "default, ten classes", clf((30,), **base), digits, {}
    yield "default, three layers", clf((8, 6, 4), **base), wine, {}
    yield "default, float32", clf(**base), (np.float32(cancer[0]), cancer_y), {}
    yield "default, sparse", clf((10,), **base), (sparse, sparse_y), {}
    yield "default, recurring rows", clf((10,), **base), few, {}
    yield "default, 12000 rows", clf((20,), **base), middle, {}
    yield "fixed penalty", clf((20,), alpha=1.0, **base), cancer, {}
    yield "no penalty", clf((20,), alpha=0.0, max_iter=50, **base), cancer, {}
    yield "no hidden layer", clf((), alpha=1.0), digits, {}
    yield "no hidden layer, auto", clf(()), cancer, {}
    yield "sparse", clf((20,), alpha=1.0, **base), (sparse, sparse_y), {}
    yield "wide", clf((100,), alpha=1.0, max_iter=40, **base), WIDE, {}
    yield "tall first layer", clf((60,), alpha=1.0, max_iter=40, **base), TALL, {}
    yield "float32 first", clf((100,), alpha=10.0, max_iter=60, **base), large, {}
    yield "weights", clf(**base), cancer, {"sample_weight": weights}
    yield (
        "class weights",
        clf((20,), class_weight="balanced", **base),
        cancer,
        {"sample_weight": weights},
    )
    yield (
        "early stopping",
        clf((20,), alpha=0.1, early_stopping=True, **base),
        digits,
        {},
    )
    yield (
        "validation data",
        clf((20,), alpha=0.1, early_stopping=True, class_weight={0: 2.0}, **base),
        (cancer[0][100:], cancer_y[100:]),
        {"X_val": cancer[0][:100], "y_val": cancer_y[:100]},
    )
    yield "restarts", clf((5,), alpha=1.0, n_init=4, n_jobs=2, **base), wine, {}
    yield (
        "restarts, early stopping, auto",
        clf((5,), n_init=3, early_stopping=True, **base),
        wine,
        {},
    )
    yield (
        "evaluation limit",
        clf((20,), alpha=0.01, max_fun=30, history_size=5, **base),
        cancer,
        {},
    )
    cv = ReLULogisticClassifierCV
    yield "CV class", cv((20,), cv=3, **base), cancer, {}
    yield "CV class, no hidden layer", cv((), cv=3, alphas=5), digits, {}
    yield (
        "CV class, scorer, weights",
        cv((10,), cv=3, alphas=[100, 10, 1], scoring="roc_auc", n_jobs=2, **base),
        cancer,
        {"sample_weight": weights},
    )
    yield (
        "CV class, early stopping",
        cv((10,), cv=3, alphas=4, early_stopping=True, class_weight="balanced", **base),
        wine,
        {},
    )
    yield "CV class, sparse", cv((10,), cv=3, alphas=4, **base), (sparse, sparse_y), {}


WIDE = make_classification(1000, 784, n_informative=30, random_state=2)
TALL = make_classification(5000, 200, n_informative=30, random_state=3)


def other_fits():
    """The name and hash of fits that take more than one call."""
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    for name, cls in (
        ("warm start", ReLULogisticClassifier((20,), alpha=1.0)),
        ("CV class, warm start", ReLULogisticClassifierCV((20,), cv=2, alphas=3)),
    ):
        clf = cls.set_params(warm_start=True, max_iter=5, random_state=0)
        for _ in range(4):
            clf.fit(X, y)
        yield name, fingerprint(clf, X)
    clf = ReLULogisticClassifier((6, 5), random_state=0).fit(X, y)
    coef, intercept = clf.local_linear(X)
    regions = linear_regions(clf, X, y)
    arrays = coef, intercept, regions.coef, regions.labels, regions.mean_proba
    yield (
        "explanations",
        hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16],
    )
    yield from dask_fits(X, y)
    yield from array_api_fits(X, y)


def dask_fits(X, y):
    """Fits of chunks on a cluster of threads."""
    import dask.array as da
    from dask.distributed import Client

    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None
    ):
        chunked = da.from_array(X, chunks=(100, -1)), da.from_array(y, chunks=100)
        for name, parameters in {
            "Dask": {"alpha": 1.0},
            "Dask, auto": {},
            "Dask, early stopping": {"alpha": 0.1, "early_stopping": True},
            "Dask, class weights": {"alpha": 1.0, "class_weight": "balanced"},
        }.items():
            clf = ReLULogisticClassifier((10,), random_state=0, **parameters)
            yield name, fingerprint(clf.fit(*chunked), chunked[0])


def array_api_fits(X, y):
    """Fits of arrays of another library."""
    import array_api_strict as xp

    with sklearn.config_context(array_api_dispatch=True):
        for name, parameters in {
            "array API": {"alpha": 1.0},
            "array API, auto": {},
            "array API, early stopping": {"alpha": 0.1, "early_stopping": True},
        }.items():
            clf = ReLULogisticClassifier((10,), random_state=0, **parameters)
            A = xp.asarray(X)
            yield name, fingerprint(clf.fit(A, xp.asarray(y)), A)


def main():
    """Write the hashes, or compare them."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    before = json.loads(arguments.file.read_text()) if arguments.check else {}
    now, differ = {}, []

    def note(name, value):
        now[name] = value
        same = before.get(name) == value
        if arguments.check and not same:
            differ.append(name)
        mark = "  DIFFERS" if arguments.check and not same else ""
        print(f"{value}  {name}{mark}", flush=True)

    for name, clf, data, how in fits():
        note(name, fingerprint(clf.fit(*data, **how), data[0]))
    for name, value in other_fits():
        note(name, value)
    if arguments.check:
        print(f"{len(differ)} of {len(now)} differ")
        raise SystemExit(bool(differ))
    arguments.file.write_text(json.dumps(now, indent=1))


if __name__ == "__main__":
    main()
