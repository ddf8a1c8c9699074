"""``alpha="auto"``: the search for the penalty, alone and in the estimator."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from conftest import distinct, watch_evaluations
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import OneHotEncoder
from sklearn_relulogit._search.path import (
    Fold,
    Hopeless,
    Precision,
    first_alpha,
    unit_of,
)
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._model.collapse import collapse_alpha, revive, strongest_unit
from sklearn_relulogit._model.likelihood import Logistic, likelihood_of
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack
from sklearn_relulogit._optimize.coordinates import FeatureScale
from sklearn_relulogit._optimize.lbfgs import Iterate
from sklearn_relulogit._optimize.monitors import Watcher
from sklearn_relulogit._search.auto import (
    MAX_STEPS,
    choose_alpha,
    constant_loss,
    descend,
    search_rows,
    vertex,
)
from sklearn_relulogit._search.halves import Halves, halves


def make(hidden_layer_sizes=(8,), **kwargs):
    return ReLULogisticClassifier(hidden_layer_sizes, random_state=0, **kwargs)


# Fits of a search that go on to the end.
EXACT = Precision(tol=1e-8, max_iter=3000, max_fun=6000, hopeless=np.inf)


def search(X, y, weights=None, hidden=(8,), **kwargs):
    """`choose_alpha` as a fit calls it."""
    likelihood = likelihood_of(len(np.unique(y)))
    shapes = layer_shapes(X.shape[1], hidden, likelihood.n_outputs)
    X_present = X if weights is None else X[weights > 0]
    weights_present = None if weights is None else weights[weights > 0]
    mean = np.average(X_present, axis=0, weights=weights_present)
    distances = X_present - mean
    deviation = np.sqrt(np.average(distances**2, axis=0, weights=weights_present))
    reach = np.abs(distances).max(axis=0)
    scale = FeatureScale.of(mean, deviation, reach, shapes, reach > 0)
    drawn = initial_theta(shapes, np.random.RandomState(0))
    return choose_alpha(
        distinct(Block(X, y, np.ones(len(y)) if weights is None else weights)),
        shapes,
        likelihood,
        lambda alpha, weight_sum: scale.coordinates(alpha, weight_sum) @ drawn,
        scale,
        history_size="auto",
        **{"weight_sum": len(y) if weights is None else weights.sum()} | kwargs,
    )


def interrupted_at(k, **kwargs):
    """A context in which Ctrl-C comes in the place of the k-th evaluation."""
    return watch_evaluations(at=k, error=KeyboardInterrupt, **kwargs)


def walked(loss, start=2, least_gain=0.0):
    """Where `descend` ends on a loss of the exponent, and the path of its calls."""
    calls = []

    def loss_at(exponent, before):
        calls.append((exponent, before))
        return loss(exponent)

    best, losses = descend(loss_at, start, least_gain)
    assert losses == {exponent: loss(exponent) for exponent, _ in calls}
    return best, calls


def test_the_descent_goes_to_the_minimum_on_either_side():
    best, calls = walked(lambda e: (e + 1) ** 2 + 1)
    assert best == -1
    assert calls == [(2, None), (1, 2), (0, 1), (-1, 0), (-2, -1)]
    best, calls = walked(lambda e: (e - 4) ** 2 + 1)
    assert best == 4
    assert calls == [(2, None), (1, 2), (3, 2), (4, 3), (5, 4)]
    assert walked(lambda e: (e - 2) ** 2 + 1)[0] == 2


def test_the_descent_takes_no_step_that_gains_too_little():
    assert walked(lambda e: 1 + 0.01 * e, least_gain=0.02)[0] == 2
    assert walked(lambda e: 1 + 0.01 * e, least_gain=0.009)[0] == -6
    # A thousandth of the loss cannot be told from nothing.
    assert walked(lambda e: 1 + 0.0009 * e)[0] == 2
    assert walked(lambda e: 1 + 0.0011 * e)[0] < 2


def test_the_descent_ends():
    assert walked(lambda e: 2.0**e)[0] == 2 - MAX_STEPS
    assert walked(lambda e: 2.0**-e)[0] == 2 + MAX_STEPS


def test_the_descent_crosses_a_plateau_of_constant_networks():
    """Of strong penalties all networks are the same constant; it goes on, weaker."""

    def loss(exponent):
        return 0.693 if exponent > -2 else 0.3 + 0.01 * (exponent + 3) ** 2

    calls = []

    def loss_at(exponent, before):
        calls.append(exponent)
        return loss(exponent)

    best, losses = descend(loss_at, 2, 0.001, constant=0.693)
    assert best == -3
    assert calls == [2, 1, 0, -1, -2, -3, -4]
    assert losses == {exponent: loss(exponent) for exponent in calls}
    # Of a loss that is no constant's a plateau is an end: one step to either side.
    assert descend(loss_at, 2, 0.001, constant=2.0)[0] == 2
    assert calls[7:] == [2, 1, 3]


def test_the_descent_leaves_a_plateau_that_rises():
    """A weaker penalty that predicts worse than a constant tells where to stop."""
    calls = []

    def loss_at(exponent, before):
        calls.append(exponent)
        return 0.7 if exponent > 0 else 0.8

    assert descend(loss_at, 2, 0.001, constant=0.7)[0] == 2
    assert calls == [2, 1, 0, 3]
    # One without end is followed as far as any other walk.
    calls.clear()
    assert descend(
        lambda e, before: calls.append(e) or 0.7, 2, 0.001, constant=0.7
    ) == (
        2,
        dict.fromkeys([*range(2, 2 - MAX_STEPS - 1, -1), 3], 0.7),
    )


@pytest.mark.parametrize(
    ("weights", "unit"),
    [
        ([1, 1, 1], 1),
        # Some rows are repeated: the unit is still a row.
        ([1, 1, 1, 1, 2, 5], 1),
        ([3, 3, 3], 3),
        # A few rows hold nearly all weight.
        ([1, 1, 1, 1000], 250.75),
        # The mean is just three times the median, and a little more.
        ([1, 1, 7], 1),
        ([1, 1, 7.1], 9.1 / 3),
        ([0.25], 0.25),
    ],
)
def test_the_unit_of_the_weights(weights, unit):
    weights = np.array(weights, dtype=float)
    assert unit_of(weights) == pytest.approx(unit, rel=1e-15)
    for factor in (1e-30, 0.1, 1e30):
        assert unit_of(factor * weights) == pytest.approx(factor * unit, rel=1e-12)


def test_the_first_penalty():
    # Ten times the weight of a row, or a tenth of what lets the network collapse.
    scale = scale_of([1.0, 0.5, 2.0], (5,))
    assert first_alpha(1e4, 3.0, scale) == 30
    assert first_alpha(200.0, 3.0, scale) == 20
    assert first_alpha(0.0, 3.0, scale) == 30
    assert first_alpha(1e-3, 3.0, scale) == pytest.approx(1e-4, rel=1e-12)
    # What lets the network collapse is by the features as they are.
    large = scale_of([1e4, 1e4, 1e4], ())
    assert first_alpha(1e4 * 200.0, 3.0, large) == pytest.approx(1e8 * 20, rel=1e-12)


@pytest.mark.parametrize("size", [1e-6, 0.0101, 0.2, 5.0, 99.9, 1e8])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 5, 5)])
def test_the_first_penalty_goes_with_the_size_of_the_features(hidden, size):
    """Weights of L layers are size^(-1 / L) times as large, to a power of ten."""
    alpha = first_alpha(1e30, 1.0, scale_of([size, size], hidden))
    weights = (alpha / 10) ** (-(len(hidden) + 1) / 2)
    assert 0.09 < weights * size < 11


def scale_of(units, hidden):
    units = np.array(units)
    return FeatureScale(0 * units, units, layer_shapes(len(units), hidden, 1))


@pytest.mark.parametrize("factor", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_features_have_no_unit(hidden, factor):
    """All times c: the same network, by a penalty times c^(2 / L)."""
    X, y = make_classification(200, 5, flip_y=0.2, random_state=0)
    before = ReLULogisticClassifier(hidden, random_state=0).fit(X, y)
    after = ReLULogisticClassifier(hidden, random_state=0).fit(factor * X, y)
    times = factor ** (2 / (len(hidden) + 1))
    assert after.alpha_ == pytest.approx(times * before.alpha_, rel=1e-9)
    assert after.loss_ == pytest.approx(before.loss_, rel=1e-3)
    assert_allclose(after.predict_proba(factor * X), before.predict_proba(X), atol=0.02)


def test_no_penalty_beside_one_that_leaves_a_constant():
    """The parabola through its loss says nothing of where the network collapses."""
    rng = np.random.RandomState(0)
    levels = rng.randint(0, 400, (1500, 3))
    logit = rng.standard_normal((3, 400))[np.arange(3), levels].sum(axis=1)
    y = (rng.uniform(size=1500) < expit(logit)).astype(int)
    X = OneHotEncoder().fit_transform(levels)
    clf = ReLULogisticClassifier((20, 10), random_state=0).fit(X, y)
    losses = clf.alpha_losses_
    best = min(losses, key=losses.__getitem__)
    constant = np.log(2)
    assert losses[best] < 0.98 * constant < losses[best * 10**0.5]
    assert clf.alpha_ == best
    assert clf.loss_ < 0.9 * constant


def test_the_loss_of_a_constant_is_that_of_the_shares_of_the_other_half():
    def half(y, weights):
        return Block(np.zeros((len(y), 1)), np.array(y), np.array(weights, dtype=float))

    first, second = half([0, 0, 1], [1, 2, 1]), half([0, 1, 1], [3, 1, 1])
    # The first has the shares 3/4 and 1/4, the second 3/5 and 2/5.
    expected = -(
        (3 * np.log(3 / 5) + np.log(2 / 5)) + (3 * np.log(3 / 4) + 2 * np.log(1 / 4))
    )
    two = Halves([first, second], [first, second], 6)
    assert constant_loss(two) == pytest.approx(expected / 9, rel=1e-12)
    # A class that one half lacks costs much, but no infinity.
    lacking = Halves([first, half([0], [1])], [first, half([0], [1])], 4)
    expected = -(3 * np.log(1) + np.log(np.finfo(float).eps) + np.log(3 / 4)) / 5
    assert constant_loss(lacking) == pytest.approx(expected, rel=1e-12)


def best_threshold(t, R):
    """The largest |R^T relu(t - b)| and |R^T relu(b - t)|, threshold by threshold.

    Beyond the smallest and the largest of the t they do not change, or only vanish.
    """
    gains = [
        np.linalg.norm(R.T @ np.maximum(sign * (t - b), 0))
        for b in np.append(t, [t.min() - 1, t.max() + 1])
        for sign in (1, -1)
    ]
    return max(gains)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("kind", ["normal", "ties", "constant", "two"])
def test_the_strongest_unit_is_that_of_all_thresholds(n_outputs, kind):
    rng = np.random.RandomState(0)
    n = 2 if kind == "two" else 40
    for _ in range(20):
        t = {
            "normal": rng.standard_normal(n) + 5,
            "ties": rng.randint(0, 4, n) * 1.0,
            "constant": np.ones(n),
            "two": rng.standard_normal(n),
        }[kind]
        R = rng.standard_normal((n, n_outputs))
        R -= R.mean(axis=0)
        found, expected = strongest_unit(t, R), best_threshold(t, R)
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-10)
        # A finer grid of thresholds finds nothing stronger.
        for b in np.linspace(t.min() - 1, t.max() + 1, 50):
            assert np.linalg.norm(R.T @ np.maximum(t - b, 0)) <= found + 1e-10


def residuals_of(y, weights, n_outputs):
    """Shares of the classes less the labels, times weights; of class 1 alone of two."""
    one_hot = np.eye(y.max() + 1)[y]
    residuals = weights[:, None] * (np.average(one_hot, 0, weights) - one_hot)
    return residuals[:, 1:] if n_outputs == 1 else residuals


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_scale_of_the_penalty_of_one_feature(iris, n_classes, container):
    """There is one direction only, so that it is the gain of the best threshold."""
    X, y = iris
    X, y = X[y < n_classes, 1:2], y[y < n_classes]
    weights = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)
    likelihood = likelihood_of(n_classes)
    residuals = residuals_of(y, weights, likelihood.n_outputs)

    def scale(X, weights):
        # The unit has no influence on the only direction.
        return collapse_alpha(Block(container(X), y, weights), likelihood, np.ones(1))

    expected = best_threshold(X[:, 0], residuals)
    found = scale(X, weights)
    assert found == pytest.approx(expected, rel=1e-10)
    assert found != pytest.approx(scale(X, weights**2), rel=1e-3)
    # It has the unit of the weights and that of the feature, and no place.
    assert scale(X, 3 * weights) == pytest.approx(3 * expected, rel=1e-10)
    assert scale(5 * X, weights) == pytest.approx(5 * expected, rel=1e-10)
    # Its square would overflow or underflow, it does not.
    for factor in (1e-200, 1e200):
        assert scale(X, factor * weights) == pytest.approx(factor * expected, rel=1e-10)
        assert scale(factor * X, weights) == pytest.approx(factor * expected, rel=1e-10)
    assert scale(X + 7, weights) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_scale_of_the_penalty_of_two_features(iris, n_classes):
    """Next to the best of all directions and thresholds, and no less than linear."""
    X, y = iris
    X, y = X[y < n_classes, :2], y[y < n_classes]
    weights = np.ones(len(y))
    likelihood = likelihood_of(n_classes)
    residuals = residuals_of(y, weights, likelihood.n_outputs)
    found = collapse_alpha(Block(X, y, weights), likelihood, np.ones(2))
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    directions = np.array([np.cos(angles), np.sin(angles)])
    best = max(best_threshold(t, residuals) for t in (X @ directions).T)
    assert 0.95 * best < found < 1.001 * best
    assert found >= np.linalg.svd(X.T @ residuals)[1][0] * (1 - 1e-12)


def test_what_no_linear_unit_finds_has_a_scale_too():
    """Exclusive or: no direction tells the labels, but a threshold along one does."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y, weights = np.array([0, 1, 1, 0]), np.ones(4)
    residuals = residuals_of(y, weights, 1)
    assert_array_equal((X - 0.5).T @ residuals, 0)
    # relu(x_1 + x_2 - 1) / sqrt(2) is 1 / sqrt(2) in one corner, of residual 1/2. The
    # best threshold in between the diagonals has the two corners of one label.
    best = max(
        best_threshold(X @ [np.cos(a), np.sin(a)], residuals)
        for a in np.linspace(0, 2 * np.pi, 720)
    )
    found = collapse_alpha(Block(X, y, weights), Logistic(), np.full(2, 0.5))
    assert 0.8 * best < found <= 1.001 * best
    # Where the features say nothing there is none.
    for nothing in (0 * X, 0 * X + 7, np.full((4, 2), 1 / 3)):
        assert collapse_alpha(Block(nothing, y, weights), Logistic(), np.ones(2)) == 0


