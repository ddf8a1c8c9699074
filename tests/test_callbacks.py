"""scikit-learn's callbacks."""

import re

import numpy as np
import pytest
import sklearn
from conftest import assert_same_fit, distinct, watch_evaluations
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.blocks import Block
from sklearn_relulogit._search.descent import MAX_STEPS
from sklearn_relulogit._search.halves import halves
from sklearn_relulogit._search.trials import Search

HAS_CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(
    not HAS_CALLBACKS, reason="scikit-learn has callbacks from 1.9 on"
)


def make(**kwargs):
    """A classifier without a search."""
    kwargs = {"alpha": 3.0} | kwargs
    return ReLULogisticClassifier((5,), random_state=0, **kwargs)


def make_auto(**kwargs):
    return make(alpha="auto", **kwargs)


def make_cv(**kwargs):
    kwargs = {"alphas": [30.0, 3.0, 0.3], "cv": 3} | kwargs
    return ReLULogisticClassifierCV((5,), random_state=0, **kwargs)


@pytest.mark.skipif(HAS_CALLBACKS, reason="this scikit-learn has callbacks")
def test_an_older_scikit_learn_says_what_is_missing(cancer):
    with pytest.raises(NotImplementedError, match=r"need scikit-learn 1\.9 or newer"):
        make().set_callbacks(object())
    make().fit(*cancer)


class Recorder:
    """Notes tasks, and may ask to stop at the end of one."""

    def __init__(self, stop=lambda task, number: False):
        self.stop = stop
        self.begun, self.ended, self.losses, self.set_up = [], [], {}, 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.set_up -= 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        task = context.task_name
        self.ended.append((task, context.task_id))
        if fitted_estimator is not None:
            proba = fitted_estimator.predict_proba(X)
            self.losses.setdefault(task, []).append(log_loss(y, proba))
        return self.stop(task, context.task_id)

    def count(self, task):
        """The number of tasks with a name, after a fit in which all have ended."""
        assert self.set_up == 0
        assert sorted(self.begun) == sorted(self.ended)
        return sum(name == task for name, _ in self.begun)


@needs_callbacks
def test_each_iteration_is_a_task_with_an_estimator_that_predicts(cancer):
    X, y = cancer
    recorder = Recorder()
    clf = make().set_callbacks(recorder).fit(X, y)
    assert recorder.count("fit") == 1
    assert recorder.begun == [
        ("fit", 0),
        *(("lbfgs-iter", i) for i in range(clf.n_iter_)),
    ]
    losses = recorder.losses["lbfgs-iter"]
    assert losses[-1:] == recorder.losses["fit"] == [log_loss(y, clf.predict_proba(X))]
    watched = make().fit(X, y, X_val=X, y_val=y)
    assert_allclose(losses, watched.validation_loss_curve_, rtol=1e-9)
    assert clf.loss_curve_ == watched.loss_curve_


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_restarts_are_tasks_with_iterations(cancer, n_jobs):
    recorder = Recorder()
    clf = make(n_init=3, n_jobs=n_jobs).set_callbacks(recorder).fit(*cancer)
    assert recorder.count("restart") == 3
    assert {("restart", i) for i in range(3)} < {*recorder.begun}
    assert clf.loss_ == clf.restart_losses_.min()


@needs_callbacks
@pytest.mark.parametrize("k", [1, 4])
def test_a_request_to_stop_is_honoured(cancer, k):
    recorder = Recorder(stop=lambda *task: task == ("lbfgs-iter", k - 1))
    clf = make().set_callbacks(recorder).fit(*cancer)
    assert clf.stop_reason_ == "callback"
    assert clf.n_iter_ == k
    assert recorder.count("lbfgs-iter") == k


@needs_callbacks
def test_after_a_request_no_other_start_takes_the_place_of_a_constant(cancer):
    constant = {"hidden_layer_sizes": (5, 5, 5), "alpha": 1e3}
    # With a warm start no other start is drawn.
    k = make(warm_start=True).set_params(**constant).fit(*cancer).n_iter_
    recorder = Recorder()
    make().set_params(**constant).set_callbacks(recorder).fit(*cancer)
    assert recorder.count("lbfgs-iter") > k
    recorder = Recorder(stop=lambda *task: task >= ("lbfgs-iter", k - 1))
    clf = make().set_params(**constant).set_callbacks(recorder).fit(*cancer)
    assert clf.stop_reason_ == "callback"
    assert recorder.count("lbfgs-iter") == clf.n_iter_ == k


