"""A float32 stage before the float64 one: faster on the way, the same at the end."""

import numpy as np
import pytest
import scipy.sparse
from conftest import Problem, slow, watch_evaluations
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts, row_blocks
from sklearn_relulogit._model.likelihood import Logistic
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, pack
from sklearn_relulogit._optimize import lbfgs
from sklearn_relulogit._optimize.training import (
    coarse_stage,
    limits_for,
    pays_in_float32,
)
from sklearn_relulogit._threads import single_threaded_blas

START = np.array([-1.2, 1.0, -0.5, 0.8])


def rosenbrock(theta):
    """The tolerance of the gradient is a share of the value, 1 at the minimum."""
    return 1 + rosen(theta), rosen_der(theta)


def rounded(theta):
    """The Rosenbrock function with the rounding errors of float32."""
    theta = theta.astype(np.float32)
    return float(np.float32(1 + rosen(theta))), rosen_der(theta).astype(float)


def limits(**kwargs):
    settings = {"tol": 1e-6, "loss_tol": 0.0, "rounding": 1e-15}
    settings |= {"max_iter": 500, "max_fun": 1000}
    return lbfgs.Limits(**(settings | kwargs))


COARSE = lbfgs.Stage(rounded, limits(tol=1e-1, rounding=1e-7))
FINE = lbfgs.Stage(rosenbrock, limits())


