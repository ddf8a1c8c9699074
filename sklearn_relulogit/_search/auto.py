"""The strength of the penalty by ``alpha="auto"``.

Two-fold cross-validation between halves that the data define (see `halves`), along
a path of penalties. ``docs/defaults.md`` says why, and what it gains.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.collapse import collapse_alpha
from .._model.likelihood import Likelihood
from .._model.objective import Objective
from .._model.parameters import Shapes
from .._optimize.coordinates import FeatureScale
from .._optimize.lbfgs import Monitor
from .._optimize.monitors import Watcher
from .._rows.distinct import Keyed
from .._threads import single_threaded_blas
from .halves import Halves, halves
from .path import (
    TOLERANCE,
    Fold,
    Interrupted,
    Precision,
    first_alpha,
    unit_of,
)
from .watch import Enough

# Penalties are half powers of ten, counted by their exponents, so that rounding errors
# do not matter. The search goes no more than four powers from where it begins.
MAX_STEPS = 8
ROUNDING = 1e-6

# So a search tries at most so many penalties.
MAX_PENALTIES = 1 + 2 * MAX_STEPS

# Of so few rows the halves tell nothing. A weak penalty then lets the network say what
# the rows do.
FEW_ROWS = 20
WEAK_EXPONENT = -2

# Where the labels tell nothing either, the penalty that is usually best.
USUAL_EXPONENT = 2

# The best penalty grows with the rows, in laws that were tried about as this power of
# their number (see docs/defaults.md). That of a linear model does not.
GROWTH = 1 / 3

# Of exponents, so that rounding errors of the losses do not matter.
STEP_OF_EXPONENT = 1 / 4

# The halves together hold about so many rows, since more would tell little more, and
# about so many numbers, but not fewer rows than this.
MAX_ROWS = 10_000
MAX_NUMBERS, MIN_ROWS = 2**22, 2000


class Choice(NamedTuple):
    """A penalty, the validation loss of those tried, and a network of the search.

    ``interrupted`` says that the search was, and theta is then what to keep.
    ``n_limited`` of ``n_fits`` fits of the search ended by a limit of the user's.
    """

    alpha: float
    losses: dict[float, float] | None = None
    theta: np.ndarray | None = None
    interrupted: bool = False
    n_limited: int = 0
    n_fits: int = 0


def search_rows(n_features: int) -> int:
    """The number of distinct rows that a search uses, about."""
    return min(MAX_ROWS, max(MAX_NUMBERS // n_features, MIN_ROWS))


def penalty(exponent: float) -> float:
    """The half power of ten."""
    return float(10 ** (exponent / 2))


class Walk:
    """A walk from one penalty to the next, while the loss of the folds falls.

    Parameters
    ----------
    folds : list of Fold
    initial : ndarray of shape (n_parameters,)
        Where the first fits begin.
    unit : float
        The unit of the penalties.
    watchers : sequence of Watcher
        Told of each penalty.
    """

    def __init__(
        self,
        folds: list[Fold],
        initial: np.ndarray,
        unit: float,
        watchers: Sequence[Watcher],
    ) -> None:
        self.folds = folds
        self.initial, self.unit = initial, unit
        self.watchers = watchers
        # Of each penalty: where the fits of the folds ended, and with what losses.
        self.steps: dict[int, tuple[list[np.ndarray], list[float]]] = {}
        self.losses: dict[int, float] = {}
        # Of the first penalty, before it has a loss: where the first fit has come to.
        self.first_theta: np.ndarray | None = None

    def loss_at(self, exponent: int, before: int | None) -> float:
        """The mean loss of a penalty, whose fits begin where those of ``before`` ended.

        The first ones, of ``before=None``, begin at the initial weights.
        """
        n, alpha = len(self.folds), self.unit * penalty(exponent)
        if before is None:
            last = [self.initial] * n, [np.inf] * n
        else:
            last = self.steps[before]
        for watcher in self.watchers:
            watcher.begin(alpha)
        thetas, losses = [], []
        for number, (fold, theta, loss) in enumerate(
            zip(self.folds, *last, strict=True)
        ):
            monitors = [
                monitor
                for watcher in self.watchers
                for monitor in watcher.monitors(alpha, number)
            ]
            theta, loss = self._step(fold, alpha, theta, loss, monitors)
            thetas.append(theta)
            losses.append(loss)
        self.steps[exponent] = thetas, losses
        weights = [fold.validation.parts.weight_sum for fold in self.folds]
        loss = self.losses[exponent] = float(np.average(losses, weights=weights))
        ends = [
            watcher.end(alpha, np.array(losses), loss, thetas[0])
            for watcher in self.watchers
        ]
        if any(ends):
            raise Enough
        return loss

    def _step(
        self,
        fold: Fold,
        alpha: float,
        theta: np.ndarray,
        loss: float,
        monitors: list[Monitor],
    ) -> tuple[np.ndarray, float]:
        """A step of one fold; its parameters are noted if there were none before."""
        try:
            theta, loss = fold.step(alpha, theta, loss, monitors)
        except Interrupted as interrupt:
            if self.first_theta is None:
                self.first_theta = interrupt.theta
            raise
        if self.first_theta is None:
            self.first_theta = theta
        return theta, loss

    def kept(self) -> tuple[int | None, np.ndarray | None]:
        """The penalty of the lowest loss so far, and a network fitted by it.

        Before there is one, None and what there is of a network.
        """
        if not self.losses:
            return None, self.first_theta
        best = min(self.losses, key=self.losses.__getitem__)
        return best, self.steps[best][0][0]


def choose_alpha(
    sample: Keyed,
    shapes: Shapes,
    likelihood: Likelihood,
    initial: Callable[[float, float], np.ndarray],
    scale: FeatureScale,
    *,
    weight_sum: float,
    history_size: int | Literal["auto"],
    ordered_map: OrderedMap = map,
    watchers: Sequence[Watcher] = (),
    precision: Precision | None = None,
    max_rows: int | None = None,
) -> Choice:
    """The penalty for rows that weigh ``weight_sum``, by fits to halves of a sample.

    The fits of each half, judged by the other, follow the path that `descend` takes,
    each from where the one before has ended, the first from
    ``initial(alpha, weight_sum)``. So it finds
    the lowest loss if the loss has one minimum over alpha, as it has, but for noise, in
    the study. The best penalty of a half is that of the `vertex`; that of more rows is
    larger (`GROWTH`). But where the next penalty leaves nothing but a constant, none
    between is trusted, and the best of those that were tried is taken.

    A watcher may end the search, and an interrupt ends it once there is a network to
    keep. Then the best penalty so far is taken.
    """
    precision = Precision() if precision is None else precision
    data = sample.block
    max_rows = search_rows(data.X.shape[1]) if max_rows is None else max_rows
    two = halves(sample, likelihood.n_classes, max_rows)
    unit = unit_of(data.sample_weight.astype(np.float64))
    collapse = collapse_alpha(data, likelihood, scale.unit)
    if two.n_rows < FEW_ROWS or collapse == 0:
        # No penalty can be preferred to another.
        exponent = WEAK_EXPONENT if collapse else USUAL_EXPONENT
        return Choice(unit * penalty(exponent), {})

    first = 2 * np.log10(first_alpha(collapse, unit, scale) / unit)
    # A rounding error may not lead to the penalty below.
    start = int(np.floor(first + ROUNDING))
    half = float(np.mean([weight_of(training) for training in two.training]))
    theta = initial(unit * penalty(start), half)
    folds = judged_folds(
        two, shapes, likelihood, theta, scale, history_size, precision, ordered_map
    )
    walk = Walk(folds, theta, unit, watchers)
    constant = constant_loss(two)
    interrupted = False
    kept: np.ndarray | None
    try:
        with single_threaded_blas():
            # One nat over all rows: the evidence that it takes to leave the penalty
            # that is usually best. Rows, not weights, so that the weights' unit is
            # irrelevant.
            best, losses = descend(
                walk.loss_at,
                start,
                least_gain=1 / two.n_rows,
                tol=precision.tol,
                constant=constant,
            )
        kept = walk.steps[best][0][0]
    except (Enough, KeyboardInterrupt) as end:
        interrupted = isinstance(end, KeyboardInterrupt)
        so_far, kept = walk.kept()
        if kept is None:
            raise
        best, losses = start if so_far is None else so_far, walk.losses
    chosen: float = best
    if not interrupted:
        growth = GROWTH if len(shapes) > 1 else 0.0
        chosen = vertex(losses, best) + 2 * growth * np.log10(weight_sum / half)
        chosen = STEP_OF_EXPONENT * np.rint(chosen / STEP_OF_EXPONENT)
        # A loss from here on is that of a constant, as exactly as losses are compared.
        least = constant * (1 - precision.tol)
        if losses[best] < least <= losses.get(best + 1, 0.0):
            chosen = min(chosen, best)
    return Choice(
        unit * penalty(chosen),
        {unit * penalty(exponent): loss for exponent, loss in losses.items()},
        kept,
        interrupted,
        n_limited=sum(fold.n_limited for fold in folds),
        n_fits=sum(len(fold.stop_reasons) for fold in folds),
    )


def judged_folds(
    two: Halves,
    shapes: Shapes,
    likelihood: Likelihood,
    initial: np.ndarray,
    scale: FeatureScale,
    history_size: int | Literal["auto"],
    precision: Precision,
    ordered_map: OrderedMap,
) -> list[Fold]:
    """The two folds in which each half is judged by the other."""

    def objective(half: Block) -> Objective:
        parts = Parts.of(half, shapes, ordered_map)
        return Objective.over(parts, shapes, likelihood, 0.0, half.X.dtype)

    return [
        Fold(
            objective(training),
            objective(other),
            initial,
            scale,
            history_size,
            precision,
        )
        for training, other in zip(two.training, reversed(two.validation), strict=True)
    ]


def vertex(losses: dict[int, float], best: int) -> float:
    """The minimum of the parabola through a lowest loss and those beside it.

    It is at most half a step away.
    """
    if not {best - 1, best, best + 1} <= losses.keys():
        return best
    before, here, after = (losses[best + step] for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    if not 0 < curvature < np.inf:
        return best
    return best + float(np.clip((before - after) / (2 * curvature), -0.5, 0.5))


def descend(
    loss_at: Callable[[int, int | None], float],
    start: int,
    least_gain: float,
    tol: float = TOLERANCE,
    constant: float | None = None,
) -> tuple[int, dict[int, float]]:
    """Go from ``start`` to weaker or stronger penalties while the loss falls.

    To weaker ones first, or else, if there is nothing to gain, to stronger ones. A
    step must lower the loss by ``least_gain`` and by the share ``tol`` of it. Steps to
    weaker penalties also continue while the loss is that of a constant network, and
    steps to stronger ones, at the end of which it is a constant, while it is worse.

    Parameters
    ----------
    loss_at : callable
        ``loss_at(exponent, before)`` comes from the penalty ``before``, None at first.
    start : int
        Exponent of the first penalty.
    least_gain, tol : float
    constant : float, optional
        The loss of a constant network.

    Returns
    -------
    best : int
        Where it ends.
    losses : dict of int to float
        The loss of each penalty tried.
    """
    losses = {start: loss_at(start, None)}
    best = start

    def gain(before: float, after: float) -> float:
        """What a step gains beyond the least that counts."""
        return before - after - max(least_gain, tol * before)

    for direction in (-1, 1):
        here = start
        while abs(here - start) < MAX_STEPS:
            before, here = here, here + direction
            losses[here] = loss_at(here, before)
            if gain(losses[best], losses[here]) > 0:
                best = here
                continue
            if constant is None:
                break
            worse = gain(losses[here], constant) > 0
            better = gain(constant, losses[best]) > 0
            if worse if direction < 0 else not worse:
                break
            if better:
                break
        if best != start:
            break
    return best, losses


def constant_loss(two: Halves) -> float:
    """The loss of the halves by the shares of the classes in each other, in nats."""
    total = weight = 0.0
    for training, other in zip(two.training, reversed(two.validation), strict=True):
        n_classes = max(training.y.max(), other.y.max()) + 1
        shares, counts = (
            np.bincount(half.y, half.sample_weight, minlength=n_classes)
            for half in (training, other)
        )
        shares = np.maximum(shares / shares.sum(), np.finfo(np.float64).eps)
        total -= counts @ np.log(shares)
        weight += counts.sum()
    return float(total / weight)
