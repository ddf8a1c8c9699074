"""`ReLULogisticClassifierCV`: its scores, its path, and its place in scikit-learn."""

import re

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn
from conftest import assert_same_fit, installed_checks
from numpy import nan
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx import to_onnx
from sklearn.base import clone, is_classifier
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.validation import check_is_fitted

from sklearn_relulogit import (
    LinearRegionsDisplay,
    LossCurveDisplay,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    linear_regions,
    local_linear,
)
from sklearn_relulogit.onnx import register


def make(hidden_layer_sizes=(6,), **kwargs):
    kwargs = {"alphas": [30.0, 3.0, 0.3], "cv": 3, "random_state": 0} | kwargs
    return ReLULogisticClassifierCV(hidden_layer_sizes, **kwargs)


@installed_checks(
    [ReLULogisticClassifierCV((), alphas=3, cv=3)],
    slow=[
        # Without alphas=3, chance would decide a check with class weights of 1000 and
        # 0.0001. The scores of its folds of 17 rows do not use these weights.
        ReLULogisticClassifierCV((8,), alphas=[10.0, 1.0, 0.1], cv=3, random_state=0),
    ],
)
# Two narrow layers on tiny data may end as a constant, which is not checked here.
@pytest.mark.filterwarnings("ignore:The fitted network is a constant")
@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "accuracy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_logistic_regression(cancer, scoring, weighted):
    """Without hidden layers: another library's fits and scores of each fold."""
    X, y = cancer
    s = np.random.RandomState(0).randint(0, 3, len(y)) if weighted else None
    alphas = [100.0, 10.0, 1.0]
    clf = make((), alphas=alphas, scoring=scoring, cv=4).fit(X, y, s)
    theirs = np.empty((3, 4))
    for j, (train, test) in enumerate(StratifiedKFold(4).split(X, y)):
        for i, alpha in enumerate(alphas):
            peer = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-9)
            peer.fit(X[train], y[train], None if s is None else s[train])
            weights = None if s is None else s[test]
            if scoring == "accuracy":
                theirs[i, j] = peer.score(X[test], y[test], weights)
            else:
                proba = peer.predict_proba(X[test])
                theirs[i, j] = -log_loss(y[test], proba, sample_weight=weights)
    # The fits of a search are less exact: their gradients are within 3e-4.
    assert_allclose(clf.scores_, theirs, rtol=0.02)
    assert not np.allclose(clf.scores_[:2], theirs[1:], rtol=0.02)
    assert clf.alpha_ == alphas[clf.scores_.mean(axis=1).argmax()]
    assert clf.best_score_ == clf.scores_.mean(axis=1).max()


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
    # The penalty grows with the weights, like the sum of the losses.
    heavy = make(alphas=5).fit(X, y, np.full(len(y), 7.0))
    assert_allclose(heavy.alphas_, 7 * clf.alphas_)


def test_a_grid_for_features_that_say_nothing():
    X, y = np.zeros((20, 2)), np.arange(20) % 2
    clf = make(alphas=3, cv=2).fit(X, y)
    assert_allclose(clf.alphas_, [1, 1e-2, 1e-4])
    assert_allclose(clf.predict_proba(X), 0.5, atol=1e-4)


SIX, NINE = (0.6, 0.6), (0.9, 0.9)


@pytest.mark.parametrize(
    ("weaker", "stronger", "best"),
    [
        # Both folds are lower two penalties past the best one.
        ([(1, 1), NINE, SIX], [NINE, SIX], 10),
        # One fold is not lower, up to the end.
        ([(1, 1), NINE, (0.6, 1.1), SIX], [NINE, (1.1, 0.6), SIX], 10),
        # The paths do not begin at the best penalty.
        ([(1, 1), SIX, SIX], [(1.1, 1.1), (1.05, 1.05), NINE], 100),
        # A fold without a score does not count.
        ([(nan, 1), (nan, 0.9), (nan, 0.6)], [(nan, 0.9), (nan, 0.6)], 10),
    ],
)
@pytest.mark.filterwarnings("ignore:.* is not defined .nan. in fold 0")
def test_a_path_ends_where_every_fold_is_below_the_best(cancer, weaker, stronger, best):
    alphas = np.logspace(4, -2, 7)
    told = iter(np.ravel(weaker + stronger))

    def scorer(estimator, X, y):
        return next(told)

    clf = make((), alphas=alphas, cv=2, scoring=scorer).fit(*cancer)
    assert list(told) == []
    expected = np.full((7, 2), np.nan)
    # From 10 on to weaker penalties, then to stronger ones.
    expected[3 - len(stronger) : 3 + len(weaker)] = [*stronger[::-1], *weaker]
    assert_array_equal(clf.scores_, expected)
    assert clf.alpha_ == best


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


