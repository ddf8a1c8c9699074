"""Local coefficients: the exact affine function of the network around each row."""

import tracemalloc

import literal
import numpy as np
import pytest
import scipy.sparse
from conftest import HIDDEN, Problem, slow
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import BLOCK_NUMBERS, row_parts
from sklearn_relulogit._model.parameters import unpack
from sklearn_relulogit._model.path import mean_absolute_contributions, path_slopes

DEPTHS = [*HIDDEN, (7, 6, 5, 4, 3)]  # one to six layers


def random_network(hidden, n_classes=2, dtype=np.float64, n_samples=50):
    """A classifier with random parameters, also biases, and rows for it."""
    p = Problem(hidden, n_classes=n_classes, n_samples=n_samples)
    y = np.arange(n_samples) % n_classes
    clf = ReLULogisticClassifier(hidden, alpha=1.0, max_iter=1, tol=1e6).fit(
        p.X.astype(dtype), y
    )
    layers = unpack(p.theta, p.shapes)
    clf.coefs_ = [W_T.astype(dtype) for W_T, _ in layers]
    clf.intercepts_ = [b.astype(dtype) for _, b in layers]
    return clf, p.X.astype(dtype)


def assert_affine(clf, X, coef, intercept, rtol=1e-10):
    """decision_function(X) == coef . x + intercept, relative to the sum's terms."""
    terms = coef * (X if coef.ndim == 2 else X[:, np.newaxis])
    size = np.abs(terms).sum(axis=-1) + np.abs(intercept)
    error = np.abs(terms.sum(axis=-1) + intercept - clf.decision_function(X))
    assert (error <= rtol * size).all(), (error / size).max()


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
def test_random_networks_are_their_local_linear_functions(hidden, n_classes):
    clf, X = random_network(hidden, n_classes)
    coef, intercept = clf.local_linear(X)
    outputs = () if n_classes == 2 else (n_classes,)
    assert coef.shape == (50, *outputs, 4)
    assert intercept.shape == (50, *outputs)
    assert_affine(clf, X, coef, intercept)
    assert_allclose(
        np.einsum("i...j,ij->i...", coef, X) + intercept,
        clf.decision_function(X),
        rtol=1e-10,
        atol=1e-11,
    )
    if hidden:
        assert len(np.unique(intercept)) > 3

    coef.flat[np.abs(coef).argmax()] *= 1 + 1e-8
    with pytest.raises(AssertionError):
        assert_affine(clf, X, coef, intercept)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
def test_the_literal_product_of_matrices(hidden, n_classes):
    clf, X = random_network(hidden, n_classes)
    coef, intercept = clf.local_linear(X)
    W, b = [W_T.T for W_T in clf.coefs_], clf.intercepts_
    for x, A, c in zip(X, coef, intercept, strict=True):
        z, _ = literal.network(W, b, x)
        # The product of the gradient formulas for l = 1, and W_1.
        expected = literal.product(W, z, 1) @ W[0]
        assert_allclose(np.atleast_2d(A), expected, rtol=1e-10, atol=1e-12)
        shift = sum(
            literal.product(W, z, layer) @ b_l for layer, b_l in enumerate(b, start=1)
        )
        assert_allclose(np.atleast_1d(c), shift, rtol=1e-10, atol=1e-12)


def test_without_hidden_layers_the_coefficients_of_every_row_are_coef():
    for load in (load_breast_cancer, load_iris):
        X, y = load(return_X_y=True)
        X = scale(X)
        clf = ReLULogisticClassifier(()).fit(X, y)
        coef, intercept = clf.local_linear(X)
        for row, c in zip(coef, intercept, strict=True):
            assert_array_equal(np.atleast_2d(row), clf.coef_)
            assert_array_equal(np.atleast_1d(c), clf.intercept_)


def test_a_unit_whose_input_is_exactly_zero_is_not_active():
    clf, X = random_network((3,))
    clf.coefs_[0][:, 1] = 0
    clf.intercepts_[0][1] = 0
    before = clf.local_linear(X)
    clf.coefs_[1][1] += 1e6
    for a, b in zip(before, clf.local_linear(X), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "csc_array"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_rows_give_what_dense_rows_give(kind, n_classes):
    clf, X = random_network((6, 5), n_classes)
    X = np.where(np.abs(X) > 0.7, X, 0)
    for a, b in zip(
        clf.local_linear(getattr(scipy.sparse, kind)(X)),
        clf.local_linear(X),
        strict=True,
    ):
        assert isinstance(a, np.ndarray)
        assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5, 4)], ids=str)
