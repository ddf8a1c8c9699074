"""The coefficients of a model without hidden layers, in the units of the user.

A number that one step after the other only shifts and scales makes one feature, and the
coefficient is that per unit of the number. Other features, such as indicators of
categories or ramps, keep their own coefficients, under their own names.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline

from .._explain.frames import column, numbers, take_rows
from .fitted import Fitted
from .linear import Vectors

# A feature is affine in a number if it departs from the line by less of its range.
AFFINE_TOLERANCE = 1e-9


def affine_units(fitted: Fitted) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Slope and shift of each feature by what it is named after, and these names."""
    p = len(fitted.network.mean)
    slope, shift = np.ones(p), np.zeros(p)
    columns = fitted.model.columns(fitted.table)
    if not fitted.model.steps:
        return slope, shift, columns
    names = feature_names(fitted)
    try:
        made_of = fitted.model.encode(
            take_rows(fitted.table, slice(0, 2))
        ).column_of_feature
    except TypeError:  # A step mixes columns.
        return slope, shift, names
    if issparse(fitted.X) or issparse(fitted.table):
        return slope, shift, names
    for k, j in enumerate(made_of):
        if j < 0 or (made_of == j).sum() > 1:
            continue
        x = numbers(column(fitted.table, j, columns[j]))
        z = fitted.X[:, k]
        if x is None or np.isnan(x).any() or x.min() == x.max():
            continue
        low, high = np.argmin(x), np.argmax(x)
        by = (z[high] - z[low]) / (x[high] - x[low])
        line = z[low] + by * (x - x[low])
        if by and np.abs(z - line).max() <= AFFINE_TOLERANCE * np.ptp(z):
            slope[k], shift[k], names[k] = by, z[low] - by * x[low], columns[j]
    return slope, shift, names


def feature_names(fitted: Fitted) -> list[str]:
    """The names of the features that the classifier sees."""
    names = getattr(fitted.classifier, "feature_names_in_", None)
    if names is None:
        try:
            names = Pipeline(fitted.model.steps).get_feature_names_out()
        except (AttributeError, ValueError):  # A step makes none.
            names = [f"x{k}" for k in range(len(fitted.network.mean))]
    return [str(name) for name in names]


def coefficients(fitted: Fitted) -> tuple[list[str], np.ndarray, Vectors]:
    """Names, values and derivatives by theta; one set for each class but the first.

    Those of a class are its own less those of the first class.
    """
    network = fitted.network
    ((W_T, b),) = network.layers
    p, n_outputs = W_T.shape
    slope, shift, names = affine_units(fitted)
    # The intercept and the coefficients of the user, from those of the features.
    to_user = np.zeros((p + 1, p + 1))
    to_user[0, 0], to_user[0, 1:] = 1, shift
    to_user[1:, 1:] = np.diag(slope)
    # The parameters are weights by relevance, and biases at the mean.
    from_theta = np.zeros((p + 1, p + 1))
    from_theta[0, 0] = 1
    from_theta[0, 1:] = -network.mean * network.relevance
    from_theta[1:, 1:] = np.diag(network.relevance)
    of_one = to_user @ from_theta
    contrasts = np.eye(n_outputs) if n_outputs == 1 else contrasts_to_first(n_outputs)
    values, rows = [], []
    for contrast in contrasts:
        values.append(to_user @ np.r_[contrast @ b, W_T @ contrast])
        weights = np.multiply.outer(of_one[:, 1:], contrast).reshape(p + 1, -1)
        rows.append(np.hstack([weights, np.outer(of_one[:, 0], contrast)]))
    vectors = Vectors(np.concatenate(rows), network.shapes)
    return ["intercept", *names], np.concatenate(values), vectors


def contrasts_to_first(n_outputs: int) -> np.ndarray:
    """Each class but the first, less the first."""
    contrasts = np.eye(n_outputs)[1:]
    contrasts[:, 0] = -1
    return contrasts
