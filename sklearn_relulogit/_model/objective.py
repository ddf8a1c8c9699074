"""What is minimised: the penalised negative log-likelihood and its gradient.

    F(theta) = sum_i s_i nll_i + alpha / 2 sum_l ||W_l||_F^2

where the weights of feature j in W_1 count as w / k_j, with k_j its relevance, usually
1. F is divided by sum_i s_i, so that tolerances do not depend on the number of rows.
The sum over i is a sum over parts, lists of row blocks. `Evaluation` computes the term
of one part, on any machine. `Objective` adds these terms and the penalty.
"""

import copy
import math
from functools import partial
from typing import Any

import numpy as np

from .arrays import Matrix, Namespace, operand
from .blocks import Block, Parts
from .likelihood import likelihood_of
from .memory import ActivationMemory, GradientMemory
from .network import backward, forward
from .parameters import Layers, Shapes, is_weight, n_parameters, unpack

# Numbers that numpy converts or broadcasts at a time: a multiple of 16, as it requires.
BUFFER_NUMBERS = 512


class NumpySettings(np.errstate):
    """Settings of numpy for the evaluation of a network, in a ``with`` statement.

    An overflow shows in the result. With its default buffer of 8192 numbers, numpy
    copies what it broadcasts along rows shorter than that.
    """

    def __init__(self) -> None:
        super().__init__(over="ignore", invalid="ignore")

    def __enter__(self) -> None:
        super().__enter__()
        np.setbufsize(BUFFER_NUMBERS)


class Evaluation:
    """sum_i s_i nll_i over one part, and its gradient.

    It can be pickled, and so be sent to the machine of the part.

    Parameters
    ----------
    shapes : list of (n_l, m_l)
        The layers.
    dtype : numpy dtype
        The floating type of the network. Sums over blocks are float64.
    weighted : bool
        Whether any weight is not one.
    sparse : bool
    xp : Numpy or ArrayAPI
        The functions of the arrays, and their device.
    ones : bool
        Whether X ends with a column of ones.
    """

    def __init__(
        self,
        shapes: Shapes,
        dtype: np.dtype,
        weighted: bool,
        sparse: bool,
        xp: Namespace,
        ones: bool = False,
    ) -> None:
        self.shapes, self.dtype = shapes, dtype
        self.likelihood = likelihood_of(shapes[-1][1])
        self.weighted, self.sparse, self.xp, self.ones = weighted, sparse, xp, ones
        self._activations = ActivationMemory(shapes, dtype, sparse, xp)
        self._gradient = GradientMemory(shapes, dtype, sparse, xp, ones)

    def __reduce__(self) -> tuple[Any, ...]:
        # The threads' memory is not sent but allocated again.
        flags = self.weighted, self.sparse, self.xp, self.ones
        return Evaluation, (self.shapes, self.dtype, *flags)

    def layers(self, theta: np.ndarray) -> Layers:
        """The layers of theta, in the type and on the device of the arrays."""
        theta = self.xp.to_device(theta, self.dtype)
        return unpack(theta, self.shapes, self.xp.reshape, self.ones)

    def _forward(self, layers: Layers, block: Block) -> tuple[list[Matrix], np.ndarray]:
        """Activations and logits of the rows of a block."""
        out = self._activations.rows(block.X.shape[0])
        return forward(layers, operand(block.X, self.dtype), out)

    def nll_and_gradient(
        self, layers: Layers, part: list[Block]
    ) -> tuple[float, np.ndarray]:
        """sum_i s_i nll_i over one part, and its gradient by theta."""
        xp, gradient = self.xp, self._gradient
        nll_sum, gradient_sum = 0.0, None
        for block in part:
            activations, logits = self._forward(layers, block)
            nll, residual = self.likelihood.nll_and_residual(logits, block.y)
            if self.weighted:
                xp.multiply(nll, block.sample_weight, out=nll)
                xp.multiply(residual, block.sample_weight[:, None], out=residual)
            backward(layers, activations, residual, out=gradient.layers)
            nll_sum += xp.total(nll)
            if gradient_sum is None:
                gradient_sum = xp.to_float64(gradient.flat)
            else:
                gradient_sum += gradient.flat
        if gradient_sum is None:  # A chunk without rows.
            return 0.0, np.zeros(n_parameters(self.shapes))
        return xp.to_host(nll_sum), gradient.as_theta(xp.to_host(gradient_sum))

    def nll(self, layers: Layers, part: list[Block]) -> float:
        """sum_i s_i nll_i over one part."""
        xp, nll_sum = self.xp, 0.0
        for block in part:
            _, logits = self._forward(layers, block)
            nll, _ = self.likelihood.nll_and_residual(logits, block.y)
            if self.weighted:
                xp.multiply(nll, block.sample_weight, out=nll)
            nll_sum += xp.total(nll)
        return xp.to_host(nll_sum)


