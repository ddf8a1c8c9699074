"""`ReLULogisticClassifierCV`: the penalty chosen by cross-validation along a path."""

from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from ._base import BaseReLULogistic, all_or_nothing, check_has_network, conclude
from ._checks import Interval, StrOptions, check_parameters
from ._classifier import ReLULogisticClassifier
from ._features import Features
from ._fit import fit, overflow_as_error
from ._optimize.callbacks import FitTask
from ._rows.chunkwise import refuse_lazy
from ._rows.groups import check_groups
from ._rows.held import Held, weighted
from ._rows.input import input_namespace, is_dispatched
from ._rows.rows import Given
from ._scoring import Scorer, Undefined, scorer_of, with_labels
from ._search.auto import Choice
from ._search.folds import Folds, Split, mean_scores, scores_of
from ._search.walk import Precision, ScorePrinter
from ._threads import ThreadedMap, effective_n_threads

NEG_LOG_LOSS = "neg_log_loss"

# Largest number of folds without `cv`; there are fewer if there are fewer groups.
MOST_FOLDS = 5

# The fitted attributes of a search with refit=False.
OF_SEARCH = {
    *("alpha_", "alphas_", "scores_", "best_score_"),
    *("classes_", "n_features_in_", "feature_names_in_"),
}


class ReLULogisticClassifierCV(BaseReLULogistic):
    """`ReLULogisticClassifier` with its penalty chosen by cross-validation.

    Each fold fits the network to its training rows along two paths of penalties. Each
    fit continues from the last. Both paths begin at the penalty nearest to ten times
    the weight of a row, which is the best single one on many data sets. (If it is less,
    they begin at a tenth of the penalty at which the network collapses to a constant.)
    One path goes to weaker penalties, the other to stronger ones. A path ends early two
    or more penalties from the best one, if the score of every fold is lower there than
    at the best. The final fit to all rows is that of :class:`ReLULogisticClassifier`
    with the penalty of the best mean score.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of ReLU units of each hidden layer. ``()`` means no hidden layer:
        classical logistic regression.

    alphas : int or array-like of float, default=10
        Penalties to choose from, each >= 0. An int means a grid of this size, evenly
        spaced on a log scale. It goes from the penalty at which the network collapses
        to a constant, estimated by the norm of X^T (y - mean of y), down to 1e-4 of it.

    cv : int, cross-validation generator or iterable, default=None
        How to split the rows: the number of stratified folds, a splitter of
        :mod:`sklearn.model_selection`, or an iterable of pairs of training and test
        rows. None means 5 stratified folds. With `groups` these keep each group whole,
        and there are at most as many folds as groups.

    scoring : str, callable or None, default="neg_log_loss"
        The score that chooses the penalty and that `score` returns: the name of a
        scorer, or a callable ``scorer(estimator, X, y)``. None means accuracy. The
        scorer gets a data frame if X is one. Metrics with a parameter ``labels``
        (log-loss, Brier score, ROC AUC of several classes) are told all classes, since
        a fold may lack some. An undefined score (nan) is warned of. A fold with no
        defined score is left out of the means. A penalty with an undefined score in
        any other fold is not chosen.

    refit : bool, default=True
        Whether to fit all rows with the chosen penalty. If False there are scores and
        `alpha_`, but no predictions.

    n_jobs : int or None, default=None
        Number of folds that run at the same time, in processes or as
        :obj:`joblib.parallel_config` says, and of starts of the final fit. None
        means 1 unless in such a context, -1 means all cores.

    class_weight, max_iter, max_fun, tol, history_size, n_init, early_stopping, \
            validation_fraction, n_iter_no_change, warm_start, n_threads, \
            random_state, monotonic_cst, interaction_cst
        As in :class:`ReLULogisticClassifier`, for the fit to all rows. The fits to
        the folds share `class_weight`, `history_size`, `n_threads`, `random_state`,
        `monotonic_cst` and `interaction_cst`, but do not use `early_stopping`. They end
        sooner: when ten iterations together gain less than a thousandth, or after 300
        iterations or 600 evaluations. `max_iter` and `max_fun` bound them too, with a
        warning.

    verbose : int, default=0
        1 and 2 print the mean and the deviation of the scores of each penalty, and the
        final fit as in :class:`ReLULogisticClassifier`. Each line ends with the seconds
        since `fit` was called.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.

    alphas_ : ndarray of shape (n_alphas,)
        The penalties to choose from, from strong to weak.

    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each penalty in each fold; nan beyond the ends of the paths, and where
        the score is not defined.

    best_score_ : float
        Mean score of `alpha_`, over the folds where the score is defined.

    n_features_in_, feature_names_in_, classes_, coefs_, intercepts_, n_layers_, \
            n_outputs_, out_activation_, loss_, loss_curve_, \
            validation_loss_curve_, restart_losses_, n_iter_, n_evaluations_, \
            stop_reason_, coef_, intercept_
        Results of the fit to all rows, as in :class:`ReLULogisticClassifier`.

    Notes
    -----
    With scikit-learn 1.9 or newer, :meth:`set_callbacks` takes callbacks such as
    :class:`sklearn.callback.ProgressBar`. They see a task "search" with a task
    "penalty" for each of `alphas`. With `refit` a task "final-fit" with its iterations
    follows, as in :class:`ReLULogisticClassifier`. A callback that returns True at the
    end of a penalty ends the search with the best penalty so far.

    See Also
    --------
    ReLULogisticClassifier : With ``alpha="auto"`` it chooses between two halves.
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
        history_size: Any = "auto",
        n_init: int = 1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        warm_start: bool = False,
        n_threads: int | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        monotonic_cst: Any = None,
        interaction_cst: Any = None,
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
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst

    def get_metadata_routing(self) -> MetadataRouter:
        """Routing of metadata to this fit, the splitter and the scorer.

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
                scorer=scorer_of(self, self.scoring),
                method_mapping=MethodMapping()
                .add(caller="fit", callee="score")
                .add(caller="score", callee="score"),
            )
        )

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        **params: Any,
    ) -> Self:
        """Choose the penalty, and fit the network to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,)
            Class labels of any type, at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the fits and the scores. With metadata routing
            the scorer gets them only if it requests them.

        X_val, y_val : array-like of shape (n_val, n_features) and (n_val,), \
                default=None
            Validation data for the fit to all rows, as in
            :meth:`ReLULogisticClassifier.fit`. They serve `early_stopping` in place of
            a part of the training data, and `validation_loss_curve_`. The folds do not
            use them.

        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation data.

        **params : dict
            ``groups`` for the splitter or, with metadata routing, everything that the
            splitter and the scorer request. `early_stopping` also keeps the groups of
            the splitter whole when it sets validation data aside.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or an array is not valid, or the loss overflows because
            features are too large. A fit that raises leaves the estimator unchanged.
        """
        given = Given(X, y, sample_weight, X_val, y_val, sample_weight_val)
        with all_or_nothing(self):
            check_parameters(self, self._parameter_constraints)
            self._refuse_other_arrays(*given)
            split_params, score_params = self._routed(sample_weight, params)
            given = given._replace(groups=split_params.get("groups"))
            search = partial(
                self._search, self._check_alphas(), given, split_params, score_params
            )
            if not self.refit:
                self._forget_network()
            message, interrupted = fit(self, given, search, self.refit)
        conclude(message, interrupted)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> float:
        """The score of the predictions for new data, by `scoring`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        y : array-like of shape (n_samples,)
            Their labels. Classes may be missing.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. With metadata routing the scorer gets them only if it
            requests them.

        **params : dict
            With metadata routing, what else the scorer requests.

        Returns
        -------
        score : float
            By default minus the mean negative log-likelihood, in nats. Higher is
            better.
        """
        check_has_network(self)
        if is_routing_enabled():
            routed = process_routing(
                self, "score", sample_weight=sample_weight, **params
            )
            params = routed.scorer.score
        elif params:
            raise TypeError(
                f"{type(self).__name__}.score got unexpected arguments: "
                f"{sorted(params)}. Without metadata routing it takes X, y and "
                "sample_weight."
            )
        else:
            params = {"sample_weight": sample_weight}
        params = {name: value for name, value in params.items() if value is not None}
        scorer = with_labels(scorer_of(self, self.scoring), self.classes_)
        return float(scorer(self, X, y, **params))

    def _search(
        self,
        alphas: Any,
        given: Given,
        split_params: dict[str, Any],
        score_params: dict[str, Any],
        estimator: BaseEstimator,
        rows: Held,
        fitted: Held,
        features: Features,
        drawn: np.ndarray,
        threads: ThreadedMap,
        task: FitTask,
    ) -> Choice:
        """The penalty with the best mean score in the folds, and all scores."""
        X, y = as_given(given.X, rows.X), as_given(given.y, rows.y)
        splits = self._splits(X, y, split_params)
        test_weights = np.ones(len(rows.y), rows.dtype)
        if "sample_weight" in score_params:
            test_weights = rows.given.sample_weight
            score_params = score_params | {"sample_weight": test_weights}
        scorer = None
        if self.scoring != NEG_LOG_LOSS:
            of_estimator = with_labels(scorer_of(self, self.scoring), rows.classes)
            scorer = Scorer(of_estimator, X, y, rows, features, score_params)
        folds = Folds(
            data=features.reduce_rows(weighted(rows.given, rows.class_weights)),
            test_weights=test_weights,
            features=features,
            drawn=drawn,
            history_size=self.history_size,
            precision=Precision(self.max_iter, self.max_fun),
            n_threads=effective_n_threads(self.n_threads),
            scorer=scorer,
        )
        # The strongest penalty of a user may be the one that overflows.
        most = 1.0 if isinstance(alphas, int) else float(alphas[0])
        if isinstance(alphas, int):
            alphas = folds.grid(alphas)
        watchers = task.search(len(alphas), partial(features.attributes, rows))
        name = self.scoring if isinstance(self.scoring, str) else "score"
        told = [ScorePrinter(task.report, name), Undefined(self.scoring), *watchers]
        with overflow_as_error(rows, most):
            walk = folds.walk(alphas, splits, n_jobs=self.n_jobs, watchers=told)
        scores = scores_of(walk, len(alphas))
        means = mean_scores(scores)
        if np.isnan(means).all():
            raise ValueError(
                "Choose another 'scoring', or a 'cv' whose folds all hold each class, "
                "such as StratifiedKFold. No penalty has a score in all of the folds "
                f"that count: {self.scoring!r} is not defined (nan) there."
            )
        best = int(np.nanargmax(means))
        for watcher in watchers:
            watcher.close(walk.tried[best][0].theta)
        alpha, best_score = float(alphas[best]), float(means[best])
        task.report.line(f"alpha {alpha:.3g} chosen of {len(walk.tried)}")
        found = {"alphas_": alphas, "scores_": scores, "best_score_": best_score}
        return Choice(alpha, found, limited=walk.limited)

    def _refuse_other_arrays(self, *arrays: Any) -> None:
        """Raise a TypeError for arrays that are not in the memory of numpy."""
        for array in arrays:
            refuse_lazy(array, f"{type(self).__name__}.fit")
            if is_dispatched(array):
                raise TypeError(
                    f"{type(self).__name__}.fit takes arrays of numpy, not of "
                    f"{input_namespace(array)}. GridSearchCV over the alpha of "
                    "ReLULogisticClassifier takes them."
                )

    def _splits(self, X: Any, y: Any, split_params: dict[str, Any]) -> list[Split]:
        """The folds: rows to train on and rows to judge by."""
        splitter = check_cv(self.cv, y, classifier=True)
        if self.cv is None and split_params.get("groups") is not None:
            n_groups = len(np.unique(check_groups(split_params["groups"], len(y))))
            if n_groups < 2:
                raise ValueError(
                    "Pass groups of at least two values, or a 'cv' without groups: the "
                    f"folds keep groups whole. There are {n_groups} groups."
                )
            splitter = StratifiedGroupKFold(min(MOST_FOLDS, n_groups))
        splits = list(splitter.split(X, y, **split_params))
        if not splits:
            raise ValueError(
                f"The 'cv' parameter of {type(self).__name__} must give at least one "
                f"split. Got {self.cv!r} instead."
            )
        return splits

    def _forget_network(self) -> None:
        """Delete the attributes of an earlier fit to all rows."""
        fitted = {name for name in vars(self) if name.endswith("_")}
        for name in fitted - OF_SEARCH:
            delattr(self, name)
        self._pairs = None

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
        if is_routing_enabled():
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


def is_routing_enabled() -> bool:
    """Whether scikit-learn's metadata routing is enabled."""
    return bool(sklearn.get_config().get("enable_metadata_routing", False))


def as_given(array: Any, checked: np.ndarray) -> Any:
    """A data frame or a column of one as it came, anything else in its checked form."""
    is_frame = hasattr(array, "columns") or hasattr(array, "to_frame")
    return array if is_frame and len(array.shape) == checked.ndim else checked
