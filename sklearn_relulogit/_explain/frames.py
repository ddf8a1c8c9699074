"""Rows and columns of the user's data: arrays, sparse matrices, frames."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from scipy.sparse import diags_array, issparse

from .._model.arrays import to_numpy
from .._optional import optional_import
from .._rows.chunkwise import refuse_lazy

# A frame of pandas or polars, an array or a sparse matrix; the frames have no types.
Table = Any


def is_pandas(X: Table) -> bool:
    """Whether X is a frame of pandas."""
    return hasattr(X, "iloc")


def as_table(X: Any, name: str = "X") -> Table:
    """X as something with rows and columns, in the memory of the host.

    Sparse matrices are stored by rows.

    Raises
    ------
    TypeError
        If it is a collection of Dask or a LazyFrame of polars.

    ValueError
        If it has not two dimensions.
    """
    refuse_lazy(X, "An explanation", name)
    if not hasattr(X, "columns"):
        X = X.tocsr() if issparse(X) and X.ndim == 2 else on_host(X)
    if len(getattr(X, "shape", ())) != 2:
        raise ValueError(
            f"Pass {name} as a table: one row is {name}.iloc[[0]] of a DataFrame and "
            f"{name}[[0]] of an array. Got {type(X).__name__} of shape "
            f"{getattr(X, 'shape', 'unknown')}."
        )
    return X


def on_host(A: Any) -> Any:
    """An array of numpy; a sparse matrix or a Series stays what it is."""
    if isinstance(A, np.ndarray) or issparse(A) or hasattr(A, "to_frame"):
        return A
    try:
        return np.asarray(A)
    except (TypeError, RuntimeError):  # It is on a device, or has gradients.
        return to_numpy(A)


def column_names(X: Table) -> list[str] | None:
    """The names of the columns of a frame; None of anything else."""
    return list(X.columns) if hasattr(X, "columns") else None


def take_rows(X: Table, rows: slice | np.ndarray) -> Table:
    """Some rows."""
    return X.iloc[rows] if is_pandas(X) else X[rows]


def column(X: Table, j: int, name: str) -> np.ndarray:
    """The values of a column, by its name where X is a frame."""
    if hasattr(X, "columns"):
        at = position(X, j, name)
        values = X.iloc[:, at] if is_pandas(X) else X[:, at]
        return np.asarray(values.to_numpy())
    if issparse(X):
        return np.asarray(X[:, [j]].toarray()[:, 0])
    return np.asarray(X)[:, j]


def position(X: Table, j: int, name: str) -> int:
    """Where the column j of the fit stands in X: by its name where X is a frame."""
    names = [str(key) for key in X.columns] if hasattr(X, "columns") else []
    return names.index(name) if name in names else j


def column_index(name: Any, known: list[str]) -> int:
    """The index of a column that is given by its name or index.

    A name, such as an integer that is one, goes before an index.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    is_number = isinstance(name, int | np.integer) and not isinstance(name, bool)
    if (str(name) if is_number else name) in known:
        return known.index(str(name))
    if is_number and 0 <= name < len(known):
        return int(name)
    raise ValueError(
        "A column must be one of the names of X, or an index from 0 to "
        f"{len(known) - 1}. Got {name!r}."
    )


def column_indices(given: Any, known: list[str], parameter: str) -> list[int]:
    """The indices of columns that a parameter names.

    Raises
    ------
    ValueError
        If it is no list, or there is no such column.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(
            f"Pass {parameter} as a list of columns, such as {known[:1]}. "
            f"Got {given!r}."
        )
    return [column_index(name, known) for name in given]


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas.NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal nor unequal.
        return not isinstance(value, np.ndarray)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, or both missing."""
    if is_missing(one) or is_missing(other):
        return is_missing(one) and is_missing(other)
    return bool(one == other)


