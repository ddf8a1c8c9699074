"""The errors of contributions: of what each column adds on the way from a reference.

On the straight line from the reference to a row, cut into steps, a column adds in each
step the difference that its own part of the step makes. The sum of these differences is
a sum of logits at known points, so its derivative by the parameters is known.
"""

from typing import Any

import numpy as np

from .._explain.columns import CONSTANT
from .._explain.frames import Table, as_one_or_more_rows, as_table
from .._explain.network import dense
from .covariance import Covariance
from .fitted import Fitted
from .linear import Vectors

# Steps of the line, and numbers in the derivatives that are held at a time.
STEPS, NUMBERS = 8, 2**23


def contribution_errors(
    fitted: Fitted, covariance: Covariance, X: Table, reference: Any
) -> np.ndarray:
    """The standard error of each contribution, (n, n_columns) or (n, K, n_columns)."""
    table = as_table(X)
    encoded = fitted.model.encode(table)
    Z = fitted.features(table)
    r, made_of = _reference(fitted, reference), encoded.column_of_feature
    n_outputs, network = fitted.network.n_outputs, fitted.network
    found = np.zeros((Z.shape[0], n_outputs, encoded.n_columns))
    # Of the logits of several classes only differences are determined.
    v = np.eye(n_outputs) - (n_outputs > 1) / n_outputs
    at_a_time = max(NUMBERS // (network.n_parameters * n_outputs), 1)
    along = (np.arange(STEPS) + 0.5)[:, np.newaxis] / STEPS
    for i in range(Z.shape[0]):
        z = dense(Z[[i]])[0]
        way = np.where(made_of == CONSTANT, 0.0, z - r)
        on_the_way = z - way + along * way
        columns = np.unique(made_of[way != 0])
        for start in range(0, len(columns), at_a_time):
            some = columns[start : start + at_a_time]
            half = np.where(made_of == some[:, np.newaxis], way, 0.0) / (2 * STEPS)
            ends = np.stack([on_the_way + half[:, np.newaxis, :] * s for s in (1, -1)])
            ends = np.moveaxis(ends, 0, 1)  # column, end, step
            seeds = np.broadcast_to(
                np.array([1.0, -1.0])[:, np.newaxis, np.newaxis, np.newaxis] * v,
                (len(some), 2, STEPS, n_outputs, n_outputs),
            )
            for k in range(n_outputs):
                gradients = network.gradients(
                    ends.reshape(-1, len(z)), seeds[..., k, :].reshape(-1, n_outputs)
                )
                vectors = Vectors(gradients.totals(2 * STEPS), network.shapes)
                found[i, k, some] = np.sqrt(covariance.variances(vectors))
    return found[:, 0] if n_outputs == 1 else found


def _reference(fitted: Fitted, reference: Any) -> np.ndarray:
    """The features of the reference of contributions."""
    if reference is None:
        return np.asarray(fitted.classifier.feature_mean_, dtype=float)
    if isinstance(reference, str):
        return np.zeros(len(fitted.network.mean))
    rows = fitted.features(as_one_or_more_rows(reference))
    return dense(rows).mean(axis=0)
