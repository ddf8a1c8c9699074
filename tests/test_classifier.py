"""The estimator: attributes, floating types, weights, labels, sparse data, warnings."""

import copy
import pickle
import warnings
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import assert_same_fit, watch_evaluations
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, make_classification, make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
from sklearn_relulogit._model.parameters import initial_theta, layer_shapes, unpack


def make(hidden_layer_sizes=(8,), **kwargs):
    return ReLULogisticClassifier(hidden_layer_sizes, random_state=0, **kwargs)


@pytest.mark.parametrize(
    ("hidden", "widths"),
    [((), []), (7, [7]), ([6, 3], [6, 3]), (np.array([4, 3, 2]), [4, 3, 2])],
)
def test_fitted_attributes(cancer, hidden, widths):
    X, y = cancer
    clf = make(hidden).fit(X, y)
    sizes = [30, *widths, 1]
    assert [c.shape for c in clf.coefs_] == list(pairwise(sizes))
    assert [b.shape for b in clf.intercepts_] == [(m,) for m in sizes[1:]]
    assert clf.n_layers_ == len(sizes)
    assert clf.n_outputs_ == 1
    assert clf.out_activation_ == "logistic"
    assert clf.n_features_in_ == 30
    assert not hasattr(clf, "feature_names_in_")
    assert_array_equal(clf.classes_, [0, 1])
    assert clf.stop_reason_ in ("gradient tolerance", "loss tolerance")
    assert clf.n_iter_ == len(clf.loss_curve_) <= clf.n_evaluations_
    assert clf.loss_ == clf.loss_curve_[-1]
    assert (np.diff(clf.loss_curve_) <= 0).all()
    assert clf.score(X, y) > 0.97


def test_the_loss_is_the_penalised_mean_negative_log_likelihood(cancer):
    X, y = cancer
    s = np.random.RandomState(0).uniform(0, 2, len(y))
    clf = make((6, 4), alpha=3.0).fit(X, y, sample_weight=s)
    log_proba = clf.predict_log_proba(X)[np.arange(len(y)), y]
    penalty = 3.0 / 2 * sum((W**2).sum() for W in clf.coefs_)
    assert_allclose(clf.loss_, (-s @ log_proba + penalty) / s.sum(), rtol=1e-10)


def test_multiclass(iris):
    X, y = iris
    clf = make((8,)).fit(X, y)
    assert clf.n_outputs_ == 3
    assert clf.out_activation_ == "softmax"
    Z = clf.decision_function(X)
    assert Z.shape == (150, 3)
    proba = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    assert_allclose(clf.predict_proba(X), proba, rtol=1e-10)
    assert_allclose(clf.predict_log_proba(X), np.log(proba), rtol=1e-9, atol=1e-12)
    assert_array_equal(clf.predict(X), Z.argmax(axis=1))
    assert clf.score(X, y) > 0.94


def test_the_outputs_agree_with_each_other(cancer):
    X, y = cancer
    clf = make().fit(X, y)
    f = clf.decision_function(X)
    assert f.shape == (len(y),)
    assert_allclose(clf.predict_proba(X)[:, 1], 1 / (1 + np.exp(-f)), rtol=1e-12)
    assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-15)
    assert_allclose(np.exp(clf.predict_log_proba(X)), clf.predict_proba(X), rtol=1e-12)
    assert_array_equal(clf.predict(X), clf.classes_[(f > 0).astype(int)])


def test_decision_function_is_the_network_written_out(cancer):
    X, y = cancer
    clf = make((5, 4)).fit(X, y)
    Z = X
    for W, b in zip(clf.coefs_[:-1], clf.intercepts_[:-1], strict=True):
        Z = np.maximum(Z @ W + b, 0)
    expected = (Z @ clf.coefs_[-1] + clf.intercepts_[-1]).ravel()
    assert_allclose(clf.decision_function(X), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 569])
