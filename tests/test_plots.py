"""Displays show what the model computes; also the polygons behind them."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_moons
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_relulogit import (
    LinearRegionsDisplay,
    LossCurveDisplay,
    ReLULogisticClassifier,
    tabular_pipeline,
)

plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def moons(hidden=(8,), **kwargs):
    X, y = make_moons(200, noise=0.2, random_state=0)
    clf = ReLULogisticClassifier(hidden, alpha=0.1, random_state=0, **kwargs)
    return clf.fit(X, y), X, y


def iris(hidden=(6, 5)):
    X, y = load_iris(return_X_y=True, as_frame=True)
    clf = ReLULogisticClassifier(hidden, alpha=0.1, random_state=0, tol=1e-3)
    return make_pipeline(MinMaxScaler(), clf).fit(X, y), X, y


def area(P):
    x, y = P.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


SQUARE = np.array([[-1.5, -1.0], [2.5, -1.0], [2.5, 1.5], [-1.5, 1.5]])


# Regions and boundary of a square.


def drawn(clf):
    return LinearRegionsDisplay.from_estimator(clf, SQUARE, margin=0)


@pytest.mark.parametrize("hidden", [(), (8,), (40,), (8, 8), (6, 5, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("load", [load_iris, make_moons])
def test_the_cells_are_the_linear_regions(hidden, load):
    X, y = load(return_X_y=True) if load is load_iris else load(noise=0.1)
    X = StandardScaler().fit_transform(X[:, :2])
    clf = ReLULogisticClassifier(hidden, alpha=0.05, random_state=0, tol=1e-3).fit(X, y)
    cells = drawn(clf).cells
    # They cover the square, without overlap.
    assert_allclose(sum(area(cell.vertices) for cell in cells), 10, rtol=1e-9)
    # Points in each, near its vertices, have its affine function.
    for cell in cells:
        centre = cell.vertices.mean(axis=0)
        near = centre + 0.99 * (cell.vertices - centre)
        coef, intercept = clf.local_linear(np.vstack([centre, near]))
        for A, c in zip(coef, intercept, strict=True):
            assert_allclose(np.atleast_2d(A), cell.A, rtol=1e-9, atol=1e-11)
            assert_allclose(np.atleast_1d(c), cell.c, rtol=1e-9, atol=1e-11)
    # No region is missing: at random points the function is that of a cell.
    rng = np.random.RandomState(0)
    points = rng.uniform(SQUARE.min(axis=0), SQUARE.max(axis=0), (2000, 2))
    coef, _ = clf.local_linear(points)
    known = np.array([cell.A for cell in cells]).reshape(len(cells), -1)
    distance = np.abs(coef.reshape(2000, 1, -1) - known).max(axis=2).min(axis=1)
    assert distance.max() < 1e-9 * max(np.abs(known).max(), 1)


def test_units_that_switch_along_an_edge_or_a_diagonal():
    """They cut nothing off, and the diagonal cuts the square in two."""
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0).fit(
        SQUARE, [0, 1] * 2
    )
    clf.coefs_[0][:] = [[1, 0, 2.5], [0, 1, -4]]
    clf.intercepts_[0][:] = [1.5 - 1e-14, 1.0, -0.25]
    display = drawn(clf)
    assert [area(region) for region in display.regions] == pytest.approx([5, 5])
    assert {len(region) for region in display.regions} == {3}


@pytest.mark.parametrize("scale", [1, 1e-12])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_pieces_and_boundary_are_those_of_the_predictions(n_classes, scale):
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[:, 2:]), y > 1 if n_classes == 2 else y
    clf = ReLULogisticClassifier((10,), alpha=0.05, random_state=1, tol=1e-3).fit(X, y)
    # The unit of the logits does not matter.
    clf.coefs_[-1] *= scale
    clf.intercepts_[-1] *= scale
    display = drawn(clf)
    assert_allclose(sum(map(area, display.pieces)), 10, rtol=1e-9)
    for k, P in zip(display.piece_classes, display.pieces, strict=True):
        centre = P.mean(axis=0)
        assert_array_equal(clf.predict(centre + 0.99 * (P - centre)), clf.classes_[k])
    segments = np.array(display.boundary)
    for segment in segments:
        # The two largest logits are equal along it, so it is straight.
        Z = clf.decision_function(np.linspace(*segment, 5)).reshape(5, -1) / scale
        Z = np.sort(np.hstack([0 * Z, Z]) if n_classes == 2 else Z, axis=1)
        assert_allclose(Z[:, -1], Z[:, -2], atol=1e-9)
    # It is complete: predictions along a line change only at it.
    (low, *_), (high, *_) = SQUARE[[0, 2]]
    starts, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    n_changes = 0
    for height in np.linspace(-1, 1.5, 9)[1:-1]:
        x = np.linspace(low, high, 2001)
        labels = clf.predict(np.column_stack([x, np.full_like(x, height)]))
        for j in np.flatnonzero(labels[1:] != labels[:-1]):
            point = np.array([(x[j] + x[j + 1]) / 2, height])
            t = ((point - starts) * along).sum(axis=1) / (along**2).sum(axis=1)
            nearest = starts + np.clip(t, 0, 1)[:, None] * along
            distance = np.linalg.norm(nearest - point, axis=1).min()
            assert distance <= (x[1] - x[0]) / 2 + 1e-9
            n_changes += 1
    assert n_changes >= 2


# Loss curves.


def test_loss_curves():
    clf, X, y = moons()
    display = LossCurveDisplay.from_estimator(clf)
    (line,) = display.lines_
    assert_array_equal(line.get_xdata(), np.arange(1, clf.n_iter_ + 1))
    assert_array_equal(line.get_ydata(), clf.loss_curve_)
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_ylabel() == "Mean loss (nats)"

    clf = ReLULogisticClassifier((8,), early_stopping=True, random_state=0)
    search = GridSearchCV(make_pipeline(PCA(2), clf), {"pca__whiten": [True]}, cv=2)
    search.fit(X, y)
    clf = search.best_estimator_[-1]
    _, ax = plt.subplots()
    display = LossCurveDisplay.from_estimator(search, name="moons", ax=ax, linewidth=3)
    assert display.ax_ is ax
    assert_array_equal(display.lines_[1].get_ydata(), clf.validation_loss_curve_)
    assert {line.get_linewidth() for line in display.lines_} == {3}
    best = np.argmin(clf.validation_loss_curve_) + 1
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "moons, training, with penalty",
        "moons, validation",
        f"moons, kept: iteration {best}",
    ]
    clf.set_params(early_stopping=False).fit(X, y, X_val=X, y_val=y)
    display = LossCurveDisplay.from_estimator(clf)
    assert len(display.lines_) == 2
    assert display.best_iteration is None
    LossCurveDisplay([3, 2, 1]).plot()


# Linear regions.


def test_the_regions_that_are_drawn():
    clf, X, y = moons()
    display = LinearRegionsDisplay.from_estimator(clf, X, y, s=9)
    n = len(display.regions)
    assert n > 10
    assert len(display.region_edges_.get_paths()) == n
    assert display.ax_.get_title().startswith(f"{n} linear regions")
    assert len(display.boundary_.get_segments()) == len(display.boundary) > 2
    for segment in display.boundary:
        assert_allclose(clf.decision_function(segment), 0, atol=1e-9)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.05 * (high - low)
    assert_allclose(display.ax_.get_xlim(), [low[0] - margin[0], high[0] + margin[0]])
    assert_allclose(display.ax_.get_ylim(), [low[1] - margin[1], high[1] + margin[1]])
    assert_array_equal(display.points_[1].get_offsets(), X[y == 1])
    assert {size for group in display.points_ for size in group.get_sizes()} == {9}
    # Certain pieces are darker than uncertain ones.
    faces = display.pieces_.get_facecolor()[:, :3].sum(axis=1)
    same = np.asarray(display.piece_classes) == 0
    order = np.argsort(np.asarray(display.piece_probabilities)[same])
    assert (np.diff(faces[same][order]) <= 1e-12).all()
    for P, k, p in zip(
        display.pieces, display.piece_classes, display.piece_probabilities, strict=True
    ):
        centre = P.mean(axis=0, keepdims=True)
        assert_allclose(clf.predict_proba(centre)[0, k], p, rtol=1e-9)


def test_two_of_several_features_in_their_own_units_the_others_held():
    model, X, y = iris()
    names = ["petal length (cm)", "sepal width (cm)"]
    display = LinearRegionsDisplay.from_estimator(model, X, y, features=names)
    assert display.ax_.get_xlabel() == names[0]
    assert display.ax_.get_ylabel() == names[1]
    row = X.median().to_frame().T.loc[[0] * len(display.pieces)]
    centres = np.array([P.mean(axis=0) for P in display.pieces])
    row[names] = centres
    proba = model.predict_proba(row)
    assert_array_equal(proba.argmax(axis=1), display.piece_classes)
    assert_allclose(proba.max(axis=1), display.piece_probabilities, rtol=1e-9)

    other = LinearRegionsDisplay.from_estimator(
        model, X, features=[2, 1], others=X.iloc[0]
    )
    (points,) = other.points_
    assert_array_equal(points.get_offsets(), X[names])
    with pytest.raises(AssertionError):
        assert_allclose(other.regions[0], display.regions[0])


def visits(n=400):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 80, n),
            "city": rng.choice(["Bonn", "Ulm"], n),
            "income": rng.gamma(3, 20, n).round(1),
            "smoker": rng.uniform(size=n) < 0.3,
        }
    )
    X.loc[::9, "income"] = np.nan
    score = np.abs(X["age"] - 50) / 10 - X["income"].fillna(60) / 30 + X["smoker"]
    y = score + (X["city"] == "Ulm") + rng.logistic(size=n) / 3 > 1
    return X, np.where(y, "yes", "no")


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas], ids=["pd", "pl"])
def test_two_columns_of_a_table_the_others_held_at_a_row(library):
    X, y = visits()
    clf = ReLULogisticClassifier((6,), alpha=1.0, random_state=0)
    model = tabular_pipeline(clf).fit(library(X), y)
    names = ["income", "age"]
    pictures = []
    other = int(np.flatnonzero(X["city"] != X["city"][0])[0])
    for i in (0, other):  # Of the first row the income is missing.
        row = X.iloc[[i]]
        display = LinearRegionsDisplay.from_estimator(
            model, library(X), y, features=names, others=library(row)
        )
        rows = row.loc[row.index.repeat(len(display.pieces))].reset_index(drop=True)
        rows[names] = np.array([P.mean(axis=0) for P in display.pieces])
        proba = model.predict_proba(library(rows))
        assert_array_equal(proba.argmax(axis=1), display.piece_classes)
        assert_allclose(proba.max(axis=1), display.piece_probabilities, rtol=1e-9)
        assert display.ax_.get_xlim()[1] > X["income"].max()
        pictures.append(proba)
    assert not np.array_equal(*pictures)


def test_what_a_picture_of_a_table_needs():
    X, y = visits()
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0)
    model = tabular_pipeline(clf).fit(X, y)
    picture = LinearRegionsDisplay.from_estimator
    with pytest.raises(TypeError, match=r"^Pass a row for others"):
        picture(model, X, features=["age", "income"])
    with pytest.raises(ValueError, match="others must be one row"):
        picture(model, X, features=["age", "income"], others=X[:2])
    with pytest.raises(ValueError, match="two columns that hold numbers"):
        picture(model, X, features=["age", "city"], others=X[:1])


def test_regions_without_data():
    clf, X, _ = moons()
    display = LinearRegionsDisplay.from_estimator(clf, X)
    display.points = None
    display.plot()
    assert display.points_ == []
    assert display.ax_.get_legend() is None


def test_a_constant_feature_still_has_a_range():
    clf, X, _ = moons()
    X[:, 1] = 3.0
    display = LinearRegionsDisplay.from_estimator(clf, X)
    assert_allclose(display.ax_.get_ylim(), [2.95, 3.05])


def test_errors_of_linear_regions():
    model, X, y = iris()
    from_estimator = LinearRegionsDisplay.from_estimator
    for features in [(0,), (0, 0), (0, 4), (-1, 2), ("sepal", 1), (0, 1, 2), (0.0, 1)]:
        with pytest.raises(ValueError, match=r"from 0 to 3. Got|features must be two"):
            from_estimator(model, X, features=features)
    with pytest.raises(ValueError, match="others must hold a value for each of the 4"):
        from_estimator(model, X, others=[1, 2])
    with pytest.raises(ValueError, match="feature names should match"):
        from_estimator(model, X[X.columns[::-1]])
    plain = make_pipeline(MinMaxScaler(), model[-1]).fit(X.to_numpy(), y)
    with pytest.raises(ValueError, match="X has 3 features, but MinMaxScaler is"):
        from_estimator(plain, X.to_numpy()[:, 1:])
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        from_estimator(plain, scipy.sparse.csr_array(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        from_estimator(model, X, y[:-1])
    with pytest.raises(ValueError, match=r"y holds \[9\], which the model was not"):
        from_estimator(model, X, y.replace(1, 9))


# All of them.


@pytest.mark.parametrize("display", [LossCurveDisplay, LinearRegionsDisplay])
def test_errors_of_all(display, monkeypatch):
    X, y = make_moons(50, random_state=0)
    data = () if display is LossCurveDisplay else (X,)
    with pytest.raises(NotFittedError):
        display.from_estimator(ReLULogisticClassifier(), *data)
    with pytest.raises(TypeError, match="Got LogisticRegression"):
        display.from_estimator(LogisticRegression().fit(X, y), *data)
    clf = ReLULogisticClassifier((3,), random_state=0).fit(X, y)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"Display needs matplotlib: .*\[plot\]"):
        display.from_estimator(clf, *data)
