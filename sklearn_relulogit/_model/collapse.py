"""Dead layers, shrunk units, and networks that are constant.

A hidden layer is dead if none of its units is active for any row. Then the network is a
constant, and the gradient of the weights is that of the penalty alone. So no
minimisation leaves this state. Too strong a penalty also leads there: both sides of a
unit shrink to zero, and the gradient is zero there.
"""

from functools import partial

import numpy as np
from sklearn.utils.extmath import row_norms

from .arrays import namespace, operand, to_numpy
from .blocks import Block, Parts, features_of
from .network import forward
from .parameters import Layers, Shapes, n_parameters, unpack

# Logits count as equal up to this difference: probabilities to six digits.
SAME_LOGITS = 1e-6

# A unit has shrunk away if the product of the norms of its input and output weights is
# below this share of the initial value.
SHRUNK = 1e-3

# A smaller gain of the mean loss, in nats, may be a rounding error.
NOTHING = 1e-6

# Number of random directions for the scale of the penalty.
N_DIRECTIONS = 16

# If all features are smaller, they carry no information: their squares underflow.
SMALLEST = 1e-300


def flip_dead_layers(
    theta: np.ndarray, shapes: Shapes, parts: Parts, keep_signs: bool = False
) -> np.ndarray:
    """Theta, or a copy in which dead layers have W_l and b_l with the other sign.

    Then inputs that left a unit inactive activate it, unless they are exactly at its
    kink. The drawn weights are as likely as those of the other sign. If all inputs of a
    layer are equal, nothing changes, and there is nothing to learn. Weights that must
    keep their signs become zero instead, with positive biases.
    """

    def active(layers: Layers) -> np.ndarray:
        each_part = list(parts.map(partial(_active, layers)))
        return np.any(each_part, axis=0)

    if len(shapes) == 1 or (alive := active(unpack(theta, shapes))).all():
        return theta
    theta = theta.copy()
    layers = unpack(theta, shapes)
    for l in range(1, len(shapes)):  # noqa: E741, the l of the formulas
        if not alive[l - 1]:
            W_T, b = layers[l - 1]
            if keep_signs:
                W_T[:], b[:] = 0, np.abs(b)
            else:
                W_T *= -1
                b *= -1
            alive = active(layers)
    return theta


def revive(theta: np.ndarray, initial: np.ndarray, shapes: Shapes) -> np.ndarray:
    """A copy of theta in which units that the penalty shrank away start again.

    If both sides of a unit are zero, so is its gradient, and it would stay zero under a
    weaker penalty. It gets its input weights from ``initial``, and a tenth of its
    output weights, so that the network hardly changes.
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


def constant_network(shapes: Shapes, shares: np.ndarray) -> np.ndarray:
    """The parameters of a network without weights that predicts these shares."""
    logits = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    n_outputs = shapes[-1][1]
    theta = np.zeros(n_parameters(shapes))
    theta[-n_outputs:] = logits if n_outputs > 1 else logits[1] - logits[0]
    return theta


def is_constant(theta: np.ndarray, shapes: Shapes, parts: Parts) -> bool:
    """Whether the logits of all rows with weight are the same."""
    each_part = parts.map(partial(_first_logits, unpack(theta, shapes)))
    differ, n, first, squares = (sum(column) for column in zip(*each_part, strict=True))
    variance = squares / n - (first / n) ** 2
    return not differ and bool((variance <= SAME_LOGITS**2).all())


def _active(layers: Layers, part: list[Block]) -> np.ndarray:
    """Whether each hidden layer has a unit that is active for a row with weight."""
    active = np.zeros(len(layers) - 1, dtype=bool)
    for block in part:
        xp = namespace(block.sample_weight)
        present = (block.sample_weight > 0)[:, None]
        hidden, _ = _forward(layers, block)
        active |= [bool(xp.any((Z > 0) & present)) for Z in hidden]
        if active.all():
            break
    return active


def _first_logits(
    layers: Layers, part: list[Block]
) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Whether the logits of a part differ; then 1, the first logit, and its square.

    The sums of these numbers show whether the first logits of all parts are equal.
    """
    n, first = 0, np.zeros(len(layers[-1][1]))
    for block in part:
        _, logits = _forward(layers, block)
        logits = to_numpy(logits)[to_numpy(block.sample_weight) > 0]
        if len(logits):
            first = first if n else logits[0].astype(np.float64)
            n = 1
            if np.abs(logits - first).max() > SAME_LOGITS:
                return 1, n, first, first**2
    return 0, n, first, first**2


def _forward(layers: Layers, block: Block) -> tuple[list[np.ndarray], np.ndarray]:
    """The activations of the hidden layers, and the logits."""
    xp, dtype = namespace(block.sample_weight), block.X.dtype
    X = operand(features_of(block.X, layers[0][0].shape[0]), dtype)
    out = [xp.empty((X.shape[0], len(b)), dtype) for _, b in layers]
    with np.errstate(over="ignore", invalid="ignore"):
        layers = [
            (xp.to_device(W_T, dtype), xp.to_device(b, dtype)) for W_T, b in layers
        ]
        activations, logits = forward(layers, X, out)
    return activations[1:], logits


