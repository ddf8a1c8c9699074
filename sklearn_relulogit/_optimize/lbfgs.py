"""Minimisation by scipy's L-BFGS: when it stops, why, and what is kept.

The only module that imports `scipy.optimize`. It has no notion of networks. scipy
takes the steps. When to stop is decided here, after each iteration and in one place,
since scipy looks at its evaluation limit too rarely, at the gradient in the variables
that it is given, and at the loss of a single iteration only.
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

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


@dataclass(frozen=True)
class Iterate:
    """A point that the optimiser accepted; ``n_iter`` is 0 at the start.

    ``u`` are its coordinates, by which the gradient is; see `coordinates`.
    """

    theta: np.ndarray
    u: np.ndarray
    loss: float
    gradient: np.ndarray
    n_iter: int

    @property
    def gradient_norm(self) -> float:
        """The largest absolute derivative."""
        return float(np.maximum.reduce(np.abs(self.gradient)))


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
            if gain < self.loss_tol * value:
                return LOSS_TOLERANCE
        if iterate.n_iter >= self.max_iter:
            return ITERATION_LIMIT
        return None


@dataclass(frozen=True)
class Stage:
    """An objective, theta (n,) float64 -> (value, gradient), and when to stop."""

    objective: Function
    limits: Limits


# Reasons after which the next stage continues.
CONVERGED = (GRADIENT_TOLERANCE, LOSS_TOLERANCE, LINE_SEARCH)


class _Stop(Exception):
    """Raised through scipy to leave the minimisation at once."""


class _Run:
    """What scipy calls: the objective, counted, and the keeper of the iterate."""

    def __init__(
        self,
        monitors: Sequence[Monitor],
        pairs: deque[Pair] | None,
        standard: StandardFeatures | None,
    ) -> None:
        self.monitors = monitors
        self.pairs = pairs
        self.standard = standard
        self.iterate: Iterate | None = None
        self.loss_curve: list[float] = []
        self.n_evaluations = 0
        self._at_rest = False

    def begin(self, stage: Stage, u: np.ndarray) -> Iterate:
        """Take up an objective at u, where an earlier stage may have ended."""
        self.objective, self.limits = stage.objective, stage.limits
        self._at_rest = False
        loss, _ = self.evaluate(u)
        self.iterate = replace(self._last, n_iter=len(self.loss_curve))
        # An earlier stage's losses are less exact than this one.
        self.loss_curve = [max(value, loss) for value in self.loss_curve]
        self._at_rest = True
        if reason := self.limits.reason(self.iterate, self.loss_curve):
            raise _Stop(reason)
        return self.iterate

    def evaluate(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        if self.n_evaluations == self.limits.max_fun:
            raise _Stop(EVALUATION_LIMIT)
        if self._at_rest and self.iterate is not None:
            self._at_rest = False
            for monitor in self.monitors:
                monitor.begin_iteration(self.iterate)
        theta = u.copy() if self.standard is None else self.standard @ u
        loss, gradient = self.objective(theta)
        if self.standard is not None:
            gradient = self.standard.transposed(gradient)
        self.n_evaluations += 1
        n_iter = len(self.loss_curve) + 1
        self._last = Iterate(theta, u.copy(), loss, gradient, n_iter)
        return loss, gradient

    def accept(self, intermediate_result: scipy.optimize.OptimizeResult) -> None:
        # The accepted point is always the one that was evaluated last.
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

    def minimize(self, stage: Stage, u: np.ndarray, history_size: int) -> str:
        """Minimise one stage's objective from u; why it ended."""
        try:
            start = self.begin(stage, u)
            coordinates = quasi_newton_coordinates(
                start.u, start.gradient, list(self.pairs or ())
            )
            value, gradient = _value_and_gradient(self.evaluate, coordinates, start)
            scipy.optimize.minimize(
                value,
                coordinates.start,
                jac=gradient,
                method="L-BFGS-B",
                callback=self.accept,
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
            return str(stop)
        except KeyboardInterrupt:
            if self.iterate is None:
                raise
            return INTERRUPTED
        # Nothing here stopped it, so scipy gave up.
        return LINE_SEARCH


def _value_and_gradient(
    evaluate: Function, coordinates: Coordinates, start: Iterate
) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], np.ndarray]]:
    """Value and gradient by u, as two functions; those of the start are known.

    L-BFGS-B needs both at each point, the value first. Given one function of both,
    scipy would compare the points of the two calls, which takes longer than a small
    network.
    """
    gradient: np.ndarray
    known = [start]

    def value(u: np.ndarray) -> float:
        nonlocal gradient
        if known:
            iterate = known.pop()
            loss, by_theta = iterate.loss, iterate.gradient
        else:
            loss, by_theta = evaluate(coordinates.theta(u))
        gradient = coordinates.gradient(by_theta)
        return loss

    return value, lambda u: gradient


def history_size_for(work: float, n_parameters: int) -> int:
    """The number m of correction pairs with which a minimisation takes least time.

    With r the work of an evaluation over that of a pair in an iteration, a minimisation
    takes a time of about (r + m) (1 + c / m), which is least at m = sqrt(c r).
    """
    r = (work + CALL_WORK) / (PAIR_WORK + NUMBER_WORK * n_parameters)
    m = np.sqrt(MORE_ITERATIONS * r)
    return int(np.clip(np.rint(m), FEWEST_PAIRS, MOST_PAIRS))


def minimize(
    stages: Sequence[Stage],
    theta: np.ndarray,
    *,
    history_size: int,
    monitors: Sequence[Monitor] = (),
    pairs: deque[Pair] | None = None,
    standard: StandardFeatures | None = None,
) -> Minimum:
    """Minimise one objective after the other, each from where the last one ended.

    Parameters
    ----------
    stages : sequence of Stage
        The last is what is to be minimised, those before it cheap substitutes.
        They share iterations, evaluations, monitors and curvature.
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

    Returns
    -------
    minimum : Minimum
        After a KeyboardInterrupt too, unless it came before the first evaluation.
    """
    if pairs is None and len(stages) > 1:
        pairs = deque(maxlen=history_size)
    run = _Run(monitors, pairs, standard)
    u = theta if standard is None else standard.solve(theta)
    for stage in stages:
        try:
            stop_reason = run.minimize(stage, u, history_size)
        except FloatingPointError:
            if stage is stages[-1]:
                raise
            stop_reason = LINE_SEARCH
        if run.iterate is not None:
            u = run.iterate.u
        if stop_reason not in CONVERGED:
            break
    for monitor in monitors:
        monitor.close()
    iterate = run.iterate
    assert iterate is not None
    return Minimum(
        iterate, run.loss_curve[: iterate.n_iter], run.n_evaluations, stop_reason
    )