def test_the_network_collapses_there(cancer):
    X, y = cancer
    data = Block(X, y, np.ones(len(y)))
    collapse = collapse_alpha(data, Logistic(), np.ones(30))
    sizes = [
        np.abs(make((20,), alpha=factor * collapse).fit(X, y).coefs_[0]).max()
        for factor in (1.5, 0.2)
    ]
    assert sizes[0] < 1e-2 < 1e-1 < sizes[1]


def test_revive():
    shapes = layer_shapes(3, (4, 5), 2)
    rng = np.random.RandomState(0)
    initial, theta = initial_theta(shapes, rng), initial_theta(shapes, rng)
    layers, fresh = unpack(theta, shapes), unpack(initial, shapes)
    (W_1, b_1), (W_2, b_2), _ = layers
    b_1[:], b_2[:] = 1, 2
    W_1[:, 2] *= 1e-5
    W_2[2] *= 1e-5
    before = theta.copy()
    revived = unpack(revive(theta, initial, shapes), shapes)
    assert_array_equal(theta, before)
    assert_array_equal(revived[0][0][:, 2], fresh[0][0][:, 2])
    assert revived[0][1][2] == fresh[0][1][2] != 1
    assert_array_equal(revived[1][0][2], fresh[1][0][2] / 10)
    # All else is as it was.
    others = [0, 1, 3]
    assert_array_equal(revived[0][0][:, others], W_1[:, others])
    assert_array_equal(revived[1][0][others], W_2[others])
    assert_array_equal(revived[1][1], b_2)
    assert_array_equal(revived[2][0], layers[2][0])
    # Without hidden layers there is nothing to revive.
    assert_array_equal(
        revive(np.zeros(4), np.ones(4), layer_shapes(3, (), 1)), np.zeros(4)
    )