def numbers(values: np.ndarray) -> np.ndarray | None:
    """A column as float64 where it holds numbers or booleans, else None."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    if values.dtype.kind == "O":
        missing = np.array([is_missing(value) for value in values], dtype=bool)
        kinds = bool | int | float | np.number | np.bool_
        if all(isinstance(value, kinds) for value in values[~missing]):
            found = np.full(len(values), np.nan)
            found[~missing] = values[~missing].astype(np.float64)
            return found
    return None


def table_of_numbers(X: Table, names: list[str]) -> np.ndarray:
    """The named columns of X as floats, with NaN in those that hold no numbers."""
    if issparse(X):
        return np.asarray(X.toarray(), dtype=np.float64)
    in_order = not hasattr(X, "columns") or list(X.columns) == names
    if in_order and _has_one_type_of_numbers(X):
        return np.asarray(X, dtype=np.float64)
    found = [numbers(column(X, j, name)) for j, name in enumerate(names)]
    gap = np.full(X.shape[0], np.nan)
    return np.column_stack([gap if values is None else values for values in found])


def _has_one_type_of_numbers(X: Table) -> bool:
    try:
        return np.asarray(X[:1]).dtype.kind in "biuf"
    except TypeError:  # numpy has none for what polars makes of numbers and dates.
        return False


def with_columns_of(X: Table, other: Table, columns: np.ndarray) -> Table:
    """X with some columns taken from another table with as many rows."""
    if is_pandas(X):
        mixed = X.copy()
        for j in columns:
            mixed.isetitem(j, other.iloc[:, j].set_axis(X.index))
        return mixed
    if hasattr(X, "columns"):
        return X.with_columns([other[:, int(j)] for j in columns])
    if issparse(X):
        chosen = np.isin(np.arange(X.shape[1]), columns)
        keep, take = diags_array(~chosen * 1.0), diags_array(chosen * 1.0)
        return (X @ keep + other @ take).tocsr()
    mixed = np.array(X)
    mixed[:, columns] = other[:, columns]
    return mixed


def as_one_or_more_rows(rows: Any, name: str) -> Table:
    """A row, such as an array of one dimension or a Series, or rows, as a table.

    Raises
    ------
    TypeError, ValueError
        As `as_table`, and if there are no rows.
    """
    refuse_lazy(rows, "An explanation", name)
    if hasattr(rows, "iloc") and not hasattr(rows, "columns"):
        rows = rows.to_frame().T.infer_objects()
    elif not hasattr(rows, "columns"):
        rows = on_host(rows)
        rows = rows.reshape(1, -1) if len(rows.shape) == 1 else rows
    rows = as_table(rows, name)
    if not rows.shape[0]:
        raise ValueError(f"Pass {name} with at least one row. Got {rows.shape}.")
    return rows


def with_types_of(like: Table, changed: dict[str, list[Any]]) -> Table:
    """A frame with the values of some columns changed, whose types stay.

    A category that a type does not have is added to it.
    """
    if not is_pandas(like):
        pl = optional_import("polars", "polars", "A DataFrame of polars")
        for name, values in changed.items():
            column = pl.Series(name, values)
            with suppress(pl.exceptions.PolarsError):  # An Enum without the value.
                column = column.cast(like.schema[name])
            like = like.with_columns(column)
        return like
    pd = optional_import("pandas", "pandas", "A DataFrame of pandas")
    like = like.copy()
    for name, values in changed.items():
        at = position(like, 0, name)
        dtype = like.dtypes.iloc[at]
        if isinstance(dtype, pd.CategoricalDtype):
            more = [v for v in dict.fromkeys(values) if v not in dtype.categories]
            known = [*dtype.categories, *(v for v in more if not is_missing(v))]
            dtype = pd.CategoricalDtype(known, dtype.ordered)
        like.isetitem(at, pd.Series(values, like.index).astype(dtype))
    return like


def as_percent(p: float) -> str:
    """A probability in percent, which is 0 or 100 of none."""
    if p < 1e-4:
        return "< 0.01 %"
    texts = [f"{100 * p:.{digits}g}" for digits in (3, 4)]
    return next((f"{text} %" for text in texts if text != "100"), "> 99.99 %")


def texts_apart(one: Any, other: Any) -> tuple[str, str]:
    """Two values as texts, of as many digits as tell them apart."""
    for digits in range(4, 18):
        texts = as_text(one, digits), as_text(other, digits)
        if texts[0] != texts[1]:
            break
    else:
        return as_text(one), as_text(other)
    return texts


def as_text(value: Any, digits: int = 4) -> str:
    """A value of the user's in a few characters."""
    if is_missing(value):
        return "missing"
    if isinstance(value, float | np.floating):
        # No exponent where the digits say the same.
        whole = 10**digits <= abs(float(value)) < 1e15
        return f"{value:.0f}" if whole else f"{value:.{digits}g}"
    if isinstance(value, np.datetime64):
        text = str(value)
        return text[:10] if text[10:].strip("T0:.") == "" else text[:19]
    return str(value)
