"""Checks of parameters: clear errors before any work.

Here stands all that is imported from private modules of scikit-learn:
``validate_parameter_constraints`` and its constraints, which have no public twin and
give the messages that its users know.
"""

import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from ._parameters import Shapes, n_parameters

__all__ = [
    "Interval",
    "Options",
    "StrOptions",
    "check_layer_sizes",
    "check_parameters",
    "check_size",
    "empty_starts",
]

LARGEST = float(np.finfo(np.float64).max)


def check_parameters(
    estimator: BaseEstimator, constraints: dict[str, list[Any]]
) -> None:
    """Raise a ValueError that names the first parameter outside its constraints."""
    parameters = estimator.get_params(deep=False)
    validate_parameter_constraints(
        constraints, parameters, caller_name=type(estimator).__name__
    )
    for name, value in parameters.items():
        real = any(
            isinstance(constraint, Interval) and constraint.type is Real
            for constraint in constraints.get(name, [])
        )
        # An int may be finite, and larger than any float.
        if real and isinstance(value, int) and value > LARGEST:
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be a "
                f"finite float. Got {value!r} instead."
            )


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


def check_size(shapes: Shapes, caller_name: str) -> None:
    """Raise a ValueError if no computer could address the parameters."""
    n = n_parameters(shapes)
    if n * np.dtype(np.float64).itemsize > sys.maxsize:
        raise ValueError(
            f"The 'hidden_layer_sizes' parameter of {caller_name} must be such that "
            f"the parameters fit in memory. Got layers with more than "
            f"10**{len(str(n)) - 1} parameters instead."
        )


def empty_starts(n_init: int, shapes: Shapes, caller_name: str) -> np.ndarray:
    """Memory for the parameters of ``n_init`` starts, or an error that names it."""
    n = n_parameters(shapes)
    message = (
        f"The 'n_init' parameter of {caller_name} must be such that so many sets of "
        f"{n} parameters fit in memory. Got {n_init} instead."
    )
    if n_init * n * np.dtype(np.float64).itemsize > sys.maxsize:
        raise ValueError(message)
    try:
        return np.empty((n_init, n))
    except MemoryError as error:
        raise MemoryError(message) from error
