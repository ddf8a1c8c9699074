"""Minimisation by scipy's L-BFGS: when it stops, why, and what is kept.

The only module that knows `scipy.optimize`; it knows nothing of networks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.optimize

GRADIENT_TOLERANCE = "gradient tolerance"
LOSS_TOLERANCE = "loss tolerance"
ITERATION_LIMIT = "iteration limit"
EVALUATION_LIMIT = "evaluation limit"
LINE_SEARCH = "line search"

# The loss tolerance looks at what this many iterations gained together, since a
# single one may gain little by chance.
LOSS_WINDOW = 10

# Trial steps in one line search. scipy's default of 20 is now and then too few at
# the kinks of a ReLU network.
MAX_LINE_SEARCH_STEPS = 50


@dataclass(frozen=True)
class Iterate:
    """A point that the optimiser accepted; ``n_iter`` is 0 at the start."""

    theta: np.ndarray
    loss: float
    gradient_norm: float
    n_iter: int


@dataclass
class Minimum:
    """The end of a minimisation.

    ``loss_curve`` holds the loss after each iteration, ``gradient_norm`` of the
    iterate the largest absolute derivative.
    """

    iterate: Iterate
    loss_curve: list[float]
    n_evaluations: int
    stop_reason: str


class _Stop(Exception):
    """Raised through scipy to leave the minimisation at once."""


@dataclass
class _Run:
    """What scipy calls: the counted objective, and the keeper of the iterate."""

    objective: Callable[[np.ndarray], tuple[float, np.ndarray]]
    loss_tol: float
    max_fun: int
    iterate: Iterate | None = None
    loss_curve: list[float] = field(default_factory=list)
    n_evaluations: int = 0
    gradient_norm: float = np.inf

    def evaluate(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        if self.n_evaluations == self.max_fun:
            raise _Stop(EVALUATION_LIMIT)
        self.n_evaluations += 1
        loss, gradient = self.objective(theta)
        self.gradient_norm = float(np.abs(gradient).max())
        if self.iterate is None:
            self.iterate = Iterate(theta.copy(), loss, self.gradient_norm, n_iter=0)
        return loss, gradient

    def accept(self, intermediate_result: scipy.optimize.OptimizeResult) -> None:
        # The accepted point is always the one evaluated last. scipy goes on to
        # write to the array x, so it is copied.
        loss = float(intermediate_result.fun)
        assert self.iterate is not None
        if loss > self.iterate.loss:
            # A line search that rounding errors ended may return such a point.
            raise _Stop(LINE_SEARCH)
        self.loss_curve.append(loss)
        self.iterate = Iterate(
            intermediate_result.x.copy(),
            loss,
            self.gradient_norm,
            n_iter=len(self.loss_curve),
        )
        if len(self.loss_curve) > LOSS_WINDOW:
            gain = self.loss_curve[-1 - LOSS_WINDOW] - loss
            if gain < self.loss_tol * abs(loss):
                raise _Stop(LOSS_TOLERANCE)


def minimize(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    theta: np.ndarray,
    *,
    tol: float,
    loss_tol: float,
    rounding: float,
    max_iter: int,
    max_fun: int,
    history_size: int,
) -> Minimum:
    """Minimise ``objective`` from ``theta``.

    Parameters
    ----------
    objective : callable
        theta, (n,) float64 -> (value, gradient).
    theta : ndarray of shape (n,)
        The start.
    tol : float
        Stop when no derivative is larger in absolute value.
    loss_tol : float
        Stop when the last ten iterations together lowered the value by less than
        this share of it; 0 for never.
    rounding : float
        Relative rounding error of the objective. Stop when an iteration lowers
        the value by no more than that, which cannot be told from nothing.
    max_iter, max_fun : int
        Limits of iterations and of evaluations of the objective; neither is
        ever exceeded.
    history_size : int
        Number of stored correction pairs.
    """
    run = _Run(objective, loss_tol, max_fun)
    try:
        result = scipy.optimize.minimize(
            run.evaluate,
            theta,
            jac=True,
            method="L-BFGS-B",
            callback=run.accept,
            options={
                "gtol": tol,
                "ftol": rounding,
                "maxiter": max_iter,
                "maxfun": max_fun,
                "maxcor": history_size,
                "maxls": MAX_LINE_SEARCH_STEPS,
            },
        )
    except _Stop as stop:
        stop_reason = str(stop)
    else:
        stop_reason = {0: LOSS_TOLERANCE, 1: ITERATION_LIMIT, 2: LINE_SEARCH}[
            result.status
        ]
    iterate = run.iterate
    assert iterate is not None  # scipy evaluates the start before anything else
    if iterate.gradient_norm <= tol:
        stop_reason = GRADIENT_TOLERANCE
    return Minimum(iterate, run.loss_curve, run.n_evaluations, stop_reason)
