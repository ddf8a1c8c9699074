"""The rows of Dask collections: checked, weighted and split where they are.

The caller's process receives a summary of each chunk: its classes, with their numbers
of rows and total weights. A search also receives a bounded sample of the rows. Dask is
imported only for Dask data.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .._model.blocks import (
    Block,
    OrderedMap,
    Parts,
    division,
    weight_of,
    work_of_row,
)
from .._model.parameters import Shapes
from .._optional import optional_import
from .chunkwise import is_dask, row_chunks, stand_in
from .cluster import Chunk, ClusterMap, aligned, delayed
from .distinct import Keyed, class_marks, keyed, smallest_keys, standard_keys
from .input import (
    check_chunk,
    check_labels,
    check_one_column,
    encode_classes,
    sorted_labels,
)
from .rows import Given, Rows
from .split import check_some_to_validate, number_of_share
from .statistics import Moments, joint_moments, moments_of
from .validation import FEWEST_TO_COMPARE, check_known
from .weights import check_total, check_weights, weights_of_classes


@dataclass(frozen=True, kw_only=True)
class OnCluster(Rows):
    """Rows in the chunks of Dask collections.

    Attributes
    ----------
    summary : Summary
        Of all rows.
    training, validation : list of Chunk
        Blocks with labels 0..K-1 and weights times class weights.
    weight_sums : list of float
        The sums of the weights of either.
    """

    summary: "Summary"
    cluster_map: ClusterMap
    weight_sums: list[float]

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
    ) -> Self:
        """Check the collections, chunk by chunk; the chunks stay on the workers."""
        _check_collections(given)
        cluster_map = ClusterMap()
        X = row_chunks(given.X, "X")
        validate_data(
            estimator, stand_in(given.X, X), skip_check_array=True, reset=reset
        )
        dtype = np.dtype(np.float32 if X.dtype == np.float32 else np.float64)
        chunks = _read(X, given.y, given.sample_weight, dtype, "")
        summary = Summary.of(cluster_map.each(_summary_of, chunks))
        check_total(summary.totals, "sample_weight")
        classes, _ = encode_classes(summary.classes)
        of_classes = None
        if class_weight is not None:
            of_classes = weights_of_classes(
                class_weight, classes, np.arange(len(classes)), summary.totals.sum(0)
            ).astype(dtype)
        class_order = np.arange(len(classes))
        number = partial(
            _weighted, classes=classes, class_order=class_order, of_classes=of_classes
        )
        moments = cluster_map.merged(
            partial(_moments_of, number=number), chunks, joint_moments
        )
        if not linear:
            mark = partial(
                _class_marks, number=number, moments=moments, n_classes=len(classes)
            )
            marks = cluster_map.merged(mark, chunks, sum)
            class_order = np.argsort(marks, kind="stable")
        weigh = partial(
            _weighted, classes=classes, class_order=class_order, of_classes=of_classes
        )
        training = [chunk.then(weigh) for chunk in chunks]
        validation = moments_val = None
        if given.X_val is not None:
            chunks_val = _read_validation(estimator, given, dtype)
            summary_val = Summary.of(cluster_map.each(_summary_of, chunks_val))
            check_known(summary_val.classes, classes)
            check_total(summary_val.totals, "sample_weight_val")
            validation = [chunk.then(weigh) for chunk in chunks_val]
            if summary_val.counts.sum() >= FEWEST_TO_COMPARE:
                moments_val = cluster_map.merged(moments_of, chunks_val, joint_moments)
        return cls(
            X=given.X,
            y=given.y,
            classes=summary.classes,
            class_order=class_order,
            n_features=X.shape[1],
            dtype=dtype,
            feature_names=getattr(estimator, "feature_names_in_", None),
            moments=moments,
            moments_val=moments_val,
            class_weights=of_classes,
            training=training,
            validation=validation,
            summary=summary,
            cluster_map=cluster_map,
            # Computed while the original chunks are still there.
            weight_sums=_weight_sums(cluster_map, training, validation),
        )

    @property
    def shares(self) -> np.ndarray:
        """The shares of the classes in the weight of all rows.

        A split for early stopping leaves about the same.
        """
        totals = self.summary.totals.sum(axis=0)
        if self.class_weights is not None:
            totals = totals * self.class_weights
        return (totals / totals.sum())[self.class_order]

    @property
    def row_weight(self) -> float:
        """The mean weight of all rows, since the weights stay where they are."""
        totals, counts = (
            self.summary.totals.sum(axis=0),
            self.summary.counts.sum(axis=0),
        )
        if self.class_weights is not None:
            totals, counts = (
                totals * self.class_weights,
                counts * (self.class_weights > 0),
            )
        return float(totals.sum() / counts.sum())

    def split(self, fraction: float, rng: np.random.RandomState) -> Self:
        """The same with a share of each class to validate on, drawn at random."""
        counts = self.summary.counts
        if self.class_weights is not None:
            counts = counts * (self.class_weights > 0)
        counts = counts[:, self.class_order]
        numbers = _numbers_to_validate(counts, fraction)
        seeds = rng.randint(2**31 - 1, size=len(self.training))
        training, validation = (
            [
                chunk.then(_side, of_validation, *arguments)
                for chunk, *arguments in zip(self.training, numbers, seeds, strict=True)
            ]
            for of_validation in (False, True)
        )
        sums = _weight_sums(self.cluster_map, training, validation)
        return replace(self, training=training, validation=validation, weight_sums=sums)

    def parts(self, shapes: Shapes, threads: OrderedMap) -> tuple[Parts, Parts | None]:
        """Each chunk is one part, mapped over by the workers."""
        n_rows = int(self.summary.counts.sum())

        def of(chunks: list[Chunk], weight_sum: float) -> Parts:
            return Parts(
                chunks,
                weight_sum,
                # Another pass would be needed to see whether all are one.
                weighted=True,
                sparse=not self.summary.dense,
                # As if the rows were dense, and in memory.
                work=n_rows * work_of_row(shapes),
                n_parts=division(n_rows, shapes)[0],
                ordered_map=partial(self.cluster_map, shapes=shapes),
            )

        training = of(self.training, self.weight_sums[0])
        if self.validation is None:
            return training, None
        return training, of(self.validation, self.weight_sums[1])

    def draw(self, n_rows: int) -> Keyed:
        """In memory: about ``n_rows`` distinct training rows, and their keys."""
        merge = partial(smallest_keys, n_rows=n_rows)
        key = partial(keyed, moments=self.moments)
        return merge([self.cluster_map.merged(key, self.training, merge)])


def _weight_sums(
    cluster_map: ClusterMap, training: list[Chunk], validation: list[Chunk] | None
) -> list[float]:
    """The sums of the weights of the rows to train on and, if any, to validate on."""
    sides = [training] if validation is None else [training, validation]
    sums = [sum(cluster_map.each(weight_of, side)) for side in sides]
    for weight_sum in sums:
        check_total(np.array([weight_sum]), "sample_weight times class_weight")
    return sums


class Summary(NamedTuple):
    """Classes of the chunks, with their numbers of rows and weights.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    counts, totals : ndarray of shape (n_chunks, n_classes)
        Numbers of rows that weigh anything, and their weights.
    dense : bool
        Whether no chunk is sparse.
    """

    classes: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    dense: bool

    @classmethod
    def of(cls, summaries: list["Summary"]) -> "Summary":
        """The summary of all chunks, from those of single ones."""
        # An empty chunk has a type of labels, but none of them.
        labels = [summary.classes for summary in summaries if len(summary.classes)]
        if not labels:
            raise ValueError("Found no rows: every chunk is empty.")
        classes, _ = sorted_labels(np.concatenate(labels))
        counts, totals = (
            np.zeros((len(summaries), len(classes)), dtype) for dtype in (int, float)
        )
        for number, summary in enumerate(summaries):
            codes = np.searchsorted(classes, summary.classes)
            counts[number, codes] = summary.counts
            totals[number, codes] = summary.totals
        return cls(classes, counts, totals, all(summary.dense for summary in summaries))


def _read(
    X: Any, y: Any, sample_weight: Any, dtype: np.dtype, suffix: str
) -> list[Chunk]:
    """The chunks of a data set, as Blocks with the labels as they came."""
    if y is None:
        raise ValueError(f"fit requires y{suffix} to be passed, but it is None.")
    beside = {"y": y, "sample_weight": sample_weight}
    arrays = {f"X{suffix}": X} | {
        f"{name}{suffix}": _one_column(array, f"{name}{suffix}")
        for name, array in beside.items()
        if array is not None
    }
    columns = [array.to_delayed().ravel() for array in _aligned(arrays)]
    if sample_weight is None:
        columns.append([None] * len(columns[0]))
    read = delayed(_read_chunk)
    return [
        Chunk(read(*chunks, dtype, suffix)) for chunks in zip(*columns, strict=True)
    ]


def _check_collections(given: Given) -> None:
    """Raise a TypeError if X is no collection, or the rows are in groups."""
    if given.groups is not None:
        raise TypeError(
            "Leave groups out, or pass data in memory: rows on a Dask cluster are "
            "not divided by groups."
        )
    if not is_dask(given.X):
        raise TypeError(
            f"X is of type {type(given.X).__name__}, but other arguments of fit "
            "are Dask collections. Pass X as one too, or all of them in memory."
        )


def _read_validation(
    estimator: BaseEstimator, given: Given, dtype: np.dtype
) -> list[Chunk]:
    """The chunks of the validation data, which may be in memory: one chunk."""
    X_val = given.X_val
    if is_dask(X_val):
        X = row_chunks(X_val, "X_val")
        columns = stand_in(X_val, X)
    elif is_dask(given.y_val) or is_dask(given.sample_weight_val):
        raise TypeError(
            f"X_val is of type {type(X_val).__name__}, but y_val or sample_weight_val "
            "is a Dask collection. Pass all of them as such, or all in memory."
        )
    else:
        columns = X_val
    try:
        validate_data(estimator, columns, skip_check_array=True, reset=False)
    except ValueError as error:
        raise ValueError(f"X_val is not valid: {error}") from error
    if is_dask(X_val):
        return _read(X, given.y_val, given.sample_weight_val, dtype, "_val")
    check_labels(given.y_val, "y_val")
    arrays = (X_val, given.y_val, given.sample_weight_val)
    return [Chunk(delayed(_read_chunk)(*arrays, dtype, "_val"))]


def _one_column(array: Any, name: str) -> Any:
    """Labels or weights as a one-dimensional array, of Dask's if they are Dask's."""
    if hasattr(array, "to_dask_array") and array.ndim == 2:
        check_one_column((np.nan, len(array.columns)), name)
        array = array[array.columns[0]]
    if hasattr(array, "to_dask_array"):
        if not isinstance(getattr(array, "dtype", None), np.dtype):
            # pandas' own types, for strings, categories, integers with missing values.
            meta = array.name, object  # Nothing depends on the real type.
            array = array.map_partitions(_in_numpy_type, name, meta=meta)
        array = array.to_dask_array()
    elif not is_dask(array):
        array = np.asarray(array)
    if not hasattr(array, "ndim"):
        raise TypeError(
            f"{name} must be a Dask array or series, or in memory. Got "
            f"{type(array).__name__}."
        )
    check_one_column(array.shape, name)
    return array if array.ndim == 1 else array[:, 0]


def _in_numpy_type(column: Any, name: str) -> Any:
    """A series in the type of numpy that scikit-learn converts its own type to."""
    if not name.startswith("sample_weight"):
        check_labels(column, name)
    values = column_or_1d(column)
    return type(column)(values, index=column.index, dtype=values.dtype)


def _aligned(arrays: dict[str, Any]) -> list[Any]:
    """Dask arrays, chunked as the first is, which stays as it is."""
    dask_array = optional_import("dask.array", "dask", "Fitting Dask data")
    n_chunks = {
        array.numblocks[0] if is_dask(array) else 0 for array in arrays.values()
    }
    unknown = any(np.isnan(array.shape[0]) for array in arrays.values())
    if unknown and len(n_chunks) == 1:
        # They may be columns of one data frame. The workers compare the lengths.
        return list(arrays.values())
    arrays = {
        name: array.copy().compute_chunk_sizes() if np.isnan(array.shape[0]) else array
        for name, array in arrays.items()
    }
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The numbers of rows differ: {lengths}.")
    X, *beside = arrays.values()
    return [
        X,
        *(dask_array.asarray(array).rechunk((X.chunks[0],)) for array in beside),
    ]


def _numbers_to_validate(counts: np.ndarray, fraction: float) -> np.ndarray:
    """How many rows of each class each chunk gives, (n_chunks, n_classes).

    Each class gives as many as for data in memory, and each chunk its share of them.
    """
    total = counts.sum(axis=0)
    some = np.maximum(total, 1)
    numbers = np.array([number_of_share(int(n), fraction) for n in total])
    check_some_to_validate(int(numbers.sum()), int(total.sum()))
    before = np.vstack([np.zeros_like(total), counts.cumsum(axis=0)])
    # Rounded to the nearest. A chunk never gives more rows than it holds.
    return np.diff((2 * numbers * before + total) // (2 * some), axis=0)


# What follows runs on the workers.


def _read_chunk(
    X: Any, y: Any, sample_weight: Any, dtype: np.dtype, suffix: str
) -> Block:
    """A checked Block, with the labels as they came."""
    try:
        X, y = check_chunk(X, y, dtype)
    except ValueError as error:
        if not suffix:
            raise
        raise ValueError(f"X{suffix} is not valid: {error}") from error
    weights = check_weights(sample_weight, X, f"sample_weight{suffix}")
    return aligned(Block(X, y, weights))


def _summary_of(block: Block) -> Summary:
    classes, codes = sorted_labels(block.y)
    present = block.sample_weight > 0
    return Summary(
        classes,
        np.bincount(codes[present], minlength=len(classes)),
        np.bincount(codes, block.sample_weight, minlength=len(classes)),
        not issparse(block.X),
    )


def _weighted(
    block: Block,
    classes: np.ndarray,
    class_order: np.ndarray,
    of_classes: np.ndarray | None,
) -> Block:
    """The block with codes for its labels, and its weights as those of the loss."""
    numbers = np.searchsorted(classes, block.y)
    weights = block.sample_weight
    if of_classes is not None:
        weights = weights * of_classes[numbers]
    return Block(block.X, np.argsort(class_order)[numbers], weights)


def _moments_of(block: Block, number: Callable[[Block], Block]) -> Moments:
    return moments_of(number(block))


def _class_marks(
    block: Block, number: Callable[[Block], Block], moments: Moments, n_classes: int
) -> np.ndarray:
    if not len(block.y):
        return np.zeros(n_classes)
    block = number(block)
    return class_marks(standard_keys(block, moments), *block[1:], n_classes)


def _side(block: Block, validation: bool, numbers: np.ndarray, seed: int) -> Block:
    """The rows to validate on, by the number of each class, or the others."""
    rng = np.random.RandomState(seed)
    chosen = np.zeros(len(block.y), dtype=bool)
    for code in np.flatnonzero(numbers):
        of_class = (block.y == code) & (block.sample_weight > 0)
        rows = rng.permutation(np.flatnonzero(of_class))
        chosen[rows[: numbers[code]]] = True
    rows = np.flatnonzero(chosen == validation)
    return Block(*(array[rows] for array in block))
