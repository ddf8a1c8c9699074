"""tabular_pipeline: raw frames of any library and any type that holds a table."""

import datetime
import decimal
import io
import pickle
import re
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import get_tags

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    contributions,
    local_linear,
    tabular_pipeline,
)
from sklearn_relulogit._tables.target import folds

N = 240
RNG = np.random.RandomState(0)
TOWNS = [f"town {i}" for i in range(50)]


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
    np.nan_to_num(AGES, nan=50)
    + 30 * (OBJECTS.colour == "red")
    + 40 * OBJECTS.town.isin(TOWNS[:25])
    + RNG.rand(N) * 30
    > 80,
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
    """The content of the frame, by the standard library and numpy."""
    numbers = np.column_stack(
        [
            [np.nan if v is None else float(v) for v in PLAIN[name]]
            for name in ("age", "rooms", "alone")
        ]
    )
    parts = [PiecewiseLinearEncoder().fit_transform(numbers, Y)]
    colours = np.array(["nan" if v is None else v for v in PLAIN["colour"]])
    names, counts = np.unique(colours, return_counts=True)
    rare = names[counts < 10]
    assert rare.tolist() == ["blue"]
    order = ["green", rare, "nan", "red"]
    parts.append(np.column_stack([np.isin(colours, v) for v in order]).astype(float))
    # The log-odds of a town's rows in the other folds, less those of all rows. The rows
    # added to each town follow from the differences of the towns.
    towns = np.array(["nan" if v is None else v for v in PLAIN["town"]])
    y = (Y == "yes").astype(float)
    p, fold = y.mean(), folds(y.astype(int), 5)
    groups = [y[towns == town] for town in np.unique(towns)]
    groups = [g for g in groups if len(g) > 1]
    pearson = sum((g.sum() - len(g) * p) ** 2 / len(g) for g in groups) / p / (1 - p)
    pairs = sum(len(g) - 1 for g in groups)
    freedom = len(groups) - 1
    assert pearson - freedom > 2 * (2 * freedom) ** 0.5
    m = max(pairs / (pearson - freedom) - 1, 1)
    assert 1 <= m < 30
    encoded = []
    for i in range(N):
        same = y[(towns == towns[i]) & (fold != fold[i])]
        yes, no = same.sum() + m * p, (1 - same).sum() + m * (1 - p)
        encoded.append(np.log(yes / no) - np.log(p / (1 - p)))
    return np.column_stack([*parts, encoded])


