"""The rows of a fit: where they are, and what a fit needs to know of them.

`held.Held` has them in memory or on a device, `dask.OnCluster` in the chunks of Dask
collections. Both have the attributes and methods of `Rows`, so that a fit does not know
where its rows are. Rows return numbers; what follows from these is decided elsewhere.
"""

from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from .._model.arrays import Namespace
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


class Rows(Protocol):
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
    xp, label_xp : Numpy or ArrayAPI
        Where X and the labels are.
    moments : Moments
        Statistics of the features of all rows, before class weights and a split.
    moments_val : Moments or None
        Those of the validation data that were handed in, unless these are too few.
    shares : ndarray of shape (n_classes,)
        The shares of the codes in the weight of the training rows.
    has_validation : bool
    """

    @property
    def X(self) -> Any: ...
    @property
    def y(self) -> Any: ...
    @property
    def classes(self) -> np.ndarray: ...
    @property
    def class_order(self) -> np.ndarray: ...
    @property
    def n_features(self) -> int: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def feature_names(self) -> np.ndarray | None: ...
    @property
    def xp(self) -> Namespace: ...
    @property
    def label_xp(self) -> Namespace: ...
    @property
    def moments(self) -> Moments: ...
    @property
    def moments_val(self) -> Moments | None: ...
    @property
    def shares(self) -> np.ndarray: ...
    @property
    def has_validation(self) -> bool: ...

    def split(self, fraction: float, rng: np.random.RandomState) -> Self:
        """The same with a share of each class to validate on, drawn at random."""

    def parts(self, shapes: Shapes, threads: OrderedMap) -> tuple[Parts, Parts | None]:
        """The parts to train on, and those to validate on if any.

        ``threads`` is the map over parts in the memory of this process.
        """

    def n_parts(self, shapes: Shapes) -> int:
        """The number of parts that the training rows would have in memory."""

    def work(self, shapes: Shapes) -> float:
        """The work of an evaluation, in multiplications or what takes as long."""

    def sample(self, n_rows: int) -> Keyed:
        """Distinct training rows in memory, all or about ``n_rows``, and their keys."""

    def row_space(self, mean: np.ndarray, unit: np.ndarray) -> RowSpace | None:
        """The space of the training rows, where a fit there pays."""

    def reduced(self, space: RowSpace) -> Self:
        """The same by the features of the space of the rows."""
