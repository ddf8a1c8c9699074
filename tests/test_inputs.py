"""Inputs of explanations and tables: taken, or refused with advice."""

import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from conftest import needs_torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.utils.fixes import parse_version

from sklearn_relulogit import (
    LinearRegionsDisplay,
    ReLULogisticClassifier,
    contributions,
    inference,
    linear_regions,
    local_linear,
    nearest_change,
    slope_bounds,
    tabular_pipeline,
)
from sklearn_relulogit.export import to_mlp_classifier

CANCER, Y = load_breast_cancer(return_X_y=True, as_frame=True)
CANCER = CANCER.iloc[:, :4]
NUMBERS = CANCER.to_numpy()


def network(hidden=(4,), **kwargs):
    return ReLULogisticClassifier(
        hidden, **({"alpha": 1.0, "random_state": 0} | kwargs)
    )


def people(n=200):
    """A table of several types, in which the town and the children decide."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, n),
            "children": pd.array(rng.integers(0, 4, n), dtype="Int64"),
            "town": pd.Categorical(rng.choice(["Bonn", "Ulm"], n)),
        }
    )
    late = rng.random(n) < 0.05
    y = ((X["town"] == "Ulm") ^ (X["children"].astype(float) > 2)).to_numpy() ^ late
    return X, y


PEOPLE, LATE = people()
OF_FRAME = make_pipeline(StandardScaler(), network()).fit(CANCER, Y)
OF_ARRAY = make_pipeline(StandardScaler(), network()).fit(NUMBERS, Y)
OF_PEOPLE = tabular_pipeline(network()).fit(PEOPLE, LATE)

EXPLAINED = {
    "contributions": contributions,
    "local_linear": local_linear,
    "linear_regions": linear_regions,
    "std": lambda model, X: inference(model, CANCER, Y).std(X),
    "effects": lambda model, X: inference(model, X, Y),
}


@pytest.mark.parametrize("name", EXPLAINED)
@pytest.mark.parametrize(
    "row",
    [CANCER.iloc[0], NUMBERS[0], dict(CANCER.iloc[0])],
    ids=["Series", "1d", "dict"],
)
def test_a_row_must_be_in_a_table(name, row):
    with pytest.raises(
        ValueError, match=r"^Pass X as a table: one row is X\.iloc\[\[0"
    ):
        EXPLAINED[name](OF_FRAME, row)


@pytest.mark.parametrize("name", EXPLAINED)
def test_lazy_tables_are_told_how_to_become_tables(name):
    frame = dd.from_pandas(CANCER, npartitions=2)
    for X in (frame, frame.to_dask_array(lengths=True)):
        with pytest.raises(TypeError, match=r"^Pass X\.compute\(\), or a part of it"):
            EXPLAINED[name](OF_FRAME, X)
    with pytest.raises(TypeError, match=r"^Pass X\.collect\(\).* a polars LazyFrame"):
        EXPLAINED[name](OF_FRAME, pl.from_pandas(CANCER).lazy())


def test_references_and_single_rows_are_checked_as_well():
    frame = dd.from_pandas(CANCER, npartitions=2)
    with pytest.raises(TypeError, match=r"^Pass reference\.compute\(\)"):
        contributions(OF_FRAME, CANCER, frame)
    with pytest.raises(TypeError, match=r"^Pass x\.compute\(\)"):
        nearest_change(OF_FRAME, frame)
    errors = inference(OF_ARRAY, NUMBERS, Y)
    for reference, message in (
        (np.full(4, np.nan), "takes, as X: Input X contains NaN"),
        (NUMBERS[:1, :2], "takes, as X: X has 2 features"),
        (NUMBERS[:0], r"^Pass reference with at least one row. Got \(0, 4\)"),
        (3.0, "^Pass reference as a table"),
        (NUMBERS[np.newaxis], "^Pass reference as a table"),
    ):
        for of in (lambda r: contributions(OF_ARRAY, NUMBERS[:2], r), lambda r:
                   errors.contributions(NUMBERS[:2], r)):  # fmt: skip
            with pytest.raises(ValueError, match=message):
                of(reference)
    # Nothing is proven about a row that the model does not take.
    with pytest.raises(ValueError, match="contains NaN"):
        nearest_change(OF_ARRAY, np.full((1, 4), np.nan))


def test_a_table_of_partitions_is_predicted_by_them():
    X = dd.from_pandas(PEOPLE, npartitions=2)
    with pytest.raises(
        TypeError, match=r"^Call X\.compute\(\) .* X\.map_partitions\(m"
    ):
        OF_PEOPLE.predict(X)
    with pytest.raises(TypeError, match=r"^Call X\.collect\(\)"):
        OF_PEOPLE.predict(pl.from_pandas(PEOPLE).lazy())
    assert_array_equal(X.map_partitions(OF_PEOPLE.predict), OF_PEOPLE.predict(PEOPLE))


@pytest.mark.parametrize(
    "rows", [PEOPLE.iloc[0], dict(PEOPLE.iloc[0]), PEOPLE.to_numpy(), [[1, 2, "Ulm"]]]
)
def test_tables_say_what_to_pass(rows):
    with pytest.raises(TypeError, match=r"^Pass a DataFrame"):
        OF_PEOPLE.predict(rows)


def test_objects_that_are_numbers_are_those_numbers():
    objects = NUMBERS[:9].astype(object)
    for explain in (contributions, lambda model, X: local_linear(model, X)[0]):
        found = [explain(OF_ARRAY, X) for X in (objects, NUMBERS[:9])]
        assert_array_equal(*(getattr(one, "values", one) for one in found))
    found = nearest_change(OF_ARRAY, objects[0])
    assert found.distance == nearest_change(OF_ARRAY, NUMBERS[0]).distance
    X = pd.DataFrame(NUMBERS.astype(object))
    with pytest.raises(TypeError, match=r"pandas\.DataFrame\(X\)\.infer_objects\(\)"):
        tabular_pipeline(network()).fit(X.to_numpy(), Y)
    model = tabular_pipeline(network(())).fit(X.infer_objects(), Y)
    assert model.score(X.infer_objects(), Y) > 0.8


class Sampler(BaseEstimator):
    """Like imbalanced-learn's samplers, it acts in `fit` alone."""

    def fit_resample(self, X, y):
        raise AssertionError("Nothing is drawn after fit.")


