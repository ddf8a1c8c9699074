"""The array functions that the network needs, for numpy and for other libraries.

The network and its likelihoods are written once, with the functions of
``namespace(Z)``. For numpy arrays these are numpy's own, and write to given memory. For
arrays of the array API standard (PyTorch or CuPy, on any device) they have the same
names and arguments.

The module also copies arrays between the host's memory and a device.
"""

from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit

from .._optional import optional_import

# An array of numpy or of another library.
Array: TypeAlias = Any

# A dense array, or a scipy sparse array or matrix.
Matrix: TypeAlias = Any


# For small results matmul holds the interpreter's lock, however long the product takes,
# and other threads wait. dot never does.
MIN_RELEASED = 512


class Numpy:
    """The functions of numpy's arrays."""

    abs, negative, exp, log1p = np.abs, np.negative, np.exp, np.log1p
    subtract, multiply, matmul = np.subtract, np.multiply, np.matmul
    maximum, minimum = np.maximum, np.minimum
    sigmoid = expit
    # Methods are faster than the functions that call them.
    argmax, all, any = np.ndarray.argmax, np.ndarray.all, np.ndarray.any
    reshape = np.ndarray.reshape
    arange, concat, take = np.arange, np.concat, np.take
    empty, astype, isfinite = np.empty, np.astype, np.isfinite
    max, min, std, int64 = np.max, np.min, np.std, np.int64
    finfo, result_type = np.finfo, np.result_type
    column_sums = np.add.reduce

    @staticmethod
    def pos(Z: np.ndarray) -> np.ndarray:
        """``Z > 0``, in row order in memory."""
        return np.greater(Z, 0, order="C")

    @staticmethod
    def row_sums(A: np.ndarray) -> np.ndarray:
        """The sum of each row."""
        return np.add.reduce(A, axis=1)

    @staticmethod
    def row_maxima(A: np.ndarray) -> np.ndarray:
        """The largest number of each row, (n, 1)."""
        return np.maximum.reduce(A, axis=1, keepdims=True)

    @staticmethod
    def put(A: np.ndarray, row: np.ndarray, column: np.ndarray, values: Any) -> None:
        """``A[row, column] = values``, where ``row`` is 0, 1, 2, ..."""
        A[row, column] = values

    @staticmethod
    def to_float64(a: np.ndarray) -> np.ndarray:
        """A copy in float64."""
        return a.astype(np.float64)

    @staticmethod
    def total(a: np.ndarray) -> float:
        """The sum, in float64."""
        return float(np.add.reduce(a, dtype=np.float64))

    @staticmethod
    def to_device(a: np.ndarray, dtype: Any = None) -> np.ndarray:
        """An array of the host on the device of the others, which is the host."""
        return a if dtype is None else a.astype(dtype, copy=False)

    @staticmethod
    def to_host(a: Any) -> Any:
        """A number or an array on the host, unchanged."""
        return a


class ArrayAPI:
    """The same functions for arrays of another namespace, on one device.

    The standard has no ``out=`` and does not combine arrays of different kinds. Its
    older versions do not combine arrays with numbers. PyTorch and CuPy do all three.
    """

    def __init__(self, xp: Any, device: Any) -> None:
        self.xp, self.device = xp, device
        self._is_like_numpy = namespace_name(xp) in ("torch", "cupy")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.xp, name)

    def __eq__(self, other: object) -> bool:
        """Whether arrays of both can be combined."""
        return (
            isinstance(other, ArrayAPI)
            and namespace_name(self.xp) == namespace_name(other.xp)
            and bool(self.device == other.device)
        )

    def __str__(self) -> str:
        return f"{namespace_name(self.xp)} on the device {str(self.device)!r}"

    def _into(self, out: Array | None, name: str, *args: Any) -> Array:
        function = getattr(self.xp, name)
        if out is None:
            return function(*args)
        if self._is_like_numpy:
            return function(*args, out=out)
        out[...] = function(*args)
        return out

    def _like(self, a: Array, b: Any) -> Array:
        """``b`` as an array that can be combined with ``a``."""
        if isinstance(b, int | float):
            return self.xp.full((), b, dtype=a.dtype, device=self.device)
        return b if self._is_like_numpy else self.xp.astype(b, a.dtype, copy=False)

    def negative(self, a: Array, out: Array | None = None) -> Array:
        return self._into(out, "negative", a)

    def exp(self, a: Array, out: Array | None = None) -> Array:
        return self._into(out, "exp", a)

    def matmul(self, A: Array, B: Array, out: Array) -> Array:
        return self._into(out, "matmul", A, B)

    def maximum(self, a: Array, b: Any, out: Array | None = None) -> Array:
        return self._into(out, "maximum", a, self._like(a, b))

    def minimum(self, a: Array, b: Any, out: Array | None = None) -> Array:
        return self._into(out, "minimum", a, self._like(a, b))

    def multiply(self, a: Array, b: Any, out: Array | None = None) -> Array:
        return self._into(out, "multiply", a, self._like(a, b))

    def subtract(self, a: Any, b: Any, dtype: Any) -> Array:
        return self.xp.astype(a - b, dtype)

    def sigmoid(self, a: Array) -> Array:
        e = self.xp.exp(-self.xp.abs(a))
        return self.xp.where(a > 0, self.xp.ones_like(e), e) / (1 + e)

    def arange(self, n: int) -> Array:
        return self.xp.arange(n, device=self.device)

    def empty(self, shape: Any, dtype: Any, order: Any = None) -> Array:
        """An uninitialised array. The standard has no memory order."""
        return self.xp.empty(shape, dtype=self.dtype(dtype), device=self.device)

    def column_sums(self, A: Array, out: Array) -> Array:
        out[...] = self.xp.sum(A, axis=0)
        return out

    def pos(self, Z: Array) -> Array:
        return Z > 0

    def row_sums(self, A: Array) -> Array:
        return self.xp.sum(A, axis=1)

    def row_maxima(self, A: Array) -> Array:
        return self.xp.max(A, axis=1, keepdims=True)

    def put(self, A: Array, row: Array, column: Array, values: Any) -> None:
        if self._is_like_numpy:
            A[row, column] = values
            return
        # The standard does not assign to index arrays.
        here = self.arange(A.shape[1])[None, :] == column[:, None]
        values = self._like(A, values)
        A[...] = self.xp.where(here, values[:, None] if values.ndim else values, A)

    def to_float64(self, a: Array) -> Array:
        """A copy in float64, or in float32 if the device has no float64."""
        return self.xp.astype(a, self.float_dtypes[0], copy=True)

    def total(self, a: Array) -> Array:
        """The sum, in float64 if the device has it; it stays on the device."""
        return self.xp.sum(a, dtype=self.float_dtypes[0])

    def dtype(self, dtype: Any) -> Any:
        """The namespace's type for one of numpy's."""
        return getattr(self.xp, dtype.name) if isinstance(dtype, np.dtype) else dtype

    @cached_property
    def float_dtypes(self) -> list[Any]:
        """float64 and float32, if the device has them."""
        dtypes = self.xp.__array_namespace_info__().dtypes(
            kind="real floating", device=self.device
        )
        return [dtypes[name] for name in ("float64", "float32") if name in dtypes]

    def to_device(self, a: np.ndarray, dtype: Any = None) -> Array:
        """A copy of a host array on the device."""
        dtype = numpy_dtype(a.dtype if dtype is None else dtype)
        if dtype == np.float64 and len(self.float_dtypes) == 1:
            dtype = np.dtype(np.float32)
        # Some namespaces share given memory if they can.
        return self.xp.asarray(a.astype(dtype, order="C"), device=self.device)

    def to_host(self, a: Array) -> Any:
        """A number or a device array on the host, in float64."""
        a = to_numpy(a).astype(np.float64, copy=False)
        return a if a.ndim else float(a)


