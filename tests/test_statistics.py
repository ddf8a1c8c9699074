"""Statistics of the features: by numpy's, dense and sparse, whole and in parts."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.statistics import joint_moments, moments_of

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
    """Those of the rows that have weight, by numpy."""
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
    """Rows of many zeros, and some that have none, with weights."""
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
    # A wrong row would be seen.
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


def test_entries_of_sparse_data_that_are_stored_twice_are_added_up():
    """And zeros that are stored are zeros."""
    X = scipy.sparse.csr_array(
        (
            np.array([1.0, 2.0, 5.0, 0.0, -4.0, 1.0]),
            np.array([0, 0, 1, 1, 1, 0]),
            np.array([0, 3, 5, 6]),
        ),
        shape=(3, 2),
    )
    dense = np.array([[3.0, 5.0], [0.0, -4.0], [1.0, 0.0]])
    assert_array_equal(X.toarray(), dense)
    weights = np.array([1.0, 2.0, 0.5])
    stored = X.data.copy(), X.indices.copy(), X.indptr.copy()
    moments = moments_of(Block(X, np.zeros(3, int), weights))
    mean = weights @ dense / 3.5
    assert_allclose(moments.mean, mean, rtol=1e-12)
    assert_allclose(moments.variance, weights @ (dense - mean) ** 2 / 3.5, rtol=1e-12)
    assert_moments(moments, dense, weights)
    for array, before in zip((X.data, X.indices, X.indptr), stored, strict=True):
        assert_array_equal(array, before)


@pytest.mark.parametrize("seed", range(10))
def test_sparse_features_without_zeros(seed):
    """A constant has no variance, and one that is far from zero its own."""
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


def test_values_far_from_zero_keep_their_digits():
    """The mean square less the square of the mean would have none left."""
    x = np.random.RandomState(0).standard_normal(1000)
    X = (x + 1e8).reshape(-1, 1)
    moments = moments_of(data_of(X, np.ones(1000)))
    assert moments.deviation[0] == pytest.approx(x.std(), rel=1e-6)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_many_rows_are_taken_in_blocks(container):
    """More numbers than a block has, of which one has no weight at all."""
    rng = np.random.RandomState(0)
    X = rng.randint(0, 3, (300_000, 2)) * 1.0
    weights = np.where(np.arange(300_000) < 140_000, 0, rng.randint(0, 3, 300_000))
    assert_moments(moments_of(data_of(X, weights, container)), X, weights, rtol=1e-9)


@pytest.mark.parametrize("bounds", [[0, 60], [0, 10, 60], [0, 1, 5, 8, 30, 60]])
def test_moments_of_parts_are_those_of_the_whole(weighted, bounds):
    X, weights = weighted
    parts = [moments_of(data_of(X[i:j], weights[i:j])) for i, j in pairwise(bounds)]
    assert_moments(joint_moments(parts), X, weights)
    # Parts of parts too, and parts that hold nothing, wherever they are.
    nothing = moments_of(data_of(np.empty((0, 4)), []))
    several = [nothing, joint_moments(parts[:1]), *parts[1:], nothing]
    assert_moments(joint_moments(several), X, weights)


def test_parts_that_hold_nothing_hold_nothing_together():
    nothing = moments_of(data_of(np.ones((3, 2)), np.zeros(3)))
    assert joint_moments([nothing, nothing]).weight == 0


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.9])
def test_quartiles_are_weighted(container, zeros):
    """As of rows that are repeated; the distance is a deviation of the normal law."""
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
    ("shape", "known"), [((50, 9), True), ((50, 11), False), ((29, 9), False)]
)
def test_quartiles_are_of_enough_rows_and_not_too_many_numbers(
    shape, known, monkeypatch
):
    monkeypatch.setattr("sklearn_relulogit._rows.statistics.QUARTILE_NUMBERS", 500)
    X = np.random.RandomState(0).standard_normal(shape)
    data = data_of(X, np.ones(len(X)), np.asarray)
    moments = moments_of(data).with_quartiles(data)
    assert (moments.spread is not None, moments.middle is not None) == (known, known)
