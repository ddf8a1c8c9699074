"""Printed progress, and the calls of the monitors."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._optimize import lbfgs
from sklearn_relulogit._optimize.monitors import Report, Validation, Watcher

LINE = (
    r"iteration +(\d+)  objective (\d\.\d{6})  gradient \d\.\de[+-]\d\d"
    r"(?:  validation loss (\d\.\d{6}))?  \d+\.\d s"
)


def fit_and_read(capsys, iris, **kwargs):
    kwargs = {"alpha": 5.0, "random_state": 0} | kwargs
    clf = ReLULogisticClassifier((4,), **kwargs).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    return clf, [re.fullmatch(LINE, line) for line in lines[:-1]], lines


@pytest.mark.parametrize(("verbose", "every"), [(1, 10), (True, 10), (2, 1)])
def test_verbose_prints_the_state_of_the_fit(capsys, iris, verbose, every):
    clf, matches, lines = fit_and_read(capsys, iris, verbose=verbose)
    assert all(matches)
    assert re.fullmatch(
        rf"{clf.stop_reason_} after {clf.n_iter_} iterations  "
        rf"objective {clf.loss_:.6f}  alpha 5  \d+\.\d s",
        lines[-1],
    )
    printed = [int(match[1]) for match in matches]
    n = clf.n_iter_
    assert printed == sorted({1, *range(every, n + 1, every), n})
    for match in matches:
        assert float(match[2]) == pytest.approx(
            clf.loss_curve_[int(match[1]) - 1], abs=1e-6
        )
        assert match[3] is None


def test_verbose_prints_the_validation_loss(capsys, iris):
    clf, matches, _ = fit_and_read(capsys, iris, verbose=1, early_stopping=True)
    for match in matches:
        assert float(match[3]) == pytest.approx(
            clf.validation_loss_curve_[int(match[1]) - 1], abs=1e-6
        )


def test_verbose_names_the_start(capsys, iris):
    _, _, lines = fit_and_read(capsys, iris, verbose=1, n_init=2)
    assert {line[:14] for line in lines[:-1]} == {"start 1 of 2  ", "start 2 of 2  "}


def test_verbose_says_which_sizes_of_the_features_the_search_goes_on_with(
    capsys, cancer
):
    _, _, lines = fit_and_read(capsys, cancer, verbose=1, alpha="auto")
    text = [line.rsplit("  ", 1)[0] for line in lines]
    way = "relevance of features to the power 0.5 by the "
    first, second = text.index(f"{way}linear model"), text.index(f"{way}network")

    def penalty_and_loss(line):
        match = re.fullmatch(r"alpha (\S+)  loss of the other half (\S+)", line)
        return match[1], float(match[2])

    # Both are tried at the same penalty.
    (alpha, loss), (other, its_loss) = (
        penalty_and_loss(text[index + 1]) for index in (first, second)
    )
    assert second == first + 2
    assert alpha == other
    better = "linear model" if loss < its_loss else "network"
    assert text[second + 2] == f"on with {way}{better}"
    assert penalty_and_loss(text[second + 3])[0] != alpha


def test_nothing_is_printed_by_default(capsys, iris):
    _, _, lines = fit_and_read(capsys, iris)
    assert lines == []


def test_errors(iris):
    for value in (-1, "yes", None):
        with pytest.raises(ValueError, match="'verbose' parameter of ReLULog"):
            ReLULogisticClassifier((4,), verbose=value).fit(*iris)


def test_the_seconds_are_those_since_the_beginning(capsys, monkeypatch):
    """By a clock that is read twice."""
    readings = iter([10.0, 12.34])
    monkeypatch.setattr(time, "perf_counter", lambda: next(readings))
    Report(1).line("now")
    assert capsys.readouterr().out == "now  2.3 s\n"


@pytest.mark.parametrize("patience", [1, 2, 5, np.inf, None])
@pytest.mark.parametrize("tol", [0.0, 1e-2, 0.3])
def test_validation_waits_for_a_loss_below_that_before(patience, tol):
    """As documented: after that many iterations without a gain of this share."""
    for seed in range(20):
        rng = np.random.RandomState(seed)
        losses = np.maximum.accumulate(rng.uniform(size=30))[::-1] - 0.3 * (seed % 2)
        losses = losses + 0.05 * rng.standard_normal(30)
        curve = iter(losses)
        validation = Validation(
            SimpleNamespace(mean_nll=lambda theta, curve=curve: next(curve)),
            patience,
            tol,
        )
        # The iteration of the last gain, and the one at which it is too long ago.
        mark, expected = 0, None
        for i, loss in enumerate(losses):
            if loss < losses[mark] - tol * abs(losses[mark]):
                mark = i
            if patience is not None and i - mark >= patience:
                expected = i
                break
        for i in range(30):
            iterate = lbfgs.Iterate(np.zeros(1), np.zeros(1), 0.0, np.zeros(1), i + 1)
            told = validation.end_iteration(iterate)
            assert told == ("validation loss" if i == expected else None)
            if told:
                break
        assert validation.losses == list(losses[: i + 1])
        assert validation.best_loss == losses[: i + 1].min()
        assert validation.best.n_iter == losses[: i + 1].argmin() + 1


def test_a_watcher_by_itself_watches_nothing_and_ends_nothing():
    watcher = Watcher()
    watcher.begin(1.0)
    assert watcher.monitors(1.0, 0) == []
    assert not watcher.end(1.0, np.zeros(2), 0.0, np.zeros(3))


def test_a_report_is_silent_unless_it_is_asked_for(capsys):
    Report().line("nothing")
    Report(0).line("nothing")
    assert capsys.readouterr().out == ""
