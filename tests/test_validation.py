"""Early stopping and validation data."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._fit import read
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.distinct import Keyed
from sklearn_relulogit._rows.rows import Given
from sklearn_relulogit._rows.split import validation_shares


@pytest.fixture(params=[load_breast_cancer, load_digits], ids=["binary", "multiclass"])
def data(request):
    X, y = request.param(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)


def make(hidden=(10,), **kwargs):
    return ReLULogisticClassifier(
        hidden, **({"random_state": 0, "alpha": 0.01} | kwargs)
    )


def shares_of(keys, y, weights, fraction, seed=0):
    """The validation share of each row; rows with one key have one X."""
    block = Block(np.asarray(keys, float)[:, None], np.asarray(y), np.asarray(weights))
    rng = np.random.RandomState(seed)
    return validation_shares(Keyed(block, np.asarray(keys, np.int64)), fraction, rng)


def test_own_validation_data_stop_the_fit_at_the_best_parameters(data):
    X, X_val, y, y_val = data
    clf = make(early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val)
    curve = clf.validation_loss_curve_
    assert clf.stop_reason_ == "validation loss"
    assert len(curve) == len(clf.loss_curve_) == clf.n_iter_
    best = int(np.argmin(curve))
    assert best < clf.n_iter_ - 1
    # The parameters are those of the best iteration.
    assert_allclose(log_loss(y_val, clf.predict_proba(X_val)), curve[best], rtol=1e-9)
    assert clf.loss_ == clf.loss_curve_[best]
    # The path is that of a fit without validation data.
    plain = make(max_iter=best + 1)
    with pytest.warns(UserWarning, match="iteration limit"):
        plain.fit(X, y)
    assert plain.loss_curve_ == clf.loss_curve_[: best + 1]
    assert_array_equal(plain.predict_proba(X_val), clf.predict_proba(X_val))


def test_patience_counts_iterations_without_a_gain(data):
    X, X_val, y, y_val = data
    clf = make(early_stopping=True, n_iter_no_change=4, tol=1e-3)
    curve = clf.fit(X, y, X_val=X_val, y_val=y_val).validation_loss_curve_
    mark, waited = curve[0], [0]
    for loss in curve[1:]:
        if loss < mark * (1 - 1e-3):
            mark = loss
            waited.append(0)
        else:
            waited.append(waited[-1] + 1)
    assert waited[-1] == 4
    assert max(waited[:-1]) < 4


def test_validation_data_without_early_stopping_are_only_watched(data):
    X, X_val, y, y_val = data
    plain = make(alpha=1.0).fit(X, y)
    watched = make(alpha=1.0).fit(X, y, X_val=X_val, y_val=y_val)
    assert plain.validation_loss_curve_ is None
    assert watched.loss_curve_ == plain.loss_curve_
    assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    assert_allclose(
        watched.validation_loss_curve_[-1],
        log_loss(y_val, watched.predict_proba(X_val)),
        rtol=1e-9,
    )


def test_the_last_validation_loss_is_that_of_the_balanced_network(data):
    """The last change of the output biases belongs to the last iteration."""
    X, X_val, y, y_val = data
    rng = np.random.RandomState(0)
    y = np.where(rng.rand(len(y)) < 0.9, 0, y)  # Rare classes.
    clf = make(alpha=1.0, tol=1e-2).fit(X, y, X_val=X_val, y_val=y_val)
    # The last evaluation was for the balance.
    before = clone(clf).set_params(max_fun=clf.n_evaluations_ - 1)
    before.fit(X, y, X_val=X_val, y_val=y_val)
    assert before.stop_reason_ == clf.stop_reason_
    assert (before.intercepts_[-1] != clf.intercepts_[-1]).any()
    assert before.validation_loss_curve_[:-1] == clf.validation_loss_curve_[:-1]
    for one in (before, clf):
        assert len(one.validation_loss_curve_) == len(one.loss_curve_) == one.n_iter_
        assert_allclose(
            one.validation_loss_curve_[-1],
            log_loss(y_val, one.predict_proba(X_val), labels=one.classes_),
            rtol=1e-9,
        )


def test_a_split_of_the_training_data(data):
    """Each class gives its share of distinct rows, in their own order."""
    X, _, y, _ = data
    settings = {"early_stopping": True, "validation_fraction": 0.25}
    clf = make(alpha=1.0, **settings).fit(X, y)
    assert clf.stop_reason_ == "validation loss"
    rows = read(clf, Given(X, y), reset=True, linear=False, by_groups=True)
    split = rows.split(0.25, np.random.RandomState(0))
    sides = [
        (block.X, clf.classes_[rows.class_order[block.y]], block.sample_weight)
        for block in (split.training.block, split.validation)
    ]
    # Each row is on one side, with its label.
    given, found = (
        {(*x, label) for x, label in zip(rows, labels, strict=True)}
        for rows, labels in [
            (X, y),
            [np.concatenate(a) for a in zip(*sides, strict=True)][:2],
        ]
    )
    assert found == given
    assert len(sides[0][1]) + len(sides[1][1]) == len(given)
    for label in clf.classes_:
        n = sum(key[-1] == label for key in given)
        assert abs((sides[1][1] == label).sum() - 0.25 * n) <= 0.5
    # The losses come from these rows.
    means = [
        log_loss(labels, clf.predict_proba(rows), sample_weight=weights)
        for rows, labels, weights in sides
    ]
    assert_allclose(min(clf.validation_loss_curve_), means[1], rtol=1e-9)
    total = sides[0][2].sum()
    penalty = sum((W**2).sum() for W in clf.coefs_) / 2 / total
    assert_allclose(clf.loss_, means[0] + penalty, rtol=1e-9)


def test_weights_of_validation_data(data):
    X, X_val, y, y_val = data
    s = np.random.RandomState(0).randint(0, 3, len(y_val))
    class_weight = {0: 2.0, 1: 1.0} if len(np.unique(y)) == 2 else None
    kwargs = {"alpha": 1.0, "class_weight": class_weight}
    weighted = make(**kwargs).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)
    total = s * (1.0 + (y_val == 0) if class_weight else 1.0)
    assert_allclose(
        weighted.validation_loss_curve_[-1],
        log_loss(y_val, weighted.predict_proba(X_val), sample_weight=total),
        rtol=1e-9,
    )


def test_early_stopping_ends_by_a_tolerance_too():
    """The best parameters are kept even if the validation loss still falls."""
    X, y = load_iris(return_X_y=True)
    clf = make((), alpha=10.0, early_stopping=True, n_iter_no_change=np.inf).fit(X, y)
    assert clf.stop_reason_ == "gradient tolerance"
    best = int(np.argmin(clf.validation_loss_curve_))
    assert clf.loss_ == clf.loss_curve_[best]


def test_a_fit_without_an_iteration_has_an_empty_curve():
    X, y = load_iris(return_X_y=True)
    clf = make((), tol=10.0, early_stopping=True).fit(X, y)
    assert clf.n_iter_ == 0
    assert clf.validation_loss_curve_ == clf.loss_curve_ == []
    assert_array_equal(clf.restart_losses_, [clf.loss_])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_and_float32(dtype):
    X, y = load_iris(return_X_y=True)
    dense, sparse = X.astype(dtype), scipy.sparse.csr_array(X.astype(dtype))
    expected = make(early_stopping=True).fit(X, y).validation_loss_curve_
    clf = make(early_stopping=True).fit(sparse, y)
    assert clf.coefs_[0].dtype == dtype
    # Except for rounding, which grows from iteration to iteration.
    rtol = 1e-10 if dtype == np.float64 else 1e-2
    assert_allclose(clf.validation_loss_curve_[:10], expected[:10], rtol=rtol)
    expected = make().fit(X, y, X_val=X[:90], y_val=y[:90]).validation_loss_curve_
    for X_val in (dense[:90], sparse[:90], X[:90]):
        clf.set_params(early_stopping=False).fit(sparse, y, X_val=X_val, y_val=y[:90])
        assert clf.coefs_[0].dtype == dtype
        assert_allclose(clf.validation_loss_curve_[:10], expected[:10], rtol=rtol)


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        # Each class gives its share, to the nearest number (the lower of two),
        ((50, 30, 7), 0.1, (5, 3, 1)),
        ((50, 30, 7), 0.5, (25, 15, 3)),
        # but at least one row,
        ((50, 30, 7), 0.01, (1, 1, 1)),
        ((2, 2), 0.1, (1, 1)),
        # and not all of them,
        ((50, 30, 7), 0.99, (49, 29, 6)),
        ((2, 2), 0.99, (1, 1)),
        # and a single row gives nothing.
        ((1, 5), 0.1, (0, 1)),
        ((1, 5), 0.5, (0, 2)),
        ((1, 5), 0.99, (0, 4)),
        ((1, 1, 2), 0.5, (0, 0, 1)),
    ],
)
def test_the_split_is_stratified(counts, fraction, expected):
    y = np.random.RandomState(0).permutation(np.repeat(np.arange(len(counts)), counts))
    shares = shares_of(np.arange(len(y)), y, np.ones(len(y)), fraction, seed=1)
    assert {*shares} == {0, 1}
    assert_array_equal(np.bincount(y[shares == 1], minlength=len(counts)), expected)


def test_errors():
    X, y = load_iris(return_X_y=True)
    clf = make()
    with pytest.raises(ValueError, match="X_val was passed to fit without y_val"):
        clf.fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="y_val was passed to fit without X_val"):
        clf.fit(X, y, y_val=y)
    with pytest.raises(ValueError, match="sample_weight_val was passed to fit without"):
        clf.fit(X, y, sample_weight_val=np.ones(150))
    with pytest.raises(ValueError, match="X_val is not valid: X has 3 features"):
        clf.fit(X, y, X_val=X[:, :3], y_val=y)
    with pytest.raises(ValueError, match="X_val is not valid: Input X contains NaN"):
        clf.fit(X, y, X_val=X * np.nan, y_val=y)
    with pytest.raises(ValueError, match="X_val and y_val differ in length: 150 and 9"):
        clf.fit(X, y, X_val=X, y_val=y[:9])
    with pytest.raises(
        ValueError, match=r"classes that y does not: \[3\].*\[0, 1, 2\]"
    ):
        clf.fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match="Negative values in sample_weight_val"):
        clf.fit(X, y, X_val=X, y_val=y, sample_weight_val=-np.ones(150))
    with pytest.raises(
        ValueError, match="all 3 distinct samples are of different classes"
    ):
        make(early_stopping=True).fit(X[::50], y[::50])
    with pytest.raises(ValueError, match="loss on the validation data overflows"):
        clf.fit(X, y, X_val=X * 1e307, y_val=y)
    assert not hasattr(clf, "n_features_in_")


def test_rows_of_weight_zero_are_no_rows_to_split():
    """A class with one row that counts gives none to the validation data."""
    X, y = np.arange(6.0)[:, None], np.repeat([0, 1], 3)
    weights = np.array([1.0, 0, 0, 0, 0, 1])
    clf = make((3,), early_stopping=True, random_state=3)
    with pytest.raises(ValueError, match="all 2 distinct samples are of different"):
        clf.fit(X, y, weights)
    weights[[1, 4]] = 1
    kept = weights > 0
    clf.fit(X, y, weights)
    without = make((3,), early_stopping=True, random_state=3).fit(X[kept], y[kept])
    assert_array_equal(clf.predict_proba(X), without.predict_proba(X))


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_weight_zero_are_no_rows_to_split_beyond_the_distinct(
    seed, monkeypatch
):
    """Also if there are too many rows to look for distinct ones."""
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS", 10)
    X = np.random.RandomState(0).standard_normal((40, 2))
    y, weights = np.arange(40) % 2, np.where(np.arange(40) < 8, 1.0, 0.0)
    # With a weak penalty, kinks would enlarge rounding errors.
    clf = make((3,), alpha=1.0, early_stopping=True, random_state=seed)
    without = clone(clf).fit(X[:8], y[:8])
    clf.fit(X, y, weights)
    assert_allclose(clf.predict_proba(X), without.predict_proba(X), rtol=1e-6)
    assert_allclose(clf.validation_loss_curve_, without.validation_loss_curve_)


# Five iterations are enough for these tests.
@pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit")
def test_bagging_of_few_rows_splits_each_of_its_fits():
    """It passes rows on with weights, most of which are zero."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    base = make((3,), early_stopping=True, max_iter=5)
    bags = BaggingClassifier(base, n_estimators=5, max_samples=8, random_state=0)
    assert bags.fit(X, y).score(X, y) > 0.7


