"""The penalty by cross-validation: a walk over penalties by the folds of a splitter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import joblib
import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._features import Features
from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.collapse import collapse_alpha
from .._model.objective import Objective
from .._optimize.lbfgs import Monitor
from .._optimize.monitors import Watcher
from .._rows.weights import check_total, typical_weight
from .._threads import ThreadedMap, single_threaded_blas
from .walk import (
    Enough,
    Fold,
    Precision,
    Step,
    Walk,
    first_alpha,
    for_size,
    size_of,
)

# If ``alphas`` is a number, the weakest penalty is this share of the strongest.
WEAKEST_OF_GRID = 1e-4

# Rows to train on and rows to judge by, as indices.
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Folds:
    """What the fits to all folds share; it is sent to where they run.

    Attributes
    ----------
    data : Block
        All rows, by the features that are fitted, with the weights to fit by.
    test_weights : ndarray of shape (n_samples,)
        The weights to judge by.
    features : Features
    drawn : ndarray of shape (n_parameters,)
        The initial parameters as they were drawn.
    history_size : int or "auto"
    precision : Precision
    n_threads : int
    scorer : callable or None
        ``scorer(theta, rows)``; None for minus the mean loss of the fold.
    """

    data: Block
    test_weights: np.ndarray
    features: Features
    drawn: np.ndarray
    history_size: int | Literal["auto"]
    precision: Precision
    n_threads: int
    scorer: Callable[[np.ndarray, np.ndarray], float] | None

    def step(
        self,
        initial: np.ndarray,
        split: Split,
        alpha: float,
        theta: np.ndarray,
        score: float,
        monitors: Sequence[Monitor],
    ) -> Step:
        """Fit a fold from theta. Units that shrank away begin as in ``initial``."""
        X, y, weights = self.data
        training, test = split
        with ThreadedMap(self.n_threads) as threads, single_threaded_blas():
            validation = self._objective(Block(X, y, self.test_weights), test, threads)
            fold = Fold(
                self._objective(Block(X, y, weights), training, threads),
                validation,
                initial,
                self.features.fitted,
                self.history_size,
                self.precision,
                self.features.signs,
                partial(self._score, validation, test),
            )
            return fold.step(alpha, theta, monitors=monitors)

    def _score(
        self, validation: Objective, test: np.ndarray, theta: np.ndarray
    ) -> float:
        if self.scorer is None:
            return -validation.mean_nll(theta)
        return self.scorer(theta, test)

    def _objective(
        self, data: Block, rows: np.ndarray, threads: OrderedMap
    ) -> Objective:
        block = Block(*(array[rows] for array in data))
        check_total(block.sample_weight, "sample_weight in a fold")
        shapes = self.features.fitted.shapes
        return Objective(Parts.of(block, shapes, threads), shapes, 0.0, block.X.dtype)

    def grid(self, n: int) -> np.ndarray:
        """A grid of n penalties, from the one at which the network collapses."""
        scale = self.features.fitted
        collapse = collapse_alpha(self.data, scale.unit)
        strongest = for_size(collapse / size_of(scale), scale)
        if WEAKEST_OF_GRID * strongest == 0:
            strongest = 1.0
        return np.geomspace(strongest, WEAKEST_OF_GRID * strongest, n)

    def first(self, alphas: np.ndarray) -> int:
        """The index of the penalty at which the walk begins, with initial weights."""
        scale = self.features.fitted
        collapse = collapse_alpha(self.data, scale.unit)
        best = first_alpha(collapse, typical_weight(self.data.sample_weight), scale)
        with np.errstate(divide="ignore"):
            return int(np.abs(np.log(alphas) - np.log(best)).argmin())

    def walk(
        self,
        alphas: np.ndarray,
        splits: Sequence[Split],
        *,
        n_jobs: int | None,
        watchers: Sequence[Watcher] = (),
    ) -> Walk:
        """Score penalties, beginning with the one that is usually best (`first`).

        The walk goes to weaker penalties, and then from the first one to stronger ones.
        Each fit begins where the one before ended. Either way ends once the scores have
        turned. A watcher may end the walk.
        """
        first = self.first(alphas)
        parts = Parts.of(self.data, self.features.fitted.shapes)
        alpha, weight_sum = float(alphas[first]), weight_of(self.data)
        initial = self.features.start(self.drawn, alpha, weight_sum, parts)
        n_jobs = min(joblib.effective_n_jobs(n_jobs), len(splits))
        with Parallel(n_jobs=n_jobs) as parallel:

            def run(calls: list[Callable[[], Step]]) -> Any:
                return parallel(delayed(call)() for call in calls)

            walk = Walk(
                [partial(self.step, initial, split) for split in splits],
                [Step(initial, np.nan)] * len(splits),
                alphas=lambda number: float(alphas[number]),
                mean=lambda values: mean_scores(values[np.newaxis])[0],
                watchers=watchers,
                run=run,
            )
            try:
                walk.visit(first)
                for direction in (1, -1):
                    before, here = first, first + direction
                    while 0 <= here < len(alphas) and not has_turned(
                        scores_of(walk, len(alphas)), before
                    ):
                        walk.visit(here, before)
                        before, here = here, here + direction
            except Enough:
                pass
        return walk


def scores_of(walk: Walk, n_alphas: int) -> np.ndarray:
    """The scores of the folds, (n_alphas, n_folds): nan where none was tried."""
    scores = np.full((n_alphas, len(walk.steps)), np.nan)
    for number, steps in walk.tried.items():
        scores[number] = [step.value for step in steps]
    return scores


def mean_scores(scores: np.ndarray) -> np.ndarray:
    """The mean score of each penalty, (n_alphas,).

    Folds without a score (nan) for any penalty are left out. A penalty without a score
    in another fold has no mean, and neither has one that was not tried.
    """
    defined = ~np.isnan(scores).all(axis=0)
    if not defined.any():
        return np.full(len(scores), np.nan)
    return scores[:, defined].mean(axis=1)


def has_turned(scores: np.ndarray, here: int) -> bool:
    """Whether a penalty is clearly past the best one."""
    means = mean_scores(scores)
    if np.isnan(means).all():
        return False
    best = int(np.nanargmax(means))
    defined = ~np.isnan(scores[best])
    return abs(best - here) >= 2 and bool(
        (scores[here, defined] < scores[best, defined]).all()
    )
