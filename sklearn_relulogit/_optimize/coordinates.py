"""Coordinates of the optimiser: theta = origin + T u.

The optimiser works in u, the objective in theta. A linear map T is anything that has
``T @ u`` and ``T.transposed(g)``, which is T^T g. By the chain rule the gradient by u
is T^T times the gradient by theta.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from .._model.constraints import Groups, connections
from .._model.parameters import Shapes, n_parameters, unpack
from .curvature import InverseHessianRoot, Pair

# Largest unit of a feature, as a multiple of the quartiles' spread.
LARGEST_SPREAD = 10

# If a feature reaches more deviations from its mean than this, the reach sets its unit.
LONGEST_REACH = 10

# For smaller features, weights or squares of derivatives might overflow.
SMALLEST = 1e-100

# With m hidden units in the first layer, the loss has about this curvature over m along
# the activation of one of them. Chosen by measurement, see docs/tried.md.
CURVATURE = 0.05

# Length of the first trial step, before the curvature is known. With length 1, units of
# narrow layers are twice as often inactive for all rows afterwards. A power of two
# avoids rounding.
FIRST_STEP = 1 / 8

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


class LinearMap(Protocol):
    """T, with the methods that an optimiser needs."""

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        """T u."""
        ...

    def transposed(self, g: np.ndarray) -> np.ndarray:
        """T^T g."""
        ...


class StandardFeatures:
    """The map from parameters for standardised features to those for the features.

    For standardised features z = (x - c) / d the first layer is
    f_1(x) = V z + e = W x + b with

        W = V diag(1 / d),    b = e - W c .

    A ReLU network does not change if the output of a layer is multiplied by a positive
    number and the next weights are divided by it. A penalty would share the size of the
    features, s, among all L layers. So each is multiplied by a = s^(-1 / L):

        W_1 = s a V_1 diag(1 / d),    W_l = a V_l  for l > 1,    b_l = s a^l e_l

    except b_1, which is s a e_1 - W_1 c.

    Parameters
    ----------
    centre, unit : ndarray of shape (n_features,)
        c and d. d is positive, and infinite for a constant feature, whose weights are
        zero.
    size : float
        s.
    shapes : list of (n_l, m_l)
        The layers.
    groups : sequence of sets of int, optional
        Sets of features that may interact; weights across groups are zero.
    """

    def __init__(
        self,
        centre: np.ndarray,
        unit: np.ndarray,
        size: float,
        shapes: Shapes,
        groups: Groups | None = None,
    ) -> None:
        self._centre, self.shapes = centre[:, None], shapes
        self._scale = np.empty(n_parameters(shapes))
        a = size ** (-1 / len(shapes))
        for number, (W_T, b) in enumerate(unpack(self._scale, shapes), start=1):
            W_T[:] = a if number > 1 else (size * a / unit)[:, None]
            b[:] = size * a**number
        if groups is not None:
            self._scale *= connections(shapes, groups)

    def _first_layer(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n, m = self.shapes[0]
        return theta[: n * m].reshape(n, m), theta[n * m : (n + 1) * m]

    def _at_centre(self, W_T: np.ndarray) -> np.ndarray:
        """W_1 c. BLAS's result would depend on the place of W_1 in memory."""
        return np.add.reduce(self._centre * W_T, axis=0)

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        """Theta, from the parameters for standardised features."""
        theta: np.ndarray = self._scale * u
        W_T, b = self._first_layer(theta)
        b -= self._at_centre(W_T)
        return theta

    def transposed(self, g: np.ndarray) -> np.ndarray:
        """The gradient by the parameters for standardised features."""
        g = g.copy()
        grad_W_T, grad_b = self._first_layer(g)
        grad_W_T -= self._centre * grad_b
        g *= self._scale
        return g

    def solve(self, theta: np.ndarray) -> np.ndarray:
        """The parameters for standardised features, from theta."""
        u = theta.copy()
        W_T, b = self._first_layer(u)
        b += self._at_centre(W_T)
        varies = self._scale > 0
        u[varies] /= self._scale[varies]
        u[~varies] = 0
        return u


