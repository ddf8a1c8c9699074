"""`ReLULogisticClassifierCV`: its scores, its path, and its place in scikit-learn."""

import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn
from conftest import assert_same_fit, installed_checks
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx import to_onnx
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.validation import check_is_fitted
from sklearn_relulogit._search.path import Precision

from sklearn_relulogit import (
    LinearRegionsDisplay,
    LossCurveDisplay,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    linear_regions,
    local_linear,
)
from sklearn_relulogit._features import Features
from sklearn_relulogit._fit import read
from sklearn_relulogit._model.likelihood import Logistic
from sklearn_relulogit._rows.rows import Given
from sklearn_relulogit._search.folds import FoldSearch, has_turned
from sklearn_relulogit._threads import single_threaded_blas
from sklearn_relulogit.onnx import register


def make(hidden_layer_sizes=(6,), **kwargs):
    kwargs = {"alphas": [30.0, 3.0, 0.3], "cv": 3, "random_state": 0} | kwargs
    return ReLULogisticClassifierCV(hidden_layer_sizes, **kwargs)


@installed_checks(
    [ReLULogisticClassifierCV((), alphas=3, cv=3)],
    slow=[
        # Of a grid, alphas=3, chance would choose in a check whose weights of classes,
        # 1000 and 0.0001, are unknown to the scores of its folds of 17 rows.
        ReLULogisticClassifierCV((8,), alphas=[10.0, 1.0, 0.1], cv=3, random_state=0),
        ReLULogisticClassifierCV(
            (6, 5), alphas=[10.0, 1.0], cv=2, scoring=None, random_state=0
        ),
    ],
)
# Two narrow layers on tiny data may end as a constant, which is not what is checked.
@pytest.mark.filterwarnings("ignore:The fitted network is a constant")
def test_estimator_checks(estimator, check):
    check(estimator)


def path_scores(X, y, weights, alphas, splits, scoring, precision):
    """The scores of the path of the CV class, without hidden layers."""
    rows = read(
        make(()), Given(X, y, weights), reset=True, class_weight=None, linear=True
    )
    features = Features.of(rows, [(X.shape[1], 1)])

    def accuracy(theta, test):
        theta = features.expand(theta)
        predicted = X[test] @ theta[:-1] + theta[-1] > 0
        return np.average(predicted == y[test], weights=weights[test])

    return (
        FoldSearch(
            data=rows.given,
            test_weights=weights,
            likelihood=Logistic(),
            features=features,
            drawn=np.zeros(X.shape[1] + 1),
            history_size="auto",
            n_threads=1,
            scorer=accuracy if scoring == "accuracy" else None,
            precision=precision,
        )
        .walk(np.array(alphas), splits, n_jobs=None)
        .scores
    )


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_logistic_regression(cancer, scoring, weighted):
    """Without hidden layers: another library's fits and scores of each fold."""
    X, y = cancer
    s = np.random.RandomState(0).randint(0, 3, len(y)) if weighted else None
    weights = np.ones(len(y)) if s is None else s.astype(float)
    alphas = [100.0, 10.0, 1.0]
    splits = list(StratifiedKFold(4).split(X, y))
    clf = make((), alphas=alphas, scoring=scoring, cv=4).fit(X, y, s)
    exact = Precision(tol=1e-8, max_iter=3000, max_fun=6000)
    ours, exactly = (
        path_scores(X, y, weights, alphas, splits, scoring, precision)
        for precision in (Precision(), exact)
    )
    assert_allclose(clf.scores_, ours, rtol=1e-14)
    theirs = np.empty((3, 4))
    for j, (train, test) in enumerate(splits):
        for i, alpha in enumerate(alphas):
            peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-9)
            peer.fit(X[train], y[train], None if s is None else s[train])
            weights = None if s is None else s[test]
            if scoring == "accuracy":
                theirs[i, j] = peer.score(X[test], y[test], weights)
            else:
                proba = peer.predict_proba(X[test])
                theirs[i, j] = -log_loss(y[test], proba, sample_weight=weights)
    assert_allclose(exactly, theirs, rtol=1e-5)
    assert not np.allclose(exactly[:2], theirs[1:], rtol=0.02)
    # As far as the fits go that only serve to choose: their gradients are within 1e-4,
    # and the least curvature is alpha / sum of s, 1 / 400.
    assert_allclose(clf.scores_, theirs, rtol=0.02)
    assert clf.alpha_ == alphas[clf.scores_.mean(axis=1).argmax()]
    assert clf.best_score_ == clf.scores_.mean(axis=1).max()


