"""More features than rows: the fit in the space that the rows span.

The penalty does not change under a rotation of W_1. The part of W_1 that is orthogonal
to the centred rows changes no prediction for them. So at a minimum

    W_1 = A Q^T,    ||W_1||_F = ||A||_F,

where the columns of Q, (p, r), are an orthonormal basis of the space of the centred
rows. A network with the r features Z = (X - 1 m^T) Q and the first layer A has the same
objective, at the cost of r <= n features.

Q is never formed. With the eigenvalues and eigenvectors of the Gram matrix
(X - 1 m^T)(X - 1 m^T)^T = U Lambda U^T it is (X - 1 m^T)^T B, B = U Lambda^(-1/2).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.linalg
from scipy.sparse import issparse

from .._model.arrays import Matrix
from .._model.blocks import Block
from .._model.parameters import Shapes, pack, unpack

# It pays with this many times more features than rows, up to a number of rows at which
# the eigenvectors take more time than they save.
FEATURES_PER_ROW, MAX_ROWS = 2, 2048

# Eigenvalues below this share of the largest one are rounding errors. If the units of
# features differ by more than the factor, some features would be among them.
ROUNDING, MAX_UNIT_RATIO = 1e-12, 1e3

# The same holds beside the squares of sparse rows, which are not centred.
GRAM_ROUNDING = 1e-14


@dataclass(frozen=True)
class RowSpace:
    """The space that centred rows span.

    Attributes
    ----------
    X : matrix of shape (n, q)
        The features that vary; centred, if X is dense.
    mean : ndarray of shape (q,)
        m, for these.
    B : ndarray of shape (n, r)
    varies : ndarray of shape (p,)
        Which features vary. The weights of the others are zero.
    """

    X: Matrix
    mean: np.ndarray
    B: np.ndarray
    varies: np.ndarray

    @classmethod
    def of(cls, X: Matrix, mean: np.ndarray, unit: np.ndarray) -> Self | None:
        """The space of some rows, or None if it does not pay.

        ``unit`` is infinite for features that do not vary.
        """
        n, p = X.shape
        varies = np.isfinite(unit)
        units = unit[varies]
        if (
            p <= FEATURES_PER_ROW * n
            or n > MAX_ROWS
            or not len(units)
            or units.max() > MAX_UNIT_RATIO * units.min()
        ):
            return None
        space = cls(X, mean[varies], np.empty((n, 0)), varies)
        space = replace(space, X=space.varying(X))
        with np.errstate(over="ignore", invalid="ignore"):
            gram = space.products(space.X)
        if not np.isfinite(gram).all():
            return None
        if issparse(X):
            rounding = GRAM_ROUNDING * np.abs((space.X @ space.X.T).diagonal()).max()
        else:
            # Equal rows minus their mean leave this.
            rounding = p * (4 * np.finfo(np.float64).eps * np.abs(mean).max()) ** 2
        eigenvalues, U = scipy.linalg.eigh(gram)
        kept = eigenvalues > max(ROUNDING * eigenvalues[-1], rounding)
        if not kept.any():
            # All rows are alike.
            return None
        return replace(space, B=U[:, kept] / np.sqrt(eigenvalues[kept]))

    def varying(self, X: Matrix) -> Matrix:
        """The features that vary, in float64, and minus m if X is dense."""
        X = X.astype(np.float64)
        if not self.varies.all():
            X = X[:, self.varies]
        return X if issparse(X) else X - self.mean

    def products(self, T: Matrix) -> np.ndarray:
        """(T - 1 m^T)(X - 1 m^T)^T, for the varying features of some rows."""
        if not issparse(T):
            return T @ self.X.T
        m = self.mean
        K = (T @ self.X.T).toarray()
        return K - (T @ m)[:, None] - self.X @ m + m @ m

    def reduce_rows(self, data: Block) -> Block:
        """The rows with the features Z, in the type of X."""
        Z = self.products(self.varying(data.X)) @ self.B
        return data._replace(X=Z.astype(data.X.dtype))

    def reduce(self, theta: np.ndarray, shapes: Shapes) -> np.ndarray:
        """The parameters by Z of the same function on the rows.

        A = W_1 Q, and b_1 gains W_1 m, because Z is centred. Features that do not vary
        are left out: their weights should be zero.
        """
        (W_T, b), *others = unpack(theta, shapes)
        W_T = W_T[self.varies]
        at_mean = self.mean @ W_T
        rows = self.X @ W_T
        A_T = self.B.T @ (rows - at_mean if issparse(self.X) else rows)
        return pack([(A_T, b + at_mean), *others])

    def expand(self, theta: np.ndarray, shapes: Shapes) -> np.ndarray:
        """The parameters by the features X of the same function, W_1 = A Q^T.

        ``shapes`` are those of the network of the features Z.
        """
        (A_T, b), *others = unpack(theta, shapes)
        C = self.B @ A_T
        W_T = self.X.T @ C
        if issparse(self.X):
            W_T = W_T - np.outer(self.mean, C.sum(axis=0))
        full = np.zeros((len(self.varies), A_T.shape[1]))
        full[self.varies] = W_T
        return pack([(full, b - self.mean @ W_T), *others])
