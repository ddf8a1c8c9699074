"""``alpha="auto"``: the search for the penalty, alone and in the estimator."""

import numpy as np
import pytest
import scipy.sparse
from conftest import watch_evaluations
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._model.collapse import collapse_alpha, revive
from sklearn_relulogit._model.likelihood import Logistic, likelihood_of
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack
from sklearn_relulogit._search.auto import MAX_STEPS, choose_alpha, descend, search_rows
from sklearn_relulogit._search.halves import halves
from sklearn_relulogit._search.path import CARRIED_BITS, Precision, round_significand


def make(hidden_layer_sizes=(8,), **kwargs):
    return ReLULogisticClassifier(hidden_layer_sizes, random_state=0, **kwargs)


# Fits of a search that go on to the end, and round nothing.
EXACT = Precision(tol=1e-8, max_iter=3000, hopeless=np.inf, carried_bits=52)


def search(X, y, weights=None, hidden=(8,), **kwargs):
    """`choose_alpha` as a fit calls it."""
    likelihood = likelihood_of(len(np.unique(y)))
    shapes = layer_shapes(X.shape[1], hidden, likelihood.n_outputs)
    weights = np.ones(len(y)) if weights is None else weights
    initial = initial_theta(shapes, np.random.RandomState(0))
    data = Block(X, y, weights)
    return choose_alpha(data, shapes, likelihood, initial, history_size=30, **kwargs)


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


@pytest.mark.parametrize("n_classes", [2, 3])
def test_collapse_is_the_norm_of_the_residuals_of_the_shares(iris, n_classes):
    X, y = iris
    X, y = X[(y < n_classes)], y[y < n_classes]
    weights = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)
    one_hot = np.eye(n_classes)[y]
    residuals = weights[:, None] * (one_hot - np.average(one_hot, 0, weights))
    if n_classes == 2:
        residuals = residuals[:, 1:]
    expected = np.linalg.svd(X.T @ residuals)[1][0]
    likelihood = likelihood_of(n_classes)
    found = collapse_alpha(Block(X, y, weights), likelihood)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found != pytest.approx(collapse_alpha(Block(X, y, weights**2), likelihood))


