"""The validation data of a user, checked."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d

from .._model.arrays import Matrix
from .input import check_data, check_labels

# Statistics of fewer validation rows say little.
FEWEST_TO_COMPARE = 10


def check_validation_data(
    estimator: BaseEstimator, X_val: Any, y_val: Any, classes: np.ndarray, dtype: Any
) -> tuple[Matrix, np.ndarray]:
    """Check the user's validation data; the labels become indices into ``classes``."""
    try:
        X_val = check_data(estimator, X_val, dtype=dtype, reset=False)
    except ValueError as error:
        raise ValueError(f"X_val is not valid: {error}") from error
    check_labels(y_val, "y_val")
    y_val = column_or_1d(y_val)
    if len(y_val) != X_val.shape[0]:
        raise ValueError(
            f"X_val and y_val differ in length: {X_val.shape[0]} and {len(y_val)}."
        )
    check_known(y_val, classes)
    return X_val, np.searchsorted(classes, y_val)


def check_known(y_val: np.ndarray, classes: np.ndarray) -> None:
    """Raise a ValueError if a label is not among the classes."""
    known = np.isin(y_val, classes)
    if not known.all():
        unknown = np.unique(y_val[~known]).tolist()
        raise ValueError(
            f"y_val holds classes that y does not: {unknown}. The classes of y are "
            f"{classes.tolist()}."
        )
