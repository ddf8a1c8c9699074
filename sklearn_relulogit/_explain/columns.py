"""Which column of its input each column of a transformer's output is made of.

A step treats columns one by one if each column of its output is a function of one
column of its input. This is read from the public fitted attributes of the step:

- `column_of_output_`, if it has it: an integer array of shape (n_outputs,) with the
  index of the input column that each output is made of, -1 for a constant. Any
  transformer that has this attribute can be explained.
- what its type is known to do (scikit-learn's transformers, and skrub's), otherwise.
- A step with a single input column makes all its outputs of that one.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.validation import check_is_fitted

from .._tables.columns import GapsAsNaN
from .._tables.encoder import PiecewiseLinearEncoder

CONSTANT = -1


class ColumnsMixed(Exception):
    """A transformer whose outputs cannot be told to be of one column each."""

    def __init__(self, step: Any, reason: str) -> None:
        super().__init__(step, reason)
        self.step, self.reason = step, reason


def is_left_out(step: Any) -> bool:
    """Whether a step of a pipeline does nothing."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def column_of_output(
    step: Any, n_columns: int, n_outputs: int | None = None
) -> np.ndarray:
    """The index of the input column of each output, (n_outputs,); -1 for a constant.

    Parameters
    ----------
    step : fitted transformer or "passthrough"
    n_columns : int
        The number of columns of its input.
    n_outputs : int, optional
        The number of columns of its output, where it is known.

    Raises
    ------
    ColumnsMixed
        If an output is made of several columns, or of which is not known.
    """
    if is_left_out(step):
        return np.arange(n_columns)
    if not isinstance(step, Pipeline | FeatureUnion):
        check_is_fitted(step)
    declared = getattr(step, "column_of_output_", None)
    if declared is not None:
        columns = np.asarray(declared, dtype=int)
    elif n_columns == 1 and n_outputs is not None:
        columns = np.zeros(n_outputs, dtype=int)
    else:
        columns = _column_of_output(step, n_columns, n_outputs)
    known = ((columns >= CONSTANT) & (columns < n_columns)).all()
    if not known or n_outputs not in (None, len(columns)):
        raise ColumnsMixed(
            step,
            f"says of {len(columns)} outputs that they are made of its {n_columns} "
            f"columns, but has {n_outputs} outputs",
        )
    return columns


def n_outputs_of(step: Any) -> int:
    """The number of columns that a fitted transformer makes, from their names."""
    try:
        return len(step.get_feature_names_out())
    except (AttributeError, ValueError) as error:
        raise ColumnsMixed(step, "does not tell how many columns it makes") from error


@singledispatch
def _column_of_output(step: Any, n_columns: int, n_outputs: int | None) -> np.ndarray:
    """The same by the type of a transformer; by default of a single column only."""
    if type(step).__module__.startswith("skrub."):
        columns = _of_skrub(step, n_columns)
        if columns is not None:
            return columns
    if n_columns == 1:
        return np.zeros(n_outputs_of(step), dtype=int)
    raise ColumnsMixed(step, f"may mix its {n_columns} columns")


def _of_skrub(step: Any, n_columns: int) -> np.ndarray | None:
    """The same for the transformers of skrub, by their public attributes."""
    if type(step).__name__ == "SquashingScaler":
        return np.arange(n_columns)
    if hasattr(step, "output_to_input_"):  # TableVectorizer, ApplyToCols
        inputs, made_of = step.feature_names_in_, dict(step.output_to_input_)
    elif hasattr(step, "used_inputs_"):  # ApplyToCols of one transformer of several.
        inputs, used = step.feature_names_in_, step.used_inputs_
        made = column_of_output(step.transformer_, len(used))
        made_of = {
            name: used[j]
            for name, j in zip(step.created_outputs_, made, strict=True)
            if j != CONSTANT
        }
    elif type(step).__name__ == "Cleaner":
        inputs, made_of = step.all_processing_steps_, {}
    else:
        return None
    index = {name: j for j, name in enumerate(inputs)}
    # The other columns are passed on under their own names.
    return np.array(
        [index.get(made_of.get(name, name), CONSTANT) for name in step.all_outputs_]
    )


def one_to_one(step: Any, n_columns: int, n_outputs: int | None) -> np.ndarray:
    """Output j is made of column j."""
    return np.arange(n_columns)


for kind in (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
):
    _column_of_output.register(kind, one_to_one)


@_column_of_output.register
def _(step: FunctionTransformer, n_columns: int, n_outputs: int | None) -> np.ndarray:
    func = step.func
    elementwise = isinstance(func, np.ufunc) and (func.nin, func.nout) == (1, 1)
    if func is None or elementwise or step.feature_names_out == "one-to-one":
        return np.arange(n_columns)
    if n_columns == 1:
        return np.zeros(n_outputs_of(step), dtype=int)
    raise ColumnsMixed(
        step,
        "calls a function that may mix its columns (feature_names_out='one-to-one' "
        "says that it does not)",
    )


@_column_of_output.register
def _(step: FrozenEstimator, n_columns: int, n_outputs: int | None) -> np.ndarray:
    return column_of_output(step.estimator, n_columns, n_outputs)


@_column_of_output.register
def _(step: OneHotEncoder, n_columns: int, n_outputs: int | None) -> np.ndarray:
    counts = np.array([len(categories) for categories in step.categories_])
    for j, rare in enumerate(getattr(step, "infrequent_categories_", [])):
        if rare is not None:
            counts[j] -= len(rare) - 1
    if step.drop_idx_ is not None:
        counts -= [dropped is not None for dropped in step.drop_idx_]
    return np.repeat(np.arange(n_columns), counts)


