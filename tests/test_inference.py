"""Uncertainty of a fitted model, against statsmodels and against the formulas."""

import re
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    StandardScaler,
)
from threadpoolctl import threadpool_limits

from sklearn_relulogit import (
    Contributions,
    ContributionsDisplay,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    contributions,
    inference,
    tabular_pipeline,
)
from sklearn_relulogit._inference import fitted as of_fit
from sklearn_relulogit._inference.linear import LinearisedNetwork

plt.switch_backend("Agg")

# Of parity, at the default tolerance of the fit.
PARITY = 1e-6


def drawn(n=300, p=4, n_classes=2, seed=0):
    """Features with several scales and means, and labels that depend on them."""
    rng = np.random.RandomState(seed)
    Z = rng.standard_normal((n, p))
    scores = Z @ rng.standard_normal((p, n_classes)) * (np.arange(n_classes) > 0)
    y = np.argmax(scores + rng.gumbel(size=(n, n_classes)), axis=1)
    scale, place = 10.0 ** (np.arange(p) % 4 - 1), np.arange(p) * 30.0
    return Z * scale + place, y


def scaled(*args, **kwargs):
    return make_pipeline(StandardScaler(), ReLULogisticClassifier(*args, **kwargs))


def same(a, b, rtol):
    """Whether two arrays are the same to a relative tolerance."""
    return bool((np.abs(np.asarray(a) / np.asarray(b) - 1) <= rtol).all())


# Parity with statsmodels, without hidden layers.

GROUPS = np.arange(300) // 7
CLUSTERS = {"cov_type": "cluster", "cov_kwds": {"groups": GROUPS}}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"covariance": "sampling"}, {}),
        ({"covariance": "robust"}, {"cov_type": "HC0"}),
        ({"covariance": "robust", "groups": GROUPS}, CLUSTERS),
    ],
    ids=["posterior", "sampling", "HC0", "clusters"],
)
def test_coefficients_effects_and_aic_are_those_of_statsmodels(ours, theirs, n_classes):
    X, y = drawn(n_classes=n_classes)
    found = inference(scaled((), alpha=0).fit(X, y), X, y, **ours)
    model = (sm.Logit if n_classes == 2 else sm.MNLogit)(y, sm.add_constant(X))
    reference = model.fit(disp=0, **theirs)
    coefficients = found.coefficients()
    assert same(coefficients.estimate, np.ravel(reference.params, "F"), PARITY)
    errors = np.ravel(reference.bse, "F")
    assert same(coefficients.std_error, errors, PARITY)
    assert not same(coefficients.std_error * (1 + 3 * PARITY), errors, PARITY)
    assert_allclose(coefficients.z, np.ravel(reference.tvalues, "F"), rtol=PARITY)
    assert_allclose(
        coefficients.p_value, np.ravel(reference.pvalues, "F"), rtol=1e-4, atol=1e-12
    )
    if n_classes == 2:
        assert_allclose(coefficients.interval(0.95), reference.conf_int(), rtol=1e-5)
    assert found.aic == pytest.approx(reference.aic, rel=1e-9)
    assert found.log_likelihood == pytest.approx(reference.llf, rel=1e-9)
    n_parameters = (X.shape[1] + 1) * (n_classes - 1)
    assert found.degrees_of_freedom == pytest.approx(n_parameters, rel=1e-9)
    # Average marginal effects equal the effects of small steps, per unit.
    effects, slopes = found.effects(step=1e-3), reference.get_margeff()
    shape = slopes.margeff.shape
    assert same(
        (effects.estimate / effects.step).reshape(shape), slopes.margeff, PARITY
    )
    assert same(
        (effects.std_error / effects.step).reshape(shape), slopes.margeff_se, PARITY
    )


def test_intervals_of_probabilities_are_those_of_statsmodels():
    X, y = drawn()
    found = inference(scaled((), alpha=0).fit(X, y), X, y)
    X_new, _ = drawn(seed=1)
    design = sm.add_constant(X_new)
    reference = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial())
    predicted = reference.fit(tol=1e-14).get_prediction(design)
    assert_allclose(found.interval(X_new, 0.95), predicted.conf_int(), rtol=1e-6)


def test_frequency_weights_are_those_of_statsmodels():
    X, y = drawn()
    w = np.random.RandomState(0).randint(0, 4, len(y))
    model = ReLULogisticClassifier((), alpha=0).fit(
        StandardScaler().fit_transform(X), y, sample_weight=w
    )
    Z = StandardScaler().fit_transform(X)
    found = inference(model, Z, y, sample_weight=w)
    family = sm.families.Binomial()
    reference = sm.GLM(y, sm.add_constant(Z), family=family, freq_weights=w)
    fit = reference.fit(tol=1e-14)
    assert same(found.coefficients().std_error, fit.bse, PARITY)
    assert found.n_samples == (w > 0).sum()


@pytest.mark.parametrize("groups", [False, True])
def test_weights_that_are_no_numbers_of_rows_are_those_of_a_survey(groups):
    """With one row in each group: the sandwich of weighted scores."""
    X, y = drawn()
    Z = StandardScaler().fit_transform(X)
    w = np.random.RandomState(0).uniform(0.1, 3, len(y))
    g = np.random.RandomState(1).randint(0, 40, len(y)) if groups else np.arange(len(y))
    model = ReLULogisticClassifier((), alpha=0, tol=1e-9).fit(Z, y, sample_weight=w)
    found = inference(model, Z, y, sample_weight=w, groups=g, covariance="robust")
    design = sm.add_constant(Z)
    p = model.predict_proba(Z)[:, 1]
    bread = np.linalg.inv(design.T @ (design * (w * p * (1 - p))[:, np.newaxis]))
    scores = pd.DataFrame(design * (w * (y - p))[:, np.newaxis]).groupby(g).sum()
    G, n, k = len(scores), len(y), design.shape[1]
    factor = G / (G - 1) * (n - 1) / (n - k)
    expected = factor * bread @ (scores.T.to_numpy() @ scores.to_numpy()) @ bread
    assert_allclose(
        found.coefficients().std_error, np.sqrt(np.diagonal(expected)), rtol=1e-4
    )


