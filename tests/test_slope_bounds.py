"""Bounds of slopes over a box, against all regions and against random rows."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler, scale

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    local_linear,
    slope_bounds,
    tabular_pipeline,
)


def network(hidden, **kwargs):
    options = {"alpha": 0.1, "random_state": 0, "tol": 1e-2} | kwargs
    return ReLULogisticClassifier(hidden, **options)


def slopes_of_all_regions(clf, low, high):
    """The slopes of each region with an interior in a box, (n_regions, K, p)."""
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    sizes = [len(b) for _, b in layers[:-1]]
    p, found = len(low), []
    for pattern in product([0.0, 1.0], repeat=sum(sizes)):
        A, c, rows, limits = np.eye(p), np.zeros(p), [], []
        active = np.split(np.array(pattern), np.cumsum(sizes)[:-1])
        for (W_T, b), D in zip(layers[:-1], active, strict=True):
            A, c = W_T.T @ A, W_T.T @ c + b
            side = 1 - 2 * D
            rows.append(np.column_stack([side[:, None] * A, np.ones(len(D))]))
            limits.append(-side * c)
            A, c = D[:, None] * A, D * c
        # Maximise the distance t of u from zero.
        cost = np.append(np.zeros(p), -1.0)
        bounds = [*zip(low, high, strict=True), (None, 1)]
        inside = linprog(cost, np.vstack(rows), np.concatenate(limits), bounds=bounds)
        if inside.success and inside.fun < -1e-7:
            found.append(layers[-1][0].T @ A)
    return np.array(found)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(6,), (4, 3), (3, 3, 2)], ids=str)
def test_they_are_the_ends_of_the_slopes_of_all_regions(hidden, n_classes):
    X, y = load_wine(return_X_y=True)
    X, y = scale(X)[:, [0, 6, 9]], np.minimum(y, n_classes - 1)
    clf = network(hidden, random_state=3).fit(X, y)
    if hidden == (4, 3):
        # A unit that is never active in the box.
        clf.intercepts_[0][0] = -500
    low, high = np.array([-2.0, -1.0, -5.0]), np.array([1.0, 2.5, 5.0])
    found = slope_bounds(clf, box={0: (-2, 1), 1: (-1, 2.5), 2: (-5, 5)})
    slopes = slopes_of_all_regions(clf, low, high)
    assert len(slopes) > 3
    if n_classes == 2:
        slopes = slopes[:, 0]
    size = np.abs(slopes).max()
    assert_allclose(found.lower, slopes.min(axis=0), rtol=1e-5, atol=1e-5 * size)
    assert_allclose(found.upper, slopes.max(axis=0), rtol=1e-5, atol=1e-5 * size)
    assert found.proven.all()
    with pytest.raises(AssertionError):
        assert_allclose(found.upper * 1.001, slopes.max(axis=0), rtol=1e-5)
    # And rows with these slopes.
    for j in range(3):
        for rows, ends in ((found.lowest, found.lower), (found.highest, found.upper)):
            coef, _ = clf.local_linear(rows[j])
            first = coef.reshape(-1, 3)[0]
            assert_allclose(first[j], np.atleast_2d(ends)[0, j], 1e-5, 1e-9 * size)
            assert (low - 1e-9 <= rows[j]).all()
            assert (rows[j] <= high + 1e-9).all()


def table(n=300):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "reports": rng.poisson(2.0, n).astype(float),
            "income": np.exp(rng.standard_normal(n)),
            "city": rng.choice(["Bonn", "Ulm", "Jena"], n),
            "age": rng.uniform(18, 80, n),
        }
    )
    X.loc[::9, "income"] = np.nan
    score = X["reports"] * (X["city"] == "Ulm") - X["income"].fillna(1)
    return X, score + rng.logistic(size=n) / 3 > 0


@pytest.mark.parametrize("hidden", [(8,), (5, 4)])
def test_no_row_of_a_table_is_outside(hidden):
    X, y = table()
    model = tabular_pipeline(network(hidden)).fit(X, y)
    found = slope_bounds(model, ["income", "age"], box={"reports": (1, 3)})
    assert found.columns == ["income", "age"]
    rng = np.random.RandomState(1)
    n = 20_000
    rows = pd.DataFrame(
        {
            "reports": rng.uniform(1, 3, n),
            "income": rng.uniform(X["income"].min(), X["income"].max(), n),
            "city": rng.choice(["Bonn", "Ulm", "Jena"], n),
            "age": rng.uniform(X["age"].min(), X["age"].max(), n),
        }
    )
    coef, _ = local_linear(model, rows)
    for i, j in enumerate([1, 3]):
        assert found.lower[i] <= coef[:, j].min() + 1e-9
        assert found.upper[i] >= coef[:, j].max() - 1e-9
        for row, end in (
            (found.lowest[i], found.lower),
            (found.highest[i], found.upper),
        ):
            assert_allclose(local_linear(model, row)[0][0, j], end[i], rtol=1e-4)
            assert 1 <= row["reports"].iloc[0] <= 3
    frame = found.to_frame()
    assert_allclose(frame.loc["age", "upper"], found.upper[1])
    with pytest.raises(ValueError, match=r"Column 'city' holds categories"):
        slope_bounds(model, ["city"])


def test_without_hidden_layers_there_is_one_slope():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), network(())).fit(X, y)
    found = slope_bounds(model)
    expected = model[-1].coef_ / model[0].scale_
    assert_allclose(found.lower, expected, rtol=1e-9)
    assert_allclose(found.upper, expected, rtol=1e-9)
    ramps = make_pipeline(PiecewiseLinearEncoder(3), network(())).fit(X[:, :2], y > 0)
    coef, _ = local_linear(ramps, X[:, :2])
    found = slope_bounds(ramps)
    # At a knot the slope is that to its left, so the smallest value's is outside.
    inside = (X[:, :2] > X[:, :2].min(axis=0)).all(axis=1)
    assert_allclose(found.upper, coef[inside].max(axis=0), rtol=1e-9)
    assert_allclose(found.lower, coef[inside].min(axis=0), rtol=1e-9)


def test_out_of_time_they_are_bounds_all_the_same():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), network((60, 60))).fit(X, y == 1)
    found = slope_bounds(model, [0], time_limit=0.05)
    coef, _ = local_linear(model, X)
    assert found.lower[0] <= coef[:, 0].min()
    assert found.upper[0] >= coef[:, 0].max()
    assert not found.proven[0]


def test_errors():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), network((3,))).fit(X, y)
    with pytest.raises(ValueError, match=r"a low and a high of 'x1'. Got \(2, 1\)"):
        slope_bounds(model, box={1: (2, 1)})
    with pytest.raises(ValueError, match=r"box must have a width for 'x1'"):
        slope_bounds(model, [1], box={1: (2, 2)})
    with pytest.raises(ValueError, match=r"one of the names of X.* Got 'salary'"):
        slope_bounds(model, ["salary"])
    with pytest.raises(NotFittedError):
        slope_bounds(network((3,)))
    smooth = make_pipeline(PowerTransformer(), network((3,))).fit(X, y)
    with pytest.raises(TypeError, match=r"^Use contributions.* PowerTransformer"):
        slope_bounds(smooth)


def test_a_box_with_whole_ends_holds_all_numbers():
    """The largest slope is between two whole numbers."""
    X = pd.DataFrame({"a": np.linspace(-1, 1, 60), "b": np.tile([0.0, 1.0], 30)})
    model = make_pipeline(StandardScaler(), network((2,))).fit(X, X["a"] > 0)
    clf, scale_ = model[-1], model[0].scale_
    # It rises between 0.2 and 0.4 of a only.
    clf.coefs_[0][:] = [[scale_[0], scale_[0]], [0, 0]]
    clf.intercepts_[0][:] = [-0.2, -0.4]
    clf.coefs_[1][:] = [[1.0], [-1.0]]
    found = slope_bounds(model, ["a"], {"a": (0, 1), "b": (0, 1)})
    assert_allclose([found.lower[0], found.upper[0]], [0, 1], atol=1e-6)
    assert 0.2 < found.highest[0]["a"].iloc[0] < 0.4


def test_where_no_unit_can_switch_there_is_one_slope():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), network((3,))).fit(X, y == 1)
    box = {j: (x, x + 1e-4) for j, x in enumerate(X[0])}
    found = slope_bounds(model, box=box)
    coef, _ = local_linear(model, X[:1])
    assert_allclose(found.lower, coef[0], rtol=1e-6)
    assert_allclose(found.upper, coef[0], rtol=1e-6)
    assert found.proven.all()


@pytest.mark.parametrize("pair", [(0, np.inf), (-np.inf, 1), (np.nan, 1), (5,)])
def test_infinite_boxes_are_refused(pair):
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), network((3,))).fit(X, y == 1)
    with pytest.raises(ValueError, match=r"^Pass finite bounds: box .* 'x1'"):
        slope_bounds(model, box={1: pair})