def told_of(X, X_val, **kwargs):
    """The warnings of a fit with other validation data."""
    y, y_val = (np.arange(data.shape[0]) % 2 for data in (X, X_val))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make((), alpha=1.0, **kwargs).fit(X, y, X_val=X_val, y_val=y_val)
    return "".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize("container", [np.array, scipy.sparse.csr_array, pd.DataFrame])
def test_validation_data_that_are_not_scaled_as_the_training_data(container):
    rng = np.random.RandomState(0)
    X, X_val = rng.standard_normal((200, 4)), rng.standard_normal((50, 4))
    told = r"Scale X_val in the same way as X: .* feature 2 is 0.95 in X"
    for factor in (1000, 15, 1 / 15):
        other = X_val * np.array([1, 1, factor, 1])
        assert re.search(told, told_of(container(X), container(other)))
    for factor in (1, 7, 1 / 7):
        other = X_val * np.array([1, 1, factor, 1])
        assert not told_of(container(X), container(other))
    # Locations, constants and few rows cause no warning.
    assert not told_of(container(X), container(X_val + 2))
    assert not told_of(container(X), container(X_val * np.array([1, 1, 0, 1])))
    assert not told_of(container(X), container(X_val[:9] * 1000))


def test_rare_values_and_outliers_are_not_another_unit():
    rng = np.random.RandomState(0)
    X, X_val = rng.standard_normal((5000, 3)), rng.standard_normal((40, 3))
    X[:, 1], X_val[:, 1] = 0, 0
    # An indicator of one row, whose standard deviations differ by 11,
    X[7, 1] = X_val[5, 1] = 1
    assert X_val[:, 1].std() > 10 * X[:, 1].std()
    # and one of 5000 rows that is far from all others.
    X[9, 2] = 5000
    assert X[:, 2].std() > 10 * X_val[:, 2].std()
    told = told_of(X, X_val)
    assert "X_val" not in told
    assert "X_val" in told_of(X, X_val * 100)


