"""What watches a fit from iteration to iteration: validation, printing, interrupts.

A watcher of a search hears of each penalty.
"""

import threading
import time

import numpy as np

from .._model.objective import Objective
from .lbfgs import INTERRUPTED, Iterate, Monitor

VALIDATION_LOSS = "validation loss"

# With verbose=1, one line for this many iterations.
PRINT_EVERY = 10


class Validation(Monitor):
    """The loss on validation data after each iteration, and where it was lowest.

    Parameters
    ----------
    objective : Objective
        Over the validation data; the penalty plays no part.
    patience : int, inf or None
        Stop after this many iterations in which the loss did not fall by the
        share ``tol``. inf or None for never.
    tol : float
        See ``patience``.
    """

    def __init__(
        self, objective: Objective, patience: float | None, tol: float
    ) -> None:
        self.objective = objective
        self.patience = patience
        self.tol = tol
        self.losses: list[float] = []
        self.best: Iterate | None = None
        self.best_loss = float("inf")
        self._mark = float("inf")
        self._n_no_change = 0

    def end_iteration(self, iterate: Iterate) -> str | None:
        try:
            loss = self.objective.mean_nll(iterate.theta)
        except FloatingPointError as error:
            raise ValueError(
                "The loss on the validation data overflows. Scale them as the "
                "training data."
            ) from error
        self.losses.append(loss)
        if loss < self.best_loss:
            self.best, self.best_loss = iterate, loss
        self._n_no_change += 1
        if loss < self._mark - self.tol * abs(self._mark) or len(self.losses) == 1:
            self._mark, self._n_no_change = loss, 0
        if self.patience is not None and self._n_no_change >= self.patience:
            return VALIDATION_LOSS
        return None


class Report:
    """Prints lines, with the seconds since it was made, unless ``verbose`` is 0."""

    def __init__(self, verbose: int = 0) -> None:
        self.verbose = verbose
        self._start = time.perf_counter()

    def line(self, text: str) -> None:
        """Print a line."""
        if self.verbose:
            print(f"{text}  {time.perf_counter() - self._start:.1f} s", flush=True)


class Printer(Monitor):
    """Prints iteration, objective, gradient norm, validation loss and seconds."""

    def __init__(
        self, report: Report, label: str = "", validation: Validation | None = None
    ) -> None:
        self.report = report
        self.every = PRINT_EVERY if report.verbose == 1 else 1
        self.label = label
        self.validation = validation
        self._unprinted: Iterate | None = None

    def end_iteration(self, iterate: Iterate) -> str | None:
        self._unprinted = iterate
        if iterate.n_iter == 1 or iterate.n_iter % self.every == 0:
            self._print()
        return None

    def close(self) -> None:
        self._print()

    def _print(self) -> None:
        iterate, self._unprinted = self._unprinted, None
        if iterate is None:
            return
        line = (
            f"{self.label}iteration {iterate.n_iter:5d}  objective {iterate.loss:.6f}  "
            f"gradient {iterate.gradient_norm:.1e}"
        )
        if self.validation is not None:
            line += f"  validation loss {self.validation.losses[-1]:.6f}"
        self.report.line(line)


class Interrupt(Monitor):
    """Ends a minimisation in another thread once ``event`` is set."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def end_iteration(self, iterate: Iterate) -> str | None:
        return INTERRUPTED if self.event.is_set() else None


class Watcher:
    """A listener that hears of each penalty of a search and may end the search."""

    def begin(self, alpha: float) -> None:
        """The fits by a penalty begin."""

    def monitors(self, alpha: float, fold: int) -> list[Monitor]:
        """What watches the fit to a fold from iteration to iteration."""
        return []

    def end(
        self, alpha: float, values: np.ndarray, mean: float, theta: np.ndarray
    ) -> bool:
        """The fits by a penalty have ended. Returns whether the search should end.

        ``values`` are the losses or scores of the folds, and ``theta`` is where the
        fit to the first one ended.
        """
        return False
