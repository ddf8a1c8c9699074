"""Minimisation by scipy's L-BFGS: when it stops, why, and what is kept.

The only module that imports `scipy.optimize`. It has no notion of networks. scipy
takes the steps. When to stop is decided here, after each iteration and in one place,
since scipy looks at its evaluation limit too rarely, at the gradient in the variables
that it is given, and at the loss of a single iteration only.
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

# The loss tolerance looks at what this many iterations gained together, since a
# single one may gain little by chance.
LOSS_WINDOW = 10

# A gain that is little in nats ends a fit although it is so many times more than the
# tolerance.
LARGER_SHARE = 10

# Trial steps in one line search. scipy's default of 20 is now and then too few at
# the kinks of a ReLU network.
MAX_LINE_SEARCH_STEPS = 50

# What an iteration costs, in multiplications of an evaluation: a correction pair in
# L-BFGS-B, each number of a pair, and the calls of Python.
PAIR_WORK, NUMBER_WORK, CALL_WORK = 2e4, 90, 1.5e6

# With m pairs there are about 1 + 2 / m times as many iterations as with very many.
MORE_ITERATIONS = 2
FEWEST_PAIRS, MOST_PAIRS = 8, 30

# A gradient as small as this is zero: the squares of its entries underflow soon, and
# scipy divides by their sum.
VANISHING = 1e-100


class Iterate(NamedTuple):
    """A point that the optimiser accepted; ``n_iter`` is 0 at the start.

    ``u`` are its coordinates, by which the gradient is; see `coordinates`. They may
    have to keep ``signs``.
    """

    theta: np.ndarray
    u: np.ndarray
    loss: float
    gradient: np.ndarray
    n_iter: int
    signs: np.ndarray | None = None

    @property
    def gradient_norm(self) -> float:
        """The largest absolute derivative, of those along which there is a way."""
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
    """A listener that hears of each iteration and may end the minimisation."""

    def begin_iteration(self, iterate: Iterate) -> None:
        """An iteration starts from ``iterate``."""

    def end_iteration(self, iterate: Iterate) -> str | None:
        """An iteration has led to ``iterate``. Returns why to stop, or None."""
        return None

    def close(self) -> None:
        """No more iterations: the last one that began may have led nowhere."""


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes
    ----------
    tol : float
        No derivative by u is larger, in absolute value, than this share of the value.
    loss_tol : float
        The last ten iterations together lowered the value by less than this
        share of it; 0 for never.
    least_gain : float
        Where this is more, they end it too if they lowered the value by less, but not
        if it was more than ten times ``loss_tol``.
    rounding : float
        Relative rounding error of the objective. An iteration lowered the value
        by no more than that, which may be a rounding error.
    largest : float
        What the value is at most at a minimum: tolerances are shares of no more.
    max_iter, max_fun : int
        Number of iterations and of evaluations; neither is ever exceeded.
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
        """Why to stop at ``iterate``, to which the last iteration gained so much."""
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

    scipy works in v; u = origin + T v, by `coordinates`, are standardised parameters,
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
        """Begin at u, with this loss, where an earlier stage may have ended."""
        start = self.iterate = self._last._replace(n_iter=len(self.loss_curve))
        # An earlier stage's losses are less exact than this one.
        self.loss_curve = [max(value, loss) for value in self.loss_curve]
        if reason := self.limits.reason(start, self.loss_curve):
            raise _Stop(reason)
        pairs = list(self.pairs or ())
        self.coordinates = quasi_newton_coordinates(u, start.gradient, pairs)
        self._known = self._at_rest = True

    def value(self, v: np.ndarray) -> float:
        """The objective; its gradient is kept, since scipy asks for it afterwards.

        Given one function of both, scipy would compare the points of two calls, which
        takes longer than a small network.
        """
        if self._known:  # scipy begins where the objective has been evaluated.
            self._known = False
            return self._last.loss
        if self.n_evaluations == self.limits.max_fun:
            raise _Stop(EVALUATION_LIMIT)
        if self._at_rest and self.iterate is not None:
            self._at_rest = False
            for monitor in self.monitors:
                monitor.begin_iteration(self.iterate)
        u = self.coordinates.theta(v)
        if self.signs is not None:  # Bounds hold but for rounding.
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
        """The gradient by v at the point that was evaluated last."""
        return self.coordinates.gradient(self._last.gradient)

    def accept(self, intermediate_result: scipy.optimize.OptimizeResult) -> None:
        """An iteration has ended, at the point that was evaluated last."""
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
        # The iterate last: an interrupt until here undoes the iteration, so that the
        # curves of loss and validation loss have the same length.
        self.iterate = accepted
        self._at_rest = True
        gain = before.loss - accepted.loss
        reasons.append(self.limits.reason(accepted, self.loss_curve, gain))
        for reason in reasons:
            if reason is not None:
                raise _Stop(reason)


def history_size_for(work: float, n_parameters: int) -> int:
    """The number m of correction pairs with which a minimisation takes least time.

    With r the work of an evaluation over that of a pair in an iteration, a minimisation
    takes a time of about (r + m) (1 + c / m), which is least at m = sqrt(c r).
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
    """Minimise one objective after the other, each from where the last one ended.

    Parameters
    ----------
    stages : sequence of (objective, Limits)
        An objective is a function, theta (n,) float64 -> (value, gradient). The last
        one is what is to be minimised, those before it are cheap substitutes. They
        share iterations, evaluations, monitors and curvature.
    theta : ndarray of shape (n,)
        The start.
    history_size : int
        Number of stored correction pairs.
    monitors : sequence of Monitor
        Told of each iteration, in this order; the first to give a reason stops.
    pairs : deque of (s, y), optional
        Correction pairs of earlier minimisations to go on from; those of this one
        are appended. They are in the coordinates of the optimiser.
    standard : StandardFeatures, optional
        The coordinates of the optimiser; by default theta itself.
    signs : ndarray of shape (n,), optional
        1, -1 or 0: the sign that each entry must keep, or 0. The start has them. Then
        no pairs are used: other coordinates would turn bounds into inequalities.

    Returns
    -------
    minimum : Minimum
        After a KeyboardInterrupt too, unless it came before the first evaluation.
    """
    if signs is not None:
        pairs = None
    elif pairs is None and len(stages) > 1:
        pairs = deque(maxlen=history_size)
    run = _Run(monitors, pairs, standard, signs)
    u = theta if standard is None else standard.solve(theta)
    for number, (objective, limits) in enumerate(stages, start=1):
        stop_reason = LINE_SEARCH  # Of scipy's, if nothing below says another.
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
