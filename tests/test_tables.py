"""tabular_pipeline: raw frames in, of any library and any type that holds a table."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    tabular_pipeline,
)
from sklearn_relulogit._tables.columns import MAX_INDICATORS, kind
from sklearn_relulogit._tables.pipeline import target_encoder

N = 240
RNG = np.random.RandomState(0)
TOWNS = [f"town {i}" for i in range(MAX_INDICATORS + 10)]


def gaps(values):
    return [None if RNG.rand() < 0.1 else value for value in values]


PLAIN = {
    "age": gaps(RNG.exponential(30, N).tolist()),
    "rooms": RNG.randint(1, 6, N).tolist(),
    "alone": gaps((RNG.rand(N) < 0.5).tolist()),
    "colour": gaps(RNG.choice(["red", "green", "blue"], N, p=[0.6, 0.38, 0.02])),
    "town": gaps([str(town) for town in RNG.choice(TOWNS, N)]),
}
PLAIN["colour"] = [None if v is None else str(v) for v in PLAIN["colour"]]
OBJECTS = pd.DataFrame(PLAIN, dtype=object)
AGES = np.array([np.nan if age is None else age for age in PLAIN["age"]])
Y = np.where(
    np.nan_to_num(AGES, nan=50) + 30 * (OBJECTS.colour == "red") + RNG.rand(N) * 30
    > 60,
    "yes",
    "no",
)


def frames():
    inferred = pd.DataFrame(PLAIN)
    polars = pl.DataFrame(PLAIN)
    towns = pl.Enum(TOWNS)
    return {
        "objects": OBJECTS,
        "inferred": inferred,
        "nullable": inferred.convert_dtypes(),
        "pyarrow": inferred.convert_dtypes(dtype_backend="pyarrow"),
        "categorical": inferred.astype({"colour": "category", "town": "category"}),
        "polars": polars,
        "polars categorical": polars.with_columns(
            pl.col("colour").cast(pl.Categorical), pl.col("town").cast(towns)
        ),
    }


def small(**parameters):
    return ReLULogisticClassifier((3,), alpha=1.0, random_state=0, **parameters)


def by_hand():
    """What the frame says, from the standard library and numpy."""
    numbers = np.column_stack(
        [
            [np.nan if v is None else float(v) for v in PLAIN[name]]
            for name in ("age", "rooms", "alone")
        ]
    )
    parts = [PiecewiseLinearEncoder().fit_transform(numbers)]
    colours = np.array(["gap" if v is None else v for v in PLAIN["colour"]])
    names, counts = np.unique(colours, return_counts=True)
    order = [name for name in ("green", "red") if counts[names == name] >= 10]
    columns = [colours == name for name in (*order, "gap")]
    rare = np.isin(colours, names[counts < 10])
    assert rare.any()
    parts.append(np.column_stack([*columns, rare]).astype(float))
    # Means of the other four parts, drawn to the mean of all by empirical Bayes.
    towns = np.array(["gap" if v is None else v for v in PLAIN["town"]])
    y = (Y == "yes").astype(float)
    encoded = np.empty(N)
    folds = target_encoder().cv
    if isinstance(folds, int):  # Up to scikit-learn 1.8.
        folds = StratifiedKFold(folds, shuffle=True, random_state=0)
    for train, test in folds.split(towns, y):
        mean, variance = y[train].mean(), y[train].var()
        for i in test:
            same = y[train][towns[train] == towns[i]]
            if len(same) == 0 or variance == 0:
                encoded[i] = mean
                continue
            weight = variance * len(same)
            weight = weight / (weight + same.var()) if weight + same.var() else 1
            encoded[i] = weight * same.mean() + (1 - weight) * mean
    parts.append(PiecewiseLinearEncoder().fit_transform(encoded[:, np.newaxis]))
    return np.column_stack(parts)


@pytest.mark.parametrize("name", frames())
def test_every_kind_of_frame_is_the_same_table(name):
    X = frames()[name]
    model = tabular_pipeline(small())
    Z = model[0].fit_transform(X, Y)
    expected = by_hand()
    assert Z.shape == expected.shape
    names = model[0].get_feature_names_out().tolist()
    assert "categories__colour_infrequent_sklearn" in names
    assert_allclose(Z, expected, rtol=0, atol=1e-9)


def test_a_fit_learns_and_takes_what_it_never_saw():
    X = frames()["inferred"]
    model = tabular_pipeline().fit(X, Y)
    assert model.score(X, Y) > 0.85
    assert cross_val_score(model, X, Y, cv=3).mean() > 0.8
    new = pd.DataFrame(
        {"town": ["elsewhere"], "colour": "mauve", "age": 1e6, "rooms": 9, "alone": 0}
    )
    Z = model[0].transform(new)
    assert np.isfinite(Z).all()
    names = model[0].get_feature_names_out().tolist()
    assert Z[0, names.index("categories__colour_infrequent_sklearn")] == 1
    with pytest.raises(ValueError, match="columns are missing"):
        model.predict(new.drop(columns="rooms"))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=5),
        ReLULogisticClassifierCV((3,), alphas=[1.0, 10.0], random_state=0, cv=2),
        GridSearchCV(small(), {"alpha": [1.0, 10.0]}, cv=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_any_classifier_or_search_at_the_end(estimator):
    X = frames()["polars"]
    model = tabular_pipeline(estimator).fit(X, Y)
    assert model.predict_proba(X).shape == (N, 2)
    assert (model.predict(X) == Y).mean() > 0.8


def test_a_search_over_the_whole_pipeline():
    X = frames()["inferred"].drop(columns="town")
    search = GridSearchCV(
        tabular_pipeline(small()), {"columns__numbers__n_bins": [0, 4]}, cv=2
    ).fit(X, Y)
    assert search.best_params_["columns__numbers__n_bins"] in (0, 4)


def test_weights_reach_the_classifier_and_order_does_not_matter():
    X = frames()["inferred"].drop(columns="town")
    s = RNG.randint(1, 4, N)
    weighted = tabular_pipeline(small()).fit(X, Y, classifier__sample_weight=s)
    plain = tabular_pipeline(small()).fit(X, Y)
    assert abs(weighted.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3
    order = RNG.permutation(N)
    shuffled = tabular_pipeline(small()).fit(X.iloc[order], Y[order])
    assert_allclose(shuffled.predict_proba(X), plain.predict_proba(X), atol=1e-6)


def test_arrays_and_columns_without_names():
    X = RNG.standard_normal((N, 3))
    array = tabular_pipeline(small()).fit(X, Y)
    frame = tabular_pipeline(small()).fit(pd.DataFrame(X, columns=[2, 0, 1]), Y)
    assert_array_equal(
        frame.predict_proba(pd.DataFrame(X, columns=[2, 0, 1])), array.predict_proba(X)
    )


def test_copies():
    X = frames()["nullable"]
    model = tabular_pipeline(small()).fit(X, Y)
    data = skops.io.dumps(model)
    trusted = skops.io.get_untrusted_types(data=data)
    ours = ("sklearn_relulogit.", "sklearn.model_selection.")
    assert all(name.startswith(ours) for name in trusted)
    for copy in (
        pickle.loads(pickle.dumps(model)),
        clone(model).fit(X, Y),
        skops.io.loads(data, trusted=trusted),
    ):
        assert_array_equal(copy.predict_proba(X), model.predict_proba(X))


NUMBERS = {
    "bool": [True, False],
    "object bool": pd.Series([True, None], dtype=object),
    "object numbers": pd.Series([1, 2.5, None], dtype=object),
    "decimals": pd.Series([decimal.Decimal("1.5"), None]),
    "unsigned": pd.Series([1, 2], dtype="uint8"),
    "all missing": pd.Series([np.nan, np.nan]),
    "polars bool": pl.Series([True, None]),
    "polars null": pl.Series([None, None]),
    "polars decimal": pl.Series([decimal.Decimal("1.5")]),
}
CATEGORIES = {
    "strings": ["a", None],
    "bins": pd.cut(pd.Series([1.0, 2.0, 3.0]), 2),
    "numbers as categories": pd.Series([1, 2], dtype="category"),
    "all None": pd.Series([None, None], dtype=object),
    "polars strings": pl.Series(["a", None]),
}
OTHERS = {
    "dates": pd.Series(pd.to_datetime(["2024-01-01"])),
    "zoned dates": pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
    "python dates": pd.Series([datetime.date(2024, 1, 1)], dtype=object),
    "durations": pd.Series(pd.to_timedelta([1], unit="D")),
    "complex": pd.Series([1j]),
    "mixed": pd.Series([1, "a"], dtype=object),
    "lists": pd.Series([[1], [2]], dtype=object),
    "NA among objects": pd.Series([1.0, pd.NA], dtype=object),
    "polars dates": pl.Series([datetime.date(2024, 1, 1)]),
    "polars lists": pl.Series([[1], [2]]),
}


@pytest.mark.parametrize("name", NUMBERS | CATEGORIES)
def test_kinds_of_columns(name):
    column = (NUMBERS | CATEGORIES)[name]
    column = pd.Series(column) if isinstance(column, list) else column
    frame_of = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    assert kind(column) == ("number" if name in NUMBERS else "category")
    X = frame_of({"a": column, "b": range(len(column))})
    model = tabular_pipeline()[0]
    Z = model.fit_transform(X, np.arange(len(column)) % 2)
    assert np.isfinite(Z).all()
    assert_array_equal(model.transform(X), Z)


@pytest.mark.parametrize("name", OTHERS)
def test_other_columns_are_refused_with_advice(name):
    frame_of = pl.DataFrame if isinstance(OTHERS[name], pl.Series) else pd.DataFrame
    X = frame_of({"a": OTHERS[name]})
    with pytest.raises(TypeError, match=r"^Turn column 'a' into numbers or categ"):
        tabular_pipeline().fit(X, np.arange(len(X)) % 2)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (csr_array([[1.0]]), TypeError, "^Pass a DataFrame of pandas or polars"),
        (np.array([["a"]]), TypeError, "^Turn the columns of X into numbers"),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            ValueError,
            # scikit-learn 1.9 says so itself.
            "^(Rename the columns that share a name: .'a'.|Expected unique column)",
        ),
    ],
)
def test_other_tables_are_refused(X, error, message):
    with pytest.raises(error, match=message):
        tabular_pipeline().fit(X, [0])


@pytest.mark.parametrize("estimator", [ReLULogisticClassifier, "logistic", 3])
def test_no_estimator(estimator):
    with pytest.raises(TypeError, match=r"^Pass an estimator"):
        tabular_pipeline(estimator)
