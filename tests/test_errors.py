"""Bad input: the error names the culprit, the value and the allowed ones."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import assert_same_fit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.multioutput import MultiOutputClassifier

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_iter", 3),
        ("max_fun", 4),
        ("history_size", 1),
        ("hidden_layer_sizes", 3),
        ("n_init", 3),
        ("n_iter_no_change", 2),
        ("random_state", 5),
    ],
)
@pytest.mark.parametrize("integer", [np.int64, np.int8])
# Some of the integers are limits.
@pytest.mark.filterwarnings("ignore:The fit ended by its")
def test_numpy_integers_are_integers(name, value, integer, data):
    """Each value changes the fit in the same way as a Python int."""
    kwargs = {"hidden_layer_sizes": (2,), "alpha": 1.0, "random_state": 0}
    plain = ReLULogisticClassifier(**kwargs, early_stopping=True)
    fits = [
        clone(plain).set_params(**{name: number}).fit(*data)
        for number in (value, integer(value))
    ]
    assert_same_fit(*fits)
    others = clone(plain).fit(*data)
    assert any(
        not np.array_equal(vars(fits[0])[attribute], vars(others)[attribute])
        for attribute in ("loss_curve_", "restart_losses_")
    )


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
    one_hot, lazy = np.eye(2, dtype=int)[y], scipy.sparse.csr_array(np.eye(2)[y])
    told = r"^Pass y as one column.* \(60, 2\).*argmax\(y, axis=1\).*MultiOutputClass"
    for labels in (np.column_stack([y, y]), one_hot, one_hot.tolist(), lazy):
        with pytest.raises(ValueError, match=told):
            fit(X, labels)
        with pytest.raises(ValueError, match=told.replace("y", "y_val")):
            fit(X, y, X_val=X, y_val=labels)
    with pytest.raises(ValueError, match=told):
        ReLULogisticClassifierCV((2,), random_state=0).fit(X, one_hot)
    # The advice of the message works.
    labels = np.argmax(one_hot, axis=1)
    assert_same_fit(fit(X, labels), fit(X, y))
    several = MultiOutputClassifier(ReLULogisticClassifier((), alpha=1.0))
    assert several.fit(X, np.column_stack([y, 1 - y])).predict(X).shape == (60, 2)
    with pytest.warns(DataConversionWarning):
        fit(X, y[:, None])


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
        (lambda s: s * 1e308, r"sum is inf\.$"),
        (
            lambda s: np.where(np.arange(60) == 5, np.nan, s),
            "sample_weight contains NaN",
        ),
        (lambda s: s * np.inf, "sample_weight contains infinity"),
        (lambda s: s[:-1], "inconsistent numbers of samples"),
        (lambda s: s[:, np.newaxis], r"must be a 1-dimensional .* Got array\(\[\[1.\]"),
        (lambda s: s[:, None, None], r"must be a 1-dimensional .* Got array\(\[\[\[1"),
        (lambda s: 2.0, r"sample_weight must be a 1-dimensional .* Got 2\.0"),
        (lambda s: np.array(2.0), r"must be a 1-dimensional .* Got array\(2\.\)"),
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


def test_features_too_large_without_a_penalty(data):
    X, y = data
    X[:, 7] *= 1e250
    with pytest.raises(ValueError, match=r"overflows the range of float64.* feature 7"):
        ReLULogisticClassifier((3,), alpha=0.0, random_state=0).fit(X, y)


def test_layers_of_one_unit_are_allowed(data):
    for hidden in (1, (1,), [1, np.int8(1)]):
        clf = ReLULogisticClassifier(hidden, alpha=1.0, random_state=2).fit(*data)
        assert {W.shape[1] for W in clf.coefs_} == {1}


def test_features_too_large_for_float32(data):
    X, y = data
    # The gradient at the start is a sum of sixty features, all of one sign.
    X = (np.where(y == y[0], 1, -1)[:, None] * np.abs(X) * 5e37).astype(np.float32)
    with pytest.raises(ValueError, match=r"overflows the range of float32.*Standard"):
        ReLULogisticClassifier(()).fit(X, y)
    # Hidden layers share the size of the features, so nothing overflows.
    clf = ReLULogisticClassifier((3,), random_state=0).fit(X, y)
    assert clf.score(X, y) == 1


def test_features_too_large_for_the_search_of_the_penalty(data):
    """The first thing to overflow is the norm that the penalties start from."""
    X, y = data
    clf = ReLULogisticClassifierCV((3,), random_state=0)
    with pytest.raises(ValueError, match="overflows the range of float64"):
        clf.fit(X * 1e300, y)
    with pytest.raises(ValueError, match="overflows the range of float64"):
        fit(X * 1e150, y, sample_weight=np.full(60, 1e200))


@pytest.mark.parametrize(
    ("alpha", "weight", "culprit"),
    [
        (1e200, 1.0, r"alpha is 1e\+200\. Lower it"),
        (1.0, 1e-300, r"sample weights sum to 6e-299\. Multiply them and alpha"),
        (1e120, 1e-180, "sample weights sum to 6e-179"),
        (1e180, 1e-120, r"alpha is 1e\+180"),
    ],
)
def test_the_culprit_of_an_overflow_is_named(data, alpha, weight, culprit):
    X, y = data
    clf = ReLULogisticClassifierCV((3,), alphas=[alpha], random_state=0)
    with pytest.raises(
        ValueError, match=f"overflows the range of float64. .*{culprit}"
    ):
        clf.fit(X, y, np.full(60, weight))


def test_predictions_that_overflow(data):
    X, y = data
    clf = ReLULogisticClassifier((3,), alpha=1e-3, random_state=0).fit(X, y)
    far = np.zeros((1, 20)), np.full((1, 20), 1.7e308) * np.sign(clf.coefs_[0][:, 0])
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=r"The network overflows the range of"):
            getattr(clf, method)(np.vstack(far))


@pytest.mark.parametrize("container", [np.array, scipy.sparse.csr_array])
def test_the_feature_that_makes_predictions_overflow_is_named(data, container):
    X, y = data
    clf = ReLULogisticClassifier((), alpha=1e-3, random_state=0).fit(X, y)
    far = np.zeros((30, 20))
    for sign in (1.0, -1.0):
        far[25, [7, 11]] = sign * 1.7e308, sign * 1.6e308
        clf.coefs_[0][[7, 11]] = 3.0
        with pytest.raises(ValueError, match=r"in X is 1\.7e\+308, in feature 7\."):
            clf.predict(container(far))


@pytest.mark.parametrize("scale", [1e307, 1.7e308])
def test_probabilities_of_logits_whose_difference_overflows(scale):
    clf = ReLULogisticClassifier((), alpha=1.0)
    clf.fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    clf.coefs_[0][:] = [[-1.0, 0.0, 1.0]]
    proba = clf.predict_proba([[scale], [-scale]])
    np.testing.assert_array_equal(proba, [[0, 0, 1], [1, 0, 0]])
    assert np.isfinite(clf.predict_log_proba([[scale]])).all()


def test_finite_numbers_whose_sum_is_not_are_finite(data):
    X, y = data
    X[:] = np.where(X > 0, 1.7e308, -1.7e308)
    with pytest.raises(ValueError, match="overflows"):
        fit(X, y)


def test_class_weights_whose_sum_is_infinite(data):
    with pytest.raises(ValueError, match="positive, finite sum"):
        ReLULogisticClassifier(class_weight={0: 1e308, 1: 1e308}).fit(*data)


def test_large_limits_are_no_sizes(data):
    """No memory is allocated for unused history or idle workers."""
    # No fit makes more iterations than the default of max_iter.
    expected = ReLULogisticClassifier(
        (2,), alpha=1.0, history_size=1000, random_state=0
    ).fit(*data)
    number = 10**9
    names = ["max_fun", "n_iter_no_change", "n_threads", "n_jobs", "history_size"]
    clf = ReLULogisticClassifier((2,), alpha=1.0, random_state=0, warm_start=True)
    clf.set_params(**dict.fromkeys(names, number)).fit(*data)
    assert clf.loss_ == pytest.approx(expected.loss_, rel=1e-6)
    search = ReLULogisticClassifierCV((2,), alphas=[1.0], cv=2, random_state=0)
    search.set_params(n_jobs=number, history_size=number).fit(*data)


def test_small_integer_types_do_not_overflow(data):
    small = {"max_iter": np.int8(100), "max_fun": np.int8(120), "tol": 1e-2}
    small |= {"history_size": np.int8(12)}
    clf = ReLULogisticClassifier((2,), alpha=1.0, random_state=0, **small)
    expected = clone(clf).set_params(max_iter=100, max_fun=120, history_size=12)
    assert clf.fit(*data).loss_ == expected.fit(*data).loss_


def test_labels_that_cannot_be_sorted(data):
    X, _ = data
    for labels in (["a", None] * 30, np.array(["a", 1], dtype=object).repeat(30)):
        types = sorted({type(label).__name__ for label in labels})
        with pytest.raises(ValueError, match="labels in y one type") as error:
            fit(X, labels)
        assert str(error.value).endswith(f"Got {types}.")


@pytest.mark.parametrize("dtype", ["S1", object])
def test_labels_of_bytes(data, dtype):
    """Files of the ARFF format have them; scikit-learn refuses them."""
    X, y = data
    labels = np.array([b"a", b"b"], dtype)[y]
    with pytest.raises(ValueError, match=r"^Decode the labels in y, which are bytes"):
        fit(X, labels)
    # The advice of the message works.
    decoded = np.char.decode(np.asarray(labels, "S"))
    assert_same_fit(fit(X, decoded), fit(X, np.array(["a", "b"])[y]))


def test_labels_of_dtype_object_that_are_no_strings(data):
    X, y = data
    told = r"^Convert y to .* dtype object, its labels are {}\."
    for labels, name in [(y.astype(object), "int"), ((y > 0).astype(object), "bool")]:
        with pytest.raises(ValueError, match=told.format(name)):
            fit(X, labels)
    assert_same_fit(fit(X, y.astype(object).astype(int)), fit(X, y))


@pytest.mark.parametrize("dtype", ["str", "string", "category", "object", "Int64"])
def test_labels_that_are_missing(data, dtype):
    X, y = data
    labels = pd.Series(y.astype(str) if dtype != "Int64" else y).astype(dtype)
    labels[[3, 7]] = None
    with pytest.raises(ValueError, match=r"^Leave out the rows without .* in 2 rows"):
        fit(X, labels)
    present = labels.notna().to_numpy()
    clf = fit(
        X[present], labels[present].to_numpy(y.dtype if dtype == "Int64" else str)
    )
    assert len(clf.classes_) == 2


def test_labels_beyond_any_integer(data):
    """scikit-learn casts labels to integers, which would make numpy warn."""
    X, _ = data
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        fit(X, [1e300, 2e300] * 30)


def test_a_search_without_a_split(data):
    with pytest.raises(ValueError, match=r"'cv' parameter .* at least one split"):
        ReLULogisticClassifierCV((2,), alphas=[1.0], cv=[]).fit(*data)


@pytest.mark.parametrize("name", ["csr", "csc", "coo", "bsr", "lil"])
@pytest.mark.parametrize("wrong", [10**6, -7])
def test_indices_out_of_range_never_reach_a_product(data, name, wrong):
    """scipy would access other memory, and the interpreter would crash."""
    X, y = data
    clf = fit(X, y)
    S = getattr(scipy.sparse, f"{name}_array")(X)
    if name == "lil":
        S.rows[3][4] = wrong
    elif name == "coo":
        S.coords[1][5] = wrong
    else:
        S.indices[5] = wrong
    for function in (clf.predict, lambda X: fit(X, y)):
        with pytest.raises(ValueError, match=r"sparse \w+ data are not valid"):
            function(S)
    with pytest.raises(ValueError, match="X_val is not valid: The sparse"):
        fit(X, y, X_val=S, y_val=y)


def test_the_check_of_sparse_data_leaves_them_alone(data):
    X, y = data
    S = scipy.sparse.csr_array(X)
    spare = np.zeros(7)
    S.data, S.indices = np.append(S.data, spare), np.append(S.indices, [0] * 7)
    arrays = S.data, S.indices, S.indptr
    fit(S, y)
    assert (S.data is arrays[0]) & (S.indices is arrays[1]) & (S.indptr is arrays[2])


@pytest.mark.parametrize(
    ("module", "layout"),
    [
        ("torch", "torch.sparse_coo"),
        ("torch", "torch.sparse_csr"),
        ("torch", "torch.jagged"),
        ("cupyx.scipy.sparse._csr", None),
    ],
)
def test_sparse_data_of_other_libraries_are_refused(data, module, layout):
    """The names of the types decide, so these libraries need not be installed."""
    X = type("Tensor", (), {"__module__": module, "layout": layout})()
    with pytest.raises(TypeError, match=rf"X is sparse, of type {module}.Tensor: of"):
        fit(X, data[1])
    # A dense one is not refused, although it may not be an array.
    dense = type("Tensor", (), {"__module__": "torch", "layout": "torch.strided"})()
    with pytest.raises((TypeError, ValueError)) as error:
        fit(dense, data[1])
    assert "is sparse" not in str(error.value)
