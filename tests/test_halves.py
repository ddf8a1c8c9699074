"""The halves of a data set: what stays together, and what does not matter."""

import numpy as np
import pytest
import scipy.sparse
from conftest import distinct

from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._search.halves import halves as halves_of

ALL = 10**9  # More rows than any data set here.


def halves(data, max_rows=ALL):
    """The halves of the distinct rows."""
    return halves_of(distinct(data), max_rows)


@pytest.fixture
def data():
    """Few different rows, each with one label."""
    rng = np.random.default_rng(0)
    X = rng.integers(-2, 3, (300, 4)) / 4
    y = (16 * X[:, 0] * X[:, 1] + 4 * X[:, 2]).astype(int) % 3
    return Block(X, y, np.ones(300))


def weight_of(half):
    """{(features, label): total weight} of a block."""
    total = {}
    X = half.X.toarray() if scipy.sparse.issparse(half.X) else half.X
    for x, label, weight in zip(X, half.y, half.sample_weight, strict=True):
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


def test_each_class_gives_half_of_its_different_rows(data):
    cut = halves(data)
    whole = weight_of(data)
    first, second = (weight_of(half) for half in cut.validation)
    assert not set(first) & set(second)
    assert first | second == whole
    for code in range(3):
        counts = [sum(key[-1] == code for key in half) for half in (first, second)]
        assert abs(counts[0] - counts[1]) <= 1
    assert cut.n_rows == len(whole)
    # Equal rows are merged.
    assert [len(half.y) for half in cut.training] == [len(first), len(second)]
    # Each half is validated on the training rows of the other.
    assert [weight_of(half) for half in cut.training] == [second, first]
    # Weights do not split rows.
    weights = np.random.default_rng(0).lognormal(sigma=2, size=300)
    cut = halves(data._replace(sample_weight=weights))
    first, second = (weight_of(half) for half in cut.validation)
    assert not set(first) & set(second)


def test_the_last_bit_and_the_column_make_another_row():
    X = np.array([[1.0, 2.0], [2.0, 1.0], [np.nextafter(1, 2), 2.0], [1.0, -2.0]])
    cut = halves(Block(X[[0, 1, 2, 3, 3]], np.zeros(5, int), np.ones(5)))
    assert cut.n_rows == 4


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
def test_halves_depend_on_values_alone(data, same):
    assert_same(halves(data._replace(X=same(data.X))), halves(data))


def test_the_order_does_not_matter_and_weights_are_repeats(data):
    rng = np.random.default_rng(1)
    order = rng.permutation(300)
    assert_same(halves(Block(*(array[order] for array in data))), halves(data))
    weights = rng.integers(0, 4, 300)
    rows = rng.permutation(np.repeat(np.arange(300), weights))
    repeated = Block(*(array[rows] for array in data))
    weighted = data._replace(sample_weight=weights.astype(float))
    assert_same(halves(repeated), halves(weighted))


