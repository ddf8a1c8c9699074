"""A fit: read the rows, choose a penalty, train the network, set the attributes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Self

import joblib
import numpy as np
import scipy.special
from scipy.sparse import diags_array, issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ._checks import (
    check_interaction_cst,
    check_layer_sizes,
    check_monotonic_cst,
    check_restarts,
    check_split,
)
from ._features import Features
from ._model.arrays import to_numpy
from ._model.blocks import Parts, weight_of
from ._model.collapse import asks_for_constant, constant_network, is_constant
from ._model.objective import Objective
from ._model.parameters import Shapes, layer_shapes, n_parameters, pack, unpack
from ._model.path import mean_absolute_contributions
from ._optimize.callbacks import FitTask, with_callbacks
from ._optimize.curvature import Pair
from ._optimize.lbfgs import INTERRUPTED, Limits, history_size_for
from ._optimize.monitors import Printer, Validation
from ._optimize.training import Restart, balance, limits_for, stages, train
from ._rows.chunkwise import is_dask
from ._rows.dask import OnCluster
from ._rows.held import Held
from ._rows.rows import Given, Rows
from ._rows.statistics import absolute_deviations
from ._search.auto import Choice, choose_alpha, search_rows
from ._threads import ThreadedMap, effective_n_threads, single_threaded_blas
from ._warnings import interrupted, limited_search, overflow_message, what_to_warn_of

# Importances take about this many multiplications, and rows with this many numbers in
# all, but at least a hundred rows.
IMPORTANCE_WORK, IMPORTANCE_NUMBERS, FEWEST_IMPORTANCE_ROWS = 2**31, 2**18, 100

# Above this initial penalty, in nats, the fit first checks whether only a constant can
# be optimal. Rounding would hide the data beside such a penalty.
LARGEST_PENALTY = 1e6

# A fit ends when ten iterations gain less than this over all rows, in nats: such a gain
# is hardly beyond chance. See docs/defaults.md.
LITTLE = 2.0


class Previous(NamedTuple):
    """An earlier fit, from which a warm start continues."""

    classes: np.ndarray
    shapes: Shapes
    theta: np.ndarray
    choice: Choice
    pairs: Sequence[Pair]

    @classmethod
    def of(cls, estimator: BaseEstimator) -> Self | None:
        """The fit from which `warm_start` continues, if any."""
        if not (estimator.warm_start and hasattr(estimator, "coefs_")):
            return None
        coefs = [to_numpy(W_T) for W_T in estimator.coefs_]
        intercepts = [to_numpy(b) for b in estimator.intercepts_]
        losses = getattr(estimator, "alpha_losses_", None)
        relevance = to_numpy(estimator.relevance_)
        return cls(
            to_numpy(estimator.classes_),
            [W_T.shape for W_T in coefs],
            pack(list(zip(coefs, intercepts, strict=True))),
            Choice(
                estimator.alpha_,
                {"alpha_losses_": losses},
                relevance=None if (relevance == 1).all() else relevance,
            ),
            getattr(estimator, "_pairs", None) or (),
        )

    def check(self, classes: np.ndarray, shapes: Shapes) -> None:
        """Raise a ValueError if the earlier fit had other classes or layers."""
        remedy = "Set warm_start=False, or fit a clone: warm_start=True continues a fit"
        if not np.array_equal(classes, self.classes):
            raise ValueError(
                f"{remedy} to the classes {self.classes.tolist()}, but those of y are "
                f"{classes.tolist()}."
            )
        if shapes != self.shapes:
            before, now = (
                tuple(m for _, m in layers[:-1]) for layers in (self.shapes, shapes)
            )
            raise ValueError(
                f"{remedy} with hidden_layer_sizes={before}, but now it is {now}."
            )


@with_callbacks
def fit(
    estimator: BaseEstimator,
    given: Given,
    search: Callable[..., Choice] | None = None,
    refit: bool = True,
) -> tuple[str | None, bool]:
    """Fit the network of an estimator with checked parameters, and set its attributes.

    Parameters
    ----------
    estimator : ReLULogisticClassifier or ReLULogisticClassifierCV
        Its fitted attributes are set.
    given : Given
    search : callable, optional
        Finds the penalty, with the signature of `choose_alpha`. The default is the
        penalty `alpha` or, for "auto", a search over two halves of the rows.
    refit : bool
        Whether to fit a network with the penalty found.

    Returns
    -------
    message : str or None
        The text of a warning.
    interrupted : bool
        Whether Ctrl-C ended the fit; the attributes are then its best parameters.

    Raises
    ------
    ValueError
        If an array is not valid, or the loss overflows.
    """
    hidden, n_init, splits = check_fit(estimator, given)
    previous = Previous.of(estimator)
    alpha = getattr(estimator, "alpha", "auto")
    searches = search is not None or (alpha == "auto" and previous is None)
    task = FitTask.of(estimator, given.sample_weight, n_init, searches, refit)

    # 1. The rows: check and weight them, and merge equal ones.
    by_groups = splits or (searches and search is None)
    rows = read(estimator, given, previous is None, not hidden, by_groups)
    shapes = layer_shapes(rows.n_features, hidden, len(rows.classes))
    if previous is not None:
        previous.check(rows.classes, shapes)
    monotonic_cst = check_monotonic_cst(
        estimator.monotonic_cst, rows.n_features, rows.feature_names, len(rows.classes)
    )
    groups = check_interaction_cst(estimator.interaction_cst, rows.n_features, hidden)
    n_jobs, n_threads = divided_threads(estimator, n_init)
    with (
        ThreadedMap(n_threads) as threads,
        overflow_as_error(rows, alpha),
        single_threaded_blas(),
    ):
        # 2. The features: their scale, or the space of the rows if there are few rows.
        features = Features.of(rows, shapes, monotonic_cst, groups)
        if previous is not None:
            features = features.going_on(previous.theta)
        layers = features.fitted.shapes
        fitted = features.reduced(rows)
        task.open(rows, partial(features.attributes, rows))
        draws = features.draws(estimator.random_state)
        drawn = next(draws)

        # 3. The penalty: searched, kept from the last fit, or given.
        if searches:
            choose = search or choose_alpha
            choice = choose(estimator, rows, fitted, features, drawn, threads, task)
        elif previous is not None and alpha == "auto":
            choice = previous.choice
        else:
            choice = Choice(float(alpha), {"alpha_losses_": None})
        set_attributes(estimator, {"alpha_": choice.alpha} | choice.found)
        # The space of the rows has no features to weight.
        relevance = choice.relevance if features.space is None else None
        if relevance is not None:
            features = features.weighed(relevance)
        if not refit:
            estimator.classes_ = rows.classes
            task.close(None)
            return limited_search(choice.limited, estimator), False

        # 4. The network: train it from one or several starts.
        if splits:
            rng = check_random_state(estimator.random_state)
            rows = rows.split(float(estimator.validation_fraction), rng)
            fitted = features.reduced(rows)
        training, validation = fitted.parts(layers, threads)
        objective = Objective(training, layers, choice.alpha, rows.dtype, relevance)
        start = partial(bearable_start, estimator, fitted, features, objective)
        thetas: Iterator[np.ndarray] = map(start, chain([drawn], draws))
        if previous is not None:
            thetas = iter([features.reduce(previous.theta)])
        pairs = None
        if features.signs is None:
            pairs = warm_pairs(estimator, objective, previous)
        task.begin_final(n_init, int(estimator.max_iter))
        best, losses = train(
            stages(objective, limits_of(estimator, rows, layers, training.weight_sum)),
            restarts(estimator, thetas, n_init, objective, validation, task),
            n_init,
            wasted=partial(is_wasted, estimator, fitted, objective),
            history_size=min(
                history_size(estimator, objective), int(estimator.max_iter)
            ),
            n_jobs=n_jobs,
            pairs=pairs,
            standard=features.fitted.coordinates(choice.alpha, training.weight_sum),
            signs=features.signs,
            enough=task.enough,
        )
        balance(best, objective, rows.shares, int(estimator.max_fun))

        # 5. The attributes.
        theta = best.iterate.theta
        set_attributes(estimator, features.attributes(rows, theta))
        set_attributes(estimator, training_attributes(rows, best, losses, relevance))
        estimator._pairs = pairs
        message = finish(estimator, rows, fitted, features, objective, best, choice)
    try:
        task.close(theta)
    except KeyboardInterrupt:
        estimator.stop_reason_ = INTERRUPTED
        message = interrupted(estimator.n_iter_)
    task.report.line(
        f"{estimator.stop_reason_} after {estimator.n_iter_} iterations  "
        f"objective {estimator.loss_:.6f}  alpha {choice.alpha:.3g}"
    )
    return message, estimator.stop_reason_ == INTERRUPTED


def check_fit(
    estimator: BaseEstimator, given: Given
) -> tuple[tuple[int, ...], int, bool]:
    """The hidden layers, the number of starts, and whether to set rows aside.

    Raises
    ------
    ValueError
        If parameters exclude each other, or validation data are incomplete.
    """
    given.check()
    hidden = check_layer_sizes(estimator.hidden_layer_sizes, type(estimator).__name__)
    check_restarts(estimator.warm_start, estimator.n_init)
    splits = bool(estimator.early_stopping) and given.X_val is None
    if splits:
        check_split(estimator.warm_start, estimator.random_state)
    # Without hidden layers there are no local minima, and all starts are equal.
    return hidden, int(estimator.n_init) if hidden else 1, splits


def read(
    estimator: BaseEstimator, given: Given, reset: bool, linear: bool, by_groups: bool
) -> Rows:
    """A user's arguments, checked, as rows on their device."""
    source = OnCluster if any(map(is_dask, given)) else Held
    return source.read(
        estimator,
        given,
        reset=reset,
        class_weight=estimator.class_weight,
        linear=linear,
        by_groups=by_groups,
    )