@dataclass(frozen=True)
class FeatureScale:
    """The location and the size of each feature.

    Attributes
    ----------
    centre, unit : ndarray of shape (n_features,)
        Mean or median, and a positive measure of size. The size of a constant is
        infinite.
    shapes : list of (n_l, m_l)
        The layers.
    relevance : ndarray of shape (n_features,) or None
        k_j: a weight w of a feature costs as much as w / k_j, so its size is multiplied
        by k_j. None means 1 for all.
    groups : sequence of sets of int, or None
        Sets of features that may interact; None if all may.
    """

    centre: np.ndarray
    unit: np.ndarray
    shapes: Shapes
    relevance: np.ndarray | None = None
    groups: Groups | None = None

    @classmethod
    def of(
        cls,
        mean: np.ndarray,
        deviation: np.ndarray,
        reach: np.ndarray,
        shapes: Shapes,
        varies: np.ndarray,
        middle: np.ndarray | None = None,
        spread: np.ndarray | None = None,
    ) -> Self:
        """From the statistics of the features.

        The unit is the standard deviation, or a tenth of the largest distance from the
        mean if that is more. Otherwise the indicator of a rare category would begin
        with very large weights. A feature that is constant, to rounding, has an
        infinite unit. If the quartiles are known and the unit is many times their
        spread, a few outliers cause it. Then the unit is a multiple of that spread, and
        the centre is the median.
        """
        unit = np.maximum(deviation, reach / LONGEST_REACH)
        if middle is not None and spread is not None:
            with np.errstate(over="ignore"):
                most = LARGEST_SPREAD * spread
            outlying = (spread > 0) & (unit > most) & np.isfinite(unit)
            unit = np.where(outlying, most, unit)
            centre = np.where(outlying, middle, mean)
        else:
            centre = mean
        finite = np.isfinite(unit) & np.isfinite(mean)
        varies = varies & (unit > SMALLEST)
        # If the statistics overflow, so will the loss, which raises the error.
        unit = np.where(finite, np.where(varies, unit, np.inf), 1.0)
        return cls(np.where(finite, centre, 0.0), unit, shapes)

    @property
    def varies(self) -> np.ndarray:
        """Whether each feature is not constant."""
        return np.isfinite(self.unit)

    @property
    def counted(self) -> np.ndarray:
        """The units times k_j."""
        return self.unit if self.relevance is None else self.relevance * self.unit

    @property
    def size(self) -> float:
        """The geometric mean of the units times k_j."""
        return self._mean(self.counted)

    @property
    def typical(self) -> float:
        """The median of the units; one huge feature does not change it."""
        units = self.counted[self.varies]
        return float(np.median(units)) if len(units) else 1.0

    def _mean(self, unit: np.ndarray) -> float:
        """The geometric mean of numbers for the features that vary."""
        units = unit[self.varies]
        return float(np.exp(np.log(units).mean())) if len(units) else 1.0

    def coordinates(self, alpha: float, weight_sum: float) -> StandardFeatures:
        """The coordinates of the initial weights and of the optimiser.

        Let z = (x - c) / d. A weight of the first layer has about the curvature
        (k d_x^2 + alpha / sum(s)) / d^2 of mean loss and penalty. Here d_x is the unit
        of its feature, and k the curvature of the loss along the activation of a unit.
        With the weights of He et al. (2015) after the unit, k is p (1 - p) / m_1 in the
        mean.

        The curvature is equal for all features if d^2 = d_x^2 + alpha / (k sum(s)). So
        rare features get smaller initial weights and shorter steps, since the penalty
        matters more for them. A penalty larger than all features would only enlarge all
        units, so its part is at most the largest of them. Larger features mean smaller
        weights in the other layers. All this applies to features times their
        relevance, which have equal penalties.
        """
        n_layers, n_units = len(self.shapes), self.shapes[0][1]
        k = CURVATURE / n_units if n_layers > 1 else 1.0
        counted = self.counted
        largest = counted[self.varies].max(initial=0.0) or 1.0
        v = np.sqrt(k) * self.typical ** (1 / n_layers - 1)
        with np.errstate(over="ignore"):
            of_penalty = np.sqrt(np.float64(alpha) / weight_sum) / v
            unit = np.hypot(counted, min(of_penalty, largest))
        size = self._mean(unit)
        unit = unit if self.relevance is None else unit / self.relevance
        return StandardFeatures(self.centre, unit, size, self.shapes, self.groups)


class Scaled:
    """The map c T for a number c."""

    def __init__(self, c: float, T: LinearMap) -> None:
        self.c, self.T = c, T

    def __matmul__(self, u: np.ndarray) -> np.ndarray:
        return self.c * (self.T @ u)

    def transposed(self, g: np.ndarray) -> np.ndarray:
        return self.c * self.T.transposed(g)


class Coordinates:
    """theta = origin + T u, with u = 0 at the start; without T, theta = c u.

    L-BFGS-B's first trial step has length 1 in u, and c = `FIRST_STEP` in theta.
    """

    def __init__(self, theta: np.ndarray, T: LinearMap | None = None) -> None:
        self.T = T
        self.origin = theta
        self.start = theta / FIRST_STEP if T is None else np.zeros_like(theta)

    def theta(self, u: np.ndarray) -> np.ndarray:
        """The parameters theta for u."""
        return FIRST_STEP * u if self.T is None else self.origin + self.T @ u

    def gradient(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient by u, from the gradient by theta."""
        if self.T is None:
            return FIRST_STEP * gradient
        return self.T.transposed(gradient)


def quasi_newton_coordinates(
    theta: np.ndarray, gradient: np.ndarray, pairs: list[Pair]
) -> Coordinates:
    """Coordinates in which the inverse Hessian of correction pairs is a multiple of I.

    T = c J with J J^T = H and c = ||J^T g_0||. Then the first trial step of L-BFGS-B,
    which has length 1, is the quasi-Newton step -H g_0. See `curvature`.
    """
    if not pairs:
        return Coordinates(theta)
    root = InverseHessianRoot(pairs)
    c = float(np.linalg.norm(root.transposed(gradient)))
    return Coordinates(theta, Scaled(c, root))
