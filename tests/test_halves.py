"""The halves of a data set: what they keep together, and what they do not see."""

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from conftest import distinct
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.distinct import copy_weight, row_keys
from sklearn_relulogit._search import halves as module
from sklearn_relulogit._search.auto import search_rows
from sklearn_relulogit._search.halves import binomial_quantile, uniforms

ALL = 10**9  # No data set here has more rows.


def halves(data, n_classes, max_rows):
    """The halves of the distinct rows."""
    return module.halves(distinct(data), n_classes, max_rows)


@pytest.fixture
def data():
    """Few different rows, each of one label."""
    rng = np.random.default_rng(0)
    X = rng.integers(-2, 3, (300, 4)) / 4
    y = (row_keys(X) % 3).astype(int)
    return Block(X, y, np.ones(300))


def weight_of(half):
    """{(features, label): total weight} of a block."""
    total = {}
    for x, label, weight in zip(*half, strict=True):
        key = (*x, int(label))
        total[key] = total.get(key, 0) + weight
    return total


def assert_same(cut, other):
    """The same rows and weights in each half, whatever their order."""
    for a, b in zip(
        cut.training + cut.validation, other.training + other.validation, strict=True
    ):
        assert weight_of(a) == pytest.approx(weight_of(b), rel=1e-12)
    assert cut.n_rows == other.n_rows


def test_keys_are_equal_where_rows_are(data):
    _, by_rows = np.unique(data.X, axis=0, return_inverse=True)
    _, by_keys = np.unique(row_keys(data.X), return_inverse=True)
    # The same grouping, whatever its order.
    assert len({*zip(by_rows, by_keys, strict=True)}) == by_rows.max() + 1
    assert by_keys.max() == by_rows.max()


def test_keys_see_the_last_bit_and_the_column():
    X = np.array([[1.0, 2.0], [2.0, 1.0], [np.nextafter(1, 2), 2.0], [1.0, -2.0]])
    assert len(np.unique(row_keys(X))) == 4


@pytest.mark.parametrize(
    "same",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csr_matrix,
        lambda X: X.astype(np.float32),
        np.asfortranarray,
        lambda X: np.where(X == 0, -0.0, X),
        lambda X: np.hstack([X, X])[:, :4],
    ],
    ids=["csr_array", "csr_matrix", "float32", "F", "minus zero", "strided"],
)
def test_keys_depend_on_values_alone(data, same):
    keys = row_keys(data.X)
    # In one piece, and 25 rows at a time.
    for hashed_numbers in (10**6, 100):
        assert_array_equal(row_keys(same(data.X), hashed_numbers), keys)


def test_each_class_gives_half_of_its_different_rows(data):
    cut = halves(data, 3, ALL)
    whole = weight_of(data)
    first, second = (weight_of(half) for half in cut.validation)
    assert not set(first) & set(second)
    assert first | second == whole
    for code in range(3):
        counts = [sum(key[-1] == code for key in half) for half in (first, second)]
        assert abs(counts[0] - counts[1]) <= 1
    assert cut.n_rows == len(whole)
    # Equal rows are one.
    assert [len(half.y) for half in cut.training] == [len(first), len(second)]


def test_the_order_does_not_matter_and_weights_are_repeats(data):
    cut = halves(data, 3, ALL)
    rng = np.random.default_rng(1)
    order = rng.permutation(300)
    assert_same(halves(Block(*(array[order] for array in data)), 3, ALL), cut)
    weights = rng.integers(0, 4, 300)
    rows = rng.permutation(np.repeat(np.arange(300), weights))
    repeated = Block(*(array[rows] for array in data))
    weighted = data._replace(sample_weight=weights.astype(float))
    assert_same(halves(repeated, 3, ALL), halves(weighted, 3, ALL))


