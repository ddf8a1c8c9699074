"""Arrays of other libraries than numpy, on their device, by scikit-learn's dispatch.

array-api-strict has no function beyond the standard, and its arrays on ``device1`` do
not convert to numpy's. Tests with PyTorch run if it is installed. It is large, so only
one of the environments of `.ci/run` has it.
"""

import copy
import pickle
import sys
import warnings
from itertools import pairwise

import array_api_strict
import mpmath
import numpy as np
import pytest
import scipy.sparse
import sklearn
from conftest import HAS_TORCH, installed_checks, needs_torch, slow
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sklearn_relulogit import (
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    linear_regions,
    local_linear,
)
from sklearn_relulogit._model.arrays import namespace
from sklearn_relulogit._model.blocks import Block, Parts, row_parts
from sklearn_relulogit._model.likelihood import Logistic, Softmax
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes
from sklearn_relulogit._rows.distinct import keyed, smallest_keys
from sklearn_relulogit._rows.held import Held
from sklearn_relulogit._rows.rows import Given
from sklearn_relulogit._rows.statistics import moments_of

METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


class Strict:
    """array-api-strict, on a device that is not the default."""

    xp = array_api_strict
    device = array_api_strict.Device("device1")

    def send(self, a):
        return array_api_strict.asarray(a, device=self.device)

    def fetch(self, A):
        assert A.device == self.device
        return np.asarray(A.to_device(array_api_strict.Device("CPU_DEVICE")))


class Torch:
    """PyTorch, on the host's processor."""

    def __init__(self):
        import torch

        self.xp = torch
        self.device = torch.device("cpu")

    def send(self, a):
        return self.xp.tensor(a, device=self.device)

    def fetch(self, A):
        assert isinstance(A, self.xp.Tensor)
        return A.numpy()


LIBRARIES = [Strict, Torch] if HAS_TORCH else [Strict]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request):
    return request.param()


@pytest.fixture
def torch():
    return Torch()


@pytest.fixture(autouse=True)
def dispatch(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with sklearn.config_context(array_api_dispatch=True):
        yield


def data(n_classes=2, dtype=np.float64):
    load = load_breast_cancer if n_classes == 2 else load_iris
    X, y = load(return_X_y=True)
    return scale(X).astype(dtype), y


def classifier(**parameters):
    # A strong penalty: near kinks, rounding separates the paths of two fits. With fewer
    # correction pairs it does so more.
    defaults = {"hidden_layer_sizes": (6,), "alpha": 20.0, "random_state": 0}
    defaults |= {"history_size": 30}
    return ReLULogisticClassifier(**defaults | parameters)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(), (70,), (5, 4)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fits_and_predictions_are_those_of_numpy(library, n_classes, hidden, dtype):
    X, y = data(n_classes, dtype)
    X_there, y_there = library.send(X), library.send(y)
    ours = classifier(hidden_layer_sizes=hidden).fit(X, y)
    theirs = classifier(hidden_layer_sizes=hidden).fit(X_there, y_there)

    tolerance = 1e-9 if dtype == np.float64 else 1e-4
    assert abs(ours.loss_ - theirs.loss_) < tolerance
    assert theirs.score(X_there, y_there) == pytest.approx(ours.score(X, y))

    native = getattr(library.xp, np.dtype(dtype).name)
    for array in (*theirs.coefs_, *theirs.intercepts_):
        assert array.dtype == native
        assert array.device == library.device
    if not hidden:
        assert_allclose(library.fetch(theirs.coef_), ours.coef_, atol=1e-4)
    assert_array_equal(library.fetch(theirs.classes_), ours.classes_)
    assert_allclose(
        library.fetch(theirs.restart_losses_), ours.restart_losses_, atol=tolerance
    )

    # With the same parameters.
    copied = theirs.on_host()
    rtol = 1e-11 if dtype == np.float64 else 1e-3
    for method in METHODS:
        there = library.fetch(getattr(theirs, method)(X_there))
        here = getattr(copied, method)(X)
        assert there.dtype == here.dtype
        assert there.shape == here.shape
        assert_allclose(there, here, rtol=rtol, atol=rtol)
    for there, here in zip(
        theirs.local_linear(X_there), copied.local_linear(X), strict=True
    ):
        assert_allclose(library.fetch(there), here, rtol=rtol, atol=rtol)


def test_the_history_is_as_long_as_for_arrays_of_numpy(library):
    X, y = data(3)
    same = []
    for given in ((X, y), (library.send(X), library.send(y))):
        curve, *curves = (
            classifier(history_size=size).fit(*given).loss_curve_
            for size in ("auto", *range(8, 31))
        )
        same.append([size for size, one in enumerate(curves, 8) if one == curve])
    assert same[0] == same[1]
    assert 0 < len(same[0]) < len(curves)


@pytest.mark.parametrize("n_classes", [slow(2), 3])
@pytest.mark.parametrize(
    "parameters",
    [
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}},
        {"early_stopping": True},
        {"n_init": 3},
        {"n_init": 3, "n_jobs": 2, "early_stopping": True},
        {"alpha": "auto"},
        {"alpha": "auto", "hidden_layer_sizes": ()},
    ],
    ids=str,
)
def test_all_that_a_fit_can_do(library, n_classes, parameters):
    X, y = data(n_classes)
    if isinstance(parameters.get("class_weight"), dict):
        weights = {k: parameters["class_weight"][k] for k in range(n_classes)}
        parameters = {"class_weight": weights}
    sample_weight = np.random.RandomState(0).uniform(0, 2, len(y))
    ours = classifier(**parameters).fit(X, y, sample_weight)
    theirs = classifier(**parameters).fit(
        library.send(X), library.send(y), library.send(sample_weight)
    )
    assert theirs.alpha_ == ours.alpha_
    assert theirs.stop_reason_ == ours.stop_reason_
    # With the penalties of a search, fits near kinks may separate.
    searched = parameters.get("alpha") == "auto"
    atol = 1e-3 * ours.loss_ if searched else 1e-9
    assert abs(theirs.loss_ - ours.loss_) < atol
    if ours.alpha_losses_ is not None:
        assert_allclose(
            list(theirs.alpha_losses_.values()), list(ours.alpha_losses_.values())
        )
    if ours.validation_loss_curve_ is not None:
        # All iterations, including the last ones.
        assert_allclose(
            theirs.validation_loss_curve_, ours.validation_loss_curve_, rtol=1e-6
        )


