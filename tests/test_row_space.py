"""More features than rows: the same network in the space of the rows."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, n_parameters, unpack
from sklearn_relulogit._rows.row_space import RowSpace

N, P = 12, 50


@pytest.fixture(params=["dense", "csr_array", "csr_matrix"])
def case(request, hidden):
    """Rows of many features, some zero, and networks of both kinds of features."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((N, P)) * (rng.uniform(size=(N, P)) < 0.4) + (
        np.arange(P) == 3
    )
    container = {
        "dense": np.asarray,
        "csr_array": scipy.sparse.csr_array,
        "csr_matrix": scipy.sparse.csr_matrix,
    }[request.param]
    mean = X.mean(axis=0)
    space = RowSpace.of(container(X), mean, np.ones(P))
    shapes = layer_shapes(P, hidden, 2)
    return SimpleNamespace(
        X=X,
        container=container,
        mean=mean,
        space=space,
        # An orthonormal basis of the centred rows, by another decomposition.
        projector=np.linalg.pinv(X - mean) @ (X - mean),
        shapes=shapes,
        fitted=[(space.B.shape[1], shapes[0][1]), *shapes[1:]],
        theta=rng.standard_normal(n_parameters(shapes)),
        rng=rng,
    )


def logits(theta, shapes, X):
    *hidden, (W_T, b) = unpack(theta, shapes)
    Z = X
    for V_T, c in hidden:
        Z = np.maximum(Z @ V_T + c, 0)
    return Z @ W_T + b


def rows_of(case, X):
    """Rows with the features of the space."""
    block = Block(case.container(X), np.zeros(len(X), int), np.ones(len(X)))
    return case.space.reduce_rows(block).X


def test_its_dimension_is_the_rank_of_the_centred_rows(case):
    assert case.space.B.shape == (N, N - 1)
    # Repeated rows add nothing to it.
    X = np.vstack([case.X[:5], case.X[:5]])
    space = RowSpace.of(case.container(X), X.mean(axis=0), np.ones(P))
    assert space.B.shape == (10, 4)


def test_distances_between_rows_are_kept(case):
    Z = rows_of(case, case.X)
    assert isinstance(Z, np.ndarray)
    assert_allclose(
        Z @ Z.T, (case.X - case.mean) @ (case.X - case.mean).T, rtol=1e-9, atol=1e-9
    )
    assert_allclose(Z.sum(axis=0), 0, atol=1e-9)


def test_the_network_is_the_same_on_the_rows_and_on_others(case):
    """For a row outside the space, it sees the part inside."""
    reduced = case.space.reduce(case.theta, case.shapes)
    assert reduced.shape == (n_parameters(case.fitted),)
    Z = rows_of(case, case.X)
    expected = logits(case.theta, case.shapes, case.X)
    assert_allclose(logits(reduced, case.fitted, Z), expected, rtol=1e-8, atol=1e-8)
    wrong = reduced.copy()
    wrong[0] += 1e-3
    assert not np.allclose(logits(wrong, case.fitted, Z), expected, atol=1e-8)

    others = case.rng.standard_normal((20, P))
    expanded = case.space.expand(reduced, case.fitted)
    found = logits(expanded, case.shapes, others)
    assert_allclose(
        found, logits(reduced, case.fitted, rows_of(case, others)), rtol=1e-8, atol=1e-8
    )
    projected = (others - case.mean) @ case.projector + case.mean
    assert_allclose(
        found, logits(case.theta, case.shapes, projected), rtol=1e-8, atol=1e-8
    )


def test_reducing_and_expanding_are_inverse_in_the_space(case):
    phi = case.rng.standard_normal(n_parameters(case.fitted))
    expanded = case.space.expand(phi, case.fitted)
    assert_allclose(case.space.reduce(expanded, case.shapes), phi, rtol=1e-9, atol=1e-9)
    # The inverse is the projection of the first layer.
    theta = case.space.expand(case.space.reduce(case.theta, case.shapes), case.fitted)
    for number, (layer, before) in enumerate(
        zip(unpack(theta, case.shapes), unpack(case.theta, case.shapes), strict=True)
    ):
        if number:
            assert_array_equal(layer[0], before[0])
            assert_array_equal(layer[1], before[1])
        else:
            W_T = case.projector @ before[0]
            assert_allclose(layer[0], W_T, rtol=1e-9, atol=1e-9)
            b = before[1] + case.mean @ before[0] - case.mean @ W_T
            assert_allclose(layer[1], b, rtol=1e-9, atol=1e-9)


