"""`ReLULogisticClassifier`: parameters, validation, fit and predict. No mathematics."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._advice import overflow_message, unscaled_features
from ._blocks import Block, row_slices, single_threaded_blas, take_rows
from ._constraints import (
    Interval,
    check_layer_sizes,
    check_parameters,
    check_sample_weight,
)
from ._lbfgs import (
    EVALUATION_LIMIT,
    ITERATION_LIMIT,
    LINE_SEARCH,
    Minimum,
    minimize,
)
from ._likelihood import Likelihood, Logistic, Softmax
from ._objective import Objective
from ._parameters import Layers, initial_theta, layer_shapes, unpack
from ._prediction import logits
from ._products import Matrix

DTYPES = [np.float64, np.float32]


class ReLULogisticClassifier(ClassifierMixin, BaseEstimator):
    r"""Logistic regression with a feed-forward ReLU network for its score.

    For two classes, :math:`y \in \{-1, 1\}`, and L layers

    .. math::

        \Pr(Y = y \mid X = x) = \sigma(y\, f_L(\mathrm{relu}(\ldots
        \mathrm{relu}(f_1(x))))), \qquad f_l(z) = W_l z + b_l .

    For K > 2 classes the last layer has K outputs and the likelihood is
    softmax. Fitting minimises, over all :math:`W_l` and :math:`b_l`,

    .. math::

        \sum_i s_i \log(1 + \exp(-y_i f_L(\ldots))) + \frac{\alpha}{2} \sum_l
        \|W_l\|_F^2

    by L-BFGS on the whole data set with the exact gradient; :math:`s_i` are the
    sample weights. Without hidden layers this is
    ``LogisticRegression(C=1/alpha)``.

    Features should be on similar scales: put a
    :class:`~sklearn.preprocessing.StandardScaler` in front.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of ReLU units of each hidden layer. ``()`` means no hidden layer:
        classical logistic regression.

    alpha : float, default=5.0
        Strength of the L2 penalty on the weights, in the sum above, so that it
        means what it means in :class:`~sklearn.neural_network.MLPClassifier`.
        Biases are not penalised. Must be >= 0.

    max_iter : int, default=1000
        Largest number of L-BFGS iterations.

    max_fun : int, default=15000
        Largest number of evaluations of the loss and its gradient. It is never
        exceeded, not even within a line search.

    tol : float, default=1e-4
        The fit ends with ``stop_reason_ == "gradient tolerance"`` once no
        derivative of the mean objective (`loss_`) exceeds `tol`. The objective
        of a network with hidden layers has kinks, and its minima often lie on
        them, where the gradient does not tend to zero. There the fit also ends,
        with "loss tolerance", once ten iterations together lowered the
        objective by less than `tol` times its value.

    history_size : int, default=30
        Number of correction pairs that L-BFGS keeps to model the curvature. More
        pairs need fewer iterations and ``16 * history_size`` bytes a parameter.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights. Pass an int for the same fit each time.
        Without hidden layers the fit does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    n_features_in_ : int
        Number of features seen in fit.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen in fit; only where all are strings.

    coefs_ : list of ndarray
        ``coefs_[l - 1]`` is the transpose of W_l, shape (n_l, m_l), of the
        floating type of X in fit.

    intercepts_ : list of ndarray
        ``intercepts_[l - 1]`` is b_l, shape (m_l,).

    n_layers_ : int
        Number of layers with the input, L + 1, as in
        :class:`~sklearn.neural_network.MLPClassifier`.

    n_outputs_ : int
        Number of logits: 1 for two classes, else the number of classes.

    out_activation_ : {"logistic", "softmax"}
        What makes probabilities of the logits.

    loss_ : float
        Mean objective at the end of the fit, in nats: the sum above divided by
        the sum of the sample weights.

    loss_curve_ : list of float
        The mean objective after each iteration. It never increases.

    n_iter_ : int
        Number of iterations.

    n_evaluations_ : int
        Number of evaluations of the loss and its gradient.

    stop_reason_ : str
        Why the fit ended: "gradient tolerance" or "loss tolerance" (see `tol`),
        "iteration limit", "evaluation limit", or "line search" (no step lowers
        the objective in this floating type). The last three come with a
        :class:`~sklearn.exceptions.ConvergenceWarning`.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : The same without hidden layers.
    sklearn.neural_network.MLPClassifier : Networks by stochastic gradients.

    References
    ----------
    .. [1] Liu, D. C. and Nocedal, J. (1989). "On the limited memory BFGS method
       for large scale optimization". Mathematical Programming 45, 503-528.
    .. [2] He, K., Zhang, X., Ren, S. and Sun, J. (2015). "Delving deep into
       rectifiers". ICCV. The initial weights.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), ReLULogisticClassifier(random_state=0))
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Integral],
        "alpha": [Interval(Real, 0, np.inf, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, np.inf, closed="left")],
        "history_size": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        alpha: float = 5.0,
        max_iter: int = 1000,
        max_fun: int = 15000,
        tol: float = 1e-4,
        history_size: int = 30,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.max_iter = max_iter
        self.max_fun = max_fun
        self.tol = tol
        self.history_size = history_size
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the network to training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 is fitted in float32, anything else in
            float64. Sparse data are never made dense; formats other than CSR
            are converted to it.

        y : array-like of shape (n_samples,)
            Class labels of any type, at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, 1 for each sample by default. An integer weight
            is the same as repeating the sample.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an array is not what it should be, or the loss
            overflows because features are too large. A fit that raises leaves
            the estimator as it was before.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        check_parameters(self, self._parameter_constraints)
        hidden_layer_sizes = check_layer_sizes(
            self.hidden_layer_sizes, type(self).__name__
        )
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=DTYPES)
        classes, y = encode_classes(y)
        sample_weight = check_sample_weight(sample_weight, X)

        likelihood = likelihood_of(len(classes))
        n_outputs = 1 if likelihood is Logistic else len(classes)
        shapes = layer_shapes(X.shape[1], hidden_layer_sizes, n_outputs)
        objective = Objective(
            [
                Block(take_rows(X, rows, X.dtype), y[rows], sample_weight[rows])
                for rows in row_slices(X, sum(m for _, m in shapes))
            ],
            shapes,
            likelihood(),
            self.alpha,
            X.dtype,
        )
        theta = initial_theta(shapes, check_random_state(self.random_state))
        try:
            minimum = self._minimize(objective, theta)
        except FloatingPointError as error:
            names = getattr(self, "feature_names_in_", None)
            raise ValueError(overflow_message(X, names)) from error

        self.classes_ = classes
        self.n_outputs_ = n_outputs
        self.out_activation_ = likelihood.out_activation
        self._set_fit(minimum, unpack(minimum.iterate.theta, shapes), X.dtype)
        self._warn_if_not_converged(X)
        return self

    def _minimize(self, objective: Objective, theta: np.ndarray) -> Minimum:
        with single_threaded_blas():
            return minimize(
                objective,
                theta,
                tol=self.tol,
                # Without hidden layers the objective is smooth and the gradient
                # tells all.
                loss_tol=self.tol if len(objective.shapes) > 1 else 0.0,
                rounding=float(np.finfo(objective.dtype).eps),
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                history_size=self.history_size,
            )

    def _set_fit(self, minimum: Minimum, layers: Layers, dtype: np.dtype) -> None:
        """Set the fitted attributes; arrays are copies that own their memory."""
        self.coefs_ = [W_T.astype(dtype) for W_T, _ in layers]
        self.intercepts_ = [b.astype(dtype) for _, b in layers]
        self.n_layers_ = len(layers) + 1
        self.loss_ = minimum.iterate.loss
        self.loss_curve_ = minimum.loss_curve
        self.n_iter_ = minimum.iterate.n_iter
        self.n_evaluations_ = minimum.n_evaluations
        self.stop_reason_ = minimum.stop_reason

    def _warn_if_not_converged(self, X: Matrix) -> None:
        remedy = {
            ITERATION_LIMIT: f"increase max_iter (now {self.max_iter})",
            EVALUATION_LIMIT: f"increase max_fun (now {self.max_fun})",
            LINE_SEARCH: (
                "accept the fit if its loss_ is low enough"
                if X.dtype == np.float64
                else "use float64 data"
            ),
        }.get(self.stop_reason_)
        if remedy is None:
            return
        advice = unscaled_features(X, getattr(self, "feature_names_in_", None))
        warnings.warn(
            f"The fit ended by its {self.stop_reason_} after {self.n_iter_} "
            f"iterations, before it converged to tol={self.tol}: {remedy}, increase "
            f"alpha or tol, or scale the features. {advice}".rstrip(),
            ConvergenceWarning,
            stacklevel=4,
        )

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=DTYPES, reset=False)
        layers = list(zip(self.coefs_, self.intercepts_, strict=True))
        with single_threaded_blas():
            return logits(layers, X)

    @property
    def _likelihood(self) -> Likelihood:
        return likelihood_of(len(self.classes_))()

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits of each row: the output f_L of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        logits : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the log-odds of ``classes_[1]``, else one logit for
            each class.
        """
        Z = self._logits(X)
        return Z[:, 0] if self.n_outputs_ == 1 else Z

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to classify.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Elements of `classes_`.
        """
        Z = self._logits(X)
        codes = Z.argmax(axis=1) if Z.shape[1] > 1 else (Z[:, 0] > 0).astype(np.intp)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`; float32 if X and the data
            of the fit are float32.
        """
        Z = self._logits(X)
        return self._likelihood.proba(Z)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the class probabilities of each row.

        Computed from the logits, not from the probabilities, so they are finite
        and accurate where a probability rounds to 0 or 1.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Natural logarithms, in the order of `classes_`.
        """
        Z = self._logits(X)
        return self._likelihood.log_proba(Z)


def encode_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the labels as indices into them."""
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "A classifier needs samples of at least 2 classes; y holds only one "
            f"class: {classes.tolist()[0]!r}."
        )
    return classes, codes


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
