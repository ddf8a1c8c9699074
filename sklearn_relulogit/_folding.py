"""The steps in front of a classifier, folded into the first layers of its network.

A scaler is affine, and so becomes part of the layer behind it. The ramps of a
PiecewiseLinearEncoder are differences of ReLU units, and so become a layer of their
own. So a pipeline of these and a classifier is one network of the features before all
steps, which is what other tools read.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from ._base import BaseReLULogistic, check_has_network
from ._explain.explained import split_model
from ._explain.scaling import SCALERS, fold_scaling
from ._model.parameters import Layers
from ._tables.encoder import PiecewiseLinearEncoder


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
        split = split_model(model, same_predictions=True)
        clf = split.classifier
        check_has_network(clf)
        steps = [step for _, step in split.steps]
        layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
        if steps:
            layers = [(W_T.astype(float), b.astype(float)) for W_T, b in layers]
        for step in reversed(steps):
            layers = fold(step, layers)
        knows = [step for step in steps if hasattr(step, "n_features_in_")]
        return cls(layers, clf, [*knows, clf][0])

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


def fold(step: BaseEstimator | str | None, layers: Layers) -> Layers:
    """The network of the input of a fitted step, from that of its output."""
    match step:
        case None | "passthrough" | FunctionTransformer(func=None):
            return layers
        case Pipeline():
            for _, part in reversed(step.steps):
                layers = fold(part, layers)
            return layers
        case PiecewiseLinearEncoder():
            check_is_fitted(step)
            return fold_ramps(step, layers)
        case ColumnTransformer():
            check_is_fitted(step)
            return fold_columns(step, layers)
    if not isinstance(step, SCALERS):
        raise TypeError(
            f"Cannot fold {step!r} into the network: before the classifier may be "
            "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, "
            "PiecewiseLinearEncoder, and a Pipeline or ColumnTransformer of those. "
            "Where other steps come first, export what follows them, such as "
            "pipeline[1:], and give it pipeline[:1].transform(X)."
        )
    return fold_scaler(step, layers)


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


def fold_columns(transformer: ColumnTransformer, layers: Layers) -> Layers:
    """The network of all columns, from that of the outputs of a ColumnTransformer.

    The outputs of its transformers meet in the first layer behind them, so each
    transformer is folded into its own rows of that layer, and the networks that result
    stand side by side: their outputs are added up.
    """
    (W_T, b), *deeper = layers
    parts = []
    for name, step, columns in transformer.transformers_:
        chosen = positions(columns, transformer)
        if (isinstance(step, str) and step == "drop") or len(chosen) == 0:
            continue
        outputs = W_T[transformer.output_indices_[name]]
        (first, shift), *others = fold(step, [(outputs, np.zeros_like(b))])
        of_all = np.zeros((transformer.n_features_in_, first.shape[1]))
        np.add.at(of_all, chosen, first)
        parts.append([(of_all, shift), *others])
    depth = max(map(len, parts))
    parts = [with_depth(part, depth) for part in parts]
    joined = []
    for index in range(depth):
        weights, shifts = zip(*[part[index] for part in parts], strict=True)
        if index < depth - 1:
            side_by_side = block_diag(*weights) if index else np.hstack(weights)
            joined.append((side_by_side, np.concatenate(shifts)))
        else:
            added = np.vstack(weights) if index else np.sum(weights, axis=0)
            joined.append((added, b + np.sum(shifts, axis=0)))
    return [*joined, *deeper]


def with_depth(layers: Layers, depth: int) -> Layers:
    """The same network with as many layers, by x = relu(x) - relu(-x)."""
    while len(layers) < depth:
        (W_T, b), *deeper = layers
        used = np.flatnonzero(W_T.any(axis=1))
        to_units, from_units = np.eye(len(W_T))[:, used], W_T[used]
        layers = [
            (np.hstack([to_units, -to_units]), np.zeros(2 * len(used))),
            (np.vstack([from_units, -from_units]), b),
            *deeper,
        ]
    return layers


def positions(columns: Any, transformer: ColumnTransformer) -> np.ndarray:
    """The positions of columns that are given as ColumnTransformer takes them."""
    everything = np.arange(transformer.n_features_in_)
    names = getattr(transformer, "feature_names_in_", everything)
    position = dict(zip(names, everything, strict=True))
    if isinstance(columns, slice) and isinstance(columns.start or columns.stop, str):
        # Slices of names include their end, as in pandas.
        start = position.get(columns.start, 0)
        columns = slice(start, position.get(columns.stop, everything[-1]) + 1)
    elif isinstance(columns, str):
        columns = position[columns]
    elif not isinstance(columns, slice) and any(isinstance(c, str) for c in columns):
        columns = [position[column] for column in columns]
    elif not isinstance(columns, slice) and len(columns) == 0:
        return everything[:0]
    return np.atleast_1d(everything[columns])
