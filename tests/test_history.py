"""How many correction pairs a fit keeps by ``history_size="auto"``."""

import numpy as np
import pytest
import scipy.sparse
from conftest import slow
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block, Parts, work_of_row
from sklearn_relulogit._optimize import lbfgs
from sklearn_relulogit._optimize.lbfgs import (
    CALL_WORK,
    FEWEST_PAIRS,
    MORE_ITERATIONS,
    MOST_PAIRS,
    NUMBER_WORK,
    PAIR_WORK,
    history_size_for,
)


@pytest.mark.parametrize("n_parameters", [1, 121, 2201, 10**6])
def test_it_takes_the_least_time(n_parameters):
    """Among all numbers of pairs within the bounds."""
    sizes = np.arange(FEWEST_PAIRS, MOST_PAIRS + 1)
    for work in np.geomspace(1e3, 1e12, 91):
        of_pair = PAIR_WORK + NUMBER_WORK * n_parameters
        seconds = (work + CALL_WORK + of_pair * sizes) * (1 + MORE_ITERATIONS / sizes)
        size = history_size_for(work, n_parameters)
        best = sizes[seconds.argmin()]
        # Halfway between two numbers the lower curve of the time decides.
        assert abs(size - best) <= 1
        assert seconds[size - FEWEST_PAIRS] <= 1.001 * seconds.min()


def test_its_bounds():
    assert history_size_for(1.0, 10**6) == FEWEST_PAIRS == 8
    assert history_size_for(1e12, 10) == MOST_PAIRS == 30
    assert type(history_size_for(1e6, 2201)) is int


def test_work_of_a_row():
    """By hand, for 4 features, 3 units and one output."""
    dense = 6 * (4 * 3 + 3 * 1) + 100 * (3 + 1) + 600
    assert work_of_row([(4, 3), (3, 1)]) == dense
    # Of sparse data the first layer takes 40 for each stored entry and unit.
    sparse = 6 * 3 * 1 + 40 * 1.5 * 3 + 100 * (3 + 1) + 600
    assert work_of_row([(4, 3), (3, 1)], 1.5) == sparse


@pytest.mark.parametrize("non_zeros", [1, 2, 5, 6, 40])
def test_work_does_not_depend_on_their_storage(non_zeros):
    """It is that of the storage that takes less."""
    X = np.zeros((5000, 40))
    X[:, :non_zeros] = 3.0
    shapes = [(40, 100), (100, 1)]
    expected = 5000 * work_of_row(shapes, non_zeros if non_zeros <= 5 else None)
    explicit_zeros = scipy.sparse.csr_array(np.ones((5000, 40)))
    explicit_zeros.data[:] = X.ravel()
    for stored in (X, scipy.sparse.csr_array(X), explicit_zeros):
        parts = Parts.of(Block(stored, np.zeros(5000, int), np.ones(5000)), shapes)
        assert sum(map(len, parts.items)) > 1
        assert parts.work(shapes) == pytest.approx(expected)


@pytest.fixture
def sizes(monkeypatch):
    """The numbers of pairs that scipy is asked to keep, in order."""
    asked = []
    minimize = lbfgs.scipy.optimize.minimize

    def spy(*args, **kwargs):
        asked.append(kwargs["options"]["maxcor"])
        return minimize(*args, **kwargs)

    monkeypatch.setattr(lbfgs.scipy.optimize, "minimize", spy)
    return asked


def data(n_samples, n_features=20):
    return make_classification(n_samples, n_features, flip_y=0.2, random_state=0)


@pytest.mark.parametrize(
    ("n_samples", "width", "expected"), [(60, 100, 8), (1000, 100, 15), (8000, 5, 30)]
)
def test_a_fit_is_that_of_the_number(n_samples, width, expected, sizes):
    X, y = data(n_samples)
    clf = ReLULogisticClassifier((width,), alpha=1.0, random_state=0).fit(X, y)
    assert sizes == [expected]
    same = ReLULogisticClassifier(
        (width,), alpha=1.0, history_size=expected, random_state=0
    ).fit(X, y)
    assert_array_equal(clf.loss_curve_, same.loss_curve_)
    assert_array_equal(clf.coefs_[0], same.coefs_[0])


def test_rows_given_twice_count_once(sizes):
    X, y = data(500)
    weighted = ReLULogisticClassifier(alpha=1.0, random_state=0)
    weighted.fit(X, y, sample_weight=np.full(len(y), 2.0))
    twice = ReLULogisticClassifier(alpha=1.0, random_state=0)
    twice.fit(np.vstack([X, X]), np.hstack([y, y]))
    assert sizes[0] == sizes[1] < 30
    assert_array_equal(weighted.coefs_[0], twice.coefs_[0])


@pytest.mark.parametrize("sparse", [False, True])
def test_fits_of_a_search_keep_fewer(sparse, sizes):
    """They have half of the rows, or four fifths."""
    X, y = data(800)
    X = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0)) if sparse else X
    ReLULogisticClassifier(random_state=0).fit(X, y)
    *of_search, last = sizes
    assert set(of_search) == {of_search[0]}
    # The number grows as the square root of the rows, and is rounded.
    assert of_search[0] == pytest.approx(last / np.sqrt(2), abs=1)
    sizes.clear()
    ReLULogisticClassifierCV(random_state=0, cv=5).fit(X, y)
    *of_search, last = sizes
    assert of_search[0] == pytest.approx(last * np.sqrt(0.8), abs=1)


def test_a_fit_may_have_fewer_iterations_than_pairs(sizes):
    X, y = data(3000)
    clf = ReLULogisticClassifier((5,), alpha=1.0, max_iter=4, random_state=0)
    with pytest.warns(UserWarning, match="iteration limit"):
        clf.fit(X, y)
    assert sizes == [4]


@pytest.mark.parametrize(
    "cls", [ReLULogisticClassifier, slow(ReLULogisticClassifierCV)]
)
@pytest.mark.parametrize("size", ["all", "Auto"])
def test_other_words(cls, size):
    with pytest.raises(ValueError, match="history_size"):
        cls(history_size=size).fit(*data(50))
