"""Scores of the CV class: the input of scorers and splitters, and missing classes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    d2_log_loss_score,
    f1_score,
    get_scorer_names,
    log_loss,
    make_scorer,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_score

from sklearn_relulogit import ReLULogisticClassifierCV


def make(**kwargs):
    kwargs = {"alphas": [10.0, 1.0]} | kwargs
    return ReLULogisticClassifierCV((), **kwargs)


@pytest.fixture
def lacking(iris):
    """Three classes and two folds; the first one's test rows lack the last class."""
    X, y = iris
    labels = np.array(["a", "b", "c"])[y]
    tests = [np.flatnonzero(labels != "c")[::2], np.arange(1, 150, 2)]
    rows = np.arange(150)
    return X, labels, [(np.setdiff1d(rows, test), test) for test in tests]


METRICS = {
    "neg_log_loss": lambda y, p, c: -log_loss(y, p, labels=c),
    "neg_brier_score": lambda y, p, c: -brier_score_loss(y, p, labels=c),
    "d2_log_loss_score": lambda y, p, c: d2_log_loss_score(y, p, labels=c),
    "roc_auc_ovo": lambda y, p, c: roc_auc_score(y, p, multi_class="ovo", labels=c),
    "f1_macro": lambda y, p, c: f1_score(
        y, c[p.argmax(axis=1)], labels=c, average="macro"
    ),
    "accuracy": lambda y, p, c: accuracy_score(y, c[p.argmax(axis=1)]),
}


@pytest.mark.parametrize("scoring", METRICS)
def test_a_fold_without_a_class_is_scored(lacking, scoring):
    """By the metric's own function, and the fits of another library."""
    X, y, splits = lacking
    # Older versions of scikit-learn have the metric, but no name for its scorer.
    scorer = scoring
    if scoring not in get_scorer_names():
        scorer = make_scorer(d2_log_loss_score, response_method="predict_proba")
    clf = make(scoring=scorer, cv=splits).fit(X, y)
    expected = np.empty((2, 2))
    for j, (train, test) in enumerate(splits):
        for i, alpha in enumerate(clf.alphas_):
            peer = LogisticRegression(C=1 / alpha, tol=1e-6, max_iter=1000)
            proba = peer.fit(X[train], y[train]).predict_proba(X[test])
            expected[i, j] = METRICS[scoring](y[test], proba, peer.classes_)
    assert_allclose(clf.scores_, expected, rtol=0.02)
    if scoring != "roc_auc_ovo":  # It hardly depends on the penalty.
        assert not np.allclose(clf.scores_[::-1], expected, rtol=0.02)
    # And new data.
    test = splits[0][1]
    proba = clf.predict_proba(X[test])
    score = clf.score(X[test], y[test])
    assert score == pytest.approx(METRICS[scoring](y[test], proba, clf.classes_))


def test_what_a_scorer_was_made_with_stays(lacking):
    X, y, splits = lacking
    codes = np.unique(y, return_inverse=True)[1]
    metric = make_scorer(f1_score, labels=[1], average="macro")
    clf = make(scoring=metric, cv=splits).fit(X, codes)
    test = splits[0][1]
    expected = f1_score(codes[test], clf.predict(X[test]), labels=[1], average="macro")
    assert clf.score(X[test], codes[test]) == expected
    assert metric._kwargs == {"labels": [1], "average": "macro"}
    # With two classes, of any name, the second is the positive one.
    two = np.flatnonzero(y != "a")[20:]
    clf = make(scoring="f1", cv=2).fit(X[two], y[two])
    first, second = (f1_score(y[two], clf.predict(X[two]), pos_label=c) for c in "bc")
    assert clf.score(X[two], y[two]) == second != first


def undefined_for_strong(y, p):
    """A metric without a value for a constant network: the correlation with labels."""
    return np.nan if p.std() < 0.05 else np.corrcoef(y, p)[0, 1]


# scikit-learn's metric warns too, besides the checked warning.
@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_a_fold_without_a_score_is_left_out(cancer):
    X, y = cancer
    rows = np.arange(len(y))
    tests = [rows[y == 1][:50], rows[::3], rows[1::3]]
    splits = [(np.setdiff1d(rows, test), test) for test in tests]
    told = pytest.warns(
        UndefinedMetricWarning, match=r"roc_auc is not defined \(nan\) in fold 0"
    )
    with told as record:
        clf = make(scoring="roc_auc", alphas=[1e3, 3.0, 1.0], cv=splits).fit(X, y)
    assert len([w for w in record if "in fold 0" in str(w.message)]) == 1
    assert_array_equal(np.isnan(clf.scores_), [[True, False, False]] * 3)
    means = clf.scores_[:, 1:].mean(axis=1)
    assert clf.best_score_ == means.max()
    assert clf.alpha_ == clf.alphas_[means.argmax()]
    without = make(scoring="roc_auc", alphas=[1e3, 3.0, 1.0], cv=splits[1:]).fit(X, y)
    assert_array_equal(without.scores_, clf.scores_[:, 1:])
    assert without.alpha_ == clf.alpha_


