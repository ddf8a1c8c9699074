"""Coordinates of the optimiser: points, gradients by the chain rule, the first step."""

import literal
import numpy as np
import pytest
from conftest import assert_gradient
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sklearn_relulogit._model.parameters import layer_shapes, n_parameters, unpack
from sklearn_relulogit._optimize.coordinates import (
    Coordinates,
    FeatureScale,
    Scaled,
    StandardFeatures,
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
THETA, A = RNG.standard_normal(N), RNG.standard_normal((N, N))
HESSIAN = A @ A.T + np.eye(N)
PAIRS = [(s, HESSIAN @ s) for s in RNG.standard_normal((3, N))]

COORDINATES = {
    "a number": lambda: Coordinates(THETA),
    "a matrix": lambda: Coordinates(THETA, Dense(A)),
    "a multiple": lambda: Coordinates(THETA, Scaled(-0.3, Dense(A))),
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


def test_a_step_of_length_one_is_the_quasi_newton_step():
    """With as many pairs as parameters it leads to the minimum of a quadratic."""
    pairs = [(e, HESSIAN @ e) for e in np.linalg.eigh(HESSIAN)[1].T]
    gradient = HESSIAN @ (THETA - 3.0)
    coordinates = quasi_newton_coordinates(THETA, gradient, pairs)
    direction = -coordinates.gradient(gradient)
    reached = coordinates.theta(direction / np.linalg.norm(direction))
    assert_allclose(reached, 3.0, rtol=1e-10)


def test_the_first_step_without_pairs_is_short():
    """L-BFGS-B's first trial step has length 1 in u."""
    gradient = rosen_der(THETA)
    coordinates = quasi_newton_coordinates(THETA, gradient, [])
    direction = -coordinates.gradient(gradient)
    reached = coordinates.start + direction / np.linalg.norm(direction)
    step = coordinates.theta(reached) - THETA
    assert_allclose(step, -0.125 * gradient / np.linalg.norm(gradient), rtol=1e-10)


# Centres and units of four features.
CENTRE, UNIT = np.array([0.3, -2.0, 1e3, 0.0]), np.array([0.5, 8.0, 2.0, 0.125])
each_size = pytest.mark.parametrize("size", [1.0, 3.0, 1e-4])


def standard_features(hidden, size, n_outputs=2):
    shapes = layer_shapes(4, hidden, n_outputs)
    return StandardFeatures(CENTRE, UNIT, size, shapes), n_parameters(shapes)


def logits(theta, shapes, X):
    """The network sample by sample, by the formulas of the derivation."""
    layers = unpack(theta, shapes)
    W, b = [W_T.T for W_T, _ in layers], [b for _, b in layers]
    return np.array([literal.network(W, b, x)[1] for x in X])


@each_size
def test_standardised_features_give_the_same_function(hidden, size):
    """The network with parameters u at z = (x - c) / d equals that with T u at x."""
    T, n = standard_features(hidden, size)
    rng = np.random.RandomState(0)
    u = rng.standard_normal(n)
    X = CENTRE + UNIT * rng.standard_normal((7, 4))
    Z = (X - CENTRE) / UNIT
    found, expected = (
        logits(*pair) for pair in [(T @ u, T.shapes, X), (u, T.shapes, Z)]
    )
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    wrong = T @ u
    wrong[-1] += 1e-6
    with pytest.raises(AssertionError):
        assert_allclose(logits(wrong, T.shapes, X), expected, rtol=1e-9, atol=1e-9)


@each_size
def test_the_maps_of_standardised_features_are_those_of_a_matrix(hidden, size):
    """The matrix is built from the formulas of the layers, entry by entry."""
    T, n = standard_features(hidden, size)
    a = size ** (-1 / len(T.shapes))
    matrix, start = np.zeros((n, n)), 0
    for number, (n_in, n_out) in enumerate(T.shapes, start=1):
        for j in range(n_out):
            bias = start + n_in * n_out + j
            matrix[bias, bias] = size * a**number
            for i in range(n_in):
                weight = start + i * n_out + j
                matrix[weight, weight] = size * a / UNIT[i] if number == 1 else a
                if number == 1:
                    matrix[bias, weight] = -CENTRE[i] * size * a / UNIT[i]
        start += (n_in + 1) * n_out
    columns = np.array([T @ e for e in np.eye(n)]).T
    assert_allclose(columns, matrix, rtol=1e-12)
    transposed = np.array([T.transposed(e) for e in np.eye(n)]).T
    assert_allclose(transposed, matrix.T, rtol=1e-12)
    theta = np.random.RandomState(0).standard_normal(n)
    before = theta.copy()
    assert_allclose(matrix @ T.solve(theta), theta, rtol=1e-9, atol=1e-9)
    T.transposed(theta)
    assert_array_equal(theta, before)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_layers_share_the_size_of_the_features(hidden, size):
    """If all features have this size, its root of order -L multiplies all weights.

    So a network with balanced layers stays balanced.
    """
    shapes = layer_shapes(4, hidden, 2)
    T = StandardFeatures(np.zeros(4), np.full(4, size), size, shapes)
    for W_T, _ in unpack(T @ np.ones(n_parameters(shapes)), shapes):
        assert_allclose(W_T, size ** (-1 / len(shapes)), rtol=1e-12)


def scale_of(mean, deviation, reach, hidden=()):
    statistics = [np.array(x, dtype=float) for x in (mean, deviation, reach)]
    shapes = layer_shapes(len(mean), hidden, 2)
    return FeatureScale.of(*statistics, shapes, statistics[2] > 0)


@pytest.mark.parametrize(
    ("mean", "deviation", "reach", "centre", "unit"),
    [
        (3.0, 2.0, 5.0, 3.0, 2.0),
        # One row in 10,000 is 1, the others 0: a tenth of the distance of the 1.
        (1e-4, np.sqrt(1e-4 * (1 - 1e-4)), 1 - 1e-4, 1e-4, 0.1 * (1 - 1e-4)),
        # A small but real variation.
        (1e9, 0.1, 0.2, 1e9, 0.1),
        (0.0, 1e-90, 1e-90, 0.0, 1e-90),
        # Constant.
        (7.0, 0.0, 0.0, 7.0, np.inf),
        (0.0, 0.0, 0.0, 0.0, np.inf),
        # The statistics overflow.
        (np.inf, np.nan, np.nan, 0.0, 1.0),
        (0.0, np.inf, 1e300, 0.0, 1.0),
    ],
)
def test_the_scale_of_a_feature(mean, deviation, reach, centre, unit):
    # Another feature beside it has no influence.
    scale = scale_of([mean, 0.0], [deviation, 4.0], [reach, 4.0])
    assert_allclose(scale.centre, [centre, 0], rtol=1e-12)
    assert_allclose(scale.unit, [unit, 4], rtol=1e-12)
    # The geometric mean of the features that vary.
    size = 4 if np.isinf(unit) else np.sqrt(unit) * 2
    assert scale.size == pytest.approx(size, rel=1e-12)


def test_constant_features_have_no_size_and_no_weights():
    scale = scale_of([0, 5, 0, 0], [1e-4, 0, 0, 9e-4], [2e-4, 0, 0, 9e-4], (3,))
    assert_allclose(scale.unit, [1e-4, np.inf, np.inf, 9e-4], rtol=1e-12)
    assert scale.size == pytest.approx(3e-4, rel=1e-12)
    T = scale.coordinates(0.0, 1.0)
    (W_T, _), _ = unpack(T @ np.ones(n_parameters(scale.shapes)), scale.shapes)
    assert (W_T[[1, 2]] == 0).all()
    assert (W_T[[0, 3]] > 0).all()
    # The bias takes over the weights of a constant.
    theta = np.ones(n_parameters(scale.shapes))
    (_, b), _ = unpack(T @ T.solve(theta), scale.shapes)
    assert_allclose(b, 1 + 5, rtol=1e-12)
    assert scale_of([0, 5], [0, 0], [0, 0]).size == 1


def test_what_rounding_leaves_of_a_constant_is_no_unit():
    """The statistics alone cannot show whether a feature varies."""
    statistics = [np.array([x, x]) for x in (7.0, 1e-15, 2e-15)]
    shapes = layer_shapes(2, (), 2)
    scale = FeatureScale.of(*statistics, shapes, np.array([False, True]))
    assert_array_equal(scale.unit, [np.inf, 1e-15])
    assert_array_equal(scale.varies, [False, True])


def test_outliers_do_not_make_the_unit():
    statistics = (np.array([250.0]), np.array([5e3]), np.array([1e5]))
    shapes, varies = layer_shapes(1, (), 2), np.array([True])
    robust = FeatureScale.of(
        *statistics, shapes, varies, np.array([0.1]), np.array([1.0])
    )
    assert (robust.centre, robust.unit) == (0.1, 10)
    # Quartiles near the deviation, or all equal, change nothing.
    for spread in (1e4, 0.0):
        plain = FeatureScale.of(
            *statistics, shapes, varies, np.array([0.1]), np.array([spread])
        )
        assert (plain.centre, plain.unit) == (250, 1e4)


@pytest.mark.parametrize("alpha", [1e150, 1e300])
@pytest.mark.parametrize("weight_sum", [1e-300, 1.0])
@pytest.mark.parametrize("unit", [1e-90, 1.0, 1e90])
def test_coordinates_under_an_absurd_penalty_are_some(hidden, alpha, weight_sum, unit):
    scale = scale_of([0.0, 0.0], [unit, unit], [unit, unit], hidden)
    T = scale.coordinates(alpha, weight_sum)
    u = np.random.RandomState(0).standard_normal(n_parameters(scale.shapes))
    assert_allclose(T.solve(T @ u), u, rtol=1e-9, atol=1e-9)


def test_coordinates_under_a_penalty_even_out_the_curvature(hidden):
    """On the diagonal (k v^2 d_x^2 + alpha / sum(s)) / d^2 of the first layer.

    v is the product of the later weights times the median unit, and k the share of a
    hidden unit. Without a penalty the units are the features' own. A penalty larger
    than all of them adds the largest one.
    """
    deviations = np.array([0.5, 1e-3])
    most = deviations.max()
    scale = scale_of([0.0, 0.0], deviations, 2 * deviations, hidden)
    L = len(scale.shapes)
    k = 0.05 / scale.shapes[0][1] if hidden else 1
    curvature = k * np.prod([np.median(deviations) ** (-1 / L)] * (L - 1)) ** 2

    def unit(alpha):
        T = scale.coordinates(alpha, weight_sum=10.0)
        (W_T, _), *behind = unpack(T @ np.ones(n_parameters(T.shapes)), T.shapes)
        # The layers share the size of the new units.
        size = np.exp(np.log(W_T[:, 0]).mean()) ** -L
        for W_l_T, _ in behind:
            assert_allclose(W_l_T, size ** (-1 / L), rtol=1e-9)
        return size ** (1 - 1 / L) / W_T[:, 0]

    for alpha in (0.0, 1e-3 * curvature, 9.9 * curvature * most**2):
        diagonal = curvature * deviations**2 + alpha / 10
        assert_allclose(diagonal / unit(alpha) ** 2, curvature, rtol=1e-9)
    assert_allclose(unit(0.0), deviations, rtol=1e-9)
    for alpha in (11 * curvature * most**2, 1e6):
        assert_allclose(unit(alpha), np.hypot(deviations, most), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_a_huge_feature_does_not_change_the_units_of_the_others(alpha):
    """Its own weights are tiny, and the penalty on the others does not change."""
    units = []
    for largest in (1.0, 1e8):
        deviation = [1.0, 1.0, largest, 1.0, 1.0]
        scale = scale_of([0.0] * 5, deviation, deviation, (10,))
        T = scale.coordinates(alpha, weight_sum=2000.0)
        (W_T, _), _ = unpack(T @ np.ones(n_parameters(T.shapes)), T.shapes)
        # Up to a common factor.
        units.append(W_T[2, 0] / W_T[0, 0] * largest)
        assert_allclose(W_T[[1, 3, 4], 0], W_T[0, 0], rtol=1e-12)
    k = 0.05 / 10
    d = np.hypot(1, np.sqrt(alpha / 2000 / k))
    assert_allclose(units, [1, d], rtol=1e-9)