def test_coefficients_are_in_units_of_the_user_through_columns_and_categories():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 80, 300),
            "town": rng.choice(["A", "B", "C"], 300),
            "smokes": rng.uniform(size=300) > 0.5,
        }
    )
    logit = (X["age"] - 50) / 20 + (X["town"] == "B") - X["smokes"]
    y = np.where(rng.logistic(size=300) < logit, "ill", "well")
    encode = make_column_transformer(
        (StandardScaler(), ["age"]),
        (OneHotEncoder(drop="first"), ["town"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = make_pipeline(encode, ReLULogisticClassifier((), alpha=0)).fit(X, y)
    found = inference(model, X, y).coefficients()
    design = pd.get_dummies(X, columns=["town"], drop_first=True, dtype=float)
    design = sm.add_constant(design.astype(float))
    reference = sm.Logit((y == "well") * 1, design).fit(disp=0)
    frame = found.to_frame().rename(index={"intercept": "const"})
    assert sorted(frame.index) == sorted(design.columns)
    assert_allclose(frame["estimate"], reference.params[frame.index], rtol=PARITY)
    assert_allclose(frame["std_error"], reference.bse[frame.index], rtol=PARITY)


# Cases without estimates.


def test_coefficients_of_collinear_columns_are_nan_and_intervals_finite():
    X, y = drawn(p=3)
    doubled = np.column_stack([X, X[:, 0] + X[:, 1]])
    found = inference(scaled((), alpha=0).fit(doubled, y), doubled, y)
    once = inference(scaled((), alpha=0).fit(X, y), X, y)
    std_error = found.coefficients().std_error
    assert np.isnan(std_error[[1, 2, 4]]).all()
    assert_allclose(std_error[3], once.coefficients().std_error[3], rtol=1e-6)
    assert np.isnan(found.coefficients().estimate[[1, 2, 4]]).all()
    assert found.degrees_of_freedom == pytest.approx(4)
    assert_allclose(found.interval(doubled), once.interval(X), rtol=1e-5)
    # Off the plane of the rows the data say nothing.
    elsewhere = doubled[:2] + np.array([0, 0, 0, 1])
    assert (found.std(elsewhere) == np.inf).all()
    assert_allclose(found.interval(elsewhere), [[0, 1], [0, 1]])


def test_separation_warns():
    X, _ = drawn()
    y = (X[:, 0] > 0).astype(int)
    model = scaled((), alpha=0, tol=1e-6).fit(X, y)
    with pytest.warns(UserWarning, match="Raise alpha, or leave out") as caught:
        found = inference(model, X, y)
    assert caught[0].filename == __file__
    assert np.isfinite(found.interval(X)).all()
    with pytest.warns(UserWarning, match="Raise alpha, or leave out") as caught:
        inference(model, X)
    assert caught[0].filename == __file__
    # A column that separates only some of the rows is enough.
    some = np.column_stack([X[:, 1:], X[:, 0] > 0])
    y = y * (np.arange(len(y)) % 2)
    model = scaled((), alpha=0).fit(some, y)
    with pytest.warns(UserWarning, match="Raise alpha, or leave out"):
        inference(model, some, y)


def test_tests_are_only_those_of_a_model_without_penalty():
    X, y = drawn()
    found = inference(scaled((), alpha=2.0).fit(X, y), X, y)
    assert "penalised, alpha = 2" in repr(found)
    assert " z " not in repr(found)
    with pytest.raises(AttributeError, match="a penalised model has no tests"):
        found.coefficients().p_value  # noqa: B018
    assert list(found.to_frame()) == ["estimate", "std_error", "lower", "upper"]


# Against the formulas, written out.


def network(hidden, n_classes, *, alpha=1.0, seed=0, **kwargs):
    X, y = drawn(n=120, p=3, n_classes=n_classes, seed=seed)
    X = StandardScaler().fit_transform(X) + 2.0
    clf = ReLULogisticClassifier(hidden, alpha=alpha, random_state=0, tol=1e-6)
    return clf.fit(X, y, **kwargs), X, y


def logits(clf, centre, theta, X):
    """The logits for parameters whose first biases are given at a centre."""
    Z, start = X - centre, 0
    for W_T, b in zip(clf.coefs_, clf.intercepts_, strict=True):
        W = theta[start : start + W_T.size].reshape(W_T.shape)
        start += W_T.size
        Z = np.maximum(Z, 0) if start > W_T.size else Z
        Z, start = Z @ W + theta[start : start + len(b)], start + len(b)
    return Z


def literal(clf, X, y, covariance, groups, X_new):
    """Variances of the log-odds of new rows, by differences and dense matrices."""
    centre, n = X.mean(axis=0), len(X)
    biases = [clf.intercepts_[0] + centre @ clf.coefs_[0], *clf.intercepts_[1:]]
    theta = np.concatenate(
        [a.ravel() for pair in zip(clf.coefs_, biases, strict=True) for a in pair]
    )
    step = 1e-6

    def jacobian(function):
        ends = [
            (function(theta + step * e) - function(theta - step * e)) / (2 * step)
            for e in np.eye(len(theta))
        ]
        return np.moveaxis(np.array(ends), 0, -1)

    p = clf.predict_proba(X)
    if len(clf.classes_) == 2:
        curvature = (p[:, 1] * p[:, 0])[:, None, None]
        residual = (p[:, 1] - y)[:, None]
    else:
        curvature = p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None]
        residual = p - np.eye(p.shape[1])[y]
    J = jacobian(lambda t: logits(clf, centre, t, X))
    G = np.einsum("ikp,ikl,ilq->pq", J, curvature, J)
    precisions, Z = [], X
    for W_T, b in zip(clf.coefs_[:-1], clf.intercepts_[:-1], strict=True):
        u = Z @ W_T + b
        precisions += [np.full(W_T.size, clf.alpha_), 1 / u.var(axis=0)]
        Z = np.maximum(u, 0)
    last = clf.coefs_[-1]
    precisions += [np.full(last.size, clf.alpha_), np.zeros(last.shape[1])]
    D = np.diag(np.concatenate(precisions))
    H_inverse = np.linalg.pinv(G + D, rcond=1e-11, hermitian=True)
    scores = np.einsum("ik,ikp->ip", residual, J)
    degrees_of_freedom = np.trace(H_inverse @ G)
    if covariance == "posterior":
        V = H_inverse
    elif covariance == "sampling":
        V = H_inverse @ G @ H_inverse
    else:
        factor = 1.0
        if groups is not None:
            scores = np.array([scores[groups == g].sum(axis=0) for g in set(groups)])
            g = len(scores)
            factor = g / (g - 1) * (n - 1) / (n - degrees_of_freedom)
        V = factor * H_inverse @ scores.T @ scores @ H_inverse

    def against_the_rest(t):
        Z = logits(clf, centre, t, X_new)
        if Z.shape[1] == 1:
            return Z
        e = np.exp(Z)
        return Z - np.log(e.sum(axis=1, keepdims=True) - e)

    J_new = jacobian(against_the_rest)
    return np.einsum("ikp,pq,ikq->ik", J_new, V, J_new), degrees_of_freedom


@pytest.mark.parametrize(
    ("hidden", "n_classes"), [((), 2), ((), 3), ((6,), 2), ((4, 3), 2), ((4, 3), 3)]
)
@pytest.mark.parametrize(
    ("covariance", "groups"),
    [
        ("posterior", None),
        ("sampling", None),
        ("robust", None),
        ("robust", np.arange(120) % 17),
    ],
)
@pytest.mark.parametrize("form", ["rows", "parameters"])
def test_errors_are_those_of_the_formulas(
    hidden, n_classes, covariance, groups, form, monkeypatch
):
    if form == "rows" and hidden:
        monkeypatch.setattr(of_fit, "MAX_PARAMETERS", 0)
    clf, X, y = network(hidden, n_classes)
    # At a minimum some kinks lie at rows, which then have two derivatives.
    for b in clf.intercepts_[:-1]:
        b += 1e-4
    found = inference(clf, X, y, groups=groups, covariance=covariance)
    X_new = X[:7] * 1.5
    expected, degrees_of_freedom = literal(clf, X, y, covariance, groups, X_new)
    if n_classes == 2:
        expected = expected[:, 0]
    assert_allclose(found.std(X_new), np.sqrt(expected), rtol=1e-4)
    assert found.degrees_of_freedom == pytest.approx(degrees_of_freedom, rel=1e-5)
    centre = clf.decision_function(X_new)
    if n_classes == 3:
        p = clf.predict_proba(X_new)
        centre = np.log(p) - np.log1p(-p)
    margin = 1.6448536 * np.sqrt(expected)
    ends = np.stack([expit(centre - margin), expit(centre + margin)], axis=-1)
    assert_allclose(found.interval(X_new), ends, rtol=1e-4)


@pytest.mark.parametrize("relevance", [None, np.array([0.5, 2.0, 1.0])])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_derivatives_of_the_network_are_those_of_differences(
    hidden, n_outputs, sparse, relevance
):
    rng = np.random.RandomState(0)
    sizes = [3, *hidden, n_outputs]
    layers = [
        (rng.standard_normal((n, m)), rng.standard_normal(m))
        for n, m in pairwise(sizes)
    ]
    relevance = np.ones(3) if relevance is None else relevance
    net = LinearisedNetwork(layers, np.array([1.0, -2.0, 0.5]), relevance, sparse)
    X, v = rng.standard_normal((5, 3)), rng.standard_normal((5, n_outputs))
    data = csr_array(X) if sparse else X
    found = net.gradients(data, v)
    step = 1e-6
    differences = np.array(
        [
            (net.moved(step * e).logits(X) - net.moved(-step * e).logits(X))
            / (2 * step)
            for e in np.eye(net.n_parameters)
        ]
    )
    expected = np.einsum("pik,ik->ip", differences, v)
    assert_allclose(found.vectors(), expected, atol=1e-7 * np.abs(expected).max())
    theta = rng.standard_normal(net.n_parameters)
    assert_allclose(found.times(theta), found.vectors() @ theta, rtol=1e-9)
    assert_allclose(found.total(), found.vectors().sum(axis=0), rtol=1e-9, atol=1e-12)
    pairs = net.gradients(data[:4], v[:4])
    assert_allclose(
        pairs.totals(2), pairs.vectors().reshape(2, 2, -1).sum(axis=1), atol=1e-12
    )


# Invariances.


def all_numbers(found, X_new, columns=(0,)):
    effects = found.effects(list(columns))
    return np.concatenate(
        [
            found.std(X_new).ravel(),
            found.unfamiliarity(X_new),
            effects.estimate,
            effects.std_error,
            [found.degrees_of_freedom, found.aic],
        ]
    )


KINDS = ["posterior", "sampling", "robust", "groups"]


def arguments(kind, groups):
    is_groups = kind == "groups"
    return {
        "covariance": "robust" if is_groups else kind,
        "groups": groups if is_groups else None,
    }


@pytest.mark.parametrize("few", [False, True], ids=["all rows", "some rows"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_order_repeats_and_rows_of_no_weight_do_not_matter(
    n_classes, kind, few, monkeypatch
):
    if few:  # So that a sample represents the rows.
        monkeypatch.setattr(of_fit, "MAX_PARAMETERS", 0)
        monkeypatch.setattr(of_fit, "MAX_ROWS", 40 * n_classes)
    clf, X, y = network((5,), n_classes)
    rng = np.random.RandomState(0)
    w, groups = rng.randint(0, 4, len(y)), rng.randint(0, 30, len(y))
    clf.fit(X, y, sample_weight=w)

    def numbers(rows, **kwargs):
        found = inference(
            clf, X[rows], y[rows], **arguments(kind, groups[rows]), **kwargs
        )
        return all_numbers(found, X[:9])

    everything = np.arange(len(y))
    expected = numbers(everything, sample_weight=w)
    order = rng.permutation(len(y))
    assert_allclose(numbers(order, sample_weight=w[order]), expected, rtol=1e-9)
    assert_allclose(numbers(np.repeat(everything, w)), expected, rtol=1e-9)
    some = np.flatnonzero(w)
    assert_allclose(numbers(some, sample_weight=w[some]), expected, rtol=1e-9)
    groups = -groups  # Only their names change.
    assert_allclose(numbers(everything, sample_weight=w), expected, rtol=1e-9)


def test_rows_and_penalty_four_times_over_halve_the_errors():
    clf, X, y = network((), 2)
    expected = inference(clf, X, y)
    w = np.full(len(y), 4.0)
    other, _, _ = network((), 2, alpha=4.0, sample_weight=w)
    found = inference(other, X, y, sample_weight=w)
    assert_allclose(found.degrees_of_freedom, expected.degrees_of_freedom, rtol=1e-5)
    assert_allclose(2 * found.std(X), expected.std(X), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_zero_point_of_features_does_not_matter(kind):
    clf, X, y = network((5,), 2)
    args = arguments(kind, np.arange(len(y)) // 3)
    expected = all_numbers(inference(clf, X, y, **args), X[:9])
    by = np.array([100.0, -3.0, 0.0])
    clf.intercepts_[0] = clf.intercepts_[0] - by @ clf.coefs_[0]
    found = all_numbers(inference(clf, X + by, y, **args), X[:9] + by)
    assert_allclose(found, expected, rtol=1e-8)


def test_units_of_columns_do_not_matter():
    X, y = drawn()
    units = 10.0 ** np.arange(-3, 5, 2)
    for hidden, alpha in [((), 0), ((5,), 2.0)]:
        model = scaled(hidden, alpha=alpha, random_state=0).fit(X, y)
        other = scaled(hidden, alpha=alpha, random_state=0).fit(X * units, y)
        expected = all_numbers(inference(model, X, y), X[:9])
        found = all_numbers(inference(other, X * units, y), X[:9] * units)
        # To the fit's tolerance with hidden layers, and more exactly without.
        assert_allclose(found, expected, rtol=1e-3 if hidden else 1e-8)


def test_threads_of_blas_change_only_rounding():
    clf, X, y = network((30,), 2)
    with threadpool_limits(1):
        one = all_numbers(inference(clf, X, y), X[:9])
    with threadpool_limits(2):
        assert_allclose(all_numbers(inference(clf, X, y), X[:9]), one, rtol=1e-9)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_storage_and_precision_do_not_matter(hidden, monkeypatch):
    clf, X, y = network(hidden, 2)
    X = np.where(np.abs(X) > 2, X, 0)
    clf.fit(X, y)
    expected = all_numbers(inference(clf, X, y), X[:9])
    found = all_numbers(inference(clf, csr_array(X), y), csr_array(X[:9]))
    assert_allclose(found, expected, rtol=1e-9)
    monkeypatch.setattr(of_fit, "MAX_PARAMETERS", 0)
    found = all_numbers(inference(clf, csr_array(X), y), csr_array(X[:9]))
    assert_allclose(found, expected, rtol=1e-3 if hidden == () else 1e-9)
    monkeypatch.undo()
    X32 = X.astype(np.float32)
    single = ReLULogisticClassifier(hidden, alpha=1.0, random_state=0, tol=1e-6)
    found = all_numbers(inference(single.fit(X32, y), X32, y), X32[:9])
    # A row at a kink is on either side.
    assert_allclose(found, expected, rtol=0.1 if hidden else 1e-5)


@pytest.mark.parametrize(("m", "wider"), [(200, 0.1), (400, 0.03)])
def test_some_rows_stand_for_all(m, wider, monkeypatch):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((800, 3))
    y = (np.abs(X[:, 0]) + X[:, 1] + rng.logistic(size=800) > 1).astype(int)
    clf = ReLULogisticClassifier((20,), alpha=2.0, random_state=0).fit(X, y)
    monkeypatch.setattr(of_fit, "MAX_PARAMETERS", 0)
    all_rows = inference(clf, X, y)
    monkeypatch.setattr(of_fit, "MAX_ROWS", m)
    some = inference(clf, X, y)
    ratio = some.std(X[:100]) / all_rows.std(X[:100])
    assert 0.99 < np.mean(ratio) < 1 + wider
    assert np.abs(ratio - 1).max() < 0.6
    expected = pytest.approx(all_rows.degrees_of_freedom, rel=0.1)
    assert some.degrees_of_freedom == expected
    assert some.aic != all_rows.aic


@pytest.mark.parametrize("n_classes", [2, 3])
def test_few_distinct_rows_stand_exactly_for_all(n_classes, monkeypatch):
    clf, X, y = network((5,), n_classes)
    X, y = np.tile(X[:12], (10, 1)), np.tile(y[:12], 10)
    clf.fit(X, y)
    monkeypatch.setattr(of_fit, "MAX_PARAMETERS", 0)
    all_rows = inference(clf, X, y)
    monkeypatch.setattr(of_fit, "MAX_ROWS", 15 * clf.n_outputs_)
    some = inference(clf, X, y)
    assert_allclose(some.std(X[:12]), all_rows.std(X[:12]), rtol=1e-9)
    freedom = all_rows.degrees_of_freedom
    assert some.degrees_of_freedom == pytest.approx(freedom, rel=1e-9)


def test_rows_of_a_rare_class_are_among_those_that_stand_for_all(monkeypatch):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((4000, 5))
    s = X[:, 0] + X[:, 1] * X[:, 2] + rng.logistic(size=4000)
    y = (s > 5.5).astype(int)
    assert y.mean() < 0.015
    clf = ReLULogisticClassifier((20,), alpha=1.0, random_state=0).fit(X, y)
    all_rows = inference(clf, X, y)
    monkeypatch.setattr(of_fit, "WORK", 0)
    monkeypatch.setattr(of_fit, "MAX_ROWS", 1000)
    some = inference(clf, X, y)
    expected = pytest.approx(all_rows.degrees_of_freedom, rel=0.03)
    assert some.degrees_of_freedom == expected
    ratio = some.std(X[:200]) / all_rows.std(X[:200])
    assert np.abs(ratio - 1).max() < 0.15
    # The farthest rows are not in the sample, but still count as rows of the fit.
    assert some.unfamiliarity(X).max() < 1.1


# Intervals.


def test_intervals_nest_and_a_level_out_of_range_is_an_error():
    clf, X, y = network((5,), 2)
    found = inference(clf, X, y)
    narrow, wide = found.interval(X, 0.5), found.interval(X, 0.99)
    assert (wide[:, 0] < narrow[:, 0]).all()
    assert (narrow[:, 1] < wide[:, 1]).all()
    for level in (0, 1, 90):
        with pytest.raises(ValueError, match=rf"'level' .* Got {level}"):
            found.interval(X, level)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_errors_grow_along_a_ray_and_rows_of_the_fit_are_familiar(n_classes):
    clf, X, y = network((20,), n_classes)
    found = inference(clf, X, y)
    centre = X.mean(axis=0)
    ray = centre + np.outer([3, 10, 30, 100, 1000], X[0] - centre)
    std = found.std(ray)
    assert (np.diff(std, axis=0) > 0).all()
    unfamiliarity = found.unfamiliarity(ray)
    assert unfamiliarity[-1] > 10
    assert found.unfamiliarity(X).max() == pytest.approx(1)
    # Intervals become wide, but need not become infinite.
    assert (np.diff(np.ptp(found.interval(ray), axis=-1), axis=0)[-1] < 0.5).all()


def test_an_interval_needs_no_labels():
    clf, X, y = network((5,), 2)
    found, with_labels = inference(clf, X), inference(clf, X, y)
    assert_allclose(found.interval(X), with_labels.interval(X))
    assert "AIC" not in repr(found)
    with pytest.raises(AttributeError, match="Pass y"):
        found.aic  # noqa: B018


# Effects.


def test_effects_are_mean_differences_of_probabilities():
    X, y = drawn()
    model = scaled((8,), alpha=2.0, random_state=0).fit(X, y)
    found = inference(model, X, y)
    effects = found.effects()
    for j in range(X.shape[1]):
        half = np.zeros(X.shape[1])
        half[j] = X[:, j].std() / 2
        p = [model.predict_proba(X + sign * half)[:, 1] for sign in (1, -1)]
        assert effects.estimate[j] == pytest.approx((p[0] - p[1]).mean(), rel=1e-9)
        assert effects.step[j] == pytest.approx(2 * half[j])
    assert [name.split(" + ")[0] for name in effects.names] == ["x0", "x1", "x2", "x3"]
    only = found.effects(["x2", 0])
    assert_allclose(only.std_error, effects.std_error[[2, 0]])


def test_the_error_of_an_effect_is_that_of_draws_of_the_parameters():
    """Without hidden layers, by draws from the coefficients' posterior."""
    X, y = drawn(n=1000)
    Z = StandardScaler().fit_transform(X)
    found = inference(ReLULogisticClassifier((), alpha=1.0).fit(Z, y), Z, y)
    c = found.coefficients()
    p = expit(c.estimate[0] + Z @ c.estimate[1:])
    design = sm.add_constant(Z)
    H = design.T @ (design * (p * (1 - p))[:, None]) + np.diag([0, 1, 1, 1, 1])
    draws = np.random.RandomState(0).multivariate_normal(
        c.estimate, np.linalg.inv(H), 4000
    )
    half = np.array([0, 0.5, 0, 0, 0])
    differences = [
        (expit((design + half) @ b) - expit((design - half) @ b)).mean() for b in draws
    ]
    assert found.effects([0]).std_error[0] == pytest.approx(
        np.std(differences), rel=0.05
    )


def raw_table(n=400):
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "reports": rng.poisson(0.8, n),
            "income": rng.gamma(4.0, 1.0, n),
            "home": rng.choice(["owned", "rented", "other"], n, p=[0.5, 0.3, 0.2]),
            "married": rng.uniform(size=n) > 0.5,
            "same": 1.0,
        }
    )
    X.loc[::10, "income"] = np.nan
    logit = X["reports"] - 0.5 * X["income"].fillna(3.0) + (X["home"] == "rented")
    return X, np.where(logit + rng.logistic(size=n) > 0, "refused", "accepted")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_effects_of_a_raw_table(library):
    X, y = raw_table()
    data = X if library == "pandas" else pl.from_pandas(X)
    model = tabular_pipeline(ReLULogisticClassifier((6,), alpha=5.0, random_state=0))
    found = inference(model.fit(data, y), data, y)
    effects = found.effects()
    assert [re.sub(r"[\d.]+$", "", name) for name in effects.names] == [
        "reports + ",
        "income + ",
        "home: rented - owned",
        "home: other - owned",
        "married: True - False",
        "same + ",
    ]

    def probability(frame):
        frame = frame if library == "pandas" else pl.from_pandas(frame)
        return model.predict_proba(frame)[:, 1]

    rented = probability(X.assign(home="rented")) - probability(X.assign(home="owned"))
    assert effects.estimate[2] == pytest.approx(rented.mean(), rel=1e-9)
    half = X["income"].std(ddof=0) / 2
    known = X["income"].notna()
    richer = probability(X.assign(income=X["income"] + half))
    poorer = probability(X.assign(income=X["income"] - half))
    difference = (richer - poorer)[known]
    assert effects.estimate[1] == pytest.approx(difference.mean(), rel=1e-9)
    assert effects.estimate[5] == effects.std_error[5] == 0
    assert (effects.std_error[:5] > 0).all()
    assert found.effects(["home"]).names == effects.names[2:4]


@pytest.mark.parametrize("handle_unknown", ["error", "ignore"])
@pytest.mark.parametrize("behind", [(), (PCA(3),)], ids=["", "PCA"])
def test_codes_that_a_step_takes_for_categories_are_compared(handle_unknown, behind):
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"ward": rng.randint(1, 4, 200), "age": rng.uniform(size=200)})
    y = (X["age"] + (X["ward"] == 2) + rng.logistic(size=200) > 1).to_numpy()
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown=handle_unknown), ["ward"]),
        (StandardScaler(), ["age"]),
    )
    model = make_pipeline(encode, *behind, ReLULogisticClassifier((4,), alpha=1.0))
    found = inference(model.fit(X, y), X, y)
    effects = found.effects()
    most = X["ward"].mode()[0]
    others = X["ward"].value_counts().index[1:]
    names = [f"ward: {other} - {most}" for other in others]
    assert effects.names[:2] == names
    assert effects.names[2].startswith("age + ")
    first, second = (
        model.predict_proba(X.assign(ward=value))[:, 1] for value in (others[0], most)
    )
    assert effects.estimate[0] == pytest.approx((first - second).mean())
    assert (effects.std_error > 0).all()
    assert names[0] in repr(found)
    assert found.effects(categorical=["ward"]).names == effects.names