def test_the_last_stage_decides_where_it_ends():
    # Nearer to the minimum than COARSE, so that little is left to do.
    coarse_stage = lbfgs.Stage(rounded, limits(tol=1e-2, rounding=1e-7))
    minimum = lbfgs.minimize([coarse_stage, FINE], START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert np.abs(rosen_der(minimum.iterate.theta)).max() <= 1e-6
    assert minimum.iterate.loss == 1 + rosen(minimum.iterate.theta)
    assert minimum.iterate.n_iter == len(minimum.loss_curve)
    assert (np.diff(minimum.loss_curve) <= 0).all()
    # With the curvature of the first stage the second has little left to do.
    coarse = lbfgs.minimize([coarse_stage], START, history_size=10)
    assert 0 < minimum.iterate.n_iter - coarse.iterate.n_iter < 10
    assert np.abs(rosen_der(coarse.iterate.theta)).max() > 1e-6


def test_rounding_of_the_first_stage_does_not_end_the_second():
    """The last losses of the first stage may be too low; the second starts higher."""

    def too_low(theta):
        value, gradient = rosenbrock(theta)
        return value - 1e-3, gradient

    stages = [lbfgs.Stage(too_low, limits(tol=1e-1, rounding=1e-4)), FINE]
    minimum = lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert minimum.iterate.loss < 1 + 1e-10
    assert (np.diff(minimum.loss_curve) <= 0).all()


def test_limits_are_shared():
    for max_iter in (3, 30, 35):
        stages = [
            lbfgs.Stage(rounded, limits(tol=1e-1, max_iter=max_iter)),
            lbfgs.Stage(rosenbrock, limits(max_iter=max_iter)),
        ]
        minimum = lbfgs.minimize(stages, START, history_size=10)
        assert minimum.stop_reason == "iteration limit"
        assert minimum.iterate.n_iter == max_iter
    total = lbfgs.minimize([COARSE, FINE], START, history_size=10).n_evaluations
    for max_fun in (1, 5, total - 2):
        stages = [
            lbfgs.Stage(rounded, limits(tol=1e-1, rounding=1e-7, max_fun=max_fun)),
            lbfgs.Stage(rosenbrock, limits(max_fun=max_fun)),
        ]
        minimum = lbfgs.minimize(stages, START, history_size=10)
        assert minimum.stop_reason == "evaluation limit"
        assert minimum.n_evaluations == max_fun


@pytest.mark.parametrize("k", [1, 4])
def test_a_stage_that_overflows_gives_way_to_the_next(k):
    calls = []

    def overflows(theta):
        calls.append(1)
        if len(calls) >= k:
            raise FloatingPointError("overflow")
        return rounded(theta)

    stages = [lbfgs.Stage(overflows, limits()), FINE]
    minimum = lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    with pytest.raises(FloatingPointError):
        lbfgs.minimize([FINE, lbfgs.Stage(overflows, limits())], START, history_size=9)


@pytest.fixture(scope="module")
def data():
    return make_classification(
        20_000, 20, n_informative=8, flip_y=0.1, random_state=0, shuffle=False
    )


def make(**kwargs):
    return ReLULogisticClassifier((30,), **{"alpha": 5.0, "random_state": 0} | kwargs)


def fit_and_note_types(clf, X, y):
    """Fit; the floating types of the evaluations, in order."""
    with watch_evaluations() as evaluations:
        clf.fit(X, y)
    return [objective.evaluation.dtype.name for objective, _ in evaluations]


def objective_of(X, y, alpha, dtype=np.float64, hidden=(30,)):
    shapes = layer_shapes(X.shape[1], hidden, 1)
    parts = Parts.of(Block(X, y, np.ones(len(y))), shapes)
    return Objective.over(parts, shapes, Logistic(), alpha, np.dtype(dtype))


@pytest.mark.parametrize(
    "container",
    [np.asarray, slow(scipy.sparse.csr_array)],
)
def test_a_large_problem_begins_in_float32_and_ends_in_float64(data, container):
    X, y = data
    X = container(X)
    clf = make(alpha=30.0)
    dtypes = fit_and_note_types(clf, X, y)
    switch = dtypes.index("float64")
    assert 0 < switch < len(dtypes)
    assert set(dtypes[switch:]) == {"float64"}
    assert len(dtypes) == clf.n_evaluations_
    assert (np.diff(clf.loss_curve_) <= 0).all()
    # The loss is that of the parameters in float64.
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    value, _ = objective_of(X, y, alpha=30.0)(pack(layers))
    assert value == pytest.approx(clf.loss_, rel=1e-13)
    # It ends by the float64 stage's rule: ten iterations gained less than tol.
    assert clf.stop_reason_ == "loss tolerance"
    assert clf.loss_curve_[-11] - clf.loss_ < 1e-4 * clf.loss_
    assert clf.loss_curve_[-12] - clf.loss_curve_[-2] > 1e-4 * clf.loss_


@pytest.mark.slow
def test_the_end_is_as_good_as_without(data):
    X, y = data
    fine, coarse = (objective_of(X, y, 30.0, dtype) for dtype in ("f8", "f4"))
    shapes = fine.evaluation.shapes
    limits = limits_for(shapes, np.dtype(float), 1e-6, max_iter=3000, max_fun=9000)
    stages = [coarse_stage(coarse, limits), lbfgs.Stage(fine, limits)]
    start = initial_theta(shapes, np.random.RandomState(0))
    with single_threaded_blas():
        with_stage, without = (
            lbfgs.minimize(several, start, history_size=30)
            for several in (stages, stages[1:])
        )
    assert with_stage.stop_reason == without.stop_reason == "loss tolerance"
    # The paths part by rounding, and end in other local minima; a better one is fine.
    assert with_stage.iterate.loss < (1 + 5e-3) * without.iterate.loss


@pytest.mark.parametrize(
    "kind", ["float32", "small", "no hidden layer", "many parameters"]
)
def test_other_problems_have_one_stage(data, kind):
    X, y = data
    clf = make(max_iter=2)
    if kind == "float32":
        X = X.astype(np.float32)
    elif kind == "small":
        X, y = X[::50], y[::50]
    elif kind == "many parameters":
        X = scipy.sparse.random_array((20_000, 9000), density=2e-3, rng=0, format="csr")
        parts = row_blocks(Block(X, y, np.ones(len(y))), [(9000, 30), (30, 1)])
        assert len(parts) == 4
    else:
        clf.set_params(hidden_layer_sizes=())
    with pytest.warns(ConvergenceWarning):
        dtypes = fit_and_note_types(clf, X, y)
    assert set(dtypes) == {X.dtype.name}


def test_data_beyond_the_range_of_float32(data):
    X, y = data
    clf = make(max_iter=5, tol=0)
    with pytest.warns(ConvergenceWarning):
        dtypes = fit_and_note_types(clf, X * 1e60, y)
    assert dtypes[:2] == ["float32", "float64"]
    assert "float32" not in dtypes[1:]
    assert np.isfinite(clf.loss_)


def test_weights_are_cast(data):
    X, y = data
    s = np.random.RandomState(0).uniform(0, 2, len(y))
    with pytest.warns(ConvergenceWarning):
        a = make(max_iter=5).fit(X, y, sample_weight=s)
    with pytest.warns(ConvergenceWarning):
        b = make(max_iter=5, alpha=10.0).fit(X, y, sample_weight=2 * s)
    assert_array_equal(a.predict(X), b.predict(X))


def test_the_coarse_tolerance_is_not_below_the_users():
    objective = Problem(()).objective(dtype=np.float32)
    assert coarse_stage(objective, limits(loss_tol=1e-3)).limits.loss_tol == 1e-3
    assert coarse_stage(objective, limits(loss_tol=0.0)).limits.loss_tol == 1e-5


@pytest.mark.parametrize(
    ("dtype", "sparse", "width", "n_parts", "pays"),
    [
        ("f8", False, 10, 4, True),
        ("f4", False, 10, 4, False),
        ("f8", False, 10, 3, False),
        # Of sparse data, unless there are many parameters.
        ("f8", True, 10, 4, True),
        ("f8", True, 2**17, 4, False),
        ("f8", False, 2**17, 4, True),
    ],
)
def test_when_it_pays_to_begin_in_float32(dtype, sparse, width, n_parts, pays):
    shapes = [(2, width), (width, 1)]
    assert pays_in_float32(np.dtype(dtype), sparse, shapes, n_parts) == pays
    assert not pays_in_float32(np.dtype(dtype), sparse, [(2, 1)], n_parts)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden", [(), (3,), (3, 2)])
def test_without_hidden_layers_the_gradient_alone_ends_a_fit(hidden, dtype):
    found = limits_for(layer_shapes(2, hidden, 1), np.dtype(dtype), 1e-3, 7, 9, 0.7)
    assert found == lbfgs.Limits(
        tol=1e-3,
        loss_tol=1e-3 if hidden else 0.0,
        rounding=float(np.finfo(dtype).eps),
        max_iter=7,
        max_fun=9,
        largest=0.7,
    )
