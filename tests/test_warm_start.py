"""Fits that continue from the last one."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier


def make(hidden=(10,), **kwargs):
    return ReLULogisticClassifier(hidden, random_state=0, **kwargs)


def short_fits(clf, X, y, n_fits):
    """The loss after each iteration of all fits together."""
    curve = []
    for _ in range(n_fits):
        with pytest.warns(ConvergenceWarning):
            clf.fit(X, y)
        curve += clf.loss_curve_
    return curve


def test_short_fits_in_float32_are_one_long_fit():
    """Large data begin in float32, where rounding errors grow faster."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 40))
    y = (np.abs(X[:, :3]).sum(axis=1) > 2.4).astype(int)
    with pytest.warns(ConvergenceWarning):
        long = make((50,), alpha=1.0, max_iter=40).fit(X, y)
    for max_iter, n_fits in [(1, 16), (4, 10)]:
        clf = make((50,), alpha=1.0, max_iter=max_iter, warm_start=True)
        curve = short_fits(clf, X, y, n_fits)
        if max_iter == 1:
            assert_allclose(curve[:12], long.loss_curve_[:12], rtol=1e-4)
    # scipy scales anew in each fit of several iterations, so the path differs.
    assert clf.loss_ == pytest.approx(long.loss_, rel=0.05)
    clf = make((50,), alpha=1.0, max_iter=4, warm_start=True)
    for _ in range(10):
        short_fits(clf, X, y, 1)
        clf = pickle.loads(pickle.dumps(clf))
    assert clf.loss_ > 2 * long.loss_


def test_fits_of_one_iteration_are_one_long_fit(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning):
        long = make(alpha=0.01, tol=0, max_iter=60).fit(X, y)
    short = make(alpha=0.01, tol=0, max_iter=1, warm_start=True)
    curve = short_fits(short, X, y, 60)
    # Except for rounding, which grows from iteration to iteration.
    assert_allclose(curve[:20], long.loss_curve_[:20], rtol=1e-6)
    assert short.loss_ == pytest.approx(long.loss_, rel=0.05)

    # Without the curvature of the earlier fits it is slow.
    forgetful = make(alpha=0.01, tol=0, max_iter=1, warm_start=True)
    for _ in range(60):
        forgetful = pickle.loads(pickle.dumps(forgetful))
        with pytest.warns(ConvergenceWarning):
            forgetful.fit(X, y)
    assert forgetful.loss_ > 3 * long.loss_


def test_fits_of_ten_iterations_reach_what_a_long_fit_reaches(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning):
        long = make(alpha=0.01, tol=0, max_iter=100).fit(X, y)
    short = make(alpha=0.01, tol=0, max_iter=10, warm_start=True)
    short_fits(short, X, y, 10)
    assert short.loss_ < 1.2 * long.loss_


def test_a_converged_fit_stays_where_it_is(cancer):
    X, y = cancer
    clf = make((), warm_start=True).fit(X, y)
    coef = clf.coef_.copy()
    clf.fit(X, y)
    assert clf.n_iter_ == 0
    assert clf.n_evaluations_ == 1
    assert clf.loss_curve_ == []
    assert clf.stop_reason_ == "gradient tolerance"
    assert_array_equal(clf.coef_, coef)


def test_the_penalty_may_change(cancer):
    """A path of penalties, as for a regularisation path."""
    X, y = cancer
    clf = make((), warm_start=True, tol=1e-8)
    for alpha in [100.0, 10.0, 1.0]:
        clf.set_params(alpha=alpha).fit(X, y)
        cold = make((), alpha=alpha, tol=1e-8).fit(X, y)
        assert_allclose(clf.predict_proba(X), cold.predict_proba(X), atol=1e-6)


def test_other_data_of_the_same_kind(cancer):
    X, y = cancer
    clf = make(warm_start=True).fit(X[:300], y[:300])
    before = clf.predict_proba(X)
    clf.fit(X[300:], y[300:])
    assert np.abs(clf.predict_proba(X) - before).max() > 0.01
    assert clf.score(X, y) > 0.95


def test_without_warm_start_each_fit_starts_anew(cancer):
    X, y = cancer
    clf = make().fit(X, y)
    first = clf.loss_curve_
    assert clf.fit(X, y).loss_curve_ == first


def test_float32(cancer):
    X, y = cancer
    clf = make(max_iter=5, warm_start=True)
    curve = short_fits(clf, X.astype(np.float32), y, 6)
    assert clf.coefs_[0].dtype == np.float32
    # Parameters are rounded to float32 between two fits.
    assert (np.diff(curve) < 1e-5).all()


def test_the_curvature_is_not_pickled_nor_cloned(cancer):
    X, y = cancer
    clf = make((50,), warm_start=True).fit(X, y)
    size = sum(a.nbytes for a in clf.coefs_ + clf.intercepts_)
    assert len(pickle.dumps(clf)) < size + 6000
    assert vars(clone(clf)).keys() == clf.get_params().keys()
    # Turning it off forgets it.
    turned_off = clone(clf).set_params(warm_start=False).fit(X, y)
    assert_array_equal(turned_off.fit(X, y).coefs_[0], clf.coefs_[0])


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_the_curvature_is_that_by_the_same_penalty(cancer, alpha):
    """With another penalty the optimiser has other coordinates."""
    X, y = cancer
    kept, dropped = (
        make((10,), alpha=1.0, warm_start=True).fit(X[:300], y[:300]) for _ in range(2)
    )
    dropped = pickle.loads(pickle.dumps(dropped))
    for clf in (kept, dropped):
        clf.set_params(alpha=alpha).fit(X, y)
    same = kept.n_evaluations_ == dropped.n_evaluations_
    assert same == (alpha != 1.0)


def test_what_changed_is_named(cancer):
    X, y = cancer
    clf = make((4,), warm_start=True).fit(X, y)
    coefs = clf.coefs_
    with pytest.raises(
        ValueError, match=r"hidden_layer_sizes=\(4,\), but now it is \(5,\)"
    ):
        clf.set_params(hidden_layer_sizes=5).fit(X, y)
    clf.set_params(hidden_layer_sizes=(4,))
    with pytest.raises(ValueError, match=r"X has 29 features, but .* expecting 30"):
        clf.fit(X[:, 1:], y)
    with pytest.raises(ValueError, match=r"the classes \[0, 1\], but .* are \[0, 2\]"):
        clf.fit(X, 2 * y)
    iris = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="X has 4 features"):
        clf.fit(*iris)
    assert clf.coefs_ is coefs
    clf.fit(X, y)


def test_combinations_that_make_no_sense(cancer):
    with pytest.raises(ValueError, match="n_init=3 and warm_start=True exclude"):
        make(n_init=3, warm_start=True).fit(*cancer)
    clf = ReLULogisticClassifier((4,), early_stopping=True, warm_start=True)
    with pytest.raises(ValueError, match=r"needs an int for random_state \(it is None"):
        clf.fit(*cancer)
    X, y = cancer
    clf.fit(X, y, X_val=X[:50], y_val=y[:50])
    clf.set_params(random_state=3).fit(X, y)


@pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit")
def test_a_penalty_of_the_same_value_goes_on_with_the_curvature(cancer):
    X, y = cancer
    weights = []
    for alpha in (1.5, float("1.5")):
        clf = ReLULogisticClassifier(
            (4,), alpha=1.5, max_iter=15, warm_start=True, random_state=0
        )
        clf.fit(X, y).set_params(alpha=alpha)
        weights.append(clf.fit(X, y).coefs_[0])
    assert_array_equal(*weights)
