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

    Scale the features alike, because the penalty depends on their units: put a
    :class:`~sklearn.preprocessing.StandardScaler` in front. The fit does not depend on
    the order of rows or features, on the unit of the weights or on class names. A
    weight of two is the same as a row given twice.

    Losses, logits and log-odds are in nats, the unit of the natural logarithm. One nat
    multiplies the odds by e, about 2.7.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of ReLU units of each hidden layer. ``()`` means no hidden layer:
        classical logistic regression.

    alpha : float or "auto", default="auto"
        Strength of the L2 penalty on the weights, in the sum above. It means the same
        as in :class:`~sklearn.neural_network.MLPClassifier`. Biases are not penalised.
        Must be >= 0.

        "auto" chooses it from the data. It splits the rows in halves, fits each half
        and takes the loss on the other. It tries penalties in steps of half a power of
        ten while the loss falls. A parabola through the lowest loss and its neighbours
        gives the best penalty for a half. With hidden layers the penalty for all rows
        is larger, by the cube root of the ratio of the row counts.

        The values of a row decide its half, so the choice is not random. If rows are
        not independent, pass `groups` to `fit`. The penalty scales with the sample
        weights. The search uses at most 10,000 rows and 20 units a layer (or three for
        each class). If some features matter much more than others, it also finds
        `relevance_`, a factor that weakens the penalty on them. A rare class hardly
        affects the loss; to learn it, set `class_weight` or a number for `alpha`.
        :class:`ReLULogisticClassifierCV` searches more thoroughly.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights. A dict maps labels
        to weights (1 for labels not in it). "balanced" gives every class the same
        total weight.

    max_iter : int, default=1000
        Largest number of L-BFGS iterations of the fit. It also bounds each fit of the
        search for ``alpha="auto"``, besides a limit of 300. A warning says so if
        `max_iter` cuts such a fit short.

    max_fun : int, default=15000
        Largest number of evaluations of the loss and its gradient. It is never
        exceeded, not even within a line search. It also bounds each fit of the search,
        besides a limit of 600.

    tol : float, default=1e-4
        The fit ends with ``stop_reason_ == "gradient tolerance"`` once no derivative
        of the mean objective (`loss_`) exceeds `tol` times its value. The derivatives
        are by the parameters for standardised features.

        With hidden layers the objective has kinks. Its minima often lie on kinks,
        where the gradient does not tend to zero. So the fit also ends, with "loss
        tolerance", once ten iterations together gain less than `tol` times the
        objective. A gain of two nats over all rows is enough to end too, if it is at
        most ten times `tol`. Any fit also ends when an iteration gains less than
        rounding error.

    history_size : int or "auto", default="auto"
        Number of correction pairs that L-BFGS keeps to model the curvature. With more
        pairs it needs fewer but slower iterations, and ``16 * history_size`` bytes a
        parameter. "auto" takes 8 to 30. It takes few where an evaluation is cheap: for
        small data and for sparse data of many features.

    n_init : int, default=1
        Number of starts from different initial weights. The start with the lowest
        final objective is kept (with `early_stopping`, the lowest validation loss).
        The first start is the same for any `n_init`. If a start ends as a constant and
        may not have to, another follows, up to three in all (not with `warm_start`).
        Without hidden layers there are no local minima, and one start is enough.

    early_stopping : bool, default=False
        Whether to stop once the loss on validation data no longer falls, and to
        keep the parameters at which it was lowest. The validation data are those
        passed to `fit`, or else a stratified part of the training data.

    validation_fraction : float, default=0.1
        Share of the training data, between 0 and 1, that `early_stopping` sets aside
        if no validation data are passed to `fit`.

    n_iter_no_change : int or inf, default=10
        `early_stopping` stops after this number of iterations without a gain. A gain
        lowers the validation loss by at least `tol` times its value. With inf the fit
        does not stop early, but keeps the parameters of the lowest validation loss.

    warm_start : bool, default=False
        Whether `fit` continues from the parameters and curvature of the last fit.
        Several short fits on the same data then reach about the loss of a long one.
        Fits of one iteration follow the path of the long one, up to rounding errors.
        Longer ones take another path and may find another local minimum. The numbers
        of features, classes and layers must be the same. The last fit must have kept
        to `monotonic_cst` and `interaction_cst`. The curvature takes
        ``16 * history_size`` bytes a parameter. It is not pickled, and not kept with
        `monotonic_cst`.

    n_threads : int or None, default=None
        Number of threads that share the rows, in `fit` and in predictions. None
        means as many as BLAS would use (1 in the worker processes of joblib), -1 means
        all cores. The result is the same to the bit for any number. Small problems use
        one thread.

    n_jobs : int or None, default=None
        Number of starts that run at the same time, in threads. None means 1
        unless in a :obj:`joblib.parallel_config` context, -1 means all cores.
        The starts share `n_threads`. The result does not depend on it.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights and the split for `early_stopping`. With an int,
        each fit gives the same bits. With None, two fits to the same data differ.
        Without hidden layers and without a split the fit does not depend on it.

    verbose : int, default=0
        1 prints each penalty of the search with its loss, every tenth iteration of the
        fit, and why the fit ended. 2 prints every iteration, also of the search. Each
        line ends with the seconds since `fit` was called.

    monotonic_cst : array-like of int of shape (n_features,), dict or None, default=None
        For each feature: 1 if the log-odds of ``classes_[1]`` must not fall as it
        rises, -1 if they must not rise, 0 for no constraint. A dict maps feature names
        to these; features not in it are free. As in
        :class:`~sklearn.ensemble.HistGradientBoostingClassifier`, two classes only.
        The constraint holds for the slopes of the network at every point. See
        :ref:`monotone`, also for the shapes that need more than one hidden layer. For
        the columns of a table use the parameter of :func:`tabular_pipeline`.

    interaction_cst : "no_interactions", "pairwise", list of sets or None, default=None
        Groups of features, by position, that may interact. The log-odds are exactly a
        sum of functions, one for each group. The features in no group form a further
        group. "no_interactions" has a group for each feature, "pairwise" one for each
        pair. As in :class:`~sklearn.ensemble.HistGradientBoostingClassifier`. Each
        hidden unit belongs to one group, so each layer needs at least one unit for
        each group. See :ref:`interactions`.

    Attributes
    ----------
    alpha_ : float
        The penalty of the fit: `alpha`, or the choice of "auto". `warm_start` keeps the
        choice of the last fit.

    alpha_losses_ : dict of float to float, or None
        The penalties that "auto" tried with the final `relevance_`. Each has its loss:
        the mean negative log-likelihood, in nats, of each half by the fit to the other.
        Clearly worse fits were stopped early, so their losses are approximate. None if
        `alpha` is a number.

    relevance_ : ndarray of shape (n_features,)
        A factor k_j > 0 for each feature. The penalty treats a weight w of the first
        layer as w / k_j, so a larger factor means a weaker penalty. The fit equals one
        to the features times `relevance_` with the penalty `alpha_`. The factors come
        from the sizes of the weights in fits to the halves or in fits without hidden
        layers, whichever have the lower loss. All are one if `alpha` is a number, or if
        "auto" finds no gain.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    n_features_in_ : int
        Number of features seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen in fit, if all are strings.

    feature_mean_ : ndarray of shape (n_features,)
        Weighted mean of each feature over the data of the fit. It is the default
        reference of :func:`contributions`.

    feature_importances_ : ndarray of shape (n_features,)
        Mean absolute contribution of each feature to the logits, in nats. A
        contribution is the local coefficient times the distance from `feature_mean_`.
        The mean is over the logits and the training rows (with hidden layers a fixed
        sample of them if there are many).
        :class:`~sklearn.feature_selection.SelectFromModel` and
        :class:`~sklearn.feature_selection.RFE` use it.

    coefs_ : list of ndarray
        ``coefs_[l - 1]`` is the transpose of W_l, of shape (n_l, m_l). It has the
        floating type of X in fit.

    intercepts_ : list of ndarray
        ``intercepts_[l - 1]`` is b_l, of shape (m_l,).

    n_layers_ : int
        Number of layers including the input, L + 1, as in
        :class:`~sklearn.neural_network.MLPClassifier`.

    n_outputs_ : int
        Number of logits: 1 for two classes, else the number of classes.

    out_activation_ : {"logistic", "softmax"}
        The function that turns logits into probabilities.

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
        The loss by which the best start was chosen: the final objective or, with
        `early_stopping`, the lowest validation loss. One value for each start that
        began: `n_init` and those that replace constants. There are fewer after an
        interrupt or a callback that ends the fit, and one without hidden layers.
        Infinite for a start that was interrupted before its first evaluation.

    n_iter_ : int
        Number of iterations of this fit.

    n_evaluations_ : int
        Number of evaluations of the loss and its gradient.

    stop_reason_ : str
        Why the fit ended: "gradient tolerance" or "loss tolerance" (see `tol`),
        "validation loss" (see `early_stopping`) or "callback" (one asked to stop).
        With a :class:`~sklearn.exceptions.ConvergenceWarning`: "iteration limit",
        "evaluation limit", or "line search" (no step lowers the objective in this
        floating type). "interrupted" means Ctrl-C: the fitted attributes are the best
        parameters so far, and ``KeyboardInterrupt`` is raised again. An interrupted
        search of "auto" leaves nothing. A constant network is warned of too, as are
        features on very different scales or too far from zero for their floating type.

    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, as in :class:`~sklearn.linear_model.LogisticRegression`. Only
        without hidden layers.

    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts. Only without hidden layers.

    Notes
    -----
    With scikit-learn 1.9 or newer, :meth:`set_callbacks` takes callbacks such as
    :class:`sklearn.callback.ProgressBar`. They are called at the beginning and the
    end of each iteration (task "lbfgs-iter", within each "restart" if `n_init` is more
    than 1). A callback that returns True at the end of an iteration stops this start.
    At the end of a start, it prevents further starts. With ``alpha="auto"`` there is
    first a task "search" with a task "penalty" for each penalty, then a task
    "final-fit". A callback that returns True at the end of a penalty ends the search
    with the best penalty so far.

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

    # Metadata routing passes `groups` to `fit` unless `set_fit_request` says no.
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
            Sparse data stay sparse, and are converted to CSR. Rows of Dask arrays
            and data frames stay on the workers of the current client; the other
            arguments may be Dask collections too. With scikit-learn's array API
            dispatch, arrays of other libraries stay on their device, and the other
            arguments are moved there.

        y : array-like of shape (n_samples,)
            Class labels of any type, at least two different ones.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, 1 for each sample by default. An integer weight
            is the same as repeating the sample. A class whose weights are all zero
            stays in `classes_`, with probabilities near zero and a warning.

        groups : array-like of shape (n_samples,), default=None
            The group of each sample, of any type. Use it if samples are not
            independent, for example several rows of one patient. ``alpha="auto"`` and
            `early_stopping` then split between groups, not within them, and so choose
            for samples of new groups. There must be at least two groups. Not for Dask
            collections.

        X_val, y_val : array-like of shape (n_val, n_features) and (n_val,), \
                default=None
            Validation data for `early_stopping`; their loss is in
            `validation_loss_curve_`. In a :class:`~sklearn.pipeline.Pipeline`,
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
            If a parameter or an array is not valid, or the loss overflows because
            features are too large. A fit that raises leaves the estimator unchanged.
        """
        given = Given(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)
        with all_or_nothing(self):
            check_parameters(self, self._parameter_constraints)
            message, interrupted = fit(self, given)
        conclude(message, interrupted)
        return self
