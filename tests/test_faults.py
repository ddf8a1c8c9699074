"""Failures around a fit: it ends correctly or with a clear error, and loses nothing."""

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import joblib
import numpy as np
import pytest
import scipy.sparse
from conftest import slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_relulogit import (
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    _threads,
)
from sklearn_relulogit._model.blocks import row_parts
from sklearn_relulogit._threads import n_blas_threads, single_threaded_blas

X, Y = make_classification(200, 8, n_informative=5, flip_y=0.1, random_state=0)


def make(hidden=(5,), **kwargs):
    return ReLULogisticClassifier(
        hidden, **({"alpha": 0.1, "random_state": 0} | kwargs)
    )


def make_cv(**kwargs):
    return ReLULogisticClassifierCV(
        (4,), alphas=[10, 1], cv=2, random_state=0, **kwargs
    )


ESTIMATORS = {
    "number": make,
    "auto": lambda: make(alpha="auto"),
    "restarts": lambda: make(n_init=3),
    "early stopping": lambda: make(early_stopping=True),
    "warm start": lambda: make(warm_start=True),
    "cv": make_cv,
}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        *((kind, KeyboardInterrupt) for kind in ESTIMATORS if kind != "restarts"),
        slow("restarts", KeyboardInterrupt),
        ("number", MemoryError),
        *(slow(kind, MemoryError) for kind in ESTIMATORS if kind != "number"),
        *(slow(kind, RuntimeError) for kind in ESTIMATORS),
    ],
)
def test_an_exception_at_each_evaluation(kind, error):
    """It may come in the search, in each start and in line searches.

    Afterwards the fit is kept, or the estimator is unchanged.
    """
    fitted = ESTIMATORS[kind]().fit(X, Y)
    with watch_evaluations() as evaluations:
        copy.deepcopy(fitted).fit(X, Y)
    n = len(evaluations)
    threads = threading.active_count()
    kept = 0
    for k in range(1, n + 1, max(1, n // 25)):
        clf = copy.deepcopy(fitted)
        before = dict(vars(clf))
        with watch_evaluations(at=k, error=error), pytest.raises(error):
            clf.fit(X, Y)
        if not is_as(clf, before):
            assert error is KeyboardInterrupt
            assert k > 1
            assert clf.stop_reason_ == "interrupted"
            assert np.isfinite(clf.predict_log_proba(X)).all()
            kept += 1
        assert single_threaded_blas_is_over()
    assert threading.active_count() == threads
    assert (kept > 0) == (error is KeyboardInterrupt)


def is_as(clf, before):
    """Whether all attributes of an estimator are unchanged."""
    now = vars(clf)
    return now.keys() == before.keys() and all(
        now[name] is before[name] for name in now
    )


def single_threaded_blas_is_over():
    return _threads._n_holders == 0


def no_more_threads_than(number):
    """Wait until it holds, since joblib's threads end a moment after their work."""
    for _ in range(100):
        if threading.active_count() <= number:
            return True
        time.sleep(0.1)
    return False


def test_an_interrupt_inside_the_line_search():
    """Some of the interrupted evaluations are trial steps that were not accepted."""
    clf = make((8, 8), alpha=0.0, max_iter=30)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, Y)
    assert clf.n_evaluations_ > clf.n_iter_ + 1
    curve = clf.loss_curve_
    for k in range(2, clf.n_evaluations_ + 1):
        again = make((8, 8), alpha=0.0, max_iter=30)
        interrupted = watch_evaluations(at=k, error=KeyboardInterrupt)
        with interrupted, pytest.raises(KeyboardInterrupt):
            again.fit(X, Y)
        assert again.loss_curve_ == curve[: again.n_iter_]


LARGE = make_classification(20_000, 20, n_informative=5, flip_y=0.1, random_state=0)


@pytest.mark.parametrize("n_that_start", [0, 1])
def test_threads_that_do_not_start_are_done_without(n_that_start, monkeypatch):
    expected = make((20, 20), tol=0.05, n_threads=1).fit(*LARGE)
    assert len(row_parts(LARGE[0], [(20, 20), (20, 20), (20, 1)])) > 2

    class FewThreads(concurrent.futures.ThreadPoolExecutor):
        n_submitted = 0

        def submit(self, *args, **kwargs):
            FewThreads.n_submitted += 1
            if FewThreads.n_submitted > n_that_start:
                raise RuntimeError("can't start new thread")
            return super().submit(*args, **kwargs)

    monkeypatch.setattr(_threads, "ThreadPoolExecutor", FewThreads)
    clf = make((20, 20), tol=0.05, n_threads=3).fit(*LARGE)
    assert FewThreads.n_submitted > n_that_start
    assert clf.loss_curve_ == expected.loss_curve_
    assert_array_equal(clf.coefs_[0], expected.coefs_[0])


def run(script, *arguments):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


# With one thread: if a new thread cannot allocate its first memory, Python hangs in
# `Thread.start`.
MEMORY = """
    import gc, resource, warnings
    from contextlib import contextmanager
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

    warnings.simplefilter("ignore", ConvergenceWarning)  # few iterations are meant
    few = {"max_iter": 3, "n_threads": 1, "random_state": 0}

    @contextmanager
    def room(megabytes):
        gc.collect()
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmSize"))
        limit = int(line.split()[1]) * 1024 + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)

    def outcome_of(function, *arguments):
        try:
            function(*arguments)
        except MemoryError:
            return "refused"
        return "done"
"""

# The data take 38 megabytes as float64, more than the allocator keeps after a release.
REFUSED_DATA = """
    rng = np.random.RandomState(0)
    X = rng.randint(-2, 3, (40_000, 120)).astype(np.int8)
    y = (X[:, 0] > rng.randint(-2, 3, 40_000)).astype(int)
    clf = {clf}
    clf.fit(X[:500], y[:500])
    np.ones((1000, 1000)) @ np.ones((1000, 1000))  # OpenBLAS has its buffers now.
    for megabytes in (0, 10, 2000):
        before = dict(vars(clf))
        with room(megabytes):
            fit = outcome_of(clf.fit, X, y)
        assert fit == "done" or vars(clf) == before
        with room(megabytes):
            predict = outcome_of(clf.predict_proba, X)
        print(fit, predict, flush=True)
"""

# Refused after the checks of the data: each copy of 4 million parameters takes 32
# megabytes.
REFUSED_NETWORK = """
    clf = ReLULogisticClassifier((2000, 2000), alpha=3.0, **few)
    for megabytes in range(0, 120, 20):
        with room(megabytes):
            print(outcome_of(clf.fit, np.eye(50), np.arange(50) % 2), flush=True)
        assert vars(clf).keys() == clf.get_params().keys()
"""


def run_in_a_thread(script):
    """Run it in a thread, whose stack has all its memory from the start.

    The stack of the main thread grows, and the system kills a process if it cannot.
    """
    return run(f"""
import threading
thread = threading.Thread(target=exec, args=({textwrap.dedent(script)!r}, {{}}))
thread.start()
thread.join()
""")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sets RLIMIT_AS and reads /proc")
@pytest.mark.parametrize(
    "clf",
    [
        "ReLULogisticClassifier((60, 30), alpha=3.0, **few)",
        "ReLULogisticClassifier((60, 30), alpha='auto', **few)",
        "ReLULogisticClassifierCV((60, 30), alphas=[3.0], cv=2, **few)",
    ],
    ids=["number", "auto", "cv"],
)
def test_memory_refused_for_the_data_is_a_memory_error_and_loses_nothing(clf):
    assert run_in_a_thread(MEMORY + REFUSED_DATA.format(clf=clf)) == [
        "refused refused",
        "refused refused",
        "done done",
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sets RLIMIT_AS and reads /proc")
def test_memory_refused_for_the_network_is_a_memory_error_and_loses_nothing():
    assert run_in_a_thread(MEMORY + REFUSED_NETWORK) == ["refused"] * 6


FORK = """
    import os, threading, time
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier
    from sklearn_relulogit._threads import n_blas_threads

    rng = np.random.RandomState(0)
    X = rng.standard_normal((20_000, 20))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)

    def make(**kwargs):
        return ReLULogisticClassifier(
            (20,), alpha=1.0, n_threads=2, random_state=0, **kwargs
        )

    before = n_blas_threads()
    expected = make().fit(X[:8000], y[:8000]).loss_
    stop = threading.Event()

    def others():
        while not stop.is_set():
            make().fit(X, y)

    thread = threading.Thread(target=others)
    thread.start()
    for number in range(5):
        time.sleep(0.05)
        child = os.fork()
        if child == 0:
            # The thread that holds BLAS is not here.
            right = make().fit(X[:8000], y[:8000]).loss_ == expected
            os._exit(0 if right else 1)
        for _ in range(600):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.1)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            status = "stuck"
        print(status)
    stop.set()
    thread.join()
    print(n_blas_threads() == before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_fork_while_a_fit_runs_in_another_thread():
    # Newer Pythons warn about any fork with threads.
    script = FORK.replace(
        "import os,", "import warnings; warnings.simplefilter('ignore'); import os,"
    )
    assert run(script) == ["0"] * 5 + ["True"]


def fit_of(alpha):
    return make(alpha=alpha, n_threads=2).fit(X, Y).loss_curve_


@pytest.mark.parametrize(
    "backend",
    [
        "threading",
        *(slow(backend) for backend in ("loky", "multiprocessing")),
    ],
)
def test_the_backends_of_joblib(backend):
    expected = [fit_of(alpha) for alpha in (0.1, 1.0, 10.0)]
    with joblib.parallel_backend(backend, n_jobs=2):
        fits = joblib.Parallel()(
            joblib.delayed(fit_of)(alpha) for alpha in (0.1, 1.0, 10.0)
        )
        assert fits == expected
        restarts = make(n_init=3).fit(X, Y)
        search = make_cv().fit(X, Y)
    assert restarts.loss_curve_ == make(n_init=3).fit(X, Y).loss_curve_
    assert search.loss_curve_ == make_cv().fit(X, Y).loss_curve_
    assert_array_equal(search.scores_, make_cv().fit(X, Y).scores_)


@pytest.mark.slow
def test_fits_with_different_settings_at_the_same_time():
    makers = [
        lambda: make((10,), alpha=0.3),
        lambda: make((), alpha=2.0),
        lambda: make((4, 4), alpha="auto", n_threads=2),
        lambda: make((6,), n_init=3, n_jobs=2),
        lambda: make_cv(),
        lambda: make((5,), early_stopping=True, n_threads=2),
    ]
    data = [(X, Y), (X[::2].astype(np.float32), Y[::2]), (scipy.sparse.csr_array(X), Y)]
    tasks = [(maker, pair) for maker in makers for pair in data]

    def fit(task):
        maker, pair = task
        clf = maker().fit(*pair)
        return clf.loss_curve_, clf.predict_proba(pair[0])

    alone = [fit(task) for task in tasks]
    with threadpool_limits(2, user_api="blas"):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            together = list(pool.map(fit, tasks))
        assert n_blas_threads() == 2
    for (curve, proba), (other_curve, other_proba) in zip(alone, together, strict=True):
        assert curve == other_curve
        assert_array_equal(proba, other_proba)


def test_a_daemon_thread():
    results = []
    thread = threading.Thread(
        target=lambda: results.append(make(n_threads=2, tol=0.05).fit(*LARGE).loss_),
        daemon=True,
    )
    thread.start()
    thread.join()
    assert results == [make(n_threads=1, tol=0.05).fit(*LARGE).loss_]


def in_a_daemon_process(queue):
    queue.put(make_cv(n_jobs=2).fit(X, Y).alpha_)


@pytest.mark.slow
def test_a_daemon_process():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=in_a_daemon_process, args=(queue,), daemon=True)
    process.start()
    assert queue.get() == make_cv().fit(X, Y).alpha_
    process.join()


AT_EXIT = """
    import threading, time
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier

    rng = np.random.RandomState(0)
    X = rng.standard_normal((20_000, 20))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    started = threading.Event()

    def work():
        {before}
        started.set()
        clf = ReLULogisticClassifier((20,), alpha=1.0, n_threads=2, random_state=0)
        print(clf.fit(X, y).n_iter_ > 0, flush=True)

    threading.Thread(target=work, daemon={daemon}).start()
    {after}
"""


@pytest.mark.slow
@pytest.mark.parametrize("daemon", [True, False])
def test_the_interpreter_ends_during_a_fit(daemon):
    """A daemon thread is cut off. Another one finishes, but may start no threads."""
    after = "started.wait(); time.sleep(0.2)" if daemon else "pass"
    before = "pass" if daemon else "time.sleep(0.5)  # until the main thread is done"
    lines = run(AT_EXIT.format(daemon=daemon, before=before, after=after))
    assert lines == ["True"] or (daemon and lines == [])


def test_pickling_in_the_middle_of_a_fit():
    """Another thread, or a callback, may copy the estimator during a fit."""
    clf = make(warm_start=True).fit(X, Y)
    copies = []

    def copy_it():
        copies.append(pickle.loads(pickle.dumps(clf)))

    expected = clf.predict_proba(X)
    with watch_evaluations(action=copy_it):
        clf.set_params(alpha=3.0).fit(X, Y)
    assert len(copies) == clf.n_evaluations_
    for one in copies:
        assert_array_equal(one.predict_proba(X), expected)


class Failing:
    """A callback that fails at the k-th call of one of its methods."""

    def __init__(self, hook, k):
        self.left = {hook: k}

    def _call(self, name):
        if name in self.left:
            self.left[name] -= 1
            if self.left[name] == 0:
                raise RuntimeError("the callback is broken")

    def setup(self, estimator, context):
        self._call("setup")

    def teardown(self, estimator, context):
        self._call("teardown")

    def on_fit_task_begin(self, estimator, context):
        self._call("on_fit_task_begin")

    def on_fit_task_end(self, estimator, context):
        self._call("on_fit_task_end")
        return False


@pytest.mark.parametrize("n_init", [1, 2])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    "hook", ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"]
)
def test_an_exception_at_each_call_of_a_callback(hook, n_init, n_jobs):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 has callbacks")
    clf = make((2,), max_iter=30, n_init=n_init, n_jobs=n_jobs, tol=5e-2).fit(X, Y)
    threads = threading.active_count()
    for k in range(1, 200):
        clf.set_callbacks(Failing(hook, k))
        before = dict(vars(clf))
        try:
            clf.fit(X, Y)
        except RuntimeError as error:
            assert str(error) == "the callback is broken"
            assert vars(clf) == before
        else:
            break
        assert single_threaded_blas_is_over()
        assert no_more_threads_than(threads)
    # As often as the method is called.
    assert k > (1 if hook in ("setup", "teardown") else 5)


class InterruptAtLine:
    """Runs a function, and raises KeyboardInterrupt at the package's n-th line."""

    PACKAGE = os.path.dirname(_threads.__file__)
    # An interrupt inside the limit itself may leave BLAS at one thread.
    EXEMPT = _threads.__file__

    def run(self, function, target=None):
        """The number of lines that were run."""
        self.count, self.target = 0, target
        previous = sys.gettrace()
        sys.settrace(self._trace)
        try:
            function()
        finally:
            sys.settrace(previous)
        return self.count

    def _trace(self, frame, event, argument):
        name = frame.f_code.co_filename
        if not name.startswith(self.PACKAGE) or name == self.EXEMPT:
            return None
        if event == "line":
            self.count += 1
            if self.count == self.target:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.slow
def test_an_interrupt_at_any_line():
    """Wherever the interrupt comes, the fit is kept or the estimator is unchanged."""
    clf = make((2,), alpha="auto", n_threads=1, max_iter=5, tol=1e-2)

    def fit():
        with pytest.warns(ConvergenceWarning):
            clf.fit(X[:40], Y[:40])

    interrupted = InterruptAtLine()
    n_lines = interrupted.run(fit)
    outcomes = {"kept": 0, "as before": 0}
    for number in range(1, n_lines, max(1, n_lines // 100)):
        before = dict(vars(clf))
        with pytest.raises(KeyboardInterrupt):
            interrupted.run(fit, target=number)
        if is_as(clf, before):
            outcomes["as before"] += 1
        else:
            # Or it came after the fit, while warning.
            assert clf.stop_reason_ == "interrupted" or number > n_lines - 5
            assert np.isfinite(clf.predict_log_proba(X)).all()
            outcomes["kept"] += 1
        assert single_threaded_blas_is_over()
    assert min(outcomes.values()) > 0


def test_blas_is_given_back_whatever_happens_within():
    with threadpool_limits(2, user_api="blas"):
        for error in (KeyboardInterrupt, MemoryError):
            with pytest.raises(error), single_threaded_blas():
                raise error
            assert n_blas_threads() == 2
