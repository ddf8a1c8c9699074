"""The steps in front of a classifier, folded into the first layers of its network.

A scaler is affine, and so becomes part of the layer behind it. The ramps of a
PiecewiseLinearEncoder are differences of ReLU units, and so become a layer of their
own. So a pipeline of these and a classifier is one network of the features before all
steps, which is what other tools read.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._base import BaseReLULogistic, check_has_network
from ._explain.explained import split_model
from ._explain.scaling import SCALERS, fold_scaling, scaling_steps
from ._model.parameters import Layers
from ._tables.encoder import PiecewiseLinearEncoder

FOLDED = (*SCALERS, PiecewiseLinearEncoder, Pipeline)


@dataclass(frozen=True)
class FoldedNetwork:
    """The network that a model is, for the features that the model is given.

    Attributes
    ----------
    layers : list of (W_l^T, b_l)
        Of shapes (n_l, m_l) and (m_l,). In float64 where a step was folded, since the
        mean of a feature may be much larger than its spread; else in the type of the
        fit.
    classifier : ReLULogisticClassifier or ReLULogisticClassifierCV
        The last step.
    first_step : estimator
        The step that knows the number and the names of the features.
    """

    layers: Layers
    classifier: BaseReLULogistic
    first_step: BaseEstimator

    @classmethod
    def of(cls, model: BaseEstimator) -> "FoldedNetwork":
        """The network of a classifier, a pipeline that ends in one, or a search.

        Raises
        ------
        TypeError
            If the model does not end in a classifier of this package, or a step before
            it cannot be folded.
        ValueError
            If a scaler clips.
        NotFittedError
            Before `fit`.
        """
        split = split_model(model)
        clf = split.classifier
        check_has_network(clf)
        steps = [step for part in split.steps for step in single_steps(part)]
        layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
        if steps:
            layers = [
                (W_T.astype(np.float64), b.astype(np.float64)) for W_T, b in layers
            ]
        for step in reversed(steps):
            fold = (
                fold_ramps if isinstance(step, PiecewiseLinearEncoder) else fold_scaler
            )
            layers = fold(step, layers)
        return cls(layers, clf, [*steps, clf][0])

    def in_type(self, dtype: Any) -> Layers:
        """The layers in a floating type, in copies; None is their own.

        Raises
        ------
        ValueError
            If the type is neither float32 nor float64.
        """
        if dtype is None:
            dtype = self.layers[0][0].dtype
        # numpy's types have a __name__ or are written so; those of torch have a prefix.
        name = getattr(dtype, "__name__", str(dtype).removeprefix("torch."))
        if name not in ("float32", "float64"):
            raise ValueError(
                "The parameter dtype must be 'float32', 'float64' or None. Got "
                f"{dtype!r}."
            )
        return [(np.array(W_T, name), np.array(b, name)) for W_T, b in self.layers]


def single_steps(step: BaseEstimator | str | None) -> list[BaseEstimator]:
    """The fitted steps of a pipeline in order, each of which can be folded."""
    if step is None or step == "passthrough":
        return []
    if not isinstance(step, FOLDED):
        names = ", ".join(kind.__name__ for kind in FOLDED[:-1])
        raise TypeError(
            f"Cannot fold {step!r} into the network: before the classifier may be "
            f"{names}, a Pipeline of those or 'passthrough'. Where other steps come "
            "first, as in a pipeline of three, export what follows them, pipeline[1:], "
            "and give it pipeline[:1].transform(X)."
        )
    if isinstance(step, Pipeline):
        return [single for _, part in step.steps for single in single_steps(part)]
    if isinstance(step, PiecewiseLinearEncoder):
        check_is_fitted(step)
        return [step]
    return scaling_steps(step)


def fold_scaler(scaler: BaseEstimator, layers: Layers) -> Layers:
    """The network of the features before scaling, from that of the scaled ones."""
    (W_T, b), *deeper = layers
    W, b = fold_scaling(W_T.T, b, scaler)
    return [(W.T, b), *deeper]


def fold_ramps(encoder: PiecewiseLinearEncoder, layers: Layers) -> Layers:
    """The network of columns without gaps, from that of the outputs of an encoder.

    The outputs of a column x with knots q_0 < q_1 < ... share its units relu(x - q_k)
    and relu(q_0 - x):

        x             = q_0 + relu(x - q_0) - relu(q_0 - x),
        clip(x, a, b) = a   + relu(x - a)   - relu(x - b),     a and b two of the q_k.
    """
    (W_T, b), *deeper = layers
    knots = [
        ends if len(ends) else encoder.center_[encoder.column_of_output_ == j][:1]
        for j, ends in enumerate(encoder.knots_)
    ]
    n_knots = np.array([len(ends) for ends in knots])
    first = (
        np.cumsum(n_knots + 1) - n_knots
    )  # the unit of q_0; before it, relu(q_0 - x)
    n_units = n_knots.sum() + len(knots)

    sign = np.ones(n_units)
    sign[first - 1] = -1
    column = np.repeat(np.arange(len(knots)), n_knots + 1)
    rises_at = np.concatenate([[ends[0], *ends] for ends in knots])
    to_units = np.zeros((len(knots), n_units))
    to_units[column, np.arange(n_units)] = sign

    from_units = np.zeros((n_units, W_T.shape[1]))
    b = b.copy()
    for j, lower, upper, center, scale, w in zip(
        encoder.column_of_output_,
        encoder.lower_,
        encoder.upper_,
        encoder.center_,
        encoder.scale_,
        W_T,
        strict=True,
    ):
        is_ramp = np.isfinite(lower)
        start = lower if is_ramp else knots[j][0]
        up = first[j] + np.searchsorted(knots[j], start)
        down = first[j] + np.searchsorted(knots[j], upper) if is_ramp else first[j] - 1
        from_units[up] += w / scale
        from_units[down] -= w / scale
        b += w * ((start - center) / scale)
    return [(to_units, -sign * rises_at), (from_units, b), *deeper]
