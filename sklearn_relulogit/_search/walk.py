"""A walk over penalties, in which each fit begins where the last one has ended.

Both searches walk: ``alpha="auto"`` over two halves (`auto`), and the CV class over the
folds of a splitter (`folds`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import call
from typing import Literal, NamedTuple

import numpy as np

from .._model.collapse import revive
from .._model.objective import Objective
from .._model.parameters import Shapes, n_parameters
from .._optimize.coordinates import FeatureScale
from .._optimize.lbfgs import (
    EVALUATION_LIMIT,
    INTERRUPTED,
    ITERATION_LIMIT,
    Iterate,
    Limits,
    Monitor,
    history_size_for,
    minimize,
)
from .._optimize.monitors import VALIDATION_LOSS, Printer, Report, Watcher
from .._optimize.training import limits_for

# Two losses differ if they differ by this share. The fits of a search are not more
# exact, since they only serve the choice.
TOLERANCE = 1e-3
MAX_ITER = 300

# A fit is given up once its validation loss exceeds that of the last penalty by this
# share. The check comes after every so many iterations.
HOPELESS = 0.02
CHECK_EVERY = 10

# Walks begin at the best single penalty of the study, in weights of a row, but at most
# at this share of the penalty at which the network collapses.
USUALLY_BEST = 10.0
SHARE_OF_COLLAPSE = 0.1


def size_of(scale: FeatureScale) -> float:
    """The size of the features: a whole power of ten, or one."""
    return float(10.0 ** np.trunc(np.round(np.log10(scale.typical), 2)))


def for_size(alpha: float, scale: FeatureScale) -> float:
    """A penalty for features of about size one, adjusted to the features' size.

    If features are c times as large, the same function has weights c^(-1 / L) times as
    large in each of L layers. So c^(2 / L) times the alpha gives the same penalty.
    """
    return float(alpha * size_of(scale) ** (2 / len(scale.shapes)))


def first_alpha(collapse: float, unit: float, scale: FeatureScale) -> float:
    """The penalty at which walks begin, from new weights.

    After stronger ones, which shrink most units to nothing, fits would find worse
    minima. ``collapse`` (`collapse_alpha`) grows with the size of the features.
    """
    usual = USUALLY_BEST * unit
    share = SHARE_OF_COLLAPSE * collapse / size_of(scale)
    return for_size(min(usual, share) if share > 0 else usual, scale)


@dataclass(frozen=True)
class Precision:
    """The precision of the fits of a search, within the user's limits."""

    max_iter: int = MAX_ITER
    max_fun: int = 2 * MAX_ITER

    def limits(self, shapes: Shapes, dtype: np.dtype) -> Limits:
        """The limits of a fit."""
        # Python integers, since a small type of numpy's would overflow in scipy.
        max_iter = min(MAX_ITER, int(self.max_iter))
        max_fun = min(2 * MAX_ITER, int(self.max_fun))
        limits = limits_for(shapes, dtype, TOLERANCE, max_iter, max_fun)
        # Without hidden layers the gradient alone ends it.
        return limits if len(shapes) > 1 else replace(limits, tol=0.3 * TOLERANCE)

    def is_limited(self, stop_reason: str) -> bool:
        """Whether a user's limit ended a fit, not a limit of the search."""
        by_user = self.max_iter < MAX_ITER or self.max_fun < 2 * MAX_ITER
        return by_user and stop_reason in (ITERATION_LIMIT, EVALUATION_LIMIT)


class Step(NamedTuple):
    """The end of the fit to a fold with a penalty, and the loss or score there.

    ``limited`` says whether a user's limit ended it.
    """

    theta: np.ndarray
    value: float
    limited: bool = False


@dataclass(frozen=True)
class Fold:
    """Rows to train on and rows to judge by.

    Attributes
    ----------
    training, validation : Objective
        Their penalties are not used.
    initial : ndarray of shape (n_parameters,)
        New values for units that a penalty shrank away.
    scale : FeatureScale
        The scale of the features, for the coordinates of the optimiser.
    history_size : int or "auto"
        Number of correction pairs.
    precision : Precision
    signs : ndarray of shape (n_parameters,) or None
        The signs that the parameters must keep.
    value : callable or None
        ``value(theta)`` judges the parameters; None is the loss on ``validation``.
    """

    training: Objective
    validation: Objective
    initial: np.ndarray
    scale: FeatureScale
    history_size: int | Literal["auto"]
    precision: Precision
    signs: np.ndarray | None = None
    value: Callable[[np.ndarray], float] | None = None

    def step(
        self,
        alpha: float,
        theta: np.ndarray,
        loss: float = np.inf,
        monitors: Sequence[Monitor] = (),
    ) -> Step:
        """Fit from theta, which the walk has reached with this validation loss."""
        objective = self.training.with_alpha(alpha)
        shapes, parts = objective.shapes, objective.parts
        limits = self.precision.limits(shapes, objective.dtype)
        history_size = self.history_size
        if history_size == "auto":
            history_size = history_size_for(parts.work, n_parameters(shapes))
        bound = (1 + HOPELESS) * loss
        hopeless = [Hopeless(self.validation, bound)] if bound < np.inf else []
        minimum = minimize(
            [(objective, limits)],
            revive(theta, self.initial, shapes),
            history_size=min(int(history_size), limits.max_iter),
            monitors=[*monitors, *hopeless],
            standard=self.scale.coordinates(alpha, parts.weight_sum),
            signs=self.signs,
        )
        if minimum.stop_reason == INTERRUPTED:
            raise KeyboardInterrupt
        value = self.validation.mean_nll if self.value is None else self.value
        theta = minimum.iterate.theta
        return Step(theta, value(theta), self.precision.is_limited(minimum.stop_reason))


