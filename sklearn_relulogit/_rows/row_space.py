"""More features than rows: the fit in the space that the rows span.

The penalty does not change under a rotation of W_1, and what W_1 does orthogonally to
the centred rows changes no prediction for them. So at a minimum

    W_1 = A Q^T,    ||W_1||_F = ||A||_F,

where the columns of Q, (p, r), are an orthonormal basis of the space of the centred
rows. A network with the r features Z = (X - 1 m^T) Q and the first layer A has the same
objective, at the cost of r <= n features.

Q is never formed. With the eigenvalues and eigenvectors of the Gram matrix
(X - 1 m^T)(X - 1 m^T)^T = U Lambda U^T it is (X - 1 m^T)^T B, B = U Lambda^(-1/2).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.linalg
from scipy.sparse import issparse

from .._model.arrays import Matrix
from .._model.blocks import Block
from .._model.parameters import Shapes, pack, unpack

# It pays with so many times more features than rows, and as long as the eigenvectors
# take less time than they save.
FEATURES_PER_ROW, MAX_ROWS = 2, 2048

# Eigenvalues that are a smaller share of the largest one are rounding errors. Features
# of units that differ by more than a factor would be among them.
ROUNDING, MAX_UNIT_RATIO = 1e-12, 1e3

# So are those that are as small beside the squares of rows that are not centred.
GRAM_ROUNDING = 1e-14


@dataclass(frozen=True)
class RowSpace:
    """The space that centred rows span.

    Attributes
    ----------
    X : matrix of shape (n, p)
    mean : ndarray of shape (p,)
        m.
    B : ndarray of shape (n, r)
    """

    X: Matrix
    mean: np.ndarray
    B: np.ndarray

    @classmethod
    def of(cls, X: Matrix, mean: np.ndarray, unit: np.ndarray) -> Self | None:
        """That of some rows, or None where it does not pay."""
        n, p = X.shape
        if (
            p <= FEATURES_PER_ROW * n
            or n > MAX_ROWS
            or unit.max() > MAX_UNIT_RATIO * unit.min()
        ):
            return None
        X = X.astype(np.float64)
        products = X @ X.T
        gram = products.toarray() if issparse(products) else products
        along_mean = X @ mean
        gram = gram - along_mean[:, None] - along_mean + mean @ mean
        largest = np.abs(products.diagonal()).max()
        eigenvalues, U = scipy.linalg.eigh(gram)
        kept = eigenvalues > max(ROUNDING * eigenvalues[-1], GRAM_ROUNDING * largest)
        if not kept.any():
            # All rows are alike.
            return None
        return cls(X, mean, U[:, kept] / np.sqrt(eigenvalues[kept]))

    def _centred_times(self, X: Matrix, W_T: np.ndarray) -> np.ndarray:
        return np.asarray(X @ W_T - self.mean @ W_T)

    def _transposed_times(self, C: np.ndarray) -> np.ndarray:
        """(X - 1 m^T)^T C."""
        return np.asarray(self.X.T @ C - np.outer(self.mean, C.sum(axis=0)))

    def reduce_rows(self, data: Block) -> Block:
        """The rows with the features Z, in the type of X."""
        Z = self._centred_times(data.X, self._transposed_times(self.B))
        return data._replace(X=Z.astype(data.X.dtype))

    def reduce(self, theta: np.ndarray, shapes: Shapes) -> np.ndarray:
        """The parameters by Z of the same function on the rows.

        A = W_1 Q, and as Z is centred, b_1 gains W_1 m.
        """
        (W_T, b), *others = unpack(theta, shapes)
        A_T = self.B.T @ self._centred_times(self.X, W_T)
        return pack([(A_T, b + self.mean @ W_T), *others])

    def expand(self, theta: np.ndarray, shapes: Shapes) -> np.ndarray:
        """The parameters by the features X of the same function, W_1 = A Q^T.

        ``shapes`` are those of the network of the features Z.
        """
        (A_T, b), *others = unpack(theta, shapes)
        W_T = self._transposed_times(self.B @ A_T)
        return pack([(W_T, b - self.mean @ W_T), *others])
