"""What warnings and errors say of the features and of the end of a fit."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

# Features whose sizes differ by more than this factor are called unscaled.
SCALE_RATIO = 1000

# Validation data whose sizes differ by more than this factor are in other units.
UNIT_RATIO = 10

# A feature loses its digits where rounding errors are a larger share of its variation.
LOST_SHARE = 1e-2

# Standard deviation, reach and, where it is known, distance of the quartiles.
Sizes: TypeAlias = Sequence[np.ndarray]

CONSTANT = (
    "The fitted network is a constant: it predicts the same for every row of the "
    "training data, probably since the units of a hidden layer died in a long step. "
    "Scale the features, make the layers wider, try several starts (n_init), or lower "
    "alpha."
)


CONSTANT_BY_SEARCH = (
    "The fitted network is a constant: with no penalty that was tried did the network "
    "predict better than the shares of the classes do. The features may say nothing "
    "of the classes; if they do, pass a number for alpha."
)


def above_constant(loss: float, constant: float) -> str:
    """That a fit has ended far above what a constant would have reached."""
    return (
        f"The fit ended at a loss of {loss:.3g}, where a constant has {constant:.3g}: "
        "the optimiser found no way down, probably since a few values are far larger "
        "than the others. Clip or transform such features (QuantileTransformer, or the "
        "logarithm), or try several starts (n_init)."
    )


INTERRUPTED_SCORES = (
    "The fit was interrupted in the search for alpha. The scores until then are kept, "
    "and the best alpha of these."
)


def interrupted_search(alpha: float) -> str:
    """What is kept where a search for the penalty was interrupted."""
    return (
        f"The fit was interrupted in the search for alpha. At alpha={alpha:.3g}, the "
        "best so far, the network of the first part of the rows is kept: with "
        "warm_start=True another fit goes on from it."
    )


def limited_search(n_limited: int, n_fits: int, max_iter: int, max_fun: int) -> str:
    """A sentence on fits of a search that a limit of the user's ended, or nothing."""
    if not n_limited:
        return ""
    return (
        f"In the search for alpha {n_limited} of {n_fits} fits ended by max_iter (now "
        f"{max_iter}) or max_fun (now {max_fun}), so that another alpha may be better: "
        "increase them, or pass a number for alpha."
    )


def feature_name(index: int, names: np.ndarray | None) -> str:
    """The name of a feature, or its number where there are no names."""
    return f"feature {index}" if names is None else f"feature {str(names[index])!r}"


def different_scales(units: np.ndarray, names: np.ndarray | None) -> str:
    """A sentence on features whose sizes differ much, or nothing.

    A weight of the smaller one has to be larger by the same factor, and the penalty
    lets it less.
    """
    varying = np.flatnonzero(np.isfinite(units))
    if not len(varying):
        return ""
    low = varying[units[varying].argmin()]
    high = varying[units[varying].argmax()]
    if units[high] <= SCALE_RATIO * units[low]:
        return ""
    return (
        "The features are on very different scales, of which the penalty prefers the "
        f"large ones: {feature_name(low, names)} varies by {units[low]:.2g}, "
        f"{feature_name(high, names)} by {units[high]:.2g}. Put a scaler such as "
        "sklearn.preprocessing.StandardScaler in front."
    )


def other_units(sizes: Sizes, sizes_val: Sizes, names: np.ndarray | None) -> str:
    """A sentence on validation data in other units than the training data, or nothing.

    Each of the sizes must differ, since any one may do so by chance: the standard
    deviation of a rare value, or the reach of a feature with few rows far away.
    """

    def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        low, high = np.minimum(a, b), np.maximum(a, b)
        # Of a feature that is constant in either, or overflows, nothing is known.
        known = (low > 0) & (high < np.inf)
        return np.where(known, high / np.where(known, low, 1.0), np.nan)

    ratios = np.array([ratio(a, b) for a, b in zip(sizes, sizes_val, strict=False)])
    # The quartiles of a rare value may say nothing, the deviation must say something.
    ratios[0] = np.nan_to_num(ratios[0], nan=1.0)
    least = np.nanmin(ratios, axis=0)
    worst = int(least.argmax())
    if least[worst] <= UNIT_RATIO:
        return ""
    return (
        "Scale X_val as X is scaled: the standard deviation of "
        f"{feature_name(worst, names)} is {sizes[0][worst]:.2g} in X and "
        f"{sizes_val[0][worst]:.2g} in X_val. In a Pipeline, "
        'transform_input=["X_val"] does that.'
    )


def lost_digits(
    mean: np.ndarray, units: np.ndarray, dtype: np.dtype, names: np.ndarray | None
) -> str:
    """A sentence on a feature too far from zero for its floating type, or nothing."""
    with np.errstate(over="ignore"):
        share = np.abs(mean) * np.finfo(dtype).eps / units
    worst = int(share.argmax())
    if share[worst] <= LOST_SHARE:
        return ""
    return (
        f"{feature_name(worst, names).capitalize()} is so far from zero, at "
        f"{mean[worst]:.3g}, that {dtype} does not hold what it varies by, "
        f"{units[worst]:.2g}. Subtract a constant from it before it is converted, or "
        "use float64."
    )


def overflow_message(
    what: str,
    largest: np.ndarray,
    dtype: np.dtype,
    names: np.ndarray | None,
    weight_sum: float = 1.0,
    alpha: float = 1.0,
) -> str:
    """Why something may have overflowed, and what to do: of the farthest from one.

    ``largest`` holds the largest absolute value of each feature in X.
    """
    top = int(largest.argmax())
    scale = "Scale the features, for example with sklearn.preprocessing.StandardScaler"
    remedies = {
        f"The largest absolute value in X is {largest[top]:.3g}, in "
        f"{feature_name(top, names)}. {scale}; if they are scaled, lower alpha or the "
        "sample weights.": largest[top],
        f"The sample weights sum to {weight_sum:.3g}. Multiply them and alpha by the "
        "same number, so that the weights are near 1.": weight_sum,
        f"alpha is {alpha:.3g}. Lower it.": alpha,
    }

    def distance(remedy: str) -> float:
        value = float(remedies[remedy])
        return abs(math.log10(value)) if 0 < value < math.inf else 0.0

    return f"{what} overflows the range of {dtype}. {max(remedies, key=distance)}"
