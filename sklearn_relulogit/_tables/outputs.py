"""Which column of its input each column of a transformer's output is made of.

A step treats columns one by one if each column of its output is a function of one
column of its input. This is read from the public fitted attributes of the step:

- `column_of_output_` is an integer array of shape (n_outputs,). It holds the index of
  the input column that each output is made of, -1 for a constant. Any transformer that
  has this attribute can be explained.
- Without it, the type of a transformer of scikit-learn or skrub tells.
- A step with a single input column makes all its outputs of that one.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

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

CONSTANT = -1


class ColumnsMixed(Exception):
    """A transformer whose outputs cannot be told to be of one column each."""

    def __init__(self, step: Any, reason: str) -> None:
        super().__init__(step, reason)
        self.step, self.reason = step, reason


# A transformer in a ColumnTransformer or FeatureUnion, its columns, the number of its
# outputs where it is known, and its weight.
Part: TypeAlias = tuple[Any, np.ndarray, int | None, float]


def is_left_out(step: Any) -> bool:
    """Whether a step of a pipeline does nothing, or draws rows in `fit` alone.

    The latter are the samplers of imbalanced-learn.
    """
    if hasattr(step, "fit_resample") and not hasattr(step, "transform"):
        return True
    return step is None or (isinstance(step, str) and step == "passthrough")


def transform_of(step: Any) -> type:
    """The class that defines the method `transform` of a step; its own if none does."""
    kinds = (kind for kind in type(step).__mro__ if "transform" in vars(kind))
    return next(kinds, type(step))


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
        columns = _of_combination(step, n_columns, n_outputs)
    known = ((columns >= CONSTANT) & (columns < n_columns)).all()
    if not known or n_outputs not in (None, len(columns)):
        raise ColumnsMixed(
            step,
            f"says of {len(columns)} outputs that they are made of its {n_columns} "
            f"columns, but has {n_outputs} outputs",
        )
    return columns


def _of_combination(step: Any, n_columns: int, n_outputs: int | None) -> np.ndarray:
    match step:
        case Pipeline():
            columns = np.arange(n_columns)
            parts = [part for _, part in step.steps if not is_left_out(part)]
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                # What a step makes, the next takes; the last one's is that of all.
                width = getattr(following, "n_features_in_", None)
                width = width if following else n_outputs
                columns = compose(columns, column_of_output(part, len(columns), width))
            return columns
        case FeatureUnion() | ColumnTransformer():
            made = [
                compose(columns, column_of_output(part, len(columns), width))
                for part, columns, width, _ in parts_of(step, n_columns)
            ]
            return np.concatenate(made) if made else np.arange(0)
        case FrozenEstimator():
            return column_of_output(step.estimator, n_columns, n_outputs)
    return _of_type(step, n_columns, n_outputs)


def _of_type(step: Any, n_columns: int, n_outputs: int | None) -> np.ndarray:
    every = np.arange(n_columns)
    reason = f"may mix its {n_columns} columns"
    match step:
        case (
            Binarizer() | OrdinalEncoder() | PowerTransformer() | QuantileTransformer()
        ):
            return every
        case MaxAbsScaler() | MinMaxScaler() | RobustScaler() | StandardScaler():
            return every
        case FunctionTransformer():
            func = step.func
            elementwise = isinstance(func, np.ufunc) and (func.nin, func.nout) == (1, 1)
            if func is None or elementwise or step.feature_names_out == "one-to-one":
                return every
            reason = (
                "calls a function that may mix its columns "
                "(feature_names_out='one-to-one' says that it does not)"
            )
        case OneHotEncoder():
            counts = np.array([len(categories) for categories in step.categories_])
            for j, rare in enumerate(getattr(step, "infrequent_categories_", [])):
                if rare is not None:
                    counts[j] -= len(rare) - 1
            if step.drop_idx_ is not None:
                counts -= [dropped is not None for dropped in step.drop_idx_]
            return np.repeat(every, counts)
        case TargetEncoder():  # One for each column, or for each column and class.
            return np.repeat(every, len(step.encodings_) // n_columns)
        case KBinsDiscretizer():
            return np.repeat(every, 1 if step.encode == "ordinal" else step.n_bins_)
        case SplineTransformer():
            return np.repeat(every, step.n_features_out_ // n_columns)
        case PolynomialFeatures():
            used = step.powers_ > 0
            if (used.sum(axis=1) <= 1).all():
                return np.where(used.any(axis=1), used.argmax(axis=1), CONSTANT)
            reason = "multiplies columns with each other"
        case SimpleImputer():
            missing = step.indicator_.features_ if step.add_indicator else every[:0]
            n_outputs = n_outputs_of(step) if n_outputs is None else n_outputs
            if len(every) + len(missing) != n_outputs:  # Empty columns are dropped.
                every = every[[value == value for value in step.statistics_]]
            return np.concatenate([every, missing])
        case MissingIndicator():
            return np.asarray(step.features_)
        case SelectorMixin():
            return np.asarray(step.get_support(indices=True))
        case _ if type(step).__module__.startswith("skrub."):
            columns = _of_skrub(step, n_columns)
            if columns is not None:
                return columns
    if n_columns == 1:
        return np.zeros(n_outputs_of(step), dtype=int)
    raise ColumnsMixed(step, reason)


def n_outputs_of(step: Any) -> int:
    """The number of columns that a fitted transformer makes, from their names."""
    try:
        return len(step.get_feature_names_out())
    except (AttributeError, ValueError) as error:
        raise ColumnsMixed(step, "does not tell how many columns it makes") from error


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


def parts_of(step: ColumnTransformer | FeatureUnion, n_columns: int) -> list[Part]:
    """The transformers that have outputs, in the order of these."""
    weights = step.transformer_weights or {}
    if isinstance(step, FeatureUnion):
        every = np.arange(n_columns)
        return [
            (part, every, None, weights.get(name, 1.0))
            for name, part in step.transformer_list
            if part != "drop"
        ]
    names = getattr(step, "feature_names_in_", None)
    parts = []
    for name, part, columns in step.transformers_:
        taken = column_indices(columns, names, step.n_features_in_)
        if len(taken) and part != "drop":
            outputs = step.output_indices_[name]
            width = outputs.stop - outputs.start
            one = part, taken, width, weights.get(name, 1.0)
            parts.append((outputs.start, one))
    return [part for _, part in sorted(parts, key=lambda pair: pair[0])]


def needs_check(step: Any, n_columns: int) -> bool:
    """Whether it is not known how a step, or a part of it, comes to its outputs.

    It says itself that it treats columns one by one, or has a `transform` of its own.
    """
    if is_left_out(step) or n_columns == 1:
        return False
    match step:
        case Pipeline():
            return any(needs_check(part, n_columns) for _, part in step.steps)
        case FeatureUnion() | ColumnTransformer():
            parts = parts_of(step, n_columns)
            return any(needs_check(part, len(taken)) for part, taken, *_ in parts)
        case FrozenEstimator():
            return needs_check(step.estimator, n_columns)
        case FunctionTransformer():
            return not (step.func is None or isinstance(step.func, np.ufunc))
    package = transform_of(step).__module__.partition(".")[0]
    return package not in ("sklearn", "sklearn_relulogit", "skrub")


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
