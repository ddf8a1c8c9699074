"""Minimisation from one or several starts, in parallel, and the best of them."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from ._blas import single_threaded_blas
from ._curvature import Pair
from ._lbfgs import INTERRUPTED, Iterate, Limits, Minimum, Monitor, Stage, minimize
from ._monitors import Interrupt, Validation
from ._objective import Objective
from ._parameters import Shapes, n_parameters

# The float32 stage ends once ten iterations gained less than this share of the loss;
# an evaluation is exact to about a hundredth of it.
COARSE_LOSS_TOLERANCE = 1e-5

# Fewer parts take a few milliseconds an evaluation, of which little would be saved.
COARSE_MIN_PARTS = 4

# With more, L-BFGS's own work takes longer than the products of sparse data, and the
# pairs that the second stage goes on from take hundreds of megabytes.
COARSE_MAX_PARAMETERS = 2**18


@dataclass
class Restart:
    """One start and what came of it; ``minimum`` is None where it did not begin."""

    theta: np.ndarray
    monitors: list[Monitor]
    validation: Validation | None
    minimum: Minimum | None = None

    @property
    def iterate(self) -> Iterate:
        """The parameters to keep: with early stopping, those of the lowest loss."""
        assert self.minimum is not None
        return self._best_validated() or self.minimum.iterate

    @property
    def loss(self) -> float:
        """What the best restart is chosen by; infinite where it did not begin."""
        if self.minimum is None:
            return float("inf")
        if self.validation is not None and self._best_validated() is not None:
            return self.validation.best_loss
        return self.minimum.iterate.loss

    def _best_validated(self) -> Iterate | None:
        """The iterate of the lowest validation loss, if early stopping asks for it."""
        if self.validation is None or self.validation.patience is None:
            return None
        return self.validation.best


def limits_for(
    shapes: Shapes, dtype: np.dtype, tol: float, max_iter: int, max_fun: int
) -> Limits:
    """When to stop a fit of these layers.

    Without hidden layers the objective is smooth, and its gradient tells all. With
    them it has kinks, where the gradient does not tend to zero.
    """
    return Limits(
        tol=tol,
        loss_tol=tol if len(shapes) > 1 else 0.0,
        rounding=float(np.finfo(dtype).eps),
        max_iter=max_iter,
        max_fun=max_fun,
    )


def pays_in_float32(
    dtype: np.dtype, sparse: bool, shapes: Shapes, n_parts: int
) -> bool:
    """Whether to begin in float32: float64 data, and time spent in matrix products."""
    # Sparse data may have more parameters than numbers.
    few = not sparse or n_parameters(shapes) <= COARSE_MAX_PARAMETERS
    return (
        dtype == np.float64 and len(shapes) > 1 and n_parts >= COARSE_MIN_PARTS and few
    )


def coarse_stage(objective: Objective, limits: Limits) -> Stage:
    """Minimisation in float32, as far as its rounding allows.

    Half the bytes and half the time for most of the way. The end is the same: the
    stage after it looks at float64 alone.
    """
    coarse_limits = replace(
        limits,
        loss_tol=max(limits.loss_tol, COARSE_LOSS_TOLERANCE),
        rounding=float(np.finfo(objective.dtype).eps),
    )
    return Stage(objective, coarse_limits)


def train(
    stages: Sequence[Stage],
    restarts: Sequence[Restart],
    *,
    history_size: int,
    n_jobs: int,
    pairs: deque[Pair] | None,
    enough: threading.Event,
) -> Restart:
    """Minimise from every start; the restart with the lowest loss.

    A KeyboardInterrupt ends the running ones at their next iteration. After it, or
    once ``enough`` is set, no other begins.
    """
    interrupted = threading.Event()

    def run(restart: Restart) -> None:
        if interrupted.is_set() or enough.is_set():
            return
        with single_threaded_blas():
            restart.minimum = minimize(
                stages,
                restart.theta,
                history_size=history_size,
                monitors=[*restart.monitors, Interrupt(interrupted)],
                pairs=pairs,
            )
        if restart.minimum.stop_reason == INTERRUPTED:
            interrupted.set()

    if len(restarts) == 1:
        run(restarts[0])
    else:
        _run_all(run, restarts, n_jobs, interrupted)
    best = min(restarts, key=lambda restart: restart.loss)
    if interrupted.is_set() and best.minimum is not None:
        best.minimum.stop_reason = INTERRUPTED
    return best


def _run_all(
    run: Callable[[Restart], None],
    restarts: Sequence[Restart],
    n_jobs: int,
    interrupted: threading.Event,
) -> None:
    finished = threading.Semaphore(0)
    started = []

    def run_and_tell(restart: Restart) -> None:
        started.append(restart)
        try:
            run(restart)
        except BaseException:
            # At once: joblib takes a while to hear of it.
            interrupted.set()
            raise
        finally:
            finished.release()

    try:
        # Threads: the work is in BLAS and numpy, which release the interpreter's
        # lock, the data are not copied, and an interrupt reaches every restart.
        Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(run_and_tell)(restart) for restart in restarts
        )
    except BaseException as error:
        # joblib's threads go on when the main thread does not.
        interrupted.set()
        for _ in started:
            finished.acquire()
        nothing = all(restart.minimum is None for restart in restarts)
        if nothing or not isinstance(error, KeyboardInterrupt):
            raise
