"""The strength of the penalty by ``alpha="auto"``, and the relevance of features.

Two-fold cross-validation between halves that the data define (`halves`), by walks over
penalties (`trials`). ``docs/defaults.md`` says why, and what it gains.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .._features import Features
from .._model.blocks import OrderedMap
from .._model.collapse import collapse_alpha
from .._optimize.callbacks import FitTask
from .._optimize.monitors import Watcher
from .._rows.rows import Rows
from .._rows.weights import typical_weight
from .descent import MAX_STEPS, penalty
from .halves import halves
from .relevance import POWERS
from .trials import Search
from .walk import PenaltyPrinter

# Halves of so few rows tell nothing. A weak penalty then lets the network say what the
# rows do.
FEW_ROWS = 20
WEAK_EXPONENT = -2

# Where the labels tell nothing either, the penalty that is usually best.
USUAL_EXPONENT = 2

# The halves together hold about so many rows, since more would tell little more, and
# about so many numbers, but not fewer rows than this.
MAX_ROWS = 10_000
MAX_NUMBERS, MIN_ROWS = 2**22, 2000

# The networks of the search are no wider than this, or this many units a class.
SEARCH_UNITS, UNITS_OF_CLASS = 20, 3

# So a search tries at most so many penalties: without relevance, and with each power
# of the sizes in two models.
MAX_PENALTIES = (1 + 2 * len(POWERS)) * (1 + 2 * MAX_STEPS)


class Choice(NamedTuple):
    """A penalty, what else a search has found, and how its fits ended.

    Attributes
    ----------
    alpha : float
    found : dict
        The fitted attributes that tell of the search.
    limited : list of bool
        Of each fit of the search, whether a limit of the user's ended it.
    relevance : ndarray of shape (n_features,) or None
        k_j of each feature; None is 1 for all.
    """

    alpha: float
    found: dict[str, Any]
    limited: Sequence[bool] = ()
    relevance: np.ndarray | None = None


def search_rows(n_features: int) -> int:
    """The number of distinct rows that a search uses, about."""
    return min(MAX_ROWS, max(MAX_NUMBERS // n_features, MIN_ROWS))


def choose_alpha(
    estimator: BaseEstimator,
    rows: Rows,
    fitted: Rows,
    features: Features,
    drawn: np.ndarray,
    threads: OrderedMap,
    task: FitTask,
) -> Choice:
    """The penalty of ``alpha="auto"``, by fits to two halves of a sample of the rows.

    Each half is fitted along a path of penalties, every fit from where the one before
    has ended, and the other half judges it. The path (`descend`) leads to the lowest
    loss if the loss has a single minimum over alpha. In the study it had, but for
    noise. The best penalty for a half is the minimum of a parabola (`vertex`), and that
    for more rows is larger (`GROWTH`). Where the next penalty leaves nothing but a
    constant, the best of those that were tried is taken instead.

    More walks, from where the first one ended, weight the features by their relevance.
    One of them is chosen if it lowers the loss by enough (`asked_loss`). A callback may
    end the search; then the best penalty so far is taken.

    Parameters
    ----------
    estimator : ReLULogisticClassifier
    rows, fitted : Rows
        By the user's features, and by those that are fitted.
    features : Features
    drawn : ndarray of shape (n_parameters,)
        The initial parameters as they were drawn, for a network that is no wider than
        those of the search.
    threads : callable
        The map over parts.
    task : FitTask
        Hears of each penalty.

    Returns
    -------
    choice : Choice
    """
    n_groups = len(features.fitted.groups or ())
    width = max(SEARCH_UNITS, UNITS_OF_CLASS * max(len(rows.classes), n_groups))
    narrow = features.narrow(width)
    shapes = narrow.fitted.shapes
    if shapes != features.fitted.shapes:
        drawn = next(narrow.draws(estimator.random_state))
    sample = fitted.sample(search_rows(fitted.n_features))
    two = halves(sample, search_rows(fitted.n_features))
    unit = typical_weight(sample.block.sample_weight)
    collapse = collapse_alpha(sample.block, narrow.fitted.unit)
    if two.n_rows < FEW_ROWS or collapse == 0:
        # No penalty can be preferred to another.
        exponent = WEAK_EXPONENT if collapse else USUAL_EXPONENT
        return Choice(unit * penalty(exponent), {"alpha_losses_": {}})
    watchers = task.search(MAX_PENALTIES, partial(narrow.attributes, rows))
    # Printed first, so that the line is there when a callback asks to stop.
    heard: list[Watcher] = [PenaltyPrinter(task.report), *watchers]
    search = Search(estimator, rows, fitted, two, threads, unit, collapse, drawn)
    (plain,) = trials = [search.descend(search.begin(narrow, heard))]
    # There is no relevance behind a constant.
    tells = plain.loss <= search.constant and not plain.walk.stopped
    if tells and features.space is None:
        trials += search.weighed_trials(narrow, plain, heard, task.report)
    chosen = min(trials, key=search.asked)
    for watcher in watchers:
        watcher.close(chosen.walk.tried[chosen.best][0].theta)
    alpha = search.alpha_for(chosen, shapes)
    n_tried = sum(len(trial.walk.means) for trial in trials)
    weighed = f" with {chosen.weighing}" if chosen.weighing else ""
    task.report.line(f"alpha {alpha:.3g} chosen of {n_tried}{weighed}")
    means = chosen.walk.means.items()
    return Choice(
        alpha,
        {"alpha_losses_": {unit * penalty(number): loss for number, loss in means}},
        [limited for trial in trials for limited in trial.walk.limited],
        chosen.weighing and chosen.weighing.of_all(),
    )
