"""The user's features, and the features that the network is fitted to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from ._model.blocks import Block, Parts
from ._model.collapse import flip_dead_layers
from ._model.constraints import (
    Groups,
    fan_in_gains,
    is_feasible,
    made_feasible,
    weight_signs,
)
from ._model.likelihood import likelihood_of
from ._model.parameters import Shapes, initial_theta, reorder_outputs, unpack
from ._optimize.coordinates import FeatureScale
from ._rows.row_space import RowSpace
from ._rows.rows import Rows


@dataclass(frozen=True)
class Features:
    """The user's features, and the features that the network is fitted to.

    Attributes
    ----------
    scale : FeatureScale
        Scale of the user's features, with the layers of their network.
    fitted : FeatureScale
        Scale of the fitted features, with the layers of the fitted network.
    space : RowSpace or None
        The space of the rows, if the network is fitted there.
    class_order : ndarray of shape (n_classes,)
        Class k of the fitted network is the user's class ``class_order[k]``.
    monotonic_cst : ndarray of shape (n_features,) or None
        1, -1 or 0 for each feature, by the user's classes; None if all are 0.
    first : int
        The sign of the first unit of each hidden layer; see `constraints`.
    """

    scale: FeatureScale
    fitted: FeatureScale
    space: RowSpace | None
    class_order: np.ndarray
    monotonic_cst: np.ndarray | None = None
    first: int = 1

    @classmethod
    def of(
        cls,
        rows: Rows,
        shapes: Shapes,
        monotonic_cst: np.ndarray | None = None,
        groups: Groups | None = None,
    ) -> Self:
        """The features of some rows."""
        moments = rows.moments
        scale = fitted = FeatureScale.of(
            moments.mean,
            moments.deviation,
            moments.reach,
            shapes,
            moments.varies,
            moments.middle,
            moments.spread,
        )
        space = None
        scale = fitted = replace(scale, groups=groups)
        if monotonic_cst is None and groups is None:
            space = rows.row_space(scale.centre, scale.unit)
        if space is not None:
            # There the features are centred and have no units.
            r = space.B.shape[1]
            of_space = [(r, shapes[0][1]), *shapes[1:]]
            fitted = FeatureScale(np.zeros(r), np.full(r, scale.size), of_space)
        return cls(scale, fitted, space, rows.class_order, monotonic_cst)

    @property
    def signs(self) -> np.ndarray | None:
        """The signs that the fitted parameters must have, or None."""
        if self.monotonic_cst is None:
            return None
        # With two classes in the other order, the logit is minus the user's.
        order = 1 if self.class_order[0] == 0 else -1
        cst, groups = order * self.monotonic_cst, self.fitted.groups
        return weight_signs(self.fitted.shapes, cst, groups, self.first)

    def going_on(self, theta: np.ndarray) -> Self:
        """The same, with the signs of the parameters of an earlier fit.

        If that fit had another order of classes, the other units have these signs.

        Raises
        ------
        ValueError
            If the parameters break a constraint.
        """
        groups, reduced = self.scale.groups, self.reduce(theta)
        for features in (self, replace(self, first=-1)):
            if is_feasible(reduced, self.fitted.shapes, features.signs, groups):
                return features
        raise ValueError(
            "Set warm_start=False, or fit a clone: warm_start=True goes on from "
            "weights that break monotonic_cst or interaction_cst."
        )

    def weighed(self, relevance: np.ndarray) -> Self:
        """The same with a relevance of each feature; all features are fitted."""
        scale = replace(self.scale, relevance=relevance)
        return replace(self, scale=scale, fitted=scale)

    def narrow(self, width: int) -> Self:
        """The same for a network whose hidden layers have at most this width."""
        return self._with_hidden([min(m, width) for _, m in self.scale.shapes[:-1]])

    def linear(self) -> Self:
        """The same for a model without hidden layers."""
        linear = self._with_hidden([])
        # Without hidden layers nothing can interact.
        scale, fitted = (replace(s, groups=None) for s in (linear.scale, linear.fitted))
        return replace(linear, scale=scale, fitted=fitted)

    def _with_hidden(self, hidden: list[int]) -> Self:
        def scale(scale: FeatureScale) -> FeatureScale:
            sizes = (scale.shapes[0][0], *hidden, scale.shapes[-1][1])
            return replace(scale, shapes=list(pairwise(sizes)))

        return replace(self, scale=scale(self.scale), fitted=scale(self.fitted))

    def draws(self, random_state: Any) -> Iterator[np.ndarray]:
        """Initial parameters for features in their units, one after another."""
        rng = check_random_state(random_state)
        while True:
            yield initial_theta(self.scale.shapes, rng)

    def start(
        self, drawn: np.ndarray, alpha: float, weight_sum: float, parts: Parts
    ) -> np.ndarray:
        """The start of a fit, from drawn parameters and a penalty; no layer is dead."""
        signs = self.signs
        groups = self.scale.groups
        if groups is not None:
            drawn = drawn * fan_in_gains(self.scale.shapes, groups)
        if signs is not None:
            drawn = made_feasible(drawn, signs)
        theta = self._to_space(self.scale.coordinates(alpha, weight_sum) @ drawn)
        return flip_dead_layers(theta, self.fitted.shapes, parts, signs is not None)

    def reduced(self, rows: Rows) -> Rows:
        """The rows with the fitted features."""
        return rows if self.space is None else rows.reduced(self.space)

    def reduce_rows(self, data: Block) -> Block:
        """Rows of data with the fitted features."""
        return data if self.space is None else self.space.reduce_rows(data)

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Fitted parameters, from those for the user's features and classes."""
        order = np.argsort(self.class_order)
        return self._to_space(reorder_outputs(theta, self.scale.shapes, order))

    def _to_space(self, theta: np.ndarray) -> np.ndarray:
        if self.space is None:
            return theta
        return self.space.reduce(theta, self.scale.shapes)

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Parameters for the user's features and classes, from the fitted ones."""
        if self.space is not None:
            theta = self.space.expand(theta, self.fitted.shapes)
        return reorder_outputs(theta, self.scale.shapes, self.class_order)

    def attributes(self, rows: Rows, theta: np.ndarray) -> dict[str, Any]:
        """The attributes of an estimator that predicts; arrays own their memory.

        They are on the device of the rows' X (`classes_`: of the labels).
        """
        shapes = self.scale.shapes
        layers = unpack(self.expand(theta), shapes)
        to_device, dtype, n_outputs = rows.xp.to_device, rows.dtype, shapes[-1][1]
        return {
            "classes_": rows.label_xp.to_device(rows.classes),
            "n_outputs_": n_outputs,
            "n_layers_": len(layers) + 1,
            "out_activation_": likelihood_of(n_outputs).out_activation,
            "coefs_": [to_device(W_T.astype(dtype)) for W_T, _ in layers],
            "intercepts_": [to_device(b.astype(dtype)) for _, b in layers],
        }
