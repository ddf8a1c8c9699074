"""What warnings and errors say of the features and of the end of a fit."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from ._features import Features
from ._model.collapse import is_constant
from ._model.objective import Objective
from ._optimize.lbfgs import (
    CONVERGED,
    EVALUATION_LIMIT,
    INTERRUPTED,
    ITERATION_LIMIT,
    LINE_SEARCH,
    Minimum,
)
from ._optimize.training import Restart
from ._rows.rows import Rows
from ._rows.statistics import Moments
from ._search.auto import Choice

# A loss that is above that of a constant by this share of it is no minimum.
FAR_ABOVE = 0.01

# Features whose sizes differ by more than this factor are called unscaled.
SCALE_RATIO = 1000

# Validation data whose sizes differ by more than this factor are in other units.
UNIT_RATIO = 10

# Values that are so many times as far away as most leave nothing of what those say.
FAR_AWAY = 1e5

# A feature loses its digits where rounding errors are a larger share of its variation.
LOST_SHARE = 1e-2

# Standard deviation, reach and, where it is known, distance of the quartiles.
Sizes: TypeAlias = Sequence[np.ndarray]

CONSTANT = (
    "The fitted network is a constant: it predicts the same for every row of the "
    "training data, probably because a long step left a hidden layer without active "
    "units. "
    "Scale the features, make the layers wider, try several starts (n_init), or lower "
    "alpha."
)


CONSTANT_BY_SEARCH = (
    "The fitted network is a constant: no penalty beat always predicting the class "
    "frequencies. The features may hold no information about the classes. If you know "
    "that they hold some, pass a number for alpha."
)

CONSTANT_BY_CONSTRAINTS = (
    "The fitted network is a constant: perhaps no function that monotonic_cst allows "
    "beats always predicting the class frequencies. Check its signs, leave features "
    "free (0), or try several starts (n_init)."
)


def above_constant(loss: float, constant: float) -> str:
    """That a fit has ended far above what a constant would have reached."""
    return (
        f"The fit ended at a loss of {loss:.3g}, above the {constant:.3g} of a "
        "constant. The optimiser found no way down, probably because a few values are "
        "far larger than the others. Clip or transform such features "
        "(QuantileTransformer, or the logarithm), or try several starts (n_init)."
    )


def limited_search(limited: Sequence[bool], estimator: BaseEstimator) -> str | None:
    """A sentence on fits of a search that a limit of the user's ended, or nothing."""
    if not any(limited):
        return None
    return (
        f"In the search for alpha {sum(limited)} of {len(limited)} fits reached "
        f"max_iter (now {estimator.max_iter}) or max_fun (now {estimator.max_fun}). "
        "Another alpha may be better: increase the limit, or pass a number for alpha."
    )


def interrupted(n_iter: int) -> str:
    """What a fit keeps that Ctrl-C has ended."""
    return (
        f"The fit was interrupted after {n_iter} iterations. It keeps the best "
        "parameters that it had found."
    )


def not_converged(
    minimum: Minimum, dtype: np.dtype, estimator: BaseEstimator
) -> str | None:
    """Why a fit ended before it converged, if so, and what to do."""
    n_iter, reason = len(minimum.loss_curve), minimum.stop_reason
    if reason == INTERRUPTED:
        return interrupted(n_iter)
    remedy = {
        ITERATION_LIMIT: f"increase max_iter (now {estimator.max_iter})",
        EVALUATION_LIMIT: f"increase max_fun (now {estimator.max_fun})",
        LINE_SEARCH: (
            "accept the fit if its loss_ is low enough"
            if dtype == np.float64
            else "use float64 data"
        ),
    }.get(reason)
    if remedy is None:
        return None
    return (
        f"The fit ended by its {reason} after {n_iter} iterations, before it "
        f"converged to tol={estimator.tol}: {remedy}, or increase alpha or tol."
    )


def what_to_warn_of(
    estimator: BaseEstimator,
    rows: Rows,
    features: Features,
    objective: Objective,
    best: Restart,
    choice: Choice,
    constant_loss: float,
    nothing_to_fit: Callable[[float], bool],
) -> str | None:
    """All that there is to warn of after a fit, in sentences."""
    minimum, alpha = best.end, objective.alpha
    messages = [
        not_converged(minimum, rows.dtype, estimator),
        limited_search(choice.limited, estimator),
        classes_without_weight(rows),
    ]
    # Of a single class, a constant has the loss zero, and a fit a rounding error.
    most = (1 + max(estimator.tol, FAR_ABOVE)) * constant_loss
    most += 100 * float(np.finfo(rows.dtype).eps)
    if minimum.stop_reason in CONVERGED and minimum.iterate.loss > most:
        messages.append(above_constant(minimum.iterate.loss, constant_loss))
    else:
        messages.append(far_values(rows.moments, rows.feature_names))
    if is_constant(best.iterate.theta, objective.shapes, objective.parts):
        if not nothing_to_fit(alpha):
            free = features.signs is None
            messages.append(CONSTANT if free else CONSTANT_BY_CONSTRAINTS)
        elif getattr(estimator, "alpha", None) == "auto" and not nothing_to_fit(0.0):
            messages.append(CONSTANT_BY_SEARCH)
    scale, names = features.scale, rows.feature_names
    if alpha > 0:
        messages.append(different_scales(scale.unit, names))
    if rows.moments_val is not None:
        sizes, sizes_val = rows.moments.sizes, rows.moments_val.sizes
        messages.append(other_units(sizes, sizes_val, names))
    messages.append(lost_digits(scale.centre, scale.unit, rows.dtype, names))
    return " ".join(filter(None, messages)) or None


def classes_without_weight(rows: Rows) -> str | None:
    """A sentence on classes that the sample weights leave out, or nothing.

    A weight of zero in class_weight is not told of: it can only be meant.
    """
    without = rows.shares == 0
    if rows.class_weights is not None:
        without &= rows.class_weights > 0
    labels = rows.classes[np.sort(rows.class_order[without])].tolist()
    if not labels:
        return None
    return (
        f"Leave out the rows of the classes {labels}, or give them positive weights. "
        "All these rows have weight zero, so their classes get probabilities near zero "
        "everywhere."
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
        "The features are on very different scales, and the penalty favours those on "
        f"large scales: {feature_name(low, names)} varies by {units[low]:.2g}, "
        f"{feature_name(high, names)} by {units[high]:.2g}. Put a scaler such as "
        "sklearn.preprocessing.StandardScaler in front of the classifier."
    )


def far_values(moments: Moments, names: np.ndarray | None) -> str:
    """A sentence on a feature of which few values are far from the others, or nothing.

    Where the quartiles are not known, or those of the feature are the same, nothing is
    said.
    """
    if moments.spread is None:
        return ""
    spread = np.where(moments.spread > 0, moments.spread, np.inf)
    with np.errstate(over="ignore"):
        ratios = moments.reach / spread
    worst = int(ratios.argmax())
    if not ratios[worst] > FAR_AWAY:
        return ""
    return (
        f"Clip or transform {feature_name(worst, names)} (QuantileTransformer, or the "
        f"logarithm): its farthest value is {ratios[worst]:.1g} times as far away as "
        "most, so that the network hardly sees the differences between the others."
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
        "Scale X_val in the same way as X: the standard deviation of "
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
        f"{mean[worst]:.3g}, that {dtype} cannot represent its variation of "
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