class Hopeless(Monitor):
    """Ends a fit whose validation loss exceeds a bound.

    Fits with too weak a penalty take longest, and the bound shows it early.
    """

    def __init__(self, validation: Objective, bound: float) -> None:
        self.validation = validation
        self.bound = bound

    def end_iteration(self, iterate: Iterate) -> str | None:
        if iterate.n_iter % CHECK_EVERY:
            return None
        loss = self.validation.mean_nll(iterate.theta)
        return VALIDATION_LOSS if loss > self.bound else None


class Enough(Exception):
    """Raised to end a search when a watcher asks for it."""


class Walk:
    """The penalties that were tried, and the method to try a neighbour.

    Parameters
    ----------
    steps : sequence of callable
        ``step(alpha, theta, value, monitors)`` for each fold, see `Fold.step`.
    first : sequence of Step
        The start of the first fits.
    alphas : callable
        The penalty for a number.
    mean : callable
        The mean of the losses or scores of the folds.
    watchers : sequence of Watcher
        Told of each penalty.
    run : callable or None
        Gives the results of functions without arguments; None calls them in turn.
    bearable : callable
        Only the first fold is fitted if its loss is above this function of its loss by
        the best penalty so far. By default all are.
    rival : sequence of Step or None
        The best penalty until one is found; None for none.

    Attributes
    ----------
    tried : dict of int to list of Step
    means : dict of int to float
    stopped : bool
        Whether a watcher has ended it.
    """

    def __init__(
        self,
        steps: Sequence[Callable[..., Step]],
        first: Sequence[Step],
        *,
        alphas: Callable[[int], float],
        mean: Callable[[np.ndarray], float],
        watchers: Sequence[Watcher] = (),
        run: Callable[[list[Callable[[], Step]]], list[Step]] | None = None,
        bearable: Callable[[float], float] = lambda _: np.inf,
        rival: Sequence[Step] | None = None,
    ) -> None:
        self.steps, self.alphas, self.mean = steps, alphas, mean
        self.watchers, self.run = watchers, run
        self.bearable, self.rival = bearable, rival
        self.first = first
        self.tried: dict[int, list[Step]] = {}
        self.means: dict[int, float] = {}
        self.stopped = False

    def visit(self, number: int, before: int | None = None) -> float:
        """The mean of a penalty, with fits that begin where those of ``before`` ended.

        Raises
        ------
        Enough
            If a watcher ends the walk; the penalty has then been tried.
        """
        if self.stopped:
            raise Enough
        if number in self.means:
            return self.means[number]
        alpha = self.alphas(number)
        for watcher in self.watchers:
            watcher.begin(alpha)
        last = self.first if before is None else self.tried[before]
        calls: list[Callable[[], Step]] = []
        for fold, (step, (theta, value, _)) in enumerate(
            zip(self.steps, last, strict=True)
        ):
            monitors: list[Monitor] = []
            for watcher in self.watchers:
                monitors += watcher.monitors(alpha, fold)
            calls.append(partial(step, alpha, theta, value, monitors))
        steps = self._in_turn(last, calls) if self.run is None else self.run(calls)
        self.tried[number] = steps
        values = np.array([step.value for step in steps])
        mean = self.means[number] = float(self.mean(values))
        ends = [
            watcher.end(alpha, values, mean, steps[0].theta)
            for watcher in self.watchers
        ]
        if any(ends):
            self.stopped = True
            raise Enough
        return mean

    def _in_turn(
        self, last: Sequence[Step], calls: list[Callable[[], Step]]
    ) -> list[Step]:
        """Fit one fold after another, or only the first one if it is too bad.

        The others are then assumed to be worse by as much, and stay where they were.
        """
        first, best = calls[0](), self.rival
        if self.means:
            best = self.tried[min(self.means, key=self.means.__getitem__)]
        if best is None or first.value <= self.bearable(best[0].value):
            return [first, *map(call, calls[1:])]
        rise = first.value - best[0].value
        others = zip(last[1:], best[1:], strict=True)
        return [first, *(Step(step.theta, of.value + rise) for step, of in others)]

    @property
    def limited(self) -> list[bool]:
        """Whether a user's limit ended each fit."""
        return [step.limited for steps in self.tried.values() for step in steps]


class PenaltyPrinter(Watcher):
    """Prints each penalty with its mean loss; with ``verbose=2`` also iterations."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def monitors(self, alpha: float, fold: int) -> list[Monitor]:
        if self.report.verbose < 2:
            return []
        return [Printer(self.report, f"alpha {alpha:.3g}  half {fold + 1} of 2  ")]

    def end(
        self, alpha: float, values: np.ndarray, mean: float, theta: np.ndarray
    ) -> bool:
        self.report.line(f"alpha {alpha:.3g}  loss of the other half {mean:.6f}")
        return False


class ScorePrinter(Watcher):
    """Prints each penalty with the mean and the deviation of its scores."""

    def __init__(self, report: Report, score: str) -> None:
        self.report, self.score = report, score

    def end(
        self, alpha: float, values: np.ndarray, mean: float, theta: np.ndarray
    ) -> bool:
        deviation = f" +- {np.nanstd(values):.6f}" if np.isfinite(mean) else ""
        text = f"{mean:.6f}" if np.isfinite(mean) else f"{mean}"
        self.report.line(f"alpha {alpha:.3g}  {self.score} {text}{deviation}")
        return False
