"""Constraints on weights: the signs that they keep, and which of them are zero.

Feature k has s_0,k = 1 where the output must not fall with it, -1 where it must not
rise, and 0 where it is free. Each hidden unit j of layer l has a fixed sign s_l,j, 1
and -1 in turn, and the output has s_L = 1. The network is monotone if

    s_l,j W_l,jk s_(l-1),k >= 0

for each weight on a path from a constrained feature. In the product of the weights
along a path, every inner sign occurs twice. So the product has the sign of s_0,k, and
so has each slope W_L D_(L-1) ... D_1 W_1, which is a sum of such products. A unit with
the sign -1 acts as -relu(-t): concave, where the others are convex.

Interactions are limited to groups of features: hidden units are dealt to G groups in
turn, and a unit is connected with the features or units of its group only. Then the
output is a sum of functions of one group each. Signs alternate within a group.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .parameters import Shapes, n_parameters, unpack

# Sets of features that may interact, by their positions.
Groups: TypeAlias = Sequence[frozenset[int]]


def weight_signs(
    shapes: Shapes,
    monotonic_cst: np.ndarray,
    groups: Groups | None = None,
    first: int = 1,
) -> np.ndarray:
    """The sign that each entry of theta must have, or 0 where it may have any.

    Biases are free. So are the weights of free features, and of units whose group has
    only free features. ``first`` is the sign of the first unit of each hidden layer.
    """
    signs = np.zeros(n_parameters(shapes))
    groups = groups or [frozenset(range(shapes[0][0]))]
    layers = unpack(connections(shapes, groups), shapes)
    before = monotonic_cst
    for (W_T, _), (connected, _) in zip(unpack(signs, shapes), layers, strict=True):
        after = first * (-1.0) ** (np.arange(W_T.shape[1]) // len(groups))
        W_T[:] = np.outer(before, after)
        before = after * (connected & (before != 0)[:, None]).any(axis=0)
    W_T[:] *= first  # The output has the sign 1.
    return signs


def connections(shapes: Shapes, groups: Groups) -> np.ndarray:
    """Which entries of theta may be other than zero: those within a group."""
    connected = np.ones(n_parameters(shapes), dtype=bool)
    identity = np.eye(len(groups), dtype=bool)
    before = np.array([[k in group for group in groups] for k in range(shapes[0][0])])
    for W_T, _ in unpack(connected, shapes)[:-1]:
        after = identity[np.arange(W_T.shape[1]) % len(groups)]
        W_T[:] = before @ after.T
        before = after
    return connected


def fan_in_gains(shapes: Shapes, groups: Groups) -> np.ndarray:
    """Factors for weights that were drawn for all inputs and serve only some."""
    gains = connections(shapes, groups).astype(np.float64)
    for W_T, _ in unpack(gains, shapes):
        W_T *= np.sqrt(len(W_T) / W_T.sum(axis=0))
    return gains


def made_feasible(theta: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Theta with the right signs and unchanged sizes."""
    return np.where(signs == 0, theta, signs * np.abs(theta))


def is_feasible(
    theta: np.ndarray, shapes: Shapes, signs: np.ndarray | None, groups: Groups | None
) -> bool:
    """Whether each entry has its sign or is zero, and none connects two groups."""
    if signs is not None and (signs * theta < 0).any():
        return False
    return groups is None or not theta[~connections(shapes, groups)].any()


def projected_gradient(
    u: np.ndarray, gradient: np.ndarray, signs: np.ndarray
) -> np.ndarray:
    """A step along minus the gradient, which ends before a sign changes.

    Its sizes are those of u - P(u - g), with P the projection on the signs. At a
    minimum it is zero, but the gradient may not be.
    """
    return np.where(signs == 0, gradient, np.minimum(signs * gradient, np.abs(u)))
