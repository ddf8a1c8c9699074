"""The likelihood of the labels given the logits: logistic, or softmax.

A likelihood knows logits Z, always two-dimensional, (n, m_L), and labels y,
(n,), the integers 0..K-1 (0 and 1 are the -1 and 1 of the logistic formulas).
Nothing here is clipped: the loss is finite wherever the logits' differences are,
and the residual is the derivative of that very function, to rounding. Every
expression keeps relative accuracy in its tail, since no two close numbers are
subtracted.
"""

from typing import Protocol

import numpy as np
from scipy.special import expit


class Likelihood(Protocol):
    """What the objective and the predictions need of a likelihood."""

    out_activation: str

    def nll_and_residual(
        self, Z: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Negative log-likelihood in nats, (n,), and its derivative by Z, (n, m_L)."""
        ...

    def log_proba(self, Z: np.ndarray) -> np.ndarray:
        """Logarithms of the class probabilities, (n, K)."""
        ...

    def proba(self, Z: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, K)."""
        ...


class Logistic:
    """Two classes, one logit z: Pr(y) = sigma(s z), with s = 2 y - 1.

    nll = log(1 + exp(u)),    residual = d nll / dz = -s sigma(u),    u = -s z
    """

    out_activation = "logistic"

    def nll_and_residual(
        self, Z: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        # In place as far as can be: these are short steps over long arrays.
        minus_sign = np.subtract(1, 2 * y, dtype=Z.dtype)
        u = minus_sign * Z[:, 0]
        e = np.abs(u)
        np.negative(e, out=e)
        np.exp(e, out=e)  # exp(-|u|) <= 1
        nll = np.maximum(u, 0)
        nll += np.log1p(e)
        # sigma(u) = 1 / (1 + e) where u > 0, else e / (1 + e).
        residual = np.maximum(e, u > 0, out=u)
        residual *= minus_sign
        e += 1
        residual /= e
        return nll, residual[:, np.newaxis]

    def log_proba(self, Z: np.ndarray) -> np.ndarray:
        Z = np.hstack([-Z, Z])
        return np.minimum(Z, 0) - np.log1p(np.exp(-np.abs(Z)))

    def proba(self, Z: np.ndarray) -> np.ndarray:
        return expit(np.hstack([-Z, Z]))


class Softmax:
    """K classes, K logits: Pr(y = k) = exp(Z_k) / sum_j exp(Z_j).

    nll = log sum_k exp(Z_k - Z_y),    residual_k = Pr(k) - [k = y]

    With the logits (0, f) this is `Logistic` with the logit f.
    """

    out_activation = "softmax"

    def nll_and_residual(
        self, Z: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        row = np.arange(len(Z))
        E, others, top = _exponentials(Z)
        nll = np.log1p(others) + (Z[row, top] - Z[row, y])
        residual = E / (1 + others)[:, np.newaxis]
        # Pr(y) - 1 is minus the probability of all other classes.
        residual[row, y] = 0
        residual[row, y] = -residual.sum(axis=1)
        return nll, residual

    def log_proba(self, Z: np.ndarray) -> np.ndarray:
        _, others, top = _exponentials(Z)
        with np.errstate(over="ignore"):
            log_proba = Z - Z[np.arange(len(Z)), top][:, np.newaxis]
        log_proba -= np.log1p(others)[:, np.newaxis]
        # A difference of two finite logits may still overflow.
        return np.maximum(log_proba, np.finfo(Z.dtype).min, out=log_proba)

    def proba(self, Z: np.ndarray) -> np.ndarray:
        E, others, _ = _exponentials(Z)
        return E / (1 + others)[:, np.newaxis]


def _exponentials(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """exp(Z - max Z), its row sums without the largest term, 1, and where that is."""
    row = np.arange(len(Z))
    top = Z.argmax(axis=1)
    with np.errstate(over="ignore"):  # to minus infinity
        E = np.exp(Z - Z[row, top][:, np.newaxis])
    E[row, top] = 0
    others = E.sum(axis=1)
    E[row, top] = 1
    return E, others, top
