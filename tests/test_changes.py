"""The nearest row with another decision, against brute force on small problems."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    scale,
)

from sklearn_relulogit import (
    ReLULogisticClassifier,
    local_linear,
    nearest_change,
    slope_bounds,
    tabular_pipeline,
)


def network(hidden, **kwargs):
    options = {"alpha": 0.1, "random_state": 0, "tol": 1e-3} | kwargs
    return ReLULogisticClassifier(hidden, **options)


def plane(n_classes=2):
    """Two features; the classes are no linear function of them."""
    X = np.random.RandomState(0).uniform(-2, 2, (300, 2))
    y = np.digitize(np.abs(X[:, 0]) + X[:, 1], [0.5, 1.5][: n_classes - 1])
    return X, y


def by_all_patterns(clf, x, sign, metric, bound):
    """The distance by a linear programme for each set of active units."""
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    n_units = [len(b) for _, b in layers[:-1]]
    best = np.inf
    for pattern in product([0.0, 1.0], repeat=sum(n_units)):
        A, c, rows, limits = np.eye(2), np.zeros(2), [], []
        active = np.split(np.array(pattern), np.cumsum(n_units)[:-1])
        for (W_T, b), D in zip(layers[:-1], active, strict=True):
            A, c = W_T.T @ A, W_T.T @ c + b
            side = 1 - 2 * D[:, None]  # u <= 0 if not active, -u <= 0 if active
            rows.append(side * A)
            limits.append(-side[:, 0] * c)
            A, c = D[:, None] * A, D * c
        W_T, b = layers[-1]
        rows.append(-sign * (W_T.T @ A))
        limits.append(sign * (W_T.T @ c + b))
        G, h = np.vstack(rows), np.concatenate(limits)
        # The changes: one for each direction, or the largest of them.
        one = np.eye(2)
        if metric == "l1":
            cost, zeros = [0, 0, 1, 1], np.zeros((len(G), 2))
            moves = np.block([[one, -one], [-one, -one]])
        else:
            cost, zeros = [0, 0, 1], np.zeros((len(G), 1))
            moves = np.block([[one, -np.ones((2, 1))], [-one, -np.ones((2, 1))]])
        found = linprog(
            cost,
            np.vstack([np.hstack([G, zeros]), moves]),
            np.concatenate([h, x, -x]),
            bounds=[(-bound, bound)] * 2 + [(0, None)] * (len(cost) - 2),
        )
        best = min(best, found.fun) if found.success else best
    return best


@pytest.mark.parametrize("metric", ["l1", "max"])
@pytest.mark.parametrize("hidden", [(4,), (3, 3), (2, 2, 2)], ids=str)
def test_it_is_the_nearest_of_all_regions(hidden, metric):
    X, y = plane()
    clf = network(hidden).fit(X, y)
    assert clf.score(X, y) > 0.8
    # Without a scaler a spread is 1.
    limits = {0: (-5, 5), 1: (-5, 5)}
    for x in X[:4]:
        found = nearest_change(clf, x, metric=metric, bounds=limits)
        sign = -1 if clf.predict([x])[0] else 1
        expected = by_all_patterns(clf, x, sign, metric, 5)
        assert_allclose(found.distance, expected, rtol=1e-3, atol=1e-5)
        assert abs(1.01 * found.distance - expected) > 1e-3 * expected
        moves = np.abs(found.row[0] - x)
        total = moves.sum() if metric == "l1" else moves.max()
        assert_allclose(found.distance, total, rtol=1e-9)
        assert clf.predict(found.row)[0] != clf.predict([x])[0]
        assert found.proven
        assert found.lower_bound <= found.distance <= found.lower_bound * 1.001 + 1e-5


@pytest.mark.parametrize("proba", [0.5, 0.2, 0.9])
def test_a_linear_model_in_closed_form(proba):
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), network((), alpha=5.0)).fit(X, y)
    slopes = np.abs(model[-1].coef_[0])
    limits = dict.fromkeys(range(30), (-1e5, 1e5))
    for x in X[:3]:
        away = abs(model.decision_function([x])[0] - np.log(proba / (1 - proba)))
        nearest = nearest_change(model, x, proba=proba, bounds=limits)
        assert_allclose(nearest.distance, away / slopes.max(), rtol=1e-4)
        assert len(nearest.columns) == 1
        box = nearest_change(model, x, proba=proba, bounds=limits, metric="max")
        assert_allclose(box.distance, away / slopes.sum(), rtol=1e-4)
        before, after = (model.predict_proba(r)[0, 1] for r in ([x], nearest.row))
        assert (before > proba) != (after > proba)


def table():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "reports": rng.poisson(1.0, 300),
            "owner": rng.uniform(size=300) < 0.4,
            "city": rng.choice(["Bonn", "Ulm", "Jena"], 300),
            "income": np.exp(rng.standard_normal(300)),
        }
    )
    X.loc[::7, "income"] = np.nan
    score = (
        1.5 * X["reports"] * X["owner"] + (X["city"] == "Ulm") - X["income"].fillna(1)
    )
    return X, np.where(score + rng.logistic(size=300) / 3 > 0.3, "refused", "accepted")


X, Y = table()
MODEL = tabular_pipeline(network((8,))).fit(X, Y)
ROW = X.iloc[[3]]


def test_a_table_of_few_values_by_all_of_them():
    """Whole numbers, a boolean and categories; all rows are tried."""
    few = X.drop(columns="income")
    model = tabular_pipeline(network((6,))).fit(few, Y)
    encoder = model.named_steps["columns"].named_transformers_["numbers"]
    spread = encoder.scale_[[0, np.flatnonzero(encoder.column_of_output_ == 1)[0]]]
    values = product(
        range(few["reports"].max() + 1), [False, True], few["city"].unique()
    )
    every = pd.DataFrame(values, columns=few.columns)
    decisions = model.predict(every)
    for i in range(8):
        row = few.iloc[[i]]
        now = row.iloc[0]
        distance = (
            np.abs(every["reports"] - now["reports"]) / spread[0]
            + (every["owner"] != now["owner"]) / spread[1]
            + (every["city"] != now["city"])
        )
        found = nearest_change(model, row)
        expected = distance[decisions != model.predict(row)[0]].min()
        assert_allclose(found.distance, expected, rtol=1e-6)
        assert found.row.shape == (1, 3)
        assert found.row.dtypes.tolist()[:2] == few.dtypes.tolist()[:2]
        assert model.predict(found.row)[0] != model.predict(row)[0]


def test_what_may_change_and_how_far():
    free = nearest_change(MODEL, ROW)
    assert MODEL.predict(free.row)[0] != MODEL.predict(ROW)[0]
    assert free.proven
    only = nearest_change(MODEL, ROW, fixed=["reports", "city"], decrease=["income"])
    assert set(only.columns) <= {"owner", "income"}
    assert only.distance >= free.distance - 1e-9
    assert only.row["income"].iloc[0] <= ROW["income"].iloc[0]
    for name in ("reports", "city"):
        assert only.row[name].iloc[0] == ROW[name].iloc[0]
    # A change of the city alone is not enough, and this is proven.
    assert nearest_change(MODEL, ROW, fixed=[0, 1, 3], increase=["income"]) is None
    assert nearest_change(MODEL, ROW, fixed=list(X.columns)) is None
    # A missing value stays missing.
    gap = X.iloc[[0]]
    found = nearest_change(MODEL, gap)
    assert "income" not in found.columns
    assert found.row["income"].isna().all()
    low, high = 0.9 * ROW["income"].iloc[0], 1.1 * ROW["income"].iloc[0]
    near = nearest_change(MODEL, ROW, bounds={"income": (low, high)})
    assert low <= near.row["income"].iloc[0] <= high


def test_rare_and_many_categories_and_dates():
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "city": rng.choice(["Bonn", "Ulm", "Kiel"], 300, p=[0.5, 0.49, 0.01]),
            "town": [f"town {i % 60}" for i in range(300)],
            "since": pd.date_range("2020-01-01", periods=300, freq="3D"),
            "x": rng.standard_normal(300),
        }
    )
    y = (frame["city"] == "Ulm") + frame["x"] + rng.logistic(size=300) / 3 > 0.5
    model = tabular_pipeline(network((5,))).fit(frame, y)
    for i in range(5):
        found = nearest_change(model, frame.iloc[[i]])
        assert set(found.columns) <= {"city", "x"}
        assert found.row["city"].iloc[0] in ("Bonn", "Ulm", frame["city"].iloc[i])
        assert model.predict(found.row)[0] != model.predict(frame.iloc[[i]])[0]
    bounds = slope_bounds(model)
    assert bounds.columns == ["x"]
    for name in ("since", "town", "city"):
        with pytest.raises(ValueError, match=rf"^Leave '{name}' out of columns"):
            slope_bounds(model, [name])
    assert bounds.lower[0] <= bounds.upper[0]


def test_whole_numbers():
    numbers = X[["reports", "income"]].astype(float).fillna(1.0)
    model = make_pipeline(StandardScaler(), network((6,))).fit(numbers, Y)
    for i in range(6):
        row = numbers.iloc[[i]]
        whole = nearest_change(model, row, integer=["reports"])
        free = nearest_change(model, row)
        assert whole.row["reports"].iloc[0] == np.round(whole.row["reports"].iloc[0])
        assert whole.distance >= free.distance - 1e-6
        assert model.predict(whole.row)[0] != model.predict(row)[0]


def test_more_classes_take_the_nearest_of_them():
    Z, y = plane(3)
    clf = network((6,)).fit(Z, y)
    for x in Z[:5]:
        found = nearest_change(clf, x, bounds={0: (-5, 5), 1: (-5, 5)})
        assert clf.predict(found.row)[0] != clf.predict([x])[0]
        assert found.proven
        # No nearer random row has another decision.
        moves = np.random.RandomState(0).rand(5000, 2) - 0.5
        near = x + found.distance * moves
        near = near[np.abs(near - x).sum(axis=1) < 0.999 * found.distance]
        assert (clf.predict(near) == clf.predict([x])[0]).all()
    with pytest.raises(ValueError, match=r"must be 0.5 for more than two"):
        nearest_change(clf, Z[0], proba=0.3)


def test_the_radius_of_a_box_in_which_the_decision_stays():
    Z, y = load_breast_cancer(return_X_y=True)
    Z = scale(Z)
    clf = network((10,), alpha=3.0).fit(Z, y)
    limits = dict.fromkeys(range(30), (-50, 50))
    found = nearest_change(clf, Z[4], metric="max", bounds=limits)
    shifts = np.random.RandomState(0).uniform(-1, 1, (20_000, 30))
    inside = Z[4] + np.sign(shifts) * found.lower_bound * (1 - 1e-6)
    assert (clf.predict(inside) == clf.predict(Z[[4]])[0]).all()


def test_out_of_time_there_is_a_row_and_a_bound():
    Z, y = load_breast_cancer(return_X_y=True)
    clf = network((100, 100), alpha=1.0, tol=0.1)
    model = make_pipeline(StandardScaler(), clf).fit(Z, y)
    found = nearest_change(model, Z[0], time_limit=0.2)
    assert not found.proven
    assert 0 <= found.lower_bound < found.distance
    assert model.predict(found.row)[0] != model.predict(Z[:1])[0]
    assert repr(found).startswith("A change that decides otherwise: ")


def test_tables_text_and_silence(capfd):
    found = nearest_change(MODEL, ROW, metric="max")
    changes = found.changes
    assert changes.columns.tolist() == ["before", "after"]
    assert changes.index.tolist() == found.columns
    name = found.columns[0]
    assert changes.loc[name, "before"] == ROW[name].iloc[0]
    assert changes.loc[name, "after"] == found.row[name].iloc[0]
    assert found.to_text().startswith("The smallest change that decides otherwise: ")
    assert f"{name} " in found.to_text()
    # HiGHS sometimes prints messages.
    for i in range(8, 14):
        nearest_change(MODEL, X.iloc[[i]], metric="max")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["frame", "polars", "series", "array"])
def test_rows_of_all_kinds(kind):
    numbers = X[["reports", "income"]].astype(float).fillna(1.0)
    data = pl.DataFrame(numbers.to_dict("list")) if kind == "polars" else numbers
    data = numbers.to_numpy() if kind == "array" else data
    model = make_pipeline(StandardScaler(), network((4,))).fit(data, Y)
    row = data[2:3]
    row = numbers.iloc[2] if kind == "series" else row
    row = row[0] if kind == "array" else row
    found = nearest_change(model, row)
    assert found.row.shape == (1, 2)
    assert model.predict(found.row)[0] != model.predict(data[2:3])[0]
    assert isinstance(found.row, type(data))


def test_columns_that_stay_keep_their_types_and_gaps():
    gaps = pd.DataFrame(
        {
            "a": pd.array([1, 2, None, 3] * 50, dtype="Int64"),
            "b": pd.Categorical(["x", "y", None, "x"] * 50),
            "c": pd.array([True, None, False, False] * 50, dtype="boolean"),
            "d": np.random.RandomState(0).standard_normal(200),
        },
        index=[f"row {i}" for i in range(200)],
    )
    y = gaps["d"] + gaps["b"].eq("x").astype(float) > 0.5
    model = tabular_pipeline(network((4,))).fit(gaps, y)
    for i in range(4):
        found = nearest_change(model, gaps.iloc[[i]])
        assert model.predict(found.row)[0] != model.predict(gaps.iloc[[i]])[0]
        assert found.row.index.tolist() == [f"row {i}"]
        for name in set(gaps.columns) - set(found.columns):
            assert found.row[name].dtype == gaps[name].dtype


def test_in_threads_the_output_comes_back(capfd):
    with ThreadPoolExecutor(3) as pool:
        rows = [X.iloc[[i]] for i in range(1, 7)]
        found = list(pool.map(lambda row: nearest_change(MODEL, row), rows))
    assert [change.distance for change in found] == pytest.approx(
        [nearest_change(MODEL, row).distance for row in rows], rel=1e-3
    )
    os.write(1, b"here")
    assert capfd.readouterr() == ("here", "")


def test_errors():
    with pytest.raises(ValueError, match=r"^Pass one row.* x has 2"):
        nearest_change(MODEL, X[:2])
    with pytest.raises(ValueError, match=r"'metric' parameter.* Got 'l2'"):
        nearest_change(MODEL, ROW, metric="l2")
    for proba in (1, 0, 1.5, -0.5):
        with pytest.raises(ValueError, match=rf"'proba' parameter.* Got {proba}"):
            nearest_change(MODEL, ROW, proba=proba)
    with pytest.raises(ValueError, match=r"one of the names of X.* Got 'salary'"):
        nearest_change(MODEL, ROW, fixed=["salary"])
    with pytest.raises(ValueError, match=r"bounds of 'income' must hold its value"):
        nearest_change(MODEL, ROW, bounds={"income": (1e3, 1e4)})
    with pytest.raises(NotFittedError):
        nearest_change(network((3,)), [[1.0]])
    Z, y = load_iris(return_X_y=True)
    decided = FixedThresholdClassifier(FrozenEstimator(network((3,)).fit(Z, y > 0)))
    with pytest.raises(TypeError, match=r"a fitted search of these\. Got Fixed"):
        nearest_change(decided.fit(Z, y > 0), Z[0])
    smooth = make_pipeline(PowerTransformer(), network((3,))).fit(Z, y)
    with pytest.raises(TypeError, match=r"^Use contributions.* PowerTransformer"):
        nearest_change(smooth, Z[0])


def test_infinite_bounds_are_refused():
    with pytest.raises(ValueError, match=r"^Pass finite bounds: bounds .*'income'"):
        nearest_change(MODEL, ROW, bounds={"income": (0, np.inf)})


def binned(*steps):
    """A model of a through some steps, and of b; only a decides."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"a": rng.uniform(0, 6, 200).round(), "b": rng.rand(200)})
    encode = make_column_transformer(
        (make_pipeline(*steps), ["a"]), (StandardScaler(), ["b"])
    )
    return make_pipeline(encode, network((3,))).fit(frame, frame["a"] > 2.5), frame


