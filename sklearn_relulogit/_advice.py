"""What a warning or an error tells the user about the scale of the features."""

from itertools import chain

import numpy as np
from scipy.sparse import issparse
from sklearn.preprocessing import StandardScaler

from ._blocks import row_parts, rows_of
from ._products import Matrix

# Standard deviations that differ by more than this factor are called unscaled.
SCALE_RATIO = 1000


def feature_name(index: int, names: np.ndarray | None) -> str:
    """The name of a feature, or its number where there are no names."""
    return f"feature {index}" if names is None else f"feature {str(names[index])!r}"


def unscaled_features(X: Matrix, names: np.ndarray | None) -> str:
    """A sentence about features of very different scale; empty where there are none."""
    scaler = StandardScaler(with_mean=False)
    with np.errstate(over="ignore", invalid="ignore"):
        # Parts of a network as wide as X have a moderate number of rows.
        for rows in chain.from_iterable(row_parts(X, [(1, X.shape[1])])):
            scaler.partial_fit(rows_of(X, rows))
    deviation = np.sqrt(scaler.var_)
    varying = np.flatnonzero(deviation > 0)
    if len(varying) == 0:
        return ""
    low = varying[deviation[varying].argmin()]
    high = varying[deviation[varying].argmax()]
    if deviation[high] <= SCALE_RATIO * deviation[low]:
        return ""
    return (
        f"The features are on very different scales: the standard deviation of "
        f"{feature_name(low, names)} is {deviation[low]:.2g}, that of "
        f"{feature_name(high, names)} {deviation[high]:.2g}. Put a scaler such as "
        f"sklearn.preprocessing.StandardScaler in front."
    )


def overflow_message(what: str, X: Matrix, names: np.ndarray | None) -> str:
    """Why something computed from X may have overflowed, and what to do."""
    high, low = X.max(axis=0), X.min(axis=0)
    if issparse(X):
        high, low = high.toarray().ravel(), low.toarray().ravel()
    largest = np.maximum(high, -low)
    top = int(largest.argmax())
    return (
        f"{what} overflows the range of {X.dtype}. The largest "
        f"absolute value in X is {largest[top]:.3g}, in {feature_name(top, names)}. "
        "Scale the features, for example with sklearn.preprocessing.StandardScaler; "
        "if they are scaled, lower alpha or the sample weights."
    )
