"""At the end of a fit: mean probabilities that are the shares of the classes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from conftest import Problem
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._optimize.lbfgs import Iterate, Minimum
from sklearn_relulogit._optimize.monitors import Validation
from sklearn_relulogit._optimize.training import Restart, balance

# Evaluations enough for all steps.
MAX_FUN = 100


@pytest.fixture(params=[2, 3])
def problem(request):
    problem = Problem((5,), n_classes=request.param, n_samples=60)
    problem.s = problem.rng.uniform(0.5, 2, 60)
    # Not far off, as where a fit ends.
    problem.theta *= 0.3
    return problem


def shares_of(problem):
    totals = np.bincount(problem.y, problem.s)
    return totals / totals.sum()


def mean_probabilities(problem, theta):
    """Weighted means of the probabilities, written out."""
    n_hidden = problem.shapes[0][1]
    W_T, rest = theta[: 4 * n_hidden].reshape(4, -1), theta[4 * n_hidden :]
    m = problem.shapes[1][1]
    b, V_T, c = rest[:n_hidden], rest[n_hidden:-m].reshape(-1, m), rest[-m:]
    logits = np.maximum(problem.X @ W_T + b, 0) @ V_T + c
    proba = softmax(logits, axis=1)
    if m == 1:
        proba = np.hstack([expit(-logits), expit(logits)])
    return problem.s @ proba / problem.s.sum()


def ended(problem, theta, stop_reason="loss tolerance", validation=None):
    """A restart that has ended at theta, and its objective."""
    objective = problem.objective(alpha=1.0)
    loss, gradient = objective(theta)
    iterate = Iterate(theta, theta.copy(), loss, gradient, n_iter=3)
    minimum = Minimum(iterate, [loss + 2, loss + 1, loss], 5, stop_reason)
    return Restart(theta, [], validation, minimum), objective


@pytest.mark.parametrize("reason", ["loss tolerance", "gradient tolerance"])
def test_mean_probabilities_become_the_shares(problem, reason):
    restart, objective = ended(problem, problem.theta, reason)
    before = restart.end.iterate
    shares = shares_of(problem)
    assert np.abs(mean_probabilities(problem, before.theta) - shares).max() > 0.01
    balance(restart, objective, shares, MAX_FUN)
    after = restart.end.iterate
    m = problem.shapes[1][1]
    assert_array_equal(after.theta[:-m], before.theta[:-m])
    assert_allclose(mean_probabilities(problem, after.theta), shares, rtol=2e-3)
    # Loss, gradient, curve and count belong to it.
    value, gradient = objective(after.theta)
    assert after.loss == value == restart.end.loss_curve[-1] < before.loss
    assert_array_equal(after.gradient, gradient)
    assert len(restart.end.loss_curve) == 3
    assert 6 <= restart.end.n_evaluations <= 10
    assert restart.end.stop_reason == reason


def test_a_step_that_gains_nothing_is_not_taken(problem):
    restart, objective = ended(problem, problem.theta)
    end, calls = restart.end.iterate, []

    def level(theta):
        calls.append(theta)
        return end.loss, objective(theta)[1]

    level.evaluation = objective.evaluation
    balance(restart, level, shares_of(problem), MAX_FUN)
    assert restart.end.iterate is end
    assert len(calls) == 1


def test_nothing_changes_where_they_are_the_shares(problem):
    restart, objective = ended(problem, problem.theta)
    for _ in range(4):
        balance(restart, objective, shares_of(problem), MAX_FUN)
    end, n_evaluations = restart.end.iterate, restart.end.n_evaluations
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.end.iterate is end
    assert restart.end.n_evaluations == n_evaluations


@pytest.mark.parametrize(
    "reason", ["interrupted", "iteration limit", "evaluation limit", "callback"]
)
def test_a_fit_that_was_ended_is_left_as_it_is(problem, reason):
    restart, objective = ended(problem, problem.theta, reason)
    before = restart.end.iterate
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.end.iterate is before
    assert restart.end.n_evaluations == 5


def test_the_parameters_of_early_stopping_are_left_as_they_are(problem):
    validation = Validation(problem.objective(), 5, 1e-4)
    restart, objective = ended(problem, problem.theta, validation=validation)
    before = restart.end.iterate
    validation.begin_iteration(before)
    validation.end_iteration(before)
    assert restart.iterate is before
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.iterate is restart.end.iterate is before
    # Validation data that do not stop a fit have no influence on it.
    watching = Validation(problem.objective(), None, 1e-4)
    restart, _ = ended(problem, problem.theta, validation=watching)
    watching.begin_iteration(before)
    watching.end_iteration(before)
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.end.iterate.loss < before.loss
    # Their last loss is that of what is kept.
    (last,) = watching.losses
    assert last == watching.objective.mean_nll(restart.end.iterate.theta)
    assert last != watching.best_loss
    # Nor on the choice among several.
    assert restart.loss == restart.end.iterate.loss != watching.best_loss


def test_a_class_without_weight_stays_without():
    """Its share has no logarithm."""
    problem = Problem((5,), n_classes=3, n_samples=60)
    problem.s = np.where(problem.y == 1, 0.0, 1.0)
    restart, objective = ended(problem, problem.theta)
    before = restart.end.iterate
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.end.iterate is before


@pytest.mark.parametrize("more", [0, 1])
def test_evaluations_count(problem, more):
    """`max_fun` is never exceeded."""
    restart, objective = ended(problem, problem.theta)
    before, n_evaluations = restart.end.iterate, restart.end.n_evaluations
    balance(restart, objective, shares_of(problem), n_evaluations + more)
    assert restart.end.n_evaluations == n_evaluations + more
    assert (restart.end.iterate is before) == (more == 0)


@pytest.fixture
def rare():
    """Rows and labels; of the fit by `alpha=1`, three evaluations are for balance."""
    return make_classification(
        300,
        5,
        n_informative=4,
        n_redundant=0,
        n_classes=3,
        weights=[0.95, 0.025],
        random_state=0,
    )


@pytest.mark.parametrize("last", [1, 2, 3])
def test_an_interrupted_balance_loses_nothing(rare, last, monkeypatch):
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0).fit(*rare)
    whole, n_evaluations = clf.loss_, clf.n_evaluations_
    calls = itertools.count(1)
    evaluate = Objective.__call__

    def interrupted(self, theta):
        if next(calls) == n_evaluations + 1 - last:
            raise KeyboardInterrupt
        return evaluate(self, theta)

    monkeypatch.setattr(Objective, "__call__", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        clf.fit(*rare)
    assert clf.stop_reason_ == "interrupted"
    assert whole <= clf.loss_ < whole + 1e-3
    assert clf.loss_ == clf.loss_curve_[-1]


def test_a_fit_takes_no_more_evaluations_than_allowed(rare):
    X, y = rare
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0).fit(X, y)
    n_evaluations = clf.n_evaluations_
    for max_fun in range(n_evaluations - 3, n_evaluations + 1):
        clf.set_params(max_fun=max_fun).fit(X, y)
        assert clf.n_evaluations_ == max_fun


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(), (8,), (6, 4)])
def test_fits_predict_the_shares_on_average(n_classes, hidden):
    X, y = make_classification(
        400,
        6,
        n_informative=4,
        n_classes=n_classes,
        weights=[0.9] if n_classes == 2 else [0.05, 0.15],
        random_state=0,
    )
    weights = np.random.RandomState(0).uniform(0, 2, 400)
    shares = np.bincount(y, weights) / weights.sum()
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y, weights)
    means = weights @ clf.predict_proba(X) / weights.sum()
    assert_allclose(means, shares, rtol=3e-3)


@pytest.mark.parametrize("bias", [800.0, -800.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_zero_and_one_are_left_as_they_are(n_classes, bias):
    """Their odds have no logarithm."""
    problem = Problem((5,), n_classes=n_classes, n_samples=64)
    # Shares that are exact, so that the probabilities are.
    problem.y, problem.s = np.arange(64) % 4 % n_classes, np.ones(64)
    theta = problem.theta.copy()
    theta[-1] = bias
    restart, objective = ended(problem, theta)
    before = restart.end.iterate
    balance(restart, objective, shares_of(problem), MAX_FUN)
    assert restart.end.iterate is before
    assert restart.end.n_evaluations == 5


@pytest.mark.parametrize("mean", [-1e-17, 0.0, 1.0, 1 + 1e-15])
def test_so_are_those_that_are_beyond_by_rounding(mean):
    restart, objective = ended(problem := Problem((5,), n_classes=2), problem.theta)
    gradient = restart.end.iterate.gradient.copy()
    gradient[-1] = mean - 0.5
    before = replace(restart.end.iterate, gradient=gradient)
    restart.end.iterate = before
    balance(restart, objective, np.array([0.5, 0.5]), MAX_FUN)
    assert restart.end.iterate is before
