"""Export to ONNX: converters for skl2onnx, and the logits as the plainest graph.

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
    """Register converters for what this package adds to pipelines with skl2onnx.

    From then on ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert the
    classifiers, :class:`.PiecewiseLinearEncoder`, and pipelines that they are part of,
    such as :func:`.tabular_pipeline`. One call in a process is enough; more do no harm.

    The graph of a :func:`.tabular_pipeline` has an input for each column:
    :func:`input_types` declares them, and :func:`inputs` makes them of a table. Strings
    have no missing values in ONNX: there "nan" stands for a gap in a column of
    categories. The graph computes what the classifier does, in float64 for inputs of
    ``DoubleTensorType`` and in float32 for all others. Its outputs are those of every
    classifier of skl2onnx, with these options:

    - ``zipmap``: probabilities as a dictionary from label to probability (True, the
      default; always in float32, the only type that ONNX has it for), as one array of
      shape (n, n_classes) (False) or as one output for each class ("columns").
    - ``raw_scores``: logits in place of the probabilities; for two classes both signs,
      so that the shape is the same.
    - ``nocl``: indices into `classes_` in place of the labels.
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
    """The inputs of the graph of a table's pipeline, for skl2onnx's `initial_types`.

    Parameters
    ----------
    model : fitted Pipeline
        A :func:`.tabular_pipeline`, fitted to a frame.

    Returns
    -------
    types : list of (str, DataType)
        The name and the type of each column that the model uses: numbers and dates in
        ``DoubleTensorType``, categories in ``StringTensorType``.

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
    """The rows of a table as the graph of its pipeline takes them.

    A number is a number, also where it was text, and NaN a gap; a date is the days
    since the first of January 1970, in UTC if it has a time zone; a category is its
    text, with "nan" for a gap.

    Parameters
    ----------
    model : fitted Pipeline
        A :func:`.tabular_pipeline`, fitted to a frame.

    X : DataFrame of shape (n_samples, n_features)
        Rows, as the model takes them.

    Returns
    -------
    inputs : dict of str to ndarray of shape (n_samples, 1)
        For each column that the model uses, in float64 or, for text, as objects: the
        feed of ``onnxruntime.InferenceSession.run``.

    Raises
    ------
    ValueError
        If X is not what the model takes, or a column has no name.

    See Also
    --------
    input_types : With an example.
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
    """The columns that a table's pipeline uses, and whether each is text in a graph."""
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
    """Names as skl2onnx makes them: of letters, digits and underscores, all different.

    Its own function for that is private.
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
        # ONNX's ZipMap takes no float64.
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
        # sigma(z) and sigma(-z) are the softmax of (-z, z) / 2. Softmax is accurate for
        # small probabilities in onnxruntime, and Sigmoid is not.
        Z = op("Concat", op("Neg", Z), Z, axis=1)
        exponents = op("Mul", Z, np.array([0.5], dtype=dtype))

    # The label is that of the logits, as in `predict`: a probability may round to 1/2.
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
    """The labels in a type that ONNX has: strings, or integers of 64 bits."""
    if all(isinstance(label, str) for label in classes):
        return classes.astype(np.str_)
    as_integers = classes.astype(np.int64)
    if not np.array_equal(as_integers, classes):
        raise ValueError(
            "ONNX has labels that are strings or integers of 64 bits; classes_ is "
            f"{classes.tolist()}. The option nocl=True gives indices into it instead."
        )
    return as_integers


# Old enough for all tools and for the oldest onnxruntime that is supported.
OPSET, IR_VERSION = 13, 8


def to_logits(model: BaseEstimator, *, dtype: Any = None) -> "onnx.ModelProto":
    """The logits as an ONNX graph of Gemm and Relu nodes alone.

    For tools that read networks of dense layers and nothing else, such as those that
    put a network into an optimisation model or verify it. To serve labels and
    probabilities, use :func:`register` and ``skl2onnx.to_onnx``.

    Parameters
    ----------
    model : fitted estimator
        A :class:`.ReLULogisticClassifier` or :class:`.ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends in one, or a fitted search over
        either. Before the classifier may be scalers (as for :func:`.fold_scaling`, and
        clipping ones), :class:`~sklearn.impute.SimpleImputer`, selections, a
        :class:`.PiecewiseLinearEncoder`, and a
        :class:`~sklearn.compose.ColumnTransformer` or
        :class:`~sklearn.pipeline.FeatureUnion` of these, so also a
        :func:`.tabular_pipeline` of numbers alone. They become the first layers.

    dtype : {"float32", "float64"} or dtype, default=None
        The floating type of the graph. None is that of the fit, or float64 if there are
        steps in front. Many tools give a graph float32 inputs, and so need "float32";
        features whose mean is much larger than their spread then lose digits.

    Returns
    -------
    graph : onnx.ModelProto
        With one input "X" of shape (n, n_features) and one output "logits", of shape
        (n, 1) for two classes, those of ``classes_[1]``, else (n, n_classes).

    Raises
    ------
    ImportError
        If onnx is not installed.

    TypeError
        If the model does not end in a classifier of this package, or a step before it
        is of another kind.

    ValueError
        If `dtype` is another.

    NotFittedError
        Before `fit`.

    See Also
    --------
    register : To serve labels and probabilities.
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
        # All attributes are written out: some readers know no defaults.
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
