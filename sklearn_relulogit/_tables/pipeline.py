"""A pipeline from a raw table to a classifier."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from .._classifier import ReLULogisticClassifier
from .constraints import constrained
from .dates import DateParts
from .encoder import PiecewiseLinearEncoder
from .reader import TableReader
from .target import TargetLogOdds


def tabular_pipeline(
    estimator: BaseEstimator | None = None,
    *,
    monotonic_cst: Mapping[Hashable, int] | None = None,
    interaction_cst: Any = None,
) -> Pipeline:
    """A pipeline from a raw table to a classifier.

    `fit` finds what each column holds:

    - **numbers** and booleans go through :class:`PiecewiseLinearEncoder`, which also
      encodes gaps.
    - **dates** become days since 1970 and, where they vary, the elapsed parts of the
      year, the week and the day. These go through the same encoder.
    - **categories** (strings, categorical and enum types) become indicators by
      :class:`~sklearn.preprocessing.OneHotEncoder`. Categories of fewer than 10 rows
      share one indicator, as do new categories. A gap is a category.
    - **more than 40 categories**, or none of 10 rows, become the log-odds of the
      classes among their rows, shrunk to those of all rows.
    - **text that is numbers or dates** throughout is read as such.
    - **columns that identify rows**, such as names, ids and free text, are left out.
    - **other columns**, such as lists, raise an error that says what to do.

    A warning names the columns that are read from text or left out. Later tables may
    hold the same values in other types, such as 1 for "1".

    Parameters are set as in any pipeline, for example ``columns__numbers__n_bins``,
    ``table__min_frequency`` (10 rows) or ``table__max_indicators`` (40 categories).

    Parameters
    ----------
    estimator : object, default=None
        The classifier at the end, or a search over one. None means
        ``ReLULogisticClassifier()``.

    monotonic_cst : dict of str to {-1, 0, 1}, default=None
        For names of number columns: 1 if the log-odds of the second class must not
        fall as the number rises, -1 if they must not rise. Gaps are not constrained.
        The classifier, or the one in the search, must have the parameter
        `monotonic_cst`; `fit` sets it in a clone. See :ref:`monotone`.

    interaction_cst : "no_interactions", "pairwise", list of sets of str, default=None
        Groups of columns, by their names, that may interact: the log-odds are a sum of
        functions of one group each. Columns in no group are a further one.
        "no_interactions" has a group for each column and "pairwise" for each two. The
        classifier, or the one in the search, must have the parameter
        `interaction_cst`, and each hidden layer as many units as there are groups. See
        :ref:`interactions`.

    Returns
    -------
    pipeline : Pipeline
        Not fitted, with three steps. "table" reads each column. "columns" is a
        :class:`~sklearn.compose.ColumnTransformer` of the transformers "numbers",
        "dates", "categories" and "many_categories". "classifier" is the estimator.
        With constraints the pipeline is of a subclass that has these two parameters.

    Raises
    ------
    TypeError
        If `estimator` has no method `fit`, is a class, or lacks the parameter of a
        constraint. Also if a constraint is of another type.

    ValueError
        If a value of `monotonic_cst` is not -1, 0 or 1, or `estimator` has constraints
        of its own besides. `fit` raises it if a name in `monotonic_cst` is not a column
        of numbers, or a name in `interaction_cst` is not a column.

    See Also
    --------
    PiecewiseLinearEncoder : The encoding of numbers.
    sklearn_relulogit.onnx.input_types : For an ONNX graph of the whole pipeline.

    Notes
    -----
    `fit` takes a DataFrame of pandas or polars, or an array of numbers. It raises a
    TypeError for a column that is none of the above. Predictions raise a ValueError for
    a column that cannot be read as in `fit`. Pass sample weights to the classifier by
    ``fit(X, y, classifier__sample_weight=...)``.

    For columns of many categories, `fit` takes the log-odds of a row's category from
    the rows of four other folds. The folds depend on the order of the rows. So the fit
    depends on this order if there is such a column, and otherwise does not.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline
    >>> X = pd.DataFrame(
    ...     {
    ...         "age": [22.0, 38.0, None, 35.0, 54.0, 2.0] * 20,
    ...         "town": ["Cherbourg", "Queenstown", None] * 40,
    ...         "alone": [True, False] * 60,
    ...     }
    ... )
    >>> y = ["no", "yes", "yes", "yes", "no", "yes"] * 20
    >>> model = tabular_pipeline(ReLULogisticClassifier(random_state=0)).fit(X, y)
    >>> model.score(X, y)
    1.0
    """
    if estimator is None:
        estimator = ReLULogisticClassifier()
    elif isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            "Pass an estimator, such as ReLULogisticClassifier(), or nothing. Got "
            f"{estimator!r}."
        )
    indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    of_dates = make_pipeline(DateParts(), PiecewiseLinearEncoder())
    transformers = [
        ("numbers", PiecewiseLinearEncoder(), ColumnsOfKind("numbers")),
        ("dates", of_dates, ColumnsOfKind("dates")),
        ("categories", indicators, ColumnsOfKind("few")),
        ("many_categories", TargetLogOdds(), ColumnsOfKind("many")),
    ]
    pipeline = Pipeline(
        [
            ("table", TableReader()),
            ("columns", ColumnTransformer(transformers)),
            ("classifier", estimator),
        ]
    )
    if monotonic_cst is None and interaction_cst is None:
        return pipeline
    return constrained(
        pipeline, monotonic_cst=monotonic_cst, interaction_cst=interaction_cst
    )


@dataclass(frozen=True)
class ColumnsOfKind:
    """A selector of the columns of one kind, in the output of TableReader.

    Parameters
    ----------
    kind : {"numbers", "dates", "few", "many"}
        Numbers and booleans, dates, or categories with few or many indicators.
    """

    kind: str

    def __call__(self, X: Any) -> list[int]:
        """Positions of these columns; names would be searched one by one."""
        if isinstance(X, np.ndarray):
            return list(range(X.shape[1])) if self.kind == "numbers" else []
        types = list(X.dtypes)
        kinds = {dtype: _kind(dtype) for dtype in set(types)}
        return [j for j, dtype in enumerate(types) if kinds[dtype] == self.kind]


def _kind(dtype: Any) -> str:
    """The kind of column that a type of pandas or polars means in a read table."""
    name = type(dtype).__name__
    if isinstance(dtype, np.dtype) and dtype.kind in "biufM":
        return "dates" if dtype.kind == "M" else "numbers"
    if name == "Datetime":
        return "dates"
    if name == "Boolean" or (hasattr(dtype, "is_numeric") and dtype.is_numeric()):
        return "numbers"
    return "few" if name in ("CategoricalDtype", "Enum") else "many"
