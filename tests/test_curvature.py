"""The root of the L-BFGS inverse Hessian, and minimisations that start from it."""

from collections import deque

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sklearn_relulogit._optimize import lbfgs
from sklearn_relulogit._optimize.curvature import InverseHessianRoot, is_curved


def random_pairs(n, m, seed=0):
    """Pairs of a random positive definite quadratic."""
    rng = np.random.RandomState(seed)
    A = rng.standard_normal((n, n))
    A = A @ A.T + 0.1 * np.eye(n)
    S = rng.standard_normal((m, n))
    return [(s, A @ s) for s in S]


def bfgs_inverse_hessian(pairs):
    """The update formula of the textbooks, in full matrices."""
    s, y = pairs[-1]
    n = len(s)
    H = (s @ y) / (y @ y) * np.eye(n)
    for s, y in pairs:
        rho = 1 / (s @ y)
        V = np.eye(n) - rho * np.outer(y, s)
        H = V.T @ H @ V + rho * np.outer(s, s)
    return H


@pytest.mark.parametrize(("n", "m"), [(3, 1), (6, 4), (10, 10), (5, 12)])
def test_the_root_squares_to_the_inverse_hessian(n, m):
    pairs = random_pairs(n, m)
    root = InverseHessianRoot(pairs)
    J = np.column_stack([root @ e for e in np.eye(n)])
    H = bfgs_inverse_hessian(pairs)
    assert_allclose(J @ J.T, H, rtol=1e-8, atol=1e-8 * np.abs(H).max())
    J_T = np.column_stack([root.transposed(e) for e in np.eye(n)])
    assert_allclose(J_T, J.T, atol=1e-12 * np.abs(J).max())
    # The test notices if one pair is wrong by a thousandth.
    s, y = pairs[0]
    wrong = bfgs_inverse_hessian([(s, 1.001 * y), *pairs[1:]])
    assert np.abs(J @ J.T - wrong).max() > 1e-6 * np.abs(H).max()


def test_products_do_not_change_their_argument():
    root = InverseHessianRoot(random_pairs(4, 3))
    v = np.arange(4.0)
    root @ v
    root.transposed(v)
    assert_array_equal(v, np.arange(4.0))


def test_flat_and_negative_pairs_are_left_out():
    s = np.array([1.0, 0.0])
    assert is_curved(s, np.array([0.1, 5.0]))
    assert not is_curved(s, np.array([0.0, 5.0]))
    assert not is_curved(s, np.array([-0.1, 5.0]))
    assert not is_curved(s, np.zeros(2))


def rosenbrock(theta):
    return rosen(theta), rosen_der(theta)


def minimize(theta, max_iter, pairs):
    limits = lbfgs.Limits(1e-8, 0.0, 0.0, max_iter, 10_000)
    stages = [(rosenbrock, limits)]
    return lbfgs.minimize(stages, theta, history_size=10, pairs=pairs)


def test_one_iteration_at_a_time_is_one_long_minimisation():
    start = np.array([-1.2, 1.0, -0.5, 0.8, 1.3])
    long = minimize(start, 1000, None)
    theta, curve, pairs = start, [], deque(maxlen=10)
    for _ in long.loss_curve:
        minimum = minimize(theta, 1, pairs)
        theta = minimum.iterate.theta
        curve += minimum.loss_curve
    assert_allclose(theta, long.iterate.theta, rtol=1e-4)
    # Rounding grows from iteration to iteration.
    assert_allclose(curve[:30], long.loss_curve[:30], rtol=1e-6)

    # Without the pairs it is steepest descent.
    theta = start
    for _ in long.loss_curve:
        theta = minimize(theta, 1, None).iterate.theta
    assert rosen(theta) > 1e6 * long.iterate.loss


def test_the_start_is_evaluated_once():
    pairs = deque(maxlen=10)
    first = minimize(np.array([-1.2, 1.0]), 3, pairs)
    again = minimize(first.iterate.theta, 1, pairs)
    assert again.n_evaluations == 2
    assert again.loss_curve[0] < first.loss_curve[-1]
