"""Displays of contributions: of one row, of all rows, and of one column."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import BaseEstimator

from .bars import (
    BOX_STYLE,
    bar_figure,
    figure_and_axes,
    finish_bars,
    signed_colours,
    wrap,
    wrap_title,
    wrap_with_value,
)
from .contributions import Contributions, contributions
from .frames import (
    Table,
    as_table,
    as_text,
    numbers,
    position,
    take_rows,
    with_columns_of,
)
from .network import Network, output_of_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Values and rows by which the mean prediction is drawn.
GRID, AVERAGED_ROWS = 40, 400

# Categories that are drawn, the most frequent ones.
MAX_CATEGORIES = 20


@dataclass(eq=False, repr=False)
class ContributionsDisplay:
    """The contributions of the columns to one row: signed bars, the largest first.

    Make it with :meth:`from_estimator` or :meth:`from_contributions`; the parameters
    become attributes.

    Parameters
    ----------
    values : array-like of shape (n_columns,)
        The contributions, in nats.

    columns : sequence of str of length n_columns
        Name of each column.

    column_values : sequence of str of length n_columns
        Its value in words, such as "2 instead of 0".

    baseline : float
        What is left of the log-odds.

    output_name : str
        What is explained, such as "log-odds of yes".

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    bars_ : matplotlib BarContainer
        The bars.

    order_ : ndarray of shape (n_shown,)
        Indices of the columns shown, from top to bottom.

    See Also
    --------
    contributions : The numbers.
    ContributionSummaryDisplay : Over all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ContributionsDisplay, ReLULogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((10,), random_state=0)
    ... ).fit(X, y)
    >>> display = ContributionsDisplay.from_estimator(model, X.iloc[[0]])
    >>> len(display.order_)
    10
    """

    values: ArrayLike
    _: KW_ONLY
    columns: list[str]
    column_values: list[str]
    baseline: float
    output_name: str

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Table,
        *,
        reference: Table | Literal["absolute"] | None = None,
        class_label: float | str | None = None,
        max_columns: int | None = 10,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the contributions of a fitted model to one row.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`contributions`.

        X : table of shape (1, n_columns)
            The row.

        reference : table or "absolute", default=None
            What the row is compared with; see :func:`contributions`.

        class_label : int, float, bool or str, default=None
            The class whose logit is explained, where there are more than two. For two
            classes it is always the log-odds of the second.

        max_columns : int or None, default=10
            How many columns to show; the sum of the others is one bar. None for all.

        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        display : ContributionsDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If there is not one row, or `class_label` is missing or unknown.

        TypeError, NotFittedError
            As :func:`contributions`.
        """
        rows = as_table(X).shape[0]
        if rows != 1:
            raise ValueError(
                "Pass one row, such as X.iloc[[0]] or X[:1], or see "
                f"ContributionSummaryDisplay for several. X has {rows}."
            )
        found = contributions(estimator, X, reference)
        return cls.from_contributions(
            found, class_label=class_label, max_columns=max_columns, ax=ax, **kwargs
        )

    @classmethod
    def from_contributions(
        cls,
        contributions: Contributions,
        row: int = 0,
        *,
        class_label: float | str | None = None,
        max_columns: int | None = 10,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the contributions to one of the rows for which they are known.

        Parameters
        ----------
        contributions : Contributions
            What :func:`contributions` returns.

        row : int, default=0
            The position of the row.

        class_label, max_columns, ax, **kwargs
            As for :meth:`from_estimator`.

        Returns
        -------
        display : ContributionsDisplay
            The plotted display.
        """
        values, baseline, name = contributions.of_class(class_label)
        display = cls(
            values[row],
            columns=contributions.columns.tolist(),
            column_values=contributions.values_in_words(row),
            baseline=float(baseline[row]),
            output_name=name,
        )
        return display.plot(ax=ax, max_columns=max_columns, **kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, max_columns: int | None = 10, **kwargs: Any
    ) -> Self:
        """Plot the contributions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        max_columns : int or None, default=10
            How many columns to show; the sum of the others is one bar. None for all.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        self : ContributionsDisplay
            The plotted display.
        """
        values = np.asarray(self.values, dtype=float)
        self.order_ = np.argsort(-np.abs(values), kind="stable")[:max_columns]
        shown = values[self.order_]
        labels = [
            wrap_with_value(self.columns[j], self.column_values[j]) for j in self.order_
        ]
        left = len(values) - len(shown)
        if left:
            shown = np.append(shown, values.sum() - shown.sum())
            labels.append(f"{left} other columns" if left > 1 else "1 other column")
        self.figure_, self.ax_ = bar_figure(type(self), ax, labels)
        colours = signed_colours(shown)
        style: dict[str, Any] = {"color": colours, "height": 0.62} | kwargs
        self.bars_ = self.ax_.barh(np.arange(len(shown)), shown, **style)
        finish_bars(self.ax_, labels, [f"{value:+z.2f}" for value in shown])
        total = float(self.baseline + values.sum())
        title = f"{self.output_name}: {total:+z.2f}"
        if self.output_name.startswith("log-odds"):
            title += f" (probability {expit(total):.3g})"
        self.ax_.set_title(wrap_title(title), loc="center")
        self.ax_.set_xlabel(f"Contribution in nats; baseline {self.baseline:+z.2f}")
        return self


@dataclass(eq=False, repr=False)
class ContributionSummaryDisplay:
    """How much each column contributes over all rows: mean absolute value and spread.

    Make it with :meth:`from_estimator` or :meth:`from_contributions`; the parameters
    become attributes.

    Parameters
    ----------
    sizes : array-like of shape (n_columns, n_samples)
        Absolute contributions, in nats.

    columns : sequence of str of length n_columns
        Names of the columns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    bars_ : matplotlib BarContainer
        The means.

    spreads_ : matplotlib LineCollection
        Lines from the 5th to the 95th percentile of the rows.

    order_ : ndarray of shape (n_shown,)
        Indices of the columns shown, from top to bottom.

    See Also
    --------
    ContributionsDisplay : Of one row.
    ContributionDependenceDisplay : Of one column over its values.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ContributionSummaryDisplay, ReLULogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((10,), random_state=0)
    ... ).fit(X, y)
    >>> display = ContributionSummaryDisplay.from_estimator(model, X)
    >>> len(display.order_)
    10
    """

    sizes: ArrayLike
    _: KW_ONLY
    columns: list[str]

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Table,
        *,
        reference: Table | Literal["absolute"] | None = None,
        max_columns: int | None = 10,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot how much the columns of X contribute in a fitted model.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`contributions`.

        X : table of shape (n_samples, n_columns)
            The rows.

        reference : table or "absolute", default=None
            What the rows are compared with; see :func:`contributions`.

        max_columns : int or None, default=10
            How many columns to show, those with the largest mean. None for all.

        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        display : ContributionSummaryDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        TypeError, ValueError, NotFittedError
            As :func:`contributions`.
        """
        found = contributions(estimator, X, reference)
        return cls.from_contributions(found, max_columns=max_columns, ax=ax, **kwargs)

    @classmethod
    def from_contributions(
        cls,
        contributions: Contributions,
        *,
        max_columns: int | None = 10,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot contributions that are known.

        Parameters
        ----------
        contributions : Contributions
            What :func:`contributions` returns.

        max_columns, ax, **kwargs
            As for :meth:`from_estimator`.

        Returns
        -------
        display : ContributionSummaryDisplay
            The plotted display.
        """
        sizes = contributions.importances().importances
        display = cls(sizes, columns=contributions.columns.tolist())
        return display.plot(ax=ax, max_columns=max_columns, **kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, max_columns: int | None = 10, **kwargs: Any
    ) -> Self:
        """Plot means and spreads.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        max_columns : int or None, default=10
            How many columns to show, those with the largest mean. None for all.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        self : ContributionSummaryDisplay
            The plotted display.
        """
        sizes = np.asarray(self.sizes, dtype=float)
        mean = sizes.mean(axis=1)
        self.order_ = np.argsort(-mean, kind="stable")[:max_columns]
        labels = [str(self.columns[j]) for j in self.order_]
        wrapped = [wrap(label) for label in labels]
        self.figure_, self.ax_ = bar_figure(type(self), ax, wrapped)
        positions = np.arange(len(labels))
        style: dict[str, Any] = {"color": "lightsteelblue", "height": 0.62} | kwargs
        self.bars_ = self.ax_.barh(positions, mean[self.order_], **style)
        low, high = np.quantile(sizes[self.order_], [0.05, 0.95], axis=1)
        self.spreads_ = self.ax_.hlines(positions, low, high, color="0.25", linewidth=2)
        finish_bars(self.ax_, wrapped, [f"{mean[j]:.2f}" for j in self.order_])
        left = len(mean) - len(labels)
        more = f", {left} more columns" if left else ""
        self.ax_.set_title(f"{sizes.shape[1]} rows{more}")
        self.ax_.set_xlabel(
            "Mean absolute contribution in nats\n(lines: 5 % to 95 % of the rows)"
        )
        return self


@dataclass(eq=False, repr=False)
class ContributionDependenceDisplay:
    """The contribution of one column over its values, at all rows.

    A point is a row. Points above each other are rows with the same value at which the
    column does not contribute the same: it interacts with other columns. For categories
    there is a box for each.

    Make it with :meth:`from_estimator`; the parameters become attributes.

    Parameters
    ----------
    column_values : array-like of shape (n_samples,)
        Values of the column.

    values : array-like of shape (n_samples,)
        Its contributions, in nats.

    column : str
        Its name.

    output_name : str
        What is explained, such as "log-odds of yes".

    grid : array-like of shape (n_grid,), default=None
        Values at which the mean prediction is known.

    average : array-like of shape (n_grid,), default=None
        The mean of the model's log-odds over rows that all have that value, shifted to
        the mean of `values`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    points_ : matplotlib PathCollection or None
        The rows, for numbers.

    boxes_ : dict of lists of matplotlib artists or None
        What matplotlib's ``boxplot`` returns, for categories.

    average_ : matplotlib Line2D or None
        The mean prediction.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : Of any model.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import (
    ...     ContributionDependenceDisplay,
    ...     ReLULogisticClassifier,
    ... )
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((10,), random_state=0)
    ... ).fit(X, y)
    >>> display = ContributionDependenceDisplay.from_estimator(
    ...     model, X, "worst texture"
    ... )
    >>> display.ax_.get_xlabel()
    'worst texture'
    """

    column_values: ArrayLike
    values: ArrayLike
    _: KW_ONLY
    column: str
    output_name: str
    grid: ArrayLike | None = None
    average: ArrayLike | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Table,
        column: int | str,
        *,
        reference: Table | Literal["absolute"] | None = None,
        class_label: float | str | None = None,
        average: bool = True,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the contribution of a column in a fitted model.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`contributions`.

        X : table of shape (n_samples, n_columns)
            The rows.

        column : int or str
            The column, by index or name.

        reference : table or "absolute", default=None
            What the rows are compared with; see :func:`contributions`.

        class_label : int, float, bool or str, default=None
            The class whose logit is explained, where there are more than two.

        average : bool, default=True
            Whether to draw the partial dependence of a column of numbers as well: the
            mean of the model's log-odds over up to 400 of the rows if all had the same
            value, at up to 40 values. It is exact there, and shifted to the mean of the
            contributions.

        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``scatter`` or ``boxplot``.

        Returns
        -------
        display : ContributionDependenceDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If there is no such column, or `class_label` is missing or unknown.

        TypeError, NotFittedError
            As :func:`contributions`.
        """
        found = contributions(estimator, X, reference)
        j = found.column_index(column)
        values, _, output_name = found.of_class(class_label)
        of_column = found.column_values(j)
        grid = mean = None
        if average and numbers(of_column) is not None:
            grid, mean = _mean_prediction(estimator, found, j, class_label)
            mean = mean + values[:, j].mean()
        display = cls(
            of_column,
            values[:, j],
            column=str(found.columns[j]),
            output_name=output_name,
            grid=grid,
            average=mean,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Plot the contributions over the values.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``scatter`` or ``boxplot``.

        Returns
        -------
        self : ContributionDependenceDisplay
            The plotted display.
        """
        self.points_: Any = None
        self.boxes_: Any = None
        self.average_: Any = None
        of_column, values = np.asarray(self.column_values), np.asarray(self.values)
        x = numbers(of_column)
        label = f"Contribution to the {self.output_name}"
        if x is None:
            self._plot_categories(ax, of_column, values, kwargs)
            return self
        self.figure_, self.ax_ = figure_and_axes(type(self), ax)
        style: dict[str, Any] = {"s": 14, "alpha": 0.5, "linewidths": 0} | kwargs
        self.points_ = self.ax_.scatter(x, values, **style)
        missing = np.isnan(x)
        if missing.any():
            self.ax_.axhline(
                values[missing].mean(),
                color="grey",
                linestyle=":",
                label=f"mean where missing ({missing.sum()} rows)",
            )
        if self.grid is not None and self.average is not None:
            (self.average_,) = self.ax_.plot(
                np.asarray(self.grid),
                np.asarray(self.average),
                color="black",
                label="mean prediction, shifted",
            )
        self.ax_.axhline(0, color="black", linewidth=0.8)
        self.ax_.set(xlabel=wrap(self.column), ylabel=f"{wrap_title(label)} (nats)")
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend(framealpha=0.9)
        return self

    def _plot_categories(
        self,
        ax: "Axes | None",
        of_column: np.ndarray,
        values: np.ndarray,
        kwargs: dict[str, Any],
    ) -> None:
        texts = np.array([as_text(value) for value in of_column], dtype=object)
        categories, counts = np.unique(texts, return_counts=True)
        kept = categories[np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]]
        groups = {name: values[texts == name] for name in kept}
        names = sorted(groups, key=lambda name: -groups[name].mean())
        wrapped = [wrap(name) for name in names]
        self.figure_, self.ax_ = bar_figure(type(self), ax, wrapped)
        style = BOX_STYLE | kwargs
        self.boxes_ = self.ax_.boxplot(
            [groups[name] for name in names], positions=np.arange(len(names)), **style
        )
        finish_bars(self.ax_, wrapped, [f"n={len(groups[name])}" for name in names])
        left = len(categories) - len(names)
        more = f" ({left} rarer categories not shown)" if left else ""
        self.ax_.set_title(wrap_title(self.column + more))
        self.ax_.set_xlabel(f"Contribution to the {self.output_name} (nats)")


def _mean_prediction(
    estimator: BaseEstimator, found: Contributions, j: int, class_label: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The mean log-odds if all rows had one value of a column, centred, over values."""
    network = Network.of(estimator)
    k, _ = output_of_class(found.classes, class_label)
    x = numbers(found.column_values(j))
    assert x is not None
    present = np.flatnonzero(~np.isnan(x))
    order = present[np.argsort(x[present], kind="stable")]
    _, first = np.unique(x[order], return_index=True)
    order = order[first]
    if len(order) > GRID:
        order = order[np.linspace(0, len(order) - 1, GRID).round().astype(int)]
    n_rows = len(x)
    some = np.unique(np.linspace(0, n_rows - 1, min(n_rows, AVERAGED_ROWS)).astype(int))
    rows = take_rows(found.X, some)
    moved_column = np.array([position(found.X, j, found.columns[j])])
    means = []
    for i in order:
        at = take_rows(found.X, np.full(len(some), i))
        moved = with_columns_of(rows, at, moved_column)
        logits = network.classifier.decision_function(network.transform(moved))
        means.append((logits if logits.ndim == 1 else logits[:, k]).mean())
    of_rows = np.interp(x[present], x[order], means).mean() if len(order) else 0.0
    return x[order], np.array(means) - of_rows
