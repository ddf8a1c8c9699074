"""Export to MLPClassifier, PyTorch and ONNX graphs: the network stays the same."""

import pickle
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import needs_torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
    scale,
)
from sklearn.utils.validation import check_is_fitted

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    tabular_pipeline,
)
from sklearn_relulogit.export import to_mlp_classifier, to_torch
from sklearn_relulogit.onnx import to_logits


def relu_logistic(hidden=(8, 5)):
    return ReLULogisticClassifier(hidden, alpha=1.0, tol=1e-2, random_state=0)


def data(n_classes):
    load = load_breast_cancer if n_classes == 2 else load_iris
    X, y = load(return_X_y=True)
    return scale(X) + 10, np.array(["a", "b", "c"])[y]


FRONTS = {
    "alone": [],
    "standard": [StandardScaler()],
    "two scalers": [RobustScaler(), MinMaxScaler((-1, 1))],
    "nested": [make_pipeline(StandardScaler(with_mean=False), "passthrough")],
    "largest": [MaxAbsScaler()],
}


@pytest.fixture(params=FRONTS)
def front(request):
    return FRONTS[request.param]


@pytest.fixture(params=[2, 3], ids=["binary", "multiclass"])
def case(request, front):
    X, y = data(request.param)
    return make_pipeline(*front, relu_logistic()).fit(X, y), X, y


def logits_of(model, X):
    Z = model.decision_function(X)
    return Z[:, None] if Z.ndim == 1 else Z


def run(graph, X):
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (Z,) = session.run(None, {"X": X})
    return Z


def test_an_mlp_classifier_with_the_same_predictions(case):
    model, X, y = case
    mlp = to_mlp_classifier(model)
    assert type(mlp) is MLPClassifier
    check_is_fitted(mlp)
    expected = model.predict_proba(X)
    assert_allclose(mlp.predict_proba(X), expected, rtol=0, atol=1e-9)
    # A slightly wrong value fails.
    mlp.coefs_[0] *= 1 + 1e-6
    assert abs(mlp.predict_proba(X) - expected).max() > 1e-9
    mlp = to_mlp_classifier(model)
    assert_array_equal(mlp.predict(X), model.predict(X))
    assert mlp.score(X, y) == model.score(X, y)
    assert mlp.classes_.tolist() == model.classes_.tolist()


