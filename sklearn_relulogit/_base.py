"""What the estimators share: predictions, checks of y, and all-or-nothing fits."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ._advice import overflow_message
from ._arrays import Array, Arrays, Numpy, arrays_of, labels_of, to_numpy
from ._blas import single_threaded_blas
from ._chunkwise import chunkwise, refuse_dask
from ._dispatch import place_of
from ._input import check_data
from ._likelihood import Likelihood, Logistic, Softmax
from ._local_linear import local_linear
from ._parameters import Shapes, n_outputs_of, unpack
from ._prediction import logits
from ._threads import ThreadedMap, effective_n_threads


class BaseReLULogistic(ClassifierMixin, BaseEstimator):
    """Predictions from `coefs_`, `intercepts_`, `classes_` and `n_outputs_`."""

    # Where the HTML representation links to.
    _doc_link_module = "sklearn_relulogit"
    _doc_link_template = (
        "https://sklearn-relulogit.readthedocs.io/en/stable/generated/"
        "{estimator_module}.{estimator_name}.html"
    )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def coef_(self) -> np.ndarray:
        """Coefficients of the model without hidden layers."""
        return self._linear_attribute("coef_", "coefs_").T

    @property
    def intercept_(self) -> np.ndarray:
        """Intercepts of the model without hidden layers."""
        return self._linear_attribute("intercept_", "intercepts_")

    def _linear_attribute(self, name: str, of_layers: str) -> np.ndarray:
        layers = vars(self).get(of_layers)
        if layers is None or len(layers) > 1:
            reason = (
                "is not fitted"
                if layers is None
                else f"has hidden layers; see {of_layers}"
            )
            raise AttributeError(
                f"This {type(self).__name__} has no attribute {name!r}: it {reason}."
            )
        return layers[0]

    def on_host(self) -> Self:
        """A copy of the fitted classifier, with its arrays in the host's memory.

        What was fitted to arrays of another library than numpy, on whatever device,
        predicts such arrays only. The copy predicts arrays of numpy, and can be
        explained and exported.

        Returns
        -------
        classifier : object
            A shallow copy, whose arrays are those of numpy.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        model = copy.copy(self)
        for name, value in vars(self).items():
            if name in ("classes_", "restart_losses_"):
                setattr(model, name, to_numpy(value))
            if name in ("coefs_", "intercepts_"):
                setattr(model, name, [to_numpy(array) for array in value])
        return model

    def _over_rows(self, function: Callable[..., Any], X: Any, method: str) -> Any:
        """``function(layers, X, ordered_map)`` of the fitted layers and checked X."""
        check_is_fitted(self)
        refuse_dask(X, "This method")
        self._check_place(X, method)
        X = check_data(self, X, reset=False)
        layers = list(zip(self.coefs_, self.intercepts_, strict=True))
        with (
            ThreadedMap(effective_n_threads(self.n_threads)) as ordered_map,
            single_threaded_blas(),
        ):
            result = function(layers, X, ordered_map)
        arrays = result if isinstance(result, tuple) else (result,)
        xp = arrays_of(arrays[0])
        if not all(xp.all(xp.isfinite(array)) for array in arrays):
            names = getattr(self, "feature_names_in_", None)
            raise ValueError(overflow_message("The network", X, names))
        return result

    def _check_place(self, X: Any, method: str) -> None:
        """Raise a ValueError unless X is where the coefficients are."""
        place, fitted = place_of(X), arrays_of(self.coefs_[0])
        if place != fitted:
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same "
                "namespace and the same device as those passed to fit(). There it was "
                f"{fitted}, here it is {place}, of which arrays of other libraries are "
                "taken only with sklearn.config_context(array_api_dispatch=True)."
            )

    def _logits(self, X: Any, method: str) -> Array:
        return self._over_rows(logits, X, method)

    @property
    def _likelihood(self) -> Likelihood:
        return likelihood_of(self.classes_.shape[0])()

    @chunkwise
    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of each row: the output f_L of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. For a Dask array or data frame the result is a lazy Dask
            array.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log-odds of ``classes_[1]``, else one logit for
            each class.
        """
        Z = self._logits(X, "decision_function")
        return Z[:, 0] if self.n_outputs_ == 1 else Z

    @chunkwise
    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to classify. For a Dask array or data frame the result is a lazy
            Dask array.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of `classes_`.
        """
        Z = self._logits(X, "predict")
        xp = arrays_of(Z)
        codes = (
            xp.argmax(Z, axis=1)
            if self.n_outputs_ > 1
            else xp.astype(Z[:, 0] > 0, xp.int64)
        )
        return labels_of(self.classes_, codes)

    @chunkwise
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. For a Dask array or data frame the result is a lazy Dask
            array.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`; float32 if X and the data
            of the fit are float32.
        """
        Z = self._logits(X, "predict_proba")
        return self._likelihood.proba(Z)

    @chunkwise
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities of each row.

        Computed from the logits, not from the probabilities, so they are finite
        and accurate where a probability rounds to 0 or 1.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score. For a Dask array or data frame the result is a lazy Dask
            array.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Natural logarithms, in the order of `classes_`.
        """
        Z = self._logits(X, "predict_log_proba")
        return self._likelihood.log_proba(Z)

    def local_linear(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        r"""The affine function that the network is around each row: exact, not fitted.

        A ReLU network is piecewise affine. With :math:`D_l` the diagonal matrix of
        zeros and ones that says which units of layer l are active at x, it is

        .. math::

            f(x) = A x + c, \qquad A = W_L D_{L-1} W_{L-1} \cdots D_1 W_1,

        on the whole linear region around x, all points with the same
        :math:`D_1, \ldots, D_{L-1}`. So each prediction is that of a logistic
        regression with its own coefficients, which this returns. They are also the
        gradient of `decision_function` by the row, and without hidden layers `coef_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        coef : ndarray of shape (n_samples, n_features)
            The change of the log-odds of ``classes_[1]``, in nats, per unit of each
            feature. For more than two classes, of shape (n_samples, n_classes,
            n_features), that of each class's logit. Dense, also for sparse X;
            float32 if X and the data of the fit are float32.

        intercept : ndarray of shape (n_samples,) or (n_samples, n_classes)
            ``decision_function(X)`` is ``(coef * X).sum(axis=-1) + intercept``, for
            dense X and two classes, to rounding.

        Raises
        ------
        NotFittedError
            Before `fit`.

        ValueError
            If X is not what the predictions take, for example has another number of
            features than the data of the fit.

        See Also
        --------
        sklearn_relulogit.local_linear : For pipelines, by their original features.
        sklearn_relulogit.linear_regions : The regions that a data set visits.

        Notes
        -----
        Nothing is sampled: it takes the time of a few predictions. Beyond the result
        it needs the memory of a few row blocks. Softmax is the same for logits that
        are all shifted alike, so for more than two classes only the differences
        between the classes' coefficients have a meaning.

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
        coef, intercept = self._over_rows(local_linear, X, "local_linear")
        if self.n_outputs_ == 1:
            return coef[:, 0, :], intercept[:, 0]
        return coef, intercept


