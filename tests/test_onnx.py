"""Export to ONNX: onnxruntime gives the classifier's results."""

import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    tabular_pipeline,
)
from sklearn_relulogit.onnx import CLASSIFIERS, input_types, inputs, register
from sklearn_relulogit.parts import DateParts, TableReader, TargetLogOdds

HIDDEN = [(), (8,), (6, 5), (6, 5, 4)]
LABELS = {
    "binary int": np.array([-1, 1, 1]),
    "binary str": np.array(["no", "yes", "no"]),
    "binary bool": np.array([False, True, True]),
    "int": np.array([7, -3, 40]),
    "str": np.array(["setosa", "versicolor", "é"]),
    "object": np.array(["a", "bc", "def"], dtype=object),
    "uint8": np.array([0, 1, 255], dtype=np.uint8),
    "whole float": np.array([0.0, 1.0, 2.0]),
}
# Probabilities from float32 logits of this size, computed in another order.
ATOL = {np.float32: 2e-6, np.float64: 1e-13}


@pytest.fixture(autouse=True, scope="module")
def registered():
    register()
    register()  # Twice does no harm.


def run(graph, *inputs):
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def fitted(X, y, hidden=(8,)):
    clf = ReLULogisticClassifier(hidden, alpha=0.1, tol=1e-3, random_state=0)
    return clf.fit(X, y)


def test_every_classifier_of_the_package_is_registered():
    import sklearn_relulogit

    public = vars(sklearn_relulogit).items()
    assert {c.__name__ for c in CLASSIFIERS} == {
        name for name, _ in public if "Classifier" in name
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("labels", "hidden"),
    [
        *((labels, (8,)) for labels in LABELS),
        *(("binary str", hidden) for hidden in HIDDEN if hidden != (8,)),
        *(("int", hidden) for hidden in HIDDEN if hidden != (8,)),
    ],
)
def test_labels_and_probabilities(iris, labels, hidden, dtype):
    X, y = iris
    X, y = X.astype(dtype), LABELS[labels][y]
    clf = fitted(X, y, hidden)
    label, proba = run(to_onnx(clf, X[:1], options={"zipmap": False}), X)
    assert label.tolist() == clf.predict(X).tolist()
    assert proba.dtype == dtype
    expected = clf.predict_proba(X)
    # A slightly wrong value fails.
    assert np.ptp(expected) > 0.9
    assert_allclose(proba, expected, rtol=0, atol=ATOL[dtype])
    with pytest.raises(AssertionError):
        assert_allclose(proba * (1 - 1e-5), expected, rtol=0, atol=ATOL[dtype])


