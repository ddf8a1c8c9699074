"""Synthetic data: features with a nonlinear law, text, mixtures of a few factors."""

import numpy as np
import scipy.sparse
from sklearn.preprocessing import normalize


def correlated(rng, n, p):
    """Features with some correlation and deviation 1."""
    X = rng.standard_normal((n, p))
    X[:, 1:] += 0.5 * X[:, :-1]
    return X / X.std(axis=0)


def dense(n, p, dtype=np.float64, seed=0):
    """Correlated features, labels from a random network, with noise."""
    rng = np.random.default_rng(seed)
    X = correlated(rng, n, p)
    H = np.maximum(X @ rng.standard_normal((p, 8)) / np.sqrt(p), 0)
    f = 3 * (H @ rng.standard_normal(8))
    f -= np.median(f)
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-f))).astype(int)
    return X.astype(dtype), y


def word_counts(rng, n, p, per_row):
    """Word counts, damped and of unit length; word shares follow Zipf's law."""
    shares = np.cumsum(1 / np.arange(1, p + 1))
    lengths = np.maximum(rng.poisson(per_row, n), 1)
    words = np.searchsorted(shares, rng.uniform(0, shares[-1], lengths.sum()))
    rows = np.repeat(np.arange(n), lengths)
    X = scipy.sparse.csr_array((np.ones(len(rows)), (rows, words)), shape=(n, p))
    X.data = 1 + np.log(X.data)
    return normalize(X)


def linear_labels(rng, X):
    """Half of the rows on either side of a random plane."""
    f = X @ rng.standard_normal(X.shape[1])
    return (f > np.median(f)).astype(int)


def text(n, p, dtype=np.float64, seed=0):
    """Texts of about a hundred words, classified by the weights of their words."""
    rng = np.random.default_rng(seed)
    X = word_counts(rng, n, p, 100)
    return X.astype(dtype), linear_labels(rng, X)


def factors(n, p, seed):
    """Noisy mixtures of ten factors, which decide the class by a random network.

    Other seeds draw other rows of the same law. The same ten directions matter for any
    number of features, and more features carry more information about them.
    """
    law = np.random.default_rng(0)
    W, v = law.standard_normal((10, 8)) / np.sqrt(10), law.standard_normal(8)
    b, mixture = law.standard_normal(8), law.standard_normal((10, p)) / np.sqrt(10)
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, 10))
    X = Z @ mixture
    X += rng.standard_normal((n, p))
    f = 3 * (np.maximum(2 * Z @ W + b, 0) @ v)
    y = (rng.uniform(size=n) < 1 / (1 + np.exp(-f))).astype(int)
    return X, y