@pytest.mark.parametrize("name", frames())
def test_every_kind_of_frame_is_the_same_table(name):
    X = frames()[name]
    model = tabular_pipeline(small())
    Z = model[:-1].fit_transform(X, Y)
    expected = by_hand()
    assert Z.shape == expected.shape
    names = model[:-1].get_feature_names_out().tolist()
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
    Z = model[:-1].transform(new)
    assert np.isfinite(Z).all()
    names = model[:-1].get_feature_names_out().tolist()
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
    "durations": pd.Series(pd.to_timedelta([1, 2], unit="D")),
    "NA among objects": pd.Series([1.0, pd.NA], dtype=object),
    "arrow decimals": pd.Series([decimal.Decimal("1.5")]).astype(
        pd.ArrowDtype(pa.decimal128(3, 1))
    ),
    "sparse": pd.Series(pd.arrays.SparseArray([True, False])),
    "python durations": pd.Series([datetime.timedelta(1), None], dtype=object),
    "arrow durations": pd.Series([1, 2], dtype="duration[s][pyarrow]"),
    "polars durations": pl.Series([datetime.timedelta(1), None]),
    "unsigned": pd.Series([1, 2], dtype="uint8"),
    "all missing": pd.Series([np.nan, np.nan]),
    "polars bool": pl.Series([True, None]),
    "polars bool without gaps": pl.Series([True, False]),
    "polars null": pl.Series([None, None]),
    "polars decimal": pl.Series([decimal.Decimal("1.5")]),
}
CATEGORIES = {
    "strings": ["a", None],
    "bins": pd.cut(pd.Series([1.0, 2.0, 3.0]), 2),
    "numbers as categories": pd.Series([1, 2], dtype="category"),
    "bytes": [b"a", None],
    "dictionary": pd.Series(["a", None]).astype(
        pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "all None": pd.Series([None, None], dtype=object),
    "polars strings": pl.Series(["a", None]),
}
A_DATE = datetime.datetime(2024, 1, 2, 12)
DATES = {
    "dates": pd.Series([A_DATE, None]),
    "zoned dates": pd.Series(pd.to_datetime([A_DATE]).tz_localize("UTC")),
    "python dates": pd.Series([A_DATE.date(), None], dtype=object),
    "arrow dates": pd.Series([A_DATE.date(), None], dtype="date32[pyarrow]"),
    "arrow times": pd.Series([A_DATE, None], dtype="timestamp[ns][pyarrow]"),
    "periods": pd.Series(pd.period_range("2024-01", periods=2, freq="M")),
    "polars dates": pl.Series([A_DATE.date(), None]),
    "polars times": pl.Series([A_DATE, None]),
}
OTHERS = {
    "complex": pd.Series([1j]),
    "mixed": pd.Series([1, "a"], dtype=object),
    "lists": pd.Series([[1], [2]], dtype=object),
    "dates of two kinds": pd.Series(
        [A_DATE, A_DATE.replace(tzinfo=datetime.UTC)], dtype=object
    ),
    "dates and numbers": pd.Series([A_DATE, 1], dtype=object),
    "polars lists": pl.Series([[1], [2]]),
}


@pytest.mark.parametrize("name", NUMBERS | CATEGORIES | DATES)
def test_kinds_of_columns(name):
    column = (NUMBERS | CATEGORIES | DATES)[name]
    column = pd.Series(column) if isinstance(column, list) else column
    frame_of = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    X = frame_of({"a": column, "b": range(len(column))})
    kinds = {"numbers": NUMBERS, "categories": CATEGORIES, "dates": DATES}
    with warnings.catch_warnings():
        # Any category identifies one of two rows.
        warnings.filterwarnings("ignore", "Left out")
        model = tabular_pipeline()[:-1]
        y = np.arange(len(column)) % 2
        Z = model.fit_transform(X, y)
    (kind,) = [kind for kind, columns in kinds.items() if name in columns]
    if "a" not in model[0].left_out_:
        assert model[0].readings_["a"].kind == kind
        name = f"{kind}__a" if kind != "categories" else "categories__a_"
        names = model.get_feature_names_out().tolist()
        assert any(n.startswith((name, f"many_{name[:-1]}")) for n in names)
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
        (np.array([["a"]]), TypeError, "^Pass a DataFrame, which has a type"),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            ValueError,
            # scikit-learn 1.9 warns too.
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


TEXT_NUMBERS = {
    "decimals": (lambda x: f"{x:.2f}", "?"),
    "thousands": (lambda x: f"{x:,.2f}", "n/a"),
    "decimal commas": (lambda x: f"{x:.2f}".replace(".", ","), ""),
    "points and commas": (
        lambda x: f"{x:,.2f}".replace(",", " ").replace(".", ",").replace(" ", "."),
        "-",
    ),
    "a symbol": (lambda x: f"${x:,.2f}", "NA"),
    "percent": (lambda x: f"{x:.2f} %", None),
    "exponents": (lambda x: f"{x:.8e}", "nan"),
}
PRICES = np.round(RNG.exponential(2000, N), 2) + 1000
GAPS = RNG.rand(N) < 0.1
PRICE_Y = np.where(PRICES * RNG.uniform(0.5, 1.5, N) > 2500, "dear", "cheap")


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("name", TEXT_NUMBERS)
def test_numbers_as_text_are_numbers(name, frame_of):
    write, gap = TEXT_NUMBERS[name]
    text = [gap if g else write(x) for x, g in zip(PRICES, GAPS, strict=True)]
    X = frame_of({"price": text, "other": AGES})
    numbers = frame_of({"price": np.where(GAPS, np.nan, PRICES), "other": AGES})
    expected = tabular_pipeline(small()).fit(numbers, PRICE_Y)
    with pytest.warns(
        UserWarning, match=r"^Text read as numbers: 'price' \("
    ) as caught:
        model = tabular_pipeline(small()).fit(X, PRICE_Y)
    assert len(caught) == 1
    # Columns with another memory order are added in another order.
    assert_allclose(model.predict_proba(X), expected.predict_proba(numbers), atol=1e-4)
    # Later values may be numbers.
    assert_allclose(model.predict_proba(numbers), model.predict_proba(X), rtol=1e-12)
    with pytest.raises(ValueError, match=r"^Turn column 'price' into numbers"):
        model.predict(frame_of({"price": ["much"], "other": [1.0]}))
    assert contributions(model, X).columns.tolist() == ["price", "other"]


NO_NUMBERS = {
    "codes": [f"{i:05d}" for i in range(60)] * 4,
    "a few whole numbers": [str(i % 7) for i in range(N)],
    "text": [f"{i % 9} m" for i in range(N)],
    "a symbol within": [f"{i % 9}%{i % 7}" for i in range(N)],
    "versions": [f"1.{i % 9}.{i % 7}" for i in range(N)],
    "numbers of a categorical type": pd.Series(np.arange(N) % 50).astype("category"),
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_not_certainly_a_number_is_a_category(name):
    model = tabular_pipeline()[0].fit(pd.DataFrame({"a": NO_NUMBERS[name]}))
    assert model.readings_["a"].kind == "categories"


@pytest.mark.parametrize(
    ("texts", "doubt"),
    [
        (["1,234", "5,678", "3,001"], "'1,234' may be 1.234 or 1234"),
        (["1/2/2024", "3/4/2024", "5/6/2024"], "may begin with the day or the month"),
    ],
)
def test_text_of_two_meanings_is_left_as_it_is(texts, doubt):
    X = pd.DataFrame({"a": texts * 20})
    with pytest.warns(UserWarning, match=f"^Text taken for categories: 'a', .*{doubt}"):
        model = tabular_pipeline()[0].fit(X)
    assert model.readings_["a"].kind == "categories"


PAIRS = [(i % 28 + 1, i % 9 + 1) for i in range(N)]
NEARLY = {
    "a bound": ("numbers", "<0.5", [f"{i % 60 / 4}" for i in range(N)]),
    "dear": ("numbers", "TBD", [f"${i % 50 * 1000:,}" for i in range(N)]),
    "all different": ("numbers", "N.A.", [f"{i / 8}" for i in range(N)]),
    "whole": ("numbers", "n.d.", [f"{i % 60}" for i in range(N)]),
    "iso": ("dates", "0000-00-00", [f"2024-{m:02d}-{d:02d}" for d, m in PAIRS]),
    "german": ("dates", "00.00.0000", [f"{d}.{m}.2024" for d, m in PAIRS]),
    "zoned": ("dates", "2024-01-01", [f"2024-01-{d:02d}T00:00Z" for d, _ in PAIRS]),
}


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("name", NEARLY)
def test_what_is_numbers_or_dates_but_for_a_few_values_is_told(name, frame_of):
    kind, slip, texts = NEARLY[name]
    with_slips = [*texts[:-9], slip, None, *texts[-8:]]
    X = frame_of({"v": with_slips, "age": [*AGES, 1.0]})
    told = f"'v' is {kind} except for {re.escape(repr(slip))}\\."
    with pytest.warns(UserWarning, match=told) as caught:
        tabular_pipeline()[0].fit(X)
    assert len(caught) == 1
    X = frame_of({"v": [*texts, slip, "~"], "age": [*AGES, 1.0, 2.0]})
    if name != "zoned":  # Two of its 29 distinct values are too many.
        with pytest.warns(UserWarning, match="and 1 more"):
            tabular_pipeline()[0].fit(X)


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i % 60:05d}" for i in range(N)],  # Codes.
        [f"{i % 30}" for i in range(N)],  # A few whole numbers are categories.
        [f"{i % 60 / 4} m" for i in range(N)],
        [f"{i % 60 / 4}" if i % 60 > 5 else f"<{i % 60}" for i in range(N)],
        TOWNS * 4,
    ],
)
def test_other_text_is_left_in_silence(texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tabular_pipeline()[0].fit(pd.DataFrame({"v": [*texts, "TBD"]}))


@pytest.mark.parametrize("left", range(3))
def test_slips_are_told_wherever_they_are_among_the_sorted_texts(left):
    """Also at two of the three quarters, where the texts are looked at."""
    texts = sorted(f"{i / 8:07.3f}" for i in range(60))
    for quarter in {0, 1, 2} - {left}:
        j = 15 * (quarter + 1)
        texts[j] = texts[j - 1] + "?"
    assert texts == sorted(texts)
    told = r"'v' is numbers except for '\d+\.\d+\?' and 1 more"
    with pytest.warns(UserWarning, match=told):
        tabular_pipeline()[0].fit(pd.DataFrame({"v": texts * 4}))


DAYS = pd.Timestamp("2019-11-05 08:30") + pd.to_timedelta(RNG.randint(0, 1500, N), "D")
DAYS += pd.to_timedelta(RNG.randint(0, 24 * 60, N), "min")
SEASON = np.where(np.abs(DAYS.month - 6.5) + RNG.rand(N) < 3.5, "summer", "winter")


def dates():
    text = DAYS.strftime("%Y-%m-%d %H:%M:%S")
    iso = DAYS.strftime("%Y-%m-%dT%H:%M:%S")
    zoned = DAYS.tz_localize("UTC").tz_convert("Asia/Tokyo")
    return {
        "pandas": pd.DataFrame({"when": DAYS}),
        "pandas seconds": pd.DataFrame({"when": DAYS.astype("datetime64[s]")}),
        "zoned": pd.DataFrame({"when": zoned}),
        "text": pd.DataFrame({"when": text}),
        "text in UTC": pd.DataFrame({"when": iso + "Z"}),
        "zones as text": pd.DataFrame({"when": [d.isoformat() for d in zoned]}),
        "American": pd.DataFrame({"when": DAYS.strftime("%m/%d/%Y %H:%M:%S")}),
        "European": pd.DataFrame({"when": DAYS.strftime("%d.%m.%Y %H:%M")}),
        "months by name": pd.DataFrame({"when": DAYS.strftime("%d %b %Y %H:%M")}),
        "objects": pd.DataFrame({"when": DAYS.to_pydatetime()}, dtype=object),
        "arrow": pd.DataFrame({"when": DAYS}).astype("timestamp[us][pyarrow]"),
        "polars": pl.DataFrame({"when": DAYS.to_pydatetime()}),
        "polars text": pl.DataFrame({"when": text.tolist()}),
    }


@pytest.mark.parametrize("name", dates())
def test_dates_are_days_and_parts_of_the_year_the_week_and_the_day(name):
    X = dates()[name]
    prepare = tabular_pipeline()[:-1].set_params(
        columns__dates__piecewiselinearencoder__n_bins=0
    )
    is_text = isinstance(X["when"][0], str)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Z = prepare.fit_transform(X, SEASON)
    assert ["Text read as dates: 'when'" in str(w.message) for w in caught] == [
        True
    ] * is_text
    expected = []
    for day in DAYS.to_pydatetime():
        year = datetime.datetime(day.year, 1, 1)
        length = (datetime.datetime(day.year + 1, 1, 1) - year).days
        of_day = (day.hour * 60 + day.minute) / (24 * 60)
        since = (day - datetime.datetime(1970, 1, 1)) / datetime.timedelta(1)
        of_year = (day - year) / datetime.timedelta(1) / length
        expected.append([since, of_year, (day.weekday() + of_day) / 7, of_day])
    expected = (expected - np.mean(expected, axis=0)) / np.std(expected, axis=0)
    assert prepare.get_feature_names_out().tolist() == [
        f"dates__when{part}" for part in ("", "_year", "_week", "_day")
    ]
    assert_allclose(Z, expected, atol=1e-8)
    assert_array_equal(prepare.transform(X), Z)


def test_parts_that_do_not_vary_are_left_out():
    y = np.arange(120) % 2

    def names(dates):
        prepare = tabular_pipeline()[:-1].set_params(
            columns__dates__piecewiselinearencoder__n_bins=0
        )
        prepare.fit(pd.DataFrame({"d": dates}), y)
        return [
            name.removeprefix("dates__d") for name in prepare.get_feature_names_out()
        ]

    assert names(pd.date_range("2024-01-01", periods=120, freq="D")) == ["", "_week"]
    assert names(pd.date_range("2024-01-01", periods=120, freq="h")) == ["", "_day"]
    assert names(pd.date_range("1900-01-01", periods=120, freq="YS")) == ["", "_week"]


def test_a_model_learns_from_dates_and_tells_of_one_column():
    X = dates()["text"].assign(age=AGES)
    with pytest.warns(UserWarning, match="Text read as dates"):
        model = tabular_pipeline(ReLULogisticClassifier(random_state=0)).fit(X, SEASON)
    assert model.score(X, SEASON) > 0.9
    found = contributions(model, X[:9])
    assert found.columns.tolist() == ["when", "age"]
    logits = found.values.sum(axis=1) + found.baseline
    assert_allclose(logits, model.decision_function(X[:9]), rtol=1e-9)
    coef, intercept = local_linear(model, X[:9])
    assert (coef[:, 0] == 0).all()
    total = (coef[:, 1] * np.nan_to_num(AGES[:9])) + intercept
    assert_allclose(total, model.decision_function(X[:9]), rtol=1e-9)
    # Typed dates have the same meaning; other values are an error.
    typed = X.assign(when=DAYS)
    assert_array_equal(model.predict_proba(typed), model.predict_proba(X))
    for wrong in ("yesterday", "05/11/2019", 18000.0, True):
        with pytest.raises(ValueError, match=r"^Turn column 'when' into dates"):
            model.predict(X[:1].assign(when=wrong))
    with pytest.raises(ValueError, match="holds dates with time zones"):
        model.predict(X.assign(when=dates()["zoned"].when))


def test_local_linear_of_numbers_categories_and_dates_by_polars():
    n, town = np.arange(N), np.array(["red", "green"])
    X = pd.DataFrame({"age": AGES, "colour": town[n % 2], "when": DAYS})
    model = tabular_pipeline(small()).fit(X, SEASON)
    for rows in (X, X[:1]):
        coef, intercept = local_linear(model, rows)
        found = local_linear(model, pl.from_pandas(rows))
        assert_allclose(found[0], coef, rtol=1e-12)
        assert_allclose(found[1], intercept, rtol=1e-12)


def uuids():
    return ["".join(RNG.choice(list("0123456789abcdef"), 32)) for _ in range(N)]


IDS = {
    "customer_id": RNG.permutation(N) + 10_000,
    "rownames": np.arange(1, N + 1),
    "code": [f"C-{i:06d}" for i in RNG.permutation(N)],
    "uuid": uuids(),
    "name": [f"{'ABCDEFGHIJ'[i % 10]}. Smith {i}" for i in range(N)],
    "note": [f"called {i} times, paid {i % 7}" for i in RNG.permutation(N)],
    "mostly": [f"{i // 2 if i < 20 else i}" + "x" for i in range(N)],
}


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("name", IDS)
def test_a_column_that_identifies_rows_changes_nothing(name, frame_of):
    X = frame_of({"age": AGES, "red": OBJECTS.colour.to_numpy() == "red"})
    expected = tabular_pipeline(small()).fit(X, Y)
    with_id = frame_of({name: IDS[name], "age": X["age"], "red": X["red"]})
    with pytest.warns(UserWarning, match=f"identify rows: .'{name}'.") as caught:
        model = tabular_pipeline(small()).fit(with_id, Y)
    assert len(caught) == 1
    assert_array_equal(model.predict_proba(with_id), expected.predict_proba(X))
    # Later tables may lack it.
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    found = contributions(model, with_id)
    assert found.columns.tolist() == [name, "age", "red"]
    assert (found.values[:, 0] == 0).all()


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
def test_a_key_with_gaps_identifies_rows(frame_of):
    keys = IDS["customer_id"].astype(float)
    keys[::9] = np.nan
    with pytest.warns(UserWarning, match="identify rows"):
        reader = tabular_pipeline()[0].fit(frame_of({"order_id": keys, "age": AGES}))
    assert reader.left_out_ == ["order_id"]
    keys[1] = keys[2]
    reader = tabular_pipeline()[0].fit(frame_of({"order_id": keys, "age": AGES}))
    assert reader.left_out_ == []


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
def test_numbers_that_are_all_different_are_numbers(frame_of):
    X = frame_of({"income": IDS["customer_id"], "paid": IDS["rownames"]})
    assert tabular_pipeline()[0].fit(X).left_out_ == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Unnamed: 0",
        "Unnamed: 0.1",
        "level_0",
        "customerid",
        "OrderNumber",
        "SSN",
        "sku",
        "kundennummer",
        "Kundennr",
        "row.names",
        "num",
        " id ",
        "Sr. No.",
        "#",
    ],
)
def test_names_of_keys(name):
    X = pd.DataFrame({name: IDS["customer_id"], "age": AGES})
    with pytest.warns(UserWarning, match="identify rows"):
        assert tabular_pipeline()[0].fit(X).left_out_ == [name]