@_column_of_output.register
def _(step: TargetEncoder, n_columns: int, n_outputs: int | None) -> np.ndarray:
    # One output for each column, or for each column and class.
    return np.repeat(np.arange(n_columns), len(step.encodings_) // n_columns)


@_column_of_output.register
def _(step: KBinsDiscretizer, n_columns: int, n_outputs: int | None) -> np.ndarray:
    if step.encode == "ordinal":
        return np.arange(n_columns)
    return np.repeat(np.arange(n_columns), step.n_bins_)


@_column_of_output.register
def _(step: SplineTransformer, n_columns: int, n_outputs: int | None) -> np.ndarray:
    return np.repeat(np.arange(n_columns), step.n_features_out_ // n_columns)


@_column_of_output.register
def _(step: PolynomialFeatures, n_columns: int, n_outputs: int | None) -> np.ndarray:
    used = step.powers_ > 0
    if (used.sum(axis=1) > 1).any():
        raise ColumnsMixed(step, "multiplies columns with each other")
    return np.where(used.any(axis=1), used.argmax(axis=1), CONSTANT)


@_column_of_output.register
def _(step: SimpleImputer, n_columns: int, n_outputs: int | None) -> np.ndarray:
    missing = np.array([], dtype=int)
    if step.add_indicator:
        missing = step.indicator_.features_
    if n_outputs is None:
        n_outputs = n_outputs_of(step)
    kept = np.arange(n_columns)
    if len(kept) + len(missing) != n_outputs:  # Columns without any value are dropped.
        no_value = np.array([value != value for value in step.statistics_])
        kept = kept[~no_value]
    return np.concatenate([kept, missing])


@_column_of_output.register
def _(step: MissingIndicator, n_columns: int, n_outputs: int | None) -> np.ndarray:
    return np.asarray(step.features_)


@_column_of_output.register
def _(step: SelectorMixin, n_columns: int, n_outputs: int | None) -> np.ndarray:
    return np.asarray(step.get_support(indices=True))


@_column_of_output.register
def _(step: Pipeline, n_columns: int, n_outputs: int | None) -> np.ndarray:
    columns = np.arange(n_columns)
    parts = [part for _, part in step.steps if not is_left_out(part)]
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        # What a step makes, the next one takes; the last one's is that of all.
        width = getattr(following, "n_features_in_", None) if following else n_outputs
        columns = compose(columns, column_of_output(part, len(columns), width))
    return columns


@_column_of_output.register
def _(step: FeatureUnion, n_columns: int, n_outputs: int | None) -> np.ndarray:
    kept = [part for _, part in step.transformer_list if part != "drop"]
    if len(kept) == 1:
        return column_of_output(kept[0], n_columns, n_outputs)
    return np.concatenate([column_of_output(part, n_columns) for part in kept])


@_column_of_output.register
def _(step: ColumnTransformer, n_columns: int, n_outputs: int | None) -> np.ndarray:
    slices = step.output_indices_
    columns = np.zeros(max((end.stop for end in slices.values()), default=0), dtype=int)
    for name, part, taken in parts_of(step):
        outputs = slices[name]
        made = column_of_output(part, len(taken), outputs.stop - outputs.start)
        columns[outputs] = compose(taken, made)
    return columns


def parts_of(step: ColumnTransformer) -> list[tuple[str, Any, np.ndarray]]:
    """Name, transformer and indices of its columns, of all that have outputs."""
    names = getattr(step, "feature_names_in_", None)
    parts = []
    for name, part, columns in step.transformers_:
        taken = column_indices(columns, names, step.n_features_in_)
        if len(taken) and not (isinstance(part, str) and part == "drop"):
            parts.append((name, part, taken))
    return parts


def is_declared(step: Any) -> bool:
    """Whether a step, or a part of it, says itself that it treats columns one by one.

    What is known of a type needs no check by data.
    """
    match step:
        case Pipeline():
            return any(is_declared(part) for _, part in step.steps)
        case FeatureUnion():
            return any(is_declared(part) for _, part in step.transformer_list)
        case ColumnTransformer():
            return any(is_declared(part) for _, part, _ in parts_of(step))
        case FrozenEstimator():
            return is_declared(step.estimator)
        case FunctionTransformer():
            return not (step.func is None or isinstance(step.func, np.ufunc))
        case PiecewiseLinearEncoder() | GapsAsNaN():
            return False
        case _:
            return hasattr(step, "column_of_output_")


def column_indices(
    columns: Any, names: Sequence[str] | None, n_columns: int
) -> np.ndarray:
    """Indices of the columns that a `ColumnTransformer` gives to a transformer.

    Parameters
    ----------
    columns : str, int, slice, or array-like of str, int or bool
        As in `transformers_`.
    names : array-like of str or None
        Names of all columns.
    n_columns : int
        Their number.
    """
    index = {name: j for j, name in enumerate([] if names is None else names)}
    every = np.arange(n_columns)
    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        if isinstance(start, str):
            start = index[start]
        if isinstance(stop, str):  # Included, unlike a number.
            stop = index[stop] + 1
        return np.asarray(every[start : stop : columns.step])
    if isinstance(columns, str | int | np.integer):
        columns = [columns]
    chosen = list(columns)
    if chosen and isinstance(chosen[0], str):
        return np.array([index[name] for name in chosen])
    return np.asarray(every[np.array(chosen) if chosen else slice(0)])


def compose(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The input columns of a second step, by those of a first step in front of it."""
    return np.where(after == CONSTANT, CONSTANT, before[after])
