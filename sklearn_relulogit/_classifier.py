"""`ReLULogisticClassifier`: its parameters and their documentation."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import Tags

from ._base import BaseReLULogistic, all_or_nothing, conclude
from ._checks import Interval, Options, StrOptions, check_parameters
from ._fit import fit
from ._rows.rows import Given


class ReLULogisticClassifier(BaseReLULogistic):
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

    Features should be on similar scales, since the penalty is in their units: put a
    :class:`~sklearn.preprocessing.StandardScaler` in front. The order of the rows,
    repeats instead of weights, the unit of the weights, the place of the features and
    the names of the classes do not matter.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of ReLU units of each hidden layer. ``()`` means no hidden layer:
        classical logistic regression.

    alpha : float or "auto", default="auto"
        Strength of the L2 penalty on the weights, in the sum above, so that it
        means what it means in :class:`~sklearn.neural_network.MLPClassifier`.
        Biases are not penalised. Must be >= 0.

        "auto" chooses it by the data: each half of the rows is fitted and judged by
        its predictions for the other half, for penalties in steps of a half power of
        ten as far as they improve. A parabola through the lowest loss and those beside
        it gives the best penalty for a half. That for all rows is larger, by the cube
        root of how many times more they are (without hidden layers it is the same). The
        values of a row decide which half it belongs to, so nothing is random, and a
        weight of two is the same as a row given twice. Rows that are not independent
        need the argument `groups` of `fit`. With all weights times a number it finds
        that number times the penalty. The search uses at most 10,000 rows and networks
        of 20 units a layer (or three for each class). If features differ much in what
        they say, it also finds `relevance_`, by which their weights bear less or more
        of the penalty. The few rows of a rare class hardly count in that loss. To learn
        such a class, give `class_weight` or a number.
        :class:`ReLULogisticClassifierCV` searches more thoroughly.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights: a dict from
        label to weight (1 for labels not in it), or "balanced" to give every
        class the same total weight.

    max_iter : int, default=1000
        Largest number of L-BFGS iterations of the fit. It also bounds each of the
        fits that ``alpha="auto"`` makes to choose, which make 300 at most; a fit to
        which it makes a difference there is warned of.

    max_fun : int, default=15000
        Largest number of evaluations of the loss and its gradient. It is never
        exceeded, not even within a line search. It bounds the fits of the search as
        `max_iter` does, which make 600 at most.

    tol : float, default=1e-4
        The fit ends with ``stop_reason_ == "gradient tolerance"`` once no
        derivative of the mean objective (`loss_`) exceeds `tol` times its value, by
        the parameters that the network has for standardised features. The objective
        of a network with hidden layers has kinks, and its minima often lie on
        them, where the gradient does not tend to zero. There the fit also ends,
        with "loss tolerance", once ten iterations together lowered the
        objective by less than `tol` times its value, or by less than two nats over all
        rows if that is no more than ten times `tol`. Any fit also ends when an
        iteration gains less than rounding error.

    history_size : int or "auto", default="auto"
        Number of correction pairs that L-BFGS keeps to model the curvature. More
        pairs need fewer iterations, a longer time for each, and
        ``16 * history_size`` bytes a parameter. "auto" takes 8 to 30, the
        more the longer an evaluation takes beside the work on a pair: few for small
        data and for sparse data of many features.

    n_init : int, default=1
        Number of starts from different initial weights, of which the one with the
        lowest final objective is kept (with `early_stopping`, the lowest
        validation loss). The first start is that of ``n_init=1``. A start that ends as
        a constant, although it may not have to, is followed by one more, up to three
        in all (not with `warm_start`). Without hidden layers there are no local minima
        and one start is enough for any `n_init`.

    early_stopping : bool, default=False
        Whether to stop once the loss on validation data no longer falls, and to
        keep the parameters at which it was lowest. The validation data are those
        passed to `fit`, or else a stratified part of the training data.

    validation_fraction : float, default=0.1
        Share of the training data that is set aside for `early_stopping` where no
        validation data are passed to `fit`. Between 0 and 1.

    n_iter_no_change : int or inf, default=10
        `early_stopping` stops after so many iterations that did not lower the
        validation loss by at least `tol` times its value. With inf it does not stop,
        and only keeps the parameters of the lowest validation loss.

    warm_start : bool, default=False
        Whether `fit` goes on from the parameters of the last fit, and from its
        knowledge of the curvature, so that several short fits on the same data reach
        about the loss of a long one. Fits of one iteration also follow its path, until
        rounding errors have grown; longer ones take another path, which may lead to
        another local minimum. Number of features, classes and layers must be the same.
        The curvature takes ``16 * history_size`` bytes a parameter; it
        is not pickled. With `monotonic_cst` it is not kept. The last fit must have kept
        to `monotonic_cst` and `interaction_cst`.

    n_threads : int or None, default=None
        Number of threads that share the rows, in `fit` and in predictions. None
        means as many as BLAS would use, which is 1 in the worker processes of
        joblib; -1 means all cores. The result does not depend on it: the same
        bits for any number. Small problems use one.

    n_jobs : int or None, default=None
        Number of starts that run at the same time, in threads. None means 1
        unless in a :obj:`joblib.parallel_config` context, -1 means all cores.
        They share `n_threads` between them. The result does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights and the split for `early_stopping`. Pass an
        int for the same fit each time, to the bit. With None each fit draws others, so
        that two fits to the same data differ. Without hidden layers and without a
        split the fit does not depend on it.

    verbose : int, default=0
        1 prints each penalty that "auto" has tried, with its loss, then the state of
        the fit at every tenth iteration, and at the end why it ended; 2 prints every
        iteration, of the fits of the search too. Each line ends with the seconds since
        `fit` was called.

    monotonic_cst : array-like of int of shape (n_features,), dict or None, default=None
        For each feature 1 if the log-odds of ``classes_[1]`` must not fall where it
        rises, -1 if they must not rise, and 0 if it is free; or a dict of these by the
        names of features, the others being free. As in
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`, for two classes only.
        No slope of the network has the wrong sign, at any point: see :ref:`monotone`,
        also for the shapes that one hidden layer cannot make then. For the columns of a
        table use that of :func:`tabular_pipeline`.

    interaction_cst : "no_interactions", "pairwise", list of sets or None, default=None
        Groups of features, by their positions, that may interact: the log-odds are a
        sum of functions of one group each, exactly. Features in no group are a further
        one. "no_interactions" has a group for each feature and "pairwise" for each two.
        As in :class:`~sklearn.ensemble.HistGradientBoostingClassifier`. Hidden units
        are dealt to the groups in turn, so each layer needs as many as there are
        groups. See :ref:`interactions`.

    Attributes
    ----------
    alpha_ : float
        The penalty of the fit: `alpha`, or what "auto" chose. With `warm_start`
        that of the last fit stays.

    alpha_losses_ : dict of float to float, or None
        The penalties that "auto" tried with the features weighed as in the end, each
        with the mean negative log-likelihood
        of the halves by each other's fits, in nats. Fits that were plainly worse
        than the best were given up, so that theirs may be lower than at their ends.
        None where `alpha` is a number.

    relevance_ : ndarray of shape (n_features,)
        k_j > 0 of each feature: the penalty of a weight w of the first layer is that of
        w / k_j. Ones where `alpha` is a number, and where "auto" does not see that
        another relevance pays. It is by the sizes of the weights in fits without hidden
        layers or in fits of the halves, whichever the halves show to be better. The fit
        is the one to features times `relevance_` with the penalty `alpha_`.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    n_features_in_ : int
        Number of features seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit; only where all are strings.

    feature_mean_ : ndarray of shape (n_features,)
        Mean of each feature over the data of the fit, by sample weights: what
        :func:`contributions` compares with by default.

    feature_importances_ : ndarray of shape (n_features,)
        Mean absolute contribution of each feature to the logits, in nats: of its
        distance from `feature_mean_` times its local coefficient, over the training
        rows (with hidden layers over a fixed sample of them if they are many) and the
        logits. It serves
        :class:`~sklearn.feature_selection.SelectFromModel` and
        :class:`~sklearn.feature_selection.RFE`.

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

    validation_loss_curve_ : list of float or None
        Mean negative log-likelihood of the validation data after each iteration,
        in nats, without penalty, weighted as the training data are. None without
        validation data.

    restart_losses_ : ndarray of shape (n_starts,)
        What each start ended with and the best was chosen by: the final objective
        or, with `early_stopping`, the lowest validation loss. They are as many as have
        begun: `n_init` and those that replace constants, fewer after an interrupt or a
        callback that ends the fit, and one without hidden layers. Infinite for a start
        that an interrupt ended before its first evaluation.

    n_iter_ : int
        Number of iterations of this fit.

    n_evaluations_ : int
        Number of evaluations of the loss and its gradient.

    stop_reason_ : str
        Why the fit ended: "gradient tolerance" or "loss tolerance" (see `tol`),
        "validation loss" (see `early_stopping`), "callback" (one asked to stop),
        or, each with a :class:`~sklearn.exceptions.ConvergenceWarning`,
        "iteration limit", "evaluation limit", "line search" (no step lowers the
        objective in this floating type). "interrupted" means Ctrl-C: the best
        parameters until then are the fitted attributes, and ``KeyboardInterrupt``
        goes on. During the search of "auto" there is nothing to keep yet. There is a
        warning too where the fitted network is a constant, and where features are on
        very different scales or too far from zero for their floating type.

    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, as in :class:`~sklearn.linear_model.LogisticRegression`. Only
        without hidden layers.

    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts. Only without hidden layers.

    Notes
    -----
    With scikit-learn 1.9 or newer, :meth:`set_callbacks` takes callbacks such as
    :class:`sklearn.callback.ProgressBar`. They are called at the beginning and the
    end of each iteration (task "lbfgs-iter", within each "restart", if `n_init` is
    more than 1), and one that returns True at the end of an iteration stops the fit,
    or this start of it. At the end of a start, it prevents those that have not begun.
    ``alpha="auto"`` comes before, as a task "search" with a task "penalty" for each
    penalty, and the rest is then the task "final-fit". A callback that returns True at
    the end of a penalty ends the search, and the best penalty so far is taken.

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
    .. [3] Grandvalet, Y. (1998). "Least absolute shrinkage is equivalent to quadratic
       penalization". ICANN. The relevance of features, there called adaptive ridge.
    .. [4] Runje, D. and Shankaranarayana, S. M. (2023). "Constrained monotonic neural
       networks". ICML. Convex and concave units, as those of `monotonic_cst` are.

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

    # With metadata routing, `groups` come to `fit` unless `set_fit_request` says not.
    __metadata_request__fit: ClassVar = {"groups": True}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Integral],
        "alpha": [Interval(Real, 0, np.inf, closed="left"), StrOptions({"auto"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, np.inf, closed="left")],
        "history_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "warm_start": ["boolean"],
        "n_threads": [
            Interval(Integral, 1, None, closed="left"),
            Options(Integral, {-1}),
            None,
        ],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "monotonic_cst": ["array-like", dict, None],
        "interaction_cst": [
            list,
            tuple,
            StrOptions({"no_interactions", "pairwise"}),
            None,
        ],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        alpha: Any = "auto",
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
        self.alpha = alpha
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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 is fitted in float32, anything else in
            float64 (large problems begin in float32 and end in float64).
            Sparse data are never made dense; formats other than CSR are
            converted to it. Of Dask arrays and data frames the rows stay on the
            workers of the current client; the other arguments may be such too.
            Arrays of other libraries stay on their device with scikit-learn's array
            API dispatch; the other arguments follow X.

        y : array-like of shape (n_samples,)
            Class labels of any type, at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, 1 for each sample by default. An integer weight
            is the same as repeating the sample. A class whose samples all weigh
            nothing stays in `classes_`, with probabilities next to zero and a warning.

        groups : array-like of shape (n_samples,), default=None
            Of any type: the group of each sample, for samples that are not
            independent, such as those of one patient. ``alpha="auto"`` and
            `early_stopping` then keep each group whole when they divide the samples,
            and choose for samples of new groups. They need at least two groups, and
            nothing else depends on them. Not for Dask collections.

        X_val, y_val : array-like of shape (n_val, n_features) and (n_val,), \
                default=None
            Validation data, whose loss goes to `validation_loss_curve_`, and for
            `early_stopping`. In a :class:`~sklearn.pipeline.Pipeline`,
            ``transform_input=["X_val"]`` transforms them as it does X.

        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the validation data.

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
        given = Given(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)
        with all_or_nothing(self):
            check_parameters(self, self._parameter_constraints)
            message, interrupted = fit(self, given)
        conclude(message, interrupted)
        return self
