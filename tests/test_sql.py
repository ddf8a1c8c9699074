"""A model as SQL gives in databases the logits that it gives in Python."""

import sqlite3
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    tabular_pipeline,
)
from sklearn_relulogit.export import to_sql

HIDDEN = [(), (6,), (5, 4, 3)]


def in_sqlite(query, table, name):
    database = sqlite3.connect(":memory:")
    table.to_sql(name, database, index_label="id of row")
    return database.execute(query).fetchall()


def in_duckdb(query, table, name):
    with duckdb.connect() as database:
        database.register("rows", table.reset_index(names="id of row"))
        quoted = '"' + name.replace('"', '""') + '"'
        database.execute(f"CREATE TABLE {quoted} AS SELECT * FROM rows")
        return database.execute(query).fetchall()


DATABASES = pytest.mark.parametrize("database", [in_sqlite, in_duckdb])


def logits(database, model, table, name="people"):
    """Those of the rows of a table, in their order."""
    query = to_sql(model, name, keep=["id of row"]) + ' ORDER BY "id of row"'
    found = np.array(database(query, table, name), dtype=float)
    assert found[:, 0].tolist() == [*range(len(table))]
    return found[:, 1] if found.shape[1] == 2 else found[:, 1:]


def assert_same(database, model, table, name="people"):
    expected = model.decision_function(table)
    found = logits(database, model, table, name)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert np.ptp(expected) > 0.1
    return found


NUMBER, TOWN = 'an "odd" name; --', "Ort, größer 'ß' 東京"


