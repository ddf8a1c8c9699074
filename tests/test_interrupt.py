"""Ctrl-C is raised again, and the best parameters of a fit are kept."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV


def make(**kwargs):
    defaults = {"hidden_layer_sizes": (5,), "random_state": 0, "alpha": 0.1}
    return ReLULogisticClassifier(**defaults | kwargs)


def interrupt(function, k, *args, method="__call__", **kwargs):
    """Call a function, with Ctrl-C instead of the k-th evaluation, which is the last.

    Ctrl-C is raised again, without a warning.
    """
    interrupted = watch_evaluations(at=k, error=KeyboardInterrupt, method=method)
    with interrupted as evaluations, pytest.raises(KeyboardInterrupt):
        function(*args, **kwargs)
    assert len(evaluations) == k


@pytest.mark.parametrize("k", [2, 3, 10, 25])
def test_the_last_iterate_is_kept(cancer, k):
    X, y = cancer
    full, clf = make().fit(X, y), make()
    interrupt(clf.fit, k, X, y)
    assert clf.stop_reason_ == "interrupted"
    assert clf.n_evaluations_ == k - 1
    assert clf.n_iter_ < k
    assert clf.loss_curve_ == full.loss_curve_[: clf.n_iter_]
    if clf.n_iter_:
        assert clf.loss_ == clf.loss_curve_[-1]
    assert np.isfinite(clf.predict_proba(X)).all()
    assert vars(clf).keys() == vars(full).keys()


@pytest.mark.parametrize(
    ("alpha", "k"), [(0.1, 1), ("auto", 1), ("auto", 9), ("auto", 60)]
)
def test_before_the_fit_has_anything_to_keep_the_estimator_is_as_it_was(
    cancer, alpha, k
):
    """At its first evaluation, and during the search for the penalty."""
    clf = make(alpha=alpha).fit(*cancer)
    before = dict(vars(clf))
    interrupt(clf.fit, k, *cancer)
    assert vars(clf) == before
    clf = make(alpha=alpha)
    interrupt(clf.fit, k, *cancer)
    assert not hasattr(clf, "alpha_")


@pytest.mark.parametrize("found", ["alpha_losses_", "scores_"])
def test_after_the_search_its_penalty_is_kept_too(cancer, found):
    clf = make(alpha="auto")
    if found == "scores_":
        clf = ReLULogisticClassifierCV((), alphas=[1.0, 0.1], cv=2)
    with watch_evaluations() as evaluations:
        clf.fit(*cancer)
    alpha, losses = clf.alpha_, getattr(clf, found)
    interrupt(clf.fit, len(evaluations) - clf.n_evaluations_ + 5, *cancer)
    assert clf.stop_reason_ == "interrupted"
    assert clf.n_evaluations_ == 4
    assert clf.alpha_ == alpha
    assert getattr(clf, found) is not losses
    np.testing.assert_equal(getattr(clf, found), losses)


def test_no_further_start_begins(cancer):
    clf = make(n_init=3)
    interrupt(clf.fit, 15, *cancer)
    assert clf.restart_losses_.shape == (1,)
    assert np.isfinite(clf.restart_losses_).all()


@pytest.mark.parametrize("more", [1, 3])
def test_a_finished_start_is_kept_if_it_is_better(cancer, more):
    first, clf = make(tol=1e-2).fit(*cancer), make(tol=1e-2, n_init=3)
    interrupt(clf.fit, first.n_evaluations_ + more, *cancer)
    assert clf.stop_reason_ == "interrupted"
    assert clf.loss_ == pytest.approx(first.loss_, rel=1e-3)


def test_early_stopping_keeps_its_best(cancer):
    clf = make(early_stopping=True)
    interrupt(clf.fit, 12, *cancer)
    assert clf.stop_reason_ == "interrupted"
    best = int(np.argmin(clf.validation_loss_curve_))
    assert clf.loss_ == clf.loss_curve_[best]


def test_an_interrupt_of_the_validation_undoes_the_iteration(cancer):
    X, y = cancer
    clf = make()
    interrupt(clf.fit, 6, X, y, X_val=X, y_val=y, method="mean_nll")
    assert len(clf.validation_loss_curve_) == len(clf.loss_curve_) == clf.n_iter_ == 5
    assert clf.loss_ == clf.loss_curve_[-1]


def test_an_interrupt_of_the_importances_keeps_the_fit(cancer, monkeypatch):
    clf = make().fit(*cancer)

    def interrupted(*args):
        raise KeyboardInterrupt

    again = make().fit(cancer[0][:90], cancer[1][:90])
    monkeypatch.setattr(
        "sklearn_relulogit._fit.mean_absolute_contributions", interrupted
    )
    with pytest.raises(KeyboardInterrupt):
        again.fit(*cancer)
    assert again.stop_reason_ == "interrupted"
    assert again.loss_curve_ == clf.loss_curve_
    assert_array_equal(again.coefs_[0], clf.coefs_[0])
    # Those of the earlier fit would be wrong.
    assert not hasattr(again, "feature_importances_")


class Impatient:
    """A callback that presses Ctrl-C after a number of iterations."""

    def __init__(self, left):
        self.left = left

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_init", [1, 3])
def test_a_callback_may_interrupt(cancer, n_init):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has callbacks")
    full, clf = make().fit(*cancer), make(n_init=n_init)
    with pytest.raises(KeyboardInterrupt):
        clf.set_callbacks(Impatient(6)).fit(*cancer)
    assert clf.stop_reason_ == "interrupted"
    assert clf.loss_curve_ == full.loss_curve_[: clf.n_iter_]
    # The iteration that it ends is undone.
    assert clf.n_iter_ == 5


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_a_search_stops_at_once(cancer, n_jobs):
    """An interrupted fit must not be scored."""
    X, y = cancer
    search = GridSearchCV(make(), {"alpha": [0.1, 1.0]}, cv=3, n_jobs=n_jobs)
    interrupt(search.fit, 12, X, y)
    assert not hasattr(search, "cv_results_")
    pipeline = make_pipeline(StandardScaler(), make())
    interrupt(cross_val_score, 12, pipeline, X, y, n_jobs=n_jobs)
    cv = ReLULogisticClassifierCV((5,), alphas=[1.0, 0.1], cv=2, random_state=0)
    interrupt(cv.fit, 12, X, y)
    assert not hasattr(cv, "alpha_")


def test_a_pipeline_has_the_network(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), make())
    interrupt(model.fit, 12, 7 * X + 3, y)
    assert model[-1].stop_reason_ == "interrupted"
    assert model.score(7 * X + 3, y) > 0.9


def test_a_warm_start_goes_on_from_there(cancer):
    X, y = cancer
    full, clf = make().fit(X, y), make(warm_start=True)
    interrupt(clf.fit, 12, X, y)
    before = clf.loss_
    clf.fit(X, y)
    assert clf.stop_reason_ == full.stop_reason_
    assert clf.loss_curve_[0] < before
    assert clf.loss_ == pytest.approx(full.loss_, rel=0.1)


def test_another_exception_leaves_an_earlier_fit_as_it_was(cancer):
    clf = make().fit(*cancer)
    before = dict(vars(clf))
    told = pytest.raises(RuntimeError, match="the disk is gone")
    with watch_evaluations(at=8, error=RuntimeError("the disk is gone")), told:
        clf.fit(*cancer)
    assert vars(clf) == before


SCRIPT = """
    import os, signal, sys, threading, time, warnings
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn_relulogit import ReLULogisticClassifier
    from sklearn_relulogit._model.objective import Objective

    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 50))
    y = rng.integers(0, 2, 20_000)
    model = make_pipeline(StandardScaler(), ReLULogisticClassifier(
        (100,), alpha=1e-6, tol=0, max_iter=10**6, random_state=0, {parameters}
    ))

    call, evaluations, begun = Objective.__call__, [], threading.Event()
    def counted(self, theta):
        evaluations.append(1)
        if len(evaluations) == 8:
            begun.set()
        return call(self, theta)
    Objective.__call__ = counted

    def interrupt():
        begun.wait()
        time.sleep(0.05)  # Somewhere in an evaluation, or between two.
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    warnings.simplefilter("error")
    try:
        model.fit(X, y)
    except KeyboardInterrupt as error:
        print(error)
    clf = model[-1]
    print(clf.stop_reason_, clf.n_iter_ > 0, model.predict(X[:3]).shape)
    print(threading.active_count() <= 3)
