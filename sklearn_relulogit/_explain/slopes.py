"""Proven bounds of the slopes of a model over a box, by a mixed-integer programme.

The slope of the log-odds by a column is a sum of products of weights over all paths of
active units. The programme chooses active units for which there is a row in the box.
"""

import time
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from .._checks import Interval, check_arguments
from .._optional import optional_import
from .frames import Table, column_indices, is_missing
from .network import Network
from .programme import (
    Choice,
    Programme,
    Space,
    add_choices,
    add_hidden,
    add_slopes,
    finite_limits,
    held_columns,
    input_bounds,
    interval,
    typical_row,
)

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class SlopeBounds:
    """Bounds of the slopes of a model over a box.

    Attributes
    ----------
    columns : list of str
        The columns.

    lower, upper : ndarray of shape (n_columns,)
        No slope of the log-odds of ``classes[1]`` by the column is below or above these
        in the box, in nats per unit. With more than two classes the shape is
        (n_classes, n_columns), and the slopes are of the logit of each class.

    lowest, highest : list of (table of shape (1, n_columns) or None)
        For each column a row with the smallest and the largest slope found, for the
        first output. None where the slope is the same everywhere.

    proven : ndarray of bool, of the shape of `lower`
        Whether both bounds are slopes of the model, so that they cannot be closer. If
        not, the time ran out; the bounds still hold.
    """

    columns: list[str]
    lower: np.ndarray
    upper: np.ndarray
    lowest: list[Table | None]
    highest: list[Table | None]
    proven: np.ndarray

    def to_frame(self) -> DataFrame:
        """The bounds of the first output, a row for each column.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = optional_import("pandas", "pandas", "A table of slopes")
        lower, upper = np.atleast_2d(self.lower)[0], np.atleast_2d(self.upper)[0]
        index = pd.Index(self.columns, name="column")
        return pd.DataFrame({"lower": lower, "upper": upper}, index)


def slope_bounds(
    model: BaseEstimator,
    columns: Any = None,
    box: dict[Any, tuple[float, float]] | None = None,
    *,
    time_limit: float = 10.0,
) -> SlopeBounds:
    """Proven bounds of the slope of the log-odds by each column, over a box.

    A lower bound of zero or more proves that the score never falls as the column rises,
    whatever the other columns are.

    Parameters
    ----------
    model : fitted estimator
        As for :func:`local_linear`.

    columns : sequence of str or int, default=None
        Columns of numbers, by name or index. None means all.

    box : dict of (float, float), default=None
        The smallest and largest number of some columns, by name or index. The default
        is the range of the training data if a step knows it, as
        :class:`PiecewiseLinearEncoder` and
        :class:`~sklearn.preprocessing.MinMaxScaler` do, else five spreads around the
        mean. Columns that reach the network unchanged must be in `box`. Columns that a
        step cuts into intervals must be fixed there at one value, such as ``(3, 3)``.
        Categories take any value of the training data.

    time_limit : float, default=10.0
        Seconds for each bound, after which the bound proven so far is returned.

    Returns
    -------
    bounds : SlopeBounds
        `lower` and `upper`, and rows where the slopes are smallest and largest.

    Raises
    ------
    TypeError
        If the model is not of the kinds that :func:`local_linear` takes.

    ValueError
        If a column holds no numbers or a box is empty or infinite. Also if the steps do
        not know the range of a column or where it jumps.

    NotFittedError
        Before `fit`.

    Notes
    -----
    HiGHS solves a mixed-integer programme for each linear piece of the column
    (:func:`scipy.optimize.milp`). Rows with missing numbers are not in the box. Columns
    of dates and of more categories than get indicators are fixed at missing.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, slope_bounds
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> clf = ReLULogisticClassifier((5,), alpha=1.0, random_state=0)
    >>> model = make_pipeline(StandardScaler(), clf).fit(X, y)
    >>> found = slope_bounds(model, ["worst texture"])
    >>> bool(found.lower[0] <= found.upper[0])
    True
    """
    check_arguments(
        "slope_bounds",
        {"time_limit": [Interval(Real, 0, None, closed="left")]},
        time_limit=time_limit,
    )
    network = Network.of(model)
    names = network.columns(np.empty((1, network.n_features)))
    limits = finite_limits(box, names, "box")
    row = typical_row(network, limits)
    held = held_columns(limits)
    space = Space.of(network, row, held, (), (), limits, ())
    # The box holds all numbers, not only whole ones.
    choices = [choice._replace(whole=False) for choice in space.choices]
    space = space._replace(choices=choices)
    numbers = {c.column: c for c in space.choices if c.is_bend is not None}
    if columns is None:
        chosen = list(numbers)
    else:
        chosen = column_indices(columns, names, "columns")
    constant = {j for j in chosen if j not in numbers}
    for j in constant:
        low, high = limits.get(j, (0.0, 1.0))
        if low == high:
            raise ValueError(
                f"box must have a width for {names[j]!r}, whose slope is asked for. "
                f"Got {(low, high)}."
            )
        if is_missing(space.values[j]) or any(c.column == j for c in space.choices):
            raise ValueError(
                f"Leave {names[j]!r} out of columns. Column {names[j]!r} holds "
                "categories or dates, and has no slope."
            )
    n_outputs = space.layers[-1][0].shape[1]
    ends = np.zeros((2, n_outputs, len(chosen)))
    proven = np.ones((n_outputs, len(chosen)), dtype=bool)
    rows: tuple[list[Any], list[Any]] = ([], [])
    for i, j in enumerate(chosen):
        for k in range(n_outputs):
            for side, sign in enumerate((-1.0, 1.0)):
                if j in constant:
                    bound, is_proven, where = 0.0, True, None
                else:
                    output = sign * np.eye(n_outputs)[k]
                    end = time.monotonic() + time_limit
                    bound, is_proven, where = _largest(space, numbers[j], output, end)
                ends[side, k, i] = sign * bound
                proven[k, i] &= is_proven
                if k == 0:
                    rows[side].append(where)
    if n_outputs == 1:
        ends, proven = ends[:, 0], proven[0]
    lower, upper = ends
    shown = [names[j] for j in chosen]
    return SlopeBounds(shown, lower, upper, *rows, proven)


def _largest(
    space: Space, choice: Choice, output: np.ndarray, end: float
) -> tuple[float, bool, Table | None]:
    """A bound of the largest slope of a sum of logits by a column of numbers.

    Also returns whether the model attains it, and a row where it does.
    """
    others = [c for c in space.choices if c is not choice]
    knots = np.asarray(choice.is_bend).copy()
    knots[[0, -1]] = True
    points = choice.points[knots]
    pieces = [
        _Piece(space, choice, others, points[i : i + 2]) for i in range(len(points) - 1)
    ]
    best, row, bound = -np.inf, None, -np.inf
    # First the piece with the largest possible slope; the others are often below it.
    limits = [piece.optimistic(output) for piece in pieces]
    for i in np.argsort(-np.array(limits)):
        piece, optimistic = pieces[i], limits[i]
        if optimistic <= best:
            break
        value, limit, where = piece.solve(output, end - time.monotonic())
        bound = max(bound, min(limit, optimistic))
        if value > best:
            best, row = value, where
    proven = bound <= best + 1e-4 * abs(best) + 1e-5 / choice.spread
    return max(bound, best), bool(proven), row


class _Piece:
    """A piece of a column of numbers, and what else may be in the box."""

    def __init__(
        self, space: Space, choice: Choice, others: list[Choice], ends: np.ndarray
    ) -> None:
        self.space = space
        inputs = choice.inputs_at(ends)
        self.slope = (inputs[1] - inputs[0]) / (ends[1] - ends[0])
        here = choice._replace(
            points=ends, inputs=inputs, is_bend=np.zeros(2, dtype=bool), current=0
        )
        self.choices = [here, *others]
        self.bounds = input_bounds(space.start, self.choices, np.inf, "max")

    def optimistic(self, output: np.ndarray) -> float:
        """An upper bound of the slopes, by interval arithmetic."""
        layers = self.space.layers
        if len(layers) == 1:
            return float(self.slope @ output)
        low, high = self.bounds
        forward = []
        for W_T, b in layers[1:]:
            forward.append((low, high))
            low, high = interval(W_T, np.maximum(low, 0), np.maximum(high, 0), b)
        low = high = output
        for (W_T, _), (u_low, u_high) in zip(
            reversed(layers[1:]), reversed(forward), strict=True
        ):
            low, high = interval(W_T.T, low, high)
            low = np.where(u_low > 0, low, np.minimum(low, 0)) * (u_high > 0)
            high = np.where(u_low > 0, high, np.maximum(high, 0)) * (u_high > 0)
        return float(np.maximum(self.slope * low, self.slope * high).sum())

    def solve(
        self, output: np.ndarray, time_limit: float
    ) -> tuple[float, float, Table | None]:
        """The largest slope found, an upper bound, and the row of that slope."""
        space, programme = self.space, Programme()
        if len(space.layers) == 1:
            slope = float(self.slope @ output)
            return slope, slope, None
        indices, weights, constant, _ = add_choices(programme, self.choices)
        expression = indices, weights, space.start + constant
        hidden = space.layers[1:]
        _, switches = add_hidden(programme, hidden, expression, self.bounds)
        indices, weights, constant = add_slopes(programme, hidden, switches, output)
        # In units of the spread, since the solver's tolerances are absolute.
        slope, spread = self.slope * self.choices[0].spread, self.choices[0].spread
        programme.minimise(indices, -slope @ weights)
        known = float(slope @ constant)
        result = programme.solve(time_limit, gap=1e-6)
        if result.x is None:
            bound = -np.inf if result.status == 2 else self.optimistic(output)
            return -np.inf, bound, None
        limit = result.fun if result.mip_dual_bound is None else result.mip_dual_bound
        active = [
            np.where(switch < 0, switch == -2, result.x[switch] > 0.5)
            for switch in switches
        ]
        found, limit = known - result.fun, known - float(limit)
        return found / spread, limit / spread, self.row_inside(active)

    def row_inside(self, active: list[np.ndarray]) -> Table | None:
        """A row where these units are active, as far inside their region as possible.

        On its edges a region has no slope of its own. None if it has no interior.
        """
        programme = Programme()
        indices, weights, constant, read = add_choices(programme, self.choices)
        constant = self.space.start + constant
        (far,) = programme.add(1, 0.0, 1.0, cost=-1.0)
        share = read[0][0][0]  # The position within the piece.
        programme.require([share, far], [1, -0.5], low=0)
        programme.require([share, far], [1, 0.5], high=1)
        for D, (W_T, b) in zip(active, self.space.layers[1:], strict=True):
            for side, row, shift in zip(2 * D - 1, weights, constant, strict=True):
                # Beyond zero by a share of the unit's range.
                size = np.abs(row).sum() + abs(shift)
                both = np.append(indices, far)
                programme.require(both, [*(side * row), -size], low=-side * shift)
            weights, constant = (
                W_T.T @ (D[:, None] * weights),
                W_T.T @ (D * constant) + b,
            )
        result = programme.solve(1.0)
        if result.x is None or result.x[far] <= 1e-9:
            return None
        values = list(self.space.values)
        for choice, (variables, lengths) in zip(self.choices, read, strict=True):
            shares = result.x[variables]
            if lengths is None:
                values[choice.column] = choice.points[int(np.argmax(shares))]
            else:
                values[choice.column] = choice.points[0] + shares @ lengths
        return self.space.rows([values])
