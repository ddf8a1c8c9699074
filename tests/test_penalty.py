"""``alpha="auto"``: the search for the penalty, and the scale of penalties."""

from itertools import groupby

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
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._model.collapse import collapse_alpha, revive
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack
from sklearn_relulogit._search.descent import MAX_STEPS, descend, vertex
from sklearn_relulogit._search.halves import halves
from sklearn_relulogit._search.trials import Search
from sklearn_relulogit._search.walk import Step, Walk


def make(hidden_layer_sizes=(8,), **kwargs):
    return ReLULogisticClassifier(hidden_layer_sizes, random_state=0, **kwargs)


@pytest.fixture
def one_walk(monkeypatch):
    """Searches that take all features as equally relevant."""
    monkeypatch.setattr(Search, "weighed_trials", lambda *_: [])


def exponents_of(alphas):
    """Twice the decimal logarithms, which are whole numbers."""
    exponents = 2 * np.log10(np.array(list(alphas)))
    assert_allclose(exponents, np.rint(exponents), atol=1e-9)
    return np.rint(exponents).astype(int).tolist()


# The walk down the losses, and the penalty that they give.


def walked(loss, start=2, least_gain=0.0, **kwargs):
    """The end of `descend` on a loss of the exponent, and the path of its calls."""
    calls = []

    def loss_at(exponent, before):
        calls.append((exponent, before))
        return loss(exponent)

    return descend(loss_at, start, least_gain, **kwargs), calls


def test_the_descent_goes_to_the_minimum_on_either_side():
    best, calls = walked(lambda e: (e + 1) ** 2 + 1)
    assert best == -1
    assert calls == [(2, None), (1, 2), (0, 1), (-1, 0), (-2, -1)]
    best, calls = walked(lambda e: (e - 4) ** 2 + 1)
    assert best == 4
    assert calls == [(2, None), (1, 2), (3, 2), (4, 3), (5, 4)]
    assert walked(lambda e: (e - 2) ** 2 + 1)[0] == 2
    # The end where there is no minimum.
    assert walked(lambda e: 2.0**e)[0] == 2 - MAX_STEPS
    assert walked(lambda e: 2.0**-e)[0] == 2 + MAX_STEPS


def test_the_descent_takes_no_step_that_gains_too_little():
    assert walked(lambda e: 1 + 0.01 * e, least_gain=0.02)[0] == 2
    assert walked(lambda e: 1 + 0.01 * e, least_gain=0.009)[0] == -6
    # A thousandth of the loss counts as nothing.
    assert walked(lambda e: 1 + 0.0009 * e)[0] == 2
    assert walked(lambda e: 1 + 0.0011 * e)[0] < 2


def test_the_descent_crosses_a_plateau_of_constant_networks():
    """Strong penalties all give the same constant, so it goes on to weaker ones."""

    def loss(exponent):
        return 0.693 if exponent > -2 else 0.3 + 0.01 * (exponent + 3) ** 2

    best, calls = walked(loss, least_gain=0.001, constant=0.693)
    assert best == -3
    assert [exponent for exponent, _ in calls] == [2, 1, 0, -1, -2, -3, -4]
    # A plateau of other networks is an end: one step to either side.
    best, calls = walked(loss, least_gain=0.001, constant=2.0)
    assert (best, calls) == (2, [(2, None), (1, 2), (3, 2)])
    # A weaker penalty that predicts worse than a constant shows where to stop.
    rising = walked(lambda e: 0.7 if e > 0 else 0.8, least_gain=0.001, constant=0.7)
    assert rising == (2, [(2, None), (1, 2), (0, 1), (3, 2)])
    # It follows an endless plateau as far as any other walk.
    best, calls = walked(lambda e: 0.7, least_gain=0.001, constant=0.7)
    assert best == 2
    assert [exponent for exponent, _ in calls] == [
        *range(2, 2 - MAX_STEPS - 1, -1),
        3,
    ]
    # It goes on to stronger penalties while they predict worse than a constant.
    best, _ = walked(lambda e: {2: 0.9, 5: 0.6}.get(e, 1.0), constant=0.7)
    assert best == 5