def test_validation_data_and_weights_follow_X(library):
    X, y = data()
    w = np.random.RandomState(0).uniform(0, 2, len(y))
    val = {"X_val": X[:150], "y_val": y[:150], "sample_weight_val": w[:150]}
    ours = classifier(early_stopping=True).fit(X, y, w, **val)
    there = {name: library.send(array) for name, array in val.items()}
    for given in (there, val, there | {"y_val": y[:150]}):
        theirs = classifier(early_stopping=True).fit(library.send(X), y, w, **given)
        assert_allclose(theirs.validation_loss_curve_, ours.validation_loss_curve_)
    # And the other way round.
    theirs = classifier(early_stopping=True).fit(X, library.send(y), **there)
    assert all(isinstance(W_T, np.ndarray) for W_T in theirs.coefs_)
    assert_array_equal(library.fetch(theirs.classes_), [0, 1])
    assert_array_equal(theirs.predict(X), theirs.on_host().predict(X))


def test_warm_starts_go_on(library):
    X, y = data(3)
    ours, theirs = (classifier(warm_start=True, max_iter=5) for _ in range(2))
    X_there, y_there = library.send(X), library.send(y)
    for _ in range(3):
        with pytest.warns(ConvergenceWarning):
            ours.fit(X, y)
        with pytest.warns(ConvergenceWarning):
            theirs.fit(X_there, y_there)
        assert abs(theirs.loss_ - ours.loss_) < 1e-9
    # From one device to another: the start is the end of the last fit.
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, y)
    with pytest.warns(ConvergenceWarning):
        ours.fit(X, y)
    assert isinstance(theirs.coefs_[0], np.ndarray)
    assert abs(theirs.loss_ - ours.loss_) < 1e-9
    with pytest.raises(ValueError, match=r"the classes \[0, 1, 2\], but those"):
        theirs.fit(X_there, library.send(y % 2))


