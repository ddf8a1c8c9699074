"""Scalers folded back: coefficients for a pipeline's input features."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from sklearn_relulogit import ReLULogisticClassifier, fold_scaling, local_linear

X, y = load_wine(return_X_y=True)

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-3, 7)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False),
    RobustScaler(with_centering=False, with_scaling=False),
    RobustScaler(quantile_range=(5, 95), unit_variance=True),
    make_pipeline(RobustScaler(), MinMaxScaler(), StandardScaler()),
    make_pipeline("passthrough", make_pipeline(MaxAbsScaler()), StandardScaler()),
    "passthrough",
]


def assert_same_function(coef, intercept, X, expected, rtol=1e-10):
    terms = X @ np.moveaxis(coef, -1, 0) if coef.ndim == 2 else None
    value = (terms if terms is not None else X @ coef) + intercept
    size = np.abs(X) @ np.abs(np.moveaxis(coef, -1, 0)) + np.abs(intercept)
    assert (np.abs(value - expected) <= rtol * size).all()


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_the_folded_function_of_the_features_is_that_of_the_scaled_ones(scaler):
    rng = np.random.RandomState(0)
    coef, intercept = rng.standard_normal((3, 13)), rng.standard_normal(3)
    Z = X
    if scaler != "passthrough":
        Z = scaler.fit(X).transform(X)
    folded, shifted = fold_scaling(coef, intercept, scaler)
    assert_same_function(folded, shifted, X, Z @ coef.T + intercept)
    # One output, and one for each row.
    one, c = fold_scaling(coef[0], intercept[0], scaler)
    assert one.shape == (13,)
    assert c.shape == ()
    assert_allclose(one, folded[0], rtol=1e-15)
    stacked = np.stack([coef, 2 * coef])
    folded, _ = fold_scaling(stacked, np.zeros((2, 3)), scaler)
    assert folded.shape == (2, 3, 13)

    with pytest.raises(AssertionError):
        assert_same_function(one * (1 + 1e-8), c, X, Z @ coef[0] + intercept[0])


def test_the_classifier_itself_a_search_and_a_search_in_a_pipeline():
    clf = ReLULogisticClassifier((4,), random_state=0)
    Z = StandardScaler().fit_transform(X)
    clf.fit(Z, y)
    for a, b in zip(local_linear(clf, Z), clf.local_linear(Z), strict=True):
        assert_allclose(a, b, rtol=1e-15)

    pipeline = make_pipeline(StandardScaler(), clf)
    grid = {"relulogisticclassifier__alpha": [5.0, 20.0]}
    outside = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    inside = make_pipeline(
        StandardScaler(), GridSearchCV(clf, {"alpha": [5.0, 20.0]}, cv=2)
    ).fit(X, y)
    for model in (outside, inside):
        coef, intercept = local_linear(model, X)
        logits = np.einsum("nkp,np->nk", coef, X) + intercept
        assert_allclose(logits, model.decision_function(X), rtol=1e-8, atol=1e-9)


def test_float32_stays_float32():
    X32 = X.astype(np.float32)
    model = make_pipeline(StandardScaler(), ReLULogisticClassifier((4,))).fit(X32, y)
    coef, intercept = local_linear(model, X32)
    assert coef.dtype == intercept.dtype == np.float32
    folded, _ = fold_scaling(np.ones(13, dtype=int), 0, model[0])
    assert folded.dtype == np.float64


def test_sparse_rows_through_scalers_that_keep_zeros():
    S = scipy.sparse.csr_array(np.maximum(X - X.mean(axis=0), 0))
    model = make_pipeline(
        MaxAbsScaler(), StandardScaler(with_mean=False), ReLULogisticClassifier((4,))
    ).fit(S, y)
    for a, b in zip(
        local_linear(model, S), local_linear(model, S.toarray()), strict=True
    ):
        assert_allclose(a, b, rtol=1e-12)


def test_other_steps_are_an_error_that_says_what_to_do():
    clf = ReLULogisticClassifier((4,), random_state=0)
    model = make_pipeline(PCA(5), StandardScaler(), clf).fit(X, y)
    with pytest.raises(TypeError, match=r"Explain what comes.* PCA.* may mix"):
        local_linear(model, X)
    Z = model[:1].transform(X)
    coef, intercept = local_linear(model[1:], Z)
    logits = np.einsum("nkp,np->nk", coef, Z) + intercept
    assert_allclose(logits, model.decision_function(X), rtol=1e-8)


def test_other_errors():
    scaler = StandardScaler().fit(X)
    with pytest.raises(ValueError, match="takes 13 features, but gets 12"):
        fold_scaling(np.ones(12), 0.0, scaler)
    with pytest.raises(
        ValueError, match=r"of shape \(2, 13\) needs .* \(2,\)\. Got .* \(\)\."
    ):
        fold_scaling(np.ones((2, 13)), 0.0, scaler)
    with pytest.raises(NotFittedError, match="StandardScaler instance is not fitted"):
        fold_scaling(np.ones(13), 0.0, StandardScaler())
    with pytest.raises(TypeError, match=r"Got 3\."):
        fold_scaling(np.ones(13), 0.0, 3)
    clf = ReLULogisticClassifier((3,), random_state=0)
    for unfitted in (clf, make_pipeline(clf), make_pipeline(StandardScaler(), clf)):
        with pytest.raises(NotFittedError):
            local_linear(unfitted, X)
    linear = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    with pytest.raises(TypeError, match=r"must be a ReLULog.* Got LogisticR"):
        local_linear(linear, X)
    with pytest.raises(TypeError, match="Got GridSearchCV"):
        local_linear(GridSearchCV(clf, {}), X)
    model = Pipeline([("scaler", scaler), ("clf", clf)]).fit(X, y)
    with pytest.raises(ValueError, match="X has 12 features, but StandardScaler"):
        local_linear(model, X[:, 1:])


@pytest.mark.parametrize(
    ("coef", "intercept", "told"),
    [
        ((13,), (2,), r"of shape \(13,\) needs .* shape \(\)\. Got .* \(2,\)\."),
        ((2, 13), (3,), r"of shape \(2, 13\) needs .* \(2,\)\. Got .* \(3,\)\."),
        ((4, 2, 13), (4,), r"\(4, 2, 13\) needs .* \(4, 2\)\. Got .* \(4,\)\."),
        ((4, 2, 13), (4, 3), r"\(4, 2, 13\) needs .* \(4, 2\)\. Got .* \(4, 3\)\."),
        ((4, 13, 7), (4, 13), "takes 13 features, but gets 7."),
        ((13, 14), (13,), "takes 13 features, but gets 14."),
    ],
)
def test_shapes_that_do_not_belong_together(coef, intercept, told):
    with pytest.raises(ValueError, match=told):
        fold_scaling(np.ones(coef), np.ones(intercept), StandardScaler().fit(X))
