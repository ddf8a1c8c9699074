"""Class weights, alone and with sample weights."""

import numpy as np
import pytest
from conftest import assert_same_fit
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV


@pytest.fixture(params=[2, 3])
def data(request):
    X, y = load_iris(return_X_y=True)
    rows = np.r_[0:20, 50:90, 100:150]
    X, y = X[rows], y[rows]
    if request.param == 2:
        X, y = X[y > 0], y[y > 0]
    return StandardScaler().fit_transform(X), np.array(["a", "b", "c"])[y]


def fit(X, y, class_weight=None, sample_weight=None, hidden=(4,)):
    clf = ReLULogisticClassifier(
        hidden, alpha=1.0, class_weight=class_weight, random_state=0
    )
    return clf.fit(X, y, sample_weight=sample_weight)


def test_class_weights_are_sample_weights(data):
    X, y = data
    s = np.random.RandomState(0).uniform(0, 2, len(y))
    class_weight = {"b": 3.0, "c": 0.5}
    factor = np.select([y == "b", y == "c"], [3.0, 0.5], 1.0)
    for sample_weight, product in [(None, factor), (s, s * factor)]:
        ours = fit(X, y, class_weight, sample_weight)
        expected = fit(X, y, None, product)
        assert_array_equal(ours.predict_proba(X), expected.predict_proba(X))


@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
@pytest.mark.parametrize("hidden", [(), (4,)])
def test_a_class_of_weight_zero_is_left_out_of_the_fit(hidden):
    """Like sample weights of zero, with a search over rows that also recur."""
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 3, (200, 2)) * 1.0, rng.randint(0, 3, 200)
    fits = [
        ReLULogisticClassifier(hidden, random_state=0, **kwargs).fit(X, y, weights)
        for kwargs, weights in [
            ({"class_weight": {1: 0.0}}, None),
            ({}, (y != 1).astype(float)),
        ]
    ]
    for clf in fits:
        assert_array_equal(clf.classes_, [0, 1, 2])
    assert fits[0].alpha_losses_ == fits[1].alpha_losses_ != {}
    assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))


@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize("y", [["b", "a", "c"], ["d", "a", "a"]])
def test_a_class_without_weight_is_warned_of(y, beyond, monkeypatch):
    """Two classes or more, whatever their order; and where rows are not merged."""
    if beyond:
        monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS", 0)
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((90, 2)), np.tile(y, 30)
    weights = (y != y[0]).astype(float)
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0)
    with pytest.warns(ConvergenceWarning, match=rf"of the classes \['{y[0]}'\]"):
        clf.fit(X, y, weights)
    of_class = list(clf.classes_).index(y[0])
    assert clf.predict_proba(X)[:, of_class].max() < 0.01
    # A user who gives the class a weight of zero means it.
    clf.set_params(class_weight={y[0]: 0.0}).fit(X, y)
    weights[0] = 1e-9
    clf.set_params(class_weight=None).fit(X, y, weights)


def test_balanced_gives_every_class_the_same_total(data):
    X, y = data
    classes, counts = np.unique(y, return_counts=True)
    weights = dict(zip(classes, len(y) / (len(classes) * counts), strict=True))
    ours = fit(X, y, "balanced")
    assert_allclose(
        ours.predict_proba(X), fit(X, y, weights).predict_proba(X), rtol=1e-9
    )


def test_balanced_counts_repeats(data):
    X, y = data
    s = np.random.RandomState(0).randint(0, 3, len(y))
    weighted = fit(X, y, "balanced", s)
    repeated = fit(np.repeat(X, s, axis=0), np.repeat(y, s), "balanced")
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
def test_balanced_leaves_out_a_class_that_weighs_nothing():
    X, y = load_iris(return_X_y=True)
    clf = fit(X, y, "balanced", sample_weight=(y > 0).astype(float), hidden=())
    assert_array_equal(clf.classes_, [0, 1, 2])
    two = fit(X[y > 0], y[y > 0], "balanced", hidden=())
    assert clf.score(X[y > 0], y[y > 0]) == two.score(X[y > 0], y[y > 0])


@pytest.mark.parametrize("class_weight", [{0: 5.0, 1: 0.3}, "balanced"])
def test_without_hidden_layers_it_is_logistic_regression(class_weight):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = ReLULogisticClassifier((), alpha=1, class_weight=class_weight, tol=1e-9)
    theirs = LogisticRegression(
        solver="newton-cholesky", class_weight=class_weight, tol=1e-12
    )
    assert_allclose(
        ours.fit(X, y).predict_proba(X), theirs.fit(X, y).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize(
    ("class_weight", "match"),
    [
        ({"a": -1.0}, r"finite numbers >= 0. Got -1\.0 for class 'a'"),
        ({"a": np.nan}, "Got nan for class 'a'"),
        ({"a": np.inf}, "Got inf for class 'a'"),
        ({"a": "2"}, "Got '2' for class 'a'"),
        ({"z": 2.0}, r"Got \['z'\], but the labels are \['a', 'b', 'c'\]"),
        (dict.fromkeys("abc", 0.0), "times class_weight must have a positive"),
        ("equal", "'class_weight' parameter of ReLULog.* must be .*'balanced'"),
        ([1, 2, 3], "'class_weight' parameter of ReLULog.* must be .*dict"),
    ],
)
def test_bad_class_weights(class_weight, match):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=match):
        fit(X, np.array(["a", "b", "c"])[y], class_weight)