def test_several_blocks_are_one(library):
    X, y = data(3)
    there = Block(*map(library.send, (X, y, np.linspace(0, 1, len(y)))))
    shapes = layer_shapes(4, (6,), 3)
    theta = np.random.RandomState(0).standard_normal(51)
    values = []
    for bounds in ([0, 150], [0, 40, 41, 150]):
        rows = [slice(*pair) for pair in pairwise(bounds)]
        blocks = [Block(*(a[one, ...] for a in there)) for one in rows]
        parts = Parts([blocks], 75.0, xp=namespace(there.X))
        objective = Objective(parts, shapes, 2.0, np.dtype(float))
        values.append(objective(theta))
    assert values[1][0] == pytest.approx(values[0][0], rel=1e-13)
    assert_allclose(values[1][1], values[0][1], rtol=1e-10, atol=1e-14)


def test_predictions_of_several_blocks(library):
    X, y = data(3, np.float32)
    there = classifier().fit(library.send(X), library.send(y))
    many = np.tile(X, (18_000, 1))  # 13 numbers a row, more than 2**25 in all
    many_there = library.send(many)
    (first, second, *_), *_ = row_parts(many_there, [(4, 6), (6, 3)])
    assert first.stop == second.start
    values = library.fetch(there.decision_function(many_there))
    once = there.on_host().decision_function(X)
    assert_allclose(values, np.tile(once, (18_000, 1)), atol=1e-5)


def test_large_problems_begin_in_float32_and_end_in_float64(library):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((6000, 40))
    y = (X[:, 0] * X[:, 1] + rng.standard_normal(6000) > 0).astype(int)
    parameters = {"hidden_layer_sizes": (30,), "alpha": 300.0, "tol": 1e-6}
    ours = classifier(**parameters).fit(X, y)
    theirs = classifier(**parameters).fit(library.send(X), library.send(y))
    assert abs(theirs.loss_ - ours.loss_) < 1e-7
    # The loss at the end in float32 alone.
    single = classifier(**parameters).fit(X.astype(np.float32), y)
    assert abs(single.loss_ - ours.loss_) > 1e-9


def test_rows_of_the_search_are_the_same_however_they_are_fetched(library):
    rng = np.random.RandomState(0)
    X = rng.randint(0, 9, (400, 2)).astype(float)
    y, w = rng.randint(0, 2, 400), rng.uniform(0, 1, 400).round(1)
    given = Given(library.send(X), library.send(y), library.send(w))
    settings = {"reset": True, "class_weight": None, "linear": False}
    # Large data, without known distinct rows.
    rows = Held.read(classifier(), given, **settings, max_numbers=10)
    # 70 rows at a time.
    sample, keys, _ = rows.draw(60, host_numbers=2 * 70)
    data = Block(X, rows.training.block.y, w)
    at_once = smallest_keys([keyed(data, moments_of(data))], 60)
    assert_array_equal(keys, at_once.keys)
    for ours, theirs in zip(sample, at_once.block, strict=True):
        assert_allclose(ours, theirs)
    assert len(sample.y) == 60
    sample = sample._replace(y=rows.class_order[sample.y])
    # Distinct rows, each with the weight of all its repeats.
    ours = {(*x, c): s for x, c, s in zip(*sample, strict=True)}
    assert len(ours) == 60
    for (*x, c), weight in ours.items():
        same = (x == X).all(axis=1) & (y == c)
        assert weight == pytest.approx(w[same].sum())


def test_labels_may_be_strings(library):
    X, y = data(3)
    X_there = library.send(X)
    names = np.array(["setosa", "versicolor", "virginica"])
    theirs = classifier().fit(X_there, names[y])
    assert_array_equal(theirs.classes_, names)
    labels = theirs.predict(X_there)
    assert isinstance(labels, np.ndarray)
    assert_array_equal(labels, names[theirs.on_host().predict_proba(X).argmax(axis=1)])
    assert theirs.score(X_there, names[y]) > 0.9
    # Numbers are on the device of X.
    theirs = classifier().fit(X_there, y.tolist())
    assert isinstance(theirs.classes_, np.ndarray)
    assert_array_equal(names[library.fetch(theirs.predict(X_there))], labels)


def test_sums_of_large_float32_data_are_in_float64(library):
    # In float32 a sum of over ten million ones loses the last digits.
    xp = namespace(library.send(np.ones(1)))
    ones = library.send(np.full(3_000_001, 0.1, np.float32))
    exact = 3_000_001 * float(np.float32(0.1))
    assert abs(xp.to_host(xp.total(ones)) - exact) < 1e-6


