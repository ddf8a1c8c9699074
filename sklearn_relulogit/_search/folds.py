"""The penalty by cross-validation: paths of penalties over the folds of a splitter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import joblib
import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._features import Features
from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.collapse import collapse_alpha, flip_dead_layers
from .._model.likelihood import Likelihood
from .._model.objective import Objective
from .._optimize.monitors import Watcher
from .._rows.weights import check_total
from .._threads import ThreadedMap, single_threaded_blas
from .path import (
    Fold,
    Interrupted,
    Precision,
    first_alpha,
    for_size,
    interruptible_at,
    size_of,
    unit_of,
)
from .watch import Enough

# The grid that a number of penalties stands for ends at this share of its first.
WEAKEST_OF_GRID = 1e-4

# Rows to train on and rows to judge by, as indices.
Split = tuple[np.ndarray, np.ndarray]


class Step(NamedTuple):
    """Parameters and score of a fold by a penalty, and whether a limit ended the fit.

    Only a limit of the user's counts.
    """

    theta: np.ndarray
    score: float
    limited: bool


@dataclass
class Walked:
    """What came of a walk.

    Attributes
    ----------
    scores : ndarray of shape (n_alphas, n_folds)
        nan for the penalties that were not tried.
    thetas : dict of int to ndarray
        Of each penalty, by its number, where the fit to the first fold ended.
    interrupted : bool
        By Ctrl-C. If that was before there was a score, ``thetas`` holds what there is
        of the first fit.
    n_limited, n_fits : int
        How many fits ended by a limit of the user's, and the number of fits.
    """

    scores: np.ndarray
    thetas: dict[int, np.ndarray] = field(default_factory=dict)
    interrupted: bool = False
    n_limited: int = 0
    n_fits: int = 0

    def add(self, number: int, steps: Sequence[Step]) -> None:
        """Add the steps of all folds by a penalty."""
        self.scores[number] = [step.score for step in steps]
        self.thetas[number] = steps[0].theta
        self.n_limited += sum(step.limited for step in steps)
        self.n_fits += len(steps)


@dataclass(frozen=True)
class FoldSearch:
    """What the fits to all folds share; it is sent to where they run.

    Attributes
    ----------
    data : Block
        All rows, by the features that are fitted, with the weights to fit by.
    test_weights : ndarray of shape (n_samples,)
        The weights to judge by.
    drawn : ndarray of shape (n_parameters,)
        The initial parameters as they were drawn.
    scorer : callable or None
        ``scorer(theta, rows)``; None for minus the mean loss of the fold.
    """

    data: Block
    test_weights: np.ndarray
    likelihood: Likelihood
    features: Features
    drawn: np.ndarray
    history_size: int | Literal["auto"]
    n_threads: int
    scorer: Callable[[np.ndarray, np.ndarray], float] | None
    precision: Precision = field(default_factory=Precision)

    def initial(self, alpha: float) -> np.ndarray:
        """Where the paths begin, if this is their first penalty."""
        theta = self.features.initial(self.drawn, alpha, weight_of(self.data))
        shapes = self.features.fitted_shapes
        return flip_dead_layers(theta, shapes, Parts.of(self.data, shapes))

    def step(
        self, alpha: float, theta: np.ndarray, initial: np.ndarray, split: Split
    ) -> Step:
        """Fit a fold from theta; units shrunk away begin anew as in ``initial``."""
        training, test = split
        X, y, weights = self.data
        with ThreadedMap(self.n_threads) as threads, single_threaded_blas():
            fold = Fold(
                self._objective(Block(X, y, weights), training, threads),
                self._objective(Block(X, y, self.test_weights), test, threads),
                initial,
                self.features.fitted_scale,
                self.history_size,
                self.precision,
            )
            if self.scorer is None:
                theta, loss = fold.step(alpha, theta)
                return Step(theta, -loss, fold.n_limited > 0)
            theta = fold.fit(alpha, theta)
        with interruptible_at(theta):
            return Step(theta, self.scorer(theta, test), fold.n_limited > 0)

    def _objective(
        self, data: Block, rows: np.ndarray, threads: OrderedMap
    ) -> Objective:
        block = Block(*(array[rows] for array in data))
        check_total(block.sample_weight, "sample_weight in a fold")
        parts = Parts.of(block, self.features.fitted_shapes, threads)
        return Objective.over(
            parts, self.features.fitted_shapes, self.likelihood, 0.0, block.X.dtype
        )

    def grid(self, n: int) -> np.ndarray:
        """So many penalties, from the one at which the network collapses."""
        scale = self.features.fitted_scale
        collapse = collapse_alpha(self.data, self.likelihood, scale.unit)
        strongest = for_size(collapse / size_of(scale), scale)
        if WEAKEST_OF_GRID * strongest == 0:
            strongest = 1.0
        return np.geomspace(strongest, WEAKEST_OF_GRID * strongest, n)

    def first(self, alphas: np.ndarray) -> int:
        """The index of the penalty at which fits begin from the initial weights."""
        scale = self.features.fitted_scale
        collapse = collapse_alpha(self.data, self.likelihood, scale.unit)
        best = first_alpha(collapse, unit_of(self.data.sample_weight), scale)
        with np.errstate(divide="ignore"):
            return int(np.abs(np.log(alphas) - np.log(best)).argmin())

    def walk(
        self,
        alphas: np.ndarray,
        splits: Sequence[Split],
        *,
        n_jobs: int | None,
        watchers: Sequence[Watcher] = (),
    ) -> Walked:
        """Score penalties, from the one where most networks are best (`first`) on.

        The fits go to weaker ones, each from where the one before ended, and then from
        the first one to stronger ones. Either way ends where the scores have turned,
        and leaves nan for the penalties beyond.

        A watcher may end the walk, and an interrupt ends it once there is a network to
        keep.
        """
        walked = Walked(np.full((len(alphas), len(splits)), np.nan))
        n_jobs = min(joblib.effective_n_jobs(n_jobs), len(splits))
        first = self.first(alphas)
        initial = self.initial(float(alphas[first]))
        try:
            with Parallel(n_jobs=n_jobs) as parallel:

                def step(number: int, thetas: list[np.ndarray]) -> list[np.ndarray]:
                    alpha = float(alphas[number])
                    for watcher in watchers:
                        watcher.begin(alpha)
                    steps = parallel(
                        delayed(self.step)(alpha, theta, initial, split)
                        for theta, split in zip(thetas, splits, strict=True)
                    )
                    walked.add(number, steps)
                    self._tell(alpha, walked.scores[number], steps[0].theta, watchers)
                    return [step.theta for step in steps]

                start = step(first, [initial] * len(splits))
                for direction in (1, -1):
                    here, thetas = first, start
                    while not has_turned(walked.scores, here):
                        here += direction
                        if not 0 <= here < len(alphas):
                            break
                        thetas = step(here, thetas)
        except Enough:
            pass
        except KeyboardInterrupt as interrupt:
            if not walked.thetas:
                if not isinstance(interrupt, Interrupted):
                    raise
                walked.thetas[first] = interrupt.theta
            walked.interrupted = True
        return walked

    def _tell(
        self,
        alpha: float,
        scores: np.ndarray,
        theta: np.ndarray,
        watchers: Sequence[Watcher],
    ) -> None:
        """Tell the watchers of a penalty; `Enough` is raised if one ends the walk."""
        mean = float(mean_scores(scores[np.newaxis])[0])
        ends = [watcher.end(alpha, scores, mean, theta) for watcher in watchers]
        if any(ends):
            raise Enough


def mean_scores(scores: np.ndarray) -> np.ndarray:
    """The mean score of each penalty, (n_alphas,).

    Folds without a score (nan) for any penalty are left out. A penalty without a score
    in another fold has no mean, nor has one that the path did not come to.
    """
    defined = ~np.isnan(scores).all(axis=0)
    if not defined.any():
        return np.full(len(scores), np.nan)
    return np.asarray(scores[:, defined].mean(axis=1))


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
