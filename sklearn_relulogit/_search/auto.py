"""The strength of the penalty by ``alpha="auto"``.

Two-fold cross-validation between halves that the data define (see `halves`), along
a path of penalties. ``docs/defaults.md`` says why, and what it gains.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.collapse import collapse_alpha
from .._model.objective import Objective
from .._optimize.coordinates import FeatureScale
from .._optimize.monitors import Watcher
from .._rows.distinct import Keyed
from .halves import Halves, halves
from .walk import TOLERANCE, Enough, Fold, Precision, Walk, first_alpha, unit_of

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
    """A penalty, what else a search has found, and its network.

    Attributes
    ----------
    alpha : float
    found : dict
        The fitted attributes that tell of the search.
    theta : ndarray of shape (n_parameters,) or None
        A network that was fitted by the best penalty that was tried.
    limited : list of bool
        Of each fit of the search, whether a limit of the user's ended it.
    """

    alpha: float
    found: dict[str, Any]
    theta: np.ndarray | None = None
    limited: Sequence[bool] = ()


def search_rows(n_features: int) -> int:
    """The number of distinct rows that a search uses, about."""
    return min(MAX_ROWS, max(MAX_NUMBERS // n_features, MIN_ROWS))


def penalty(exponent: float) -> float:
    """The half power of ten."""
    return float(10 ** (exponent / 2))


def choose_alpha(
    sample: Keyed,
    scale: FeatureScale,
    initial: Callable[[float, float], np.ndarray],
    *,
    weight_sum: float,
    history_size: int | Literal["auto"],
    precision: Precision,
    ordered_map: OrderedMap = map,
    watchers: Sequence[Watcher] = (),
) -> Choice:
    """The penalty for rows that weigh ``weight_sum``, by fits to halves of a sample.

    The fits of each half, judged by the other, follow the path that `descend` takes,
    each from where the one before has ended, the first from
    ``initial(alpha, weight_sum)``. So it finds the lowest loss if the loss has one
    minimum over alpha, as it has, but for noise, in the study. The best penalty of a
    half is that of the `vertex`; that of more rows is larger (`GROWTH`). But where the
    next penalty leaves nothing but a constant, none between is trusted, and the best of
    those that were tried is taken. A watcher may end the search; then the best penalty
    so far is taken.
    """
    data, shapes = sample.block, scale.shapes
    two = halves(sample, search_rows(data.X.shape[1]))
    unit = unit_of(data.sample_weight.astype(np.float64))
    collapse = collapse_alpha(data, scale.unit)
    if two.n_rows < FEW_ROWS or collapse == 0:
        # No penalty can be preferred to another.
        exponent = WEAK_EXPONENT if collapse else USUAL_EXPONENT
        return Choice(unit * penalty(exponent), {"alpha_losses_": {}})
    first = 2 * np.log10(first_alpha(collapse, unit, scale) / unit)
    # A rounding error may not lead to the penalty below.
    start = int(np.floor(first + ROUNDING))
    half = float(np.mean([weight_of(training) for training in two.training]))
    theta = initial(unit * penalty(start), half)

    def objective(rows: Block) -> Objective:
        parts = Parts.of(rows, shapes, ordered_map)
        return Objective(parts, shapes, 0.0, rows.X.dtype)

    folds = [
        Fold(
            objective(training), objective(other), theta, scale, history_size, precision
        )
        for training, other in zip(two.training, two.validation, strict=True)
    ]
    weights = [fold.validation.parts.weight_sum for fold in folds]
    walk = Walk(
        [fold.step for fold in folds],
        theta,
        alphas=lambda exponent: unit * penalty(exponent),
        mean=partial(np.average, weights=weights),
        watchers=watchers,
    )
    losses, constant = walk.means, constant_loss(two)
    try:
        # One nat over all rows: the evidence that it takes to leave the penalty that is
        # usually best. Rows, not weights, so that the weights' unit is irrelevant.
        best = descend(walk.visit, start, 1 / two.n_rows, constant=constant)
    except Enough:
        best = min(losses, key=losses.__getitem__)
    growth = GROWTH if len(shapes) > 1 else 0.0
    chosen = vertex(losses, best) + 2 * growth * np.log10(weight_sum / half)
    chosen = STEP_OF_EXPONENT * np.rint(chosen / STEP_OF_EXPONENT)
    # A loss from here on is that of a constant, as exactly as losses are compared.
    least = constant * (1 - TOLERANCE)
    if losses[best] < least <= losses.get(best + 1, 0.0):
        chosen = min(chosen, best)
    return Choice(
        unit * penalty(chosen),
        {
            "alpha_losses_": {
                unit * penalty(exponent): loss for exponent, loss in losses.items()
            }
        },
        walk.tried[best][0].theta,
        walk.limited,
    )


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
) -> int:
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
    """
    best, lowest = start, loss_at(start, None)

    def gain(before: float, after: float) -> float:
        """What a step gains beyond the least that counts."""
        return before - after - max(least_gain, tol * before)

    for direction in (-1, 1):
        here = start
        while abs(here - start) < MAX_STEPS:
            before, here = here, here + direction
            loss = loss_at(here, before)
            if gain(lowest, loss) > 0:
                best, lowest = here, loss
                continue
            if constant is None:
                break
            worse = gain(loss, constant) > 0
            better = gain(constant, lowest) > 0
            if better or (worse if direction < 0 else not worse):
                break
        if best != start:
            break
    return best


def constant_loss(two: Halves) -> float:
    """The loss of the halves by the shares of the classes in each other, in nats."""
    total = weight = 0.0
    for training, other in zip(two.training, two.validation, strict=True):
        n_classes = max(training.y.max(), other.y.max()) + 1
        shares, counts = (
            np.bincount(half.y, half.sample_weight, minlength=n_classes)
            for half in (training, other)
        )
        shares = np.maximum(shares / shares.sum(), np.finfo(np.float64).eps)
        total -= counts @ np.log(shares)
        weight += counts.sum()
    return float(total / weight)
