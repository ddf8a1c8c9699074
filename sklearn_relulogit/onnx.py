"""Export to ONNX: converters for skl2onnx, alone and within pipelines.

Needs the extra ``onnx``: ``pip install 'sklearn-relulogit[onnx]'``.
"""

from typing import Any

import numpy as np

from ._base import check_has_network
from ._classifier import ReLULogisticClassifier
from ._classifier_cv import ReLULogisticClassifierCV

__all__ = ["register"]

# All that have `classes_`, `coefs_`, `intercepts_` and `out_activation_`.
CLASSIFIERS = (ReLULogisticClassifier, ReLULogisticClassifierCV)

OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


def register() -> None:
    """Tell skl2onnx how to convert the classifiers of this package.

    After it, ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert them, and
    pipelines that they are part of. Call it once in a process; more calls do no harm.

    The graph computes what the classifier does, in float64 for inputs of
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
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "Export to ONNX needs skl2onnx: pip install 'sklearn-relulogit[onnx]'"
        ) from error
    for classifier in CLASSIFIERS:
        update_registered_converter(
            classifier,
            f"SklearnRelulogit{classifier.__name__}",
            set_output_types,
            convert,
            options=OPTIONS,
        )


def set_output_types(operator: Any) -> None:
    """Types and shapes of labels and probabilities, in skl2onnx's terms."""
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
    )

    calculate_linear_classifier_output_shapes(operator)
    options = operator.scope_inst.get_options(operator.raw_operator, {"zipmap": True})
    if options["zipmap"] is True:
        # ONNX's ZipMap takes no float64.
        scores = operator.outputs[1]
        scores.set_type(FloatTensorType(scores.type.shape))


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Write a fitted classifier as a graph of ONNX operators, in skl2onnx's terms."""
    from skl2onnx.algebra.onnx_ops import (
        OnnxAdd,
        OnnxArgMax,
        OnnxCast,
        OnnxConcat,
        OnnxGather,
        OnnxGreater,
        OnnxIdentity,
        OnnxMatMul,
        OnnxMul,
        OnnxNeg,
        OnnxRelu,
        OnnxSoftmax,
        OnnxSqueeze,
    )
    from skl2onnx.common.data_types import DoubleTensorType, guess_proto_type
    from skl2onnx.proto import TensorProto

    clf = operator.raw_operator
    check_has_network(clf)
    options = container.get_options(clf, {"nocl": False, "raw_scores": False})
    version = {"op_version": container.target_opset}
    label, scores = operator.outputs
    (Z,) = operator.inputs
    is_double = isinstance(Z.type, DoubleTensorType)
    dtype = np.dtype(np.float64 if is_double else np.float32)

    Z = OnnxCast(
        Z, to=TensorProto.DOUBLE if is_double else TensorProto.FLOAT, **version
    )
    for l, (W_T, b) in enumerate(zip(clf.coefs_, clf.intercepts_, strict=True)):  # noqa: E741, the l of the formulas
        if l > 0:
            Z = OnnxRelu(Z, **version)
        Z = OnnxAdd(
            OnnxMatMul(Z, W_T.astype(dtype), **version), b.astype(dtype), **version
        )

    # The label is that of the logits, as in `predict`: a probability may round to 1/2.
    if clf.out_activation_ == "logistic":
        positive = OnnxGreater(Z, np.zeros(1, dtype=dtype), **version)
        codes = OnnxSqueeze(
            OnnxCast(positive, to=TensorProto.INT64, **version),
            np.array([1], dtype=np.int64),
            **version,
        )
        # sigma(z) and sigma(-z) are the softmax of (-z, z) / 2, which onnxruntime has
        # to relative accuracy, and its Sigmoid not.
        Z = OnnxConcat(OnnxNeg(Z, **version), Z, axis=1, **version)
        exponents = OnnxMul(Z, np.array([0.5], dtype=dtype), **version)
    else:
        codes = OnnxArgMax(Z, axis=1, keepdims=0, **version)
        exponents = Z

    if options["nocl"]:
        OnnxIdentity(codes, output_names=[label], **version).add_to(scope, container)
    else:
        classes = onnx_classes(clf.classes_)
        OnnxGather(classes, codes, output_names=[label], **version).add_to(
            scope, container
        )
    if not options["raw_scores"]:
        Z = OnnxSoftmax(exponents, axis=1, **version)
    scores_type = guess_proto_type(scores.type)
    OnnxCast(Z, to=scores_type, output_names=[scores], **version).add_to(
        scope, container
    )


def onnx_classes(classes: np.ndarray) -> np.ndarray:
    """The labels as ONNX has them: strings, or integers of 64 bits."""
    if all(isinstance(label, str) for label in classes):
        return classes.astype(np.str_)
    as_integers = classes.astype(np.int64)
    if not np.array_equal(as_integers, classes):
        raise ValueError(
            "ONNX has labels that are strings or integers of 64 bits; classes_ is "
            f"{classes.tolist()}. The option nocl=True gives indices into it instead."
        )
    return as_integers
