"""Why a minimisation ends, and what it returns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sklearn_relulogit._optimize import lbfgs

START = np.array([-1.2, 1.0, -0.5, 0.8])


def rosenbrock(theta):
    return rosen(theta), rosen_der(theta)


def minimize(objective=rosenbrock, theta=START, **kwargs):
    settings = {
        "tol": 1e-6,
        "loss_tol": 0.0,
        "rounding": 1e-15,
        "max_iter": 500,
        "max_fun": 1000,
    }
    limits = {name: kwargs.pop(name, settings[name]) for name in settings}
    stage = lbfgs.Stage(objective, lbfgs.Limits(**limits))
    return lbfgs.minimize([stage], theta, **({"history_size": 10} | kwargs))


@pytest.mark.parametrize("unit", [2.0**-30, 1.0, 2.0**30])
def test_gradient_tolerance(unit):
    """It is a share of the value, whose unit has no influence."""

    def raised(theta):
        return unit * (rosen(theta) + 4), unit * rosen_der(theta)

    minimum = minimize(raised, rounding=0.0)
    assert minimum.stop_reason == "gradient tolerance"
    assert_allclose(minimum.iterate.theta, 1, atol=1e-5)
    assert minimum.iterate.gradient_norm <= 1e-6 * minimum.iterate.loss
    # It ends as soon as that holds.
    before = minimize(raised, rounding=0.0, max_iter=minimum.iterate.n_iter - 1)
    assert before.stop_reason == "iteration limit"
    assert before.iterate.gradient_norm > 1e-6 * before.iterate.loss


@pytest.mark.parametrize("max_iter", [1, 7, 20])
def test_the_iterate_its_loss_and_its_gradient_belong_together(max_iter):
    minimum = minimize(max_iter=max_iter)
    assert minimum.stop_reason == "iteration limit"
    iterate = minimum.iterate
    assert iterate.n_iter == len(minimum.loss_curve) == max_iter
    assert iterate.loss == minimum.loss_curve[-1] == rosen(iterate.theta)
    assert iterate.gradient_norm == np.abs(rosen_der(iterate.theta)).max()
    assert (np.diff(minimum.loss_curve) <= 0).all()


@pytest.mark.parametrize("max_fun", [1, 2, 3, 10, 25])
def test_the_evaluation_limit_is_never_exceeded(max_fun):
    calls = []

    def counted(theta):
        calls.append(1)
        return rosenbrock(theta)

    minimum = minimize(counted, max_fun=max_fun)
    assert minimum.stop_reason == "evaluation limit"
    assert minimum.n_evaluations == len(calls) == max_fun
    assert minimum.iterate.loss == rosen(minimum.iterate.theta)


def test_a_start_at_the_minimum_takes_no_iteration():
    minimum = minimize(theta=np.ones(4))
    assert minimum.stop_reason == "gradient tolerance"
    assert minimum.iterate.n_iter == 0
    assert minimum.loss_curve == []
    assert minimum.n_evaluations == 1
    assert_array_equal(minimum.iterate.theta, 1)


def test_loss_tolerance_over_ten_iterations_ends_at_a_kink():
    """|t| has its minimum where its gradient does not tend to zero."""

    def kinked(theta):
        value = np.abs(theta).sum() + theta @ theta + 1
        return value, np.sign(theta) + 2 * theta

    minimum = minimize(kinked, theta=np.array([0.3, -1.7]), loss_tol=1e-2)
    assert minimum.stop_reason == "loss tolerance"
    assert minimum.iterate.loss == pytest.approx(1, abs=1e-6)
    assert minimum.iterate.gradient_norm > 0.9
    # It is not a single iteration that gained nothing.
    curve = minimum.loss_curve
    assert curve[-2] - curve[-1] > 1e-15
    assert curve[-11] - curve[-1] < 1e-2 * curve[-1]
    assert curve[-12] - curve[-2] > 1e-2 * curve[-2]


def test_loss_tolerance_counts_the_gain_of_the_last_ten_iterations():
    long = minimize(tol=0.0, max_iter=40).loss_curve
    minimum = minimize(tol=0.0, loss_tol=0.9)
    curve = minimum.loss_curve
    assert minimum.stop_reason == "loss tolerance"
    n = len(curve)
    assert curve == long[:n]
    gains = [long[k - 10] - long[k] for k in range(10, n)]
    small = [gain < 0.9 * loss for gain, loss in zip(gains, long[10:n], strict=True)]
    assert small == [False] * (n - 11) + [True]


def test_rounding_ends_as_loss_tolerance():
    minimum = minimize(tol=0.0, rounding=1e-3)
    assert minimum.stop_reason == "loss tolerance"


def test_no_descent_ends_in_the_line_search():
    calls = []

    def ever_higher(theta):
        calls.append(1)
        return float(len(calls)), rosen_der(theta)

    minimum = minimize(ever_higher)
    assert minimum.stop_reason == "line search"
    assert_array_equal(minimum.iterate.theta, START)
    assert minimum.iterate.n_iter == 0
    assert minimum.loss_curve == []


def test_an_exception_of_the_objective_passes_through():
    def broken(theta):
        raise FloatingPointError("overflow")

    with pytest.raises(FloatingPointError, match="overflow"):
        minimize(broken)


@pytest.mark.parametrize("scale", [1e-90, 1e-120, 1e-155, 1e-200, 1e-310])
def test_a_gradient_whose_squares_underflow_is_no_gradient(scale):
    """At the start, or after a step to where nothing is left to gain."""

    def flat(theta):
        return 1.0, np.full(4, scale)

    minimum = minimize(flat, tol=0.0)
    assert minimum.stop_reason == (
        "gradient tolerance" if scale < 1e-100 else "line search"
    )
    assert_array_equal(minimum.iterate.theta, START)

    def downhill_then_flat(theta):
        steep = theta[0] > -0.1
        return (theta.sum(), np.ones(4)) if steep else (-9.0, np.full(4, -scale))

    minimum = minimize(downhill_then_flat, theta=np.zeros(4), tol=0.0)
    assert minimum.iterate.loss == -9
    assert minimum.iterate.n_iter == 1
    assert np.isfinite(minimum.iterate.theta).all()
