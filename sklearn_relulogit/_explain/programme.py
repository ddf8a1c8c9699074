"""A model within bounds of its columns, as a mixed-integer linear programme for HiGHS.

The network is affine on a piece of a column between two knots, in a category, and for a
set of active hidden units. Whole numbers choose the piece, the category and the units.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, issparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Binarizer, FunctionTransformer, KBinsDiscretizer

from .._model.parameters import Layers
from .._optional import optional_import
from .._rows.input import check_data
from .._tables.outputs import (
    CONSTANT,
    ColumnsMixed,
    column_of_output,
    compose,
    is_left_out,
    parts_of,
)
from .._tables.reader import TableReader
from .._tables.readings import GAP, RARE
from .frames import (
    Table,
    as_text,
    column,
    column_index,
    column_indices,
    is_missing,
    is_same,
    numbers,
    take_rows,
    with_types_of,
)
from .network import Network, dense
from .piecewise import Piecewise

# Spreads from its centre that a column of which no range is known may be.
RANGE = 5.0

# To the solver, wider columns of whole numbers are no integers: its absolute tolerances
# could not tell these apart. Its solution is rounded instead.
WIDEST_INTEGER = 1e5

# Values of a column of numbers that are points, besides its knots.
TRIED = 9


class Choice(NamedTuple):
    """What a column may be, and what that does to the network.

    Attributes
    ----------
    column : int
    points : ndarray of shape (n_points,)
        Values: numbers in order, or categories.
    inputs : ndarray of shape (n_points, m_1)
        What each point adds to the inputs of the first layer, less what the current one
        adds. It is linear between numbers.
    distance : ndarray of shape (n_points,)
    is_bend : ndarray of bool, of shape (n_points,), or None for categories
        Whether a point is a knot.
    current : int
        The position of the current value in the points.
    whole : bool
        Whether only whole numbers are allowed.
    spread : float
        The unit of the distance of numbers.
    """

    column: int
    points: np.ndarray
    inputs: np.ndarray
    distance: np.ndarray
    is_bend: np.ndarray | None
    current: int
    whole: bool = False
    spread: float = 1.0

    def within(self, radius: float) -> "Choice":
        """The same within a distance of the current value."""
        if self.is_bend is None:
            near = self.distance <= radius
            current = int(near[: self.current].sum())
            return self._replace(
                points=self.points[near],
                inputs=self.inputs[near],
                distance=self.distance[near],
                current=current,
            )
        x = self.points[self.current]
        ends = np.clip(
            self.points[[0, -1]], x - radius * self.spread, x + radius * self.spread
        )
        inner = self.points[(self.points > ends[0]) & (self.points < ends[1])]
        points = np.unique([*ends, *inner, x])
        known = dict(zip(self.points.tolist(), self.is_bend.tolist(), strict=True))
        return self._replace(
            points=points,
            inputs=self.inputs_at(points),
            distance=np.abs(points - x) / self.spread,
            is_bend=np.array([known.get(q, False) for q in points.tolist()]),
            current=int(np.searchsorted(points, x)),
        )

    def inputs_at(self, values: np.ndarray) -> np.ndarray:
        """The inputs at some numbers between the points."""
        return np.stack(
            [np.interp(values, self.points, u) for u in self.inputs.T], axis=-1
        )


class Programme:
    """A mixed-integer linear programme that grows, for HiGHS."""

    def __init__(self) -> None:
        self.variables: list[tuple[float, float, float, bool]] = []
        self.rows: list[tuple[np.ndarray, np.ndarray, float, float]] = []

    def add(
        self,
        n: int,
        low: Any = 0.0,
        high: Any = 1.0,
        cost: Any = 0.0,
        whole: bool = False,
    ) -> np.ndarray:
        """Add variables within bounds, and return their indices."""
        start = len(self.variables)
        parts = (np.broadcast_to(part, n).tolist() for part in (low, high, cost))
        self.variables += [(*of_one, whole) for of_one in zip(*parts, strict=True)]
        return np.arange(start, start + n)

    def minimise(self, indices: np.ndarray, weights: np.ndarray) -> None:
        """Add some variables to the cost."""
        for i, weight in zip(indices, weights, strict=True):
            low, high, cost, whole = self.variables[i]
            self.variables[i] = low, high, cost + float(weight), whole

    def require(
        self, indices: Any, weights: Any, low: float = -np.inf, high: float = np.inf
    ) -> None:
        """Require ``low <= weights . variables <= high``."""
        self.rows.append((np.asarray(indices), np.asarray(weights, float), low, high))

    def solve(self, time_limit: float, gap: float = 1e-4) -> Any:
        """Minimise the cost to a relative gap, by `scipy.optimize.milp`."""
        low, high, cost, whole = map(np.array, zip(*self.variables, strict=True))
        constraints = []
        if self.rows:
            indices, weights, at_least, at_most = zip(*self.rows, strict=True)
            ends = np.cumsum([0, *map(len, indices)])
            matrix = csr_array(
                (np.concatenate(weights), np.concatenate(indices), ends),
                shape=(len(indices), len(cost)),
            )
            constraints = [LinearConstraint(matrix, at_least, at_most)]
        with silent_output():
            return milp(
                cost,
                integrality=whole.astype(int),
                bounds=Bounds(low, high),
                constraints=constraints,
                options={
                    "time_limit": max(time_limit, 1e-3),
                    "mip_rel_gap": gap,
                    "disp": False,
                },
            )


class _Output:
    """The standard output of the process, which several threads may silence."""

    lock, users, kept = threading.Lock(), 0, -1


@contextmanager
def silent_output() -> Iterator[None]:
    """Silence the standard output of the process.

    HiGHS prints some lines from C in spite of its options. The first thread to enter
    redirects the output, and the last to leave restores it.
    """
    with _Output.lock:
        if not _Output.users:
            with suppress(OSError, AttributeError):  # Some processes have none.
                sys.stdout.flush()
                _Output.kept = os.dup(1)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.close(nowhere)
        _Output.users += 1
    try:
        yield
    finally:
        with _Output.lock:
            _Output.users -= 1
            if not _Output.users and _Output.kept >= 0:
                # C keeps lines back; there is no such library on some systems.
                with suppress(OSError, TypeError, AttributeError):
                    ctypes.CDLL(None).fflush(None)
                os.dup2(_Output.kept, 1)
                os.close(_Output.kept)
                _Output.kept = -1


def add_choices(
    programme: Programme, choices: list[Choice]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Any]]:
    """Add the columns.

    Returns the indices of the variables, (n,), what each adds to the inputs of the
    first layer, (m_1, n), and the inputs where all are zero, (m_1,). The last part
    holds the variables of each column, for numbers with the lengths of its pieces.
    """
    indices, weights, read = [], [], []
    constant = np.zeros(choices[0].inputs.shape[1]) if choices else np.zeros(0)
    for choice in choices:
        if choice.is_bend is None:
            chosen = programme.add(len(choice.points), whole=True)
            programme.require(chosen, np.ones(len(chosen)), 1, 1)
            indices.append(chosen)
            weights.append(choice.inputs)
            read.append((chosen, None))
            continue
        ends = np.asarray(choice.is_bend).copy()
        ends[[0, -1]] = True
        points, inputs = choice.points[ends], choice.inputs[ends]
        lengths, n = np.diff(points), len(points) - 1
        # Each piece is full before the next one begins.
        share = programme.add(n)
        full = programme.add(n - 1, whole=True)
        for i in range(n - 1):
            programme.require([share[i], full[i]], [1, -1], low=0)
            programme.require([full[i], share[i + 1]], [1, -1], low=0)
        if choice.whole and points[-1] - points[0] <= WIDEST_INTEGER:
            number = programme.add(1, np.ceil(points[0]), np.floor(points[-1]), 0, True)
            programme.require([*share, *number], [*lengths, -1], -points[0], -points[0])
        indices.append(share)
        weights.append(np.diff(inputs, axis=0))
        constant += inputs[0]
        read.append((share, lengths))
    if not choices:
        return np.arange(0), np.zeros((0, 0)), constant, read
    return np.concatenate(indices), np.concatenate(weights).T, constant, read


def add_hidden(
    programme: Programme,
    layers: Layers,
    expression: tuple[np.ndarray, np.ndarray, np.ndarray],
    bounds: tuple[np.ndarray, np.ndarray],
    wanted: np.ndarray | None = None,
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], list[np.ndarray]]:
    """Add the hidden units; return the logits as an expression, and all switches.

    An expression is (indices, weights, constant) of some sums of variables. The inputs
    of the first layer are given as one, with their bounds. ``wanted``, (n, m_L), holds
    sums of the logits that must be large: units that lower all of them need no whole
    number. It is None if only the switches are needed. The switch of a unit that cannot
    switch is -1 if it is off and -2 if it is on.
    """
    indices, weights, constant = expression
    low, high = bounds
    switches = []
    for l, (W_T, b) in enumerate(layers):  # noqa: E741, the l of the formulas
        last = l == len(layers) - 1
        switch = np.where(high <= 0, -1, -2)
        may_switch = (low < 0) & (high > 0)
        if last and wanted is not None:
            may_switch &= (W_T @ wanted.T > 0).any(axis=1)
        on = programme.add(int(may_switch.sum()), whole=True)
        switch[may_switch] = on
        switches.append(switch)
        if last and wanted is None:
            for i in np.flatnonzero(may_switch):
                both, row = np.append(indices, switch[i]), weights[i]
                shift, least = constant[i], low[i]
                programme.require(both, np.append(row, least), low=least - shift)
                programme.require(both, np.append(row, -high[i]), high=-shift)
            break
        z = programme.add(len(low), np.maximum(low, 0), np.maximum(high, 0))
        for i in np.flatnonzero(high > 0):
            both, row = np.append(indices, z[i]), np.append(-weights[i], 1.0)
            is_input = constant[i] if low[i] >= 0 else np.inf
            programme.require(both, row, constant[i], is_input)
            if may_switch[i]:
                of_all, least = np.append(both, switch[i]), np.append(row, -low[i])
                programme.require(of_all, least, high=constant[i] - low[i])
                programme.require([z[i], switch[i]], [1, -high[i]], high=0)
        indices, weights, constant = z, W_T.T, b
        low, high = interval(W_T, np.maximum(low, 0), np.maximum(high, 0), b)
    return (indices, weights, constant), switches


def interval(
    A: np.ndarray, low: np.ndarray, high: np.ndarray, b: Any = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest ``z @ A + b`` for z between low and high."""
    up, down = np.maximum(A, 0), np.minimum(A, 0)
    return low @ up + high @ down + b, high @ up + low @ down + b


