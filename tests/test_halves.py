"""The halves of a data set: what they keep together, and what they do not see."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal

from sklearn_relulogit import _halves
from sklearn_relulogit._blocks import Block
from sklearn_relulogit._halves import halves, row_keys


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.integers(-2, 3, (300, 4)) / 4
    return Block(X, rng.integers(0, 3, 300), np.ones(300))


def side(cut, n):
    """0, 1, 2 (both) or -1 (none) for each row."""
    sides = np.full(n, -1)
    for number, rows in enumerate((cut.first, cut.second, cut.shared)):
        assert (np.diff(rows) > 0).all()
        assert (sides[rows] == -1).all()
        sides[rows] = number
    return sides


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
def test_keys_depend_on_values_alone(data, same, monkeypatch):
    keys = row_keys(data.X)
    monkeypatch.setattr(_halves, "HASHED_NUMBERS", 100)
    assert_array_equal(row_keys(same(data.X)), keys)


def test_each_class_gives_half_of_its_different_rows(data):
    cut = halves(data, 3)
    sides = side(cut, 300)
    assert set(sides) == {0, 1}
    n_different = 0
    for code in range(3):
        counts = [
            len(np.unique(data.X[(data.y == code) & (sides == number)], axis=0))
            for number in (0, 1)
        ]
        assert counts[0] - counts[1] in (0, 1)
        n_different += sum(counts)
    assert cut.n_different == n_different


def test_repeats_stay_together_and_the_order_does_not_matter(data):
    sides = side(halves(data, 3), 300)
    rng = np.random.default_rng(1)
    rows = rng.permutation(np.repeat(np.arange(300), rng.integers(1, 4, 300)))
    repeated = Block(*(array[rows] for array in data))
    assert_array_equal(side(halves(repeated, 3), len(rows)), sides[rows])
    # As weights do.
    weights = np.bincount(rows).astype(float)
    assert_array_equal(
        side(halves(data._replace(sample_weight=weights), 3), 300), sides
    )


def test_rows_without_weight_are_as_good_as_absent(data):
    weights = np.arange(300) % 3.0
    sides = side(halves(data._replace(sample_weight=weights), 3), 300)
    present = weights > 0
    assert (sides[~present] == -1).all()
    rest = Block(*(array[present] for array in data))
    assert_array_equal(side(halves(rest, 3), present.sum()), sides[present])


def test_a_class_with_one_different_row_is_in_both(data):
    y = data.y % 2
    y[:2] = 2
    X = data.X.copy()
    X[1] = X[0]
    sides = side(halves(Block(X, y, data.sample_weight), 3), 300)
    assert_array_equal(sides[:2], [2, 2])
    assert set(sides[2:]) == {0, 1}


def test_of_large_data_a_part(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 10))
    y = (rng.random(20_000) < 0.1).astype(int)
    data = Block(X, y, np.ones(20_000))
    monkeypatch.setattr(_halves, "MAX_NUMBERS", 50_000)
    cut = halves(data, 2)
    sides = side(cut, 20_000)
    assert cut.n_different == (sides >= 0).sum() == pytest.approx(5000, abs=2)
    # Classes in proportion, and no other part for the same rows in another order.
    assert y[sides >= 0].mean() == pytest.approx(y.mean(), rel=0.01)
    assert_array_equal(
        side(halves(Block(*(array[::-1] for array in data)), 2), 20_000), sides[::-1]
    )
