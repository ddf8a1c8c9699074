"""Export to ONNX: converters for skl2onnx, and the logits as a minimal graph.

Needs the extra ``onnx``: ``pip install 'sklearn-relulogit[onnx]'``.
"""

import re
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._base import check_has_network
from ._classifier import ReLULogisticClassifier
from ._classifier_cv import ReLULogisticClassifierCV
from ._converters import STEPS, operators
from ._explain.network import exported_layers
from ._optional import optional_import
from ._tables.columns import column, content
from ._tables.dates import days
from ._tables.reader import TableReader
from ._tables.readings import Categories, texts

if TYPE_CHECKING:
    import onnx
    from skl2onnx.common._topology import ModelComponentContainer, Operator, Scope

__all__ = ["input_types", "inputs", "register", "to_logits"]

CLASSIFIERS = (ReLULogisticClassifier, ReLULogisticClassifierCV)

OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


def register() -> None:
    """Register converters for this package with skl2onnx.

    Then ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert the classifiers,
    :class:`.PiecewiseLinearEncoder`, and pipelines with them, such as
    :func:`.tabular_pipeline`. One call in a process is enough; more do no harm.

    The graph of a :func:`.tabular_pipeline` has an input for each column.
    :func:`input_types` declares the inputs, and :func:`inputs` makes them from a table.
    ONNX has no missing strings; use "nan" for a gap in a column of categories. The
    graph computes in float64 for inputs of ``DoubleTensorType`` and in float32 for all
    others. Its outputs are those of any classifier of skl2onnx, with these options:

    - ``zipmap``: the form of the probabilities. True (default) gives a dictionary from
      label to probability, always in float32 as ONNX requires. False gives one array of
      shape (n, n_classes), and "columns" one output for each class.
    - ``raw_scores``: logits instead of probabilities. For two classes the array holds
      both signs, so that its shape is the same.
    - ``nocl``: indices into `classes_` instead of the labels.
    - ``output_class_labels``: the labels as a third output, without ``zipmap``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    ValueError
        If a column has no name.

    Examples
    --------
    >>> import numpy as np
    >>> from skl2onnx import to_onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_relulogit import ReLULogisticClassifier
    >>> from sklearn_relulogit.onnx import register
    >>> register()
    >>> X, y = load_iris(return_X_y=True, as_frame=False)
    >>> clf = ReLULogisticClassifier((10,), random_state=0).fit(X, y)
    >>> graph = to_onnx(clf, X[:1].astype(np.float32), options={"zipmap": False})
    >>> [output.name for output in graph.graph.output]
    ['label', 'probabilities']
    """
    skl2onnx = optional_import("skl2onnx", "onnx", "Export to ONNX")
    for classifier in CLASSIFIERS:
        skl2onnx.update_registered_converter(
            classifier,
            f"SklearnRelulogit{classifier.__name__}",
            set_output_types,
            convert,
            options=OPTIONS,
        )
    for step, (shapes, converter, parser) in STEPS.items():
        skl2onnx.update_registered_converter(
            step,
            f"SklearnRelulogit{step.__name__}",
            shapes,
            converter,
            parser=parser,
        )


def input_types(model: BaseEstimator) -> list[tuple[str, Any]]:
    """Input names and types of a table's graph, for `initial_types` of skl2onnx.

    Parameters
    ----------
    model : fitted Pipeline
        A :func:`.tabular_pipeline`, fitted to a frame.

    Returns
    -------
    types : list of (str, DataType)
        The name and the type of each column that the model uses. Numbers and dates
        have ``DoubleTensorType``, categories ``StringTensorType``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from skl2onnx import to_onnx
    >>> from sklearn_relulogit import tabular_pipeline
    >>> from sklearn_relulogit.onnx import input_types, inputs, register
    >>> X = np.array([[22.0, 1.0], [np.nan, 2.0], [38.0, 0.5]] * 20)
    >>> model = tabular_pipeline().fit(X, [0, 1, 1] * 20)
    >>> register()
    >>> graph = to_onnx(model, initial_types=input_types(model))
    >>> [node.name for node in graph.graph.input]
    ['_0', '_1']
    >>> inputs(model, X[:1])["_0"].tolist()
    [[22.0]]
    """
    optional_import("skl2onnx", "onnx", "Export to ONNX")
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    check_is_fitted(model)
    return [
        (name, (StringTensorType if is_text else DoubleTensorType)([None, 1]))
        for name, is_text in columns_of_graph(model).items()
    ]