@pytest.mark.parametrize("dtype", [str, object])
def test_labels_that_are_digits_are_strings_in_class_weight(data, dtype):
    X, y = data
    digits = np.select([y == "b", y == "c"], ["1", "2"], "3").astype(dtype)
    named = fit(X, y, {"b": 3.0, "c": 0.5})
    ours = fit(X, digits, {"1": 3.0, "2": 0.5})
    assert (
        ours.predict(X).tolist()
        == digits[[y.tolist().index(label) for label in named.predict(X)]].tolist()
    )
    order = np.argsort([digits[y.tolist().index(label)] for label in named.classes_])
    assert_allclose(ours.predict_proba(X), named.predict_proba(X)[:, order], rtol=1e-9)
    search = ReLULogisticClassifierCV(
        (4,), alphas=[1.0], class_weight={"1": 3.0, "2": 0.5}, random_state=0
    )
    assert_array_equal(search.fit(X, digits).classes_, np.unique(digits))


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        ([0, 1], [0, 1]),
        ([0.0, 1.0], [0, 1]),
        ([False, True], [0, 1]),
        ([0, 1], [False, True]),
        ([-1, 1], [-1, 1]),
    ],
)
def test_keys_of_class_weight_that_are_equal_to_labels(labels, keys):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = fit(X, np.array(labels)[y], dict(zip(keys, [1.0, 3.0], strict=True)))
    expected = fit(X, y, None, np.where(y, 3.0, 1.0))
    assert_array_equal(ours.predict_proba(X), expected.predict_proba(X))


def test_keys_of_class_weight_that_are_no_labels(data):
    X, y = data
    told = r"^The keys of class_weight must be labels of y\. Got \['x'\], .*'b', 'c'"
    with pytest.raises(ValueError, match=told):
        fit(X, y, {"b": 1.0, "x": 2.0})
    # If every label has its weight, others may be those of another fold.
    weights = dict.fromkeys(["a", "b", "c", "x"], 2.0)
    expected = fit(X, y, dict.fromkeys(np.unique(y), 2.0))
    assert_array_equal(fit(X, y, weights).coefs_[0], expected.coefs_[0])


def soft_rows(X, Q):
    """Each row once for each class, the classes, their weights and the rows."""
    n, K = Q.shape
    rows, classes = np.repeat(X, K, axis=0), np.tile(np.arange(K), n)
    return rows, classes, Q.ravel(), np.repeat(np.arange(n), K)


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_rows_of_each_class_with_its_share_have_the_loss_of_soft_labels(hidden):
    rng = np.random.default_rng(0)
    X, Q = rng.normal(size=(150, 3)), rng.dirichlet([0.5, 1, 2], size=150)
    rows, classes, weights, _ = soft_rows(X, Q)
    clf = ReLULogisticClassifier(hidden, alpha=0.3, random_state=0)
    clf.fit(rows, classes, sample_weight=weights)

    def objective(layers):
        z = X
        for W_T, b in layers[:-1]:
            z = np.maximum(z @ W_T + b, 0)
        logits = z @ layers[-1][0] + layers[-1][1]
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        penalty = 0.15 * sum((W_T**2).sum() for W_T, _ in layers)
        return (-(Q * log_p).sum() + penalty) / len(X)

    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    assert_allclose(clf.loss_, objective(layers), rtol=1e-10)
    # It is their minimum, and so not that of the most probable labels.
    for W_T, _ in layers:
        for change in (0.01, -0.01):
            W_T[0, 0] += change
            assert objective(layers) > clf.loss_
            W_T[0, 0] -= change
    hard = clone(clf).fit(X, Q.argmax(axis=1))
    hard_layers = list(zip(hard.coefs_, hard.intercepts_, strict=True))
    assert objective(hard_layers) > clf.loss_ + 0.01
    assert_allclose(clf.predict_proba(X).mean(axis=0), Q.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("alpha", [0.3, "auto"])
def test_counts_of_each_class_are_as_many_rows(alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    counts = rng.poisson(1.5, size=(80, 2)) * (X[:, :1] > [[-1, 1]]) + [0, 1]
    rows, classes, weights, groups = soft_rows(X, counts.astype(float))
    n = weights.astype(int)
    clf = ReLULogisticClassifier((4,), alpha=alpha, random_state=0)
    weighted = clone(clf).fit(rows, classes, sample_weight=weights, groups=groups)
    repeated = clone(clf).fit(
        np.repeat(rows, n, axis=0), np.repeat(classes, n), groups=np.repeat(groups, n)
    )
    assert_same_fit(weighted, repeated)