def test_the_objective_and_the_penalty_are_the_same(case):
    phi = case.rng.standard_normal(n_parameters(case.fitted))
    theta = case.space.expand(phi, case.fitted)
    (A_T, _), (W_T, _) = unpack(phi, case.fitted)[0], unpack(theta, case.shapes)[0]
    assert np.linalg.norm(W_T) == pytest.approx(np.linalg.norm(A_T), rel=1e-10)
    y, weights = np.arange(N) % 3, case.rng.uniform(1, 2, N)
    shapes = [*case.shapes[:-1], (case.shapes[-1][0], 3)]
    fitted = [(case.fitted[0][0], shapes[0][1]), *shapes[1:]]
    phi = case.rng.standard_normal(n_parameters(fitted))
    theta = case.space.expand(phi, fitted)
    values = []
    for parameters, layers, X in [
        (theta, shapes, case.container(case.X)),
        (phi, fitted, rows_of(case, case.X)),
    ]:
        parts = Parts.of(Block(X, y, weights), layers)
        objective = Objective(parts, layers, 0.7, np.dtype(float))
        values.append(objective(parameters)[0])
    assert values[0] == pytest.approx(values[1], rel=1e-10)


def test_single_precision_stays_so(case):
    X = case.container(case.X.astype(np.float32))
    space = RowSpace.of(X, case.mean, np.ones(P))
    Z = space.reduce_rows(Block(X, np.zeros(N, int), np.ones(N, np.float32))).X
    assert Z.dtype == np.float32
    assert_allclose(
        Z @ Z.T, (case.X - case.mean) @ (case.X - case.mean).T, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("n", "p", "ratio", "pays"),
    [
        (10, 20, 1, False),
        (10, 21, 1, True),
        (10, 21, 999, True),
        (10, 21, 1001, False),
        (2049, 4099, 1, False),
    ],
)
def test_where_it_pays(n, p, ratio, pays):
    """Over twice as many features as rows, few rows, and similar scales."""
    X = scipy.sparse.random_array((n, p), density=min(1, 10 / n), format="csr", rng=0)
    unit = np.ones(p)
    unit[0] = ratio
    assert (RowSpace.of(X, np.zeros(p), unit) is not None) == pays


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_rows_that_are_alike_span_nothing(container):
    """They are fitted without it, to a constant: the class shares."""
    x = 1e3 * np.random.RandomState(0).standard_normal(30)
    for n in (1, 2, 7):
        X = np.tile(x, (n, 1))
        assert RowSpace.of(container(X), X.mean(axis=0), np.ones(30)) is None
    X = container(np.tile(x, (8, 1)))
    clf = ReLULogisticClassifier((3,), random_state=0, tol=1e-6)
    clf.fit(X, [0, 0, 0, 0, 0, 0, 1, 1])
    assert_allclose(clf.predict_proba(X)[:, 1], 0.25, atol=1e-4)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("shift", [0.0, 10.0, 1e4])
def test_rows_far_from_zero_span_the_same_space(shift, container):
    X = np.random.RandomState(0).standard_normal((10, 40)) + shift
    X[9] = X[8]
    space = RowSpace.of(container(X), X.mean(axis=0), np.ones(40))
    assert space.B.shape == (10, 8)


def test_fits_are_those_of_an_orthonormal_basis():
    """The user's own rotation of the rows gives the same fit, with fewer features."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((40, 100))
    y = (X[:, 0] + rng.standard_normal(40) > 0).astype(int)
    Q = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:39].T
    Z = (X - X.mean(axis=0)) @ Q
    settings = {"alpha": 5.0, "tol": 1e-9, "random_state": 0}
    whole = ReLULogisticClassifier((), **settings).fit(X, y)
    rotated = ReLULogisticClassifier((), **settings).fit(Z, y)
    assert whole.coef_.shape == (1, 100)
    assert_allclose(whole.predict_proba(X), rotated.predict_proba(Z), atol=1e-6)
    assert_allclose(whole.coef_ @ Q, rotated.coef_, atol=1e-5)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_features_that_do_not_vary_are_left_out(container):
    """The space is that of the others, and their weights are zero."""
    rng = np.random.RandomState(0)
    X, shapes = rng.standard_normal((10, 30)), [(30, 4), (4, 1)]
    varies = np.arange(40) % 4 > 0
    wide = np.full((10, 40), 7.0)
    wide[:, varies] = X
    unit = np.where(varies, 1.0, np.inf)
    plain = RowSpace.of(container(X), X.mean(axis=0), np.ones(30))
    space = RowSpace.of(container(wide), wide.mean(axis=0), unit)
    labels, weights = np.zeros(10, int), np.ones(10)
    Z, expected = (
        found.reduce_rows(Block(container(data), labels, weights)).X
        for found, data in ((space, wide), (plain, X))
    )
    assert_allclose(np.abs(Z), np.abs(expected), rtol=1e-7, atol=1e-9)
    fitted = [(Z.shape[1], 4), (4, 1)]
    phi = rng.standard_normal(n_parameters(fitted))
    wide_shapes = [(40, 4), (4, 1)]
    theta = space.expand(phi, fitted)
    W_T = unpack(theta, wide_shapes)[0][0]
    assert_array_equal(W_T[~varies], 0)
    assert_allclose(space.reduce(theta, wide_shapes), phi, rtol=1e-8, atol=1e-9)
    assert_allclose(logits(theta, wide_shapes, wide), logits(phi, fitted, Z), rtol=1e-8)
    assert shapes[0][0] == varies.sum()