def inputs(model: BaseEstimator, X: Any) -> dict[str, np.ndarray]:
    """Turn the rows of a table into inputs for the graph of its pipeline.

    A number becomes a number, also if it was text, and a missing one NaN. A date
    becomes the days since 1 January 1970, in UTC if it has a time zone. A category
    becomes its text, with "nan" for a gap.

    Parameters
    ----------
    model : fitted Pipeline
        A :func:`.tabular_pipeline`, fitted to a frame.

    X : DataFrame of shape (n_samples, n_features)
        Rows, as the model takes them.

    Returns
    -------
    inputs : dict of str to ndarray of shape (n_samples, 1)
        An array for each column that the model uses, of float64 or, for text, objects.
        Pass the dict to ``onnxruntime.InferenceSession.run``.

    Raises
    ------
    ValueError
        If the model does not take X, or a column has no name.

    See Also
    --------
    input_types : Has an example.
    """
    check_is_fitted(model)
    table, feed = model[0].transform(X), {}
    columns = columns_of_graph(model)
    names = names_in_graph(columns)
    for j, (name, is_text) in enumerate(zip(names, columns.values(), strict=True)):
        values = content(column(table, j)).values
        if is_text:
            values = texts(values)
        elif values.dtype.kind == "M":
            values = days(values)
        feed[name] = values.astype(object if is_text else np.float64)[:, np.newaxis]
    return feed


def columns_of_graph(model: BaseEstimator) -> dict[str, bool]:
    """The columns that a table's pipeline uses, and whether each is text there."""
    if not isinstance(model, Pipeline) or not isinstance(model[0], TableReader):
        raise TypeError(
            "Pass a pipeline that tabular_pipeline made, fitted to a frame. Got "
            f"{type(model).__name__}."
        )
    readings = model[0].readings_.items()
    if "" in model[0].readings_:
        raise ValueError(
            "Give every column a name before fit: an input of a graph has one, and a "
            "column of this model has none."
        )
    return {name: isinstance(reading, Categories) for name, reading in readings}


def names_in_graph(names: Iterable[str]) -> list[str]:
    """Names as skl2onnx makes them: of letters, digits and underscores, all distinct.

    The function of skl2onnx for this is private.
    """
    found: list[str] = []
    for name in names:
        legal = re.sub(r"[^\w+]", "_", str(name))
        legal = f"_{legal}" if legal[:1].isdigit() else legal
        numbered = (legal + (str(i) if i else "") for i in count())
        found.append(next(name for name in numbered if name not in found))
    return found


def set_output_types(operator: "Operator") -> None:
    """Set the types and shapes of labels and probabilities."""
    from skl2onnx.common import data_types, shape_calculator

    shape_calculator.calculate_linear_classifier_output_shapes(operator)
    options = operator.scope_inst.get_options(operator.raw_operator, {"zipmap": True})
    if options["zipmap"] is True:
        # ONNX's ZipMap does not take float64.
        scores = operator.outputs[1]
        scores.set_type(data_types.FloatTensorType(scores.type.shape))


def convert(
    scope: "Scope", operator: "Operator", container: "ModelComponentContainer"
) -> None:
    """Write a fitted classifier as a graph of ONNX operators."""
    from skl2onnx.common.data_types import DoubleTensorType, guess_proto_type
    from skl2onnx.proto import TensorProto

    op = operators(container)
    clf = operator.raw_operator
    check_has_network(clf)
    options = container.get_options(clf, {"nocl": False, "raw_scores": False})
    (X,) = operator.inputs
    label, scores = operator.outputs
    is_double = isinstance(X.type, DoubleTensorType)
    dtype = np.dtype(np.float64 if is_double else np.float32)

    Z = op("Cast", X, to=TensorProto.DOUBLE if is_double else TensorProto.FLOAT)
    for index, (W_T, b) in enumerate(zip(clf.coefs_, clf.intercepts_, strict=True)):
        if index > 0:
            Z = op("Relu", Z)
        Z = op("Add", op("MatMul", Z, W_T.astype(dtype)), b.astype(dtype))
    exponents = Z
    if clf.out_activation_ == "logistic":
        # sigma(z) and sigma(-z) are the softmax of (-z, z) / 2. In onnxruntime, Softmax
        # is accurate for small probabilities and Sigmoid is not.
        Z = op("Concat", op("Neg", Z), Z, axis=1)
        exponents = op("Mul", Z, np.array([0.5], dtype=dtype))

    # As in `predict`, the logit gives the label: a probability may round to 1/2.
    codes = op("ArgMax", Z, axis=1, keepdims=0)
    if options["nocl"]:
        labels = op("Identity", codes, output_names=[label])
    else:
        classes = onnx_classes(clf.classes_)
        labels = op("Gather", classes, codes, output_names=[label])
    if not options["raw_scores"]:
        Z = op("Softmax", exponents, axis=1)
    Z = op("Cast", Z, to=guess_proto_type(scores.type), output_names=[scores])
    for output in (labels, Z):
        output.add_to(scope, container)


