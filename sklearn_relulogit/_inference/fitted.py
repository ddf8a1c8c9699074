"""A fitted network and its training rows, for inference."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from .._base import BaseReLULogistic
from .._explain.frames import Table, as_table, take_rows
from .._explain.network import Network, class_codes
from .._model.arrays import Matrix
from .._model.likelihood import Likelihood, likelihood_of
from .._optimize.lbfgs import CONVERGED
from .._rows.groups import check_groups
from .._rows.weights import check_sample_weight, weights_of_classes
from .covariance import ByParameters, ByRows, Covariance, Kind, Scores
from .linear import Gradients, LinearisedNetwork, Prior, Vectors

# Up to this many parameters, H is a matrix of all of them.
MAX_PARAMETERS = 5000

# Largest number of rows that represent all rows, unless more cost little work.
MAX_ROWS = 4096
WORK = 2**34

# Newton steps to a minimum without hidden layers. They end when a step changes no logit
# by more than the tolerance, since the next step would change them by its square.
NEWTON_STEPS, NEWTON_TOLERANCE = 10, 1e-5

# Rows count as equal if their logits and derivatives differ by less than this.
SAME_ROWS = 1e-9

# Over the same rows the loss equals that of the fit, up to rounding in float32.
SAME_LOSS = 1e-3

# Missing labels are taken to be the predicted ones if the losses agree so closely.
SAME_LABELS = 1e-5

SEPARATION = (
    "Raise alpha, or leave out the columns that separate the classes. The model "
    "predicts some rows perfectly, so its best coefficients are infinite and their "
    "standard errors mean nothing."
)


def curvature_roots(likelihood: Likelihood, logits: np.ndarray) -> np.ndarray:
    """V of each row, (n, r, m_L): V^T V is the second derivative by the logits."""
    p = likelihood.proba(logits)
    if logits.shape[1] == 1:
        return np.sqrt(p[:, :1] * p[:, 1:])[:, np.newaxis]
    # V^T V = diag(p) - p p^T, since the vector of square roots of p has length 1.
    root = np.sqrt(p)
    return (
        root[:, :, np.newaxis] * np.eye(p.shape[1])
        - root[:, :, np.newaxis] * p[:, np.newaxis]
    )


def against_the_rest(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log-odds of each class, (n, K), and its derivative by the logits, (n, K, K).

    For two classes it is the logit itself, (n, 1) and (n, 1, 1).
    """
    n_outputs = logits.shape[1]
    if n_outputs == 1:
        return logits, np.ones((len(logits), 1, 1))
    diagonal = np.eye(n_outputs, dtype=bool)
    others = np.where(diagonal, -np.inf, logits[:, np.newaxis])
    return logits - logsumexp(others, axis=2), diagonal - softmax(others, axis=2)


