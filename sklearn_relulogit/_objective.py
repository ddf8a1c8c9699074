"""What is minimised: the penalised negative log-likelihood and its gradient.

    F(theta) = sum_i s_i nll_i + alpha / 2 sum_l ||W_l||_F^2

divided by sum_i s_i, so that tolerances mean the same for any number of rows.
The sum over i is a sum of a pure function over parts, lists of row blocks, taken
through an ordered map: other ways to evaluate it (threads, a cluster) are other maps.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from ._arrays import Arrays, Numpy
from ._blocks import Block, Parts
from ._likelihood import Likelihood
from ._network import backward, forward
from ._parameters import (
    Layers,
    Shapes,
    in_fortran_order,
    is_weight,
    n_parameters,
    pack,
    unpack,
)
from ._products import Matrix, operand

# What numpy takes at a time where it casts or broadcasts: a multiple of 16 as it asks.
BUFFER_NUMBERS = 512

# BLAS is faster in float32 with more units than this side by side, than unit by unit.
WIDE_FLOAT32 = 64

# A gradient of so many numbers is large: its change of order takes no notable time.
LARGE_GRADIENT = 4096

Order: TypeAlias = Literal["C", "F"]


def order_of_activations(sparse: bool, shapes: Shapes, dtype: np.dtype) -> Order:
    """Fortran order, unit by unit, but where products are slower so.

    What is added to each row, or multiplies it, is then one number for a long stretch
    of memory, whatever the width of the layer. Sparse products take and give C order.
    """
    wide = max((m for _, m in shapes[:-1]), default=0) > WIDE_FLOAT32
    return "C" if sparse or (wide and dtype == np.float32) else "F"


def order_of_gradient(sparse: bool, shapes: Shapes, dtype: np.dtype) -> Order:
    """Of the gradients by W_l^T: Fortran order where BLAS writes it faster.

    That is the gradient of more features than units, beside activations in that order.
    """
    (n_features, n_units), *_ = shapes
    taller = n_features > n_units and n_parameters(shapes) >= LARGE_GRADIENT
    return order_of_activations(sparse, shapes, dtype) if taller else "C"


class Buffers(threading.local):
    """Memory for the activations of one row block, reused, one set for each thread."""

    def __init__(
        self, widths: list[int], dtype: np.dtype, order: Order, xp: Arrays
    ) -> None:
        self._empty = partial(xp.empty, order=order)
        self._arrays = [self._empty((0, width), dtype) for width in widths]

    def of(self, n_rows: int) -> list[np.ndarray]:
        """An array of so many rows for each layer."""
        if n_rows > self._arrays[0].shape[0]:
            self._arrays = [
                self._empty((n_rows, array.shape[1]), array.dtype)
                for array in self._arrays
            ]
        return [array[:n_rows, :] for array in self._arrays]


@contextmanager
def evaluation() -> Iterator[None]:
    """What numpy is told for the evaluation of a network.

    An overflow shows in the result. And with its default of 8192, numpy copies what it
    broadcasts along shorter rows than that to its buffer first.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        np.setbufsize(BUFFER_NUMBERS)
        yield


class GradientBuffer(threading.local):
    """Memory for the gradient of one row block, flat and by layers, for each thread."""

    def __init__(
        self, shapes: Shapes, dtype: np.dtype, order: Order, xp: Arrays
    ) -> None:
        self.flat = xp.empty(n_parameters(shapes), dtype)
        reshape = in_fortran_order if order == "F" else xp.reshape
        self.layers = unpack(self.flat, shapes, reshape)


