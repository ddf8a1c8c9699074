"""The features as the user has them, and as the network is fitted to them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ._model.blocks import Block
from ._model.parameters import Shapes, initial_theta, reorder_outputs
from ._optimize.coordinates import FeatureScale
from ._rows.row_space import RowSpace
from ._rows.rows import Rows
from ._rows.statistics import Moments


@dataclass(frozen=True)
class Features:
    """The features as the user has them, and as the network is fitted to them.

    Attributes
    ----------
    moments : Moments
    shapes : list of (n_l, m_l)
        The layers of the network of the user's features.
    scale : FeatureScale
    space : RowSpace or None
        The space of the rows, where the network is fitted there.
    class_order : ndarray of shape (n_classes,)
        Class k of the network that is fitted is class ``class_order[k]`` of the user.
    """

    moments: Moments
    shapes: Shapes
    scale: FeatureScale
    space: RowSpace | None
    class_order: np.ndarray

    @classmethod
    def of(cls, rows: Rows, shapes: Shapes) -> Self:
        """The features of some rows."""
        moments = rows.moments
        scale = FeatureScale.of(
            moments.mean,
            moments.deviation,
            moments.reach,
            shapes,
            moments.varies,
            moments.middle,
            moments.spread,
        )
        space = rows.row_space(scale.centre, scale.unit)
        return cls(moments, shapes, scale, space, rows.class_order)

    @property
    def fitted_shapes(self) -> Shapes:
        """The layers of the network that is fitted."""
        if self.space is None:
            return self.shapes
        (_, n_units), *others = self.shapes
        return [(self.space.B.shape[1], n_units), *others]

    @property
    def fitted_scale(self) -> FeatureScale:
        """The scale of the features that the network is fitted to.

        In the space of the rows they are centred, and in no units of their own.
        """
        if self.space is None:
            return self.scale
        r = self.space.B.shape[1]
        return FeatureScale(
            np.zeros(r), np.full(r, self.scale.size), self.fitted_shapes
        )

    def draw(self, rng: np.random.RandomState) -> np.ndarray:
        """Draw initial parameters, for features in units of their own."""
        return initial_theta(self.shapes, rng)

    def initial(self, drawn: np.ndarray, alpha: float, weight_sum: float) -> np.ndarray:
        """The initial parameters to fit by a penalty, from those that were drawn."""
        coordinates = self.scale.coordinates(alpha, weight_sum)
        return self._to_space(coordinates @ drawn)

    def reduce_rows(self, data: Block) -> Block:
        """Rows by the features that are fitted."""
        return data if self.space is None else self.space.reduce_rows(data)

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """The parameters to fit, from those by the user's features and classes."""
        order = np.argsort(self.class_order)
        return self._to_space(reorder_outputs(theta, self.shapes, order))

    def _to_space(self, theta: np.ndarray) -> np.ndarray:
        return theta if self.space is None else self.space.reduce(theta, self.shapes)

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """The parameters by the user's features and classes."""
        if self.space is not None:
            theta = self.space.expand(theta, self.fitted_shapes)
        return reorder_outputs(theta, self.shapes, self.class_order)