def test_the_vertex_is_that_of_a_parabola():
    def losses(minimum, exponents=(1, 2, 3)):
        return {e: 0.5 + 0.1 * (e - minimum) ** 2 for e in exponents}

    for minimum in (1.6, 2.0, 2.49):
        assert vertex(losses(minimum), 2) == pytest.approx(minimum, rel=1e-12)
    # At most halfway to the next step.
    assert vertex(losses(2.9), 2) == 2.5
    assert vertex(losses(1.1), 2) == 1.5
    # Without a neighbour, or without a minimum, it stays.
    assert vertex(losses(2.3, (2, 3)), 2) == 2
    assert vertex(losses(1.7, (1, 2)), 2) == 2
    assert vertex({1: 0.5, 2: 0.5, 3: 0.5}, 2) == 2
    assert vertex({1: 0.7, 2: 0.5, 3: np.inf}, 2) == 2
    # Steps that gain too little are not taken, so both neighbours may be a bit lower.
    assert vertex({1: 0.4999, 2: 0.5, 3: 0.4998}, 2) == 2
    assert vertex({1: 0.4999, 2: 0.5, 3: 0.6}, 2) == 1.5


# The search in a fit.


@pytest.mark.usefixtures("one_walk")
@pytest.mark.parametrize("kind", ["plain", "weighted", "in two groups"])
def test_the_losses_are_those_of_logistic_regression(cancer, kind):
    """Without hidden layers: another library's fits to each half, and to all rows.

    Fits of the search only need gradients of three ten-thousandths of the loss.
    """
    X, y = cancer
    weights, groups = np.ones(len(y)), None
    if kind == "weighted":
        weights = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
    elif kind == "in two groups":
        groups = (np.arange(len(y)) < 100).astype(int)
    clf = make((), tol=1e-8).fit(X, y, weights, groups=groups)
    losses = clf.alpha_losses_
    best = min(losses, key=losses.__getitem__)
    sample = distinct(Block(X, y, weights), groups)
    (first, second), _, _ = halves(sample, max_rows=10_000)
    assert len(losses) >= 3

    def expected(alpha):
        total = 0.0
        for half, other in ((first, second), (second, first)):
            peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-8)
            proba = peer.fit(*half).predict_proba(other.X)
            total += other.sample_weight.sum() * log_loss(
                other.y, proba, sample_weight=other.sample_weight
            )
        return total / weights.sum()

    for alpha, loss in losses.items():
        if loss > 1.004 * losses[best]:
            # A fit may be given up on the way, or only one half be fitted.
            assert expected(alpha) > 1.002 * losses[best]
        else:
            assert loss == pytest.approx(expected(alpha), rel=0.01)
    assert losses[best] != pytest.approx(expected(10 * best), rel=0.02)
    peer = LogisticRegression(C=1 / clf.alpha_, solver="newton-cholesky", tol=1e-10)
    peer.fit(X, y, weights)
    assert_allclose(clf.coef_, peer.coef_, atol=1e-5)


@pytest.mark.usefixtures("one_walk")
@pytest.mark.parametrize("seed", range(8))
def test_the_search_takes_the_path_that_its_losses_tell(seed):
    """It moves on for a gain of one nat over all rows, to the end of the path.

    The path begins at the half power of ten below ten weights of a row, or below a
    tenth of the penalty at which the network collapses.
    """
    n = 60 + 20 * seed
    X, y = make_classification(n, 5, flip_y=0.3, random_state=seed)
    weights = np.full(n, 3.0)
    clf = make((3,)).fit(X, y, weights)
    exponents = exponents_of(alpha / 3 for alpha in clf.alpha_losses_)
    losses = dict(zip(exponents, clf.alpha_losses_.values(), strict=True))
    start = exponents[0]
    collapse = collapse_alpha(Block(X, y, weights), X.std(axis=0))
    assert 10 ** (start / 2) <= min(10, 0.1 * collapse / 3) < 10 ** (start / 2 + 0.5)
    two = halves(distinct(Block(X, y, weights)), n)
    assert two.n_rows == n
    constant = 0.0
    for training, other in zip(two.training, two.validation, strict=True):
        share = training.y.mean()
        constant -= np.log(np.where(other.y, share, 1 - share)).sum() / n
    _, calls = walked(losses.__getitem__, start, least_gain=1 / n, constant=constant)
    assert [exponent for exponent, _ in calls] == exponents


