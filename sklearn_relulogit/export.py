"""Export of fitted networks: as scikit-learn's MLPClassifier, as PyTorch, and as SQL.

All take a classifier alone, or a pipeline that ends in one. Numeric steps before the
classifier, such as scalers and ramps, become layers of the network. So the export takes
the features that the pipeline takes. :mod:`sklearn_relulogit.onnx` exports to ONNX.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier

from ._explain.network import Network, exported_layers
from ._optional import optional_import
from ._sql import to_sql

if TYPE_CHECKING:
    import torch

__all__ = ["to_mlp_classifier", "to_sql", "to_torch"]


def to_mlp_classifier(model: BaseEstimator) -> MLPClassifier:
    """A fitted MLPClassifier with the same predictions.

    Many tools read only :class:`~sklearn.neural_network.MLPClassifier`, for example
    generators of code for microcontrollers. This function gives them one.

    Parameters
    ----------
    model : fitted estimator
        A :class:`.ReLULogisticClassifier` or :class:`.ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends in one, or a fitted search over
        either. The steps before the classifier become the first layers. They may be
        scalers (as for :func:`.fold_scaling`, also with clipping),
        :class:`~sklearn.impute.SimpleImputer`, selections and
        :class:`.PiecewiseLinearEncoder`. They may stand in a
        :class:`~sklearn.compose.ColumnTransformer` or
        :class:`~sklearn.pipeline.FeatureUnion`. So a :func:`.tabular_pipeline` of
        numbers alone is allowed.

    Returns
    -------
    mlp : MLPClassifier
        Fitted, with its own `coefs_` and `intercepts_`, and with `classes_`,
        `n_features_in_`, `feature_names_in_`, `loss_` and `n_iter_` of the model. Its
        parameters are `hidden_layer_sizes`, `max_iter` and `random_state` of the model,
        ``solver="lbfgs"``, ``activation="relu"``, and the model's `alpha_` as `alpha`.
        where it was chosen from the data), `max_iter` and `random_state`.

    Raises
    ------
    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is not one of these.

    NotFittedError
        Before `fit`.

    Notes
    -----
    Predictions agree to rounding. MLPClassifier computes with probabilities, this
    package with logits. So a probability below 1e-16 may be 0 there, and its logarithm
    minus infinity. A logit within 1e-16 of 0 may give the other label.

    MLPClassifier has no `relevance_`. If the fit used it, the penalty there differs,
    and a warm start leads elsewhere.

    Rows with missing values raise an error, even if a step of the pipeline handles
    them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier
    >>> from sklearn_relulogit.export import to_mlp_classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ReLULogisticClassifier((10,), alpha=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), clf).fit(X, y)
    >>> mlp = to_mlp_classifier(model)
    >>> [W.shape for W in mlp.coefs_]
    [(4, 10), (10, 3)]
    >>> bool(np.allclose(mlp.predict_proba(X), model.predict_proba(X)))
    True
    """
    network = Network.of(model, same_predictions=True)
    clf, layers = network.classifier, network.layers
    mlp = MLPClassifier((1,), solver="lbfgs", tol=1e100)
    # A fit to one row of each class, which ends before an iteration, sets the
    # attributes that MLPClassifier needs, whatever their names in this release.
    mlp.fit(np.zeros((len(clf.classes_), 1)), clf.classes_)
    mlp.set_params(
        hidden_layer_sizes=tuple(len(b) for _, b in layers[:-1]),
        alpha=float(clf.alpha_),
        max_iter=clf.max_iter,
        tol=MLPClassifier().tol,
        random_state=clf.random_state,
    )
    # Copies, so that a change of the export does not change the model.
    mlp.coefs_ = [np.array(W_T) for W_T, _ in layers]
    mlp.intercepts_ = [np.array(b) for _, b in layers]
    mlp.n_layers_ = len(layers) + 1
    mlp.n_features_in_ = len(layers[0][0])
    names = getattr(network.first_step, "feature_names_in_", None)
    if names is not None:
        mlp.feature_names_in_ = names
    mlp.n_iter_ = clf.n_iter_
    mlp.loss_ = clf.loss_
    return mlp


def to_torch(model: BaseEstimator, *, dtype: Any = None) -> "torch.nn.Sequential":
    """A torch.nn.Sequential of Linear and ReLU that gives the logits.

    Use it with PyTorch tools for attribution, uncertainty, verification or pruning.
    Needs PyTorch: ``pip install 'sklearn-relulogit[torch]'``.

    Parameters
    ----------
    model : fitted estimator
        As for :func:`to_mlp_classifier`.

    dtype : {"float32", "float64"} or dtype, default=None
        The floating type of the parameters and of the module's input. None means the
        type of the fit, or float64 if there are steps before the classifier. With
        float32 and such steps, features with a mean much larger than their spread lose
        digits. In that case export the classifier alone.

    Returns
    -------
    module : torch.nn.Sequential
        In evaluation mode, on the CPU. It takes a tensor of shape (n, n_features) and
        returns the logits, of shape (n, n_classes). For two classes it returns the
        logit of ``classes_[1]``, of shape (n, 1).

    Raises
    ------
    ImportError
        If PyTorch is not installed.

    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is not one of those.

    ValueError
        If `dtype` is another type.

    NotFittedError
        Before `fit`.

    See Also
    --------
    sklearn_relulogit.onnx.to_logits : The same as an ONNX graph.

    Notes
    -----
    ``torch.sigmoid`` of one logit is the probability of ``classes_[1]``;
    ``torch.softmax`` of several gives the probabilities of all classes. Some tools want
    two logits for two classes. For them add a layer that returns 0 and the logit.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_relulogit import ReLULogisticClassifier
    >>> from sklearn_relulogit.export import to_torch
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ReLULogisticClassifier((10,), alpha=1.0, random_state=0).fit(X, y)
    >>> module = to_torch(clf)
    >>> module
    Sequential(
      (0): Linear(in_features=4, out_features=10, bias=True)
      (1): ReLU()
      (2): Linear(in_features=10, out_features=3, bias=True)
    )
    >>> logits = module(torch.tensor(X))
    >>> bool(abs(logits.detach().numpy() - clf.decision_function(X)).max() < 1e-9)
    True
    """
    torch = optional_import("torch", "torch", "Export to PyTorch")
    layers = exported_layers(model, dtype)
    modules = []
    for W_T, b in layers:
        n, m = W_T.shape
        W, b = torch.tensor(W_T.T), torch.tensor(b)
        linear = torch.nn.utils.skip_init(torch.nn.Linear, n, m, dtype=W.dtype)
        linear.load_state_dict({"weight": W, "bias": b})
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1]).eval()
