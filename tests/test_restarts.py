"""Several starts, of which the best is kept."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_moons

from sklearn_relulogit import ReLULogisticClassifier


@pytest.fixture(scope="module")
def moons():
    return make_moons(200, noise=0.2, random_state=0)


def make(hidden=(5,), **kwargs):
    return ReLULogisticClassifier(hidden, alpha=0.1, random_state=0, **kwargs)


def test_the_lowest_objective_is_kept(moons):
    clf = make(n_init=6).fit(*moons)
    assert clf.restart_losses_.shape == (6,)
    assert clf.loss_ == clf.restart_losses_.min()
    # Local minima are real here.
    assert clf.restart_losses_.max() > 1.2 * clf.restart_losses_.min()


def test_the_first_start_is_that_of_a_single_one(moons):
    single = make().fit(*moons)
    assert_array_equal(single.restart_losses_, [single.loss_])
    losses = make(n_init=4).fit(*moons).restart_losses_
    assert losses[0] == single.loss_
    assert_array_equal(make(n_init=2).fit(*moons).restart_losses_, losses[:2])


@pytest.mark.parametrize("n_jobs", [2, 3, -1])
def test_the_same_bits_for_any_number_of_jobs(moons, n_jobs):
    one = make(n_init=4).fit(*moons)
    many = make(n_init=4, n_jobs=n_jobs).fit(*moons)
    assert_array_equal(many.restart_losses_, one.restart_losses_)
    assert many.loss_curve_ == one.loss_curve_
    for a, b in zip(many.coefs_, one.coefs_, strict=True):
        assert_array_equal(a, b)


def test_with_early_stopping_the_lowest_validation_loss_is_kept(moons):
    X, y = moons
    clf = make(n_init=5, early_stopping=True).fit(X, y)
    assert clf.restart_losses_.min() == min(clf.validation_loss_curve_)


def test_a_convex_problem_needs_one_start(moons):
    clf = make((), n_init=5).fit(*moons)
    assert_array_equal(clf.restart_losses_, [clf.loss_])


def test_an_error_in_one_start_ends_them_all(moons, monkeypatch):
    from sklearn_relulogit import _training

    original, calls = _training.minimize, []

    def fails_once(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError("no room")
        return original(*args, **kwargs)

    monkeypatch.setattr(_training, "minimize", fails_once)
    for n_jobs in (1, 2):
        calls.clear()
        clf = make(n_init=6, n_jobs=n_jobs)
        with pytest.raises(MemoryError, match="no room"):
            clf.fit(*moons)
        assert not hasattr(clf, "coefs_")
        assert len(calls) < 6


@pytest.mark.parametrize(
    ("name", "values"),
    [("n_init", [0, 1.5, None]), ("n_jobs", [0, 1.5, "2"])],
)
def test_errors(name, values, moons):
    for value in values:
        with pytest.raises(ValueError, match=f"'{name}' parameter of ReLULog"):
            make(**{name: value}).fit(*moons)


def test_restarts_help_where_there_are_local_minima(moons):
    """The best of eight is nearly the same whatever the seed."""
    losses = [
        ReLULogisticClassifier((5,), alpha=0.1, n_init=8, random_state=seed)
        .fit(*moons)
        .loss_
        for seed in range(4)
    ]
    assert np.ptp(losses) < 0.15 * np.mean(losses)


@pytest.mark.parametrize("n_init", [10**12, 10**18, 10**30])
def test_more_starts_than_memory_holds_are_refused_before_any_work(n_init, moons):
    X, y = moons
    clf = ReLULogisticClassifier((3,), n_init=n_init)
    with pytest.raises(
        (ValueError, MemoryError), match=r"'n_init' parameter .* Got 10"
    ):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")
    # Without hidden layers one start is enough.
    assert clf.set_params(hidden_layer_sizes=(), alpha=1.0).fit(X, y).n_iter_ > 0
