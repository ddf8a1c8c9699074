"""The covariance of the parameters, in one of two equivalent forms.

J_i is the derivative of the logits of row i by theta. Lambda_i is the second derivative
of its loss by the logits. D is the precision of the prior. With

    G = sum_i J_i^T Lambda_i J_i    and    H = G + D

the variance of a linear function a . theta is

    posterior   a^T H^-1 a
    sampling    a^T H^-1 G H^-1 a
    robust      a^T H^-1 B H^-1 a,    B = sum_g (sum_(i in g) r_i)(sum_(i in g) r_i)^T

Here r_i is the gradient of the loss of row i, and g are the groups, by default single
rows. `ByParameters` holds H, (P, P). `ByRows` holds I + K, (m, m), with
K = J D^-1 J^T; the rows J are weighted by the square roots of Lambda. The output biases
have no prior, so `ByRows` solves for them apart, as kriging does for its constant.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dpstrf, dtrtri

from .linear import Gradients, Prior, Queries

Kind: TypeAlias = Literal["posterior", "sampling", "robust"]

# A parameter is not determined if the others explain all but so small a share of its
# curvature. A query is not determined if it departs so far from what is determined.
RANK_TOLERANCE, ESTIMABLE_TOLERANCE = 1e-12, 1e-7

# Rows of the kernel that are computed at a time.
KERNEL_ROWS = 512


@dataclass(frozen=True)
class Scores:
    """The gradients r_i of the loss of the rows.

    Attributes
    ----------
    blocks : callable
        Yields gradients of blocks of rows, and their groups, or None where each row is
        its own group. The rows of a group follow each other.
    n_samples : float
    n_groups : int or None
    """

    blocks: Callable[[], Iterable[tuple[Gradients, np.ndarray | None]]]
    n_samples: float
    n_groups: int | None

    def factor(self, covariance: "Covariance") -> float:
        """The usual correction for few groups, G / (G - 1) (n - 1) / (n - k).

        k is the number of parameters. With a penalty it is the degrees of freedom.
        """
        if self.n_groups is None:
            return 1.0
        n, G, k = self.n_samples, self.n_groups, covariance.degrees_of_freedom
        return G / (G - 1) * (n - 1) / (n - k) if n > k else np.inf


def group_sums(
    blocks: Iterable[tuple[np.ndarray, np.ndarray | None]],
) -> Iterator[np.ndarray]:
    """The sums of the rows of each group, in blocks; rows of a group are neighbours."""
    last: np.ndarray | None = None
    last_group = None
    for rows, groups in blocks:
        if groups is None:
            yield rows
            continue
        starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        sums = np.add.reduceat(rows, starts, axis=0)
        if last is not None:
            if groups[0] == last_group:
                sums[0] += last
            else:
                yield last[np.newaxis]
        if len(sums) > 1:
            yield sums[:-1]
        last, last_group = sums[-1], groups[-1]
    if last is not None:
        yield last[np.newaxis]


class Covariance(Protocol):
    """The variances of linear functions of theta."""

    @property
    def degrees_of_freedom(self) -> float:
        """The trace of H^-1 G."""
        ...

    def variances(self, queries: Queries) -> np.ndarray:
        """The variance of each: inf where the data do not determine it."""
        ...


class ByParameters:
    """H as a matrix of the parameters.

    Parameters
    ----------
    rows : iterable of Gradients
        The rows, weighted, in blocks.
    precision : ndarray of shape (P,)
        The diagonal of D; where it is inf the parameter is known.
    kind : {"posterior", "sampling", "robust"}
    scores : Scores or None
        For "robust".
    """

    def __init__(
        self,
        rows: Iterable[Gradients],
        precision: np.ndarray,
        kind: Kind,
        scores: Scores | None = None,
    ) -> None:
        self._free = np.flatnonzero(precision < np.inf)
        self._precision = precision[self._free]
        G = np.zeros((len(self._free),) * 2)
        for block in rows:
            J = self._of_free(block.vectors())
            G += J.T @ J
        self._middle: np.ndarray | None = G.copy() if kind == "sampling" else None
        G[np.diag_indices_from(G)] += self._precision
        self._factor(G)
        if kind == "robust" and scores is not None:
            self._middle = scores.factor(self) * self._outer_products(scores)

    def _of_free(self, vectors: np.ndarray) -> np.ndarray:
        everything = len(self._free) == vectors.shape[1]
        return vectors if everything else vectors[:, self._free]

    def _outer_products(self, scores: Scores) -> np.ndarray:
        """B."""
        B = np.zeros((len(self._free),) * 2)
        jacobians = (
            (self._of_free(block.vectors()), groups)
            for block, groups in scores.blocks()
        )
        for sums in group_sums(jacobians):
            B += sums.T @ sums
        return B

    def _factor(self, H: np.ndarray) -> None:
        """Scale H to a diagonal of ones, in place; P^T H P = L L^T, largest pivots."""
        diagonal = np.diagonal(H)
        self._unit = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        H *= self._unit
        H *= self._unit[:, np.newaxis]
        L, pivots, rank, _ = dpstrf(H.T, tol=RANK_TOLERANCE, lower=1, overwrite_a=1)
        self._rank = int(rank)
        self._pivots = pivots - 1
        # Only the lower triangle is read.
        self._L = L[:rank, :rank]
        self._L_others = L[rank:, :rank]

    def _half_solved(self, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
        """L^-1 a, and whether a is determined, for each query."""
        a = (self._of_free(queries.vectors()) * self._unit)[:, self._pivots].T
        y = solve_triangular(self._L, a[: self._rank], lower=True, check_finite=False)
        rest = a[self._rank :] - self._L_others @ y
        size = np.sqrt((a**2).sum(axis=0))
        departure = np.abs(rest).max(axis=0, initial=0)
        return y, departure <= ESTIMABLE_TOLERANCE * size

    def solve(self, queries: Queries) -> np.ndarray:
        """H^- a of each query, (n, P), zero where parameters are not determined."""
        y, _ = self._half_solved(queries)
        return self._solved(y, queries.vectors().shape[1])

    def _solved(self, y: np.ndarray, n_parameters: int) -> np.ndarray:
        solution = np.zeros((y.shape[1], n_parameters))
        x = solve_triangular(self._L, y, lower=True, trans=1, check_finite=False)
        places = self._pivots[: self._rank]
        solution[:, self._free[places]] = x.T * self._unit[places]
        return solution

    def variances(self, queries: Queries) -> np.ndarray:
        """The variance of each: inf where the data do not determine it."""
        y, is_determined = self._half_solved(queries)
        if self._middle is None:
            found = (y**2).sum(axis=0)
        else:
            x = self._solved(y, queries.vectors().shape[1])[:, self._free]
            found = np.einsum("ij,ij->i", x @ self._middle, x)
        return np.where(is_determined, found, np.inf)

    @cached_property
    def degrees_of_freedom(self) -> float:
        """The trace of H^-1 G: the rank less the trace of H^-1 D."""
        inverse, _ = dtrtri(self._L, lower=1)
        places = self._pivots[: self._rank]
        scale = np.sqrt(self._precision[places]) * self._unit[places]
        return float(self._rank - ((np.tril(inverse) * scale) ** 2).sum())


class ByRows:
    """I + K as a matrix of weighted rows.

    Parameters
    ----------
    rows : Gradients
        Weighted rows that stand for all.
    prior : Prior
        With alpha > 0.
    kind : {"posterior", "sampling", "robust"}
    scores : Scores or None
        For "robust".
    """

    def __init__(
        self, rows: Gradients, prior: Prior, kind: Kind, scores: Scores | None = None
    ) -> None:
        self._rows, self._prior, self._kind, self._scores = rows, prior, kind, scores
        m = len(rows)
        A = np.empty((m, m), order="F")
        for start in range(0, m, KERNEL_ROWS):
            block = slice(start, start + KERNEL_ROWS)
            # Only the lower triangle is read.
            A[start:, block] = rows[block].inner(rows[start:], prior)
        A[np.diag_indices(m)] += 1
        self._L = cholesky(A, lower=True, overwrite_a=True, check_finite=False)
        self._E = self._forward(rows.by_output_biases())
        # With softmax one direction of the output biases has no effect.
        self._S = np.linalg.pinv(self._E.T @ self._E, hermitian=True, rcond=1e-12)

    def _forward(self, right: np.ndarray) -> np.ndarray:
        return solve_triangular(self._L, right, lower=True, check_finite=False)

    def variances(self, queries: Queries) -> np.ndarray:
        """The variance of each query."""
        y = self._forward(queries.inner(self._rows, self._prior))
        left = queries.by_output_biases().T - self._E.T @ y
        biases = self._S @ left
        if self._kind == "posterior":
            penalised = queries.variances(self._prior) - (y**2).sum(axis=0)
            of_biases = (left * biases).sum(axis=0)
            return np.maximum(penalised, 0) + of_biases
        y += self._E @ biases
        # The covariances of the query with the logits of the weighted rows.
        t = solve_triangular(self._L, y, lower=True, trans=1, check_finite=False)
        if self._kind == "sampling" or self._scores is None:
            return (t**2).sum(axis=0)
        found = np.zeros(len(queries))
        for sums in group_sums(self._score_products(queries, biases, t, self._scores)):
            found += (sums**2).sum(axis=0)
        return self._scores.factor(self) * found

    def _score_products(
        self, queries: Queries, biases: np.ndarray, t: np.ndarray, scores: Scores
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """r_i . H^-1 a for the rows i, in blocks, and the queries a."""
        for block, groups in scores.blocks():
            product = queries.inner(block, self._prior)
            product += block.by_output_biases() @ biases
            product -= self._rows.inner(block, self._prior) @ t
            yield product, groups

    @cached_property
    def degrees_of_freedom(self) -> float:
        """The trace of H^-1 G."""
        # That of I - R + R E S^+ E^T R, with R the inverse of I + K.
        inverse, _ = dtrtri(self._L, lower=1)
        RE = solve_triangular(self._L, self._E, lower=True, trans=1)
        of_biases = np.einsum("ij,ij->", RE @ self._S, RE)
        return float(len(self._rows) - (np.tril(inverse) ** 2).sum() + of_biases)
