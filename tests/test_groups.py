"""Rows in groups, which stay whole in searches and splits."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from conftest import assert_same_fit, distinct
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._rows.groups import MIN_GROUPS, check_groups, rows_of_some
from sklearn_relulogit._rows.held import Held
from sklearn_relulogit._rows.rows import Given
from sklearn_relulogit._rows.validation import group_counts, group_shares
from sklearn_relulogit._search.halves import balanced, halves

ALL = 10**9


def make(**kwargs):
    return ReLULogisticClassifier((8,), random_state=0, **kwargs)


@pytest.fixture
def grouped():
    """Rows of two classes in 40 groups of 1 to 12 rows; features name the group."""
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(40), rng.randint(1, 13, 40))
    X = np.column_stack([groups, rng.standard_normal((len(groups), 3))])
    y = (X[:, 1] + rng.standard_normal(len(groups)) > 0).astype(int)
    return X, y, groups


def divided(X, y, groups, weights=None, max_rows=ALL):
    weights = np.ones(len(y)) if weights is None else weights
    ids = check_groups(groups, len(y))
    return halves(distinct(Block(X, y, weights), ids), int(y.max()) + 1, max_rows)


def sets_of(blocks):
    return [
        {(*x, label) for x, label in zip(*block[:2], strict=True)} for block in blocks
    ]


def test_groups_are_whole_and_halves_are_halves(grouped):
    X, y, groups = grouped
    cut = divided(X, y, groups)
    first, second = ({*half.X[:, 0]} for half in cut.training)
    assert not first & second
    assert first | second == {*groups}
    assert cut.n_rows == len(y)
    for code in (0, 1):
        counts = [(half.y == code).sum() for half in cut.training]
        # Sums of groups of up to 12 rows: no further apart than one of them.
        assert abs(counts[0] - counts[1]) < 12
    assert sets_of(cut.training) == sets_of(cut.validation)
    # Without groups they are not whole.
    both = [
        {*half.X[:, 0]}
        for half in halves(distinct(Block(X, y, np.ones(len(y)))), 2, ALL).training
    ]
    assert both[0] & both[1]


def test_a_class_of_groups_that_are_not_sampled_gives_two_rows():
    rng = np.random.RandomState(0)
    groups = np.repeat(np.arange(300), 5)
    X = np.column_stack([groups, rng.standard_normal((len(groups), 2))])
    y = rng.randint(0, 2, len(groups))
    ids = check_groups(groups, len(y))
    # A group that comes late in the order of their names.
    y[ids == np.sort(np.unique(ids))[-1]] = 2
    cut = divided(X, y, groups, max_rows=600)
    for half in cut.training:
        assert (half.y == 2).sum() == 2
        assert 250 < len(half.y) < 350
    # One group cannot be judged by another.
    assert not any((half.y == 2).any() for half in cut.validation)


@pytest.mark.parametrize("seed", range(5))
def test_the_division_is_nearly_the_best_of_all(seed):
    """Of 12 groups, against every division."""
    rng = np.random.RandomState(seed)
    counts = rng.randint(0, 9, (12, 2))
    shares = counts / counts.sum(axis=0)

    def imbalance(in_first):
        return (((2 * in_first - 1) @ shares) ** 2).sum()

    every = [
        imbalance(np.array([(i >> k) & 1 for k in range(12)])) for i in range(2**12)
    ]
    ours = imbalance(balanced(counts))
    assert ours < np.quantile(every, 0.1)
    assert ours < 0.05


@pytest.mark.parametrize("n_classes", [1, 2, 4])
def test_groups_go_where_they_bring_the_classes_nearer_to_balance(n_classes):
    """The largest first; where both halves are as near, to that of fewer rows."""
    for seed in range(15):
        counts = np.random.RandomState(seed).randint(0, 7, (20, n_classes))
        # Totals by which shares are exact, so that both may be just as near.
        counts[0] += 128 - counts.sum(axis=0)
        shares = counts / counts.sum(axis=0)
        halves_of, rows = np.zeros((2, n_classes)), [0, 0]
        expected = np.zeros(20)
        for group in sorted(range(20), key=lambda g: -counts[g].sum()):
            distances = []
            for half in range(2):
                after = halves_of.copy()
                after[half] += shares[group]
                distances.append(((after[0] - after[1]) ** 2).sum())
            if distances[0] == distances[1]:
                half = int(rows[0] > rows[1])
            else:
                half = int(distances[1] < distances[0])
            halves_of[half] += shares[group]
            rows[half] += counts[group].sum()
            expected[group] = half == 0
        assert_array_equal(balanced(counts), expected)


def test_groups_without_a_common_class_go_to_either_half():
    counts = np.array([[5, 0], [0, 5], [4, 0], [0, 4]])
    in_first = balanced(counts)
    assert_array_equal(in_first @ counts > 0, [True, True])
    assert_array_equal((1 - in_first) @ counts > 0, [True, True])
    assert in_first.sum() == 2


def relabelled(kind, groups):
    rng = np.random.RandomState(1)
    other = rng.permutation(groups.max() + 1)[groups]
    return {
        "other numbers": lambda: 7 * other - 100,
        "floats": lambda: other + 0.5,
        "strings": lambda: np.array([f"patient {g}" for g in other]),
        "list": lambda: [f"patient {g}" for g in other],
        "objects": lambda: np.array(
            [f"p{g}" if g % 2 else int(g) for g in other], object
        ),
        "bytes": lambda: np.array([f"{g}".encode() for g in other]),
        "column": lambda: other[:, None],
        "dates": lambda: np.datetime64("2020-01-01") + other,
        "date objects": lambda: [
            datetime.date(2020, 1, 1) + datetime.timedelta(int(g)) for g in other
        ],
        "pandas": lambda: pd.Series(other, dtype="Int64"),
        "pandas strings": lambda: pd.Series([f"p{g}" for g in other], dtype="string"),
        "pandas categories": lambda: pd.Series([f"p{g}" for g in other]).astype(
            "category"
        ),
        "polars": lambda: pl.Series([f"p{g}" for g in other]),
        "polars categories": lambda: pl.Series(
            [f"p{g}" for g in other], dtype=pl.Categorical
        ),
    }[kind]()


KINDS = [
    *("other numbers", "floats", "strings", "list", "objects", "bytes", "column"),
    *("dates", "date objects", "pandas", "pandas strings", "pandas categories"),
    *("polars", "polars categories"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_groups_do_not_matter(grouped, kind):
    X, y, groups = grouped
    cut, other = (divided(X, y, names) for names in (groups, relabelled(kind, groups)))
    for a, b in zip(cut.training, other.training, strict=True):
        for p, q in zip(a, b, strict=True):
            assert_array_equal(p, q)


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


def test_the_unit_of_weights_does_not_matter(grouped):
    X, y, groups = grouped
    weights = np.random.RandomState(2).rand(len(y))
    cut, other = (divided(X, y, groups, c * weights) for c in (1.0, 1 / 3))
    assert sets_of(cut.training) == sets_of(other.training)


def test_equal_rows_of_different_groups_are_different_rows():
    X, y = np.tile(np.arange(6.0), 4)[:, None], np.tile([0, 1], 12)
    groups = np.repeat([0, 1], 12)
    cut = divided(X, y, groups)
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


@pytest.mark.parametrize("sizes", ["small", "large"])
def test_of_large_data_some_groups(sizes):
    rng = np.random.RandomState(0)
    n_groups = 4000 if sizes == "small" else 6
    groups = rng.randint(0, n_groups, 20_000)
    X, y = rng.standard_normal((20_000, 3)), rng.randint(0, 2, 20_000)
    X[:, 0] = groups
    cut = divided(X, y, groups, max_rows=3000)
    assert 2900 < cut.n_rows <= 3000
    first, second = ({*half.X[:, 0]} for half in cut.training)
    assert not first & second
    if sizes == "small":  # Whole ones.
        inside = np.isin(groups, [*first, *second])
        assert inside.sum() == cut.n_rows
    else:
        assert len(first) == len(second) == 3


def test_a_class_that_no_chosen_group_has_gives_two_rows():
    rng = np.random.RandomState(0)
    groups = np.arange(3000) // 2
    X, y = rng.standard_normal((3000, 2)), rng.randint(0, 2, 3000)
    y[-5:] = 2
    for max_rows in (50, 100):
        cut = divided(X, y, groups, max_rows=max_rows)
        total = np.bincount(np.concatenate([half.y for half in cut.validation]))
        assert total[:2].sum() == max_rows
        in_both = [set(np.flatnonzero(half.y == 2)) for half in cut.training]
        assert total.size == 2 or total[2] == 2
        assert all(len(rows) <= 2 for rows in in_both)


def test_some_groups_are_not_the_smallest():
    sizes = np.tile([1, 10], 500)
    groups = np.repeat(np.random.RandomState(0).permutation(1000), sizes)
    rows = rows_of_some(groups, 1000)
    assert 950 < len(rows) <= 1000
    assert len(np.unique(groups[rows])) < 300
    few = np.repeat(np.arange(30), 1000)
    assert len(np.unique(few[rows_of_some(few, 10)])) == MIN_GROUPS


def test_data_that_are_not_merged_have_groups_too(grouped):
    X, y, groups = grouped
    rows = Held.read(
        make(),
        Given(X, y, groups=groups),
        reset=True,
        class_weight=None,
        linear=False,
        by_groups=True,
        max_numbers=1,
    )
    assert rows.keys is None
    cut = halves(rows.sample(10_000), 2, ALL)
    first, second = ({*half.X[:, 0]} for half in cut.training)
    assert not first & second
    assert first | second == {*groups}
    split = rows.split(0.2, np.random.RandomState(0))
    assert not {*split.training.X[:, 0]} & {*split.validation.X[:, 0]}


# The split for early stopping.


def test_early_stopping_keeps_groups_whole(grouped):
    _, y, groups = grouped
    shares = group_shares(groups, y, 0.2, np.random.RandomState(0))
    assert {*shares} == {0, 1}
    assert not {*groups[shares == 1]} & {*groups[shares == 0]}
    for code in (0, 1):
        assert shares[y == code].mean() == pytest.approx(0.2, abs=0.06)
    other = group_shares(groups, y, 0.2, np.random.RandomState(1))
    assert not np.array_equal(shares, other)


def test_early_stopping_leaves_each_class_to_train_on():
    y = np.array([0, 0, 1, 1, 2, 2])
    groups = np.array([0, 1, 0, 1, 2, 2])
    for seed in range(10):
        shares = group_shares(groups, y, 0.5, np.random.RandomState(seed))
        assert {*y[shares == 0]} == {0, 1, 2}
        assert shares.sum() == 2
    # Two groups, of which a tenth is wanted: the smaller.
    groups = np.array([0, 0, 0, 1, 0, 1])
    shares = group_shares(
        groups, np.array([0, 1, 0, 1, 1, 0]), 0.1, np.random.RandomState(0)
    )
    assert_array_equal(shares, groups)
    # Of a class in two groups one is trained on, however large a share is wanted.
    y, groups = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    for seed in range(5):
        shares = group_shares(groups, y, 0.95, np.random.RandomState(seed))
        assert_array_equal(np.bincount(y, shares), [1, 1])
    y = np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="Pass X_val and y_val, or groups"):
        group_shares(np.zeros(6), y, 0.1, np.random.RandomState(0))


def drawn_one_by_one(groups, y, fraction, rng):
    """The rows of the groups to validate on, as the docstring says, row by row."""
    names, classes = np.unique(groups), np.unique(y)

    def shares(chosen):
        return [np.isin(groups[y == code], chosen).mean() for code in classes]

    def distance(chosen):
        return sum((share - fraction) ** 2 for share in shares(chosen))

    chosen, spare = [], []
    for name in names[rng.permutation(len(names))]:
        if max(shares([name])) < 1:
            spare.append(name)
        joined = [*chosen, name]
        if max(shares(joined)) < 1 and distance(joined) < distance(chosen) - 1e-12:
            chosen = joined
    return np.isin(groups, chosen or min(spare, key=lambda g: (groups == g).sum()))


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.33, 0.9])
@pytest.mark.parametrize("n_groups", [3, 12])
def test_groups_are_drawn_as_long_as_they_bring_the_classes_nearer(n_groups, fraction):
    for seed in range(12):
        rng = np.random.RandomState(seed)
        groups, y = rng.randint(0, n_groups, 40), rng.randint(0, 3, 40)
        shares, expected = (
            draw(groups, y, fraction, np.random.RandomState(seed))
            for draw in (group_shares, drawn_one_by_one)
        )
        assert_array_equal(shares, expected)


def test_rows_of_groups_are_counted_by_class():
    """Classes without rows are left out."""
    number, y = np.array([2, 0, 2, 2, 0, 1]), np.array([5, 1, 1, 5, 1, 3])
    assert_array_equal(group_counts(number, y), [[2, 0, 0], [0, 1, 0], [1, 0, 2]])


# In the estimators.


def jittered(n_copies=30, n=60):
    """Each row many times, with noise that says nothing."""
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
    # As a grid over the folds of groups finds it.
    cv = ReLULogisticClassifierCV(
        (8,), alphas=np.geomspace(1, 3000, 8), cv=GroupKFold(5), random_state=0
    )
    cv.fit(X, y, groups=groups)
    assert with_groups.alpha_ == pytest.approx(cv.alpha_, rel=5)


def test_copies_do_not_mislead_early_stopping():
    """A copy of a row that is validated on is no new row."""
    X, y, groups, new, y_new = jittered()
    clf = make(alpha=1e-3, early_stopping=True, max_iter=200, tol=1e-3)
    without = clf.fit(X, y).n_iter_, log_loss(y_new, clf.predict_proba(new))
    clf.fit(X, y, groups=groups)
    assert clf.stop_reason_ == "validation loss"
    assert clf.n_iter_ < without[0]
    assert log_loss(y_new, clf.predict_proba(new)) < without[1] / 2


def test_groups_make_no_difference_where_nothing_is_divided(grouped):
    X, y, groups = grouped
    assert_same_fit(make(alpha=1.0).fit(X, y), make(alpha=1.0).fit(X, y, groups=groups))
    both = make(alpha=1.0, early_stopping=True)
    kwargs = {"X_val": X, "y_val": y}
    plain = both.fit(X, y, **kwargs).loss_curve_
    assert plain == both.fit(X, y, **kwargs, groups=groups).loss_curve_


def test_one_group_for_each_row_is_a_search_too(grouped):
    X, y, _ = grouped
    clf = make().fit(X, y, groups=np.arange(len(y)))
    assert 0.1 < clf.alpha_ / make().fit(X, y).alpha_ < 10.1


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            lambda n: np.zeros(n - 1),
            r"groups with one value for each row of X: there are",
        ),
        (
            lambda n: np.zeros((n, 2)),
            r"groups as a one-dimensional array-like, .*shape",
        ),
        (lambda n: 3, r"groups as a one-dimensional array-like"),
        (
            lambda n: [np.nan] + [1.0] * (n - 1),
            r"without missing values.*1 of \d+ values",
        ),
        (lambda n: [None] + ["a"] * (n - 1), "without missing values"),
        (
            lambda n: pd.Series([pd.NA] + ["a"] * (n - 1), dtype="string"),
            "without missing",
        ),
        (
            lambda n: pd.Series([pd.NaT] + [pd.Timestamp(0)] * (n - 1)),
            "without missing",
        ),
        (lambda n: np.zeros(n), r"groups that share classes: .* there are 1 groups"),
    ],
)
def test_errors(grouped, groups, message):
    X, y, _ = grouped
    clf = make()
    before = vars(clf).copy()
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, groups=groups(len(y)))
    assert vars(clf) == before


def test_groups_that_share_no_class(grouped):
    X, y, _ = grouped
    with pytest.raises(ValueError, match="groups that share classes"):
        make().fit(X, y, groups=y)
    with pytest.raises(ValueError, match="groups of which none holds all rows"):
        make(alpha=1.0, early_stopping=True).fit(X, y, groups=y)
    # Only rows that weigh anything count.
    groups = np.arange(len(y)) % 2
    with pytest.raises(ValueError, match="groups that share classes"):
        make().fit(X, y, sample_weight=groups, groups=groups)


def test_unhashable_groups(grouped):
    X, y, groups = grouped
    odd = np.empty(len(y), object)
    odd[:] = [[int(g)] for g in groups]
    with pytest.raises(ValueError, match="or other hashable values"):
        make().fit(X, y, groups=odd)


def test_metadata_routing(grouped):
    X, y, groups = grouped
    clf = make()
    direct = make().fit(X, y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = make().set_fit_request(groups=True)
        scaler = StandardScaler(with_mean=False, with_std=False)
        pipeline = make_pipeline(scaler, asking).fit(X, y, groups=groups)
        grid = GridSearchCV(asking, {"hidden_layer_sizes": [(8,)]}, cv=GroupKFold(3))
        grid.fit(X, y, groups=groups)
        scores = cross_val_score(
            pipeline, X, y, params={"groups": groups}, cv=GroupKFold(3)
        )
        with pytest.raises(UnsetMetadataPassedError, match=r"groups"):
            make_pipeline(scaler, clf).fit(X, y, groups=groups)
    assert_same_fit(pipeline[-1], direct)
    assert_same_fit(grid.best_estimator_, direct)
    assert len(scores) == 3


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
    clf = cv(early_stopping=True).fit(X, y, groups=groups)
    assert clf.validation_loss_curve_ == curve
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cv(early_stopping=True).fit(X, y, groups=groups)
        in_pipeline = make_pipeline(
            StandardScaler(with_mean=False, with_std=False), cv()
        )
        in_pipeline.fit(X, y, groups=groups)
    assert_same_fit(routed, clf)
    assert_same_fit(in_pipeline[-1], plain)


def test_dask_takes_no_groups():
    da = pytest.importorskip("dask.array")
    X = da.ones((20, 2), chunks=(10, 2))
    for groups in (np.arange(20), da.arange(20)):
        with pytest.raises(TypeError, match="Leave groups out, or pass data in"):
            make().fit(X, X[:, 0], groups=groups)
