"""Converters for skl2onnx of the steps in front of a classifier.

In a graph, a date is the days since 1 January 1970. A category is a string, and "nan"
stands for a gap.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ._tables.dates import DateParts
from ._tables.encoder import PiecewiseLinearEncoder
from ._tables.reader import TableReader
from ._tables.readings import RARE, Categories
from ._tables.target import TargetLogOdds

if TYPE_CHECKING:
    from skl2onnx.algebra.onnx_operator import OnnxOperator
    from skl2onnx.common._topology import (
        ModelComponentContainer,
        Operator,
        Scope,
        Variable,
    )


def operators(container: "ModelComponentContainer") -> Callable[..., "OnnxOperator"]:
    """A function that makes an operator with a name, inputs and attributes."""
    from skl2onnx.algebra import onnx_ops

    def op(name: str, *inputs: Any, **attributes: Any) -> "OnnxOperator":
        operator_class = getattr(onnx_ops, f"Onnx{name}")
        return operator_class(*inputs, op_version=container.target_opset, **attributes)

    return op


def set_encoded_types(operator: "Operator") -> None:
    """Set the type and shape of the outputs of an encoder of numbers."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    (X,) = operator.inputs
    is_double = isinstance(X.type, DoubleTensorType)
    tensor = DoubleTensorType if is_double else FloatTensorType
    n_outputs = len(operator.raw_operator.column_of_output_)
    operator.outputs[0].type = tensor([X.get_first_dimension(), n_outputs])


def convert_encoder(
    scope: "Scope", operator: "Operator", container: "ModelComponentContainer"
) -> None:
    """Write a fitted PiecewiseLinearEncoder as a graph of ONNX operators."""
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.proto import TensorProto

    op = operators(container)
    encoder = operator.raw_operator
    (X,) = operator.inputs
    is_double = isinstance(X.type, DoubleTensorType)
    lower, upper, center, scale, value_of_missing = (
        array.astype(np.float64 if is_double else np.float32)
        for array in (
            encoder.lower_,
            encoder.upper_,
            encoder.center_,
            encoder.scale_,
            encoder.value_of_missing_,
        )
    )
    X = op("Cast", X, to=TensorProto.DOUBLE if is_double else TensorProto.FLOAT)
    x = op("Gather", X, encoder.column_of_output_.astype(np.int64), axis=1)
    clipped = op("Min", op("Max", x, lower), upper)
    Z = op("Div", op("Sub", clipped, center), scale)
    op(
        "Where",
        op("IsNaN", x),
        value_of_missing,
        Z,
        output_names=operator.outputs,
    ).add_to(scope, container)


def is_matrix(inputs: "list[Variable]", reader: TableReader) -> bool:
    """Whether one input holds all columns of `fit`, not the only one that is left."""
    # None if the width of the input is not declared.
    widths = (None, reader.n_features_in_)
    return (
        len(inputs) == 1
        and reader.n_features_in_ > 1
        and inputs[0].type.shape[1] in widths
    )


def parse_reader(
    scope: "Scope",
    reader: TableReader,
    inputs: "list[Variable]",
    custom_parsers: Any = None,
) -> "list[Variable]":
    """The outputs of a fitted TableReader: one for each column, like its inputs."""
    from skl2onnx.common import data_types

    strings = data_types.StringTensorType
    numbers = data_types.FloatTensorType
    if any(isinstance(v.type, data_types.DoubleTensorType) for v in inputs):
        numbers = data_types.DoubleTensorType
    operator = scope.declare_local_operator("SklearnRelulogitTableReader", reader)
    if is_matrix(inputs, reader):
        operator.inputs.append(inputs[0])
        n_outputs = len(reader.column_of_output_)
        operator.outputs.append(scope.declare_local_variable("numbers", numbers()))
        operator.outputs[0].type = numbers([None, n_outputs])
        return list(operator.outputs)
    of_name = {variable.raw_name: variable for variable in inputs}
    if len(inputs) == len(reader.readings_) == 1:  # Whatever its name.
        of_name = dict.fromkeys(reader.readings_, inputs[0])
    missing = [name for name in reader.readings_ if name not in of_name]
    if missing:
        raise ValueError(f"Declare an input for each of the columns {missing}.")
    for name, reading in reader.readings_.items():
        variable = of_name[name]
        is_text = isinstance(reading, Categories)
        if is_text != isinstance(variable.type, strings):
            raise ValueError(
                "Declare the inputs by sklearn_relulogit.onnx.input_types(model): "
                f"column {name!r} is {'text' if is_text else 'a number'} in a graph. "
                f"Got {type(variable.type).__name__}."
            )
        operator.inputs.append(variable)
        kind = strings if is_text else numbers
        operator.outputs.append(scope.declare_local_variable(name, kind([None, 1])))
    return list(operator.outputs)