@pytest.mark.parametrize("precision", [Precision(), EXACT], ids=["default", "exact"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_losses_are_those_of_logistic_regression(cancer, weighted, precision):
    """Without hidden layers: another library's fits to each half.

    The search is content with gradients of three ten-thousandths of the loss: a
    hundredth of a loss. Or it is not.
    """
    exact = precision is EXACT
    rtol = 1e-6 if exact else 0.01
    X, y = cancer
    weights = np.ones(len(y))
    if weighted:
        weights = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
    alpha_chosen, losses, *_ = search(X, y, weights, (), precision=precision)
    best = min(losses, key=lambda alpha: abs(np.log(alpha / alpha_chosen)))
    (first, second), _, _ = halves(distinct(Block(X, y, weights)), 2, max_rows=10_000)
    assert len(losses) >= 3
    for alpha, loss in losses.items():
        total = 0.0
        for half, other in ((first, second), (second, first)):
            peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-8)
            peer.fit(*half)
            proba = peer.predict_proba(other.X)
            total += other.sample_weight.sum() * log_loss(
                other.y, proba, sample_weight=other.sample_weight
            )
        expected = total / weights.sum()
        if not exact and loss > 1.02 * losses[best]:
            # It may have been given up on the way.
            assert loss < (1 + rtol) * expected
        else:
            assert loss == pytest.approx(expected, rel=rtol)
    # A step that gains less than can be told apart, or a nat over all rows, is not
    # taken.
    lowest = min(losses.values())
    least_gain = max(precision.tol * lowest, 1 / len(y))
    assert losses[best] <= lowest + 1.01 * least_gain


@pytest.mark.parametrize("weighted", [False, True])
def test_the_final_fit_is_that_with_the_chosen_penalty(cancer, weighted):
    X, y = cancer
    weights = np.random.RandomState(0).randint(0, 3, len(y)) if weighted else None
    clf = make((), tol=1e-8).fit(X, y, weights)
    chosen = search(X, y, None if weights is None else weights.astype(float), ())
    assert clf.alpha_ == chosen.alpha
    assert clf.alpha_losses_ == pytest.approx(chosen.losses, rel=1e-9)
    peer = LogisticRegression(C=1 / clf.alpha_, solver="newton-cholesky", tol=1e-10)
    peer.fit(X, y, weights)
    assert_allclose(clf.coef_, peer.coef_, atol=1e-5)


def test_a_hopeless_fit_is_given_up():
    X, y = make_classification(300, 20, flip_y=0.3, random_state=1)
    patient = search(X, y, hidden=(30,), precision=Precision(hopeless=np.inf))
    hasty = search(X, y, hidden=(30,))
    # The loss at which a fit is given up stands for a higher one.
    assert abs(np.log10(hasty.alpha / patient.alpha)) < 0.25
    given_up = [
        alpha
        for alpha, loss in hasty.losses.items()
        if loss < 0.99 * patient.losses[alpha]
    ]
    assert given_up
    best = min(hasty.losses.values())
    for alpha, loss in hasty.losses.items():
        if alpha in given_up:
            assert loss > best
        else:
            assert loss == pytest.approx(patient.losses[alpha], rel=0.02)


def test_the_vertex_is_that_of_a_parabola():
    def losses(minimum, exponents=(1, 2, 3)):
        return {e: 0.5 + 0.1 * (e - minimum) ** 2 for e in exponents}

    for minimum in (1.6, 2.0, 2.49):
        assert vertex(losses(minimum), 2) == pytest.approx(minimum, rel=1e-12)
    # No further than to where the next step would be as near.
    assert vertex(losses(2.9), 2) == 2.5
    assert vertex(losses(1.1), 2) == 1.5
    # Without a neighbour, or where there is no minimum, it stays.
    assert vertex(losses(2.3, (2, 3)), 2) == 2
    assert vertex(losses(1.7, (1, 2)), 2) == 2
    assert vertex({1: 0.5, 2: 0.5, 3: 0.5}, 2) == 2
    assert vertex({1: 0.7, 2: 0.5, 3: np.inf}, 2) == 2
    # Steps that gain too little are not taken, so that both may be a little lower.
    assert vertex({1: 0.4999, 2: 0.5, 3: 0.4998}, 2) == 2
    assert vertex({1: 0.4999, 2: 0.5, 3: 0.6}, 2) == 1.5


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_the_penalty_is_that_of_the_lowest_loss_for_all_rows(hidden):
    """By numpy's parabola through three losses, and the growth with the rows."""
    X, y = make_classification(300, 8, flip_y=0.2, random_state=0)
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y)
    alphas, losses = map(np.array, zip(*sorted(clf.alpha_losses_.items()), strict=True))
    best = int(losses.argmin())
    near = slice(best - 1, best + 2)
    a, b, _ = np.polyfit(np.log10(alphas[near]), losses[near], 2)
    # A half has half of the rows. The penalty of a linear model does not grow.
    expected = -b / (2 * a) + (np.log10(2) / 3 if hidden else 0.0)
    # To an eighth of a power of ten.
    assert np.log10(clf.alpha_) == pytest.approx(expected, abs=1.001 / 16)
    eighths = 8 * np.log10(clf.alpha_)
    assert eighths == pytest.approx(round(eighths), abs=1e-9)