def exact_softmax(Z):
    """Probabilities of each row, and their logarithms."""
    with mpmath.workdps(800):
        E = [[mpmath.exp(mpmath.mpf(float(z))) for z in row] for row in Z]
        proba = [[e / sum(row) for e in row] for row in E]
        log_proba = [[mpmath.log(p) for p in row] for row in proba]
    return np.array(proba, dtype=float), np.array(log_proba, dtype=float)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_probabilities_are_accurate_in_the_tails(library, dtype):
    z = np.array([[-500, -100, -20, -1e-3, 0, 3, 80, 700]], dtype).T
    for likelihood, Z, logits in (
        (Logistic(), z, np.hstack([0 * z, z])),
        (Softmax(), *2 * [np.hstack([z, -z, 0 * z])]),
    ):
        proba, log_proba = exact_softmax(logits)
        # Numbers too small for all digits have no relative accuracy.
        bounds = {"rtol": 8 * np.finfo(dtype).eps, "atol": np.finfo(dtype).tiny}
        there = library.send(Z)
        assert_allclose(library.fetch(likelihood.proba(there)), proba, **bounds)
        assert_allclose(library.fetch(likelihood.log_proba(there)), log_proba, **bounds)


def test_devices_without_float64(monkeypatch):
    """On such devices, for example Apple's, even sums are in float32."""
    monkeypatch.setattr(Strict, "device", array_api_strict.Device("no_float64"))
    library = Strict()
    for n_classes in (2, 3):
        X, y = data(n_classes, np.float32)
        ours = classifier(early_stopping=True, n_init=2).fit(X, y)
        theirs = classifier(early_stopping=True, n_init=2)
        theirs.fit(
            library.send(X), library.send(y), library.send(np.ones_like(X[:, 0]))
        )
        assert abs(theirs.loss_ - ours.loss_) < 1e-5
        assert theirs.coefs_[0].dtype == array_api_strict.float32
        assert theirs.restart_losses_.dtype == array_api_strict.float32
        assert library.fetch(theirs.predict_proba(library.send(X))).dtype == X.dtype
        # Integers become the most precise floats of the device.
        whole = np.arange(300).reshape(100, 3) % 7
        theirs.fit(library.send(whole), whole[:, 0] > 3)
        assert theirs.coefs_[0].dtype == array_api_strict.float32


def test_clones_and_pickles(library):
    X, y = data()
    X_there, y_there = library.send(X), library.send(y)
    fitted = classifier().fit(X_there, y_there)
    for twin in (
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
        clone(fitted).fit(X_there, y_there),
    ):
        assert_array_equal(
            library.fetch(twin.predict_proba(X_there)),
            library.fetch(fitted.predict_proba(X_there)),
        )


def test_the_copy_on_the_host_is_explained_and_exported(library):
    X, y = data()
    fitted = classifier().fit(library.send(X), library.send(y))
    copied = fitted.on_host()
    coef, intercept = local_linear(fitted, X[:3])
    assert_allclose(
        (coef * X[:3]).sum(axis=1) + intercept, copied.decision_function(X[:3])
    )
    assert linear_regions(fitted, X, y).counts.sum() == len(y)
    # The original is unchanged, and a numpy classifier is returned as it is.
    assert not isinstance(fitted.coefs_[0], np.ndarray)
    assert copied.on_host().coefs_[0] is copied.coefs_[0]

    skl2onnx = pytest.importorskip("skl2onnx", reason="the extra onnx")
    from sklearn_relulogit.onnx import register

    register()
    assert skl2onnx.to_onnx(copied, X[:1]).graph.output


def test_other_places_are_refused(library):
    X, y = data()
    X_there = library.send(X)
    here, there = classifier().fit(X, y), classifier().fit(X_there, y)
    for method in (*METHODS, "local_linear"):
        name = rf"ReLULogisticClassifier\.{method}\(\) must use the same namespace"
        with pytest.raises(ValueError, match=name):
            getattr(there, method)(X)
        with pytest.raises(ValueError, match=name):
            getattr(here, method)(X_there)
    on_default = array_api_strict.asarray(X)
    with pytest.raises(ValueError, match="must use the same"):
        there.predict(on_default)
    with pytest.raises(ValueError, match="must use the same"):
        there.predict(X.tolist())
    with (
        sklearn.config_context(array_api_dispatch=False),
        pytest.raises(ValueError, match=r"only with .*array_api_dispatch=True"),
    ):
        there.predict(X)