def penalty_weights(
    shapes: Shapes, alpha: float, relevance: np.ndarray | None = None
) -> np.ndarray:
    """Twice the penalty on each parameter's square: alpha, alpha / k_j^2, or 0."""
    penalty = np.where(is_weight(shapes), float(alpha), 0.0)
    if relevance is not None:
        ((W_T, _),) = unpack(penalty, shapes[:1])
        W_T /= relevance[:, None] ** 2
    return penalty


class Objective:
    """F / sum_i s_i, a callable of theta that returns its value and gradient.

    Parameters
    ----------
    parts : Parts
        The rows to sum over.
    shapes : list of (n_l, m_l)
        The layers.
    alpha : float
        Strength of the L2 penalty.
    dtype : numpy dtype
        The floating type of the network.
    relevance : ndarray of shape (n_features,), optional
        k, by default ones.
    """

    def __init__(
        self,
        parts: Parts,
        shapes: Shapes,
        alpha: float,
        dtype: np.dtype,
        relevance: np.ndarray | None = None,
    ) -> None:
        self.parts, self.shapes, self.alpha, self.dtype = parts, shapes, alpha, dtype
        flags = parts.weighted, parts.sparse, parts.xp, parts.ones
        self.evaluation = Evaluation(shapes, dtype, *flags)
        self.relevance = relevance
        self._penalty = penalty_weights(shapes, alpha, relevance)

    def with_alpha(self, alpha: float) -> "Objective":
        """The same with another penalty, in the same memory."""
        other = copy.copy(self)
        other.alpha = alpha
        other._penalty = penalty_weights(self.shapes, alpha, self.relevance)
        return other

    def penalty(self, theta: np.ndarray) -> float:
        """What the penalty adds to the mean loss, in nats; infinite if it overflows."""
        with np.errstate(over="ignore"):
            return float((self._penalty * theta) @ theta) / 2 / self.parts.weight_sum

    def mean_nll(self, theta: np.ndarray) -> float:
        """The weighted mean loss, in nats, without penalty and gradient.

        Raises
        ------
        FloatingPointError
            If the loss overflows.
        """
        with NumpySettings():
            nll = partial(self.evaluation.nll, self.evaluation.layers(theta))
            value = float(sum(self.parts.map(nll)))
        if not math.isfinite(value):
            raise FloatingPointError("the loss overflows")
        return value / self.parts.weight_sum

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at theta, (n_parameters,) float64.

        Raises
        ------
        FloatingPointError
            If the value or the square of the gradient's norm overflows.
        """
        with NumpySettings():
            layers = self.evaluation.layers(theta)
            nll_and_gradient = partial(self.evaluation.nll_and_gradient, layers)
            gradient = self._penalty * theta
            value = float(gradient @ theta) / 2
            for nll_sum, gradient_sum in self.parts.map(nll_and_gradient):
                value += nll_sum
                gradient += gradient_sum
            value /= self.parts.weight_sum
            gradient /= self.parts.weight_sum
            if not math.isfinite(value) or not math.isfinite(gradient @ gradient):
                raise FloatingPointError("the loss or its gradient overflows")
        return value, gradient