def test_it_chooses_as_logistic_regression_cv():
    X, y = make_classification(200, 30, n_informative=4, flip_y=0.2, random_state=0)
    alphas = np.geomspace(1e3, 1e-1, 9)
    clf = make((), alphas=alphas, cv=5, tol=1e-8).fit(X, y)
    kwargs = {"Cs": 1 / alphas, "cv": 5, "scoring": "neg_log_loss", "max_iter": 1000}
    kwargs |= {"tol": 1e-8}
    if "use_legacy_attributes" in LogisticRegressionCV().get_params():
        kwargs |= {"use_legacy_attributes": False, "l1_ratios": (0,)}
    with single_threaded_blas():  # Its threads would wait for each other.
        theirs = LogisticRegressionCV(**kwargs).fit(X, y)
    assert clf.alpha_ == pytest.approx(1 / np.ravel(theirs.C_)[0])
    assert_allclose(clf.coef_, theirs.coef_, atol=1e-5)


def test_the_final_fit_is_that_of_the_classifier(cancer):
    X, y = cancer
    clf = make((), tol=1e-8).fit(X, y)
    direct = ReLULogisticClassifier((), alpha=clf.alpha_, tol=1e-8).fit(X, y)
    assert_allclose(clf.coef_, direct.coef_, atol=1e-5)
    assert clf.loss_ == pytest.approx(direct.loss_, rel=1e-10)
    clf = make().fit(X, y)
    direct = ReLULogisticClassifier((6,), alpha=clf.alpha_, random_state=0).fit(X, y)
    assert clf.loss_curve_ == direct.loss_curve_
    assert {name for name in vars(direct) if name.endswith("_")} == (
        {name for name in vars(clf) if name.endswith("_")}
        - {"alphas_", "scores_", "best_score_"}
        | {"alpha_losses_"}
    )


def test_a_number_of_alphas_is_a_grid_in_the_scale_of_the_data(cancer):
    X, y = cancer
    clf = make(alphas=5).fit(X, y)
    norm = np.linalg.norm(X.T @ (y - y.mean()))
    assert_allclose(clf.alphas_, norm * np.logspace(0, -4, 5), rtol=1e-10)
    # As the sum of the losses, so the penalty grows with the weights.
    heavy = make(alphas=5).fit(X, y, np.full(len(y), 7.0))
    assert_allclose(heavy.alphas_, 7 * clf.alphas_)


def test_a_grid_for_features_that_say_nothing():
    X, y = np.zeros((20, 2)), np.arange(20) % 2
    clf = make(alphas=3, cv=2).fit(X, y)
    assert_allclose(clf.alphas_, [1, 1e-2, 1e-4])
    assert_allclose(clf.predict_proba(X), 0.5, atol=1e-4)


def test_alphas_go_from_strong_to_weak(iris):
    clf = make(alphas=[1.0, 100.0, 10.0, 10.0]).fit(*iris)
    assert_array_equal(clf.alphas_, [100, 10, 1])
    assert clf.scores_.shape == (3, 3)


def test_the_paths_end_where_the_score_has_turned():
    X, y = make_classification(150, 30, n_informative=3, flip_y=0.3, random_state=0)
    clf = make((50,), alphas=np.logspace(5, -4, 19), cv=3).fit(X, y)
    tried = ~np.isnan(clf.scores_).any(axis=1)
    assert_array_equal(tried, ~np.isnan(clf.scores_).all(axis=1))
    first, *_, last = np.flatnonzero(tried)
    assert tried[first : last + 1].all()
    # Neither the strongest penalties, where the network is a constant, nor the weakest.
    assert clf.alphas_[first] < 1e5
    assert clf.alphas_[last] > 1e-4
    best = int(np.flatnonzero(clf.alphas_ == clf.alpha_)[0])
    assert first + 2 <= best <= last - 2
    for end in (first, last):
        assert (clf.scores_[end] < clf.scores_[best]).all()


