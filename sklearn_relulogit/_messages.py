"""What warnings and errors say of the features and of the end of a fit."""

import numpy as np

# Standard deviations that differ by more than this factor are called unscaled.
SCALE_RATIO = 1000

CONSTANT = (
    "The fitted network is a constant: it predicts the same for every row of the "
    "training data, probably since the units of a hidden layer died in a long step. "
    "Scale the features, make the layers wider, try several starts (n_init), or lower "
    "alpha."
)


def feature_name(index: int, names: np.ndarray | None) -> str:
    """The name of a feature, or its number where there are no names."""
    return f"feature {index}" if names is None else f"feature {str(names[index])!r}"


def different_scales(deviations: np.ndarray, names: np.ndarray | None) -> str:
    """A sentence on standard deviations of very different size, or nothing."""
    varying = np.flatnonzero(deviations > 0)
    if len(varying) == 0:
        return ""
    low = varying[deviations[varying].argmin()]
    high = varying[deviations[varying].argmax()]
    if deviations[high] <= SCALE_RATIO * deviations[low]:
        return ""
    return (
        f"The features are on very different scales: the standard deviation of "
        f"{feature_name(low, names)} is {deviations[low]:.2g}, that of "
        f"{feature_name(high, names)} {deviations[high]:.2g}. Put a scaler such as "
        f"sklearn.preprocessing.StandardScaler in front."
    )


def overflow_message(
    what: str, largest: np.ndarray, dtype: np.dtype, names: np.ndarray | None
) -> str:
    """Why something computed from X may have overflowed, and what to do.

    ``largest`` holds the largest absolute value of each feature.
    """
    top = int(largest.argmax())
    return (
        f"{what} overflows the range of {dtype}. The largest "
        f"absolute value in X is {largest[top]:.3g}, in {feature_name(top, names)}. "
        "Scale the features, for example with sklearn.preprocessing.StandardScaler; "
        "if they are scaled, lower alpha or the sample weights."
    )