def people(n=300, n_classes=2):
    """Numbers of all sizes, gaps, few and many categories, and odd names of columns."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(n)
    town = rng.choice(["Bath", "O'Hara", "Zürich", "x -- y", "Rare"], n)
    table = pd.DataFrame(
        {
            NUMBER: z,
            "tiny": 1e-300 * rng.standard_normal(n),
            "huge": rng.integers(0, 2**60, n),
            "z0": rng.choice([0.1, 2.5, 7.0], n),
            "owns": rng.random(n) < 0.5,
            TOWN: np.where(np.arange(n) % 50 == 0, "rare", town).astype(object),
            "many": [f"k'{i % 60}" for i in rng.integers(0, 10**6, n)],
            "code": pd.Categorical(rng.choice([1.0, -2.0, 1e20], n)),
        }
    )
    table.loc[rng.random(n) < 0.1, [NUMBER, "z0"]] = np.nan
    table.loc[rng.random(n) < 0.1, TOWN] = None
    score = 2 * z * (town == "Bath") + (table["tiny"] > 0) + rng.standard_normal(n)
    return table, np.digitize(score, [0.3, 1.0][: n_classes - 1])


def fitted(model, table, y):
    clf = {"alpha": 1.0, "tol": 1e-2, "random_state": 0}
    return model.set_params(**{f"{model.steps[-1][0]}__{k}": clf[k] for k in clf}).fit(
        table, y
    )


@DATABASES
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_a_raw_table(database, hidden, n_classes):
    table, y = people(n_classes=n_classes)
    model = fitted(tabular_pipeline(ReLULogisticClassifier(hidden)), table, y)
    found = assert_same(database, model, table)
    # The tolerance tells right from slightly wrong.
    model[-1].coefs_[-1] *= 1 + 1e-6
    assert abs(found - model.decision_function(table)).max() > 1e-9


@DATABASES
def test_gaps_and_categories_that_fit_has_not_seen(database):
    table, y = people()
    model = fitted(tabular_pipeline(ReLULogisticClassifier((6,))), table, y)
    new = table.head(60).copy()
    new["code"] = new["code"].astype(object)
    for column in new:
        if column != "huge":  # Whole numbers have no gaps in pandas.
            new[column] = new[column].astype(object)
            new.loc[new.index[new.columns.get_loc(column) :: 9], column] = None
    new.loc[3:8, TOWN], new.loc[9:12, "many"], new.loc[13:15, "code"] = "?", "new", 3.0
    new.loc[16:20, NUMBER] = [1e300, -1e300, 5e-324, 0, 1e-300]
    for column in (NUMBER, "tiny", "z0", "owns", "code"):
        new[column] = new[column].astype(float)
    expected = model.decision_function(new)
    np.testing.assert_allclose(logits(database, model, new), expected, atol=1e-9)


@DATABASES
def test_no_rows_and_names_of_tables(database):
    table, y = people()
    model = fitted(tabular_pipeline(ReLULogisticClassifier((6,))), table, y)
    assert database(to_sql(model, "people"), table.head(0), "people") == []
    for name in ("people 0", 'my "table"', "t", "x0"):
        assert_same(database, model, table.head(30), name)
    schema = "main"
    query = to_sql(model, [schema, "people"])
    assert len(database(query, table.head(5), "people")) == 5


@DATABASES
def test_numbers_of_an_array_alone_and_behind_steps(database):
    X, y = load_iris(return_X_y=True)
    X = X * [1, 1e-150, 1e100, 1]
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(4)])
    clf = ReLULogisticClassifier((5, 4), alpha=1.0, tol=1e-2, random_state=0)
    fronts = [
        [StandardScaler()],
        [PiecewiseLinearEncoder(), StandardScaler()],
        [MinMaxScaler((-1, 1), clip=True), SimpleImputer(add_indicator=True)],
        [FeatureUnion([("a", StandardScaler()), ("b", PiecewiseLinearEncoder())])],
    ]
    for front in fronts:
        model = make_pipeline(*front, clf).fit(X, y)
        expected = model.decision_function(X)
        # Half as far again as the data go, on either side.
        far = X.mean(axis=0) + 1.5 * (X - X.mean(axis=0))
        for rows in (X, far):
            rows = pd.DataFrame(rows, columns=frame.columns)
            found = logits(database, model, rows)
            expected = model.decision_function(rows.to_numpy())
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    alone = clf.fit(X[:, [0, 3]], y)
    renamed = frame[["x0", "x3"]].set_axis(["x0", "x1"], axis=1)
    np.testing.assert_allclose(
        logits(database, alone, renamed),
        alone.decision_function(X[:, [0, 3]]),
        rtol=0,
        atol=1e-9,
    )


@DATABASES
@pytest.mark.parametrize("unknown", ["ignore", "error", "infrequent_if_exist"])
def test_encoders_of_scikit_learn(database, unknown):
    table, y = people()
    fill = make_pipeline(SimpleImputer(strategy="most_frequent"), TargetEncoder())
    columns = ColumnTransformer(
        [
            ("scaled", make_pipeline(SimpleImputer(), StandardScaler()), [NUMBER]),
            ("marked", SimpleImputer(missing_values=7.0), ["z0"]),
            ("number", OneHotEncoder(handle_unknown="ignore"), ["z0"]),
            ("town", OneHotEncoder(handle_unknown=unknown, min_frequency=9), [TOWN]),
            ("rank", make_pipeline(OrdinalEncoder(), StandardScaler()), ["owns"]),
            ("mean", fill, [TOWN, "many"]),
        ]
    )
    table["z0"] = table["z0"].fillna(0.1)
    model = make_pipeline(columns, ReLULogisticClassifier((6,)))
    search = GridSearchCV(model, {"relulogisticclassifier__alpha": [1.0]}, cv=2)
    search.fit(table, y)
    assert_same(database, search, table)
    new = table.head(20).copy()
    new.loc[:5, TOWN] = "new"
    found = logits(database, search, new)
    if unknown == "error":
        assert np.isnan(found[:6]).all()
        new, found = new[6:], found[6:]
    expected = search.decision_function(new)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@DATABASES
def test_a_gap_that_the_model_has_no_value_for_has_no_logit(database):
    table, y = people()
    X = table[["tiny", NUMBER]].fillna(0.0) * [1e300, 1]
    model = make_pipeline(MinMaxScaler(clip=True), ReLULogisticClassifier((6,)))
    X_gap = X.head(10).copy()
    X_gap.iloc[3, 0] = np.nan
    found = logits(database, fitted(model, X, y), X_gap)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]


def test_a_wide_table():
    """Sums of more terms than SQLite's expressions are deep."""
    X = np.random.default_rng(0).standard_normal((40, 1200))
    y = X[:, 0] > 0
    clf = ReLULogisticClassifier((2,), alpha=1.0, max_iter=5, tol=1.0, random_state=0)
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(1200)])
    expected = clf.fit(X, y).decision_function(X)
    np.testing.assert_allclose(logits(in_sqlite, clf, table), expected, atol=1e-9)


