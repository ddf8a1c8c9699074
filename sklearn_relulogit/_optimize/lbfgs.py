"""Minimisation by scipy's L-BFGS, with its stopping rules and results.

Only this module calls `scipy.optimize.minimize`. It knows nothing of networks. scipy
takes the steps, and this module decides after each iteration whether to stop. scipy
itself checks its evaluation limit too rarely. It also looks at the gradient in other
variables, and at the loss of single iterations only.
"""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.optimize

from .._model.constraints import projected_gradient
from .coordinates import (
    Coordinates,
    Function,
    StandardFeatures,
    quasi_newton_coordinates,
)
from .curvature import Pair, is_curved

GRADIENT_TOLERANCE = "gradient tolerance"
LOSS_TOLERANCE = "loss tolerance"
ITERATION_LIMIT = "iteration limit"
EVALUATION_LIMIT = "evaluation limit"
INTERRUPTED = "interrupted"
LINE_SEARCH = "line search"

# The loss tolerance applies to the gain of this many iterations together, since a
# single one may gain little by chance.
LOSS_WINDOW = 10

# A small gain in nats ends a fit even if it is up to this many times the tolerance.
LARGER_SHARE = 10

# Trial steps in one line search. scipy's default of 20 is sometimes too few at the
# kinks of a ReLU network.
MAX_LINE_SEARCH_STEPS = 50

# Cost of an iteration in multiplications of an evaluation: for a correction pair in
# L-BFGS-B, for each number of a pair, and for the calls of Python.
PAIR_WORK, NUMBER_WORK, CALL_WORK = 2e4, 90, 1.5e6

# With m pairs there are about 1 + 2 / m times as many iterations as with very many.
MORE_ITERATIONS = 2
FEWEST_PAIRS, MOST_PAIRS = 8, 30

# A smaller gradient counts as zero: the squares of its entries may underflow, and scipy
# divides by their sum.
VANISHING = 1e-100


class Iterate(NamedTuple):
    """A point that the optimiser accepted; ``n_iter`` is 0 at the start.

    ``u`` are its coordinates, and the gradient is by them; see `coordinates`. If given,
    they must keep ``signs``.
    """

    theta: np.ndarray
    u: np.ndarray
    loss: float
    gradient: np.ndarray
    n_iter: int
    signs: np.ndarray | None = None

    @property
    def gradient_norm(self) -> float:
        """The largest absolute derivative in a direction that is allowed."""
        gradient = self.gradient
        if self.signs is not None:
            gradient = projected_gradient(self.u, gradient, self.signs)
        return float(np.maximum.reduce(np.abs(gradient)))


@dataclass
class Minimum:
    """The end of a minimisation; ``loss_curve`` holds the loss after each iteration."""

    iterate: Iterate
    loss_curve: list[float]
    n_evaluations: int
    stop_reason: str


