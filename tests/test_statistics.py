"""Statistics of the features by numpy: dense and sparse, whole and in parts."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.statistics import (
    absolute_deviations,
    joint_moments,
    largest_values,
    moments_of,
)

CONTAINERS = {
    "dense": np.asarray,
    "F": np.asfortranarray,
    "csr_array": scipy.sparse.csr_array,
    "csr_matrix": scipy.sparse.csr_matrix,
    "float32": lambda X: X.astype(np.float32),
}


def data_of(X, weights, container=np.asarray):
    return Block(container(X), np.zeros(len(X), int), np.asarray(weights, dtype=float))


def assert_moments(moments, X, weights, rtol=1e-12):
    """The moments of the rows with weight, by numpy."""
    X, weights = np.asarray(X, dtype=float), np.asarray(weights, dtype=float)
    rows = X[weights > 0]
    mean = np.average(X, axis=0, weights=weights)
    variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    scale = np.abs(X).max() + 1e-300
    assert moments.weight == pytest.approx(weights.sum(), rel=rtol)
    assert_allclose(moments.mean, mean, rtol=rtol, atol=rtol * scale)
    assert_allclose(moments.variance, variance, rtol=1e2 * rtol, atol=rtol * scale**2)
    assert_array_equal(moments.low, rows.min(axis=0))
    assert_array_equal(moments.high, rows.max(axis=0))
    assert_array_equal(moments.largest, np.abs(rows).max(axis=0))
    assert_allclose(moments.deviation, np.sqrt(moments.variance), rtol=1e-15)
    reach = np.abs(rows - moments.mean).max(axis=0)
    assert_allclose(moments.reach, reach, rtol=1e-12)


@pytest.fixture(params=["positive", "some zero", "all zero but one"])
def weighted(request):
    """Rows with many zeros, some without weight."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 4)) * [1, 10, 0.1, 1] + [0, 5, -3, 0]
    X[rng.uniform(size=X.shape) < 0.6] = 0
    X[:, 3] = 0
    X[:, 1] = np.where(X[:, 1] == 0, 4, X[:, 1])
    # Exact in float32 too.
    X = X.astype(np.float32).astype(float)
    weights = {
        "positive": rng.uniform(0.1, 3, 60),
        "some zero": rng.randint(0, 3, 60) * 1.0,
        "all zero but one": (np.arange(60) == 7) * 2.5,
    }[request.param]
    return X, weights


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=list(CONTAINERS))
def test_moments_are_those_of_numpy(weighted, container):
    X, weights = weighted
    moments = moments_of(data_of(X, weights, container))
    assert_moments(moments, X, weights)
    # The test would notice a wrong row.
    X = X.copy()
    X[7, 0] += 1e-6
    with pytest.raises(AssertionError):
        assert_moments(moments, X, weights)


def test_rows_without_weight_do_not_count_however_large():
    X = np.array([[1.0], [3.0], [1e300], [-1e300]])
    for container in (np.asarray, scipy.sparse.csr_array):
        moments = moments_of(data_of(X, [1, 1, 0, 0], container))
        assert moments[:5] == (2, [2], [1], [1], [3])


def test_one_row():
    X = np.array([[2.0, 0.0, -1.0]])
    for container in CONTAINERS.values():
        moments = moments_of(data_of(X, [3], container))
        assert moments.weight == 3
        for values in (moments.mean, moments.low, moments.high):
            assert_array_equal(values, X[0])
        assert_array_equal(moments.variance, 0)
        assert_array_equal(moments.reach, 0)


@pytest.mark.parametrize("n_rows", [0, 3])
def test_nothing_that_has_weight(n_rows):
    for container in (np.asarray, scipy.sparse.csr_array):
        X = container(np.full((n_rows, 2), 7.0))
        moments = moments_of(Block(X, np.zeros(n_rows, int), np.zeros(n_rows)))
        assert moments.weight == 0
        assert_array_equal(moments[1:5], np.zeros((4, 2)))