@pytest.mark.parametrize(
    "name",
    ["paid", "loan", "humid", "levels", "summer", "area code 2", "rows", "casein"],
)
def test_names_that_only_look_like_those_of_keys(name):
    X = pd.DataFrame({name: IDS["customer_id"], "age": AGES})
    assert tabular_pipeline()[0].fit(X).left_out_ == []


def test_row_names_in_a_file_of_r_by_pandas_and_polars():
    lines = [f'"{i + 1}",{AGES[i]:.3f},{i % 7 / 3:.3f}' for i in range(N)]
    text = "\n".join(['"","age","dose"', *lines]).replace("nan", "")
    probabilities = []
    for X in (pd.read_csv(io.StringIO(text)), pl.read_csv(text.encode())):
        assert X.columns[0] == ("" if isinstance(X, pl.DataFrame) else "Unnamed: 0")
        with pytest.warns(UserWarning, match="identify rows"):
            model = tabular_pipeline(small()).fit(X, Y)
        probabilities.append(model.predict_proba(X))
    assert_array_equal(*probabilities)


def test_a_table_of_ids_alone_is_refused():
    with pytest.raises(ValueError, match=r"^Add columns with information"):
        tabular_pipeline().fit(pd.DataFrame({"id": range(N)}), Y)


def test_categories_that_say_nothing_change_nothing():
    X = pd.DataFrame({"age": AGES, "red": OBJECTS.colour.to_numpy() == "red"})
    with_towns = X.assign(town=RNG.choice(TOWNS, N))
    # Without hidden layers there is one minimum, whatever the initial weights.
    clf = ReLULogisticClassifier((), alpha=1.0)
    expected = tabular_pipeline(clf).fit(X, Y).predict_proba(X)
    model = tabular_pipeline(clone(clf)).fit(with_towns, Y)
    assert (model[:-1].transform(with_towns)[:, -1] == 0).all()
    assert_allclose(model.predict_proba(with_towns), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros(N), r"^A classifier needs samples of at least 2 classes"),
        (np.where(np.arange(N) == 7, None, Y), r"^Give all labels in y one type"),
        (pd.Series(Y).where(np.arange(N) != 7), r"^Leave out the rows without a label"),
        (np.stack([Y, Y], axis=1), r"^Pass y as one column"),
        (np.arange(N) + 0.5, "^Unknown label type: continuous"),
        (Y[1:], "inconsistent numbers of samples"),
    ],
)
def test_labels_of_many_categories_are_checked_as_those_of_a_classifier(y, message):
    X = pd.DataFrame({"town": RNG.choice(TOWNS, N)})
    with pytest.raises(ValueError, match=message):
        tabular_pipeline(small()).fit(X, y)


