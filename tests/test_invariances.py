"""Invariances: the same data in another form give the same model.

hypothesis makes up problems for each line of docs/invariances.md. Then follow small
data on which an unlucky order, location or unit would show. For many examples, run

    python -m pytest tests/test_invariances.py --hypothesis-profile=full
"""

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from conftest import assert_same_fit, installed_checks
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, scale

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, pack


@dataclass
class Problem:
    """Rows with integer weights, and the parameters of an estimator."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    parameters: dict[str, Any]

    def fit(self, X=None, y=None, weights=None, **changes):
        """Fit; the limits are tight, and features may be uninformative."""
        clf = ReLULogisticClassifier(**(self.parameters | changes))
        with warnings.catch_warnings():
            # Two fits are compared, wherever they end.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # scikit-learn warns about many classes, as there are here.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            return clf.fit(
                self.X if X is None else X,
                self.y if y is None else y,
                self.weights if weights is None else weights,
            )

    def taken(self, rows):
        return self.X[rows], self.y[rows], self.weights[rows]


@st.composite
def problems(draw, alpha=("auto", "auto", 0.0, 0.3, 10.0), early=True, max_iter=40):
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(6, 80))
    p = draw(st.one_of(st.integers(1, 6), st.just(2 * n + 40)))
    n_classes = draw(st.integers(2, 4))
    X = {
        "normal": lambda: rng.standard_normal((n, p)),
        "integers": lambda: rng.randint(0, 3, (n, p)) * 1.0,
        "sparse": lambda: (
            rng.standard_normal((n, p)) * (rng.uniform(size=(n, p)) < 0.3)
        ),
    }[draw(st.sampled_from(["normal", "integers", "sparse"]))]()
    if p > 1 and draw(st.booleans()):
        X[:, -1] = draw(st.sampled_from([0.0, 0.1]))
    X[:, 0] *= draw(st.sampled_from([1.0, 1.0, 1e-3, 100.0]))
    y = rng.randint(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    weights = rng.randint(0, 4, n) * 1.0
    # All classes have weight, and one of them on two rows, for early stopping.
    weights[:n_classes] = 1
    X[n_classes], y[n_classes], weights[n_classes] = X[0] + 1, 0, 2
    hidden = draw(st.sampled_from([(), (5,), (5,), (4, 3)]))
    parameters = {
        "hidden_layer_sizes": hidden,
        "alpha": draw(st.sampled_from(alpha)),
        "class_weight": draw(st.sampled_from([None, None, "balanced"])),
        "early_stopping": early and draw(st.booleans()),
        "n_init": draw(st.sampled_from([1, 1, 2])),
        "max_iter": max_iter,
        "random_state": draw(st.integers(0, 100)),
    }
    return Problem(X, y, weights, parameters)


containers = st.sampled_from([np.asarray, np.asfortranarray, scipy.sparse.csr_array])
seeds = st.integers(0, 2**32 - 1)


def assert_same(a, b):
    """The same bits of coefficients, curve, penalty and the tried penalties."""
    assert_same_fit(a, b)
    assert a.alpha_ == b.alpha_
    assert a.alpha_losses_ == b.alpha_losses_
    assert a.validation_loss_curve_ == b.validation_loss_curve_
    assert a.stop_reason_ == b.stop_reason_


@given(problems(), containers, seeds)
def test_rows_in_another_order_give_the_same_bits(problem, container, seed):
    order = np.random.RandomState(seed).permutation(len(problem.y))
    X, y, weights = problem.taken(order)
    clf = problem.fit(container(problem.X))
    assert_same(clf, problem.fit(container(X), y, weights))


@given(problems(), containers, seeds)
def test_a_row_of_weight_k_is_k_rows_to_the_bit(problem, container, seed):
    repeats = problem.weights.astype(int)
    rows = np.random.RandomState(seed).permutation(
        np.repeat(np.arange(len(repeats)), repeats)
    )
    clf = problem.fit(container(problem.X))
    X, y, _ = problem.taken(rows)
    assert_same(clf, problem.fit(container(X), y, np.ones(len(rows))))
    # The weights are spread over the copies.
    twice = np.tile(np.arange(len(repeats)), 2)
    X, y, weights = problem.taken(twice)
    weights[: len(repeats)] = repeats // 2
    weights[len(repeats) :] -= repeats // 2
    assert_same(clf, problem.fit(container(X), y, weights))


@given(problems(), containers)
def test_rows_of_weight_zero_are_absent_to_the_bit(problem, container):
    there = problem.weights > 0
    clf = problem.fit(container(problem.X))
    X, y, weights = problem.taken(there)
    assert_same(clf, problem.fit(container(X), y, weights))
    # Any finite values.
    far = np.where(there[:, np.newaxis], problem.X, 1e6)
    assert_same(clf, problem.fit(container(far)))


def test_another_row_would_give_other_bits():
    """The test of equal bits does not compare fits that are all alike."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((40, 3)), np.arange(40) % 2
    problem = Problem(X, y, np.ones(40), {"hidden_layer_sizes": (4,)})
    problem.parameters["random_state"] = 0
    clf = problem.fit()
    assert_same(clf, problem.fit())
    for change in ((0, 0), (39, 2)):
        other = X.copy()
        other[change] += 1e-9
        with pytest.raises(AssertionError):
            assert_same(clf, problem.fit(other))
    weights = np.ones(40)
    weights[5] = 2
    with pytest.raises(AssertionError):
        assert_same(clf, problem.fit(weights=weights))