def test_numbers_that_become_bins_and_then_categories_move():
    X, y = drawn()
    bins = KBinsDiscretizer(4, encode="ordinal", quantile_method="linear")
    model = make_pipeline(bins, OneHotEncoder(), ReLULogisticClassifier((), alpha=1.0))
    names = inference(model.fit(X, y), X, y).effects().names
    assert [name.split(" ")[1] for name in names] == ["+"] * 4


def test_numbers_whose_changed_values_are_refused_are_compared_by_values():
    X, y = drawn()
    X[:, 1] = np.arange(300) % 3

    def whole(Z):
        if (Z[:, 1] % 1).any():
            raise ValueError("Only whole numbers.")
        return Z

    model = make_pipeline(
        FunctionTransformer(whole), StandardScaler(), ReLULogisticClassifier((4,))
    )
    names = inference(model.fit(X, y), X, y).effects().names
    assert names[1:3] == ["x1: 1 - 0", "x1: 2 - 0"]


@pytest.mark.parametrize("kind", ["pandas", "zone", "polars", "object"])
def test_dates_move_by_days(kind):
    rng = np.random.RandomState(0)
    on = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(300), "D"))
    y = rng.permutation(300) < np.arange(300)
    X = pd.DataFrame({"on": on, "a": rng.normal(size=300)})
    X.loc[::10, "on"] = pd.NaT
    known = X["on"].notna().to_numpy()
    size = 2 * np.ceil(np.std(np.arange(300)[known]) / 2)

    def of_kind(X):
        if kind == "polars":
            return pl.from_pandas(X)
        if kind == "zone":
            return X.assign(on=X["on"].dt.tz_localize("UTC"))
        if kind == "object":
            days = [None if pd.isna(day) else day.date() for day in X["on"]]
            return X.assign(on=pd.Series(days, index=X.index, dtype=object))
        return X

    model = tabular_pipeline(ReLULogisticClassifier((4,), alpha=1.0, random_state=0))
    model.fit(of_kind(X), y)
    effects = inference(model, of_kind(X), y).effects(["on"])
    assert effects.names == [f"on + {size:.4g} days"]
    later, earlier = (
        model.predict_proba(of_kind(X.assign(on=X["on"] + by)))[known, 1]
        for by in (pd.Timedelta(days=size / 2), -pd.Timedelta(days=size / 2))
    )
    assert effects.estimate[0] == pytest.approx((later - earlier).mean())


