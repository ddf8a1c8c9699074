"""The columns of a table of any library, as numpy arrays.

An array is of one of three kinds. Numbers and booleans have NaN for gaps. Dates are in
microseconds, with NaT for gaps. Objects have None for gaps.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import UTC, date, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .._optional import optional_import
from .._rows.chunkwise import is_dask, is_lazy_frame

A_DAY = np.timedelta64(1, "D")


class Content(NamedTuple):
    """What a column holds."""

    values: np.ndarray
    # Whether the column's type declares categories.
    is_category: bool = False
    # Whether the dates have a time zone; they are then in UTC.
    is_zoned: bool = False


def is_frame(X: Any) -> bool:
    """Whether X is a frame of pandas or polars."""
    return hasattr(X, "iloc") or hasattr(X, "get_columns")


def check_table(X: Any) -> list[Hashable]:
    """The names of the columns of a table; for an array, their positions.

    Raises
    ------
    TypeError
        If X is neither a pandas or polars frame nor an array of numbers.

    ValueError
        If two columns share a name, or X has no columns or rows.
    """
    if isinstance(X, np.ndarray) and X.ndim == 2:
        if X.dtype.kind not in "biuf":
            raise TypeError(
                "Pass a DataFrame, which has a type for each column, such as "
                "pandas.DataFrame(X).infer_objects(), or an array of numbers. X is an "
                f"array of {X.dtype}."
            )
        names: list[Hashable] = list(range(X.shape[1]))
    elif is_dask(X) or is_lazy_frame(X):
        method, more = "collect", ""
        if is_dask(X):
            method, more = "compute", ", and predict by X.map_partitions(model.predict)"
        raise TypeError(
            f"Call X.{method}() first, or fit to a part of the rows{more}: the types "
            f"of the columns are found in memory. X is of type {type(X).__name__}."
        )
    elif is_frame(X) and hasattr(X, "columns"):
        names = list(X.columns)
    else:
        raise TypeError(
            "Pass a DataFrame of pandas or polars, which has a type for each column, "
            "such as X.iloc[[0]] of one row, or an array of numbers with two "
            f"dimensions. X is of type {type(X).__name__}."
        )
    check_names(names)
    return names


def check_names(names: list[Hashable]) -> None:
    """Raise a ValueError if two columns share a name, compared as text."""
    twice = sorted(name for name, n in Counter(map(str, names)).items() if n > 1)
    if twice:
        raise ValueError(f"Rename the columns that share a name: {twice}.")


def columns(X: Any) -> Iterator[Any]:
    """Each column of a table."""
    return (column(X, j) for j in range(X.shape[1]))


def column(X: Any, j: int) -> Any:
    """The column at a position."""
    return X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]


def are_plain(X: Any) -> np.ndarray:
    """Which columns hold numbers or booleans in numpy's types, (n_columns,)."""
    if not hasattr(X, "iloc"):
        return np.full(X.shape[1], isinstance(X, np.ndarray))
    dtypes = X.dtypes.tolist()
    plain = {
        dtype: isinstance(dtype, np.dtype) and dtype.kind in "biuf"
        for dtype in set(dtypes)
    }
    return np.array([plain[dtype] for dtype in dtypes], dtype=bool)


