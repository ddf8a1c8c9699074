"""The logits of any number of rows, in the memory of one row block."""

import numpy as np

from ._blocks import row_slices, take_rows
from ._network import forward
from ._parameters import Layers
from ._products import Matrix


def logits(layers: Layers, X: Matrix) -> np.ndarray:
    """f_L of each row of X, (n, m_L), in the precision of X and the layers together."""
    dtype = np.result_type(X.dtype, layers[0][0].dtype)
    layers = [
        (W_T.astype(dtype, copy=False), b.astype(dtype, copy=False))
        for W_T, b in layers
    ]
    widths = [len(b) for _, b in layers]
    slices = row_slices(X, sum(widths))
    n_rows = max(rows.stop - rows.start for rows in slices)
    buffers = [np.empty((n_rows, width), dtype) for width in widths[:-1]]
    Z = np.empty((X.shape[0], widths[-1]), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in slices:
            n = rows.stop - rows.start
            out = [*(buffer[:n] for buffer in buffers), Z[rows]]
            forward(layers, take_rows(X, rows, dtype), out=out)
    return Z