def test_rows_where_a_number_of_two_values_is_missing_do_not_count():
    rng = np.random.RandomState(0)
    X = pd.DataFrame({"a": rng.randint(0, 2, 300) * 1.0, "b": rng.normal(size=300)})
    y = X["a"] + X["b"] + rng.logistic(size=300) > 1
    X.loc[X["b"] > 0.5, "a"] = np.nan
    model = tabular_pipeline(ReLULogisticClassifier((4,), alpha=1.0, random_state=0))
    effects = inference(model.fit(X, y), X, y).effects(["a"])
    known = X[X["a"].notna()]
    one, zero = (model.predict_proba(known.assign(a=v))[:, 1] for v in (1.0, 0.0))
    assert effects.names == ["a: 1 - 0"]
    assert effects.estimate[0] == pytest.approx((one - zero).mean())


def test_any_pipeline_has_effects_and_its_own_coefficients():
    X, y = drawn()
    model = make_pipeline(
        StandardScaler(), PCA(2), ReLULogisticClassifier((), alpha=0)
    ).fit(X, y)
    found = inference(model, X, y)
    assert found.coefficients().names == ["intercept", "pca0", "pca1"]
    assert len(found.effects()) == 4
    with pytest.raises(TypeError, match="Explain what comes behind"):
        found.contributions(X)