def test_its_attributes_and_parameters(case):
    model, X, y = case
    clf = model[-1]
    mlp = to_mlp_classifier(model)
    alike = MLPClassifier((8, 5), solver="lbfgs", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        alike.fit(X, y)
    assert vars(mlp).keys() - {"feature_names_in_"} == vars(alike).keys()
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(mlp, name) == getattr(alike, name), name
    for name in ("coefs_", "intercepts_"):
        ours, theirs = getattr(mlp, name), getattr(alike, name)
        assert [a.shape for a in ours] == [a.shape for a in theirs]
    assert mlp.n_iter_ == clf.n_iter_
    assert mlp.loss_ == clf.loss_
    assert (
        mlp.get_params()
        == MLPClassifier(
            (8, 5), solver="lbfgs", alpha=1.0, max_iter=clf.max_iter, random_state=0
        ).get_params()
    )


def test_it_pickles_and_shares_nothing_with_the_model():
    X, y = data(3)
    clf = relu_logistic().fit(X, y)
    mlp = to_mlp_classifier(clf)
    loaded = pickle.loads(pickle.dumps(mlp))
    assert_array_equal(loaded.predict_proba(X), mlp.predict_proba(X))
    before = clf.predict_proba(X)
    for array in mlp.coefs_ + mlp.intercepts_:
        array[...] = 0
    assert_array_equal(clf.predict_proba(X), before)


def uneven(rng):
    """Columns of many kinds: heavy tails, few values, two values, a constant."""
    n = 400
    return np.column_stack(
        [
            rng.standard_normal(n) + 50,
            np.exp(3 * rng.standard_normal(n)),
            rng.integers(0, 5, n),
            rng.integers(0, 2, n),
            np.full(n, 7.0),
        ]
    )


@pytest.mark.parametrize("front", [[], [StandardScaler()], [MinMaxScaler((5, 9))]])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_ramps_become_a_first_layer(front, hidden):
    rng = np.random.default_rng(0)
    X = uneven(rng)
    y = np.where(X[:, 0] + np.log(X[:, 1]) > 50, "in", "out")
    y[X[:, 2] == 3] = "both"
    encoder = PiecewiseLinearEncoder()
    model = make_pipeline(*front, encoder, relu_logistic(hidden)).fit(X, y)
    mlp = to_mlp_classifier(model)
    # The units of a column: its knots (or its mean if it has none), and one more.
    n_units = sum(max(len(knots), 1) + 1 for knots in encoder.knots_)
    assert mlp.hidden_layer_sizes == (n_units, *hidden)
    # Also far outside the training data, and on the knots.
    knots = np.column_stack(
        [np.resize(k, 9) if len(k) else [1] * 9 for k in encoder.knots_]
    )
    for scaler in reversed(front):
        knots = scaler.inverse_transform(knots)
    rows = np.concatenate([X, 3 * X, -X, knots])
    expected = model.decision_function(rows)
    assert_allclose(run(to_logits(model), rows), expected, rtol=1e-9, atol=1e-9)
    assert_allclose(mlp.predict_proba(rows), model.predict_proba(rows), atol=1e-9)
    mlp.intercepts_[0][2] += 1e-4
    assert abs(mlp.predict_proba(rows) - model.predict_proba(rows)).max() > 1e-9


def test_ramps_of_columns_with_gaps():
    rng = np.random.default_rng(0)
    X = uneven(rng)
    y = X[:, 0] > 50
    gaps = X.copy()
    gaps[::3, 1] = np.nan
    gaps[:, 2] = np.nan
    model = make_pipeline(PiecewiseLinearEncoder(), relu_logistic()).fit(gaps, y)
    whole = gaps.copy()
    whole[:, 1:3] = X[:, 1:3]
    Z = run(to_logits(model), whole)
    assert_allclose(Z[:, 0], model.decision_function(whole), rtol=1e-9, atol=1e-9)
    # Gaps raise an error instead of a wrong answer.
    assert np.isnan(run(to_logits(model), gaps)).all(axis=1)[::3].all()
    with pytest.raises(ValueError, match="NaN"):
        to_mlp_classifier(model).predict(gaps)


@pytest.mark.parametrize("hidden", [(), (3,), (4, 3, 2)])
def test_any_number_of_layers(hidden):
    X, y = data(2)
    model = make_pipeline(StandardScaler(), relu_logistic(hidden)).fit(X, y)
    mlp = to_mlp_classifier(model)
    assert mlp.hidden_layer_sizes == hidden
    assert_allclose(mlp.predict_proba(X), model.predict_proba(X), atol=1e-9)
    assert_allclose(run(to_logits(model), X), logits_of(model, X), atol=1e-8)


def test_names_of_features_and_labels_of_many_types():
    frame, y = load_iris(return_X_y=True, as_frame=True)
    for labels in (
        np.array([False, True, True])[y],
        np.array([2.0, 5.0, 7.0])[y],
        np.array(["x", "yy", "zzz"], dtype=object)[y],
        np.array([0, 1, 2**64 - 1], dtype=np.uint64)[y],
    ):
        model = make_pipeline(StandardScaler(), relu_logistic()).fit(frame, labels)
        mlp = to_mlp_classifier(model)
        assert_array_equal(mlp.feature_names_in_, frame.columns)
        assert_array_equal(mlp.predict(frame), model.predict(frame))
        with pytest.raises(ValueError, match="feature names"):
            mlp.predict(frame[frame.columns[::-1]])


def test_searches_and_the_class_with_cross_validation():
    X, y = data(3)
    cv = ReLULogisticClassifierCV((4,), alphas=[10.0, 1.0], cv=2, random_state=0)
    grid = {"relulogisticclassifier__hidden_layer_sizes": [(3,), (4,)]}
    pipeline = make_pipeline(StandardScaler(), relu_logistic())
    for model in (
        make_pipeline(StandardScaler(), cv),
        GridSearchCV(pipeline, grid, cv=2),
    ):
        model.fit(X, y)
        mlp = to_mlp_classifier(model)
        assert_allclose(mlp.predict_proba(X), model.predict_proba(X), atol=1e-9)
    chosen = to_mlp_classifier(make_pipeline(StandardScaler(), cv).fit(X, y))
    assert chosen.alpha == cv.alpha_


def test_float32_stays_float32_where_nothing_is_folded():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    clf = relu_logistic().fit(X, y)
    assert to_mlp_classifier(clf).coefs_[0].dtype == np.float32
    assert run(to_logits(clf), X).dtype == np.float32
    assert_allclose(run(to_logits(clf), X), clf.decision_function(X), atol=1e-4)
    model = make_pipeline(StandardScaler(), relu_logistic()).fit(X, y)
    assert model[-1].coefs_[0].dtype == np.float32
    mlp = to_mlp_classifier(model)
    assert {array.dtype for array in mlp.coefs_ + mlp.intercepts_} == {
        np.dtype(np.float64)
    }
    assert_allclose(mlp.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_a_graph_of_gemm_and_relu_alone(case):
    model, X, _ = case
    graph = to_logits(model)
    assert [node.op_type for node in graph.graph.node] == [
        *("Gemm", "Relu", "Gemm", "Relu", "Gemm")
    ]
    expected = logits_of(model, X)
    assert_allclose(run(graph, X), expected, rtol=0, atol=1e-8)
    weights = onnx.numpy_helper.to_array(graph.graph.initializer[0])
    wrong = onnx.numpy_helper.from_array(weights * (1 + 1e-6), "W1")
    graph.graph.initializer[0].CopyFrom(wrong)
    assert abs(run(graph, X) - expected).max() > 1e-8


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.dtype("f8")])
def test_the_type_of_a_graph(dtype):
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), relu_logistic()).fit(X, y)
    Z = run(to_logits(model, dtype=dtype), X.astype(dtype))
    assert Z.dtype == dtype
    assert_allclose(Z, model.decision_function(X), rtol=0, atol=1e-4)