# The two kinds of namespaces.
Namespace: TypeAlias = type[Numpy] | ArrayAPI


def namespace(A: Array) -> Namespace:
    """The functions for an array, and its device."""
    if isinstance(A, np.ndarray):
        return Numpy
    helpers = compat()
    return ArrayAPI(helpers.array_namespace(A), helpers.device(A))


def compat() -> Any:
    """The module array-api-compat, which completes PyTorch's and CuPy's namespaces."""
    return optional_import("array_api_compat", "array-api", "Array API input")


def namespace_name(xp: Any) -> str:
    """The name of the library behind a namespace."""
    name: str = xp.__name__
    return name.rpartition("array_api_compat.")[2]


def numpy_dtype(dtype: Any) -> np.dtype:
    """Numpy's type for one of another namespace."""
    if isinstance(dtype, np.dtype):
        return dtype
    return np.dtype(str(dtype).rpartition(".")[2])


def is_torch_array(A: Any) -> bool:
    """Whether an object is a PyTorch tensor, without importing PyTorch."""
    return any(cls.__module__ == "torch" for cls in type(A).__mro__)


def is_on_device(A: Array) -> bool:
    """Whether an array is not in the memory of the host's processor."""
    if isinstance(A, np.ndarray) or issparse(A):
        return False
    return str(compat().device(A)) != "cpu"


def take_rows(A: Array, index: np.ndarray) -> Array:
    """``A[index]`` for an index on the host."""
    if isinstance(A, np.ndarray) or issparse(A):
        return A[index]
    xp = namespace(A)
    return xp.take(A, xp.to_device(index), axis=0)


def take_labels(classes: Array, codes: Array) -> Array:
    """``classes[codes]`` on the device of the codes; strings stay on the host."""
    xp = namespace(codes)
    if namespace(classes) == xp:
        return classes[codes] if xp is Numpy else xp.take(classes, codes, axis=0)
    labels = to_numpy(classes)[to_numpy(codes)]
    return labels if labels.dtype.kind not in "biuf" else xp.to_device(labels)


def to_numpy(A: Array) -> np.ndarray:
    """An array on the host; a numpy array is returned unchanged."""
    if isinstance(A, np.ndarray):
        return A
    helpers = compat()
    xp = helpers.array_namespace(A)
    if namespace_name(xp) == "array_api_strict":
        A = A.to_device(xp.Device("CPU_DEVICE"))
    else:
        A = helpers.to_device(A.detach() if hasattr(A, "detach") else A, "cpu")
    return np.asarray(A)


def operand(X: Matrix, dtype: np.dtype) -> Matrix:
    """X for `product`: of the given type and with strides for BLAS, or a copy."""
    if isinstance(X, np.ndarray):
        X = X.astype(dtype, copy=False)
        return X if X.itemsize in X.strides else np.ascontiguousarray(X)
    if issparse(X):
        return X.astype(dtype, copy=False)
    xp: Any = namespace(X)
    return xp.astype(X, xp.dtype(dtype), copy=False)


def product(A: Matrix, B: np.ndarray, out: np.ndarray) -> np.ndarray:
    """``out = A @ B`` for a dense or sparse A, (n, k), and a dense B, (k, m)."""
    if not isinstance(A, np.ndarray):
        if issparse(A):
            out[...] = A @ B
        else:
            namespace(A).matmul(A, B, out=out)
    elif A.shape[1] == 1:
        # An outer product: broadcasting takes a third of BLAS's time.
        np.multiply(A, B, out=out)
    elif out.size < MIN_RELEASED and out.flags.c_contiguous:
        np.dot(A, B, out=out)
    else:
        np.matmul(A, B, out=out)
    return out
