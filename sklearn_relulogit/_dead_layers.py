"""Hidden layers that are dead: no unit is active for any row.

Behind such a layer the network is a constant, and the gradient of all weights is that
of the penalty: no minimisation would ever leave it. It happens to narrow layers, at the
start, where it is mended, and in a long step, where it is told.
"""

from collections.abc import Iterable

import numpy as np

from ._blocks import Block
from ._network import forward
from ._parameters import Layers, Shapes, unpack
from ._products import operand

# Logits that differ by no more say the same: probabilities to six digits.
SAME_LOGITS = 1e-6


def woken(
    theta: np.ndarray, shapes: Shapes, parts: Iterable[Iterable[Block]]
) -> np.ndarray:
    """Theta, or a copy in which dead layers have W_l of the other sign.

    The biases are zero, so any non-zero input that leaves a unit inactive activates
    it then; and as likely as the drawn weights are those of the other sign. Only if
    all inputs of a layer are zero, there is nothing to learn and nothing changes.
    """
    blocks = [block for part in parts for block in part]
    if len(shapes) == 1 or all(_active(unpack(theta, shapes), blocks[0])):
        return theta
    theta = theta.copy()
    layers = unpack(theta, shapes)
    for l in range(1, len(shapes)):  # noqa: E741, the l of the formulas
        if not any(_active(layers, block)[l - 1] for block in blocks):
            layers[l - 1][0][:] *= -1
    return theta


def is_constant(
    theta: np.ndarray, shapes: Shapes, parts: Iterable[Iterable[Block]]
) -> bool:
    """Whether the logits of all rows that have weight are the same."""
    first = None
    layers = unpack(theta, shapes)
    for part in parts:
        for block in part:
            logits = _forward(layers, block)[-1]
            if len(logits) == 0:
                continue
            first = logits[0] if first is None else first
            if np.abs(logits - first).max() > SAME_LOGITS:
                return False
    return True


def _active(layers: Layers, block: Block) -> list[bool]:
    """Of each hidden layer, whether a unit is active for a row that has weight."""
    return [bool((Z > 0).any()) for Z in _forward(layers, block)[:-1]]


def _forward(layers: Layers, block: Block) -> list[np.ndarray]:
    """The activations of the hidden layers and the logits, of rows that have weight."""
    dtype = block.X.dtype
    X = operand(block.X, dtype)
    out = [np.empty((X.shape[0], len(b)), dtype) for _, b in layers]
    with np.errstate(over="ignore", invalid="ignore"):
        layers = [(W_T.astype(dtype), b.astype(dtype)) for W_T, b in layers]
        activations, logits = forward(layers, X, out)
    present = block.sample_weight > 0
    return [Z[present] for Z in [*activations[1:], logits]]
