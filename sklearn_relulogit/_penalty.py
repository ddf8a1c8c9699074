"""The strength of the penalty that the data ask for: ``alpha="auto"``.

Two-fold cross-validation between halves that the data define (see `_halves`), along
a path of penalties. ``docs/defaults.md`` tells why, and what it gains.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.extmath import row_norms

from ._blas import single_threaded_blas
from ._blocks import Block, Parts, cut
from ._halves import halves
from ._lbfgs import INTERRUPTED, Iterate, Limits, Monitor, Stage, minimize
from ._likelihood import Likelihood
from ._monitors import VALIDATION_LOSS
from ._objective import Objective
from ._parameters import Shapes, layer_shapes, pack, revive, unpack
from ._training import limits_for

# Penalties are half powers of ten, counted by their exponents, so that rounding errors
# do not matter. The search begins at 10, the best single value in the study, unless
# the network would all but collapse, and goes no more than four powers from there.
FIRST_EXPONENT = 2
MAX_STEPS = 8

# Two losses are told apart if they differ by this share of them; the fits of the
# search are no more exact. It is for the choice alone, so it need not be patient.
TOLERANCE = 1e-3
MAX_ITER = 300

# A fit is given up once its validation loss is this share above that of the penalty
# before, and rises. It is looked at every so many iterations.
HOPELESS = 0.02
LOOK_EVERY = 10

# A gain of the mean loss of so many nats is none but rounding errors.
NOTHING = 1e-6

# Features that are all smaller than that say nothing either.
SMALLEST = 1e-300

# Bits of theta that are carried from one fit to the next.
CARRIED_BITS = 10

OrderedMap = Callable[..., Iterable[Any]]


class Choice(NamedTuple):
    """A penalty, the validation loss of those tried, and a theta to go on from."""

    alpha: float
    losses: dict[float, float] | None
    theta: np.ndarray | None


class Hopeless(Monitor):
    """Ends a fit whose validation loss has risen, and still rises, above a bound.

    Fits with too weak a penalty are the longest, and it shows early.
    """

    def __init__(self, validation: Objective, bound: float) -> None:
        self.validation = validation
        self.bound = bound
        self._last = bound

    def end_iteration(self, iterate: Iterate) -> str | None:
        if iterate.n_iter % LOOK_EVERY:
            return None
        before, self._last = self._last, self.validation.mean_nll(iterate.theta)
        return VALIDATION_LOSS if self._last > max(before, self.bound) else None


def choice_limits(shapes: Shapes, dtype: np.dtype) -> Limits:
    """When to stop a fit that only serves to choose."""
    limits = limits_for(shapes, dtype, TOLERANCE, MAX_ITER, 2 * MAX_ITER)
    # Without hidden layers the gradient alone ends it, and soon.
    return limits if len(shapes) > 1 else replace(limits, tol=TOLERANCE / 10)


def step(
    objective: Objective,
    theta: np.ndarray,
    limits: Limits,
    history_size: int,
    monitors: Sequence[Monitor] = (),
) -> np.ndarray:
    """One step of a path: minimise from theta, for the next to go on from."""
    minimum = minimize(
        [Stage(objective, limits)],
        theta,
        history_size=int(min(history_size, MAX_ITER)),
        monitors=monitors,
    )
    if minimum.stop_reason == INTERRUPTED:
        raise KeyboardInterrupt
    return rounded(minimum.iterate.theta)


def choose_alpha(
    data: Block,
    shapes: Shapes,
    likelihood: Likelihood,
    initial: np.ndarray,
    *,
    history_size: int,
    ordered_map: OrderedMap = map,
    report: Callable[[float, float], None] | None = None,
) -> Choice:
    """The penalty whose fits to each half have the lowest mean loss on the other.

    The fits of each half follow the path that `walk` takes, each from where the one
    before has ended, the first from ``initial``. So it finds the lowest loss if the
    loss has one minimum over alpha, as it has, but for noise, in the study.
    """
    cut_in_two = halves(data, max(shapes[-1][1], 2))
    collapse = collapse_alpha(data, shapes, likelihood, ordered_map)
    if not all(len(half.y) for half in cut_in_two.validation) or collapse == 0:
        # There is nothing to tell one penalty from another.
        return Choice(penalty(FIRST_EXPONENT), {}, None)

    def objective(half: Block) -> Callable[[float], Objective]:
        parts = Parts.of(cut(half, shapes))
        return lambda alpha: Objective(
            parts, shapes, likelihood, alpha, data.X.dtype, ordered_map
        )

    training = [objective(half) for half in cut_in_two.training]
    # Each is judged on the other.
    validation = [objective(half)(0.0) for half in reversed(cut_in_two.validation)]
    limits = choice_limits(shapes, data.X.dtype)
    paths: dict[int | None, list[np.ndarray]] = {None: [initial, initial]}
    half_losses: dict[int | None, list[float]] = {None: [np.inf, np.inf]}

    def loss_at(exponent: int, before: int | None) -> float:
        alpha = penalty(exponent)
        paths[exponent] = [
            step(
                half(alpha),
                revive(theta, initial, shapes),
                limits,
                history_size,
                [Hopeless(other, (1 + HOPELESS) * loss)],
            )
            for half, other, theta, loss in zip(
                training, validation, paths[before], half_losses[before], strict=True
            )
        ]
        half_losses[exponent] = [
            half.mean_nll(theta)
            for half, theta in zip(validation, paths[exponent], strict=True)
        ]
        loss = np.average(
            half_losses[exponent], weights=[half.weight_sum for half in validation]
        )
        if report is not None:
            report(alpha, float(loss))
        return float(loss)

    start = min(FIRST_EXPONENT, int(np.floor(2 * np.log10(collapse))) - 1)
    with single_threaded_blas():
        # One nat over all rows: the evidence that it takes to leave what is best as
        # a rule. Rows, not their weights, so that the unit of these does not matter.
        best, losses = walk(loss_at, start, least_gain=1 / cut_in_two.n_rows)
    return Choice(
        penalty(best),
        {penalty(exponent): loss for exponent, loss in losses.items()},
        paths[best][0],
    )


def penalty(exponent: int) -> float:
    """The half power of ten."""
    return float(10 ** (exponent / 2))


def rounded(theta: np.ndarray) -> np.ndarray:
    """Theta to `CARRIED_BITS` significant bits.

    Near the kinks of the network a difference in the last bit grows from iteration to
    iteration. Rounding between the fits takes it away before it is seen, so that
    repeats of rows lead, fit after fit, where weights do.
    """
    mantissa, exponent = np.frexp(theta)
    scale = 2.0**CARRIED_BITS
    return np.ldexp(np.round(mantissa * scale) / scale, exponent)


def walk(
    loss_at: Callable[[int, int | None], float], start: int, least_gain: float
) -> tuple[int, dict[int, float]]:
    """Go from ``start`` to weaker or stronger penalties while the loss falls.

    To weaker ones first, or else, if there is nothing to gain, to stronger ones. A
    step must lower the loss by ``least_gain`` and by what can be told apart.

    Parameters
    ----------
    loss_at : callable
        ``loss_at(exponent, before)`` comes from the penalty ``before``, None at first.
    start : int
        Exponent of the first penalty.
    least_gain : float

    Returns
    -------
    best : int
        Where it ends.
    losses : dict of int to float
        The loss of each penalty tried.
    """
    losses = {start: loss_at(start, None)}
    here = start
    for step in (-1, 1):
        while abs(here - start) < MAX_STEPS:
            losses[here + step] = loss_at(here + step, here)
            gain = losses[here] - losses[here + step]
            if gain <= max(least_gain, TOLERANCE * losses[here]):
                break
            here += step
        if here != start:
            break
    return here, losses


def collapse_alpha(
    data: Block,
    shapes: Shapes,
    likelihood: Likelihood,
    ordered_map: OrderedMap = map,
) -> float:
    """The penalty above which no hidden unit pays, about: ||X^T R||_2.

    R are the weighted residuals of the model that predicts the shares of the classes.
    To it, a unit with input weights w and output weights v adds v relu(w.x + b),
    which lowers the loss, to first order and while it is active, by at most
    |v| |w| ||X^T R||_2, at a cost of alpha (|v|^2 + |w|^2) / 2 >= alpha |v| |w|.

    Raises
    ------
    FloatingPointError
        If it overflows.
    """
    (n_features, _), (_, n_outputs) = shapes[0], shapes[-1]
    linear = layer_shapes(n_features, (), n_outputs)
    objective = Objective(
        Parts.of(cut(data, linear)), linear, likelihood, 0.0, data.X.dtype, ordered_map
    )
    shares = np.bincount(data.y, data.sample_weight, minlength=max(n_outputs, 2))
    # Only their differences count. A class without weight has, as good as, no share.
    intercepts = np.log(np.maximum(shares / shares.sum(), np.finfo(float).eps))
    if n_outputs == 1:
        intercepts = intercepts[1:] - intercepts[0]
    _, gradient = objective(pack([(np.zeros(linear[0]), intercepts)]))
    with np.errstate(over="ignore"):
        slopes = unpack(objective.weight_sum * gradient, linear)[0][0]
        if np.isfinite(slopes).all():
            strongest = float(np.linalg.norm(slopes, 2))
            if strongest < np.inf:
                return strongest
    raise FloatingPointError("the gradient overflows")


def asks_for_constant(
    alpha: float,
    data: Block,
    shapes: Shapes,
    likelihood: Likelihood,
    least_gain: float = 0.0,
) -> bool:
    """Whether the penalty, or data that say nothing, ask for a constant network.

    One unit in each of the L layers, all with weights of norm w, makes a logit of
    slope t = w^L. In the best direction it lowers the loss by at least c t - K t^2 / 2,
    where c = ||X^T R||_2 and K = sum_i s_i |x_i|^2 / 2 bounds the curvature, at a cost
    of alpha L t^(2 / L) / 2. So a network whose mean objective is better than the
    constant's by more than ``least_gain`` exists if that is less by so much for some
    t. Without hidden layers a fit finds out by itself.
    """
    largest = float(abs(data.X).max())
    if len(shapes) == 1 or largest < SMALLEST:
        return True
    # In units of the largest feature and of all weight, so that nothing overflows.
    weight = data.sample_weight.astype(np.float64)
    total, weight = weight.sum(), weight / weight.sum()
    X = data.X.astype(np.float64) * (1 / largest)
    slope = collapse_alpha(Block(X, data.y, weight), shapes, likelihood)
    curvature = float(weight @ row_norms(X, squared=True)) / 2
    if not slope**2 > NOTHING * curvature:
        return True
    t = slope / curvature * 2.0 ** -np.arange(20)
    gains = slope * t - curvature * t**2 / 2
    with np.errstate(over="ignore"):
        costs = alpha / total * len(shapes) * (t / largest) ** (2 / len(shapes)) / 2
    return not (gains - costs > least_gain).any()
