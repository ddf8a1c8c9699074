"""Monotonic constraints: no slope has the wrong sign, and the fit is the best such."""

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.sparse
from conftest import assert_same_fit, parameters_of, slow
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sklearn_relulogit import (
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    inference,
    local_linear,
    tabular_pipeline,
)

CST = [1, -1, 0, 0]


def data(n=400, seed=0):
    """Labels that break both constraints in places, and two free features."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, 4))
    logit = X[:, 0] + 1.5 * np.sin(3 * X[:, 0]) - X[:, 1] + X[:, 1] ** 2
    logit += np.abs(X[:, 2]) * X[:, 0] + X[:, 3]
    return X, (logit + rng.logistic(size=n) > 0).astype(int)


def make(hidden=(10,), monotonic_cst=CST, **kwargs):
    kwargs = {"alpha": 0.1, "random_state": 0} | kwargs
    return ReLULogisticClassifier(hidden, monotonic_cst=monotonic_cst, **kwargs)


def wrong_slopes(clf, X, cst=CST):
    """The number of local slopes with the wrong sign, near the rows and far away."""
    box = np.random.RandomState(1).uniform(-8, 8, (2000, X.shape[1]))
    slopes = [clf.local_linear(points)[0] for points in (X, box.astype(X.dtype))]
    return int((np.vstack(slopes) * np.asarray(cst) < 0).sum())


@pytest.mark.parametrize("hidden", [(), (1,), (7,), (4, 3), (6, 5, 4), (1, 1, 1)])
@pytest.mark.parametrize("alpha", ["auto", 0.1])
def test_no_slope_is_wrong(hidden, alpha):
    X, y = data()
    clf = make(hidden, alpha=alpha).fit(X, y)
    assert wrong_slopes(clf, X) == 0
    assert (np.diff(clf.loss_curve_) <= 0).all()
    # The model predicts, and the constraints bind.
    assert clf.loss_ < 0.95 * np.log(2)
    if hidden not in [(), (1,), (1, 1, 1)]:
        assert wrong_slopes(make(hidden, None, alpha=alpha).fit(X, y), X) > 20


@pytest.mark.parametrize("hidden", [(), (5,), (4, 3), (3, 4, 2)])
def test_the_weights_along_each_path_have_the_sign_of_the_constraint(hidden):
    X, y = data()
    clf = make(hidden).fit(X, y)
    sizes = [range(m) for m in (*hidden, 1)]
    for (k, sign), path in itertools.product(enumerate(CST), itertools.product(*sizes)):
        steps = itertools.pairwise((k, *path))
        on_path = zip(clf.coefs_, steps, strict=True)
        product = np.prod([W_T[step] for W_T, step in on_path])
        assert sign * product >= 0
    assert any((W_T == 0).any() for W_T in clf.coefs_) or not hidden


def test_predictions_rise_and_fall():
    X, y = data()
    clf = make((10, 10)).fit(X, y)
    rng = np.random.RandomState(1)
    below = rng.uniform(-3, 3, (3000, 4))
    for sign, column in ((1, 0), (-1, 1)):
        above = below.copy()
        above[:, column] += rng.exponential(size=3000)
        rise = clf.decision_function(above) - clf.decision_function(below)
        assert (sign * rise >= -1e-12).all()
        assert (sign * rise > 0.1).mean() > 0.3


@given(
    cst=st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=4),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    scale=st.floats(1e-3, 1e3),
    alpha=st.sampled_from([0.0, 0.01, 1.0, 100.0, "auto"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**31 - 1),
)
def test_no_slope_of_any_problem_is_wrong(cst, hidden, scale, alpha, dtype, seed):
    rng = np.random.RandomState(seed)
    X = (scale * rng.standard_normal((60, len(cst)))).round(1).astype(dtype)
    y = rng.randint(0, 2, 60)
    y[:2] = 0, 1
    clf = make(hidden, cst, alpha=alpha, max_iter=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    box = scale * rng.uniform(-9, 9, (500, len(cst)))
    coef, _ = clf.local_linear(box.astype(dtype))
    assert (coef * np.array(cst, dtype) >= 0).all()
    assert (np.diff(clf.loss_curve_) <= 0).all()


def bounded_minimum(X, y, alpha, cst):
    """Logistic regression with bounds, by another scipy algorithm."""
    s = 2.0 * y - 1
    unit = np.append(X.std(axis=0), 1)
    A = np.column_stack([X, np.ones(len(y))]) / unit
    ridge = alpha * np.append(np.ones(X.shape[1]), 0) / unit**2

    def value(v):
        return np.logaddexp(0, -s * (A @ v)).sum() + ridge @ v**2 / 2

    def gradient(v):
        return A.T @ (-s / (1 + np.exp(s * (A @ v)))) + ridge * v

    bounds = [(0, None) if c > 0 else (None, 0) if c else (None, None) for c in cst]
    found = scipy.optimize.minimize(
        value,
        np.zeros(A.shape[1]),
        jac=gradient,
        bounds=[*bounds, (None, None)],
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    return found.x / unit, found.fun


@pytest.mark.parametrize("cst", [[-1, -1, 1, 1], [-1, 1, 0, 1], [0, 1, 0, -1]])
@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_a_linear_fit_is_the_bounded_minimum(cst, alpha):
    X, y = data()
    X = X * [1, 30, 0.1, 1] + [0, 5, 0.2, -1]
    clf = make((), cst, alpha=alpha, tol=1e-7).fit(X, y)
    w, value = bounded_minimum(X, y, alpha, cst)
    assert_allclose(np.append(clf.coef_, clf.intercept_), w, rtol=2e-4, atol=1e-7)
    assert clf.loss_ * len(y) == pytest.approx(value, rel=1e-10)
    assert (clf.coef_ == 0).any()
    # The gradient vanishes unless it pushes against a bound.
    assert clf.stop_reason_ == "gradient tolerance"
    free = make((), None, alpha=alpha, tol=1e-7).fit(X, y)
    assert free.loss_ < (1 - 1e-4) * clf.loss_


@pytest.mark.parametrize("hidden", [(), (9,), (5, 4)])
def test_labels_and_signs_may_be_swapped_together(hidden):
    X, y = data()
    clf = make(hidden, alpha="auto").fit(X, y)
    swapped = make(hidden, [-c for c in CST], alpha="auto").fit(X, 1 - y)
    assert clf.loss_curve_ == swapped.loss_curve_
    assert_array_equal(clf.decision_function(X), -swapped.decision_function(X))


def test_no_constraint_is_no_constraint():
    X, y = data()
    assert_same_fit(make((8,), [0] * 4).fit(X, y), make((8,), None).fit(X, y))


WAYS = {
    "restarts": ({"n_init": 3, "n_jobs": 2}, {}),
    "early stopping": ({"early_stopping": True, "alpha": "auto"}, {}),
    "class weights": ({"class_weight": "balanced"}, {}),
    "sample weights": ({}, {"sample_weight": np.arange(400) % 3}),
    "groups": ({"alpha": "auto"}, {"groups": np.arange(400) // 5}),
    "validation data": (
        {"early_stopping": True, "alpha": 0.001},
        dict(zip(("X_val", "y_val"), data(seed=2), strict=True)),
    ),
    "no penalty": ({"alpha": 0.0, "max_iter": 60}, {}),
    "wide layers": ({"hidden_layer_sizes": (30, 30), "alpha": 1.0}, {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ways_to_fit(way):
    X, y = data()
    parameters, arguments = WAYS[way]
    clf = make().set_params(**parameters).fit(X, y, **arguments)
    assert wrong_slopes(clf, X) == 0
    free = clone(clf).set_params(monotonic_cst=None).fit(X, y, **arguments)
    assert wrong_slopes(free, X) > 0
    again = clone(clf).fit(X, y, **arguments)
    assert_same_fit(clf, again)


def test_types_of_arrays():
    X, y = data()
    clf = make().fit(X, y)
    sparse = make().fit(scipy.sparse.csr_array(X), y)
    assert wrong_slopes(sparse, X) == 0
    assert sparse.loss_ == pytest.approx(clf.loss_, rel=0.02)
    X32 = X.astype(np.float32)
    clf32 = make().fit(X32, y)
    assert clf32.coefs_[0].dtype == np.float32
    assert wrong_slopes(clf32, X32) == 0
    frame = pd.DataFrame(X, columns=list("abcd"))
    assert_same_fit(clf, make(monotonic_cst={"b": -1, "a": 1}).fit(frame, y))
    assert_same_fit(clf, make(monotonic_cst=np.array(CST)).fit(frame, y))


def test_more_features_than_rows():
    X, y = data(30)
    X = np.hstack([X, np.random.RandomState(0).standard_normal((30, 100))])
    cst = CST + [0] * 50 + [1] * 50
    assert wrong_slopes(make((5,), cst, alpha=1.0).fit(X, y), X, cst) == 0


def test_the_cv_class():
    X, y = data()
    clf = ReLULogisticClassifierCV((8,), cv=3, monotonic_cst=CST, random_state=0)
    clf.fit(X, y)
    assert wrong_slopes(clf, X) == 0
    same = make((8,), alpha=clf.alpha_).fit(X, y)
    assert_same_fit(clf, same)
    free = ReLULogisticClassifierCV((8,), cv=3, alphas=clf.alphas_, random_state=0)
    assert not np.array_equal(free.fit(X, y).scores_, clf.scores_, equal_nan=True)


def test_it_is_a_parameter_like_others():
    X, y = data()
    search = GridSearchCV(make((5,)), {"monotonic_cst": [None, CST]}, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    clf = pickle.loads(pickle.dumps(make((5,)).fit(X, y)))
    assert clf.monotonic_cst == CST
    assert wrong_slopes(clf, X) == 0


def test_small_networks_begin_alive():
    X, y = data()
    for seed in range(12):
        clf = make((1, 1, 1), alpha=0.1, random_state=seed).fit(X, y)
        assert clf.loss_ < 0.68


# Warm starts.


def test_a_warm_start_goes_on():
    X, y = data()
    clf = make(alpha=0.001, max_iter=10, warm_start=True)
    curve = []
    for _ in range(3):
        with pytest.warns(ConvergenceWarning):
            clf.fit(X, y)
        curve += clf.loss_curve_
        assert wrong_slopes(clf, X) == 0
    assert (np.diff(curve) <= 0).all()
    assert curve[-1] < 0.97 * curve[9]


def test_a_warm_start_goes_on_with_other_data():
    """In which order the classes are fitted depends on the data."""
    clf = make((5,), warm_start=True)
    for seed in range(8):
        X, y = data(seed=seed)
        assert wrong_slopes(clf.fit(X, y), X) == 0


def test_a_warm_start_does_not_begin_from_weights_that_break_the_signs():
    X, y = data()
    clf = make(monotonic_cst=None, warm_start=True).fit(X, y)
    before = parameters_of(clf)
    clf.set_params(monotonic_cst=CST)
    with pytest.raises(ValueError, match=r"Set warm_start=False.*monotonic_cst"):
        clf.fit(X, y)
    assert_array_equal(parameters_of(clf), before)
    clf = make(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="weights that break monotonic_cst"):
        clf.set_params(monotonic_cst=[-1, 0, 0, 0]).fit(X, y)
    clf.set_params(monotonic_cst=None).fit(X, y)
    assert clf.n_iter_ > 0


# The columns of a table.


def applications(n=500, seed=0):
    rng = np.random.RandomState(seed)
    X = pd.DataFrame(
        {
            "town": rng.choice(["north", "south"], n),
            "income": rng.gamma(3, 20, n),
            "age": rng.uniform(20, 70, n).round(),
            "street": rng.choice([f"street {i}" for i in range(60)], n),
            "children": rng.randint(0, 4, n),
        }
    )
    X.loc[rng.uniform(size=n) < 0.1, "income"] = np.nan
    income = X["income"].fillna(5)
    logit = np.log(income) - 3.7 + np.sin(income / 8) + (X["town"] == "north")
    logit += np.cos(X["age"] / 4) - X["age"] / 40
    return X, (logit + rng.logistic(size=n) > 0).astype(int)


COLUMNS = {"income": 1, "age": -1}


def table_model(estimator=None, monotonic_cst=COLUMNS):
    if estimator is None:
        estimator = ReLULogisticClassifier((10,), alpha=1.0, random_state=0)
    return tabular_pipeline(estimator, monotonic_cst=monotonic_cst)


def wrong_curves(model, X, wanted=COLUMNS):
    """The number of curves over a column, far beyond the rows, that go wrong."""
    wrong = 0
    for name, sign in wanted.items():
        points = np.linspace(X[name].min() - 50, X[name].max() + 50, 25)
        curves = [model.decision_function(X.assign(**{name: p})) for p in points]
        wrong += (sign * np.diff(curves, axis=0) < -1e-9).any(axis=0).sum()
    return wrong


def test_constraints_by_columns():
    X, y = applications()
    model = table_model().fit(X, y)
    assert wrong_curves(model, X) == 0
    slopes, _ = local_linear(model, X)
    for name, sign in COLUMNS.items():
        assert (sign * slopes[:, list(X.columns).index(name)] >= 0).all()
    assert wrong_curves(table_model(monotonic_cst=None).fit(X, y), X) > 100
    # Ramps are constrained; gaps, categories and other numbers are free.
    names = model[:-1].get_feature_names_out()
    signs = dict(zip(names, model[-1].monotonic_cst, strict=True))
    ramps = {k: v for k, v in signs.items() if k.startswith("numbers__age")}
    assert len(ramps) > 3
    assert {*ramps.values()} == {-1}
    assert signs["numbers__income"] == 1
    assert signs["numbers__income_ramp1"] == 1
    assert signs["numbers__income_missing"] == 0
    assert not any(
        sign
        for name, sign in signs.items()
        if not name.startswith(("numbers__age", "numbers__income"))
    )


def mixed_difference(model, X, one, other):
    """The largest interaction of two columns in the score, by exchanging them."""
    rows = X.iloc[:100].reset_index(drop=True)
    drawn = X.iloc[100:200].reset_index(drop=True)
    moved = [
        model.decision_function(rows.assign(**{c: drawn[c] for c in columns}))
        for columns in ([], [one], [other], [one, other])
    ]
    return np.abs(moved[0] - moved[1] - moved[2] + moved[3]).max()


@pytest.mark.parametrize(
    "groups",
    [
        "no_interactions",
        [{"income", "town"}, {"street"}],
        [("income", "age"), ["age", "children"]],
        "pairwise",
    ],
    # The order of a set as text changes from process to process.
    ids=["no_interactions", "sets", "sequences", "pairwise"],
)
@pytest.mark.parametrize("cst", [None, COLUMNS], ids=["free", "monotone"])
def test_a_table_is_a_sum_over_groups_of_columns(groups, cst):
    X, y = applications()
    clf = ReLULogisticClassifier((20,), alpha=0.1, random_state=0)
    model = tabular_pipeline(clf, monotonic_cst=cst, interaction_cst=groups).fit(X, y)
    allowed = [] if groups == "no_interactions" else groups
    if groups == "pairwise":
        allowed = list(itertools.combinations(X.columns, 2))
    allowed = [set(group) for group in allowed]
    if allowed:
        allowed.append(set(X.columns).difference(*allowed))
    for one, other in itertools.combinations(X.columns, 2):
        found = mixed_difference(model, X, one, other)
        if not any({one, other} <= group for group in allowed):
            assert found < 1e-9
    if allowed:  # At least one pair that may interact does.
        pairs = [p for p in itertools.combinations(X.columns, 2) if {*p} <= allowed[0]]
        assert max(mixed_difference(model, X, *pair) for pair in pairs) > 0.01
    assert wrong_curves(model, X, cst or {}) == 0
    n_groups = len(model[-1].interaction_cst)
    assert n_groups == {"no_interactions": 5, "pairwise": 10}.get(str(groups), 2)
    proba = model.predict_proba(X)
    for same in (clone(model).fit(X, y), pickle.loads(pickle.dumps(model))):
        assert_array_equal(same.predict_proba(X), proba)


def test_groups_of_columns_in_searches_and_with_columns_left_out():
    X, y = applications()
    X["id"] = np.arange(len(X))
    clf = ReLULogisticClassifierCV((10,), cv=2, alphas=2, random_state=0)
    groups = [{"income", "id"}, {"age"}]
    for estimator in (
        clf,
        GridSearchCV(ReLULogisticClassifier((10,)), {"alpha": [1.0, 9.0]}, cv=2),
        HistGradientBoostingClassifier(max_iter=5),
    ):
        model = tabular_pipeline(estimator, interaction_cst=groups)
        with pytest.warns(UserWarning, match="identify rows"):
            model.fit(X, y)
        assert mixed_difference(model, X, "income", "age") < 1e-9
        assert model.get_params()["interaction_cst"] == groups
    free = model.set_params(interaction_cst=None)
    with pytest.warns(UserWarning, match="identify rows"):
        free.fit(X, y)
    assert free[-1].interaction_cst is None


def test_more_than_two_classes_may_have_groups_of_columns():
    X, _ = applications()
    y = X["children"] + (X["age"] > 40)
    clf = ReLULogisticClassifier((12,), alpha=1.0, random_state=0)
    model = tabular_pipeline(clf, interaction_cst="no_interactions").fit(X, y)
    assert mixed_difference(model, X, "children", "age") < 1e-9


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ("additive", TypeError, '^Pass interaction_cst as "no_interactions"'),
        ([1, 2], TypeError, '^Pass interaction_cst as "no_interactions"'),
        ({"income", "age"}, TypeError, '^Pass interaction_cst as "no_interactions"'),
        ([{"wealth", "age"}], ValueError, "^Name columns of X .* none: 'wealth'"),
    ],
)
def test_what_are_no_groups_of_columns(groups, error, message):
    X, y = applications()
    with pytest.raises(error, match=message):
        tabular_pipeline(interaction_cst=groups).fit(X, y)


def test_constraints_are_given_in_one_place():
    own = ReLULogisticClassifier(interaction_cst="no_interactions")
    for cst in ({"monotonic_cst": COLUMNS}, {"interaction_cst": "pairwise"}):
        with pytest.raises(ValueError, match=r"^Pass interaction_cst to tabular_"):
            tabular_pipeline(own, **cst)
    with pytest.raises(TypeError, match="has the parameter interaction_cst"):
        tabular_pipeline(DecisionTreeClassifier(), interaction_cst="pairwise")


def test_the_pipeline_is_one_of_scikit_learn():
    X, y = applications()
    model = table_model().fit(X, y)
    proba = model.predict_proba(X)
    assert isinstance(model, Pipeline)
    assert model.get_params()["monotonic_cst"] == COLUMNS
    for same in (clone(model).fit(X, y), pickle.loads(pickle.dumps(model))):
        assert_array_equal(same.predict_proba(X), proba)
    grid = {"monotonic_cst": [None, {"age": -1}], "columns__numbers__n_bins": [2, 4]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert len({*search.cv_results_["mean_test_score"]}) == 4
    # Other data, of other ramps and gaps.
    X2, y2 = applications(150, seed=1)
    assert wrong_curves(model.fit(X2.fillna(1), y2), X2.fillna(1)) == 0
    free = model.set_params(monotonic_cst=None).fit(X, y)
    unbound = table_model(monotonic_cst=None).fit(X, y)
    assert_array_equal(free.predict_proba(X), unbound.predict_proba(X))
    assert type(unbound) is Pipeline
    encoded = table_model()[:-1].fit_transform(X, y)
    assert_array_equal(encoded, unbound[:-1].fit_transform(X, y))


def test_an_estimator_is_left_as_it_is():
    X, y = applications()
    clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0)
    table_model(clf).fit(X, y)
    assert clf.monotonic_cst is None
    assert not hasattr(clf, "coefs_")


@pytest.mark.parametrize(
    "estimator",
    [
        ReLULogisticClassifierCV((5,), cv=2, alphas=2, random_state=0),
        GridSearchCV(ReLULogisticClassifier((5,)), {"alpha": [1.0, 9.0]}, cv=2),
        DecisionTreeClassifier(max_depth=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_other_classifiers_of_a_table(estimator):
    X, y = applications()
    model = table_model(estimator).fit(X, y)
    if hasattr(model, "decision_function"):
        assert wrong_curves(model, X) == 0
    parameters = model[-1].get_params()
    signs = parameters.get("monotonic_cst", parameters.get("estimator__monotonic_cst"))
    assert_array_equal(signs, table_model().fit(X, y)[-1].monotonic_cst)


@pytest.mark.parametrize(
    ("cst", "message"),
    [
        ({"town": 1}, "Name columns of numbers .*'town' holds no numbers"),
        ({"street": 1}, "'street' holds no numbers"),
        ({"age": 1, "wealth": 1}, "'wealth' is not in X"),
    ],
)
def test_what_is_no_column_of_numbers(cst, message):
    X, y = applications()
    model = table_model(monotonic_cst=cst)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert model[-1].monotonic_cst is None


def test_a_table_without_names():
    X, y = data()
    with pytest.raises(ValueError, match="Pass X as a DataFrame with strings"):
        table_model().fit(X, y)


def test_what_a_pipeline_refuses_at_once():
    with pytest.raises(ValueError, match=r"Use -1 .*Got 2\."):
        table_model(monotonic_cst={"age": 2})
    with pytest.raises(TypeError, match="as a dict by the names of columns"):
        table_model(monotonic_cst=[1, 0])
    with pytest.raises(TypeError, match="an estimator that has the parameter"):
        table_model(SVC())


# Errors and warnings.


@pytest.mark.parametrize(
    ("cst", "message"),
    [
        ([1, 0], r"one value for each feature.*shape \(2,\).*4 features"),
        ([[1], [0], [0], [0]], r"shape \(4, 1\)"),
        ([1, 0, 0, 2], r"Use -1 .* 0 .* and 1 .*Got 2\."),
        ([1, 0, 0, np.nan], r"Use -1 .*Got nan\."),
        ([1, 0, 0, None], r"Use -1 .*Got None\."),
        (["1", "0", "0", "0"], r"Use -1 .*Got '0', '1'\."),
        ({"a": 1}, "X has none"),
        ("increasing", "'monotonic_cst' parameter"),
        (1, "'monotonic_cst' parameter"),
    ],
)
def test_what_cannot_be_a_constraint(cst, message):
    X, y = data()
    for clf in (make(monotonic_cst=cst), ReLULogisticClassifierCV(monotonic_cst=cst)):
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y)
        assert not hasattr(clf, "n_features_in_")


@pytest.mark.parametrize(
    ("cst", "message"),
    [
        ({"a": 1, "e": 1, 7: -1}, r"These are none: 'e', 7\."),
        ({"a": 3}, r"Use -1 .*Got 3\."),
    ],
)
def test_what_cannot_be_a_constraint_by_names(cst, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        make(monotonic_cst=cst).fit(pd.DataFrame(X, columns=list("abcd")), y)


def test_more_than_two_classes_are_refused_as_by_scikit_learn(iris):
    message = "monotonic constraints are not supported for multiclass classification"
    for clf in (make(), HistGradientBoostingClassifier(monotonic_cst=CST)):
        with pytest.raises(ValueError, match=message):
            clf.fit(*iris)


def test_constraints_against_the_data_leave_a_constant():
    X, y = data()
    y = X[:, 0] + X[:, 3] > 0
    clf = make(monotonic_cst=[-1, 0, 0, -1], alpha=30.0)
    with pytest.warns(ConvergenceWarning, match="that monotonic_cst allows beats"):
        clf.fit(X, y)


def test_inference_says_where_weights_are_at_their_bounds():
    X, y = data()
    clf = make((), [-1, -1, 0, 0], alpha=1.0).fit(X, y)
    with pytest.warns(UserWarning, match="hold some weights at zero"):
        found = inference(clf, X, y)
    assert_array_equal(found.coefficients().estimate[1:], clf.coef_.ravel())
    # Bounds that do not bind have no effect.
    clf = make((), [1, 0, 0, 1], alpha=1.0).fit(X, y)
    found, free = (
        inference(c.fit(X, y), X, y)
        for c in (clf, clone(clf).set_params(monotonic_cst=None))
    )
    assert_allclose(found.std(X), free.std(X), rtol=1e-6)


@pytest.mark.slow
def test_large_data_begin_in_float32():
    X, y = data(60_000)
    clf = make((20,), alpha=10.0).fit(X, y)
    assert wrong_slopes(clf, X) == 0
    # The loss is no worse than halfway through a fit in float64.
    with pytest.warns(ConvergenceWarning):
        short = clone(clf).set_params(max_iter=clf.n_iter_ // 2).fit(X, y)
    assert clf.loss_ < short.loss_


@pytest.mark.slow
def test_dask():
    da = pytest.importorskip("dask.array")
    from dask.distributed import Client

    X, y = data()
    chunked = da.from_array(X, chunks=(100, -1)), da.from_array(y, chunks=100)
    with Client(processes=False, n_workers=2, dashboard_address=None):
        clf = make().fit(*chunked)
    assert wrong_slopes(clf, X) == 0
    assert clf.loss_ == pytest.approx(make().fit(X, y).loss_, rel=0.02)


@pytest.mark.parametrize("hidden", [slow((100,)), slow((40, 40)), slow((20, 20, 20))])
def test_no_slope_of_large_networks_is_wrong(hidden):
    X, y = data(3000)
    for seed in range(3):
        clf = make(hidden, alpha="auto", random_state=seed).fit(X, y)
        assert wrong_slopes(clf, X) == 0


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(PCA(), ReLULogisticClassifier()),
        VotingClassifier([("one", ReLULogisticClassifier())]),
        OneVsRestClassifier(ReLULogisticClassifier()),
        LogisticRegression(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_classifiers_that_could_break_a_constraint_are_refused(estimator):
    """Some steps mix features, and some models contain free classifiers."""
    with pytest.raises(TypeError, match="Pass an estimator that has the param"):
        tabular_pipeline(estimator, monotonic_cst={"a": 1})
    X = pd.DataFrame({"a": np.arange(40.0), "b": list("uv") * 20})
    model = tabular_pipeline(monotonic_cst={"a": 1})
    with pytest.raises(TypeError, match="Pass an estimator that has the param"):
        model.set_params(classifier=estimator).fit(X, X.a > 20)


def test_a_negative_weight_of_the_numbers_keeps_the_constraint():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.standard_normal(300), "b": list("uvw") * 100})
    clf = ReLULogisticClassifier((4,), alpha=0.1, random_state=0)
    model = tabular_pipeline(clf, monotonic_cst={"a": 1})
    model.set_params(columns__transformer_weights={"numbers": -2.0})
    model.fit(X, X.a > 0)
    grid = pd.DataFrame({"a": np.linspace(-3, 3, 50), "b": "u"})
    proba = model.predict_proba(grid)[:, 1]
    assert (np.diff(proba) >= -1e-12).all()
    assert proba[-1] - proba[0] > 0.9
