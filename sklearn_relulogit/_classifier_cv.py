"""`ReLULogisticClassifierCV`: the penalty chosen by cross-validation along a path."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar, Self

import joblib
import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from ._advice import overflow_message
from ._base import (
    BaseReLULogistic,
    all_or_nothing,
    encode_classes,
    fitted_attributes,
    likelihood_of,
)
from ._blas import single_threaded_blas
from ._blocks import Block, Parts, cut
from ._chunkwise import refuse_dask
from ._classifier import ReLULogisticClassifier
from ._constraints import (
    Interval,
    StrOptions,
    check_layer_sizes,
    check_parameters,
    check_size,
)
from ._dead_layers import woken
from ._dispatch import is_dispatched, place_of
from ._input import check_data, no_float_so_large
from ._lbfgs import Limits
from ._objective import Objective
from ._parameters import Shapes, initial_theta, layer_shapes, n_outputs_of, revive
from ._penalty import choice_limits, collapse_alpha, step
from ._threads import ThreadedMap, effective_n_threads
from ._weights import check_sample_weight, check_total, weights_of_classes

# The grid that a number of penalties stands for ends at this share of its first.
WEAKEST_OF_GRID = 1e-4

NEG_LOG_LOSS = "neg_log_loss"


class ReLULogisticClassifierCV(BaseReLULogistic):
    """`ReLULogisticClassifier` with its penalty chosen by cross-validation.

    The network is fitted to each fold's training rows along a path from the
    strongest penalty to the weakest, each fit going on from the last. The path ends
    early where the score has clearly turned: two or more penalties after the best
    one, where the score of every fold is lower than at the best. The penalty with
    the best mean score is then used for all rows, from where one of the folds ended.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of ReLU units of each hidden layer. ``()`` means no hidden layer:
        classical logistic regression.

    alphas : int or array-like of float, default=10
        Penalties to choose from, each >= 0. A number of them means a grid of so
        many, evenly spaced on a log scale, from the penalty at which the network
        collapses to a constant, about, down to 1e-4 of it. That is the norm of
        X^T (y - mean of y).

    cv : int, cross-validation generator or iterable, default=None
        How to split the rows: the number of stratified folds (None means 5), a
        splitter of :mod:`sklearn.model_selection`, or an iterable of pairs of
        training and test rows.

    scoring : str, callable or None, default="neg_log_loss"
        What to choose by: the name of a scorer, or a callable
        ``scorer(estimator, X, y)``. None means accuracy.

    refit : bool, default=True
        Whether to fit all rows with the chosen penalty. Without it there are scores
        and `alpha_`, but no predictions.

    n_jobs : int or None, default=None
        Number of folds at the same time, in processes or what
        :obj:`joblib.parallel_config` says, and of starts of the final fit. None
        means 1 unless in such a context, -1 means all cores.

    class_weight, max_iter, max_fun, tol, history_size, n_init, early_stopping, \
            validation_fraction, n_iter_no_change, warm_start, n_threads, \
            random_state
        As in :class:`ReLULogisticClassifier`, for the fit to all rows. The fits to
        the folds share `class_weight`, `history_size`, `n_threads` and
        `random_state`. They serve the choice alone, so they end sooner: at ten
        iterations that together gain less than a thousandth.

    verbose : int, default=0
        1 and 2 print the mean score of each penalty, and the final fit as in
        :class:`ReLULogisticClassifier`.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.

    alphas_ : ndarray of shape (n_alphas,)
        The penalties to choose from, from strong to weak.

    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each penalty in each fold; nan from where the path ended.

    best_score_ : float
        Mean score of `alpha_`.

    n_features_in_, feature_names_in_, classes_, coefs_, intercepts_, n_layers_, \
            n_outputs_, out_activation_, loss_, loss_curve_, \
            validation_loss_curve_, restart_losses_, n_iter_, n_evaluations_, \
            stop_reason_, coef_, intercept_
        Of the fit to all rows, as in :class:`ReLULogisticClassifier`.

    See Also
    --------
    ReLULogisticClassifier : With ``alpha="auto"`` chooses between two halves.
    sklearn.linear_model.LogisticRegressionCV : The same without hidden layers.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_relulogit import ReLULogisticClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = ReLULogisticClassifierCV((20,), alphas=[100, 10, 1], random_state=0)
    >>> clf.fit(scale(X), y).alpha_
    10.0
    >>> clf.scores_.shape
    (3, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ReLULogisticClassifier._parameter_constraints,
        "alphas": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean"],
    }
    del _parameter_constraints["alpha"]

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        alphas: Any = 10,
        cv: Any = None,
        scoring: Any = NEG_LOG_LOSS,
        refit: bool = True,
        class_weight: Any = None,
        max_iter: int = 1000,
        max_fun: int = 15000,
        tol: float = 1e-4,
        history_size: int = 30,
        n_init: int = 1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        warm_start: bool = False,
        n_threads: int | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.max_fun = max_fun
        self.tol = tol
        self.history_size = history_size
        self.n_init = n_init
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_threads = n_threads
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata go: to this fit, the splitter and the scorer.

        Returns
        -------
        routing : MetadataRouter
            See the user guide of scikit-learn on metadata routing.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                splitter=check_cv(self.cv, classifier=True),
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
            .add(
                scorer=check_scoring(self, self.scoring),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        )

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Choose the penalty, and fit the network to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,)
            Class labels of any type, at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the fits and the scores. With metadata routing
            the scorer gets them if it asks for them.

        **params : dict
            ``groups`` for the splitter or, with metadata routing, all that the
            splitter and the scorer ask for.

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
            message = self._fit(X, y, sample_weight, params)
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=2)
        return self

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, params: dict[str, Any]
    ) -> str | None:
        """Fit; what to warn of, if anything."""
        check_parameters(self, self._parameter_constraints)
        for array in (X, y, sample_weight):
            refuse_dask(array, f"{type(self).__name__}.fit")
            if is_dispatched(array):
                raise TypeError(
                    f"{type(self).__name__}.fit takes arrays of numpy, not of "
                    f"{place_of(array)}. GridSearchCV over the alpha of "
                    "ReLULogisticClassifier takes them."
                )
        hidden = check_layer_sizes(self.hidden_layer_sizes, type(self).__name__)
        alphas = self._check_alphas()
        split_params, score_params = self._routed(sample_weight, params)
        goes_on = self.warm_start and hasattr(self, "coefs_")
        X_given, y_given = X, y
        X, y = check_data(self, X, y, reset=not goes_on)
        classes, codes = encode_classes(y)
        weights = check_sample_weight(sample_weight, X)
        if "sample_weight" in score_params:
            score_params = score_params | {"sample_weight": weights}
        training = weights
        if self.class_weight is not None:
            of_class = weights_of_classes(self.class_weight, classes, codes, weights)
            training = weights * of_class[codes].astype(X.dtype)
            check_total(training, "sample_weight times class_weight")
        data = Block(X, codes, training)

        shapes = layer_shapes(X.shape[1], hidden, n_outputs_of(len(classes)))
        check_size(shapes, type(self).__name__)
        splits = list(check_cv(self.cv, y, classifier=True).split(X, y, **split_params))
        if not splits:
            raise ValueError(
                f"The 'cv' parameter of {type(self).__name__} must give at least one "
                f"split. Got {self.cv!r} instead."
            )
        search = _Search(
            data=data,
            test_weights=weights if "sample_weight" in score_params else None,
            classes=classes,
            shapes=shapes,
            initial=woken(
                initial_theta(shapes, check_random_state(self.random_state)),
                shapes,
                cut(data, shapes),
            ),
            limits=choice_limits(shapes, X.dtype),
            history_size=self.history_size,
            n_threads=effective_n_threads(self.n_threads),
            scorer=self._scorer(y, score_params),
        )
        try:
            if isinstance(alphas, int):
                alphas = _grid(alphas, data, shapes)
            thetas, scores = self._path(search, alphas, splits)
        except FloatingPointError as error:
            names = getattr(self, "feature_names_in_", None)
            raise ValueError(
                overflow_message("The loss or its gradient", X, names)
            ) from error
        self.alphas_, self.scores_ = alphas, scores
        means = scores.mean(axis=1)
        best = int(np.nanargmax(means))
        self.alpha_, self.best_score_ = float(alphas[best]), float(means[best])
        self.classes_ = classes
        if not self.refit:
            return None
        return self._refit(X_given, y_given, sample_weight, thetas[best], goes_on)

    def _check_alphas(self) -> Any:
        """A number of penalties, or the penalties from strong to weak."""
        if isinstance(self.alphas, Integral):
            return int(self.alphas)
        try:
            alphas = np.asarray(self.alphas, dtype=np.float64)
        except (TypeError, ValueError):
            alphas = np.array([np.nan])
        in_range = np.isfinite(alphas) & (alphas >= 0)
        if alphas.ndim != 1 or not len(alphas) or not in_range.all():
            raise ValueError(
                f"The 'alphas' parameter of {type(self).__name__} must be an int >= 1 "
                "or a non-empty one-dimensional array-like of finite floats >= 0. Got "
                f"{self.alphas!r} instead."
            )
        return np.unique(alphas)[::-1]

    def _routed(
        self, sample_weight: Any, params: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the splitter and the scorer get."""
        if sklearn.get_config().get("enable_metadata_routing", False):
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            return routed.splitter.split, routed.scorer.score
        unknown = sorted(set(params) - {"groups"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.fit got unexpected arguments: {unknown}. "
                "Without metadata routing it takes X, y, sample_weight and groups."
            )
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return params, weights

    def _scorer(self, y: np.ndarray, score_params: dict[str, Any]) -> "_Scorer | None":
        """What scores a fold; None for the loss that a fold has at hand."""
        if self.scoring == NEG_LOG_LOSS:
            return None
        return _Scorer(
            scorer=check_scoring(self, self.scoring),
            y=y,
            params=score_params,
            hidden_layer_sizes=self.hidden_layer_sizes,
        )

    def _path(
        self,
        search: "_Search",
        alphas: np.ndarray,
        splits: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """From strong to weak: a theta of each penalty, and all scores."""
        scores = np.full((len(alphas), len(splits)), np.nan)
        thetas = [search.initial] * len(splits)
        kept = []
        n_jobs = min(joblib.effective_n_jobs(self.n_jobs), len(splits))
        with Parallel(n_jobs=n_jobs) as parallel:
            for number, alpha in enumerate(alphas):
                results = parallel(
                    delayed(search.step)(theta, float(alpha), training, test)
                    for theta, (training, test) in zip(thetas, splits, strict=True)
                )
                thetas = [theta for theta, _ in results]
                kept.append(thetas[0])
                scores[number] = [score for _, score in results]
                if self.verbose:
                    print(
                        f"alpha {alpha:.3g}  {self.scoring or 'score'} "
                        f"{scores[number].mean():.6f} +- {scores[number].std():.6f}",
                        flush=True,
                    )
                if _turned(scores[: number + 1]):
                    break
        return kept, scores

    def _refit(
        self, X: Any, y: Any, sample_weight: Any, theta: np.ndarray, goes_on: bool
    ) -> str | None:
        """Fit all rows from theta or, if it goes on, from the last fit."""
        shared = inspect.signature(ReLULogisticClassifier).parameters
        final = ReLULogisticClassifier(
            **{
                name: value
                for name, value in self.get_params(deep=False).items()
                if name in shared
            },
            alpha=self.alpha_,
        )
        if goes_on:
            final.__dict__.update(_state(self))
        message = final._fit(X, y, sample_weight, None, None, None, start=theta)
        # The number that it was given; the other tells of a search it did not make.
        del final.alpha_losses_
        self.__dict__.update(_state(final))
        return message

    def _logits(self, X: Any, method: str) -> np.ndarray:
        if not self.refit and hasattr(self, "alpha_"):
            raise AttributeError(
                f"This {type(self).__name__} was fitted with refit=False: it chose "
                "alpha_, but has no network to predict with."
            )
        return super()._logits(X, method)


def _state(estimator: BaseReLULogistic) -> dict[str, Any]:
    """The fitted attributes, and the curvature for a warm start."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") or name == "_pairs"
    }


