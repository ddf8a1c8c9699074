"""A path of penalties over a fold: fits to one part of the rows, judged by another.

Both searches for the penalty walk such paths: that of ``alpha="auto"`` over two halves
(`auto`), and that of the CV class over the folds of a splitter (`folds`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Self

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
    Stage,
    history_size_for,
    minimize,
)
from .._optimize.monitors import VALIDATION_LOSS
from .._optimize.training import limits_for

# Two losses count as different if they differ by this share of them. The fits of a
# search are no more exact, since they serve the choice alone.
TOLERANCE = 1e-3
MAX_ITER = 300

# A fit is given up once its validation loss is this share above that of the penalty
# before, and rises. This is checked every so many iterations.
HOPELESS = 0.02
CHECK_EVERY = 10

# The best single penalty of the study, in weights of a row, at which paths begin, and
# the share of the penalty at which the network collapses that they begin at, at most.
USUALLY_BEST = 10.0
SHARE_OF_COLLAPSE = 0.1


def size_of(scale: FeatureScale) -> float:
    """The whole power of ten that the features are as large as, or one."""
    return float(10.0 ** np.trunc(np.round(np.log10(scale.typical), 2)))


def for_size(alpha: float, scale: FeatureScale) -> float:
    """What a penalty for features of about size one is for features of this size.

    With features c times as large, the same function has weights c^(-1 / L) times as
    large in each of L layers, so that the penalty counts the same with c^(2 / L) times
    the alpha.
    """
    return float(alpha * size_of(scale) ** (2 / len(scale.shapes)))


def first_alpha(collapse: float, unit: float, scale: FeatureScale) -> float:
    """The penalty at which paths begin, from fresh weights.

    From stronger ones, where most units are shrunk to nothing, fits would go on to
    worse minima. ``collapse`` (`collapse_alpha`) is as much larger as the features are.
    """
    usual = USUALLY_BEST * unit
    share = SHARE_OF_COLLAPSE * collapse / size_of(scale)
    return for_size(min(usual, share) if share > 0 else usual, scale)


def unit_of(weights: np.ndarray) -> float:
    """The weight of a row, of which penalties are multiples.

    So the unit of the weights has no influence. It is the median, which is 1 for rows
    without weights although some are repeated, or else the mean if that is much larger.
    """
    median, mean = float(np.median(weights)), float(weights.mean())
    return median if mean <= 3 * median else mean


@dataclass(frozen=True)
class Precision:
    """How exact the fits of a path are.

    Attributes
    ----------
    tol : float
        Relative tolerance of the loss, and by it of the choice.
    max_iter, max_fun : int
        Largest numbers of iterations and of evaluations of a fit.
    by_user : bool
        Whether one of these limits is the user's, not the search's own.
    hopeless : float
        A fit is given up once its validation loss is this share above that of the
        penalty before, and rises; inf for never.
    """

    tol: float = TOLERANCE
    max_iter: int = MAX_ITER
    hopeless: float = HOPELESS
    max_fun: int = 2 * MAX_ITER
    by_user: bool = False

    @classmethod
    def within(cls, max_iter: int, max_fun: int) -> Self:
        """As exact as a search needs, with no more iterations than the user allows."""
        own = cls()
        return cls(
            max_iter=min(own.max_iter, max_iter),
            max_fun=min(own.max_fun, max_fun),
            by_user=max_iter < own.max_iter or max_fun < own.max_fun,
        )

    def limits(self, shapes: Shapes, dtype: np.dtype) -> Limits:
        """When a fit ends."""
        limits = limits_for(shapes, dtype, self.tol, self.max_iter, self.max_fun)
        # Without hidden layers the gradient alone ends it.
        return limits if len(shapes) > 1 else replace(limits, tol=0.3 * self.tol)


class Interrupted(KeyboardInterrupt):
    """An interrupt of a fit, with the parameters that it had come to."""

    def __init__(self, theta: np.ndarray) -> None:
        super().__init__(theta)
        self.theta = theta


@dataclass(frozen=True)
class Fold:
    """Rows to train on and rows to judge by.

    Attributes
    ----------
    training, validation : Objective
        Their penalties play no part.
    initial : ndarray of shape (n_parameters,)
        Where units begin anew that a penalty shrank away.
    scale : FeatureScale
        Of the features, for the coordinates of the optimiser.
    history_size : int or "auto"
        Number of correction pairs.
    precision : Precision
    stop_reasons : list of str
        Why each of its fits has ended.
    """

    training: Objective
    validation: Objective
    initial: np.ndarray
    scale: FeatureScale
    history_size: int | Literal["auto"]
    precision: Precision = field(default_factory=Precision)
    stop_reasons: list[str] = field(default_factory=list)

    @property
    def n_limited(self) -> int:
        """How many of its fits ended by a limit of the user's."""
        limits = (ITERATION_LIMIT, EVALUATION_LIMIT) if self.precision.by_user else ()
        return sum(reason in limits for reason in self.stop_reasons)

    @property
    def _n_pairs(self) -> int:
        """The number of correction pairs to keep."""
        if self.history_size != "auto":
            return self.history_size
        parts, shapes = self.training.parts, self.training.evaluation.shapes
        return history_size_for(parts.work(shapes), n_parameters(shapes))

    def step(
        self,
        alpha: float,
        theta: np.ndarray,
        loss: float = np.inf,
        monitors: Sequence[Monitor] = (),
    ) -> tuple[np.ndarray, float]:
        """Fit from theta, where the path has come to with this validation loss.

        Returns the theta for the next step, and its validation loss.
        """
        theta = self.fit(alpha, theta, loss, monitors)
        with interruptible_at(theta):
            return theta, self.validation.mean_nll(theta)

    def fit(
        self,
        alpha: float,
        theta: np.ndarray,
        loss: float = np.inf,
        monitors: Sequence[Monitor] = (),
    ) -> np.ndarray:
        """Fit from theta; the theta for the next step.

        Raises
        ------
        Interrupted
            By Ctrl-C, once there are parameters that are worth keeping.
        """
        evaluation = self.training.evaluation
        objective = Objective(self.training.parts, evaluation, alpha)
        limits = self.precision.limits(evaluation.shapes, evaluation.dtype)
        bound = (1 + self.precision.hopeless) * loss
        minimum = minimize(
            [Stage(objective, limits)],
            revive(theta, self.initial, evaluation.shapes),
            history_size=min(self._n_pairs, limits.max_iter),
            monitors=[
                *monitors,
                *([Hopeless(self.validation, bound)] if bound < np.inf else []),
            ],
            standard=self.scale.coordinates(alpha, objective.parts.weight_sum),
        )
        if minimum.stop_reason == INTERRUPTED:
            raise Interrupted(minimum.iterate.theta)
        self.stop_reasons.append(minimum.stop_reason)
        return minimum.iterate.theta


@contextmanager
def interruptible_at(theta: np.ndarray) -> Iterator[None]:
    """Let an interrupt of the body tell the parameters that there are."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interrupted(theta) from interrupt


class Hopeless(Monitor):
    """Ends a fit whose validation loss has risen, and still rises, above a bound.

    Fits with too weak a penalty are the longest, and it shows early.
    """

    def __init__(self, validation: Objective, bound: float) -> None:
        self.validation = validation
        self.bound = bound
        self._last = bound

    def end_iteration(self, iterate: Iterate) -> str | None:
        if iterate.n_iter % CHECK_EVERY:
            return None
        before, self._last = self._last, self.validation.mean_nll(iterate.theta)
        return VALIDATION_LOSS if self._last > max(before, self.bound) else None