def test_the_penalty_grows_with_the_rows_that_the_search_does_not_see():
    """The same search for data that are a hundred times as many."""
    X, y = make_classification(300, 8, flip_y=0.2, random_state=0)
    few = search(X, y, max_rows=300)
    many = search(X, y, max_rows=300, weight_sum=300 * 100)
    assert few.losses == many.losses
    growth = np.log10(many.alpha / few.alpha)
    assert growth == pytest.approx(2 / 3, abs=1.001 / 8)


def test_the_fit_is_that_with_the_penalty_found(iris):
    """Neither the weights of a half nor anything else of the search matter to it."""
    found = make().fit(*iris)
    given = make(alpha=found.alpha_).fit(*iris)
    assert given.loss_curve_ == found.loss_curve_
    for W, other in zip(given.coefs_, found.coefs_, strict=True):
        assert_array_equal(W, other)


def test_fitted_attributes(iris):
    clf = make().fit(*iris)
    # Half powers of ten.
    assert all(
        2 * np.log10(alpha) == pytest.approx(round(2 * np.log10(alpha)), abs=1e-9)
        for alpha in clf.alpha_losses_
    )
    assert clf.alpha == "auto"
    clf.set_params(alpha=3.0).fit(*iris)
    assert (clf.alpha_, clf.alpha_losses_) == (3.0, None)


