"""What is minimised: the penalised negative log-likelihood and its gradient.

    F(theta) = sum_i s_i nll_i + alpha / 2 sum_l ||W_l||_F^2

divided by sum_i s_i, so that tolerances mean the same for any number of rows.
The sum over i is a sum of a pure function over parts, lists of row blocks, taken
through an ordered map: other ways to evaluate it (threads, a cluster) are other maps.
"""

import math
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from ._arrays import Arrays, Numpy
from ._blocks import Block
from ._likelihood import Likelihood
from ._network import backward, forward
from ._parameters import Layers, Shapes, is_weight, n_parameters, unpack
from ._products import Matrix, operand


class Buffers(threading.local):
    """Memory for the activations of one row block, reused, one set for each thread."""

    def __init__(
        self, n_rows: int, widths: list[int], dtype: np.dtype, xp: Arrays = Numpy
    ) -> None:
        self._empty = xp.empty
        self._arrays = [xp.empty((n_rows, width), dtype) for width in widths]

    def first(self, n_rows: int) -> list[np.ndarray]:
        """The first rows of every array."""
        if n_rows > self._arrays[0].shape[0]:
            self._arrays = [
                self._empty((n_rows, array.shape[1]), array.dtype)
                for array in self._arrays
            ]
        return [array[:n_rows, :] for array in self._arrays]


class GradientBuffer(threading.local):
    """Memory for the gradient of one row block, flat and by layers, for each thread."""

    def __init__(self, shapes: Shapes, dtype: np.dtype, xp: Arrays = Numpy) -> None:
        self.flat = xp.empty(n_parameters(shapes), dtype)
        self.layers = unpack(self.flat, shapes, xp.reshape)


def weight_of(part: list[Block]) -> float:
    """The sum of the weights of one part."""
    return sum(float(block.sample_weight.sum(dtype=np.float64)) for block in part)


class Objective:
    """F / sum_i s_i, a callable of theta that returns its value and gradient.

    Parameters
    ----------
    parts : list of list of Block
        The training data, a list for each of the tasks that threads share. All
        hold arrays of ``dtype``. Or whatever ``ordered_map`` takes for such lists.
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
    weight_sum : float, optional
        The sum of the weights, where the parts lie elsewhere.
    xp : Numpy or ArrayAPI, default=Numpy
        The functions of the arrays of the parts, and where these are.
    """

    def __init__(
        self,
        parts: list[list[Block]],
        shapes: Shapes,
        likelihood: Likelihood,
        alpha: float,
        dtype: np.dtype,
        ordered_map: Callable[..., Iterable[Any]] = map,
        weight_sum: float | None = None,
        xp: Arrays = Numpy,
    ) -> None:
        self.parts = parts
        self.shapes = shapes
        self.likelihood = likelihood
        self.alpha = alpha
        self.dtype = dtype
        self.ordered_map = ordered_map
        self.xp = xp
        self.weight_sum = (
            sum(map(weight_of, parts)) if weight_sum is None else weight_sum
        )
        self._take_memory()
        self._penalty = np.where(is_weight(shapes), float(alpha), 0.0)

    def _take_memory(self) -> None:
        widths = [m for _, m in self.shapes]
        self._buffers = Buffers(0, widths, self.dtype, self.xp)
        self._gradient = GradientBuffer(self.shapes, self.dtype, self.xp)

    def __getstate__(self) -> dict[str, Any]:
        # To parts that lie elsewhere goes what evaluates them, and no more.
        names = ("shapes", "likelihood", "dtype", "xp")
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
            out=self._buffers.first(block.X.shape[0]),
        )
        nll, residual = self.likelihood.nll_and_residual(logits, block.y)
        self.xp.multiply(nll, block.sample_weight, out=nll)
        self.xp.multiply(residual, block.sample_weight[:, None], out=residual)
        return activations, nll, residual

    def nll_and_gradient(
        self, layers: Layers, part: list[Block]
    ) -> tuple[float, np.ndarray]:
        """sum_i s_i nll_i over one part, and its gradient by theta."""
        xp, gradient = self.xp, self._gradient
        nll_sum = 0.0
        gradient_sum = xp.zeros(n_parameters(self.shapes))
        for block in part:
            activations, nll, residual = self._forward(layers, block)
            backward(layers, activations, residual, out=gradient.layers)
            nll_sum += xp.total(nll)
            gradient_sum += gradient.flat
        return xp.fetched(nll_sum), xp.fetched(gradient_sum)

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
        with np.errstate(over="ignore", invalid="ignore"):
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
        with np.errstate(over="ignore", invalid="ignore"):
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
