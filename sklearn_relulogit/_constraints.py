"""Checks of parameters and arrays: clear errors before any work.

Here stands all that is imported from private modules of scikit-learn:
``Interval`` and ``validate_parameter_constraints``, which have no public twin
and give the messages that its users know.
"""

from numbers import Integral, Number
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from ._products import Matrix

__all__ = ["Interval", "check_layer_sizes", "check_parameters", "check_sample_weight"]


def check_parameters(
    estimator: BaseEstimator, constraints: dict[str, list[Any]]
) -> None:
    """Raise a ValueError that names the first parameter outside its constraints."""
    validate_parameter_constraints(
        constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
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


def check_sample_weight(
    sample_weight: Any, X: Matrix, name: str = "sample_weight"
) -> np.ndarray:
    """Weights of the rows of X in its dtype, (n_samples,); ones where None is given."""
    if sample_weight is None:
        # One number seen n_samples times.
        return np.broadcast_to(X.dtype.type(1), X.shape[0])
    weights: np.ndarray = check_array(
        # A number has no shape to complain of.
        [[sample_weight]] if isinstance(sample_weight, Number) else sample_weight,
        dtype=X.dtype,
        ensure_2d=False,
        allow_nd=True,
        input_name=name,
    )
    if weights.ndim != 1:
        raise ValueError(
            f"{name} must be a 1-dimensional array, of shape (n_samples,). Got "
            f"{sample_weight!r} instead."
        )
    check_consistent_length(X, weights)
    if (weights < 0).any():
        raise ValueError(
            f"Negative values in {name}: weights must be >= 0. The smallest is "
            f"{weights.min()}."
        )
    total = weights.sum(dtype=np.float64)
    if not 0 < total < np.inf:
        raise ValueError(
            f"{name} must have a positive, finite sum. Its sum is {total}"
            f"{', every weight is zero' if total == 0 else ''}."
        )
    return weights
