"""The network f_L(relu(... relu(f_1(x)))), forward and backward, on a block of rows.

In the notation of the formulas, for the rows x_i of X, i = 1..n:

    Z_0 = X,    Z_l = relu(Z_(l-1) W_l^T + b_l)  for 0 < l < L         (n, m_l)
    logits = Z_(L-1) W_L^T + b_L                                       (n, m_L)

``docs/derivation.md`` proves that `backward` computes the gradient. The comments cite
the line numbers of its algorithms.
"""

from collections.abc import Sequence

import numpy as np

from .arrays import Matrix, namespace, product
from .parameters import Layers


def affine(Z: Matrix, W_T: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """f_l of each row: ``out = Z W_l^T + b_l``.

    If Z ends with a column of ones, b_l may be the last row of W_l^T, and b empty.
    """
    product(Z, W_T, out=out)
    if b.shape[0]:
        out += b
    return out


def forward(
    layers: Layers, X: Matrix, out: Sequence[np.ndarray]
) -> tuple[list[Matrix], np.ndarray]:
    """Return [Z_0, ..., Z_(L-1)] and the logits.

    Z_l is written to ``out[l - 1]``, of shape (n, m_l), and the logits to the last
    array.
    """
    xp = namespace(out[-1])
    activations = [X]
    for (W_T, b), Z in zip(layers[:-1], out, strict=False):
        affine(activations[-1], W_T, b, out=Z)
        xp.maximum(Z, 0, out=Z)
        activations.append(Z)
    logits = affine(activations[-1], *layers[-1], out=out[-1])
    return activations, logits


def backward(
    layers: Layers, activations: list[Matrix], residual: np.ndarray, out: Layers
) -> None:
    """Write the gradient with respect to each (W_l^T, b_l) to ``out[l - 1]``.

    ``residual``, (n, m_L), holds the derivatives dC/df_L of the loss of each row by its
    logits. Algorithm 1 of the derivation starts with delta_L = residual. Then for
    l = L, ..., 1

        grad_W_l^T = Z_(l-1)^T delta_l,    grad_b_l = delta_l^T 1
        delta_(l-1) = (delta_l W_l) * pos(Z_(l-1))

    The hidden activations are overwritten: each delta_l takes the memory of the Z_l
    that is no longer needed.
    """
    xp = namespace(residual)
    delta = residual  # Line 1
    for l in range(len(layers), 0, -1):  # noqa: E741, the l of the formulas
        W_T, _ = layers[l - 1]
        grad_W_T, grad_b = out[l - 1]
        Z = activations[l - 1]
        product(Z.T, delta, out=grad_W_T)  # Line 2
        if grad_b.shape[0]:  # Else a column of ones did it.
            xp.column_sums(delta, out=grad_b)  # Line 3
        if l > 1:
            pos = Z > 0  # Line 4
            delta = product(delta, W_T.T, out=Z)  # Line 5
            xp.multiply(delta, pos, out=delta)  # Line 6