class Monitor:
    """A listener that is told of each iteration and may end the minimisation."""

    def begin_iteration(self, iterate: Iterate) -> None:
        """An iteration starts from ``iterate``."""

    def end_iteration(self, iterate: Iterate) -> str | None:
        """An iteration has led to ``iterate``. Return a reason to stop, or None."""
        return None

    def close(self) -> None:
        """No iterations follow; the last one that began may have led nowhere."""


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes
    ----------
    tol : float
        Stop when no derivative by u exceeds this share of the value.
    loss_tol : float
        Stop when the last ten iterations together gain less than this share of the
        value; 0 for never.
    least_gain : float
        Stop also when they gain less than this, and less than ten times ``loss_tol``.
    rounding : float
        Relative rounding error of the objective. Stop when an iteration gains no more.
    largest : float
        Upper bound of the value at a minimum; tolerances are shares of at most this.
    max_iter, max_fun : int
        Numbers of iterations and of evaluations; neither is ever exceeded.
    """

    tol: float
    loss_tol: float
    rounding: float
    max_iter: int
    max_fun: int
    largest: float = np.inf
    least_gain: float = 0.0

    def reason(
        self, iterate: Iterate, loss_curve: Sequence[float], gain: float = np.inf
    ) -> str | None:
        """The reason to stop at ``iterate``, given the gain of the last iteration."""
        value = min(abs(iterate.loss), self.largest)
        if iterate.gradient_norm <= max(self.tol * value, VANISHING):
            return GRADIENT_TOLERANCE
        if gain <= self.rounding * max(abs(iterate.loss), 1.0):
            return LOSS_TOLERANCE
        if len(loss_curve) > LOSS_WINDOW:
            gain = loss_curve[-1 - LOSS_WINDOW] - iterate.loss
            share = self.loss_tol * value
            if gain < max(share, min(LARGER_SHARE * share, self.least_gain)):
                return LOSS_TOLERANCE
        if iterate.n_iter >= self.max_iter:
            return ITERATION_LIMIT
        return None


# Reasons after which the next stage continues.
CONVERGED = (GRADIENT_TOLERANCE, LOSS_TOLERANCE, LINE_SEARCH)


class _Stop(Exception):
    """Raised through scipy to leave the minimisation at once."""


class _Run:
    """What scipy calls: value, gradient, and the end of each iteration.

    scipy works in v. u = origin + T v, by `coordinates`, are standardised parameters,
    and theta are those of the objective.
    """

    def __init__(
        self,
        monitors: Sequence[Monitor],
        pairs: deque[Pair] | None,
        standard: StandardFeatures | None,
        signs: np.ndarray | None,
    ) -> None:
        self.monitors = monitors
        self.pairs = pairs
        self.standard, self.signs = standard, signs
        self.iterate: Iterate | None = None
        self._last: Iterate
        self.loss_curve: list[float] = []
        self.n_evaluations = 0

    def take_up(self, objective: Function, limits: Limits, u: np.ndarray) -> None:
        """Prepare to evaluate another objective at u."""
        self.objective, self.limits = objective, limits
        self.coordinates = Coordinates(u)
        self._known = self._at_rest = False

    def begin(self, u: np.ndarray, loss: float) -> None:
        """Begin at u with this loss; an earlier stage may have ended there."""
        start = self.iterate = self._last._replace(n_iter=len(self.loss_curve))
        # The losses of an earlier stage are less exact.
        self.loss_curve = [max(value, loss) for value in self.loss_curve]
        if reason := self.limits.reason(start, self.loss_curve):
            raise _Stop(reason)
        pairs = list(self.pairs or ())
        self.coordinates = quasi_newton_coordinates(u, start.gradient, pairs)
        self._known = self._at_rest = True

    def value(self, v: np.ndarray) -> float:
        """The objective; its gradient is kept, since scipy asks for it afterwards.

        With one function for both, scipy would compare the points of two calls. This
        takes longer than a small network.
        """
        if self._known:  # The objective is known at the start.
            self._known = False
            return self._last.loss
        if self.n_evaluations == self.limits.max_fun:
            raise _Stop(EVALUATION_LIMIT)
        if self._at_rest and self.iterate is not None:
            self._at_rest = False
            for monitor in self.monitors:
                monitor.begin_iteration(self.iterate)
        u = self.coordinates.theta(v)
        if self.signs is not None:  # The bounds hold only up to rounding.
            u[self.signs * u < 0] = 0
        theta = u if self.standard is None else self.standard @ u
        loss, gradient = self.objective(theta)
        if self.standard is not None:
            gradient = self.standard.transposed(gradient)
        self.n_evaluations += 1
        n_iter = len(self.loss_curve) + 1
        self._last = Iterate(theta, u, loss, gradient, n_iter, self.signs)
        return loss

    def gradient(self, v: np.ndarray) -> np.ndarray:
        """The gradient by v at the last evaluated point."""
        return self.coordinates.gradient(self._last.gradient)

    def accept(self, intermediate_result: scipy.optimize.OptimizeResult) -> None:
        """End an iteration at the last evaluated point."""
        before, accepted = self.iterate, self._last
        assert before is not None
        if accepted.loss > before.loss:
            # A line search that rounding errors ended may return such a point.
            raise _Stop(LINE_SEARCH)
        self.loss_curve.append(accepted.loss)
        if self.pairs is not None:
            pair = accepted.u - before.u, accepted.gradient - before.gradient
            if is_curved(*pair):
                self.pairs.append(pair)
        reasons = [monitor.end_iteration(accepted) for monitor in self.monitors]
        # The iterate comes last. An interrupt before it undoes the iteration, so that
        # the curves of loss and validation loss have the same length.
        self.iterate = accepted
        self._at_rest = True
        gain = before.loss - accepted.loss
        reasons.append(self.limits.reason(accepted, self.loss_curve, gain))
        for reason in reasons:
            if reason is not None:
                raise _Stop(reason)


def history_size_for(work: float, n_parameters: int) -> int:
    """The number m of correction pairs that minimises the time of a minimisation.

    Let r be the work of an evaluation over the work of a pair in an iteration. The time
    is about (r + m) (1 + c / m), with its minimum at m = sqrt(c r).
    """
    r = (work + CALL_WORK) / (PAIR_WORK + NUMBER_WORK * n_parameters)
    m = np.sqrt(MORE_ITERATIONS * r)
    return int(np.clip(np.rint(m), FEWEST_PAIRS, MOST_PAIRS))


def bounds_of(signs: np.ndarray | None) -> scipy.optimize.Bounds | None:
    """The bounds that keep the signs."""
    if signs is None:
        return None
    lower, upper = np.where(signs > 0, 0, -np.inf), np.where(signs < 0, 0, np.inf)
    return scipy.optimize.Bounds(lower, upper)


def minimize(
    stages: Sequence[tuple[Function, Limits]],
    theta: np.ndarray,
    *,
    history_size: int,
    monitors: Sequence[Monitor] = (),
    pairs: deque[Pair] | None = None,
    standard: StandardFeatures | None = None,
    signs: np.ndarray | None = None,
) -> Minimum:
    """Minimise one objective after another, each from the end of the last.

    Parameters
    ----------
    stages : sequence of (objective, Limits)
        An objective is a function, theta (n,) float64 -> (value, gradient). The last
        one is the true objective, and earlier ones are cheap substitutes. They share
        iterations, evaluations, monitors and curvature.
    theta : ndarray of shape (n,)
        The start.
    history_size : int
        Number of stored correction pairs.
    monitors : sequence of Monitor
        Told of each iteration, in this order; the first reason given stops.
    pairs : deque of (s, y), optional
        Correction pairs of earlier minimisations, in the coordinates of the optimiser.
        This one uses them and appends its own.
    standard : StandardFeatures, optional
        The coordinates of the optimiser; by default theta itself.
    signs : ndarray of shape (n,), optional
        1, -1 or 0: the sign that each entry must keep, or 0. The start has these signs.
        Pairs are then not used: other coordinates would turn bounds into inequalities.

    Returns
    -------
    minimum : Minimum
        Also after a KeyboardInterrupt, unless it came before the first evaluation.
    """
    if signs is not None:
        pairs = None
    elif pairs is None and len(stages) > 1:
        pairs = deque(maxlen=history_size)
    run = _Run(monitors, pairs, standard, signs)
    u = theta if standard is None else standard.solve(theta)
    for number, (objective, limits) in enumerate(stages, start=1):
        stop_reason = LINE_SEARCH  # scipy's reason, unless another follows.
        try:
            run.take_up(objective, limits, u)
            run.begin(u, run.value(run.coordinates.start))
            scipy.optimize.minimize(
                run.value,
                run.coordinates.start,
                jac=run.gradient,
                method="L-BFGS-B",
                bounds=bounds_of(signs),
                callback=run.accept,
                options={
                    "gtol": 0.0,
                    "ftol": 0.0,
                    "maxiter": sys.maxsize,
                    "maxfun": sys.maxsize,
                    "maxcor": history_size,
                    "maxls": MAX_LINE_SEARCH_STEPS,
                },
            )
        except _Stop as stop:
            stop_reason = str(stop)
        except FloatingPointError:
            if number == len(stages):
                raise
        except KeyboardInterrupt:
            if run.iterate is None:
                raise
            stop_reason = INTERRUPTED
        if run.iterate is not None:
            u = run.iterate.u
        if stop_reason not in CONVERGED:
            break
    try:
        for monitor in monitors:
            monitor.close()
    except KeyboardInterrupt:
        stop_reason = INTERRUPTED
    iterate = run.iterate
    assert iterate is not None
    return Minimum(
        iterate, run.loss_curve[: iterate.n_iter], run.n_evaluations, stop_reason
    )
