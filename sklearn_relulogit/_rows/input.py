"""The arguments of a user: scikit-learn's checks, and what they leave open.

With ``sklearn.config_context(array_api_dispatch=True)`` arrays of other libraries than
numpy stay what they are, where they are. Without it they become arrays of numpy.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from .._model.arrays import (
    ArrayAPI,
    Matrix,
    Namespace,
    Numpy,
    compat,
    is_torch_array,
    namespace,
    to_numpy,
)

DTYPES = [np.float64, np.float32]


def is_dispatched(A: Any) -> bool:
    """Whether an argument is an array of another library, and dispatch keeps it so."""
    if isinstance(A, np.ndarray) or not (
        hasattr(A, "__array_namespace__") or is_torch_array(A)
    ):
        return False
    return bool(get_config()["array_api_dispatch"])


def input_namespace(A: Any) -> Namespace:
    """The functions of an argument's arrays: numpy's, if it is no array to keep."""
    return namespace(A) if is_dispatched(A) else Numpy


def to_host(A: Any) -> Any:
    """An argument as an array on the host, if it is one of another library."""
    if isinstance(A, list | tuple) and get_config()["array_api_dispatch"]:
        # scikit-learn 1.7 takes no lists beside arrays of other libraries.
        return np.asarray(A)
    return to_numpy(A) if is_dispatched(A) else A


def to_namespace(A: Any, xp: Namespace) -> Any:
    """An argument as an array where the others are."""
    if input_namespace(A) == xp:
        return A
    A = to_host(A)
    return A if xp is Numpy else xp.to_device(np.asarray(A))


def check_data(
    estimator: BaseEstimator, X: Any, *y: Any, dtype: Any = None, reset: bool
) -> Any:
    """X as float64 or float32, dense or CSR; with y if it is given: X, y."""
    X = check_device_array(X)
    if dtype is None:
        place = input_namespace(X)
        dtype = place.float_dtypes if isinstance(place, ArrayAPI) else DTYPES
    return _checked(partial(validate_data, estimator, reset=reset), X, *y, dtype=dtype)


def check_chunk(X: Any, y: Any, dtype: Any) -> tuple[Matrix, np.ndarray]:
    """A chunk of rows, perhaps without any: X in the given type, and y."""
    check = partial(check_X_y, ensure_min_samples=0)
    checked: tuple[Matrix, np.ndarray] = _checked(check, X, y, dtype=dtype)
    return checked


def _checked(check: Callable[..., Any], X: Any, *y: Any, dtype: Any) -> Any:
    check_indices(X)
    # scikit-learn looks for NaN by a sum, which may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        checked = check(X, *y, accept_sparse="csr", dtype=dtype)
    if issparse(X) and X.format not in ("csr", "csc", "bsr", "coo"):
        # Faults of the other formats show in the CSR data that they are converted to.
        check_indices(checked[0] if y else checked)
    return checked


def check_device_array(X: Any) -> Any:
    """X detached from autograd's graph; raise a TypeError if it cannot be fitted."""
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


def encode_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the labels as indices into them."""
    try:
        # scikit-learn converts floats to integers to see whether they are some.
        with np.errstate(invalid="ignore"):
            check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"The labels in y must be of one type, to be sorted. Got {types}."
        ) from error
    if len(classes) < 2:
        raise ValueError(
            "A classifier needs samples of at least 2 classes; y holds only one "
            f"class: {classes.tolist()[0]!r}."
        )
    return classes, codes
