"""Searches that are watched and stopped: in print, by limits, callbacks and Ctrl-C."""

import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import sklearn
from conftest import assert_same_fit, slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.fixes import parse_version

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

needs_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has callbacks from 1.9 on",
)


def make(**kwargs):
    return ReLULogisticClassifier((5,), random_state=0, **kwargs)


def make_cv(**kwargs):
    kwargs = {"alphas": [30.0, 3.0, 0.3], "cv": 3} | kwargs
    return ReLULogisticClassifierCV((5,), random_state=0, **kwargs)


# What is printed.


def test_verbose_prints_the_search(iris, capsys):
    clf = make(verbose=1).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    n = len(clf.alpha_losses_)
    for line, (alpha, loss) in zip(lines, clf.alpha_losses_.items(), strict=False):
        assert re.fullmatch(
            rf"alpha {alpha:.3g}  loss of the other half {loss:.6f}  \d+\.\d s", line
        )
    assert re.fullmatch(rf"alpha {clf.alpha_:.3g} chosen of {n}  \d+\.\d s", lines[n])
    assert lines[n + 1].startswith("iteration     1  ")
    assert f"alpha {clf.alpha_:.3g}  " in lines[-1]
    # The time is that of the whole fit.
    seconds = [float(line.split()[-2]) for line in lines]
    assert seconds == sorted(seconds)


def test_verbose_2_prints_the_iterations_of_the_search(iris, capsys):
    clf = make(verbose=2).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    alphas = [f"{alpha:.3g}" for alpha in clf.alpha_losses_]
    first = [line for line in lines if line.startswith(f"alpha {alphas[0]}  half 1 of")]
    pattern = r"alpha \S+  half \d of 2  iteration +(\d+)  objective .* \d+\.\d s"
    printed = [int(re.fullmatch(pattern, line)[1]) for line in first]
    assert printed == list(range(1, len(first) + 1))
    halves = {line.split("  ")[1] for line in lines if "  half " in line}
    assert halves == {"half 1 of 2", "half 2 of 2"}


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_verbose_prints_the_path_of_the_cv_class(cancer, capsys, scoring):
    clf = make_cv(verbose=1, scoring=scoring).fit(*cancer)
    lines = capsys.readouterr().out.splitlines()
    printed = {float(line.split()[1]): line for line in lines[:3]}
    for alpha, scores in zip(clf.alphas_, clf.scores_, strict=True):
        assert re.fullmatch(
            rf"alpha {alpha:.3g}  {scoring} {scores.mean():.6f} \+- {scores.std():.6f}"
            r"  \d+\.\d s",
            printed[alpha],
        )
    assert lines[3].startswith(f"alpha {clf.alpha_:.3g} chosen of 3  ")
    assert lines[4].startswith("iteration ")
    assert lines[-1].startswith(f"{clf.stop_reason_} after {clf.n_iter_} iterations")


# Limits.


@pytest.mark.parametrize("limit", [{"max_iter": 1}, {"max_iter": 7}, {"max_fun": 1}])
@pytest.mark.parametrize("maker", [make, make_cv])
def test_limits_bound_the_fits_of_the_search(cancer, limit, maker):
    told = r"search for alpha \d+ of \d+ fits ended by max_iter \(now \d+\) or max_fun"
    with (
        watch_evaluations() as evaluations,
        pytest.warns(ConvergenceWarning, match=told),
    ):
        clf = maker(**limit).fit(*cancer)
    assert np.isfinite(clf.predict_proba(cancer[0])).all()
    n_alphas = len(clf.alphas_ if maker is make_cv else clf.alpha_losses_)
    n_fits = 1 + n_alphas * (3 if maker is make_cv else 2)
    if "max_fun" in limit:
        assert len(evaluations) == n_fits
    else:
        # Line searches take a few evaluations, at most.
        assert len(evaluations) < n_fits * (3 * limit["max_iter"] + 3)


def test_limits_beyond_those_of_the_search_make_no_difference(cancer):
    one, other = (make(max_iter=n).fit(*cancer) for n in (300, 10_000))
    assert_same_fit(one, other)
    assert one.alpha_losses_ == other.alpha_losses_


# Callbacks.


class Recorder:
    """Notes tasks, and may ask to stop at the end of one."""

    def __init__(self, stop=lambda task, number: False):
        self.stop = stop
        self.begun, self.ended, self.fitted, self.losses = [], [], [], {}

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

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
        assert sorted(self.begun) == sorted(self.ended)
        return sum(name == task for name, _ in self.begun)


def n_tried(clf):
    losses = getattr(clf, "alpha_losses_", None)
    return (
        len(losses) if losses is not None else int((~np.isnan(clf.scores_[:, 0])).sum())
    )