def test_a_fit_in_one_type_and_a_graph_in_the_other(iris):
    X, y = iris
    X32 = X.astype(np.float32)
    for clf, X_onnx in [(fitted(X, y), X32), (fitted(X32, y), X)]:
        graph = to_onnx(clf, X_onnx[:1], options={"zipmap": False})
        label, proba = run(graph, X_onnx)
        assert proba.dtype == X_onnx.dtype
        assert label.tolist() == clf.predict(X).tolist()
        assert_allclose(proba, clf.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", ["binary str", "int"])
def test_options(iris, labels, dtype):
    X, y = iris
    X, y = X.astype(dtype), LABELS[labels][y]
    clf = fitted(X, y)
    expected = clf.predict_proba(X)

    def outputs(**options):
        return run(to_onnx(clf, X[:1], options=options), X)

    # The default is zipmap=True, with probabilities in float32 in any case.
    for options in ({}, {"zipmap": True}):
        label, proba = outputs(**options)
        assert label.tolist() == clf.predict(X).tolist()
        assert all(list(row) == clf.classes_.tolist() for row in proba)
        values = [list(row.values()) for row in proba]
        assert_allclose(values, expected, rtol=0, atol=ATOL[np.float32])

    label, *columns = outputs(zipmap="columns")
    assert_allclose(np.stack(columns, axis=1), expected, rtol=0, atol=ATOL[dtype])

    label, scores = outputs(zipmap=False, raw_scores=True)
    assert label.tolist() == clf.predict(X).tolist()
    Z = clf.decision_function(X)
    Z = np.stack([-Z, Z], axis=1) if Z.ndim == 1 else Z
    assert_allclose(scores, Z, rtol=0, atol=20 * ATOL[dtype])

    label, _ = outputs(zipmap=False, nocl=True)
    assert clf.classes_[label].tolist() == clf.predict(X).tolist()

    *_, classes = outputs(zipmap=False, output_class_labels=True)
    assert classes.tolist() == clf.classes_.tolist()


def test_the_label_is_that_of_the_logit_where_the_probability_rounds_to_a_half():
    clf = ReLULogisticClassifier(()).fit([[-1.0], [1.0]], ["a", "b"])
    clf.coefs_, clf.intercepts_ = [np.ones((1, 1))], [np.zeros(1)]
    X = np.array([[0.0], [1e-9], [-1e-9]], dtype=np.float32)
    label, proba = run(to_onnx(clf, X, options={"zipmap": False}), X)
    assert (proba == 0.5).all()
    assert label.tolist() == clf.predict(X).tolist() == ["a", "b", "a"]


def test_small_probabilities_keep_their_relative_accuracy(iris):
    X, y = iris
    X = 20 * X.astype(np.float32)
    for labels in (y, y == 0):
        clf = fitted(X / 20, labels)
        _, proba = run(to_onnx(clf, X[:1], options={"zipmap": False}), X)
        expected = clf.predict_proba(X)
        assert 0 < expected[expected > 0].min() < 1e-9
        mask = expected > 1e-30
        assert_allclose(proba[mask], expected[mask], rtol=1e-3)


@pytest.mark.parametrize("zipmap", [False, True, "columns"])
def test_pipelines(zipmap):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    model = make_pipeline(StandardScaler(), ReLULogisticClassifier(random_state=0))
    model.fit(X, LABELS["str"][y])
    label, *proba = run(to_onnx(model, X[:1], options={"zipmap": zipmap}), X)
    assert label.tolist() == model.predict(X).tolist()
    if zipmap == "columns":
        proba = [np.stack(proba, axis=1)]
    elif zipmap:
        proba = [[list(row.values()) for row in proba[0]]]
    assert_allclose(proba[0], model.predict_proba(X), rtol=0, atol=2e-5)


def test_a_pipeline_over_numbers_and_categories():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "height": rng.normal(size=200).astype(np.float32),
            "colour": rng.choice(["red", "green", "blue"], size=200),
        }
    )
    y = np.where(X["height"] + (X["colour"] == "red") > 0.5, "in", "out")
    columns = make_column_transformer(
        (StandardScaler(), ["height"]), (OneHotEncoder(), ["colour"])
    )
    model = make_pipeline(columns, ReLULogisticClassifier(random_state=0)).fit(X, y)
    graph = to_onnx(
        model,
        initial_types=[
            ("height", FloatTensorType([None, 1])),
            ("colour", StringTensorType([None, 1])),
        ],
        options={"zipmap": False},
    )
    label, proba = run(
        graph, X[["height"]].to_numpy(), X[["colour"]].to_numpy(dtype=object)
    )
    assert label.tolist() == model.predict(X).tolist()
    assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-5)


def test_labels_that_onnx_has_not_are_an_error(iris):
    X, y = iris
    clf = fitted(X, np.array([0, 1, 2**64 - 1], dtype=np.uint64)[y])
    with pytest.raises(ValueError, match=r"integers of 64 bits.*nocl=True"):
        to_onnx(clf, X[:1], options={"zipmap": False})
    label, _ = run(to_onnx(clf, X[:1], options={"zipmap": False, "nocl": True}), X)
    assert clf.classes_[label].tolist() == clf.predict(X).tolist()


def test_without_skl2onnx_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-relulogit\[onnx\]'"):
        register()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ramps_and_gaps(dtype):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 4)).astype(dtype)
    X[:, 1] = X[:, 1].round()
    X[:, 2] = 3
    X[::7, 3] = np.nan
    encoder = PiecewiseLinearEncoder().fit(X)
    X[:2, 0] = np.nan  # No gap was there in `fit`.
    knots = np.column_stack([encoder.knots_[0][[1, 2]]] + [[0, 0]] * 3).astype(dtype)
    for rows in (X, knots):
        (Z,) = run(to_onnx(encoder, X[:1]), rows)
        assert Z.dtype == dtype
        # A slightly wrong value fails.
        atol = {np.float32: 2e-6, np.float64: 1e-14}[dtype]
        assert_allclose(Z, encoder.transform(rows), rtol=0, atol=atol)
        assert not np.allclose(Z, encoder.transform(rows) + 2 * atol, atol=atol)


