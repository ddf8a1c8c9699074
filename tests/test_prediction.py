"""Logits for any number of rows: in blocks, in the precision of rows and layers."""

import numpy as np
import pytest
import scipy.sparse
from conftest import HIDDEN
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.blocks import row_parts
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack
from sklearn_relulogit._model.prediction import (
    for_each_block,
    in_common_precision,
    logits,
)

CONTAINERS = [np.asarray, np.asfortranarray, scipy.sparse.csr_array]


def network(hidden, n_features=4, n_outputs=3, dtype=np.float64):
    shapes = layer_shapes(n_features, hidden, n_outputs)
    rng = np.random.RandomState(0)
    theta = initial_theta(shapes, rng) + 0.1 * rng.standard_normal(
        sum((n + 1) * m for n, m in shapes)
    )
    return [(W_T.astype(dtype), b.astype(dtype)) for W_T, b in unpack(theta, shapes)]


def written_out(layers, X):
    """The activations of all layers, the rows first, and the logits."""
    activations = [X.astype(np.float64)]
    for W_T, b in layers[:-1]:
        activations.append(np.maximum(activations[-1] @ W_T + b, 0))
    W_T, b = layers[-1]
    return activations, activations[-1] @ W_T + b


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n", [1, 7, 20_000])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logits_are_the_formula_for_any_number_of_rows(hidden, n, container, n_outputs):
    layers = network(hidden, n_outputs=n_outputs)
    X = np.random.RandomState(1).standard_normal((n, 4))
    X[X < 0] = 0
    found = logits(layers, container(X))
    assert_allclose(found, written_out(layers, X)[1], rtol=1e-10, atol=1e-12)
    if n > 7:
        parts = row_parts(X, [W_T.shape for W_T, _ in layers])
        assert sum(map(len, parts)) > 1


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n", [5, 150_000])
def test_each_row_is_in_one_block_with_its_activations(container, n):
    layers = network((5, 4))
    X = np.random.RandomState(1).standard_normal((n, 4))
    expected, Z = written_out(layers, X)
    calls, seen = [], np.zeros(n, int)

    def note(rows, activations, block_logits):
        seen[rows] += 1
        for found, whole in zip(activations[1:], expected[1:], strict=True):
            assert_allclose(found, whole[rows], rtol=1e-10, atol=1e-12)
        assert_allclose(block_logits, Z[rows], rtol=1e-10, atol=1e-12)

    def ordered_map(function, items):
        calls.append(len(items))
        return map(function, items)

    for_each_block(note, layers, container(X), ordered_map)
    assert_array_equal(seen, 1)
    # A single block needs no threads.
    assert len(calls) == (n > 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of_layers", [np.float32, np.float64])
def test_the_precision_is_the_better_one(dtype, of_layers):
    for hidden in HIDDEN:
        layers = network(hidden, dtype=of_layers)
        X = np.random.RandomState(1).standard_normal((9, 4)).astype(dtype)
        common = np.result_type(dtype, of_layers)
        for array in np.concatenate(
            [[W_T.dtype, b.dtype] for W_T, b in in_common_precision(layers, X)]
        ):
            assert array == common
        for container in CONTAINERS:
            found = logits(layers, container(X))
            assert found.dtype == common
            rtol = 1e-12 if common == np.float64 else 1e-4
            assert_allclose(found, written_out(layers, X)[1], rtol=rtol, atol=rtol)