NAMES = {
    "reversed": lambda codes: -codes,
    "renamed": lambda codes: np.array(["d", "a", "c", "b"])[codes],
    "objects": lambda codes: np.array(["z", "xx", "y", "w"], dtype=object)[codes],
    "floats": lambda codes: np.array([3.0, -1.0, 7.0, 0.0])[codes],
    "small": lambda codes: codes.astype(np.uint8),
    "list": lambda codes: [int(code) for code in codes],
}


@given(problems(), st.sampled_from(sorted(NAMES)))
def test_names_of_classes_do_not_matter(problem, name):
    """Order and type of class names do not matter: the parameters have the same bits.

    This excludes two classes that the data cannot tell apart.
    """
    codes, X, weights = problem.y, problem.X, problem.weights
    tables = [
        sorted(zip(map(tuple, X[rows]), weights[rows], strict=True))
        for rows in (codes == k for k in range(codes.max() + 1))
    ]
    assume(all(a != b for a, b in combinations(tables, 2)))
    labels = NAMES[name](problem.y)
    clf, named = problem.fit(), problem.fit(y=labels)
    # Column k of the first is the class of the rows with code k.
    label_of = [labels[list(problem.y).index(k)] for k in range(problem.y.max() + 1)]
    columns = [list(named.classes_).index(label) for label in label_of]
    found = named.predict_proba(problem.X)[:, columns]
    expected = clf.predict_proba(problem.X)
    assert named.alpha_ == clf.alpha_
    # Softmax adds its terms in another order.
    assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert named.loss_curve_ == clf.loss_curve_
    if problem.y.max() > 1:
        shuffled = found[:, np.roll(np.arange(found.shape[1]), 1)]
        assume(np.ptp(expected, axis=1).max() > 1e-3)
        assert not np.allclose(shuffled, expected, rtol=1e-12, atol=1e-14)


@given(problems(), st.integers(-20, 20).filter(bool))
def test_the_unit_of_the_weights_does_not_matter(problem, exponent):
    """Times a power of two: with the penalty times the same, no digit changes."""
    c = 2.0**exponent
    clf = problem.fit()
    alpha = problem.parameters["alpha"]
    scaled = problem.fit(
        weights=c * problem.weights, alpha=alpha if alpha == "auto" else c * alpha
    )
    assert scaled.alpha_ == pytest.approx(c * clf.alpha_, rel=1e-15)
    assert_allclose(
        scaled.predict_proba(problem.X), clf.predict_proba(problem.X), atol=1e-9
    )
    if alpha == "auto":
        assert scaled.alpha_losses_ == pytest.approx(
            {c * tried: loss for tried, loss in clf.alpha_losses_.items()}, rel=1e-9
        )


