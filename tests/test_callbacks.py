"""scikit-learn's callbacks."""

import warnings

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklearn_relulogit import ReLULogisticClassifier

HAS_CALLBACKS = parse_version(sklearn.__version__) >= parse_version("1.9")
needs_callbacks = pytest.mark.skipif(
    not HAS_CALLBACKS, reason="scikit-learn has callbacks from 1.9 on"
)


def make(**kwargs):
    """Without a search, of which test_watch.py tells."""
    kwargs = {"alpha": 3.0} | kwargs
    return ReLULogisticClassifier((5,), random_state=0, **kwargs)


@pytest.mark.skipif(HAS_CALLBACKS, reason="this scikit-learn has callbacks")
def test_an_older_scikit_learn_says_what_is_missing(cancer):
    with pytest.raises(NotImplementedError, match=r"need scikit-learn 1\.9 or newer"):
        make().set_callbacks(object())
    make().fit(*cancer)


class Recorder:
    """Counts tasks, and may stop or fail at the end of the k-th iteration."""

    def __init__(self, stop_at=None, fail_at=None):
        self.stop_at = stop_at
        self.fail_at = fail_at
        self.begun, self.ended, self.losses, self.set_up = [], [], [], 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.set_up -= 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None
    ):
        self.ended.append((context.task_name, context.task_id))
        if context.task_name != "lbfgs-iter" or fitted_estimator is None:
            return False
        self.losses.append(log_loss(y, fitted_estimator.predict_proba(X)))
        if len(self.losses) == self.fail_at:
            raise RuntimeError("the callback is broken")
        return len(self.losses) == self.stop_at


@needs_callbacks
def test_each_iteration_is_a_task_with_an_estimator_that_predicts(cancer):
    X, y = cancer
    recorder = Recorder()
    clf = make().set_callbacks(recorder).fit(X, y)
    assert recorder.set_up == 0
    assert sorted(recorder.begun) == sorted(recorder.ended)
    assert recorder.begun == [
        ("fit", 0),
        *(("lbfgs-iter", i) for i in range(clf.n_iter_)),
    ]
    assert recorder.losses[-1] == log_loss(y, clf.predict_proba(X))
    watched = make().fit(X, y, X_val=X, y_val=y)
    assert_allclose(recorder.losses, watched.validation_loss_curve_, rtol=1e-9)
    assert clf.loss_curve_ == watched.loss_curve_


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_restarts_are_tasks_with_iterations(cancer, n_jobs):
    recorder = Recorder()
    clf = make(n_init=3, n_jobs=n_jobs).set_callbacks(recorder).fit(*cancer)
    assert sorted(recorder.begun) == sorted(recorder.ended)
    assert [t for t in sorted(recorder.begun) if t[0] == "restart"] == [
        ("restart", 0),
        ("restart", 1),
        ("restart", 2),
    ]
    assert clf.loss_ == clf.restart_losses_.min()


@needs_callbacks
@pytest.mark.parametrize("k", [1, 4])
def test_a_request_to_stop_is_honoured(cancer, k):
    recorder = Recorder(stop_at=k)
    clf = make().set_callbacks(recorder).fit(*cancer)
    assert clf.stop_reason_ == "callback"
    assert clf.n_iter_ == k
    assert sorted(recorder.begun) == sorted(recorder.ended)


@needs_callbacks
def test_a_request_at_the_end_of_a_start_prevents_the_others(cancer):
    class OneStart(Recorder):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            return context.task_name == "restart"

    recorder = OneStart()
    clf = make(n_init=3).set_callbacks(recorder).fit(*cancer)
    assert clf.loss_ == make().fit(*cancer).loss_
    assert list(np.isfinite(clf.restart_losses_)) == [True, False, False]
    assert sorted(recorder.begun) == sorted(recorder.ended)


@needs_callbacks
def test_an_iteration_that_leads_nowhere_ends_too(cancer):
    led_nowhere = 0
    # Without a penalty and from these weights, line searches become long.
    for max_fun in range(2, 80, 4):
        recorder = Recorder()
        clf = make(alpha=0.0, max_fun=max_fun).set_callbacks(recorder)
        clf.set_params(random_state=3)
        with pytest.warns(ConvergenceWarning, match="evaluation limit"):
            clf.fit(*cancer)
        assert sorted(recorder.begun) == sorted(recorder.ended)
        led_nowhere += len(recorder.begun) > clf.n_iter_ + 1
    assert led_nowhere > 0


@needs_callbacks
def test_a_broken_callback_leaves_an_earlier_fit_as_it_was(cancer):
    clf = make().fit(*cancer)
    recorder = Recorder(fail_at=3)
    clf.set_callbacks(recorder)
    before = dict(vars(clf))
    with pytest.raises(RuntimeError, match="the callback is broken"):
        clf.fit(*cancer)
    assert vars(clf) == before
    assert recorder.set_up == 0


@pytest.mark.slow
@needs_callbacks
def test_scoring_monitor_alone_in_a_pipeline_and_in_a_search(cancer):
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
    clf.fit(X, y, sample_weight=weights)
    final = -log_loss(y, clf.predict_proba(X), sample_weight=weights)
    assert monitor.get_logs().data[-1]["neg_log_loss"] == pytest.approx(final)

    pipeline = make_pipeline(StandardScaler(), make().set_callbacks(monitor))
    pipeline.fit(X, y)
    assert len(monitor.get_logs().data) == pipeline[-1].n_iter_ + 1

    search = GridSearchCV(pipeline, {"relulogisticclassifier__alpha": [1, 10]}, cv=2)
    search.fit(X, y)
    assert monitor.get_logs().data[-1]["neg_log_loss"] < 0


@needs_callbacks
@pytest.mark.parametrize("kind", ["alone", "restarts", "pipeline", "search"])
def test_progress_bar(cancer, capsys, kind):
    from sklearn.callback import ProgressBar

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make(n_init=2 if kind == "restarts" else 1)
        bar = ProgressBar(max_propagation_depth=None)
        if kind in ("pipeline", "search"):
            model = make_pipeline(StandardScaler(), model)
        if kind == "search":
            grid = {"relulogisticclassifier__alpha": [1, 10]}
            model = GridSearchCV(model, grid, cv=2)
        model.set_callbacks(bar).fit(*cancer)
    out = capsys.readouterr().out
    assert "ReLULogisticClassifier - fit" in out
    assert "100%" in out
    assert ("restart #1" in out) == (kind == "restarts")
