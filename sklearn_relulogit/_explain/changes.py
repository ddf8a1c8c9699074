"""The nearest row that a model decides otherwise, by a mixed-integer programme.

The network is affine on a line piece of a column, in a category and for a set of active
hidden units. Whole numbers choose the piece, the category and the units. So the nearest
row solves a mixed-integer linear programme. HiGHS solves it to the end: no nearer row
exists, up to the margin of the decision.

A search in one column after the other finds a first row. Its distance bounds how far
any column may move, and so the input of each hidden unit. Units that cannot switch need
no variable.
"""

import time
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator

from .._checks import Interval, StrOptions, check_arguments
from .._optional import optional_import
from .frames import Table, as_one_or_more_rows, column, is_same, texts_apart
from .network import Network
from .programme import (
    Choice,
    Programme,
    Space,
    add_choices,
    add_hidden,
    input_bounds,
)

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any

# How far beyond the decision boundary the row must be, in nats; farther if the solver's
# tolerances undo the decision.
MARGINS = (1e-6, 1e-4, 1e-2)


@dataclass(frozen=True, eq=False)
class NearestChange:
    """The nearest row that a model decides otherwise.

    Attributes
    ----------
    row : table of shape (1, n_columns) or None
        The row, of the kind that was given; None if time ran out before one was found.

    distance : float
        Its distance, in spreads of the columns; infinite without a row.

    lower_bound : float
        No row with another decision is nearer than this.

    proven : bool
        Whether the row is known to be the nearest.

    columns, before, after : list
        The columns that change, and their values in the given row and the new one.
    """

    row: Table | None
    distance: float
    lower_bound: float
    proven: bool
    columns: list[str]
    before: list[Any]
    after: list[Any]

    @property
    def changes(self) -> DataFrame:
        """The columns that change, with their values "before" and "after".

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = optional_import("pandas", "pandas", "A table of changes")
        values = {"before": self.before, "after": self.after}
        return pd.DataFrame(values, index=pd.Index(self.columns, name="column"))

    def to_text(self) -> str:
        """The changes in a sentence."""
        if self.row is None:
            return f"No row found; none is nearer than {self.lower_bound:.3g}."
        pairs = zip(self.columns, self.before, self.after, strict=True)
        told = "; ".join(
            "{} {} instead of {}".format(name, *texts_apart(new, old))
            for name, old, new in pairs
        )
        how = "The smallest change that" if self.proven else "A change that"
        return f"{how} decides otherwise: {told}."

    def __repr__(self) -> str:
        return self.to_text()


def nearest_change(
    model: BaseEstimator,
    x: Table,
    *,
    proba: float = 0.5,
    fixed: Any = (),
    increase: Any = (),
    decrease: Any = (),
    bounds: dict[Any, tuple[float, float]] | None = None,
    integer: Any = (),
    metric: Literal["l1", "max"] = "l1",
    time_limit: float = 10.0,
) -> NearestChange | None:
    """The nearest row that a model decides otherwise.

    Parameters
    ----------
    model : fitted estimator
        As for :func:`local_linear`, but without calibration or threshold, since these
        decide differently from the network; see `proba`.

    x : table of shape (1, n_columns) or (n_columns,)
        The row.

    proba : float, default=0.5
        The class ``classes_[1]`` is decided if its probability is at least this. With
        more than two classes the most probable class is decided, and `proba` must be
        0.5.

    fixed : sequence of str or int, default=()
        Columns that stay as they are, by name or index.

    increase, decrease : sequence of str or int, default=()
        Columns of numbers that may only become larger, or only smaller.

    bounds : dict of (float, float), default=None
        The smallest and largest number of some columns, by name or index. The default
        is the range of the training data if a step knows it, as
        :class:`PiecewiseLinearEncoder` and
        :class:`~sklearn.preprocessing.MinMaxScaler` do, else five spreads around the
        mean. Columns that reach the network unchanged must be in `bounds`.

    integer : sequence of str or int, default=()
        Columns of whole numbers. Columns of boolean and integer types always are. So
        are columns in which :class:`PiecewiseLinearEncoder` saw only whole numbers.

    metric : {"l1", "max"}, default="l1"
        What is minimised: the sum of the changes, or the largest one. A change of a
        number counts in spreads of its column, the unit that its scaler or encoder
        gives it. Behind :class:`PiecewiseLinearEncoder` and
        :class:`~sklearn.preprocessing.StandardScaler` this is a standard deviation.
        Another category counts as 1. With "max" and only numbers, the decision stays in
        a box of radius `lower_bound`.

    time_limit : float, default=10.0
        Seconds after which the nearest row so far is returned.

    Returns
    -------
    change : NearestChange or None
        The row with its changes, its distance, and a proven lower bound of the
        distance. None if it is proven that no row within the bounds is decided
        otherwise.

    Raises
    ------
    TypeError
        If the model is not of the kinds that :func:`local_linear` takes.

    ValueError
        If x is not one row or a parameter is not allowed. Also if the steps do not know
        the range of a column or where it jumps.

    NotFittedError
        Before `fit`.

    Notes
    -----
    HiGHS solves a mixed-integer programme (:func:`scipy.optimize.milp`). One hidden
    layer of 100 units and tens of columns take about a second. Two such layers often
    run into the time limit, and `proven` is False. Columns of dates, of texts, and of
    more categories than get indicators stay as they are, and so do missing numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, nearest_change
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), clf).fit(X, y)
    >>> found = nearest_change(model, X.iloc[[0]])
    >>> bool(model.predict(found.row)[0] != model.predict(X.iloc[[0]])[0])
    True
    >>> found.proven
    True
    """
    check_arguments(
        "nearest_change",
        {
            "proba": [Interval(Real, 0, 1, closed="neither")],
            "metric": [StrOptions({"l1", "max"})],
            "time_limit": [Interval(Real, 0, None, closed="left")],
        },
        proba=proba,
        metric=metric,
        time_limit=time_limit,
    )
    end = time.monotonic() + time_limit
    network = Network.of(model, same_predictions=True)
    if proba != 0.5 and network.classifier.n_outputs_ > 1:
        raise ValueError(f"proba must be 0.5 for more than two classes. Got {proba}.")
    x = as_one_or_more_rows(x, "x")
    if x.shape[0] != 1:
        raise ValueError(f"Pass one row, such as X.iloc[[0]]. x has {x.shape[0]}.")
    space = Space.of(
        network,
        x,
        fixed,
        increase,
        decrease,
        bounds,
        integer,
    )
    best, lower = None, np.inf
    if not space.choices:
        return None
    for wanted, least in _decisions(space, proba):
        found, bound = _nearest(space, wanted, least, metric, best, end)
        best, lower = found or best, min(lower, bound)
    if best is None and np.isinf(lower):
        return None
    if best is None:
        return NearestChange(None, np.inf, lower, False, [], [], [])
    distance, values = best
    names, before = space.names, space.values
    # To the precision of the solver.
    proven = lower >= distance * (1 - 1e-4) - 1e-6
    row = space.rows([values])
    after = {c.column: column(row, c.column, names[c.column])[0] for c in space.choices}
    changed = [j for j, value in after.items() if not is_same(value, before[j])]
    return NearestChange(
        row,
        distance,
        min(lower, distance),
        bool(proven),
        [names[j] for j in changed],
        [before[j] for j in changed],
        [after[j] for j in changed],
    )


def _decisions(space: Space, proba: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each other decision, sums of logits, (n, m_L), and what they must exceed."""
    logits = space.network.classifier.decision_function(
        space.network.transform(space.x)
    ).ravel()
    if len(logits) == 1:
        sign = -1.0 if logits[0] > logit(proba) else 1.0
        return [(np.array([[sign]]), np.array([sign * logit(proba)]))]
    one = np.eye(len(logits))
    now = int(np.argmax(logits))
    # The nearest in the logits first, since its distance bounds the other searches.
    targets = [k for k in np.argsort(-logits) if k != now]
    return [
        (np.delete(one[k] - one, k, axis=0), np.zeros(len(logits) - 1)) for k in targets
    ]


