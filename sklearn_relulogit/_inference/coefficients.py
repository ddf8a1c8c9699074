"""The coefficients of a model without hidden layers, in the units of the user.

Steps that only shift and scale a number make one feature of it. Its coefficient is
given per unit of the number. Other features, such as indicators of categories or ramps,
keep their own coefficients and names.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline
from sklearn.utils import gen_batches

from .._explain.frames import column, numbers, take_rows
from .covariance import Covariance
from .fitted import Fitted
from .linear import Vectors

# A feature is affine in a number if it departs from the line by less of its range.
AFFINE_TOLERANCE = 1e-9

# How many numbers the vectors of coefficients may hold in one pass over variances.
NUMBERS = 2**22


def affine_units(fitted: Fitted) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Slope and shift of each feature as a function of its column, and its name."""
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


def coefficients(
    fitted: Fitted, covariance: Covariance
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, values and variances, with the intercept first.

    With more than two classes there is a set for each class but the first: its
    coefficients less those of the first class.
    """
    network = fitted.network
    ((W_T, b),) = network.layers
    p, n_outputs = W_T.shape
    slope, shift, names = affine_units(fitted)
    contrasts = np.eye(n_outputs)
    if n_outputs > 1:
        contrasts = contrasts[1:] - contrasts[0]
    # The parameters are the weights over relevance, and the biases at the mean.
    of_intercept = (shift - network.mean) * network.relevance
    values: list[np.ndarray] = []
    variances: list[np.ndarray] = []
    for contrast in contrasts:
        w = W_T @ contrast
        values.append(np.r_[b @ contrast + shift @ w, slope * w])
        vector = np.r_[np.outer(of_intercept, contrast).ravel(), contrast]
        variances.append(
            covariance.variances(Vectors(vector[np.newaxis], network.shapes))
        )
        for batch in gen_batches(p, max(NUMBERS // network.n_parameters, 1)):
            k = np.arange(p)[batch]
            vectors = np.zeros((len(k), network.n_parameters))
            places = k[:, np.newaxis] * n_outputs + np.arange(n_outputs)
            of_weights = np.outer(slope[k] * network.relevance[k], contrast)
            np.put_along_axis(vectors, places, of_weights, axis=1)
            variances.append(covariance.variances(Vectors(vectors, network.shapes)))
    return ["intercept", *names], np.concatenate(values), np.concatenate(variances)