N = 400
RNG = np.random.RandomState(0)
WHEN = pd.Timestamp("1890-02-25") + pd.to_timedelta(RNG.rand(N) * 80000, "D")


def raw_table():
    """Categories with rare ones and gaps, dates, an id, and numbers as text."""
    X = pd.DataFrame(
        {
            "height": RNG.standard_normal(N),
            "colour": RNG.choice(["red", "green", "mauve"], N, p=[0.5, 0.49, 0.01]),
            "town": [f"town {i % 60}" for i in RNG.randint(0, 600, N)],
            "alone": RNG.choice([True, False, None], N),
            "rooms": RNG.randint(1, 6, N),
            "key": [f"K{i:04d}" for i in range(N)],
            "price": [f"${v:,.2f}" for v in RNG.exponential(3000, N)],
            "when": WHEN,
            "district": pd.Categorical(RNG.randint(1, 4, N)),
        }
    )
    of_town = X.town.str[5:].astype(int) % 2
    y = (X.height + of_town + (X.colour == "red") + (WHEN.month > 6) > 1.5).to_numpy()
    X.loc[::9, ["height", "colour", "town", "when"]] = None
    X.loc[::5, "price"] = "?"
    return X, np.where(y, "yes", "no")


@pytest.mark.parametrize("labels", [2, 3])
def test_a_table_as_it_comes(labels):
    X, y = raw_table()
    y = np.where(np.arange(N) % 5 == 0, "maybe", y) if labels == 3 else y
    with pytest.warns(UserWarning, match=r"'price'.* identify rows: .'key'"):
        model = tabular_pipeline(ReLULogisticClassifier((3,), random_state=0)).fit(X, y)
    assert "infrequent_sklearn" in model[0].readings_["colour"].of_text.values()
    graph = to_onnx(model, initial_types=input_types(model), options={"zipmap": False})
    new = X.drop(columns="key").copy()
    new.loc[:3, ["colour", "town"]] = "never seen"
    new.loc[4:9, "district"] = None
    new = new.astype({"rooms": object, "district": object})
    new.loc[4:9, "rooms"] = None
    for rows in (X, new, new[:1], pl.DataFrame(new.astype({"district": "Int64"}))):
        feed = inputs(model, rows)
        assert [*feed] == [node.name for node in graph.graph.input]
        label, proba = run(graph, *feed.values())
        assert label.tolist() == model.predict(rows).tolist()
        # A column of many categories is in float32.
        assert_allclose(proba, model.predict_proba(rows), rtol=0, atol=1e-6)


def test_dates_in_a_graph_are_those_of_the_calendar():
    """Also in years that are and are not leap years, and in float32."""
    ends = [
        f"{year}-{day}"
        for year in (1896, 1900, 1999, 2000, 2024)
        for day in ("01-01", "02-28", "03-01", "12-31")
    ]
    dates = np.array([*ends, "2000-02-29", "2024-02-29"], dtype="datetime64[us]")
    X = pd.DataFrame({"when": dates + np.timedelta64(9, "h")})
    step = DateParts().fit(X)
    assert [part for _, part in step.parts_] == ["date", "year", "week"]
    days = (X.when - pd.Timestamp(0)) / pd.Timedelta("1D")
    for dtype, kind in [(np.float64, DoubleTensorType), (np.float32, FloatTensorType)]:
        graph = to_onnx(step, initial_types=[("when", kind([None, 1]))])
        (Z,) = run(graph, days.to_numpy(dtype)[:, np.newaxis])
        atol = {np.float64: 1e-12, np.float32: 1e-3}[dtype]
        assert_allclose(Z[:, 1:], step.transform(X)[:, 1:], rtol=0, atol=atol)
        assert not np.allclose(Z[:, 1:] + 2 * atol, step.transform(X)[:, 1:], 0, atol)


