"""Rows in the memory of this process, mapped into it, or on a device."""

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from .._model.arrays import Matrix, Namespace, Numpy, numpy_dtype, take_rows, to_numpy
from .._model.blocks import (
    Block,
    OrderedMap,
    Parts,
    division,
    row_blocks,
    rows_of,
    stored,
    weight_of,
    work_of,
)
from .._model.parameters import Shapes
from .distinct import (
    Keyed,
    class_marks,
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
from .rows import Given
from .statistics import BLOCK_NUMBERS, Moments, moments_of
from .validation import (
    FEWEST_TO_COMPARE,
    check_validation_data,
    group_shares,
    stratified_split,
    validation_shares,
)
from .weights import check_sample_weight, check_total, weights_of_classes

# Numbers that are copied from a device to the host at a time.
HOST_NUMBERS = 2**22

# The distinct rows are a copy of at most so many numbers: 128 MiB in float64. Without
# hidden layers a fit takes little longer than to find the distinct rows, and its
# minimum does not depend on their order, so larger data are taken as they are.
DISTINCT_NUMBERS, DISTINCT_NUMBERS_LINEAR = 2**24, 2**19


@dataclass(frozen=True)
class Held:
    """The rows of a fit, dense or sparse; see `rows.Rows`.

    On a device, the features stay there. Labels and weights, one number a row, pass
    through the host once, to be checked and split.

    Attributes
    ----------
    given : Block
        The training rows as they were given, with their labels as integers 0..K-1.
    class_weights : ndarray of shape (n_classes,) or None
        None where all are one.
    training, validation : Block
        Distinct rows up to a size, otherwise the rows as they were given, with weights
        times class weights. Labels and weights are on the host.
    keys : ndarray or None
        The keys of the training rows, if these are distinct.
    groups : ndarray or None
        The groups of the training rows, as numbers in an order as good as at random.
    """

    X: Matrix
    y: np.ndarray
    classes: np.ndarray
    class_order: np.ndarray
    feature_names: np.ndarray | None
    xp: Namespace
    label_xp: Namespace
    moments: Moments
    given: Block
    class_weights: np.ndarray | None
    training: Block
    keys: np.ndarray | None
    validation: Block | None = None
    moments_val: Moments | None = None
    groups: np.ndarray | None = None
    _samples: dict[int, Keyed] = field(default_factory=dict, init=False, compare=False)

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
        X, y = check_data(estimator, given.X, to_host(given.y), reset=reset)
        classes, codes = encode_classes(y)
        weights = check_sample_weight(to_host(given.sample_weight), X)
        rows = Block(X, codes, weights)
        groups = None
        if given.groups is not None:
            groups = check_groups(to_host(given.groups), X.shape[0])
            groups = groups if by_groups else None
        of_classes = None

        def weigh(data: Block) -> Block:
            nonlocal of_classes
            if class_weight is not None:
                of_classes = weights_of_classes(class_weight, classes, *data[1:])
                of_classes = of_classes.astype(numpy_dtype(X.dtype))
            return weighted(data, of_classes)

        training, keys, groups = merge_equal_rows(
            rows, max_numbers, max_hashed, weigh, groups
        )
        moments = _statistics(training, keys)
        class_order = np.arange(len(classes))
        if keys is not None or not linear:
            keys_to_mark = standard_keys(training, moments) if keys is None else keys
            marks = class_marks(keys_to_mark, *training[1:], len(classes))
            class_order = np.argsort(marks, kind="stable")
        new_codes = np.argsort(class_order)
        training, rows = (
            block._replace(y=new_codes[block.y]) for block in (training, rows)
        )
        if of_classes is not None:
            of_classes = of_classes[class_order]
        validation = moments_val = None
        if given.X_val is not None:
            block = _read_validation(estimator, given, classes, new_codes, X.dtype)
            validation, keys_val, _ = merge_equal_rows(block, max_numbers, max_hashed)
            if len(validation.y) >= FEWEST_TO_COMPARE:
                moments_val = _statistics(validation, keys_val)
            validation = weighted(validation, of_classes, "sample_weight_val")
        return cls(
            X,
            y,
            classes,
            class_order,
            getattr(estimator, "feature_names_in_", None),
            input_namespace(given.X),
            input_namespace(given.y),
            moments,
            rows,
            of_classes,
            training,
            keys,
            validation,
            moments_val,
            groups,
        )

    @property
    def n_features(self) -> int:
        """P."""
        return int(self.training.X.shape[1])

    @property
    def shares(self) -> np.ndarray:
        """The shares of the classes in the weight of the training rows."""
        _, y, weights = self.training
        totals = np.bincount(y, weights, minlength=len(self.classes))
        return np.asarray(totals / totals.sum())

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
        X, y, weights = self.training
        # A row of weight zero is no row.
        present = np.flatnonzero(weights > 0)
        shares = np.zeros(len(y))
        if self.groups is not None:
            shares[present] = group_shares(
                self.groups[present], y[present], fraction, rng
            )
        elif self.keys is None:
            shares[present[stratified_split(y[present], fraction, rng)[1]]] = 1
        else:
            shares = validation_shares(
                self.keys, y, weights.astype(np.float64), fraction, rng
            )

        def side(shares: np.ndarray) -> tuple[np.ndarray, Block]:
            rows = np.flatnonzero(shares)
            part = (shares[rows] * weights[rows]).astype(weights.dtype)
            return rows, Block(take_rows(X, rows), y[rows], part)

        (rows, training), (_, validation) = side(1 - shares), side(shares)
        keys = None if self.keys is None else self.keys[rows]
        groups = None if self.groups is None else self.groups[rows]
        return replace(
            self, training=training, keys=keys, validation=validation, groups=groups
        )

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
        return division(X.shape[0], shapes, stored(X))[0]

    def work(self, shapes: Shapes) -> float:
        """The work of an evaluation, in multiplications or what takes as long."""
        return work_of([self.training], shapes)

    def sample(self, n_rows: int) -> Keyed:
        """Distinct training rows: all where they are at hand, or about ``n_rows``."""
        # More rows that were drawn before begin with those of fewer.
        larger = [number for number in self._samples if number >= n_rows]
        if not larger:
            self._samples[n_rows] = self.draw(n_rows)
        return self._samples[min(larger, default=n_rows)]

    def draw(self, n_rows: int, host_numbers: int = HOST_NUMBERS) -> Keyed:
        """The rows of `sample`, which keeps them: to hash all rows takes long."""
        if self.keys is not None:
            X, y, sample_weight = self.training
            X = to_numpy(X) if self.on_device else X
            return Keyed(self.keys, Block(X, y, sample_weight), self.groups)
        X, y, sample_weight = self.training
        groups = self.groups
        if groups is not None:
            some = rows_of_some(groups, n_rows)
            X, y, sample_weight = take_rows(X, some), y[some], sample_weight[some]
            groups = groups[some]
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
        if self.keys is None or self.on_device:
            return None
        return RowSpace.of(self.training.X, mean, unit)

    def reduced(self, space: RowSpace) -> Self:
        """The same by the features of the space of the rows."""
        validation = self.validation
        return replace(
            self,
            training=space.reduce_rows(self.training),
            validation=validation and space.reduce_rows(validation),
        )


def _read_validation(
    estimator: BaseEstimator,
    given: Given,
    classes: np.ndarray,
    codes: np.ndarray,
    dtype: Any,
) -> Block:
    """The validation data, checked; ``codes`` are the integers of the classes."""
    X, y = check_validation_data(
        estimator,
        to_namespace(given.X_val, input_namespace(given.X)),
        to_host(given.y_val),
        classes,
        dtype,
    )
    weights = check_sample_weight(
        to_host(given.sample_weight_val), X, "sample_weight_val"
    )
    return Block(X, codes[y], weights)


def _statistics(data: Block, keys: np.ndarray | None) -> Moments:
    """Of the features; with quartiles where the rows are in the order of keys."""
    moments = moments_of(data)
    return moments if keys is None else moments.with_quartiles(data)


def weighted(
    data: Block, class_weights: np.ndarray | None, name: str = "sample_weight"
) -> Block:
    """The weights times those of the classes."""
    if class_weights is None:
        return data
    weights = data.sample_weight * class_weights[data.y]
    check_total(weights, f"{name} times class_weight")
    return data._replace(sample_weight=weights)
