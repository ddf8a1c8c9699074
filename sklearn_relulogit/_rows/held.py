"""Rows in the memory of this process, mapped into it, or on a device."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from .._model.arrays import Matrix, Namespace, Numpy, numpy_dtype, take_rows, to_numpy
from .._model.blocks import (
    Block,
    OrderedMap,
    Parts,
    division,
    row_blocks,
    rows_of,
    weight_of,
)
from .._model.parameters import Shapes
from .distinct import Keyed, keyed, smallest_keys
from .input import (
    check_data,
    encode_classes,
    input_namespace,
    to_host,
    to_namespace,
)
from .rows import Given
from .statistics import feature_deviations, largest_values
from .validation import check_validation_data, stratified_split
from .weights import check_sample_weight, check_total, weights_of_classes

# Numbers that are copied from a device to the host at a time.
HOST_NUMBERS = 2**22


@dataclass(frozen=True)
class Held:
    """The rows of a fit, dense or sparse; see `rows.Rows`.

    On a device, the features stay there. Labels and weights, one number a row, pass
    through the host once, to be checked and split.

    Attributes
    ----------
    sample_weight : ndarray of shape (n_samples,)
        The weights as they were given, without class weights.
    training, validation : Block
        X as it is, labels 0..K-1 and weights times class weights on the host.
    """

    X: Matrix
    y: np.ndarray
    classes: np.ndarray
    feature_names: np.ndarray | None
    xp: Namespace
    label_xp: Namespace
    sample_weight: np.ndarray
    training: Block
    validation: Block | None = None

    @classmethod
    def read(
        cls, estimator: BaseEstimator, given: Given, *, reset: bool, class_weight: Any
    ) -> Self:
        """Check the arrays; weights and class weights are multiplied.

        Everything follows X: labels, weights and validation data may be elsewhere.
        """
        X, y = check_data(estimator, given.X, to_host(given.y), reset=reset)
        classes, codes = encode_classes(y)
        sample_weight = check_sample_weight(to_host(given.sample_weight), X)
        of_classes = None
        if class_weight is not None:
            of_classes = weights_of_classes(
                class_weight, classes, codes, sample_weight
            ).astype(numpy_dtype(X.dtype))

        def weighted(X: Matrix, y: np.ndarray, sample_weight: np.ndarray) -> Block:
            if of_classes is not None:
                sample_weight = sample_weight * of_classes[y]
                check_total(sample_weight, "sample_weight times class_weight")
            return Block(X, y, sample_weight)

        validation = None
        if given.X_val is not None:
            X_val, y_val = check_validation_data(
                estimator,
                to_namespace(given.X_val, input_namespace(given.X)),
                to_host(given.y_val),
                classes,
                X.dtype,
            )
            weights_val = check_sample_weight(
                to_host(given.sample_weight_val), X_val, "sample_weight_val"
            )
            validation = weighted(X_val, y_val, weights_val)
        return cls(
            X,
            y,
            classes,
            getattr(estimator, "feature_names_in_", None),
            input_namespace(given.X),
            input_namespace(given.y),
            sample_weight,
            weighted(X, codes, sample_weight),
            validation,
        )

    @property
    def n_features(self) -> int:
        """P."""
        return int(self.X.shape[1])

    @property
    def has_validation(self) -> bool:
        """Whether there are rows to validate on."""
        return self.validation is not None

    @property
    def dtype(self) -> np.dtype:
        """float64 or float32."""
        return numpy_dtype(self.X.dtype)

    def split(self, fraction: float, rng: np.random.RandomState) -> Self:
        """The same with a share of each class to validate on, drawn at random."""

        def rows_at(index: np.ndarray) -> Block:
            X, y, sample_weight = self.training
            block = Block(take_rows(X, index), y[index], sample_weight[index])
            check_total(block.sample_weight, "sample_weight times class_weight")
            return block

        training, validation = stratified_split(self.training.y, fraction, rng)
        return replace(self, training=rows_at(training), validation=rows_at(validation))

    def parts(self, shapes: Shapes, threads: OrderedMap) -> tuple[Parts, Parts | None]:
        """Views of the rows, block by block. A device has threads of its own."""

        def of(data: Block) -> Parts:
            if self.xp is Numpy:
                return Parts.of(data, shapes, threads)
            there = Block(data.X, *map(self.xp.to_device, data[1:]))
            return Parts(
                row_blocks(there, shapes),
                weight_of(data),
                weighted=bool((data.sample_weight != 1).any()),
                xp=self.xp,
            )

        validation = None if self.validation is None else of(self.validation)
        return of(self.training), validation

    def n_parts(self, shapes: Shapes) -> int:
        """The number of parts that the training rows would have in memory."""
        X = self.training.X
        non_zeros = X.nnz / X.shape[0] if issparse(X) else None
        return division(X.shape[0], shapes, non_zeros)[0]

    def sample(self, n_rows: int, host_numbers: int = HOST_NUMBERS) -> Block:
        """All training rows; on a device about ``n_rows`` distinct ones of them."""
        if self.xp is Numpy:
            return self.training
        X, y, sample_weight = self.training
        step = max(n_rows, host_numbers // self.n_features)

        def piece(start: int) -> Block:
            rows = slice(start, min(start + step, len(y)))
            return Block(to_numpy(rows_of(X, rows)), y[rows], sample_weight[rows])

        if len(y) <= n_rows:
            return piece(0)

        def merge(sample: Keyed, start: int) -> Keyed:
            return smallest_keys([sample, keyed(piece(start))], n_rows)

        first = smallest_keys([keyed(piece(0))], n_rows)
        return reduce(merge, range(step, len(y), step), first).block

    def largest_values(self) -> np.ndarray:
        """The largest absolute value of each feature."""
        return largest_values(self.X)

    def deviations(self) -> np.ndarray:
        """The standard deviation of each feature."""
        return feature_deviations(self.X)
