"""The rows of a fit: where they are, and what a fit needs to know of them.

`held.Held` has them in memory or on a device, and `dask.OnCluster` in the chunks of
Dask collections. So a fit does not know where its rows are. Rows return numbers, and
other modules decide what follows.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np

from .._model.arrays import Namespace, Numpy
from .._model.blocks import OrderedMap, Parts
from .._model.parameters import Shapes
from .distinct import Keyed
from .row_space import RowSpace
from .statistics import Moments


class Given(NamedTuple):
    """The arguments of `fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None

    def check(self) -> None:
        """Raise a ValueError if some validation data were passed without others."""
        if (self.X_val is None) != (self.y_val is None):
            names = ("X_val", "y_val") if self.y_val is None else ("y_val", "X_val")
            raise ValueError("{} was passed to fit without {}.".format(*names))
        if self.sample_weight_val is not None and self.X_val is None:
            raise ValueError(
                "sample_weight_val was passed to fit without X_val and y_val."
            )


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows to train on, and to validate on if any.

    Attributes
    ----------
    X, y
        All rows, checked, and their labels.
    classes : ndarray of shape (n_classes,)
        The class labels, sorted.
    class_order : ndarray of shape (n_classes,)
        The label of code k is ``classes[class_order[k]]``, so that the names of the
        classes do not matter.
    n_features : int
    dtype : numpy dtype
        float64 or float32.
    feature_names : ndarray or None
        None where X has no names.
    moments : Moments
        Statistics of the features of all rows, before class weights and a split.
    moments_val : Moments or None
        Statistics of the user's validation data, unless these are too few.
    class_weights : ndarray of shape (n_classes,) or None
        None where all are one.
    training, validation
        The rows to train on and, or None, to validate on, with labels 0..K-1 and
        weights times class weights, wherever they are.
    xp, label_xp : Numpy or ArrayAPI
        Where X and the labels are.
    """

    X: Any
    y: Any
    classes: np.ndarray
    class_order: np.ndarray
    n_features: int
    dtype: np.dtype
    feature_names: np.ndarray | None
    moments: Moments
    moments_val: Moments | None
    class_weights: np.ndarray | None
    training: Any
    validation: Any
    xp: Namespace = Numpy
    label_xp: Namespace = Numpy
    # Hashing all rows takes long.
    _samples: dict[int, Keyed] = field(default_factory=dict, init=False, compare=False)

    @property
    def shares(self) -> np.ndarray:
        """The shares of the codes in the weight of the training rows, (n_classes,)."""
        raise NotImplementedError

    @property
    def row_weight(self) -> float:
        """The weight of one row as it was given, before equal rows were merged."""
        raise NotImplementedError

    def split(self, fraction: float, rng: np.random.RandomState) -> Self:
        """The same with a share of each class to validate on, drawn at random."""
        raise NotImplementedError

    def parts(self, shapes: Shapes, threads: OrderedMap) -> tuple[Parts, Parts | None]:
        """The parts to train on, and those to validate on if any.

        ``threads`` is the map over parts in the memory of this process.
        """
        raise NotImplementedError

    def sample(self, n_rows: int) -> Keyed:
        """Distinct training rows in memory, all or about ``n_rows``, and their keys."""
        # A larger sample that was drawn earlier begins with the rows of a smaller one.
        larger = [number for number in self._samples if number >= n_rows]
        if not larger:
            self._samples[n_rows] = self.draw(n_rows)
        return self._samples[min(larger, default=n_rows)]

    def draw(self, n_rows: int) -> Keyed:
        """The rows of `sample`, which keeps them."""
        raise NotImplementedError

    def row_space(self, mean: np.ndarray, unit: np.ndarray) -> RowSpace | None:
        """The space of the training rows, where a fit there pays."""
        return None

    def reduced(self, space: RowSpace) -> Self:
        """The same by the features of the space of the rows."""
        raise NotImplementedError