def encode_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the labels as indices into them."""
    try:
        # scikit-learn looks whether floats are integers by a cast.
        with np.errstate(invalid="ignore"):
            check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"The labels in y must be of one type, to be sorted. Got {types}."
        ) from error
    if len(classes) < 2:
        raise ValueError(
            "A classifier needs samples of at least 2 classes; y holds only one "
            f"class: {classes.tolist()[0]!r}."
        )
    return classes, codes


def fitted_attributes(
    theta: np.ndarray,
    shapes: Shapes,
    classes: np.ndarray,
    dtype: Any,
    of_X: Arrays = Numpy,
    of_y: Arrays = Numpy,
) -> dict[str, Any]:
    """The attributes that predictions need; arrays own their memory.

    They are made where X and, as to the classes, y are.
    """
    layers = unpack(theta, shapes)
    return {
        "classes_": of_y.sent(classes),
        "n_outputs_": n_outputs_of(len(classes)),
        "coefs_": [of_X.sent(W_T.astype(dtype)) for W_T, _ in layers],
        "intercepts_": [of_X.sent(b.astype(dtype)) for _, b in layers],
    }


def likelihood_of(n_classes: int) -> type[Logistic | Softmax]:
    """Two classes are logistic, more are softmax."""
    return Logistic if n_classes == 2 else Softmax


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