def test_noise_gets_a_stronger_penalty_than_signal():
    X, y = make_classification(300, 8, flip_y=0, class_sep=2, random_state=0)
    noise = np.random.RandomState(0).permutation(y)
    assert make().fit(X, noise).alpha_ > 5 * make().fit(X, y).alpha_


def test_rows_that_recur():
    """Few values of few features, each seen with both labels and many times."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, (4000, 2)).astype(float)
    proba = 0.1 + 0.8 * ((X[:, 0] + X[:, 1]) % 2)
    y = (rng.random(4000) < proba).astype(int)
    clf = make((30,)).fit(X, y)
    # Weak in units of the weight of a distinct row.
    _, copies = np.unique(np.column_stack([X, y]), axis=0, return_counts=True)
    assert clf.alpha_ <= np.median(copies)
    assert log_loss(y, clf.predict_proba(X)) < 0.4


def test_weights_are_repeats_and_their_unit_does_not_matter(cancer):
    X, y = cancer
    rng = np.random.RandomState(0)
    weights = rng.randint(0, 4, len(y))
    rows = rng.permutation(np.repeat(np.arange(len(y)), weights))
    weighted = make().fit(X, y, weights)
    repeated = make().fit(X[rows], y[rows])
    assert weighted.alpha_ == repeated.alpha_
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-6)
    eightfold = make().fit(X, y, 8.0 * weights)
    assert eightfold.alpha_ == 8 * weighted.alpha_
    assert_array_equal(eightfold.predict_proba(X), weighted.predict_proba(X))
    # Tenfold weights are rounded, and what is rounded away grows on the way.
    tenfold = make().fit(X, y, 10.0 * weights)
    assert tenfold.alpha_ == pytest.approx(10 * weighted.alpha_, rel=1e-12)
    assert tenfold.loss_ == pytest.approx(weighted.loss_, rel=1e-3)


def test_dense_is_sparse(cancer):
    X, y = cancer
    X = np.where(X > 0, X, 0)
    dense, sparse = make().fit(X, y), make().fit(scipy.sparse.csr_array(X), y)
    assert dense.alpha_ == sparse.alpha_
    assert_allclose(dense.predict_proba(X), sparse.predict_proba(X), atol=1e-6)


def test_the_same_bits_for_any_number_of_threads():
    X, y = make_classification(6_000, 20, flip_y=0.2, random_state=0)
    fits = []
    for n_threads, blas_threads in [(1, 1), (2, 2), (3, 1)]:
        with threadpool_limits(blas_threads, user_api="blas"):
            clf = make((30, 10), n_threads=n_threads, max_iter=10)
            with pytest.warns(ConvergenceWarning):
                fits.append(clf.fit(X, y))
    for clf in fits[1:]:
        assert clf.alpha_losses_ == fits[0].alpha_losses_
        assert clf.loss_curve_ == fits[0].loss_curve_
        for W, other in zip(clf.coefs_, fits[0].coefs_, strict=True):
            assert_array_equal(W, other)


def test_warm_starts_keep_the_penalty(cancer):
    X, y = cancer
    clf = make(warm_start=True, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    alpha, losses = clf.alpha_, clf.alpha_losses_
    with pytest.warns(ConvergenceWarning), watch_evaluations() as evaluations:
        clf.fit(X, y)
    # It is not searched for again.
    assert len(evaluations) == clf.n_evaluations_
    assert (clf.alpha_, clf.alpha_losses_) == (alpha, losses)


def test_restarts_share_the_penalty(cancer):
    clf = make(n_init=3).fit(*cancer)
    assert clf.alpha_ == make().fit(*cancer).alpha_
    assert len(set(clf.restart_losses_)) == 3


@pytest.mark.parametrize(
    ("X", "alpha"),
    [
        # Two distinct rows, each three times: ten times their weight.
        pytest.param(np.zeros((6, 2)), 30, id="features that say nothing"),
        # So few rows are fitted as they are, by a weak penalty.
        pytest.param(np.eye(2), 0.1, id="two rows"),
        # Each of 30 rows has both labels: ten times its weight.
        pytest.param(np.repeat(np.arange(30.0), 2)[:, None], 10, id="many rows"),
    ],
)
def test_nothing_to_choose_by(X, alpha):
    y = np.arange(len(X)) % 2
    clf = make().fit(X, y)
    assert clf.alpha_ == pytest.approx(alpha, rel=1e-12)
    assert clf.alpha_losses_ == {}


@pytest.mark.parametrize(("n", "searched"), [(19, False), (20, True)])
def test_from_twenty_distinct_rows_on_there_is_a_search(n, searched):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((n, 2)), np.arange(n) % 2
    X, y = np.tile(X, (3, 1)), np.tile(y, 3)
    clf = make((3,)).fit(X, y)
    assert bool(clf.alpha_losses_) == searched
    if not searched:
        assert clf.alpha_ == pytest.approx(3 * 0.1, rel=1e-12)


def test_memory_is_bounded_for_large_data():
    """The halves of large data are a part of them."""
    X, y = make_classification(20_000, 10, random_state=0)

    def n_rows(evaluations):
        return [
            sum(len(block.y) for part in objective.parts.items for block in part)
            for objective, _ in evaluations
        ]

    with (
        watch_evaluations() as training,
        watch_evaluations(method="mean_nll") as validation,
    ):
        search(X, y, hidden=(4,), max_rows=3000)
    for halves_of in (n_rows(training), n_rows(validation)):
        assert 1400 < min(halves_of) <= max(halves_of) <= 1502
    # By default so many of them.
    assert search_rows(10) == 10_000


def test_overflow_is_told(cancer):
    X, y = cancer
    with pytest.raises(ValueError, match="overflow"):
        make().fit(1e300 * X, y)


def test_overflow_of_the_norm_that_scales_penalties_is_told():
    """All sums are finite, 1.5e308, but their norm overflows."""
    X, weights = 1.5e150 * np.array([[1.0, 1.0], [-1.0, -1.0]]), np.full(2, 1e158)
    data = Block(X, np.array([1, 0]), weights)
    with pytest.raises(FloatingPointError, match="overflows"):
        collapse_alpha(data, Logistic(), np.ones(2))
    half = collapse_alpha(data._replace(X=X / 2), Logistic(), np.ones(2))
    assert half == pytest.approx(0.75e308 * np.sqrt(2))
    for clf in (make(), ReLULogisticClassifierCV((8,), alphas=3, cv=[([0, 1], [0])])):
        with pytest.raises(ValueError, match="overflows the range of float64"):
            clf.fit(X, [1, 0], weights)


@pytest.mark.parametrize("alpha", ["scale", -1.0, np.inf, None])
def test_errors(iris, alpha):
    with pytest.raises(ValueError, match=r"'alpha' parameter of ReLU.*'auto'"):
        make(alpha=alpha).fit(*iris)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_the_scale_of_the_penalty_does_not_hang_on_a_class_without_rows(absent):
    """Its share is zero, whatever its code; also of the last one."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((80, 3))
    codes = np.array([code for code in range(3) if code != absent])[
        rng.randint(2, size=80)
    ]
    data = Block(X, codes, np.ones(80))
    scale = collapse_alpha(data, likelihood_of(3), np.ones(3))
    # By the norm of the best unit of all, over the residuals written out.
    shares = [np.mean(codes == code) for code in range(3)]
    R = np.array([np.subtract(shares, np.arange(3) == code) for code in codes])
    assert_allclose(R.sum(axis=0), 0, atol=1e-12)
    slope = np.linalg.svd(X.T @ R)[0][:, 0]
    t = X @ slope
    ends = [np.maximum(sign * (t - b), 0) for b in t for sign in (1, -1)]
    least = max(np.linalg.norm(R.T @ end) for end in ends)
    assert scale >= least * (1 - 1e-12)
    assert scale <= 2 * least