def test_labels_in_a_column():
    X = pd.DataFrame({"town": RNG.choice(TOWNS, N), "age": AGES})
    expected = tabular_pipeline(small()).fit(X, Y).predict_proba(X)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = tabular_pipeline(small()).fit(X, pd.DataFrame({"y": Y}))
    assert_array_equal(model.predict_proba(X), expected)


def test_balanced_designs_do_not_mislead():
    """Each plate once in every class: the other folds of a row lack its own class."""
    plates = np.repeat([f"plate {i}" for i in range(60)], 4)
    X = pd.DataFrame({"plate": plates, "noise": RNG.standard_normal(240)})
    y = np.tile(list("abcd"), 60)
    model = tabular_pipeline(small()).fit(X, y)
    assert log_loss(y, model.predict_proba(X)) <= np.log(4)


MEANINGS = {
    "numbers for text": (["1", "2"], [1, 2]),
    "floats for text": (["1", "2"], [1.0, 2.0]),
    "zip codes": (["01234", "90210"], [1234, 90210]),
    "text for numbers": (pd.Categorical([1, 2]), ["1", "2.0"]),
    "booleans for text": (["True", "False"], [True, False]),
    "booleans for lower case": (["true", "false"], [True, False]),
    "numbers for booleans": (pd.Categorical([True, False]), [1, 0]),
    "text for booleans": (pd.Categorical([True, False]), ["TRUE", "false"]),
    "booleans for numbers": (["1", "0"], [True, False]),
    "bytes": (["a", "b"], [b"a", b"b"]),
    "text for bytes": ([b"a", b"b"], ["a", "b"]),
    "intervals": (pd.Categorical(pd.cut([1, 2], [0, 1, 2])), ["(0, 1]", "(1, 2]"]),
    "large numbers": (pd.Categorical([2**60, 2**60 + 1]), [str(2**60), str(2**60 + 1)]),
    "dates of a category": (
        pd.Categorical(pd.to_datetime(["2024-01-01 00:00", "2024-01-02 12:00"])),
        [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2, 12)],
    ),
    "text for boolean numbers": ([True, False], ["true", "False"]),
    "text for numbers of any size": ([1.5, 2.5], ["1.5", "25e-1"]),
}


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("name", MEANINGS)
def test_other_types_of_the_same_values(name, frame_of):
    before, after = MEANINGS[name]
    X = pd.DataFrame({"a": pd.Series(before).repeat(30), "b": np.arange(60.0) % 7})
    y = np.repeat(["x", "y"], 30)
    model = tabular_pipeline(small()).fit(X, y)
    new = frame_of({"a": after, "b": [1.0, 1.0]})
    assert model.predict(new).tolist() == ["x", "y"]
    gap = pd.DataFrame({"a": pd.Series([None], dtype=object), "b": [1.0]})
    assert np.isfinite(model.predict_proba(gap)).all()