def test_effects_of_several_classes_add_up_to_nothing():
    clf, X, y = network((5,), 3)
    effects = inference(clf, X, y).effects()
    assert_allclose(effects.estimate.reshape(3, 3).sum(axis=1), 0, atol=1e-12)
    assert effects.to_frame().index.names == ["name", "class"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": ["no"]}, "A column must be one of the names of X"),
        ({"columns": [3]}, "an index from 0 to 2. Got 3"),
        ({"categorical": [-1]}, "an index from 0 to 2. Got -1"),
        ({"step": 0}, "'step' parameter of effects must be .* Got 0"),
    ],
)
def test_effects_of_what_is_not_there(arguments, message):
    clf, X, y = network((), 2)
    with pytest.raises(ValueError, match=message):
        inference(clf, X, y).effects(**arguments)


# Contributions.


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("reference", [None, "absolute", "row"])
def test_errors_of_contributions_without_hidden_layers(n_classes, reference):
    X, y = drawn(n_classes=n_classes)
    model = scaled((), alpha=1.0).fit(X, y)
    found = inference(model, X, y)
    scaler = model[0]
    at = {
        None: X.mean(axis=0),
        "absolute": scaler.mean_,
        "row": X[9],
    }[reference]
    row = X[[9]] if reference == "row" else reference
    result = found.contributions(X[:4], row)
    assert isinstance(result, Contributions)
    expected = contributions(model, X[:4], row)
    assert_allclose(result.values, expected.values)
    assert result.std.shape == result.values.shape
    assert_allclose(result[[2]].std, result.std[[2]])
    if n_classes == 2:
        std = found.coefficients().std_error[1:]
        assert_allclose(result.std, np.abs(X[:4] - at) * std, rtol=1e-6)


