"""Knots of a column: quantiles of its rows, and both sides of each jump of the labels.

A column is given as its distinct values v_1 < v_2 < ... and the table of counts o, with
o_ik rows of class k at the value v_i. Logistic regression on the ramps between the
knots predicts e_ik rows there. In a segment S of neighbouring values, the deviance

    G(S) = 2 sum_k O_k log(O_k / E_k),    O_k = sum_(i in S) o_ik,    E_k likewise,

is twice the gain in log-likelihood if the segment had its own class frequencies. The
labels jump at the cuts that maximise the sum of G(S) - cost over the segments.
"""

import numpy as np
from scipy.linalg import solveh_banded
from scipy.special import expit, logit, xlogy

# The cost of a cut, as a deviance. A column is cut only if some cut gains PROOF and the
# logarithms in with_jumps.
COST, PROOF = 6.0, 5.0
# Rounds of the search for cuts, the largest cuts first, and the multiples of the proof
# that count as large in each round.
MAX_ROUNDS = 20
# With more than two classes, the regression has enough bins for a hump.
HUMP_BINS = 4
LARGE = 4.0 ** np.arange(9, -1, -1)
# The search first cuts between about so many groups of neighbouring values.
MAX_GROUPS = 256
# Deviances are rounded to these units, so that rounding errors do not decide ties.
UNITS = 1e6
# Newton's method: the number of steps, the largest step, and the size of the last one.
MAX_ITER, MAX_STEP, TOLERANCE = 20, 4.0, 1e-6
MIN_PROBABILITY = 1e-6


def find_knots(
    values: np.ndarray, counts: np.ndarray, n_bins: int, n_columns: int
) -> np.ndarray:
    """The ends of the bins of a column, increasing; none if there is only one bin.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        The distinct values, increasing.
    counts : ndarray of shape (n_values, n_classes)
        The rows of each class at each value. One class if there are no labels.
    n_bins : int
        The largest number of bins between quantiles. 0 gives no knots at all.
    n_columns : int
        The number of columns searched for jumps.
    """
    if n_bins == 0 or len(values) < 3:
        return np.empty(0)
    knots = quantiles(values, counts.sum(axis=1), n_bins)
    if counts.shape[1] > 1:
        knots = with_jumps(values, counts, knots, n_columns)
    return knots if len(knots) > 2 else np.empty(0)


def quantiles(values: np.ndarray, totals: np.ndarray, n_bins: int) -> np.ndarray:
    """At most n_bins + 1 knots: values as frequent as a bin, and quantiles of the rest.

    If there are no more values than knots, all values. A quantile is the smallest value
    that a share of the rows does not exceed.
    """
    if len(values) <= n_bins + 1:
        return values
    heavy = (
        n_bins * totals >= totals.sum() if n_bins > 1 else np.zeros(len(values), bool)
    )
    rest, cumulated = values[~heavy], np.cumsum(totals[~heavy])
    # A rounding error below each share, so that the share counts as reached.
    shares = np.linspace(0, 1, max(n_bins - heavy.sum(), 1) + 1) * (1 - 1e-12)
    of_rest = rest[np.searchsorted(cumulated, shares * cumulated[-1])]
    return np.unique(np.concatenate([values[[0, -1]], values[heavy], of_rest]))


def in_canonical_order(counts: np.ndarray) -> np.ndarray:
    """The counts of the classes with rows, in an order that the counts define."""
    if len(counts) == 0:
        return counts
    counts = counts[:, counts.any(axis=0)]
    rows = np.linspace(0, len(counts) - 1, MAX_GROUPS).astype(int)
    return counts[:, np.lexsort(np.cumsum(counts, axis=0)[rows])]


def with_jumps(
    values: np.ndarray, counts: np.ndarray, knots: np.ndarray, n_columns: int
) -> np.ndarray:
    """The knots, and both neighbours of each cut.

    The largest cuts come first, because the regression is wrong around a jump that it
    lacks. The proof grows with the number of places and of columns where noise could
    look like a jump. Cost and proof are multiplied by the number of classes less one,
    since each cut adds this number of frequencies.
    """
    totals = counts.sum(axis=1)
    proof = PROOF + np.log(totals.sum()) + 2 * np.log(n_columns)
    costs = (counts.shape[1] - 1) * np.append(LARGE * proof, COST)
    ends = ends_of_groups(totals)
    O = cumulated(counts)  # noqa: E741, the formula's
    found = np.empty(0)
    # The log-odds of a middle class may rise and fall without a jump.
    humps = quantiles(values, totals, HUMP_BINS) if counts.shape[1] > 2 else found
    for _ in range(MAX_ROUNDS):
        grid = np.unique(np.concatenate([knots, humps, found]))
        expected = ramp_probabilities(values, counts, grid) * totals[:, np.newaxis]
        E = cumulated(expected)
        *proven, others = best_cuts(O[ends], E[ends], costs)
        cuts = next(filter(len, proven), None)
        is_last = cuts is None
        if is_last and len(found) == 0:
            break
        cuts = shifted(ends[others if is_last else cuts], O, E)
        found = np.concatenate([found, values[cuts - 1], values[cuts]])
        if is_last:
            break
    return np.unique(np.concatenate([knots, found]))


