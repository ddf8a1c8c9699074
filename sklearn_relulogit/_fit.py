"""A fit: read the rows, choose a penalty, train the network, record what was found.

Both estimators call `fit` and set their attributes from the `Fit` that it returns.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import joblib
import numpy as np
import scipy.special
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ._constraints import check_layer_sizes, check_restarts, check_split
from ._features import Features
from ._messages import (
    CONSTANT,
    CONSTANT_BY_SEARCH,
    above_constant,
    different_scales,
    interrupted_search,
    limited_search,
    lost_digits,
    other_units,
    overflow_message,
)
from ._model.affine import mean_absolute_contributions
from ._model.arrays import to_numpy
from ._model.blocks import Parts, weight_of
from ._model.collapse import (
    asks_for_constant,
    constant_network,
    flip_dead_layers,
    is_constant,
    penalty_of,
)
from ._model.likelihood import Likelihood, likelihood_of
from ._model.objective import Objective
from ._model.parameters import (
    Shapes,
    layer_shapes,
    n_parameters,
    unpack,
)
from ._optimize.callbacks import FitTask
from ._optimize.coordinates import FeatureScale
from ._optimize.curvature import Pair
from ._optimize.lbfgs import (
    CONVERGED,
    EVALUATION_LIMIT,
    INTERRUPTED,
    ITERATION_LIMIT,
    LINE_SEARCH,
    Minimum,
    Stage,
    history_size_for,
)
from ._optimize.monitors import Printer, Report, Validation
from ._optimize.training import (
    Restart,
    balance,
    coarse_stage,
    limits_for,
    pays_in_float32,
    train,
)
from ._rows.chunkwise import is_dask
from ._rows.dask import OnCluster
from ._rows.held import Held
from ._rows.rows import Given, Rows
from ._rows.statistics import absolute_deviations
from ._search.auto import MAX_PENALTIES, Choice, choose_alpha, search_rows
from ._search.path import Precision
from ._search.watch import PenaltyPrinter
from ._threads import ThreadedMap, effective_n_threads, single_threaded_blas

# Importances of the features are found by about so many multiplications, of rows with
# so many numbers, but of at least a hundred rows.
IMPORTANCE_WORK, IMPORTANCE_NUMBERS, FEWEST_IMPORTANCE_ROWS = 2**31, 2**18, 100

# A start whose penalty is so many nats is checked for a penalty that leaves nothing:
# what the data say would be lost in its rounding.
LARGEST_PENALTY = 1e6

# A loss that is above that of a constant by this share of it is no minimum.
FAR_ABOVE = 0.01


@dataclass(frozen=True)
class Settings:
    """The parameters of an estimator as a fit needs them, checked."""

    hidden_layer_sizes: tuple[int, ...]
    alpha: float | Literal["auto"]
    max_iter: int
    max_fun: int
    tol: float
    history_size: int | Literal["auto"]
    n_init: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: float
    warm_start: bool
    n_threads: int
    n_jobs: int
    random_state: Any
    verbose: int

    @classmethod
    def of(
        cls, estimator: BaseEstimator, alpha: float | Literal["auto"], *, splits: bool
    ) -> Self:
        """Of an estimator whose parameters are each within their constraints.

        ``splits`` says whether early stopping has to split validation data off.

        Raises
        ------
        ValueError
            If they exclude each other.
        """
        hidden = check_layer_sizes(
            estimator.hidden_layer_sizes, type(estimator).__name__
        )
        check_restarts(estimator.warm_start, estimator.n_init)
        if estimator.early_stopping and splits:
            check_split(estimator.warm_start, estimator.random_state)
        # Without hidden layers there are no local minima: every start is the same.
        n_init = int(estimator.n_init) if hidden else 1
        history_size = estimator.history_size
        return cls(
            hidden_layer_sizes=hidden,
            alpha=alpha if alpha == "auto" else float(alpha),
            max_iter=int(estimator.max_iter),
            max_fun=int(estimator.max_fun),
            tol=float(estimator.tol),
            history_size=history_size if history_size == "auto" else int(history_size),
            n_init=n_init,
            early_stopping=bool(estimator.early_stopping),
            validation_fraction=float(estimator.validation_fraction),
            n_iter_no_change=estimator.n_iter_no_change,
            warm_start=bool(estimator.warm_start),
            n_threads=effective_n_threads(estimator.n_threads),
            n_jobs=min(joblib.effective_n_jobs(estimator.n_jobs), n_init),
            random_state=estimator.random_state,
            verbose=int(estimator.verbose),
        )


@dataclass(frozen=True)
class Previous:
    """An earlier fit, from which a warm start continues."""

    classes: np.ndarray
    shapes: Shapes
    theta: np.ndarray
    choice: Choice
    pairs: Sequence[Pair]

    def check(self, classes: np.ndarray, shapes: Shapes) -> None:
        """Raise a ValueError if a fit of these classes and layers cannot go on."""
        remedy = "Set warm_start=False, or fit a clone."
        if not np.array_equal(classes, self.classes):
            raise ValueError(
                "warm_start=True goes on from a fit to the classes "
                f"{self.classes.tolist()}, but those of y are {classes.tolist()}. "
                f"{remedy}"
            )
        if shapes != self.shapes:
            before, now = (
                tuple(m for _, m in layers[:-1]) for layers in (self.shapes, shapes)
            )
            raise ValueError(
                f"warm_start=True goes on from a fit with hidden_layer_sizes={before}, "
                f"but now it is {now}. {remedy}"
            )


@dataclass(frozen=True)
class Network:
    """Parameters, and what is needed to predict with them.

    The arrays are made where X and, as to the classes, the labels are.
    """

    theta: np.ndarray
    shapes: Shapes
    likelihood: Likelihood
    rows: Rows

    def attributes(self) -> dict[str, Any]:
        """The attributes of an estimator that predicts; arrays own their memory."""
        layers = unpack(self.theta, self.shapes)
        to_device, dtype = self.rows.xp.to_device, self.rows.dtype
        return {
            "classes_": self.rows.label_xp.to_device(self.rows.classes),
            "n_outputs_": self.likelihood.n_outputs,
            "n_layers_": len(layers) + 1,
            "out_activation_": self.likelihood.out_activation,
            "coefs_": [to_device(W_T.astype(dtype)) for W_T, _ in layers],
            "intercepts_": [to_device(b.astype(dtype)) for _, b in layers],
        }

    def importances(self) -> np.ndarray:
        """The mean absolute contribution of each feature to the logits, in nats.

        It is the mean over the training rows, or over some of them.
        """
        layers = unpack(self.theta, self.shapes)
        work = self.likelihood.n_outputs * sum(n * m for n, m in self.shapes)
        n_rows = min(
            IMPORTANCE_WORK // work, IMPORTANCE_NUMBERS // self.rows.n_features
        )
        n_rows = max(n_rows, FEWEST_IMPORTANCE_ROWS)
        n_rows = min(n_rows, search_rows(self.rows.n_features))
        # In the random order of their keys, be they all or those of a search.
        X, _, weights = self.rows.sample(n_rows).block
        X, weights = X[:n_rows], weights[:n_rows]
        return mean_absolute_contributions(
            layers,
            X if issparse(X) else to_numpy(X),
            to_numpy(weights),
            self.rows.moments.mean,
        )


@dataclass(frozen=True)
class Fit:
    """What a fit has found, and how it went.

    Attributes
    ----------
    network : Network
    choice : Choice
        The penalty, and those that a search tried.
    best : Restart
        The one that the network is from.
    importances : ndarray of shape (n_features,)
    restart_losses : list of float
    pairs : deque or None
        Correction pairs for a warm start.
    message : str or None
        What to warn of.
    """

    network: Network
    choice: Choice
    best: Restart
    importances: np.ndarray
    restart_losses: list[float]
    pairs: deque[Pair] | None
    message: str | None

    def attributes(self) -> dict[str, Any]:
        """The fitted attributes of an estimator."""
        best, minimum = self.best, self.best.end
        rows = self.network.rows
        n_iter = len(minimum.loss_curve)
        return self.network.attributes() | {
            "alpha_": self.choice.alpha,
            "loss_": best.iterate.loss,
            "loss_curve_": minimum.loss_curve,
            "validation_loss_curve_": best.validation
            and best.validation.losses[:n_iter],
            "restart_losses_": rows.xp.to_device(np.array(self.restart_losses)),
            "feature_mean_": rows.xp.to_device(rows.moments.mean.astype(rows.dtype)),
            "feature_importances_": rows.xp.to_device(
                self.importances.astype(rows.dtype)
            ),
            "n_iter_": n_iter,
            "n_evaluations_": minimum.n_evaluations,
            "stop_reason_": minimum.stop_reason,
        }


def read(
    estimator: BaseEstimator,
    given: Given,
    *,
    reset: bool,
    class_weight: Any,
    linear: bool,
    by_groups: bool = False,
) -> Rows:
    """The arguments of a user, checked, as rows where they are."""
    source = OnCluster if any(map(is_dask, given)) else Held
    return source.read(
        estimator,
        given,
        reset=reset,
        class_weight=class_weight,
        linear=linear,
        by_groups=by_groups,
    )


@contextmanager
def overflow_as_error(rows: Rows, alpha: float = 1.0) -> Iterator[None]:
    """Turn an overflow into a ValueError that says what is likely to cause it."""
    try:
        yield
    except FloatingPointError as error:
        raise ValueError(
            overflow_message(
                "The loss or its gradient",
                rows.moments.largest,
                rows.dtype,
                rows.feature_names,
                rows.moments.weight,
                alpha,
            )
        ) from error


@dataclass(frozen=True)
class Problem:
    """What is minimised, over which rows, by which settings."""

    rows: Rows
    settings: Settings
    likelihood: Likelihood
    shapes: Shapes
    training: Parts
    validation: Parts | None
    threads: ThreadedMap
    features: Features

    @classmethod
    def of(
        cls,
        rows: Rows,
        settings: Settings,
        likelihood: Likelihood,
        features: Features,
        threads: ThreadedMap,
    ) -> Self:
        """The problem of fitting the rows by some of their features."""
        if features.space is not None:
            rows = rows.reduced(features.space)
        shapes = features.fitted_shapes
        parts = rows.parts(shapes, threads)
        return cls(rows, settings, likelihood, shapes, *parts, threads, features)

    @property
    def scale(self) -> FeatureScale:
        """The scale of the features that are fitted."""
        return self.features.fitted_scale

    def objective(
        self, parts: Parts, alpha: float, dtype: np.dtype | None = None
    ) -> Objective:
        """The objective over some parts, by default in the type of the rows."""
        dtype = self.rows.dtype if dtype is None else dtype
        return Objective.over(parts, self.shapes, self.likelihood, alpha, dtype)

    def draws(self) -> list[np.ndarray]:
        """Initial parameters of the restarts, for features in units of their own."""
        rng = check_random_state(self.settings.random_state)
        return [self.features.draw(rng) for _ in range(self.settings.n_init)]

    def initial(self, drawn: np.ndarray, alpha: float, weight_sum: float) -> np.ndarray:
        """Where a fit begins by a penalty, to rows that weigh so much."""
        theta = self.features.initial(drawn, alpha, weight_sum)
        return flip_dead_layers(theta, self.shapes, self.training)

    def bearable_start(self, theta: np.ndarray, alpha: float) -> np.ndarray:
        """A start, or the constant where the penalty will leave nothing else."""
        weight_sum = self.training.weight_sum
        penalty = penalty_of(theta, self.shapes, alpha, weight_sum)
        if penalty <= LARGEST_PENALTY or not self._nothing_to_fit(alpha):
            return theta
        return constant_network(self.shapes, self.rows.shares)

    @property
    def constant_loss(self) -> float:
        """The loss of a constant network: the entropy of the shares, in nats."""
        return float(scipy.special.entr(self.rows.shares).sum())

    def pairs(self, previous: Previous | None) -> deque[Pair] | None:
        """The correction pairs for a warm start, those of a fit by the same penalty."""
        if not self.settings.warm_start:
            return None
        before: Sequence[Pair] = ()
        # They are in coordinates that depend on the penalty.
        if previous is not None and self.settings.alpha in (
            "auto",
            previous.choice.alpha,
        ):
            before = previous.pairs
        n = n_parameters(self.shapes)
        return deque(
            (pair for pair in before if pair[0].size == n),
            maxlen=self.history_size,
        )

    @property
    def history_size(self) -> int:
        """The number of correction pairs to keep."""
        size = self.settings.history_size
        if size == "auto":
            n = n_parameters(self.shapes)
            return history_size_for(self.rows.work(self.shapes), n)
        return size

    def choose_alpha(
        self,
        drawn: np.ndarray,
        previous: Previous | None,
        task: FitTask,
        report: Report,
    ) -> Choice:
        """The penalty that the parameter `alpha` stands for, and where to begin."""
        settings = self.settings
        if settings.alpha != "auto":
            return Choice(settings.alpha)
        if previous is not None:
            return previous.choice
        tasks = task.search(MAX_PENALTIES)
        choice = choose_alpha(
            self.rows.sample(search_rows(self.rows.n_features)),
            self.shapes,
            self.likelihood,
            partial(self.initial, drawn),
            self.scale,
            weight_sum=self.training.weight_sum,
            history_size=settings.history_size,
            ordered_map=self.threads,
            # Printed first, so that the line is there when a callback asks to stop.
            watchers=[PenaltyPrinter(report), *tasks],
            precision=Precision.within(settings.max_iter, settings.max_fun),
        )
        for search in tasks:
            search.close(choice.theta)
        if choice.losses:
            report.line(f"alpha {choice.alpha:.3g} chosen of {len(choice.losses)}")
        return choice

    def restarts(
        self, thetas: list[np.ndarray], task: FitTask, report: Report
    ) -> list[Restart]:
        """The starts, each with its monitors."""
        settings = self.settings
        objective = None
        if self.validation is not None:
            objective = self.objective(self.validation, 0.0)

        def restart(index: int, theta: np.ndarray) -> Restart:
            # The reason of a callback comes before that of early stopping.
            monitors = task.monitors(index)
            validation = None
            if objective is not None:
                validation = Validation(
                    objective,
                    settings.n_iter_no_change if settings.early_stopping else None,
                    settings.tol,
                )
                monitors.append(validation)
            if report.verbose:
                one = len(thetas) == 1
                label = "" if one else f"start {index + 1} of {len(thetas)}  "
                monitors.append(Printer(report, label, validation))
            return Restart(theta, monitors, validation)

        return [restart(index, theta) for index, theta in enumerate(thetas)]

    def stages(self, alpha: float) -> list[Stage]:
        """The objectives to minimise one after the other, with their limits."""
        settings, rows, shapes = self.settings, self.rows, self.shapes
        limits = limits_for(
            shapes,
            rows.dtype,
            settings.tol,
            settings.max_iter,
            settings.max_fun,
            largest=self.constant_loss,
        )
        stages = [Stage(self.objective(self.training, alpha), limits)]
        sparse, n_parts = self.training.sparse, rows.n_parts(shapes)
        if pays_in_float32(rows.dtype, sparse, shapes, n_parts):
            coarse = self.objective(self.training, alpha, np.dtype(np.float32))
            stages.insert(0, coarse_stage(coarse, limits))
        return stages

    def minimise(
        self,
        thetas: list[np.ndarray],
        alpha: float,
        pairs: deque[Pair] | None,
        task: FitTask,
        report: Report,
    ) -> tuple[Restart, list[float]]:
        """The best restart, its output biases balanced, and the losses of all."""
        settings = self.settings
        thetas = [self.bearable_start(theta, alpha) for theta in thetas]
        task.begin_final(settings.n_init, settings.max_iter)
        restarts = self.restarts(thetas, task, report)
        best = train(
            self.stages(alpha),
            restarts,
            # scipy makes room for all of them.
            history_size=min(self.history_size, settings.max_iter),
            n_jobs=settings.n_jobs,
            pairs=pairs,
            standard=self.scale.coordinates(alpha, self.training.weight_sum),
            enough=task.enough,
        )
        try:
            balance(
                best,
                self.objective(self.training, alpha),
                self.rows.shares,
                settings.max_fun,
            )
        except KeyboardInterrupt:
            minimum = best.end
            minimum.stop_reason = INTERRUPTED
            # It may have come between a new iterate and its loss in the curve.
            minimum.loss_curve[-1:] = [minimum.iterate.loss]
        return best, [restart.loss for restart in restarts]

    def end_at(self, theta: np.ndarray, alpha: float, report: Report) -> Restart:
        """A restart that goes no further, since the search was interrupted."""
        (restart,) = self.restarts([theta], FitTask(), report)
        stage = self.stages(alpha)[-1]
        train(
            [replace(stage, limits=replace(stage.limits, max_iter=0))],
            [restart],
            history_size=1,
            n_jobs=1,
            pairs=None,
            standard=self.scale.coordinates(alpha, self.training.weight_sum),
            enough=threading.Event(),
        )
        restart.end.stop_reason = INTERRUPTED
        return restart

    def message(self, best: Restart, choice: Choice) -> str | None:
        """What to warn of."""
        settings, alpha = self.settings, choice.alpha
        messages = [
            interrupted_search(alpha)
            if choice.interrupted
            else self._convergence_message(best.end),
            self._above_constant(best),
            limited_search(
                choice.n_limited, choice.n_fits, settings.max_iter, settings.max_fun
            ),
        ]
        if is_constant(best.iterate.theta, self.shapes, self.training):
            if not self._nothing_to_fit(alpha):
                messages.append(CONSTANT)
            elif settings.alpha == "auto" and not self._nothing_to_fit(0.0):
                messages.append(CONSTANT_BY_SEARCH)
        scale, names = self.features.scale, self.rows.feature_names
        if alpha > 0:
            messages.append(different_scales(scale.unit, names))
        if self.rows.moments_val is not None:
            sizes, sizes_val = self.rows.moments.sizes, self.rows.moments_val.sizes
            messages.append(other_units(sizes, sizes_val, names))
        messages.append(lost_digits(scale.centre, scale.unit, self.rows.dtype, names))
        return " ".join(filter(None, messages)) or None

    def _above_constant(self, best: Restart) -> str | None:
        """That a fit has ended above the loss of a constant, if so."""
        loss, constant = best.end.iterate.loss, self.constant_loss
        # Of a single class, a constant has the loss zero, and a fit a rounding error.
        most = (1 + max(self.settings.tol, FAR_ABOVE)) * constant
        most += 100 * float(np.finfo(self.rows.dtype).eps)
        if best.end.stop_reason in CONVERGED and loss > most:
            return above_constant(loss, constant)
        return None

    def _convergence_message(self, minimum: Minimum) -> str | None:
        """Why the fit ended before it converged, if so, and what to do."""
        n_iter, reason = len(minimum.loss_curve), minimum.stop_reason
        if reason == INTERRUPTED:
            return (
                f"The fit was interrupted after {n_iter} iterations. The best "
                "parameters until then are kept."
            )
        remedy = {
            ITERATION_LIMIT: f"increase max_iter (now {self.settings.max_iter})",
            EVALUATION_LIMIT: f"increase max_fun (now {self.settings.max_fun})",
            LINE_SEARCH: (
                "accept the fit if its loss_ is low enough"
                if self.rows.dtype == np.float64
                else "use float64 data"
            ),
        }.get(reason)
        if remedy is None:
            return None
        return (
            f"The fit ended by its {reason} after {n_iter} iterations, before it "
            f"converged to tol={self.settings.tol}: {remedy}, or increase alpha or tol."
        )

    def importances(self, network: Network) -> np.ndarray:
        """The mean absolute contribution of each feature to the logits, in nats.

        Without hidden layers the coefficients are the same for all rows, and the mean
        over all of them takes less time than to choose some.
        """
        if len(self.shapes) > 1:
            return network.importances()
        training, rows = self.training, network.rows
        if self.features.space is not None:
            training, _ = rows.parts(network.shapes, self.threads)
        ((W_T, _),) = unpack(network.theta, network.shapes)
        of_part = partial(absolute_deviations, rows.moments.mean)
        deviations = sum(training.map(of_part)) / training.weight_sum
        return np.asarray(np.abs(W_T).mean(axis=1) * deviations)

    def _nothing_to_fit(self, alpha: float) -> bool:
        """Whether no network that is better than a constant can be found."""
        data = self.rows.sample(search_rows(self.rows.n_features)).block
        # Some of the rows stand for all.
        share = weight_of(data) / self.training.weight_sum
        # A gain that the tolerance of the fit cannot tell from nothing does not count.
        return asks_for_constant(
            alpha * share,
            data,
            len(self.shapes),
            self.likelihood,
            least_gain=self.settings.tol * self.constant_loss,
        )


def fit(
    rows: Rows,
    settings: Settings,
    *,
    previous: Previous | None = None,
    interrupted_at: np.ndarray | None = None,
    task: FitTask | None = None,
    report: Report | None = None,
) -> Fit:
    """Fit the network.

    Parameters
    ----------
    rows : Rows
    settings : Settings
    previous : Previous, optional
        The fit from which a warm start continues.
    interrupted_at : ndarray of shape (n_parameters,), optional
        Where a search has come to that was interrupted: this is then what is kept,
        without an iteration.
    task : FitTask, optional
        The callbacks' view of the fit.
    report : Report, optional
        What is printed.

    Raises
    ------
    ValueError
        If the loss overflows, or ``previous`` has other classes or layers.
    """
    likelihood = likelihood_of(len(rows.classes))
    shapes = layer_shapes(
        rows.n_features, settings.hidden_layer_sizes, likelihood.n_outputs
    )
    if settings.early_stopping and not rows.has_validation:
        rows = rows.split(
            settings.validation_fraction, check_random_state(settings.random_state)
        )
    if previous is not None:
        previous.check(rows.classes, shapes)
    alpha = 1.0 if settings.alpha == "auto" else settings.alpha
    with overflow_as_error(rows, alpha), single_threaded_blas():
        features = Features.of(rows, shapes)

    def network(theta: np.ndarray) -> Network:
        return Network(features.expand(theta), shapes, likelihood, rows)

    task = FitTask() if task is None else task
    report = Report() if report is None else report
    task.open(rows.X, rows.y, lambda theta: network(theta).attributes())
    # The threads that run restarts take their share of the work on the rows too.
    n_threads = max(settings.n_threads - settings.n_jobs + 1, 1)
    with (
        ThreadedMap(n_threads) as threads,
        overflow_as_error(rows, alpha),
        single_threaded_blas(),
    ):
        problem = Problem.of(rows, settings, likelihood, features, threads)
        pairs = problem.pairs(previous)
        draws = problem.draws()
        choice = problem.choose_alpha(draws[0], previous, task, report)
        if interrupted_at is not None:
            kept = features.reduce(interrupted_at)
            choice = choice._replace(theta=kept, interrupted=True)
        if choice.interrupted:
            assert choice.theta is not None
            best = problem.end_at(choice.theta, choice.alpha, report)
            losses = [best.loss] + [np.inf] * (settings.n_init - 1)
        else:
            if previous is None:
                weight_sum = problem.training.weight_sum
                thetas = [
                    problem.initial(drawn, choice.alpha, weight_sum) for drawn in draws
                ]
            else:
                thetas = [features.reduce(previous.theta)]
            best, losses = problem.minimise(thetas, choice.alpha, pairs, task, report)
        message = problem.message(best, choice)
        found = network(best.iterate.theta)
        importances = problem.importances(found)
    task.close(best.iterate.theta)
    minimum = best.end
    report.line(
        f"{minimum.stop_reason} after {len(minimum.loss_curve)} iterations  "
        f"objective {best.iterate.loss:.6f}  alpha {choice.alpha:.3g}"
    )
    return Fit(found, choice, best, importances, losses, pairs, message)
