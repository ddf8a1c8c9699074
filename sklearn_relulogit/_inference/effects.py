"""Average effects: how the probability changes when one column of all rows does.

Numbers and dates of the user's table move half a step up and down. Categories and
columns of two values go from one value to another. The changed rows go through all
steps again, so effects work for any pipeline. They are differences and not slopes: the
slope of a region is far less certain than a difference over a deviation of the column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.pipeline import Pipeline

from .._explain.frames import (
    Table,
    as_text,
    column,
    column_indices,
    is_missing,
    is_pandas,
    numbers,
    position,
    take_rows,
    with_columns_of,
)
from .._explain.programme import known_categories
from .._model.arrays import Matrix
from .fitted import Fitted
from .linear import Vectors

# How many of the most frequent values of a category are compared.
MAX_LEVELS = 20


@dataclass(frozen=True)
class Change:
    """One column changed, in two ways to compare.

    Attributes
    ----------
    name : str
        Such as "age + 12.3" or "home: rented - owned".
    step : float
        By how much a number is changed; NaN for values of a category.
    low, high : {ndarray, CSR} of shape (n, p)
        The features of all rows with the lower and with the higher value.
    shares : ndarray of shape (n,)
        How much each row counts in the mean; 0 where there is nothing to change.
    """

    name: str
    step: float
    low: Matrix
    high: Matrix
    shares: np.ndarray


def changes(
    fitted: Fitted, columns: Any, categorical: Any, step: float
) -> Iterator[Change]:
    """The changes of the columns of the rows."""
    X = fitted.table
    names = fitted.model.columns(X)
    wanted = list(range(len(names)))
    if columns is not None:
        wanted = column_indices(columns, names, "columns")
    as_levels = column_indices(categorical, names, "categorical")
    steps = Pipeline(fitted.model.steps) if fitted.model.steps else None
    categories = known_categories(steps, len(names))
    for j in wanted:
        values = column(X, j, names[j])
        is_known = j in categories and are_categories(values, categories[j])
        if j not in as_levels and not is_known:
            change = moved(fitted, j, names[j], values, step)
            if change is not None:
                yield change
                continue
        yield from exchanged(fitted, j, names[j], values)


def are_categories(values: np.ndarray, known: np.ndarray | None) -> bool:
    """Whether a step takes the user's own values for categories.

    A step may take what another step makes of them, such as bins. These are fewer, and
    other values. ``known`` is None where the categories are not known.
    """
    if known is None:
        return False
    present = {value for value in values.tolist() if not is_missing(value)}
    return len(present) <= len(known) or len(present & set(known)) > len(known) / 2


def moved(
    fitted: Fitted, j: int, name: str, values: np.ndarray, step: float
) -> Change | None:
    """A number or date half a step down and up, in deviations of the column.

    None if the column is neither or has two values, or if the model takes no others.
    """
    x = numbers(values)
    numeric = days(values) if x is None else x
    if numeric is None:
        return None
    known = ~np.isnan(numeric)
    if len(np.unique(numeric[known])) == 2:
        return None
    weight = fitted.frequency * known
    total = weight.sum() or 1.0
    departures = np.where(known, numeric, 0.0)
    departures -= weight @ departures / total
    size = float(step * np.sqrt(weight @ departures**2 / total))
    at = position(fitted.table, j, name)
    if x is None:
        # Whole days, so that dates stay dates.
        size = float(2 * np.ceil(size / 2))
    try:
        low, high = (
            fitted.features(shifted(fitted.table, at, x, by))
            for by in (-size / 2, size / 2)
        )
    except ValueError:  # An encoder of categories refuses the new values.
        return None
    unit = " days" if x is None else ""
    return Change(f"{name} + {size:.4g}{unit}", size, low, high, weight / total)


def days(values: np.ndarray) -> np.ndarray | None:
    """A column of dates as days, with NaN for gaps; None for other columns."""
    if values.dtype.kind == "M":
        found = values.astype("datetime64[D]").astype(float)
        return np.where(np.isnat(values), np.nan, found)
    if values.dtype.kind != "O":
        return None
    missing = np.array([is_missing(value) for value in values], dtype=bool)
    if missing.all() or not all(isinstance(v, date) for v in values[~missing]):
        return None
    found = np.full(len(values), np.nan)
    found[~missing] = [value.toordinal() for value in values[~missing]]
    return found


def shifted(X: Table, at: int, x: np.ndarray | None, by: float) -> Table:
    """The table with a number added to a column x, or days to a column of dates."""
    added = timedelta(days=by)
    if is_pandas(X):
        dates = X.iloc[:, at]
        X = X.copy()
        X.isetitem(at, plus(dates, added) if x is None else x + by)
        return X
    if hasattr(X, "columns"):
        return X.with_columns(X[:, at] + added if x is None else X[:, at] * 1.0 + by)
    if issparse(X):
        rows = np.arange(X.shape[0])
        at_all = np.full(len(rows), by), (rows, np.full(len(rows), at))
        return csr_array(X) + csr_array(at_all, shape=X.shape)
    if x is None:
        X = np.array(X)
        X[:, at] = plus(X[:, at], added)
        return X
    X = np.array(X, dtype=np.result_type(X.dtype, np.float32))
    X[:, at] += by
    return X


def plus(dates: Any, added: timedelta) -> Any:
    """Dates with a time added; gaps stay."""
    if dates.dtype.kind == "M":
        return dates + added
    later = [value if is_missing(value) else value + added for value in dates]
    return type(dates)(later, index=dates.index) if is_pandas(dates) else later


def exchanged(
    fitted: Fitted, j: int, name: str, values: np.ndarray
) -> Iterator[Change]:
    """With two values the second less the first, else each less the commonest."""
    X, frequency = fitted.table, fitted.frequency
    weights: dict[Any, float] = {}
    rows: dict[Any, int] = {}
    for i, value in enumerate(values.tolist()):
        key = None if is_missing(value) else value
        weights[key] = weights.get(key, 0.0) + frequency[i]
        rows.setdefault(key, i)
    order = sorted(weights, key=lambda key: (-weights[key], str(key)))[:MAX_LEVELS]
    known = [key for key in order if key is not None]
    x = numbers(values)
    if len(known) == 2 and (x is not None or len(weights) == 2):
        order = sorted(known, key=None if x is not None else str)
        if x is not None:
            frequency = frequency * ~np.isnan(x)
    at = np.array([position(X, j, name)])

    def all_at(key: Any) -> Matrix:
        """The features with one value in all rows."""
        like = take_rows(X, np.full(len(values), rows[key]))
        return fitted.features(with_columns_of(X, like, at))

    low, shares = all_at(order[0]), frequency / frequency.sum()
    for key in order[1:]:
        words = f"{name}: {as_text(key)} - {as_text(order[0])}"
        yield Change(words, np.nan, low, all_at(key), shares)


def effect(fitted: Fitted, change: Change) -> tuple[np.ndarray, Vectors]:
    """The mean change of the probability of each class, and its derivative by theta.

    With two classes it is that of the second class alone, (1,).
    """
    network, likelihood = fitted.network, fitted.likelihood
    n_classes = network.n_outputs
    mean = np.zeros(n_classes)
    gradient = np.zeros((n_classes, network.n_parameters))
    for X, sign in ((change.high, 1.0), (change.low, -1.0)):
        for rows in network.batches(X.shape[0]):
            p = likelihood.proba(network.logits(X[rows]))[:, -n_classes:]
            w = sign * change.shares[rows]
            mean += w @ p
            for k in range(n_classes):
                v = slopes_of_probability(p, k) * w[:, np.newaxis]
                gradient[k] += network.gradients(X[rows], v).total()
    return mean, Vectors(gradient, network.shapes)


def slopes_of_probability(p: np.ndarray, k: int) -> np.ndarray:
    """The derivative of the probability of a class by the logits, (n, m_L)."""
    if p.shape[1] == 1:
        return p * (1 - p)
    return p[:, [k]] * ((np.arange(p.shape[1]) == k) - p)
