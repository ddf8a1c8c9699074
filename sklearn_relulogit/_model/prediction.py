"""Logits of any number of rows, in the memory of a few row blocks."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import issparse

from .arrays import Matrix, namespace, operand
from .blocks import OrderedMap, row_parts, rows_of
from .memory import ActivationMemory, empty_activations
from .network import forward
from .objective import NumpySettings
from .parameters import Layers


def in_common_precision(layers: Layers, X: Matrix) -> Layers:
    """The layers in the precision of X and the layers together."""
    if X.dtype == layers[0][0].dtype:
        return layers
    xp = namespace(layers[0][0])
    dtype = xp.result_type(X.dtype, layers[0][0].dtype)
    return [
        (xp.astype(W_T, dtype, copy=False), xp.astype(b, dtype, copy=False))
        for W_T, b in layers
    ]


def for_each_block(
    function: Callable[[slice, list[Matrix], np.ndarray], None],
    layers: Layers,
    X: Matrix,
    ordered_map: OrderedMap = map,
) -> None:
    """Call ``function(rows, activations, logits)`` with each block of rows of X.

    The arrays are those that `forward` returns, in the precision of the layers. The
    next block overwrites them.
    """
    dtype = layers[0][0].dtype
    shapes = [W_T.shape for W_T, _ in layers]
    parts = row_parts(X, shapes)
    memory_format = shapes, dtype, issparse(X), namespace(layers[0][0])
    with NumpySettings():
        if len(parts) == len(parts[0]) == 1:
            out = empty_activations(X.shape[0], *memory_format)
            function(parts[0][0], *forward(layers, operand(X, dtype), out))
            return
        memory = ActivationMemory(*memory_format)

        def visit(part: list[slice]) -> None:
            for rows in part:
                out = memory.rows(rows.stop - rows.start)
                function(rows, *forward(layers, operand(rows_of(X, rows), dtype), out))

        for _ in ordered_map(visit, parts):
            pass


def logits(layers: Layers, X: Matrix, ordered_map: OrderedMap = map) -> np.ndarray:
    """f_L of each row of X, (n, m_L)."""
    layers = in_common_precision(layers, X)
    b_L = layers[-1][1]
    Z: np.ndarray = namespace(b_L).empty((X.shape[0], b_L.shape[0]), b_L.dtype)

    def keep(rows: slice, _: list[Matrix], block_logits: np.ndarray) -> None:
        Z[rows, :] = block_logits

    for_each_block(keep, layers, X, ordered_map)
    return Z
