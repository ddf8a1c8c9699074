"""What prints a search from penalty to penalty, and how a watcher ends it."""

import numpy as np

from .._optimize.lbfgs import Monitor
from .._optimize.monitors import Printer, Report, Watcher


class Enough(Exception):
    """Raised to end a search that a watcher has seen enough of."""


class PenaltyPrinter(Watcher):
    """Prints each penalty with its mean loss; with ``verbose=2`` iterations too."""

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
        self.report.line(
            f"alpha {alpha:.3g}  {self.score} {mean:.6f} +- {np.nanstd(values):.6f}"
            if np.isfinite(mean)
            else f"alpha {alpha:.3g}  {self.score} {mean}"
        )
        return False
