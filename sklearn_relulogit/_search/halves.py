"""Two halves of a data set, defined by the data themselves.

The values of a row and its weight decide its half, never its position. So a weight of
two is the same as a row given twice. If rows have groups, each group is in one half.
"""

from typing import NamedTuple

import numpy as np

from .._model.blocks import Block
from .._rows.distinct import Keyed, uniforms
from .._rows.groups import rows_of_some
from .._rows.split import divide, divide_groups, group_counts


class Halves(NamedTuple):
    """Two halves to fit, the two to validate on, and their number of rows.

    ``validation[i]`` is ``training[1 - i]`` without rows that are in both. ``n_rows``
    counts the rows that are in one half only.
    """

    training: list[Block]
    validation: list[Block]
    n_rows: int


def halves(sample: Keyed, max_rows: int) -> Halves:
    """Divide distinct rows, sorted by their keys, in halves; see `split`.

    A class of only one distinct row belongs to both halves. If there are more than
    ``max_rows`` distinct rows, the halves hold about that many, chosen by the hashes of
    the rows. Rows with groups are divided by groups.
    """
    if sample.groups is not None:
        return halves_by_groups(sample, sample.groups, max_rows)
    assert sample.keys is not None
    y = sample.block.y
    shared = np.zeros(len(y), dtype=bool)
    order = []
    for code in np.unique(y):
        of_class = np.flatnonzero(y == code)
        if len(of_class) < 2:
            shared[of_class] = True
        else:
            order.append(of_class[: max(2, -(-len(of_class) * max_rows // len(y)))])
    chosen = np.concatenate([*order, np.empty(0, np.intp)])
    share, copies = divide(sample, 0.5, chosen, uniforms(sample.keys, y))
    return _divided(sample, share, shared, int(copies[chosen].sum()))


def halves_by_groups(sample: Keyed, groups: np.ndarray, max_rows: int) -> Halves:
    """Divide distinct rows in halves so that no group is in both.

    The largest groups are placed first. A class that still falls in one half is trained
    on in both and judged in neither. For a class with one group nobody can know how
    well new groups are predicted. If there are more than ``max_rows`` distinct rows,
    the halves hold about that many, in whole groups if there are many groups.

    Raises
    ------
    ValueError
        If no class is in two groups.
    """
    y = sample.block.y
    names, number = np.unique(groups, return_inverse=True)
    kept = np.zeros(len(y), dtype=bool)
    kept[rows_of_some(groups, max_rows)[:max_rows]] = True
    for code in np.unique(y):
        of_class = np.flatnonzero(y == code)
        if not kept[of_class].any():
            kept[of_class[:2]] = True
    rows = np.flatnonzero(kept)
    counts = group_counts(number[rows], y[rows])
    largest_first = np.argsort(-counts.sum(axis=1), kind="stable")
    in_first = np.zeros(len(names))
    in_first[: len(counts)] = divide_groups(counts, 0.5, largest_first, keep=False)
    share = np.where(kept, in_first[number], np.nan)
    one_sided = [code for code in np.unique(y) if len({*share[kept & (y == code)]}) < 2]
    shared = kept & np.isin(y, one_sided)
    share[shared] = np.nan
    if np.isnan(share).all():
        raise ValueError(
            'Pass a number for alpha, or groups that share classes: alpha="auto" '
            "divides the groups into two halves and judges each by the other. So some "
            "class must have rows of positive weight in two groups, and none has. "
            f"Groups with such rows: {len(names)}."
        )
    return _divided(sample, share, shared, int((~np.isnan(share)).sum()))


def _divided(
    sample: Keyed, share: np.ndarray, shared: np.ndarray, n_rows: int
) -> Halves:
    """The halves, from each row's share in the first; nan for both or none."""
    X, y, sample_weight = sample.block
    weights = sample_weight.astype(np.float64)

    def half(share: np.ndarray, extra: np.ndarray) -> Block:
        share = np.where(extra, 1.0, share)
        chosen = np.flatnonzero(share > 0)
        shares = (share * weights)[chosen].astype(sample_weight.dtype)
        return Block(X[chosen], y[chosen], shares)

    none = np.zeros_like(shared)
    return Halves(
        training=[half(share, shared), half(1 - share, shared)],
        validation=[half(1 - share, none), half(share, none)],
        n_rows=n_rows,
    )