def _total(distances: Any, metric: str) -> float:
    return float(np.sum(distances) if metric == "l1" else np.max(distances, initial=0))


def _nearest(
    space: Space,
    wanted: np.ndarray,
    least: np.ndarray,
    metric: str,
    best: tuple[float, list[Any]] | None,
    end: float,
) -> tuple[tuple[float, list[Any]] | None, float]:
    """The nearest row of a decision, if nearer than the best so far; a lower bound."""
    found = best
    tried = _search(space, wanted, least + MARGINS[0], metric)
    if tried and (best is None or tried[0] < best[0]):
        found = tried if space.decides(tried[1], wanted, least) else best
    bound = 0.0
    for margin in MARGINS:
        radius = np.inf if found is None else found[0] * (1 + 1e-9) + 1e-9
        result, solution = _solve(
            space, wanted, least + margin, metric, radius, end - time.monotonic()
        )
        if margin == MARGINS[0]:
            bound = _lower_bound(result, np.inf if found is None else found[0])
        if solution is None:
            break
        if space.decides(solution[1], wanted, least):
            if found is None or solution[0] <= found[0]:
                found = solution
            break
    return (None if found is best else found), max(bound, 0.0)


def _lower_bound(result: Any, best: float) -> float:
    """A lower bound of all solutions; the best known one is an upper bound."""
    match result.status:
        case 0:
            return float(min(result.fun, best))
        case 2:
            return best
    return float(result.mip_dual_bound or 0.0)


