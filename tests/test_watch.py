"""Searches that are watched and stopped: printed lines, limits and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import assert_same_fit, slow, watch_evaluations
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV


def make(**kwargs):
    return ReLULogisticClassifier((5,), random_state=0, **kwargs)


def make_cv(**kwargs):
    kwargs = {"alphas": [30.0, 3.0, 0.3], "cv": 3} | kwargs
    return ReLULogisticClassifierCV((5,), random_state=0, **kwargs)


# Printed lines.


def test_verbose_prints_the_search(iris, capsys):
    clf = make(verbose=1).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    # With another relevance of the features, penalties are tried again.
    weighed = [line for line in lines if line.startswith("relevance of features to")]
    assert 2 <= len(weighed) <= 4
    lines = [line for line in lines if "relevance of features to" not in line[:40]]
    searched = [line for line in lines if "loss of the other half" in line]
    assert lines[: len(searched)] == searched
    told = "\n".join(searched)
    for alpha, loss in clf.alpha_losses_.items():
        assert re.search(
            rf"^alpha {alpha:.3g}  loss of the other half {loss:.6f}  \d+\.\d s$",
            told,
            re.MULTILINE,
        )
    chosen, first = lines[len(searched) :][:2]
    assert re.fullmatch(
        rf"alpha {clf.alpha_:.3g} chosen of {len(searched)}(  | with).*\d+\.\d s",
        chosen,
    )
    assert first.startswith("iteration     1  ")
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
    again = [*printed[1:], 1].index(1) + 1
    assert printed[:again] == list(range(1, again + 1))
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
    told = r"search for alpha \d+ of \d+ fits reached max_iter \(now \d+\) or max_fun"
    with (
        watch_evaluations() as evaluations,
        pytest.warns(ConvergenceWarning, match=told) as record,
    ):
        clf = maker(**limit).fit(*cancer)
    assert np.isfinite(clf.predict_proba(cancer[0])).all()
    n_alphas = len(clf.alphas_ if maker is make_cv else clf.alpha_losses_)
    (message,) = [str(warning.message) for warning in record]
    n_limited, n_all = re.search(r"(\d+) of (\d+) fits", message).groups()
    n_fits = int(n_all)
    if maker is make_cv:
        assert n_fits == 3 * n_alphas
    else:
        # With another relevance of the features, penalties are tried again.
        assert n_fits % 2 == 0
        assert n_fits >= 2 * n_alphas
    assert int(n_limited) == n_fits or limit == {"max_iter": 7}
    if "max_fun" in limit:
        assert len(evaluations) == n_fits + 1
    else:
        # Line searches take a few evaluations, at most.
        assert len(evaluations) < (n_fits + 1) * (3 * limit["max_iter"] + 3)


def test_limits_beyond_those_of_the_search_make_no_difference(cancer):
    limits = [{"max_iter": 300, "max_fun": 600}, {"max_iter": 10**4, "max_fun": 10**5}]
    one, other = (make(**limit).fit(*cancer) for limit in limits)
    assert_same_fit(one, other)
    assert one.alpha_losses_ == other.alpha_losses_


@pytest.mark.parametrize("maker", [make, make_cv])
def test_the_own_limit_of_a_search_is_not_told_of(monkeypatch, cancer, maker):
    """The user cannot increase it."""
    monkeypatch.setattr("sklearn_relulogit._search.walk.MAX_ITER", 5)
    with watch_evaluations() as evaluations:
        clf = maker().fit(*cancer)
    assert len(evaluations) - clf.n_evaluations_ < 3 * 6 * 20
    # At it, a limit is still the search's; below it, the user's.
    with pytest.warns(ConvergenceWarning) as record:
        maker(max_iter=5, max_fun=10).fit(*cancer)
    assert not any("In the search" in str(told.message) for told in record)
    with pytest.warns(ConvergenceWarning, match="In the search for alpha"):
        maker(max_iter=4).fit(*cancer)


# Ctrl-C.


def interrupted_at(k, **kwargs):
    """A context with Ctrl-C instead of the k-th evaluation."""
    return watch_evaluations(at=k, error=KeyboardInterrupt, **kwargs)


@pytest.mark.parametrize("maker", [make, make_cv])
@pytest.mark.parametrize(
    ("at", "method"),
    [(1, "__call__"), (9, "__call__"), (60, "__call__"), (1, "mean_nll")],
)
def test_an_interrupted_search_leaves_nothing(cancer, maker, at, method):
    clf = maker()
    before = vars(clf).copy()
    for _ in range(2):
        told = pytest.raises(KeyboardInterrupt)
        with interrupted_at(at, method=method) as evaluations, told:
            clf.fit(*cancer)
        assert len(evaluations) == at
        assert vars(clf) == before
        # An earlier fit loses nothing either.
        before = vars(clf.fit(*cancer)).copy()


@pytest.mark.parametrize("maker", [make, make_cv])
def test_an_interrupted_final_fit_keeps_what_the_search_found(cancer, maker):
    X, y = cancer
    with watch_evaluations() as evaluations:
        full = maker().fit(X, y)
    clf = maker()
    at = len(evaluations) - 5
    with interrupted_at(at), pytest.raises(KeyboardInterrupt, match="best parameters"):
        clf.fit(X, y)
    assert clf.stop_reason_ == "interrupted"
    assert clf.alpha_ == full.alpha_
    assert 0 < clf.n_iter_ < full.n_iter_
    assert clf.loss_curve_ == full.loss_curve_[: clf.n_iter_]
    assert np.isfinite(clf.predict_proba(X)).all()
    if maker is make_cv:
        assert_array_equal(clf.scores_, full.scores_)
    else:
        assert clf.alpha_losses_ == full.alpha_losses_


@pytest.mark.parametrize("alpha", ["auto", 3.0])
def test_one_interrupt_ends_a_search_of_another_kind(cancer, alpha):
    grid = GridSearchCV(make(alpha=alpha), {"tol": [1e-4, 1e-3]}, cv=2)
    with interrupted_at(20) as evaluations, pytest.raises(KeyboardInterrupt):
        grid.fit(*cancer)
    assert len(evaluations) == 20


SCRIPT = """
    import signal
    # A job in the background of a shell inherits that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 50))
    y = (X[:, 0] * X[:, 1] + rng.standard_normal(2000) > 0).astype(int)
    clf = {estimator}.set_params(verbose=1, random_state=0)
    before = vars(clf).copy()
    try:
        clf.fit(X, y)
    except KeyboardInterrupt:
        print("ended", vars(clf) == before)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(
    "estimator",
    [
        "ReLULogisticClassifier((60, 30))",
        slow("ReLULogisticClassifierCV((60, 30), alphas=[100, 10, 1], cv=3)"),
        slow("ReLULogisticClassifierCV((100,), alphas=[100, 10, 1], cv=3, n_jobs=2)"),
    ],
)
def test_a_real_signal(estimator):
    script = textwrap.dedent(SCRIPT).format(estimator=estimator)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline().startswith("alpha 10  ")
        # Somewhere in the fits of the second penalty.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=200)
    assert out.splitlines() == ["ended True"], err
