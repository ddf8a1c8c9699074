"""Threads: an ordered map, and the same bits for any number of them."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import scipy.sparse
from conftest import assert_same_fit, slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import row_parts
from sklearn_relulogit._model.parameters import layer_shapes
from sklearn_relulogit._threads import (
    ThreadedMap,
    effective_n_threads,
    n_blas_threads,
    single_threaded_blas,
)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n_items", [1, 2, 7, 50])
def test_the_results_are_in_order(n_threads, n_items):
    def slow_at_first(i):
        time.sleep(0.002 if i % 3 == 0 else 0)
        return i * i

    with ThreadedMap(n_threads) as ordered_map:
        for _ in range(3):
            results = list(ordered_map(slow_at_first, range(n_items)))
            assert results == [i * i for i in range(n_items)]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_no_more_threads_than_asked_for(n_threads):
    seen, running, most = set(), [], []

    def slowly(i):
        running.append(i)
        most.append(len(running))
        seen.add(threading.get_ident())
        time.sleep(0.002)
        running.remove(i)

    with ThreadedMap(n_threads) as ordered_map:
        for _ in range(3):
            list(ordered_map(slowly, range(20)))
    assert len(seen) <= n_threads
    assert max(most) <= n_threads
    assert threading.get_ident() in seen


@pytest.mark.parametrize(
    ("n_threads", "n_jobs", "n_init"), [(4, 1, 3), (4, 3, 3), (2, 3, 3), (4, 3, 1)]
)
def test_starts_and_rows_share_the_threads_that_were_asked_for(
    n_threads, n_jobs, n_init
):
    X, y = data(20_000, 20, "float64")
    before, seen = threading.active_count(), []
    clf = ReLULogisticClassifier(
        (30,), alpha=1.0, n_threads=n_threads, n_jobs=n_jobs, n_init=n_init, tol=0.1
    )
    with watch_evaluations(action=lambda: seen.append(threading.active_count())):
        clf.fit(X, y)
    # The threads of the starts also work on the rows.
    assert max(seen) - before + 1 == max(n_threads, min(n_jobs, n_init))
    assert threading.active_count() == before


def test_several_threads_take_part_each_with_single_threaded_blas():
    seen = set()
    barrier = threading.Barrier(3, timeout=10)

    def meet(i):
        barrier.wait()
        seen.add((threading.get_ident(), n_blas_threads()))

    with ThreadedMap(3) as ordered_map, single_threaded_blas():
        list(ordered_map(meet, range(3)))
    assert len(seen) == 3
    assert {number for _, number in seen} == {1}


@pytest.mark.parametrize("where", ["caller", "helper"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_ends_all_and_leaves_no_thread_behind(where, error):
    caller, before = threading.get_ident(), threading.active_count()
    done = []

    def fails(i):
        time.sleep(0.001)
        if (threading.get_ident() == caller) == (where == "caller"):
            raise error
        done.append(i)

    with ThreadedMap(2) as ordered_map:
        with pytest.raises(error):
            list(ordered_map(fails, range(10_000)))
        assert len(done) < 10_000
        # The map works again.
        assert list(ordered_map(str, range(3))) == ["0", "1", "2"]
    assert threading.active_count() == before


def test_the_default_is_what_blas_would_use():
    with threadpool_limits(1, user_api="blas"):
        assert effective_n_threads(None) == 1
    with threadpool_limits(2, user_api="blas"):
        assert effective_n_threads(None) == min(2, joblib.cpu_count())
    with single_threaded_blas():
        assert effective_n_threads(None) == 1
    assert effective_n_threads(5) == 5
    assert effective_n_threads(-1) == joblib.cpu_count()


def in_worker():
    return effective_n_threads(None)


def test_joblib_workers_use_one_thread():
    n = joblib.cpu_count()
    assert joblib.Parallel(n_jobs=n)([joblib.delayed(in_worker)()] * 2) == [1, 1]


def data(n_samples, n_features, kind):
    X, y = make_classification(
        n_samples, n_features, n_informative=5, flip_y=0.1, random_state=0
    )
    X = X.astype(np.float32 if kind == "float32" else np.float64)
    if kind == "sparse":
        X = scipy.sparse.csr_array(np.where(X > 1, X, 0))
    return X, y


@pytest.mark.parametrize(
    "kind",
    ["float64", slow("float32"), "sparse"],
)
@pytest.mark.parametrize(
    ("n_samples", "n_features", "hidden"),
    [(15_000, 20, (30, 20)), (4_000, 60, (150, 60)), (60_000, 10, ())],
    ids=["few parameters", "18000 parameters", "no hidden layer"],
)
def test_the_same_bits_for_any_number_of_threads(n_samples, n_features, hidden, kind):
    X, y = data(n_samples, n_features, kind)
    assert len(row_parts(X, layer_shapes(n_features, hidden, 2))) > 1
    fits = []
    for n_threads, blas_threads in [(1, 1), (2, 1), (3, 2), (None, 2), (1, 2)]:
        clf = ReLULogisticClassifier(
            hidden,
            alpha=5.0,
            max_iter=4,
            n_threads=n_threads,
            random_state=0,
            tol=0,
        )
        with (
            threadpool_limits(blas_threads, user_api="blas"),
            pytest.warns(ConvergenceWarning),
        ):
            fits.append((clf.fit(X, y), clf.predict_proba(X)))
    first, proba = fits[0]
    for clf, other_proba in fits[1:]:
        assert clf.loss_curve_ == first.loss_curve_
        for a, b in zip(
            clf.coefs_ + clf.intercepts_, first.coefs_ + first.intercepts_, strict=True
        ):
            assert_array_equal(a, b)
        assert_array_equal(other_proba, proba)


@pytest.mark.parametrize("n_features", [1, 2, 64, 8192])
@pytest.mark.parametrize("method", ["predict_proba", "local_linear"])
def test_small_predictions_have_the_same_bits_for_any_threads_of_blas(
    n_features, method
):
    # The largest products for which BLAS is not limited: 8192 multiplications.
    rng = np.random.RandomState(0)
    n_units = 8192 // n_features
    X = rng.standard_normal((50, n_features))
    clf = ReLULogisticClassifier((n_units,), alpha=1.0, max_iter=1, tol=1e9)
    clf.fit(X, np.arange(50) % 2)
    results = []
    for n_threads in (1, 2, 4):
        with threadpool_limits(n_threads, user_api="blas"):
            arrays = getattr(clf, method)(X[:1])
            results.append(np.concatenate([np.ravel(array) for array in arrays]))
    for result in results[1:]:
        assert_array_equal(result, results[0])


def test_threads_that_change_places_all_the_time():
    # Errors without the interpreter's lock show often at this switch interval.
    X, y = data(20_000, 10, "float64")

    def fit(_):
        clf = ReLULogisticClassifier(
            (8,), alpha=30.0, tol=0.1, n_init=2, n_jobs=2, n_threads=2, random_state=0
        )
        return clf.fit(X, y)

    alone = fit(0)
    proba = alone.predict_proba(X)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            fits = list(pool.map(fit, range(4)))
            predictions = list(pool.map(alone.predict_proba, [X] * 8))
    finally:
        sys.setswitchinterval(interval)
    for clf in fits:
        assert_same_fit(clf, alone)
    for prediction in predictions:
        assert_array_equal(prediction, proba)


@pytest.mark.parametrize("value", [0, -2, 1.5, "2"])
def test_errors(value):
    X, y = data(50, 10, "float64")
    with pytest.raises(ValueError, match="'n_threads' parameter of ReLULog"):
        ReLULogisticClassifier(n_threads=value).fit(X, y)