def _search(
    space: Space, wanted: np.ndarray, least: np.ndarray, metric: str
) -> tuple[float, list[Any]] | None:
    """A row of a decision, found column by column; None if there is none."""
    choices = space.choices
    if not choices:
        return None
    owner = np.repeat(np.arange(len(choices)), [len(c.points) for c in choices])
    inputs = np.concatenate([c.inputs for c in choices])
    distance = np.concatenate([c.distance for c in choices])
    allowed = np.concatenate([_is_allowed(c) for c in choices])
    chosen = np.zeros((len(choices), inputs.shape[1]))
    at, spent = [c.current for c in choices], np.zeros(len(choices))
    first = np.cumsum([0, *(len(c.points) for c in choices)])
    for _ in range(4 * len(choices)):
        now = space.start + chosen.sum(axis=0)
        beyond = space.margin(now, wanted, least)
        if beyond >= 0:
            break
        moved = space.margin(now - chosen[owner] + inputs, wanted, least)
        more = distance - spent[owner]
        gain = np.where(allowed, moved - beyond, 0)
        rate = gain / np.maximum(more, 1e-9)
        enough = allowed & (moved >= 0)
        best = np.where(enough, more, np.inf).argmin()
        pick = best if enough.any() else rate.argmax()
        if gain[pick] <= 1e-12:
            return None
        c = owner[pick]
        chosen[c], spent[c], at[c] = inputs[pick], distance[pick], pick - first[c]
    else:
        return None
    return _drawn_back(space, at, wanted, least, metric)


def _is_allowed(choice: Choice) -> np.ndarray:
    if not choice.whole:
        return np.ones(len(choice.points), dtype=bool)
    return np.asarray(choice.points == np.round(choice.points), dtype=bool)


