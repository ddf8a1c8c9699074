"""Two halves of a data set that the data themselves define.

Which half a row belongs to depends on its values and its weight alone, never on its
position. So a weight of two is the same as a row given twice.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtrik

from .._model.blocks import Block
from .._rows.distinct import Keyed, copy_weight, uniforms


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
    """
    keys, (X, y, sample_weight) = sample
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

    def half(share: np.ndarray, extra: np.ndarray) -> Block:
        share = np.where(extra, 1.0, share)
        chosen = np.flatnonzero(share > 0)
        shares = (share * weights)[chosen].astype(sample_weight.dtype)
        return Block(X[chosen], y[chosen], shares)

    shares, none = (share, 1 - share), np.zeros_like(shared)
    return Halves(
        training=[half(share, shared) for share in shares],
        validation=[half(share, none) for share in shares],
        n_rows=int(copies[~np.isnan(share)].sum()),
    )


def binomial_quantile(u: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The quantile u of the number of heads in n throws of a fair coin."""
    with np.errstate(invalid="ignore"):
        heads = np.ceil(bdtrik(u, n, 0.5))
    return np.asarray(np.clip(np.nan_to_num(heads), 0, n))
