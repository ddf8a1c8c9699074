"""The reasons for the end of a minimisation, and its results."""

from collections import deque

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
    stages = [(objective, lbfgs.Limits(**limits))]
    return lbfgs.minimize(stages, theta, **({"history_size": 10} | kwargs))


@pytest.mark.parametrize("unit", [2.0**-30, 1.0, 2.0**30])
def test_gradient_tolerance(unit):
    """It is a share of the value, so the unit has no influence."""

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
    # A single iteration without gain does not end it.
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


@pytest.mark.parametrize("loss", [1e-9, 0.5, 1.0, 1e6, -1e6])
def test_rounding_is_relative_to_losses_above_one(loss):
    """A sum near one, minus most of it, has the rounding error of one."""
    limits = lbfgs.Limits(tol=0.0, loss_tol=0.0, rounding=1e-15, max_iter=9, max_fun=9)
    iterate = lbfgs.Iterate(START, START, loss, np.ones(4), 1)
    rounding = 1e-15 * max(abs(loss), 1)
    assert limits.reason(iterate, [loss], 0.9 * rounding) == "loss tolerance"
    assert limits.reason(iterate, [loss], 1.1 * rounding) is None


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
    """At the start, or after a step to a point with nothing left to gain."""

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


class Listener(lbfgs.Monitor):
    """Records what it is told; may stop at an iteration."""

    def __init__(self, stop_at=None):
        self.told, self.stop_at = [], stop_at

    def begin_iteration(self, iterate):
        self.told.append(("begin", iterate.n_iter))

    def end_iteration(self, iterate):
        self.told.append(("end", iterate.n_iter))
        return "enough" if iterate.n_iter == self.stop_at else None

    def close(self):
        self.told.append("close")


def stages(*objectives, tols=(1e-2, 1e-9), max_iter=300):
    """Some objectives, each with its own tolerance."""
    return [
        (objective, lbfgs.Limits(tol, 0.0, 0.0, max_iter, max_fun=10**4))
        for objective, tol in zip(objectives, tols, strict=True)
    ]


def valley(theta):
    """A quadratic plus one, with curvatures from 1 to 1000."""
    scale = np.geomspace(1, 1000, len(theta))
    return 1 + scale @ theta**2 / 2, scale * theta


def test_monitors_hear_of_each_iteration_once_through_all_stages():
    listener = Listener()
    minimum = lbfgs.minimize(
        stages(valley, valley), np.ones(6), history_size=10, monitors=[listener]
    )
    n = minimum.iterate.n_iter
    first = lbfgs.minimize(stages(valley, tols=[1e-2]), np.ones(6), history_size=10)
    assert 0 < first.iterate.n_iter < n
    assert listener.told == [
        *(event for i in range(n) for event in (("begin", i), ("end", i + 1))),
        "close",
    ]


@pytest.mark.parametrize("stop_at", [1, 4])
def test_a_stage_that_a_monitor_ends_is_the_last(stop_at):
    calls = []

    def never(theta):
        calls.append(theta)
        return valley(theta)

    minimum = lbfgs.minimize(
        stages(valley, never),
        np.ones(6),
        history_size=10,
        monitors=[Listener(stop_at)],
    )
    assert (minimum.stop_reason, minimum.iterate.n_iter) == ("enough", stop_at)
    assert not calls


def test_an_iteration_may_begin_and_lead_nowhere():
    for max_fun, told in [(1, ["close"]), (2, [("begin", 0), "close"])]:
        listener = Listener()
        # The first step, of length one, is too short.
        minimum = minimize(
            lambda theta: (theta.sum(), np.ones(4)),
            max_fun=max_fun,
            monitors=[listener],
        )
        assert minimum.stop_reason == "evaluation limit"
        assert listener.told == told


def test_a_stage_that_its_iterations_end_is_the_last():
    minimum = lbfgs.minimize(
        stages(valley, valley, max_iter=3), np.ones(6), history_size=10
    )
    assert (minimum.stop_reason, minimum.iterate.n_iter) == ("iteration limit", 3)


def test_a_second_stage_goes_on_with_the_curvature_of_the_first():
    """So it begins with steps that took the first minimisation many iterations."""
    start = np.ones(6)
    alone = lbfgs.minimize(stages(valley, tols=[1e-9]), start, history_size=10)
    both = lbfgs.minimize(stages(valley, valley), start, history_size=10)
    first = lbfgs.minimize(stages(valley, tols=[1e-2]), start, history_size=10)
    # From the end of the first one, without its pairs.
    without = lbfgs.minimize(
        stages(valley, tols=[1e-9]), first.iterate.theta, history_size=10
    )
    second = both.iterate.n_iter - first.iterate.n_iter
    assert second <= without.iterate.n_iter / 2
    assert both.iterate.n_iter <= alone.iterate.n_iter + 2
    assert both.iterate.loss == pytest.approx(1, abs=1e-12)


def test_pairs_are_the_last_steps_and_what_the_gradient_changed_by():
    pairs = deque(maxlen=3)
    theta = minimize(pairs=pairs).iterate.theta
    assert len(pairs) == 3
    for s, y in reversed(pairs):
        assert s @ y > 0
        change = rosen_der(theta) - rosen_der(theta - s)
        assert_allclose(y, change, atol=1e-9 * np.abs(y).max())
        theta = theta - s


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        # The largest derivative is a quarter of the value, or zero.
        ({"tol": 0.25}, "gradient tolerance"),
        ({"tol": 0.2499}, None),
        ({"tol": 0.25, "largest": 7.9}, None),
        ({"tol": 0.25, "largest": 8.1}, "gradient tolerance"),
        # The last ten iterations gained 2, a quarter too.
        ({"loss_tol": 0.25}, None),
        ({"loss_tol": 0.2501}, "loss tolerance"),
        ({"loss_tol": 0.2501, "largest": 7.9}, None),
        ({"max_iter": 13}, None),
        ({"max_iter": 12}, "iteration limit"),
        ({"max_iter": 5}, "iteration limit"),
        # The first reason that holds counts.
        ({"max_iter": 5, "loss_tol": 0.3}, "loss tolerance"),
        ({"loss_tol": 0.3, "tol": 0.3}, "gradient tolerance"),
    ],
)
def test_each_reason_holds_from_its_limit_on(change, reason, sign):
    settings = {"tol": 0.0, "loss_tol": 0.0, "rounding": 0.0}
    settings |= {"max_iter": 99, "max_fun": 99}
    limits = lbfgs.Limits(**(settings | change))
    gradient = np.array([0.5, -2.0, 1.0])
    iterate = lbfgs.Iterate(START, START, sign * 8.0, gradient, 12)
    curve = [99.0, *(sign * 8.0 + np.arange(10, -1, -1) / 5)]
    assert limits.reason(iterate, curve) == reason
    # Fewer than ten iterations have no gain of ten.
    if "loss_tol" in change and len(change) == 1:
        assert limits.reason(iterate, curve[2:]) is None


def test_an_iteration_that_gains_nothing_may_be_rounding():
    limits = lbfgs.Limits(0.0, 0.0, 0.0, 99, 99)
    iterate = lbfgs.Iterate(START, START, 8.0, np.ones(4), 12)
    assert limits.reason(iterate, [8.0], 0.0) == "loss tolerance"
    assert limits.reason(iterate, [8.0], 1e-300) is None