"""


def run(script):
    """The output of a script, line by line."""
    # A shell makes background jobs ignore Ctrl-C.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    result = subprocess.run(
        [sys.executable, "-c", heard + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not result.stderr
    return result.stdout.splitlines()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.kill with SIGINT")
@pytest.mark.parametrize("parameters", [slow(""), "n_init=4, n_jobs=2"])
def test_a_real_signal(parameters):
    told, *lines = run(SCRIPT.format(parameters=parameters))
    assert told.startswith("The fit was interrupted after ")
    assert told.endswith(" iterations. It keeps the best parameters that it had found.")
    assert lines == ["interrupted True (3,)", "True"]


TWO_SIGNALS = """
    import os, signal
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier, _fit
    from sklearn_relulogit._model.objective import Objective

    X = np.random.default_rng(0).standard_normal((500, 5))
    y = (X[:, 0] > 0).astype(int)
    clf = ReLULogisticClassifier((5,), alpha=0.1, random_state=0).fit(X, y)
    coefs = clf.coefs_

    call, evaluations = Objective.__call__, []
    def first(self, theta):
        evaluations.append(theta)
        if len(evaluations) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return call(self, theta)
    Objective.__call__ = first
    recorded = _fit.{function}
    def second(*args):
        os.kill(os.getpid(), signal.SIGINT)
        return recorded(*args)
    _fit.{function} = second
    try:
        clf.fit(X, y)
    except KeyboardInterrupt:
        print(clf.coefs_ is coefs, len(evaluations), clf.stop_reason_)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.kill with SIGINT")
@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        ("training_attributes", "True 9 loss tolerance"),
        ("mean_absolute_contributions", "False 9 interrupted"),
    ],
)
def test_a_second_signal_ends_at_once_and_loses_nothing(function, outcome):
    """The estimator is unchanged, or the recorded state is kept."""
    assert run(TWO_SIGNALS.format(function=function)) == [outcome]


def test_the_handler_of_sigint_is_left_alone(cancer):
    before = signal.getsignal(signal.SIGINT)
    make().fit(*cancer)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("task", "n_init"), [("restart", 3), ("fit", 1)])
def test_an_interrupt_by_a_callback_at_the_end_keeps_the_fit(cancer, task, n_init):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has callbacks")

    class Ends:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            if context.task_name == task:
                raise KeyboardInterrupt

    clf = make(n_init=n_init).set_callbacks(Ends())
    with pytest.raises(KeyboardInterrupt, match="best parameters"):
        clf.fit(*cancer)
    assert clf.stop_reason_ == "interrupted"
    assert np.isfinite(clf.predict_proba(cancer[0])).all()
