"""At the end of a fit, mean probabilities equal the shares of the classes."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import watch_evaluations
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier


@pytest.fixture
def rare():
    """Rows and labels. A fit with `alpha=1` takes three evaluations for balance."""
    return make_classification(
        300,
        5,
        n_informative=4,
        n_redundant=0,
        n_classes=3,
        weights=[0.95, 0.025],
        random_state=0,
    )


def make(hidden=(3,), **kwargs):
    return ReLULogisticClassifier(hidden, **{"alpha": 1.0, "random_state": 0} | kwargs)


def imbalance(clf, X, y):
    """The largest difference of mean probability and share, relative to the share."""
    shares = np.bincount(y) / len(y)
    return np.abs(clf.predict_proba(X).mean(axis=0) / shares - 1).max()


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(), (8,), (6, 4)])
def test_fits_predict_the_shares_on_average(n_classes, hidden):
    X, y = make_classification(
        400,
        6,
        n_informative=4,
        n_classes=n_classes,
        weights=[0.9] if n_classes == 2 else [0.05, 0.15],
        random_state=0,
    )
    weights = np.random.RandomState(0).uniform(0, 2, 400)
    shares = np.bincount(y, weights) / weights.sum()
    clf = ReLULogisticClassifier(hidden, random_state=0).fit(X, y, weights)
    means = weights @ clf.predict_proba(X) / weights.sum()
    assert_allclose(means, shares, rtol=3e-3)


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_each_evaluation_brings_them_nearer_and_counts(rare, tol):
    """`max_fun` is never exceeded, and only the output biases change."""
    clf = make(tol=tol).fit(*rare)
    assert imbalance(clf, *rare) < 3e-3
    fits = [clf]
    while fits[-1].n_iter_ == clf.n_iter_ and len(fits) < 30:
        max_fun = clf.n_evaluations_ - len(fits)
        short = make(tol=tol, max_fun=max_fun)
        try:
            short.fit(*rare)
        except ConvergenceWarning:  # An error here: a limit cut the descent short.
            break
        assert short.n_evaluations_ == max_fun
        assert short.stop_reason_ == clf.stop_reason_
        fits.append(short)
    assert len(fits) > 3
    for later, earlier in pairwise(fits):
        assert later.loss_ == later.loss_curve_[-1] <= earlier.loss_
        assert later.loss_curve_[:-1] == earlier.loss_curve_[:-1]
        assert_array_equal(later.coefs_[-1], earlier.coefs_[-1])
        assert_array_equal(later.intercepts_[0], earlier.intercepts_[0])
    assert imbalance(fits[-1], *rare) > 10 * imbalance(clf, *rare)


def test_parameters_that_are_kept_for_another_reason_are_left_as_they_are(rare):
    """Fits that a limit ended, and fits with early stopping."""
    whole = make().fit(*rare)
    short = make(max_iter=5)
    with pytest.warns(ConvergenceWarning, match="iteration limit"):
        short.fit(*rare)
    assert short.loss_curve_ == whole.loss_curve_[:5]
    assert imbalance(short, *rare) > 0.01
    stopped = make(early_stopping=True, n_iter_no_change=np.inf).fit(*rare)
    assert stopped.stop_reason_ == "loss tolerance"
    with watch_evaluations() as evaluations:
        make(early_stopping=True, n_iter_no_change=np.inf).fit(*rare)
    last, _ = evaluations[-1]
    assert last(evaluations[-1][1])[0] == stopped.loss_curve_[-1]


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_class_without_weight_stays_without(hidden):
    """The logarithm of its share does not exist."""
    X, y = make_classification(
        90, 4, n_informative=3, n_classes=3, n_redundant=0, random_state=0
    )
    clf = make(hidden, class_weight={1: 0.0}).fit(X, y)
    assert clf.predict_proba(X)[:, 1].max() < 0.02


@pytest.mark.parametrize("last", [1, 2, 3])
def test_an_interrupted_balance_loses_nothing(rare, last):
    whole, clf = make().fit(*rare), make()
    interrupted = watch_evaluations(
        at=whole.n_evaluations_ + 1 - last, error=KeyboardInterrupt
    )
    with interrupted, pytest.raises(KeyboardInterrupt):
        clf.fit(*rare)
    assert clf.stop_reason_ == "interrupted"
    assert whole.loss_ <= clf.loss_ < whole.loss_ + 1e-3
    assert clf.loss_ == clf.loss_curve_[-1]
    assert clf.n_evaluations_ == whole.n_evaluations_ - last
