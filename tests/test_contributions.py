"""Contributions of the user's columns, through all kinds of steps."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    VarianceThreshold,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    contributions,
    local_linear,
    tabular_pipeline,
)
from sklearn_relulogit.export import to_mlp_classifier

# Explanations are exact wherever a fit ends, and these fits end soon.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit"),
    pytest.mark.filterwarnings("ignore:Bins whose width"),
    pytest.mark.filterwarnings("ignore:Skipping features without any observed"),
    pytest.mark.filterwarnings("ignore:The features are on very different scales"),
]

N = 120


CITIES = ["Bonn", "Ulm", "Jena", "Kiel"]


def frame():
    """Numbers with gaps, a skewed one, booleans, categories, text; and three labels."""
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "income": np.exp(rng.standard_normal(N)),
            "age": rng.uniform(18, 80, N),
            "reports": rng.poisson(1.0, N),
            "owner": rng.uniform(size=N) < 0.4,
            "city": rng.choice(
                ["Bonn", "Ulm", "Jena", "Kiel"], N, p=[0.5, 0.3, 0.1, 0.1]
            ),
            "job": rng.choice(["a", "b"], N),
            "note": rng.choice(["paid late", "paid on time", "late again", "new"], N),
        },
        index=[f"row {i}" for i in range(N)],
    )
    X.loc[X.index[::7], "income"] = np.nan
    X.loc[X.index[3::11], "age"] = np.nan
    score = 1.5 * X["reports"] - X["owner"] + (X["city"] == "Ulm")
    return X, np.digitize(score + rng.standard_normal(N), [0.5, 2.0])


X, Y = frame()
NUMBERS = ["income", "age", "reports"]
CATEGORIES = ["owner", "city", "job"]


def network(hidden=(6, 4), **kwargs):
    options = {"alpha": 1.0, "max_iter": 60, "tol": 1e-2, "random_state": 0} | kwargs
    return ReLULogisticClassifier(hidden, **options)


def columns(*numeric, categorical=None, rest="drop", **kwargs):
    """Steps for the numbers, and a transformer for the categories."""
    if categorical is None:
        categorical = OneHotEncoder(handle_unknown="ignore")
    return make_column_transformer(
        (make_pipeline(*numeric), NUMBERS),
        (categorical, CATEGORIES),
        remainder=rest,
        **kwargs,
    )


def bins(**kwargs):
    return KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf", **kwargs)


def impute(**kwargs):
    return SimpleImputer(strategy="median", **kwargs)


PREPARED = {
    "scaled": columns(impute(), StandardScaler()),
    "indicators and clipped": columns(
        impute(add_indicator=True),
        MinMaxScaler(clip=True),
        categorical=OrdinalEncoder(),
    ),
    "all of one-hot": columns(
        impute(),
        RobustScaler(),
        categorical=OneHotEncoder(drop="if_binary", min_frequency=0.2),
    ),
    "drop first": columns(
        impute(),
        MaxAbsScaler(),
        categorical=OneHotEncoder(drop="first", max_categories=3),
    ),
    "target encoding": columns(
        impute(),
        StandardScaler(),
        categorical=make_pipeline(TargetEncoder(), StandardScaler()),
    ),
    "splines": columns(
        impute(), SplineTransformer(n_knots=4, include_bias=False), StandardScaler()
    ),
    "bins": columns(impute(), bins()),
    "ordinal bins": columns(
        impute(),
        bins(encode="ordinal"),
    ),
    "ramps": columns(PiecewiseLinearEncoder()),
    "smooth": columns(PowerTransformer(), impute()),
    "quantiles": columns(
        QuantileTransformer(n_quantiles=20, output_distribution="normal"), impute()
    ),
    "log": columns(impute(), FunctionTransformer(np.log1p), StandardScaler()),
    "powers": make_column_transformer(
        *(
            (make_pipeline(impute(), StandardScaler(), PolynomialFeatures(3)), [name])
            for name in NUMBERS
        ),
        ("passthrough", ["owner"]),
    ),
    "union": columns(
        make_union(
            make_pipeline(impute(), StandardScaler()),
            MissingIndicator(features="all"),
            make_pipeline(impute(), Binarizer(threshold=1.0)),
        )
    ),
    "text, remainder, nested": make_column_transformer(
        (TfidfVectorizer(), "note"),
        (columns(impute(), StandardScaler()), [*NUMBERS, *CATEGORIES]),
        ("drop", ["job"]),
        remainder="passthrough",
    ),
    "selected": make_pipeline(
        columns(impute(), StandardScaler()),
        "passthrough",
        VarianceThreshold(),
        SelectKBest(k=6),
        FrozenEstimator(StandardScaler().fit(np.random.RandomState(0).randn(9, 6))),
    ),
    "tables": tabular_pipeline()[:-1],
    "frames": columns(
        impute(),
        StandardScaler(),
        categorical=OneHotEncoder(sparse_output=False),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas"),
}


@pytest.fixture(
    scope="module", params=PREPARED, ids=lambda name: name.replace(" ", "_")
)
def fitted(request):
    """A pipeline of each kind for two classes, and one for three, of other depths."""
    models = []
    for y, hidden in ((Y > 0, (6,)), (Y, (7, 6, 5))):
        model = make_pipeline(
            clone(PREPARED[request.param]), network(hidden, alpha=0.1)
        )
        models.append(model.fit(X, y))
    return models


def as_array(Z):
    return Z.toarray() if scipy.sparse.issparse(Z) else np.asarray(Z, dtype=float)


def expected_values(model, X, reference, n_points=500):
    """Contributions from rows in which only one column differs from the reference.

    The function does not use which column makes which feature. The slopes are taken at
    many points on the line between the features.
    """
    prepare, clf = model[:-1], model[-1]
    Z, r = (as_array(prepare.transform(rows)) for rows in (X, reference))
    t = (np.arange(n_points)[:, None, None] + 0.5) / n_points
    line = (r + t * (Z - r)).reshape(-1, Z.shape[1])
    if hasattr(clf, "feature_names_in_"):
        line = pd.DataFrame(line, columns=clf.feature_names_in_)
    coef, _ = clf.local_linear(line)
    slopes = coef.reshape(n_points, len(Z), -1, Z.shape[1]).mean(axis=0)
    values = []
    for name in X.columns:
        moved = X.copy()
        moved[name] = reference[name].iloc[0]
        moved = moved.astype(X.dtypes)
        change = Z - as_array(prepare.transform(moved))
        values.append((slopes * change[:, None]).sum(axis=-1))
    values = np.stack(values, axis=-1)
    return values[:, 0] if coef.ndim == 2 else values


def assert_adds_up(found, logits, rtol=1e-10):
    size = np.abs(found.values).sum(axis=-1) + np.abs(found.baseline)
    error = np.abs(found.values.sum(axis=-1) + found.baseline - logits)
    assert (error <= rtol * size).all()


def test_values_add_up_and_are_those_of_exchanged_columns(fitted):
    reference, some = X.iloc[[5]], X.iloc[:9]
    for model in fitted:
        logits = model.decision_function(X)
        for r in (None, "absolute", reference, X.iloc[:4]):
            assert_adds_up(contributions(model, X, r), logits)
        found = contributions(model, X, reference)
        assert found.columns.tolist() == X.columns.tolist()
        # One number for all rows: the prediction at the reference.
        assert_allclose(found.baseline, model.decision_function(reference)[0], 1e-12)
        expected = expected_values(model, some, reference)
        assert found.values[:9].shape == expected.shape
        atol = 1e-2 * np.abs(expected).max()
        assert_allclose(found.values[:9], expected, rtol=0, atol=atol)
        with pytest.raises(AssertionError):
            assert_allclose(found.values[:9] * 1.03, expected, rtol=0, atol=atol)
        # The rows that are the reference: nothing differs.
        assert not found.values[5].any()


def test_a_column_that_alone_differs_is_the_change(fitted):
    for model in fitted[1:]:
        for name in X.columns:
            one = X.iloc[:30].assign(**{name: X[name].iloc[40:70].to_numpy()})
            found = contributions(model, one.iloc[[2]], X.iloc[[2]])
            j = X.columns.get_loc(name)
            change = model.decision_function(one)[2] - found.baseline
            assert_allclose(found.values[0, ..., j], change, rtol=0, atol=1e-12)
            assert not np.delete(found.values, j, axis=-1).any()


def test_several_references_are_the_mean_of_each(fitted):
    model = fitted[0]
    each = [contributions(model, X, X.iloc[[i]]) for i in range(4)]
    together = contributions(model, X, X.iloc[:4])
    assert "4 references" in together.against
    for name in ("values", "baseline"):
        mean = np.mean([getattr(one, name) for one in each], axis=0)
        assert_allclose(getattr(together, name), mean, rtol=1e-9, atol=1e-11)
    assert together.reference is None
    assert each[1].reference.tolist() == X.iloc[1].tolist()


def test_without_hidden_layers_they_are_the_differences_of_predictions():
    # An additive model: here Shapley values, differences and contributions agree.
    clf = ReLULogisticClassifier((), alpha=1.0)
    model = make_pipeline(PREPARED["splines"], clf).fit(X, Y > 0)
    found = contributions(model, X, X.iloc[[5]])
    logits = model.decision_function(X)
    for j, name in enumerate(X.columns):
        moved = X.assign(**{name: X[name].iloc[5]}).astype(X.dtypes)
        expected = logits - model.decision_function(moved)
        assert_allclose(found.values[:, j], expected, rtol=1e-9, atol=1e-11)


def test_the_mean_of_the_fit_counts_sample_weights():
    Z = StandardScaler().fit_transform(X[["reports"]])
    weights = np.arange(N) % 3
    clf = network().fit(Z, Y > 0, sample_weight=weights)
    found = contributions(clf, Z)
    assert_allclose(clf.feature_mean_, np.average(Z, axis=0, weights=weights))
    same = contributions(clf, Z, np.average(Z, axis=0, weights=weights))
    assert_allclose(found.values, same.values, rtol=1e-9, atol=1e-12)


# Kinds of models.


def test_searches_thresholds_calibration_and_the_cv_class():
    pipeline = make_pipeline(columns(impute(), StandardScaler()), network())
    y = Y > 0
    fitted = clone(pipeline).fit(X, y)
    grid = GridSearchCV(pipeline, {"relulogisticclassifier__alpha": [1.0, 5.0]}, cv=2)
    inside = make_pipeline(
        columns(impute(), StandardScaler()),
        GridSearchCV(network(), {"alpha": [1.0, 5.0]}, cv=2),
    )
    path = make_pipeline(
        columns(impute(), StandardScaler()),
        ReLULogisticClassifierCV((3,), alphas=[1.0, 5.0], cv=2, random_state=0),
    )
    for model in (
        grid.fit(X, y),
        inside.fit(X, y),
        path.fit(X, y),
        TunedThresholdClassifierCV(pipeline, cv=2).fit(X, y),
        FixedThresholdClassifier(FrozenEstimator(fitted)).fit(X, y),
        FrozenEstimator(grid),
    ):
        assert_adds_up(contributions(model, X), model.decision_function(X))
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X, y)
    assert_adds_up(contributions(calibrated, X), fitted.decision_function(X))
    whole = CalibratedClassifierCV(pipeline, ensemble=False, cv=2).fit(X, y)
    assert_adds_up(
        contributions(whole, X),
        whole.calibrated_classifiers_[0].estimator.decision_function(X),
    )
    several = CalibratedClassifierCV(pipeline, cv=2).fit(X, y)
    with pytest.raises(TypeError, match=r"a fitted search of these\. Got Calibrated"):
        to_mlp_classifier(calibrated)  # Its probabilities differ.
    with pytest.raises(TypeError, match=r"Explain one of the networks: .*\[0\]"):
        contributions(several, X)


def test_the_classifier_alone_and_without_hidden_layers():
    Z = StandardScaler().fit_transform(X[["reports", "owner"]])
    clf = ReLULogisticClassifier(()).fit(Z, Y > 0)
    found = contributions(clf, Z, "absolute")
    assert_allclose(found.values, clf.coef_ * Z, rtol=1e-14)
    assert_allclose(found.baseline, clf.intercept_[0], rtol=1e-14)
    assert found.columns.tolist() == ["x0", "x1"]
    row = contributions(clf, Z, Z[3]).reference
    assert_array_equal(row.astype(float), Z[3])


# Kinds of X.


@pytest.mark.parametrize("container", [np.asarray, pl.DataFrame, pd.DataFrame])
def test_arrays_and_frames(container):
    names = ["reports", "owner", "age"]
    table = X[names].astype(float).fillna(40.0).reset_index(drop=True)
    rows = container(table)
    first = [0, 1] if container is np.asarray else names[:2]
    last = slice(2, 3) if container is np.asarray else names[2:]
    model = make_pipeline(
        make_column_transformer((StandardScaler(), first), (RobustScaler(), last)),
        network(),
    ).fit(rows, Y)
    found = contributions(model, rows, rows[:1])
    assert_adds_up(found, model.decision_function(rows))
    plain = [f"x{j}" for j in range(3)]
    assert found.columns.tolist() == (plain if container is np.asarray else names)
    assert_allclose(found.column_values(found.columns[2]), table["age"])
    assert_allclose(found.reference.astype(float), table.iloc[0])
    assert_array_equal(found[[4, 2]].values, found.values[[4, 2]])
    assert len(found[3]) == 1
    assert found[3].to_text(class_label=0) == found.to_text(3, class_label=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sparse_rows_stay_sparse_and_float32_float32(dtype):
    S = scipy.sparse.random_array(
        (N, 40), density=0.1, random_state=0, format="csr", dtype=dtype
    )
    model = make_pipeline(MaxAbsScaler(), network()).fit(S, Y)
    dense = S.toarray()
    found = contributions(model, S, S[:2])
    rtol = 1e-10 if dtype == np.float64 else 1e-5
    assert_adds_up(found, model.decision_function(S), rtol)
    assert found.values.dtype == dtype
    assert_allclose(
        found.values, contributions(model, dense, dense[:2]).values, rtol, rtol
    )
    assert_allclose(found.column_values(7), dense[:, 7])


def test_names_that_are_numbers_and_values_that_are_missing_in_all_ways():
    numbered = pd.DataFrame(X[["reports", "age"]].fillna(40.0).to_numpy())
    model = make_pipeline(StandardScaler(), network()).fit(numbered, Y > 0)
    found = contributions(model, numbered, numbered.mean())
    assert found.columns.tolist() == ["0", "1"]
    assert_array_equal(found.column_values("1"), numbered[1])
    assert "1 " in found.to_text(3, n_columns=2)

    gaps = pd.DataFrame(
        {
            "a": pd.array([1, 2, None] * 40, dtype="Int64"),
            "b": pd.Categorical(["x", "y", None] * 40),
            "c": pd.array([True, None, False] * 40, dtype="boolean"),
            "d": [None, 1.5, 2.5] * 40,
        }
    )
    model = tabular_pipeline(network()).fit(gaps, Y > 0)
    found = contributions(model, gaps)
    assert_adds_up(found, model.decision_function(gaps))
    assert found.values_in_words(0) == ["1", "x", "True", "missing"]
    assert found.values_in_words(2)[:2] == ["missing", "missing"]
    coef, _ = local_linear(model, gaps)
    assert coef.shape == (N, 4)


def test_columns_in_another_order_and_more_of_them():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y)
    found = contributions(model, X)
    other = contributions(model, X.assign(new=1)[["new", *X.columns[::-1]]])
    assert other.columns.tolist() == X.columns.tolist()
    assert_array_equal(other.values, found.values)
    assert_array_equal(other.column_values("city"), X["city"])


def test_rows_in_blocks_are_the_same(monkeypatch):
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y)
    whole = contributions(model, X)
    monkeypatch.setattr("sklearn_relulogit._explain.contributions.COEFFICIENTS", 300)
    parts = contributions(model, X)
    assert_allclose(parts.values, whole.values, rtol=1e-12, atol=1e-14)


def test_columns_without_a_value_are_dropped_by_the_imputer():
    gaps = X[NUMBERS].assign(empty=np.nan)[["income", "empty", "age", "reports"]]
    for keep in (False, True):
        imputer = SimpleImputer(keep_empty_features=keep, add_indicator=True)
        model = make_pipeline(imputer, StandardScaler(), network()).fit(gaps, Y > 0)
        found = contributions(model, gaps, gaps.iloc[[0]])
        assert_adds_up(found, model.decision_function(gaps))
        expected = expected_values(model, gaps, gaps.iloc[[0]])
        assert_allclose(found.values, expected, atol=1e-2 * np.abs(expected).max())


# Steps that mix columns, and steps that declare their columns.


class Swapped(TransformerMixin, BaseEstimator):
    """Declares the columns of its outputs: the last, the first, and a constant."""

    claim = (-2, 0)

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.column_of_output_ = np.array([X.shape[1] - 1, 0, -1])
        return self

    def transform(self, X):
        X = np.asarray(X, dtype=float)
        return np.column_stack([X[:, -1], np.tanh(X[:, 0]), np.ones(len(X))])


class Wrong(Swapped):
    def transform(self, X):
        return super().transform(X) + np.asarray(X)[:, [0]]


def test_a_transformer_may_say_what_its_outputs_are_made_of():
    numbers = X[["reports", "owner"]].assign(job=X["job"] == "a")
    Z = numbers[["reports", "job", "owner"]].astype(float).to_numpy()
    model = make_pipeline(Swapped(), network()).fit(Z, Y > 0)
    found = contributions(model, Z, Z[[1]])
    assert_adds_up(found, model.decision_function(Z))
    assert not found.values[:, 1].any()
    alone = np.column_stack([np.tile(Z[1, :2], (N, 1)), Z[:, 2]])
    change = model.decision_function(alone) - found.baseline
    assert_allclose(contributions(model, alone, Z[[1]]).values[:, 2], change, atol=1e-9)

    wrong = make_pipeline(Wrong(), network()).fit(Z, Y > 0)
    with pytest.raises(TypeError, match=r"'wrong'.* output number 0 depends on other"):
        contributions(wrong, Z)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            PCA(2),
            r"'pca': contributions\(pipeline\[1:\], pipeline\[:1\].* may mix its 3",
        ),
        (PolynomialFeatures(2), "multiplies columns with each other"),
        (KNNImputer(), "KNNImputer.* may mix"),
        (Normalizer(), "Normalizer.* may mix"),
        (FunctionTransformer(lambda X: X * 2), "calls a function that may mix"),
        (make_union(StandardScaler(), PCA(1)), "'featureunion'.* a PCA in it"),
        (
            ColumnTransformer([("both", PCA(1), [0, 2])], remainder="passthrough"),
            "'columntransformer'.* a PCA in it may mix its 2",
        ),
    ],
)
def test_steps_that_mix_columns_are_named(step, said):
    Z = X[["reports", "owner", "age"]].astype(float).fillna(40.0).to_numpy()
    model = make_pipeline(step, network()).fit(Z, Y > 0)
    with pytest.raises(TypeError, match=f"(?s)^Explain what comes behind.*{said}"):
        contributions(model, Z)
    found = contributions(model[1:], model[:1].transform(Z))
    assert_adds_up(found, model.decision_function(Z))


def test_functions_are_taken_at_their_word_and_held_to_it():
    Z = X[["reports", "owner", "age"]].astype(float).fillna(40.0)
    fine = FunctionTransformer(lambda X: X / 50, feature_names_out="one-to-one")
    model = make_pipeline(fine, network()).fit(Z, Y > 0)
    for rows in (Z, Z.to_numpy(), pl.DataFrame(Z.to_numpy(), schema=[*Z.columns])):
        if isinstance(rows, pd.DataFrame):
            assert_adds_up(contributions(model, rows), model.decision_function(rows))
    shares = FunctionTransformer(
        lambda X: X.div(X.sum(axis=1), axis=0), feature_names_out="one-to-one"
    )
    model = make_pipeline(shares, network()).fit(Z, Y > 0)
    with pytest.raises(TypeError, match=r"'functiontransformer'.* depends on other"):
        contributions(model, Z)


def test_errors():
    Z = StandardScaler().fit_transform(X[["reports", "owner"]])
    clf = network().fit(Z, Y > 0)
    with pytest.raises(ValueError, match=r"reference must be None, .* Got 'mean'"):
        contributions(clf, Z, "mean")
    with pytest.raises(ValueError, match=r"^Pass a reference.* X has 3 features"):
        contributions(clf, Z, np.zeros(3))
    with pytest.raises(TypeError, match="Got LogisticRegression"):
        contributions(make_pipeline(LogisticRegression().fit(Z, Y)), Z)
    with pytest.raises(NotFittedError):
        contributions(network(), Z)
    found = contributions(clf, Z)
    with pytest.raises(ValueError, match=r"an index from 0 to 1\. Got 'age'"):
        found.column_values("age")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("b", [1]),
        (2, [2]),
        (-1, [3]),
        (["d", "b"], [1, 3]),
        ([3, 1], [1, 3]),
        ([], []),
        (np.array([False, True, True, False]), [1, 2]),
        ([False, False, True, True], [2, 3]),
        (slice(1, 3), [1, 2]),
        (slice("b", "d"), [1, 2, 3]),
        (slice(None, "b"), [1]),
        (pd.Index(["c"]), [2]),
    ],
    ids=str,
)
def test_columns_as_a_column_transformer_takes_them(chosen, expected):
    Z = pd.DataFrame(np.random.RandomState(0).randn(N, 4), columns=list("abcd"))
    # A text vectorizer takes a single column by its name.
    one = not isinstance(chosen, str | int)
    part = StandardScaler() if one else make_pipeline(OneColumn(), StandardScaler())
    choose = make_column_transformer((part, chosen), (RobustScaler(), ["a"]))
    found = contributions(make_pipeline(choose, network()).fit(Z, Y > 0), Z, Z[:1])
    moved = np.flatnonzero(np.abs(found.values).sum(axis=0))
    assert moved.tolist() == [0, *expected]


class OneColumn(TransformerMixin, BaseEstimator):
    """Takes a one-dimensional column and makes a table of it."""

    def fit(self, column, y=None):
        self.column_of_output_ = np.array([0])
        return self

    def transform(self, column):
        return np.asarray(column)[:, None]

    def get_feature_names_out(self, names=None):
        return np.array(["one"])


# Tables and text.


def as_words(value):
    if value != value:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def test_reasons():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y > 0)
    found = contributions(model, X, X.iloc[[5]])
    for towards, sign in ((True, 1), (False, -1)):
        reasons = found.reasons(n=2, towards=towards)
        assert len(reasons) == N
        for names, values in zip(reasons, sign * found.values, strict=True):
            order = np.argsort(-values)[:2]
            assert names == [X.columns[j] for j in order if values[j] > 0]
    # By default towards the predicted class of each row.
    predicted = model.predict(X)
    mixed = [found.reasons(4, towards=label)[i] for i, label in enumerate(predicted)]
    assert found.reasons() == mixed
    assert 2 <= max(map(len, mixed)) <= 4
    with pytest.raises(ValueError, match=r"one of \[False, True\]\. Got 'yes'"):
        found.reasons(towards="yes")


def test_reasons_of_more_classes_count_against_the_mean_of_all():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y)
    found = contributions(model, X)
    # A shift of all logits has no meaning.
    shifted = replace(found, values=found.values + found.values[:, :1])
    assert shifted.reasons(7, towards=2) == found.reasons(7, towards=2)
    values = found.values[:, 2] - found.values.mean(axis=1)
    best = [[X.columns[row.argmax()]] if row.max() > 0 else [] for row in values]
    assert found.reasons(1, towards=2) == best


def test_text_and_tables():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y > 0)
    reference = X.iloc[[5]]
    found = contributions(model, X, reference)
    row = found[7]
    order = np.argsort(-np.abs(row.values[0]))
    proba, before = (model.predict_proba(rows)[0, 1] for rows in (X[7:8], reference))
    told = row.to_text()
    assert told.startswith(
        f"Probability of True {100 * proba:.3g} %, "
        f"against {100 * before:.3g} % for the reference. "
    )
    raised, _, lowered = told.partition("Lowered by ")
    for j in order[:3]:
        value, other = (as_words(rows.iloc[0, j]) for rows in (X[7:8], reference))
        words = value if value == other else f"{value} instead of {other}"
        one = f"{X.columns[j]} {words} ({row.values[0, j]:+.2f})"
        assert one in (raised if row.values[0, j] > 0 else lowered)
    assert X.columns[order[3]] not in told
    # The other class, with the other sign.
    turned = row.to_text(class_label=False)
    assert turned.startswith(f"Probability of False {100 - 100 * proba:.3g} %")
    assert f"{-row.values[0, order[0]]:+.2f}" in turned
    missing = contributions(model, X)[7 * 2]
    assert "income missing" in missing.to_text(n_columns=7)
    assert "at the mean of the data" in missing.to_text()
    absolute = contributions(model, X, "absolute")
    assert "with all features at zero" in absolute.to_text(3)
    table = found.to_frame()
    assert table.columns.tolist() == ["baseline", *X.columns]
    assert_array_equal(table.index, X.index)
    assert_allclose(table.sum(axis=1), model.decision_function(X), rtol=1e-10)

    model_of_three = make_pipeline(model[0], network()).fit(X, Y)
    several = contributions(model_of_three, X)
    table = several.to_frame()
    assert table.index.names == ["row", "class"]
    assert_allclose(table.loc[("row 3", 2)][1:], several.values[3, 2])
    predicted = model_of_three.predict_proba(X)
    assert several.to_text(3).startswith(
        f"Probability of {predicted[3].argmax()} {100 * predicted[3].max():.3g} %"
    )
    with pytest.raises(ValueError, match=r"one of \[0, 1, 2\]\. Got 3"):
        several.to_text(class_label=3)


def test_repr():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y > 0)
    found = contributions(model, X, X.iloc[[0]])
    assert "120 rows, 7 columns" in repr(found)
    assert repr(found[3]) == found.to_text(3)


def test_importances():
    model = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y)
    found = contributions(model, X)
    sizes = found.importances()
    assert sizes.importances.shape == (7, N)
    assert_allclose(sizes.importances_mean, np.abs(found.values).mean(axis=(0, 1)))
    assert_allclose(sizes.importances_std, sizes.importances.std(axis=1))
    assert sizes.importances_mean[X.columns.get_loc("note")] == 0


@pytest.mark.parametrize(
    ("hidden", "merged"), [((), True), ((), False), ((6,), True)], ids=str
)
@pytest.mark.parametrize("sparse", [False, True])
def test_importances_of_the_fit_are_those_of_contributions(
    hidden, merged, sparse, monkeypatch
):
    if not merged:
        monkeypatch.setattr("sklearn_relulogit._rows.held.DISTINCT_NUMBERS_LINEAR", 0)
        # Several pieces of each block.
        monkeypatch.setattr("sklearn_relulogit._rows.statistics.BLOCK_NUMBERS", 50)
    Z = MaxAbsScaler().fit_transform(X[NUMBERS].fillna(1.0))
    Z = scipy.sparse.csr_array(Z) if sparse else Z
    weights = 1.0 + np.arange(N) % 4
    for y in (Y > 0, Y):
        clf = ReLULogisticClassifier(hidden, alpha=1.0, random_state=0)
        clf.fit(Z, y, sample_weight=weights)
        sizes = np.abs(contributions(clf, Z).values).reshape(N, -1, 3).mean(axis=1)
        expected = np.average(sizes, axis=0, weights=weights)
        assert_allclose(clf.feature_importances_, expected, rtol=1e-9)


def test_importances_of_the_fit_by_some_rows(monkeypatch):
    Z = StandardScaler().fit_transform(X[NUMBERS].fillna(1.0))
    whole = network().fit(Z, Y)
    monkeypatch.setattr("sklearn_relulogit._fit.IMPORTANCE_WORK", 0)
    monkeypatch.setattr("sklearn_relulogit._model.path.COEFFICIENTS", 100)
    some = network().fit(Z, Y)
    assert not np.array_equal(some.feature_importances_, whole.feature_importances_)
    assert_allclose(some.feature_importances_, whole.feature_importances_, rtol=0.3)


@pytest.mark.parametrize("sparse", [False, True])
def test_importances_without_hidden_layers_are_of_all_rows_in_their_space(
    sparse, monkeypatch
):
    """With many more features than rows, where a sample would have one row."""
    for name in ("IMPORTANCE_WORK", "IMPORTANCE_NUMBERS", "FEWEST_IMPORTANCE_ROWS"):
        monkeypatch.setattr(f"sklearn_relulogit._fit.{name}", 1)
    rng = np.random.RandomState(0)
    Z = rng.standard_normal((12, 50)) * (rng.uniform(size=(12, 50)) < 0.4)
    weights = 1.0 + np.arange(12) % 4
    y = np.arange(12) % 3
    clf = ReLULogisticClassifier((), alpha=1.0)
    clf.fit(scipy.sparse.csr_array(Z) if sparse else Z, y, sample_weight=weights)
    distance = np.abs(Z - np.average(Z, axis=0, weights=weights))
    expected = np.abs(clf.coef_).mean(axis=0)
    expected *= np.average(distance, axis=0, weights=weights)
    assert_allclose(clf.feature_importances_, expected, rtol=1e-9)


def test_feature_selection_goes_by_importances():
    rng = np.random.RandomState(0)
    Z = rng.standard_normal((300, 5))
    y = np.abs(Z[:, 1]) + Z[:, 3] > 0.5
    clf = ReLULogisticClassifier((8,), alpha=1.0, random_state=0)
    chosen = RFE(clf, n_features_to_select=2).fit(Z, y)
    assert_array_equal(chosen.support_, [False, True, False, True, False])
    getter = "named_steps.relulogisticclassifier.feature_importances_"
    model = make_pipeline(StandardScaler(), clf)
    for selector in (
        RFE(model, n_features_to_select=2, importance_getter=getter),
        SelectFromModel(model, importance_getter=getter),
        SelectFromModel(clf),
    ):
        assert_array_equal(selector.fit(Z, y).get_support(), chosen.support_)


def test_reasons_are_those_of_the_decision_that_a_threshold_makes():
    base = make_pipeline(columns(impute(), StandardScaler()), network()).fit(X, Y > 0)
    model = FixedThresholdClassifier(
        FrozenEstimator(base), threshold=0.9, response_method="predict_proba"
    ).fit(X, Y > 0)
    decided = model.predict(X)
    between = np.flatnonzero(decided != base.predict(X))
    assert len(between)
    found = contributions(model, X)
    expected = {label: found.reasons(towards=label) for label in (False, True)}
    assert found.reasons() == [expected[k][i] for i, k in enumerate(decided)]
    assert found[between].reasons() == [expected[False][i] for i in between]
    assert found[between].reasons() != [expected[True][i] for i in between]


@pytest.mark.parametrize("reference", [None, "absolute", np.array([[1.0, -2.0]])])
def test_a_feature_that_is_constant_belongs_to_the_baseline(reference):
    """It is 1 at the reference as well, also with all features at zero."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((80, 2))
    model = make_pipeline(
        PolynomialFeatures(1), ReLULogisticClassifier((4,), alpha=0.1, random_state=0)
    ).fit(X, X[:, 0] + X[:, 1] ** 2 > 0.5)
    # As it is constant, its weights are not penalised away but where they begin.
    model[-1].coefs_[0][0] = [2.0, -1.0, 0.5, 1.0]
    found = contributions(model, X, reference)
    assert found.values.shape == (80, 2)
    logits = found.values.sum(axis=1) + found.baseline
    assert_allclose(logits, model.decision_function(X), rtol=1e-9)
    at = {None: X.mean(axis=0), "absolute": np.zeros(2)}
    at = reference if isinstance(reference, np.ndarray) else at[reference][np.newaxis]
    assert found.baseline == pytest.approx(model.decision_function(at)[0])


def test_the_text_of_several_rows_lists_the_largest_columns_first():
    X = np.random.RandomState(0).standard_normal((60, 12))
    clf = ReLULogisticClassifier((), alpha=1.0).fit(X, X[:, 5] + X[:, 3] / 2 > 0)
    found = contributions(clf, X)
    first, second, *lines, last = repr(found).splitlines()
    assert first == "Contributions: 60 rows, 12 columns."
    assert second == "Mean absolute contribution to the log-odds, in nats:"
    sizes = np.abs(found.values).mean(axis=0)
    order = np.argsort(-sizes)[:10]
    assert lines == [f"{sizes[j]:8.3f}  x{j}" for j in order]
    assert lines[0].endswith("x5")
    assert last.strip() == "and 2 more"


def test_reasons_of_several_classes_are_those_of_the_predicted_one():
    X, y = load_iris(return_X_y=True, as_frame=True)
    clf = ReLULogisticClassifier((4,), alpha=1.0, random_state=0).fit(X, y)
    found = contributions(clf, X[40:])
    expected = [
        found[[i]].reasons(towards=label)[0]
        for i, label in enumerate(clf.predict(X[40:]))
    ]
    assert found.reasons() == expected