def test_a_penalty_without_a_score_is_not_chosen(cancer):
    X, y = cancer
    metric = make_scorer(undefined_for_strong, response_method="predict_proba")
    clf = make(alphas=[1e6, 3.0], scoring=metric, cv=2)
    with pytest.warns(UndefinedMetricWarning, match=r"in folds 0, 1"):
        clf.fit(X, y)
    assert clf.alpha_ == 3.0
    assert_array_equal(np.isnan(clf.scores_), [[True] * 2, [False] * 2])


def test_no_score_at_all_is_an_error(cancer):
    X, y = cancer
    clf = make(scoring=lambda estimator, X, y: np.nan, cv=2)
    before = vars(clf).copy()
    told = pytest.warns(UndefinedMetricWarning, match="in folds 0, 1")
    with told, pytest.raises(ValueError, match=r"is not defined \(nan\) there"):
        clf.fit(X, y)
    assert vars(clf) == before


FRAMES = {
    "pandas": lambda X, y: (pd.DataFrame(X), pd.Series(y)),
    "polars": lambda X, y: (pl.DataFrame(X), pl.Series(y)),
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_come_as_frames(iris, library):
    X, y = iris
    columns = {f"x{i}": X[:, i] for i in range(4)}
    frame, labels = FRAMES[library](columns, y)
    seen = []

    class Splitter(StratifiedKFold):
        def split(self, X, y, groups=None):
            seen.append((type(X), type(y)))
            return super().split(np.asarray(X), np.asarray(y))

    def scorer(estimator, X, y):
        seen.append((type(X), type(y)))
        assert list(X.columns) == list(estimator.feature_names_in_)
        return np.mean(estimator.predict(X) == np.asarray(y))

    clf = make(scoring=scorer, cv=Splitter(3)).fit(frame, labels)
    assert set(seen) == {(type(frame), type(labels))}
    arrays = make(scoring="accuracy", cv=3).fit(X, y)
    assert_array_equal(clf.scores_, arrays.scores_)
    # Labels in a frame of one column are labels.
    one_column = labels.to_frame()
    with warnings.catch_warnings():
        # scikit-learn warns about one column.
        warnings.simplefilter("ignore", sklearn.exceptions.DataConversionWarning)
        same = make(scoring="accuracy", cv=3).fit(frame, one_column)
    assert_array_equal(same.scores_, arrays.scores_)


@pytest.mark.parametrize("container", [scipy.sparse.coo_array, np.ndarray.tolist])
def test_other_containers_come_as_checked(iris, container):
    X, y = iris
    clf = make(scoring="accuracy", cv=3).fit(container(X), y.tolist())
    assert_allclose(clf.scores_, make(scoring="accuracy", cv=3).fit(X, y).scores_)


def test_the_score_is_that_of_scoring(cancer):
    X, y = cancer
    weights = np.linspace(0, 1, len(y))
    for scoring, expected in [
        (
            "neg_log_loss",
            lambda clf, s: -log_loss(y, clf.predict_proba(X), sample_weight=s),
        ),
        (None, lambda clf, s: accuracy_score(y, clf.predict(X), sample_weight=s)),
        ("accuracy", lambda clf, s: accuracy_score(y, clf.predict(X), sample_weight=s)),
    ]:
        clf = make(scoring=scoring, cv=2).fit(X, y)
        assert clf.score(X, y) == pytest.approx(expected(clf, None), rel=1e-12)
        weighted = clf.score(X, y, weights)
        assert weighted == pytest.approx(expected(clf, weights), rel=1e-12)
        assert weighted != clf.score(X, y)
        again = pickle.loads(pickle.dumps(clf))
        assert again.score(X, y, sample_weight=weights) == weighted
    with pytest.raises(TypeError, match=r"unexpected arguments: \['groups'\]"):
        clf.score(X, y, groups=weights)


def test_the_score_with_metadata_routing(cancer):
    X, y = cancer
    weights = np.linspace(0, 1, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        clf = make(scoring=scorer, cv=2).set_fit_request(sample_weight=True)
        clf.set_score_request(sample_weight=True)
        clf.fit(X, y, sample_weight=weights)
        weighted = clf.score(X, y, sample_weight=weights)
        plain = clf.score(X, y)
        scores = cross_val_score(clf, X, y, params={"sample_weight": weights}, cv=2)
    expected = accuracy_score(y, clf.predict(X), sample_weight=weights)
    assert weighted == pytest.approx(expected)
    assert plain == accuracy_score(y, clf.predict(X))
    assert scores.min() > 0.9


def test_a_scorer_sees_the_network_that_is_scored(cancer):
    X, y = cancer
    seen = []

    def scorer(estimator, X, y):
        seen.append((estimator.hidden_layer_sizes, estimator.n_features_in_))
        sizes = [W_T.shape[1] for W_T in estimator.coefs_]
        assert sizes == [*estimator.hidden_layer_sizes, 1]
        return -log_loss(y, estimator.predict_proba(X))

    clf = ReLULogisticClassifierCV((4, 3), alphas=[1.0], cv=2, random_state=0)
    clf.set_params(scoring=scorer).fit(X, y)
    assert seen == [([4, 3], X.shape[1])] * 2