def test_samplers_of_other_packages_are_passed_over():
    scaler, classifier = OF_ARRAY
    sampled = Pipeline([("a", scaler), ("b", Sampler()), ("c", classifier)])
    X = NUMBERS[:5]
    assert_array_equal(
        contributions(sampled, X).values, contributions(OF_ARRAY, X).values
    )
    assert_array_equal(local_linear(sampled, X)[0], local_linear(OF_ARRAY, X)[0])
    assert_array_equal(
        slope_bounds(sampled, [0]).lower, slope_bounds(OF_ARRAY, [0]).lower
    )
    found = nearest_change(sampled, X[:1])
    assert found.distance == nearest_change(OF_ARRAY, X[:1]).distance
    assert_array_equal(
        to_mlp_classifier(sampled).predict_proba(X),
        to_mlp_classifier(OF_ARRAY).predict_proba(X),
    )
    assert_allclose(inference(sampled, NUMBERS, Y).std(X),
                    inference(OF_ARRAY, NUMBERS, Y).std(X))  # fmt: skip


@needs_torch
def test_tensors_are_explained_wherever_the_steps_were_fitted(monkeypatch):
    import torch
    from sklearn import config_context

    X, y = torch.tensor(NUMBERS), torch.tensor(Y.to_numpy())
    expected = contributions(OF_ARRAY, NUMBERS, NUMBERS[:2]).values
    for rows in (X, X.clone().requires_grad_()):
        assert_allclose(contributions(OF_ARRAY, rows, rows[:2]).values, expected)
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        model = make_pipeline(StandardScaler(), network()).fit(X, y)
        inside = contributions(model, X, X[:2]).values
    for rows in (X, NUMBERS):
        assert_allclose(contributions(model, rows, rows[:2]).values, inside)
        assert_allclose(local_linear(model, rows)[0], local_linear(OF_ARRAY, rows)[0])
    assert nearest_change(model, X[:1]).row.shape == (1, 4)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"),
    reason="the scaler of scikit-learn 1.7 does not take arrays of array_api_strict",
)
def test_arrays_of_other_libraries_are_explained_on_the_host(monkeypatch):
    from sklearn import config_context

    xp = pytest.importorskip("array_api_strict")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    # scikit-learn divides zero by zero on the way to the mean.
    with config_context(array_api_dispatch=True), np.errstate(invalid="ignore"):
        X, y = xp.asarray(NUMBERS), xp.asarray(Y.to_numpy())
        model = make_pipeline(StandardScaler(), network()).fit(X, y)
        inside = contributions(model, X, X[:2, :])
        regions = linear_regions(model, X, y)
    expected = contributions(OF_ARRAY, NUMBERS, NUMBERS[:2])
    assert_allclose(inside.values, expected.values, atol=1e-9)
    outside = contributions(model, NUMBERS, NUMBERS[:2])
    assert_allclose(outside.values, inside.values)
    assert isinstance(inside.X, np.ndarray)
    assert len(regions) == len(linear_regions(OF_ARRAY, NUMBERS, Y))
    mlp = to_mlp_classifier(model)
    assert_allclose(mlp.predict_proba(NUMBERS), OF_ARRAY.predict_proba(NUMBERS))


