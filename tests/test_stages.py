"""A float32 stage before the float64 one: faster, with the same result."""

import numpy as np
import pytest
import scipy.sparse
from conftest import slow, watch_evaluations
from numpy.testing import assert_array_equal
from scipy.optimize import rosen, rosen_der
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, pack
from sklearn_relulogit._optimize import lbfgs

START = np.array([-1.2, 1.0, -0.5, 0.8])


def rosenbrock(theta):
    """The gradient's tolerance is a share of the value, 1 at the minimum."""
    return 1 + rosen(theta), rosen_der(theta)


def rounded(theta):
    """The Rosenbrock function with the rounding errors of float32."""
    theta = theta.astype(np.float32)
    return float(np.float32(1 + rosen(theta))), rosen_der(theta).astype(float)


def limits(**kwargs):
    settings = {"tol": 1e-6, "loss_tol": 0.0, "rounding": 1e-15}
    settings |= {"max_iter": 500, "max_fun": 1000}
    return lbfgs.Limits(**(settings | kwargs))


COARSE = (rounded, limits(tol=1e-1, rounding=1e-7))
FINE = (rosenbrock, limits())


def test_the_last_stage_decides_where_it_ends():
    # Nearer to the minimum than COARSE, so that little is left to do.
    coarse_stage = (rounded, limits(tol=1e-2, rounding=1e-7))
    minimum = lbfgs.minimize([coarse_stage, FINE], START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert np.abs(rosen_der(minimum.iterate.theta)).max() <= 1e-6
    assert minimum.iterate.loss == 1 + rosen(minimum.iterate.theta)
    assert minimum.iterate.n_iter == len(minimum.loss_curve)
    assert (np.diff(minimum.loss_curve) <= 0).all()
    # With the first stage's curvature the second has little left to do.
    coarse = lbfgs.minimize([coarse_stage], START, history_size=10)
    assert 0 < minimum.iterate.n_iter - coarse.iterate.n_iter < 10
    assert np.abs(rosen_der(coarse.iterate.theta)).max() > 1e-6


def test_rounding_of_the_first_stage_does_not_end_the_second():
    """The last losses of the first stage may be too low; the second starts higher."""

    def too_low(theta):
        value, gradient = rosenbrock(theta)
        return value - 1e-3, gradient

    stages = [(too_low, limits(tol=1e-1, rounding=1e-4)), FINE]
    minimum = lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    assert minimum.iterate.loss < 1 + 1e-10
    assert (np.diff(minimum.loss_curve) <= 0).all()


def test_limits_are_shared():
    for max_iter in (3, 30, 35):
        stages = [
            (rounded, limits(tol=1e-1, max_iter=max_iter)),
            (rosenbrock, limits(max_iter=max_iter)),
        ]
        minimum = lbfgs.minimize(stages, START, history_size=10)
        assert minimum.stop_reason == "iteration limit"
        assert minimum.iterate.n_iter == max_iter
    total = lbfgs.minimize([COARSE, FINE], START, history_size=10).n_evaluations
    for max_fun in (1, 5, total - 2):
        stages = [
            (rounded, limits(tol=1e-1, rounding=1e-7, max_fun=max_fun)),
            (rosenbrock, limits(max_fun=max_fun)),
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

    stages = [(overflows, limits()), FINE]
    minimum = lbfgs.minimize(stages, START, history_size=10)
    assert minimum.stop_reason == "gradient tolerance"
    with pytest.raises(FloatingPointError):
        lbfgs.minimize([FINE, (overflows, limits())], START, history_size=9)


@pytest.fixture(scope="module")
def data():
    return make_classification(
        20_000, 20, n_informative=8, flip_y=0.1, random_state=0, shuffle=False
    )


def make(**kwargs):
    defaults = {"hidden_layer_sizes": (30,), "alpha": 5.0, "random_state": 0}
    return ReLULogisticClassifier(**defaults | kwargs)


def fit_and_note_types(clf, X, y):
    """Fit; return the floating types of the evaluations, in order."""
    with watch_evaluations() as evaluations:
        clf.fit(X, y)
    return [objective.dtype.name for objective, _ in evaluations]


def objective_of(X, y, alpha, hidden=(30,)):
    shapes = layer_shapes(X.shape[1], hidden, n_classes=2)
    parts = Parts.of(Block(X, y, np.ones(len(y))), shapes)
    return Objective(parts, shapes, alpha, np.dtype(float))


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
    # The loss is for the parameters in float64.
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    value, _ = objective_of(X, y, alpha=30.0)(pack(layers))
    assert value == pytest.approx(clf.loss_, rel=1e-13)
    # It ends by the float64 stage's rule: ten iterations gained less than two nats.
    assert clf.stop_reason_ == "loss tolerance"
    assert clf.loss_curve_[-11] - clf.loss_ < 2 / 20_000 < 1e-3 * clf.loss_
    assert clf.loss_curve_[-12] - clf.loss_curve_[-2] > 2 / 20_000


@pytest.mark.slow
def test_the_end_is_as_good_as_without(data):
    X, y = data
    clf = make(alpha=30.0, tol=1e-6, max_iter=3000).fit(X, y)
    assert clf.stop_reason_ == "loss tolerance"
    objective = objective_of(X, y, alpha=30.0)
    again = make(alpha=30.0, tol=1e-6, max_iter=3000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_relulogit._optimize.training.COARSE_MIN_PARTS", 99)
        assert set(fit_and_note_types(again, X, y)) == {"float64"}
    # Rounding separates the paths, which may end in other minima; better ones are fine.
    assert clf.loss_ < (1 + 5e-3) * again.loss_
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    assert objective(pack(layers))[0] == pytest.approx(clf.loss_, rel=1e-13)


@pytest.mark.parametrize(
    ("n_samples", "hidden", "dtype", "n_parameters", "first"),
    [
        (20_000, (30,), "f8", 661, "float32"),
        (20_000, (30,), "f4", 661, "float32"),
        (20_000, (), "f8", 21, "float64"),
        (400, (30,), "f8", 661, "float64"),
        # For sparse data with many parameters it would save less.
        (20_000, (30,), "sparse", 60_061, "float32"),
        (20_000, (30,), "sparse", 270_061, "float64"),
    ],
)
def test_fits_begin_in_float32_where_it_pays(
    data, n_samples, hidden, dtype, n_parameters, first
):
    X, y = (array[:: 20_000 // n_samples] for array in data)
    if dtype == "sparse":
        shape = n_samples, (n_parameters - 61) // 30
        X = scipy.sparse.random_array(shape, density=2e-3, rng=0, format="csr")
    else:
        X = X.astype(dtype)
    clf = make(hidden_layer_sizes=hidden, max_iter=2, tol=1e-12)
    with pytest.warns(ConvergenceWarning):
        assert fit_and_note_types(clf, X, y)[0] == first
    assert sum(a.size for a in clf.coefs_ + clf.intercepts_) == n_parameters


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