def add_slopes(
    programme: Programme, layers: Layers, switches: list[np.ndarray], output: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slopes of a sum of the logits by the inputs of the first layer, (m_1,).

    This is the backward pass, with the switches of `add_hidden` for active units.
    """
    slope = layers[-1][0] @ output
    expression = np.arange(0), np.zeros((len(slope), 0)), slope
    low = high = slope
    for l in range(len(switches) - 1, -1, -1):  # noqa: E741, the l of the formulas
        switch = switches[l]
        free, on = np.flatnonzero(switch >= 0), switch == -2
        if not len(expression[0]):
            weights = np.zeros((len(switch), len(free)))
            weights[free, np.arange(len(free))] = slope[free]
            passed = switch[free], weights, np.where(on, slope, 0.0)
        else:
            passed = _add_passed(programme, expression, switch, low, high)
        low, high = np.minimum(low, on * low), np.maximum(high, on * high)
        low[switch == -1], high[switch == -1] = 0, 0
        low[free], high[free] = np.minimum(low[free], 0), np.maximum(high[free], 0)
        if l == 0:
            return passed
        W_T = layers[l - 1][0]
        indices, weights, constant = passed
        expression = indices, W_T @ weights, W_T @ constant
        slope = expression[2]
        low, high = interval(W_T.T, low, high)
    raise AssertionError("There is a hidden layer.")


def _add_passed(
    programme: Programme,
    expression: tuple[np.ndarray, np.ndarray, np.ndarray],
    switch: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What units pass back of an expression: all if active, else 0."""
    indices, weights, constant = expression
    n = len(switch)
    p = programme.add(n, np.minimum(low, 0), np.maximum(high, 0))
    for i in range(n):
        both, row = np.append(indices, p[i]), np.append(-weights[i], 1.0)
        if switch[i] == -1:
            programme.require([p[i]], [1.0], 0, 0)
        elif switch[i] == -2:
            programme.require(both, row, constant[i], constant[i])
        else:
            of_switch = np.append(both, switch[i])
            programme.require([p[i], switch[i]], [1, -high[i]], high=0)
            programme.require([p[i], switch[i]], [1, -low[i]], low=0)
            programme.require(
                of_switch, np.append(row, -low[i]), high=constant[i] - low[i]
            )
            programme.require(
                of_switch, np.append(row, -high[i]), low=constant[i] - high[i]
            )
    return p, np.eye(n), np.zeros(n)


def input_bounds(
    start: np.ndarray, choices: list[Choice], radius: float, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the inputs of the first layer, within a distance of the current row."""
    ends = []
    for sign in (-1, 1):
        most = [(sign * c.inputs).max(axis=0) for c in choices]
        total = np.sum(most, axis=0)
        if metric == "l1" and np.isfinite(radius) and choices:
            # The columns that move an input most for their distance go first.
            rates = np.stack([_rates(sign * c.inputs, c.distance) for c in choices])
            farthest = np.array([c.distance.max() for c in choices])
            order = np.argsort(-rates, axis=0)
            far = farthest[order]
            before = np.cumsum(far, axis=0) - far
            used = np.clip(radius - before, 0, far)
            of_ball = (np.take_along_axis(rates, order, axis=0) * used).sum(axis=0)
            total = np.minimum(total, of_ball)
        ends.append(start + sign * total)
    return ends[0] - 1e-9, ends[1] + 1e-9


def _rates(inputs: np.ndarray, distance: np.ndarray) -> np.ndarray:
    moved = distance > 0
    rates = inputs[moved] / distance[moved, np.newaxis]
    return np.maximum(rates.max(axis=0, initial=0), 0)


class Space(NamedTuple):
    """The rows that a row may become, and the network of them."""

    network: Network
    x: Table
    names: list[str]
    values: list[Any]
    choices: list[Choice]
    start: np.ndarray
    layers: Layers

    @classmethod
    def of(
        cls,
        network: Network,
        x: Table,
        fixed: Any,
        increase: Any,
        decrease: Any,
        bounds: dict[Any, tuple[float, float]] | None,
        integer: Any,
    ) -> "Space":
        """The space of a row."""
        names = network.columns(x)
        encoded = network.encode(x)
        values = [column(x, j, name)[0] for j, name in enumerate(names)]
        found = [numbers(column(x, j, name)) for j, name in enumerate(names)]
        current = np.array([np.nan if v is None else v[0] for v in found])
        f = network.functions(current[np.newaxis])
        clf = network.classifier
        layers = [
            (W_T.astype(float), b.astype(float))
            for W_T, b in zip(clf.coefs_, clf.intercepts_, strict=True)
        ]
        Z = check_data(clf, encoded.features, dtype=np.float64, reset=False)
        z = dense(Z)[0]
        given = {
            "fixed": fixed,
            "increase": increase,
            "decrease": decrease,
            "integer": integer,
        }
        sets = [set(column_indices(of, names, name)) for name, of in given.items()]
        limits = finite_limits(bounds, names, "bounds")
        start = z @ layers[0][0] + layers[0][1]
        space = cls(network, x, names, values, [], start, layers)
        steps = Pipeline(network.steps) if network.steps else None
        categories = known_categories(steps, len(names))
        seen = seen_numbers(steps, len(names))
        kept, untold = _keeps_values(steps, np.arange(len(names))), []
        choices: list[Choice | None] = []
        for j, name in enumerate(names):
            features = np.flatnonzero(f.column == j)
            if j in sets[0] or len(features) == 0:
                continue
            if f.jumps[features].any():
                known = categories.get(j)
                if known is None and (j in categories or not np.isnan(current[j])):
                    raise ValueError(
                        f"Pass {name!r} in fixed, or encode it otherwise: where its "
                        "steps jump is not known, and so not what "
                        f"{as_text(values[j])} could become."
                    )
                # A number that is missing stays so.
                if known is not None:
                    if j in sets[1] | sets[2] | sets[3] | set(limits):
                        raise ValueError(
                            f"Leave {name!r} out of increase, decrease, integer, "
                            "bounds and box, which are for numbers: it holds "
                            "categories."
                        )
                    choices.append(space._category(j, known, z))
            elif not np.isnan(current[j]):
                if j in sets[3] and current[j] != np.round(current[j]):
                    raise ValueError(
                        f"Leave {name!r} out of integer: its value {current[j]:g} is "
                        "not whole."
                    )
                kind = np.asarray(values[j]).dtype.kind
                if kept[features].all() and j not in limits and kind != "b":
                    untold.append(name)
                *ends, was_whole = seen.get(j, (False,))
                was_whole &= current[j] == np.round(current[j])
                choice = space._number(
                    f.take(features), j, current[j], z[features], features, ends,
                    (j in sets[1], j in sets[2]), limits.get(j),
                    whole=j in sets[3] or kind in "biu" or was_whole,
                )  # fmt: skip
                choices.append(choice)
        if untold:
            raise ValueError(
                f"Pass a low and a high of the columns {untold} in bounds, or in box: "
                "no scaler or encoder in front of the network tells their range."
            )
        movable = [c for c in choices if c is not None and len(c.points) > 1]
        return space._replace(choices=movable)

    def _number(
        self,
        f: Piecewise,
        j: int,
        x: float,
        z: np.ndarray,
        features: np.ndarray,
        ends: list[float],
        one_way: tuple[bool, bool],
        limits: tuple[float, float] | None,
        whole: bool,
    ) -> Choice | None:
        known = known_range(f, self.network.classifier.feature_mean_[features])
        if known is None:
            return None
        low, high, spread = known
        low, high = ends or (low, high)
        knots = np.unique(f.knots[np.isfinite(f.knots)])
        if limits is not None:
            low, high = map(float, limits)
        elif np.asarray(self.values[j]).dtype.kind == "b":
            low, high = 0.0, 1.0
        else:
            low, high = min(low, x), max(high, x)
        if not low <= x <= high:
            raise ValueError(
                f"The bounds of {self.names[j]!r} must hold its value {x:g}. Got "
                f"{limits}."
            )
        dtype = np.asarray(self.values[j]).dtype
        if dtype.kind in "iu":  # No larger than the type of the column can hold.
            low, high = max(low, np.iinfo(dtype).min), min(high, np.iinfo(dtype).max)
        low, high = (x if one_way[0] else low), (x if one_way[1] else high)
        inner = knots[(knots > low) & (knots < high)]
        points = np.unique([*inner, x, *np.linspace(low, high, TRIED)])
        rise = f.on_line(points[:, np.newaxis]) - z
        inputs = rise @ self.layers[0][0][features]
        is_bend = np.isin(points, inner)
        current = int(np.searchsorted(points, x))
        distance = np.abs(points - x) / spread
        return Choice(j, points, inputs, distance, is_bend, current, whole, spread)

    def _category(self, j: int, categories: np.ndarray, z: np.ndarray) -> Choice:
        now = self.values[j]
        others = [c for c in categories if not is_missing(c) and not is_same(c, now)]
        points = np.empty(1 + len(others), dtype=object)
        points[:] = [now, *others]
        rows = [[*self.values[:j], point, *self.values[j + 1 :]] for point in points]
        Z = dense(self.network.transform(self.rows(rows))).astype(float)
        distance = np.append(0.0, np.ones(len(others)))
        return Choice(j, points, (Z - z) @ self.layers[0][0], distance, None, 0)

    def rows(self, rows: list[list[Any]]) -> Table:
        """Rows of values, of the kind of x, with the types of its columns."""
        if not hasattr(self.x, "columns"):
            table = np.array(rows, dtype=self.x.dtype)
            return type(self.x)(table) if issparse(self.x) else table
        made = take_rows(self.x, np.zeros(len(rows), dtype=int))
        changed = {
            name: list(values)
            for name, old, values in zip(
                self.names, self.values, zip(*rows, strict=True), strict=True
            )
            if any(value is not old for value in values)
        }
        return with_types_of(made, changed)

    def margin(
        self, U: np.ndarray, wanted: np.ndarray, least: np.ndarray
    ) -> np.ndarray:
        """How far rows are beyond the decision, by the inputs U of the first layer."""
        for W_T, b in self.layers[1:]:
            U = np.maximum(U, 0) @ W_T + b
        return np.asarray((U @ wanted.T - least).min(axis=-1))

    def decides(self, values: list[Any], wanted: np.ndarray, least: np.ndarray) -> bool:
        """Whether the model itself makes this decision for a row."""
        logits = self.network.classifier.decision_function(
            self.network.transform(self.rows([values]))
        )
        return bool((wanted @ logits.ravel() - least > 0).all())


def finite_limits(
    given: dict[Any, Any] | None, names: list[str], parameter: str
) -> dict[int, tuple[float, float]]:
    """Bounds of columns by their indices; a ValueError where they are not finite."""
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(
            f"Pass {parameter} as a dict by columns, such as {{{names[0]!r}: (0, 1)}}. "
            f"Got {given!r}."
        )
    limits = {column_index(key, names): pair for key, pair in (given or {}).items()}
    for j, pair in limits.items():
        are_two = np.shape(pair) == (2,) and all(isinstance(q, Real) for q in pair)
        if not are_two or not -np.inf < pair[0] <= pair[1] < np.inf:
            raise ValueError(
                f"Pass finite bounds: {parameter} must hold a low and a high of "
                f"{names[j]!r}. Got {pair!r}."
            )
    return {j: (float(low), float(high)) for j, (low, high) in limits.items()}


def held_columns(box: dict[int, tuple[float, float]]) -> list[int]:
    """The columns that a box holds at one value."""
    return [j for j, (low, high) in box.items() if low == high]


def known_range(f: Piecewise, mean: np.ndarray) -> tuple[float, float, float] | None:
    """The range and the spread of a column, as its features know them.

    The knots of ramps are quantiles of the training data. A scaler knows the spread,
    and the means of the features give the centre. None if the features are constant.
    """
    steep = np.abs(f.slopes).max(axis=1)
    if not steep.any():
        return None
    first = int(np.argmax(steep > 0))
    spread = float(1 / steep[first])
    knots = f.knots[np.isfinite(f.knots)]
    if len(knots):
        return float(knots.min()), float(knots.max()), spread
    centre = float(f.at[first] + (mean[first] - f.value[first]) / f.slopes[first, 0])
    return centre - RANGE * spread, centre + RANGE * spread, spread


def typical_row(network: Network, box: dict[int, tuple[float, float]]) -> Table:
    """Some row within a box, with the first category of encoded columns.

    Other columns without numbers are missing.
    """
    n_columns = network.n_features
    steps = Pipeline(network.steps) if network.steps else None
    categories = known_categories(steps, n_columns)
    values: list[Any] = [0.0] * n_columns
    given = np.zeros((1, n_columns))
    shown = getattr(network.first_step, "feature_names_in_", np.arange(n_columns))
    for j, known in categories.items():
        if known is not None:
            given[0, j] = np.nan
            values[j] = next(value for value in known if not is_missing(value))
        elif j not in held_columns(box):
            raise ValueError(
                f"Hold column {shown[j]!r} at a value v by (v, v) in box, or encode it "
                "otherwise to bound slopes: its steps cut it into intervals, or change "
                "its values in front of an encoder of categories, so that its jumps "
                "are not known."
            )
    f = network.functions(given)
    for j in range(n_columns):
        if j not in categories and f.jumps[f.column == j].any():
            values[j] = None
        if j in categories and categories[j] is None:
            values[j] = box[j][0]
        features = np.flatnonzero((f.column == j) & ~f.jumps)
        mean = network.classifier.feature_mean_[features]
        ends = known_range(f.take(features), mean) if len(features) else None
        if ends is not None:
            values[j] = box[j][0] if j in box else (ends[0] + ends[1]) / 2
    names = getattr(network.first_step, "feature_names_in_", None)
    if names is None:
        return np.array([values], dtype=object if categories else float)
    pd = optional_import("pandas", "pandas", "A row of named columns")
    return pd.DataFrame([values], columns=names).infer_objects()


def single_steps(
    step: Any, columns: np.ndarray, as_given: np.ndarray | None = None
) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """The steps within a step, with the indices of the user's columns that each gets.

    The last part tells for which of them no earlier step has changed the values.
    """
    as_given = np.ones(len(columns), dtype=bool) if as_given is None else as_given
    match step:
        case None | str():
            return
        case FrozenEstimator():
            yield from single_steps(step.estimator, columns, as_given)
        case Pipeline():
            for _, part in step.steps:
                if is_left_out(part):
                    continue
                yield from single_steps(part, columns, as_given)
                try:
                    made_of = column_of_output(part, len(columns))
                except ColumnsMixed:  # What comes behind has none of one column.
                    return
                kept = made_of != CONSTANT
                as_given = kept & as_given[made_of] & _keeps_values(part, columns)
                columns = compose(columns, made_of)
        case FeatureUnion() | ColumnTransformer():
            for part, of, *_ in parts_of(step, len(columns)):
                yield from single_steps(part, columns[of], as_given[of])
        case _:
            yield step, columns, as_given


def known_categories(step: Any, n_columns: int) -> dict[int, np.ndarray | None]:
    """The categories of the encoded columns, by the indices of the columns.

    None stands for numbers that are cut into intervals. It also stands for columns
    whose values a step changes before the encoder: the user does not know its
    categories.
    """
    found: dict[int, np.ndarray | None] = {}
    for part, columns, as_given in single_steps(step, np.arange(n_columns)):
        if isinstance(part, Binarizer | KBinsDiscretizer | MissingIndicator):
            cut = columns[np.unique(column_of_output(part, len(columns)))]
            found = {**{int(j): None for j in cut if j != CONSTANT}, **found}
            continue
        categories = getattr(part, "categories_", [])
        # What stands for gaps and for rare categories is no value of the user's.
        found = {
            int(j): np.array([c for c in known if c not in (GAP, RARE)], dtype=object)
            if same
            else None
            for j, known, same in zip(columns, categories, as_given, strict=False)
            if j != CONSTANT
        } | found
    return found


def seen_numbers(step: Any, n_columns: int) -> dict[int, tuple[float, float, bool]]:
    """The smallest and largest number of columns in `fit`, and whether all were whole.

    Steps know them that have the attributes `data_min_` and `data_max_`.
    """
    found: dict[int, tuple[float, float, bool]] = {}
    for part, columns, as_given in single_steps(step, np.arange(n_columns)):
        if not hasattr(part, "data_min_") or not hasattr(part, "data_max_"):
            continue
        whole = getattr(part, "has_whole_numbers_", np.zeros(len(columns), dtype=bool))
        seen = zip(part.data_min_, part.data_max_, whole, strict=True)
        for j, same, (low, high, is_whole) in zip(columns, as_given, seen, strict=True):
            if j != CONSTANT and same:
                found.setdefault(int(j), (float(low), float(high), bool(is_whole)))
    return found


def _keeps_values(
    step: Any, columns: np.ndarray, n_outputs: int | None = None
) -> np.ndarray:
    """Whether each output of a step has the values of its column, but for gaps."""
    n = len(columns)
    match step:
        case FrozenEstimator():
            return _keeps_values(step.estimator, columns, n_outputs)
        case Pipeline():
            keeps = np.ones(n, dtype=bool)
            for _, part in step.steps:
                if not is_left_out(part):
                    made_of = column_of_output(part, len(columns))
                    keeps = keeps[made_of] & _keeps_values(part, columns)
                    columns = compose(columns, made_of)
            return keeps
        case FeatureUnion() | ColumnTransformer():
            parts = [
                _keeps_values(part, columns[of], width) & (weight == 1)
                for part, of, width, weight in parts_of(step, n)
            ]
            return np.concatenate(parts) if parts else np.ones(0, dtype=bool)
    same = is_left_out(step) or isinstance(
        step, SimpleImputer | SelectorMixin | TableReader
    )
    same |= isinstance(step, FunctionTransformer) and step.func is None
    return np.full(len(column_of_output(step, n, n_outputs)), same)