def collapse_alpha(data: Block, unit: np.ndarray) -> float:
    """The approximate penalty above which no hidden unit pays: a scale for penalties.

    R are the weighted residuals of the model that predicts the class shares. Add to it
    a unit with input weights w and output weights v: v relu(w.x - b). To first order,
    the loss falls by |v| |R^T relu(X w - b)|. The penalty is
    alpha (|v|^2 + |w|^2) / 2 >= alpha |v| |w|. So no unit pays if alpha exceeds the
    largest |R^T relu(X w - b)| / |w|. This function maximises over all b and some w:
    the best linear unit, which gives ||X^T R||_2, and random ones. Random units find
    what no linear unit does.

    Parameters
    ----------
    data : Block
    unit : ndarray of shape (n_features,)
        The units of the features, in which random directions are drawn.

    Raises
    ------
    FloatingPointError
        If the result overflows.
    """
    weights = data.sample_weight.astype(np.float64)
    shares = np.bincount(data.y, weights)
    R = weights[:, None] * (shares / shares.sum() - np.eye(len(shares))[data.y])
    if len(shares) == 2:
        R = R[:, 1:]
    rng = np.random.RandomState(0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        slopes = np.asarray(data.X.T @ R)
        slopes[~np.isfinite(unit)] = 0  # Constants have only rounding errors.
        if not np.isfinite(slopes).all():
            raise FloatingPointError("the gradient overflows")
        linear = np.linalg.svd(slopes, full_matrices=False)[0][:, :1]
        random = rng.standard_normal((len(unit), N_DIRECTIONS)) / unit[:, None]
        lengths = np.linalg.norm(random, axis=0)
        W = np.hstack([linear, random[:, lengths > 0] / lengths[lengths > 0]])
        gains = [strongest_unit(t, R) for t in np.asarray(data.X @ W).T]
        # Rounding errors of the sums are not a gain.
        noise = np.finfo(np.float64).eps * np.abs(R).sum() * np.sqrt(len(R))
        strongest = float(np.max(gains))
        reach = np.abs(data.X @ W).max()
    if not strongest < np.inf:
        raise FloatingPointError("the gradient overflows")
    return strongest if strongest > noise * reach else 0.0


def strongest_unit(t: np.ndarray, R: np.ndarray) -> float:
    """The largest |R^T relu(t - b)| and |R^T relu(b - t)| over all b.

    Both are piecewise linear in b, so their maxima are at b = t_i or at infinity. The
    columns of R sum to zero, so |R^T relu(t - b)| tends to |R^T t|.
    """
    order = np.argsort(-t)
    t, R = t[order], R[order]
    total = np.cumsum(R, axis=0)
    above = np.cumsum(R * t[:, None], axis=0) - total * t[:, None]
    below = above - above[-1:]
    return float(np.max([longest_row(A) for A in (above, below)]))


def longest_row(A: np.ndarray) -> float:
    """The largest norm of a row, by squares that neither overflow nor underflow."""
    largest = float(np.abs(A).max())
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.linalg.norm(A / largest, axis=1).max())


def asks_for_constant(
    alpha: float,
    data: Block,
    n_layers: int,
    least_gain: float = 0.0,
) -> bool:
    """Whether no network is better than a constant, because of the penalty or data.

    Take one unit in each of the L layers, all with weights of norm w. The logit then
    has the slope t = w^L, and the penalty is alpha L t^(2 / L) / 2. In the best
    direction the loss falls by at least c t - K t^2 / 2. Here c is the gain of the
    strongest unit (`collapse_alpha`), and K = sum_i s_i (2 |x_i|)^2 / 2 bounds the
    curvature. A network exists with a mean objective below the constant's by more than
    ``least_gain`` if for some t the gain exceeds the penalty by that. Without hidden
    layers the fit itself shows it.
    """
    largest = float(abs(data.X).max())
    if n_layers == 1 or largest < SMALLEST:
        return True
    # In units of the largest feature and of all weight, so that nothing overflows.
    weight = data.sample_weight.astype(np.float64)
    total, weight = weight.sum(), weight / weight.sum()
    X = data.X.astype(np.float64) * (1 / largest)
    slope = collapse_alpha(Block(X, data.y, weight), np.ones(X.shape[1]))
    curvature = float(weight @ row_norms(X, squared=True)) * 2
    if not slope**2 > NOTHING * curvature:
        return True
    t = slope / curvature * 2.0 ** -np.arange(20)
    gains = slope * t - curvature * t**2 / 2
    with np.errstate(over="ignore"):
        costs = alpha / total * n_layers * (t / largest) ** (2 / n_layers) / 2
    return not (gains - costs > least_gain).any()
