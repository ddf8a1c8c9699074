"""Hidden layers that are dead: no unit is active for any row.

Behind such a layer the network is a constant, and the gradient of all weights is that
of the penalty: no minimisation would ever leave it. It happens to narrow layers, at the
start, where it is mended, and in a long step, where it is told.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ._arrays import arrays_of, to_numpy
from ._blocks import Block
from ._network import forward
from ._parameters import Layers, Shapes, unpack
from ._products import operand

# Logits that differ by no more say the same: probabilities to six digits.
SAME_LOGITS = 1e-6


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


def is_constant(
    theta: np.ndarray,
    shapes: Shapes,
    parts: Any,
    ordered_map: Callable[..., Iterable[Any]] = map,
) -> bool:
    """Whether the logits of all rows that have weight are the same."""
    layers = unpack(theta, shapes)
    if any(ordered_map(partial(_varies, layers), parts)):
        return False
    # Each part by itself is constant.
    moments = list(ordered_map(partial(_moments, layers), parts))
    n, total, squares = (sum(entries) for entries in zip(*moments, strict=True))
    return bool((squares / n - (total / n) ** 2 <= SAME_LOGITS**2).all())


def _active(layers: Layers, part: Iterable[Block]) -> np.ndarray:
    """Of each hidden layer, whether a unit is active for a row that has weight."""
    active = np.zeros(len(layers) - 1, dtype=bool)
    for block in part:
        xp = arrays_of(block.sample_weight)
        present = (block.sample_weight > 0)[:, None]
        hidden, _ = _forward(layers, block)
        active |= [bool(xp.any((Z > 0) & present)) for Z in hidden]
        if active.all():
            break
    return active


def _varies(layers: Layers, part: Iterable[Block]) -> bool:
    """Whether the logits of one part differ."""
    first = None
    for block in part:
        logits = _logits(layers, block)
        if len(logits):
            first = logits[0] if first is None else first
            if np.abs(logits - first).max() > SAME_LOGITS:
                return True
    return False


def _moments(
    layers: Layers, part: Iterable[Block]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of rows, sum and sum of squares of the logits of one part."""
    n, total, squares = 0, np.zeros(len(layers[-1][1])), np.zeros(len(layers[-1][1]))
    for block in part:
        logits = _logits(layers, block).astype(np.float64)
        n += len(logits)
        total += logits.sum(axis=0)
        squares += (logits**2).sum(axis=0)
    return n, total, squares


def _logits(layers: Layers, block: Block) -> np.ndarray:
    """The logits of the rows that have weight, on the host."""
    _, logits = _forward(layers, block)
    return to_numpy(logits)[to_numpy(block.sample_weight) > 0]


def _forward(layers: Layers, block: Block) -> tuple[list[np.ndarray], np.ndarray]:
    """The activations of the hidden layers, and the logits."""
    xp, dtype = arrays_of(block.sample_weight), block.X.dtype
    X = operand(block.X, dtype)
    out = [xp.empty((X.shape[0], len(b)), dtype) for _, b in layers]
    with np.errstate(over="ignore", invalid="ignore"):
        layers = [(xp.sent(W_T, dtype), xp.sent(b, dtype)) for W_T, b in layers]
        activations, logits = forward(layers, X, out)
    return activations[1:], logits