@dataclass(frozen=True)
class Fitted:
    """A fitted network and its rows.

    Attributes
    ----------
    model : Network
        The classifier and the steps in front of it.
    table : table of shape (n, n_columns)
        The rows as they were given, without those of weight zero.
    X : {ndarray, CSR} of shape (n, p)
        The features of the rows.
    codes : ndarray of shape (n,) or None
        The labels of the rows, 0..K-1.
    frequency : ndarray of shape (n,)
        The sample weights of the rows.
    class_weight : ndarray of shape (n,)
        The class weights of the rows.
    groups : ndarray of shape (n,) or None
        The groups of the rows, 0..G-1.
    network : LinearisedNetwork
    alpha : float
    """

    model: Network
    table: Table
    X: Matrix
    codes: np.ndarray | None
    frequency: np.ndarray
    class_weight: np.ndarray
    groups: np.ndarray | None
    network: LinearisedNetwork
    alpha: float

    @property
    def classifier(self) -> BaseReLULogistic:
        """The last step."""
        return self.model.classifier

    @property
    def likelihood(self) -> Likelihood:
        """The likelihood of the labels."""
        return likelihood_of(self.network.n_outputs)

    @property
    def is_linear(self) -> bool:
        """Whether there are no hidden layers."""
        return len(self.network.shapes) == 1

    @property
    def weight(self) -> np.ndarray:
        """The weights of the fit, s."""
        return self.frequency * self.class_weight

    @property
    def classifier_and_steps(self) -> BaseEstimator:
        """The classifier with its steps, without a search or wrapper around it."""
        last = ("classifier", self.classifier)
        return Pipeline([*self.model.steps, last]) if self.model.steps else last[1]

    def features(self, X: Table) -> Matrix:
        """The features of a user's rows, checked."""
        return self.model.features(X)

    @cached_property
    def prior(self) -> Prior:
        """The prior distance of each parameter from its fitted value."""
        variances = self.network.bias_variances(self.X, self.weight)
        return Prior(self.alpha, variances)

    @property
    def loss(self) -> float:
        """The objective divided by the sum of the weights: the `loss_` of the fit."""
        (W_T, _), *deeper = self.network.layers
        scaled = [W_T / self.network.relevance[:, np.newaxis]]
        squares = sum(float((W**2).sum()) for W in [*scaled, *(W for W, _ in deeper)])
        return float((self.nll + self.alpha / 2 * squares) / self.weight.sum())

    @cached_property
    def nll(self) -> float:
        """The negative log-likelihood of the rows, in nats."""
        total = 0.0
        for rows in self.network.batches(self.X.shape[0]):
            logits = self.network.logits(self.X[rows])
            nll, _ = self.likelihood.nll_and_residual(logits, self._codes(rows))
            total += float(self.weight[rows] @ nll)
        return total

    def _codes(self, rows: slice | np.ndarray) -> np.ndarray:
        if self.codes is None:
            raise ValueError("Pass y, the labels of the rows of X, to inference().")
        return self.codes[rows]

    def curvature(self, X: Matrix, weight: np.ndarray) -> Gradients:
        """Rows whose derivatives are the factors of G."""

        def v(logits: np.ndarray) -> np.ndarray:
            roots = curvature_roots(self.likelihood, logits)
            return roots * np.sqrt(weight)[:, np.newaxis, np.newaxis]

        return self.network.gradients(X, v)

    def _curvature_in_blocks(
        self, X: Matrix, weight: np.ndarray
    ) -> Iterator[Gradients]:
        for rows in self.network.batches(X.shape[0], self.network.n_outputs):
            yield self.curvature(X[rows], weight[rows])

    def _loss_gradients(
        self, rows: slice | np.ndarray, weight: np.ndarray
    ) -> Gradients:
        """The gradient of the loss of each of some rows, times its weight."""

        def residual(logits: np.ndarray) -> np.ndarray:
            _, found = self.likelihood.nll_and_residual(logits, self._codes(rows))
            return found * weight[:, np.newaxis]

        return self.network.gradients(self.X[rows], residual)

    def _scores_in_blocks(self) -> Iterator[tuple[Gradients, np.ndarray | None]]:
        """The gradients of the loss, in the order of the groups.

        A row of weight k counts as k rows; with groups, they share one group.
        """
        if self.groups is None:
            weight = self.class_weight * np.sqrt(self.frequency)
            for batch in self.network.batches(self.X.shape[0]):
                yield self._loss_gradients(batch, weight[batch]), None
            return
        order = np.argsort(self.groups, kind="stable")
        for batch in self.network.batches(len(order)):
            rows = order[batch]
            yield self._loss_gradients(rows, self.weight[rows]), self.groups[rows]

    def _n_representatives(self) -> int:
        """The largest number of rows that represent all."""
        P, r = self.network.n_parameters, self.network.n_outputs
        if P > MAX_PARAMETERS:
            return int(MAX_ROWS // r)
        if self.is_linear:
            return int(self.X.shape[0])
        return max(MAX_ROWS, int(WORK // (P**2 * r)))

    @cached_property
    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows that represent all rows, and their weights.

        If there are too many rows, they are sorted by their logits and sampled
        systematically, at equal distances of the sum of their chances. The chances are
        proportional to the curvature s p (1 - p), so rare classes are represented. The
        order and units of the data do not matter, and neither does the difference
        between a weight and repeated rows.
        """
        n, m = self.X.shape[0], self._n_representatives()
        if n <= m:
            return np.arange(n), self.weight
        keys = self._first_output
        order = np.lexsort(keys[::-1])
        steps = np.abs(np.diff(keys[:, order], axis=1))
        scale = np.abs(keys).max(axis=1, keepdims=True)
        first = np.flatnonzero(np.r_[True, (steps > SAME_ROWS * scale).any(axis=0)])
        weight = np.add.reduceat(self.weight[order], first)
        rows = order[first]
        if len(rows) > m:
            p = self.likelihood.proba(self.network.logits(self.X[rows]))
            chance = chances(weight * (p * (1 - p)).sum(axis=1), m)
            total = np.cumsum(chance)
            chosen = np.unique(np.searchsorted(total, np.arange(m) + 0.5))
            chosen = chosen[chosen < len(rows)]
            rows, weight = rows[chosen], weight[chosen] / chance[chosen]
        return rows, weight

    @cached_property
    def _first_output(self) -> np.ndarray:
        """The first logit of each row, and its variance under the prior, (2, n)."""
        n = self.X.shape[0]
        found = np.empty((2, n))
        for batch in self.network.batches(n):
            X = self.X[batch]
            first_output = np.zeros((X.shape[0], self.network.n_outputs))
            first_output[:, 0] = 1
            gradients = self.network.gradients(X, first_output)
            found[0, batch] = self.network.logits(X)[:, 0]
            found[1, batch] = gradients.variances(self.prior)
        return found

    @property
    def least_certain(self) -> np.ndarray:
        """The rows whose logit varies most under the prior, or all if there are few."""
        n, m = self.X.shape[0], self._n_representatives()
        if n <= m:
            return np.arange(n)
        return np.argpartition(self._first_output[1], n - m)[n - m :]

    def covariance(self, kind: Kind) -> Covariance:
        """The covariance of the parameters."""
        scores = self._scores() if kind == "robust" else None
        rows, weight = self.representatives
        X = self.X if len(rows) == self.X.shape[0] else self.X[rows]
        P = self.network.n_parameters
        n_derivatives = len(rows) * self.network.n_outputs
        if P <= MAX_PARAMETERS and (self.is_linear or n_derivatives >= P):
            blocks = self._curvature_in_blocks(X, weight)
            precision = self.prior.precision(self.network.shapes)
            return ByParameters(blocks, precision, kind, scores)
        return ByRows(self.curvature(X, weight), self.prior, kind, scores)

    def _scores(self) -> Scores:
        """The gradients of the loss, and the numbers of rows and groups.

        Whole sample weights count rows. Other weights do not.
        """
        whole = bool((self.frequency == np.floor(self.frequency)).all())
        n_samples = self.frequency.sum() if whole else len(self.frequency)
        n_groups = None if self.groups is None else int(self.groups.max()) + 1
        return Scores(self._scores_in_blocks, float(n_samples), n_groups)

    def at_minimum(self) -> "Fitted":
        """The model without hidden layers, moved to its minimum by Newton steps.

        If the classes are separated, there is no minimum and the model does not move.
        """
        shapes = self.network.shapes
        precision = self.prior.precision(shapes)
        found = self
        for _ in range(NEWTON_STEPS):
            blocks = found._curvature_in_blocks(self.X, self.weight)
            H = ByParameters(blocks, precision, "posterior")
            gradient = precision * found.network.parameters()
            for rows in found.network.batches(self.X.shape[0]):
                gradient += found._loss_gradients(rows, self.weight[rows]).total()
            step = -H.solve(Vectors(gradient[np.newaxis], shapes))[0]
            network = found.network.moved(step)
            change = np.abs(network.logits(self.X) - found.network.logits(self.X))
            if not np.isfinite(change).all():
                break
            found = replace(found, network=network)
            if change.max() <= NEWTON_TOLERANCE:
                return found
        warnings.warn(SEPARATION, stacklevel=3)
        return self


def chances(size: np.ndarray, m: int) -> np.ndarray:
    """The chance of each row to be among m rows, proportional to its size.

    No chance exceeds one. The other rows share the rest, so that the sum is m.
    """
    size = np.maximum(size, np.finfo(float).tiny)
    descending = -np.sort(-size)
    left = np.cumsum(descending[::-1])[::-1]
    by = (m - np.arange(m)) / left[:m]
    first = int(np.argmax(by * descending[:m] <= 1))
    return np.minimum(by[first] * size, 1)


def read(
    model: BaseEstimator,
    X: Table,
    y: Any,
    sample_weight: Any,
    groups: Any,
    kind: Kind,
) -> Fitted:
    """The user's arguments, checked."""
    if kind not in ("posterior", "sampling", "robust"):
        raise ValueError(
            f"covariance must be 'posterior', 'sampling' or 'robust'. Got {kind!r}."
        )
    if kind == "robust" and y is None:
        raise ValueError("Pass y: a robust covariance needs the errors of the rows.")
    if groups is not None and kind != "robust":
        raise ValueError(
            "Pass covariance='robust' with groups: the other covariances take rows to "
            f"be independent. Got covariance={kind!r}."
        )
    explained = Network.of(model)
    clf = explained.classifier
    check_penalty(clf)
    table = as_table(X)
    Z = explained.features(table)
    codes = None if y is None else class_codes(y, Z, clf.classes_)
    frequency = check_sample_weight(sample_weight, Z)
    numbers = None if groups is None else check_groups(groups, Z.shape[0])
    keep = np.flatnonzero(frequency > 0)
    if len(keep) < len(frequency):
        table, Z, frequency = take_rows(table, keep), Z[keep], frequency[keep]
        codes = None if codes is None else codes[keep]
        numbers = None if numbers is None else numbers[keep]
    if numbers is not None:
        numbers = np.unique(numbers, return_inverse=True)[1]
        if numbers.max() == 0:
            raise ValueError("Pass at least two groups. Got one.")
    class_weight = weights_of_rows(clf, codes, frequency)
    weight = frequency * class_weight
    mean = np.asarray(weight @ Z) / weight.sum()
    relevance = getattr(clf, "relevance_", np.ones(Z.shape[1]))
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    return Fitted(
        explained,
        table,
        Z,
        codes,
        frequency,
        class_weight,
        numbers,
        LinearisedNetwork(layers, mean, np.asarray(relevance, float), issparse(Z)),
        float(clf.alpha_),
    )


def check_penalty(clf: BaseReLULogistic) -> None:
    """Raise a ValueError if a penalty is needed and missing."""
    n_parameters = sum(array.size for array in clf.coefs_ + clf.intercepts_)
    if clf.alpha_ == 0 and len(clf.coefs_) > 1:
        raise ValueError(
            "Fit with alpha > 0: without a penalty the parameters of hidden layers are "
            "not determined, and have no standard errors. Got alpha=0."
        )
    if clf.alpha_ == 0 and n_parameters > MAX_PARAMETERS:
        raise ValueError(
            f"Fit with alpha > 0: without a penalty at most {MAX_PARAMETERS} "
            f"parameters are taken. The model has {n_parameters}."
        )


def is_at_minimum(fitted: Fitted) -> bool:
    """Whether the fit ended at a minimum over these rows; warn if it did not."""
    clf = fitted.classifier
    if clf.stop_reason_ not in CONVERGED or clf.validation_loss_curve_ is not None:
        warnings.warn(
            "Fit to the minimum, without early stopping and with max_iter and max_fun "
            "large enough: the errors hold at a minimum, but this fit ended by "
            f"{clf.stop_reason_!r}.",
            stacklevel=3,
        )
        return False
    if fitted.codes is None:
        if fitted.alpha == 0 and predicts_all(fitted):
            warnings.warn(SEPARATION, stacklevel=3)
        return False
    if abs(fitted.loss - clf.loss_) > SAME_LOSS * abs(clf.loss_):
        warnings.warn(
            "Pass the rows, labels and weights of the fit: over those given the loss "
            f"is {fitted.loss:.6g}, and in the fit it was {clf.loss_:.6g}. Steps that "
            "encode columns by labels, such as TargetEncoder, also make it differ, "
            "because they encode the rows of a fit in another way. The errors are then "
            "approximate.",
            stacklevel=3,
        )
        return False
    # At a bound the gradient is not zero, and no Newton step may leave it.
    is_bound = clf.monotonic_cst is not None or clf.interaction_cst is not None
    if is_bound and any((W_T == 0).any() for W_T in clf.coefs_):
        warnings.warn(
            "Fit without monotonic_cst and interaction_cst for exact errors: they hold "
            "some weights at zero, but the errors take all weights to be free.",
            stacklevel=3,
        )
        return False
    return True


def predicts_all(fitted: Fitted) -> bool:
    """Whether the unknown labels of the fit are the predicted ones.

    If so, the loss is lower than for any other labels.
    """
    p = fitted.likelihood.proba(fitted.network.logits(fitted.X))
    loss = replace(fitted, codes=np.argmax(p, axis=1)).loss
    return bool(np.isclose(loss, fitted.classifier.loss_, rtol=SAME_LABELS, atol=0))


def weights_of_rows(
    clf: BaseReLULogistic, codes: np.ndarray | None, frequency: np.ndarray
) -> np.ndarray:
    """The class weight of each row."""
    if clf.class_weight is None:
        return np.ones(len(frequency))
    if codes is None:
        raise ValueError("Pass y: the model was fitted with class_weight.")
    weights = weights_of_classes(clf.class_weight, clf.classes_, codes, frequency)
    return np.asarray(weights[codes], dtype=float)