def test_errors_of_contributions_of_a_network():
    clf, X, y = network((6, 4), 2)
    found = inference(clf, X, y)
    row = X[[0]].copy()
    row[0, 1] += 1.0
    result = found.contributions(row, reference=X[[0]])
    assert_allclose(result.std[0, [0, 2]], 0)
    # Only one column moves, so its contribution is the difference of the two rows.
    a, b = found.std(row)[0], found.std(X[[0]])[0]
    fitted = of_fit.read(clf, X, y, None, None, "posterior")
    J = fitted.network.gradients(np.concatenate([row, X[[0]]]), np.ones((2, 1)))
    difference = J.vectors()[0] - J.vectors()[1]
    V, _ = covariance_matrix(fitted)
    assert result.std[0, 1] == pytest.approx(np.sqrt(difference @ V @ difference))
    assert abs(a - b) <= result.std[0, 1] <= a + b


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_like_its_reference_has_contributions_without_errors(n_classes):
    clf, X, y = network((5,), n_classes)
    found = inference(clf, X, y).contributions(X[:3], X[[0]])
    assert (found.std[0] == 0).all()
    assert (found.std[1:] > 0).all()


def test_errors_against_several_references_are_those_of_the_mean():
    clf, X, y = network((6,), 2)
    found = inference(clf, X, y)
    fitted = of_fit.read(clf, X, y, None, None, "posterior")
    V, _ = covariance_matrix(fitted)
    row = X[:1] + np.array([1.0, 0.0, 0.0])
    other = row + np.array([2.0, 0.0, 0.0])
    references = np.concatenate([X[:1], X[:1], other])

    def derivative(reference):
        # Differences of logits: only the first column differs.
        both = np.stack([row[0], reference])
        J = fitted.network.gradients(both, np.ones((2, 1))).vectors()
        return J[0] - J[1]

    mean = np.mean([derivative(reference) for reference in references], axis=0)
    result = found.contributions(row, references)
    assert result.std[0, 0] == pytest.approx(np.sqrt(mean @ V @ mean))
    assert_allclose(result.std[0, 1:], 0)
    # The error against the mean row would differ.
    of_mean_row = found.contributions(row, references.mean(axis=0)).std
    assert abs(of_mean_row[0, 0] / result.std[0, 0] - 1) > 0.02


