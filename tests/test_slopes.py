"""Slopes of column-wise steps, and the local linear functions of whole pipelines."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn_relulogit._explain.slopes import DERIVATIVES, slopes

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    linear_regions,
    local_linear,
    tabular_pipeline,
)

# Slopes are exact wherever a fit ends, on whatever scales the features are.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit"),
    pytest.mark.filterwarnings("ignore:The features are on very different scales"),
]

RNG = np.random.RandomState(0)
# Positive, skewed, and of either sign; none of them on a knot or a quantile.
X = np.column_stack(
    [RNG.uniform(1, 5, 200), np.exp(RNG.standard_normal(200)), RNG.normal(-50, 3, 200)]
)
Y = X[:, 0] - X[:, 1] + RNG.standard_normal(200) > 1
WITHIN = 0.5 + 0.45 * (X - X.mean(axis=0)) / np.abs(X - X.mean(axis=0)).max(axis=0)


def spline(**kwargs):
    return SplineTransformer(n_knots=5, **kwargs)


STEPS = {
    "scaler": StandardScaler(),
    "clipped": MinMaxScaler((-1, 3), clip=True),
    "ramps": PiecewiseLinearEncoder(n_bins=5),
    "yeo-johnson": PowerTransformer(),
    "powers alone": PowerTransformer(standardize=False),
    "uniform quantiles": QuantileTransformer(n_quantiles=15),
    "normal quantiles": QuantileTransformer(
        n_quantiles=15, output_distribution="normal"
    ),
    "splines": spline(),
    "splines without the last": spline(degree=2, include_bias=False),
    "linear outside": spline(extrapolation="linear"),
    "continued": spline(extrapolation="continue"),
    "periodic": spline(extrapolation="periodic"),
    "imputed": SimpleImputer(add_indicator=True),
    "frozen": FrozenEstimator(StandardScaler().fit(X)),
    "selected": VarianceThreshold(1.0),
    "union": FeatureUnion(
        [("a", StandardScaler()), ("b", "drop"), ("c", "passthrough")],
        transformer_weights={"a": 2.0},
    ),
    "weighted columns": make_column_transformer(
        (make_pipeline(StandardScaler(), PolynomialFeatures(3)), [2]),
        (make_union(StandardScaler(), spline()), [0]),
        remainder="passthrough",
    ).set_params(transformer_weights={"pipeline": 3.0}),
    "steps in a row": make_pipeline(
        RobustScaler(), "passthrough", PowerTransformer(), spline(), StandardScaler()
    ),
}


def fitted(step):
    return clone(step).fit(X, Y)


@pytest.mark.parametrize("name", STEPS)
def test_slopes_are_those_of_differences(name):
    step = fitted(STEPS[name])
    # Also outside of what was seen in the fit.
    rows = X.mean(axis=0) + 1.4 * (X - X.mean(axis=0))
    rows[:, :2] = np.maximum(rows[:, :2], 0.05)
    found = np.broadcast_to(slopes(step, rows), step.transform(rows).shape)
    h = 1e-6 * np.abs(X).max(axis=0)
    expected = np.zeros_like(found)
    smooth = np.ones(found.shape, dtype=bool)
    for j in range(3):
        move = np.where(np.arange(3) == j, h, 0)
        ahead, here, behind = (step.transform(rows + s * move) for s in (1, 0, -1))
        expected += (ahead - behind) / (2 * h[j])
        smooth &= np.isclose(ahead - here, here - behind, rtol=1e-4, atol=1e-9)
    size = np.abs(expected).max(axis=0)
    assert smooth.mean() > 0.95
    error = np.abs(found - expected)
    assert (error <= 1e-6 * np.abs(expected) + 1e-6 * size)[smooth].all()
    wrong = np.abs(found * 1.001 - expected)
    assert not (wrong <= 1e-6 * np.abs(expected) + 1e-6 * size)[smooth].all()


def test_box_cox():
    step = PowerTransformer("box-cox").fit(X[:, :2])
    h = 1e-6
    for j in range(2):
        move = h * (np.arange(2) == j)
        ahead, behind = (step.transform(X[:, :2] + s * move)[:, j] for s in (1, -1))
        found = slopes(step, X[:, :2])[:, j]
        assert_allclose(found, (ahead - behind) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize("func", DERIVATIVES, ids=lambda func: func.__name__)
def test_functions(func):
    found = slopes(FunctionTransformer(func), WITHIN)
    h = 1e-6
    expected = (func(WITHIN + h) - func(WITHIN - h)) / (2 * h)
    assert_allclose(found, expected, rtol=1e-6)
    assert_allclose(expit(logit(WITHIN)), WITHIN)


def test_slopes_of_steps_on_a_large_offset():
    # A mean that is a million deviations away takes no digits of a slope.
    far = np.random.RandomState(0).normal(1e6, 1.0, (50, 1))
    step = PowerTransformer().fit(far)
    z = step.transform(np.array([[1e6 - 0.5], [1e6 + 0.5]]))
    found = slopes(step, np.array([[1e6]]))
    assert_allclose(found[0, 0], z[1, 0] - z[0, 0], rtol=1e-5)


def mixed_frame():
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c"])
    frame.loc[::9, "a"] = np.nan
    frame["town"] = np.where(X[:, 1] > 1, "Ulm", "Bonn")
    return frame


FRAME = mixed_frame()
NUMBERS = ["a", "b", "c"]


def network(**kwargs):
    return ReLULogisticClassifier(
        (5,), alpha=1.0, max_iter=80, random_state=0, **kwargs
    )


def pipelines():
    yield tabular_pipeline(network())
    for numeric in (
        make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler(clip=True)),
        make_pipeline(PowerTransformer(), SimpleImputer()),
        make_pipeline(SimpleImputer(), spline(), StandardScaler()),
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
def test_local_linear_of_pipelines(model, n_classes):
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
    # The slopes, by differences of the whole pipeline.
    for j, name in enumerate(NUMBERS):
        h = 1e-5 * np.abs(X[:, j]).max()
        moved = [FRAME.assign(**{name: FRAME[name] + s * h}) for s in (1, 0, -1)]
        ahead, here, behind = (model.decision_function(rows) for rows in moved)
        smooth = np.isclose(ahead - here, here - behind, rtol=1e-2, atol=1e-8)
        expected = (ahead - behind) / (2 * h)
        assert smooth.mean() > 0.9
        error = np.abs(coef[..., j] - expected)[smooth]
        size = np.abs(expected).max()
        # Where a kink is so small that it is not seen, differences err.
        assert np.quantile(error, 0.97) <= 1e-5 * size
        assert error.max() <= 1e-2 * size


def test_regions_behind_ramps_and_categories():
    model = tabular_pipeline(network()).fit(FRAME, Y)
    regions = linear_regions(model, FRAME, Y)
    coef, intercept = local_linear(model, FRAME)
    assert_allclose(regions.coef[regions.labels], coef, rtol=1e-8, atol=1e-10)
    assert_allclose(regions.intercept[regions.labels], intercept, rtol=1e-7, atol=1e-9)
    # Rows of a region have one town, and one function.
    for region in range(len(regions)):
        assert FRAME["town"][regions.labels == region].nunique() == 1
    found = {*map(tuple, np.round(np.column_stack([coef, intercept]), 6))}
    assert len(found) <= len(regions) < 200
    assert regions.feature_names.tolist() == FRAME.columns.tolist()
    assert_allclose(regions.feature_std[1:], [*X[:, 1:].std(axis=0), 0])
    assert regions.features().loc["town", "effect"] == 0
    assert regions.mean_proba.shape == (len(regions), 2)


def test_the_display_takes_such_pipelines():
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    model = tabular_pipeline(network()).fit(FRAME, Y)
    display = LocalCoefficientsDisplay.from_estimator(model, FRAME)
    assert len(display.order_) == 4
    display = LocalCoefficientsDisplay.from_estimator(model, FRAME.iloc[[0]])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert sorted(labels)[0] == "a = missing"
    assert f"town = {FRAME['town'][0]}" in labels
    plt.close("all")


class Halved(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.column_of_output_ = np.arange(X.shape[1])
        return self

    def transform(self, X):
        return X / 2


class HalvedAndKnown(Halved):
    def local_linear(self, X):
        return np.full(X.shape, 0.5), np.zeros(X.shape)


def test_transformers_that_tell_their_slopes():
    known = make_pipeline(HalvedAndKnown(), network()).fit(X, Y)
    coef, _ = local_linear(known, X)
    inner, _ = known[-1].local_linear(X / 2)
    assert_array_equal(coef, inner / 2)
    unknown = make_pipeline(Halved(), network()).fit(X, Y)
    with pytest.raises(TypeError, match=r"^Use contributions.* Halved\(\) is not"):
        local_linear(unknown, X)
    cut = FunctionTransformer(np.floor)
    with pytest.raises(TypeError, match=r"floor.* is not known"):
        local_linear(make_pipeline(cut, network()).fit(X, Y), X)


def test_bins_have_no_slope():
    bins = KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf")
    model = make_pipeline(bins, network()).fit(X, Y)
    coef, intercept = local_linear(model, X)
    assert not coef.any()
    assert_allclose(intercept, model.decision_function(X), rtol=1e-12)


def test_regions_where_a_step_has_a_slope_and_no_shift():
    """Its column divides no region: MaxAbsScaler with a largest value of one."""
    rng = np.random.RandomState(0)
    X = rng.uniform(-1, 1, (60, 2))
    X[0, 1] = 1.0
    y = (X.sum(axis=1) > 0).astype(int)
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0)
    encoder = PiecewiseLinearEncoder(n_bins=3)
    both = make_column_transformer((encoder, [0]), (MaxAbsScaler(), [1]))
    model = make_pipeline(both, clf).fit(X, y)
    regions = linear_regions(model, X, y)
    coef, intercept = local_linear(model, X)
    assert_allclose(regions.coef[regions.labels], coef, rtol=1e-9)
    assert_allclose(regions.intercept[regions.labels], intercept, rtol=1e-9)
    assert 1 < len(regions) < 60