def test_a_network_that_was_set_up_by_hand_predicts(cancer, n):
    X, y = cancer
    fitted = make().fit(X, y)
    clf = ReLULogisticClassifier()
    for name in ("coefs_", "intercepts_", "classes_", "n_outputs_"):
        setattr(clf, name, getattr(fitted, name))
    assert_array_equal(clf.predict_proba(X[:n]), fitted.predict_proba(X[:n]))
    assert_array_equal(clf.predict(X[:n]), fitted.predict(X[:n]))


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [5, -3], [True, False], [2.0, 1.0], ["b", "a", "c"]]
)
def test_labels_of_any_type_and_order(labels, iris):
    X, codes = iris
    X, codes = X[codes < len(labels)], codes[codes < len(labels)]
    clf = make().fit(X, np.array(labels)[codes])
    assert_array_equal(clf.classes_, np.unique(labels))
    predicted = clf.predict(X)
    assert predicted.dtype == np.array(labels).dtype
    assert (predicted == np.array(labels)[codes]).mean() > 0.94
    # The columns of the probabilities are in the order of classes_.
    assert_array_equal(predicted, clf.classes_[clf.predict_proba(X).argmax(axis=1)])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_in_float32_out(iris, n_classes):
    X, y = iris
    X, y = X[y < n_classes], y[y < n_classes]
    clf = make(alpha=5.0).fit(X, y)
    clf_32 = make(alpha=5.0).fit(X.astype(np.float32), y)
    for array in clf_32.coefs_ + clf_32.intercepts_:
        assert array.dtype == np.float32
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        result = getattr(clf_32, method)(X.astype(np.float32))
        assert result.dtype == np.float32
        # Either side in float64 gives float64.
        assert getattr(clf_32, method)(X).dtype == np.float64
        assert getattr(clf, method)(X.astype(np.float32)).dtype == np.float64
    assert_allclose(
        clf_32.predict_proba(X), clf.predict_proba(X), atol=0.01 * n_classes
    )
    assert clf_32.loss_ == pytest.approx(clf.loss_, rel=1e-3)


@pytest.mark.parametrize("dtype", [int, np.float16, np.uint8, bool, object])
def test_other_types_are_fitted_in_float64(dtype):
    X = np.random.RandomState(0).randint(0, 2, (60, 4)).astype(dtype)
    y = X[:, 0].astype(bool) ^ X[:, 1].astype(bool)
    clf = make(alpha=0.1).fit(X, y)
    assert clf.coefs_[0].dtype == np.float64
    assert clf.score(X, y) == 1


@pytest.mark.slow
def test_sparse_data_are_never_made_dense():
    """A dense copy would take 80 GB."""
    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array(
        (10_000, 1_000_000), density=2e-6, rng=rng, format="csr"
    )
    y = rng.integers(0, 2, 10_000)
    clf = make((2,), alpha=5.0, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y)
    assert clf.predict_proba(X).shape == (10_000, 2)


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_refit_gives_the_same_bits(cancer, hidden):
    X, y = cancer
    assert_same_fit(make(hidden).fit(X, y), make(hidden).fit(X, y))


def test_random_state(cancer):
    X, y = cancer
    a = ReLULogisticClassifier((4,), random_state=0).fit(X, y)
    b = ReLULogisticClassifier((4,), random_state=1).fit(X, y)
    assert a.loss_ != b.loss_
    # No hidden layer: a convex problem, started from zero.
    assert_same_fit(
        ReLULogisticClassifier(()).fit(X, y), ReLULogisticClassifier(()).fit(X, y)
    )


def test_initial_weights_are_drawn_for_standardised_features(cancer):
    """In these units they are the same, whatever the rows and their type."""
    X, y = cancer
    shapes = layer_shapes(30, make().hidden_layer_sizes, 2)
    drawn = initial_theta(shapes, np.random.RandomState(0))
    for rows, dtype in [
        (slice(None), np.float64),
        (slice(300), np.float64),
        (slice(300), np.float32),
    ]:
        some = X[rows].astype(dtype)
        with watch_evaluations() as evaluations, pytest.warns(ConvergenceWarning):
            make(alpha=0.0, max_fun=1).fit(some, y[rows])
        ((_, theta),) = evaluations
        some = some.astype(float)
        mean, unit = some.mean(axis=0), some.std(axis=0)
        unit = np.maximum(unit, np.abs(some - mean).max(axis=0) / 10)
        size = np.exp(np.log(unit).mean())
        # A network of the standardised features with the same output for each row.
        layers, fresh = unpack(theta, shapes), unpack(drawn, shapes)
        Z, Z_fresh = some, (some - mean) / unit
        for number, ((W, b), (V, e)) in enumerate(zip(layers, fresh, strict=True)):
            Z, Z_fresh = Z @ W + b, Z_fresh @ V + e
            if number + 1 < len(layers):
                Z, Z_fresh = np.maximum(Z, 0), np.maximum(Z_fresh, 0)
        assert_allclose(Z, Z_fresh, rtol=1e-6, atol=1e-6)
        # Each layer also takes a share of the features' size.
        norms = [np.linalg.norm(W) for W, _ in layers[1:]]
        shares = [np.linalg.norm(V) * size ** (-1 / len(shapes)) for V, _ in fresh[1:]]
        assert_allclose(norms, shares, rtol=1e-6)


