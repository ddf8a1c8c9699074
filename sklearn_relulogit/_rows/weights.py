"""Checks of sample weights, and the weights of the classes."""

from numbers import Number
from typing import Any, Literal

import numpy as np
from sklearn.utils import check_array, check_consistent_length, compute_class_weight

from .._model.arrays import Matrix, numpy_dtype


def check_sample_weight(
    sample_weight: Any, X: Matrix, name: str = "sample_weight"
) -> np.ndarray:
    """Check the weights of the rows of X and that they have a positive, finite sum.

    Returns an array of shape (n_samples,) in the dtype of X; ones where None is given.
    """
    weights = check_weights(sample_weight, X, name)
    if sample_weight is not None:
        check_total(weights, name)
    return weights


def check_weights(sample_weight: Any, X: Matrix, name: str) -> np.ndarray:
    """Check the weights of some of the rows, which may all be zero.

    Returns an array of shape (n_samples,) in the dtype of X; ones where None is given.
    """
    dtype = numpy_dtype(X.dtype)
    if sample_weight is None:
        # A view of one number, which takes no memory for each row.
        return np.broadcast_to(dtype.type(1), X.shape[0])
    with np.errstate(over="ignore", invalid="ignore"):
        weights: np.ndarray = check_array(
            # A single number becomes a matrix, which the next check refuses.
            [[sample_weight]] if isinstance(sample_weight, Number) else sample_weight,
            dtype=dtype,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
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
    return weights


def check_total(weights: np.ndarray, name: str) -> None:
    """Raise a ValueError unless the sum of the weights is positive and finite."""
    with np.errstate(over="ignore"):
        total = weights.sum(dtype=np.float64)
    if not 0 < total < np.inf:
        raise ValueError(
            f"{name} must have a positive, finite sum. Its sum is {total}"
            f"{', every weight is zero' if total == 0 else ''}."
        )


def weights_of_classes(
    class_weight: dict[Any, float] | Literal["balanced"],
    classes: np.ndarray,
    codes: np.ndarray,
    sample_weight: np.ndarray,
) -> np.ndarray:
    """The weight of each class, (n_classes,).

    "balanced" gives every class the same total of sample weights, so that an
    integer weight is the same as repeating the sample. Classes whose samples all have
    weight zero are left out when the others are balanced.
    """
    if class_weight == "balanced":
        positive = sample_weight > 0
        present = np.unique(codes[positive])
        weights = np.ones(len(classes))
        weights[present] = compute_class_weight(
            class_weight,
            classes=present,
            y=codes[positive],
            sample_weight=sample_weight[positive],
        )
        return weights
    for label, weight in class_weight.items():
        if (
            not isinstance(weight, int | float | np.integer | np.floating)
            or not 0 <= weight < np.inf
        ):
            raise ValueError(
                "The weights in class_weight must be finite numbers >= 0. Got "
                f"{weight!r} for class {label!r}."
            )
    # scikit-learn 1.9 looks up labels that are digits as integers.
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    unweighted = [label for label in labels if label not in class_weight]
    if unknown and unweighted:
        raise ValueError(
            f"The keys of class_weight must be labels of y. Got {unknown}, but the "
            f"labels are {labels}."
        )
    return np.array([class_weight.get(label, 1.0) for label in labels], np.float64)


def typical_weight(weights: np.ndarray) -> float:
    """The weight of a typical row: penalties are multiples of it.

    So the unit of the weights has no influence. It is the median, which stays 1 if some
    rows are repeated, or the mean if that is much larger.
    """
    weights = weights.astype(np.float64)
    median, mean = float(np.median(weights)), float(weights.mean())
    return median if mean <= 3 * median else mean