def test_invalid_arrays_are_named(library):
    X, y = data()
    X_there = library.send(X)
    with_nan = X.copy()
    with_nan[3, 4] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        classifier().fit(library.send(with_nan), y)
    with pytest.raises(ValueError, match="X_val is not valid: Input X contains NaN"):
        classifier().fit(X_there, y, X_val=library.send(with_nan), y_val=y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(X_there, y[1:])
    with pytest.raises(ValueError, match="Negative values in sample_weight"):
        classifier().fit(X_there, y, library.send(-np.ones(len(y))))
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(X_there, library.send(np.ones(len(y))))
    fitted = classifier().fit(X_there, y)
    with pytest.raises(ValueError, match=r"has 29 features, but .* is expecting 30"):
        fitted.predict(library.send(X[:, 1:]))
    sparse = scipy.sparse.csr_array(X)
    with pytest.raises(ValueError, match="must use the same namespace"):
        fitted.predict(sparse)


def test_overflow_and_unscaled_features_are_explained(library):
    X, y = data()
    X[:, 7] *= 1e200
    with pytest.raises(ValueError, match=r"range of float64.* in feature 7\. Scale"):
        classifier().fit(library.send(X), y)
    X, y = data()
    fitted = classifier(alpha=0.01).fit(library.send(X), y)
    X = 1.7e308 * np.sign(library.fetch(fitted.coefs_[0])[:, :1].T)
    with pytest.raises(ValueError, match=r"The network overflows .* in feature 0\."):
        fitted.predict(library.send(X))
    X, y = data()
    X[:, 5] *= 1e5
    with pytest.warns(ConvergenceWarning, match=r"feature 5 by 1e\+05"):
        classifier(max_iter=2).fit(library.send(X), y)


def test_what_takes_only_arrays_of_numpy_says_so(library):
    X, y = data()
    with pytest.raises(TypeError, match=r"CV\.fit takes arrays of numpy, not of "):
        ReLULogisticClassifierCV().fit(library.send(X), y)


def test_without_array_api_compat_there_is_a_clear_error(library, monkeypatch):
    X, y = data()
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-relulogit\[array-api"):
        classifier().fit(library.send(X), y)
    # numpy arrays do not need it.
    classifier().fit(X, y)


def test_arrays_that_cannot_be_written_to_are_refused(library, monkeypatch):
    X, y = data()
    monkeypatch.setattr("array_api_compat.is_writeable_array", lambda array: False)
    with pytest.raises(TypeError, match="whose arrays cannot be written to"):
        classifier().fit(library.send(X), y)


@needs_torch
def test_sparse_tensors_are_refused(torch):
    X, y = data()
    with pytest.raises(TypeError, match=r"X is sparse, of type torch\.Tensor"):
        classifier().fit(torch.send(X).to_sparse(), y)


@needs_torch
def test_tensors_with_gradients_are_taken_without_them(torch):
    X, y = data()
    plain = classifier().fit(torch.send(X), y)
    X_there = torch.send(X).requires_grad_()
    fitted = classifier().fit(X_there, y)
    assert fitted.loss_ == plain.loss_
    assert not fitted.predict_proba(X_there).requires_grad


@needs_torch
def test_without_dispatch_tensors_become_arrays_of_numpy(torch):
    X, y = data()
    with sklearn.config_context(array_api_dispatch=False):
        fitted = classifier().fit(torch.send(X), torch.send(y))
        assert isinstance(fitted.coefs_[0], np.ndarray)
        assert_array_equal(fitted.predict(torch.send(X)), fitted.predict(X))


@needs_torch
def test_a_search_over_the_penalty(torch):
    X, y = data()
    search = GridSearchCV(classifier(), {"alpha": [5.0, 500.0]}, cv=3)
    search.fit(torch.send(X), torch.send(y))
    with sklearn.config_context(array_api_dispatch=False):
        same = clone(search).fit(X, y)
    assert_allclose(
        search.cv_results_["mean_test_score"], same.cv_results_["mean_test_score"]
    )


@installed_checks(
    [
        ReLULogisticClassifier((), alpha=1.0),
        ReLULogisticClassifier((4,), random_state=0),
        ReLULogisticClassifier((4,), alpha=1.0, early_stopping=True, random_state=0),
        ReLULogisticClassifierCV((), alphas=3, cv=3),
    ],
    array_api=True,
)
def test_checks_of_scikit_learn(estimator, check):
    with sklearn.config_context(array_api_dispatch=False), warnings.catch_warnings():
        check(estimator)