def _grid(n: int, data: Block, shapes: Shapes) -> np.ndarray:
    """So many penalties from the one at which the network collapses."""
    n_outputs = shapes[-1][1]
    likelihood = likelihood_of(2 if n_outputs == 1 else n_outputs)()
    strongest = collapse_alpha(data, shapes, likelihood)
    if WEAKEST_OF_GRID * strongest == 0:
        strongest = 1.0
    with no_float_so_large("alphas"):
        return np.geomspace(strongest, WEAKEST_OF_GRID * strongest, n)


def _turned(scores: np.ndarray) -> bool:
    """Whether the last of the penalties is clearly past the best one."""
    means = scores.mean(axis=1)
    best = int(means.argmax())
    return best < len(means) - 2 and bool((scores[-1] < scores[best]).all())


@dataclass
class _Scorer:
    """A scorer of scikit-learn's, called on some rows."""

    scorer: Callable[..., float]
    y: np.ndarray
    params: dict[str, Any]
    hidden_layer_sizes: Any

    def __call__(self, attributes: dict[str, Any], X: Any, rows: np.ndarray) -> float:
        estimator = ReLULogisticClassifier(self.hidden_layer_sizes)
        estimator.__dict__.update(attributes, n_features_in_=X.shape[1])
        params = {
            name: value if np.ndim(value) == 0 else np.asarray(value)[rows]
            for name, value in self.params.items()
            if value is not None
        }
        return float(self.scorer(estimator, X[rows], self.y[rows], **params))


