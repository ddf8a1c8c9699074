"""Average effects: how the probability changes when one column of all rows does.

In the table of the user a number is moved by half a step up and down, and categories
and columns of two values go from one value to another. The rows then go through all
steps again, so that any pipeline will do. Slopes would not: the slope of a region of a
network is far less certain than a difference over a deviation of the column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from .._explain.frames import (
    Table,
    as_text,
    column,
    column_index,
    is_missing,
    is_pandas,
    numbers,
    position,
    take_rows,
    with_columns_of,
)
from .fitted import Fitted
from .linear import Vectors

# The most frequent values of a category that are compared.
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
    low, high : table
        All rows with the one and with the other.
    weight : float
        The sum of the weights of the rows that it is a change of.
    """

    name: str
    step: float
    low: Table
    high: Table
    weight: float


def changes(
    fitted: Fitted, columns: list[Any] | None, categorical: list[Any], step: float
) -> Iterator[Change]:
    """The changes of the columns of the rows."""
    X, weight = fitted.table, fitted.frequency
    names = fitted.model.columns(X)
    wanted = names if columns is None else columns
    as_levels = [column_index(name, names) for name in categorical]
    for j in (column_index(name, names) for name in wanted):
        values = column(X, j, names[j])
        of_column = numbers(values)
        at = position(X, j, names[j])
        if of_column is not None and j not in as_levels:
            known = ~np.isnan(of_column)
            if len(np.unique(of_column[known])) != 2:
                yield moved(X, at, names[j], of_column, weight * known, step)
                continue
        yield from exchanged(X, at, names[j], values, weight)


def moved(
    X: Table, at: int, name: str, values: np.ndarray, weight: np.ndarray, step: float
) -> Change:
    """A number half a step down and up, with the step in deviations of the column."""
    known = weight > 0
    total = weight[known].sum() or 1.0
    mean = weight[known] @ values[known] / total
    deviation = np.sqrt(weight[known] @ (values[known] - mean) ** 2 / total)
    size = float(step * deviation)
    low, high = (shifted(X, at, values, sign * size / 2) for sign in (-1, 1))
    return Change(f"{name} + {size:.4g}", size, low, high, float(total))


def shifted(X: Table, at: int, values: np.ndarray, by: float) -> Table:
    """The table with a number added to a column."""
    if is_pandas(X):
        X = X.copy()
        X.isetitem(at, values + by)
        return X
    if hasattr(X, "columns"):
        return X.with_columns(X[:, at] * 1.0 + by)
    if issparse(X):
        rows = np.arange(X.shape[0])
        at_all = np.full(len(rows), by), (rows, np.full(len(rows), at))
        return csr_array(X) + csr_array(at_all, shape=X.shape)
    X = np.array(X, dtype=np.result_type(X.dtype, np.float32))
    X[:, at] += by
    return X


def exchanged(
    X: Table, at: int, name: str, values: np.ndarray, weight: np.ndarray
) -> Iterator[Change]:
    """Of two values the second less the first, of more each less the commonest."""
    weights: dict[Any, float] = {}
    rows: dict[Any, int] = {}
    for i, value in enumerate(values.tolist()):
        key = None if is_missing(value) else value
        weights[key] = weights.get(key, 0.0) + weight[i]
        rows.setdefault(key, i)
    order = sorted(weights, key=lambda key: (-weights[key], str(key)))[:MAX_LEVELS]
    known = [key for key in order if key is not None]
    is_number = numbers(values) is not None
    if len(known) == 2 and (is_number or len(weights) == 2):
        order = sorted(known, key=None if is_number else str)

    def all_at(key: Any) -> Table:
        """The table with one value in all rows."""
        like = take_rows(X, np.full(len(values), rows[key]))
        return with_columns_of(X, like, np.array([at]))

    low, total = all_at(order[0]), float(weight.sum())
    for key in order[1:]:
        words = f"{name}: {as_text(key)} - {as_text(order[0])}"
        yield Change(words, np.nan, low, all_at(key), total)


def effect(fitted: Fitted, change: Change) -> tuple[np.ndarray, Vectors]:
    """The mean change of the probability of each class, and its derivative by theta.

    Of two classes that of the second alone, (1,).
    """
    network, likelihood = fitted.network, fitted.likelihood
    n_classes = network.n_outputs
    mean = np.zeros(n_classes)
    gradient = np.zeros((n_classes, network.n_parameters))
    for table, sign in ((change.high, 1.0), (change.low, -1.0)):
        X = fitted.features(table)
        for rows in network.batches(X.shape[0]):
            p = likelihood.proba(network.logits(X[rows]))[:, -n_classes:]
            w = sign * fitted.frequency[rows] / change.weight
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
