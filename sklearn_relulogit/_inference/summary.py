"""`inference`: how sure a fitted model is of its predictions, and of what it found."""

import dataclasses
import html
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches

from .._checks import Interval, check_arguments
from .._explain.contributions import Contributions
from .._explain.contributions import contributions as contributions_of
from .._explain.frames import Table, as_table
from .coefficients import coefficients
from .covariance import Covariance, Kind
from .effects import changes, effect
from .estimates import DataFrame, Estimates, normal_quantile
from .fitted import MAX_PARAMETERS, Fitted, against_the_rest, is_at_minimum, read
from .linear import Gradients
from .paths import contribution_errors

# Rows whose variances are computed at a time.
ROWS = 1024


class Inference:
    """How sure a fitted model is.

    Made by :func:`inference`.

    Attributes
    ----------
    covariance : {"posterior", "sampling", "robust"}
        What the errors measure.

    alpha : float
        The penalty of the fit.

    n_samples : int
        The number of rows with a positive weight.

    n_groups : int or None
        The number of groups, if there are some.

    classes : ndarray of shape (n_classes,)
        The class labels.

    See Also
    --------
    inference : Makes it; with an example.
    Estimates : Its coefficients and effects.
    """

    def __init__(self, fitted: Fitted, covariance: Kind) -> None:
        self._fitted = fitted
        self.covariance = covariance
        self.alpha = fitted.alpha
        self.n_samples = fitted.X.shape[0]
        groups = fitted.groups
        self.n_groups = None if groups is None else int(groups.max()) + 1
        self.classes = fitted.classifier.classes_
        self._covariance: Covariance = fitted.covariance(covariance)

    @property
    def degrees_of_freedom(self) -> float:
        """How many parameters the data determine: the trace of H^-1 G.

        Without a penalty it is the number of parameters that can be estimated.
        """
        return self._covariance.degrees_of_freedom

    @property
    def log_likelihood(self) -> float:
        """The weighted log-likelihood of the rows, in nats, without the penalty.

        Raises
        ------
        AttributeError
            If :func:`inference` was called without `y`.
        """
        if self._fitted.codes is None:
            raise AttributeError(
                "Pass y to inference() for the likelihood of the rows."
            )
        return -self._fitted.nll

    @property
    def aic(self) -> float:
        """Akaike's criterion: ``2 * degrees_of_freedom - 2 * log_likelihood``.

        Raises
        ------
        AttributeError
            If :func:`inference` was called without `y`.
        """
        return 2 * self.degrees_of_freedom - 2 * self.log_likelihood

    def std(self, X: Table) -> np.ndarray:
        """Standard errors of the log-odds of rows.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            Rows, as the model takes them.

        Returns
        -------
        std : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The standard error of the log-odds of ``classes_[1]``, in nats. For more
            than two classes, of each class against all others. inf where the data do
            not determine it.

        Raises
        ------
        ValueError
            If X is not what the model takes.
        """
        return self._log_odds(X)[1]

    def interval(self, X: Table, level: float = 0.9) -> np.ndarray:
        """Intervals of the probabilities of rows.

        The intervals of the log-odds are symmetric. Their ends become probabilities.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            Rows, as the model takes them.

        level : float, default=0.9
            The probability that the interval holds the true one, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_classes, 2)
            Lower and upper ends of the probability of ``classes_[1]``. For more than
            two classes, of each class.

        Raises
        ------
        ValueError
            If X is not what the model takes, or `level` is not between 0 and 1.
        """
        margin = normal_quantile(level)
        centre, std = self._log_odds(X)
        ends = np.stack([centre - margin * std, centre + margin * std], axis=-1)
        return expit(ends)

    def unfamiliarity(self, X: Table) -> np.ndarray:
        """How unsure the model is of rows, beside the least sure row of the fit.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            Rows, as the model takes them.

        Returns
        -------
        unfamiliarity : ndarray of shape (n_samples,)
            The standard error of the log-odds of each row, over the largest one of the
            training rows. Above 1 the row is unlike all training rows. With more than
            two classes it is the largest standard error of the classes.

        Raises
        ------
        ValueError
            If X is not what the model takes.
        """
        std = self.std(X)
        return (std if std.ndim == 1 else std.max(axis=1)) / self._largest

    @cached_property
    def _largest(self) -> float:
        rows = self._fitted.least_certain
        return float(self._of_features(self._fitted.X[rows])[1].max())

    def _log_odds(self, X: Table) -> tuple[np.ndarray, np.ndarray]:
        centre, std = self._of_features(self._fitted.features(as_table(X)))
        if self._fitted.network.n_outputs == 1:
            return centre[:, 0], std[:, 0]
        return centre, std

    def _of_features(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-odds of classes against the rest and their errors, (n, m_L) each."""
        network = self._fitted.network
        centres, errors = [], []
        for batch in network.batches(X.shape[0], self._fitted.network.n_outputs):
            for rows in gen_batches(batch.stop - batch.start, ROWS):
                block = X[batch][rows]
                centre, v = against_the_rest(network.logits(block))
                queries: Gradients = network.gradients(block, v)
                variance = self._covariance.variances(queries)
                centres.append(centre)
                errors.append(np.sqrt(variance).reshape(centre.shape))
        return np.concatenate(centres), np.concatenate(errors)

    def contributions(self, X: Table, reference: Any = None) -> Contributions:
        """Contributions of columns to the log-odds of rows, with standard errors.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            Rows, as the model takes them.

        reference : table or "absolute", default=None
            As for :func:`contributions`.

        Returns
        -------
        contributions : Contributions
            Those of :func:`contributions`, and their standard errors as `std`.

        Raises
        ------
        TypeError, ValueError
            As :func:`contributions`.
        """
        found = contributions_of(self._fitted.classifier_and_steps, X, reference)
        std = contribution_errors(self._fitted, self._covariance, X, reference)
        return dataclasses.replace(found, std=std)

    def effects(
        self,
        columns: list[Any] | None = None,
        *,
        categorical: list[Any] | tuple[Any, ...] = (),
        step: float = 1.0,
    ) -> Estimates:
        """The average effect of each column on the probability, with its error.

        A number or date goes half a step down and half a step up in all training rows.
        The effect is the mean difference of the probabilities. Dates move by whole
        days. A category goes from its most frequent value to each other one. A column
        of two values goes from the first to the second, in their order. Rows where a
        number is missing do not count.

        Numbers that a step takes for categories, such as codes in front of a
        :class:`~sklearn.preprocessing.OneHotEncoder`, count as categories. So do
        numbers whose changed values the model refuses.

        Parameters
        ----------
        columns : list of str or int, default=None
            The columns to change; all by default.

        categorical : list of str or int, default=()
            Other columns of numbers that name categories.

        step : float, default=1.0
            The step of numbers and dates, in standard deviations of the column. With
            hidden layers the effects of small steps are less certain.

        Returns
        -------
        effects : Estimates
            Effects on the probability of ``classes_[1]``, or for more than two classes
            on the probability of each class.

        Raises
        ------
        ValueError
            If there is no such column, `step` is not positive, or the model does not
            take the changed rows.
        """
        positive = Interval(Real, 0, np.inf, closed="neither")
        check_arguments("effects", {"step": [positive]}, step=step)
        names, values, errors, steps = [], [], [], []
        for change in changes(self._fitted, columns, categorical, step):
            value, derivative = effect(self._fitted, change)
            names.append(change.name)
            values.append(value)
            errors.append(np.sqrt(self._covariance.variances(derivative)))
            steps.append(change.step)
        n_classes = self._fitted.network.n_outputs
        labels = None if n_classes == 1 else self.classes.tolist() * len(names)
        of = f" of {self.classes[1]}" if n_classes == 1 else ""
        return Estimates(
            [name for name in names for _ in range(n_classes)],
            np.concatenate([*values, np.zeros(0)]),
            np.concatenate([*errors, np.zeros(0)]),
            f"Average effects on the probability{of}",
            self.alpha == 0,
            labels,
            np.repeat(steps, n_classes),
        )

    def coefficients(self) -> Estimates:
        """The coefficients of a model without hidden layers, with their errors.

        Returns
        -------
        coefficients : Estimates
            The intercept, and the change of the log-odds of ``classes_[1]``, in nats,
            per unit of each column. For more than two classes, of the log-odds of each
            class against the first. Features that are not only a shifted and scaled
            column have coefficients under their own names. NaN where the data do not
            determine one.

        Raises
        ------
        AttributeError
            With hidden layers.
        """
        if not self._fitted.is_linear:
            raise AttributeError(
                "Use effects(): a model with hidden layers has no coefficients that "
                "hold everywhere."
            )
        names, values, variances = coefficients(self._fitted, self._covariance)
        std = np.sqrt(variances)
        is_determined = std < np.inf
        labels = None
        if len(self.classes) > 2:
            others = self.classes[1:].tolist()
            labels = [label for label in others for _ in names]
            names = names * len(others)
        against = "" if labels is None else f" against {self.classes[0]}"
        of = f" of {self.classes[1]}" if labels is None else ""
        return Estimates(
            names,
            np.where(is_determined, values, np.nan),
            np.where(is_determined, std, np.nan),
            f"Coefficients of the log-odds{of}{against}",
            self.alpha == 0,
            labels,
        )

    @cached_property
    def _estimates(self) -> Estimates:
        return self.coefficients() if self._fitted.is_linear else self.effects()

    def to_frame(self, level: float = 0.9) -> DataFrame:
        """Coefficients, or with hidden layers effects, as a frame.

        Parameters
        ----------
        level : float, default=0.9
            The level of the intervals.

        Returns
        -------
        frame : pandas.DataFrame
            See :meth:`Estimates.to_frame`.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return self._estimates.to_frame(level)

    def _header(self) -> list[str]:
        """Two lines about the fit and its errors."""
        groups = "" if self.n_groups is None else f" in {self.n_groups} groups"
        penalty = f"penalised, alpha = {self.alpha:.4g}" if self.alpha else "no penalty"
        line = f"{self.degrees_of_freedom:.1f} degrees of freedom"
        if self._fitted.codes is not None:
            line += f", log-likelihood {self.log_likelihood:.2f}, AIC {self.aic:.2f}"
        rows = f"{self.n_samples} rows{groups}, {penalty}, {self.covariance} errors"
        return [rows, line]

    def __repr__(self) -> str:
        return "\n".join([*self._header(), repr(self._estimates)])

    def _repr_html_(self) -> str:
        lines = "<br>".join(map(html.escape, self._header()))
        return f"<p>{lines}</p>{self._estimates._repr_html_()}"


def inference(
    model: BaseEstimator,
    X: Table,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    covariance: Kind = "posterior",
) -> Inference:
    """How sure a fitted model is: standard errors, intervals and effects.

    Without hidden layers these are the usual ones of logistic regression, with or
    without a penalty. With hidden layers the network is taken as a linear function of
    its parameters around the fit. This is a linearised Laplace approximation [1]_ over
    all weights and biases. The penalty is the prior of the weights. A hidden bias may
    move as far as the input of its unit varies over the rows.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier` or :class:`ReLULogisticClassifierCV`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends with one. It may also be a fitted
        search, threshold or calibration of these; the network within is taken.

    X : table of shape (n_samples, n_columns)
        The training rows, as the model takes them.

    y : array-like of shape (n_samples,), default=None
        Their labels. "robust", models fitted with `class_weight`, `log_likelihood` and
        `aic` need them. Without hidden layers they also take the fit to its exact
        minimum, by a few Newton steps.

    sample_weight : array-like of shape (n_samples,), default=None
        The weights of the fit. A row of weight k counts as k rows. Weights that do not
        count rows need "robust" errors and groups, at least
        ``groups=np.arange(n_samples)``.

    groups : array-like of shape (n_samples,), default=None
        Rows of a group, such as those of one patient, may depend on each other. Only
        for "robust".

    covariance : {"posterior", "sampling", "robust"}, default="posterior"
        - "posterior": how far the truth may be from the estimate, given the rows and
          the penalty.
        - "sampling": how the estimates vary over data sets like this one. It is smaller
          than "posterior", or the same without a penalty.
        - "robust": the same from the observed errors of rows or groups. It holds even
          if the model is wrong (HC0, or clusters with the factor
          G / (G - 1) (n - 1) / (n - k)).

    Returns
    -------
    inference : Inference
        `interval`, `std`, `unfamiliarity`, `contributions`, `effects`, `coefficients`,
        `degrees_of_freedom` and `aic`, as text, `to_frame` and HTML.

    Raises
    ------
    ValueError
        If the model has hidden layers and no penalty, or an argument is not what it
        should be.

    TypeError
        If the model does not end with such a classifier.

    NotFittedError
        Before `fit`.

    Warns
    -----
    UserWarning
        - If the fit did not end at a minimum, as after early stopping.
        - If the rows are not those of the fit.
        - If `monotonic_cst` or `interaction_cst` hold weights at zero.
        - If classes are separated and there is no penalty. Without `y` this is seen
          only where the model separates all rows.

    See Also
    --------
    contributions : What each column adds, without errors.

    Notes
    -----
    The errors assume that a network with this penalty can represent the true
    probabilities. They do not contain the bias of the penalty.

    With hidden layers, or more than 5000 parameters, at most 4096 rows stand for all if
    all would take long. They are sampled along the sorted log-odds with a chance in
    proportion to p (1 - p), so that rare classes count. With more than two classes they
    may be fewer. Robust errors use all rows, so with hidden layers each thousand
    intervals pass over all of them. The result keeps a reference to `X`.

    References
    ----------
    .. [1] A. Immer, M. Korzepa and M. Bauer, "Improving predictions of Bayesian neural
       nets via local linearization", AISTATS 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, inference
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean radius", "mean texture"]]
    >>> model = make_pipeline(StandardScaler(), ReLULogisticClassifier((), alpha=0))
    >>> print(inference(model.fit(X, y), X, y))
    569 rows, no penalty, posterior errors
    3.0 degrees of freedom, log-likelihood -145.56, AIC 297.12
    Coefficients of the log-odds of 1
                  estimate  std error       z         p     0.05     0.95
    intercept        19.85      1.774   11.19  4.59e-29    16.93    22.77
    mean radius     -1.057     0.1015  -10.42  2.08e-25   -1.224  -0.8902
    mean texture   -0.2181    0.03707   -5.89  3.98e-09  -0.2791  -0.1572
    >>> network = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((10,), random_state=0)
    ... )
    >>> found = inference(network.fit(X, y), X, y)
    >>> interval = found.interval(X[:1])[0]
    >>> bool(interval[0] < network.predict_proba(X[:1])[0, 1] < interval[1])
    True
    """
    fitted = read(model, X, y, sample_weight, groups, covariance)
    small = fitted.network.n_parameters <= MAX_PARAMETERS
    if is_at_minimum(fitted) and fitted.is_linear and small:
        fitted = fitted.at_minimum()
    return Inference(fitted, covariance)