def test_arguments_that_are_missing_or_unknown(cancer):
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        make(cv=GroupKFold(3)).fit(*cancer)
    with pytest.raises(TypeError, match=r"unexpected arguments: \['group'\]"):
        make().fit(*cancer, group=cancer[1])


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
        assert is_classifier(estimator)
        assert estimator.n_features_in_ == 4
        check_is_fitted(estimator)
        seen.extend([*y, *estimator.classes_])
        return np.mean(estimator.predict(X) == y)

    clf = make(scoring=scorer).fit(X, labels)
    assert set(seen) == {"a", "b", "c"}
    assert_array_equal(clf.scores_, make(scoring="accuracy").fit(X, labels).scores_)
    assert_array_equal(clf.scores_, make(scoring=None).fit(X, labels).scores_)


@pytest.mark.parametrize("warm_start", [False, True])
def test_without_refit_nothing_of_an_earlier_network_is_left(cancer, warm_start):
    clf = make((), warm_start=warm_start).fit(*cancer)
    assert clf.coef_.shape == (1, 30)
    alpha = clf.alpha_
    clf.set_params(refit=False).fit(*cancer)
    assert clf.alpha_ == alpha
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
def test_what_needs_a_network_says_that_there_is_none(cancer, use):
    register()
    clf = make((), refit=False).fit(*cancer)
    with pytest.raises(AttributeError, match="fitted with refit=False"):
        use(clf, cancer[0])


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_sparse(cancer, container):
    X, y = cancer
    X = np.where(X > 0, X, 0)
    dense, sparse = (make((), tol=1e-8).fit(data, y) for data in (X, container(X)))
    assert_allclose(sparse.scores_, dense.scores_, rtol=1e-3)
    assert_allclose(sparse.predict_proba(X), dense.predict_proba(X), atol=1e-6)
    # With hidden layers the fits of a path may separate at a kink. They end as near to
    # their minima as a search needs. Under weak penalties the minima may differ.
    dense, sparse = make().fit(X, y), make().fit(container(X), y)
    assert sparse.alpha_ == dense.alpha_
    assert_allclose(sparse.scores_[:2], dense.scores_[:2], rtol=0.03)
    assert np.abs(np.diff(dense.scores_, axis=0) / dense.scores_[1:]).min() > 0.02


def test_class_weight(cancer):
    X, y = cancer
    kwargs = {"class_weight": {0: 3.0}, "tol": 1e-8}
    clf = make((), alphas=[3.0, 30.0, 3.0], **kwargs).fit(X, y)
    assert_array_equal(clf.alphas_, [30, 3])
    for scores, alpha in zip(clf.scores_, clf.alphas_, strict=True):
        peer = LogisticRegression(C=1 / alpha, max_iter=1000, **kwargs)
        expected = cross_val_score(peer, X, y, cv=3, scoring="neg_log_loss")
        assert_allclose(scores, expected, rtol=0.02)
    peer = LogisticRegression(C=1 / clf.alpha_, max_iter=1000, **kwargs).fit(X, y)
    assert_allclose(clf.coef_, peer.coef_, atol=1e-5)


def test_the_defaults_are_those_of_the_classifier():
    theirs = ReLULogisticClassifier().get_params()
    ours = ReLULogisticClassifierCV().get_params()
    shared = theirs.keys() & ours.keys()
    assert theirs.keys() - shared == {"alpha"}
    assert {name: ours[name] for name in shared} == {
        name: theirs[name] for name in shared
    }


def test_warm_start_goes_on_from_the_last_fit(cancer):
    X, y = cancer
    clf = make(warm_start=True, max_iter=3, alphas=[3.0])
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    first = clf.loss_
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert clf.loss_curve_[0] < first
    with pytest.raises(ValueError, match="continues a fit to the classes"):
        clf.fit(X, y + 1)


def test_in_a_pipeline_and_a_search(cancer):
    X, y = cancer
    model = make_pipeline(StandardScaler(), make())
    assert cross_val_score(model, X, y, cv=2).min() > -0.2
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
    # Under weaker penalties rounding errors at kinks may separate the fits.
    assert_allclose(after.scores_[:3], before.scores_[:3], rtol=1e-3)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", make_scorer(accuracy_score)])
def test_verbose_prints_the_name_of_the_score(capsys, cancer, scoring):
    make((), alphas=[1.0], cv=2, scoring=scoring, verbose=1).fit(*cancer)
    name = scoring if isinstance(scoring, str) else "score"
    printed = capsys.readouterr().out
    assert re.search(rf"^alpha 1  {name} -?0\.\d{{6}} \+- 0\.\d{{6}}", printed, re.M)
