"""What is read off the network row by row, in the memory of a few row blocks."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from ._arrays import arrays_of
from ._blocks import row_parts, rows_of
from ._network import forward
from ._objective import Buffers, evaluation, order_of_activations
from ._parameters import Layers
from ._products import Matrix, operand


def in_common_precision(layers: Layers, X: Matrix) -> Layers:
    """The layers in the precision of X and the layers together."""
    xp = arrays_of(layers[0][0])
    dtype = xp.result_type(X.dtype, layers[0][0].dtype)
    return [
        (xp.astype(W_T, dtype, copy=False), xp.astype(b, dtype, copy=False))
        for W_T, b in layers
    ]


def for_each_block(
    function: Callable[[slice, list[Matrix], np.ndarray], None],
    layers: Layers,
    X: Matrix,
    ordered_map: Callable[..., Iterable[Any]] = map,
) -> None:
    """Call ``function(rows, activations, logits)`` with each block of rows of X.

    The arrays are those that `forward` returns, in the precision of the layers; the
    next block is written to the same memory.
    """
    dtype = layers[0][0].dtype
    shapes = [W_T.shape for W_T, _ in layers]
    parts = row_parts(X, shapes)
    order = order_of_activations(issparse(X), shapes, dtype)
    widths = [m for _, m in shapes]
    buffers = Buffers(widths, dtype, order, arrays_of(layers[0][0]))

    def visit(part: list[slice]) -> None:
        for rows in part:
            out = buffers.of(rows.stop - rows.start)
            function(rows, *forward(layers, operand(rows_of(X, rows), dtype), out))

    with evaluation():
        for _ in ordered_map(visit, parts):
            pass


def logits(
    layers: Layers, X: Matrix, ordered_map: Callable[..., Iterable[Any]] = map
) -> np.ndarray:
    """f_L of each row of X, (n, m_L)."""
    layers = in_common_precision(layers, X)
    b_L = layers[-1][1]
    Z = arrays_of(b_L).empty((X.shape[0], b_L.shape[0]), b_L.dtype)

    def keep(rows: slice, _: list[Matrix], block_logits: np.ndarray) -> None:
        Z[rows, :] = block_logits

    for_each_block(keep, layers, X, ordered_map)
    return Z
