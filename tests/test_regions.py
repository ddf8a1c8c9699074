"""The linear regions that a data set visits, and their tables."""

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sklearn_relulogit import (
    LinearRegions,
    ReLULogisticClassifier,
    linear_regions,
    local_linear,
)


def fitted(load=load_breast_cancer, hidden=(4,), **kwargs):
    X, y = load(return_X_y=True, as_frame=True)
    clf = ReLULogisticClassifier(hidden, random_state=0, **kwargs)
    return make_pipeline(StandardScaler(), clf).fit(X, y), X, y


def active_units(model, X):
    """The patterns, by their definition."""
    z = np.asarray(model[0].transform(X))
    patterns = []
    for W_T, b in list(zip(model[1].coefs_, model[1].intercepts_, strict=True))[:-1]:
        v = z @ W_T + b
        patterns.append(v > 0)
        z = np.where(v > 0, v, 0)
    return np.hstack(patterns)


@pytest.mark.parametrize("hidden", [(4,), (9,), (5, 4), (3, 3, 3)], ids=str)
@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_rows_share_a_region_where_the_same_units_are_active(load, hidden):
    model, X, y = fitted(load, hidden, tol=1e-2)
    regions = linear_regions(model, X, y)
    assert isinstance(regions, LinearRegions)
    expected = active_units(model, X)
    assert_array_equal(regions.patterns[regions.labels], expected)
    assert len(regions) == len(np.unique(expected, axis=0))
    assert len(np.unique(regions.patterns, axis=0)) == len(regions)

    assert_array_equal(regions.counts, np.bincount(regions.labels))
    assert (np.diff(regions.counts) <= 0).all()
    assert_array_equal(regions.labels[regions.representatives], range(len(regions)))
    for region, first in enumerate(regions.representatives):
        assert first == np.flatnonzero(regions.labels == region)[0]

    coef, intercept = local_linear(model, X)
    assert_allclose(regions.coef[regions.labels], coef, rtol=1e-9, atol=1e-12)
    assert_allclose(regions.intercept[regions.labels], intercept, rtol=1e-9)
    groups = pd.DataFrame(model.predict_proba(X)).groupby(regions.labels).mean()
    assert_allclose(regions.mean_proba, groups, rtol=1e-9)
    groups = pd.get_dummies(y).astype(float).groupby(regions.labels).mean()
    assert_allclose(regions.observed, groups, rtol=1e-12)
    assert_allclose(regions.feature_std, X.std(ddof=0), rtol=1e-9)
    assert_array_equal(regions.feature_names, X.columns)
    assert regions.hidden_layer_sizes == hidden


def test_without_hidden_layers_there_is_one_region():
    model, X, y = fitted(hidden=())
    regions = linear_regions(model, X, y)
    assert len(regions) == 1
    assert regions.patterns.shape == (1, 0)
    assert_allclose(regions.observed[0, 1], y.mean())
    assert "1 for 569 rows" in repr(regions)
    assert (regions.features()["min"] == regions.features()["max"]).all()


def test_the_tables_of_two_classes():
    model, X, y = fitted()
    regions = linear_regions(model, X, y)
    frame = regions.to_frame()
    assert frame.columns.tolist() == ["intercept", *X.columns]
    # The table describes the model.
    of_row = frame.loc[regions.labels]
    logit = (of_row[X.columns].to_numpy() * X).sum(axis=1)
    logit += of_row["intercept"].to_numpy()
    assert_allclose(logit, model.decision_function(X), rtol=1e-8, atol=1e-8)

    summary = regions.summary(n_regions=3, n_features=2)
    assert len(summary) == 3
    assert summary["rows"].tolist() == regions.counts[:3].tolist()
    assert_allclose(summary["share"], regions.counts[:3] / len(X))
    assert_allclose(summary["mean probability"], regions.mean_proba[:3, 1])
    assert_allclose(summary["observed rate"], regions.observed[:3, 1])
    name, value = summary["largest effects"][0].split(", ")[0].rsplit(" ", 1)
    effects = (frame.loc[0, X.columns] * X.std(ddof=0)).abs()
    assert name == effects.idxmax()
    assert float(value) == pytest.approx(frame.loc[0, name], rel=1e-2)
    short = linear_regions(model, X).summary()
    assert "observed rate" not in short
    # Three features by default.
    assert {len(told.split(", ")) for told in short["largest effects"]} == {3}

    features = regions.features()
    coef, _ = local_linear(model, X)
    coef = pd.DataFrame(coef, columns=X.columns)[features.index]
    assert_allclose(features["mean"], coef.mean(), rtol=1e-9)
    assert_allclose(features["min"], coef.min(), rtol=1e-9)
    assert_allclose(features["max"], coef.max(), rtol=1e-9)
    for column, q in [("5%", 0.05), ("median", 0.5), ("95%", 0.95)]:
        expected = np.quantile(coef, q, axis=0, method="inverted_cdf")
        assert_allclose(features[column], expected, rtol=1e-9)
    assert_allclose(features["positive"], (coef > 0).mean())
    assert_allclose(
        features["effect"], coef.abs().mean() * X[features.index].std(ddof=0)
    )
    assert features["effect"].is_monotonic_decreasing


