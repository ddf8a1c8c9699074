"""Curvature carried from one minimisation to the next, by a change of variables.

L-BFGS models the inverse Hessian H by its last pairs (s, y), s = theta' - theta and
y = gradient' - gradient. scipy always starts it without pairs. Let J be a matrix with
J J^T = H. Then the inverse Hessian in the new variables u,

    theta(u) = theta_0 + c J u,    gradient by u = c J^T gradient by theta

is about 1 / c^2. L-BFGS-B's first trial step has length 1 in u. For c = ||J^T g_0|| it
leads to theta_0 - H g_0, the quasi-Newton step of H.
"""

from collections.abc import Sequence

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]


def is_curved(s: np.ndarray, y: np.ndarray) -> bool:
    """Whether a pair has positive curvature beyond rounding: L-BFGS-B's rule."""
    return bool(s @ y > np.finfo(np.float64).eps * (y @ y))


class InverseHessianRoot:
    """J with J J^T the L-BFGS inverse Hessian of pairs (s_1, y_1), ..., (s_m, y_m).

    It starts from H = gamma I, gamma = s_m.y_m / y_m.y_m. Each BFGS update,

        H' = (I - rho s y^T) H (I - rho y s^T) + rho s s^T,    rho = 1 / s.y,

    is H' = E H E^T with

        E = I + s w^T,    w = -rho y + beta H^-1 s,    beta^2 = rho / (s.H^-1 s)

    (the product form of Brodlie, Gourlay and Greenstadt, 1973). So
    J = E_m ... E_1 sqrt(gamma). The formula of Sherman and Morrison gives
    E^-1 = I - s w^T / (beta s.H^-1 s). Algorithm 3 of ``docs/derivation.md`` builds it,
    and the comments cite its lines.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        s, y = pairs[-1]
        self._scale = np.sqrt((s @ y) / (y @ y))  # Line 1
        self._factors: list[tuple[np.ndarray, np.ndarray, float]] = []
        for s, y in pairs:
            root = self._solve(s)  # Line 2
            curvature = root @ root  # Line 3: s.H^-1 s
            rho = 1 / (s @ y)  # Line 4
            beta = np.sqrt(rho / curvature)  # Line 5
            w = beta * self._solve_transposed(root) - rho * y  # Line 6
            self._factors.append((s, w, beta * curvature))

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        """J u."""
        v: np.ndarray = self._scale * u
        for s, w, _ in self._factors:
            v += (w @ v) * s
        return v

    def transposed(self, g: np.ndarray) -> np.ndarray:
        """J^T g."""
        v = g.copy()
        for s, w, _ in reversed(self._factors):
            v += (s @ v) * w
        v *= self._scale
        return v

    def _solve(self, v: np.ndarray) -> np.ndarray:
        """J^-1 v."""
        v = v.copy()
        for s, w, d in reversed(self._factors):
            v -= (w @ v) / d * s
        v /= self._scale
        return v

    def _solve_transposed(self, v: np.ndarray) -> np.ndarray:
        """J^-T v."""
        v = v / self._scale
        for s, w, d in self._factors:
            v -= (s @ v) / d * w
        return v
