"""Layers that begin dead are revived, and a failing optimiser gives its reason."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, scale

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.collapse import (
    asks_for_constant,
    collapse_alpha,
    constant_network,
    flip_dead_layers,
    is_constant,
)
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack


def parts_of(X, shapes, sample_weight=None):
    n = X.shape[0]
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    return Parts.of(Block(X, np.arange(n) % 2, s), shapes)


def active(theta, shapes, X):
    """Whether each hidden layer has a unit that is active for some row."""
    result, Z = [], X
    for W_T, b in unpack(theta, shapes)[:-1]:
        Z = np.maximum(Z @ W_T + b, 0)
        result.append(bool((Z > 0).any()))
    return result


@pytest.mark.parametrize("hidden", [(1,), (2,), (1, 1), (2, 1, 1), (1, 1, 1, 1, 1, 1)])
def test_every_dead_layer_is_revived(hidden):
    rng = np.random.RandomState(0)
    X = rng.uniform(1, 2, (30, 2))  # one direction: units see all rows or none
    shapes = layer_shapes(2, hidden, n_classes=2)
    dead = 0
    for seed in range(60):
        theta = initial_theta(shapes, np.random.RandomState(seed))
        alive = flip_dead_layers(theta, shapes, parts_of(X, shapes))
        assert all(active(alive, shapes, X))
        assert_array_equal(np.abs(alive), np.abs(theta))
        if all(active(theta, shapes, X)):
            assert alive is theta
        else:
            dead += 1
    assert dead > 3


def test_rows_without_weight_do_not_count():
    X = np.array([[1.0], [-1.0]])
    shapes = layer_shapes(1, (1,), n_classes=2)
    theta = np.array([1.0, 0.0, 1.0, 0.0])
    assert_array_equal(flip_dead_layers(theta, shapes, parts_of(X, shapes)), theta)
    flipped = flip_dead_layers(theta, shapes, parts_of(X, shapes, [0, 1]))
    assert_array_equal(flipped, [-1, 0, 1, 0])


def test_rows_of_later_blocks_count():
    X = -np.ones((50_000, 1))
    X[-1] = 1
    shapes = layer_shapes(1, (1,), n_classes=2)
    parts = parts_of(X, shapes)
    assert sum(map(len, parts.items)) > 1
    theta = np.array([1.0, 0.0, 1.0, 0.0])
    assert_array_equal(flip_dead_layers(theta, shapes, parts), theta)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_no_start_is_stuck_at_a_constant(container):
    """A dead start has no gradient: the fit would end at once, as a constant."""
    x = np.linspace(1, 3, 60)
    X, y = x[:, np.newaxis], (x > 2).astype(int)
    right = told = 0
    for seed in range(12):
        clf = ReLULogisticClassifier((1,), alpha=1e-3, random_state=seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clf.fit(container(X), y)
        right += clf.score(container(X), y) > 0.9
        told += any("is a constant" in str(warning.message) for warning in caught)
    # Without the change of sign some would begin dead. Two die later, in a long step.
    assert right >= 10
    assert right + told == 12
    # After a search, the fit is that of the classifier.
    search = ReLULogisticClassifierCV((1,), alphas=[1e-3], cv=2, random_state=0)
    assert (search.fit(X, y).predict(X) == y).mean() > 0.9


@pytest.mark.parametrize("alpha", ["auto", 0.0, 1.0])
@pytest.mark.parametrize("hidden", [(), (5,), (3, 3)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_features_that_are_all_zero_give_the_shares_of_the_classes(
    alpha, hidden, n_classes
):
    y = np.arange(60) % n_classes * (np.arange(60) > 20)
    X = np.zeros((60, 4))
    clf = ReLULogisticClassifier(hidden, alpha=alpha, random_state=0, tol=1e-6)
    clf.fit(X, y)
    assert clf.stop_reason_ in ("gradient tolerance", "loss tolerance")
    shares = np.bincount(y) / len(y)
    assert_allclose(clf.predict_proba(X), np.tile(shares, (60, 1)), atol=1e-4)


@pytest.mark.parametrize("hidden", [(), (1,), (4, 3)])
def test_gradients_that_vanish_are_no_overflow(hidden):
    """With tol=0 only a gradient of zero, or next to zero, ends a fit."""
    nothing = np.zeros((2, 1)), [0, 1], None
    # After a step or two the loss is nearly zero too.
    separable = np.array([[176.0, 40.0], [41.0, 14.0]]), [0, 1], [1, 0]
    for X, y, weight in (nothing, separable):
        for alpha in (0.0, 1e-300):
            clf = ReLULogisticClassifier(hidden, alpha=alpha, tol=0.0, random_state=0)
            with warnings.catch_warnings():
                # A line search found nothing to gain.
                warnings.simplefilter("ignore", ConvergenceWarning)
                clf.fit(X, y, weight)
            assert clf.loss_ == pytest.approx(0 if weight else np.log(2), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_few_narrow_networks_end_as_a_constant(alpha):
    """With first steps of length 1, 10 and 18 of 50 did."""
    n_constant = 0
    for seed in range(50):
        rng = np.random.RandomState(seed)
        X = rng.standard_normal((200, 5))
        logits = 2 * (2 * np.abs(X[:, 0]) - 1.5 + X[:, 1])
        y = rng.uniform(size=200) < 1 / (1 + np.exp(-logits))
        clf = ReLULogisticClassifier(
            (5, 4, 3, 2), alpha=alpha, max_iter=200, random_state=seed
        )
        with warnings.catch_warnings():
            # Warnings of constants, which are counted, and of the iteration limit.
            warnings.simplefilter("ignore", ConvergenceWarning)
            proba = clf.fit(X, y).predict_proba(X)
        n_constant += np.ptp(proba, axis=0).max() < 1e-6
    assert n_constant <= 6


@pytest.mark.parametrize(
    ("layers", "alpha", "loss"), [((3, 3, 3, 3), 10.0, 0.46), ((1, 1), 1e-4, 0.6)]
)
def test_a_start_that_ends_as_a_constant_is_drawn_anew(layers, alpha, loss):
    """With four layers and a strong penalty, no bound tells."""
    X, y = load_iris(return_X_y=True)
    X, n_starts = scale(X), []
    for seed in range(15):
        clf = ReLULogisticClassifier(layers, alpha=alpha, random_state=seed)
        assert clf.fit(X, y).loss_ < loss
        n_starts.append(len(clf.restart_losses_))
        # The other starts follow in the same order, as with n_init.
        assert clf.loss_ == pytest.approx(clf.restart_losses_[-1], rel=1e-3)
        if n_starts[-1] == 2:
            several = clone(clf).set_params(n_init=2, n_jobs=2).fit(X, y)
            losses = several.restart_losses_
            assert_array_equal(losses[:2], clf.restart_losses_)
            assert len(losses) == 2 + sum(losses > 1.09)
    # It does happen, and units that are not shrunk do not change.
    assert n_starts.count(1) > 7
    assert max(n_starts) > 1


def test_where_there_is_nothing_to_fit_few_starts_are_tried():
    X, y = load_iris(return_X_y=True)
    for layers, n_starts in {(3,): 1, (3, 3, 3): 4}.items():
        clf = ReLULogisticClassifier(layers, alpha=1e4, random_state=0)
        assert len(clf.fit(X, y).restart_losses_) == n_starts
        assert clf.loss_ == pytest.approx(np.log(3), rel=1e-6)


def test_units_that_die_in_a_long_step_are_told_of():
    """Of two layers with one unit, one dies soon; a warm start has one start."""
    X, y = load_iris(return_X_y=True)
    dead = []
    for seed in range(20):
        clf = ReLULogisticClassifier(
            (1, 1), alpha=1e-4, random_state=seed, warm_start=True
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            proba = clf.fit(X, y).predict_proba(X)
        told = [str(w.message) for w in caught if "is a constant" in str(w.message)]
        assert bool(told) == (np.ptp(proba, axis=0).max() < 1e-5)
        if told:
            dead.append(seed)
            assert "n_init" in told[0]
            assert caught[-1].category is ConvergenceWarning
            several = clone(clf).set_params(n_init=8, warm_start=False).fit(X, y)
            assert several.loss_ < 0.6
    assert 2 < len(dead) < 12
    # As on sparse data.
    clf.set_params(random_state=dead[0])
    clf = clone(clf)
    with pytest.warns(ConvergenceWarning, match="is a constant"):
        clf.fit(scipy.sparse.csr_array(X), y)


@pytest.mark.parametrize("layers", [(6, 5, 4), (3, 3, 3)])
def test_a_fit_does_not_begin_where_the_search_ended_at_a_constant(layers):
    """The units of a half may die on the way; its rows are separable."""
    X, y = make_blobs(100, 4, centers=[(2, 2), (4, 4)], random_state=0)
    for seed in range(4):
        clf = ReLULogisticClassifier(layers, random_state=seed).fit(X, y)
        assert clf.score(X, y) > 0.9


@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
@pytest.mark.parametrize("hidden", [(), (5,), (3, 3)])
def test_constants_that_are_right_are_not_warned_of(hidden):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    weight = np.where(np.arange(60) < 1, 1.0, 0.0)
    kwargs = {"random_state": 0, "tol": 1e-7}
    # The penalty requires it; all rows are alike; only one row has weight.
    strong = 10 * np.linalg.norm(X.T @ (y - 0.5))
    clf = ReLULogisticClassifier(hidden, alpha=strong, **kwargs).fit(X, y)
    assert_allclose(clf.predict_proba(X), 0.5, atol=0.1 if hidden == () else 1e-4)
    for alpha in (0.0, 1.0):
        clf = ReLULogisticClassifier(hidden, alpha=alpha, **kwargs)
        clf.fit(0 * X + X[0], y)
        assert_allclose(clf.predict_proba(X[:1]), 0.5, atol=1e-4)
        clf.fit(X, y, weight)
        assert clf.predict_proba(X[:1])[0, y[0]] > 0.99


@pytest.mark.parametrize("scale", [1e-42, 1.0, 1e30])
@pytest.mark.parametrize("weight", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_a_penalty_asks_for_depends_on_no_unit(scale, weight, dtype):
    """Features c x with alpha c^(2/L), weights c s with alpha c: the same problem."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((50, 2)), np.arange(50) % 2
    X[:, 0] += 2 * y
    for hidden in ((3,), (3, 3)):
        n_layers = len(hidden) + 1
        data = Block((scale * X).astype(dtype), y, np.full(50, weight, dtype))
        asked = [
            asks_for_constant(alpha * scale ** (2 / n_layers) * weight, data, n_layers)
            for alpha in (0.0, 0.01, 1.0, 1e3, 1e5)
        ]
        assert asked == [False, False, False, True, True]
        sparse = data._replace(X=scipy.sparse.csr_array(data.X))
        assert not asks_for_constant(0.0, sparse, n_layers)
        assert asks_for_constant(0.0, data._replace(X=0 * data.X), n_layers)
        assert asks_for_constant(0.0, data, 1)


