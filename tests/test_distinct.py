"""Equal rows are one, in an order that the rows define."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.distinct import (
    distinct_rows,
    first_keys,
    merge_equal_rows,
    row_keys,
    standard_keys,
)
from sklearn_relulogit._rows.statistics import moments_of

MANY = 2**30
CONTAINERS = {
    "dense": np.asarray,
    "csr_array": scipy.sparse.csr_array,
    "csr_matrix": scipy.sparse.csr_matrix,
}
each_container = pytest.mark.parametrize(
    "container", CONTAINERS.values(), ids=list(CONTAINERS)
)


@pytest.fixture
def data():
    """Rows of few values, of which many are equal and some have no weight."""
    rng = np.random.RandomState(0)
    X = rng.randint(-1, 2, (80, 3)) / 4
    y = rng.randint(0, 3, 80)
    # Sums of these depend on their order, in the last digits.
    weights = rng.choice([0.0, 0.1, 0.7, 1 / 3, 1e16], 80)
    return Block(X, y, weights)


def totals_of(X, y, weights):
    """{(features, label): (number of rows, weight)}, without rows of weight zero."""
    total = {}
    for x, label, weight in zip(X, y, weights, strict=True):
        if weight > 0:
            key = (*x, int(label))
            n, before = total.get(key, (0, 0.0))
            total[key] = n + 1, before + weight
    return total


def taken(data, rows):
    return Block(*(array[rows] for array in data))


def assert_same(block, other):
    """The same rows, to the bit and in the same order."""
    for a, b in zip(block, other, strict=True):
        a, b = (m.toarray() if scipy.sparse.issparse(m) else m for m in (a, b))
        assert_array_equal(a, b)


def test_distinct_rows_are_those_of_a_table(data):
    rows, keys, weights = distinct_rows(data, row_keys(data.X))
    expected = totals_of(*data)
    found = totals_of(data.X[rows], data.y[rows], weights)
    assert found.keys() == expected.keys()
    assert len(rows) == len(expected) < (data.sample_weight > 0).sum()
    for key, (n, weight) in found.items():
        assert n == 1
        assert weight == pytest.approx(expected[key][1], rel=1e-12)
    assert_array_equal(keys, row_keys(data.X)[rows])
    order = np.lexsort((data.y[rows], keys))
    assert_array_equal(order, np.arange(len(rows)))


def test_sums_of_weights_are_the_same_bits_in_any_order(data):
    keys = row_keys(data.X)
    rows, _, weights = distinct_rows(data, keys)
    as_they_come = set()
    for seed in range(5):
        order = np.random.RandomState(seed).permutation(80)
        shuffled = taken(data, order)
        rows_there, _, weights_there = distinct_rows(shuffled, keys[order])
        assert_array_equal(weights, weights_there)
        assert_array_equal(data.X[rows], shuffled.X[rows_there])
        as_they_come.add(tuple(sorted(w for _, w in totals_of(*shuffled).values())))
    # Added up otherwise they would differ.
    assert len(as_they_come) > 1


@each_container
def test_merged_rows_do_not_depend_on_how_they_were_given(data, container):
    """Not on their order, nor on repeats in place of weights, nor on absent ones."""
    repeats = np.random.RandomState(1).randint(0, 4, 80)
    base = data._replace(X=container(data.X), sample_weight=repeats * 1.0)
    merged, keys = merge_equal_rows(base, MANY)
    rng = np.random.RandomState(2)
    repeated = rng.permutation(np.repeat(np.arange(80), repeats))
    others = {
        "another order": taken(base, rng.permutation(80)),
        "without weight zero": taken(base, repeats > 0),
        "repeated": taken(base, repeated)._replace(
            sample_weight=np.ones(repeats.sum())
        ),
        "in halves": Block(
            container(np.vstack([data.X, data.X])),
            np.tile(data.y, 2),
            np.tile(repeats / 2, 2),
        ),
    }
    for other in others.values():
        same, keys_there = merge_equal_rows(other, MANY)
        assert_same(same, merged)
        assert_array_equal(keys_there, keys)
    assert (np.diff(keys) >= 0).all()
    X = merged.X.toarray() if scipy.sparse.issparse(merged.X) else merged.X
    assert totals_of(X, *merged[1:]) == {
        key: (1, weight)
        for key, (_, weight) in totals_of(data.X, data.y, repeats * 1.0).items()
    }


@each_container
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_types_are_kept(data, container, dtype):
    weights = np.ones(80, dtype)
    block = Block(container(data.X.astype(dtype)), data.y, weights)
    merged, _ = merge_equal_rows(block, MANY)
    assert merged.X.dtype == merged.sample_weight.dtype == dtype
    assert type(merged.X) is type(block.X)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_limits_count_numbers_of_distinct_rows_and_of_all(container):
    """Of sparse data those that are stored."""
    X = np.tile([[1.0, 0.0], [2.0, 3.0]], (4, 1))
    block = Block(container(X), np.zeros(8, int), np.ones(8))
    # Half a row of eight has so many; all rows twice that of four.
    in_all = 12 if container is scipy.sparse.csr_array else 16
    distinct = in_all // 4
    assert len(merge_equal_rows(block, distinct)[1]) == 2
    same, keys = merge_equal_rows(block, distinct - 1)
    assert same is block
    assert keys is None
    assert merge_equal_rows(block, MANY, in_all)[1] is not None
    assert merge_equal_rows(block, MANY, in_all - 1) == (block, None)


def keys_of(X, weights=None, container=np.asarray):
    weights = np.ones(len(X)) if weights is None else weights
    data = Block(container(X), np.zeros(len(X), int), weights)
    return standard_keys(data, moments_of(data))


@pytest.fixture(params=["normal", "few values", "with constants"])
def X(request):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((50, 4))
    if request.param == "few values":
        X = rng.randint(0, 3, (50, 4)) * 1.0
    if request.param == "with constants":
        X[:, 1], X[:, 2] = 0, 0.1
    return X


@pytest.mark.parametrize(
    "moved",
    [
        lambda X: X + np.array([1, -0.1, 1e3, 1 / 3]),
        lambda X: X * np.array([1e-4, 1e6, 3.0, 0.7]),
        lambda X: X * 0.3 - 1e3,
    ],
    ids=["shifted", "scaled", "both"],
)
@each_container
def test_standard_keys_do_not_change_with_place_or_unit(X, moved, container):
    keys = keys_of(X)
    assert_array_equal(keys_of(moved(X), container=container), keys)
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))
    # A row of other values has another key.
    X = X.copy()
    X[3, 0] += 1
    assert keys_of(X)[3] != keys[3]


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e200, 1e300])
@each_container
def test_standard_keys_of_tiny_and_huge_features_tell_rows_apart(X, factor, container):
    """Their squares underflow or overflow."""
    keys = keys_of(factor * X, container=container)
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))


@each_container
def test_standard_keys_are_those_of_the_rows_that_have_weight(X, container):
    weights = np.random.RandomState(0).randint(0, 3, 50) * 1.0
    repeated = np.repeat(X, weights.astype(int), axis=0)
    keys = keys_of(X, weights, container)
    expected = np.repeat(keys, weights.astype(int))
    assert_array_equal(keys_of(repeated, container=container), expected)
    far = np.where(weights[:, None] > 0, X, 1e6)
    assert_array_equal(keys_of(far, weights, container)[weights > 0], keys[weights > 0])


def test_standard_keys_see_a_ten_thousandth_of_a_deviation():
    x = np.linspace(-2, 2, 200).reshape(-1, 1)
    x[1] = x[0] + 1e-4 * x.std()
    assert len(np.unique(keys_of(x))) == 200
    x[1] = x[0] + 1e-6 * x.std()
    assert len(np.unique(keys_of(x))) == 199


def test_the_first_keys_of_the_classes(X):
    y = np.arange(50) % 3 * 2
    weights = np.where(np.arange(50) < 25, 1.0, 0.0)
    data = Block(X, y, weights)
    keys = standard_keys(data, moments_of(data))
    found = first_keys(data, moments_of(data), 6)
    nothing = np.iinfo(np.int64).max
    expected = [
        min(keys[(y == code) & (weights > 0)], default=nothing) for code in range(6)
    ]
    assert_array_equal(found, expected)
    assert list(found == nothing) == [False, True, False, True, False, True]
    # Of nothing there is no key, and those of parts are merged by their minimum.
    nobody = data._replace(sample_weight=0 * weights)
    assert_array_equal(first_keys(nobody, moments_of(data), 6), [nothing] * 6)
    parts = [
        first_keys(taken(data, slice(i, i + 10)), moments_of(data), 6)
        for i in range(0, 50, 10)
    ]
    assert_array_equal(np.min(parts, axis=0), expected)


def test_the_order_of_classes_is_that_of_the_rows_whatever_their_names(X):
    y = np.random.RandomState(0).randint(0, 4, 50)
    new = np.array([2, 0, 3, 1])
    orders = [
        np.argsort(first_keys(Block(X, codes, np.ones(50)), moments_of(data), 4))
        for codes in (y, new[y])
        for data in [Block(X, y, np.ones(50))]
    ]
    assert_array_equal(new[orders[0]], orders[1])
    assert_array_equal(np.sort(orders[0]), np.arange(4))
