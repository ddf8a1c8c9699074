"""The relevance of features: a penalty that knows which of them matter.

A weight w of feature j in the first layer is penalised as w / k_j. The relevance k_j is
the size of the feature in an earlier fit, of the network or of a linear model,

    s_j = ||W_1[:, j]|| deviation_j,    k_j = (s_j / root mean square of s)^p,

within bounds. Constant features have no size, and a few outliers do not make a feature
large. This is adaptive ridge regression (Grandvalet, 1998).
"""

import numpy as np

from .._model.parameters import Shapes, unpack
from .._optimize.coordinates import LARGEST_SPREAD
from .._rows.statistics import Moments

# The powers p that are tried, and the bound of the ratio of sizes.
POWERS, LARGEST_RATIO = (0.5, 1.0), 10.0

# The power 1 is used if it lowers the loss by this many nats over all rows, or by this
# share of it. 1/2 needs half of that.
EARNED_NATS, EARNED_SHARE = 8.0, 0.05

# A power whose first fits are worse by so many nats over all rows is given up.
DOUBT = 0.5


def feature_sizes(theta: np.ndarray, shapes: Shapes, moments: Moments) -> np.ndarray:
    """s_j: the norm of the weights of each feature, times its deviation.

    A constant has nan.
    """
    W_T, _ = unpack(theta, shapes)[0]
    deviation = moments.deviation
    if moments.spread is not None:
        with np.errstate(over="ignore"):
            most = LARGEST_SPREAD * moments.spread.astype(np.float64)
        deviation = np.where(most > 0, np.minimum(deviation, most), deviation)
    sizes = np.linalg.norm(W_T, axis=1) * deviation
    return np.where(moments.varies, sizes, np.nan)


def relevance(sizes: np.ndarray, power: float) -> np.ndarray:
    """k_j, all positive; 1 for a constant."""
    of_varying = sizes[~np.isnan(sizes)]
    typical = np.sqrt(np.mean(of_varying**2)) if len(of_varying) else 0.0
    if not 0 < typical < np.inf:
        return np.ones_like(sizes)
    k = np.clip(sizes / typical, 1 / LARGEST_RATIO, LARGEST_RATIO) ** power
    return np.where(np.isnan(k), 1.0, k)


def asked_loss(loss: float, power: float, n_rows: int) -> float:
    """The loss plus the gain that a power must earn with this number of rows."""
    return loss + power * min(EARNED_NATS / n_rows, EARNED_SHARE * loss)