@pytest.mark.parametrize("scale", [1e-320, 1e-299, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("weight", [1e-300, 1e300])
def test_what_a_penalty_asks_for_overflows_nowhere(scale, weight):
    X, y = np.array([[-1.0], [0.5], [1.0], [0.9]]), np.array([0, 0, 1, 1])
    data = Block(scale * X, y, np.full(4, weight))
    for alpha in (0.0, 1e-300, 1.0, 1e300):
        asked = asks_for_constant(alpha, data, 3)
        if alpha == 0 or scale < 1e-300:
            assert asked == (scale < 1e-300)


@pytest.mark.slow
def test_a_gain_below_the_tolerance_is_none():
    """Near the penalty at which the network collapses, a constant is as good."""
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(40, 3))
    X[X < 0.6] = 0
    y = rng.randint(0, 3, size=40)
    data = Block(X, y, np.ones(40))
    for least_gain, asked in [(0.0, False), (1e-6, False), (3e-6, True)]:
        assert asks_for_constant(10**0.5, data, 2, least_gain) == asked
    for seed in range(60):
        clf = ReLULogisticClassifier(alpha=10**0.5, random_state=seed).fit(X, y)
        assert clf.loss_ == pytest.approx(1.09604, abs=5e-5)


@pytest.mark.parametrize("alpha", [1e12, 1e18, 1e100, 1e200, 1e300])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_under_a_penalty_that_leaves_nothing_the_fit_is_the_constant(alpha, dtype):
    """Rounding would hide the data beside the penalty of the start."""
    X, y = load_iris(return_X_y=True)
    X, y = scale(X).astype(dtype), np.minimum(y, 1)
    clf = ReLULogisticClassifier((5,), alpha=alpha, random_state=0).fit(X, y)
    assert_allclose(clf.predict_proba(X)[:, 1], 2 / 3, rtol=1e-7)
    entropy = np.log(3) - np.log(2) * 2 / 3
    assert clf.loss_ == pytest.approx(entropy, rel=1e-6)
    # Weights that are small beside an ordinary penalty do the same.
    light = ReLULogisticClassifier((5,), alpha=1.0, random_state=0)
    light.fit(X.astype(np.float64), y, np.full(150, 1e-300))
    assert light.loss_ == pytest.approx(entropy, rel=1e-6)


def test_a_strong_penalty_on_tiny_features_leaves_the_others_alone():
    """Their weights begin large, and the penalty of the start with them."""
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    with pytest.warns(ConvergenceWarning, match="very different scales"):
        clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0).fit(
            np.hstack([X, X[:, :1] * 1e-7]), y
        )
    plain = ReLULogisticClassifier((5,), alpha=1.0, random_state=0).fit(X, y)
    assert clf.loss_ == pytest.approx(plain.loss_, rel=0.05)