def test_copies_of_a_row_are_divided_one_by_one():
    """If the same features have two labels, each copy is drawn: 1000 of each."""
    # Another row has another weight, so that a copy weighs one.
    keys, y, weights = [0, 0, 1, 2], [0, 1, 0, 1], [1000.0, 1000, 1, 1]
    copies = shares_of(keys, y, weights, 0.1)[:2] * 1000
    assert_allclose(copies, np.rint(copies), atol=1e-9)
    assert (np.abs(copies - 100) < 4 * np.sqrt(90)).all()
    assert copies[0] != copies[1]


@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_class_of_recurring_rows_keeps_one_to_train_on(fraction):
    """Its copies are drawn one by one, and sometimes all of them."""
    # One copy of each of two classes with the same features, and a third class.
    keys, y = [3, 3, 1, 2, 4, 5], np.array([0, 1, 2, 2, 2, 2])
    for seed in range(30):
        shares = shares_of(keys, y, np.ones(6), fraction, seed)
        assert_array_equal(shares[:2], 0)
        assert shares[2:].sum() == (2 if fraction == 0.5 else 3)
    # Of two copies of a class, on different rows, one or both.
    keys, y = [3, 3, 6, 6, 1, 2], np.array([0, 1, 0, 1, 2, 2])
    seen = set()
    for seed in range(30):
        shares = shares_of(keys, y, np.ones(6), fraction, seed)
        assert {*shares} <= {0, 1}
        seen |= {(*shares[y == code],) for code in (0, 1)}
    assert {(0, 1), (1, 0)} <= seen
    assert (1, 1) not in seen
    # A row that weighs less than half a copy counts as one.
    shares = shares_of(keys, y, [1, 1, 1e-4, 1e-4, 1, 1], fraction)
    assert {*shares[2:4]} <= {0, 1}
    assert_allclose(100 * shares, np.rint(100 * shares), atol=1e-9)
    # If all are drawn, the first is trained on.
    shares = shares_of(keys, y, np.ones(6), 1 - 1e-12)
    assert_array_equal(shares[:4], [0, 0, 1, 1])


