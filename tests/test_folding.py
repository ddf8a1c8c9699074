"""Pipelines folded into their networks: local coefficients, regions and exports."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from sklearn_relulogit import (
    LinearRegionsDisplay,
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    contributions,
    fold_scaling,
    linear_regions,
    local_linear,
    nearest_change,
    slope_bounds,
    tabular_pipeline,
)
from sklearn_relulogit.export import to_mlp_classifier

# Slopes are exact wherever a fit ends, whatever the scales of the features.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit"),
    pytest.mark.filterwarnings("ignore:The features are on very different scales"),
]

RNG = np.random.RandomState(0)
# Positive, skewed, and of either sign; none is on a knot or a quantile.
X = np.column_stack(
    [RNG.uniform(1, 5, 200), np.exp(RNG.standard_normal(200)), RNG.normal(-50, 3, 200)]
)
Y = X[:, 0] - X[:, 1] + RNG.standard_normal(200) > 1


def network(hidden=(5,), **kwargs):
    options = {"alpha": 1.0, "max_iter": 80, "random_state": 0} | kwargs
    return ReLULogisticClassifier(hidden, **options)


def ramps(n_bins=5):
    return PiecewiseLinearEncoder(n_bins=n_bins)


class Renamed(StandardScaler):
    """A subclass that behaves like its parent."""


class Clipped(StandardScaler):
    """A subclass that behaves differently from its type."""

    def transform(self, X):
        return np.clip(super().transform(X), -1, 1)


class Squared(StandardScaler):
    """The inherited methods are not linear, because another one is overridden."""

    def fit(self, X, y=None):
        super().fit(X)
        self.transform = lambda X: StandardScaler.transform(self, X) ** 2
        return self


def weighted(*parts, **weights):
    names = [f"part{i}" for i in range(len(parts))]
    columns = [(name, *part) for name, part in zip(names, parts, strict=True)]
    return ColumnTransformer(columns, transformer_weights=weights)


STEPS = {
    "scaler": StandardScaler(),
    "its subclass": Renamed(),
    "clipped": MinMaxScaler((-1, 3), clip=True),
    "ramps": ramps(),
    "ramps of ramps": make_pipeline(ramps(3), ramps(2)),
    "ramps of clipped": make_pipeline(MinMaxScaler(clip=True), ramps(), MaxAbsScaler()),
    "imputed": make_pipeline(SimpleImputer(add_indicator=True), RobustScaler()),
    "frozen": FrozenEstimator(StandardScaler().fit(X)),
    "selected": make_pipeline(VarianceThreshold(1.0), "passthrough", ramps()),
    "negative ramps": make_pipeline(
        FeatureUnion([("a", StandardScaler())], transformer_weights={"a": -2.0}),
        ramps(),
    ),
    "union": FeatureUnion(
        [("a", ramps()), ("b", "drop"), ("c", "passthrough")],
        transformer_weights={"a": 2.0},
    ),
    "weighted columns": weighted(
        (make_union(ramps(), StandardScaler()), [2]),
        (StandardScaler(), [0]),
        ("passthrough", slice(1, 3)),
        part0=3.0,
        part2=0.5,
    ),
    "weights in weights": weighted(
        (weighted((ramps(), [0, 1]), part0=-0.5), [0, 2]),
        ("drop", [1]),
        (FunctionTransformer(), [True, True, False]),
        part0=4.0,
        part2=0.1,
    ),
}


def slopes_by_differences(model, rows, j, h):
    """The slope by column j, and where both sides have the same slope."""
    move = np.where(np.arange(rows.shape[1]) == j, h, 0)
    if isinstance(rows, pd.DataFrame):
        name = rows.columns[j]
        moved = [rows.assign(**{name: rows[name] + s * h}) for s in (1, 0, -1)]
    else:
        moved = [rows + s * move for s in (1, 0, -1)]
    ahead, here, behind = (model.decision_function(m) for m in moved)
    smooth = np.isclose(ahead - here, here - behind, rtol=1e-4, atol=1e-9)
    return (ahead - behind) / (2 * h), smooth


@pytest.mark.parametrize("name", STEPS)
def test_known_steps_are_read_right(name):
    model = make_pipeline(clone(STEPS[name]), network()).fit(X, Y)
    # Also outside the training data.
    rows = X.mean(axis=0) + 1.4 * (X - X.mean(axis=0))
    coef, intercept = local_linear(model, rows)
    logits = model.decision_function(rows)
    size = np.abs(coef * rows).sum(axis=1) + np.abs(intercept)
    error = np.abs((coef * rows).sum(axis=1) + intercept - logits)
    assert (error <= 1e-10 * size).all()
    for j in range(3):
        slope, smooth = slopes_by_differences(model, rows, j, 1e-6 * abs(X[:, j]).max())
        assert smooth.mean() > 0.9
        atol = 1e-5 * np.abs(coef[:, j]).max()
        assert_allclose(coef[smooth, j], slope[smooth], rtol=1e-5, atol=atol)
        if coef[smooth, j].any():
            with pytest.raises(AssertionError):
                assert_allclose(coef[smooth, j] * 1.01, slope[smooth], 1e-5, atol)
    # The export is the same function, far away too.
    rows = np.concatenate([rows, -2 * rows, 50 * rows])
    exported = to_mlp_classifier(model).predict_proba(rows)
    assert np.ptp(exported) > 0.5
    assert_allclose(exported, model.predict_proba(rows), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "step",
    [
        PowerTransformer(),
        SplineTransformer(),
        FunctionTransformer(np.tanh),
        make_column_transformer((Clipped(), [0, 1]), remainder="passthrough"),
        Squared(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_other_steps_are_refused_and_have_contributions(step):
    model = make_pipeline(step, network()).fit(X, Y)
    with pytest.raises(TypeError, match=r"^Use contributions\(model, X\)"):
        local_linear(model, X)
    with pytest.raises(TypeError, match=r"^Use contributions\(model, X\)"):
        linear_regions(model, X)
    with pytest.raises(TypeError, match=r"^Take the classifier .*fold "):
        to_mlp_classifier(model)
    with pytest.raises(TypeError, match=r"^Explain what follows"):
        fold_scaling(np.ones(3), 0.0, model[0])
    found = contributions(model, X)
    assert_allclose(
        found.values.sum(axis=1) + found.baseline, model.decision_function(X), rtol=1e-9
    )


class Mixing(MinMaxScaler):
    def transform(self, X):
        Z = super().transform(X)
        return Z - Z[:, [0]]


def test_a_subclass_that_mixes_columns_has_no_contributions():
    model = make_pipeline(Mixing(), network()).fit(X, Y)
    with pytest.raises(TypeError, match=r"\['mixing'\] should treat its columns"):
        contributions(model, X)


def mixed_frame():
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c"])
    frame.loc[::9, "a"] = np.nan
    frame["town"] = np.where(X[:, 1] > 1, "Ulm", "Bonn")
    return frame


FRAME = mixed_frame()
NUMBERS = ["a", "b", "c"]


def pipelines():
    yield tabular_pipeline(network())
    for numeric in (
        make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler(clip=True)),
        make_pipeline(
            make_union(SimpleImputer(), MissingIndicator()), StandardScaler()
        ),
    ):
        yield make_pipeline(
            make_column_transformer((numeric, NUMBERS), (OneHotEncoder(), ["town"])),
            network(),
        )


@pytest.mark.parametrize("model", list(pipelines()))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_tables_with_gaps_and_categories(model, n_classes):
    y = np.digitize(X[:, 0] - X[:, 1], [0.0, 2.0][: n_classes - 1])
    model = clone(model).fit(FRAME, y)
    coef, intercept = local_linear(model, FRAME)
    assert coef.shape == ((200, 4) if n_classes == 2 else (200, 3, 4))
    assert not coef[..., 3].any()
    gaps = FRAME["a"].isna().to_numpy()
    assert not coef[gaps][..., 0].any()
    values = np.nan_to_num(FRAME[NUMBERS].to_numpy())
    terms = coef[..., :3] * (values if n_classes == 2 else values[:, None])
    error = terms.sum(axis=-1) + intercept - model.decision_function(FRAME)
    size = np.abs(terms).sum(axis=-1) + np.abs(intercept)
    assert (np.abs(error) <= 1e-10 * size).all()
    for j in range(3):
        slope, smooth = slopes_by_differences(
            model, FRAME, j, 1e-5 * abs(X[:, j]).max()
        )
        assert smooth.mean() > 0.85
        error = np.abs(coef[..., j] - slope)[smooth]
        # Differences miss very small kinks.
        assert np.quantile(error, 0.97) <= 1e-5 * np.abs(slope).max()
        assert error.max() <= 1e-2 * np.abs(slope).max()


def test_regions_behind_ramps_and_categories():
    model = tabular_pipeline(network()).fit(FRAME, Y)
    regions = linear_regions(model, FRAME, Y)
    coef, intercept = local_linear(model, FRAME)
    assert_allclose(regions.coef[regions.labels], coef, rtol=1e-8, atol=1e-10)
    assert_allclose(regions.intercept[regions.labels], intercept, rtol=1e-7, atol=1e-9)
    # Rows of a region have one town and one function.
    for region in range(len(regions)):
        assert FRAME["town"][regions.labels == region].nunique() == 1
    found = {*map(tuple, np.round(np.column_stack([coef, intercept]), 6))}
    assert len(found) <= len(regions) < 200
    assert regions.feature_names.tolist() == FRAME.columns.tolist()
    assert_allclose(regions.feature_std[1:], [*X[:, 1:].std(axis=0), 0])
    assert regions.features().loc["town", "effect"] == 0


def test_regions_over_two_columns_behind_ramps():
    model = make_pipeline(ramps(), network((3,))).fit(X, Y)
    plt.switch_backend("Agg")
    display = LinearRegionsDisplay.from_estimator(model, X, Y)
    for P, k in zip(display.pieces, display.piece_classes, strict=True):
        centre = np.append(P.mean(axis=0), np.median(X[:, 2]))
        assert model.predict([centre])[0] == model.classes_[k]
    plt.close("all")
    table = tabular_pipeline(network()).fit(FRAME, Y)
    with pytest.raises(
        TypeError, match=r"^Pass a row for others, .*columns \['town'\]"
    ):
        LinearRegionsDisplay.from_estimator(table, FRAME)


def test_a_number_that_stands_for_gaps():
    """The imputer replaces the value, so its slope is 0."""
    marked = np.where(RNG.uniform(size=X.shape) < 0.2, -1.0, np.abs(X))
    imputer = SimpleImputer(missing_values=-1, add_indicator=True)
    model = make_pipeline(imputer, StandardScaler(), network()).fit(marked, Y)
    coef, intercept = local_linear(model, marked)
    assert not coef[marked == -1].any()
    assert coef[marked != -1].all()
    logits = (coef * marked).sum(axis=1) + intercept
    assert_allclose(logits, model.decision_function(marked), rtol=1e-9, atol=1e-9)
    with pytest.raises(TypeError, match=r"Cannot fold the encoding of .*\[0, 1, 2\]"):
        to_mlp_classifier(model)
    # After another step it would mean another value in the user's table.
    model = make_pipeline(StandardScaler(), imputer, network()).fit(X, Y)
    with pytest.raises(TypeError, match=r"^Use contributions"):
        local_linear(model, X)


BINS = KBinsDiscretizer(
    4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"
)


@pytest.mark.parametrize("step", [BINS, Binarizer()])
def test_bins_have_no_slope(step):
    model = make_pipeline(step, StandardScaler(), network()).fit(X, Y)
    coef, intercept = local_linear(model, X)
    assert not coef.any()
    assert_allclose(intercept, model.decision_function(X), rtol=1e-12)
    with pytest.raises(TypeError, match="Cannot fold the encoding of the columns"):
        to_mlp_classifier(model)


class Halved(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.column_of_output_ = np.arange(X.shape[1])
        return self

    def transform(self, X):
        return X / 2


def test_the_error_names_the_step_within():
    inner = make_column_transformer((make_pipeline(Halved()), [0, 1]), remainder="drop")
    model = make_pipeline(StandardScaler(), inner, network()).fit(X, Y)
    with pytest.raises(TypeError, match=r"that of Halved\(\) is not known"):
        local_linear(model, X)


def test_scalers_as_coefficients():
    """fold_scaling takes steps that are affine overall, also weights and unions."""
    step = make_pipeline(
        FeatureUnion([("a", StandardScaler())], transformer_weights={"a": -2.0}),
        RobustScaler(),
    ).fit(X)
    coef, intercept = fold_scaling([[1.0, 2.0, 3.0]], [4.0], step)
    assert_allclose(X @ coef[0] + intercept, step.transform(X) @ [1, 2, 3] + 4)
    for step in (ramps(), MinMaxScaler(clip=True), SimpleImputer(), Binarizer()):
        with pytest.raises((ValueError, TypeError)):
            fold_scaling(np.ones(3), 0.0, step.fit(X))
    with pytest.raises(TypeError, match=r"^Explain what follows"):
        fold_scaling(np.ones(9), 0.0, PolynomialFeatures(2).fit(X))


@pytest.mark.parametrize("step", [StandardScaler(), OneHotEncoder(), SimpleImputer()])
@pytest.mark.parametrize(
    "explain", [contributions, local_linear, slope_bounds, nearest_change]
)
def test_a_step_that_is_not_fitted_says_so(explain, step):
    X = np.arange(12.0).reshape(6, 2)
    clf = ReLULogisticClassifier((), alpha=1.0).fit(X, [0, 0, 0, 1, 1, 1])
    with pytest.raises(NotFittedError, match=type(step).__name__):
        explain(make_pipeline(step, clf), X[:1])


class Capped(StandardScaler):
    """The inherited methods cap large values, because another one is overridden."""

    def fit(self, X, y=None):
        super().fit(X)
        self.transform = lambda X: np.clip(StandardScaler.transform(self, X), -4, 4)
        return self


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_scaler_that_caps_is_not_folded_in_any_unit(unit):
    model = make_pipeline(Capped(), network()).fit((X - X.mean(axis=0)) * unit, Y)
    with pytest.raises(TypeError, match="Cannot fold Capped"):
        to_mlp_classifier(model)
