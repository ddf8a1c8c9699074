"""Bad input: an error that names the culprit, the value and what is allowed."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import make_classification

from sklearn_relulogit import ReLULogisticClassifier


@pytest.fixture
def data():
    return make_classification(60, random_state=0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "hidden_layer_sizes",
            [0, -1, (0,), (5, -2), 2.0, (3.5,), "10", ("a",), None, {5}, True, ((3,),)],
        ),
        ("alpha", [-1, -1e-300, np.nan, np.inf, "1", None, (1,)]),
        ("max_iter", [0, -5, 10.0, "10", None]),
        ("max_fun", [0, -5, 10.0, "10", None]),
        ("tol", [-1e-9, np.nan, np.inf, "1e-3", None]),
        ("history_size", [0, 2.5, "10", None]),
        ("random_state", [-1, 1.5, "seed"]),
        ("early_stopping", ["yes", None, 2]),
        ("validation_fraction", [0, 1, 0.0, 1.0, -0.5, np.nan, "0.1", None]),
        ("n_iter_no_change", [0, 1.5, None]),
        ("warm_start", ["yes", None, 2]),
    ],
)
def test_parameters(name, values, data):
    for value in values:
        clf = ReLULogisticClassifier(**{name: value})
        with pytest.raises(ValueError, match=f"'{name}' parameter of ReLULog") as error:
            clf.fit(*data)
        assert repr(value) in str(error.value)
        assert "must be" in str(error.value)


@pytest.mark.parametrize("name", ["max_iter", "max_fun", "history_size"])
def test_numpy_integers_are_integers(name, data):
    ReLULogisticClassifier((2,), **{name: np.int64(500)}).fit(*data)
    ReLULogisticClassifier((np.int32(2),)).fit(*data)
    ReLULogisticClassifier(np.int32(2)).fit(*data)


def fit(X, y, **kwargs):
    return ReLULogisticClassifier((2,), random_state=0).fit(X, y, **kwargs)


def test_one_class(data):
    X, y = data
    with pytest.raises(ValueError, match=r"at least 2 classes; y holds only one.* 7"):
        fit(X, np.full_like(y, 7))


def test_continuous_labels(data):
    X, y = data
    with pytest.raises(ValueError, match="Unknown label type"):
        fit(X, y + 0.5)


def test_multilabel(data):
    X, y = data
    with pytest.raises(ValueError, match="1d array"):
        fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.array, scipy.sparse.csr_array])
def test_not_finite(data, bad, container):
    X, y = data
    X[3, 4] = bad
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        fit(container(X), y)
    clf = fit(np.nan_to_num(X, posinf=0, neginf=0), y)
    with pytest.raises(ValueError, match=r"X contains (NaN|infinity)"):
        clf.predict(container(X))


def test_empty_and_misshapen(data):
    X, y = data
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fit(X[:0], y[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        fit(X[:, :0], y)
    with pytest.raises(ValueError, match="2D array"):
        fit(X[0], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(X[:-1], y)
    with pytest.raises(ValueError, match=r"X has 19 features, but .* expecting 20"):
        fit(X, y).predict(X[:, :-1])
    with pytest.raises(ValueError, match="could not convert string"):
        fit([["a"], ["b"]], [0, 1])
    with pytest.raises(ValueError, match="Complex data not supported"):
        fit(X + 1j, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        fit(X, None)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: -s, r"Negative values in sample_weight: .*smallest is -1\.0"),
        (lambda s: np.where(np.arange(60) == 5, -0.5, s), r"smallest is -0\.5"),
        (
            lambda s: 0 * s,
            "sample_weight must have a positive, .* every weight is zero",
        ),
        (lambda s: s * 1e308, "sum is inf"),
        (
            lambda s: np.where(np.arange(60) == 5, np.nan, s),
            "sample_weight contains NaN",
        ),
        (lambda s: s * np.inf, "sample_weight contains infinity"),
        (lambda s: s[:-1], "inconsistent numbers of samples"),
        (lambda s: s[:, np.newaxis], r"must be a 1-dimensional .* Got array\(\[\[1.\]"),
        (lambda s: 2.0, r"sample_weight must be a 1-dimensional .* Got 2\.0"),
        (lambda s: s.astype(str).astype(object) + "x", "could not convert string"),
    ],
)
def test_sample_weight(data, change, match):
    X, y = data
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=match):
        fit(X, y, sample_weight=change(np.ones(60)))


@pytest.mark.parametrize("scale", [1e160, 1e250, 1e300])
@pytest.mark.parametrize("hidden", [(), (3,), (3, 2)])
@pytest.mark.parametrize("container", [np.array, scipy.sparse.csr_array])
def test_features_too_large_for_the_loss(data, scale, hidden, container):
    X, y = data
    X[:, 7] *= scale
    X[10, 7] = -9 * scale
    with pytest.raises(ValueError, match=r"overflows the range of float64.* feature 7"):
        ReLULogisticClassifier(hidden, random_state=0).fit(container(X), y)


def test_features_too_large_for_float32(data):
    X, y = data
    X = (np.abs(X) * 5e37).astype(np.float32)
    with pytest.raises(ValueError, match=r"overflows the range of float32.*Standard"):
        fit(X, y)
