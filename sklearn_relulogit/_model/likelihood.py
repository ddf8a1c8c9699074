"""The likelihood of the labels given the logits: logistic, or softmax.

A likelihood takes logits Z, always two-dimensional, (n, m_L), and labels y,
(n,), the integers 0..K-1 (0 and 1 are the -1 and 1 of the logistic formulas).
Nothing here is clipped: the loss is finite if the differences of the logits are, and
the residual is its derivative, to rounding. Every expression keeps its relative
accuracy in the tail, because no two close numbers are subtracted.
"""

from typing import Protocol

import numpy as np

from .arrays import Array, namespace


class Likelihood(Protocol):
    """What the objective and the predictions need of a likelihood.

    Attributes
    ----------
    out_activation : str
        What makes probabilities of the logits, in scikit-learn's words.
    """

    out_activation: str

    def nll_and_residual(self, Z: Array, y: Array) -> tuple[Array, Array]:
        """Negative log-likelihood in nats, (n,), and its derivative by Z, (n, m_L)."""
        ...

    def log_proba(self, Z: Array) -> Array:
        """Logarithms of the class probabilities, (n, K)."""
        ...

    def proba(self, Z: Array) -> Array:
        """Class probabilities, (n, K)."""
        ...


class Logistic:
    """Two classes, one logit z: Pr(y) = sigma(s z), with s = 2 y - 1.

    nll = log(1 + exp(u)),    residual = d nll / dz = -s sigma(u),    u = -s z
    """

    out_activation = "logistic"

    def nll_and_residual(self, Z: Array, y: Array) -> tuple[Array, Array]:
        xp = namespace(Z)
        # In place where possible: these are short steps over long arrays.
        minus_sign = xp.subtract(1, 2 * y, dtype=Z.dtype)
        u = minus_sign * Z[:, 0]
        e = xp.abs(u)
        xp.negative(e, out=e)
        xp.exp(e, out=e)  # exp(-|u|) <= 1
        nll = xp.maximum(u, 0)
        nll += xp.log1p(e)
        # sigma(u) = 1 / (1 + e) where u > 0, else e / (1 + e).
        residual = xp.maximum(e, u > 0, out=u)
        residual *= minus_sign
        e += 1
        residual /= e
        return nll, residual[:, None]

    def log_proba(self, Z: Array) -> Array:
        xp = namespace(Z)
        Z = xp.concat([-Z, Z], axis=1)
        return xp.minimum(Z, 0) - xp.log1p(xp.exp(-xp.abs(Z)))

    def proba(self, Z: Array) -> Array:
        xp = namespace(Z)
        return xp.sigmoid(xp.concat([-Z, Z], axis=1))


class Softmax:
    """K classes, K logits: Pr(y = k) = exp(Z_k) / sum_j exp(Z_j).

    nll = log sum_k exp(Z_k - Z_y),    residual_k = Pr(k) - [k = y]

    With the logits (0, f) this is `Logistic` with the logit f.
    """

    out_activation = "softmax"

    def nll_and_residual(self, Z: Array, y: Array) -> tuple[Array, Array]:
        xp = namespace(Z)
        row = xp.arange(Z.shape[0])
        residual, others, largest = _exponentials(Z)
        nll = xp.log1p(others) + (largest[:, 0] - Z[row, y])
        residual /= (1 + others)[:, None]
        # Pr(y) - 1 is minus the probability of all other classes.
        xp.put(residual, row, y, 0)
        xp.put(residual, row, y, -xp.row_sums(residual))
        return nll, residual

    def log_proba(self, Z: Array) -> Array:
        xp = namespace(Z)
        _, others, largest = _exponentials(Z)
        with np.errstate(over="ignore"):
            log_proba = Z - largest
        log_proba -= xp.log1p(others)[:, None]
        # A difference of two finite logits may still overflow.
        return xp.maximum(log_proba, xp.finfo(Z.dtype).min, out=log_proba)

    def proba(self, Z: Array) -> Array:
        xp = namespace(Z)
        with np.errstate(over="ignore"):  # to minus infinity
            E = xp.exp(Z - xp.row_maxima(Z))
        return E / xp.row_sums(E)[:, None]


def likelihood_of(n_outputs: int) -> Likelihood:
    """One logit, m_L = 1, is logistic, more are softmax."""
    return Logistic() if n_outputs == 1 else Softmax()


def _exponentials(Z: Array) -> tuple[Array, Array, Array]:
    """E = exp(Z - max Z), its row sums less 1, the largest term, and max Z, (n, 1).

    Terms of 1 are added apart, so that the sum of small ones keeps its digits.
    """
    xp = namespace(Z)
    largest = xp.row_maxima(Z)
    with np.errstate(over="ignore"):  # to minus infinity
        E = xp.exp(Z - largest)
    small = xp.multiply(E, E < 1)
    others = xp.row_sums(small) + (xp.row_sums(E - small) - 1)
    return E, others, largest
