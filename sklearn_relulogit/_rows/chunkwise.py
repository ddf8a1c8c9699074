"""Dask collections: recognised, seen as arrays, and predicted chunk by chunk.

Nothing of Dask is imported before there are Dask data.
"""

import copy
import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from .._optional import optional_import


def is_dask(array: Any) -> bool:
    """Whether something is a Dask collection: an array, a data frame or a series."""
    # Without the import of Dask there is none.
    dask = sys.modules.get("dask")
    return dask is not None and bool(dask.is_dask_collection(array))


def refuse_dask(X: Any, caller: str) -> None:
    """Raise a TypeError for what would have to be gathered in memory."""
    if is_dask(X):
        raise TypeError(
            f"{caller} takes data in memory, not a Dask {type(X).__name__}: pass "
            "X.compute(), or a part of it."
        )


def row_chunks(X: Any, name: str) -> Any:
    """A two-dimensional collection as a Dask array of whole rows."""
    array = X.to_dask_array() if hasattr(X, "to_dask_array") else X
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


def stand_in(X: Any, array: Any) -> Any:
    """No rows, but the columns of X, to be checked for their number and names."""
    if not hasattr(X, "to_dask_array"):
        return np.empty((0, array.shape[1]))
    pandas = optional_import("pandas", "pandas", "A Dask data frame")
    return pandas.DataFrame(columns=X.columns)


def chunkwise(method: Callable[..., Any]) -> Callable[..., Any]:
    """A prediction (self, X) that is lazy, and made chunk by chunk, for Dask data."""

    @functools.wraps(method)
    def lazy_or_not(self: Any, X: Any) -> Any:
        return _over_chunks(method, self, X) if is_dask(X) else method(self, X)

    return lazy_or_not


def _over_chunks(method: Callable[..., Any], estimator: Any, X: Any) -> Any:
    check_is_fitted(estimator)
    array = row_chunks(X, "X")
    validate_data(estimator, stand_in(X, array), skip_check_array=True, reset=False)
    # What is computed later is that of today's fit. The cluster has threads enough, and
    # the names have been checked.
    model = copy.copy(estimator)
    model.n_threads = 1
    vars(model).pop("feature_names_in_", None)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    like = method(model, np.zeros((1, array.shape[1]), dtype))[:0]
    columns = like.reshape(0, *like.shape[1:] or (1,))
    lazy = array.map_blocks(
        functools.partial(_of_chunk, method, model, columns),
        dtype=columns.dtype,
        meta=columns,
        chunks=(array.chunks[0], columns.shape[1:]),
    )
    # Dropping the axis in map_blocks would join chunks along it, which copies them and
    # which Dask cannot do to sparse ones.
    return lazy if like.ndim == 2 else lazy[:, 0]


def _of_chunk(
    method: Callable[..., Any], model: Any, columns: np.ndarray, X: Any
) -> np.ndarray:
    if not X.shape[0]:
        return columns
    result: np.ndarray = method(model, X)
    return result.reshape(-1, columns.shape[1])
