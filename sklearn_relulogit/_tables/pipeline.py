"""One line from a raw table to a classifier of it."""

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
    """A pipeline from a raw table, as it comes, to a classifier.

    What the columns hold is found in `fit`:

    - **numbers** and booleans go through :class:`PiecewiseLinearEncoder`, which also
      encodes gaps;
    - **dates** become days since 1970 and, where they vary, the parts of the year, the
      week and the day that have passed, and then go through the same;
    - **categories** (strings, categorical and enum types) become indicators by
      :class:`~sklearn.preprocessing.OneHotEncoder`. Those of fewer than 10 rows share
      one, which also stands for categories that `fit` never saw; a gap is a category;
    - **more than 40 categories**, or none of 10 rows, become the log-odds of the
      classes among their rows, drawn to those of all rows;
    - **text that is numbers or dates** throughout is read as such;
    - **columns that identify rows**, such as names, ids and free text, are left out;
    - **other columns**, such as lists, are an error that says what to do.

    A warning names the columns that are read from text or left out. Later tables may
    have other types of the same values, such as 1 for "1".

    Parameters are set as in any pipeline, for example ``columns__numbers__n_bins``,
    ``table__min_frequency`` (10 rows) or ``table__max_indicators`` (40 categories).

    Parameters
    ----------
    estimator : object, default=None
        The classifier at the end, or a search over one; by default a
        :class:`ReLULogisticClassifier` with its own defaults.

    monotonic_cst : dict of str to {-1, 0, 1}, default=None
        By the names of columns of numbers: 1 if the log-odds of the second class must
        not fall where the number rises, -1 if they must not rise. It holds for the
        number, not for its gaps. The classifier, or the one in the search, must have
        the parameter `monotonic_cst`, which `fit` sets in a clone of it. See
        :ref:`monotone`.

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
        Not fitted, of three steps: "table", which reads each column; "columns", a
        :class:`~sklearn.compose.ColumnTransformer` of the transformers "numbers",
        "dates", "categories" and "many_categories"; and "classifier". With
        constraints it is of a subclass that has these two parameters, and is otherwise
        the same.

    Raises
    ------
    TypeError
        If `estimator` has no method `fit`, is a class, or lacks the parameter of a
        constraint. Also if a constraint is of another type.

    ValueError
        If a value of `monotonic_cst` is not -1, 0 or 1, or if `estimator` has
        constraints of its own besides. A name that is none of a column raises it in
        `fit`, and so does one of a column without numbers in `monotonic_cst`.

    See Also
    --------
    PiecewiseLinearEncoder : What numbers go through.
    sklearn_relulogit.onnx.input_types : For a graph of the whole pipeline.

    Notes
    -----
    `fit` takes a DataFrame of pandas or polars, or an array of numbers. It warns of
    columns that are converted or left out, and raises a TypeError for a column that is
    none of the above. Predictions raise a ValueError for a column that cannot be read
    as in `fit`. Sample weights are passed to the classifier by
    ``fit(X, y, classifier__sample_weight=...)``.

    The log-odds of a row's category are those of the rows in other folds, of five that
    are drawn by the order of the rows. So with a column of many categories the fit
    depends on the order of the rows, and without one it does not.

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
    """A selector of the columns of one kind, in a table as TableReader makes it.

    Parameters
    ----------
    kind : {"numbers", "dates", "few", "many"}
        Numbers and booleans, dates, or categories with few or many indicators.
    """

    kind: str

    def __call__(self, X: Any) -> list[int]:
        """The positions of these columns: names would be searched one by one."""
        if isinstance(X, np.ndarray):
            return list(range(X.shape[1])) if self.kind == "numbers" else []
        types = list(X.dtypes)
        kinds = {dtype: _kind(dtype) for dtype in set(types)}
        return [j for j, dtype in enumerate(types) if kinds[dtype] == self.kind]


def _kind(dtype: Any) -> str:
    """What a type of pandas or polars is in a table that was read."""
    name = type(dtype).__name__
    if isinstance(dtype, np.dtype) and dtype.kind in "biufM":
        return "dates" if dtype.kind == "M" else "numbers"
    if name == "Datetime":
        return "dates"
    if name == "Boolean" or (hasattr(dtype, "is_numeric") and dtype.is_numeric()):
        return "numbers"
    return "few" if name in ("CategoricalDtype", "Enum") else "many"