# Where a fit ends, two fits may differ by its tolerance, and at a kink by more. So
# these tests compare fits after few steps, with a given penalty.
SHORT = {"alpha": (0.0, 0.3, 10.0), "max_iter": 3}


def assume_no_row_at_a_kink(problem):
    """A row at the mean is at the kinks of all initial units.

    There the first gradient belongs to one side or the other, by rounding.
    """
    weights = problem.weights
    if problem.parameters["class_weight"] == "balanced":
        weights = weights / np.bincount(problem.y, weights)[problem.y]
    mean = np.average(problem.X, axis=0, weights=weights)
    distances = np.abs(problem.X - mean).max(axis=1)[weights > 0]
    assume(distances.min() > 1e-9 * distances.max())


@given(problems(**SHORT), st.sampled_from([1e-3, 0.7, 10 / 3, 1e4]))
def test_other_units_of_the_weights_lead_to_rounding(problem, c):
    assume_no_row_at_a_kink(problem)
    clf = problem.fit()
    scaled = problem.fit(weights=c * problem.weights, alpha=c * clf.alpha_)
    proba = clf.predict_proba(problem.X)
    assert_allclose(scaled.predict_proba(problem.X), proba, atol=1e-7)
    # With the original penalty it would be another model.
    if clf.alpha_ and problem.parameters["class_weight"] is None:
        other = problem.fit(weights=1e4 * problem.weights)
        assert not np.array_equal(other.predict_proba(problem.X), proba)


@given(problems(**SHORT), seeds)
def test_the_place_of_a_feature_does_not_matter(problem, seed):
    """Each feature moves by a hundred deviations or more."""
    assume_no_row_at_a_kink(problem)
    rng = np.random.RandomState(seed)
    shift = rng.uniform(-100, 100, problem.X.shape[1]) * (1 + problem.X.std(axis=0))
    clf, moved = problem.fit(), problem.fit(problem.X + shift)
    expected = clf.predict_proba(problem.X)
    found = moved.predict_proba(problem.X + shift)
    assert_allclose(found, expected, atol=1e-6)
    # A constant has no location.
    if np.ptp(expected[problem.weights > 0], axis=0).max() > 1e-3:
        assert np.abs(clf.predict_proba(problem.X + shift) - expected).max() > 1e-6


@given(problems(**SHORT), st.sampled_from(["csr", "csc", "coo"]))
def test_dense_is_sparse(problem, form):
    assume_no_row_at_a_kink(problem)
    sparse = scipy.sparse.coo_array(problem.X).asformat(form)
    clf, same = problem.fit(), problem.fit(sparse)
    expected = clf.predict_proba(problem.X)
    assert_allclose(same.predict_proba(sparse), expected, atol=1e-7)
    other = problem.X.copy()
    other[:, 0] += np.arange(len(other)) % 2
    assert not np.array_equal(problem.fit(other).predict_proba(other), expected)


@given(problems(), st.sampled_from([np.int64, np.int8, np.uint8, bool]))
def test_integers_are_float64(problem, dtype):
    X = np.rint(np.abs(problem.X)).clip(0, 2 if dtype is not bool else 1)
    # To the bit, since they are converted at first.
    assert_same(problem.fit(X), problem.fit(X.astype(dtype)))