def test_rows_that_do_not_recur_are_whole_whatever_they_weigh():
    keys, y = np.arange(60), np.arange(60) % 2 + (np.arange(60) < 9)
    weights = np.random.RandomState(0).uniform(0.1, 5, 60)
    shares = shares_of(keys, y, weights, 0.2, seed=1)
    assert {*shares} == {0, 1}
    assert_array_equal(np.bincount(y[shares == 1]), np.rint(0.2 * np.bincount(y)))
    assert_array_equal(shares, shares_of(keys, y, np.ones(60), 0.2, seed=1))
    assert (shares != shares_of(keys, y, weights, 0.2, seed=2)).any()


@pytest.mark.parametrize("n_groups", range(3, 40))
def test_of_equal_groups_the_nearest_number_is_validated_on(n_groups):
    y = np.tile([0, 1, 1], n_groups)
    groups = np.repeat(np.arange(n_groups), 3)
    rows = Keyed(Block(np.zeros((len(y), 1)), y, np.ones(len(y))), None, groups)
    shares = validation_shares(rows, 0.13, np.random.RandomState(0))
    of_groups = shares.reshape(n_groups, 3)
    assert_array_equal(of_groups, of_groups[:, :1] * np.ones(3))
    assert of_groups[:, 0].sum() == max(round(0.13 * n_groups), 1)
