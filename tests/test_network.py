"""Loss and gradients against the formulas, differences and another autograd."""

import autograd
import autograd.numpy as anp
import literal
import numpy as np
import pytest
import scipy.sparse
from conftest import Problem, assert_gradient
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.arrays import MIN_RELEASED, product
from sklearn_relulogit._model.memory import LARGE_GRADIENT
from sklearn_relulogit._model.network import backward, forward
from sklearn_relulogit._model.parameters import unpack


def assert_literal(p):
    objective = p.objective()
    value, gradient = objective(p.theta)
    layers = unpack(p.theta, p.shapes)
    W, b = [W_T.T for W_T, _ in layers], [b for _, b in layers]
    y = 2 * p.y - 1

    n = len(y)
    assert_allclose(value * n, literal.loss(W, b, p.X, y), rtol=1e-12)
    expected = literal.gradients(W, b, p.X, y)
    for (g_W_T, g_b), (e_W, e_b) in zip(
        unpack(gradient, p.shapes), expected, strict=True
    ):
        assert_allclose(g_W_T.T * n, e_W, rtol=1e-10, atol=1e-12)
        assert_allclose(g_b * n, e_b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_are_the_literal_formulas(hidden, seed):
    assert_literal(Problem(hidden, seed=seed))


@pytest.mark.parametrize("hidden", [(60,), (60, 5), (3, 60, 70)])
def test_so_are_those_of_many_parameters(hidden):
    """Their gradients are computed in another order of memory."""
    p = Problem(hidden, n_features=70, n_samples=9)
    p.theta /= 5  # the literal formula overflows at large logits
    assert len(p.theta) >= LARGE_GRADIENT
    assert_literal(p)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.0, 2.5])
def test_gradient_against_central_differences(hidden, n_classes, alpha):
    p = Problem(hidden, n_classes=n_classes)
    p.s = p.rng.uniform(0, 3, len(p.y))
    objective = p.objective(alpha=alpha)
    _, gradient = objective(p.theta)
    assert_gradient(lambda theta: objective(theta)[0], p.theta, gradient)


def test_the_difference_check_rejects_a_gradient_wrong_by_a_thousandth():
    p = Problem((4, 3))
    objective = p.objective()
    _, gradient = objective(p.theta)
    wrong = gradient.copy()
    wrong[np.abs(gradient).argmax()] *= 1.001
    with pytest.raises(AssertionError):
        assert_gradient(lambda theta: objective(theta)[0], p.theta, wrong)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_gradient_against_autograd(hidden, n_classes):
    p = Problem(hidden, n_classes=n_classes)
    p.s = p.rng.uniform(0, 3, len(p.y))
    alpha = 0.7

    def objective(layers):
        Z = p.X
        for W_T, b in layers[:-1]:
            Z = anp.maximum(Z @ W_T + b, 0.0)
        W_T, b = layers[-1]
        logits = Z @ W_T + b
        if n_classes == 2:
            logits = anp.hstack([anp.zeros_like(logits), logits])
        nll = anp.log(anp.exp(logits).sum(axis=1)) - logits[np.arange(len(p.y)), p.y]
        penalty = alpha / 2 * sum((W_T**2).sum() for W_T, _ in layers)
        return (anp.dot(p.s, nll) + penalty) / p.s.sum()

    expected = autograd.grad(objective)(unpack(p.theta, p.shapes))
    value, gradient = p.objective(alpha=alpha)(p.theta)
    assert_allclose(value, objective(unpack(p.theta, p.shapes)), rtol=1e-12)
    for actual, desired in zip(unpack(gradient, p.shapes), expected, strict=True):
        for a, d in zip(actual, desired, strict=True):
            assert_allclose(a, d, rtol=1e-9, atol=1e-12)


def test_the_derivative_of_relu_at_zero_is_zero():
    """A hidden unit whose input is exactly 0 passes no gradient back."""
    p = Problem((3,), n_samples=6)
    layers = unpack(p.theta, p.shapes)
    layers[0][0][:, 1] = 0
    layers[0][1][1] = 0
    _, gradient = p.objective()(p.theta)
    (grad_W_T, grad_b), (grad_V_T, _) = unpack(gradient, p.shapes)
    assert_array_equal(grad_W_T[:, 1], 0)
    assert grad_b[1] == 0
    assert grad_V_T[1] == 0  # its activation is 0
    assert (grad_b[[0, 2]] != 0).all()

    # Just above zero it passes all of the residual on.
    layers[0][1][1] = 1e-12
    _, gradient = p.objective()(p.theta)
    assert unpack(gradient, p.shapes)[0][1][1] != 0


@pytest.mark.parametrize("sparse", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_sparse_rows_go_through_the_same_functions(hidden, sparse):
    p = Problem(hidden)
    p.X[p.rng.uniform(size=p.X.shape) < 0.6] = 0
    layers = unpack(p.theta, p.shapes)
    results = []
    for X in (p.X, sparse(p.X)):
        out = [np.empty((len(p.y), m)) for _, m in p.shapes]
        activations, logits = forward(layers, X, out=out)
        gradient = np.empty_like(p.theta)
        residual = logits.copy()
        backward(layers, activations, residual, out=unpack(gradient, p.shapes))
        results.append((logits.copy(), gradient))
    assert_allclose(results[1][0], results[0][0], rtol=1e-12)
    assert_allclose(results[1][1], results[0][1], rtol=1e-10, atol=1e-12)


def test_backward_leaves_the_data_and_the_residual_alone():
    p = Problem((4, 3))
    layers = unpack(p.theta, p.shapes)
    X = p.X.copy()
    activations, logits = forward(
        layers, X, out=[np.empty((len(p.y), m)) for _, m in p.shapes]
    )
    residual = logits.copy()
    backward(
        layers, activations, residual, out=unpack(np.empty_like(p.theta), p.shapes)
    )
    assert_array_equal(X, p.X)
    assert_array_equal(residual, logits)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("width", [1, 3, MIN_RELEASED])
@pytest.mark.parametrize("order", ["C", "F", "part"])
def test_products_are_written_to_memory_of_any_order(width, order, dtype):
    """With few numbers and with many, against sums in float64."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 7)).astype(dtype).T
    B = rng.standard_normal((40, width)).astype(dtype)
    out = np.empty((7, width), dtype, order="C" if order == "part" else order)
    if order == "part":
        out = np.empty((9, width), dtype, order="F")[:7]
    expected = (A[:, :, None].astype(float) * B).sum(axis=1)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    assert product(A, B, out=out) is out
    assert_allclose(out, expected, rtol=rtol, atol=rtol)
    with pytest.raises(AssertionError):
        assert_allclose(out, expected * (1 + 3 * rtol) + 3 * rtol, rtol=rtol, atol=rtol)