@pytest.mark.parametrize("strategy", ["mean", "most_frequent"])
def test_imputation_of_missing_values_of_pandas(strategy):
    X = CANCER.astype("Float64")
    X.iloc[3:40, 0] = pd.NA
    imputer = SimpleImputer(missing_values=pd.NA, strategy=strategy)
    model = make_pipeline(imputer, StandardScaler(), network()).fit(X, Y)
    plain = X.astype(float)
    imputer = SimpleImputer(strategy=strategy)
    same = make_pipeline(imputer, StandardScaler(), network()).fit(plain, Y)
    some = slice(0, 6)
    assert_allclose(contributions(model, X[some]).values,
                    contributions(same, plain[some]).values)  # fmt: skip
    coef, intercept = local_linear(model, X[some])
    filled = plain[some].fillna(0.0)
    logits = (coef * filled).sum(axis=1) + intercept
    assert_allclose(logits, model.decision_function(X[some]))
    assert (coef[3:, 0] == 0).all()
    assert (
        nearest_change(model, X[:1]).distance
        == nearest_change(same, plain[:1]).distance
    )


def test_the_ways_to_explain_several_networks():
    labels = np.column_stack([Y, 1 - Y])
    several = MultiOutputClassifier(network(())).fit(NUMBERS, labels)
    for explain in (contributions, local_linear, lambda m, _: slope_bounds(m)):
        with pytest.raises(
            TypeError, match=r"^Take each of model\.estimators_, .* Got M"
        ):
            explain(several, NUMBERS)
    for one in several.estimators_:
        assert contributions(one, NUMBERS[:2]).values.shape == (2, 4)
    forest = RandomForestClassifier(2, random_state=0).fit(NUMBERS, Y)
    with pytest.raises(TypeError, match=r"^The model must be"):
        contributions(forest, NUMBERS)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"fixed": "mean radius"},
            r"^Pass fixed as a list of columns, such as \['mean",
        ),
        ({"increase": 0}, "^Pass increase as a list"),
        ({"integer": None}, "^Pass integer as a list"),
        ({"fixed": [True]}, "A column must be one of the names of X"),
        ({"bounds": [(0, 1)]}, r"^Pass bounds as a dict by columns, such as {'mean r"),
        ({"bounds": np.zeros((4, 2))}, "^Pass bounds as a dict"),
        ({"bounds": {"mean radius": ("1", "30")}}, "^Pass finite bounds"),
        ({"bounds": {"mean radius": (None, 30)}}, "^Pass finite bounds"),
        ({"proba": "half"}, "'proba' parameter of nearest_change"),
        ({"time_limit": "10"}, "'time_limit' parameter of nearest_change"),
        ({"time_limit": np.nan}, "'time_limit' parameter of nearest_change"),
    ],
)
def test_what_may_change_is_checked(kwargs, message):
    with pytest.raises(ValueError, match=message):
        nearest_change(OF_FRAME, CANCER.iloc[[0]], **kwargs)


def test_columns_of_bounds_and_effects_are_checked():
    errors = inference(OF_FRAME, CANCER, Y)
    for call in (
        lambda: slope_bounds(OF_FRAME, "mean radius"),
        lambda: errors.effects("mean radius"),
    ):
        with pytest.raises(ValueError, match=r"^Pass columns as a list of columns"):
            call()
    with pytest.raises(ValueError, match=r"^Pass box as a dict"):
        slope_bounds(OF_FRAME, box=[(0, 1)] * 4)
    with pytest.raises(ValueError, match="'time_limit' parameter of slope_bounds"):
        slope_bounds(OF_FRAME, [0], time_limit=-1)
    with pytest.raises(ValueError, match="'level' parameter"):
        errors.interval(CANCER, level="90 %")