def test_the_paths_begin_where_most_networks_are_best(cancer, capsys):
    X, y = cancer
    clf = make((20,), alphas=[1000.0, 100.0, 10.0, 1.0, 0.1], verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    scored = [line for line in lines if "neg_log_loss" in line]
    tried = [float(line.split()[1]) for line in scored]
    assert tried[0] == 10
    weaker = [alpha for alpha in tried if alpha < 10]
    stronger = [alpha for alpha in tried if alpha > 10]
    assert tried == [10, *sorted(weaker, reverse=True), *sorted(stronger)]
    assert sorted(tried) == sorted(clf.alphas_[~np.isnan(clf.scores_).any(axis=1)])


def test_a_path_has_turned_where_every_fold_is_below_the_best():
    nan = [np.nan, np.nan]
    assert not has_turned(np.array([[1.0, 1.0]]), 0)
    assert not has_turned(np.array([[1, 1], [0.5, 0.5]]), 1)
    assert has_turned(np.array([[1, 1], [0.9, 0.9], [0.5, 0.5]]), 2)
    assert not has_turned(np.array([[1, 1], [0.9, 0.9], [0.5, 1.1]]), 2)
    assert not has_turned(np.array([[0, 0], [0.9, 0.9], [0.5, 0.5]]), 2)
    # Penalties that were not tried play no part.
    assert has_turned(np.array([nan, [1, 1], [0.9, 0.9], [0.5, 0.5]]), 3)
    # In the other direction.
    assert has_turned(np.array([nan, [0.5, 0.5], [0.9, 0.9], [1, 1]]), 1)
    assert not has_turned(np.array([nan, [0.5, 1.1], [0.9, 0.9], [1, 1]]), 1)


def test_the_path_is_as_good_as_fits_from_new_weights(cancer):
    X, y = cancer
    clf = make((20,), alphas=[30.0, 10.0, 3.0]).fit(X, y)
    for i, alpha in enumerate(clf.alphas_):
        direct = cross_val_score(
            ReLULogisticClassifier((20,), alpha=alpha, random_state=0),
            X,
            y,
            cv=3,
            scoring="neg_log_loss",
        )
        assert clf.scores_[i].mean() == pytest.approx(direct.mean(), rel=0.1)


def test_a_fold_without_some_class(iris):
    X, y = iris
    y = y.copy()
    y[:2] = 7  # in two folds of three at most
    clf = make(alphas=[3.0, 1.0])
    with pytest.warns(UserWarning, match="least populated class"):
        clf.fit(X, y)
    assert np.isfinite(clf.scores_).all()
    assert clf.predict_proba(X).shape == (len(X), 4)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_the_same_bits_for_any_number_of_jobs(cancer, backend):
    one = make().fit(*cancer)
    with joblib.parallel_backend(backend):
        two = make(n_jobs=2).fit(*cancer)
    assert_array_equal(one.scores_, two.scores_)
    for a, b in zip(one.coefs_, two.coefs_, strict=True):
        assert_array_equal(a, b)


def test_groups(cancer):
    X, y = cancer
    groups = np.arange(len(y)) // 50
    clf = make(cv=GroupKFold(3)).fit(X, y, groups=groups)
    splits = list(GroupKFold(3).split(X, y, groups))
    same = make(cv=splits).fit(X, y)
    assert_array_equal(clf.scores_, same.scores_)
    assert not np.array_equal(clf.scores_, make().fit(X, y).scores_)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        make(cv=GroupKFold(3)).fit(X, y)
    with pytest.raises(TypeError, match=r"unexpected arguments: \['group'\]"):
        make().fit(X, y, group=groups)


def test_metadata_routing(cancer):
    X, y = cancer
    groups = np.arange(len(y)) // 50
    s = np.random.RandomState(0).randint(1, 3, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        cv = GroupKFold(3).set_split_request(groups=True)
        clf = make(cv=cv, scoring=scorer).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, clf)
        model.fit(X, y, sample_weight=s, groups=groups)
        routed = model[-1]
        unweighted = make(cv=cv, scoring=make_scorer(accuracy_score)).set_fit_request(
            sample_weight=True
        )
        unweighted.scoring.set_score_request(sample_weight=False)
        unweighted.fit(scaler.transform(X), y, sample_weight=s, groups=groups)
    X = StandardScaler().fit_transform(X)
    direct = make(cv=GroupKFold(3), scoring="accuracy").fit(X, y, s, groups=groups)
    assert_allclose(routed.scores_, direct.scores_)
    assert not np.allclose(unweighted.scores_, direct.scores_)


def test_scorers_see_a_fitted_classifier(iris):
    X, y = iris
    labels = np.array(["a", "b", "c"])[y]
    seen = []

    def scorer(estimator, X, y):
        seen.append(set(y))
        return np.mean(estimator.predict(X) == y)

    clf = make(scoring=scorer).fit(X, labels)
    assert set.union(*seen) == {"a", "b", "c"}
    assert_array_equal(clf.scores_, make(scoring="accuracy").fit(X, labels).scores_)
    assert_array_equal(clf.scores_, make(scoring=None).fit(X, labels).scores_)


def test_without_refit(cancer):
    clf = make(refit=False).fit(*cancer)
    with_refit = make().fit(*cancer)
    assert clf.alpha_ == with_refit.alpha_
    assert not hasattr(clf, "coefs_")
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(AttributeError, match="fitted with refit=False"):
            getattr(clf, method)(cancer[0])


@pytest.mark.parametrize("warm_start", [False, True])
def test_without_refit_nothing_of_an_earlier_network_is_left(cancer, warm_start):
    clf = make((), warm_start=warm_start).fit(*cancer)
    assert clf.coef_.shape == (1, 30)
    clf.set_params(refit=False).fit(*cancer)
    of_search = {"alpha_", "alphas_", "scores_", "best_score_"}
    assert {name for name in vars(clf) if name.endswith("_")} == (
        of_search | {"classes_", "n_features_in_"}
    )
    assert not clf._pairs
    never = make((), warm_start=warm_start, refit=False).fit(*cancer)
    assert vars(clf).keys() == vars(never).keys()
    # And back again.
    clf.set_params(refit=True).fit(*cancer)
    assert_same_fit(clf, make((), warm_start=warm_start).fit(*cancer))


WITHOUT_NETWORK = {
    "coef_": lambda clf, X: clf.coef_,
    "intercept_": lambda clf, X: clf.intercept_,
    "predict": lambda clf, X: clf.predict(X),
    "predict_proba": lambda clf, X: clf.predict_proba(X),
    "predict_log_proba": lambda clf, X: clf.predict_log_proba(X),
    "decision_function": lambda clf, X: clf.decision_function(X),
    "score": lambda clf, X: clf.score(X, np.arange(len(X)) % 2),
    "on_host": lambda clf, X: clf.on_host(),
    "local_linear": lambda clf, X: clf.local_linear(X),
    "local_linear of a pipeline": lambda clf, X: local_linear(
        make_pipeline(StandardScaler().fit(X), clf), X
    ),
    "linear_regions": lambda clf, X: linear_regions(clf, X),
    "loss curve": lambda clf, X: LossCurveDisplay.from_estimator(clf),
    "regions": lambda clf, X: LinearRegionsDisplay.from_estimator(clf, X),
    "onnx": lambda clf, X: to_onnx(clf, X[:1]),
}


@pytest.mark.parametrize("use", WITHOUT_NETWORK.values(), ids=list(WITHOUT_NETWORK))
@pytest.mark.parametrize("refitted", [False, True])
def test_what_needs_a_network_says_that_there_is_none(cancer, use, refitted):
    register()
    clf = make((), refit=refitted).fit(*cancer)
    if refitted:
        clf.set_params(refit=False).fit(*cancer)
    with pytest.raises(AttributeError, match="fitted with refit=False"):
        use(clf, cancer[0])


def test_the_curvature_for_a_warm_start_is_not_pickled(cancer):
    clf = make((50,), alphas=[10.0], warm_start=True).fit(*cancer)
    pairs = clf._pairs
    assert len(pairs) > 5
    pickled = pickle.dumps(clf)
    again = pickle.loads(pickled)
    assert "_pairs" not in vars(again)
    assert b"_pairs" not in pickled
    assert len(pickled) < sum(s.nbytes for s, _ in pairs)
    assert clf._pairs is pairs
    assert_array_equal(again.predict_proba(cancer[0]), clf.predict_proba(cancer[0]))
    again.fit(*cancer)  # It goes on without.


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_sparse(cancer, container):
    X, y = cancer
    X = np.where(X > 0, X, 0)
    dense, sparse = (make((), tol=1e-8).fit(data, y) for data in (X, container(X)))
    assert_allclose(sparse.scores_, dense.scores_, rtol=1e-3)
    assert_allclose(sparse.predict_proba(X), dense.predict_proba(X), atol=1e-6)
    # With hidden layers the fits of a path may part at a kink, and end as near to their
    # minima as a search needs.
    dense, sparse = make().fit(X, y), make().fit(container(X), y)
    assert sparse.alpha_ == dense.alpha_
    assert_allclose(sparse.scores_, dense.scores_, rtol=0.03)
    assert np.abs(np.diff(dense.scores_, axis=0) / dense.scores_[1:]).min() > 0.02


def test_float32_stays(iris):
    X, y = iris
    clf = make().fit(X.astype(np.float32), y)
    assert clf.coefs_[0].dtype == np.float32


def test_class_weight(cancer):
    X, y = cancer
    weighted = make((), class_weight={0: 3.0}, tol=1e-8).fit(X, y)
    direct = LogisticRegression(
        C=1 / weighted.alpha_, class_weight={0: 3.0}, tol=1e-8, max_iter=1000
    ).fit(X, y)
    assert_allclose(weighted.coef_, direct.coef_, atol=1e-5)


@pytest.mark.parametrize("make", [make, ReLULogisticClassifier])
@pytest.mark.parametrize("warm_start", [False, True])
# Three iterations are enough for what is checked.
@pytest.mark.filterwarnings("ignore:The fit ended by its iteration limit")
def test_only_a_warm_start_after_a_fit_is_bound_to_it(cancer, make, warm_start):
    X, y = cancer
    clf = make((4,), warm_start=warm_start, max_iter=3, random_state=0).fit(X, y)
    if warm_start:
        with pytest.raises(ValueError, match="X has 7 features, but"):
            clf.fit(X[:, :7], y)
        with pytest.raises(ValueError, match="goes on from a fit to the classes"):
            clf.fit(X, y + 1)
    else:
        assert clf.fit(X[:, :7], y + 1).n_features_in_ == 7
        assert_array_equal(clf.classes_, [1, 2])


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
def test_a_single_split(cancer, scoring):
    """Its scores are those of LogisticRegression, fitted and judged by hand."""
    X, y = cancer
    rows = np.random.RandomState(0).permutation(len(y))
    training, test = rows[:400], rows[400:]
    clf = make((), cv=[(training, test)], scoring=scoring, refit=False).fit(X, y)
    expected = [
        get_scorer(scoring)(
            LogisticRegression(C=1 / alpha, tol=1e-8).fit(X[training], y[training]),
            X[test],
            y[test],
        )
        for alpha in clf.alphas_
    ]
    assert clf.scores_.shape == (3, 1)
    assert_allclose(clf.scores_[:, 0], expected, rtol=1e-2)
    assert clf.best_score_ == clf.scores_.max()


def test_the_defaults_are_those_of_the_classifier():
    theirs = ReLULogisticClassifier().get_params()
    ours = ReLULogisticClassifierCV().get_params()
    shared = theirs.keys() & ours.keys()
    assert theirs.keys() - shared == {"alpha"}
    assert {name: ours[name] for name in shared} == {
        name: theirs[name] for name in shared
    }


def test_what_a_scorer_may_ask_its_estimator(iris):
    X, y = iris
    asked = []

    def scorer(estimator, X, y):
        asked.append(
            (
                estimator.n_features_in_,
                len(estimator.classes_),
                is_classifier(estimator),
            )
        )
        check_is_fitted(estimator)
        return 0.5

    make(scoring=scorer).fit(X, y)
    assert set(asked) == {(4, 3, True)}


def test_warm_start_goes_on_from_the_last_fit(cancer):
    X, y = cancer
    clf = make(warm_start=True, max_iter=3, alphas=[3.0])
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    first = clf.loss_
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert clf.loss_curve_[0] < first


def test_in_a_pipeline_and_a_search(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), make())
    assert cross_val_score(model, X, y, cv=2).min() > -0.2
    assert cross_val_score(model, X, y, cv=2, scoring="accuracy").min() > 0.9
    search = GridSearchCV(
        model, {"relulogisticclassifiercv__hidden_layer_sizes": [(), (3,)]}, cv=2
    )
    assert -0.2 < search.fit(X, y).best_score_ < 0
    assert clone(model[-1]).get_params() == model[-1].get_params()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"alphas": 0}, "'alphas' parameter of ReLULogisticClassifierCV"),
        ({"alphas": []}, r"'alphas' .* non-empty .* Got \[\]"),
        ({"alphas": [1.0, -1.0]}, r"floats >= 0. Got \[1.0, -1.0\]"),
        ({"alphas": [np.inf]}, "finite floats"),
        ({"alphas": ["a"]}, "finite floats"),
        ({"alphas": [[1.0]]}, "one-dimensional"),
        ({"cv": 1}, "'cv' parameter of ReLULogisticClassifierCV"),
        ({"scoring": "nll"}, "'scoring' parameter of ReLULogisticClassifierCV"),
        ({"refit": "yes"}, "'refit' parameter"),
        ({"hidden_layer_sizes": (0,)}, "'hidden_layer_sizes' parameter of ReLULog"),
    ],
)
def test_errors(iris, kwargs, message):
    hidden = kwargs.pop("hidden_layer_sizes", (6,))
    clf = make(hidden, **kwargs)
    before = vars(clf).copy()
    with pytest.raises(ValueError, match=message):
        clf.fit(*iris)
    assert vars(clf) == before


