"""The columns of a table: which are numbers, which are categories, and their gaps.

The selectors are functions of a frame, as ColumnTransformer calls them in its `fit`.
"""

from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from .._optional import optional_import

# A column of more categories is encoded by the target: indicators would be weights of
# their own for a few rows each.
MAX_INDICATORS = 40

Kind = Literal["number", "category"]


def numbers(X: Any) -> list[Any]:
    """The columns of numbers and booleans."""
    return [key for key, column in columns(X) if kind(column) == "number"]


def few_categories(X: Any) -> list[Any]:
    """The columns of categories that get an indicator for each."""
    return [
        key
        for key, column in columns(X)
        if kind(column) == "category" and n_distinct(column) <= MAX_INDICATORS
    ]


def many_categories(X: Any) -> list[Any]:
    """The columns of categories that are encoded by the target."""
    return [
        key
        for key, column in columns(X)
        if kind(column) == "category" and n_distinct(column) > MAX_INDICATORS
    ]


def columns(X: Any) -> list[tuple[Any, Any]]:
    """Each column of a table with its name, or its position if it has none.

    Raises
    ------
    TypeError
        If X is no frame of pandas or polars and no array.

    ValueError
        If two columns share a name.
    """
    if isinstance(X, np.ndarray):
        return list(enumerate(X.T))
    if not (hasattr(X, "iloc") or hasattr(X, "get_columns")):
        raise TypeError(
            "Pass a DataFrame of pandas or polars, which has a type for each column, "
            f"or an array of numbers. X is of type {type(X).__name__}."
        )
    names = list(X.columns)
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Rename the columns that share a name: {twice}.")
    if all(isinstance(name, str) for name in names):
        return [(name, X[name]) for name in names]
    # ColumnTransformer would take numbers for positions.
    return [(position, X[name]) for position, name in enumerate(names)]


def kind(column: Any) -> Kind:
    """Whether a column holds numbers or categories.

    Raises
    ------
    TypeError
        If it holds neither.
    """
    if isinstance(column, np.ndarray):
        found = "number" if column.dtype.kind in "biuf" else ""
    elif hasattr(column, "iloc"):
        found = _pandas_kind(column)
    else:
        found = _polars_kind(column)
    match found:
        case "number" | "category":
            return found
    name = getattr(column, "name", None)
    what = "the columns of X" if name is None else f"column {name!r}"
    raise TypeError(
        f"Turn {what} into numbers or categories, or leave it out: its type is "
        f"{column.dtype}{f', and it holds {found}' if found else ''}. Of a date, for "
        "example, take the year, the month, or the days since another date."
    )


def _pandas_kind(column: Any) -> str:
    """The kind of a column of pandas, or what else it holds."""
    pandas = optional_import("pandas", "pandas", "A DataFrame of pandas")
    types = pandas.api.types
    if isinstance(column.dtype, types.CategoricalDtype):
        return "category"
    if types.is_complex_dtype(column.dtype):
        return "complex numbers"
    if types.is_numeric_dtype(column.dtype) or types.is_bool_dtype(column.dtype):
        return "number"
    content = str(types.infer_dtype(column, skipna=True))
    if content in ("string", "empty"):
        return "category"
    if content in ("integer", "floating", "mixed-integer-float", "boolean", "decimal"):
        # scikit-learn converts None and NaN among objects to numbers, and no NA.
        return "pandas.NA" if any(value is pandas.NA for value in column) else "number"
    return f"{content} values"


def _polars_kind(column: Any) -> str:
    """The kind of a column of polars, or nothing."""
    dtype = column.dtype
    name = dtype.base_type().__name__
    if dtype.is_numeric() or name in ("Boolean", "Null"):
        return "number"
    return "category" if name in ("String", "Categorical", "Enum") else ""


def n_distinct(column: Any) -> int:
    """The number of distinct values of a column of a frame, gaps apart."""
    if hasattr(column, "nunique"):
        return int(column.nunique())
    return int(column.drop_nulls().n_unique())


class GapsAsNaN(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns of categories with NaN for each gap, whatever stood for it.

    scikit-learn's encoders take None and NaN for a gap, each as a category of its own,
    and no ``pandas.NA``.

    Attributes
    ----------
    column_of_output_ : ndarray of int, of shape (n_features,)
        The column that each output is made from: its own.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Remember the names of the columns.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Columns of categories.

        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        validate_data(self, X, skip_check_array=True)
        self.column_of_output_ = np.arange(self.n_features_in_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The values of the columns, as objects.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Columns of categories.

        Returns
        -------
        values : ndarray of object, of shape (n_samples, n_features)
            The same values, with NaN for gaps.
        """
        validate_data(self, X, skip_check_array=True, reset=False)
        values = np.empty(X.shape, dtype=object)
        for j, (_, column) in enumerate(columns(X)):
            gaps = column.isna() if hasattr(column, "isna") else column.is_null()
            values[:, j] = np.asarray(column, dtype=object)
            values[np.asarray(gaps, dtype=bool), j] = np.nan
        return values

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.two_d_array = False
        return tags
