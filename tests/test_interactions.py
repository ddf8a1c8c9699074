"""Limits on interactions: sums of functions of one group of features each."""

import itertools
import pickle

import numpy as np
import pytest
from conftest import assert_same_fit
from numpy.testing import assert_array_equal

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.constraints import weight_signs
from sklearn_relulogit._model.parameters import layer_shapes, unpack

HIDDEN = [(12,), (10, 9), (8, 6, 7)]


def data(n=400, seed=0):
    """Labels from a curve, an interaction of two features, and another feature."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, 4))
    logit = np.sin(2 * X[:, 0]) + 2 * X[:, 1] * X[:, 2] + X[:, 3]
    return X, (logit + rng.logistic(size=n) > 0).astype(int)


def make(hidden=(12,), interaction_cst="no_interactions", **kwargs):
    kwargs = {"alpha": 0.1, "random_state": 0} | kwargs
    return ReLULogisticClassifier(hidden, interaction_cst=interaction_cst, **kwargs)


def interaction(clf, *features):
    """The largest mixed difference of the logits by some features."""
    rng = np.random.RandomState(1)
    low, high = rng.standard_normal((2, 300, 4))
    total = 0
    for moved in itertools.product([0, 1], repeat=len(features)):
        X = low.copy()
        for k, is_moved in zip(features, moved, strict=True):
            X[:, k] = (high if is_moved else low)[:, k]
        total = total + (-1) ** sum(moved) * clf.decision_function(X)
    return np.abs(total).max()


def pairs():
    return itertools.combinations(range(4), 2)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("alpha", ["auto", 0.1])
def test_without_interactions_it_is_a_sum_of_curves(hidden, alpha):
    X, y = data()
    clf = make(hidden, alpha=alpha).fit(X, y)
    assert all(interaction(clf, *pair) < 1e-11 for pair in pairs())
    assert clf.loss_ < 0.9 * np.log(2)
    free = make(hidden, None).fit(X, y)
    assert all(interaction(free, *pair) > 0.1 for pair in pairs())


@pytest.mark.parametrize("groups", [[{1, 2}], [(1, 2), [0, 3]], [{0}, {1, 2}, {2, 3}]])
def test_interactions_stay_within_groups(groups):
    X, y = data()
    clf = make(interaction_cst=groups).fit(X, y)
    # Features in no group form one group.
    allowed = [set(group) for group in groups]
    allowed.append(set(range(4)).difference(*allowed))
    for pair in pairs():
        may = any({*pair} <= group for group in allowed)
        assert (interaction(clf, *pair) > 0.1) == may
    sizes = clf.coefs_[0].size
    assert np.count_nonzero(clf.coefs_[0]) <= sizes * max(map(len, allowed)) / 4


def test_pairs():
    X, y = data()
    clf = make(interaction_cst="pairwise").fit(X, y)
    assert interaction(clf, 1, 2) > 0.1
    for triple in itertools.combinations(range(4), 3):
        assert interaction(clf, *triple) < 1e-11
    assert interaction(make(interaction_cst=None).fit(X, y), 0, 1, 2) > 0.1


def test_of_several_classes(iris):
    X, y = iris
    clf = make((8, 8), alpha=1.0).fit(X, y)
    assert all(interaction(clf, *pair) < 1e-11 for pair in pairs())
    assert clf.score(X, y) > 0.9


def test_a_linear_model_has_none():
    X, y = data()
    assert_same_fit(make(()).fit(X, y), make((), None).fit(X, y))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_with_monotonic_constraints(hidden):
    X, y = data()
    clf = make(hidden, monotonic_cst=[1, 0, -1, 1]).fit(X, y)
    slopes, _ = clf.local_linear(np.random.RandomState(1).uniform(-5, 5, (2000, 4)))
    assert (slopes[:, [0, 3]] >= 0).all()
    assert (slopes[:, 2] <= 0).all()
    assert all(interaction(clf, *pair) < 1e-11 for pair in pairs())
    # Every group has units of both signs.
    for of_feature in clf.coefs_[0][[0, 2, 3]]:
        assert of_feature.min() < 0 < of_feature.max()


def test_a_group_without_constraints_is_free():
    shapes = layer_shapes(2, (4, 4), 2)
    signs = weight_signs(shapes, np.array([1.0, 0.0]), [{0}, {1}])
    (first, _), *others = unpack(signs, shapes)
    assert_array_equal(first, [[1, 1, -1, -1], [0, 0, 0, 0]])
    for W_T, _ in others:
        assert W_T[::2].all()
        assert not W_T[1::2].any()


def test_ways_to_fit():
    X, y = data()
    cv = ReLULogisticClassifierCV(
        (8,), cv=2, alphas=3, interaction_cst="no_interactions", random_state=0
    )
    cv.fit(X, y)
    assert_same_fit(cv, make((8,), alpha=cv.alpha_).fit(X, y))
    wide = np.hstack([X[:30], np.zeros((30, 60))])
    for clf, rows, labels in (
        (cv, X, y),
        (make(n_init=2, early_stopping=True), X, y),
        (make(), X.astype(np.float32), y),
        (make((70,)), wide, y[:30]),
    ):
        clf = pickle.loads(pickle.dumps(clf.fit(rows, labels)))
        assert clf.interaction_cst is not None
        if rows.shape[1] == 4:
            tolerance = 1e-4 if rows.dtype == np.float32 else 1e-11
            assert all(interaction(clf, *pair) < tolerance for pair in pairs())


def test_warm_starts():
    X, y = data()
    clf = make(warm_start=True, tol=1e-6).fit(X, y)
    before = clf.loss_
    clf.fit(X, y)
    assert clf.loss_ <= before
    assert all(interaction(clf, *pair) < 1e-11 for pair in pairs())
    coef = clf.coefs_[0].copy()
    clf.set_params(interaction_cst=[{0, 1}, {2, 3}])
    with pytest.raises(ValueError, match=r"weights that break .*interaction_cst"):
        clf.fit(X, y)
    assert_array_equal(clf.coefs_[0], coef)


@pytest.mark.parametrize(
    ("cst", "message"),
    [
        ([{0, 4}], r"positions 0 to 3\. Got \[\{0, 4\}\]"),
        ([0, 1], "positions 0 to 3"),
        ([["a"]], "positions 0 to 3"),
        ("none", "'interaction_cst' parameter"),
    ],
)
def test_what_cannot_be_a_limit(cst, message):
    with pytest.raises(ValueError, match=message):
        make(interaction_cst=cst).fit(*data())


def test_each_group_needs_a_unit():
    with pytest.raises(ValueError, match=r"each of 4 groups needs a unit .* has 3"):
        make((12, 3)).fit(*data())
