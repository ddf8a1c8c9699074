"""Minimisation from one or several starts, in parallel, and the best of them."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from ._blas import single_threaded_blas
from ._curvature import Pair
from ._lbfgs import INTERRUPTED, Iterate, Limits, Minimum, Monitor, minimize
from ._monitors import Interrupt, Validation
from ._objective import Objective


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
        if self.chosen_by_validation:
            assert self.validation is not None
            return self.validation.best or self.minimum.iterate
        return self.minimum.iterate

    @property
    def loss(self) -> float:
        """What the best restart is chosen by; infinite where it did not begin."""
        if self.minimum is None:
            return float("inf")
        if self.chosen_by_validation:
            assert self.validation is not None
            return self.validation.best_loss
        return self.minimum.iterate.loss

    @property
    def chosen_by_validation(self) -> bool:
        """Whether early stopping is on."""
        return self.validation is not None and self.validation.patience is not None


def train(
    objective: Objective,
    restarts: Sequence[Restart],
    *,
    limits: Limits,
    history_size: int,
    n_jobs: int,
    pairs: deque[Pair] | None,
) -> Restart:
    """Minimise from every start; the restart with the lowest loss.

    A KeyboardInterrupt ends the running ones at their next iteration, and those
    that have not begun never begin.
    """
    interrupted = threading.Event()

    def run(restart: Restart) -> None:
        if interrupted.is_set():
            return
        with single_threaded_blas():
            restart.minimum = minimize(
                objective,
                restart.theta,
                limits=limits,
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
