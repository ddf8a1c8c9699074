"""The relevance of features, which `alpha="auto"` finds if it lowers the loss."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, n_parameters, unpack


def log_odds(X):
    return 1.5 * X[:, 0] - X[:, 1] + 0.7 * X[:, 2] + np.where(X[:, 3] > 0.5, 1.0, -0.5)


@pytest.fixture(scope="module")
def noisy():
    """Four features that matter among forty."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 40))
    return X, (rng.random(2000) < expit(log_odds(X))).astype(int)


@pytest.fixture(scope="module")
def fitted(noisy):
    return ReLULogisticClassifier((20,), random_state=0).fit(*noisy)


def excess(clf, n_features=40):
    """The expected log-loss above that of the true probabilities, in nats."""
    X = np.random.default_rng(1).standard_normal((20_000, 40))
    p, q = expit(log_odds(X)), clf.predict_proba(X[:, :n_features])[:, 1]
    return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()


def test_features_that_matter_have_the_largest(fitted):
    relevance = fitted.relevance_
    assert relevance[:4].min() > relevance[4:].max()
    assert (relevance >= 0.1).all()
    assert (relevance <= 10).all()


@pytest.mark.parametrize("law", ["sum", "product", "both"])
def test_the_model_that_knows_best_tells_it(law):
    """The linear one for a sum of effects, the network's if features interact."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 30))
    logit = {
        "sum": 2 * X[:, :3].sum(axis=1),
        "product": 4 * X[:, 0] * X[:, 1],
        "both": 2 * X[:, :3].sum(axis=1) + 2 * X[:, 3] * X[:, 4],
    }[law]
    n_relevant = {"sum": 3, "product": 2, "both": 5}[law]
    y = rng.random(6000) < expit(logit)
    k = ReLULogisticClassifier((20,), random_state=0).fit(X, y).relevance_
    assert k[:n_relevant].min() > 2 * k[n_relevant:].max()
    peer = LogisticRegression(C=1e6).fit(X, y).coef_[0]
    sizes = np.abs(peer) * X.std(axis=0)
    by_peer = np.maximum(sizes / np.sqrt(np.mean(sizes**2)), 0.1)
    assert np.allclose(k, by_peer, rtol=0.02) == (law == "sum")


def test_it_brings_the_fit_nearer_to_that_without_the_noise(noisy, fitted):
    X, y = noisy
    plain = ReLULogisticClassifier((20,), random_state=0, alpha=fitted.alpha_)
    clean = ReLULogisticClassifier((20,), random_state=0).fit(X[:, :4], y)
    noise, none = excess(plain.fit(X, y)), excess(clean, 4)
    assert excess(fitted) - none < 0.6 * (noise - none)


def test_nothing_is_relevant_where_nothing_is_earned():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 8))
    y = (rng.random(1500) < expit(X.sum(axis=1))).astype(int)
    clf = ReLULogisticClassifier((10,), random_state=0).fit(X, y)
    assert_array_equal(clf.relevance_, np.ones(8))


@pytest.mark.parametrize("hidden", [(), (20,)])
def test_the_fit_is_that_to_features_times_the_relevance(noisy, hidden):
    X, y = noisy
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y)
    assert (clf.relevance_ != 1).any()
    scaled = ReLULogisticClassifier(hidden, alpha=clf.alpha_, random_state=0)
    scaled.fit(X * clf.relevance_, y)
    # With hidden layers rounding errors grow over the iterations.
    rtol = 1e-3 if hidden else 1e-9
    assert_allclose(clf.loss_, scaled.loss_, rtol=rtol)
    proba = scaled.predict_proba(X * clf.relevance_)
    assert_allclose(clf.predict_proba(X), proba, atol=0.05 if hidden else 1e-6)


def test_the_penalty_written_out():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    s, k = rng.random(30), rng.uniform(0.2, 3, 4)
    shapes = layer_shapes(4, (5, 3), 3)
    parts = Parts.of(Block(X, y, s), shapes)
    theta = rng.standard_normal(n_parameters(shapes))
    value, gradient = Objective(parts, shapes, 0.7, np.dtype(float), k)(theta)
    nll, of_nll = Objective(parts, shapes, 0.0, np.dtype(float))(theta)
    layers = unpack(theta, shapes)
    squares = ((layers[0][0] / k[:, None]) ** 2).sum()
    squares += sum((W_T**2).sum() for W_T, _ in layers[1:])
    assert_allclose(value, nll + 0.35 * squares / s.sum(), rtol=1e-12)
    expected = unpack((gradient - of_nll) * s.sum(), shapes)
    assert_allclose(expected[0][0], 0.7 * layers[0][0] / k[:, None] ** 2, rtol=1e-9)
    assert_allclose(expected[1][0], 0.7 * layers[1][0], rtol=1e-9)
    assert_allclose(expected[1][1], 0, atol=1e-12)


def test_what_cannot_matter_does_not(noisy, fitted):
    X, y = noisy
    order = np.random.default_rng(2).permutation(len(y))
    make = ReLULogisticClassifier((20,), random_state=0)
    others = {
        "order": make.fit(X[order], y[order]).relevance_,
        "copies": make.fit(np.vstack([X, X]), np.r_[y, y]).relevance_,
        "weights": make.fit(X, y, np.full(len(y), 2.0)).relevance_,
        "names": make.fit(X, np.where(y, "a", "b")).relevance_,
        "sparse": make.fit(csr_array(X), y).relevance_,
    }
    assert_array_equal(others["order"], fitted.relevance_)
    assert_array_equal(others["copies"], others["weights"])
    for relevance in others.values():
        assert_allclose(relevance, fitted.relevance_, rtol=1e-6)


def test_a_number_for_alpha_and_the_cv_class_have_ones(noisy):
    X, y = noisy
    for clf in (
        ReLULogisticClassifier((5,), alpha=10.0, random_state=0),
        ReLULogisticClassifierCV((5,), alphas=[30.0, 10.0], cv=2, random_state=0),
    ):
        assert_array_equal(clf.fit(X, y).relevance_, np.ones(40))


def test_a_warm_start_keeps_it(noisy):
    X, y = noisy
    clf = ReLULogisticClassifier((20,), random_state=0, warm_start=True).fit(X, y)
    relevance, loss = clf.relevance_, clf.loss_
    clf.fit(X, y)
    assert_array_equal(clf.relevance_, relevance)
    assert clf.loss_ <= loss
    # With a number for alpha there is none, and no curvature of another penalty.
    clf.set_params(alpha=clf.alpha_).fit(X, y)
    assert_array_equal(clf.relevance_, np.ones(40))


def test_more_features_than_rows_have_ones():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 200))
    clf = ReLULogisticClassifier((5,), random_state=0).fit(X, X[:, 0] > 0)
    assert_array_equal(clf.relevance_, np.ones(200))


def test_constants_and_outliers_change_little(noisy, fitted):
    X, y = noisy
    make = ReLULogisticClassifier((20,), random_state=0)
    constant = make.fit(np.hstack([X, np.ones((len(y), 400))]), y).relevance_
    assert_array_equal(constant[40:], 1)
    assert_allclose(constant[:4], fitted.relevance_[:4], rtol=0.1)
    far = X.copy()
    far[0, 20] = 1e4
    outlier = make.fit(far, y).relevance_
    assert outlier[:4].min() > 1.1 * np.median(outlier[4:])


def test_a_warm_start_goes_on_in_the_space_of_a_few_rows(noisy):
    X, y = noisy
    clf = ReLULogisticClassifier((20,), random_state=0, warm_start=True).fit(X, y)
    assert (clf.relevance_ != 1).any()
    # So few rows with the penalty of all give a constant, with a warning.
    with pytest.warns(ConvergenceWarning, match="constant"):
        clf.fit(X[:15], y[:15])
    assert_array_equal(clf.relevance_, np.ones(40))
