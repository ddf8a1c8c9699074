"""Validation data: a share of the training data, or the user's own."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d

from .._model.arrays import Matrix
from .distinct import copy_weight
from .input import check_data, check_labels

# Of fewer validation data the statistics of the features say little.
FEWEST_TO_COMPARE = 10


def stratified_split(
    codes: np.ndarray, fraction: float, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows for training and for validation, both in ascending order.

    Each class gives a fraction of its rows to validation. Where a class has two rows
    or more, at least one stays on either side; a single row is for training.
    (scikit-learn's splitters refuse such classes, and validation sets smaller than the
    number of classes.)
    """
    is_validation = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        n = number_to_validate(len(rows), fraction)
        if n:
            is_validation[rng.permutation(rows)[:n]] = True
    check_some_to_validate(int(is_validation.sum()), len(codes))
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def validation_shares(
    keys: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    fraction: float,
    rng: np.random.RandomState,
) -> np.ndarray:
    """The share of each distinct row that is validated on.

    A row is wholly on one side, as in `stratified_split`. But where the same features
    are seen with several labels, the copies of a row are divided at random: the rows to
    come will repeat those of today, and no label of them may be missing on a side.
    """
    _, number, n_labels = np.unique(keys, return_inverse=True, return_counts=True)
    recurring = n_labels[number] > 1
    n = np.clip(np.rint(weights / copy_weight(weights)), 1, 2**31 - 1).astype(np.int64)
    shares = np.zeros(len(y))
    for code in np.unique(y):
        of_class = np.flatnonzero(y == code)
        whole, divided = of_class[~recurring[of_class]], of_class[recurring[of_class]]
        chosen = number_to_validate(len(whole), fraction)
        shares[rng.permutation(whole)[:chosen]] = 1
        shares[divided] = rng.binomial(n[divided], fraction) / n[divided]
        if (shares[of_class] == 1).all():
            shares[of_class[0]] = 0
    check_some_to_validate(int((shares > 0).sum()), len(y))
    return shares


def group_shares(
    groups: np.ndarray, y: np.ndarray, fraction: float, rng: np.random.RandomState
) -> np.ndarray:
    """The share of each row that is validated on, 0 or 1: groups, drawn at random.

    Groups are taken as long as they bring the classes nearer to their fractions. Every
    class keeps rows to train on.
    """
    _, number = np.unique(groups, return_inverse=True)
    counts = group_counts(number, y)
    total = counts.sum(axis=0)
    of_class = counts / total
    validated = np.zeros(len(total))
    chosen: list[int] = []
    spare = rng.permutation(len(counts))
    spare = spare[(counts[spare] < total).all(axis=1)]
    for group in spare:
        if (validated >= fraction).all():
            break
        after = validated + of_class[group]
        nearer = ((after - fraction) ** 2).sum() < ((validated - fraction) ** 2).sum()
        if nearer and (after < 1 - 0.5 / total).all():
            validated = after
            chosen.append(group)
    if not chosen:
        if not len(spare):
            raise ValueError(
                "Pass X_val and y_val, or groups of which none holds all rows of a "
                "class: early_stopping=True validates on whole groups, and each class "
                f"needs rows to train on. There are {len(counts)} groups."
            )
        chosen = [spare[counts[spare].sum(axis=1).argmin()]]
    return np.isin(number, chosen).astype(np.float64)


def group_counts(number: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How many rows of each class a group has, (n_groups, n_classes).

    Classes without rows are left out.
    """
    classes, codes = np.unique(y, return_inverse=True)
    shape = int(number.max()) + 1, len(classes)
    flat = np.bincount(number * shape[1] + codes, minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape))


def number_to_validate(n_rows: int, fraction: float) -> int:
    """How many rows a class of ``n_rows`` gives to validation."""
    return int(np.clip(round(fraction * n_rows), 1, n_rows - 1)) if n_rows > 1 else 0


def check_some_to_validate(n_validation: int, n_samples: int) -> None:
    """Raise a ValueError if there are no rows for validation."""
    if not n_validation:
        raise ValueError(
            "early_stopping=True needs a class with at least two distinct samples to "
            f"split validation data off; all {n_samples} distinct samples are of "
            "different classes."
        )


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
