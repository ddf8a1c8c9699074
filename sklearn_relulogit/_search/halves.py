"""Two halves of a data set that the data themselves define.

Which half a row belongs to depends on its values and its weight alone, never on its
position. So a weight of two is the same as a row given twice. Where the rows are in
groups, a group is in one half.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtrik

from .._model.blocks import Block
from .._rows.distinct import Keyed, copy_weight, uniforms
from .._rows.groups import rows_of_some
from .._rows.validation import group_counts


class Halves(NamedTuple):
    """Two halves to fit, the two to validate on, and what they hold together.

    ``validation[i]`` is ``training[i]`` without what is in both. ``n_rows`` is the
    number of rows that are in one half only.
    """

    training: list[Block]
    validation: list[Block]
    n_rows: int


def halves(sample: Keyed, n_classes: int, max_rows: int) -> Halves:
    """Divide distinct rows, sorted by their keys, in halves.

    Each class gives half of its distinct rows to either half, whole. But where the same
    features are seen with several labels, as with few features of few values, rows
    to come will repeat those of today. There the copies of a row are divided at random,
    binomially, by a number that the hash of the row defines. The weight of a copy is
    the common divisor of the weights (`copy_weight`).

    A class of only one distinct row belongs to both halves. Of more than ``max_rows``
    distinct rows the halves hold about so many, chosen by the hashes of the rows.
    Rows with groups are divided by `halves_by_groups`.
    """
    if sample.groups is not None:
        return halves_by_groups(sample, n_classes, max_rows)
    keys, (_, y, sample_weight), _ = sample
    weights = sample_weight.astype(np.float64)
    _, number, n_labels = np.unique(keys, return_inverse=True, return_counts=True)
    recurring = n_labels[number] > 1
    copy = copy_weight(weights)
    copies = np.ones(len(keys))
    share = np.full(len(keys), np.nan)  # Of the first half; nan for both or none.
    shared = np.zeros(len(keys), dtype=bool)
    for code in range(n_classes):
        of_class = np.flatnonzero(y == code)
        if len(of_class) < 2:
            shared[of_class] = True
            continue
        kept = of_class[: max(2, -(-len(of_class) * max_rows // len(keys)))]
        whole, divided = kept[~recurring[kept]], kept[recurring[kept]]
        share[whole] = np.arange(len(whole)) % 2
        n = copies[divided] = np.maximum(1, np.rint(weights[divided] / copy))
        share[divided] = binomial_quantile(uniforms(keys[divided], code), n) / n

    return _divided(sample, share, shared, int(copies[~np.isnan(share)].sum()))


def halves_by_groups(sample: Keyed, n_classes: int, max_rows: int) -> Halves:
    """Divide distinct rows in halves so that no group is in both.

    The groups, the largest first, go where they bring the classes nearer to balance.
    A class that all the same is in one half only belongs to both, and is judged in
    neither: of a class with one group nobody can tell how well new ones are predicted.
    Of more than ``max_rows`` distinct rows the halves hold about so many, in
    whole groups if these are many.

    Raises
    ------
    ValueError
        If no class is in two groups.
    """
    keys, (_, y, _), groups = sample
    assert groups is not None
    names, number = np.unique(groups, return_inverse=True)
    kept = np.zeros(len(keys), dtype=bool)
    kept[rows_of_some(groups, max_rows)[:max_rows]] = True
    for code in range(n_classes):
        of_class = np.flatnonzero(y == code)
        if not kept[of_class].any():
            kept[of_class[:2]] = True
    rows = np.flatnonzero(kept)
    counts = group_counts(number[rows], y[rows])
    in_first = np.zeros(len(names))
    in_first[: len(counts)] = balanced(counts)
    share = np.where(kept, in_first[number], np.nan)
    one_sided = [
        code for code in range(n_classes) if len({*share[kept & (y == code)]}) < 2
    ]
    shared = kept & np.isin(y, one_sided)
    share[shared] = np.nan
    if np.isnan(share).all():
        raise ValueError(
            'Pass a number for alpha, or groups that share classes: alpha="auto" keeps '
            "groups whole, and judges each half of them by the other. No class has "
            f"rows that weigh anything in two groups; there are {len(names)} groups."
        )
    return _divided(sample, share, shared, int((~np.isnan(share)).sum()))


def balanced(counts: np.ndarray) -> np.ndarray:
    """Which groups the first of two halves gets, as ones and zeros.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes)
        How many rows of each class a group has.
    """
    in_first = np.zeros(len(counts))
    sizes = counts.sum(axis=1)
    shares = counts / counts.sum(axis=0)
    # What the first half has more than the second: of each class, and rows in all.
    excess, more = np.zeros(counts.shape[1]), 0
    for group in np.argsort(-sizes, kind="stable"):
        # On the side where the squares of the excess are smaller.
        slope = excess @ shares[group]
        in_first[group] = slope < 0 or (slope == 0 and more <= 0)
        sign = 2 * in_first[group] - 1
        excess += sign * shares[group]
        more += sign * sizes[group]
    return in_first


def _divided(
    sample: Keyed, share: np.ndarray, shared: np.ndarray, n_rows: int
) -> Halves:
    """The halves, by the share of each row in the first; nan for both or none."""
    X, y, sample_weight = sample.block
    weights = sample_weight.astype(np.float64)

    def half(share: np.ndarray, extra: np.ndarray) -> Block:
        share = np.where(extra, 1.0, share)
        chosen = np.flatnonzero(share > 0)
        shares = (share * weights)[chosen].astype(sample_weight.dtype)
        return Block(X[chosen], y[chosen], shares)

    shares, none = (share, 1 - share), np.zeros_like(shared)
    return Halves(
        training=[half(share, shared) for share in shares],
        validation=[half(share, none) for share in shares],
        n_rows=n_rows,
    )


def binomial_quantile(u: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The quantile u of the number of heads in n throws of a fair coin."""
    with np.errstate(invalid="ignore"):
        heads = np.ceil(bdtrik(u, n, 0.5))
    return np.asarray(np.clip(np.nan_to_num(heads), 0, n))