@needs_callbacks
@pytest.mark.parametrize("n_init", [1, 2])
@pytest.mark.parametrize("maker", [make, make_cv])
def test_the_search_is_a_task_with_one_for_each_penalty(cancer, maker, n_init):
    X, y = cancer
    recorder = Recorder()
    clf = maker(n_init=n_init).set_callbacks(recorder).fit(X, y)
    assert recorder.begun[:3] == [("fit", 0), ("search", 0), ("penalty", 0)]
    assert recorder.count("penalty") == n_tried(clf)
    assert recorder.count("final-fit") == recorder.count("search") == 1
    assert recorder.count("restart") == (0 if n_init == 1 else n_init)
    if n_init == 1:
        assert recorder.count("lbfgs-iter") == clf.n_iter_
    # Each with a classifier that predicts: in nats, far better than guessing.
    assert len(recorder.losses["penalty"]) == n_tried(clf)
    assert max(recorder.losses["penalty"]) < 0.4
    for task in ("final-fit", "fit"):
        assert recorder.losses[task] == [log_loss(y, clf.predict_proba(X))]
    assert_same_fit(clf, maker(n_init=n_init).fit(X, y))


@needs_callbacks
@pytest.mark.parametrize("maker", [make, make_cv])
def test_a_callback_ends_the_search_and_not_the_fit(cancer, maker):
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


@needs_callbacks
def test_without_refit_there_is_no_final_fit(cancer):
    recorder = Recorder()
    make_cv(refit=False).set_callbacks(recorder).fit(*cancer)
    assert recorder.count("final-fit") == 0
    assert recorder.count("fit") == recorder.count("search") == 1


@needs_callbacks
def test_a_warm_start_does_not_search(cancer):
    clf = make(warm_start=True).fit(*cancer)
    recorder = Recorder()
    clf.set_callbacks(recorder).fit(*cancer)
    assert recorder.count("search") == recorder.count("final-fit") == 0


@needs_callbacks
@pytest.mark.parametrize("maker", [make, make_cv])
def test_the_progress_bar_moves(cancer, capsys, maker):
    from sklearn.callback import ProgressBar

    maker().set_callbacks(ProgressBar()).fit(*cancer)
    out = capsys.readouterr().out
    for task in ("fit", "search #0", "final-fit #1"):
        assert re.search(rf"{maker().__class__.__name__} - {task} .*100%", out)


# Ctrl-C.


def interrupted_at(k, **kwargs):
    """A context in which Ctrl-C comes in the place of the k-th evaluation."""
    return watch_evaluations(at=k, error=KeyboardInterrupt, **kwargs)


def was_interrupted():
    return pytest.warns(ConvergenceWarning, match="interrupted in the search for alpha")


def ends_of_fits(evaluations):
    """The numbers of evaluations after which another objective or penalty comes."""
    keys = [(id(objective.parts), objective.alpha) for objective, _ in evaluations]
    return [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]]


@pytest.mark.parametrize("fits", [0, 1, 2, 3, 4, 5])
def test_an_interrupted_search_keeps_the_best_network_so_far(cancer, fits):
    X, y = cancer
    with watch_evaluations() as evaluations:
        full = make().fit(X, y)
    tried = list(full.alpha_losses_.items())
    at = [0, *ends_of_fits(evaluations)][fits] + 4
    with interrupted_at(at), was_interrupted():
        clf = make(n_init=2).fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    n_done = fits // 2
    assert list(clf.alpha_losses_.items()) == tried[:n_done]
    if n_done:
        assert clf.alpha_losses_[clf.alpha_] == min(clf.alpha_losses_.values())
    assert clf.loss_curve_ == []
    assert (clf.n_iter_, clf.validation_loss_curve_) == (0, None)
    assert_array_equal(clf.restart_losses_, [clf.loss_, np.inf])
    # The objective is that of the network that is kept, written out.
    penalty = clf.alpha_ / 2 * sum((W**2).sum() for W in clf.coefs_) / len(y)
    loss = log_loss(y, clf.predict_proba(X))
    assert clf.loss_ == pytest.approx(loss + penalty, rel=1e-6)
    if n_done:
        assert loss < 0.2


@pytest.mark.parametrize("fits", [1, 2])
def test_the_kept_network_is_that_of_a_half(cancer, fits):
    """Interrupted early in the second half or penalty: the end of the first fit."""
    X, y = cancer
    with watch_evaluations() as evaluations:
        make().fit(X, y)
    ends = ends_of_fits(evaluations)
    with interrupted_at(ends[fits - 1] + 3), was_interrupted():
        clf = make().fit(X, y)
    last = [theta for _, theta in evaluations[: ends[0]]]
    W = clf.coefs_[0].ravel()
    # Among the points that the fit to the first half has been at, near its end.
    distances = [np.abs(theta[: W.size] - W).max() for theta in last]
    assert min(distances) < 1e-12
    assert int(np.argmin(distances)) >= len(last) - 5


