"""Row blocks and parts, and rows taken from any kind of matrix."""

from itertools import chain

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from sklearn_relulogit._model.arrays import operand
from sklearn_relulogit._model.blocks import (
    BLOCK_NUMBERS,
    MAX_BLOCK_ROWS,
    MAX_PARTS,
    MIN_BLOCK_ROWS,
    Block,
    Parts,
    division,
    features_of,
    row_blocks,
    row_parts,
    rows_of,
)
from sklearn_relulogit._model.parameters import layer_shapes


def lengths(slices):
    return [rows.stop - rows.start for rows in slices]


@pytest.mark.parametrize("n_samples", [1, 500, 501, 1000, 1001, 5000, 100_003])
@pytest.mark.parametrize("hidden", [(), (100,), (2000, 3000)])
def test_parts_and_their_blocks_cover_the_rows_evenly(n_samples, hidden):
    shapes = layer_shapes(20, hidden, 2)
    parts = row_parts(np.empty((n_samples, 20)), shapes)
    blocks = list(chain.from_iterable(parts))
    assert_array_equal(
        np.concatenate([np.arange(n_samples)[rows] for rows in blocks]),
        np.arange(n_samples),
    )
    of_part = [sum(lengths(part)) for part in parts]
    assert max(of_part) - min(of_part) <= 1
    assert len(parts) <= MAX_PARTS
    rows = lengths(blocks)
    assert max(rows) - min(rows) <= 2 + max(rows) // 2
    assert max(rows) <= MAX_BLOCK_ROWS
    width = sum(m for _, m in shapes)
    assert max(rows) <= max(MIN_BLOCK_ROWS, BLOCK_NUMBERS // width)


@pytest.mark.parametrize("hidden", [(), (1,), (100,), (2000, 3000)])
def test_what_is_divided_without_counting_is_one_block(hidden):
    shapes = layer_shapes(20, hidden, 2)
    n_rows = MIN_BLOCK_ROWS // 2
    for non_zeros in (None, 0.01, 20):
        n_parts, block_rows = division(n_rows, shapes, non_zeros)
        assert n_parts == 1
        assert block_rows >= n_rows
    assert row_parts(np.empty((n_rows, 20)), shapes) == [[slice(0, n_rows)]]


def test_small_problems_are_one_part_and_large_ones_many():
    assert len(row_parts(np.empty((500, 20)), layer_shapes(20, (10,), 2))) == 1
    assert len(row_parts(np.empty((10_000, 20)), layer_shapes(20, (100,), 2))) == 8
    assert len(row_parts(np.empty((100_000, 50)), layer_shapes(50, (256,), 2))) == 32


def test_sparse_blocks_are_large_enough_for_their_gradient():
    X = scipy.sparse.random_array((4000, 100), density=0.001, rng=0, format="csr")
    assert row_parts(X, layer_shapes(100, (100,), 2)) == [[slice(0, 4000)]]


@pytest.mark.parametrize("container", [np.array, scipy.sparse.csr_array])
def test_cutting_copies_nothing(container):
    X = container(np.ones((3000, 4)))
    y, s = np.arange(3000), np.ones(3000)
    parts = row_blocks(Block(X, y, s), [(4, 100), (100, 1)])
    blocks = list(chain.from_iterable(parts))
    assert len(blocks) > 1
    for block in blocks:
        data, original = (
            (block.X, X) if container is np.array else (block.X.data, X.data)
        )
        assert np.shares_memory(data, original)
        assert np.shares_memory(block.y, y)
        assert np.shares_memory(block.sample_weight, s)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_small_matrix_is_copied_feature_by_feature(order):
    X = np.array(np.arange(1200.0).reshape(300, 4), order=order)
    y, s = np.arange(300), np.ones(300)
    [[block]] = row_blocks(Block(X, y, s), [(4, 10), (10, 1)])
    assert_array_equal(block.X, X)
    assert block.X.flags.f_contiguous
    assert np.shares_memory(block.X, X) == (order == "F")
    # One block, but more than a few megabytes.
    X = np.empty((600, 2000))
    [[block]] = row_blocks(Block(X, y, s), [(2000, 5), (5, 1)])
    assert np.shares_memory(block.X, X)


def test_a_small_dense_matrix_is_summed_over_beside_a_column_of_ones():
    shapes = [(4, 10), (10, 1)]
    for n_samples, container, expected in [
        (300, np.array, True),
        (300, scipy.sparse.csr_array, False),
        (30_000, np.array, False),  # In several blocks, of which none is a copy.
    ]:
        X = np.arange(4.0 * n_samples).reshape(n_samples, 4)
        y, s = np.zeros(n_samples, int), np.ones(n_samples)
        parts = Parts.of(Block(container(X), y, s), shapes)
        block = parts.items[0][0]
        assert parts.ones == expected
        assert block.X.shape[1] == 4 + expected
        if expected:
            assert_array_equal(block.X[:, 4], 1)
            assert block.X.flags.f_contiguous
        features = features_of(block.X, 4)
        assert_array_equal(
            features if container is np.array else features.toarray(),
            X[: block.X.shape[0]],
        )


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_views_of_sparse_rows_are_the_rows(container):
    X = container(scipy.sparse.random_array((50, 7), density=0.3, rng=0))
    for rows in (slice(0, 50), slice(3, 4), slice(20, 50)):
        view = rows_of(X, rows)
        assert type(view) is container
        assert_array_equal(view.toarray(), X[rows].toarray())


@pytest.mark.parametrize(
    ("X", "copied"),
    [
        (np.arange(60.0).reshape(10, 6), False),
        (np.asfortranarray(np.arange(60.0).reshape(10, 6)), False),
        (np.arange(60.0).reshape(10, 6)[:, ::2], True),
        (np.arange(60.0).reshape(10, 6)[::2], False),
        (np.arange(60.0, dtype=np.float32).reshape(10, 6), True),
    ],
    ids=["C", "F", "strided columns", "strided rows", "float32"],
)
def test_operands_are_copied_only_where_they_must_be(X, copied):
    X.flags.writeable = False
    block = operand(rows_of(X, slice(1, 4)), np.dtype(np.float64))
    assert_array_equal(block, X[1:4])
    assert block.dtype == np.float64
    assert np.shares_memory(block, X) != copied