@given(
    problems(alpha=("auto", 0.3, 10.0), early=False, max_iter=3000),
    st.sampled_from([1e-4, 1e-6]),
)
def test_the_mean_probability_is_the_share_of_the_class(problem, tol):
    """Weights times class weights count. (At limits they need not be equal.)"""
    clf = problem.fit(tol=tol)
    assume(clf.stop_reason_ in ("gradient tolerance", "loss tolerance"))
    weights, codes = problem.weights, problem.y
    if problem.parameters["class_weight"] == "balanced":
        weights = weights / np.bincount(codes, weights)[codes]
    shares = np.bincount(codes, weights) / weights.sum()
    means = weights @ clf.predict_proba(problem.X) / weights.sum()
    assert_allclose(means, shares, rtol=5e-3)


def test_few_steps_lead_to_the_shares_where_the_rows_tell_classes_apart():
    """Plain steps by the logarithm of share over mean would need more than ten."""
    rng = np.random.RandomState(0)
    for seed in range(8):
        X = rng.standard_normal((60, 4))
        y = np.where(X[:, 0] > 0.8, 0, rng.randint(0, 4, 60))
        weights = rng.randint(1, 4, 60).astype(float)
        clf = ReLULogisticClassifier((4, 3), alpha=0.1, tol=1e-3, random_state=seed)
        means = weights @ clf.fit(X, y, weights).predict_proba(X) / weights.sum()
        shares = np.bincount(y, weights) / weights.sum()
        assert_allclose(means, shares, rtol=2e-3)


# Whole fits, to the end.


@pytest.mark.parametrize(
    ("load", "alpha"), [(load_breast_cancer, "auto"), (load_digits, 1.0)]
)
def test_whole_fits_of_shifted_features_predict_the_same(load, alpha):
    """(Rounding of the digits may move the chosen penalty by a step.)"""
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    shift = np.random.RandomState(0).uniform(-1000, 1000, X.shape[1])
    clf, moved = (
        ReLULogisticClassifier((20,), alpha=alpha, random_state=0).fit(rows, y)
        for rows in (X, X + shift)
    )
    assert moved.alpha_ == pytest.approx(clf.alpha_, rel=1e-9)
    expected = clf.predict_proba(X)
    assert_allclose(moved.predict_proba(X + shift), expected, atol=1e-4)
    # The test would notice another start.
    other = ReLULogisticClassifier((20,), alpha=alpha, random_state=1).fit(X, y)
    assert np.abs(other.predict_proba(X) - expected).max() > 1e-3


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_beyond_a_size_it_holds_to_rounding(hidden, container, monkeypatch):
    """Order, class names and repeats, for rows that are taken as they are."""
    rng = np.random.RandomState(0)
    X = rng.randint(0, 5, (300, 3)) + 0.5
    y = rng.randint(0, 3, 300)
    rows = rng.permutation(np.tile(np.arange(300), 2))
    names = np.array([5, 1, 3])
    clf = ReLULogisticClassifier(hidden, alpha=1.0, random_state=0, max_iter=3, tol=0.0)

    def fits():
        with pytest.warns(ConvergenceWarning):
            clf.fit(container(X), y, np.full(300, 2.0))
        proba, weights = clf.predict_proba(container(X)), clf.coefs_[-1]
        with pytest.warns(ConvergenceWarning):
            clf.fit(container(X[rows]), names[y[rows]])
        columns = np.searchsorted(clf.classes_, names)
        found = clf.predict_proba(container(X))[:, columns]
        assert_allclose(found, proba, rtol=1e-7, atol=1e-9)
        return np.array_equal(clf.coefs_[-1][:, columns], weights)

    assert fits()
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS", 10)
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS_LINEAR", 10)
    assert not fits()


# Small data.


def factorial_design(seed):
    """2^4 settings of four factors, ten times; the label is the product of two."""
    X = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    X = np.tile(X, (10, 1))
    truth = (X[:, 0] * X[:, 1] > 0).astype(int)
    noise = np.random.RandomState(seed).uniform(size=len(X)) < 0.1
    return X, truth, np.where(noise, 1 - truth, truth)


