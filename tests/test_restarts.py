"""Several starts, of which the best is kept."""

import threading

import numpy as np
import pytest
from conftest import assert_same_fit, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn import config_context, get_config
from sklearn.datasets import make_moons

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.likelihood import Logistic
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes
from sklearn_relulogit._optimize.coordinates import FeatureScale
from sklearn_relulogit._optimize.lbfgs import Monitor, Stage
from sklearn_relulogit._optimize.training import Restart, limits_for, train


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
    assert clf.restart_losses_.max() > 1.05 * clf.restart_losses_.min()


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
    assert_same_fit(many, one)


def test_with_early_stopping_the_lowest_validation_loss_is_kept(moons):
    X, y = moons
    clf = make(n_init=5, early_stopping=True).fit(X, y)
    assert clf.restart_losses_.min() == min(clf.validation_loss_curve_)


def test_a_convex_problem_needs_one_start(moons):
    clf = make((), n_init=5).fit(*moons)
    assert_array_equal(clf.restart_losses_, [clf.loss_])


SHAPES = layer_shapes(2, (5,), 1)


class Watch(Monitor):
    """Notes scikit-learn's configuration and the thread at each iteration."""

    def __init__(self, act=None):
        self.act = act
        self.seen = []

    def end_iteration(self, iterate):
        self.seen.append((get_config()["print_changed_only"], threading.get_ident()))
        if self.act is not None:
            self.act()
        return None


def starts(monitors):
    """A restart for each monitor, each from other weights."""
    return [
        Restart(initial_theta(SHAPES, np.random.RandomState(seed)), [monitor], None)
        for seed, monitor in enumerate(monitors)
    ]


def train_from(restarts, moons, n_jobs):
    """What a fit does with its restarts."""
    X, y = moons
    parts = Parts.of(Block(X, y, np.ones(len(y))), SHAPES)
    objective = Objective.over(parts, SHAPES, Logistic(), 0.1, X.dtype)
    limits = limits_for(SHAPES, X.dtype, 1e-4, max_iter=1000, max_fun=15_000)
    train(
        [Stage(objective, limits)],
        restarts,
        history_size=30,
        n_jobs=n_jobs,
        pairs=None,
        standard=FeatureScale(X.mean(0), X.std(0), SHAPES).coordinates(0.1, len(y)),
        enough=threading.Event(),
    )


@pytest.mark.parametrize("error", [MemoryError, RuntimeError])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_in_one_start_ends_them_all(moons, n_jobs, error):
    """A start in another thread ends at its next iteration; others do not begin."""
    broken, raised = threading.Event(), error("no room")

    def fail():
        broken.set()
        raise raised

    # With two threads the first start goes on until the second one has failed.
    first = Watch(lambda: broken.wait(10) if n_jobs == 2 else None)
    second, later = Watch(fail), [Watch() for _ in range(4)]
    restarts = starts([first, second, *later])
    n_threads = threading.active_count()
    with pytest.raises(error, match="no room") as caught:
        train_from(restarts, moons, n_jobs)
    assert caught.value is raised
    assert threading.active_count() == n_threads
    assert len(second.seen) == 1
    assert not any(monitor.seen for monitor in later)
    assert [restart.minimum for restart in restarts[1:]] == [None] * 5
    if n_jobs == 2:
        (alone,) = starts([Watch()])
        train_from([alone], moons, 1)
        minimum = restarts[0].minimum
        assert minimum.stop_reason == "interrupted"
        assert len(minimum.loss_curve) < len(alone.minimum.loss_curve)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_in_one_start_leaves_the_estimator_as_it_was(moons, n_jobs):
    clf = make(n_init=6, n_jobs=n_jobs)
    before = dict(vars(clf))
    broken = watch_evaluations(at=30, error=MemoryError("no room"))
    with broken as evaluations, pytest.raises(MemoryError, match="no room"):
        clf.fit(*moons)
    assert len(evaluations) < 60
    assert vars(clf) == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_threads_of_restarts_see_the_configuration_of_scikit_learn(moons, n_jobs):
    """scikit-learn keeps it for each thread; callbacks may depend on it."""
    # Each start waits for the others once, and so they run in as many threads.
    barrier, met = threading.Barrier(n_jobs, timeout=10), threading.local()

    def meet():
        if not hasattr(met, "done"):
            met.done = True
            barrier.wait()

    monitors = [Watch(meet) for _ in range(n_jobs)]
    changed = not get_config()["print_changed_only"]
    with config_context(print_changed_only=changed):
        train_from(starts(monitors), moons, n_jobs)
    seen = [one for monitor in monitors for one in monitor.seen]
    assert {value for value, _ in seen} == {changed}
    assert len({thread for _, thread in seen}) == n_jobs


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