UNCERTAIN = {
    "numbers for words": (["red", "blue"], [1, 2], "categories"),
    "words for numbers of a category": (pd.Categorical([1, 2]), ["red", "1"], None),
    "booleans for yes and no": (["yes", "no"], [True, False], "categories"),
    "two texts of one number": (["1", "01"], [1, 1], "categories"),
    "words for numbers": ([1, 2], ["red", "blue"], "numbers"),
    "dates for numbers": ([1, 2], [A_DATE, A_DATE], "numbers"),
    "lists": (["red", "blue"], [[1], [2]], "type"),
    "lists for numbers": ([1, 2], [[1], [2]], "type"),
    "dates for words": (["red", "blue"], [A_DATE, A_DATE], "categories"),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_certainly_the_same_is_an_error(name):
    before, after, kind = UNCERTAIN[name]
    X = pd.DataFrame({"a": pd.Series(before).repeat(30), "b": np.arange(60.0) % 7})
    model = tabular_pipeline(small()).fit(X, np.repeat(["x", "y"], 30))
    new = pd.DataFrame({"a": after, "b": [1.0, 1.0]})
    if kind == "type":
        with pytest.raises(TypeError, match=r"^Turn column 'a' into numbers"):
            model.predict(new)
        return
    if kind is None:  # One of them is surely a category that fit never saw.
        assert model[0].transform(new)["a"].iloc[0] == "infrequent_sklearn"
        return
    with pytest.raises(
        ValueError, match=f"^Turn column 'a' into {kind}, as it was in fit"
    ):
        model.predict(new)


@pytest.mark.parametrize("of_fit", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("output", ["pandas", "polars", "default"])
def test_set_output(output, of_fit):
    X = of_fit(
        frames()["inferred"]
        .astype(object)
        .where(lambda x: x.notna(), None)
        .to_dict("list")
    )
    model = tabular_pipeline(small()).fit(X, Y)
    expected = model.predict_proba(X)
    model.set_output(transform=output).fit(X, Y)
    assert type(model[:-1].transform(X)).__module__.partition(".")[0] == (
        "numpy" if output == "default" else output
    )
    assert_array_equal(model.predict_proba(X), expected)


def test_metadata_routing():
    X = frames()["inferred"]
    s = RNG.randint(1, 4, N)
    expected = tabular_pipeline(small()).fit(X, Y, classifier__sample_weight=s)
    with sklearn.config_context(enable_metadata_routing=True):
        clf = small().set_fit_request(sample_weight=True, groups=True)
        model = tabular_pipeline(clf).fit(X, Y, sample_weight=s, groups=np.arange(N))
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("labels", [[-60, 0, 60], [-128, 127]])
def test_labels_of_eight_bits(labels):
    X, y = frames()["inferred"], np.array(labels)[np.arange(N) % len(labels)]
    small_labels = tabular_pipeline(small()).fit(X, y.astype(np.int8))
    assert_array_equal(
        small_labels.predict_proba(X),
        tabular_pipeline(small()).fit(X, y).predict_proba(X),
    )


def test_names_of_any_type_in_any_order():
    X = frames()["inferred"]
    expected = tabular_pipeline(small()).fit(X, Y).predict_proba(X)
    for names in ([3, 1, 4, 0, 2], [0, "b", 2.5, ("d", 1), None]):
        other = X.set_axis(names, axis=1)
        model = tabular_pipeline(small()).fit(other, Y)
        assert_array_equal(model.predict_proba(other[names[::-1]]), expected)
        found = contributions(model, other)
        assert found.columns.tolist() == [str(name) for name in names]
    with pytest.raises(
        ValueError, match=r"^Rename the columns that share a name: .'1'"
    ):
        tabular_pipeline().fit(pd.DataFrame([[1, 2]], columns=[1, "1"]), [0])


def test_frames_that_are_not_in_memory_are_refused():
    X = frames()["inferred"]
    with pytest.raises(TypeError, match=r"^Call X.compute\(\) first"):
        tabular_pipeline().fit(dd.from_pandas(X, npartitions=2), Y)
    with pytest.raises(TypeError, match=r"^Call X.collect\(\) first"):
        tabular_pipeline().fit(pl.DataFrame(PLAIN).lazy(), Y)


def test_an_array_for_a_frame_and_a_frame_for_an_array():
    X = pd.DataFrame(RNG.standard_normal((N, 3)), columns=list("abc"))
    model = tabular_pipeline(small()).fit(X, Y)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert_array_equal(model.predict(X.to_numpy()), model.predict(X))
    with (
        pytest.raises(ValueError, match="expecting 3 features"),
        pytest.warns(UserWarning, match="valid feature names"),
    ):
        model.predict(X.to_numpy()[:, :2])
    X = X.where(X > -1.5)  # With gaps.
    model = tabular_pipeline(small()).fit(X.to_numpy(), Y)
    with pytest.warns(UserWarning, match="X has feature names"):
        assert_array_equal(model.predict(X), model.predict(X.to_numpy()))
    model = tabular_pipeline(small()).fit(frames()["inferred"], Y)
    with (
        pytest.raises(ValueError, match=r"^Pass a DataFrame with the columns of fit"),
        pytest.warns(UserWarning, match="valid feature names"),
    ):
        model.predict(np.zeros((2, 5)))


def test_parameters_are_checked():
    X = frames()["inferred"]
    for name in (
        "table__min_frequency",
        "table__max_indicators",
        "columns__many_categories__smooth",
    ):
        with pytest.raises(ValueError, match=name.rpartition("__")[2]):
            tabular_pipeline().set_params(**{name: -1}).fit(X, Y)
    few = tabular_pipeline().set_params(table__min_frequency=200)[0].fit(X)
    assert not few.readings_["colour"].are_few


@pytest.mark.filterwarnings("ignore:Text read as:UserWarning")
@pytest.mark.parametrize(
    ("fitted", "later"),
    [
        ("{:.2f}", {"1,234.50": 1234.5, "1,234": 1234.0, "1'234.5": 1234.5}),
        ("${:.2f}", {"$1,234.50": 1234.5, "1,234.50": 1234.5}),
        ("{:.2f} %", {"1 234.50 %": 1234.5}),
        ("1,{:06.2f}", {"12.5": 12.5, "1'234.5": 1234.5}),
        ("comma", {"1.234,50": 1234.5, "1 234,50": 1234.5, "1.234": 1234.0}),
        # Nothing shows whether these are thousands.
        ("{:.0f}", {"1,234": None, "1.234,50": None}),
        # The marks have another meaning.
        ("{:.2f}", {"1.234,50": None, "12,50": None, "1,23": None}),
        ("comma", {"1,234.50": None, "1234.5": None}),
    ],
)
def test_numbers_that_are_written_longer_later_are_those_numbers(fitted, later):
    amounts = np.random.default_rng(0).uniform(100, 999, 90)
    written = [("{:.2f}" if fitted == "comma" else fitted).format(a) for a in amounts]
    if fitted == "comma":
        written = [text.replace(".", ",") for text in written]
    X = pd.DataFrame({"price": written})
    reader = tabular_pipeline(small()).fit(X, amounts > 500)[0]
    for text, number in later.items():
        row = pd.DataFrame({"price": [written[0], text]})
        if number is None:
            with pytest.raises(ValueError, match=f"^Turn column 'price'.*{text}"):
                reader.transform(row)
        else:
            assert reader.transform(row)["price"].iloc[1] == number


def test_codes_that_are_written_as_floats_later_are_those_codes():
    codes = [*"0123"] * 30
    model = tabular_pipeline(small()).fit(pd.DataFrame({"code": codes}), [0, 1] * 60)
    read = model[0].transform(pd.DataFrame({"code": ["1.0", " 2", "3.", "1.5", "01"]}))
    new = model[0].transform(pd.DataFrame({"code": ["9"]}))["code"].iloc[0]
    assert read["code"].tolist() == ["1", "2", "3", new, new]
    # Both occur, and so differ.
    both = pd.DataFrame({"code": ["1", "1.0", "a"] * 40})
    reader = tabular_pipeline(small()).fit(both, [0, 1, 1] * 40)[0]
    assert reader.transform(both)["code"].tolist() == both["code"].tolist()


def test_the_reader_says_what_it_takes():
    tags = get_tags(tabular_pipeline()[0]).input_tags
    assert tags.allow_nan
    assert tags.categorical
    assert tags.string