def content(column: Any) -> Content:
    """What a column holds.

    Raises
    ------
    TypeError
        If the column holds neither numbers nor dates nor single objects.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return Content(np.asarray(column))
    return _of_pandas(column) if hasattr(column, "iloc") else _of_polars(column)


def _of_pandas(column: Any) -> Content:
    pandas = optional_import("pandas", "pandas", "A DataFrame of pandas")
    types, dtype = pandas.api.types, column.dtype
    if isinstance(dtype, pandas.SparseDtype):
        return content(column.sparse.to_dense())
    if isinstance(dtype, pandas.PeriodDtype):
        return content(column.dt.to_timestamp())
    if types.is_complex_dtype(dtype):
        raise_unreadable(column.name, "complex numbers")
    if types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype):
        small = getattr(dtype, "numpy_dtype", None) == np.float32
        number = np.float32 if small else np.float64
        return Content(column.to_numpy(dtype=number, na_value=np.nan))
    if types.is_timedelta64_dtype(dtype):
        return Content(column.to_numpy() / A_DAY)
    is_python = str(dtype).startswith(("date32", "date64"))  # Dates of Arrow.
    if types.is_datetime64_any_dtype(dtype) and not is_python:
        is_zoned = column.dt.tz is not None
        if is_zoned:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return Content(column.to_numpy(dtype="datetime64[us]"), is_zoned=is_zoned)
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna().to_numpy(dtype=bool)] = None
    is_category = isinstance(dtype, pandas.CategoricalDtype)
    return _of_objects(
        values, is_category or str(dtype).startswith("dictionary"), column.name
    )


def _of_polars(column: Any) -> Content:
    polars = optional_import("polars", "polars", "A DataFrame of polars")
    dtype = column.dtype
    kind = dtype.base_type().__name__
    if kind in ("Datetime", "Date"):
        is_zoned = getattr(dtype, "time_zone", None) is not None
        if is_zoned:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        dates = column.cast(polars.Datetime("us")).to_numpy()
        return Content(dates.astype("datetime64[us]"), is_zoned=is_zoned)
    if kind == "Duration":
        column = column.dt.total_microseconds() / (A_DAY / np.timedelta64(1, "us"))
    if dtype.is_numeric() or kind in ("Null", "Duration"):
        number = polars.Float32 if kind == "Float32" else polars.Float64
        return Content(column.cast(number).to_numpy())
    if kind not in ("Boolean", "String", "Categorical", "Enum", "Binary", "Object"):
        raise_unreadable(column.name, f"values of type {dtype}")
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_list()
    return _of_objects(values, kind in ("Categorical", "Enum"), column.name)


def _of_objects(values: np.ndarray, is_category: bool, name: Any) -> Content:
    """Python's numbers and dates in numpy's types; other objects unchanged."""
    kinds = families(values)
    if kinds & {"list", "dict", "set", "ndarray"}:
        raise_unreadable(name, f"values of type {' and '.join(sorted(kinds))}")
    if kinds == {"duration"} and not is_category:
        return Content(np.array(values, dtype="timedelta64[us]") / A_DAY)
    if is_category or not kinds or not kinds <= {"boolean", "number", "date"}:
        return Content(values, is_category)
    if kinds == {
        "boolean"
    }:  # Those with gaps stay objects, so that they differ from 0 and 1.
        has_gaps = any(v is None for v in values)
        return Content(values if has_gaps else values.astype(bool))
    if "date" not in kinds:
        return Content(np.array([np.nan if v is None else float(v) for v in values]))
    zones = {getattr(v, "tzinfo", None) is not None for v in values if v is not None}
    if len(kinds) > 1 or len(zones) > 1:
        others = kinds - {"date"} or {"those without time zones"}
        raise_unreadable(name, f"dates and {' and '.join(sorted(others))}")
    dates = [as_utc(v) for v in values]
    return Content(np.array(dates, dtype="datetime64[us]"), is_zoned=True in zones)


def as_utc(value: Any) -> np.datetime64:
    """A date of Python or numpy without its time zone; NaT for None."""
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64("NaT" if value is None else value, "us")


def family(value: Any) -> str:
    """The kind of a value: a gap, text, boolean, number, date or something else."""
    match value:
        case None:
            return "gap"
        case str() | bytes():
            return "text"
        case bool() | np.bool_():
            return "boolean"
        case Real() | Decimal():
            return "number"
        case date() | np.datetime64():
            return "date"
        case timedelta() | np.timedelta64():
            return "duration"
    return type(value).__name__


def families(values: np.ndarray) -> set[str]:
    """The kinds of the values of a column, without gaps."""
    match values.dtype.kind:
        case "b":
            return {"boolean"}
        case "i" | "u" | "f":
            return {"number"}
        case "M":
            return {"date"}
    one_of_each = {type(value): value for value in values}
    return {family(value) for value in one_of_each.values()} - {"gap"}


def raise_unreadable(name: Any, what: str) -> NoReturn:
    """Raise the TypeError of a column that holds no numbers, dates or categories."""
    raise TypeError(
        f"Turn column {name!r} into numbers or categories, or leave it out: it holds "
        f"{what}. For example, X[{name!r}].astype(str) makes each value a category."
    )