@pytest.mark.parametrize("method", ["__call__", "mean_nll"])
def test_before_there_is_anything_to_keep_it_passes_through(cancer, method):
    X, y = cancer
    clf = make(alpha=3.0).fit(X, y)
    clf.set_params(alpha="auto")
    before = vars(clf).copy()
    with interrupted_at(1), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert vars(clf) == before
    # Once there is something, a first judgement that is interrupted loses nothing.
    with interrupted_at(1, method="mean_nll"), was_interrupted():
        clf.fit(X, y)
    assert clf.alpha_losses_ == {}


def test_a_warm_start_goes_on_from_an_interrupted_search(cancer):
    X, y = cancer
    with interrupted_at(60), was_interrupted():
        clf = make(warm_start=True).fit(X, y)
    alpha, loss = clf.alpha_, clf.loss_
    clf.fit(X, y)
    assert clf.alpha_ == alpha
    assert clf.loss_ < loss
    assert clf.n_iter_ > 0


@needs_callbacks
@pytest.mark.parametrize("maker", [make, make_cv])
def test_tasks_end_after_an_interrupt(cancer, maker):
    recorder = Recorder()
    with interrupted_at(100), was_interrupted():
        maker().set_callbacks(recorder).fit(*cancer)
    assert recorder.count("penalty") >= 1
    assert recorder.count("final-fit") == 0


def test_an_interrupted_search_of_the_cv_class_keeps_scores_and_network(cancer):
    X, y = cancer
    full = make_cv().fit(X, y)
    with watch_evaluations() as evaluations:
        make_cv(refit=False).fit(X, y)
    at = [0, *ends_of_fits(evaluations)][4] + 3  # In the second fold's second fit.
    for refit in (True, False):
        with interrupted_at(at), was_interrupted():
            clf = make_cv(refit=refit).fit(X, y)
        done = ~np.isnan(clf.scores_).any(axis=1)
        assert done.sum() == 1
        assert_array_equal(clf.scores_[done], full.scores_[done])
        assert clf.alpha_ == clf.alphas_[done][0]
        assert clf.best_score_ == clf.scores_[done].mean()
        if not refit:
            assert not hasattr(clf, "coefs_")
            continue
        assert (clf.stop_reason_, clf.n_iter_) == ("interrupted", 0)
        # The network of the first fold, which that fold was judged by.
        test = next(iter(StratifiedKFold(3).split(X, y)))[1]
        score = -log_loss(y[test], clf.predict_proba(X[test]))
        assert score == pytest.approx(clf.scores_[done][0, 0], rel=1e-9)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_an_early_interrupt_of_the_cv_class(cancer, scoring):
    X, y = cancer
    clf = make_cv(scoring=scoring)
    before = vars(clf).copy()
    with interrupted_at(1), pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert vars(clf) == before
    with interrupted_at(9), pytest.raises(KeyboardInterrupt):
        make_cv(scoring=scoring, refit=False).fit(X, y)
    with interrupted_at(9), was_interrupted():
        clf.fit(X, y)
    assert np.isnan(clf.scores_).all()
    assert np.isnan(clf.best_score_)
    assert clf.alpha_ in clf.alphas_
    assert np.isfinite(clf.predict_proba(X)).all()


def test_an_interrupt_of_the_final_fit_is_as_ever(cancer):
    X, y = cancer
    with watch_evaluations() as evaluations:
        full = make_cv().fit(X, y)
    with (
        interrupted_at(len(evaluations) - 5),
        pytest.warns(ConvergenceWarning, match="was interrupted after"),
    ):
        clf = make_cv().fit(X, y)
    assert_array_equal(clf.scores_, full.scores_)
    assert clf.n_iter_ > 0


SCRIPT = """
    import os, signal, sys, threading, time, warnings
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
    from sklearn_relulogit._search import watch

    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 50))
    y = (X[:, 0] * X[:, 1] + rng.standard_normal(4000) > 0).astype(int)
    clf = {estimator}
    begun = threading.Event()

    def interrupt():
        begun.wait()
        time.sleep(0.2)  # Somewhere in the fits of the second penalty.
        os.kill(os.getpid(), signal.SIGINT)

    for printer in (watch.PenaltyPrinter, watch.ScorePrinter):
        printer.end = lambda *args: begun.set() or False
    threading.Thread(target=interrupt, daemon=True).start()
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        clf.fit(X, y)
    told = [w for w in record if "interrupted in the search" in str(w.message)]
    print(clf.stop_reason_, len(told), clf.predict(X[:3]).shape)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no os.kill with SIGINT")
@pytest.mark.parametrize(
    "estimator",
    [
        "ReLULogisticClassifier((200, 100), random_state=0)",
        slow("ReLULogisticClassifierCV((200, 100), alphas=[100, 10, 1], cv=3)"),
        slow("ReLULogisticClassifierCV((200,), alphas=[100, 10, 1], cv=3, n_jobs=2)"),
    ],
)
def test_a_real_signal(estimator):
    script = textwrap.dedent(SCRIPT).format(estimator=estimator)
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200
    )
    assert result.stdout.splitlines() == ["interrupted 1 (3,)"], result.stderr