def test_the_scale_of_the_penalty_of_one_class_of_two():
    """The other has no row of any weight: there is nothing to gain."""
    X = np.random.RandomState(0).standard_normal((20, 3))
    for code in (0, 1):
        data = Block(X, np.full(20, code), np.ones(20))
        assert collapse_alpha(data, Logistic(), np.ones(3)) == 0
    clf = ReLULogisticClassifier((3,), class_weight={1: 0.0}, random_state=0)
    clf.fit(X, np.arange(20) % 2)
    assert clf.predict_proba(X)[:, 1].max() < 0.01


def test_the_scale_of_the_penalty_is_zero_where_a_gain_is_a_rounding_error():
    """Each row is twice of one class and once of the other."""
    rng = np.random.RandomState(0)
    rows = rng.standard_normal((40, 3)) + 1e3
    X, y = np.vstack([rows, rows, rows]), np.repeat([0, 0, 1], 40)
    weights = np.ones(120)
    assert collapse_alpha(Block(X, y, weights), Logistic(), np.ones(3)) == 0
    y[0] = 1
    assert collapse_alpha(Block(X, y, weights), Logistic(), np.ones(3)) > 0.1


def test_only_limits_of_the_user_are_told_of():
    assert not Precision().by_user
    assert not Precision.within(Precision().max_iter, Precision().max_fun).by_user
    assert Precision.within(Precision().max_iter - 1, 10**6).by_user
    assert Precision.within(10**6, Precision().max_fun - 1).by_user


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_without_hidden_layers_the_gradient_of_a_search_is_to_be_smaller(dtype):
    """It alone ends such a fit, and at the same gradient it is farther from its end."""
    precision = Precision(tol=1e-2)
    linear = precision.limits([(3, 1)], np.dtype(dtype))
    hidden = precision.limits([(3, 4), (4, 1)], np.dtype(dtype))
    assert (linear.loss_tol, hidden.loss_tol > 0) == (0, True)
    assert linear.tol == pytest.approx(0.3 * hidden.tol) == pytest.approx(3e-3)
    assert hidden.tol == hidden.loss_tol == 1e-2
    assert (linear.max_iter, linear.max_fun) == (precision.max_iter, precision.max_fun)
    # Two evaluations for each iteration are more than enough.
    assert precision.max_fun == 2 * precision.max_iter


@pytest.mark.parametrize("seed", range(8))
def test_the_search_takes_the_path_that_its_losses_tell(seed):
    """It leaves a penalty for one nat over all rows, and ends at the end of the path.

    The path begins at the half power of ten below the penalty to begin with, in units
    of the weights.
    """
    n = 60 + 20 * seed
    X, y = make_classification(n, 5, flip_y=0.3, random_state=seed)
    chosen = search(X, y, np.full(n, 3.0), (3,), weight_sum=1.5 * n)
    exponents = 2 * np.log10(np.array(list(chosen.losses)) / 3)
    assert_allclose(exponents, np.rint(exponents), atol=1e-9)
    losses = dict(
        zip(np.rint(exponents).astype(int), chosen.losses.values(), strict=True)
    )
    two = halves(distinct(Block(X, y, np.full(n, 3.0))), 2, n)
    assert two.n_rows == n
    start = next(iter(losses))
    collapse = collapse_alpha(Block(X, y, np.full(n, 3.0)), Logistic(), X.std(axis=0))
    first = first_alpha(collapse, 3.0, scale_of(X.std(axis=0), (3,)))
    assert 10 ** (start / 2) <= first / 3 < 10 ** (start / 2 + 0.5)
    best, tried = descend(
        lambda exponent, before: losses[exponent],
        start,
        least_gain=1 / n,
        constant=constant_loss(two),
    )
    assert list(tried) == list(losses)
    # The rows of the fit weigh as much as those of a half.
    exponent = 2 * np.log10(chosen.alpha / 3)
    assert exponent == pytest.approx(vertex(losses, best), abs=1.001 / 8)