@pytest.mark.parametrize("seed", range(10))
def test_sparse_features_without_zeros(seed):
    """A constant has no variance, and a feature far from zero keeps its own."""
    rng = np.random.RandomState(seed)
    X = np.array([np.full(50, 3.0), 1e8 + rng.standard_normal(50), np.zeros(50)]).T
    weights = rng.uniform(0, 1, 50)
    dense, sparse = (
        moments_of(data_of(X, weights, container))
        for container in (np.asarray, scipy.sparse.csr_array)
    )
    assert 0 <= sparse.variance[0] < 1e-25
    assert sparse.variance[1] == pytest.approx(dense.variance[1], rel=1e-6)
    assert sparse.variance[2] == 0


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("shift", [0.0, 1e12])
def test_absolute_deviations_are_those_of_numpy(container, shift, monkeypatch):
    monkeypatch.setattr("sklearn_relulogit._rows.statistics.BLOCK_NUMBERS", 60)
    rng = np.random.RandomState(0)
    X = np.round(8 * rng.standard_normal((40, 3))) + shift
    # One feature with zeros, which are not stored.
    X[::3, 1] = 0
    X = X.astype(container(X).dtype)
    weights = np.where(np.arange(40) % 4 == 1, 0.0, rng.uniform(size=40))
    mean = np.average(X.astype(float), axis=0, weights=weights)
    expected = weights @ np.abs(X - mean)
    part = [
        data_of(X[rows], weights[rows], container)
        for rows in (slice(0, 7), slice(7, 40))
    ]
    assert_allclose(absolute_deviations(mean, part), expected, rtol=1e-10)


def test_values_far_from_zero_keep_their_digits():
    """The mean square less the square of the mean would lose all digits."""
    x = np.random.RandomState(0).standard_normal(1000)
    X = (x + 1e8).reshape(-1, 1)
    moments = moments_of(data_of(X, np.ones(1000)))
    assert moments.deviation[0] == pytest.approx(x.std(), rel=1e-6)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_many_rows_are_taken_in_blocks(container):
    """More numbers than a block has, one of which has no weight at all."""
    rng = np.random.RandomState(0)
    X = rng.randint(0, 3, (300_000, 2)) * 1.0
    weights = np.where(np.arange(300_000) < 140_000, 0, rng.randint(0, 3, 300_000))
    assert_moments(moments_of(data_of(X, weights, container)), X, weights, rtol=1e-9)


@pytest.mark.parametrize("bounds", [[0, 60], [0, 10, 60], [0, 1, 5, 8, 30, 60]])
def test_moments_of_parts_are_those_of_the_whole(weighted, bounds):
    X, weights = weighted
    parts = [moments_of(data_of(X[i:j], weights[i:j])) for i, j in pairwise(bounds)]
    assert_moments(joint_moments(parts), X, weights)
    # Parts of parts too, and empty parts anywhere.
    nothing = moments_of(data_of(np.empty((0, 4)), []))
    several = [nothing, joint_moments(parts[:1]), *parts[1:], nothing]
    assert_moments(joint_moments(several), X, weights)


