"""The logits of any number of rows, in the memory of a few row blocks."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ._blocks import row_parts, rows_of
from ._network import forward
from ._objective import Buffers
from ._parameters import Layers
from ._products import Matrix, operand


def logits(
    layers: Layers, X: Matrix, ordered_map: Callable[..., Iterable[Any]] = map
) -> np.ndarray:
    """f_L of each row of X, (n, m_L), in the precision of X and the layers together."""
    dtype = np.result_type(X.dtype, layers[0][0].dtype)
    layers = [
        (W_T.astype(dtype, copy=False), b.astype(dtype, copy=False))
        for W_T, b in layers
    ]
    parts = row_parts(X, [W_T.shape for W_T, _ in layers])
    widths = [len(b) for _, b in layers]
    n_rows = max(rows.stop - rows.start for part in parts for rows in part)
    buffers = Buffers(n_rows, widths[:-1], dtype)
    Z = np.empty((X.shape[0], widths[-1]), dtype)

    def fill(part: list[slice]) -> None:
        for rows in part:
            out = [*buffers.first(rows.stop - rows.start), Z[rows]]
            forward(layers, operand(rows_of(X, rows), dtype), out=out)

    with np.errstate(over="ignore", invalid="ignore"):
        for _ in ordered_map(fill, parts):
            pass
    return Z