def divided_threads(estimator: BaseEstimator, n_init: int) -> tuple[int, int]:
    """How many starts run at a time, and how many threads share the rows.

    The threads that run starts also work on the rows.
    """
    n_jobs = min(joblib.effective_n_jobs(estimator.n_jobs), n_init)
    return n_jobs, max(effective_n_threads(estimator.n_threads) - n_jobs + 1, 1)


@contextmanager
def overflow_as_error(rows: Rows, alpha: float | str) -> Iterator[None]:
    """Turn an overflow into a ValueError that names its likely cause."""
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
                1.0 if isinstance(alpha, str) else float(alpha),
            )
        ) from error


def bearable_start(
    estimator: BaseEstimator,
    fitted: Rows,
    features: Features,
    objective: Objective,
    drawn: np.ndarray,
) -> np.ndarray:
    """A start, or the constant if the penalty allows nothing else."""
    parts, shapes, alpha = objective.parts, objective.shapes, objective.alpha
    theta = features.start(drawn, alpha, parts.weight_sum, parts)
    if objective.penalty(theta) <= LARGEST_PENALTY or not nothing_to_fit(
        estimator, fitted, objective, alpha
    ):
        return theta
    return constant_network(shapes, fitted.shares)


def nothing_to_fit(
    estimator: BaseEstimator, fitted: Rows, objective: Objective, alpha: float
) -> bool:
    """Whether no network better than a constant can be found."""
    data = fitted.sample(search_rows(fitted.n_features)).block
    if objective.relevance is not None:
        k = diags_array(objective.relevance)
        data = data._replace(X=data.X @ k)
    # A sample of the rows stands for all rows.
    share = weight_of(data) / objective.parts.weight_sum
    # Ignore gains that are below the tolerance of the fit.
    least_gain = estimator.tol * constant_loss(fitted)
    return asks_for_constant(alpha * share, data, len(objective.shapes), least_gain)


