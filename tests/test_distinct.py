"""Equal rows are one, in an order that the rows define."""

import struct

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.utils import murmurhash3_32

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows import held
from sklearn_relulogit._rows.distinct import (
    RANK_STEP,
    Keyed,
    class_marks,
    distinct_rows,
    keyed,
    merge_equal_rows,
    mixed,
    number_groups,
    row_keys,
    separate,
    smallest_keys,
    standard_keys,
    uniforms,
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
    """Of sparse data those that are stored."""
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
    """However small, and beside an outlier for which the others are all alike.

    Labels of the same features have one key.
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
    """Not their codes, by their names, nor how the rows are given."""
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
        Keyed(keys[i::n_samples], Block(container(X[i::n_samples]), *of_rows))
        for i in range(n_samples)
        for of_rows in [(y[i::n_samples], weights[i::n_samples])]
    ]
    nothing = Keyed(keys[:0], Block(container(X[:0]), y[:0], weights[:0]))
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
def test_rows_without_weight_have_no_keys(data, container):
    X, y, weights = data
    moments = moments_of(data)
    for zero in (0 * weights, np.where(np.arange(80) < 70, 0, weights)):
        sample = keyed(Block(container(X), y, zero), moments)
        assert len(sample.keys) == sample.block.X.shape[0] == (zero > 0).sum()
        assert_array_equal(sample.block.y, y[zero > 0])


def test_keys_are_changed_only_where_they_stand_for_different_rows():
    """By the order of the exact ones, wherever the rows are."""
    largest = np.iinfo(np.int64).max
    keys = np.array([5, 2, 5, largest, 2, 9, largest, 5])
    exact = np.array([40, 7, 10, 1, 7, 0, 2, 10])
    for seed in range(4):
        order = np.random.RandomState(seed).permutation(8)
        found = np.empty(8, np.int64)
        found[order] = separate(keys[order], exact[order])
        # The first of each key keeps it: all of 2 and 9, of the others some.
        assert_array_equal(found[[1, 2, 3, 4, 5, 7]], keys[[1, 2, 3, 4, 5, 7]])
        # The others go on in steps, as integers of 64 bits.
        assert found[0] == 5 + RANK_STEP
        assert int(found[6]) == signed(int(largest) + int(RANK_STEP))
    assert_array_equal(separate(np.arange(4), np.arange(4)[::-1]), np.arange(4))


# The hashes, written out with Python's integers: the same data have the same halves on
# any machine, and with any version of numpy.

GOLDEN = 0x9E3779B97F4A7C15


def signed(number):
    """The integer of 64 bits with these last bits."""
    return (number + 2**63) % 2**64 - 2**63


def mixed_one(number):
    bits = number * GOLDEN % 2**64
    return (bits ^ bits >> 32) * GOLDEN % 2**64


def hash_of(x):
    if x == 0:
        return 0
    low, high = struct.unpack("<ii", struct.pack("<d", x))
    return murmurhash3_32(low, seed=0) + 2**32 * murmurhash3_32(high, seed=1)


def keys_written_out(X):
    rng = np.random.RandomState(0)
    columns = rng.randint(2**62, size=X.shape[1], dtype=np.int64).tolist()
    return [
        signed(sum(hash_of(x) * (2 * c + 1) for x, c in zip(row, columns, strict=True)))
        for row in X.tolist()
    ]


@each_container
def test_keys_of_rows_are_the_formula_written_out(data, container):
    rng = np.random.RandomState(3)
    X = np.vstack([data.X, 1e5 * rng.standard_normal((40, 3))])
    for hashed_numbers in (10, 10**6):
        found = row_keys(container(X), hashed_numbers)
        assert found.tolist() == keys_written_out(X)
    # Standard ones are those of the standardised values.
    moments = moments_of(Block(X, np.zeros(120, int), np.ones(120)))
    standardised = np.rint((X - moments.mean) * (2**16 / moments.deviation))
    block = Block(container(X), np.zeros(120, int), np.ones(120))
    assert standard_keys(block, moments).tolist() == keys_written_out(standardised)


def test_numbers_of_keys_are_the_formulas_written_out():
    rng = np.random.RandomState(0)
    keys = rng.randint(-(2**63), 2**63 - 1, size=30, dtype=np.int64)
    numbers = [int(key) % 2**64 for key in keys]
    assert mixed(keys.astype(np.uint64)).tolist() == list(map(mixed_one, numbers))
    for code in range(3):
        expected = [mixed_one((key + 2 * code + 1) % 2**64) / 2**64 for key in numbers]
        assert_allclose(uniforms(keys, code), expected, rtol=0, atol=2**-53)
    y, weights = rng.randint(0, 3, 30), rng.uniform(0, 2, 30)
    marks = [weights[y == code] @ uniforms(keys, 0)[y == code] for code in range(4)]
    assert_allclose(class_marks(keys, y, weights, 4), marks, rtol=1e-12)
    # The hash of a group is that of the sum of those of its rows.
    ids = rng.randint(0, 4, 30)
    totals = [
        sum(
            mixed_one((key + 2 * int(label) + 1) % 2**64)
            for key, label, id_ in zip(numbers, y, ids, strict=True)
            if id_ == group
        )
        for group in range(4)
    ]
    order = sorted(range(4), key=lambda group: mixed_one(totals[group] % 2**64))
    found = number_groups(10 * ids, keys, y, weights)
    assert found.tolist() == [order.index(id_) for id_ in ids]


def test_groups_of_the_same_rows_are_told_apart_by_weight_and_then_by_name():
    keys, classes = np.array([5, 5, 5, 8]), np.zeros(4, int)
    for ids in ([1, 2, 3, 4], [30, 10, 20, 4]):
        ids = np.array(ids)
        found = number_groups(ids, keys, classes, np.array([3.0, 1.0, 1.0, 9.0]))
        assert sorted(found) == [0, 1, 2, 3]
        assert found[1] < found[0]
        assert found[2] < found[0]
        assert (found[1] < found[2]) == (ids[1] < ids[2])


def test_large_data_are_hashed_once_in_a_fit(monkeypatch):
    """For the search, for the importances, and to tell why a fit is a constant."""
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS", 10)
    n_hashed = []
    hashed = held.keyed

    def spy(block, *args):
        n_hashed.append(len(block.y))
        return hashed(block, *args)

    monkeypatch.setattr(held, "keyed", spy)
    X, y = load_iris(return_X_y=True)
    clf = ReLULogisticClassifier((5,), random_state=0).fit(X, y)
    assert clf.alpha_losses_ is not None
    assert sum(n_hashed) == len(y)
    # Without hidden layers nothing but the search needs the hashes.
    n_hashed.clear()
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS_LINEAR", 10)
    linear = ReLULogisticClassifier((), alpha=1.0).fit(X, y)
    assert n_hashed == []
    size = np.abs(X - X.mean(axis=0)).mean(axis=0) * np.abs(linear.coef_).mean(axis=0)
    assert_allclose(linear.feature_importances_, size, rtol=1e-10)
    with pytest.raises(AssertionError):
        assert_allclose(linear.feature_importances_, 1.0001 * size, rtol=1e-10)