def test_inputs_are_left_alone(cancer):
    X, y = cancer
    s = np.linspace(0, 1, len(y))
    for array in (X, y, s):
        array.flags.writeable = False
    before = X.copy(), y.copy(), s.copy()
    make().fit(X, y, sample_weight=s).predict(X)
    for array, copy_of in zip((X, y, s), before, strict=True):
        assert_array_equal(array, copy_of)
        array.flags.writeable = True


@pytest.mark.parametrize("n_columns", [30, 15])
def test_memory_order_changes_nothing_beyond_rounding(cancer, n_columns):
    X, y = cancer
    X = X[:, :: 30 // n_columns]
    expected = make().fit(np.ascontiguousarray(X), y).predict_proba(X)
    for array in (np.asfortranarray(X), X, np.repeat(X, 2, axis=0)[::2]):
        assert_allclose(make().fit(array, y).predict_proba(array), expected, rtol=1e-5)


def test_fitted_arrays_own_their_memory_and_the_pickle_is_small(cancer):
    X, y = cancer
    clf = make((50, 20)).fit(X, y)
    arrays = clf.coefs_ + clf.intercepts_
    assert all(array.base is None and array.flags.owndata for array in arrays)
    size = sum(array.nbytes for array in arrays)
    assert len(pickle.dumps(clf)) < size + 6000


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "joblib"])
def test_round_trips(how, iris, tmp_path):
    X, y = iris
    clf = make().fit(X, y)
    if how == "pickle":
        again = pickle.loads(pickle.dumps(clf))
    elif how == "deepcopy":
        again = copy.deepcopy(clf)
    else:
        joblib.dump(clf, tmp_path / "clf.joblib")
        again = joblib.load(tmp_path / "clf.joblib")
    assert_same_fit(again, clf)
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_clone_and_params(cancer):
    clf = make((3, 2), alpha=0.5)
    twin = clone(clf)
    assert twin.get_params() == clf.get_params()
    assert twin.set_params(alpha=1.0, hidden_layer_sizes=4).alpha == 1.0
    with pytest.raises(NotFittedError):
        twin.predict(cancer[0])


def test_data_frames(cancer):
    data = load_breast_cancer(as_frame=True)
    frame = pd.DataFrame(cancer[0], columns=data.data.columns)
    target = data.target.map({0: "malignant", 1: "benign"})
    clf = make().fit(frame, target)
    assert_array_equal(clf.feature_names_in_, frame.columns)
    assert_same_fit(clf, make().fit(cancer[0], cancer[1] == 0))
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.rename(columns=str.upper))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(cancer[0])


def test_a_failed_fit_changes_nothing(cancer, iris):
    X, y = cancer
    clf = make().fit(X, y)
    before = copy.deepcopy(vars(clf))
    for bad_X, bad_y, match in [
        (iris[0] * 1e300, iris[1], "overflows"),
        (X, np.zeros_like(y), "at least 2 classes"),
    ]:
        with pytest.raises(ValueError, match=match):
            clf.fit(bad_X, bad_y)
        assert vars(clf).keys() == before.keys()
        assert clf.n_features_in_ == 30
        assert_array_equal(clf.coefs_[0], before["coefs_"][0])
    new = make()
    with pytest.raises(ValueError, match="at least 2 classes"):
        new.fit(X, np.zeros_like(y))
    assert vars(new).keys() == make().get_params().keys()


def test_iteration_limit_warns_and_says_what_to_do(cancer):
    X, y = cancer
    with pytest.warns(
        ConvergenceWarning, match=r"increase max_iter \(now 3\)"
    ) as record:
        clf = make(max_iter=3).fit(X, y)
    assert clf.stop_reason_ == "iteration limit"
    assert clf.n_iter_ == 3
    assert "different scales" not in str(record[0].message)
    assert record[0].filename == __file__


def test_evaluation_limit_warns_and_says_what_to_do(cancer):
    X, y = cancer
    with pytest.warns(ConvergenceWarning, match=r"increase max_fun \(now 4\)"):
        clf = make(max_fun=4).fit(X, y)
    assert clf.stop_reason_ == "evaluation limit"
    assert clf.n_evaluations_ == 4


