"""The strength of the penalty by ``alpha="auto"``, and the relevance of features.

Two-fold cross-validation between halves that the data define (see `halves`), along
a path of penalties. ``docs/defaults.md`` says why, and what it gains.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .._features import Features
from .._model.blocks import Block, OrderedMap, Parts, weight_of
from .._model.collapse import collapse_alpha
from .._model.objective import Objective
from .._model.parameters import Shapes, n_parameters
from .._optimize.callbacks import FitTask
from .._optimize.monitors import Report, Watcher
from .._rows.rows import Rows
from .._rows.weights import typical_weight
from .halves import Halves, halves
from .relevance import DOUBT, POWERS, asked_loss, feature_sizes, relevance
from .walk import (
    TOLERANCE,
    Enough,
    Fold,
    PenaltyPrinter,
    Precision,
    Step,
    Walk,
    first_alpha,
)

# Penalties are half powers of ten, counted by their exponents, so that rounding errors
# do not matter. The search goes no more than four powers from where it begins.
MAX_STEPS = 8
ROUNDING = 1e-6

# Of so few rows the halves tell nothing. A weak penalty then lets the network say what
# the rows do.
FEW_ROWS = 20
WEAK_EXPONENT = -2

# Where the labels tell nothing either, the penalty that is usually best.
USUAL_EXPONENT = 2

# The best penalty grows with the rows, in laws that were tried about as this power of
# their number (see docs/defaults.md). That of a linear model does not.
GROWTH = 1 / 3

# Of exponents, so that rounding errors of the losses do not matter.
STEP_OF_EXPONENT = 1 / 4

# The halves together hold about so many rows, since more would tell little more, and
# about so many numbers, but not fewer rows than this.
MAX_ROWS = 10_000
MAX_NUMBERS, MIN_ROWS = 2**22, 2000

# The networks of the search are no wider than this, or this many units a class.
SEARCH_UNITS, UNITS_OF_CLASS = 20, 3

# The second half is not fitted by a penalty whose loss on the first is this share
# above that of the best one. That takes a tenth off the time of a fit.
GIVE_UP = 0.01

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


def penalty(exponent: float) -> float:
    """The half power of ten."""
    return float(10 ** (exponent / 2))


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

    The fits of each half, judged by the other, follow the path that `descend` takes,
    each from where the one before has ended. So it finds the lowest loss if the loss
    has one minimum over alpha, as it has, but for noise, in the study. The best penalty
    of a half is that of the `vertex`; that of more rows is larger (`GROWTH`). But where
    the next penalty leaves nothing but a constant, none between is trusted, and the
    best of those that were tried is taken. A callback may end the search; then the best
    penalty so far is taken. More walks, from where the first one ended, weigh the
    features by their `relevance`, and have to earn it.

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


class Weighing(NamedTuple):
    """A relevance of the features by their sizes in the fits of a model.

    Attributes
    ----------
    power : float
    model : str
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
    """A walk of the halves, and how the features were weighed on it.

    Attributes
    ----------
    walk : Walk
    best : int
        Where it has ended.
    weighing : Weighing or None
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
    two : Halves
    threads : callable
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
            give_up=GIVE_UP,
            rival=rival,
        )
        with suppress(Enough):
            walk.visit(best)
        return Trial(walk, best, weighing)

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
        """The loss of a walk, and what its relevance has to gain."""
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
        """Walks with relevance, to larger powers as long as it is earned.

        The sizes of the features are those in the linear model or in the network, by
        which the first fits are better. The linear model knows them more exactly where
        the log-odds are nearly a sum of effects of single features, and the network
        where features interact.
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
        """By the sizes in the model without hidden layers, which is soon fitted.

        Its fit to all rows begins at the mean of those to the halves.
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


def exponent_for(
    times: float, losses: dict[int, float], best: int, constant: float, shapes: Shapes
) -> float:
    """The exponent of the penalty for so many times the rows of a half."""
    growth = GROWTH if len(shapes) > 1 else 0.0
    chosen = vertex(losses, best) + 2 * growth * np.log10(times)
    chosen = float(STEP_OF_EXPONENT * np.rint(chosen / STEP_OF_EXPONENT))
    # A loss from here on is that of a constant, as exactly as losses are compared.
    least = constant * (1 - TOLERANCE)
    collapses = losses[best] < least <= losses.get(best + 1, 0.0)
    return min(chosen, best) if collapses else chosen


def vertex(losses: dict[int, float], best: int) -> float:
    """The minimum of the parabola through a lowest loss and those beside it.

    It is at most half a step away.
    """
    if not {best - 1, best, best + 1} <= losses.keys():
        return best
    before, here, after = (losses[best + step] for step in (-1, 0, 1))
    curvature = before - 2 * here + after
    if not 0 < curvature < np.inf:
        return best
    return best + float(np.clip((before - after) / (2 * curvature), -0.5, 0.5))


def descend(
    loss_at: Callable[[int, int | None], float],
    start: int,
    least_gain: float,
    tol: float = TOLERANCE,
    constant: float | None = None,
) -> int:
    """Go from ``start`` to weaker or stronger penalties while the loss falls.

    To weaker ones first, or else, if there is nothing to gain, to stronger ones. A
    step must lower the loss by ``least_gain`` and by the share ``tol`` of it. Steps to
    weaker penalties also continue while the loss is that of a constant network, and
    steps to stronger ones, at the end of which it is a constant, while it is worse.

    Parameters
    ----------
    loss_at : callable
        ``loss_at(exponent, before)`` comes from the penalty ``before``, None at first.
    start : int
        Exponent of the first penalty.
    least_gain, tol : float
    constant : float, optional
        The loss of a constant network.

    Returns
    -------
    best : int
        Where it ends.
    """
    best, lowest = start, loss_at(start, None)

    def gain(before: float, after: float) -> float:
        """What a step gains beyond the least that counts."""
        return before - after - max(least_gain, tol * before)

    for direction in (-1, 1):
        here = start
        while abs(here - start) < MAX_STEPS:
            before, here = here, here + direction
            loss = loss_at(here, before)
            if gain(lowest, loss) > 0:
                best, lowest = here, loss
                continue
            if constant is None:
                break
            worse = gain(loss, constant) > 0
            better = gain(constant, lowest) > 0
            if better or (worse if direction < 0 else not worse):
                break
        if best != start:
            break
    return best


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