def test_the_network_collapses_there(cancer):
    X, y = cancer
    data = Block(X, y, np.ones(len(y)))
    collapse = collapse_alpha(data, Logistic())
    sizes = [
        np.abs(make((20,), alpha=factor * collapse).fit(X, y).coefs_[0]).max()
        for factor in (1.5, 0.3)
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
    assert revived[0][1][2] == 0
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


def test_rounded():
    theta = np.array([0.0, 1.0, -3.0, np.pi, -1e-300, 1e300])
    result = round_significand(theta)
    assert_allclose(result, theta, rtol=2.0**-CARRIED_BITS)
    assert result[3] != np.pi
    assert_array_equal(result[:3], theta[:3])
    # Noise in the last bits goes away.
    noisy = theta * (1 + 1e-13 * np.array([0, 1, -1, 1, 1, -1]))
    assert_array_equal(round_significand(noisy), result)
    assert round_significand(np.array([np.pi * 1.01]))[0] != result[3]


@pytest.mark.parametrize("precision", [Precision(), EXACT], ids=["default", "exact"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_losses_are_those_of_logistic_regression(cancer, weighted, precision):
    """Without hidden layers: another library's fits to each half.

    The search is content with gradients of 1e-4, where the least curvature is alpha
    over 280, and with ten bits of theta: a hundredth of a loss. Or it is not.
    """
    exact = precision is EXACT
    rtol = 1e-6 if exact else 0.01
    X, y = cancer
    weights = np.ones(len(y))
    if weighted:
        weights = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
    alpha_chosen, losses, _ = search(X, y, weights, (), precision=precision)
    (first, second), _, _ = halves(Block(X, y, weights), 2, max_rows=10_000)
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
        if not exact and loss > 1.02 * losses[alpha_chosen]:
            # It may have been given up on the way.
            assert loss < (1 + rtol) * expected
        else:
            assert loss == pytest.approx(expected, rel=rtol)
    # A step that gains less than can be told apart, or a nat over all rows, is not
    # taken.
    lowest = min(losses.values())
    least_gain = max(precision.tol * lowest, 1 / len(y))
    assert losses[alpha_chosen] <= lowest + 1.01 * least_gain


@pytest.mark.parametrize("weighted", [False, True])
def test_the_final_fit_is_that_with_the_chosen_penalty(cancer, weighted):
    X, y = cancer
    weights = np.random.RandomState(0).randint(0, 3, len(y)) if weighted else None
    clf = make((), tol=1e-8).fit(X, y, weights)
    chosen = search(X, y, None if weights is None else weights.astype(float), ())
    assert (clf.alpha_, clf.alpha_losses_) == (chosen.alpha, chosen.losses)
    peer = LogisticRegression(C=1 / clf.alpha_, solver="newton-cholesky", tol=1e-10)
    peer.fit(X, y, weights)
    assert_allclose(clf.coef_, peer.coef_, atol=1e-5)


def test_a_hopeless_fit_is_given_up():
    X, y = make_classification(300, 20, flip_y=0.3, random_state=0)
    patient = search(X, y, hidden=(30,), precision=Precision(hopeless=np.inf))
    hasty = search(X, y, hidden=(30,))
    assert hasty.alpha == patient.alpha
    given_up = [
        alpha
        for alpha, loss in hasty.losses.items()
        if loss < 0.99 * patient.losses[alpha]
    ]
    assert given_up
    best = hasty.losses[hasty.alpha]
    for alpha, loss in hasty.losses.items():
        if alpha in given_up:
            assert loss > best
        else:
            assert loss == pytest.approx(patient.losses[alpha], rel=0.02)


def test_fitted_attributes(iris):
    clf = make().fit(*iris)
    assert clf.alpha_ in clf.alpha_losses_
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
    assert clf.alpha_ <= 10
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
    # Another way to it, but about the same place.
    tenfold = make().fit(X, y, 10.0 * weights)
    assert 3 < tenfold.alpha_ / weighted.alpha_ < 33


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
    "X", [np.zeros((6, 2)), np.eye(2)], ids=["features that say nothing", "two rows"]
)
def test_nothing_to_choose_by(X):
    y = np.arange(len(X)) % 2
    clf = make().fit(X, y)
    assert clf.alpha_ == 10
    assert clf.alpha_losses_ == {}


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
    first, *others = n_rows(training)
    assert first == 20_000  # the one evaluation that tells where it collapses
    for halves_of in (others, n_rows(validation)):
        assert 1400 < min(halves_of) <= max(halves_of) <= 1502
    # By default so many of them.
    assert search_rows(10) == 10_000


def test_an_interrupt_of_the_search_loses_nothing(cancer):
    X, y = cancer
    clf = make(alpha=3.0).fit(X, y)
    before = vars(clf).copy()
    clf.set_params(alpha="auto")
    interrupted = watch_evaluations(at=20, error=KeyboardInterrupt)
    with interrupted as evaluations, pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert len(evaluations) == 20
    assert vars(clf) == before | {"alpha": "auto"}


def test_overflow_is_told(cancer):
    X, y = cancer
    with pytest.raises(ValueError, match="overflow"):
        make().fit(1e300 * X, y)


def test_overflow_of_the_norm_that_scales_penalties_is_told():
    """All sums are finite, 1.5e308, but their norm overflows."""
    X, weights = 1.5e150 * np.array([[1.0, 1.0], [-1.0, -1.0]]), np.full(2, 1e158)
    data = Block(X, np.array([1, 0]), weights)
    with pytest.raises(FloatingPointError, match="overflows"):
        collapse_alpha(data, Logistic())
    half = collapse_alpha(data._replace(X=X / 2), Logistic())
    assert half == pytest.approx(0.75e308 * np.sqrt(2))
    for clf in (make(), ReLULogisticClassifierCV((8,), alphas=3, cv=[([0, 1], [0])])):
        with pytest.raises(ValueError, match="overflows the range of float64"):
            clf.fit(X, [1, 0], weights)


@pytest.mark.parametrize("alpha", ["scale", -1.0, np.inf, None])
def test_errors(iris, alpha):
    with pytest.raises(ValueError, match=r"'alpha' parameter of ReLU.*'auto'"):
        make(alpha=alpha).fit(*iris)
