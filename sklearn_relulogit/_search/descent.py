"""Which penalties a walk tries, and the penalty that their losses say.

Penalties are half powers of ten, counted by their exponents, so that rounding errors
do not matter.
"""

from collections.abc import Callable

import numpy as np

from .._model.parameters import Shapes
from .walk import TOLERANCE

# A walk goes no more than four powers of ten from where it begins.
MAX_STEPS = 8

# The best penalty grows about as this power of the number of rows, in laws that were
# tried (see docs/defaults.md). That of a linear model does not grow.
GROWTH = 1 / 3

# The chosen exponent is a multiple of this, so that rounding errors of the losses do
# not matter.
STEP_OF_EXPONENT = 1 / 4


def penalty(exponent: float) -> float:
    """The half power of ten."""
    return float(10 ** (exponent / 2))


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


def exponent_for(
    times: float, losses: dict[int, float], best: int, constant: float, shapes: Shapes
) -> float:
    """The exponent of the penalty for so many times the rows of a half."""
    growth = GROWTH if len(shapes) > 1 else 0.0
    chosen = vertex(losses, best) + 2 * growth * np.log10(times)
    chosen = float(STEP_OF_EXPONENT * np.rint(chosen / STEP_OF_EXPONENT))
    # A loss from here on is that of a constant, as exactly as losses are compared.
    least = constant * (1 - TOLERANCE)
    collapses = losses[best] < least <= losses.get(best + 1, 0.0)
    return min(chosen, best) if collapses else chosen


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