@pytest.mark.parametrize(("noise", "best_of_two"), [(0.3, 0), (0.0, 1)])
def test_the_network_of_a_search_is_that_of_the_first_half(noise, best_of_two):
    """Of the penalty whose losses are the lowest; it is what watchers are told of."""
    X, y = make_classification(200, 5, flip_y=noise, random_state=0)
    seen, losses, means = [], [], []

    class Watch(Watcher):
        def end(self, alpha, values, mean, theta):
            seen.append(theta)
            losses.append(values)
            means.append(mean)
            return stops and len(seen) == 2

    kwargs = {"weight_sum": 200.0, "hidden": (3,), "watchers": [Watch()]}
    stops = False
    theta = search(X, y, **kwargs).theta
    (first, second), _, _ = halves(distinct(Block(X, y, np.ones(200))), 2, 200)

    def nll(theta, rows):
        (W_T, b), (V_T, c) = unpack(theta, layer_shapes(5, (3,), 1))
        z = np.maximum(rows.X @ W_T + b, 0) @ V_T[:, 0] + c
        return np.log1p(np.exp(np.where(rows.y, -z, z))).mean()

    assert_array_equal(theta, seen[int(np.argmin(means))])
    weights = len(second.y), len(first.y)
    assert_allclose(means, np.average(losses, axis=1, weights=weights), rtol=1e-12)
    for theta, values in zip(seen, losses, strict=True):
        assert nll(theta, second) == pytest.approx(values[0], rel=1e-9)
        assert nll(theta, first) != pytest.approx(values[0], rel=1e-3)
    seen.clear()
    stops = True
    chosen = search(X, y, **kwargs)
    assert np.argmin(means[:2]) == best_of_two
    assert_array_equal(chosen.theta, seen[best_of_two])
    assert list(chosen.losses.values()) == means[:2]
    # Told to stop it still grows from the halves to all rows.
    assert not chosen.interrupted


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("kind", "spread"), [("linear", 3), ("exclusive or", 0.01)])
def test_the_scale_of_the_penalty_is_the_largest_of_its_directions(
    iris, kind, spread, n_classes
):
    """That of the linear unit, and sixteen at random in units of the features."""
    X, y = iris
    X, y = X[y < n_classes], y[y < n_classes]
    if kind == "exclusive or":
        # Rows of which no linear unit tells as much as a random one.
        X = np.random.RandomState(6 if n_classes == 2 else 2).standard_normal((60, 4))
        y = (X[:, 0] * X[:, 1] > 0) * (1 + (n_classes > 2) * (X[:, 2] * X[:, 3] > 0))
    weights = np.random.RandomState(1).uniform(0.5, 2, len(y))
    likelihood = likelihood_of(n_classes)
    residuals = residuals_of(y, weights, likelihood.n_outputs)
    for seed in range(6):
        # Features of several units, of which the last is a constant.
        powers = np.random.RandomState(seed).uniform(-spread, spread, 4)
        unit = np.append(10.0**powers, np.inf)
        data = np.column_stack([X * unit[:4], np.full(len(X), 7.0)])
        linear = np.append(np.linalg.svd(data[:, :4].T @ residuals)[0][:, 0], 0)
        drawn = np.random.RandomState(0).standard_normal((5, 16)) / unit[:, None]
        expected = max(
            best_threshold(data @ w / np.linalg.norm(w), residuals)
            for w in [linear, *drawn.T]
        )
        found = collapse_alpha(Block(data, y, weights), likelihood, unit)
        assert found == pytest.approx(expected, rel=1e-9)


def test_of_the_linear_directions_the_scale_of_the_penalty_knows_the_first():
    """Where the second one would tell more, about the size of a feature."""
    rng = np.random.RandomState(505)
    X = rng.standard_normal((120, 12))
    share, noise = rng.uniform(0.02, 0.5), rng.uniform(0.3, 4)
    size = np.abs(X[:, 1]) + share * X[:, 1]
    sign = 2 * X[:, 0] + noise * rng.standard_normal(120) > 0
    y = np.where(size > np.median(size), 2, sign.astype(int))
    residuals = residuals_of(y, np.ones(120), 3)
    directions = np.linalg.svd(X.T @ residuals)[0].T
    drawn = np.random.RandomState(0).standard_normal((12, 16))
    gains = [
        best_threshold(X @ w / np.linalg.norm(w), residuals)
        for w in [*directions[:2], *drawn.T]
    ]
    found = collapse_alpha(Block(X, y, np.ones(120)), likelihood_of(3), np.ones(12))
    assert found == pytest.approx(max(gains[:1] + gains[2:]), rel=1e-9)
    assert gains[1] > 1.05 * found


@pytest.mark.parametrize(("excess", "tells"), [(1e-10, False), (1e-8, True)])
def test_a_gain_below_the_rounding_of_its_sums_is_none(excess, tells):
    """The epsilon times the sum of the residuals, 5000, and the root of the rows."""
    X, y = np.tile([[-1.0], [1.0]], (5000, 1)), np.repeat([0, 1], 5000)
    weights = np.ones(10_000)
    weights[-1] += excess
    gain = collapse_alpha(Block(X, y, weights), Logistic(), np.ones(1))
    assert (gain > 0) == tells
    if tells:
        assert gain == pytest.approx(excess / 2, rel=0.1)


