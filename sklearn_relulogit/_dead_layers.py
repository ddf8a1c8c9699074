"""Hidden layers that begin dead: no unit is active for any row.

Behind such a layer the network is a constant, and the gradient of all weights is zero:
no minimisation would ever leave it. It happens to narrow layers.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ._arrays import arrays_of
from ._blocks import Block
from ._network import forward
from ._parameters import Layers, Shapes, unpack
from ._products import operand


def woken(
    theta: np.ndarray,
    shapes: Shapes,
    parts: Any,
    ordered_map: Callable[..., Iterable[Any]] = map,
) -> np.ndarray:
    """Theta, or a copy in which dead layers have W_l of the other sign.

    The biases are zero, so any non-zero input that leaves a unit inactive activates
    it then; and as likely as the drawn weights are those of the other sign. Only if
    all inputs of a layer are zero, there is nothing to learn and nothing changes.
    """

    def active(layers: Layers) -> np.ndarray:
        return np.any(list(ordered_map(partial(_active, layers), parts)), axis=0)

    if len(shapes) == 1 or (alive := active(unpack(theta, shapes))).all():
        return theta
    theta = theta.copy()
    layers = unpack(theta, shapes)
    for l in range(1, len(shapes)):  # noqa: E741, the l of the formulas
        if not alive[l - 1]:
            layers[l - 1][0][:] *= -1
            alive = active(layers)
    return theta


def _active(layers: Layers, part: Iterable[Block]) -> np.ndarray:
    """Of each hidden layer, whether a unit is active for a row that has weight."""
    active = np.zeros(len(layers) - 1, dtype=bool)
    for block in part:
        xp, dtype = arrays_of(block.sample_weight), block.X.dtype
        X = operand(block.X, dtype)
        out = [xp.empty((X.shape[0], len(b)), dtype) for _, b in layers]
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = [(xp.sent(W_T, dtype), xp.sent(b, dtype)) for W_T, b in layers]
            activations, _ = forward(rounded, X, out)
        present = (block.sample_weight > 0)[:, None]
        active |= [bool(xp.any((Z > 0) & present)) for Z in activations[1:]]
        if active.all():
            break
    return active
