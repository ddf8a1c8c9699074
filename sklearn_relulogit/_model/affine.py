"""The affine functions that the network is made of.

Let D_l(x) = diag(pos(z_l(x))): which units of layer l are active at x. All x with the
same D_1, ..., D_(L-1) form a linear region. On it the network is one affine function,

    f(x) = A x + c,    A = W_L D_(L-1) W_(L-1) ... D_1 W_1                     (m_L, p)

the product of the gradient formulas, carried on to the input. Nothing is approximated:
relu(v) = D v with D = diag(pos(v)), so f_l(relu(A' x + c')) is affine again.
"""

import numpy as np

from .arrays import Matrix, namespace
from .blocks import OrderedMap
from .parameters import Layers
from .prediction import for_each_block, in_common_precision


def affine_functions(
    layers: Layers, X: Matrix, ordered_map: OrderedMap = map
) -> tuple[np.ndarray, np.ndarray]:
    """A, (n, m_L, p), and c, (n, m_L), of the linear region of each row of X.

    Algorithm 2 of ``docs/derivation.md``, whose lines the comments cite.
    X only decides which units are active, so sparse rows are never made dense.
    """
    layers = in_common_precision(layers, X)
    *hidden, (W_L_T, b_L) = layers
    n_samples, n_features = X.shape
    xp, n_outputs = namespace(b_L), b_L.shape[0]
    coef = xp.empty((n_samples, n_outputs, n_features), b_L.dtype)
    intercept = xp.empty((n_samples, n_outputs), b_L.dtype)

    def carry_down(rows: slice, activations: list[Matrix], _: np.ndarray) -> None:
        pos = [xp.pos(Z) for Z in activations[1:]]
        # One output after the other, so a block takes no more memory for many outputs.
        for k in range(n_outputs):
            A, c = W_L_T[:, k], b_L[k]  # Line 1
            for (W_T, b), D in zip(reversed(hidden), reversed(pos), strict=True):
                A = xp.multiply(A, D)  # Line 2
                c = c + A @ b  # Line 3
                A = A @ W_T.T  # Line 4
            coef[rows, k, :], intercept[rows, k] = A, c

    for_each_block(carry_down, layers, X, ordered_map)
    return coef, intercept


def activation_patterns(
    layers: Layers, X: Matrix, ordered_map: OrderedMap = map
) -> np.ndarray:
    """Which hidden units are active at each row of X, eight in a byte.

    The units of all hidden layers stand side by side, in the bits of `numpy.packbits`.
    Two rows with the same bytes lie in the same linear region.
    """
    layers = in_common_precision(layers, X)
    n_units = sum(len(b) for _, b in layers[:-1])
    patterns = np.empty((X.shape[0], -(-n_units // 8)), np.uint8)

    def note(rows: slice, activations: list[Matrix], _: np.ndarray) -> None:
        if n_units:
            pos = np.greater(np.hstack(activations[1:]), 0, order="C")
            patterns[rows] = np.packbits(pos, axis=1)

    for_each_block(note, layers, X, ordered_map)
    return patterns
