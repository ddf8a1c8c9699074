"""Dask data without a cluster: lazy predictions, and errors that ask for a client."""

import dask.array as da
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import make_classification

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV


def problem(n_samples, n_classes=2):
    return make_classification(
        n_samples, 10, n_informative=6, n_classes=n_classes, random_state=0
    )


def chunked(*arrays, rows=700):
    return [da.from_array(array, chunks=(rows, *array.shape[1:])) for array in arrays]


def make():
    return ReLULogisticClassifier((8,), alpha=100.0, random_state=0)


def test_predictions_are_lazy_and_need_no_cluster():
    X, y = problem(1000, n_classes=3)
    clf = make().fit(X, y)
    (lazy_X,) = chunked(X, rows=300)
    calls = []
    counted = lazy_X.map_blocks(lambda x: calls.append(1) or x, meta=lazy_X._meta)
    proba = clf.predict_proba(counted)
    expected = clf.predict_proba(X)
    # A later fit does not change earlier lazy predictions.
    clf.fit(X[:, ::-1], y)
    assert not calls
    assert proba.shape == (1000, 3)
    assert proba.chunks == (lazy_X.chunks[0], (3,))
    assert_allclose(proba.compute(scheduler="sync"), expected, rtol=1e-12)
    assert len(calls) == 4
    none = clf.predict_proba(lazy_X[lazy_X[:, 0] > 1e9])
    assert none.compute(scheduler="sync").shape == (0, 3)


def test_without_a_client():
    with pytest.raises(ValueError, match="Make a client first"):
        make().fit(*chunked(*problem(500)))


def test_what_takes_data_in_memory_alone_says_so():
    X, y = problem(500)
    clf = make().fit(X, y)
    with pytest.raises(TypeError, match="not a Dask Array"):
        clf.local_linear(chunked(X)[0])
    with pytest.raises(TypeError, match=r"ReLULogisticClassifierCV.fit takes data in"):
        ReLULogisticClassifierCV().fit(*chunked(X, y))