@pytest.fixture
def recurring():
    """Two features of three values, with both labels; one row occurs once.

    It has the smallest weight, so the weights of the others are their counts.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (2000, 2)).astype(float)
    y = (rng.random(2000) < 0.2 + 0.2 * X[:, 0]).astype(int)
    X[:2], y[:2] = [[7, 0], [7, 0]], [0, 1]
    return Block(X, y, np.ones(2000))


@pytest.mark.parametrize("unit", [0.1, 1.0, 30.0, 1 / 3])
def test_a_copy_has_the_common_divisor_of_the_weights(recurring, unit):
    """So the unit of weights is irrelevant, and counts are counts."""
    weighted = recurring._replace(sample_weight=np.full(2000, unit))
    assert halves(weighted).n_rows == 2000
    X, y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 1, 0, 1])

    def n_copies(*weights):
        return halves(Block(X, y, unit * np.array(weights))).n_rows

    assert n_copies(6.0, 9.0, 15.0, 600.0) == 210
    # Without a common divisor, it is the smallest weight, or near the median.
    assert n_copies(1.0, np.pi, np.e, 3.3) == 1 + 3 + 3 + 3
    assert n_copies(1e-12, np.pi, np.e, 3.3) == pytest.approx(310, rel=0.1)


def test_copies_of_recurring_rows_are_divided_at_random(recurring):
    cut = halves(recurring)
    assert cut.n_rows == 2000
    whole = weight_of(recurring)
    first, second = (weight_of(half) for half in cut.validation)
    for key, weight in whole.items():
        of_halves = first.get(key, 0), second.get(key, 0)
        assert sum(of_halves) == pytest.approx(weight)
        assert of_halves[0] == pytest.approx(round(of_halves[0]))
    assert_same(cut, halves(Block(*(array[::-1] for array in recurring))))


def test_the_numbers_of_copies_are_binomial():
    X = np.repeat(np.arange(2000.0), 2)[:, None]
    y = np.tile([0, 1], 2000)
    X, y, weights = np.vstack([X, [[-1]], [[-1]]]), np.append(y, y[:2]), np.ones(4002)
    weights[:4000] = 4
    cut = halves(Block(X, y, weights))
    held = {**dict.fromkeys(weight_of(Block(X, y, weights)), 0.0)}
    held |= weight_of(cut.validation[0])
    counts = [[held[x, code] for x in range(2000)] for code in (0, 1)]
    expected = 2000 * np.array([1, 4, 6, 4, 1]) / 16
    for of_class in counts:
        frequencies = np.bincount(np.array(of_class, dtype=int), minlength=5)
        # The squares of five standard scores, four of which are free.
        assert ((frequencies - expected) ** 2 / expected).sum() < 20
    # Each label of a row is divided on its own.
    assert abs(np.corrcoef(counts)[0, 1]) < 0.08


def test_rows_without_weight_are_as_good_as_absent(data):
    weights = np.arange(300) % 3.0
    cut = halves(data._replace(sample_weight=weights))
    rest = Block(*(array[weights > 0] for array in data))
    assert_same(cut, halves(rest._replace(sample_weight=weights[weights > 0])))


def test_a_class_with_one_different_row_is_in_both(data):
    y = data.y % 2
    y[:2] = 2
    X = data.X.copy()
    X[:2] = 7
    cut = halves(Block(X, y, data.sample_weight))
    for training, validation in zip(cut.training, cut.validation, strict=True):
        assert weight_of(training)[7, 7, 7, 7, 2] == 2
        assert set(training.y) == {0, 1, 2}
        assert set(validation.y) == {0, 1}


@pytest.mark.parametrize("max_rows", [10, 99, 300, 301])
def test_each_class_gives_its_part_of_the_rows_that_are_taken(max_rows):
    """Rounded up, and at least two rows; the same ones for any order of the rows."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 2)), rng.choice(4, 300, p=[0.7, 0.25, 0.04, 0.01])
    cut = halves(Block(X, y, np.ones(300)), max_rows)
    for code in range(4):
        n = max(2, int(np.ceil((y == code).sum() * max_rows / 300)))
        n = min(n, (y == code).sum())
        counts = [(half.y == code).sum() for half in cut.validation]
        assert sum(counts) == n
        assert abs(counts[0] - counts[1]) <= 1
    assert cut.n_rows == sum(len(half.y) for half in cut.validation)
    assert_same(halves(Block(X[::-1], y[::-1], np.ones(300)), max_rows), cut)


def test_a_row_that_weighs_less_than_half_a_copy_is_one_copy(recurring):
    """The whole row falls in one half."""
    weights = np.where(recurring.X[:, 0] == 0, 1e-4, 1.0)
    light = recurring._replace(sample_weight=weights)
    whole = weight_of(light)
    first, second = (weight_of(half) for half in halves(light).validation)
    of_light = [key for key in whole if key[0] == 0]
    assert len(of_light) == 6
    for key in of_light:
        assert first.get(key, 0) + second.get(key, 0) == pytest.approx(whole[key])