@pytest.mark.usefixtures("one_walk")
@pytest.mark.parametrize(("hidden", "n"), [((), 300), ((8,), 300), ((8,), 3000)])
def test_the_penalty_is_that_of_the_lowest_loss_for_all_rows(monkeypatch, hidden, n):
    """By numpy's parabola through three losses, and the growth with the rows."""
    X, y = make_classification(n, 8, flip_y=0.2, random_state=0)
    monkeypatch.setattr("sklearn_relulogit._search.auto.MAX_ROWS", 300)
    clf = make(hidden).fit(X, y)
    alphas, losses = map(np.array, zip(*sorted(clf.alpha_losses_.items()), strict=True))
    best = int(losses.argmin())
    near = slice(best - 1, best + 2)
    a, b, _ = np.polyfit(np.log10(alphas[near]), losses[near], 2)
    # A half has 150 rows. A linear model's penalty does not grow.
    expected = -b / (2 * a) + (np.log10(n / 150) / 3 if hidden else 0.0)
    # To an eighth of a power of ten.
    assert np.log10(clf.alpha_) == pytest.approx(expected, abs=1.001 / 16)
    eighths = 8 * np.log10(clf.alpha_)
    assert eighths == pytest.approx(round(eighths), abs=1e-9)


@pytest.mark.usefixtures("one_walk")
def test_a_fit_that_gets_worse_is_given_up(monkeypatch):
    """Once its loss is two hundredths above that of the last penalty.

    This is checked every ten iterations. The loss of a fit that is given up stands for
    a higher one.
    """
    # Both halves are fitted by each penalty.
    monkeypatch.setattr("sklearn_relulogit._search.trials.GIVE_UP", np.inf)
    X, y = make_classification(400, 6, n_informative=6, n_redundant=0, random_state=2)
    with (
        watch_evaluations(method="mean_nll") as judged,
        watch_evaluations() as evaluations,
    ):
        clf = make((30,)).fit(X, y)
    # For each fit, the losses on the way and at its end: first half, second half, ...
    fits = [
        [objective.mean_nll(theta) for objective, theta in list(calls)]
        for _, calls in groupby(judged, key=lambda call: id(call[0].parts))
    ]
    given_up, went_on = [], []
    for before, (*on_the_way, end) in zip(fits, fits[2:], strict=False):
        bound = 1.02 * before[-1]
        assert all(loss <= bound for loss in on_the_way[:-1])
        went_on += [loss for loss in on_the_way[:-1] if loss > 0.99 * before[-1]]
        given_up.append(on_the_way[-1] > bound)
        if given_up[-1]:
            # It ends there.
            assert on_the_way[-1] == end
    assert {*given_up} == {False, True}
    assert went_on
    assert [len(losses) for losses in fits[:2]] == [1, 1]
    # An iteration takes one evaluation, seldom more.
    n_searched = len(evaluations) - clf.n_evaluations_
    assert n_searched / 15 < len(judged) - len(fits) < n_searched / 10