def cumulated(counts: np.ndarray) -> np.ndarray:
    """The sums of the first 0, 1, ... rows."""
    return np.cumsum(np.pad(counts, ((1, 0), (0, 0))), axis=0)


def ramp_probabilities(
    values: np.ndarray, counts: np.ndarray, knots: np.ndarray
) -> np.ndarray:
    """The probability of each class at each value, by logistic regressions.

    There is one regression for each class against the others, by Newton's method. Its
    log-odds are linear between the knots. At each knot they are shrunk to those of all
    rows, as if by one more row. So they are finite even if the classes are separated.
    """
    left = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
    t = (values - knots[left]) / (knots[left + 1] - knots[left])
    totals, n_knots = counts.sum(axis=1), len(knots)

    def at_knots(of_left: np.ndarray, of_right: np.ndarray) -> np.ndarray:
        sums: np.ndarray = np.bincount(left, of_left, n_knots)
        return sums + np.bincount(left + 1, of_right, n_knots)

    def probability(of_class: np.ndarray) -> np.ndarray:
        share = of_class.sum() / totals.sum()
        prior = share * (1 - share)
        log_odds = np.full(n_knots, logit(share))
        for _ in range(MAX_ITER):
            p = expit((1 - t) * log_odds[left] + t * log_odds[left + 1])
            residual, curvature = of_class - totals * p, totals * p * (1 - p)
            gradient = at_knots((1 - t) * residual, t * residual)
            gradient -= prior * (log_odds - logit(share))
            diagonal = at_knots((1 - t) ** 2 * curvature, t**2 * curvature) + prior
            beside = np.bincount(left + 1, t * (1 - t) * curvature, n_knots)
            step = solveh_banded(np.stack([beside, diagonal]), gradient)
            size = abs(step).max()
            log_odds += step * min(1.0, MAX_STEP / max(size, MAX_STEP))
            if size < TOLERANCE:
                break
        p = expit((1 - t) * log_odds[left] + t * log_odds[left + 1])
        return np.clip(p, MIN_PROBABILITY, 1 - MIN_PROBABILITY)

    if counts.shape[1] == 2:
        p = probability(counts[:, 1])
        return np.column_stack([1 - p, p])
    proba = np.column_stack([probability(of_class) for of_class in counts.T])
    return proba / proba.sum(axis=1, keepdims=True)


def ends_of_groups(totals: np.ndarray) -> np.ndarray:
    """The ends of groups of neighbouring values with about equal numbers of rows.

    A value with as many rows as a group is a group of its own.
    """
    if len(totals) <= MAX_GROUPS:
        return np.arange(len(totals) + 1)
    share = MAX_GROUPS * totals / totals.sum()
    group = np.floor(np.cumsum(share) * (1 - 1e-12))
    full = np.flatnonzero(np.diff(group)) + 1
    heavy = np.flatnonzero(share >= 1)
    return np.unique(np.concatenate([[0, len(totals)], full, heavy, heavy + 1]))


def deviance(O: np.ndarray, E: np.ndarray) -> np.ndarray:  # noqa: E741, the formula's
    """G for observed counts O and expected counts E, in whole units."""
    G = 2 * (xlogy(O, O) - xlogy(O, E)).sum(axis=-1)
    # At least 0, since O and E have the same sums.
    return np.rint(UNITS * np.maximum(G, 0))


def best_cuts(
    O: np.ndarray,  # noqa: E741, the formula's
    E: np.ndarray,
    costs: np.ndarray,
) -> list[np.ndarray]:
    """The cuts with the largest sum of G(S) - cost, for each of the costs.

    They are found by dynamic programming. For the groups before b, the largest sum is
    the maximum of best[a] + G(a, b) - cost over the starts a of the last segment. ``O``
    and ``E`` are cumulated.
    """
    costs = np.rint(UNITS * costs)
    n_groups, n_costs = len(O) - 1, len(costs)
    best = np.zeros((n_costs, n_groups + 1))
    last = np.zeros((n_costs, n_groups + 1), dtype=int)
    for b in range(1, n_groups + 1):
        of_last = best[:, :b] + deviance(O[b] - O[:b], E[b] - E[:b])
        last[:, b] = of_last.argmax(axis=1)
        best[:, b] = of_last.max(axis=1) - costs
    found = []
    for start in last:
        cuts, b = [], start[n_groups]
        while b > 0:
            cuts.append(b)
            b = start[b]
        found.append(np.array(cuts[::-1], dtype=int))
    return found


def shifted(cuts: np.ndarray, O: np.ndarray, E: np.ndarray) -> np.ndarray:  # noqa: E741
    """Cuts between groups, each moved to the best place between its neighbours."""
    ends = np.concatenate([[0], cuts, [len(O) - 1]])
    for i in range(1, len(ends) - 1):
        before, after = ends[i - 1], ends[i + 1]
        c = np.arange(before + 1, after)
        G = deviance(O[c] - O[before], E[c] - E[before])
        G += deviance(O[after] - O[c], E[after] - E[c])
        ends[i] = c[G.argmax()]
    return ends[1:-1]
