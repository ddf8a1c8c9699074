"""The flat vector and the layers."""

import literal
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.parameters import (
    initial_theta,
    is_weight,
    layer_shapes,
    n_parameters,
    pack,
    reorder_outputs,
    unpack,
)


def test_shapes_follow_the_layers():
    assert layer_shapes(7, (), 2) == [(7, 1)]
    assert layer_shapes(7, (5, 3), 4) == [(7, 5), (5, 3), (3, 4)]
    assert n_parameters([(7, 5), (5, 3), (3, 4)]) == 40 + 18 + 16


def test_pack_and_unpack_are_inverse_and_unpack_gives_views(hidden):
    shapes = layer_shapes(3, hidden, 2)
    theta = np.arange(float(n_parameters(shapes)))
    layers = unpack(theta, shapes)
    assert [W_T.shape for W_T, _ in layers] == shapes
    assert [b.shape for _, b in layers] == [(m,) for _, m in shapes]
    assert_array_equal(pack(layers), theta)
    for W_T, b in layers:
        W_T += 1
        b -= 1
    assert_array_equal(pack(layers), theta)
    assert not np.shares_memory(pack(layers), theta)


def test_initial_weights_are_those_of_he_with_balanced_layers():
    """The variances are 2 / n_l and 1 / n_L, times numbers whose product is 1."""
    shapes = layer_shapes(200, (300, 400), 50)
    layers = unpack(initial_theta(shapes, np.random.RandomState(0)), shapes)
    squares = (2 * 300 * 2 * 400 * 50) ** (1 / 3)
    factors = [squares / 600, squares / 800, squares / 50]
    assert np.prod(factors) == pytest.approx(1, rel=1e-12)
    variances = np.array([2 / 200, 2 / 300, 1 / 400]) * factors
    for (W_T, _), variance in zip(layers, variances, strict=True):
        # Standard error of a variance over k normal numbers: sqrt(2 / k).
        assert_allclose(W_T.var(), variance, rtol=4 * np.sqrt(2 / W_T.size))
        assert_allclose(np.sum(W_T**2), squares, rtol=4 * np.sqrt(2 / W_T.size))


def test_initial_biases_are_half_normal_and_those_of_the_outputs_zero():
    shapes = layer_shapes(2, (300, 200), 2)
    rng = np.random.RandomState(0)
    # Many draws of narrow layers are as informative as one of wide layers, and faster.
    draws = [unpack(initial_theta(shapes, rng), shapes) for _ in range(100)]
    *hidden, outputs = (
        np.array([b for _, b in layer]) for layer in zip(*draws, strict=True)
    )
    assert_array_equal(outputs, 0)
    # Before the layers are balanced they have mean square 1/4.
    squares = (600 * 400) ** (1 / 3)
    share = 1 / 4
    for b, m in zip(hidden, [300, 200], strict=True):
        share *= squares / (2 * m)
        assert b.shape == (100, m)
        assert (b > 0).all()
        assert_allclose(np.mean(b**2), share, rtol=4 * np.sqrt(2 / b.size))


def test_initial_values_keep_the_second_moment_of_activations():
    """The logits do not change: hidden layers get factors with product 1."""
    rng = np.random.RandomState(1)
    shapes = layer_shapes(100, (500, 500, 500), 500)
    Z = rng.standard_normal((1000, 100))
    layers = unpack(initial_theta(shapes, rng), shapes)
    for W_T, _ in layers[:-1]:
        Z = np.maximum(Z @ W_T, 0)
    Z = Z @ layers[-1][0]
    assert np.mean(Z**2) == pytest.approx(1, rel=0.15)


def test_a_convex_problem_starts_at_zero_and_draws_nothing():
    rng = np.random.RandomState(0)
    assert_array_equal(initial_theta([(4, 1)], rng), 0)
    assert rng.randint(1000) == np.random.RandomState(0).randint(1000)


def test_the_mask_of_weights_leaves_the_biases_out(hidden):
    shapes = layer_shapes(3, hidden, 2)
    mask = is_weight(shapes)
    assert mask.sum() == sum(n * m for n, m in shapes)
    for W_T, b in unpack(mask, shapes):
        assert W_T.all()
        assert not b.any()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0]])
def test_outputs_in_another_order_are_those_of_the_same_classes(hidden, order):
    """Class k of the old order is class order[k] of the new one."""
    shapes = layer_shapes(4, hidden, 3)
    rng = np.random.RandomState(0)
    theta = rng.standard_normal(n_parameters(shapes))
    before = theta.copy()
    reordered = reorder_outputs(theta, shapes, np.array(order))
    for x in rng.standard_normal((5, 4)):
        old, new = (
            output_of(parameters, shapes, x) for parameters in (theta, reordered)
        )
        for k in range(3):
            assert new[order[k]] == pytest.approx(old[k], rel=1e-12)
    assert_array_equal(theta, before)
    # And back.
    assert_array_equal(reorder_outputs(reordered, shapes, np.argsort(order)), theta)


def output_of(theta, shapes, x):
    """The network at one sample, by the formulas of the derivation."""
    layers = unpack(theta, shapes)
    return literal.network([W_T.T for W_T, _ in layers], [b for _, b in layers], x)[1]


def test_two_classes_change_the_sign_of_their_output(hidden):
    """One output is the log-odds of class 1, which becomes class 0."""
    shapes = layer_shapes(4, hidden, 2)
    rng = np.random.RandomState(0)
    theta = rng.standard_normal(n_parameters(shapes))
    x = rng.standard_normal(4)
    same, changed = (
        output_of(reorder_outputs(theta, shapes, np.array(order)), shapes, x)
        for order in ([0, 1], [1, 0])
    )
    assert same == output_of(theta, shapes, x) != 0
    assert changed == pytest.approx(-same, rel=1e-12)


@pytest.mark.parametrize(
    "order", [[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [1, 0, 2, 3]]
)
def test_an_order_is_left_alone_only_where_it_is_sorted(order):
    shapes = [(2, 4)]
    theta = np.arange(12.0)
    expected = theta.copy()
    for array, old in zip(
        unpack(expected, shapes)[0], unpack(theta, shapes)[0], strict=True
    ):
        for k, place in enumerate(order):
            array[..., place] = old[..., k]
    assert_array_equal(reorder_outputs(theta, shapes, np.array(order)), expected)
