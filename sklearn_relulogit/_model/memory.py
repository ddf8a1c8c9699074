"""The arrays in which a row block is evaluated, and their memory order.

Each thread makes the arrays once and uses them for every block.
"""

import threading
from typing import Any, Literal, TypeAlias

import numpy as np

from .arrays import Namespace, Numpy
from .parameters import Layers, Shapes, in_fortran_order, n_parameters, pack, unpack

# With more units than this, BLAS in float32 is faster in row order than in unit order.
WIDE_FLOAT32 = 64

# From this many parameters on, the time to reorder a gradient does not matter.
LARGE_GRADIENT = 4096

Order: TypeAlias = Literal["C", "F"]


def order_of_activations(sparse: bool, shapes: Shapes, dtype: np.dtype) -> Order:
    """Fortran order, unit by unit, unless products are slower in it.

    In it a bias, or a weight of the last layer, applies to a long stretch of memory,
    whatever the width of the layer. Sparse products take and give C order.
    """
    if not sparse and isinstance(dtype, np.dtype) and dtype == np.float32:
        return "C" if any(m > WIDE_FLOAT32 for _, m in shapes[:-1]) else "F"
    return "C" if sparse else "F"


def order_of_gradient(sparse: bool, shapes: Shapes, dtype: np.dtype) -> Order:
    """Fortran order if BLAS then writes the gradient by W_1^T faster.

    This is so with more features than units, if the activations have this order too.
    """
    (n_features, n_units), *_ = shapes
    taller = n_features > n_units and n_parameters(shapes) >= LARGE_GRADIENT
    return order_of_activations(sparse, shapes, dtype) if taller else "C"


def empty_activations(
    n_rows: int, shapes: Shapes, dtype: np.dtype, sparse: bool, xp: Namespace
) -> list[np.ndarray]:
    """Arrays for the activations and logits of a row block: (n_rows, m_l) each.

    Logits are stored in class order, since sums over few neighbours are slow.
    """
    order = order_of_activations(sparse, shapes, dtype)
    *hidden, n_outputs = (m for _, m in shapes)
    return [
        *(xp.empty((n_rows, m), dtype, order=order) for m in hidden),
        xp.empty((n_rows, n_outputs), dtype, order="F"),
    ]


class ActivationMemory(threading.local):
    """The activations and logits of a row block, one set of arrays for each thread."""

    def __init__(
        self, shapes: Shapes, dtype: np.dtype, sparse: bool, xp: Namespace
    ) -> None:
        self._format = shapes, dtype, sparse, xp
        self._arrays: list[np.ndarray] = []
        self._views: list[np.ndarray] = []

    def rows(self, n_rows: int) -> list[np.ndarray]:
        """An array (n_rows, m_l) for each layer; again the same for the same length."""
        if not self._arrays or n_rows > self._arrays[0].shape[0]:
            self._arrays = self._views = empty_activations(n_rows, *self._format)
        elif n_rows != self._views[0].shape[0]:
            self._views = [first_rows(array, n_rows) for array in self._arrays]
        return self._views


def first_rows(array: np.ndarray, n_rows: int) -> np.ndarray:
    """An array of fewer rows in the same memory, without gaps.

    BLAS treats gaps differently, and so gives other last digits.
    """
    if isinstance(array, np.ndarray) and array.flags.f_contiguous:
        n_columns = array.shape[1]
        return array.T.reshape(-1)[: n_rows * n_columns].reshape(n_columns, n_rows).T
    return array[:n_rows, :]


class GradientMemory(threading.local):
    """The gradient of one row block, flat and as layers, for each thread."""

    def __init__(
        self,
        shapes: Shapes,
        dtype: np.dtype,
        sparse: bool,
        xp: Namespace,
        ones: bool = False,
    ) -> None:
        # The array API standard has no memory order.
        self._order = order_of_gradient(sparse, shapes, dtype) if xp is Numpy else "C"
        self._shapes, self._ones = shapes, ones
        self.flat = xp.empty(n_parameters(shapes), dtype)
        reshape = in_fortran_order if self._order == "F" else xp.reshape
        self.layers: Layers = unpack(self.flat, shapes, reshape, ones)

    def as_theta(self, gradient: np.ndarray) -> Any:
        """A sum of such gradients, with its entries in the order of theta."""
        if self._order == "C":
            return gradient
        return pack(unpack(gradient, self._shapes, in_fortran_order, self._ones))
