"""Minimisation from one or several starts, in parallel, and the best of them."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn import config_context, get_config

from .._model.objective import Objective
from .._model.parameters import Shapes, n_parameters
from .._threads import ThreadedMap, single_threaded_blas
from .callbacks import MORE_STARTS
from .coordinates import StandardFeatures
from .curvature import Pair
from .lbfgs import (
    CONVERGED,
    INTERRUPTED,
    Iterate,
    Limits,
    Minimum,
    Monitor,
    minimize,
)
from .monitors import Interrupt, Validation

# The float32 stage ends when ten iterations gain less than this share of the loss. An
# evaluation is exact to about a hundredth of it.
COARSE_LOSS_TOLERANCE = 1e-5

# With fewer parts an evaluation takes a few milliseconds, and float32 saves little.
COARSE_MIN_PARTS = 4

# With more parameters, L-BFGS's own work exceeds the products of sparse data, and the
# pairs for the second stage take hundreds of megabytes.
COARSE_MAX_PARAMETERS = 2**18


# Largest number of changes of the output biases at the end of a fit. They go on while a
# class's mean probability is off by more than this share of it. The last number bounds
# the length of a step, in logarithms of share over mean probability.
MAX_BALANCE_STEPS, BALANCE_TOLERANCE, MAX_STRETCH = 20, 1e-3, 10.0


@dataclass
class Restart:
    """One start and its result; ``minimum`` is None if it did not end.

    ``number`` counts the starts in the order in which they are drawn.
    """

    number: int
    theta: np.ndarray
    monitors: list[Monitor]
    validation: Validation | None
    minimum: Minimum | None = None

    @property
    def end(self) -> Minimum:
        """The minimum of a finished restart."""
        assert self.minimum is not None
        return self.minimum

    @property
    def best_validated(self) -> Iterate | None:
        """The iterate of the lowest validation loss, if early stopping keeps it."""
        if self.validation is None or self.validation.patience is None:
            return None
        return self.validation.best

    @property
    def iterate(self) -> Iterate:
        """The parameters to keep; with early stopping, of the lowest loss."""
        return self.best_validated or self.end.iterate

    @property
    def loss(self) -> float:
        """The loss that chooses the best restart."""
        if self.validation is not None and self.best_validated is not None:
            return self.validation.best_loss
        return self.end.iterate.loss


def limits_for(
    shapes: Shapes,
    dtype: np.dtype,
    tol: float,
    max_iter: int,
    max_fun: int,
    largest: float = np.inf,
    least_gain: float = 0.0,
) -> Limits:
    """The limits of a fit of these layers.

    Without hidden layers the objective is smooth, and the gradient alone decides. With
    them it has kinks, where the gradient does not tend to zero. ``largest`` is the loss
    of a constant network, which has no penalty. ``least_gain`` is the least gain of ten
    iterations, in nats, unless that is much of the loss.
    """
    return Limits(
        tol=tol,
        loss_tol=tol if len(shapes) > 1 else 0.0,
        rounding=float(np.finfo(dtype).eps),
        max_iter=max_iter,
        max_fun=max_fun,
        largest=largest,
        least_gain=least_gain,
    )


def stages(objective: Objective, limits: Limits) -> list[tuple[Objective, Limits]]:
    """The objective with its limits, after the same in float32 if that saves time.

    float32 takes half the bytes and half the time for most of the way. The result is
    the same, because the last stage uses float64 alone.
    """
    parts, shapes = objective.parts, objective.shapes
    # Sparse data may have fewer numbers than the network has parameters.
    large = parts.sparse and n_parameters(shapes) > COARSE_MAX_PARAMETERS
    if (
        objective.dtype != np.float64
        or len(shapes) == 1
        or parts.n_parts < COARSE_MIN_PARTS
        or large
    ):
        return [(objective, limits)]
    float32 = np.dtype(np.float32)
    coarse_limits = replace(
        limits,
        loss_tol=max(limits.loss_tol, COARSE_LOSS_TOLERANCE),
        rounding=float(np.finfo(float32).eps),
    )
    coarse = Objective(parts, shapes, objective.alpha, float32, objective.relevance)
    return [(coarse, coarse_limits), (objective, limits)]


def balance(
    best: Restart, objective: Objective, shares: np.ndarray, max_fun: int
) -> None:
    """Make the mean predicted probabilities equal the shares of the classes.

    They are equal at a minimum, since the output biases have no penalty. A fit that
    ends by its loss tolerance is near a minimum, but rare classes hardly matter in the
    loss. The bias of a class is raised by the logarithm of its share over its mean
    probability (with two classes, of their odds), while that lowers the objective. If
    the classes are easy to separate, this step is too short. So it is stretched by the
    factor that would have ended the descent along the last step. If the stretched step
    does not lower the objective, the plain step is tried. Each takes one of ``max_fun``
    evaluations. An interrupt ends the loop and keeps the current state.
    """
    minimum = best.end
    if minimum.stop_reason not in CONVERGED or best.best_validated is not None:
        return
    try:
        _balance(best, minimum, objective, shares, max_fun)
    except KeyboardInterrupt:
        minimum.stop_reason = INTERRUPTED
        # An interrupt may fall between a new iterate and its loss in the curve.
        if minimum.loss_curve:
            minimum.loss_curve[-1] = minimum.iterate.loss


def _balance(
    best: Restart,
    minimum: Minimum,
    objective: Objective,
    shares: np.ndarray,
    max_fun: int,
) -> None:
    m, stretch = objective.shapes[-1][1], 1.0
    for _ in range(min(MAX_BALANCE_STEPS, max_fun - minimum.n_evaluations)):
        before = minimum.iterate
        # The derivatives by the output biases are mean probabilities less shares.
        mean = shares[-m:] + before.gradient[-m:]
        if not (mean > 0).all() or not (mean < 1).all() or not (shares > 0).all():
            return
        step = np.log(shares[-m:] / mean)
        if m == 1:
            step -= np.log(shares[0] / (1 - mean))
        if np.abs(step).max() < BALANCE_TOLERANCE:
            return
        step *= stretch
        theta = before.theta.copy()
        theta[-m:] += step
        loss, gradient = objective(theta)
        minimum.n_evaluations += 1
        if not loss < before.loss:
            if stretch == 1.0:
                return
            stretch = 1.0
            continue
        slope, remaining = before.gradient[-m:] @ step, gradient[-m:] @ step
        if slope < remaining:  # Always, except for rounding.
            stretch = min(stretch * slope / (slope - remaining), MAX_STRETCH)
        # Only the gradient by the output biases is used, which is that by theta.
        minimum.iterate = before._replace(theta=theta, loss=loss, gradient=gradient)
        if minimum.loss_curve:
            minimum.loss_curve[-1] = loss
            if best.validation is not None:
                best.validation.losses[-1] = best.validation.objective.mean_nll(theta)


def train(
    stages: Sequence[tuple[Objective, Limits]],
    starts: Iterator[Restart],
    n_starts: int,
    *,
    wasted: Callable[[Restart], bool],
    history_size: int,
    n_jobs: int,
    pairs: deque[Pair] | None,
    standard: StandardFeatures,
    signs: np.ndarray | None,
    enough: threading.Event,
) -> tuple[Restart, list[float]]:
    """Minimise from every start; return the best restart and all losses.

    A ``wasted`` restart is followed by one more start than ``n_starts``, up to
    `MORE_STARTS`. The restarts run in threads: BLAS and numpy release the interpreter's
    lock, and the data are not copied. A thread takes the next start when it is free, so
    that few are in memory. A KeyboardInterrupt or an error in one restart ends the
    others at their next iteration. After it, or once ``enough`` is set, no restart
    begins.
    """
    stop, lock = threading.Event(), threading.Lock()
    # scikit-learn has a configuration for each thread.
    configuration = get_config()
    losses: list[float] = []
    kept: list[Restart] = []
    n_wasted = 0

    def begin() -> Restart | None:
        """The next start, in the order in which they are drawn; None after the last."""
        with lock:
            n_all = n_starts + min(n_wasted, MORE_STARTS)
            if stop.is_set() or enough.is_set() or len(losses) >= n_all:
                return None
            losses.append(float("inf"))
            return next(starts)

    def run(restart: Restart) -> None:
        nonlocal n_wasted
        restart.minimum = minimize(
            stages,
            restart.theta,
            history_size=history_size,
            monitors=[*restart.monitors, Interrupt(stop)],
            pairs=pairs,
            standard=standard,
            signs=signs,
        )
        if restart.minimum.stop_reason == INTERRUPTED:
            stop.set()
        with lock:
            losses[restart.number] = restart.loss
            kept[:] = [min([*kept, restart], key=lambda one: (one.loss, one.number))]
        if not stop.is_set() and wasted(restart):
            with lock:
                n_wasted += 1

    def work(_: int) -> None:
        try:
            with config_context(**configuration), single_threaded_blas():
                while (restart := begin()) is not None:
                    run(restart)
        except BaseException:
            stop.set()
            raise

    try:
        with ThreadedMap(n_jobs) as threads:
            try:
                list(threads(work, range(n_jobs)))
            except BaseException:
                # Interrupted while waiting. Leaving the context waits for the other
                # threads again, so they have to end.
                stop.set()
                raise
    except KeyboardInterrupt:
        if not kept:
            raise
    (best,) = kept
    if stop.is_set():
        best.end.stop_reason = INTERRUPTED
    return best, losses