@pytest.mark.parametrize(("n_classes", "label"), [(2, None), (3, 2)])
def test_whiskers_of_contributions_are_their_intervals(n_classes, label):
    clf, X, y = network((5,), n_classes)
    found = inference(clf, X, y).contributions(X[:2])
    display = ContributionsDisplay(found, 1, label).plot(max_columns=2)
    values, std = (
        a if label is None else a[:, label] for a in (found.values, found.std)
    )
    _, _, (lines,) = display.whiskers_
    for segment, j in zip(lines.get_segments(), display.order_, strict=True):
        expected = values[1, j] + np.array([-1.645, 1.645]) * std[1, j]
        assert_allclose(segment[:, 0], expected)
    without = ContributionsDisplay(contributions(clf, X[:1]), 0, label).plot()
    assert without.whiskers_ is None
    plt.close("all")


def covariance_matrix(fitted):
    """H^-1 and H, from the Jacobian of all rows."""
    J = fitted.curvature(fitted.X, fitted.weight).vectors()
    H = J.T @ J + np.diag(fitted.prior.precision(fitted.network.shapes))
    return np.linalg.inv(H), H


# Errors and warnings.


def test_a_network_without_penalty_is_refused():
    clf, X, y = network((5,), 2)
    clf.alpha_ = 0.0
    with pytest.raises(ValueError, match="Fit with alpha > 0: without a penalty the"):
        inference(clf, X, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"covariance": "HC1"}, "covariance must be 'posterior', 'sampling' or 'rob"),
        ({"covariance": "robust", "y": None}, "Pass y: a robust covariance"),
        ({"groups": np.arange(120)}, "Pass covariance='robust' with groups"),
        (
            {"groups": np.zeros(120), "covariance": "robust"},
            "at least two groups. Got one",
        ),
        ({"groups": [1, 2], "covariance": "robust"}, "2 values and 120 rows"),
        ({"sample_weight": -np.ones(120)}, "Negative values in sample_weight"),
        ({"y": np.full(120, 7)}, r"y holds \[7\]"),
        ({"y": np.zeros(3, int)}, "inconsistent numbers of samples"),
        ({"X": np.zeros((120, 9))}, "X has 9 features"),
    ],
)
def test_bad_arguments(arguments, message):
    clf, X, y = network((5,), 2)
    with pytest.raises(ValueError, match=message):
        inference(clf, **({"X": X, "y": y} | arguments))


def test_class_weights_need_the_labels_and_count():
    X, y = drawn()
    Z = StandardScaler().fit_transform(X)
    clf = ReLULogisticClassifier((), alpha=0, class_weight={0: 2, 1: 1}).fit(Z, y)
    with pytest.raises(ValueError, match="Pass y: the model was fitted with class_w"):
        inference(clf, Z)
    found = inference(clf, Z, y)
    twice = sm.GLM(
        y, sm.add_constant(Z), family=sm.families.Binomial(), freq_weights=2 - y
    ).fit(tol=1e-14)
    assert same(found.coefficients().std_error, twice.bse, PARITY)
    # A row with class weight two is not two rows: its error does not change.
    robust = inference(clf, Z, y, covariance="robust").coefficients().std_error
    by_rows = inference(clf, Z, y, covariance="robust", groups=np.arange(len(y)))
    factor = len(y) / (len(y) - 1) * (len(y) - 1) / (len(y) - 5)
    assert_allclose(
        by_rows.coefficients().std_error, robust * np.sqrt(factor), rtol=1e-9
    )