class Objective:
    """F / sum_i s_i, a callable of theta that returns its value and gradient.

    Parameters
    ----------
    parts : Parts
        The rows to sum over, for ``ordered_map``.
    shapes : list of (n_l, m_l)
        The layers.
    likelihood : Likelihood
    alpha : float
        Strength of the L2 penalty.
    dtype : numpy dtype
        What the network is evaluated in. Sums over blocks, the penalty and the
        result are float64.
    ordered_map : callable, default=map
        ``ordered_map(function, parts)`` yields the results in the order of the parts,
        or sums of neighbours.
    """

    def __init__(
        self,
        parts: Parts,
        shapes: Shapes,
        likelihood: Likelihood,
        alpha: float,
        dtype: np.dtype,
        ordered_map: Callable[..., Iterable[Any]] = map,
    ) -> None:
        self.parts = parts.of_map
        self.shapes = shapes
        self.likelihood = likelihood
        self.alpha = alpha
        self.dtype = dtype
        self.ordered_map = ordered_map
        self.xp = parts.xp
        self.weight_sum = parts.weight_sum
        self._weighted, self._sparse = parts.weighted, parts.sparse
        self._take_memory()
        self._penalty = np.where(is_weight(shapes), float(alpha), 0.0)

    def _take_memory(self) -> None:
        shapes, dtype, xp = self.shapes, self.dtype, self.xp
        order = order_of_activations(self._sparse, shapes, dtype)
        self._buffers = Buffers([m for _, m in shapes], dtype, order, xp)
        order = order_of_gradient(self._sparse, shapes, dtype)
        # Other arrays than numpy's know no order.
        self._gradient_order = order if xp is Numpy else "C"
        self._gradient = GradientBuffer(shapes, dtype, self._gradient_order, xp)

    def __getstate__(self) -> dict[str, Any]:
        # To parts that lie elsewhere goes what evaluates them, and no more.
        names = ("shapes", "likelihood", "dtype", "xp", "_weighted", "_sparse")
        return {name: vars(self)[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._take_memory()

    def _layers(self, theta: np.ndarray) -> Layers:
        """The layers where the parts are, in the type of their arrays."""
        return unpack(self.xp.sent(theta, self.dtype), self.shapes, self.xp.reshape)

    def _forward(
        self, layers: Layers, block: Block
    ) -> tuple[list[Matrix], np.ndarray, np.ndarray]:
        """Activations, s_i nll_i and s_i times the residual, of the rows of a block."""
        activations, logits = forward(
            layers,
            operand(block.X, self.dtype),
            out=self._buffers.of(block.X.shape[0]),
        )
        nll, residual = self.likelihood.nll_and_residual(logits, block.y)
        if self._weighted:
            self.xp.multiply(nll, block.sample_weight, out=nll)
            self.xp.multiply(residual, block.sample_weight[:, None], out=residual)
        return activations, nll, residual

    def nll_and_gradient(
        self, layers: Layers, part: list[Block]
    ) -> tuple[float, np.ndarray]:
        """sum_i s_i nll_i over one part, and its gradient by theta."""
        xp, gradient = self.xp, self._gradient
        nll_sum, gradient_sum = 0.0, None
        for block in part:
            activations, nll, residual = self._forward(layers, block)
            backward(layers, activations, residual, out=gradient.layers)
            nll_sum += xp.total(nll)
            if gradient_sum is None:
                gradient_sum = xp.widened(gradient.flat)
            else:
                gradient_sum += gradient.flat
        if gradient_sum is None:  # a chunk without rows
            return 0.0, np.zeros(n_parameters(self.shapes))
        gradient_sum = xp.fetched(gradient_sum)
        if self._gradient_order == "F":
            gradient_sum = pack(unpack(gradient_sum, self.shapes, in_fortran_order))
        return xp.fetched(nll_sum), gradient_sum

    def nll(self, layers: Layers, part: list[Block]) -> float:
        """sum_i s_i nll_i over one part."""
        xp = self.xp
        return xp.fetched(sum(xp.total(self._forward(layers, b)[1]) for b in part))

    def mean_nll(self, theta: np.ndarray) -> float:
        """The loss without penalty and without gradient: a weighted mean, in nats.

        Raises
        ------
        FloatingPointError
            If it overflows.
        """
        layers = self._layers(theta)
        with evaluation():
            value = sum(self.ordered_map(partial(self.nll, layers), self.parts))
        if not math.isfinite(value):
            raise FloatingPointError("the loss overflows")
        return value / self.weight_sum

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at theta, (n_parameters,) float64.

        Raises
        ------
        FloatingPointError
            If the value or the square of the gradient's norm overflows.
        """
        layers = self._layers(theta)
        with evaluation():
            gradient = self._penalty * theta
            value = float(gradient @ theta) / 2
            for nll_sum, gradient_sum in self.ordered_map(
                partial(self.nll_and_gradient, layers), self.parts
            ):
                value += nll_sum
                gradient += gradient_sum
            value /= self.weight_sum
            gradient /= self.weight_sum
            if not math.isfinite(value) or not math.isfinite(gradient @ gradient):
                raise FloatingPointError("the loss or its gradient overflows")
        return value, gradient