def test_a_converged_fit_does_not_warn(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for hidden in [(), (10,), (10, 10)]:
            make(hidden).fit(*iris)


def fit_warns_only_at_a_limit(clf, X, y):
    """Fit, and check that there is a warning if and only if a limit ended the fit."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        clf.fit(X, y)
    expected = [ConvergenceWarning] if "limit" in clf.stop_reason_ else []
    assert [warning.category for warning in record] == expected


def test_separable_data_without_penalty_stop_finite(iris):
    X, y = iris
    X, y = X[y < 2], y[y < 2]
    for hidden in [(), (5,)]:
        clf = make(hidden, alpha=0.0, tol=0.0, max_iter=200)
        fit_warns_only_at_a_limit(clf, X, y)
        assert np.isfinite(clf.decision_function(X)).all()
        assert clf.loss_ < 1e-10
        assert np.isfinite(clf.predict_log_proba(X)).all()


def test_extreme_logits_stay_stable():
    """Unscaled data with logits in the hundreds: the line search never fails."""
    X, y = load_breast_cancer(return_X_y=True)
    for seed in range(5):
        clf = ReLULogisticClassifier((50,), alpha=0.01, max_iter=100, random_state=seed)
        fit_warns_only_at_a_limit(clf, X, y)
        assert clf.stop_reason_ != "line search"
        assert clf.loss_ < 0.3


def test_constant_and_tiny_features():
    X, y = make_moons(100, noise=0.1, random_state=0)
    clf = make((20,), alpha=0.01).fit(np.hstack([X, np.zeros((100, 2)), X * 1e-300]), y)
    assert clf.score(X=np.hstack([X, np.zeros((100, 2)), X * 1e-300]), y=y) > 0.95
    flat = make().fit(np.zeros((100, 3)), y)
    assert_allclose(flat.predict_proba(np.zeros((1, 3)))[0, 1], y.mean(), atol=1e-3)


def test_a_gain_within_rounding_ends_a_fit_without_hidden_layers(cancer):
    """It ends by "loss tolerance", without a warning."""
    X, y = cancer
    single = make((), alpha=0.01, tol=1e-9).fit(X.astype(np.float32), y)
    assert single.stop_reason_ == "loss tolerance"
    gains = -np.diff(single.loss_curve_)
    rounding = np.finfo(np.float32).eps
    assert gains[-1] <= rounding < gains[:-1].min()
    double = make((), alpha=0.01, tol=1e-9).fit(X, y)
    assert single.loss_ == pytest.approx(double.loss_, rel=1e-4)


@pytest.mark.parametrize(
    ("n_samples", "width", "size"), [(60, 100, 8), (1000, 100, 15), (8000, 5, 30)]
)
def test_the_history_grows_with_the_work_of_an_evaluation(n_samples, width, size):
    """8 to 30 pairs; rows that are given twice count once."""
    X, y = make_classification(n_samples, flip_y=0.2, random_state=0)

    def curve(X=X, y=y, size="auto", weights=None):
        clf = make((width,), alpha=1.0, history_size=size)
        return clf.fit(X, y, weights).loss_curve_

    found = curve()
    assert found == curve(size=size)
    assert found != curve(size=size - 1)
    twice = curve(np.vstack([X, X]), np.hstack([y, y]))
    assert twice == curve(weights=np.full(n_samples, 2.0))


def test_repeated_rows_are_fitted_to_two_nats_over_all_rows():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (20_000, 4)).astype(float)
    logit = np.sin(3 * X[:, 0]) * X[:, 1] + (X[:, 2] - 1) * (X[:, 3] - 1)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-logit))).astype(int)
    make = ReLULogisticClassifier((20,), alpha=5.0, random_state=0)
    merged = make.fit(X, y).loss_
    apart = make.fit(X + 1e-9 * rng.standard_normal(X.shape), y).loss_
    assert abs(merged - apart) * len(y) < 10


@pytest.mark.parametrize("name", ["max_iter", "history_size"])
def test_small_integers_of_numpy_are_taken_in_searches(iris, name):
    X, y = iris
    value = {name: np.int8(9)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # By max_iter.
        for clf in (
            ReLULogisticClassifier((4,), random_state=0, **value),
            ReLULogisticClassifierCV((4,), alphas=[1.0], cv=2, random_state=0, **value),
        ):
            assert clf.fit(X, y).n_iter_ > 0


def test_coef_and_intercept_are_those_of_a_model_without_hidden_layers(cancer):
    X, y = cancer
    linear = ReLULogisticClassifier((), alpha=1.0).fit(X, y)
    assert linear.coef_.shape == (1, X.shape[1])
    logits = X @ linear.coef_[0] + linear.intercept_
    assert_allclose(logits, linear.decision_function(X))
    network = ReLULogisticClassifier((2,), alpha=1.0, random_state=0).fit(X, y)
    for name in ("coef_", "intercept_"):
        assert not hasattr(ReLULogisticClassifier(()), name)
        with pytest.raises(AttributeError, match=f"'{name}': it has hidden layers; "):
            getattr(network, name)