def test_a_fit_that_is_at_no_minimum_warns():
    X, y = drawn()
    early = scaled((), early_stopping=True, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="without early stopping") as caught:
        found = inference(early, X, y)
    assert caught[0].filename == __file__
    # It does not move to another model's minimum.
    assert_allclose(
        found.coefficients().estimate[1:] * early[0].scale_, early[-1].coef_[0]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = scaled((5,), max_iter=2, alpha=1.0).fit(X, y)
    with pytest.warns(UserWarning, match="'iteration limit'"):
        inference(short, X, y)


def test_rows_of_another_fit_warn():
    clf, X, y = network((5,), 2)
    for other in [(X[:60], y[:60]), (X, 1 - y)]:
        with pytest.warns(UserWarning, match="Pass the rows, labels and weights"):
            inference(clf, *other)
    with pytest.warns(UserWarning, match="Pass the rows, labels and weights"):
        inference(clf, X, y, sample_weight=np.arange(len(y)))


def test_only_models_with_a_network_at_the_end_are_taken():
    with pytest.raises(TypeError, match="must be a ReLULogisticClassifier"):
        inference(StandardScaler(), np.zeros((3, 2)))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: CalibratedClassifierCV(model, ensemble=False),
        lambda model: FixedThresholdClassifier(model),
        lambda model: GridSearchCV(model, {"relulogisticclassifier__alpha": [2.0]}),
    ],
)
def test_of_wrappers_the_model_within_is_taken(wrap):
    X, y = drawn()
    model = scaled((4,), alpha=2.0, random_state=0)
    expected = inference(model.fit(X, y), X, y)
    found = inference(wrap(model).fit(X, y), X, y)
    assert_allclose(found.interval(X), expected.interval(X), rtol=1e-9)


def test_of_the_cv_class():
    X, y = drawn()
    cv = make_pipeline(
        StandardScaler(), ReLULogisticClassifierCV((), alphas=[0.5, 5.0], cv=3)
    ).fit(X, y)
    one = scaled((), alpha=cv[-1].alpha_).fit(X, y)
    assert_allclose(
        inference(cv, X, y).interval(X), inference(one, X, y).interval(X), rtol=1e-6
    )


# Texts and tables.


def test_text_frame_and_html_say_the_same():
    X, y = drawn()
    X = pd.DataFrame(X, columns=["a", "b<c", "d", "e"])
    found = inference(scaled((), alpha=0).fit(X, y), X, y, covariance="robust")
    text, html = repr(found), found._repr_html_()
    lines = text.splitlines()
    assert lines[0] == "300 rows, no penalty, robust errors"
    assert lines[1].startswith("5.0 degrees of freedom, log-likelihood -")
    assert len({len(line) for line in lines[3:]}) == 1
    assert "b<c" in text
    assert "b&lt;c" in html
    frame = found.to_frame()
    assert list(frame) == ["estimate", "std_error", "z", "p_value", "lower", "upper"]
    for value in frame["std_error"]:
        assert f"{value:.4g}" in text
        assert f"{value:.4g}" in html
    assert_allclose(found.to_frame(0.5)["upper"] < frame["upper"], True)
    with_groups = inference(
        scaled((), alpha=0).fit(X, y), X, y, covariance="robust", groups=GROUPS
    )
    assert "300 rows in 43 groups" in repr(with_groups)


def test_of_many_columns_the_first_are_shown():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 70))
    found = inference(
        ReLULogisticClassifier((), alpha=5.0).fit(X, X[:, 0] > 0), X, X[:, 0] > 0
    )
    assert repr(found).endswith("\nand 11 more")
    assert len(found.to_frame()) == 71


def test_coefficients_say_of_which_classes_they_are():
    X, y = drawn(n_classes=3)
    y = np.array(["low", "mid", "top"])[y]
    found = inference(scaled((), alpha=1.0).fit(X, y), X, y)
    title = next(line for line in repr(found).splitlines() if "Coef" in line)
    assert title == "Coefficients of the log-odds against low"
    frame = found.coefficients().to_frame()
    assert frame.index.names == ["name", "class"]
    names = ["intercept", "x0", "x1", "x2", "x3"]
    assert frame.index.tolist() == [(n, c) for c in ("mid", "top") for n in names]
    two = y != "top"
    found = inference(scaled((), alpha=1.0).fit(X[two], y[two]), X[two], y[two])
    title = next(line for line in repr(found).splitlines() if "Coef" in line)
    assert title == "Coefficients of the log-odds of mid"


def test_with_hidden_layers_effects_are_shown():
    clf, X, y = network((5,), 2)
    found = inference(clf, X, y)
    assert "Average effects on the probability of 1" in repr(found)
    assert list(found.to_frame()) == ["estimate", "std_error", "lower", "upper", "step"]
    with pytest.raises(AttributeError, match=r"Use effects\(\)"):
        found.coefficients()


# Coverage of intervals.


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say(monkeypatch, request):
    """And they would be too wide without the prior of the hidden biases."""
    monkeypatch.syspath_prepend(request.path.parent / "benchmarks")
    import intervals

    def study():
        found = []
        for seed in range(8):
            rng = np.random.RandomState(1000 + seed)
            X, _, y = intervals.draw("linear", 1000, rng, 10, 1.5)
            X_new, truth, _ = intervals.draw("linear", 500, rng, 10, 1.5)
            clf = ReLULogisticClassifier(random_state=seed).fit(X, y)
            sure = inference(clf, X, y)
            centre, std = clf.decision_function(X_new), sure.std(X_new)
            judged, _ = intervals.judged(centre, std, truth)
            found.append([judged, sure.degrees_of_freedom])
        return np.mean(found, axis=0)

    share, degrees_of_freedom = study()
    assert 0.87 < share < 0.99
    assert degrees_of_freedom < 40
    variances = LinearisedNetwork.bias_variances

    def free(self, X, weights):
        return [1e6 * v for v in variances(self, X, weights)]

    monkeypatch.setattr(LinearisedNetwork, "bias_variances", free)
    share, degrees_of_freedom = study()
    assert share > 0.99
    assert degrees_of_freedom > 80
