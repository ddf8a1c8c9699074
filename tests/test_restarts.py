"""Several starts, the best of which is kept."""

import threading

import numpy as np
import pytest
from conftest import assert_same_fit, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn import config_context, get_config
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
    # Balance follows afterwards.
    assert clf.loss_ <= clf.restart_losses_.min()
    assert clf.loss_ == pytest.approx(clf.restart_losses_.min(), rel=1e-3)
    # Local minima are real here.
    assert clf.restart_losses_.max() > 1.05 * clf.restart_losses_.min()


def test_the_first_start_is_that_of_a_single_one(moons):
    single = make().fit(*moons)
    losses = make(n_init=4).fit(*moons).restart_losses_
    assert_array_equal(single.restart_losses_, losses[:1])
    assert single.loss_ == pytest.approx(losses[0], rel=1e-3)
    assert_array_equal(make(n_init=2).fit(*moons).restart_losses_, losses[:2])


@pytest.mark.parametrize("n_jobs", [2, 3, -1])
def test_the_same_bits_for_any_number_of_jobs(moons, n_jobs):
    one = make(n_init=4).fit(*moons)
    many = make(n_init=4, n_jobs=n_jobs).fit(*moons)
    assert_array_equal(many.restart_losses_, one.restart_losses_)
    assert_same_fit(many, one)


def test_with_early_stopping_the_lowest_validation_loss_is_kept(moons):
    X, y = moons
    clf = make(n_init=5, early_stopping=True).fit(X, y)
    assert clf.restart_losses_.min() == min(clf.validation_loss_curve_)


def test_a_convex_problem_needs_one_start(moons):
    clf = make((), n_init=5).fit(*moons)
    assert_array_equal(clf.restart_losses_, [clf.loss_])


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_an_error_in_one_start_ends_them_all(moons, n_jobs, error):
    """A start in another thread ends at its next iteration, and no other begins."""
    whole = make(n_init=6).fit(*moons)
    clf, raised = make(n_init=6, n_jobs=n_jobs), error("no room")
    before, n_threads = dict(vars(clf)), threading.active_count()
    broken = watch_evaluations(at=20, error=raised)
    with broken as evaluations, pytest.raises(error) as caught:
        clf.fit(*moons)
    assert threading.active_count() == n_threads
    # Each of the others may finish a line search.
    assert len(evaluations) < 20 + 10 * n_jobs < whole.n_evaluations_
    if error is MemoryError:
        assert caught.value is raised
        assert vars(clf) == before
    else:
        assert clf.stop_reason_ == "interrupted"
        assert len(clf.restart_losses_) <= n_jobs
        assert clf.loss_ == clf.restart_losses_.min()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_starts_are_drawn_when_they_begin(moons, n_jobs):
    """Any number of starts: Ctrl-C ends a fit with as many as it had time for."""
    clf = make(n_init=10**15, n_jobs=n_jobs)
    broken = watch_evaluations(at=300, error=KeyboardInterrupt())
    with broken, pytest.raises(KeyboardInterrupt):
        clf.fit(*moons)
    some = make(n_init=2).fit(*moons)
    assert_array_equal(clf.restart_losses_[:2], some.restart_losses_)
    assert clf.loss_ == clf.restart_losses_.min()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_threads_of_restarts_see_the_configuration_of_scikit_learn(moons, n_jobs):
    """scikit-learn has one for each thread, and callbacks may depend on it."""
    # Each start waits for the others once, so each runs in its own thread.
    barrier, met = threading.Barrier(n_jobs, timeout=10), threading.local()
    seen, changed = set(), not get_config()["print_changed_only"]

    def note():
        if not hasattr(met, "done"):
            met.done = True
            barrier.wait()
        seen.add((threading.get_ident(), get_config()["print_changed_only"]))

    with config_context(print_changed_only=changed), watch_evaluations(action=note):
        make(n_init=n_jobs, n_jobs=n_jobs, n_threads=1).fit(*moons)
    assert len(seen) == n_jobs
    assert {value for _, value in seen} == {changed}


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
