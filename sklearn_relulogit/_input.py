"""The data that a user hands in: scikit-learn's checks, and what they leave open."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_X_y
from sklearn.utils.validation import validate_data

from ._arrays import ArrayAPI, compat, is_torch_array
from ._dispatch import is_dispatched, place_of
from ._products import Matrix

DTYPES = [np.float64, np.float32]


def check_data(
    estimator: BaseEstimator, X: Any, *y: Any, dtype: Any = None, reset: bool
) -> Any:
    """X as float64 or float32, dense or CSR; with y if it is given: X, y."""
    X = check_device_array(X)
    if dtype is None:
        place = place_of(X)
        dtype = place.float_dtypes if isinstance(place, ArrayAPI) else DTYPES
    return _checked(partial(validate_data, estimator, reset=reset), X, *y, dtype=dtype)


def check_chunk(X: Any, y: Any, dtype: Any) -> tuple[Matrix, np.ndarray]:
    """The same of some of the rows, or none."""
    return _checked(partial(check_X_y, ensure_min_samples=0), X, y, dtype=dtype)


def _checked(check: Callable[..., Any], X: Any, *y: Any, dtype: Any) -> Any:
    check_indices(X)
    # The sum by which scikit-learn looks for NaN may overflow to either side.
    with np.errstate(over="ignore", invalid="ignore"), no_float_so_large("X"):
        checked = check(X, *y, accept_sparse="csr", dtype=dtype)
    if issparse(X) and X.format not in ("csr", "csc", "bsr", "coo"):
        # What is wrong in the other formats shows in what they are converted to.
        check_indices(checked[0] if y else checked)
    return checked


@contextmanager
def no_float_so_large(name: str) -> Iterator[None]:
    """Name the array in which Python has found an int that is larger than any float."""
    try:
        yield
    except OverflowError as error:
        raise ValueError(f"{name} holds a number that no float can hold.") from error


def check_device_array(X: Any) -> Any:
    """X without what autograd knows of it; raise a TypeError if it cannot be fitted."""
    name = f"{type(X).__module__}.{type(X).__name__}"
    if name.startswith("cupyx.") or (
        is_torch_array(X) and str(X.layout) != "torch.strided"
    ):
        raise TypeError(
            f"X is sparse, of type {name}: of sparse data only those of scipy are "
            "taken. Pass them, or a dense array."
        )
    if not is_dispatched(X):
        return X
    if not compat().is_writeable_array(X):
        raise TypeError(
            f"X is of type {name}, whose arrays cannot be written to. Pass one of "
            "numpy, PyTorch or CuPy."
        )
    return X.detach() if hasattr(X, "detach") else X


def check_indices(X: Matrix) -> None:
    """Raise a ValueError if indices of sparse X are out of range.

    scipy checks them where a matrix is made, but not if its arrays are changed
    later, and its products would read, or write, memory beyond the data.
    """
    if not issparse(X):
        return
    try:
        # On a shallow copy, since a check may drop what stands behind the last element.
        if X.format in ("csr", "csc", "bsr"):
            arrays = X.data, X.indices, X.indptr
            type(X)(arrays, shape=X.shape).check_format(full_check=True)
        elif X.format == "coo":
            type(X)((X.data, X.coords), shape=X.shape)
    except ValueError as error:
        raise ValueError(
            f"The sparse {X.format} data are not valid: {error}. Their arrays were "
            "changed after they were made."
        ) from error