def test_the_tables_of_more_classes_have_a_row_for_each():
    model, X, y = fitted(load_iris, (3, 2), alpha=0.1)
    regions = linear_regions(model, X, y)
    frame = regions.to_frame()
    assert frame.index.names == ["region", "class"]
    assert_allclose(frame.loc[(0, 2), X.columns[1]], regions.coef[0, 2, 1])
    assert_allclose(frame.loc[(0, 2), "intercept"], regions.intercept[0, 2])
    summary = regions.summary(n_regions=2)
    assert summary.index.tolist() == [(r, k) for r in range(2) for k in range(3)]
    assert_allclose(summary.loc[(1, 2), "observed rate"], regions.observed[1, 2])
    features = regions.features()
    assert features.index.names == ["class", "feature"]
    assert len(features) == 12


def test_sparse_float32_and_unnamed_data():
    X, y = load_breast_cancer(return_X_y=True)
    X = np.maximum(X - X.mean(axis=0), 0).astype(np.float32)
    S = scipy.sparse.csr_array(X)
    model = make_pipeline(MaxAbsScaler(), ReLULogisticClassifier((3,))).fit(S, y)
    dense, sparse = linear_regions(model, X), linear_regions(model, S)
    assert_array_equal(sparse.labels, dense.labels)
    assert_allclose(sparse.coef, dense.coef, rtol=1e-4)
    assert_allclose(sparse.feature_std, dense.feature_std, rtol=1e-4)
    assert sparse.coef.dtype == np.float32
    assert sparse.feature_names[:2].tolist() == ["x0", "x1"]


def test_frames_lists_and_frames_between_the_steps():
    model, X, y = fitted()
    expected = linear_regions(model, X)
    Z = model[0].transform(X)
    clf = model[1]
    framed = make_pipeline(StandardScaler().set_output(transform="pandas"), clf)
    names = pd.DataFrame(Z, columns=X.columns)
    alone = ReLULogisticClassifier((4,), random_state=0).fit(names, y)
    for regions in (
        linear_regions(clf, Z.tolist()),
        linear_regions(alone, names),
        linear_regions(framed.fit(X, y), X),
    ):
        assert_array_equal(regions.labels, expected.labels)


def test_errors(monkeypatch):
    model, X, y = fitted()
    with pytest.raises(NotFittedError):
        linear_regions(make_pipeline(StandardScaler(), ReLULogisticClassifier()), X)
    with pytest.raises(ValueError, match=r"y holds \[7\], .* classes are \[0, 1\]"):
        linear_regions(model, X, y.where(y == 0, 7))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        linear_regions(model, X, y[1:])
    with pytest.raises(ValueError, match="feature names should match"):
        linear_regions(model, X.rename(columns={"mean area": "area"}))
    regions = linear_regions(model, X)
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in ("to_frame", "summary", "features"):
        with pytest.raises(ImportError, match=r"needs pandas: .*relulogit\[pandas\]"):
            getattr(regions, table)()
    assert "rows; the largest has" in repr(regions)


@pytest.mark.parametrize("hidden", [(3,), (40,), (100,)])
def test_the_numbers_of_the_representation(hidden):
    """Counted again from the patterns of the rows."""
    model, X, _ = fitted(hidden=hidden, alpha=3.0, tol=1e-2)
    # One unit that is always active, and one that never is.
    model[1].intercepts_[0][:2] = 1e3, -1e3
    active = active_units(model, X)
    _, counts = np.unique(active, axis=0, return_counts=True)
    always, never = active.all(axis=0).sum(), (~active.any(axis=0)).sum()
    assert (always, never) >= (1, 1)
    largest, single = counts.max(), (counts == 1).sum()
    expected = (
        f"LinearRegions: {len(counts)} for 569 rows; the largest has {largest} "
        f"({100 * largest / 569:.1f}%), {single} have one.\n"
        f"Of {hidden[0]} hidden units {always} are active at every row, {never} at "
        f"none; {hidden[0] - always - never} make the regions."
    )
    told = repr(linear_regions(model, X))
    assert told.startswith(expected)
    said = "Most rows have a region of their own" in told and "Smaller layers" in told
    assert said == (single > 569 / 2) == (len(told) > len(expected))
