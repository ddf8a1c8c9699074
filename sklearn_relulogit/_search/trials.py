"""The walks of ``alpha="auto"`` over two halves, with and without relevance."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .._features import Features
from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.objective import Objective
from .._model.parameters import Shapes, n_parameters
from .._optimize.monitors import Report, Watcher
from .._rows.rows import Rows
from .descent import descend, exponent_for, penalty
from .halves import Halves
from .relevance import DOUBT, POWERS, asked_loss, feature_sizes, relevance
from .walk import Enough, Fold, Precision, Step, Walk, first_alpha

# Of exponents.
ROUNDING = 1e-6

# The second half is not fitted with a penalty whose loss on the first half is above
# that of the best penalty by this share of it, and by so many nats over the rows of the
# half. That takes a tenth off the time of a fit.
GIVE_UP, GIVE_UP_NATS = 0.01, 2.0


class Weighing(NamedTuple):
    """A relevance of the features, by their sizes in the fits of a model.

    Attributes
    ----------
    power : float
        The relevance is the size to this power.
    model : str
        Its name, as `verbose` prints it.
    of_halves : list of two ndarray of shape (n_features,)
        The sizes in the fits of the halves.
    sizes : callable
        Returns the sizes for all rows.
    """

    power: float
    model: str
    of_halves: list[np.ndarray]
    sizes: Callable[[], np.ndarray]

    def __str__(self) -> str:
        return f"relevance of features to the power {self.power:g} by {self.model}"

    def of_all(self) -> np.ndarray:
        """The relevance for all rows."""
        return relevance(self.sizes(), self.power)


class Trial(NamedTuple):
    """A walk over penalties, and how the features were weighted on it.

    Attributes
    ----------
    walk : Walk
    best : int
        The exponent at which it has ended.
    weighing : Weighing or None
        None without relevance.
    """

    walk: Walk
    best: int
    weighing: Weighing | None

    @property
    def loss(self) -> float:
        """The loss where the walk has ended."""
        return self.walk.means[self.best]


@dataclass(frozen=True)
class Search:
    """Walks over penalties by two halves of a sample of the rows.

    Attributes
    ----------
    estimator : ReLULogisticClassifier
    rows, fitted : Rows
        By the user's features, and by those that are fitted.
    two : Halves
    threads : callable
        The map over parts.
    unit : float
        The typical weight of a row.
    collapse : float
        The penalty at which a network collapses.
    drawn : ndarray of shape (n_parameters,)
        The initial parameters of a network, as they were drawn.
    """

    estimator: BaseEstimator
    rows: Rows
    fitted: Rows
    two: Halves
    threads: OrderedMap
    unit: float
    collapse: float
    drawn: np.ndarray

    @property
    def constant(self) -> float:
        """The loss of a constant."""
        return constant_loss(self.two)

    def alpha(self, exponent: float) -> float:
        """The penalty of an exponent."""
        return self.unit * penalty(exponent)

    def alpha_for(self, trial: Trial, shapes: Shapes) -> float:
        """The penalty for all rows."""
        times = self.parts(shapes).weight_sum / self.half
        return self.alpha(
            exponent_for(times, trial.walk.means, trial.best, self.constant, shapes)
        )

    def parts(self, shapes: Shapes) -> Parts:
        """All rows."""
        return self.fitted.parts(shapes, self.threads)[0]

    @property
    def half(self) -> float:
        """The weight of a half."""
        return float(np.mean([weight_of(half) for half in self.two.training]))

    def start(self, features: Features, alpha: float) -> np.ndarray:
        """Where the fits of a half begin, the linear model's at zero."""
        shapes = features.fitted.shapes
        if len(shapes) == 1:
            return np.zeros(n_parameters(shapes))
        return features.start(self.drawn, alpha, self.half, self.parts(shapes))

    def begin(
        self,
        features: Features,
        watchers: Sequence[Watcher] = (),
        plain: Trial | None = None,
        weighing: Weighing | None = None,
    ) -> Trial:
        """A walk at its first penalty, from fresh weights or where ``plain`` ended."""
        if plain is None:
            share = first_alpha(self.collapse, self.unit, features.fitted) / self.unit
            # A rounding error may not lead to the penalty below.
            best = int(np.floor(2 * np.log10(share) + ROUNDING))
        else:
            best = plain.best
        of_halves = [features] * 2
        if weighing is not None:
            power, sizes = weighing.power, weighing.of_halves
            of_halves = [features.weighed(relevance(s, power)) for s in sizes]
        starts = [self.start(of_half, self.alpha(best)) for of_half in of_halves]
        rival = plain and plain.walk.tried[best]
        walk = Walk(
            self.folds(starts, of_halves),
            rival or [Step(theta, np.inf) for theta in starts],
            alphas=self.alpha,
            mean=partial(np.average, weights=list(map(weight_of, self.two.validation))),
            watchers=watchers,
            bearable=self.bearable,
            rival=rival,
        )
        with suppress(Enough):
            walk.visit(best)
        return Trial(walk, best, weighing)

    def bearable(self, loss: float) -> float:
        """What the first half may lose, so that the second one is fitted too."""
        return loss + max(GIVE_UP * loss, 2 * GIVE_UP_NATS / self.two.n_rows)

    def descend(self, trial: Trial) -> Trial:
        """The walk to its end, or to where a callback ends it."""
        visit, means = trial.walk.visit, trial.walk.means
        try:
            # One nat over all rows: the evidence that it takes to leave the penalty
            # that is usually best. Rows, not weights, so that their unit is irrelevant.
            best = descend(
                visit, trial.best, 1 / self.two.n_rows, constant=self.constant
            )
        except Enough:
            best = min(means, key=means.__getitem__)
        return trial._replace(best=best)

    def asked(self, trial: Trial) -> float:
        """The loss of a walk, plus the gain that is asked of its relevance."""
        power = trial.weighing.power if trial.weighing else 0.0
        return asked_loss(trial.loss, power, self.two.n_rows)

    def folds(
        self, starts: list[np.ndarray], of_halves: list[Features]
    ) -> list[Callable[..., Step]]:
        """The steps of the two folds in which each half is judged by the other."""
        shapes = of_halves[0].fitted.shapes

        def objective(rows: Block, k: np.ndarray | None) -> Objective:
            parts = Parts.of(rows, shapes, self.threads)
            return Objective(parts, shapes, 0.0, rows.X.dtype, k)

        return [
            self.fold(
                objective(half, features.fitted.relevance),
                objective(other, None),
                theta,
                features,
            ).step
            for half, other, theta, features in zip(
                self.two.training, self.two.validation, starts, of_halves, strict=True
            )
        ]

    def fold(
        self,
        training: Objective,
        validation: Objective,
        initial: np.ndarray,
        features: Features,
    ) -> Fold:
        """Rows to fit to, and rows to judge by."""
        estimator = self.estimator
        return Fold(
            training,
            validation,
            initial,
            features.fitted,
            estimator.history_size,
            Precision(estimator.max_iter, estimator.max_fun),
            features.signs,
        )

    def weighed_trials(
        self,
        narrow: Features,
        plain: Trial,
        watchers: Sequence[Watcher],
        report: Report,
    ) -> list[Trial]:
        """Walks with relevance: with a larger power if the smaller one pays.

        The sizes of the features are those in the linear model or in the network,
        whichever has the lower loss at the first penalty. The linear model is more
        exact where the log-odds are nearly a sum of effects of single features, and the
        network where features interact.
        """
        trials: list[Trial] = []
        ways = [self.linear_weighing, self.network_weighing]
        if len(narrow.fitted.shapes) == 1:
            del ways[1]
        weighings: list[Weighing] = []
        for way in ways:
            # The linear model may overflow where layers share the size of the features.
            with suppress(FloatingPointError):
                weighings.append(way(narrow, plain))
        for power in POWERS:
            begun: list[Trial] = []
            for weighing in weighings:
                of_power = weighing._replace(power=power)
                report.line(str(of_power))
                begun.append(self.begin(narrow, watchers, plain, of_power))
                if begun[-1].walk.stopped:
                    return trials + begun
            better = int(np.argmin([trial.loss for trial in begun]))
            if begun[better].loss <= plain.loss + DOUBT / self.two.n_rows:
                if len(begun) > 1:
                    report.line(f"on with {begun[better].weighing}")
                begun[better] = self.descend(begun[better])
            trials += begun
            if begun[better].walk.stopped or self.asked(begun[better]) >= plain.loss:
                break
            weighings = [weighings[better]]
        return trials

    def network_weighing(self, features: Features, trial: Trial) -> Weighing:
        """By the sizes in the network; for all rows, their geometric mean."""
        sizes = self.sizes(features, trial.walk.tried[trial.best])
        return Weighing(0.0, "the network", sizes, lambda: np.sqrt(sizes[0] * sizes[1]))

    def linear_weighing(self, features: Features, plain: Trial) -> Weighing:
        """By the sizes in the model without hidden layers, whose fits are quick.

        Its fit to all rows starts at the mean of its fits to the halves.
        """
        is_linear = len(features.fitted.shapes) == 1
        linear = features if is_linear else features.linear()
        trial = plain if is_linear else self.descend(self.begin(linear))
        steps, shapes = trial.walk.tried[trial.best], linear.fitted.shapes

        def of_all() -> np.ndarray:
            theta = np.mean([step.theta for step in steps], axis=0)
            parts = self.parts(shapes)
            everything = Objective(parts, shapes, 0.0, self.rows.dtype)
            fold = self.fold(everything, everything, theta, linear)
            step = fold.step(self.alpha_for(trial, shapes), theta)
            return self.sizes(linear, [step])[0]

        return Weighing(0.0, "the linear model", self.sizes(linear, steps), of_all)

    def sizes(self, features: Features, steps: Sequence[Step]) -> list[np.ndarray]:
        """The sizes of the features in some fits."""
        shapes, moments = features.fitted.shapes, self.rows.moments
        return [feature_sizes(step.theta, shapes, moments) for step in steps]


def constant_loss(two: Halves) -> float:
    """The loss of the halves by the shares of the classes in each other, in nats."""
    total = weight = 0.0
    for training, other in zip(two.training, two.validation, strict=True):
        n_classes = max(training.y.max(), other.y.max()) + 1
        shares, counts = (
            np.bincount(half.y, half.sample_weight, minlength=n_classes)
            for half in (training, other)
        )
        shares = np.maximum(shares / shares.sum(), np.finfo(np.float64).eps)
        total -= counts @ np.log(shares)
        weight += counts.sum()
    return float(total / weight)