def _drawn_back(
    space: Space, at: list[int], wanted: np.ndarray, least: np.ndarray, metric: str
) -> tuple[float, list[Any]]:
    """A row of a decision with each change as small as the others allow."""
    choices = space.choices
    inputs = np.stack([c.inputs[i] for c, i in zip(choices, at, strict=True)])
    values = [c.points[i] for c, i in zip(choices, at, strict=True)]
    spent = np.array([c.distance[i] for c, i in zip(choices, at, strict=True)])
    for k in np.argsort(-spent):
        choice, x = choices[k], choices[k].points[choices[k].current]
        if spent[k] == 0:
            continue
        others = space.start + inputs.sum(axis=0) - inputs[k]
        if choice.is_bend is None:
            if space.margin(others, wanted, least) >= 0:
                inputs[k], values[k], spent[k] = 0, x, 0
            continue
        near, far = 0.0, 1.0
        for _ in range(40):
            share = (near + far) / 2
            value = x + share * (values[k] - x)
            u = choice.inputs_at(np.array([value]))[0]
            beyond = space.margin(others + u, wanted, least) >= 0
            near, far = (near, share) if beyond else (share, far)
        value = x + far * (values[k] - x)
        if choice.whole:
            value = x + np.sign(value - x) * np.ceil(np.abs(value - x) - 1e-9)
        inputs[k] = choice.inputs_at(np.array([value]))[0]
        values[k], spent[k] = value, abs(value - x) / choice.spread
    return _as_row(space, values, spent, metric)


def _as_row(
    space: Space, values: list[Any], distances: Any, metric: str
) -> tuple[float, list[Any]]:
    row = list(space.values)
    for choice, value in zip(space.choices, values, strict=True):
        if is_same(value, choice.points[choice.current]):
            continue
        given = space.values[choice.column]
        kind = np.asarray(given).dtype.kind
        if choice.is_bend is not None:
            value = round(value) if kind in "iu" else float(value)
            value = bool(value) if kind == "b" else value
        row[choice.column] = value
    return _total(distances, metric), row


def _solve(
    space: Space,
    wanted: np.ndarray,
    least: np.ndarray,
    metric: str,
    radius: float,
    time_limit: float,
) -> tuple[Any, tuple[float, list[Any]] | None]:
    """The nearest row within a radius, by HiGHS: its result, and the row if any."""
    choices = [choice.within(radius) for choice in space.choices]
    programme = Programme()
    indices, weights, constant, read = add_choices(programme, choices)
    largest = programme.add(1, 0, np.inf, metric == "max")
    spent: list[tuple[Any, Any]] = []
    for choice, (variables, lengths) in zip(choices, read, strict=True):
        if lengths is None:
            spent.append((variables, choice.distance))
        else:
            (t,) = programme.add(1, 0, np.inf)
            x = choice.points[choice.current]
            unit = lengths / choice.spread
            moved = (x - choice.points[0]) / choice.spread
            programme.require([*variables, t], [*-unit, 1], low=-moved)
            programme.require([*variables, t], [*unit, 1], low=moved)
            spent.append(([t], [1.0]))
    if metric == "max":
        for variables, unit in spent:
            programme.require([*variables, *largest], [*-np.asarray(unit), 1], low=0)
        if np.isfinite(radius):
            programme.require(largest, [1.0], high=radius)
    else:
        variables = [int(i) for of_one, _ in spent for i in of_one]
        units = [-float(unit) for _, of_one in spent for unit in of_one]
        programme.require([*variables, *largest], [*units, 1], low=0)
        programme.variables[largest[0]] = (0.0, radius, 1.0, False)
    bounds = input_bounds(space.start, choices, radius, metric)
    expression = (indices, weights, space.start + constant)
    (indices, weights, constant), _ = add_hidden(
        programme, space.layers[1:], expression, bounds, wanted
    )
    for row, low in zip(wanted, least, strict=True):
        programme.require(indices, row @ weights, low=low - row @ constant)
    result = programme.solve(time_limit)
    if result.x is None:
        return result, None
    values, distances = [], []
    for choice, (variables, lengths) in zip(choices, read, strict=True):
        shares = result.x[variables]
        if lengths is None:
            i = int(np.argmax(shares))
            values.append(choice.points[i])
            distances.append(choice.distance[i])
            continue
        x = choice.points[choice.current]
        value = choice.points[0] + shares @ lengths
        if choice.whole:
            value = np.round(value)
        value = x if abs(value - x) <= 1e-9 * choice.spread else value
        values.append(value)
        distances.append(abs(value - x) / choice.spread)
    return result, _as_row(space, values, distances, metric)
