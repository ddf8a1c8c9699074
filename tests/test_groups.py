"""Rows in groups, which stay whole in searches and splits."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from conftest import assert_same_fit, distinct, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._search.halves import halves


def make(**kwargs):
    return ReLULogisticClassifier((8,), random_state=0, **kwargs)


@pytest.fixture
def grouped():
    """Rows of two classes in 40 groups of 1 to 12 rows; the features name the group."""
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), rng.randint(1, 13, 40))
    X = np.column_stack([groups, rng.standard_normal((len(groups), 3))])
    y = (X[:, 1] + rng.standard_normal(len(groups)) > 0).astype(int)
    return X, y, groups


# The halves of a search.


def divided(X, y, groups, weights=None, max_rows=10**9):
    weights = np.ones(len(y)) if weights is None else weights
    groups = None if groups is None else groups.astype(np.int64)
    return halves(distinct(Block(X, y, weights), groups), max_rows)


def sets_of(blocks):
    return [
        {(*x, label) for x, label in zip(*block[:2], strict=True)} for block in blocks
    ]


def groups_of(cut):
    """The first feature of the rows in each half."""
    return [{*half.X[:, 0]} for half in cut.training]


def test_groups_are_whole_and_halves_are_halves(grouped):
    X, y, groups = grouped
    cut = divided(X, y, groups)
    first, second = groups_of(cut)
    assert not first & second
    assert first | second == {*groups}
    assert cut.n_rows == len(y)
    for code in (0, 1):
        counts = [(half.y == code).sum() for half in cut.training]
        # Sums over groups of up to 12 rows differ by at most one group.
        assert abs(counts[0] - counts[1]) < 12
    assert sets_of(cut.training) == sets_of(cut.validation[::-1])
    # Without groups, groups do not stay whole.
    first, second = groups_of(divided(X, y, None))
    assert first & second
    # The unit of the weights does not matter.
    weights = np.random.RandomState(2).rand(len(y))
    cut, other = (divided(X, y, groups, c * weights) for c in (1.0, 1 / 3))
    assert sets_of(cut.training) == sets_of(other.training)


@pytest.mark.parametrize("seed", range(8))
def test_the_division_is_nearly_the_best_of_all(seed):
    """With 12 groups, compared with every possible division."""
    rng = np.random.RandomState(seed)
    counts = rng.randint(0, 9, (12, 2))
    shares = counts / counts.sum(axis=0)
    every = np.array([[(i >> k) & 1 for k in range(12)] for i in range(2**12)])
    every = (((2 * every - 1) @ shares) ** 2).sum(axis=1)
    groups = np.repeat(np.arange(12), counts.sum(axis=1))
    y = np.concatenate([np.repeat([0, 1], of_group) for of_group in counts])
    cut = divided(np.arange(len(y))[:, None] * 1.0, y, groups)
    totals = np.array([np.bincount(half.y, minlength=2) for half in cut.training])
    imbalance = ((np.diff(totals, axis=0)[0] / counts.sum(axis=0)) ** 2).sum()
    assert imbalance < np.quantile(every, 0.1)
    assert imbalance < 0.05


def test_equal_rows_of_different_groups_are_different_rows():
    X, y = np.tile(np.arange(6.0), 4)[:, None], np.tile([0, 1], 12)
    cut = divided(X, y, np.repeat([0, 1], 12))
    assert cut.n_rows == 12
    assert sets_of(cut.training)[0] == sets_of(cut.training)[1]
    assert [half.sample_weight.sum() for half in cut.training] == [12, 12]


def test_a_class_of_one_group_is_in_both_halves_and_judged_in_neither(grouped):
    X, y, groups = grouped
    y = y.copy()
    y[groups == 3] = 2
    cut = divided(X, y, groups)
    for training, validation in zip(cut.training, cut.validation, strict=True):
        assert {*training.y} == {0, 1, 2}
        assert {*validation.y} == {0, 1}
        assert {*training.X[training.y == 2, 0]} == {3}
    assert cut.n_rows == (y != 2).sum()
    clf = make().fit(X, y, groups=groups)
    assert np.isfinite(list(clf.alpha_losses_.values())).all()


@pytest.mark.parametrize("n_groups", [4000, 30, 6])
def test_of_large_data_some_groups(n_groups):
    """Whole groups if there are many, of any size; at least twenty, or else all."""
    rng = np.random.RandomState(0)
    groups = rng.randint(0, n_groups, 20_000)
    groups[groups % 2 == 0] %= max(n_groups // 10, 6)
    X, y = rng.standard_normal((20_000, 3)), rng.randint(0, 2, 20_000)
    X[:, 0] = groups
    cut = divided(X, y, groups, max_rows=3000)
    assert 2900 < cut.n_rows <= 3000
    first, second = groups_of(cut)
    assert not first & second
    if n_groups == 4000:
        assert np.isin(groups, [*first, *second]).sum() == cut.n_rows
        # Even groups are larger; their share is that of all groups.
        even = [group % 2 == 0 for group in first | second]
        assert np.mean(even) == pytest.approx(200 / 2200, abs=0.05)
    else:
        n_present = len(np.unique(groups))
        assert len(first | second) == min(n_present, 20)
        assert abs(len(first) - len(second)) <= n_present // 4


def test_a_class_of_which_no_group_is_sampled_gives_two_rows():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(300), 5)
    X = np.column_stack([groups, rng.standard_normal((len(groups), 2))])
    counts = []
    for group in range(6):
        y = rng.randint(0, 2, len(groups))
        y[groups == group] = 2
        cut = divided(X, y, groups, max_rows=600)
        for half in cut.training:
            assert 250 < len(half.y) < 350
            counts.append((half.y == 2).sum())
        # One group cannot be judged by another.
        assert not any((half.y == 2).any() for half in cut.validation)
    assert {*counts} == {2, 5}


# The split for early stopping.


def rows_evaluated(evaluations):
    """The numbers of the rows, which the first feature holds."""
    parts = evaluations[0][0].parts.items
    X = np.vstack([block.X for part in parts for block in part])
    return np.rint(X[:, 0] * 1000).astype(int)


def validated(y, groups, fraction, seed=0):
    """Whether early stopping validates on each row."""
    n = len(y)
    X = np.arange(n)[:, None] / 1000
    clf = ReLULogisticClassifier(
        (),
        alpha=1.0,
        early_stopping=True,
        validation_fraction=fraction,
        random_state=seed,
    )
    with (
        watch_evaluations() as training,
        watch_evaluations(method="mean_nll") as validation,
    ):
        clf.fit(X, y, groups=groups)
    second = np.isin(np.arange(n), rows_evaluated(validation))
    assert_array_equal(np.flatnonzero(~second), np.sort(rows_evaluated(training)))
    return second


@pytest.mark.parametrize("fraction", [0.1, 0.33, 0.8])
def test_early_stopping_keeps_groups_whole(fraction):
    """It validates on nearly this share of each class."""
    rng = np.random.RandomState(0)
    groups, y = rng.randint(0, 120, 600), rng.randint(0, 3, 600)
    second = validated(y, groups, fraction)
    assert not {*groups[second]} & {*groups[~second]}
    for code in range(3):
        assert second[y == code].mean() == pytest.approx(fraction, abs=0.03)
    assert not np.array_equal(second, validated(y, groups, fraction, seed=1))


def test_early_stopping_leaves_each_class_to_train_on():
    y = np.array([0, 0, 1, 1, 2, 2])
    groups = np.array([0, 1, 0, 1, 2, 2])
    for seed in range(6):
        second = validated(y, groups, 0.5, seed)
        assert {*y[~second]} == {0, 1, 2}
        assert second.sum() == 2
    # There are two groups, and a tenth is wanted: the smaller group.
    groups = np.array([0, 0, 0, 1, 0, 1])
    for seed in range(4):
        second = validated(np.array([0, 1, 0, 1, 1, 0]), groups, 0.1, seed)
        assert_array_equal(second, groups == 1)
    # Of a class's two groups, one is trained on, even if a larger share is wanted.
    y, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    for seed in range(4):
        second = validated(y, groups, 0.95, seed)
        assert_array_equal(np.bincount(y[second]), [1, 1])


def test_data_that_are_not_merged_have_groups_too(grouped, monkeypatch):
    monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS", 1)
    X, y, groups = grouped
    X[:, 0] /= 1000
    with (
        watch_evaluations() as training,
        watch_evaluations(method="mean_nll") as judged,
    ):
        clf = make(early_stopping=True).fit(X, y, groups=groups)
    pairs = [(training[0], judged[0]), (training[-1], judged[-1])]
    for pair in pairs:
        first, second = ({*rows_evaluated([evaluation])} for evaluation in pair)
        assert not first & second
        assert first | second == {*groups}
    assert clf.alpha_losses_


# In the estimators.


RELABELLED = {
    "other numbers": lambda g: 7 * g - 100,
    "floats": lambda g: g / 7 - 1,
    "strings": lambda g: np.array([f"patient {i}" for i in g]),
    "list": lambda g: [f"patient {i}" for i in g],
    "objects": lambda g: np.array([f"p{i}" if i % 2 else i for i in g], object),
    "bytes": lambda g: np.array([f"{i}".encode() for i in g]),
    "column": lambda g: g[:, None],
    "dates": lambda g: np.datetime64("2020-01-01") + g,
    "date objects": lambda g: [datetime.date(2020, 1, 1 + i % 28) for i in g],
    "pandas": lambda g: pd.Series(g, dtype="Int64"),
    "pandas strings": lambda g: pd.Series([f"p{i}" for i in g], dtype="string"),
    "pandas categories": lambda g: pd.Series([f"p{i}" for i in g], dtype="category"),
    "polars": lambda g: pl.Series([f"p{i}" for i in g]),
    "polars categories": lambda g: pl.Series(
        [f"p{i}" for i in g], dtype=pl.Categorical
    ),
}


@pytest.mark.parametrize("relabel", RELABELLED.values(), ids=list(RELABELLED))
def test_names_of_groups_do_not_matter(grouped, relabel):
    X, y, groups = grouped
    groups = groups % 28
    clf = ReLULogisticClassifier(())
    by_number = clone(clf).fit(X, y, groups=groups)
    other = np.random.RandomState(1).permutation(28)[groups]
    by_name = clone(clf).fit(X, y, groups=relabel(other))
    assert by_name.alpha_losses_ == by_number.alpha_losses_
    assert_same_fit(by_name, by_number)
    assert by_number.alpha_losses_ != clf.fit(X, y).alpha_losses_


def test_the_order_does_not_matter_and_weights_are_repeats(grouped):
    X, y, groups = grouped
    rng = np.random.RandomState(2)
    weights = rng.randint(0, 4, len(y)).astype(float)
    repeated = rng.permutation(np.repeat(np.arange(len(y)), weights.astype(int)))
    kwargs = {"sample_weight": weights, "groups": groups}
    for early_stopping in (False, True):
        clf = make(early_stopping=early_stopping)
        weighted = clf.fit(X, y, **kwargs)
        alpha, curve, coefs = clf.alpha_, clf.loss_curve_, clf.coefs_
        clf = make(early_stopping=early_stopping)
        clf.fit(X[repeated], y[repeated], groups=groups[repeated])
        assert (clf.alpha_, clf.loss_curve_) == (alpha, curve)
        for p, q in zip(coefs, clf.coefs_, strict=True):
            assert_array_equal(p, q)
        assert weighted.alpha_losses_


def jittered(n_copies=30, n=60):
    """Each row many times, with uninformative noise."""
    rng = np.random.RandomState(0)
    X, y = make_classification(n + 400, 10, n_informative=4, flip_y=0.2, random_state=3)
    new, y_new = X[n:], y[n:]
    groups = np.repeat(np.arange(n), n_copies)
    X = X[groups] + 0.01 * rng.standard_normal((len(groups), 10))
    return X, y[groups], groups, new, y_new


def test_copies_do_not_mislead_the_search():
    X, y, groups, new, y_new = jittered()
    without, with_groups = make().fit(X, y), make().fit(X, y, groups=groups)
    assert with_groups.alpha_ > 30 * without.alpha_
    losses = [log_loss(y_new, clf.predict_proba(new)) for clf in (without, with_groups)]
    assert losses[1] < 0.75 < 1.5 < losses[0]
    # A grid over the folds of groups finds the same.
    cv = ReLULogisticClassifierCV(
        (8,), alphas=np.geomspace(1, 3000, 8), cv=GroupKFold(5), random_state=0
    )
    cv.fit(X, y, groups=groups)
    assert with_groups.alpha_ == pytest.approx(cv.alpha_, rel=5)


def test_copies_do_not_mislead_early_stopping():
    """A copy of a validation row is not a new row."""
    X, y, groups, new, y_new = jittered()
    losses = []
    for given in (None, groups):
        of_seeds = []
        for seed in range(5):
            clf = make(alpha=1e-3, early_stopping=True, validation_fraction=0.3)
            clf.set_params(random_state=seed, max_iter=200, tol=1e-3)
            clf.fit(X, y, groups=given)
            assert clf.stop_reason_ == "validation loss"
            of_seeds.append(log_loss(y_new, clf.predict_proba(new)))
        losses.append(np.median(of_seeds))
    assert losses[1] < losses[0] / 2


def test_groups_make_no_difference_where_nothing_is_divided(grouped):
    X, y, groups = grouped
    assert_same_fit(make(alpha=1.0).fit(X, y), make(alpha=1.0).fit(X, y, groups=groups))
    both = make(alpha=1.0, early_stopping=True)
    kwargs = {"X_val": X, "y_val": y}
    plain = both.fit(X, y, **kwargs).loss_curve_
    assert plain == both.fit(X, y, **kwargs, groups=groups).loss_curve_


STRING, DATE = [pd.NA, "a"], [pd.NaT, pd.Timestamp(0)]
ERRORS = {
    "groups with one value for each row of X: there are": lambda n: np.zeros(n - 1),
    "groups as a one-dimensional array-like, .*shape": lambda n: np.zeros((n, 2)),
    "groups as a one-dimensional array-like": lambda n: 3,
    r"without missing values.*1 of \d+ values": lambda n: [np.nan] + [1.0] * (n - 1),
    "without missing values: give": lambda n: [None] + ["a"] * (n - 1),
    "without missing": lambda n: pd.Series(STRING * n, dtype="string")[:n],
    "missing values: give rows": lambda n: pd.Series(DATE * n)[:n],
    "groups that share classes: .* such rows: 1": lambda n: np.zeros(n),
    "or other hashable values": lambda n: pd.Series([[i] for i in range(n)]),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(grouped, message):
    X, y, _ = grouped
    clf = make()
    before = vars(clf).copy()
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, groups=ERRORS[message](len(y)))
    assert vars(clf) == before


def test_groups_that_share_no_class(grouped):
    X, y, _ = grouped
    with pytest.raises(ValueError, match="groups that share classes"):
        make().fit(X, y, groups=y)
    with pytest.raises(ValueError, match="groups of which none holds all rows"):
        make(alpha=1.0, early_stopping=True).fit(X, y, groups=y)
    # Only rows with weight count.
    groups = np.arange(len(y)) % 3
    for weights, n in [(groups == 2, 1), (groups * (groups > 1 - y), 2)]:
        kwargs = {"sample_weight": weights, "groups": y if n == 2 else groups}
        with pytest.raises(ValueError, match=f"with such rows: {n}"):
            make().fit(X, y, **kwargs)
        with pytest.raises(ValueError, match=f"positive weight: {n}"):
            make(alpha=1.0, early_stopping=True).fit(X, y, **kwargs)


@pytest.mark.parametrize("n_groups", [2, 3, 7])
def test_without_cv_there_are_no_more_folds_than_groups(grouped, n_groups):
    X, y, groups = grouped
    clf = ReLULogisticClassifierCV((3,), alphas=[10.0, 1.0], random_state=0)
    clf.fit(X, y, groups=groups % n_groups)
    assert clf.scores_.shape == (2, min(n_groups, 5))
    with pytest.raises(ValueError, match=r"Pass groups of at least two values.* are 1"):
        clf.fit(X, y, groups=0 * groups)
    # The shape is checked first.
    with pytest.raises(ValueError, match="one value for each row"):
        clf.fit(X, y, groups=groups[1:])


def test_metadata_routing(grouped):
    X, y, groups = grouped
    clf = make()
    direct = make().fit(X, y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler(with_mean=False, with_std=False)
        pipeline = make_pipeline(scaler, clf).fit(X, y, groups=groups)
        grid = GridSearchCV(make(), {"hidden_layer_sizes": [(8,)]}, cv=GroupKFold(3))
        grid.fit(X, y, groups=groups)
    assert_same_fit(pipeline[-1], direct)
    assert_same_fit(grid.best_estimator_, direct)


def test_the_cv_class_hands_groups_to_its_splitter_and_its_split(grouped):
    X, y, groups = grouped

    def cv(**kwargs):
        return ReLULogisticClassifierCV(
            (8,), alphas=[10.0, 1.0], cv=GroupKFold(3), random_state=0, **kwargs
        )

    clf = cv(early_stopping=True).fit(X, y, groups=groups)
    plain = cv().fit(X, y, groups=groups)
    assert_array_equal(clf.scores_, plain.scores_)
    # The same folds, but rows that are split off one by one.
    clf.set_params(cv=list(GroupKFold(3).split(X, y, groups)))
    curve = clf.validation_loss_curve_
    assert curve != clf.fit(X, y).validation_loss_curve_
    assert_array_equal(clf.scores_, plain.scores_)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cv(early_stopping=True).fit(X, y, groups=groups)
    assert routed.validation_loss_curve_ == curve


def test_dask_takes_no_groups():
    da = pytest.importorskip("dask.array")
    X = da.ones((20, 2), chunks=(10, 2))
    for groups in (np.arange(20), da.arange(20)):
        with pytest.raises(TypeError, match="Leave groups out, or pass data in"):
            make().fit(X, X[:, 0], groups=groups)


@pytest.fixture(scope="module")
def visits():
    """Thirty visits of each of sixty patients, whose labels are noise."""
    rng = np.random.default_rng(0)
    X, y = make_classification(60, 10, n_informative=4, flip_y=0.2, random_state=3)
    patient = np.repeat(np.arange(60), 30)
    return X[patient] + rng.normal(0, 0.01, (1800, 10)), y[patient], patient


def test_routing_brings_groups_to_the_fit_by_default(visits):
    X, y, patient = visits
    clf = ReLULogisticClassifier((8,), random_state=0)
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(
            clf,
            X,
            y,
            params={"groups": patient},
            cv=GroupKFold(3),
            return_estimator=True,
        )
    plain = cross_validate(
        clf,
        X,
        y,
        groups=patient,
        cv=GroupKFold(3),
        params={"groups": patient},
        return_estimator=True,
    )
    alphas = [[one.alpha_ for one in found["estimator"]] for found in (routed, plain)]
    assert alphas[0] == alphas[1]
    alone = cross_validate(
        clf, X, y, groups=patient, cv=GroupKFold(3), return_estimator=True
    )
    weaker = [one.alpha_ for one in alone["estimator"]]
    assert all(a > b for a, b in zip(alphas[0], weaker, strict=True))


def test_the_folds_of_the_cv_class_keep_groups_whole_by_default(visits):
    X, y, patient = visits
    clf = ReLULogisticClassifierCV((8,), alphas=[100.0, 1.0], random_state=0)
    by_groups = clone(clf).set_params(cv=StratifiedGroupKFold())
    found, expected = (
        one.fit(X, y, groups=patient).scores_ for one in (clf, by_groups)
    )
    assert_array_equal(found, expected)
