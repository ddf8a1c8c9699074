"""One line from a raw table to a classifier of it."""

from collections.abc import Hashable, Mapping

import sklearn
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from .._classifier import ReLULogisticClassifier
from .columns import GapsAsNaN, few_categories, many_categories, numbers
from .constraints import constrained
from .encoder import PiecewiseLinearEncoder

# Categories of fewer rows than that share one indicator.
MIN_ROWS = 10


def tabular_pipeline(
    estimator: BaseEstimator | None = None,
    *,
    monotonic_cst: Mapping[Hashable, int] | None = None,
) -> Pipeline:
    """A pipeline from a raw table, with categories and gaps, to a classifier.

    The types of the columns are found in `fit`:

    - **numbers** and booleans go through :class:`PiecewiseLinearEncoder`, which also
      encodes gaps;
    - **categories** (strings, categorical and enum types) become indicators by
      :class:`~sklearn.preprocessing.OneHotEncoder`. Those of fewer than 10 rows share
      one, which also stands for categories that `fit` never saw; a gap is a category;
    - **categories with more than 40 distinct values** become numbers by
      :class:`~sklearn.preprocessing.TargetEncoder`, and then go through the first;
    - **other columns**, such as dates, are an error that says what to do.

    All of its parts are public, so parameters are set as in any pipeline, for example
    ``columns__numbers__n_bins``.

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

    Returns
    -------
    pipeline : Pipeline
        Not fitted, of two steps: "columns", a
        :class:`~sklearn.compose.ColumnTransformer` of the transformers "numbers",
        "categories" and "many_categories", and "classifier". With `monotonic_cst` it
        is of a subclass that has this parameter, and is otherwise the same.

    Raises
    ------
    TypeError
        If `estimator` has no method `fit`, or is a class, or lacks `monotonic_cst`.

    ValueError
        If a value of `monotonic_cst` is not -1, 0 or 1. A name that is none of a column
        of numbers raises it in `fit`.

    See Also
    --------
    PiecewiseLinearEncoder : What numbers go through.

    Notes
    -----
    `fit` takes a DataFrame of pandas or polars, or an array of numbers. It raises a
    TypeError for a column that is neither numbers nor categories. Sample weights are
    passed to the classifier by ``fit(X, y, classifier__sample_weight=...)``.

    The target encoder divides the rows into five parts by their order, with a fixed
    seed. So with a column of many categories the fit depends on the order of the rows,
    and without one it does not.

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
    indicators = OneHotEncoder(
        min_frequency=MIN_ROWS,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    )
    transformers = [
        ("numbers", PiecewiseLinearEncoder(), numbers),
        ("categories", make_pipeline(GapsAsNaN(), indicators), few_categories),
        (
            "many_categories",
            make_pipeline(GapsAsNaN(), target_encoder(), PiecewiseLinearEncoder()),
            many_categories,
        ),
    ]
    pipeline = Pipeline(
        [("columns", ColumnTransformer(transformers)), ("classifier", estimator)]
    )
    return pipeline if monotonic_cst is None else constrained(pipeline, monotonic_cst)


def target_encoder() -> TargetEncoder:
    """scikit-learn's, with the same folds for the same rows."""
    major, minor = (int(part) for part in sklearn.__version__.split(".")[:2])
    if (major, minor) < (1, 9):
        return TargetEncoder(random_state=0)
    return TargetEncoder(cv=KFold(shuffle=True, random_state=0))