def keep_types(operator: "Operator") -> None:
    """Do nothing: the parser of a TableReader sets its types."""


def convert_reader(
    scope: "Scope", operator: "Operator", container: "ModelComponentContainer"
) -> None:
    """Write a fitted TableReader: numbers unchanged, and the names of categories."""
    from skl2onnx.common.data_types import guess_proto_type

    op, reader = operators(container), operator.raw_operator
    if is_matrix(operator.inputs, reader):
        (X,), (Z,) = operator.inputs, operator.outputs
        X = op("Cast", X, to=guess_proto_type(Z.type))
        columns = reader.column_of_output_.astype(np.int64)
        op("Gather", X, columns, axis=1, output_names=[Z]).add_to(scope, container)
        return
    readings = reader.readings_.values()
    for reading, x, z in zip(readings, operator.inputs, operator.outputs, strict=True):
        if isinstance(reading, Categories):
            texts, categories = zip(*reading.of_text.items(), strict=True)
            container.add_node(
                "LabelEncoder",
                x.full_name,
                z.full_name,
                op_domain="ai.onnx.ml",
                op_version=2,
                name=scope.get_unique_operator_name("categories"),
                keys_strings=texts,
                values_strings=categories,
                default_string=RARE,
            )
        else:
            kind = guess_proto_type(z.type)
            op("Cast", x, to=kind, output_names=[z]).add_to(scope, container)


def convert_dates(
    scope: "Scope", operator: "Operator", container: "ModelComponentContainer"
) -> None:
    """Write a fitted DateParts, from days."""
    op, parts = operators(container), operator.raw_operator.parts_
    (X,) = operator.inputs
    dtype = dtype_of(X)
    of_column = {}
    for j, _ in parts:
        of_column[j] = op("Gather", X, np.array([j], dtype=np.int64), axis=1)
    columns = [part_of_days(op, part, of_column[j], dtype) for j, part in parts]
    op("Concat", *columns, axis=1, output_names=operator.outputs).add_to(
        scope, container
    )


