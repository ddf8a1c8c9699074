"""Networks that say less than they could: dead layers, shrunk units, constants.

A hidden layer is dead where none of its units is active for any row. Behind it the
network is a constant, and the gradient of all weights is that of the penalty, so no
minimisation would leave it. A penalty that is too strong leads there too: both sides of
a unit shrink to zero, and there its gradient is zero.
"""

from functools import partial

import numpy as np
from sklearn.utils.extmath import row_norms

from .arrays import namespace, operand, to_numpy
from .blocks import Block, OrderedMap, Parts
from .likelihood import Likelihood
from .network import forward
from .objective import Objective
from .parameters import Layers, Shapes, layer_shapes, pack, unpack

# Logits that differ by no more say the same: probabilities to six digits.
SAME_LOGITS = 1e-6

# A unit is shrunk away where the norm of its weights in, times that of its weights out,
# is a smaller share of the initial value.
SHRUNK = 1e-3

# A smaller gain of the mean loss, in nats, may be a rounding error.
NOTHING = 1e-6

# Features that are all smaller carry no information: their squares underflow.
SMALLEST = 1e-300


def flip_dead_layers(theta: np.ndarray, shapes: Shapes, parts: Parts) -> np.ndarray:
    """Theta, or a copy in which dead layers have W_l of the other sign.

    The biases are zero, so any non-zero input that leaves a unit inactive activates
    it then, and the drawn weights are as likely as those of the other sign. Only where
    all inputs of a layer are zero does nothing change, and there is nothing to learn.
    """

    def active(layers: Layers) -> np.ndarray:
        each_part = list(parts.map(partial(_active, layers)))
        return np.asarray(np.any(each_part, axis=0))

    if len(shapes) == 1 or (alive := active(unpack(theta, shapes))).all():
        return theta
    theta = theta.copy()
    layers = unpack(theta, shapes)
    for l in range(1, len(shapes)):  # noqa: E741, the l of the formulas
        if not alive[l - 1]:
            layers[l - 1][0][:] *= -1
            alive = active(layers)
    return theta


def revive(theta: np.ndarray, initial: np.ndarray, shapes: Shapes) -> np.ndarray:
    """A copy of theta in which units that the penalty shrank away begin anew.

    Where both sides of a unit are zero, so is its gradient, and it would stay away
    under a weaker penalty. It gets its weights of ``initial`` back, those out of it
    a tenth, so that the network hardly changes.
    """
    theta = theta.copy()
    layers, fresh = unpack(theta, shapes), unpack(initial, shapes)

    def strengths(layers: Layers, l: int) -> np.ndarray:  # noqa: E741, as in formulas
        into, out_of = layers[l - 1][0], layers[l][0]
        product: np.ndarray = np.linalg.norm(into, axis=0) * np.linalg.norm(
            out_of, axis=1
        )
        return product

    for l in range(1, len(layers)):  # noqa: E741, the l of the formulas
        away = strengths(layers, l) < SHRUNK * strengths(fresh, l)
        (into, b), (out_of, _) = layers[l - 1], layers[l]
        into[:, away] = fresh[l - 1][0][:, away]
        b[away] = fresh[l - 1][1][away]
        out_of[away] = fresh[l][0][away] / 10
    return theta


def is_constant(theta: np.ndarray, shapes: Shapes, parts: Parts) -> bool:
    """Whether the logits of all rows that have weight are the same."""
    layers = unpack(theta, shapes)
    if any(parts.map(partial(_varies, layers))):
        return False
    # Each part by itself is constant.
    moments = list(parts.map(partial(_moments, layers)))
    n, total, squares = (sum(entries) for entries in zip(*moments, strict=True))
    return bool((squares / n - (total / n) ** 2 <= SAME_LOGITS**2).all())


def _active(layers: Layers, part: list[Block]) -> np.ndarray:
    """Of each hidden layer, whether a unit is active for a row that has weight."""
    active = np.zeros(len(layers) - 1, dtype=bool)
    for block in part:
        xp = namespace(block.sample_weight)
        present = (block.sample_weight > 0)[:, None]
        hidden, _ = _forward(layers, block)
        active |= [bool(xp.any((Z > 0) & present)) for Z in hidden]
        if active.all():
            break
    return active


