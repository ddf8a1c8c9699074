"""A float32 stage before the float64 one: faster on the way, the same at the end."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier, _lbfgs, _rows
from sklearn_relulogit._model.blocks import Block, Parts, cut
from sklearn_relulogit._model.likelihood import Logistic
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, pack
from sklearn_relulogit._optimize.training import coarse_stage

START = np.array([-1.2, 1.0, -0.5, 0.8])


def rosenbrock(theta):
    return rosen(theta), rosen_der(theta)


def rounded(theta):
    """What float32 makes of it."""
    theta = theta.astype(np.float32)
    return float(np.float32(rosen(theta))), rosen_der(theta).astype(float)


def limits(**kwargs):
    settings = {"tol": 1e-6, "loss_tol": 0.0, "rounding": 1e-15}
    settings |= {"max_iter": 500, "max_fun": 1000}
    return _lbfgs.Limits(**(settings | kwargs))


COARSE = _lbfgs.Stage(rounded, limits(tol=1e-1, rounding=1e-7))
FINE = _lbfgs.Stage(rosenbrock, limits())


def test_the_last_stage_decides_where_it_ends():
    minimum = _lbfgs.minimize([COARSE, FINE], START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert np.abs(rosen_der(minimum.iterate.theta)).max() <= 1e-6
    assert minimum.iterate.loss == rosen(minimum.iterate.theta)
    assert minimum.iterate.n_iter == len(minimum.loss_curve)
    assert (np.diff(minimum.loss_curve) <= 0).all()
    # With the curvature of the first stage the second has little left to do.
    coarse = _lbfgs.minimize([COARSE], START, history_size=10)
    assert 0 < minimum.iterate.n_iter - coarse.iterate.n_iter < 10
    assert np.abs(rosen_der(coarse.iterate.theta)).max() > 1e-6


def test_rounding_of_the_first_stage_does_not_end_the_second():
    """Its last losses may all lie below what the second makes of its end."""

    def too_low(theta):
        value, gradient = rosenbrock(theta)
        return value - 1e-3, gradient

    stages = [_lbfgs.Stage(too_low, limits(tol=1e-1, rounding=1e-4)), FINE]
    minimum = _lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert minimum.iterate.loss < 1e-10
    assert (np.diff(minimum.loss_curve) <= 0).all()


def test_limits_are_shared():
    for max_iter in (3, 30, 35):
        stages = [
            _lbfgs.Stage(rounded, limits(tol=1e-1, max_iter=max_iter)),
            _lbfgs.Stage(rosenbrock, limits(max_iter=max_iter)),
        ]
        minimum = _lbfgs.minimize(stages, START, history_size=10)
        assert minimum.stop_reason == "iteration limit"
        assert minimum.iterate.n_iter == max_iter
    total = _lbfgs.minimize([COARSE, FINE], START, history_size=10).n_evaluations
    for max_fun in (1, 5, total - 2):
        stages = [
            _lbfgs.Stage(rounded, limits(tol=1e-1, rounding=1e-7, max_fun=max_fun)),
            _lbfgs.Stage(rosenbrock, limits(max_fun=max_fun)),
        ]
        minimum = _lbfgs.minimize(stages, START, history_size=10)
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

    stages = [_lbfgs.Stage(overflows, limits()), FINE]
    minimum = _lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    with pytest.raises(FloatingPointError):
        _lbfgs.minimize(
            [FINE, _lbfgs.Stage(overflows, limits())], START, history_size=9
        )


@pytest.fixture(scope="module")
def data():
    return make_classification(
        20_000, 20, n_informative=8, flip_y=0.1, random_state=0, shuffle=False
    )


def make(**kwargs):
    return ReLULogisticClassifier((30,), **{"alpha": 5.0, "random_state": 0} | kwargs)


@pytest.fixture
def dtypes(monkeypatch):
    """The types of the evaluations of a fit, in order."""
    seen = []
    call = Objective.__call__

    def spy(self, theta):
        seen.append(self.dtype.name)
        return call(self, theta)

    monkeypatch.setattr(Objective, "__call__", spy)
    return seen


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_a_large_problem_begins_in_float32_and_ends_in_float64(data, dtypes, container):
    X, y = data
    X = container(X)
    clf = make(alpha=30.0).fit(X, y)
    switch = dtypes.index("float64")
    assert 0 < switch < len(dtypes)
    assert set(dtypes[switch:]) == {"float64"}
    assert len(dtypes) == clf.n_evaluations_
    assert (np.diff(clf.loss_curve_) <= 0).all()
    # The loss is that of the parameters in float64.
    shapes = layer_shapes(20, (30,), 1)
    blocks = cut(Block(X, y, np.ones(len(y))), shapes)
    objective = Objective(
        Parts.of(blocks), shapes, Logistic(), 30.0, np.dtype(np.float64)
    )
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    value, gradient = objective(pack(layers))
    assert value == pytest.approx(clf.loss_, rel=1e-13)
    if clf.stop_reason_ == "gradient tolerance":
        assert np.abs(gradient).max() <= clf.tol


def test_the_end_is_as_good_as_without(data, monkeypatch):
    X, y = data
    tight = {"alpha": 30.0, "tol": 1e-6, "max_iter": 3000}
    with_stage = make(**tight).fit(X, y)
    monkeypatch.setattr(_rows, "pays_in_float32", lambda *args: False)
    without = make(**tight).fit(X, y)
    # The paths part by rounding, and end in other local minima; a better one is fine.
    assert with_stage.loss_ < (1 + 5e-3) * without.loss_


@pytest.mark.parametrize(
    "kind", ["float32", "small", "no hidden layer", "many parameters"]
)
def test_other_problems_have_one_stage(data, dtypes, kind):
    X, y = data
    clf = make(max_iter=2)
    if kind == "float32":
        X = X.astype(np.float32)
    elif kind == "small":
        X, y = X[::50], y[::50]
    elif kind == "many parameters":
        X = scipy.sparse.random_array((20_000, 9000), density=2e-3, rng=0, format="csr")
        assert len(cut(Block(X, y, np.ones(len(y))), [(9000, 30), (30, 1)])) == 4
    else:
        clf.set_params(hidden_layer_sizes=())
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert len(set(dtypes)) == 1


def test_data_beyond_the_range_of_float32(data, dtypes):
    X, y = data
    clf = make(max_iter=5, tol=0)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X * 1e60, y)
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
    objective = type("", (), {"dtype": np.dtype(np.float32)})()
    assert coarse_stage(objective, limits(loss_tol=1e-3)).limits.loss_tol == 1e-3
    assert coarse_stage(objective, limits(loss_tol=0.0)).limits.loss_tol == 1e-5