def test_a_constant_beside_small_features_is_no_feature_of_another_scale():
    """It has no influence on the other weights, and there is no warning."""
    X, y = scaled_data(1e-4)
    X = np.hstack([X, np.ones((300, 1)), np.zeros((300, 1))])
    with_constants, without = (
        ReLULogisticClassifier((10,), alpha=1e-5, random_state=0, max_iter=2000)
        for _ in range(2)
    )
    assert with_constants.fit(X, y).score(X, y) > 0.95
    without.fit(X[:, :4], y)
    assert with_constants.loss_ == pytest.approx(without.loss_, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_an_interaction_in_a_factorial_design_is_found(seed):
    """No main effect is informative; 10 % of the labels are wrong."""
    X, truth, y = factorial_design(seed)
    clf = ReLULogisticClassifier((10,), random_state=seed).fit(X, y)
    assert clf.score(X, truth) == 1
    # The probabilities are about those of the noise.
    proba = clf.predict_proba(X)[np.arange(len(y)), truth]
    assert abs(proba.mean() - np.mean(y == truth)) < 0.06


@pytest.mark.parametrize("repeats", [1, 25])
def test_exclusive_or(repeats):
    """Four distinct rows, each repeated."""
    X = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], repeats, axis=0)
    y = np.repeat([0, 1, 1, 0], repeats)
    right = 0
    for seed in range(5):
        clf = ReLULogisticClassifier((10,), random_state=seed).fit(X, y)
        right += list(clf.predict(X[::repeats])) == [0, 1, 1, 0]
        # A weak penalty, in units of the weight of a row.
        assert clf.alpha_ == pytest.approx(0.1 * repeats, rel=1e-12)
    assert right == 5


def test_mirror_images_of_one_label():
    """The label depends on |h| alone, which no linear unit sees."""
    rng = np.random.RandomState(0)
    h = rng.standard_normal((100, 3))
    label = (np.linalg.norm(h, axis=1) > 1.5).astype(int)
    X, y = np.vstack([h, -h]), np.tile(label, 2)
    residuals = y - y.mean()
    assert_allclose(X.T @ residuals, 0, atol=1e-12)
    clf = ReLULogisticClassifier((20,), random_state=0).fit(X, y)
    assert clf.alpha_losses_
    assert clf.score(X, y) > 0.9 > 0.1 + max(y.mean(), 1 - y.mean())
    linear = ReLULogisticClassifier(()).fit(X, y)
    assert linear.score(X, y) == max(y.mean(), 1 - y.mean())