def _varies(layers: Layers, part: list[Block]) -> bool:
    """Whether the logits of one part differ."""
    first = None
    for block in part:
        logits = _logits(layers, block)
        if len(logits):
            first = logits[0] if first is None else first
            if np.abs(logits - first).max() > SAME_LOGITS:
                return True
    return False


def _moments(layers: Layers, part: list[Block]) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of rows, sum and sum of squares of the logits of one part."""
    n, total, squares = 0, np.zeros(len(layers[-1][1])), np.zeros(len(layers[-1][1]))
    for block in part:
        logits = _logits(layers, block).astype(np.float64)
        n += len(logits)
        total += logits.sum(axis=0)
        squares += (logits**2).sum(axis=0)
    return n, total, squares


def _logits(layers: Layers, block: Block) -> np.ndarray:
    """The logits of the rows that have weight, on the host."""
    _, logits = _forward(layers, block)
    return to_numpy(logits)[to_numpy(block.sample_weight) > 0]


def _forward(layers: Layers, block: Block) -> tuple[list[np.ndarray], np.ndarray]:
    """The activations of the hidden layers, and the logits."""
    xp, dtype = namespace(block.sample_weight), block.X.dtype
    X = operand(block.X, dtype)
    out = [xp.empty((X.shape[0], len(b)), dtype) for _, b in layers]
    with np.errstate(over="ignore", invalid="ignore"):
        layers = [
            (xp.to_device(W_T, dtype), xp.to_device(b, dtype)) for W_T, b in layers
        ]
        activations, logits = forward(layers, X, out)
    return activations[1:], logits


def collapse_alpha(
    data: Block, likelihood: Likelihood, ordered_map: OrderedMap = map
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
    n_outputs = likelihood.n_outputs
    linear = layer_shapes(data.X.shape[1], (), n_outputs)
    objective = Objective.over(
        Parts.of(data, linear, ordered_map), linear, likelihood, 0.0, data.X.dtype
    )
    shares = np.bincount(data.y, data.sample_weight, minlength=likelihood.n_classes)
    # Only their differences count. A class without weight gets a negligible share.
    intercepts = np.log(np.maximum(shares / shares.sum(), np.finfo(float).eps))
    if n_outputs == 1:
        intercepts = intercepts[1:] - intercepts[0]
    _, gradient = objective(pack([(np.zeros(linear[0]), intercepts)]))
    with np.errstate(over="ignore"):
        slopes = unpack(objective.parts.weight_sum * gradient, linear)[0][0]
        if np.isfinite(slopes).all():
            strongest = float(np.linalg.norm(slopes, 2))
            if strongest < np.inf:
                return strongest
    raise FloatingPointError("the gradient overflows")


def asks_for_constant(
    alpha: float,
    data: Block,
    n_layers: int,
    likelihood: Likelihood,
    least_gain: float = 0.0,
) -> bool:
    """Whether no network is better than a constant, by the penalty or the data.

    One unit in each of the L layers, all with weights of norm w, makes a logit of
    slope t = w^L. In the best direction it lowers the loss by at least c t - K t^2 / 2,
    where c = ||X^T R||_2 and K = sum_i s_i |x_i|^2 / 2 bounds the curvature, at a cost
    of alpha L t^(2 / L) / 2. So a network whose mean objective is better than the
    constant's by more than ``least_gain`` exists if the gain exceeds the cost by that
    for some t. Without hidden layers the fit itself shows it.
    """
    largest = float(abs(data.X).max())
    if n_layers == 1 or largest < SMALLEST:
        return True
    # In units of the largest feature and of all weight, so that nothing overflows.
    weight = data.sample_weight.astype(np.float64)
    total, weight = weight.sum(), weight / weight.sum()
    X = data.X.astype(np.float64) * (1 / largest)
    slope = collapse_alpha(Block(X, data.y, weight), likelihood)
    curvature = float(weight @ row_norms(X, squared=True)) / 2
    if not slope**2 > NOTHING * curvature:
        return True
    t = slope / curvature * 2.0 ** -np.arange(20)
    gains = slope * t - curvature * t**2 / 2
    with np.errstate(over="ignore"):
        costs = alpha / total * n_layers * (t / largest) ** (2 / n_layers) / 2
    return not (gains - costs > least_gain).any()