@pytest.fixture
def recurring():
    """Two features of three values, seen with both labels; one row that is seen once.

    That is the lightest, so that the others count as often as they are seen.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (2000, 2)).astype(float)
    y = (rng.random(2000) < 0.2 + 0.2 * X[:, 0]).astype(int)
    X[:2], y[:2] = [[7, 0], [7, 0]], [0, 1]
    return Block(X, y, np.ones(2000))


@pytest.mark.parametrize("unit", [0.1, 1.0, 30.0, 1 / 3])
def test_a_copy_has_the_common_divisor_of_the_weights(recurring, unit):
    """So the unit of weights is irrelevant, and counts are counts."""
    cut = halves(recurring._replace(sample_weight=np.full(2000, unit)), 2, ALL)
    assert cut.n_rows == 2000
    counts = np.array([6.0, 9.0, 15.0, 600.0])
    assert copy_weight(unit * counts) == pytest.approx(3 * unit)
    # Of weights without a common divisor it is the smallest, or near the median.
    assert copy_weight(unit * np.array([1, np.pi, np.e])) == pytest.approx(unit)
    few = unit * np.array([1e-12, np.pi, np.e, 3.3, 4.4])
    assert copy_weight(few) == pytest.approx(unit * np.pi / 100, rel=0.1)


def test_copies_of_recurring_rows_are_divided_at_random(recurring):
    cut = halves(recurring, 2, ALL)
    assert cut.n_rows == 2000
    whole = weight_of(recurring)
    first, second = (weight_of(half) for half in cut.validation)
    scores = []
    for key, weight in whole.items():
        assert first.get(key, 0) + second.get(key, 0) == pytest.approx(weight)
        if weight > 1:
            scores.append((first[key] - weight / 2) / np.sqrt(weight / 4))
    # The one copy of a row falls to one side.
    assert len(scores) == len(whole) - 2
    # Standard scores have deviation 1; it would be 0 for an even split.
    assert 0.5 < np.std(scores) < 3
    assert_same(cut, halves(Block(*(array[::-1] for array in recurring)), 2, ALL))


def test_rows_of_one_label_are_not_divided(data):
    """A row that is seen with one label must not be in both halves."""
    weights = np.random.default_rng(0).lognormal(sigma=2, size=300)
    cut = halves(data._replace(sample_weight=weights), 3, ALL)
    first, second = (weight_of(half) for half in cut.validation)
    assert not set(first) & set(second)


def test_the_binomial_quantile_is_that_of_scipy():
    u = np.random.default_rng(0).random(2000)
    for n in (1, 2, 5, 1000):
        heads = binomial_quantile(u, np.full(2000, float(n)))
        assert_allclose(heads, scipy.stats.binom.ppf(u, n, 0.5))


def test_the_numbers_of_the_hashes_are_uniform_and_differ_between_labels():
    keys = row_keys(np.arange(3000.0).reshape(-1, 1))
    numbers = [uniforms(keys, code) for code in range(2)]
    for one in numbers:
        assert scipy.stats.kstest(one, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(numbers)[0, 1]) < 0.05


def test_rows_without_weight_are_as_good_as_absent(data):
    weights = np.arange(300) % 3.0
    cut = halves(data._replace(sample_weight=weights), 3, ALL)
    rest = Block(*(array[weights > 0] for array in data))
    rest = rest._replace(sample_weight=weights[weights > 0])
    assert_same(cut, halves(rest, 3, ALL))


def test_a_class_with_one_different_row_is_in_both(data):
    y = data.y % 2
    y[:2] = 2
    X = data.X.copy()
    X[:2] = 7
    cut = halves(Block(X, y, data.sample_weight), 3, ALL)
    for training, validation in zip(cut.training, cut.validation, strict=True):
        assert weight_of(training)[7, 7, 7, 7, 2] == 2
        assert set(training.y) == {0, 1, 2}
        assert set(validation.y) == {0, 1}


def test_of_large_data_a_part():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 10))
    y = (rng.random(20_000) < 0.1).astype(int)
    data = Block(X, y, np.ones(20_000))
    cut = halves(data, 2, max_rows=5000)
    assert cut.n_rows == pytest.approx(5000, abs=2)
    # Classes in proportion, and no other part for the same rows in another order.
    labels = np.concatenate([half.y for half in cut.training])
    assert labels.mean() == pytest.approx(y.mean(), rel=0.01)
    assert_same(halves(Block(*(array[::-1] for array in data)), 2, max_rows=5000), cut)


@pytest.mark.parametrize(
    ("n_features", "n_rows"), [(10, 10_000), (1000, 4194), (10**6, 2000)]
)
def test_the_search_has_so_many_rows(n_features, n_rows):
    """Ten thousand, or as many as have four million numbers, or two thousand."""
    assert search_rows(n_features) == n_rows


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, np.asfortranarray])
def test_other_containers(data, container):
    cut = halves(data, 3, ALL)
    other = halves(data._replace(X=container(data.X)), 3, ALL)
    for half, same in zip(cut.training, other.training, strict=True):
        X = same.X.toarray() if scipy.sparse.issparse(same.X) else same.X
        assert_array_equal(X, half.X)
        assert_array_equal(same.sample_weight, half.sample_weight)


def test_of_a_rare_class_in_large_data_either_half_has_a_row():
    """Although its part of the rows that are taken is less than one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = (np.arange(2000) < 3).astype(int)
    cut = halves(Block(X, y, np.ones(2000)), 2, max_rows=100)
    assert [np.bincount(half.y)[1] for half in cut.validation] == [1, 1]
    assert cut.n_rows == 102
    with_two = halves(Block(X[1:], y[1:], np.ones(1999)), 2, ALL)
    assert [np.bincount(half.y)[1] for half in with_two.validation] == [1, 1]


def test_a_row_that_weighs_less_than_half_a_copy_is_one_copy(recurring):
    """It falls to one half, whole."""
    weights = np.where(recurring.X[:, 0] == 0, 1e-4, 1.0)
    cut = halves(recurring._replace(sample_weight=weights), 2, ALL)
    first, second = (weight_of(half) for half in cut.validation)
    light = {key for key in {*first, *second} if key[0] == 0}
    assert len(light) == 6
    for key in light:
        several = first.get(key, 0), second.get(key, 0)
        assert np.isfinite(several).all()
        assert sum(several) == pytest.approx(
            1e-4
            * (
                (recurring.X[:, 0] == 0)
                & (recurring.X[:, 1] == key[1])
                & (recurring.y == key[2])
            ).sum()
        )


@pytest.mark.parametrize("max_rows", [10, 99, 300, 301])
def test_each_class_gives_its_part_of_the_rows_that_are_taken(max_rows):
    """Rounded up, and two rows at least; the rows of the smallest keys."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 2)), rng.choice(4, 300, p=[0.7, 0.25, 0.04, 0.01])
    sample = distinct(Block(X, y, np.ones(300)))
    cut = module.halves(sample, 4, max_rows)
    rows = [set(map(tuple, half.X)) for half in cut.validation]
    for code in range(4):
        of_class = np.flatnonzero(sample.block.y == code)
        n = max(2, int(np.ceil(len(of_class) * max_rows / 300)))
        kept = [tuple(x) for x in sample.block.X[of_class[:n]]]
        # One after the other they go to either half.
        for number, x in enumerate(kept):
            assert x in rows[1 - number % 2]
            assert x not in rows[number % 2]
        assert len(kept) == sum((half.y == code).sum() for half in cut.validation)
