"""Rows in the memory of this process, mapped into it, or on a device."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from .._model.arrays import Namespace, Numpy, numpy_dtype, to_numpy
from .._model.blocks import Block, OrderedMap, Parts, rows_of
from .._model.parameters import Shapes
from .distinct import (
    Keyed,
    class_marks,
    copy_weight,
    keyed,
    merge_equal_rows,
    smallest_keys,
    standard_keys,
)
from .groups import check_groups, rows_of_some
from .input import (
    check_data,
    encode_classes,
    input_namespace,
    to_host,
    to_namespace,
)
from .row_space import RowSpace
from .rows import Given, Rows
from .split import validation_shares
from .statistics import BLOCK_NUMBERS, Moments, moments_of
from .validation import FEWEST_TO_COMPARE, check_validation_data
from .weights import (
    check_sample_weight,
    check_total,
    weights_of_classes,
)

# This many numbers are copied from a device to the host at a time.
HOST_NUMBERS = 2**22

# The distinct rows are a copy of at most this many numbers: 128 MiB in float64. Without
# hidden layers a fit takes hardly longer than the search for distinct rows, and its
# minimum does not depend on their order. So the limit is lower there.
DISTINCT_NUMBERS, DISTINCT_NUMBERS_LINEAR = 2**24, 2**19


@dataclass(frozen=True, kw_only=True)
class Held(Rows):
    """The rows of a fit, dense or sparse, in memory or on a device.

    On a device, the features stay there. Labels and weights, one number a row, pass
    through the host once, to be checked and split.

    Attributes
    ----------
    given : Block
        The training rows as they were given, with their labels as integers 0..K-1.
    training : Keyed
        Distinct rows up to a size, otherwise the rows as they were given, without keys.
        Their groups are numbers in an order as good as at random.
    validation : Block or None
    """

    given: Block

    @classmethod
    def read(
        cls,
        estimator: BaseEstimator,
        given: Given,
        *,
        reset: bool,
        class_weight: Any,
        linear: bool,
        by_groups: bool = False,
        max_numbers: int | None = None,
    ) -> Self:
        """Check the arrays, merge equal rows, and weigh them.

        Everything follows X: labels, weights and validation data may be elsewhere.
        ``linear`` says that there are no hidden layers, and ``by_groups`` that groups,
        if there are any, make a difference.
        """
        if max_numbers is None:
            max_numbers = DISTINCT_NUMBERS_LINEAR if linear else DISTINCT_NUMBERS
        max_hashed = max_numbers if linear else None
        xp, label_xp = input_namespace(given.X), input_namespace(given.y)
        given = _placed(given, xp)
        X, y = check_data(estimator, given.X, given.y, reset=reset)
        classes, codes = encode_classes(y)
        weights = check_sample_weight(given.sample_weight, X)
        rows = Block(X, codes, weights)
        groups = None
        if given.groups is not None:
            groups = check_groups(given.groups, X.shape[0])
            groups = groups if by_groups else None
        of_classes = None

        def weigh(data: Block) -> Block:
            nonlocal of_classes
            if class_weight is not None:
                of_classes = weights_of_classes(class_weight, classes, *data[1:])
                of_classes = of_classes.astype(numpy_dtype(X.dtype))
            return weighted(data, of_classes)

        training = merge_equal_rows(rows, max_numbers, max_hashed, weigh, groups)
        moments = _statistics(training)
        class_order = np.arange(len(classes))
        if training.keys is not None or not linear:
            keys = training.keys
            keys = standard_keys(training.block, moments) if keys is None else keys
            marks = class_marks(keys, *training.block[1:], len(classes))
            class_order = np.argsort(marks, kind="stable")
        new_codes = np.argsort(class_order)
        block = training.block._replace(y=new_codes[training.block.y])
        if of_classes is not None:
            of_classes = of_classes[class_order]
        validation = moments_val = None
        if given.X_val is not None:
            data = _read_validation(estimator, given, classes, new_codes, X.dtype)
            merged = merge_equal_rows(data, max_numbers, max_hashed)
            if len(merged.block.y) >= FEWEST_TO_COMPARE:
                moments_val = _statistics(merged)
            validation = weighted(merged.block, of_classes, "sample_weight_val")
        return cls(
            X=X,
            y=y,
            classes=classes,
            class_order=class_order,
            n_features=X.shape[1],
            dtype=numpy_dtype(X.dtype),
            feature_names=getattr(estimator, "feature_names_in_", None),
            xp=xp,
            label_xp=label_xp,
            moments=moments,
            moments_val=moments_val,
            given=rows._replace(y=new_codes[rows.y]),
            class_weights=of_classes,
            training=training._replace(block=block),
            validation=validation,
        )

    @property
    def shares(self) -> np.ndarray:
        """The shares of the classes in the weight of the training rows."""
        _, y, weights = self.training.block
        totals = np.bincount(y, weights, minlength=len(self.classes))
        return totals / totals.sum()

    @property
    def row_weight(self) -> float:
        """The weight of one row as it was given, before equal rows were merged."""
        weights = self.training.block.sample_weight
        return copy_weight(weights[weights > 0].astype(np.float64))

    def split(self, fraction: float, rng: np.random.RandomState) -> Self:
        """The same with a share of each class to validate on, drawn at random."""
        shares = validation_shares(self.training, fraction, rng)

        def side(shares: np.ndarray) -> Keyed:
            rows = np.flatnonzero(shares)
            weights = self.training.block.sample_weight
            return self.training.take(rows, shares[rows] * weights[rows])

        training, validation = side(1 - shares), side(shares).block
        return replace(self, training=training, validation=validation)

    def parts(self, shapes: Shapes, threads: OrderedMap) -> tuple[Parts, Parts | None]:
        """Views of the rows, block by block."""
        training = Parts.of(self.training.block, shapes, threads)
        if self.validation is None:
            return training, None
        return training, Parts.of(self.validation, shapes, threads)

    def draw(self, n_rows: int, host_numbers: int = HOST_NUMBERS) -> Keyed:
        """Distinct training rows: all where they are at hand, or about ``n_rows``."""
        data, keys, groups = self.training
        if keys is not None:
            X = to_numpy(data.X) if self.on_device else data.X
            return self.training._replace(block=data._replace(X=X))
        if groups is not None:
            some = rows_of_some(groups, n_rows)
            data, _, groups = self.training.take(some)
        X, y, sample_weight = data
        if not self.on_device:
            host_numbers = min(host_numbers, BLOCK_NUMBERS)
        step = max(n_rows, host_numbers // self.n_features)

        def piece(start: int) -> Keyed:
            rows = slice(start, min(start + step, len(y)))
            X_rows = to_numpy(rows_of(X, rows)) if self.on_device else rows_of(X, rows)
            return keyed(
                Block(X_rows, y[rows], sample_weight[rows]),
                self.moments,
                None if groups is None else groups[rows],
            )

        def merge(sample: Keyed, start: int) -> Keyed:
            return smallest_keys([sample, piece(start)], n_rows)

        first = smallest_keys([piece(0)], n_rows)
        return reduce(merge, range(step, len(y), step), first)

    @property
    def on_device(self) -> bool:
        """Whether X is an array of another library than numpy."""
        return self.xp is not Numpy

    def row_space(self, mean: np.ndarray, unit: np.ndarray) -> RowSpace | None:
        """The space of the training rows, where a fit there pays."""
        if self.training.keys is None or self.on_device:
            return None
        return RowSpace.of(self.training.block.X, mean, unit)

    def reduced(self, space: RowSpace) -> Self:
        """The same by the features of the space of the rows."""
        training, validation = self.training, self.validation
        return replace(
            self,
            n_features=space.B.shape[1],
            training=training._replace(block=space.reduce_rows(training.block)),
            validation=validation and space.reduce_rows(validation),
        )


def _placed(given: Given, xp: Namespace) -> Given:
    """The features where X is, and per-row values on the host."""
    X, *of_rows, X_val = given.X, *given[1:3], *given[4:], given.X_val
    y, sample_weight, y_val, sample_weight_val, groups = map(to_host, of_rows)
    X_val = to_namespace(X_val, xp)
    return Given(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)


def _read_validation(
    estimator: BaseEstimator,
    given: Given,
    classes: np.ndarray,
    codes: np.ndarray,
    dtype: Any,
) -> Block:
    """The validation data, checked; ``codes`` are the integers of the classes."""
    X, y = check_validation_data(estimator, given.X_val, given.y_val, classes, dtype)
    weights = check_sample_weight(given.sample_weight_val, X, "sample_weight_val")
    return Block(X, codes[y], weights)


def _statistics(data: Keyed) -> Moments:
    """Statistics of the features, with quartiles if the rows are sorted by keys."""
    moments = moments_of(data.block)
    return moments if data.keys is None else moments.with_quartiles(data.block)


def weighted(
    data: Block, class_weights: np.ndarray | None, name: str = "sample_weight"
) -> Block:
    """The weights times those of the classes."""
    if class_weights is None:
        return data
    weights = data.sample_weight * class_weights[data.y]
    check_total(weights, f"{name} times class_weight")
    return data._replace(sample_weight=weights)
