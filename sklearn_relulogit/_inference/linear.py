"""The network as a linear function of its parameters, around the fitted ones.

For a row x and a vector v of the length of f(x), the derivative of v . f(x) by theta is

    Z_(l-1) Delta_l^T  by W_l^T    and    Delta_l  by b_l,
    Delta_L = v,    Delta_(l-1) = (Delta_l W_l) o pos(Z_(l-1)),

as in the backward pass of ``docs/derivation.md``. Here Z_0 is x less the mean of the
data, so the biases of the first layer are taken at the mean. A derivative is kept as
these factors. If weights have the variance 1 / alpha and biases var_l, the covariance
of j . theta and j' . theta is

    sum_l (Z_(l-1) . Z'_(l-1)) (Delta_l . Delta'_l) / alpha
        + Delta_l diag(var_l) Delta'_l,

so no matrix with as many columns as there are parameters is made.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import gen_batches

from .._model.arrays import Matrix
from .._model.network import affine, forward
from .._model.parameters import Layers, Shapes, n_parameters, pack, unpack

# How many numbers the largest arrays of a block of rows hold.
BLOCK_NUMBERS = 2**22


@dataclass(frozen=True)
class Centred:
    """Sparse rows less a mean, (X - 1 mean^T), which is never made dense."""

    X: csr_array
    mean: np.ndarray

    def __matmul__(self, B: np.ndarray) -> np.ndarray:
        return self.X @ B - self.mean @ B

    def __getitem__(self, rows: np.ndarray | slice) -> "Centred":
        return Centred(self.X[rows], self.mean)

    def toarray(self) -> np.ndarray:
        """The rows as a dense array."""
        return self.X.toarray() - self.mean

    def squares(self) -> np.ndarray:
        """The sum of squares of each row."""
        squares = np.asarray(self.X.multiply(self.X).sum(axis=1)).ravel()
        of_mean = self.mean @ self.mean
        return squares - 2 * (self.X @ self.mean) + of_mean

    def products(self, other: "Centred") -> np.ndarray:
        """The product of each row with each row of another."""
        mean = self.mean
        products = (self.X @ other.X.T).toarray()
        products -= np.add.outer(self.X @ mean, other.X @ mean) - mean @ mean
        return products

    def transposed_times(self, B: np.ndarray) -> np.ndarray:
        """The product of the transpose with a matrix."""
        return self.X.T @ B - np.outer(self.mean, B.sum(axis=0))


Rows: TypeAlias = "np.ndarray | Centred"


def products(A: Rows, B: Rows) -> np.ndarray:
    """A B^T."""
    if isinstance(A, Centred) and isinstance(B, Centred):
        return A.products(B)
    # Both are always of one kind, but their types do not say so.
    return A @ B.T  # type: ignore[union-attr]


def squares(A: Rows) -> np.ndarray:
    """The sum of squares of each row."""
    return A.squares() if isinstance(A, Centred) else np.einsum("ij,ij->i", A, A)


def transposed_times(A: Rows, B: np.ndarray) -> np.ndarray:
    """A^T B."""
    return A.transposed_times(B) if isinstance(A, Centred) else A.T @ B


@dataclass(frozen=True)
class Prior:
    """How far each parameter may be from its fitted value: independent and normal.

    Attributes
    ----------
    alpha : float
        The precision of each weight: the strength of the penalty.
    bias_variances : list of ndarray of shape (m_l,)
        The variance of each hidden bias: the variance of its unit's input over the
        data. So a kink may move by about a deviation. Output biases are free.
    """

    alpha: float
    bias_variances: list[np.ndarray]

    def precision(self, shapes: Shapes) -> np.ndarray:
        """The precision of each parameter: the diagonal D, inf where it is known."""
        theta = np.full(n_parameters(shapes), self.alpha)
        layers = unpack(theta, shapes)
        with np.errstate(divide="ignore"):
            for (_, b), variance in zip(layers[:-1], self.bias_variances, strict=True):
                b[:] = 1 / variance
        layers[-1][1][:] = 0
        return theta


class Queries(Protocol):
    """Linear functions of theta, whose variances are wanted."""

    def __len__(self) -> int: ...

    def vectors(self) -> np.ndarray:
        """The coefficients of each, (n, P)."""
        ...

    def inner(self, rows: "Gradients", prior: Prior) -> np.ndarray:
        """The covariances with some rows under the prior, (n_rows, n)."""
        ...

    def variances(self, prior: Prior) -> np.ndarray:
        """The variances under the prior, (n,)."""
        ...

    def by_output_biases(self) -> np.ndarray:
        """The coefficients of the output biases, (n, m_L), which have no prior."""
        ...


@dataclass(frozen=True)
class Gradients:
    """The derivatives of v . f(x) by theta for some rows, as their factors.

    Attributes
    ----------
    Z : list of ndarray of shape (n, n_l)
        Z_0, ..., Z_(L-1).
    Delta : list of ndarray of shape (n, m_l)
        Delta_1, ..., Delta_L.
    """

    Z: list[Rows]
    Delta: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.Delta[-1])

    def __getitem__(self, rows: np.ndarray | slice) -> "Gradients":
        return Gradients([Z[rows] for Z in self.Z], [D[rows] for D in self.Delta])

    def vectors(self) -> np.ndarray:
        """The derivatives themselves: the Jacobian, (n, P)."""
        parts = []
        for Z, Delta in zip(self.Z, self.Delta, strict=True):
            dense = Z.toarray() if isinstance(Z, Centred) else Z
            parts.append(np.einsum("in,im->inm", dense, Delta).reshape(len(self), -1))
            parts.append(Delta)
        return np.concatenate(parts, axis=1)

    def total(self) -> np.ndarray:
        """The sum of the derivatives, (P,)."""
        pairs = zip(self.Z, self.Delta, strict=True)
        return pack([(transposed_times(Z, D), D.sum(axis=0)) for Z, D in pairs])

    def totals(self, size: int) -> np.ndarray:
        """The sums over runs of ``size`` derivatives, (n / size, P)."""
        parts = []
        for Z, Delta in zip(self.Z, self.Delta, strict=True):
            dense = Z.toarray() if isinstance(Z, Centred) else Z
            Z_3 = dense.reshape(-1, size, dense.shape[1])
            Delta_3 = Delta.reshape(-1, size, Delta.shape[1])
            by_weights = Z_3.transpose(0, 2, 1) @ Delta_3
            parts += [by_weights.reshape(len(Z_3), -1), Delta_3.sum(axis=1)]
        return np.concatenate(parts, axis=1)

    def times(self, theta: np.ndarray) -> np.ndarray:
        """The product of each derivative with a vector of parameters, (n,)."""
        shapes = [
            (np.shape(Z.mean)[0] if isinstance(Z, Centred) else Z.shape[1], D.shape[1])
            for Z, D in zip(self.Z, self.Delta, strict=True)
        ]
        found = np.zeros(len(self))
        for Z, Delta, (W_T, b) in zip(
            self.Z, self.Delta, unpack(theta, shapes), strict=True
        ):
            found += np.einsum("im,im->i", Z @ W_T + b, Delta)
        return found

    def inner(self, rows: "Gradients", prior: Prior) -> np.ndarray:
        """The covariances with other rows under the prior, (len(rows), len(self))."""
        found = np.zeros((len(rows), len(self)))
        for Z, Z_rows, Delta, Delta_rows in zip(
            self.Z, rows.Z, self.Delta, rows.Delta, strict=True
        ):
            term = products(Z_rows, Z)
            term *= Delta_rows @ Delta.T
            found += term
        found /= prior.alpha
        for variance, Delta, Delta_rows in zip(
            prior.bias_variances, self.Delta, rows.Delta, strict=False
        ):
            found += (Delta_rows * variance) @ Delta.T
        return found

    def variances(self, prior: Prior) -> np.ndarray:
        """The variances under the prior, (n,)."""
        found = np.zeros(len(self))
        for Z, Delta in zip(self.Z, self.Delta, strict=True):
            found += squares(Z) * squares(Delta)
        found /= prior.alpha
        for variance, Delta in zip(prior.bias_variances, self.Delta, strict=False):
            found += (Delta**2) @ variance
        return found

    def by_output_biases(self) -> np.ndarray:
        """The derivatives by the output biases, (n, m_L)."""
        return self.Delta[-1]


@dataclass(frozen=True)
class Vectors:
    """Linear functions of theta, by their coefficients.

    Attributes
    ----------
    coefficients : ndarray of shape (n, P)
    shapes : list of (n_l, m_l)
    """

    coefficients: np.ndarray
    shapes: Shapes

    def __len__(self) -> int:
        return len(self.coefficients)

    def vectors(self) -> np.ndarray:
        """The coefficients."""
        return self.coefficients

    def _prior_variance(self, prior: Prior) -> np.ndarray:
        precision = prior.precision(self.shapes)
        with np.errstate(divide="ignore"):
            return np.where(precision > 0, 1 / precision, 0.0)

    def inner(self, rows: Gradients, prior: Prior) -> np.ndarray:
        """The covariances with some rows under the prior, (len(rows), n)."""
        scaled = self.coefficients * self._prior_variance(prior)
        return np.stack([rows.times(theta) for theta in scaled], axis=1)

    def variances(self, prior: Prior) -> np.ndarray:
        """The variances under the prior, (n,)."""
        return self.coefficients**2 @ self._prior_variance(prior)

    def by_output_biases(self) -> np.ndarray:
        """The coefficients of the output biases, (n, m_L)."""
        return self.coefficients[:, -self.shapes[-1][1] :]


class LinearisedNetwork:
    """A fitted network, and the derivatives of its logits by its parameters.

    Parameters
    ----------
    layers : list of (W_l^T, b_l)
    mean : ndarray of shape (p,)
        The mean of the features, where the biases of the first layer are taken.
    relevance : ndarray of shape (p,)
        The penalty of the weights of feature k is alpha / 2 (w / relevance_k)^2. Here
        the parameters are w / relevance_k, so that all have the same penalty.
    sparse : bool
        Whether rows are kept sparse.
    """

    def __init__(
        self, layers: Layers, mean: np.ndarray, relevance: np.ndarray, sparse: bool
    ) -> None:
        self.layers = [(W_T.astype(float), b.astype(float)) for W_T, b in layers]
        self.mean, self.relevance, self.sparse = mean, relevance, sparse
        self.shapes: Shapes = [W_T.shape for W_T, _ in self.layers]
        self.n_parameters = n_parameters(self.shapes)
        self.n_outputs = self.shapes[-1][1]

    def parameters(self) -> np.ndarray:
        """Theta, with the biases of the first layer at the mean of the features."""
        (W_T, b), *deeper = self.layers
        scaled = W_T / self.relevance[:, np.newaxis]
        return pack([(scaled, b + self.mean @ W_T), *deeper])

    def moved(self, step: np.ndarray) -> "LinearisedNetwork":
        """The network with other parameters."""
        (W_T, b), *deeper = unpack(self.parameters() + step, self.shapes)
        W_T = W_T * self.relevance[:, np.newaxis]
        layers = [(W_T, b - self.mean @ W_T), *deeper]
        return LinearisedNetwork(layers, self.mean, self.relevance, self.sparse)

    def batches(self, n_rows: int, derivatives: int = 1) -> Iterator[slice]:
        """Blocks of rows of bounded memory, with the Jacobian if it is small.

        ``derivatives`` is the number of derivatives for each row.
        """
        of_row = sum(n + m for n, m in self.shapes)
        if self.n_parameters <= BLOCK_NUMBERS // 64:
            of_row += self.n_parameters
        yield from gen_batches(n_rows, max(BLOCK_NUMBERS // (of_row * derivatives), 16))

    def forward(self, X: Matrix) -> tuple[list[Matrix], np.ndarray]:
        """[Z_0, ..., Z_(L-1)], not centred, and the logits."""
        out = [np.empty((X.shape[0], m)) for _, m in self.shapes]
        return forward(self.layers, X, out)

    def logits(self, X: Matrix) -> np.ndarray:
        """The logits of rows, (n, m_L)."""
        return np.concatenate(
            [self.forward(X[rows])[1] for rows in self.batches(X.shape[0])]
        )

    def gradients(
        self, X: Matrix, v: Callable[[np.ndarray], np.ndarray] | np.ndarray
    ) -> Gradients:
        """The derivatives of v . f(x) for the rows x of X.

        ``v``, or what it returns for the logits, has the shape (n, m_L). With the shape
        (n, r, m_L) each row has r derivatives, which follow each other.
        """
        activations, logits = self.forward(X)
        seeds = v(logits) if callable(v) else v
        Z = [self._centred(X), *activations[1:]]
        if seeds.ndim == 3:
            n, r, m = seeds.shape
            seeds = seeds.reshape(n * r, m)
            if r > 1:
                Z = [block[np.repeat(np.arange(n), r)] for block in Z]
        Delta = [seeds]
        for (W_T, _), activation in zip(self.layers[:0:-1], Z[:0:-1], strict=True):
            Delta.append((Delta[-1] @ W_T.T) * (activation > 0))
        return Gradients(Z, Delta[::-1])

    def bias_variances(self, X: Matrix, weights: np.ndarray) -> list[np.ndarray]:
        """The variance of the input of each hidden unit over weighted rows."""
        hidden = self.shapes[:-1]
        # Taken from the input at the mean row, so that the squares do not cancel.
        at_mean, _ = self.forward(self.mean[np.newaxis])
        first = [np.zeros(m) for _, m in hidden]
        second = [np.zeros(m) for _, m in hidden]
        for rows in self.batches(X.shape[0]):
            activations, _ = self.forward(X[rows])
            w = weights[rows]
            for l, (_, m) in enumerate(hidden):  # noqa: E741, the l of the formulas
                u = affine(
                    activations[l], *self.layers[l], out=np.empty((len(w), m))
                ) - affine(at_mean[l], *self.layers[l], out=np.empty((1, m)))
                first[l] += w @ u
                second[l] += w @ u**2
        total = weights.sum()
        return [
            np.maximum(b / total - (a / total) ** 2, 0)
            for a, b in zip(first, second, strict=True)
        ]

    def _centred(self, X: Matrix) -> Rows:
        if self.sparse:
            scaled = csr_array(X) * self.relevance
            return Centred(csr_array(scaled), self.mean * self.relevance)
        dense = X.toarray() if issparse(X) else X
        return (dense - self.mean) * self.relevance