def exports():
    return [to_mlp_classifier, to_logits, pytest.param(to_torch, marks=needs_torch)]


@pytest.mark.parametrize("export", exports())
def test_what_cannot_be_exported(export):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(NotFittedError):
        export(relu_logistic())
    with pytest.raises(TypeError, match="must be a ReLULogisticClassifier"):
        export(LogisticRegression(max_iter=1000).fit(X, y))
    model = make_pipeline(PCA(), relu_logistic()).fit(X, y)
    with pytest.raises(TypeError, match=r"Cannot fold PCA\(\)"):
        export(model)
    chosen = ReLULogisticClassifierCV(
        (3,), alphas=[1.0], cv=2, refit=False, random_state=0
    ).fit(X, y)
    with pytest.raises(AttributeError, match="refit=False"):
        export(chosen)


@pytest.mark.parametrize(
    "dtype", ["float16", "double", int, np.float16, "Float32", object()]
)
@pytest.mark.parametrize("export", exports()[1:])
def test_other_types_are_an_error(export, dtype):
    clf = relu_logistic().fit(*load_iris(return_X_y=True))
    with pytest.raises(ValueError, match=r"dtype must be 'float32', 'float64' or None"):
        export(clf, dtype=dtype)


def test_without_the_packages_the_errors_name_the_extras(monkeypatch):
    clf = relu_logistic().fit(*load_iris(return_X_y=True))
    for package, export in (("torch", to_torch), ("onnx", to_logits)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            ImportError, match=rf"pip install 'sklearn-relulogit\[{package}\]'"
        ):
            export(clf)


@needs_torch
def test_a_torch_module_with_the_same_logits(case):
    import torch

    model, X, _ = case
    module = to_torch(model)
    assert [type(part).__name__ for part in module] == [
        *("Linear", "ReLU", "Linear", "ReLU", "Linear")
    ]
    assert not module.training
    expected = logits_of(model, X)
    with torch.no_grad():
        assert_allclose(module(torch.tensor(X)), expected, rtol=0, atol=1e-8)
        module[0].weight *= 1 + 1e-6
        assert abs(module(torch.tensor(X)).numpy() - expected).max() > 1e-8
    assert_allclose(model.predict_proba(X)[0].sum(), 1)


@needs_torch
def test_the_gradient_of_a_torch_module_is_the_local_coefficient(case):
    import torch

    from sklearn_relulogit import local_linear

    model, X, _ = case
    rows = torch.tensor(X[:20], requires_grad=True)
    to_torch(model)(rows)[:, -1].sum().backward()
    coef, _ = local_linear(model, X[:20])
    coef = coef if coef.ndim == 2 else coef[:, -1]
    assert_allclose(rows.grad, coef, rtol=1e-6, atol=1e-9)


@needs_torch
def test_the_type_of_a_torch_module():
    import torch

    X, y = load_iris(return_X_y=True)
    clf = relu_logistic().fit(X.astype(np.float32), y)
    assert to_torch(clf)[0].weight.dtype == torch.float32
    for dtype in ("float64", torch.float64, np.float64):
        assert to_torch(clf, dtype=dtype)[0].weight.dtype == torch.float64
    clf.fit(X, y)
    assert to_torch(clf)[0].weight.dtype == torch.float64
    module = to_torch(clf, dtype=torch.float32)
    Z = module(torch.tensor(X, dtype=torch.float32)).detach().numpy()
    assert_allclose(Z, clf.decision_function(X), atol=1e-4)
    before = clf.predict_proba(X)
    with torch.no_grad():
        module[0].weight.zero_()
    assert_array_equal(clf.predict_proba(X), before)


def test_features_whose_mean_is_much_larger_than_their_spread():
    X, y = data(2)
    X = (X + 1e6).astype(np.float32)  # deviations of 1, to a sixteenth
    model = make_pipeline(StandardScaler(), relu_logistic()).fit(X, y)
    expected = model.predict_proba(X.astype(np.float64))
    mlp = to_mlp_classifier(model)
    assert_allclose(mlp.predict_proba(X.astype(np.float64)), expected, atol=1e-6)
    # In float32 too few digits would be left.
    mlp.intercepts_[0] = mlp.intercepts_[0].astype(np.float32)
    assert abs(mlp.predict_proba(X.astype(np.float64)) - expected).max() > 1e-3


def test_a_table_of_numbers():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = tabular_pipeline(relu_logistic()).fit(X, y)
    mlp = to_mlp_classifier(model)
    assert mlp.feature_names_in_.tolist() == X.columns.tolist()
    assert_allclose(mlp.predict_proba(X), model.predict_proba(X), atol=1e-9)


def test_categories_cannot_be_folded():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X["colour"] = ["red", "green", "blue"] * 50
    model = tabular_pipeline(relu_logistic()).fit(X, y)
    with pytest.raises(TypeError, match=r"Cannot fold the encoding of .*\['colour'\]"):
        to_mlp_classifier(model)
    Z = model[:-1].transform(X)
    assert_allclose(
        to_mlp_classifier(model[-1:]).predict_proba(Z), model.predict_proba(X)
    )