@dataclass
class _Search:
    """What the fits to the folds share, sent to where they run."""

    data: Block
    test_weights: np.ndarray | None
    classes: np.ndarray
    shapes: Shapes
    initial: np.ndarray
    limits: Limits
    history_size: int
    n_threads: int
    scorer: _Scorer | None

    def step(
        self, theta: np.ndarray, alpha: float, training: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Fit the training rows from theta; where it ends, and the test rows' score."""
        X, y, _ = self.data
        likelihood = likelihood_of(len(self.classes))()
        with ThreadedMap(self.n_threads) as ordered_map, single_threaded_blas():

            def objective(data: Block, alpha: float) -> Objective:
                check_total(data.sample_weight, "sample_weight in a fold")
                return Objective(
                    Parts.of(cut(data, self.shapes)),
                    self.shapes,
                    likelihood,
                    alpha,
                    X.dtype,
                    ordered_map,
                )

            rows = Block(*(array[training] for array in self.data))
            theta = step(
                objective(rows, alpha),
                revive(theta, self.initial, self.shapes),
                self.limits,
                self.history_size,
            )
            if self.scorer is None:
                weights = (
                    np.ones(len(y), X.dtype)
                    if self.test_weights is None
                    else self.test_weights
                )
                held_out = Block(X[test], y[test], weights[test])
                return theta, -objective(held_out, 0.0).mean_nll(theta)
        attributes = fitted_attributes(theta, self.shapes, self.classes, X.dtype)
        return theta, self.scorer(attributes, X, test)
