"""Coordinates of the optimiser: theta = origin + T u.

The optimiser works in u, the objective in theta. A linear map T is anything that has
``T @ u`` and ``T.transposed(g)``, which is T^T g: the product of two is one too. By the
chain rule the gradient by u is T^T times the gradient by theta.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from .curvature import InverseHessianRoot, Pair

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


class LinearMap(Protocol):
    """T, as far as an optimiser needs it."""

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        """T u."""
        ...

    def transposed(self, g: np.ndarray) -> np.ndarray:
        """T^T g."""
        ...


class Product:
    """The map A B."""

    def __init__(self, A: LinearMap, B: LinearMap) -> None:
        self.A, self.B = A, B

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        return self.A @ (self.B @ u)

    def transposed(self, g: np.ndarray) -> np.ndarray:
        return self.B.transposed(self.A.transposed(g))


class Scaled:
    """The map c T of a number c."""

    def __init__(self, c: float, T: LinearMap) -> None:
        self.c, self.T = c, T

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        return self.c * (self.T @ u)

    def transposed(self, g: np.ndarray) -> np.ndarray:
        return self.c * self.T.transposed(g)


class Coordinates:
    """theta = origin + T u, with u = 0 at the start; without T, u is theta itself."""

    def __init__(self, theta: np.ndarray, T: LinearMap | None = None) -> None:
        self.T = T
        self.origin = theta
        self.start = theta if T is None else np.zeros_like(theta)

    def theta(self, u: np.ndarray) -> np.ndarray:
        """The point that u stands for."""
        return u if self.T is None else self.origin + self.T @ u

    def gradient(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient by u, from that by theta."""
        return gradient if self.T is None else self.T.transposed(gradient)


def quasi_newton_coordinates(
    theta: np.ndarray, gradient: np.ndarray, pairs: list[Pair]
) -> Coordinates:
    """Coordinates in which the inverse Hessian of correction pairs is a multiple of I.

    T = c J with J J^T = H and c = ||J^T g_0||: then the first trial step of L-BFGS-B,
    which has length 1, is the quasi-Newton step -H g_0. See `curvature`.
    """
    if not pairs:
        return Coordinates(theta)
    root = InverseHessianRoot(pairs)
    c = float(np.linalg.norm(root.transposed(gradient)))
    return Coordinates(theta, Scaled(c, root))