def onnx_classes(classes: np.ndarray) -> np.ndarray:
    """The labels in a type that ONNX has: strings or 64-bit integers."""
    if all(isinstance(label, str) for label in classes):
        return classes.astype(np.str_)
    as_integers = classes.astype(np.int64)
    if not np.array_equal(as_integers, classes):
        raise ValueError(
            "ONNX has labels that are strings or integers of 64 bits; classes_ is "
            f"{classes.tolist()}. The option nocl=True gives indices into it instead."
        )
    return as_integers


# An opset that all tools and the oldest supported onnxruntime know.
OPSET, IR_VERSION = 13, 8


def to_logits(model: BaseEstimator, *, dtype: Any = None) -> "onnx.ModelProto":
    """The logits as an ONNX graph of Gemm and Relu nodes alone.

    Some tools read only networks of dense layers, for example to verify a network or
    to put it into an optimisation model. This graph is for them. To serve labels and
    probabilities, use :func:`register` and ``skl2onnx.to_onnx``.

    Parameters
    ----------
    model : fitted estimator
        A :class:`.ReLULogisticClassifier` or :class:`.ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends in one, or a fitted search over
        either. The steps before the classifier become the first layers. They may be
        scalers (as for :func:`.fold_scaling`, also with clipping),
        :class:`~sklearn.impute.SimpleImputer`, selections and
        :class:`.PiecewiseLinearEncoder`. They may stand in a
        :class:`~sklearn.compose.ColumnTransformer` or
        :class:`~sklearn.pipeline.FeatureUnion`. So a :func:`.tabular_pipeline` of
        numbers alone is allowed.

    dtype : {"float32", "float64"} or dtype, default=None
        The floating type of the graph. None means the type of the fit, or float64 if
        there are steps before the classifier. Many tools need "float32". Features with
        a mean much larger than their spread then lose digits.

    Returns
    -------
    graph : onnx.ModelProto
        It has one input "X" of shape (n, n_features) and one output "logits" of shape
        (n, n_classes). For two classes the output is the logit of ``classes_[1]``, of
        shape (n, 1).

    Raises
    ------
    ImportError
        If onnx is not installed.

    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is not one of these.

    ValueError
        If `dtype` is another type.

    NotFittedError
        Before `fit`.

    See Also
    --------
    register : A graph with labels and probabilities.
    sklearn_relulogit.export.to_torch : The same as a module of PyTorch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier
    >>> from sklearn_relulogit.onnx import to_logits
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ReLULogisticClassifier((10,), alpha=1.0, random_state=0)
    >>> graph = to_logits(make_pipeline(StandardScaler(), clf).fit(X, y))
    >>> [node.op_type for node in graph.graph.node]
    ['Gemm', 'Relu', 'Gemm']
    """
    optional_import("onnx", "onnx", "Export to ONNX")
    import onnx

    layers = exported_layers(model, dtype)
    n_features, n_outputs = layers[0][0].shape[0], layers[-1][0].shape[1]
    nodes: list[Any] = []
    weights: list[Any] = []
    Z = "X"
    for l, (W_T, b) in enumerate(layers, start=1):  # noqa: E741, the l of the formulas
        names = [f"W{l}", f"b{l}"]
        weights += map(onnx.numpy_helper.from_array, (W_T.T.copy(), b), names)
        if l > 1:
            nodes.append(
                onnx.helper.make_node("Relu", [Z], [f"z{l - 1}"], f"relu{l - 1}")
            )
            Z = f"z{l - 1}"
        out = "logits" if l == len(layers) else f"f{l}"
        # We write out all attributes, since some readers know no defaults.
        nodes.append(
            onnx.helper.make_node(
                "Gemm", [Z, *names], [out], f"gemm{l}", alpha=1.0, beta=1.0, transB=1
            )
        )
        Z = out
    kind = onnx.helper.np_dtype_to_tensor_dtype(layers[0][0].dtype)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "logits",
        [value("X", kind, ["n", n_features])],
        [value("logits", kind, ["n", n_outputs])],
        weights,
    )
    return onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sklearn_relulogit",
    )
