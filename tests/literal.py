"""The formulas of docs/derivation.md written out, sample by sample, to test against.

Nothing is shared with the package: W_l is a list of (m_l, n_l) arrays, matrix
products are explicit and the labels are -1 and 1.
"""

import numpy as np


def relu(v):
    return np.array([max(t, 0.0) for t in v])


def pos(v):
    return np.array([1.0 if t > 0 else 0.0 for t in v])


def network(W, b, x):
    """[z_0, ..., z_(L-1)] and f_L(z_(L-1)) for one sample."""
    z = [x]
    for W_l, b_l in zip(W[:-1], b[:-1], strict=True):
        z.append(relu(W_l @ z[-1] + b_l))
    return z, W[-1] @ z[-1] + b[-1]


def loss(W, b, X, y):
    """C = sum_i log(1 + exp(-y_i f_L(z_(L-1)(x_i))))."""
    return sum(
        np.log(1 + np.exp(-y_i * network(W, b, x_i)[1][0]))
        for x_i, y_i in zip(X, y, strict=True)
    )


def product(W, z, l):  # noqa: E741, the l of the formulas
    """prod_{k=0}^{L-l-1} W_(L-k) diag(pos(z_(L-k-1))), the identity for l = L."""
    L = len(W)
    P = np.eye(len(W[-1]))
    for k in range(L - l):
        P = P @ W[L - k - 1] @ np.diag(pos(z[L - k - 1]))
    return P


def gradients(W, b, X, y):
    """[(grad_W_l C, grad_b_l C)] for l = 1..L."""
    grad = [
        (np.zeros_like(W_l), np.zeros_like(b_l)) for W_l, b_l in zip(W, b, strict=True)
    ]
    for x_i, y_i in zip(X, y, strict=True):
        z, f = network(W, b, x_i)
        r_i = -y_i / (1 + np.exp(y_i * f[0]))
        for l in range(1, len(W) + 1):  # noqa: E741, the l of the formulas
            P = product(W, z, l)
            grad_W, grad_b = grad[l - 1]
            grad_b += r_i * P[0]
            grad_W += r_i * np.outer(P[0], z[l - 1])
    return grad
