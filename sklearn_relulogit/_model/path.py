"""The mean of the network's slopes along the straight line from a reference to a row.

On the line x(t) = r + t (x - r), 0 <= t <= 1, the network is piecewise affine. With
A(t) its coefficients at x(t), ``docs/derivation.md`` shows that

    f(x) - f(r) = sum_k (x_k - r_k) G_k,    G = integral of A(t) dt,

and computes G exactly. A unit of the last hidden layer counts for the share of the line
on which it is active. Units of earlier layers divide the line where they switch.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from .arrays import Matrix
from .blocks import OrderedMap
from .parameters import Layers
from .prediction import for_each_block, in_common_precision

# Numbers of hidden units and of coefficients in memory at a time.
UNITS, COEFFICIENTS = 2**16, 2**17


def slopes_by_units(
    start: np.ndarray, end: np.ndarray, layers: Layers
) -> list[np.ndarray]:
    """The mean slopes by the inputs u_1 of the first hidden units, (n, m_1), by output.

    From ``start``, (m_1,), the u_1 at the reference, to ``end``, (n, m_1), those at the
    rows. ``layers`` are those behind the first one.
    """
    *hidden, (W_L_T, _) = layers
    lines = np.arange(len(end))
    length = np.ones((len(end), 1), end.dtype)
    start = start[np.newaxis]
    active: list[np.ndarray] = []
    for W_T, b in hidden:
        start = np.broadcast_to(start, end.shape)
        piece, low, high = switches(start, end)  # Line 1
        start, rise = start[piece], (end - start)[piece]
        start, end = start + low * rise, start + high * rise
        length, lines = length[piece] * (high - low), lines[piece]
        D = start + end > 0  # Line 2
        active = [of_pieces[piece] for of_pieces in active] + [D]
        start, end = ((u * D) @ W_T + b for u in (start, end))  # Line 3
    share = active_share(start, end)  # Line 4
    first = np.flatnonzero(np.diff(lines, prepend=-1))
    slopes = []
    for w in W_L_T.T:
        g = w * share  # Line 5
        for (W_T, _), D in zip(reversed(hidden), reversed(active), strict=True):
            g = (g @ W_T.T) * D  # Line 6
        slopes.append(np.add.reduceat(length * g, first) if hidden else g)  # Line 7
    return slopes


def switches(
    start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide pieces of lines, (n, m), where one of their m units switches.

    Returns, for each new piece in order, the old piece that holds it, (n_new,), and the
    shares of the old piece at which it begins and ends, both (n_new, 1).
    """
    piece, unit = np.nonzero((start > 0) != (end > 0))
    u, v = start[piece, unit], end[piece, unit]
    piece = np.concatenate([np.arange(len(end)), piece])
    t = np.concatenate([np.zeros(len(end), end.dtype), u / (u - v)])
    order = np.lexsort((t, piece))
    piece, t = piece[order], t[order]
    goes_on = np.append(piece[1:] == piece[:-1], False)
    until = np.where(goes_on, np.append(t[1:], 1), 1)
    return piece, t[:, np.newaxis], until[:, np.newaxis].astype(t.dtype)


def active_share(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The share of a line on which u > 0, where u goes evenly from start to end.

    That is (relu(end) - relu(start)) / (end - start), or pos(start) if both are equal.
    """
    rise = end - start
    share = np.maximum(end, 0)
    share -= np.maximum(start, 0)
    with np.errstate(invalid="ignore"):
        share /= rise
    still = rise == 0
    if still.any():
        share[still] = np.broadcast_to(start > 0, still.shape)[still]
    return share


def path_slopes(
    reference: np.ndarray, layers: Layers, X: Matrix, ordered_map: OrderedMap = map
) -> np.ndarray:
    """G, (n, m_L, p), from the reference, (p,), to each row of X.

    Algorithm 4 of ``docs/derivation.md``, whose lines the comments cite.
    """
    layers = in_common_precision(layers, X)
    (W_1_T, b_1), *deeper = layers
    n_outputs = len(layers[-1][1])
    slopes = np.empty((X.shape[0], n_outputs, X.shape[1]), b_1.dtype)
    if not deeper:
        slopes[:] = W_1_T.T
        return slopes
    start = (reference @ W_1_T + b_1).astype(b_1.dtype)

    # Each unit before the last hidden layer may divide a line once or more.
    sizes = [len(b) for _, b in layers[:-1]]
    n_rows = max(UNITS // (max(sizes) * (1 + sum(sizes[:-1]))), 1)

    def fill(rows: slice, _: list[Matrix], end: np.ndarray) -> None:
        found = slopes[rows]
        for few in gen_batches(len(end), n_rows):
            for k, G in enumerate(slopes_by_units(start, end[few], deeper)):
                np.matmul(G, W_1_T.T, out=found[few, k])  # Line 8

    for_each_block(fill, layers[:1], X, ordered_map)
    return slopes


def mean_absolute_contributions(
    layers: Layers, X: Matrix, weights: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """The mean of abs((x_k - r_k) G_k) over rows, by weight, and outputs, (p,)."""
    n_outputs, n_features = len(layers[-1][1]), X.shape[1]
    step = max(COEFFICIENTS // (n_outputs * n_features), 1)
    total = np.zeros(n_features)
    for start in range(0, X.shape[0], step):
        block = X[start : start + step]
        slopes = np.abs(path_slopes(reference, layers, block)).sum(axis=1)
        distance = (block.toarray() if issparse(block) else block) - reference
        total += weights[start : start + step] @ (slopes * np.abs(distance))
    return total / (n_outputs * weights.sum())