def constant_loss(rows: Rows) -> float:
    """The loss of a constant network, in nats: the entropy of the class shares."""
    return float(scipy.special.entr(rows.shares).sum())


def limits_of(
    estimator: BaseEstimator, rows: Rows, shapes: Shapes, weight_sum: float
) -> Limits:
    """The conditions for the end of a fit, from the estimator's parameters."""
    return limits_for(
        shapes,
        rows.dtype,
        float(estimator.tol),
        int(estimator.max_iter),
        int(estimator.max_fun),
        largest=constant_loss(rows),
        least_gain=LITTLE * rows.row_weight / weight_sum,
    )


def history_size(estimator: BaseEstimator, objective: Objective) -> int:
    """The number of correction pairs to keep."""
    if estimator.history_size != "auto":
        return int(estimator.history_size)
    return history_size_for(objective.parts.work, n_parameters(objective.shapes))


def warm_pairs(
    estimator: BaseEstimator, objective: Objective, previous: Previous | None
) -> deque[Pair] | None:
    """The correction pairs for a warm start, if the last fit had the same penalty."""
    if not estimator.warm_start:
        return None
    before: Sequence[Pair] = ()
    # Their coordinates depend on the penalty.
    if (
        previous is not None
        and previous.choice.alpha == objective.alpha
        and _same(previous.choice.relevance, objective.relevance)
    ):
        n = n_parameters(objective.shapes)
        before = [pair for pair in previous.pairs if pair[0].size == n]
    return deque(before, maxlen=history_size(estimator, objective))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def is_wasted(
    estimator: BaseEstimator,
    fitted: Rows,
    objective: Objective,
    restart: Restart,
) -> bool:
    """Whether a restart has ended as a constant that another start may improve on.

    With one hidden layer, the bound of `nothing_to_fit` is close to the penalty at
    which the network collapses. With more layers, the constant is a local minimum
    under any penalty. Then only other starts show whether it is the best.
    """
    shapes, parts = objective.shapes, objective.parts
    if len(shapes) == 1 or estimator.warm_start:
        return False
    if restart.iterate.loss < (1 - estimator.tol) * constant_loss(fitted):
        return False
    if not is_constant(restart.iterate.theta, shapes, parts):
        return False
    several = len(shapes) > 2 and bool(fitted.moments.varies.any())
    return several or not nothing_to_fit(estimator, fitted, objective, objective.alpha)