def test_float32_is_kept_and_right_to_its_precision(hidden):
    clf, X = random_network(hidden, 3, np.float32)
    coef, intercept = clf.local_linear(X)
    assert coef.dtype == intercept.dtype == np.float32
    assert_affine(clf, X, coef, intercept, rtol=1e-5)
    # In float64 if the rows are, like predictions.
    wide, _ = clf.local_linear(X.astype(np.float64))
    assert wide.dtype == clf.decision_function(X.astype(np.float64)).dtype == np.float64
    assert_allclose(coef, wide, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_same_bits_for_any_number_of_threads(container, n_classes):
    hidden = (30, 20)
    clf, X = random_network(hidden, n_classes, n_samples=30_000)
    assert len(row_parts(X, [W_T.shape for W_T in clf.coefs_])) > 2
    results = []
    for n_threads, blas_threads in [(1, 1), (2, 1), (3, 2), (None, 2)]:
        clf.set_params(n_threads=n_threads)
        with threadpool_limits(blas_threads, user_api="blas"):
            results.append(clf.local_linear(container(X)))
    for coef, intercept in results[1:]:
        assert_array_equal(coef, results[0][0])
        assert_array_equal(intercept, results[0][1])


@pytest.mark.parametrize("n_classes", [2, slow(20)])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_memory_beyond_the_result_is_that_of_a_few_blocks(container, n_classes):
    clf, X = random_network((100, 100), n_classes, n_samples=40_000)
    X = container(np.where(np.abs(X) > 1, X, 0))
    clf.set_params(n_threads=2)
    clf.local_linear(X[:10])
    tracemalloc.start()
    try:
        coef, intercept = clf.local_linear(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Activations and masks, the product before and after a layer, for two threads.
    limit = 2 * 3 * BLOCK_NUMBERS * 8
    assert peak - coef.nbytes - intercept.nbytes < limit
    # The test would notice the products of all rows or of all classes at once.
    assert limit < 40_000 * 100 * 8
    if n_classes == 20:
        rows = row_parts(X, [W_T.shape for W_T in clf.coefs_])[0][0]
        assert (rows.stop - rows.start) * 20 * 100 * 8 * 2 > limit / 2


def test_errors():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    clf = ReLULogisticClassifier((3,), random_state=0)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clf.local_linear(X)
    clf.fit(X / X.std(), y)
    unnamed = ReLULogisticClassifier((3,), random_state=0).fit(scale(X), y)
    with pytest.raises(ValueError, match=r"X has 29 features, but .* expecting 30"):
        unnamed.local_linear(X.to_numpy()[:, 1:])
    with pytest.raises(ValueError, match="feature names should match"):
        clf.local_linear(X.rename(columns={"mean area": "area"}))
    X.iloc[3, 4] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        clf.local_linear(X)
    with pytest.raises(ValueError, match="2D array"):
        unnamed.local_linear(np.ones(30))


@pytest.mark.parametrize("coefficients", [1, 2**17])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(6, 5), ()])
def test_the_mean_of_absolute_contributions(
    coefficients, container, n_classes, hidden, monkeypatch
):
    """However few rows are in a block."""
    monkeypatch.setattr("sklearn_relulogit._model.path.COEFFICIENTS", coefficients)
    clf, X = random_network(hidden, n_classes)
    rng = np.random.RandomState(0)
    X[rng.uniform(size=X.shape) < 0.3] = 0
    weights, reference = rng.uniform(0, 2, len(X)), rng.standard_normal(4)
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    slopes = path_slopes(reference, layers, X)
    sizes = np.abs(slopes * (X - reference)[:, None])
    found = mean_absolute_contributions(layers, container(X), weights, reference)
    assert_allclose(found, np.average(sizes.mean(axis=1), 0, weights), rtol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", DEPTHS, ids=str)
def test_the_mean_slopes_on_a_line(hidden, n_classes, monkeypatch):
    """By a sum over many points, and exactly by the sum that they must have."""
    clf, X = random_network(hidden, n_classes)
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    # The reference is far away; it is also one row, and shares a column with another.
    X, reference = 3 * X, X[7]
    X[3], X[5, 2] = reference, reference[2]
    slopes = path_slopes(reference, layers, X)
    n_points = 100_000 if hidden in [(5,), (5, 4)] else 10_000
    t = (np.arange(n_points)[:, None] + 0.5) / n_points
    for i in range(4):
        coef, _ = clf.local_linear(reference + t * (X[i] - reference))
        mean = coef.reshape(n_points, -1, 4).mean(axis=0)
        size = np.abs(coef).max()
        # The sum misses each switch of a unit by at most one point.
        assert_allclose(slopes[i], mean, rtol=0, atol=20 * size / n_points)
    parts = slopes * (X - reference)[:, None]
    ends = clf.decision_function(X), clf.decision_function(reference[None])
    change = (ends[0] - ends[1]).reshape(len(X), -1)
    size = np.abs(parts).sum(axis=-1) + 1e-300
    assert (np.abs(parts.sum(axis=-1) - change) <= 1e-13 * (size + 1)).all()
    if hidden:
        assert (np.abs(1.0001 * parts.sum(axis=-1) - change) > 1e-13 * size).any()
    # However few rows are in a block.
    monkeypatch.setattr("sklearn_relulogit._model.path.UNITS", 1)
    assert_allclose(path_slopes(reference, layers, X), slopes, rtol=1e-12, atol=1e-14)


def test_units_that_stand_still_on_a_line():
    """A line counts as at its ends; a unit with input 0 there is not active."""
    W_1_T = np.array([[1.0, 0, 0, 0], [0.0, 1, 1, 1]])
    layers = [(W_1_T, np.array([0.0, 0, 2, -2])), (np.full((4, 1), 1.0), np.zeros(1))]
    (slopes,) = path_slopes(np.array([-1.0, 0]), layers, np.array([[3.0, 0]]))
    assert slopes.tolist() == [[0.75, 1.0]]