@pytest.mark.parametrize("factor", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_features_have_no_unit(hidden, factor):
    """All times c: the same network, with the penalty times c^(2 / L)."""
    X, y = make_classification(200, 5, flip_y=0.2, random_state=0)
    before, after = make(hidden).fit(X, y), make(hidden).fit(factor * X, y)
    times = factor ** (2 / (len(hidden) + 1))
    assert after.alpha_ == pytest.approx(times * before.alpha_, rel=1e-9)
    assert after.loss_ == pytest.approx(before.loss_, rel=1e-3)
    assert_allclose(after.predict_proba(factor * X), before.predict_proba(X), atol=0.02)


@pytest.mark.usefixtures("one_walk")
@pytest.mark.parametrize(
    ("size", "power"), [(0.2, 1), (5.0, 1), (99.9, 100), (0.0101, 0.01)]
)
@pytest.mark.parametrize("hidden", [(), (2,), (2, 2, 2)])
def test_the_search_begins_at_the_size_of_the_features(hidden, size, power):
    """Its power of ten, rounded towards one."""
    rng = np.random.RandomState(0)
    X = np.exp(2j * np.pi * rng.rand(400)).view(float).reshape(-1, 2)
    y = (X[:, 0] * X[:, 1] + 0.3 * rng.standard_normal(400) > 0).astype(int)
    X *= size / X.std(axis=0)
    first = next(iter(make(hidden).fit(X, y).alpha_losses_))
    collapse = 0.1 * collapse_alpha(Block(X, y, np.ones(400)), X.std(axis=0)) / power
    expected = min(10, collapse) * power ** (2 / (len(hidden) + 1))
    assert 0 <= np.log10(expected / first) < 0.5


def test_no_penalty_beside_one_that_leaves_a_constant():
    """The parabola ignores the loss of a constant network."""
    rng = np.random.RandomState(0)
    levels = rng.randint(0, 400, (1500, 3))
    logit = rng.standard_normal((3, 400))[np.arange(3), levels].sum(axis=1)
    y = (rng.uniform(size=1500) < expit(logit)).astype(int)
    X = OneHotEncoder().fit_transform(levels)
    clf = make((20, 10)).fit(X, y)
    losses = clf.alpha_losses_
    best = min(losses, key=losses.__getitem__)
    constant = np.log(2)
    assert losses[best] < 0.98 * constant < losses[best * 10**0.5]
    assert clf.alpha_ == best
    assert clf.loss_ < 0.9 * constant


@pytest.mark.usefixtures("one_walk")
def test_the_fit_is_that_with_the_penalty_found(iris):
    """It does not depend on the weights of a half or anything else of the search."""
    found = make().fit(*iris)
    assert found.alpha == "auto"
    exponents_of(found.alpha_losses_)
    given = make(alpha=found.alpha_).fit(*iris)
    assert given.loss_curve_ == found.loss_curve_
    for W, other in zip(given.coefs_, found.coefs_, strict=True):
        assert_array_equal(W, other)
    assert (given.alpha_, given.alpha_losses_) == (found.alpha_, None)


def test_a_class_of_which_a_half_has_no_copy():
    """Its share there is zero, which costs much but is not infinite."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 2))
    y = np.append(X[:, 0] > 0, [2, 2]).astype(int)
    found = []
    for row in range(5):
        # Two rows also occur with another label, by chance both in one half.
        X_more = np.vstack([X, X[row : row + 2]])
        two = halves(distinct(Block(X_more, y, np.ones(62))), 62)
        found.append(all(2 in half.y for half in two.training))
        clf = make((3,)).fit(X_more, y)
        assert len(clf.alpha_losses_) > 1
        assert np.isfinite(list(clf.alpha_losses_.values())).all()
    assert {*found} == {False, True}


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


def test_early_stopping_has_the_penalty_of_all_rows(cancer):
    clf = make(early_stopping=True).fit(*cancer)
    plain = make().fit(*cancer)
    assert clf.alpha_losses_ == plain.alpha_losses_
    assert clf.alpha_ == plain.alpha_
    assert clf.loss_curve_ != plain.loss_curve_


# The unit of penalties, and uninformative data.


@pytest.mark.parametrize(
    ("weights", "unit"),
    [
        ([1, 1, 1], 1),
        # Some rows are repeated: the unit is still a row.
        ([1, 1, 1, 1, 2, 5], 1),
        ([3, 3, 3], 3),
        # A few rows have nearly all weight.
        ([1, 1, 1, 1000], 250.75),
        # The mean is three times the median, or a bit more.
        ([1, 1, 7], 1),
        ([1, 1, 7.1], 9.1 / 3),
    ],
)
@pytest.mark.filterwarnings("ignore:The fitted network is a constant")
def test_so_few_rows_are_fitted_as_they_are_by_a_weak_penalty(weights, unit):
    """A tenth of the weight of a row, whatever the unit of weights."""
    n = len(weights)
    X, y = np.eye(n), np.arange(n) % 2
    for factor in (1.0, 0.1, 1e30):
        clf = make((2,)).fit(X, y, factor * np.array(weights))
        assert clf.alpha_ == pytest.approx(0.1 * factor * unit, rel=1e-12)
        assert clf.alpha_losses_ == {}


def test_nothing_to_choose_by():
    # Two distinct rows, each three times: ten times their weight.
    clf = make().fit(np.zeros((6, 2)), np.arange(6) % 2)
    assert (clf.alpha_, clf.alpha_losses_) == (pytest.approx(30, rel=1e-12), {})
    # Each of 30 rows has both labels: ten times its weight.
    clf = make().fit(np.repeat(np.arange(30.0), 2)[:, None], np.arange(60) % 2)
    assert (clf.alpha_, clf.alpha_losses_) == (pytest.approx(10, rel=1e-12), {})


@pytest.mark.parametrize(("n", "searched"), [(19, False), (20, True)])
def test_from_twenty_distinct_rows_on_there_is_a_search(n, searched):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((n, 2)), np.arange(n) % 2
    X, y = np.tile(X, (3, 1)), np.tile(y, 3)
    assert bool(make((3,)).fit(X, y).alpha_losses_) == searched


@pytest.mark.parametrize(
    ("n", "n_features", "n_rows"),
    [(14_000, 200, 10_000), (3000, 1800, 2330), (2400, 3000, 2000)],
)
def test_of_large_data_the_halves_are_a_part(n, n_features, n_rows):
    """Ten thousand rows, or as many as have four million numbers, or two thousand."""
    rng = np.random.RandomState(0)
    X = scipy.sparse.random(n, n_features, 10 / n_features, "csr", random_state=rng)
    y = (X.sum(axis=1).A1 + rng.standard_normal(n) > 5).astype(int)
    with (
        watch_evaluations() as training,
        watch_evaluations(method="mean_nll") as validation,
    ):
        clf = make(()).fit(X, y)
    assert clf.alpha_losses_
    for evaluations in (training[: -clf.n_evaluations_], validation):
        rows = {
            sum(len(block.y) for part in objective.parts.items for block in part)
            for objective, _ in evaluations
        }
        assert all(abs(n - n_rows / 2) < 3 for n in rows)


def test_overflow_of_the_norm_that_scales_penalties_is_told():
    """All sums are finite, 1.5e308, but their norm overflows."""
    X, weights = 1.5e150 * np.array([[1.0, 1.0], [-1.0, -1.0]]), np.full(2, 1e158)
    data = Block(X, np.array([1, 0]), weights)
    with pytest.raises(FloatingPointError, match="overflows"):
        collapse_alpha(data, np.ones(2))
    half = collapse_alpha(data._replace(X=X / 2), np.ones(2))
    assert half == pytest.approx(0.75e308 * np.sqrt(2))
    for clf in (make(), ReLULogisticClassifierCV((8,), alphas=3, cv=[([0, 1], [0])])):
        with pytest.raises(ValueError, match="overflows the range of float64"):
            clf.fit(X, [1, 0], weights)


# The scale of the penalty: the network's collapse.


def best_threshold(t, R):
    """The largest |R^T relu(t - b)| and |R^T relu(b - t)|, threshold by threshold.

    Beyond the smallest and the largest t they do not change, or they vanish.
    """
    gains = [
        np.linalg.norm(R.T @ np.maximum(sign * (t - b), 0))
        for b in np.append(t, [t.min() - 1, t.max() + 1])
        for sign in (1, -1)
    ]
    return max(gains)


def residuals_of(y, weights):
    """Class shares less labels, times weights; for two classes only class 1."""
    one_hot = np.eye(y.max() + 1)[y]
    residuals = weights[:, None] * (np.average(one_hot, 0, weights) - one_hot)
    return residuals[:, 1:] if y.max() == 1 else residuals


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_scale_of_the_penalty_of_one_feature(iris, n_classes, container):
    """There is only one direction, so it is the gain of the best threshold."""
    X, y = iris
    X, y = X[y < n_classes, 1:2], y[y < n_classes]
    weights = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)

    def scale(X, weights):
        # The unit has no influence on the only direction.
        return collapse_alpha(Block(container(X), y, weights), np.ones(1))

    expected = best_threshold(X[:, 0], residuals_of(y, weights))
    found = scale(X, weights)
    assert found == pytest.approx(expected, rel=1e-10)
    assert found != pytest.approx(scale(X, weights**2), rel=1e-3)
    # It has the units of the weights and the feature, and no location.
    for factor in (1e-200, 3, 1e200):
        # Its square would overflow or underflow, but the penalty does not.
        assert scale(X, factor * weights) == pytest.approx(factor * expected, rel=1e-10)
        assert scale(factor * X, weights) == pytest.approx(factor * expected, rel=1e-10)
    assert scale(X + 7, weights) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_scale_of_the_penalty_of_two_features(iris, n_classes):
    """Close to the best of all directions and thresholds, and no less than linear."""
    X, y = iris
    X, y = X[y < n_classes, :2], y[y < n_classes]
    weights = np.ones(len(y))
    residuals = residuals_of(y, weights)
    found = collapse_alpha(Block(X, y, weights), np.ones(2))
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    directions = np.array([np.cos(angles), np.sin(angles)])
    best = max(best_threshold(t, residuals) for t in (X @ directions).T)
    assert 0.95 * best < found < 1.001 * best
    assert found >= np.linalg.svd(X.T @ residuals)[1][0] * (1 - 1e-12)
    # A constant feature, without a unit, adds nothing.
    constant = np.column_stack([X, np.full(len(X), 7.0)])
    beside = collapse_alpha(Block(constant, y, weights), np.array([1, 1, np.inf]))
    assert beside == pytest.approx(found, rel=1e-9)


def test_what_no_linear_unit_finds_has_a_scale_too():
    """Exclusive or: no direction is informative, but a threshold along one is."""
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y, weights = np.array([0, 1, 1, 0]), np.ones(4)
    residuals = residuals_of(y, weights)
    assert_array_equal((X - 0.5).T @ residuals, 0)
    best = max(
        best_threshold(X @ [np.cos(a), np.sin(a)], residuals)
        for a in np.linspace(0, 2 * np.pi, 720)
    )
    # The directions are drawn in units of the features.
    for unit in (np.ones(2), np.array([1e6, 1e-6])):
        found = collapse_alpha(Block(X * unit, y, weights), unit / 2)
        assert (0.8 * best if unit[0] == 1 else 0) < found <= 1.001 * best * unit.max()
    # Uninformative features give no unit.
    for nothing in (0 * X, 0 * X + 7, np.full((4, 2), 1 / 3)):
        assert collapse_alpha(Block(nothing, y, weights), np.ones(2)) == 0


def test_the_network_collapses_there(cancer):
    X, y = cancer
    collapse = collapse_alpha(Block(X, y, np.ones(len(y))), np.ones(30))
    sizes = [
        np.abs(make((20,), alpha=factor * collapse).fit(X, y).coefs_[0]).max()
        for factor in (1.5, 0.2)
    ]
    assert sizes[0] < 1e-2 < 1e-1 < sizes[1]


@pytest.mark.parametrize(("excess", "tells"), [(1e-10, False), (1e-8, True)])
def test_a_gain_below_the_rounding_of_its_sums_is_none(excess, tells):
    """The epsilon times the sum of the residuals, 5000, and the root of the rows."""
    X, y = np.tile([[-1.0], [1.0]], (5000, 1)), np.repeat([0, 1], 5000)
    weights = np.ones(10_000)
    weights[-1] += excess
    gain = collapse_alpha(Block(X, y, weights), np.ones(1))
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
    before = theta.copy()
    revived = unpack(revive(theta, initial, shapes), shapes)
    assert_array_equal(theta, before)
    expected = unpack(theta.copy(), shapes)
    if is_revived:
        expected[layer - 1][0][:, 2] = fresh[layer - 1][0][:, 2]
        expected[layer - 1][1][2] = fresh[layer - 1][1][2]
        expected[layer][0][2] = fresh[layer][0][2] / 10
    for found, right in zip(revived, expected, strict=True):
        for p, q in zip(found, right, strict=True):
            assert_array_equal(p, q)
    # Without hidden layers there is nothing to revive.
    linear = layer_shapes(3, (), 1)
    assert_array_equal(revive(np.zeros(4), np.ones(4), linear), np.zeros(4))


@pytest.mark.parametrize(("rise", "fitted"), [(0.009, True), (0.011, False)])
def test_the_second_half_is_spared_where_the_first_is_a_percent_worse(rise, fitted):
    """It then counts as worse by as much, and continues from where it was."""
    seen = []

    def first(alpha, theta, value, monitors):
        return Step(theta + 1, 2.0 if alpha < 1 else 2.0 * (1 + rise))

    def second(alpha, theta, value, monitors):
        seen.append(alpha)
        return Step(theta + 1, 3.0)

    walk = Walk(
        [first, second],
        [Step(np.zeros(1), np.inf)] * 2,
        alphas=lambda number: 10.0**number,
        mean=np.mean,
        bearable=lambda loss: 1.01 * loss,
    )
    assert walk.visit(-1) == 2.5
    assert_allclose(walk.visit(0, -1), 2.5 + (1 if fitted else 2) * rise, rtol=1e-12)
    assert seen == [0.1, 1.0][: 1 + fitted]
    assert [step.theta[0] for step in walk.tried[0]] == [2, 2 if fitted else 1]
    # Its own loss still judges the next penalty.
    assert walk.visit(1, 0) >= walk.means[0]