@needs_callbacks
def test_a_request_at_the_end_of_a_start_prevents_the_others(cancer):
    recorder = Recorder(stop=lambda task, number: task == "restart")
    clf = make(n_init=3).set_callbacks(recorder).fit(*cancer)
    assert clf.loss_ == make().fit(*cancer).loss_
    single = make().fit(*cancer)
    assert list(clf.restart_losses_) == list(single.restart_losses_)
    assert recorder.count("restart") == 1


@needs_callbacks
def test_an_iteration_that_leads_nowhere_ends_too(cancer):
    led_nowhere = 0
    # Without a penalty, line searches from these weights are long.
    for max_fun in range(2, 80, 8):
        recorder = Recorder()
        clf = make(alpha=0.0, max_fun=max_fun).set_callbacks(recorder)
        clf.set_params(random_state=3)
        with pytest.warns(ConvergenceWarning, match="evaluation limit"):
            clf.fit(*cancer)
        led_nowhere += recorder.count("lbfgs-iter") > clf.n_iter_
    assert led_nowhere > 0


@needs_callbacks
def test_a_broken_callback_leaves_an_earlier_fit_as_it_was(cancer):
    clf = make().fit(*cancer)

    def fail(task, number):
        if (task, number) == ("lbfgs-iter", 2):
            raise RuntimeError("the callback is broken")

    recorder = Recorder(stop=fail)
    clf.set_callbacks(recorder)
    before = dict(vars(clf))
    with pytest.raises(RuntimeError, match="the callback is broken"):
        clf.fit(*cancer)
    assert vars(clf) == before
    assert recorder.set_up == 0


@pytest.mark.slow
@needs_callbacks
def test_scoring_monitor_alone_and_in_a_pipeline(cancer):
    from sklearn.callback import ScoringMonitor

    X, y = cancer
    monitor = ScoringMonitor(scoring="neg_log_loss")
    clf = make().set_callbacks(monitor).fit(X, y)
    data = monitor.get_logs().data
    assert len(data) == clf.n_iter_ + 1  # the iterations and the fit
    final = -log_loss(y, clf.predict_proba(X))
    # The first is the fit itself, the last its last iteration.
    assert data[0]["neg_log_loss"] == data[-1]["neg_log_loss"] == pytest.approx(final)

    weights = np.linspace(0, 1, len(y))
    model = make_pipeline(StandardScaler(), make().set_callbacks(monitor))
    model.fit(X, y, relulogisticclassifier__sample_weight=weights)
    data = monitor.get_logs().data
    assert len(data) == model[-1].n_iter_ + 1
    final = -log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert data[-1]["neg_log_loss"] == pytest.approx(final)


@needs_callbacks
@pytest.mark.parametrize(
    "kind", ["alone", "restarts", "pipeline", "search", "auto", "cv"]
)
def test_progress_bar(cancer, capsys, kind):
    from sklearn.callback import ProgressBar

    model = make(n_init=2 if kind == "restarts" else 1)
    bar = ProgressBar(max_propagation_depth=None)
    if kind in ("auto", "cv"):
        model = make_auto() if kind == "auto" else make_cv()
    if kind in ("pipeline", "search"):
        model = make_pipeline(StandardScaler(), model)
    if kind == "search":
        grid = {"relulogisticclassifier__alpha": [1, 10]}
        model = GridSearchCV(model, grid, cv=2)
    model.set_callbacks(bar).fit(*cancer)
    out = capsys.readouterr().out
    assert re.search(r"ReLULogisticClassifier(CV)? - fit .*100%", out)
    assert ("restart #1" in out) == (kind == "restarts")
    for task in ("search #0", "final-fit #1"):
        assert bool(re.search(rf"Classifier(CV)? - {task} .*100%", out)) == (
            kind in ("auto", "cv")
        )


# A search.


def n_tried(clf):
    losses = getattr(clf, "alpha_losses_", None)
    return (
        len(losses) if losses is not None else int((~np.isnan(clf.scores_[:, 0])).sum())
    )