def restarts(
    estimator: BaseEstimator,
    thetas: Iterator[np.ndarray],
    n_init: int,
    objective: Objective,
    validation: Parts | None,
    task: FitTask,
) -> Iterator[Restart]:
    """The starts, one after another, each with its monitors."""
    for index, theta in enumerate(thetas):
        # A callback's reason to stop takes precedence over early stopping.
        monitors, validated = task.monitors(index), None
        if validation is not None:
            validated = Validation(
                Objective(validation, objective.shapes, 0.0, objective.dtype),
                estimator.n_iter_no_change if estimator.early_stopping else None,
                float(estimator.tol),
            )
            monitors.append(validated)
        if task.report.verbose:
            n_starts = max(n_init, index + 1)
            label = f"start {index + 1} of {n_starts}  " if n_starts > 1 else ""
            monitors.append(Printer(task.report, label, validated))
        yield Restart(index, theta, monitors, validated)


def training_attributes(
    rows: Rows, best: Restart, losses: list[float], relevance: np.ndarray | None
) -> dict[str, Any]:
    """The attributes that describe the training."""
    minimum = best.end
    n_iter = len(minimum.loss_curve)
    ones = np.ones(len(rows.moments.mean))
    return {
        "loss_": best.iterate.loss,
        "loss_curve_": minimum.loss_curve,
        "validation_loss_curve_": best.validation and best.validation.losses[:n_iter],
        "restart_losses_": rows.xp.to_device(np.array(losses)),
        "relevance_": rows.xp.to_device(ones if relevance is None else relevance),
        "feature_mean_": rows.xp.to_device(rows.moments.mean.astype(rows.dtype)),
        "n_iter_": n_iter,
        "n_evaluations_": minimum.n_evaluations,
        "stop_reason_": minimum.stop_reason,
    }


def finish(
    estimator: BaseEstimator,
    rows: Rows,
    fitted: Rows,
    features: Features,
    objective: Objective,
    best: Restart,
    choice: Choice,
) -> str | None:
    """Add the importances, and return the warning. An interrupt loses only these."""
    # Importances of an earlier fit are no longer valid.
    vars(estimator).pop("feature_importances_", None)
    try:
        found = importances(rows, features, objective, best.iterate.theta)
        estimator.feature_importances_ = rows.xp.to_device(found.astype(rows.dtype))
        message = what_to_warn_of(
            estimator,
            rows,
            features,
            objective,
            best,
            choice,
            constant_loss(rows),
            partial(nothing_to_fit, estimator, fitted, objective),
        )
    except KeyboardInterrupt:
        estimator.stop_reason_ = best.end.stop_reason = INTERRUPTED
        message = interrupted(len(best.end.loss_curve))
    return message


def importances(
    rows: Rows, features: Features, objective: Objective, theta: np.ndarray
) -> np.ndarray:
    """The mean absolute contribution of each feature to the logits, in nats.

    It is the mean over the training rows, or over a sample of them. Without hidden
    layers the coefficients are the same for all rows. Then the mean over all rows is
    faster than drawing a sample.
    """
    shapes = features.scale.shapes
    layers = unpack(features.expand(theta), shapes)
    if len(shapes) == 1:
        training, ((W_T, _),) = objective.parts, layers
        if features.space is not None:
            training, _ = rows.parts(shapes, map)
        of_part = partial(absolute_deviations, rows.moments.mean)
        deviations = sum(training.map(of_part)) / training.weight_sum
        return np.abs(W_T).mean(axis=1) * deviations
    work = shapes[-1][1] * sum(n * m for n, m in shapes)
    # With more layers, more kinks lie between the mean and a row.
    work *= 1 + sum(m for _, m in shapes[:-2]) // 4
    n_rows = min(IMPORTANCE_WORK // work, IMPORTANCE_NUMBERS // rows.n_features)
    n_rows = max(n_rows, FEWEST_IMPORTANCE_ROWS)
    n_rows = min(n_rows, search_rows(rows.n_features))
    # The rows are in the random order of their keys, whether all or a sample.
    X, _, weights = rows.sample(n_rows).block
    X, weights = X[:n_rows], weights[:n_rows]
    return mean_absolute_contributions(
        layers,
        X if issparse(X) else to_numpy(X),
        to_numpy(weights),
        rows.moments.mean,
    )


def set_attributes(estimator: BaseEstimator, attributes: dict[str, Any]) -> None:
    """Set attributes by their names."""
    for name, value in attributes.items():
        setattr(estimator, name, value)
