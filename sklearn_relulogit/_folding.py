"""The steps in front of a classifier, folded into the first layers of its network.

Scalers are affine, and an affine function of an affine function is affine. So a
pipeline of scalers and a classifier is one network of the features before all steps,
which is what other tools read.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ._base import BaseReLULogistic, check_has_network
from ._explain.explained import split_model
from ._explain.scaling import fold_scaling, scaling_steps
from ._model.parameters import Layers


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
        steps = [step for part in split.steps for step in scaling_steps(part)]
        layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
        for step in reversed(steps):
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


def fold(step: BaseEstimator, layers: Layers) -> Layers:
    """The network of the input of a step, from that of its output."""
    (W_T, b), *deeper = layers
    W, b = fold_scaling(W_T.T.astype(np.float64), b.astype(np.float64), step)
    return [(W.T, b), *((W_T.astype(float), b.astype(float)) for W_T, b in deeper)]