@needs_callbacks
@pytest.mark.parametrize("n_init", [1, 2])
@pytest.mark.parametrize("maker", [make_auto, make_cv])
def test_the_search_is_a_task_with_one_for_each_penalty(cancer, maker, n_init):
    X, y = cancer
    recorder = Recorder()
    clf = maker(n_init=n_init).set_callbacks(recorder).fit(X, y)
    assert recorder.begun[:3] == [("fit", 0), ("search", 0), ("penalty", 0)]
    # With another relevance of the features, penalties are tried again.
    again = recorder.count("penalty") - n_tried(clf)
    assert again >= 0 if maker is make_auto else again == 0
    assert recorder.count("final-fit") == recorder.count("search") == 1
    assert recorder.count("restart") == (0 if n_init == 1 else n_init)
    if n_init == 1:
        assert recorder.count("lbfgs-iter") == clf.n_iter_
    # Each has a classifier that predicts: its loss is far below guessing.
    assert len(recorder.losses["penalty"]) == recorder.count("penalty")
    assert max(recorder.losses["penalty"]) < 0.4
    for task in ("final-fit", "fit"):
        assert recorder.losses[task] == [log_loss(y, clf.predict_proba(X))]
    assert_same_fit(clf, maker(n_init=n_init).fit(X, y))


@needs_callbacks
@pytest.mark.parametrize("maker", [make_auto, make_cv])
def test_a_callback_ends_the_search_and_not_the_fit(cancer, maker, monkeypatch):
    # Another walk would have losses with relevance.
    monkeypatch.setattr(Search, "weighed_trials", lambda *_: [])
    recorder = Recorder(stop=lambda task, number: (task, number) == ("penalty", 1))
    clf = maker().set_callbacks(recorder).fit(*cancer)
    full = maker().fit(*cancer)
    assert recorder.count("penalty") == n_tried(clf) == 2 < n_tried(full)
    assert clf.n_iter_ > 0
    assert clf.stop_reason_ in ("gradient tolerance", "loss tolerance")
    if maker is make_cv:
        assert clf.best_score_ == np.nanmax(clf.scores_.mean(axis=1))
    else:
        two = list(full.alpha_losses_)[:2]
        assert list(clf.alpha_losses_) == two
        # The best penalty so far, adjusted to twice the rows.
        best = min(two, key=clf.alpha_losses_.__getitem__)
        assert best == two[1]
        assert 0 <= np.log10(clf.alpha_ / best) <= 0.25


@needs_callbacks
def test_without_refit_there_is_no_final_fit(cancer):
    recorder = Recorder()
    make_cv(refit=False).set_callbacks(recorder).fit(*cancer)
    assert recorder.count("final-fit") == 0
    assert recorder.count("fit") == recorder.count("search") == 1


@needs_callbacks
def test_the_network_of_a_penalty_is_that_of_the_first_half(cancer, monkeypatch):
    """The search ends with the network of the last penalty it tried."""
    monkeypatch.setattr(Search, "weighed_trials", lambda *_: [])
    X, y = cancer
    recorder = Recorder()
    clf = ReLULogisticClassifier(()).set_callbacks(recorder).fit(X, y)
    first, second = halves(distinct(Block(X, y, np.ones(len(y)))), 10**4).training

    def loss_of(half, alpha):
        peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky").fit(*half)
        return log_loss(y, peer.predict_proba(X))

    expected = [loss_of(first, alpha) for alpha in clf.alpha_losses_]
    other = [loss_of(second, alpha) for alpha in clf.alpha_losses_]
    best = int(np.abs(np.log(np.array([*clf.alpha_losses_]) / clf.alpha_)).argmin())
    assert_allclose(
        recorder.losses["penalty"][: best + 1], expected[: best + 1], rtol=0.01
    )
    assert abs(other[best] / expected[best] - 1) > 0.02
    assert recorder.losses["search"] == [recorder.losses["penalty"][best]]


@needs_callbacks
def test_the_longest_search_has_as_many_tasks_as_it_may(cancer, monkeypatch):
    def descend(visit, start, *args, **kwargs):
        visit(start)
        for direction in (-1, 1):
            for here in range(MAX_STEPS):
                before = start + direction * here
                visit(before + direction, before)
        return start

    monkeypatch.setattr("sklearn_relulogit._search.trials.descend", descend)
    recorder = Recorder()
    make_auto().set_callbacks(recorder).fit(*cancer)
    assert recorder.count("penalty") >= 2 * (1 + 2 * MAX_STEPS)


@needs_callbacks
@pytest.mark.parametrize("maker", [make, make_auto, make_cv])
def test_after_an_interrupt_callbacks_are_torn_down(cancer, maker):
    recorder = Recorder()
    with (
        watch_evaluations(at=20, error=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        maker().set_callbacks(recorder).fit(*cancer)
    assert recorder.set_up == 0


@needs_callbacks
def test_rows_that_are_too_few_for_a_search(iris):
    X, y = iris
    recorder = Recorder()
    make_auto().set_callbacks(recorder).fit(X[45:60], y[45:60])
    assert recorder.count("final-fit") == 1
    assert recorder.count("penalty") == 0
