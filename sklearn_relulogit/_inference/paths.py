"""The standard errors of contributions.

The straight line from the reference to a row is cut into steps. In each step a column
adds the difference that its own part of the step makes. The sum of these differences is
a sum of logits at known points, so its derivative by the parameters is known. With
several references it is the mean of the derivatives for each.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._explain.frames import Table, as_table
from .._explain.network import dense
from .._tables.outputs import CONSTANT
from .covariance import Covariance
from .fitted import Fitted
from .linear import LinearisedNetwork, Vectors

# Steps of the line, and how many numbers the largest arrays hold.
STEPS, NUMBERS = 8, 2**23


def contribution_errors(
    fitted: Fitted, covariance: Covariance, X: Table, reference: Any
) -> np.ndarray:
    """The standard error of each contribution, (n, n_columns) or (n, K, n_columns)."""
    table = as_table(X)
    encoded = fitted.model.encode(table)
    made_of, Z = encoded.column_of_feature, fitted.features(table)
    references, shares = _references(fitted, reference)
    network = fitted.network
    found = np.zeros((Z.shape[0], network.n_outputs, encoded.n_columns))
    largest = max(network.n_parameters * network.n_outputs, 2 * STEPS * Z.shape[1])
    size = max(NUMBERS // largest, 1)
    for i in range(Z.shape[0]):
        z = dense(Z[[i]])[0]
        ways = np.where(made_of == CONSTANT, 0.0, z - references)
        columns = np.unique(made_of[(ways != 0).any(axis=0)])
        for some in (columns[k : k + size] for k in range(0, len(columns), size)):
            of_some = made_of == some[:, np.newaxis]
            mean = np.zeros((network.n_outputs, len(some), network.n_parameters))
            for way, share in zip(ways, shares, strict=True):
                own = np.where(of_some, way, 0.0)
                for k, vectors in enumerate(_derivatives(network, z - way, way, own)):
                    mean[k] += share * vectors
            for k, vectors in enumerate(mean):
                variances = covariance.variances(Vectors(vectors, network.shapes))
                found[i, k, some] = np.sqrt(variances)
    return found[:, 0] if network.n_outputs == 1 else found


def _derivatives(
    network: LinearisedNetwork, start: np.ndarray, way: np.ndarray, own: np.ndarray
) -> Iterator[np.ndarray]:
    """The derivatives of what columns add on the way; ``own`` holds their parts of it.

    Yields those of each logit. For several classes it is each logit less the mean of
    all, since only differences between logits are determined.
    """
    middles = start + (np.arange(STEPS) + 0.5)[:, np.newaxis] / STEPS * way
    halves = own / (2 * STEPS)
    ends = np.concatenate([middles + s * half for half in halves for s in (1, -1)])
    signs = np.tile(np.repeat([1.0, -1.0], STEPS), len(own))
    n_outputs = network.n_outputs
    for v in np.eye(n_outputs) - (n_outputs > 1) / n_outputs:
        yield network.gradients(ends, np.outer(signs, v)).totals(2 * STEPS)


def _references(fitted: Fitted, reference: Any) -> tuple[np.ndarray, np.ndarray]:
    """The features of the different references, and their shares in the mean."""
    if reference is None:
        rows = np.asarray(fitted.classifier.feature_mean_, dtype=float)[np.newaxis]
    elif isinstance(reference, str):
        rows = np.zeros((1, len(fitted.network.mean)))
    else:
        _, rows = fitted.model.features_of_reference(reference)
    different, counts = np.unique(rows, axis=0, return_counts=True)
    return different, counts / len(rows)
