"""Recognise Dask collections, and predict for them lazily, chunk by chunk.

Dask is imported only once there are Dask data.
"""

import copy
import functools
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .._optional import optional_import
from .input import narrow_frame

# A dask.array.Array.
DaskArray: TypeAlias = Any


def is_dask(array: Any) -> bool:
    """Whether something is a Dask collection: an array, a data frame or a series."""
    # There are no collections before somebody has imported Dask.
    dask = sys.modules.get("dask")
    return dask is not None and bool(dask.is_dask_collection(array))


def refuse_lazy(X: Any, caller: str, name: str = "X") -> None:
    """Raise a TypeError if X is a Dask collection or a LazyFrame of polars.

    ``caller`` takes data in memory.
    """
    if is_dask(X) or is_lazy_frame(X):
        method = "compute" if is_dask(X) else "collect"
        library = "Dask" if is_dask(X) else "polars"
        raise TypeError(
            f"Pass {name}.{method}(), or a part of it: {caller} takes data in memory, "
            f"not a {library} {type(X).__name__}."
        )


def is_lazy_frame(X: Any) -> bool:
    """Whether X is a LazyFrame of polars, whose attributes may take long to find."""
    return hasattr(X, "collect_schema") and hasattr(X, "collect")


def row_chunks(X: Any, name: str) -> DaskArray:
    """A Dask collection as a two-dimensional array with chunks of whole rows."""
    array = narrow_frame(X).to_dask_array() if hasattr(X, "to_dask_array") else X
    if not hasattr(array, "numblocks"):
        raise TypeError(
            f"{name} must be a Dask array or data frame, or in memory. Got "
            f"{type(X).__name__}."
        )
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions, (n_samples, n_features). Its shape is "
            f"{array.shape}."
        )
    if array.numblocks[1] > 1:
        raise ValueError(
            f"{name} must be chunked by rows alone, but its columns are in "
            f"{array.numblocks[1]} chunks: {name}.rechunk({{1: -1}}) joins them."
        )
    if np.isnan(array.shape[1]):
        array = array.copy().compute_chunk_sizes()
    return array


def stand_in(X: Any, array: DaskArray) -> Any:
    """An empty array or data frame with the columns of X, to check these."""
    if not hasattr(X, "to_dask_array"):
        return np.empty((0, array.shape[1]))
    pandas = optional_import("pandas", "pandas", "A Dask data frame")
    return pandas.DataFrame(columns=X.columns)


def chunkwise(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method (self, X): for Dask data it predicts lazily, chunk by chunk."""

    @functools.wraps(method)
    def predict(self: BaseEstimator, X: Any) -> Any:
        return _predict_lazily(method, self, X) if is_dask(X) else method(self, X)

    return predict


def _predict_lazily(
    method: Callable[..., Any], estimator: BaseEstimator, X: Any
) -> DaskArray:
    check_is_fitted(estimator)
    array = row_chunks(X, "X")
    validate_data(estimator, stand_in(X, array), skip_check_array=True, reset=False)
    # A copy, so that a later fit does not change predictions that are computed after
    # it. The cluster runs many chunks at a time, so one thread for each is enough. The
    # names of the features have been checked, and chunks have none.
    model = copy.copy(estimator)
    model.n_threads = 1
    vars(model).pop("feature_names_in_", None)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    like = method(model, np.zeros((1, array.shape[1]), dtype))[:0]
    columns = like.reshape(0, *like.shape[1:] or (1,))
    lazy = array.map_blocks(
        functools.partial(_predict_chunk, method, model, columns),
        dtype=columns.dtype,
        meta=columns,
        chunks=(array.chunks[0], columns.shape[1:]),
    )
    # map_blocks could drop the axis itself, but would then join the chunks along it,
    # which copies them, and which Dask cannot do for sparse chunks.
    return lazy if like.ndim == 2 else lazy[:, 0]


def _predict_chunk(
    method: Callable[..., Any], model: BaseEstimator, columns: np.ndarray, X: Any
) -> np.ndarray:
    """The predictions for a chunk as a matrix; ``columns`` is that for no rows."""
    if not X.shape[0]:
        return columns
    result: np.ndarray = method(model, X)
    return result.reshape(-1, columns.shape[1])
