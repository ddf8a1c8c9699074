"""Rows divided in two: to train and to validate on, or in halves; one rule for both.

Each class gives a share of its rows to the second side. A row is wholly on one side,
unless its features occur with several labels. Then its copies are divided at random,
binomially: new rows will repeat these, so no label may be missing on a side. A group of
rows is never divided.
"""

import numpy as np
from scipy.special import bdtrik

from .distinct import Keyed, copy_weight

# scipy's binomial quantile takes no more copies than this.
MOST_COPIES = 2**31 - 1


def number_of_share(n_rows: int, share: float) -> int:
    """How many of n rows are a share: at least one and not all, but none of one row."""
    if n_rows < 2:
        return 0
    return min(max(int(np.ceil(share * n_rows - 0.5)), 1), n_rows - 1)


def divide(
    sample: Keyed, share: float, order: np.ndarray, uniforms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The share of each row that goes to the second side, by class.

    Parameters
    ----------
    sample : Keyed
        Distinct rows, or rows without keys, of which each is whole.
    share : float
    order : ndarray of int
        The rows to divide, in the order in which every (1 / share)-th of a class is
        taken. The others have the share nan.
    uniforms : ndarray of shape (n_rows,)
        Numbers between 0 and 1 that divide the copies of recurring rows.

    Returns
    -------
    shares, copies : ndarray of shape (n_rows,)
        ``copies`` counts what was divided: 1 for each whole row.
    """
    y, weights = sample.block.y, sample.block.sample_weight.astype(np.float64)
    recurring = np.zeros(len(y), dtype=bool)
    if sample.keys is not None:
        _, number, n_labels = np.unique(
            sample.keys, return_inverse=True, return_counts=True
        )
        recurring = n_labels[number] > 1
    shares, copies = np.full(len(y), np.nan), np.ones(len(y))
    divided = order[recurring[order]]
    if len(divided):
        n = np.rint(weights[divided] / copy_weight(weights))
        n = copies[divided] = np.clip(n, 1, MOST_COPIES)
        with np.errstate(invalid="ignore"):
            drawn = np.ceil(bdtrik(uniforms[divided], n, share))
        shares[divided] = np.clip(np.nan_to_num(drawn), 0, n) / n
    whole = order[~recurring[order]]
    for code in np.unique(y[whole]):
        of_class = whole[y[whole] == code]
        n = len(of_class)
        # Evenly: for a half, every second row goes to the second side.
        steps = (2 * np.arange(n + 1) * number_of_share(n, share) + n - 1) // (2 * n)
        shares[of_class] = np.diff(steps)
    return shares, copies


def divide_groups(
    counts: np.ndarray, share: float, order: np.ndarray, keep: bool
) -> np.ndarray:
    """Which groups go to the second side: a boolean for each, (n_groups,).

    Each group in turn goes to the side that brings the classes nearer to the share.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes)
        How many rows of each class a group has.
    share : float
    order : ndarray of int
        The groups in the order in which they are placed.
    keep : bool
        Whether the first side keeps rows of each class.
    """
    second = np.zeros(len(counts), dtype=bool)
    total = counts.sum(axis=0)
    of_class, sizes = counts / total, counts.sum(axis=1)
    # The second side's excess by class, twice its excess in rows, and its counts.
    excess, more, placed = np.zeros(counts.shape[1]), 0.0, np.zeros_like(total)
    for group in order:
        s = of_class[group]
        # If this is negative, the square of the excess falls.
        slope = 2 * excess @ s + (1 - 2 * share) * (s @ s)
        second[group] = slope < 0 or (slope == 0 and more <= 0)
        if keep and (placed + counts[group] >= total).any():
            second[group] = False
        placed += second[group] * counts[group]
        excess += (second[group] - share) * s
        more += (second[group] - share) * sizes[group]
    return second


def group_counts(number: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How many rows of each class a group has, (n_groups, n_classes).

    Classes without rows are left out.
    """
    classes, codes = np.unique(y, return_inverse=True)
    shape = int(number.max()) + 1, len(classes)
    flat = np.bincount(number * shape[1] + codes, minlength=shape[0] * shape[1])
    return flat.reshape(shape)


def validation_shares(
    sample: Keyed, share: float, rng: np.random.RandomState
) -> np.ndarray:
    """The share of each row that is validated on, drawn at random.

    Every class keeps rows to train on. (scikit-learn's splitters refuse classes of one
    row, and validation sets smaller than the number of classes.)

    Raises
    ------
    ValueError
        If there are no rows, or no groups, to validate on.
    """
    y, weights = sample.block.y, sample.block.sample_weight
    present = np.flatnonzero(weights > 0)  # A row of weight zero is no row.
    if sample.groups is not None:
        _, number = np.unique(sample.groups[present], return_inverse=True)
        counts = group_counts(number, y[present])
        order = rng.permutation(len(counts))
        second = divide_groups(counts, share, order, keep=True)
        if not second.any():
            spare = order[(counts[order] < counts.sum(axis=0)).all(axis=1)]
            if not len(spare):
                raise ValueError(
                    "Pass X_val and y_val, or groups of which none holds all rows of a "
                    "class: early_stopping=True validates on whole groups, and each "
                    "class needs rows to train on. Groups with rows of positive "
                    f"weight: {len(counts)}."
                )
            second[spare[counts[spare].sum(axis=1).argmin()]] = True
        shares = np.zeros(len(y))
        shares[present] = second[number]
        return shares
    shares, _ = divide(sample, share, rng.permutation(present), rng.random(len(y)))
    shares = np.nan_to_num(shares)
    for code in np.unique(y):
        of_class = np.flatnonzero(y == code)
        if (shares[of_class] == 1).all():
            shares[of_class[0]] = 0
    check_some_to_validate(int((shares > 0).sum()), len(present))
    return shares


def check_some_to_validate(n_validation: int, n_samples: int) -> None:
    """Raise a ValueError if there are no rows for validation."""
    if not n_validation:
        raise ValueError(
            "early_stopping=True needs a class with at least two distinct samples to "
            f"split validation data off; all {n_samples} distinct samples are of "
            "different classes."
        )
