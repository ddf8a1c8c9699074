"""The penalty by cross-validation: a path of penalties over the folds of a splitter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._features import Features
from .._model.blocks import Block, OrderedMap, Parts
from .._model.collapse import collapse_alpha
from .._model.likelihood import Likelihood
from .._model.objective import Objective
from .._rows.weights import check_total
from .._threads import ThreadedMap, single_threaded_blas
from .path import Fold, Precision

# The grid that a number of penalties stands for ends at this share of its first.
WEAKEST_OF_GRID = 1e-4

# Rows to train on and rows to judge by, as indices.
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class FoldSearch:
    """What the fits to all folds share; it is sent to where they run.

    Attributes
    ----------
    data : Block
        All rows, by the features that are fitted, with the weights to fit by.
    test_weights : ndarray of shape (n_samples,)
        The weights to judge by.
    initial : ndarray of shape (n_parameters,)
        Where the path begins.
    scorer : callable or None
        ``scorer(theta, rows)``; None for minus the mean loss of the fold.
    """

    data: Block
    test_weights: np.ndarray
    likelihood: Likelihood
    features: Features
    initial: np.ndarray
    history_size: int
    n_threads: int
    scorer: Callable[[np.ndarray, np.ndarray], float] | None
    precision: Precision = field(default_factory=Precision)

    def step(
        self, alpha: float, theta: np.ndarray, split: Split
    ) -> tuple[np.ndarray, float]:
        """Fit a fold from theta; the theta for the next step, and the score."""
        training, test = split
        X, y, weights = self.data
        with ThreadedMap(self.n_threads) as threads, single_threaded_blas():
            fold = Fold(
                self._objective(Block(X, y, weights), training, threads),
                self._objective(Block(X, y, self.test_weights), test, threads),
                self.initial,
                self.features.fitted_scale,
                self.history_size,
                self.precision,
            )
            if self.scorer is None:
                theta, loss = fold.step(alpha, theta)
                return theta, -loss
            theta = fold.fit(alpha, theta)
        return theta, self.scorer(theta, test)

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
        unit = self.features.fitted_scale.unit
        strongest = collapse_alpha(self.data, self.likelihood, unit)
        if WEAKEST_OF_GRID * strongest == 0:
            strongest = 1.0
        return np.geomspace(strongest, WEAKEST_OF_GRID * strongest, n)

    def walk(
        self,
        alphas: np.ndarray,
        splits: Sequence[Split],
        *,
        n_jobs: int | None,
        report: Callable[[float, np.ndarray], None] | None = None,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """From strong to weak: a theta of each penalty, and all scores.

        The scores, (n_alphas, n_folds), are nan from where the path has ended.
        """
        scores = np.full((len(alphas), len(splits)), np.nan)
        thetas = [self.initial] * len(splits)
        of_first_fold = []
        n_jobs = min(joblib.effective_n_jobs(n_jobs), len(splits))
        with Parallel(n_jobs=n_jobs) as parallel:
            for number, alpha in enumerate(alphas):
                results = parallel(
                    delayed(self.step)(float(alpha), theta, split)
                    for theta, split in zip(thetas, splits, strict=True)
                )
                thetas = [theta for theta, _ in results]
                of_first_fold.append(thetas[0])
                scores[number] = [score for _, score in results]
                if report is not None:
                    report(alpha, scores[number])
                if has_turned(scores[: number + 1]):
                    break
        return of_first_fold, scores


def has_turned(scores: np.ndarray) -> bool:
    """Whether the last of the penalties is clearly past the best one."""
    means = scores.mean(axis=1)
    best = int(means.argmax())
    return best < len(means) - 2 and bool((scores[-1] < scores[best]).all())