def part_of_days(
    op: Callable[..., "OnnxOperator"], part: str, days: Any, dtype: np.dtype
) -> Any:
    """The elapsed part of a period as in `dates.part_of`, from days.

    The year comes from a calendar that begins on 1 March. Its cycle of 400 years ends
    with a leap day.
    """

    def number(value: float) -> np.ndarray:
        return np.array([value], dtype=dtype)

    def floor(x: Any, by: int) -> Any:
        """The whole part of the quotient of two whole numbers."""
        return op("Floor", op("Div", op("Add", x, number(0.5)), number(by)))

    def minus(x: Any, times: int, y: Any) -> Any:
        return op("Sub", x, op("Mul", number(times), y))

    def is_multiple(x: Any, of: int) -> Any:
        return op("Sub", floor(x, of), floor(op("Sub", x, number(1)), of))

    def leap(year: Any) -> Any:
        by_four = op("Sub", is_multiple(year, 4), is_multiple(year, 100))
        return op("Add", by_four, is_multiple(year, 400))

    if part == "date":
        return op("Identity", days)
    day = op("Floor", days)
    of_day = op("Sub", days, day)
    if part == "day":
        return of_day
    if part == "week":  # 1 January 1970 was a Thursday.
        since = op("Add", day, number(3))
        weekday = minus(since, 7, floor(since, 7))
        return op("Div", op("Add", weekday, of_day), number(7))
    since = op("Add", day, number(719468))  # Days since 1 March of the year 0.
    cycle = floor(since, 146097)
    of_cycle = minus(since, 146097, cycle)
    leaps = op("Sub", floor(of_cycle, 36524), floor(of_cycle, 1460))
    leaps = op("Sub", leaps, floor(of_cycle, 146096))
    year = floor(op("Add", of_cycle, leaps), 365)
    leaps = op("Sub", floor(year, 4), floor(year, 100))
    of_year = op("Sub", minus(of_cycle, 365, year), leaps)
    # January and February belong to the previous year of that calendar.
    is_next = op("Floor", op("Div", op("Add", of_year, number(0.5)), number(306)))
    year = op("Add", year, is_next)
    from_march = op("Add", of_year, op("Add", leap(year), number(59)))
    from_january = op("Sub", of_year, number(306))
    stays = op("Sub", number(1), is_next)
    of_year = op("Add", op("Mul", is_next, from_january), op("Mul", stays, from_march))
    length = op("Add", leap(year), number(365))
    return op("Div", op("Add", of_year, of_day), length)


def convert_target(
    scope: "Scope", operator: "Operator", container: "ModelComponentContainer"
) -> None:
    """Write a fitted TargetLogOdds: a row of a table for each category."""
    op, encoder = operators(container), operator.raw_operator
    (X,) = operator.inputs
    columns = []
    for j, encoding in enumerate(encoder.encodings_):
        n_outputs = np.count_nonzero(encoder.column_of_output_ == j)
        table = np.array([*encoding.values(), np.zeros(n_outputs)], dtype=np.float32)
        column = op("Gather", X, np.array(j, dtype=np.int64), axis=1)
        name = scope.get_unique_variable_name("category")
        column = op("Identity", column, output_names=[name])
        column.add_to(scope, container)
        code = scope.get_unique_variable_name("code")
        # A lookup table needs a key even if no category is known.
        container.add_node(
            "LabelEncoder",
            name,
            code,
            op_domain="ai.onnx.ml",
            op_version=2,
            name=scope.get_unique_operator_name("codes"),
            keys_strings=[*encoding, RARE],
            values_int64s=np.arange(len(encoding) + 1),
            default_int64=len(encoding),
        )
        columns.append(op("Gather", table, code, axis=0))
    op("Concat", *columns, axis=1, output_names=operator.outputs).add_to(
        scope, container
    )


def dtype_of(X: "Variable") -> np.dtype:
    """The floating type of a graph's computations for an input."""
    from skl2onnx.common.data_types import DoubleTensorType

    return np.dtype(np.float64 if isinstance(X.type, DoubleTensorType) else np.float32)


def set_date_types(operator: "Operator") -> None:
    """Set the type and shape of the outputs of DateParts."""
    (X,) = operator.inputs
    n_outputs = len(operator.raw_operator.parts_)
    operator.outputs[0].type = type(X.type)([X.get_first_dimension(), n_outputs])


def set_target_types(operator: "Operator") -> None:
    """Set the type and shape of the outputs of TargetLogOdds."""
    from skl2onnx.common.data_types import FloatTensorType

    n_outputs = len(operator.raw_operator.column_of_output_)
    operator.outputs[0].type = FloatTensorType([None, n_outputs])


# For each kind of step: how to set its types, how to write it, and how to parse it.
STEPS: dict[type, tuple[Callable[..., None], Callable[..., None], Any]] = {
    PiecewiseLinearEncoder: (set_encoded_types, convert_encoder, None),
    TableReader: (keep_types, convert_reader, parse_reader),
    DateParts: (set_date_types, convert_dates, None),
    TargetLogOdds: (set_target_types, convert_target, None),
}