def test_a_failed_fit_loses_nothing(cancer):
    X, y = cancer
    clf = make().fit(X, y)
    before = vars(clf).copy()
    with pytest.raises(ValueError, match="overflow"):
        clf.fit(1e300 * X, y)
    assert vars(clf) == before
    weights = np.ones(len(y))
    weights[: len(y) // 3 + 20] = 0
    with pytest.raises(ValueError, match="sample_weight in a fold must have a pos"):
        clf.set_params(cv=[(np.arange(300, 500), np.arange(100))]).fit(X, y, weights)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
@pytest.mark.parametrize("hidden", [(), (6,), (4, 3)])
def test_the_grid_goes_with_the_size_of_the_features(hidden, factor):
    """All times c: the penalties times c^(2 / L), and the same scores."""
    X, y = make_classification(150, 5, flip_y=0.2, random_state=0)
    before, after = (
        ReLULogisticClassifierCV(hidden, alphas=5, cv=3, random_state=0).fit(Z, y)
        for Z in (scale(X), factor * scale(X))
    )
    times = factor ** (2 / (len(hidden) + 1))
    assert_allclose(after.alphas_, times * before.alphas_, rtol=1e-9)
    # Under weaker penalties rounding errors at kinks may lead fits apart.
    assert_allclose(after.scores_[:3], before.scores_[:3], rtol=1e-3)