@pytest.mark.parametrize(
    ("into", "out_of", "is_revived"),
    [
        (1e-4, 1.0, True),
        (1.0, 1e-4, True),
        (0.03, 0.03, True),
        (0.04, 0.04, False),
        (1e-2, 1.0, False),
        (1e-4, 1e2, False),
        (0.0, 1e6, True),
    ],
)
@pytest.mark.parametrize("layer", [1, 2])
def test_units_are_revived_by_the_product_of_both_sides(
    into, out_of, is_revived, layer
):
    shapes = layer_shapes(3, (4, 5), 2)
    initial = initial_theta(shapes, np.random.RandomState(0))
    theta = initial.copy()
    layers, fresh = unpack(theta, shapes), unpack(initial, shapes)
    for _, b in layers:
        b[:] = 9.0
    layers[layer - 1][0][:, 2] *= into
    layers[layer][0][2] *= out_of
    revived = unpack(revive(theta, initial, shapes), shapes)
    expected = unpack(theta.copy(), shapes)
    if is_revived:
        expected[layer - 1][0][:, 2] = fresh[layer - 1][0][:, 2]
        expected[layer - 1][1][2] = fresh[layer - 1][1][2]
        expected[layer][0][2] = fresh[layer][0][2] / 10
    for found, right in zip(revived, expected, strict=True):
        for p, q in zip(found, right, strict=True):
            assert_array_equal(p, q)


@pytest.mark.parametrize("bound", [0.0, 0.5, 2.0])
def test_a_fit_is_hopeless_if_its_loss_has_risen_above_the_bound(bound):
    """This is looked at every ten iterations, and the first time beside the bound."""
    for seed in range(10):
        losses = np.random.RandomState(seed).uniform(0, 1, 60)
        seen = []

        def mean_nll(theta, seen=seen, losses=losses):
            seen.append(int(theta[0]))
            return losses[seen[-1]]

        monitor = Hopeless(SimpleNamespace(mean_nll=mean_nll), bound)
        for i in range(1, 60):
            at = np.full(1, float(i))
            told = monitor.end_iteration(Iterate(at, at, 0.0, at, i))
            before = losses[i - 10] if i > 10 else bound
            rises = i % 10 == 0 and losses[i] > max(before, bound)
            assert told == ("validation loss" if rises else None)
        assert seen == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("by_user", [True, False])
def test_fits_that_a_limit_of_the_user_ended_are_counted(by_user):
    reasons = ["iteration limit", "loss tolerance", "evaluation limit", "line search"]
    fold = Fold(
        None, None, None, None, 3, Precision(by_user=by_user), stop_reasons=reasons
    )
    assert fold.n_limited == (2 if by_user else 0)


def test_a_search_that_is_interrupted_anywhere_keeps_the_best_so_far():
    """Of the penalties that both halves were fitted by, or else of the first fit."""
    X, y = make_classification(60, 4, flip_y=0.1, random_state=1)
    seen = []

    class Watch(Watcher):
        def end(self, alpha, values, mean, theta):
            seen.append(theta)

    with watch_evaluations() as evaluations:
        full = search(X, y, hidden=(3,), watchers=[Watch()])
    first = evaluations[0][0].parts
    penalties = [objective.alpha for objective, _ in evaluations]
    with watch_evaluations(method="mean_nll") as judged:
        search(X, y, hidden=(3,))
    assert len(judged) >= 2 * len(full.losses) > 4
    alphas, losses = list(full.losses), list(full.losses.values())
    half_of_first = sum(
        objective.parts is first and alpha == penalties[0]
        for (objective, _), alpha in zip(evaluations, penalties, strict=True)
    )
    with interrupted_at(1), pytest.raises(KeyboardInterrupt):
        search(X, y, hidden=(3,))
    for k in (2, 3, *range(5, len(evaluations) + 1, 4)):
        with interrupted_at(k):
            chosen = search(X, y, hidden=(3,))
        assert chosen.interrupted
        n_done = alphas.index(penalties[k - 1])
        assert list(chosen.losses.items()) == list(full.losses.items())[:n_done]
        if n_done:
            best = int(np.argmin(losses[:n_done]))
            assert chosen.alpha == alphas[best]
            assert_array_equal(chosen.theta, seen[best])
            continue
        assert chosen.alpha == alphas[0]
        if k > half_of_first:
            assert_array_equal(chosen.theta, seen[0])
        else:
            tried = [theta for _, theta in evaluations[: k - 1]]
            assert any(np.array_equal(chosen.theta, theta) for theta in tried)
    # The judgement may be interrupted as well as the fit.
    with interrupted_at(1, method="mean_nll"):
        chosen = search(X, y, hidden=(3,))
    assert (chosen.interrupted, chosen.losses) == (True, {})
    assert_array_equal(chosen.theta, seen[0])


def test_what_is_hopeless_is_measured_by_the_loss_of_the_penalty_before(monkeypatch):
    """Two hundredths above that of the same half; of the first ones nothing is."""
    X, y = make_classification(80, 4, flip_y=0.1, random_state=1)
    bounds, losses = [], []

    class Spy(Hopeless):
        def __init__(self, validation, bound):
            bounds.append(bound)
            super().__init__(validation, bound)

    class Watch(Watcher):
        def end(self, alpha, values, mean, theta):
            losses.append(values)

    monkeypatch.setattr("sklearn_relulogit._search.path.Hopeless", Spy)
    tried = list(search(X, y, hidden=(3,), watchers=[Watch()]).losses)
    assert len(tried) == len(losses) > 2
    # To weaker penalties from the one before, and to stronger ones from the first.
    start = [
        0
        if alpha > tried[0] and alpha == min(a for a in tried if a > tried[0])
        else number - 1
        for number, alpha in enumerate(tried)
        if number
    ]
    expected = [1.02 * loss for number in start for loss in losses[number]]
    assert bounds == pytest.approx(expected, rel=1e-12)
