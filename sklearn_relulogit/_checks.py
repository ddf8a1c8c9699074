"""Checks of parameters: clear errors before any work.

This module imports everything that the package needs from private modules of
scikit-learn: ``validate_parameter_constraints`` and its constraints. They have no
public equivalent, and their messages are familiar to users.
"""

from collections.abc import Iterable
from itertools import combinations
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = [
    "Interval",
    "Options",
    "StrOptions",
    "check_arguments",
    "check_interaction_cst",
    "check_layer_sizes",
    "check_monotonic_cst",
    "check_parameters",
    "check_restarts",
    "check_signs",
    "check_split",
]


def check_parameters(
    estimator: BaseEstimator, constraints: dict[str, list[Any]]
) -> None:
    """Raise a ValueError that names the first parameter outside its constraints."""
    validate_parameter_constraints(
        constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
    )


def check_arguments(
    caller_name: str, constraints: dict[str, list[Any]], **arguments: Any
) -> None:
    """Raise a ValueError that names the first argument outside its constraints."""
    validate_parameter_constraints(constraints, arguments, caller_name=caller_name)


def check_layer_sizes(hidden_layer_sizes: Any, caller_name: str) -> tuple[int, ...]:
    """``hidden_layer_sizes`` as a tuple of ints."""
    sizes = (
        (hidden_layer_sizes,)
        if np.ndim(hidden_layer_sizes) == 0
        else tuple(hidden_layer_sizes)
    )
    if not all(
        isinstance(size, Integral) and not isinstance(size, bool) and int(size) >= 1
        for size in sizes
    ):
        raise ValueError(
            f"The 'hidden_layer_sizes' parameter of {caller_name} must be an int >= 1 "
            "or a sequence of ints >= 1, empty for no hidden layer. Got "
            f"{hidden_layer_sizes!r} instead."
        )
    return tuple(int(size) for size in sizes)


def check_monotonic_cst(
    monotonic_cst: Any, n_features: int, names: Any, n_classes: int
) -> np.ndarray | None:
    """The constraint of each feature, -1, 0 or 1; None if there is none.

    ``names`` are the names of the features, or None.

    Raises
    ------
    ValueError
        If it is not valid, or there are more than two classes.
    """
    if monotonic_cst is None:
        return None
    if n_classes > 2:
        raise ValueError(
            "Set monotonic_cst=None, or fit one class against the others: monotonic "
            "constraints are not supported for multiclass classification. y has "
            f"{n_classes} classes."
        )
    values = monotonic_cst
    if isinstance(monotonic_cst, dict):
        if names is None:
            raise ValueError(
                "Pass monotonic_cst as an array, or X with names: a dict goes by the "
                "names of the features, and X has none."
            )
        unknown = sorted(map(repr, set(monotonic_cst) - set(names)))
        if unknown:
            raise ValueError(
                "Name features of X in monotonic_cst. These are none: "
                f"{', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''}."
            )
        values = [monotonic_cst.get(name, 0) for name in names]
    items = np.asarray(values, dtype=object)
    check_signs(items.ravel())
    signs = items.astype(np.float64)
    if signs.shape != (n_features,):
        raise ValueError(
            "Give monotonic_cst one value for each feature, or a dict: it has shape "
            f"{signs.shape}, and X has {n_features} features."
        )
    return signs if signs.any() else None


def check_interaction_cst(
    interaction_cst: Any, n_features: int, hidden: tuple[int, ...]
) -> list[frozenset[int]] | None:
    """The groups of features that may interact; None if all may.

    Raises
    ------
        If it is not valid, or a layer has fewer units than there are groups.
        If it is not what it should be, or a layer has fewer units than groups.
    """
    if interaction_cst is None:
        return None
    features = range(n_features)
    groups = interaction_cst
    if isinstance(interaction_cst, str):
        size = 1 if interaction_cst == "no_interactions" else 2
        groups = combinations(features, min(size, n_features))
    try:
        groups = [frozenset(group) for group in groups]
    except TypeError:
        groups = [frozenset([None])]
    if not all(
        isinstance(k, Integral) and k in features for group in groups for k in group
    ):
        raise ValueError(
            'Pass interaction_cst as "no_interactions", "pairwise" or groups of '
            f"features, by their positions 0 to {n_features - 1}. Got "
            f"{interaction_cst!r}."
        )
    rest = frozenset(features).difference(*groups)
    groups = [group for group in (*groups, rest) if group]
    if hidden and min(hidden) < len(groups):
        raise ValueError(
            "Make the layers of hidden_layer_sizes wider, or the groups of "
            f"interaction_cst fewer: each of {len(groups)} groups needs a unit of its "
            f"own, and a layer has {min(hidden)}."
        )
    return groups


def check_signs(values: Iterable[Any]) -> None:
    """Raise a ValueError if a monotonic constraint is neither -1, 0 nor 1."""
    wrong = sorted({repr(value) for value in values if value not in (-1, 0, 1)})
    if wrong:
        raise ValueError(
            "Use -1 (must not rise), 0 (free) and 1 (must not fall) in monotonic_cst. "
            f"Got {', '.join(wrong[:5])}."
        )


def check_restarts(warm_start: bool, n_init: int) -> None:
    """Raise a ValueError if a warm start has several starts."""
    if warm_start and n_init > 1:
        raise ValueError(
            f"n_init={n_init} and warm_start=True exclude each other: several "
            "starts from new weights, or one from those of the last fit."
        )


def check_split(warm_start: bool, random_state: Any) -> None:
    """Raise a ValueError if each fit of a warm start would set other rows aside."""
    if warm_start and not isinstance(random_state, Integral):
        raise ValueError(
            "early_stopping=True with warm_start=True needs an int for "
            f"random_state (it is {random_state!r}), or X_val and y_val in "
            "fit: each fit would split off other validation data, which an "
            "earlier one was trained on."
        )
