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
from scipy.sparse import issparse

from ._blocks import Block
from ._likelihood import Likelihood
from ._network import backward, forward
from ._parameters import Layers, Shapes, is_weight, n_parameters, pack, unpack
from ._products import Matrix, operand

# What numpy takes at a time where it casts or broadcasts: a multiple of 16 as it asks.
BUFFER_NUMBERS = 512

# BLAS is faster in float32 with more units than this side by side, than unit by unit.
WIDE_FLOAT32 = 64

# A gradient of so many numbers is large: its change of order takes no notable time.
LARGE_GRADIENT = 4096

Order: TypeAlias = Literal["C", "F"]


def order_of_activations(X: Matrix, shapes: Shapes, dtype: np.dtype) -> Order:
    """Fortran order, unit by unit, but where products are slower so.

    What is added to each row, or multiplies it, is then one number for a long stretch
    of memory, whatever the width of the layer. Sparse products take and give C order.
    """
    wide = max((m for _, m in shapes[:-1]), default=0) > WIDE_FLOAT32
    return "C" if issparse(X) or (wide and dtype == np.float32) else "F"


def order_of_gradient(X: Matrix, shapes: Shapes, dtype: np.dtype) -> Order:
    """Of the gradients by W_l^T: Fortran order where BLAS writes it faster.

    That is the gradient of more features than units, beside activations in that order.
    """
    (n_features, n_units), *_ = shapes
    taller = n_features > n_units and n_parameters(shapes) >= LARGE_GRADIENT
    return order_of_activations(X, shapes, dtype) if taller else "C"


class Buffers(threading.local):
    """Memory for the activations of one row block, reused, one set for each thread."""

    def __init__(
        self, n_rows: int, widths: list[int], dtype: np.dtype, order: Order
    ) -> None:
        self._memory = [np.empty(n_rows * width, dtype) for width in widths]
        self._widths = widths
        self._order = order
        self._views: dict[int, list[np.ndarray]] = {}

    def of(self, n_rows: int) -> list[np.ndarray]:
        """An array of so many rows for each layer."""
        if n_rows not in self._views:
            self._views[n_rows] = [
                memory[: n_rows * width].reshape((n_rows, width), order=self._order)
                for memory, width in zip(self._memory, self._widths, strict=True)
            ]
        return self._views[n_rows]


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

    def __init__(self, shapes: Shapes, dtype: np.dtype, order: Order) -> None:
        self.flat = np.empty(n_parameters(shapes), dtype)
        self.layers = unpack(self.flat, shapes, order)


class Objective:
    """F / sum_i s_i, a callable of theta that returns its value and gradient.

    Parameters
    ----------
    parts : list of list of Block
        The training data, a list for each of the tasks that threads share. All
        hold arrays of ``dtype``.
    shapes : list of (n_l, m_l)
        The layers.
    likelihood : Likelihood
    alpha : float
        Strength of the L2 penalty.
    dtype : numpy dtype
        What the network is evaluated in. Sums over blocks, the penalty and the
        result are float64.
    ordered_map : callable, default=map
        ``ordered_map(function, parts)`` yields the results in the order of the parts.
    """

    def __init__(
        self,
        parts: list[list[Block]],
        shapes: Shapes,
        likelihood: Likelihood,
        alpha: float,
        dtype: np.dtype,
        ordered_map: Callable[..., Iterable[Any]] = map,
    ) -> None:
        self.parts = parts
        self.shapes = shapes
        self.likelihood = likelihood
        self.alpha = alpha
        self.dtype = dtype
        self.ordered_map = ordered_map
        blocks = [block for part in parts for block in part]
        self.weight_sum = float(
            sum(block.sample_weight.sum(dtype=np.float64) for block in blocks)
        )
        self._weighted = any((block.sample_weight != 1).any() for block in blocks)
        X = blocks[0].X
        self._buffers = Buffers(
            max(block.X.shape[0] for block in blocks),
            [m for _, m in shapes],
            dtype,
            order_of_activations(X, shapes, dtype),
        )
        self._gradient_order = order_of_gradient(X, shapes, dtype)
        self._gradient = GradientBuffer(shapes, dtype, self._gradient_order)
        self._penalty = np.where(is_weight(shapes), float(alpha), 0.0)

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
            nll *= block.sample_weight
            residual *= block.sample_weight[:, np.newaxis]
        return activations, nll, residual

    def nll_and_gradient(
        self, layers: Layers, part: list[Block]
    ) -> tuple[float, np.ndarray]:
        """sum_i s_i nll_i over one part, and its gradient by theta."""
        nll_sum, gradient_sum = 0.0, None
        gradient = self._gradient
        for block in part:
            activations, nll, residual = self._forward(layers, block)
            backward(layers, activations, residual, out=gradient.layers)
            nll_sum += float(nll.sum(dtype=np.float64))
            if gradient_sum is None:
                gradient_sum = gradient.flat.astype(np.float64)
            else:
                gradient_sum += gradient.flat
        assert gradient_sum is not None
        if self._gradient_order == "F":
            gradient_sum = pack(unpack(gradient_sum, self.shapes, "F"))
        return nll_sum, gradient_sum

    def nll(self, layers: Layers, part: list[Block]) -> float:
        """sum_i s_i nll_i over one part."""
        return sum(
            float(self._forward(layers, block)[1].sum(dtype=np.float64))
            for block in part
        )

    def mean_nll(self, theta: np.ndarray) -> float:
        """The loss without penalty and without gradient: a weighted mean, in nats.

        Raises
        ------
        FloatingPointError
            If it overflows.
        """
        layers = unpack(theta.astype(self.dtype, copy=False), self.shapes)
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
        layers = unpack(theta.astype(self.dtype, copy=False), self.shapes)
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
