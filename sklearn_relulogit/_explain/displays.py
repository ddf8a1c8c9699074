"""Plots by scikit-learn's Display convention; matplotlib is imported only to draw.

Bars have their names on the left and numbers on the right. Names are wrapped, and
numbers have their own column beside the axes. So neither covers a bar or leaves the
figure.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .._model.parameters import Layers
from .._optional import optional_import
from .contributions import Contributions, contributions
from .frames import (
    Table,
    as_table,
    as_text,
    column_index,
    column_indices,
    numbers,
    position,
    table_of_numbers,
    take_rows,
    with_columns_of,
)
from .network import Network, class_codes, output_of_class
from .polygons import (
    Cell,
    boundary_segments,
    class_proba,
    decision_pieces,
    linear_cells,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Characters in a line of a name if a panel has so many inches, the limits for other
# panels, and the number of lines.
LINE, LINE_WIDTH, LINES, MAX_LINES = 24, 6.4, (12, 36), 3

# Inches of a line of text, around a bar, and above and below the bars.
LINE_HEIGHT, BAR_SPACE, AROUND = 0.17, 0.19, 1.25

BOX_STYLE: dict[str, Any] = {
    "orientation": "horizontal",
    "widths": 0.6,
    "whis": (5, 95),
    "showfliers": False,
    "patch_artist": True,
    "boxprops": {"facecolor": "lightsteelblue"},
    "medianprops": {"color": "black"},
}
RAISES, LOWERS = "tab:red", "tab:blue"

# Standard errors on either side of a 90 % interval.
WHISKER = 1.645

# Numbers of values and rows for the mean prediction.
GRID, AVERAGED_ROWS = 40, 400

# Number of categories that are drawn, the most frequent ones.
MAX_CATEGORIES = 20
# A column with at most so many distinct numbers is drawn like categories.
FEW_VALUES = 8

AVERAGE = "mean log-odds if all rows had this value\n(shifted to the mean contribution)"

POINT_STYLE: dict[str, Any] = {"s": 16, "edgecolors": "black", "linewidths": 0.4}


@dataclass(eq=False, repr=False)
class LossCurveDisplay:
    """Training and validation loss over the iterations of a fit.

    Make it with :meth:`from_estimator`; the parameters become attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_iter,)
        Mean training objective after each iteration, including the penalty, in nats.
        A nat is the unit of the natural logarithm.

    validation_loss_curve : array-like of shape (n_iter,), default=None
        Mean negative log-likelihood of the validation data, in nats.

    best_iteration : int, default=None
        The iteration, from 1, whose parameters early stopping kept. None marks none.

    estimator_name : str, default=None
        Name of the model in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the curves.

    lines_ : list of matplotlib Line2D
        The curves: training, and validation if there is one.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by number of samples.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_relulogit import LossCurveDisplay, ReLULogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = ReLULogisticClassifier((10,), early_stopping=True, random_state=0)
    >>> display = LossCurveDisplay.from_estimator(clf.fit(scale(X), y))
    >>> len(display.lines_)
    2
    """

    loss_curve: ArrayLike
    validation_loss_curve: ArrayLike | None = None
    _: KW_ONLY
    best_iteration: int | None = None
    estimator_name: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the loss curves of a fitted model.

        Parameters
        ----------
        estimator : fitted estimator
            A :class:`ReLULogisticClassifier`, or a pipeline or search with one.

        name : str, default=None
            Name of the model in the legend.

        **kwargs : dict
            As for :meth:`plot`.

        Returns
        -------
        display : LossCurveDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        TypeError, NotFittedError
            If there is no fitted classifier.
        """
        clf = Network.of(estimator).classifier
        validation = clf.validation_loss_curve_
        display = cls(clf.loss_curve_, validation, estimator_name=name)
        if clf.early_stopping and validation:
            display.best_iteration = int(np.argmin(validation)) + 1
        return display.plot(**kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure's.

        **kwargs : dict
            Passed to matplotlib's ``plot`` for each curve.

        Returns
        -------
        self : LossCurveDisplay
            The plotted display.
        """
        self.figure_, self.ax_ = figure_and_axes(type(self), ax)
        prefix = "" if self.estimator_name is None else f"{self.estimator_name}, "
        curves = {
            "training, with penalty": self.loss_curve,
            "validation": self.validation_loss_curve,
        }
        self.lines_ = []
        for label, curve in curves.items():
            if curve is not None:
                iterations = np.arange(1, np.size(curve) + 1)
                style = {"label": prefix + label} | kwargs
                self.lines_ += self.ax_.plot(iterations, curve, **style)
        if self.best_iteration is not None:
            label = f"{prefix}kept: iteration {self.best_iteration}"
            self.ax_.axvline(self.best_iteration, color="grey", ls=":", label=label)
        self.ax_.set(xlabel="Iteration", ylabel="Mean loss (nats)")
        self.ax_.legend()
        return self


@dataclass(eq=False, repr=False)
class LinearRegionsDisplay:
    """The linear regions of a model over two features, and its decision boundary.

    Both are exact. The regions are polygons. In each polygon the model is one logistic
    regression, so the boundary inside it is a straight line. A region has the colour of
    the predicted class, paler if it is less certain at the centre. Where the boundary
    crosses a region, each side has the colour of its class.

    Make it with :meth:`from_estimator`; the parameters become attributes.

    Parameters
    ----------
    cells : list of (vertices, A, c)
        The linear regions: polygons of shape (n_vertices, 2), and the affine function
        in each.

    classes : array-like of shape (n_classes,)
        The class labels.

    feature_names : sequence of two str
        Names of the two features.

    points : array-like of shape (n_samples, 2), default=None
        Data to draw.

    y : array-like of shape (n_samples,), default=None
        Their labels.

    Attributes
    ----------
    regions : list of ndarray of shape (n_vertices, 2)
        The polygons of the linear regions.

    pieces : list of ndarray of shape (n_vertices, 2)
        The regions, split along the decision boundary.

    piece_classes : ndarray of int of shape (n_pieces,)
        Index of the class predicted in each piece.

    piece_probabilities : ndarray of shape (n_pieces,)
        The probability of that class at the centre of the piece.

    boundary : list of ndarray of shape (2, 2)
        The segments of the decision boundary.

    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    pieces_ : matplotlib PolyCollection
        The coloured pieces.

    region_edges_ : matplotlib PolyCollection
        The borders of the regions.

    boundary_ : matplotlib LineCollection
        The decision boundary.

    points_ : list of matplotlib PathCollection
        The data, one collection for each class; without y a single one.

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : Any classifier, on a grid.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_relulogit import LinearRegionsDisplay, ReLULogisticClassifier
    >>> X, y = make_moons(noise=0.2, random_state=0)
    >>> clf = ReLULogisticClassifier((4,), alpha=0.1, random_state=0).fit(X, y)
    >>> display = LinearRegionsDisplay.from_estimator(clf, X, y)
    >>> len(display.regions) <= 11
    True
    """

    cells: list[Cell]
    classes: ArrayLike
    feature_names: Sequence[str]
    points: ArrayLike | None = None
    y: ArrayLike | None = None

    def __post_init__(self) -> None:
        of_cells = [decision_pieces(cell) for cell in self.cells]
        pairs = list(zip(self.cells, of_cells, strict=True))
        found = [(cell, k, P) for cell, pieces in pairs for k, P in pieces]
        self.regions = [cell.vertices for cell in self.cells]
        self.pieces = [P for _, _, P in found]
        self.piece_classes = np.array([k for _, k, _ in found])
        self.piece_probabilities = np.array(
            [class_proba(cell, P.mean(axis=0))[k] for cell, k, P in found]
        )
        self.boundary = [line for pair in pairs for line in boundary_segments(*pair)]

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        features: Sequence[int | str] = (0, 1),
        others: ArrayLike | None = None,
        margin: float = 0.05,
        **kwargs: Any,
    ) -> Self:
        """Plot the linear regions of a fitted model over two of its features.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`.to_mlp_classifier`: the steps before the classifier may be
            scalers, imputation and :class:`PiecewiseLinearEncoder`. If `others` is a
            DataFrame, any model that :func:`local_linear` takes, such as one of
            :func:`tabular_pipeline`.

        X : array-like of shape (n_samples, n_features)
            Data that the model takes. They are drawn, and the axes span their range.

        y : array-like of shape (n_samples,), default=None
            Labels, to draw each class in its colour.

        features : sequence of two int or str, default=(0, 1)
            The features of the axes, by index or name.

        others : array-like of shape (n_features,) or DataFrame, default=None
            A row with the values of all other features. The default is the median of
            X. For a table with columns that are not numbers, pass a DataFrame of one
            row, such as ``X.iloc[[0]]``. The data are drawn whatever their other
            features are.

        margin : float, default=0.05
            How far the axes extend beyond the range of X, as a share of it.

        **kwargs : dict
            As for :meth:`plot`.

        Returns
        -------
        display : LinearRegionsDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If `features` are not two features of the model, or an array is not valid.

        TypeError, NotFittedError
            If the model is not fitted, or a step is of another kind.

        Notes
        -----
        The time grows with the number of regions. A hundred units in one layer make a
        few thousand regions and take about a second.
        """
        model = Network.of(estimator)
        classes = model.classifier.classes_
        X = as_table(X)
        names = model.columns(X)
        shown = column_indices(features, names, "features")
        if len(shown) != 2 or shown[0] == shown[1]:
            raise ValueError(
                f"features must be two different columns of X. Got {features!r}."
            )
        if hasattr(others, "columns"):
            points, layers = _beside_a_row(model, X, shown, others)
        else:
            points, layers = _beside_numbers(model, X, shown, others)
        if y is not None:
            y = classes[class_codes(y, points, classes)]

        low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
        spread = np.where(high > low, high - low, 1)
        low, high = low - margin * spread, high + margin * spread
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        cells = linear_cells(layers, corners)
        shown_names = [names[j] for j in shown]
        return cls(cells, classes, shown_names, points, y).plot(**kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Plot regions, boundary and data.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure's.

        **kwargs : dict
            Passed to matplotlib's ``scatter`` for the data.

        Returns
        -------
        self : LinearRegionsDisplay
            The plotted display.
        """
        self.figure_, self.ax_ = figure_and_axes(type(self), ax)
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.colors import to_rgb

        classes = np.asarray(self.classes)
        palette = np.array([to_rgb(f"C{k % 10}") for k in range(len(classes))])
        # White where all classes are equally probable, and half the class's colour
        # where it is certain, so that the data stand out.
        chance = 1 / len(classes)
        certainty = (self.piece_probabilities - chance) / (1 - chance)
        strength = 0.06 + 0.5 * np.clip(certainty, 0, 1)[:, np.newaxis]
        faces = 1 - strength * (1 - palette[self.piece_classes])
        # Edges in the colour of the faces hide hairlines between the pieces.
        self.pieces_ = PolyCollection(
            self.pieces, facecolors=faces, edgecolors=faces, linewidths=0.4
        )
        self.region_edges_ = PolyCollection(
            self.regions, facecolors="none", edgecolors="0.45", linewidths=0.5
        )
        self.boundary_ = LineCollection(self.boundary, colors="black", linewidths=2)
        for collection in (self.pieces_, self.region_edges_, self.boundary_):
            self.ax_.add_collection(collection)
        self.points_ = []
        if self.points is not None:
            points = np.asarray(self.points)
            groups: Iterable[tuple[Any, ...]] = [("data", "0.3", points)]
            if self.y is not None:
                of_class = [points[np.asarray(self.y) == label] for label in classes]
                groups = zip(classes, palette, of_class, strict=True)
            for label, color, group in groups:
                style = {"label": str(label), "color": color, **POINT_STYLE, **kwargs}
                self.points_.append(self.ax_.scatter(*group.T, **style))
            self.ax_.legend(framealpha=0.9)
        vertices = np.concatenate(self.regions)
        xlim, ylim = np.transpose([vertices.min(axis=0), vertices.max(axis=0)])
        xlabel, ylabel = self.feature_names
        title = f"{len(self.regions)} linear regions; bold: decision boundary"
        self.ax_.set(xlim=xlim, ylim=ylim, xlabel=xlabel, ylabel=ylabel, title=title)
        return self


def _beside_numbers(
    model: Network, X: Table, shown: list[int], others: ArrayLike | None
) -> tuple[np.ndarray, Layers]:
    """Two columns of X, and the network of them with the others held at numbers."""
    try:
        (W_1_T, b_1), *deeper = model.layers
    except TypeError as unfolded:
        raise TypeError(
            "Pass a row for others, such as X.iloc[[0]], if X is a DataFrame with "
            f"columns that are not numbers. {unfolded}"
        ) from None
    points = validate_data(model.first_step, X, dtype=np.float64, reset=False)
    reference = np.median(points, axis=0) if others is None else others
    reference = column_or_1d(reference, dtype=np.float64)
    if len(reference) != points.shape[1]:
        raise ValueError(
            f"others must hold a value for each of the {points.shape[1]} features. Got "
            f"{len(reference)}."
        )
    held = np.delete(np.arange(len(reference)), shown)
    b_1 = b_1 + reference[held] @ W_1_T[held]
    return points[:, shown], [(W_1_T[shown], b_1), *deeper]


def _beside_a_row(
    model: Network, X: Table, shown: list[int], row: Table
) -> tuple[np.ndarray, Layers]:
    """Two columns of a table, and the network of them with the others held at a row."""
    if row.shape[0] != 1:
        raise ValueError(
            f"others must be one row, such as X.iloc[[0]]. Got {row.shape[0]}."
        )
    points = table_of_numbers(X, model.columns(X))[:, shown]
    if np.isnan(points).all(axis=0).any():
        raise ValueError("features must be two columns that hold numbers.")
    (W_1_T, b_1), *deeper = model.layers_beside(row, shown)
    return points, [(W_1_T[shown], b_1), *deeper]


@dataclass(eq=False, repr=False)
class ContributionsDisplay:
    """Bar chart of the contributions of the columns to one row, the largest first.

    Make it with :meth:`from_estimator`, or from known contributions, and call
    :meth:`plot`.

    Parameters
    ----------
    contributions : Contributions
        The result of :func:`contributions`.

    row : int, default=0
        The position of the row in it.

    class_label : int, float, bool or str, default=None
        The class whose logit is explained, if there are more than two. For two
        classes it is always the log-odds of the second.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    bars_ : matplotlib BarContainer
        The bars.

    whiskers_ : matplotlib ErrorbarContainer or None
        90 % intervals, if the contributions come from
        :meth:`Inference.contributions`.

    order_ : ndarray of shape (n_shown,)
        Indices of the columns shown, from top to bottom.

    See Also
    --------
    contributions : The numbers.
    ContributionSummaryDisplay : Contributions over all rows.

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

    contributions: Contributions
    row: int = 0
    class_label: float | str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Table,
        *,
        reference: Table | Literal["absolute"] | None = None,
        class_label: float | str | None = None,
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
            The class whose logit is explained, if there are more than two.

        **kwargs : dict
            As for :meth:`plot`.

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
        return cls(found, class_label=class_label).plot(**kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, max_columns: int | None = 10, **kwargs: Any
    ) -> Self:
        """Plot the contributions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure's.

        max_columns : int or None, default=10
            How many columns to show; one bar shows the sum of the others. None for all.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        self : ContributionsDisplay
            The plotted display.
        """
        found = self.contributions
        all_values, baseline, name = found.of_class(self.class_label)
        values = all_values[self.row].astype(float)
        words = found.values_in_words(self.row)
        self.order_ = np.argsort(-np.abs(values), kind="stable")[:max_columns]
        shown = values[self.order_]
        labels = wrap_names(
            ax,
            [str(found.columns[j]) for j in self.order_],
            [words[j] for j in self.order_],
        )
        left = len(values) - len(shown)
        if left:
            shown = np.append(shown, values.sum() - shown.sum())
            labels.append(f"{left} other columns" if left > 1 else "1 other column")
        self.figure_, self.ax_ = bar_figure(type(self), ax, labels)
        style: dict[str, Any] = {"color": signed_colours(shown), "height": 0.62}
        self.bars_ = self.ax_.barh(np.arange(len(shown)), shown, **(style | kwargs))
        self.whiskers_ = None
        if found.std is not None:
            k, _ = output_of_class(found.classes, self.class_label)
            std = found.std[self.row] if found.std.ndim == 2 else found.std[self.row, k]
            self.whiskers_ = self.ax_.errorbar(
                values[self.order_],
                np.arange(len(self.order_)),
                xerr=WHISKER * std[self.order_],
                fmt="none",
                ecolor="black",
                elinewidth=1,
                capsize=2,
            )
        finish_bars(self.ax_, labels, [f"{value:+z.2f}" for value in shown])
        total = float(baseline + values.sum())
        title = f"{name}: {total:+z.2f}"
        if name.startswith("log-odds"):
            title += f" (probability {expit(total):.3g})"
        self.ax_.set_title(wrap_title(title), loc="center")
        self.ax_.set_xlabel(f"Contribution in nats; baseline {baseline:+z.2f}")
        return self


@dataclass(eq=False, repr=False)
class ContributionSummaryDisplay:
    """Mean absolute contribution of each column over all rows, and its spread.

    Make it with :meth:`from_estimator`, or from known contributions, and call
    :meth:`plot`.

    Parameters
    ----------
    contributions : Contributions
        The result of :func:`contributions`.

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
    ContributionsDisplay : One row.
    ContributionDependenceDisplay : One column over its values.

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

    contributions: Contributions

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Table,
        *,
        reference: Table | Literal["absolute"] | None = None,
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

        **kwargs : dict
            As for :meth:`plot`.

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
        return cls(contributions(estimator, X, reference)).plot(**kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, max_columns: int | None = 10, **kwargs: Any
    ) -> Self:
        """Plot means and spreads.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure's.

        max_columns : int or None, default=10
            How many columns to show, the largest means first. None for all.

        **kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        self : ContributionSummaryDisplay
            The plotted display.
        """
        found = self.contributions
        sizes = found.importances().importances.astype(float)
        mean = sizes.mean(axis=1)
        self.order_ = np.argsort(-mean, kind="stable")[:max_columns]
        labels = wrap_names(ax, [str(found.columns[j]) for j in self.order_])
        self.figure_, self.ax_ = bar_figure(type(self), ax, labels)
        positions = np.arange(len(labels))
        style: dict[str, Any] = {"color": "lightsteelblue", "height": 0.62} | kwargs
        self.bars_ = self.ax_.barh(positions, mean[self.order_], **style)
        low, high = np.quantile(sizes[self.order_], [0.05, 0.95], axis=1)
        self.spreads_ = self.ax_.hlines(positions, low, high, color="0.25", linewidth=2)
        finish_bars(self.ax_, labels, [f"{mean[j]:.2f}" for j in self.order_])
        left = len(mean) - len(labels)
        more = f", {left} more columns" if left else ""
        self.ax_.set_title(f"{sizes.shape[1]} rows{more}")
        self.ax_.set_xlabel(
            "Mean absolute contribution in nats\n(lines: 5 % to 95 % of the rows)"
        )
        return self


@dataclass(eq=False, repr=False)
class ContributionDependenceDisplay:
    """The contribution of one column to each row, over the column's values.

    Each point is a row. If points at the same value differ in height, the column
    interacts with other columns. For categories each value has a box.

    Make it with :meth:`from_estimator`, or from known contributions, and call
    :meth:`plot`.

    Parameters
    ----------
    contributions : Contributions
        The result of :func:`contributions`.

    column : int or str
        The column, by index or name.

    class_label : int, float, bool or str, default=None
        The class whose logit is explained, if there are more than two.

    grid : array-like of shape (n_grid,), default=None
        Values for which `average` is given.

    average : array-like of shape (n_grid,), default=None
        The mean of the model's log-odds if all rows had that value, shifted to the mean
        of the contributions.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the plot.

    figure_ : matplotlib Figure
        Figure with the plot.

    points_ : matplotlib PathCollection or None
        The rows, for numbers.

    boxes_ : dict of lists of matplotlib artists or None
        The result of matplotlib's ``boxplot``, for categories.

    average_ : matplotlib Line2D or None
        The mean prediction.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : Any model.

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

    contributions: Contributions
    column: int | str
    class_label: float | str | None = None
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
            The class whose logit is explained, if there are more than two.

        average : bool, default=True
            Whether to draw the partial dependence too, for a column of numbers. It is
            the mean of the model's log-odds if all rows had the same value. It is taken
            over at most 400 rows, at up to 40 values, and shifted to the mean of the
            contributions. It is exact at these values.

        **kwargs : dict
            As for :meth:`plot`.

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
        display = cls(contributions(estimator, X, reference), column, class_label)
        if average and numbers(display.contributions.column_values(column)) is not None:
            display.grid, display.average = display._mean_prediction(estimator)
        return display.plot(**kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Plot the contributions over the values.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default a new figure's.

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
        found = self.contributions
        all_values, _, output_name = found.of_class(self.class_label)
        j = column_index(self.column, found.columns.tolist())
        values, of_column = all_values[:, j], found.column_values(j)
        x = numbers(of_column)
        label = f"Contribution to the {output_name} (nats)"
        if x is None or len(np.unique(x)) <= FEW_VALUES:
            return self._plot_boxes(ax, j, of_column, values, label, **kwargs)
        self.figure_, self.ax_ = figure_and_axes(type(self), ax)
        style: dict[str, Any] = {"s": 14, "alpha": 0.5, "linewidths": 0} | kwargs
        self.points_ = self.ax_.scatter(x, values, **style)
        missing = np.isnan(x)
        if missing.any():
            told = f"mean where missing ({missing.sum()} rows)"
            mean = values[missing].mean()
            self.ax_.axhline(mean, color="grey", linestyle=":", label=told)
        if self.grid is not None:
            (self.average_,) = self.ax_.plot(
                np.asarray(self.grid), np.asarray(self.average), "k", label=AVERAGE
            )
        self.ax_.axhline(0, color="black", linewidth=0.8)
        self.ax_.set(xlabel=wrap(found.columns[j], 48), ylabel=wrap_title(label))
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend(framealpha=0.9)
        return self

    def _plot_boxes(
        self,
        ax: "Axes | None",
        j: int,
        of_column: np.ndarray,
        values: np.ndarray,
        label: str,
        **kwargs: Any,
    ) -> Self:
        """A box for each value: numbers in order, others sorted by their means."""
        found, x = self.contributions, numbers(of_column)
        texts = np.array([as_text(value) for value in of_column], dtype=object)
        shown, first, counts = np.unique(texts, return_index=True, return_counts=True)
        kept = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
        means = np.array([values[texts == name].mean() for name in shown[kept]])
        order = np.argsort(-means if x is None else x[first[kept]], kind="stable")
        names = shown[kept][order].tolist()
        labels = wrap_names(ax, names)
        self.figure_, self.ax_ = bar_figure(type(self), ax, labels)
        self.boxes_ = self.ax_.boxplot(
            [values[texts == name] for name in names],
            positions=np.arange(len(names)),
            **(BOX_STYLE | kwargs),
        )
        if self.grid is not None:
            grid = np.asarray(self.grid)
            places = [names.index(as_text(of_column[x == v][0])) for v in grid]
            (self.average_,) = self.ax_.plot(np.asarray(self.average), places, "kD")
            label = f"{label}\ndiamonds: {AVERAGE}"
        finish_bars(self.ax_, labels, [f"n={counts[shown == n][0]}" for n in names])
        left = len(shown) - len(names)
        more = f" ({left} rarer categories not shown)" if left else ""
        self.ax_.set_title(wrap_title(found.columns[j] + more))
        self.ax_.set_xlabel(label)
        return self

    def _mean_prediction(
        self, estimator: BaseEstimator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mean log-odds if all rows had one value of the column, for each value."""
        found, network = self.contributions, Network.of(estimator)
        k, _ = output_of_class(found.classes, self.class_label)
        j = column_index(self.column, found.columns.tolist())
        x = np.asarray(numbers(found.column_values(j)))
        present = np.flatnonzero(~np.isnan(x))
        order = present[np.unique(x[present], return_index=True)[1]]
        if len(order) > GRID:
            order = order[np.linspace(0, len(order) - 1, GRID).round().astype(int)]
        n_rows = min(len(x), AVERAGED_ROWS)
        some = np.linspace(0, len(x) - 1, n_rows).astype(int)
        rows = take_rows(found.X, some)
        moved_column = np.array([position(found.X, j, found.columns[j])])
        means = np.zeros(len(order))
        for i, one in enumerate(order):
            at = take_rows(found.X, np.full(n_rows, one))
            moved = with_columns_of(rows, at, moved_column)
            logits = network.classifier.decision_function(network.transform(moved))
            means[i] = (logits if logits.ndim == 1 else logits[:, k]).mean()
        of_rows = np.interp(x[present], x[order], means) if len(order) else 0.0
        values, _, _ = found.of_class(self.class_label)
        return x[order], means - np.mean(of_rows) + values[:, j].mean()


def figure_and_axes(
    display: type, ax: "Axes | None", figsize: tuple[float, float] | None = None
) -> tuple["Figure | SubFigure", "Axes"]:
    """The given axes and their figure, or new ones if none are given."""
    plt = optional_import("matplotlib.pyplot", "plot", display.__name__)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    elif (figure := ax.get_figure(root=True)) and figure.get_layout_engine() is None:
        # The gap keeps the names of one panel off the numbers of the next.
        figure.set_layout_engine("constrained")
    return ax.figure, ax


def wrap(name: str, line: int = LINE, max_lines: int = MAX_LINES) -> str:
    """A name in lines of ``line`` characters, shortened in its middle if too long.

    Lines end at spaces and underscores. A part longer than a line is broken.
    """
    # Lines that end at a space need not be full.
    room = max_lines * line - 5 * (max_lines > 1)
    if len(name) > room:
        half = (room - 3) // 2
        name = f"{name[:half].rstrip()} … {name[-half:].lstrip()}"
    lines = [""]
    for part in re.findall(r"[^ _]*[ _]?", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > line:
            lines.append("")
        while len(part) > line:
            lines[-1:] = [part[:line], ""]
            part = part[line:]
        lines[-1] += part
    # matplotlib reads a dollar sign as mathematics.
    text = "\n".join(line.rstrip() for line in lines if line.strip())
    return text.replace("$", r"\$")


def wrap_names(
    ax: "Axes | None", names: Sequence[str], values: Sequence[str] | None = None
) -> list[str]:
    """Wrapped names of bars, all distinct, each with its value if there are values.

    Given axes hold as many lines and characters as fit in the smallest font.
    """
    line, lines = LINE, MAX_LINES + 2 * (values is not None)
    if ax is not None:
        box, dpi = ax.get_window_extent(), ax.figure.get_dpi()
        height = box.height / dpi / max(len(names), 1)
        lines = int(np.clip(height / 0.1, 1, lines))
        size = np.clip(height / (LINE_HEIGHT * lines + 0.05), 0.5, 1)
        line = int(np.clip(1.3 * LINE * box.width / dpi / LINE_WIDTH / size, *LINES))
    of_value = 0 if values is None else 1 + (lines > MAX_LINES)
    of_name = max(lines - of_value, 1)
    wrapped = [wrap(name, line, of_name) for name in names]
    labels = []
    for j, (name, text) in enumerate(zip(names, wrapped, strict=True)):
        if wrapped.count(text) > 1:
            text = wrap(name, line, len(name))
        if values is not None:
            whole = f"{name} = {values[j]}"
            below = f"{text}\n{wrap(f'= {values[j]}', line, of_value)}"
            text = wrap(whole, line) if len(whole) <= line else below
        labels.append(text)
    return labels


def wrap_title(title: str) -> str:
    """A title in lines that fit a figure."""
    return "\n".join(textwrap.wrap(title, 48)).replace("$", r"\$")


def bar_figure(
    display: type, ax: "Axes | None", labels: Sequence[str]
) -> tuple["Figure | SubFigure", "Axes"]:
    """Axes for a horizontal bar for each label; new axes are as high as needed."""
    return figure_and_axes(display, ax, (6.4, max(AROUND + _height(labels), 2.4)))


def _height(labels: Sequence[str], space: float = BAR_SPACE) -> float:
    lines = max((label.count("\n") + 1 for label in labels), default=1)
    return len(labels) * (LINE_HEIGHT * lines + space)


def finish_bars(
    ax: "Axes", labels: Sequence[str], numbers: Sequence[str] | None = None
) -> None:
    """Put names at the left, numbers at the right and the first bar at the top.

    In axes that are too low for the names, the font is smaller.
    """
    positions = range(len(labels))
    ax.set_yticks(positions, labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    texts = list(ax.get_yticklabels())
    for y, text in zip(positions, numbers or (), strict=False):
        written = ax.text(
            1.01,
            y,
            text,
            transform=ax.get_yaxis_transform(),
            verticalalignment="center",
            clip_on=False,
        )
        texts.append(written)
    figure = ax.get_figure(root=True)
    height = ax.get_window_extent().height / (figure.dpi if figure else 100)
    needed = _height(labels, space=0.05)
    if height < needed:
        for written in texts:
            written.set_fontsize(max(10 * height / needed, 5))


def signed_colours(values: np.ndarray) -> list[Any]:
    """Red for values that raise the log-odds, blue for those that lower them."""
    return [RAISES if value > 0 else LOWERS for value in values]
