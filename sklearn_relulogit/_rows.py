"""The rows of a fit: where they are, and what a fit needs of them.

`InMemory` here, `_device.OnDevice` and `_dask.OnCluster` beside it. All have the
attributes and methods of `Rows`, so that a fit does not know where its rows are.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from sklearn.base import BaseEstimator

from ._advice import overflow_message, unscaled_features
from ._arrays import numpy_dtype, taken
from ._base import encode_classes
from ._blocks import Block, Parts, cut
from ._dispatch import moved, on_host, place_of
from ._input import check_data
from ._parameters import Shapes
from ._products import Matrix
from ._threads import ThreadedMap
from ._training import pays_in_float32
from ._validation_data import check_validation_data, stratified_split
from ._weights import check_sample_weight, check_total, weights_of_classes

OrderedMap = Callable[..., Iterable[Any]]


class Given(NamedTuple):
    """What `fit` was called with."""

    X: Any
    y: Any
    sample_weight: Any
    X_val: Any
    y_val: Any
    sample_weight_val: Any


class Splitting(NamedTuple):
    """The share of the rows to validate on, None for none, and what draws them."""

    fraction: float | None
    rng: np.random.RandomState


class Rows(Protocol):
    """What a fit needs of its rows."""

    X: Any
    y: Any
    classes: np.ndarray
    n_features: int
    dtype: np.dtype

    def ordered_map(self, n_threads: int) -> AbstractContextManager[OrderedMap]:
        """The map over the parts."""

    def cut(self, shapes: Shapes) -> tuple[Parts, Parts | None]:
        """The parts of the training data, and of the validation data if any."""

    def begins_in_float32(self, shapes: Shapes, training: Parts) -> bool:
        """Whether a first stage in float32 pays."""

    def of_the_search(self) -> Block:
        """Rows in memory to choose the penalty by."""

    def overflow_message(self, what: str, names: np.ndarray | None) -> str:
        """Why something computed from X may have overflowed, and what to do."""

    def unscaled_features(self, names: np.ndarray | None) -> str:
        """A sentence about features of very different scale, or nothing."""


class Read(NamedTuple):
    """What was handed to `fit`, checked: rows to train on, and to validate on if any.

    All but X is on the host.
    """

    X: Matrix
    y: np.ndarray
    classes: np.ndarray
    training: Block
    validation: Block | None


def read_rows(
    estimator: BaseEstimator,
    given: Given,
    *,
    reset: bool,
    class_weight: Any,
    splitting: Splitting,
) -> Read:
    """Check the arrays; weights and class weights are multiplied.

    Everything follows X: labels, weights and validation data may come from elsewhere.
    """
    X, y = check_data(estimator, given.X, on_host(given.y), reset=reset)
    classes, codes = encode_classes(y)
    data = Block(X, codes, check_sample_weight(on_host(given.sample_weight), X))
    of_classes = None
    if class_weight is not None:
        of_classes = weights_of_classes(
            class_weight, classes, codes, data.sample_weight
        ).astype(numpy_dtype(X.dtype))

    def weighted(X: Matrix, y: np.ndarray, sample_weight: np.ndarray) -> Block:
        if of_classes is not None:
            sample_weight = sample_weight * of_classes[y]
            check_total(sample_weight, "sample_weight times class_weight")
        return Block(X, y, sample_weight)

    def rows_at(index: np.ndarray) -> Block:
        return weighted(taken(X, index), data.y[index], data.sample_weight[index])

    if given.X_val is not None:
        X_val, y_val = check_validation_data(
            estimator,
            moved(given.X_val, place_of(given.X)),
            on_host(given.y_val),
            classes,
            X.dtype,
        )
        weights_val = check_sample_weight(
            on_host(given.sample_weight_val), X_val, "sample_weight_val"
        )
        training, validation = weighted(*data), weighted(X_val, y_val, weights_val)
    elif splitting.fraction is None:
        training, validation = weighted(*data), None
    else:
        training, validation = map(
            rows_at, stratified_split(codes, splitting.fraction, splitting.rng)
        )
    return Read(X, y, classes, training, validation)


class InMemory:
    """Rows in the memory of this process, or mapped into it."""

    def __init__(self, read: Read) -> None:
        self.X, self.y, self.classes, self._training, self._validation = read
        self.n_features: int = self.X.shape[1]
        self.dtype: np.dtype = self.X.dtype

    @classmethod
    def read(cls, estimator: BaseEstimator, given: Given, **how: Any) -> Self:
        """Check the arrays."""
        return cls(read_rows(estimator, given, **how))

    def ordered_map(self, n_threads: int) -> ThreadedMap:
        """The rows are shared by threads."""
        return ThreadedMap(n_threads)

    def cut(self, shapes: Shapes) -> tuple[Parts, Parts | None]:
        """Views of the rows, block by block."""

        def of(data: Block) -> Parts:
            return Parts.of(cut(data, shapes))

        validation = None if self._validation is None else of(self._validation)
        return of(self._training), validation

    def begins_in_float32(self, shapes: Shapes, training: Parts) -> bool:
        """Whether a first stage in float32 pays."""
        return pays_in_float32(
            self.dtype, training.sparse, shapes, len(training.of_map)
        )

    def of_the_search(self) -> Block:
        """All rows to train on; the search takes what it needs of them."""
        return self._training

    def overflow_message(self, what: str, names: np.ndarray | None) -> str:
        """Why something computed from X may have overflowed, and what to do."""
        return overflow_message(what, self.X, names)

    def unscaled_features(self, names: np.ndarray | None) -> str:
        """A sentence about features of very different scale, or nothing."""
        return unscaled_features(self.X, names)