@pytest.mark.parametrize(
    "steps",
    [
        (KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),),
        (Binarizer(threshold=2.5),),
        (StandardScaler(), Binarizer()),
        (StandardScaler(), OneHotEncoder(handle_unknown="ignore")),
    ],
    ids=repr,
)
def test_columns_of_unknown_jumps_are_refused_unless_fixed(steps):
    model, frame = binned(*steps)
    row = frame.iloc[[0]]
    with pytest.raises(ValueError, match=r"^Pass 'a' in fixed"):
        nearest_change(model, row)
    nearest_change(model, row, fixed=["a"])
    with pytest.raises(ValueError, match=r"^Hold column 'a' at a value v by \(v, v\)"):
        slope_bounds(model, ["b"])


def test_slopes_are_bounded_where_columns_of_unknown_jumps_are_held():
    model, frame = binned(KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"))
    found = []
    for value in frame["a"].quantile([0.1, 0.5, 0.9]):
        bounds = slope_bounds(model, ["b"], box={"a": (value, value)})
        rows = frame.assign(a=value)
        coef, _ = local_linear(model, rows)
        assert bounds.proven.all()
        assert bounds.lower[0] <= coef[:, 1].min() + 1e-9
        assert bounds.upper[0] >= coef[:, 1].max() - 1e-9
        found.append((bounds.lower[0], bounds.upper[0]))
    assert len(set(found)) > 1  # The place matters.
    with pytest.raises(ValueError, match=r"box must have a width for 'a'"):
        slope_bounds(model, ["a"], box={"a": (1, 1)})


@pytest.mark.parametrize(
    "steps",
    [
        (SimpleImputer(), OneHotEncoder()),
        (OrdinalEncoder(), OneHotEncoder()),
        (OrdinalEncoder(), StandardScaler()),
    ],
    ids=repr,
)
def test_categories_behind_steps_that_keep_them(steps):
    model, frame = binned(*steps)
    row = frame.iloc[[0]]
    found = nearest_change(model, row, fixed=["b"])
    assert found.columns == ["a"]
    assert model.predict(found.row)[0] != model.predict(row)[0]
    for given in ({"increase": ["a"]}, {"decrease": ["a"]}, {"bounds": {"a": (0, 1)}}):
        with pytest.raises(ValueError, match=r"^Leave 'a' out of increase"):
            nearest_change(model, row, **given)


def test_integer_columns_must_hold_whole_numbers():
    with pytest.raises(ValueError, match=r"^Leave 'income' out of integer: its value"):
        nearest_change(MODEL, ROW, integer=["income"])


def test_names_that_are_integers_go_before_positions():
    numbers = (
        X[["reports", "income"]].astype(float).fillna(1.0).set_axis([1, 0], axis=1)
    )
    model = make_pipeline(StandardScaler(), network((4,))).fit(numbers, Y)
    found = nearest_change(model, numbers.iloc[[2]], fixed=[1])
    assert found.columns == ["0"]
    assert found.row[1].iloc[0] == numbers[1].iloc[2]


def test_the_range_of_columns_comes_from_the_data_or_the_user():
    rng = np.random.RandomState(0)
    Z = np.column_stack([rng.normal(100, 1, 200), rng.rand(200)])
    y = Z[:, 0] > 100
    plain = network((3,), tol=0.1).fit(Z - [100, 0], y)
    match = r"^Pass a low and a high of the columns \['x0', 'x1'\]"
    with pytest.raises(ValueError, match=match):
        nearest_change(plain, Z[0])
    with pytest.raises(ValueError, match=match):
        slope_bounds(plain)
    with pytest.raises(ValueError, match=r"columns \['x1'\]"):
        nearest_change(plain, Z[0], bounds={0: (0, 200)})
    assert nearest_change(plain, Z[0], fixed=[1], bounds={0: (-50, 200)}).proven
    # A scaler without centring knows a spread, and the network knows the means.
    model = make_pipeline(StandardScaler(with_mean=False), network((3,))).fit(Z, y)
    for x in Z[:4]:
        found = nearest_change(model, x, fixed=[1])
        assert 95 < found.row[0, 0] < 105
    rows = slope_bounds(model, [0])
    for row in (*rows.lowest, *rows.highest):
        assert row is None or 90 < row[0, 0] < 110


def flags():
    """A flag and a share decide; neither has ramps."""
    rng = np.random.RandomState(0)
    Z = pd.DataFrame(
        {
            "flag": rng.randint(0, 2, 80).astype(float),
            "share": rng.uniform(10, 20, 80),
            "visits": rng.poisson(3, 80).astype(float),
        }
    )
    score = Z["flag"] + Z["share"] / 10 + Z["visits"] / 3
    return Z, score + rng.logistic(size=80) / 5 > score.mean()


@pytest.mark.parametrize("scaler", [None, MinMaxScaler()], ids=["encoder", "min-max"])
def test_values_stay_in_what_the_data_held(scaler):
    Z, y = flags()
    clf = network((3,))
    model = tabular_pipeline(clf) if scaler is None else make_pipeline(scaler, clf)
    model.fit(Z, y)
    for i in range(10):
        found = nearest_change(model, Z.iloc[[i]], fixed=["visits"])
        if found is not None:
            assert 0 <= found.row["flag"].iloc[0] <= 1
            assert Z["share"].min() <= found.row["share"].iloc[0] <= Z["share"].max()
    far = nearest_change(
        model, Z.iloc[[0]], fixed=["visits"], bounds={"flag": (-50, 50)}
    )
    assert far.distance <= nearest_change(model, Z.iloc[[0]]).distance + 50
    bounds = slope_bounds(model)
    rows = [r for r in (*bounds.lowest, *bounds.highest) if r is not None]
    for row in rows:
        low, high = Z.min().to_numpy(), Z.max().to_numpy()
        values = np.asarray(row, float)[0]
        assert ((low <= values) & (values <= high)).all()


def test_columns_that_were_whole_move_in_whole_numbers():
    Z, y = flags()
    model = tabular_pipeline(network((3,))).fit(Z, y)
    for i in range(10):
        row = nearest_change(model, Z.iloc[[i]]).row.iloc[0]
        assert row["flag"] in (0.0, 1.0)
        assert row["visits"] % 1 == 0
    # A row that is not whole there may be anything.
    half = Z.iloc[[0]].assign(visits=2.5)
    found = nearest_change(model, half, fixed=["flag", "share"])
    assert found is None or found.row["visits"].iloc[0] % 1 != 0


def test_wide_whole_numbers_are_as_near_as_others():
    """The solver's tolerances must not count on integers of that size."""
    rng = np.random.RandomState(0)
    Z = pd.DataFrame({"id": rng.randint(0, 10**12, 400), "x": rng.normal(size=400)})
    y = Z["id"] / 10**12 + Z["x"] ** 2 + rng.logistic(size=400) / 9 > 1
    floats = Z.assign(id=Z["id"] + 0.5)
    model = make_pipeline(StandardScaler(), network((6,))).fit(floats, y)
    limits = {"id": (0, 10**12)}
    for i in range(6):
        whole = nearest_change(model, Z.iloc[[i]], bounds=limits)
        free = nearest_change(model, floats.iloc[[i]], bounds=limits)
        assert whole.row["id"].dtype == np.int64
        assert whole.proven
        assert_allclose(whole.distance, free.distance, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA], ids=str)
def test_only_columns_that_change_are_listed(gap):
    """A category that is missing before and after is the same."""
    rng = np.random.RandomState(0)
    dtype = "string" if gap is pd.NA else object
    drink = pd.Series(rng.choice(["beer", "wine", None], 200), dtype=dtype)
    drink[drink.isna()] = gap
    Z = pd.DataFrame({"drink": drink, "x": rng.normal(size=200)})
    y = Z["x"] + (drink == "beer").fillna(False).astype(float) > 0.3
    model = tabular_pipeline(network((3,))).fit(Z, y)
    missing = np.flatnonzero(drink.isna())
    for i in missing[:6]:
        found = nearest_change(model, Z.iloc[[i]])
        assert "missing instead of missing" not in found.to_text()
        assert len(found.columns) == len(found.changes) > 0
