"""Matrix products into a given array, one function for all kinds of matrices."""

from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from ._arrays import ArrayAPI, arrays_of

# A dense array, of numpy or another library, or a scipy sparse array or matrix.
Matrix: TypeAlias = Any


def operand(X: Matrix, dtype: np.dtype) -> Matrix:
    """X for `product`: of the given type and strided as BLAS can read it, or a copy."""
    if issparse(X):
        return X.astype(dtype, copy=False)
    xp = arrays_of(X)
    if isinstance(xp, ArrayAPI):
        return xp.astype(X, xp.dtype(dtype), copy=False)
    X = np.asarray(X, dtype=dtype)
    return X if X.itemsize in X.strides else np.ascontiguousarray(X)


def product(A: Matrix, B: np.ndarray, out: np.ndarray) -> np.ndarray:
    """``out = A @ B`` for a dense or sparse A, (n, k), and a dense B, (k, m)."""
    if not isinstance(A, np.ndarray):
        if issparse(A):
            out[...] = A @ B
        else:
            arrays_of(A).matmul(A, B, out=out)
    elif A.shape[1] == 1:
        # An outer product: broadcasting takes a third of the time of BLAS.
        np.multiply(A, B, out=out)
    else:
        np.matmul(A, B, out=out)
    return out