@pytest.mark.parametrize("step", [TableReader(), TargetLogOdds()])
def test_a_step_of_categories_alone_is_a_valid_graph(step):
    """Whose version of the operators of machine learning is theirs."""
    X = pd.DataFrame({"colour": list("abc") * 40})
    step = step.fit(X, np.arange(120) % 4 < 2)
    graph = to_onnx(step, initial_types=[("X", StringTensorType([None, 1]))])
    onnx.checker.check_model(graph)


def test_an_array_of_numbers_through_a_table():
    X, y = load_iris(return_X_y=True)
    model = tabular_pipeline(ReLULogisticClassifier((3,), random_state=0)).fit(X, y)
    label, proba = run(to_onnx(model, X[:1], options={"zipmap": False}), X)
    assert label.tolist() == model.predict(X).tolist()
    assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-13)


def test_inputs_of_other_types_say_what_to_do():
    X, y = raw_table()
    X = X[["height", "colour"]]
    model = tabular_pipeline(ReLULogisticClassifier((3,), random_state=0)).fit(X, y)
    text = StringTensorType([None, 1])
    with pytest.raises(ValueError, match=r"^Declare the inputs by .*input_types.model"):
        to_onnx(model, initial_types=[("height", text), ("colour", text)])
    with pytest.raises(ValueError, match=r"^Declare an input for .*'colour'"):
        to_onnx(model, initial_types=[("height", text), ("age", text)])
    with pytest.raises(TypeError, match=r"^Pass a pipeline that tabular_pipeline made"):
        input_types(model[-1])


def test_names_that_are_not_legal_in_a_graph():
    X = pd.DataFrame(
        {"capital-gain": [22.0, None, 38.0] * 20, "home town": list("abc") * 20}
    )
    X["home.town"], X["1st"] = list("xyz") * 20, [1.0, 2.0, 3.0] * 20
    model = tabular_pipeline(ReLULogisticClassifier((3,), alpha=1.0, random_state=0))
    model.fit(X, [0, 1, 1] * 20)
    register()
    graph = to_onnx(model, initial_types=input_types(model))
    feed = inputs(model, X)
    assert list(feed) == [node.name for node in graph.graph.input]
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    label, _ = session.run(None, feed)
    assert_array_equal(label, model.predict(X))


@pytest.mark.parametrize("name", ["height", "colour", "town", "when"])
def test_the_only_column_that_is_left(name):
    X, y = raw_table()
    X = X[["key", name]]
    with pytest.warns(UserWarning, match=r"identify rows: .'key'"):
        model = tabular_pipeline(ReLULogisticClassifier((3,), random_state=0)).fit(X, y)
    graph = to_onnx(model, initial_types=input_types(model), options={"zipmap": False})
    label, proba = run(graph, *inputs(model, X).values())
    assert label.tolist() == model.predict(X).tolist()
    assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [2, None])
def test_a_matrix_of_an_id_and_one_column(width):
    X = pd.DataFrame({"id": RNG.permutation(N), "a": RNG.standard_normal(N)})
    clf, y = ReLULogisticClassifier((3,), random_state=0), RNG.rand(N) < 0.5
    with pytest.warns(UserWarning, match="identify rows"):
        model = tabular_pipeline(clf).fit(X, y)
    types = [("X", DoubleTensorType([None, width]))]
    graph = to_onnx(model, initial_types=types, options={"zipmap": False})
    _, proba = run(graph, X.to_numpy())
    assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-13)
    X = pd.DataFrame({"a": X.a, "b": X.a**2, "c": X.a**3})
    model = tabular_pipeline(clf).fit(X, y)
    with pytest.raises(ValueError, match=r"^Declare an input for each .*'b'"):
        to_onnx(model, initial_types=[("a", DoubleTensorType([None, 2]))])


def test_a_column_without_a_name_has_no_input():
    X = pd.DataFrame({"": [1.0, 2.0, 3.0] * 20, "b": [3.0, 1.0] * 30})
    model = tabular_pipeline().fit(X, [0, 1, 1] * 20)
    for of in (input_types, lambda model: inputs(model, X)):
        with pytest.raises(ValueError, match=r"^Give every column a name before"):
            of(model)
