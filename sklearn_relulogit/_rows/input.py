"""The arguments of a user: scikit-learn's checks, and what they leave open.

With ``sklearn.config_context(array_api_dispatch=True)``, arrays of other libraries keep
their type and device. Without it they become numpy arrays.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_X_y
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
    """Whether an argument is an array of another library that dispatch keeps."""
    if isinstance(A, np.ndarray) or not (
        hasattr(A, "__array_namespace__") or is_torch_array(A)
    ):
        return False
    return bool(get_config()["array_api_dispatch"])


def input_namespace(A: Any) -> Namespace:
    """The functions of an argument's library, or numpy's if dispatch is off."""
    return namespace(A) if is_dispatched(A) else Numpy


def to_host(A: Any) -> Any:
    """An argument as an array on the host, if it is one of another library."""
    if isinstance(A, list | tuple) and get_config()["array_api_dispatch"]:
        # scikit-learn 1.7 refuses lists beside arrays of other libraries.
        return np.asarray(A)
    return to_numpy(A) if is_dispatched(A) else A


def to_namespace(A: Any, xp: Namespace) -> Any:
    """An argument as an array where the others are."""
    if A is None or input_namespace(A) == xp:
        return A
    A = to_host(A)
    return A if xp is Numpy else xp.to_device(np.asarray(A))


def check_data(
    estimator: BaseEstimator, X: Any, *y: Any, dtype: Any = None, reset: bool
) -> Any:
    """X as float64 or float32, dense or CSR; with y if it is given: X, y."""
    X = check_device_array(narrow_frame(X))
    for labels in y:
        check_labels(labels)
    if dtype is None:
        place = input_namespace(X)
        dtype = place.float_dtypes if isinstance(place, ArrayAPI) else DTYPES
    check = partial(validate_data, estimator, reset=reset)
    if not (reset or y) and _has_known_columns(X, estimator):
        # This is validate_data without the search for names, which takes a fifth of the
        # time of one row.
        check = partial(check_array, estimator=estimator, input_name="X")
    return _checked(check, X, *y, dtype=dtype)


def _has_known_columns(X: Any, estimator: BaseEstimator) -> bool:
    """Whether X is an array of the fitted number of features, which have no names."""
    return (
        type(X) is np.ndarray
        and X.shape[1:] == (getattr(estimator, "n_features_in_", None),)
        and not hasattr(estimator, "feature_names_in_")
    )


def narrow_frame(X: Any) -> Any:
    """A data frame in numpy types if all its columns fit in float32, or as it is.

    scikit-learn converts all types that pandas adds to float64. X may be a Dask frame.
    """
    is_frame = hasattr(X, "astype") and hasattr(X, "columns")
    types = set(X.dtypes) if is_frame else set()
    numpy_types = {getattr(dtype, "numpy_dtype", dtype) for dtype in types}
    if numpy_types == types or not all(
        isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in numpy_types
    ):
        return X
    return X.astype(np.float32) if np.result_type(*numpy_types) == np.float32 else X


def check_one_column(shape: tuple[Any, ...], name: str) -> None:
    """Raise a ValueError unless labels or weights of this shape are one column."""
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return
    message = f"Pass {name} as one column, of shape (n_samples,). Its shape is {shape}."
    if not name.startswith("sample_weight"):
        message += (
            f" If each row of it is one-hot, numpy.argmax({name}, axis=1) gives the "
            "labels. For several targets, put a "
            "sklearn.multioutput.MultiOutputClassifier around the classifier."
        )
    raise ValueError(message)


def check_labels(y: Any, name: str = "y") -> None:
    """Raise a ValueError that says what to do about several columns, or missing labels.

    Missing labels of other libraries than pandas are checked elsewhere.
    """
    if hasattr(y, "isna"):
        n_missing = int(np.sum(np.asarray(y.isna())))
        if n_missing:
            raise ValueError(
                f"Leave out the rows without a label: {name} contains NaN, None or NA "
                f"in {n_missing} rows."
            )
    shape = getattr(y, "shape", ())
    if isinstance(y, list | tuple):
        # scikit-learn refuses sequences of several lengths.
        with contextlib.suppress(ValueError):
            shape = np.shape(y)
    if len(shape) > 1:
        check_one_column(tuple(shape), name)


def check_chunk(X: Any, y: Any, dtype: Any) -> tuple[Matrix, np.ndarray]:
    """A chunk of rows, perhaps without any: X in the given type, and y."""
    check = partial(check_X_y, ensure_min_samples=0)
    checked: tuple[Matrix, np.ndarray] = _checked(check, X, y, dtype=dtype)
    return checked


def _checked(check: Callable[..., Any], X: Any, *y: Any, dtype: Any) -> Any:
    sparse = issparse(X)
    if sparse:
        check_indices(X)
    # scikit-learn looks for NaN by a sum, which may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        checked = check(X, *y, accept_sparse="csr", dtype=dtype)
    if sparse and X.format not in ("csr", "csc", "bsr", "coo"):
        # Faults of other formats show after the conversion to CSR.
        check_indices(checked[0] if y else checked)
    return checked


def check_device_array(X: Any) -> Any:
    """X detached from autograd's graph; raise a TypeError if it cannot be fitted."""
    if isinstance(X, np.ndarray):
        return X
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

    scipy checks them when a matrix is made. If its arrays are changed later, products
    would read or write memory beyond the data.
    """
    if not issparse(X):
        return
    try:
        # On a shallow copy, because a check may drop numbers behind the last element.
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
        # scikit-learn converts floats to integers to see whether they are integers.
        with np.errstate(invalid="ignore"):
            check_classification_targets(y)
    except (TypeError, ValueError) as error:
        raise ValueError(_remedy_for_labels(y) or str(error)) from error
    classes, codes = sorted_labels(y)
    if len(classes) < 2:
        raise ValueError(
            "A classifier needs samples of at least 2 classes; y holds only one "
            f"class: {classes.tolist()[0]!r}."
        )
    return classes, codes


def sorted_labels(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different labels, sorted, and all labels as indices into them."""
    try:
        labels = np.unique(y)
        # This is faster than np.unique's inverse, which sorts all of y by indices.
        return labels, np.searchsorted(labels, y)
    except TypeError as error:
        raise ValueError(_remedy_for_labels(y) or str(error)) from error


def _remedy_for_labels(y: np.ndarray) -> str | None:
    """What to do about labels whose type cannot be used."""
    types = sorted({type(label).__name__ for label in y})
    if set(types) <= {"bytes", "bytes_"}:
        return (
            "Decode the labels in y, which are bytes: numpy.char.decode(numpy.asarray("
            "y, 'S')) makes strings of them."
        )
    if len(types) > 1:
        return (
            f"Give all labels in y one type, so that they can be sorted. Got {types}."
        )
    if y.dtype == object:
        return (
            "Convert y to strings, integers or booleans, for example by y.astype(int). "
            f"Unknown label type: y is of dtype object, its labels are {types[0]}."
        )
    return None