@pytest.mark.parametrize("n_layers", [2, 3])
def test_the_bound_for_a_constant_is_the_formula_written_out(n_layers):
    """The penalty above which no step along the best unit pays."""
    rng = np.random.RandomState(0)
    X, y = rng.uniform(-0.3, 0.3, (60, 2)), rng.randint(0, 2, 60)
    X[0] = [1.0, 0.0]
    data, total = Block(X, y, np.ones(60)), 60
    slope = collapse_alpha(data, np.ones(2)) / total
    curvature = sum((2 * np.linalg.norm(x)) ** 2 / 2 for x in X) / total
    pays = []
    for t in slope / curvature * 2.0 ** -np.arange(20):
        gain = slope * t - curvature * t**2 / 2
        cost_of_one = n_layers * t ** (2 / n_layers) / 2 / total
        pays.append(gain / cost_of_one)
    alpha = max(pays)
    assert asks_for_constant(1.01 * alpha, data, n_layers)
    assert not asks_for_constant(0.99 * alpha, data, n_layers)


def parts_with(*values, weights=None, dtype=np.float64):
    """Parts of two blocks each whose rows have these logits, and their network."""
    blocks = []
    for part in values:
        X = np.asarray(part, dtype)
        s = np.ones(len(X), dtype) if weights is None else np.asarray(weights, dtype)
        blocks.append([Block(X[:2], None, s[:2]), Block(X[2:], None, s[2:])])
    theta = np.concatenate([np.eye(2).ravel(), [0, 0]])
    return theta, [(2, 2)], Parts(blocks, 1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("output", [0, 1])
def test_a_constant_has_the_same_logits_in_all_rows(dtype, output):
    """To a millionth, in each part and from part to part."""
    level = np.tile([3.0, -2.0] if dtype == np.float64 else [0.0, 0.0], (5, 1))
    # A row, in each place, that differs by so much; and all rows of a part.
    for row in (*range(5), slice(None)):
        for difference, same in [(0.5e-6, True), (5e-6, False), (2.0, False)]:
            for sign in (1, -1):
                other = level.copy()
                other[row, output] += sign * difference
                for several in ([other], [level, other], [other, level, level]):
                    expected = same or (len(several) == 1 and row == slice(None))
                    found = is_constant(*parts_with(*several, dtype=dtype))
                    assert found == expected
    # Large logits too, and of either sign.
    large = np.tile([30.0, -40.0], (4, 1)).astype(dtype)
    assert is_constant(*parts_with(large, large, dtype=dtype))
    assert not is_constant(*parts_with(large, -large, dtype=dtype))


def test_rows_without_weight_do_not_tell_of_a_constant():
    X = np.array([[0.0, 1.0], [5.0, 1.0], [0.0, 1.0], [7.0, -3.0]])
    assert not is_constant(*parts_with(X, X))
    assert is_constant(*parts_with(X, X, weights=[1, 0, 2, 0]))
    assert is_constant(*parts_with(X, X, weights=[0, 0, 1, 0]))
    assert not is_constant(*parts_with(X, X, weights=[1, 0, 0, 1e-9]))


@pytest.mark.parametrize("shares", [[0.2, 0.8], [0.5, 0.25, 0.25], [1.0, 0.0]])
@pytest.mark.parametrize("layers", [(), (4,), (4, 2)])
def test_the_constant_network_predicts_the_shares(shares, layers):
    shapes = layer_shapes(3, layers, len(shares))
    n_outputs = shapes[-1][1]
    theta = constant_network(shapes, np.array(shares))
    assert np.isfinite(theta).all()
    logits = unpack(theta, shapes)[-1][1]
    assert_array_equal(theta[:-n_outputs], 0)
    z = np.array([0, logits[0]]) if n_outputs == 1 else logits
    assert_allclose(np.exp(z - z.max()) / np.exp(z - z.max()).sum(), shares, atol=1e-15)


@pytest.mark.parametrize(("excess", "asked"), [(2.8e-3, True), (2.9e-3, False)])
def test_a_gain_that_may_be_rounding_is_none(excess, asked):
    """Half a millionth of a nat: slope^2 / (2 K) with slope = e / 2 and K = 2."""
    X, y = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.array([0, 1, 1, 0])
    weights = 1 + excess * np.array([1, 1, -1, -1])
    data = Block(X, y, weights)
    for factor in (1.0, 1e-3, 1e5):
        scaled = data._replace(X=factor * X, sample_weight=weights * factor)
        assert asks_for_constant(0.0, scaled, 2) == asked


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_a_constant_of_rare_classes_is_warned_of(share):
    """The gain of a network is small there, but not relative to the loss."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 4))
    score = X[:, 0] + 0.3 * rng.standard_normal(4000)
    y = (score > np.quantile(score, 1 - share)).astype(int)
    clf = ReLULogisticClassifier((1,), alpha=1.0, random_state=2, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="is a constant"):
        clf.fit(X, y)
    assert np.ptp(clf.predict_proba(X)[:, 1]) < 1e-6
    clf = clone(clf).set_params(warm_start=False).fit(X, y)
    assert clf.predict_proba(X)[:, 1].max() > 0.5


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_values_far_from_the_others_are_warned_of(container):
    """A scaler makes the others tiny, and the fit does not warn."""
    rng = np.random.default_rng(1)
    X = rng.standard_t(1, (400, 4))
    y = (X[:, 0] + X[:, 1] > rng.logistic(size=400)).astype(int)
    clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0)
    standard = StandardScaler().fit_transform
    clf.fit(container(standard(X)), y)
    X[:, 2] = X[:, 2] ** 3
    with pytest.warns(ConvergenceWarning, match="transform feature 2 "):
        clf.fit(container(standard(X)), y)


def test_a_loss_above_that_of_a_constant_is_warned_of():
    rng = np.random.default_rng(0)
    X = rng.standard_t(1, (300, 4)) ** 3
    y = (X[:, 0] > X[:, 1]).astype(int)
    clf = ReLULogisticClassifier(random_state=0)
    with pytest.warns(ConvergenceWarning, match="above the 0.693 of a constant"):
        clf.fit(X, y)
    assert clf.loss_ > 1