def years(n=400):
    """A year beside two other features, and a label that depends on all."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n, 3))
    X[:, 0] = np.rint(2010 + 8 * X[:, 0])
    score = (X[:, 0] - 2010) / 8 + X[:, 1] * X[:, 2]
    return X, (score + 0.3 * rng.standard_normal(n) > 0).astype(int)


@pytest.mark.parametrize("hidden", [(), (10,), (6, 5)])
def test_a_year_is_as_good_as_a_centred_one(hidden):
    X, y = years()
    centred = X - [2010, 0, 0]
    raw, other = (
        ReLULogisticClassifier(hidden, random_state=1).fit(rows, y)
        for rows in (X, centred)
    )
    # Kinks may separate the fits, above all of two layers, but not to a worse end.
    assert raw.alpha_ == pytest.approx(other.alpha_, rel=0.5)
    two_layers = len(hidden) == 2
    assert raw.loss_ == pytest.approx(other.loss_, rel=2e-2)
    if not two_layers:
        assert_allclose(raw.predict_proba(X), other.predict_proba(centred), atol=0.03)
    # Better than the class shares, and than the other features alone.
    rest = ReLULogisticClassifier(hidden, random_state=1).fit(X[:, 1:], y)
    assert raw.score(X, y) > rest.score(X[:, 1:], y)


def scaled_data(factor=1.0):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((300, 4))
    y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int)
    return factor * X, y


@pytest.mark.parametrize("hidden", [(), (10,), (6, 5)])
@pytest.mark.parametrize("factor", [1e-4, 1e-2, 1e4])
def test_the_unit_of_all_features_does_not_matter_with_the_penalty(hidden, factor):
    """With alpha c^(2/L) the minimum is the same function; see the docs.

    Each of L layers takes an equal share of c, and alpha |W|^2 does not change.
    """
    X, y = scaled_data()
    L = len(hidden) + 1
    alpha = 2.0 * factor ** (2 / L)

    def fits(**settings):
        with warnings.catch_warnings():
            # Two fits are compared, wherever they end.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return [
                ReLULogisticClassifier(hidden, alpha=a, random_state=0, **settings).fit(
                    rows, y
                )
                for rows, a in [(X, 2.0), (factor * X, alpha)]
            ]

    # The path is the same.
    clf, other = fits(max_iter=10)
    assert_allclose(other.predict_proba(factor * X), clf.predict_proba(X), atol=1e-6)
    assert other.loss_curve_ == pytest.approx(clf.loss_curve_, rel=1e-6)
    # So is the end, except at kinks.
    clf, other = fits()
    assert other.loss_ == pytest.approx(clf.loss_, rel=1e-2)


@pytest.mark.parametrize("factor", [1e-4, 1.0])
def test_small_features_are_learned_from(factor):
    X, y = scaled_data(factor)
    clf = ReLULogisticClassifier((10,), random_state=0).fit(X, y)
    assert clf.score(X, y) > 0.95


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_a_feature_of_a_million_times_the_size_is_named(container):
    X, y = scaled_data()
    X[:, 3] *= 1e6
    clf = ReLULogisticClassifier((10,), random_state=0)
    with pytest.warns(ConvergenceWarning) as caught:
        clf.fit(container(X), y)
    (told,) = [
        str(w.message) for w in caught if "very different scales" in str(w.message)
    ]
    # The smallest of the others, and the one.
    smallest = X[:, :3].std(axis=0).argmin()
    assert f"feature {smallest} varies by {X[:, smallest].std():.2g}" in told
    assert f"feature 3 by {X[:, 3].std():.2g}" in told
    assert np.isfinite(clf.predict_proba(container(X))).all()
    # The others still matter.
    shares = max(y.mean(), 1 - y.mean())
    assert clf.score(container(X), y) > shares + 0.2


def rare_events(n, n_events, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, 5))
    y = np.zeros(n, int)
    y[np.argsort(-(X[:, 0] + 0.5 * rng.standard_normal(n)))[:n_events]] = 1
    return X, y


@pytest.mark.parametrize(
    ("n", "n_events"),
    [
        (5000, 12),
        pytest.param(200_000, 18, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("hidden", [(), (10,)])
def test_rare_events_have_their_share(n, n_events, hidden):
    X, y = rare_events(n, n_events)
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y)
    proba = clf.predict_proba(X)[:, 1]
    assert proba.mean() == pytest.approx(n_events / n, rel=0.01)
    # It has learned: the loss is well below that of the share.
    share = n_events / n
    constant = -(share * np.log(share) + (1 - share) * np.log1p(-share))
    loss = -np.mean(y * np.log(proba) + (1 - y) * np.log1p(-proba))
    assert loss < 0.9 * constant
    assert proba[y == 1].mean() > 10 * share


def wide(n=80, p=10_000, density=1.0):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n, p))
    X[rng.uniform(size=(n, p)) > density] = 0
    y = (X[:, :20].sum(axis=1) + rng.standard_normal(n) > 0).astype(int)
    return X, y


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize(
    ("hidden", "p"), [((), 5000), ((6,), 10_000), ((5, 4), 10_000)]
)
def test_a_fit_in_the_space_of_the_rows_is_a_fit(container, hidden, p):
    """The objective and its gradient by all features show it.

    (Without hidden layers rows of so many numbers are not moved to their space.)
    """
    X, y = wide(p=p, density=0.1)
    alpha, n = 30.0, len(y)
    clf = ReLULogisticClassifier(hidden, alpha=alpha, random_state=0)
    clf.fit(container(X), y)
    assert clf.coefs_[0].shape[0] == p
    shapes = layer_shapes(p, hidden, 2)
    parts = Parts.of(Block(X, y, np.ones(n)), shapes)
    objective = Objective(parts, shapes, alpha, np.dtype(float))
    theta = pack(list(zip(clf.coefs_, clf.intercepts_, strict=True)))
    value, gradient = objective(theta)
    assert value == pytest.approx(clf.loss_, rel=1e-9)
    # The formulas agree, with the original labels.
    logits, penalty = X, 0.0
    for number, (W, b) in enumerate(zip(clf.coefs_, clf.intercepts_, strict=True)):
        logits = (np.maximum(logits, 0) if number else logits) @ W + b
        penalty += alpha / 2 * (W**2).sum()
    nll = np.logaddexp(0, np.where(y == 1, -1, 1) * logits[:, 0]).sum()
    assert (nll + penalty) / n == pytest.approx(clf.loss_, rel=1e-9)
    # No direction outside the space lowers the objective.
    first = gradient[: p * shapes[0][1]].reshape(p, -1)
    centred = X - X.mean(axis=0)
    basis = np.linalg.svd(centred, full_matrices=False)[2][: n - 1]
    outside = first - basis.T @ (basis @ first)
    # The rest is the slope of b_1 along the mean, which is not in the space.
    mean = X.mean(axis=0) - basis.T @ (basis @ X.mean(axis=0))
    outside -= np.outer(mean, mean @ outside) / (mean @ mean)
    assert np.abs(outside).max() < 1e-12
    assert np.abs(first).max() > 0


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_minimum_is_that_of_all_features(container):
    """Without hidden layers there is one minimum.

    Rows of tiny weight change nothing, but make too many rows for a fit in the space
    of the rows.
    """
    X, y = wide(40, 300)
    clf = ReLULogisticClassifier((), alpha=5.0, tol=1e-9).fit(container(X), y)
    more = np.zeros((300, 300))
    more[:, 0] = np.arange(300) * 1e-9
    weights = np.append(np.ones(40), np.full(300, 1e-300))
    rows, labels = np.vstack([X, more]), np.append(y, np.zeros(300, int))
    other = ReLULogisticClassifier((), alpha=5.0, tol=1e-9)
    other.fit(container(rows), labels, weights)
    assert_allclose(other.coef_, clf.coef_, atol=1e-6)
    assert_allclose(other.predict_proba(X), clf.predict_proba(X), atol=1e-6)
    assert np.abs(clf.coef_).max() > 1e-3


def test_a_constant_that_a_search_ends_at_is_told():
    """Random labels: no penalty predicts the other half better than the shares."""
    rng = np.random.RandomState(2)
    X, y = rng.standard_normal((400, 3)), rng.randint(0, 2, 400)
    told = 0
    for hidden in ((5,), (6, 5)):
        for seed in range(3):
            clf = ReLULogisticClassifier(hidden, random_state=seed)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                logits = clf.fit(X, y).decision_function(X)
            messages = [str(w.message) for w in caught]
            assert (np.ptp(logits) < 1e-6) == any("a constant" in m for m in messages)
            told += any("no penalty beat" in m for m in messages)
    assert 1 <= told < 6


# scikit-learn's checks without exceptions, and again with the rows in another order.


# Some checks have random labels. The warning that nothing predicts them is right.
NOTHING_TO_SAY = "ignore:The fitted network is a constant. no penalty"

# One check gives all rows of a class the weight zero.
WITHOUT_WEIGHT = "ignore:Leave out the rows of the classes"


class Shuffled:
    """Fits to the rows in another order, fixed for each number of rows."""

    def fit(self, X, y, sample_weight=None, **kwargs):
        try:
            n = X.shape[0] if hasattr(X, "shape") else len(X)
            if len(y) != n or (sample_weight is not None and len(sample_weight) != n):
                raise ValueError("the lengths differ")
            order = np.random.RandomState(n).permutation(n)
            rows, labels = take(X, order), take(y, order)
            weights = None if sample_weight is None else take(sample_weight, order)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            # Invalid input: the error must be that of the estimator.
            rows, labels, weights = X, y, sample_weight
        if not kwargs and sample_weight is None:
            return super().fit(rows, labels)
        return super().fit(rows, labels, weights, **kwargs)


def take(array, rows):
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if isinstance(array, list):
        return [array[i] for i in rows]
    if scipy.sparse.issparse(array) and array.format not in (
        "csr",
        "csc",
        "lil",
        "dok",
    ):
        return type(array)(array.tocsr()[rows])
    return array[rows]


class ShuffledClassifier(Shuffled, ReLULogisticClassifier):
    """A classifier that gets the rows in another order."""


# What the order of the rows may reach: blocks, equal rows, splits, weights of classes.
# test_sklearn.py has the same checks of rows in their own order.
SETTINGS = [
    {"hidden_layer_sizes": (6, 5, 4), "random_state": 0},
    {"hidden_layer_sizes": (), "early_stopping": True, "random_state": 0},
    {
        # (With random_state=0 all units of a layer die on the 14 rows of a check.)
        "hidden_layer_sizes": (6, 5, 4),
        "random_state": 1,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "class_weight": "balanced",
    },
]


@installed_checks([], slow=[ShuffledClassifier(**settings) for settings in SETTINGS])
@pytest.mark.filterwarnings(NOTHING_TO_SAY)
@pytest.mark.filterwarnings(WITHOUT_WEIGHT)
def test_estimator_checks_whole(estimator, check):
    check(estimator)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.coo_array])
def test_the_shuffled_estimator_shuffles(container):
    class Base:
        def fit(self, X, y, sample_weight=None):
            return X, y, sample_weight

    class Shuffling(Shuffled, Base):
        pass

    X, weights = np.arange(60.0).reshape(30, 2), np.arange(30.0)
    rows, labels, s = Shuffling().fit(container(X), weights % 2, weights)
    rows = rows.toarray() if scipy.sparse.issparse(rows) else rows
    order = s.astype(int)
    assert (np.diff(order) < 0).any()
    assert_array_equal(rows, X[order])
    assert_array_equal(labels, order % 2)


@pytest.mark.parametrize("hidden", [(), (10,)])
@pytest.mark.parametrize("factor", [1e-4, 1 / 3, 0.7, 10.0, 1000.0])
def test_the_search_in_other_units(hidden, factor):
    """The search steps by half powers of ten, so powers of ten give the same steps.

    Other factors give other penalties, which may also change the relevance.
    """
    X, y = load_iris(return_X_y=True)
    X, power = scale(X), 2 / (len(hidden) + 1)
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y)
    scaled = clone(clf).fit(factor * X, y)
    ratio = scaled.alpha_ / factor**power / clf.alpha_
    difference = np.abs(scaled.predict_proba(factor * X) - clf.predict_proba(X)).max()
    if np.log10(factor) % 1 == 0:
        assert ratio == pytest.approx(1, rel=1e-9)
        assert difference < 1e-6
    else:
        assert 1 / 3 < ratio < 3
        # With the chosen penalty as a number, the unit does not matter.
        kwargs = {"hidden_layer_sizes": hidden, "random_state": 0, "tol": 1e-6}
        fits = [
            ReLULogisticClassifier(alpha=c**power, **kwargs).fit(c * X, y)
            for c in (1.0, factor)
        ]
        same = fits[1].predict_proba(factor * X)
        assert_allclose(same, fits[0].predict_proba(X), atol=1e-3)