FRAMES = {
    "pandas": PEOPLE,
    "float32": PEOPLE.astype({"age": "float32"}),
    "arrow": PEOPLE.astype({"age": "float[pyarrow]", "children": "int8[pyarrow]"}),
    "one category": PEOPLE.assign(town=PEOPLE["town"].astype(str)).iloc[:1].astype(
        {"town": "category"}
    ),
    "polars": pl.from_pandas(PEOPLE).cast({"children": pl.UInt8, "age": pl.Float32}),
    "enum": pl.from_pandas(PEOPLE).cast({"town": pl.Enum(["Bonn", "Ulm"])}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("changed", ["town", "children"])
def test_the_nearest_row_has_the_types_of_the_given_one(kind, changed):
    X = FRAMES[kind][:1]
    fixed = {"town", "children", "age"} - {changed}
    found = nearest_change(OF_PEOPLE, X, fixed=fixed)
    assert found.changes.index.tolist() == [changed]
    assert OF_PEOPLE.predict(found.row)[0] != OF_PEOPLE.predict(X)[0]
    for before, after in zip(X.dtypes, found.row.dtypes, strict=True):
        assert type(after) is type(before)
        if kind != "one category":
            assert after == before
    assert found.after == [found.row[changed].to_numpy()[0]]


def test_an_enum_without_the_new_category_becomes_text():
    X = FRAMES["polars"][:1]
    X = X.cast({"town": pl.Enum(X["town"].cast(str).to_list())})
    found = nearest_change(OF_PEOPLE, X, fixed=["age", "children"])
    assert found.row["town"].dtype == pl.String
    assert found.row["town"][0] != X["town"][0]


def test_the_nearest_row_stays_within_its_type():
    # The classes meet below zero, which the type cannot hold, so only y can change.
    rng = np.random.default_rng(0)
    X = rng.integers(0, 40, (300, 2)).astype(np.uint8)
    logits = X[:, 0] + 8.0 + 0.25 * (X[:, 1].astype(float) - 20)
    labels = logits + rng.logistic(size=300) > 12
    model = make_pipeline(StandardScaler(), network(())).fit(X, labels)
    x = np.array([[9, 10]], dtype=np.uint8)
    # At 0 it is more probable than that, and there are no smaller values.
    assert model.predict_proba(x * np.uint8([0, 1]))[0, 1] > 1e-5
    bounds = {0: (-50, 400)}
    assert nearest_change(model, x, fixed=[1], proba=1e-5, bounds=bounds) is None
    found = nearest_change(model, x.astype(int), fixed=[1], proba=1e-5, bounds=bounds)
    assert found.row[0, 0] < 0
    # The default range is five spreads around the mean, which does not reach it either.
    assert X[:, 0].mean() < 5 * X[:, 0].std()
    assert nearest_change(model, x, fixed=[1], proba=1e-5) is None


def test_the_nearest_row_of_a_sparse_matrix_is_sparse():
    X = scipy.sparse.csr_array(NUMBERS)
    model = make_pipeline(MaxAbsScaler(), network()).fit(X, Y)
    found = nearest_change(model, X[[0]])
    assert isinstance(found.row, scipy.sparse.csr_array)
    assert model.predict(found.row)[0] != model.predict(X[[0]])[0]


def test_texts_tell_apart_what_differs():
    x = NUMBERS[:1]
    edge = nearest_change(OF_ARRAY, x).row
    found = nearest_change(OF_ARRAY, edge)
    for one, other in zip(found.before, found.after, strict=True):
        assert f"{one:.4g}" == f"{other:.4g}"  # Fewer digits do not agree.
    told = found.to_text().partition(": ")[2].rstrip(".")
    for change in told.split("; "):
        _, new, old = change.replace(" instead of", "").rsplit(" ", 2)
        assert new != old
    text = contributions(OF_ARRAY, found.row, edge).to_text()
    assert " instead of " in text
    assert "(-0.00)" not in text
    assert "(+0.00)" not in text


def test_no_probability_is_certain():
    far = NUMBERS.mean(axis=0) + np.array([[-9.0], [9.0]]) * NUMBERS.std(axis=0)
    texts = [contributions(OF_ARRAY, far).to_text(i) for i in range(2)]
    assert sorted(text[17:].partition(",")[0] for text in texts) == [
        "< 0.01 %",
        "> 99.99 %",
    ]


def test_regions_of_a_table_are_those_of_its_classifier():
    with pytest.raises(TypeError, match=r"^Pass a row for others.*\['town'\]"):
        LinearRegionsDisplay.from_estimator(OF_PEOPLE, PEOPLE)
    features = OF_PEOPLE[:-1].transform(PEOPLE)
    display = LinearRegionsDisplay.from_estimator(OF_PEOPLE[-1], features)
    assert len(display.regions) > 0


def test_types_among_the_attributes_of_steps_are_no_arrays():
    ordinal = make_pipeline(KBinsDiscretizer(3, encode="ordinal", dtype=np.float32))
    model = make_pipeline(ordinal, OneHotEncoder(dtype=np.float32), network())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # About future quantiles.
        model.fit(NUMBERS, Y)
    found = contributions(model, NUMBERS)
    logits = found.values.sum(axis=1) + found.baseline
    assert_allclose(logits, model.decision_function(NUMBERS), rtol=1e-5, atol=1e-5)
