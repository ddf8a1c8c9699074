"""Fitted networks for other tools: as an MLPClassifier, as PyTorch, and as SQL.

All take a classifier alone, or a pipeline that ends in one. Steps of numbers in front,
such as scalers and ramps, become layers of the network, so that what is exported takes
the features as the pipeline does. :mod:`sklearn_relulogit.onnx` exports to ONNX.
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

    Many tools know :class:`~sklearn.neural_network.MLPClassifier` by the name of its
    class, among them generators of code for microcontrollers, or read its `coefs_`,
    `intercepts_` and `activation`. This gives them a true one.

    Parameters
    ----------
    model : fitted estimator
        A :class:`.ReLULogisticClassifier` or :class:`.ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends in one, or a fitted search over
        either. Before the classifier may be scalers (as for :func:`.fold_scaling`, and
        clipping ones), :class:`~sklearn.impute.SimpleImputer`, selections, a
        :class:`.PiecewiseLinearEncoder`, and a
        :class:`~sklearn.compose.ColumnTransformer` or
        :class:`~sklearn.pipeline.FeatureUnion` of these, so also a
        :func:`.tabular_pipeline` of numbers alone. They become the first layers.

    Returns
    -------
    mlp : MLPClassifier
        Fitted, with `coefs_` and `intercepts_` of its own, and `classes_`,
        `n_features_in_`, `feature_names_in_`, `loss_` and `n_iter_` of the model. Its
        parameters are those a fit with ``solver="lbfgs"`` would use:
        `hidden_layer_sizes`, ``activation="relu"``, `alpha` (the one of the fit, also
        where it was chosen from the data), `max_iter` and `random_state`.

    Raises
    ------
    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is of another kind.

    NotFittedError
        Before `fit`.

    Notes
    -----
    Predictions agree to rounding. MLPClassifier works with probabilities, this package
    with logits: a probability below 1e-16 of the other class is 0 there, its
    `predict_log_proba` may be minus infinity, and a logit within 1e-16 of 0 may get the
    other label.

    If the fit weighed its features (`relevance_`), MLPClassifier's penalty is another
    one: going on with a warm start there leads elsewhere.

    Rows with missing values are an error, also where a step in front knew what to do
    with them.

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
    # A fit to one row of each class, ended by its tolerance before an iteration, sets
    # what MLPClassifier needs beyond its parameters, whatever its release calls it.
    mlp.fit(np.zeros((len(clf.classes_), 1)), clf.classes_)
    mlp.set_params(
        hidden_layer_sizes=tuple(len(b) for _, b in layers[:-1]),
        alpha=float(clf.alpha_),
        max_iter=clf.max_iter,
        tol=MLPClassifier().tol,
        random_state=clf.random_state,
    )
    # Copies: whoever changes the export does not change the model.
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

    For the tools of PyTorch that take a network apart: attributions, uncertainty,
    verification, pruning. Needs PyTorch: ``pip install 'sklearn-relulogit[torch]'``.

    Parameters
    ----------
    model : fitted estimator
        As for :func:`to_mlp_classifier`.

    dtype : {"float32", "float64"} or dtype, default=None
        The floating type of the parameters, and so of what the module takes. None is
        that of the fit, or float64 if there are steps in front. With float32 and steps
        in front, features whose mean is much larger than their spread lose digits; in
        that case export the classifier alone.

    Returns
    -------
    module : torch.nn.Sequential
        In evaluation mode, on the CPU. It takes a tensor of shape (n, n_features) and
        gives the logits: for two classes those of ``classes_[1]``, of shape (n, 1),
        else of shape (n, n_classes).

    Raises
    ------
    ImportError
        If PyTorch is not installed.

    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is of another kind.

    ValueError
        If `dtype` is another.

    NotFittedError
        Before `fit`.

    See Also
    --------
    sklearn_relulogit.onnx.to_logits : The same as an ONNX graph.

    Notes
    -----
    ``torch.sigmoid`` of one logit is the probability of ``classes_[1]``, and
    ``torch.softmax`` over several gives the probabilities of all classes. For tools
    that want two logits for two classes, add a layer that gives 0 and the logit.

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
