"""The objective as a sum over row blocks."""

import pickle
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from conftest import Problem
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.arrays import Numpy
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._model.objective import Evaluation, Objective
from sklearn_relulogit._model.parameters import layer_shapes, n_parameters


@pytest.mark.parametrize("rows", [1, 5, 22, 23])
def test_blocks_change_nothing_beyond_rounding(hidden, rows):
    p = Problem(hidden, n_classes=3)
    value, gradient = p.objective(alpha=0.3)(p.theta)
    blocked_value, blocked_gradient = p.objective(alpha=0.3, rows=rows)(p.theta)
    assert_allclose(blocked_value, value, rtol=1e-14)
    assert_allclose(blocked_gradient, gradient, rtol=1e-11, atol=1e-14)


def test_any_ordered_map_gives_the_same_bits():
    p = Problem((5, 4))

    def reversed_map(function, blocks):
        return reversed([function(block) for block in reversed(blocks)])

    value, gradient = p.objective(rows=4)(p.theta)
    other_value, other_gradient = p.objective(rows=4, ordered_map=reversed_map)(p.theta)
    assert other_value == value
    assert_array_equal(other_gradient, gradient)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_evaluation_is_the_same_after_pickling(hidden, n_classes, dtype):
    """Evaluations are sent to the processes of a cluster, without their memory."""
    p = Problem(hidden, n_classes=n_classes, n_samples=200)
    p.s = p.rng.uniform(0, 3, len(p.y))
    objective = p.objective(rows=70, dtype=dtype)
    evaluation = objective.evaluation
    objective(p.theta)  # Now it has its arrays.
    pickled = pickle.dumps(evaluation)
    assert len(pickled) < 2000
    sent = pickle.loads(pickled)
    layers = evaluation.layers(p.theta)
    for part in objective.parts.items:
        value, gradient = evaluation.nll_and_gradient(layers, part)
        its_value, its_gradient = sent.nll_and_gradient(sent.layers(p.theta), part)
        assert its_value == value == sent.nll(layers, part)
        assert_array_equal(its_gradient, gradient)
    assert sent.dtype == dtype


def test_a_part_without_rows_adds_nothing(hidden):
    """An empty chunk of a cluster has none."""
    p = Problem(hidden, n_classes=3)
    whole = p.objective(alpha=0.5)
    evaluation = whole.evaluation
    layers = evaluation.layers(p.theta)
    nll, gradient = evaluation.nll_and_gradient(layers, [])
    assert (nll, evaluation.nll(layers, [])) == (0, 0)
    assert_array_equal(gradient, np.zeros(len(p.theta)))
    parts = replace(whole.parts, items=[[], *whole.parts.items, []])
    value, gradient = Objective(parts, p.shapes, 0.5, whole.dtype)(p.theta)
    assert value == whole(p.theta)[0]
    assert_array_equal(gradient, whole(p.theta)[1])


def test_weights_are_repeats():
    p = Problem((4,))
    p.s = p.rng.randint(0, 4, len(p.y)).astype(float)
    weighted = p.objective(alpha=0.5)(p.theta)
    repeats = p.s.astype(int)
    p.X, p.y = np.repeat(p.X, repeats, axis=0), np.repeat(p.y, repeats)
    p.s = np.ones(len(p.y))
    repeated = p.objective(alpha=0.5)(p.theta)
    assert_allclose(weighted[0], repeated[0], rtol=1e-13)
    assert_allclose(weighted[1], repeated[1], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("relevance", [None, [0.5, 1.0, 3.0, 100.0]])
def test_the_penalty_is_that_of_the_weights_alone(relevance):
    """A feature's weights count as if divided by its relevance."""
    p = Problem((3,))
    p.s[:] = 2.0
    plain = p.objective()
    k = None if relevance is None else np.array(relevance)
    penalised = Objective(plain.parts, p.shapes, 4.0, plain.dtype, k)
    factor = np.zeros((4, 3)) + (1 if k is None else k[:, None] ** -2)
    # (4, 3) weights, 3 biases, (3, 1) weights, 1 bias
    counts = np.concatenate([factor.ravel(), np.zeros(3), np.ones(3), [0]])
    n, (value, gradient) = p.s.sum(), penalised(p.theta)
    expected = 4.0 / 2 * (counts @ p.theta**2) / n
    assert penalised.penalty(p.theta) == pytest.approx(expected, rel=1e-12)
    assert_allclose(value - plain(p.theta)[0], expected, rtol=1e-12)
    difference = gradient - plain(p.theta)[1]
    assert_allclose(difference, 4.0 * counts * p.theta / n, rtol=1e-9, atol=1e-16)
    # The arrays may be longer than there are numbers.
    assert penalised.with_alpha(1e300).penalty(1e10 * p.theta) == np.inf
    assert penalised.with_alpha(0.0).penalty(1e10 * p.theta) == 0


def test_float32_evaluates_close_to_float64_and_sums_in_float64(hidden):
    p = Problem(hidden, n_classes=3)
    value, gradient = p.objective(alpha=0.1)(p.theta)
    value_32, gradient_32 = p.objective(alpha=0.1, dtype=np.float32)(p.theta)
    assert gradient_32.dtype == np.float64
    assert_allclose(value_32, value, rtol=1e-5)
    assert_allclose(gradient_32, gradient, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("scale", [1e160, 1e300])
def test_overflow_is_an_error_not_a_nan(scale):
    p = Problem((5,))
    p.X *= scale
    with pytest.raises(FloatingPointError, match="overflows"):
        p.objective()(p.theta)


@pytest.mark.parametrize("scale", [1, 1e300])
def test_the_settings_of_numpy_are_restored(scale):
    """Within a fit, callbacks run between the evaluations."""
    before = np.getbufsize(), np.geterr()
    p = Problem((5,))
    p.X *= scale
    with nullcontext() if scale == 1 else pytest.raises(FloatingPointError):
        p.objective()(p.theta)
    assert (np.getbufsize(), np.geterr()) == before


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("hidden", [(20,), (8, 4), (100,)])
def test_the_memory_of_longer_blocks_changes_no_bit(hidden, dtype):
    """It is used again, in the order in which threads start the blocks."""
    rng = np.random.default_rng(0)
    shapes = layer_shapes(13, hidden, n_classes=2)
    theta = 0.3 * rng.standard_normal(n_parameters(shapes))
    longer, block = (
        Block(rng.standard_normal((n, 13)), np.arange(n) % 2, np.ones(n))
        for n in (205, 200)
    )
    found = []
    for before in ([], [longer]):
        evaluation = Evaluation(
            shapes, np.dtype(dtype), weighted=True, sparse=False, xp=Numpy
        )
        layers = evaluation.layers(theta)
        for other in before:
            evaluation.nll_and_gradient(layers, [other])
        nll, gradient = evaluation.nll_and_gradient(layers, [block])
        found.append((nll, gradient.tolist()))
    assert found[0] == found[1]
