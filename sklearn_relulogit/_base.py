"""The base class of the estimators: predictions, fitted attributes, safe fits."""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ._links import SITE, SOURCE, doc_link_template
from ._model.affine import affine_functions
from ._model.arrays import Array, namespace, numpy_dtype, take_labels, to_numpy
from ._model.likelihood import likelihood_of
from ._model.parameters import Layers
from ._model.prediction import logits
from ._optimize.callbacks import CallbackSupportMixin
from ._rows.chunkwise import chunkwise, refuse_lazy
from ._rows.input import check_data, input_namespace
from ._rows.statistics import largest_values
from ._threads import ThreadedMap, effective_n_threads, single_threaded_blas
from ._warnings import overflow_message

# Products with at most so many multiplications run on one thread in any BLAS. OpenBLAS
# takes a second thread earliest: from 9216 on, for a matrix and a vector.
ONE_THREAD = 2**13

# Attributes whose arrays are of the library of X (`classes_`: of the labels).
HELD_WHERE_X_IS = (
    "classes_",
    "restart_losses_",
    "relevance_",
    "feature_mean_",
    "feature_importances_",
)


class BaseReLULogistic(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Predictions from `coefs_`, `intercepts_`, `classes_` and `n_outputs_`."""

    # The target of the link in the HTML representation.
    _doc_link_template = doc_link_template(SITE, SOURCE)
    _doc_link_module = "sklearn_relulogit" if _doc_link_template else ""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def coef_(self) -> Array:
        """Coefficients of the model without hidden layers."""
        return self._linear_attribute("coef_", "coefs_").T

    @property
    def intercept_(self) -> Array:
        """Intercepts of the model without hidden layers."""
        return self._linear_attribute("intercept_", "intercepts_")

    def _linear_attribute(self, name: str, of_layers: str) -> Array:
        layers = vars(self).get(of_layers)
        if layers is not None and len(layers) == 1:
            return layers[0]
        if layers is not None:
            reason = f"it has hidden layers; see {of_layers}"
        elif hasattr(self, "alpha_"):
            reason = "it was fitted with refit=False"
        else:
            reason = "it is not fitted"
        raise AttributeError(
            f"This {type(self).__name__} has no attribute {name!r}: {reason}."
        )

    def on_host(self) -> Self:
        """A copy of the fitted classifier, with its arrays in the host's memory.

        A classifier fitted to arrays of another library than numpy predicts only such
        arrays, on their device. The copy predicts numpy arrays, and can be explained
        and exported.

        Returns
        -------
        classifier : object
            A shallow copy with numpy arrays.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_has_network(self)
        model = copy.copy(self)
        for name, value in vars(self).items():
            if name in HELD_WHERE_X_IS:
                setattr(model, name, to_numpy(value))
            if name in ("coefs_", "intercepts_"):
                setattr(model, name, [to_numpy(array) for array in value])
        return model

    def _logits(self, X: Any, method: str) -> Array:
        return over_rows(self, logits, X, method)

    def __getstate__(self) -> dict[str, Any]:
        # The curvature is many times larger than the parameters.
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_pairs"}

    @chunkwise
    def decision_function(self, X: Any) -> Array:
        """Logits of each row: the output f_L of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. A Dask array or data frame gives a lazy Dask array.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log-odds of ``classes_[1]``, else one logit for
            each class, in nats.
        """
        Z = self._logits(X, "decision_function")
        return Z[:, 0] if self.n_outputs_ == 1 else Z

    @chunkwise
    def predict(self, X: Any) -> Array:
        """Most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to classify. A Dask array or data frame gives a lazy Dask array.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of `classes_`.
        """
        Z = self._logits(X, "predict")
        xp = namespace(Z)
        codes = (
            xp.argmax(Z, axis=1)
            if self.n_outputs_ > 1
            else xp.astype(Z[:, 0] > 0, xp.int64)
        )
        return take_labels(self.classes_, codes)

    @chunkwise
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. A Dask array or data frame gives a lazy Dask array.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`; float32 if X and the data
            of the fit are float32.
        """
        Z = self._logits(X, "predict_proba")
        return likelihood_of(self.n_outputs_).proba(Z)

    @chunkwise
    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the class probabilities of each row.

        They are computed from the logits, not from the probabilities. So they are
        finite and accurate where a probability rounds to 0 or 1.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. A Dask array or data frame gives a lazy Dask array.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Natural logarithms, in the order of `classes_`.
        """
        Z = self._logits(X, "predict_log_proba")
        return likelihood_of(self.n_outputs_).log_proba(Z)

    def local_linear(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        r"""The exact affine function of the network around each row.

        A ReLU network is piecewise affine. Let :math:`D_l` be the diagonal matrix of
        zeros and ones that says which units of layer l are active at x. Then

        .. math::

            f(x) = A x + c, \qquad A = W_L D_{L-1} W_{L-1} \cdots D_1 W_1,

        on the whole linear region around x: all points with the same
        :math:`D_1, \ldots, D_{L-1}`. So each prediction is that of a logistic
        regression with its own coefficients. They are also the gradient of
        `decision_function` by the row, and `coef_` without hidden layers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        coef : ndarray of shape (n_samples, n_features)
            Change of the log-odds of ``classes_[1]`` per unit of each feature, in nats.
            With more than two classes the shape is (n_samples, n_classes, n_features),
            and the change is of each class's logit. Dense, also for sparse X; float32
            if X and the data of the fit are float32.

        intercept : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For dense X and two classes, ``decision_function(X)`` equals
            ``(coef * X).sum(axis=-1) + intercept`` up to rounding.

        Raises
        ------
        NotFittedError
            Before `fit`.

        ValueError
            If the predictions do not take X, for example because it has another number
            of features than the data of the fit.

        See Also
        --------
        sklearn_relulogit.local_linear : For pipelines, by their original features.
        sklearn_relulogit.linear_regions : The regions that a data set visits.

        Notes
        -----
        It takes the time of a few predictions and, beyond the result, the memory of a
        few row blocks. Softmax does not change when all logits shift alike. So with
        more than two classes only differences between the classes' coefficients have a
        meaning.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.preprocessing import scale
        >>> from sklearn_relulogit import ReLULogisticClassifier
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> X = scale(X)
        >>> clf = ReLULogisticClassifier((10,), random_state=0).fit(X, y)
        >>> coef, intercept = clf.local_linear(X)
        >>> coef.shape
        (569, 30)
        >>> logit = (coef * X).sum(axis=1) + intercept
        >>> bool(np.allclose(clf.decision_function(X), logit))
        True
        """
        coef, intercept = over_rows(self, affine_functions, X, "local_linear")
        if self.n_outputs_ == 1:
            return coef[:, 0, :], intercept[:, 0]
        return coef, intercept


def check_has_network(estimator: BaseEstimator) -> None:
    """Raise an error unless there is a network to predict with."""
    if hasattr(estimator, "coefs_"):
        return
    check_is_fitted(estimator)
    raise AttributeError(
        f"This {type(estimator).__name__} was fitted with refit=False: it chose "
        "alpha_, but has no network to predict with."
    )


def over_rows(
    estimator: BaseReLULogistic, function: Callable[..., Any], X: Any, method: str
) -> Any:
    """``function(layers, X, ordered_map)`` of the fitted layers and checked X.

    ``method`` is the name of the calling method, for errors.
    """
    check_has_network(estimator)
    refuse_lazy(X, "This method")
    check_namespace(estimator, X, method)
    X = check_data(estimator, X, reset=False)
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    if takes_one_thread(layers, X.shape[0]):
        result = function(layers, X, map)
    else:
        with (
            ThreadedMap(effective_n_threads(estimator.n_threads)) as ordered_map,
            single_threaded_blas(),
        ):
            result = function(layers, X, ordered_map)
    arrays = result if isinstance(result, tuple) else (result,)
    xp = namespace(arrays[0])
    if not all(xp.all(xp.isfinite(array)) for array in arrays):
        names = getattr(estimator, "feature_names_in_", None)
        dtype = numpy_dtype(X.dtype)
        raise ValueError(
            overflow_message("The network", largest_values(X), dtype, names)
        )
    return result


def takes_one_thread(layers: Layers, n_rows: int) -> bool:
    """Whether all products of ``n_rows`` rows are too small for a second BLAS thread.

    If so, we need not set the number of threads, which takes as long as predicting.
    """
    return all(n_rows * W_T.shape[0] * W_T.shape[1] <= ONE_THREAD for W_T, _ in layers)


def check_namespace(estimator: BaseReLULogistic, X: Any, method: str) -> None:
    """Raise a ValueError unless X is where the coefficients are."""
    here, fitted = input_namespace(X), namespace(estimator.coefs_[0])
    if here != fitted:
        raise ValueError(
            f"Inputs passed to {type(estimator).__name__}.{method}() must use the same "
            "namespace and the same device as those passed to fit(). There it was "
            f"{fitted}, here it is {here}, of which arrays of other libraries are "
            "taken only with sklearn.config_context(array_api_dispatch=True)."
        )


@contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """Put an estimator back as it was, attribute by attribute, if the body raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def conclude(message: str | None, interrupted: bool) -> None:
    """Issue the warning of a fit, or raise its Ctrl-C again.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted.
    """
    if interrupted:
        raise KeyboardInterrupt(message)
    if message is not None:
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