def test_parts_that_hold_nothing_hold_nothing_together():
    nothing = moments_of(data_of(np.ones((3, 2)), np.zeros(3)))
    assert joint_moments([nothing, nothing]).weight == 0


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.9])
def test_quartiles_are_weighted(container, zeros):
    """As for repeated rows; the distance is a deviation of the normal law."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((400, 3)) + 2
    X[rng.uniform(size=X.shape) < zeros] = 0
    weights = rng.randint(0, 4, 400) * 1.0
    data = data_of(X, weights, container)
    moments = moments_of(data).with_quartiles(data)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    low, middle, high = np.percentile(
        repeated, [25.01, 50.01, 74.99], axis=0, method="inverted_cdf"
    )
    assert_array_equal(moments.middle, middle)
    assert_allclose(moments.spread, (high - low) / 1.349, rtol=1e-12)
    # Of the first thousand rows, in whose order there is nothing.
    normal = data_of(rng.standard_normal((5000, 1)), np.ones(5000), container)
    moments = moments_of(normal).with_quartiles(normal)
    assert moments.spread[0] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_what_varies(container):
    """By more than the rounding of the values."""
    far = 1e9 + np.array([1e-3, 1e-7])
    X = np.array([[0, 1, 1, 1e9, 1e9, 0.1], [0, 1, 1 + 1e-12, *far, 0.1]])
    moments = moments_of(data_of(X, [1, 1], container))
    assert_array_equal(moments.varies, [False, False, True, True, False, False])


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        ((50, 9), True),
        ((50, 10), True),
        ((50, 11), False),
        ((30, 9), True),
        ((29, 9), False),
    ],
)
def test_quartiles_are_of_enough_rows_and_not_too_many_numbers(
    shape, known, monkeypatch
):
    monkeypatch.setattr("sklearn_relulogit._rows.statistics.QUARTILE_NUMBERS", 500)
    X = np.random.RandomState(0).standard_normal(shape)
    data = data_of(X, np.ones(len(X)), np.asarray)
    moments = moments_of(data).with_quartiles(data)
    assert (moments.spread is not None, moments.middle is not None) == (known, known)


def test_the_sizes_of_constants_are_zero():
    """Sums leave only rounding errors of them."""
    X = np.random.RandomState(0).standard_normal((40, 3)) * [1, 3, 0] + 0.1
    data = data_of(X, np.ones(40))
    moments = moments_of(data)
    quartiles = moments.with_quartiles(data)
    assert (len(moments.sizes), len(quartiles.sizes)) == (2, 3)
    deviation, reach, spread = quartiles.sizes
    assert_array_equal(deviation[2], 0)
    for size, expected in [
        (deviation, np.std(X, axis=0)),
        (reach, np.abs(X - X.mean(axis=0)).max(axis=0)),
        (spread, quartiles.spread),
    ]:
        assert size[2] == 0
        assert_allclose(size[:2], expected[:2], rtol=1e-12)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_quartiles_are_of_the_first_thousand_rows(container):
    """As if there were no others."""
    rng = np.random.RandomState(0)
    X, weights = rng.standard_normal((3000, 2)), rng.uniform(0.1, 1, 3000)
    all_rows, first = data_of(X, weights, container), data_of(X[:1000], weights[:1000])
    found = moments_of(all_rows).with_quartiles(all_rows)
    expected = moments_of(first).with_quartiles(first)
    assert_array_equal(found.middle, expected.middle)
    assert_array_equal(found.spread, expected.spread)


@pytest.mark.parametrize("stored", range(0, 101, 5))
def test_quartiles_of_sparse_data_are_those_of_dense_data(stored):
    """Whatever share of the numbers is stored, also in several terms, or is zero."""
    rng = np.random.RandomState(stored)
    X = np.zeros((100, 3))
    X[:stored] = rng.standard_normal((stored, 3)) - [0, 5, -5]
    X = rng.permutation(X)
    half = scipy.sparse.coo_array(X / 2)
    twice = scipy.sparse.csr_array(
        (
            np.tile(half.data, 2),
            (np.tile(half.coords[0], 2), np.tile(half.coords[1], 2)),
        ),
        shape=X.shape,
    )
    weights = np.ones(100)
    expected = moments_of(data_of(X, weights)).with_quartiles(data_of(X, weights))
    for S in (scipy.sparse.csr_array(X), twice):
        data = Block(S, np.zeros(100, int), weights)
        found = moments_of(data).with_quartiles(data)
        assert_allclose(found.middle, expected.middle, rtol=1e-15)
        assert_allclose(found.spread, expected.spread, rtol=1e-15)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("steps", "varies"), [(1, False), (4, False), (5, True)])
def test_a_constant_differs_by_no_more_than_four_roundings(steps, varies, sign):
    X = sign * np.array([[1.0], [1.0 + steps * np.finfo(float).eps]])
    assert moments_of(data_of(X, [1, 1])).varies == [varies]


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=list(CONTAINERS))
def test_the_largest_values_are_absolute(container):
    X = np.array([[1.0, -4.0, 0.0, -2.0], [3.0, 2.0, 0.0, -1.0]])
    assert_array_equal(largest_values(container(X)), [3, 4, 0, 2])


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("n_features", [1, 3, 300, 600])
@pytest.mark.parametrize("n_samples", [2, 341, 342, 1024, 1025, 2051])
def test_narrow_rows_are_taken_several_at_a_time(n_samples, n_features, container):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n_samples, n_features)).astype(np.float32)
    # The last rows, which may be left over, are the extremes.
    X[-1], X[-2] = 100, -100
    for weights in (np.ones(n_samples), rng.uniform(0.5, 2, n_samples)):
        data = data_of(X, weights, container)
        assert_moments(moments_of(data), X, weights)
        mean = rng.standard_normal(n_features)
        expected = weights @ np.abs(X - mean)
        found = absolute_deviations(mean, [data, data])
        assert_allclose(found, 2 * expected, rtol=1e-12)


def test_entries_stored_in_several_terms_count_as_their_sum():
    indices, data = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, -4.0, 1.0])
    X = scipy.sparse.csr_array((data, indices, [0, 3, 3, 4]), shape=(3, 2))
    dense, kept = X.toarray(), X.copy()
    for weights in ([1, 1, 1], [1, 2, 3]):
        block = Block(X, np.zeros(3, int), np.array(weights, dtype=float))
        assert_moments(moments_of(block), dense, weights)
        expected = weights @ np.abs(dense - [0.5, 2])
        assert_allclose(absolute_deviations(np.array([0.5, 2]), [block]), expected)
    # The user's data are unchanged.
    assert_array_equal(X.data, kept.data)
    assert_array_equal(X.indices, kept.indices)
