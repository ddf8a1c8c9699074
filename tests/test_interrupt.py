"""Ctrl-C: the best parameters so far are kept."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier


def make(**kwargs):
    return ReLULogisticClassifier((5,), random_state=0, alpha=0.1, **kwargs)


def was_interrupted(when="after"):
    return pytest.warns(ConvergenceWarning, match=f"was interrupted {when}")


def interrupted_at(k, **kwargs):
    """A context in which Ctrl-C comes in the place of the k-th evaluation."""
    return watch_evaluations(at=k, error=KeyboardInterrupt, **kwargs)


@pytest.mark.parametrize("k", [2, 3, 10, 25])
def test_the_last_iterate_is_kept(cancer, k):
    X, y = cancer
    full = make().fit(X, y)
    with interrupted_at(k), was_interrupted():
        clf = make().fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    assert clf.n_evaluations_ == k - 1
    assert clf.n_iter_ < k
    assert clf.loss_curve_ == full.loss_curve_[: clf.n_iter_]
    if clf.n_iter_:
        assert clf.loss_ == clf.loss_curve_[-1]
    assert np.isfinite(clf.predict_proba(X)).all()


def test_before_there_is_anything_to_keep_it_passes_through(cancer):
    X, y = cancer
    clf = make().fit(X, y)
    coefs = clf.coefs_
    with interrupted_at(1), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert clf.coefs_ is coefs


def test_no_further_start_begins(cancer):
    X, y = cancer
    with interrupted_at(15), was_interrupted():
        clf = make(n_init=3).fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    assert np.isfinite(clf.restart_losses_[0])
    assert_array_equal(clf.restart_losses_[1:], np.inf)


def test_a_finished_start_is_kept_if_it_is_better(cancer):
    X, y = cancer
    first = make().fit(X, y)
    with interrupted_at(first.n_evaluations_ + 3), was_interrupted():
        clf = make(n_init=3).fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    assert clf.loss_ == first.loss_


def test_early_stopping_keeps_its_best(cancer):
    X, y = cancer
    with interrupted_at(12), was_interrupted():
        clf = make(early_stopping=True).fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    best = int(np.argmin(clf.validation_loss_curve_))
    assert clf.loss_ == clf.loss_curve_[best]


def test_an_interrupt_of_the_validation_undoes_the_iteration(cancer):
    X, y = cancer
    with interrupted_at(6, method="mean_nll"), was_interrupted("after 5 iterations"):
        clf = make().fit(X, y, X_val=X, y_val=y)
    assert len(clf.validation_loss_curve_) == len(clf.loss_curve_) == clf.n_iter_ == 5
    assert clf.loss_ == clf.loss_curve_[-1]


def test_an_exception_leaves_an_earlier_fit_as_it_was(cancer):
    X, y = cancer
    clf = make().fit(X, y)
    before = dict(vars(clf))
    told = pytest.raises(RuntimeError, match="the disk is gone")
    with watch_evaluations(at=8, error=RuntimeError("the disk is gone")), told:
        clf.fit(X, y)
    assert vars(clf) == before


SCRIPT = """
    import os, signal, sys, threading, time, warnings
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier
    from sklearn_relulogit._model.objective import Objective

    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 50))
    y = rng.integers(0, 2, 20_000)
    clf = ReLULogisticClassifier(
        (100,), alpha=1e-6, tol=0, max_iter=10**6, random_state=0, {parameters}
    )

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
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        clf.fit(X, y)
    print(clf.stop_reason_, clf.n_iter_ > 0, len(record), clf.predict(X[:3]).shape)
    print(threading.active_count() <= 3)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.kill with SIGINT")
@pytest.mark.parametrize(
    "parameters",
    [
        "",
        slow("n_init=3"),
        slow("n_init=4, n_jobs=2"),
    ],
)
def test_a_real_signal(parameters):
    script = textwrap.dedent(SCRIPT).format(parameters=parameters)
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert result.stdout.splitlines() == ["interrupted True 1 (3,)", "True"], (
        result.stderr
    )


TWO_SIGNALS = """
    import os, signal, sys, threading, time
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier
    from sklearn_relulogit._model.objective import Objective

    X = np.random.default_rng(0).standard_normal((500, 5))
    y = (X[:, 0] > 0).astype(int)
    clf = ReLULogisticClassifier((5,), alpha=0.1, random_state=0).fit(X, y)
    coefs = clf.coefs_

    call, evaluations = Objective.__call__, []
    def first(self, theta):
        evaluations.append(theta)
        if len(evaluations) == 9:
            print("first", flush=True)
            os.kill(os.getpid(), signal.SIGINT)
        return call(self, theta)
    Objective.__call__ = first
    record = ReLULogisticClassifier._record
    def second(self, fit):
        print("second, as the fit ends:", fit.best.end.stop_reason, flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        return record(self, fit)
    ReLULogisticClassifier._record = second
    try:
        clf.fit(X, y)
    except KeyboardInterrupt:
        print("ended at once", clf.coefs_ is coefs, len(evaluations))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.kill with SIGINT")
def test_a_second_signal_ends_at_once_and_loses_nothing():
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_SIGNALS)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.splitlines() == [
        "first",
        "second, as the fit ends: interrupted",
        "ended at once True 9",
    ], result.stderr


def test_the_handler_of_sigint_is_left_alone(cancer):
    before = signal.getsignal(signal.SIGINT)
    make().fit(*cancer)
    assert signal.getsignal(signal.SIGINT) is before
