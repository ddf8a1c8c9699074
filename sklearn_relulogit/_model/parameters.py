"""The parameters: one flat vector theta, seen as the layers (W_l, b_l), l = 1..L.

Rows of X are samples, so the code keeps the transpose of W_l and calls it ``W_T``. Its
shape is (n_l, m_l), as in scikit-learn's ``coefs_``. ``theta`` is W_1^T, b_1, ...,
W_L^T, b_L, each in C order.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np

Layers: TypeAlias = list[tuple[np.ndarray, np.ndarray]]
Shapes: TypeAlias = list[tuple[int, int]]

# Root mean square of the initial biases of hidden units, for features of deviation 1
# and before the layers are balanced. docs/defaults.md shows the gain.
BIAS_SCALE = 0.5


def layer_shapes(
    n_features: int, hidden_layer_sizes: tuple[int, ...], n_classes: int
) -> Shapes:
    """(n_l, m_l) for l = 1..L, with n_1 = n_features and n_(l+1) = m_l.

    m_L is 1 for two classes, otherwise the number of classes.
    """
    n_outputs = 1 if n_classes == 2 else n_classes
    return list(pairwise((n_features, *hidden_layer_sizes, n_outputs)))


def n_parameters(shapes: Shapes) -> int:
    """Length of theta: the sum over the layers of (n_l + 1) m_l."""
    return sum((n + 1) * m for n, m in shapes)


def in_fortran_order(a: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """View a vector as a matrix in Fortran order."""
    return a.reshape(shape, order="F")


def unpack(
    theta: np.ndarray,
    shapes: Shapes,
    reshape: Callable[..., np.ndarray] = np.ndarray.reshape,
    ones: bool = False,
) -> Layers:
    """View theta as [(W_1^T, b_1), ..., (W_L^T, b_L)]; nothing is copied.

    If the W_l^T are in Fortran order, the vector is not theta; `pack` turns the layers
    into theta. Use ``ones`` if X ends with a column of ones. Then the last row of the
    first layer's matrix is b_1, and its bias vector is empty.
    """
    layers = []
    start = 0
    for n, m in shapes:
        rows = n + 1 if ones and start == 0 else n
        middle, end = start + rows * m, start + (n + 1) * m
        layers.append((reshape(theta[start:middle], (rows, m)), theta[middle:end]))
        start = end
    return layers


def reorder_outputs(theta: np.ndarray, shapes: Shapes, order: np.ndarray) -> np.ndarray:
    """Theta of the same network for classes in another order.

    Class k of the old order is class ``order[k]`` of the new one. With K outputs the
    outputs are exchanged. A single output, for two classes, changes its sign.
    """
    if (order[:-1] < order[1:]).all():
        return theta
    theta = theta.copy()
    for array in unpack(theta, shapes)[-1]:
        if shapes[-1][1] == 1:
            array *= -1
        else:
            array[..., order] = array.copy()
    return theta


def is_weight(shapes: Shapes) -> np.ndarray:
    """Which entries of theta belong to a W_l, not to a b_l: a boolean mask."""
    mask = np.zeros(n_parameters(shapes), dtype=bool)
    for W_T, _ in unpack(mask, shapes):
        W_T[:] = True
    return mask


def pack(layers: Layers) -> np.ndarray:
    """The inverse of `unpack`: a new float64 vector theta."""
    arrays = [array.ravel() for layer in layers for array in layer]
    return np.concatenate(arrays, dtype=np.float64)


def initial_theta(shapes: Shapes, rng: np.random.RandomState) -> np.ndarray:
    """Draw initial values: weights by He et al. (2015), balanced, and positive biases.

    The weights of He et al. are normal with variance 2 / n_l before a ReLU. This keeps
    the second moment of the activations from layer to layer. In the last layer, without
    a ReLU, the variance is 1 / n_L. So the squares of W_l sum to 2 m_l, and to m_L in
    the last layer.

    A ReLU network does not change if we multiply a layer by a positive number and
    divide the next one by it. So at a minimum with a penalty all layers have the same
    sum of squares; otherwise such numbers would lower the penalty. We multiply the
    layers by numbers with product 1 that bring all sums of squares to their geometric
    mean.

    The output biases are zero, and those of hidden units half-normal. With zero biases,
    all kinks would go through the mean of the data. With positive ones, all units are
    active at the mean, and few die. Without hidden layers the objective is convex, and
    theta starts at zero, which is not random.
    """
    theta = np.zeros(n_parameters(shapes))
    if len(shapes) == 1:
        return theta
    layers = unpack(theta, shapes)
    gains = np.full(len(shapes), 2.0)
    gains[-1] = 1.0
    squares = gains * [m for _, m in shapes]
    factors = np.sqrt(np.exp(np.log(squares).mean()) / squares)
    for (W_T, _), gain, factor in zip(layers, gains, factors, strict=True):
        W_T[:] = factor * np.sqrt(gain / W_T.shape[0]) * rng.standard_normal(W_T.shape)
    # The factors of earlier layers also multiply the outputs of a layer.
    for (_, b), factor in zip(layers[:-1], np.cumprod(factors[:-1]), strict=True):
        b[:] = factor * BIAS_SCALE * np.abs(rng.standard_normal(b.shape))
    return theta
