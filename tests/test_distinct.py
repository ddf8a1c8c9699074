"""Equal rows are merged, in an order that the rows define."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.distinct import (
    Keyed,
    class_marks,
    merge_equal_rows,
    row_keys,
    smallest_keys,
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
    """Rows of few values; many are equal, and some have no weight."""
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


def test_sums_of_weights_are_the_same_bits_in_any_order(data):
    """So are the sums in a table."""
    merged = merge_equal_rows(data, MANY).block
    expected, found = totals_of(*data), totals_of(*merged)
    assert found.keys() == expected.keys()
    for key, (n, weight) in found.items():
        assert (n, weight) == (1, pytest.approx(expected[key][1], rel=1e-12))
    as_they_come = set()
    for seed in range(5):
        shuffled = taken(data, np.random.RandomState(seed).permutation(80))
        assert_same(merge_equal_rows(shuffled, MANY).block, merged)
        as_they_come.add(tuple(sorted(w for _, w in totals_of(*shuffled).values())))
    # Another order of the sum would differ.
    assert len(as_they_come) > 1


@each_container
def test_merged_rows_do_not_depend_on_how_they_were_given(data, container):
    """Not on their order, nor on repeats in place of weights, nor on absent ones."""
    repeats = np.random.RandomState(1).randint(0, 4, 80)
    base = data._replace(X=container(data.X), sample_weight=repeats * 1.0)
    merged, keys, _ = merge_equal_rows(base, MANY)
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
        same, keys_there, _ = merge_equal_rows(other, MANY)
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
    merged, *_ = merge_equal_rows(block, MANY)
    assert merged.X.dtype == merged.sample_weight.dtype == dtype
    assert type(merged.X) is type(block.X)


def test_entries_that_are_stored_twice_or_out_of_order_are_what_they_are():
    """5 as 2 and 3, in the middle of the row; the data are left as they were."""
    X = scipy.sparse.csr_array(np.array([[1.0, 5.0, 0.0], [0.0, 5.0, 2.0], [1, 5, 0]]))
    other = scipy.sparse.csr_array(
        (
            np.array([2.0, 1.0, 3.0, 2.0, 5.0, 5.0, 1.0]),
            np.array([1, 0, 1, 2, 1, 1, 0]),
            np.array([0, 3, 5, 7]),
        ),
        shape=(3, 3),
    )
    assert_array_equal(other.toarray(), X.toarray())
    stored = other.data.copy()
    labels, weights = np.array([0, 1, 0]), np.ones(3)
    expected, keys, _ = merge_equal_rows(Block(X, labels, weights), MANY)
    found, keys_there, _ = merge_equal_rows(Block(other, labels, weights), MANY)
    assert_same(found, expected)
    assert_array_equal(keys_there, keys)
    assert sorted(found.sample_weight) == [1, 2]
    assert_array_equal(other.data, stored)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_limits_count_numbers_of_distinct_rows_and_of_all(container):
    """Sparse data count their stored entries."""
    X = np.tile([[1.0, 0.0], [2.0, 3.0]], (4, 1))
    block = Block(container(X), np.zeros(8, int), np.ones(8))
    # Half a row of eight has so many; all rows twice that of four.
    in_all = 12 if container is scipy.sparse.csr_array else 16
    distinct = in_all // 4
    assert len(merge_equal_rows(block, distinct)[1]) == 2
    same, keys, _ = merge_equal_rows(block, distinct - 1)
    assert same is block
    assert keys is None
    assert merge_equal_rows(block, MANY, in_all)[1] is not None
    assert merge_equal_rows(block, MANY, in_all - 1) == (block, None, None)


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


@pytest.mark.parametrize("factor", [1e200, 1e300])
@each_container
def test_standard_keys_of_huge_features_tell_rows_apart(X, factor, container):
    """Their squares overflow."""
    keys = keys_of(factor * X, container=container)
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1.0, 1e200, 1e300])
@each_container
def test_keys_of_merged_rows_tell_them_apart(X, factor, container):
    """However small it is, and beside an outlier that makes the others look alike.

    Rows with the same features have one key, whatever their label.
    """
    X = np.vstack([X, X])
    X[3] *= 1e7
    y = np.repeat([0, 1], 50)
    data = Block(container(factor * X), y, np.ones(100))
    merged, keys, _ = merge_equal_rows(data, MANY)
    X = merged.X.toarray() if scipy.sparse.issparse(merged.X) else merged.X
    assert len(np.unique(keys)) == len(np.unique(X, axis=0))
    same = keys[:-1] == keys[1:]
    assert_array_equal(same, (X[:-1] == X[1:]).all(axis=1))
    assert same.sum() > 40 - 30 * (len(keys) < 80)


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


def order_of(X, y, weights):
    marks = class_marks(keys_of(X, weights), y, weights, 5)
    return list(np.argsort(marks)), marks


@pytest.mark.parametrize("every_row_has_every_label", [False, True])
def test_the_rows_define_the_order_of_the_classes(X, every_row_has_every_label):
    """Codes, names of classes and the form of the rows do not matter."""
    rng = np.random.RandomState(0)
    y, weights = rng.randint(0, 4, 50), rng.randint(1, 4, 50) * 1.0
    if every_row_has_every_label:
        X, y = np.repeat(X, 4, axis=0), np.tile(range(4), 50)
        weights = rng.randint(1, 4, 200) * 1.0
    (nobody, *order), marks = order_of(X, y, weights)
    assert nobody == 4
    assert marks[4] == 0
    assert order != [0, 1, 2, 3]
    # They can be told apart, by more than rounding.
    assert np.diff(np.sort(marks)).min() > 1e-3
    new = np.array([2, 0, 3, 1])
    rows = rng.permutation(np.repeat(np.arange(len(y)), weights.astype(int)))
    for other in [
        (X, new[y], weights),
        (X[rows], new[y[rows]], np.ones(len(rows))),
        (X + 3, new[y], 0.1 * weights),
    ]:
        assert order_of(*other)[0][1:] == list(new[order])
    # Of parts, by the moments of all rows, the marks add up.
    data = Block(X, y, weights)
    parts = [taken(data, slice(i, i + 20)) for i in range(0, len(y), 20)]
    total = sum(
        class_marks(standard_keys(part, moments_of(data)), *part[1:], 5)
        for part in parts
    )
    assert_allclose(total, marks, rtol=1e-12)


@each_container
def test_labels_of_the_same_features_are_in_the_order_of_the_classes(X, container):
    """Whatever their names."""
    X, y = container(np.repeat(X, 3, axis=0)), np.tile([0, 1, 2], 50)
    weights = np.random.RandomState(0).randint(1, 4, 150) * 1.0
    new = np.array([1, 2, 0])
    merged, keys, _ = merge_equal_rows(Block(X, y, weights), MANY)
    other, keys_there, _ = merge_equal_rows(Block(X, new[y], weights), MANY)
    assert_array_equal(keys, keys_there)
    assert_same(other, merged._replace(y=new[merged.y]))


@pytest.mark.parametrize("n_rows", [0, 4, 17, 1000])
@pytest.mark.parametrize("n_samples", [1, 3])
@each_container
def test_a_sample_of_the_smallest_keys(data, n_rows, n_samples, container):
    """However the rows are divided, and of each class two at least."""
    X, y, weights = data
    weights = np.where(weights > 1, 2.0, weights)
    keys = row_keys(X)
    samples = [
        Keyed(Block(container(X[i::n_samples]), *of_rows), keys[i::n_samples])
        for i in range(n_samples)
        for of_rows in [(y[i::n_samples], weights[i::n_samples])]
    ]
    nothing = Keyed(Block(container(X[:0]), y[:0], weights[:0]), keys[:0])
    sample = smallest_keys([nothing, *samples], n_rows)
    totals = {}
    for key, x, label, weight in zip(keys, X, y, weights, strict=True):
        if weight > 0:
            old = totals.get((key, label), (0, None))[0]
            totals[key, label] = old + weight, tuple(x)
    ordered = sorted(totals)
    kept = set(ordered[:n_rows])
    for code in range(3):
        kept |= set([row for row in ordered if row[1] == code][:2])
    rows = container(sample.block.X)
    rows = rows.toarray() if scipy.sparse.issparse(rows) else rows
    found = list(zip(sample.keys, sample.block.y, strict=True))
    assert found == sorted(kept)
    for row, x, weight in zip(found, rows, sample.block.sample_weight, strict=True):
        assert totals[row] == (pytest.approx(weight), tuple(x))
    empty = smallest_keys([nothing, nothing], n_rows)
    assert (len(empty.keys), empty.block.X.shape) == (0, (0, 3))


@each_container
@pytest.mark.parametrize("hashed_numbers", [10, 10**6])
def test_the_same_keys_on_any_machine(container, hashed_numbers):
    """In any version of numpy, in pieces and whole; the numbers decide the draws."""
    X = np.array([[0.0, 0, 0], [1, 0, -2.5], [1e5, -0.0, 1 / 3]])
    assert row_keys(container(X), hashed_numbers).tolist() == [
        0,
        -2114993628785361772,
        8756772660629557236,
    ]
    data = Block(container(X), np.array([0, 1, 1]), np.ones(3))
    merged, keys, groups = merge_equal_rows(data, MANY, groups=np.array([7, 7, 3]))
    assert keys.tolist() == [
        4819068424490106004,
        7125041042931891348,
        8918152909343472788,
    ]
    assert groups.tolist() == [1, 1, 0]
    assert_allclose(
        class_marks(keys, *merged[1:], 2),
        [0.0025695991997403134, 1.159870310048703],
        rtol=1e-12,
    )


def test_groups_are_numbered_by_their_rows_and_not_by_their_names():
    """The same rows are told apart by weight and then by name."""
    X = np.array([[5.0], [5.0], [5.0], [8.0], [9.0]])
    weights, y = np.array([3.0, 1.0, 1.0, 9.0, 9.0]), np.zeros(5, int)
    orders = set()
    for ids in ([1, 2, 3, 4, 5], [30, 10, 20, 5, 4], [4, 3, 2, 1, 0]):
        block, _, groups = merge_equal_rows(
            Block(X, y, weights), MANY, groups=np.array(ids)
        )
        assert sorted(groups) == [0, 1, 2, 3, 4]
        heavy, light = (groups[block.sample_weight == weight] for weight in (3, 1))
        assert (heavy > light).all()
        of_value = [groups[block.X[:, 0] == x].min() for x in (5, 8, 9)]
        orders.add(tuple(of_value))
    assert len(orders) == 1