def test_without_the_word_that_is_no_standard():
    table, y = people(100)
    model = fitted(tabular_pipeline(ReLULogisticClassifier((6,))), table, y)
    query = to_sql(model, "people", materialized=False)
    assert "MATERIALIZED" not in query
    found = np.array(in_sqlite(query, table, "people"))[:, 0]
    np.testing.assert_allclose(found, model.decision_function(table), atol=1e-9)


def test_classes_in_the_names_of_the_columns():
    X, y = load_iris(return_X_y=True)
    clf = ReLULogisticClassifier((), alpha=1.0).fit(X, np.array(["a", 'b"', "ç"])[y])
    database = sqlite3.connect(":memory:")
    pd.DataFrame(X, columns=["x0", "x1", "x2", "x3"]).to_sql("iris", database)
    result = database.execute(to_sql(clf, "iris"))
    names = [name for name, *_ in result.description]
    assert names == ["logit_a", 'logit_b"', "logit_ç"]


def test_what_cannot_be_written():
    X, y = load_iris(return_X_y=True)
    clf = ReLULogisticClassifier((), alpha=1.0)
    for step in (PCA(2), KBinsDiscretizer(quantile_method="averaged_inverted_cdf")):
        with pytest.raises(TypeError, match=f"in the table.*Got {type(step).__name__}"):
            to_sql(make_pipeline(step, clf).fit(X, y), "iris")
    days = [datetime(2020, 1, 1) + timedelta(days=7 * i) for i in range(150)]
    model = tabular_pipeline(clf).fit(pd.DataFrame({"when": days}), y)
    with pytest.raises(TypeError, match="Got DateParts"):
        to_sql(model, "iris")
    with pytest.raises(TypeError, match="must be a ReLULogisticClassifier"):
        to_sql(StandardScaler(), "iris")
    with pytest.raises(NotFittedError):
        to_sql(ReLULogisticClassifier(), "iris")


@DATABASES
def test_text_with_spaces_and_decimals_is_read_as_in_python(database):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "town": rng.choice(["a", "b", "c", "b "], 300),
            "code": rng.choice(["1", "2", "3", "10"], 300),
        }
    )
    y = (table["town"] == "a") ^ (table["code"] == "2") ^ (rng.random(300) < 0.1)
    model = fitted(tabular_pipeline(ReLULogisticClassifier((4,))), table, y)
    new = pd.DataFrame(
        {
            "town": ["a", " a  ", "b", "b ", "b  ", " ", "c ", "?"] * 2,
            "code": ["1", "1.0", "2.0", "3", "3.0", "10.0", " 2", "4.0"] * 2,
        }
    )
    assert_same(database, model, new)
    # Without the reader of tables, such text is another category.
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = fitted(make_pipeline(encoder, ReLULogisticClassifier((4,))), table, y)
    assert_same(database, model, new)


def test_names_that_differ_only_in_case_are_refused():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["A", "a"])
    model = ReLULogisticClassifier((), alpha=1.0).fit(X, X["A"] > X["a"])
    with pytest.raises(ValueError, match=r"Rename columns .* Got 'A' and 'a'"):
        to_sql(model, "people")


@pytest.mark.parametrize("is_raw", [True, False])
def test_categories_that_double_precision_cannot_hold_are_refused(is_raw):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"key": rng.integers(0, 5, 100) + 2**53})
    y = X["key"] % 2
    if is_raw:
        X = X.astype("category")
        model = tabular_pipeline(ReLULogisticClassifier(()))
    else:
        model = make_pipeline(OneHotEncoder(), ReLULogisticClassifier(()))
    with pytest.raises(ValueError, match="Turn the categories of column 'key'"):
        to_sql(fitted(model, X, y), "people")
