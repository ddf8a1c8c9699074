"""Coordinates of the optimiser: points, gradients by the chain rule, the first step."""

import numpy as np
import pytest
from conftest import assert_gradient
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sklearn_relulogit._optimize.coordinates import (
    Coordinates,
    Product,
    Scaled,
    quasi_newton_coordinates,
)


class Dense:
    """The linear map of a matrix."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __matmul__(self, u):
        return self.matrix @ u

    def transposed(self, g):
        return self.matrix.T @ g


N = 5
RNG = np.random.RandomState(0)
THETA, (A, B) = RNG.standard_normal(N), RNG.standard_normal((2, N, N))
HESSIAN = A @ A.T + np.eye(N)
PAIRS = [(s, HESSIAN @ s) for s in RNG.standard_normal((3, N))]

COORDINATES = {
    "theta itself": lambda: Coordinates(THETA),
    "a matrix": lambda: Coordinates(THETA, Dense(A)),
    "a multiple": lambda: Coordinates(THETA, Scaled(-0.3, Dense(A))),
    "a product": lambda: Coordinates(THETA, Product(Dense(A), Dense(B))),
    "curvature": lambda: quasi_newton_coordinates(THETA, rosen_der(THETA), PAIRS),
    "no pairs": lambda: quasi_newton_coordinates(THETA, rosen_der(THETA), []),
}
each_kind = pytest.mark.parametrize("make", COORDINATES.values(), ids=list(COORDINATES))


@each_kind
def test_they_begin_at_theta(make):
    coordinates = make()
    assert_array_equal(coordinates.theta(coordinates.start), THETA)


@each_kind
def test_the_gradient_is_that_by_differences(make):
    coordinates = make()
    u = coordinates.start + 0.1 * np.random.RandomState(1).standard_normal(N)

    def function(u):
        return rosen(coordinates.theta(u))

    gradient = coordinates.gradient(rosen_der(coordinates.theta(u)))
    assert_gradient(function, u, gradient)
    wrong = gradient.copy()
    wrong[np.abs(gradient).argmax()] *= 1.001
    with pytest.raises(AssertionError):
        assert_gradient(function, u, wrong)


@pytest.mark.parametrize(
    ("T", "matrix"),
    [
        (Scaled(-0.3, Dense(A)), -0.3 * A),
        (Product(Dense(A), Dense(B)), A @ B),
        (Product(Scaled(2.0, Dense(A)), Dense(B)), 2.0 * A @ B),
    ],
    ids=["multiple", "product", "both"],
)
def test_maps_and_their_transposes_are_those_of_the_matrix(T, matrix):
    u = np.random.RandomState(1).standard_normal(N)
    assert_allclose(T @ u, matrix @ u, rtol=1e-12)
    assert_allclose(T.transposed(u), matrix.T @ u, rtol=1e-12)
    assert not np.allclose(T.transposed(u), matrix @ u)


def test_a_step_of_length_one_is_the_quasi_newton_step():
    """With as many pairs as parameters it leads to the minimum of a quadratic."""
    pairs = [(e, HESSIAN @ e) for e in np.linalg.eigh(HESSIAN)[1].T]
    gradient = HESSIAN @ (THETA - 3.0)
    coordinates = quasi_newton_coordinates(THETA, gradient, pairs)
    direction = -coordinates.gradient(gradient)
    reached = coordinates.theta(direction / np.linalg.norm(direction))
    assert_allclose(reached, 3.0, rtol=1e-10)
