"""Plots in scikit-learn's Display convention; matplotlib is imported to draw one."""

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .._model.likelihood import likelihood_of
from .bars import figure_and_axes
from .network import Network, check_feature_names, class_codes
from .polygons import boundary_segments, decision_pieces, linear_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINT_STYLE: dict[str, Any] = {"s": 16, "edgecolors": "black", "linewidths": 0.4}


@dataclass(eq=False, repr=False)
class LossCurveDisplay:
    """Training and validation loss over the iterations of a fit.

    Make it with :meth:`from_estimator`; the parameters become attributes.

    Parameters
    ----------
    loss_curve : array-like of shape (n_iter,)
        Mean training objective after each iteration, with the penalty, in nats.

    validation_loss_curve : array-like of shape (n_iter,), default=None
        Mean negative log-likelihood of the validation data, in nats.

    best_iteration : int, default=None
        The iteration, from 1, whose parameters an early stop kept. None to mark none.

    estimator_name : str, default=None
        What the legend calls the model.

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
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of samples.

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
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the loss curves of a fitted model.

        Parameters
        ----------
        estimator : fitted estimator
            A :class:`ReLULogisticClassifier`, or a pipeline or search with one.

        name : str, default=None
            What the legend calls the model.

        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``plot`` for each curve.

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
        best = None
        if clf.early_stopping and validation:
            best = int(np.argmin(validation)) + 1
        display = cls(
            clf.loss_curve_, validation, best_iteration=best, estimator_name=name
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        name : str, default=None
            What the legend calls the model, if not `estimator_name`.

        **kwargs : dict
            Passed to matplotlib's ``plot`` for each curve.

        Returns
        -------
        self : LossCurveDisplay
            The plotted display.
        """
        self.figure_, self.ax_ = figure_and_axes(type(self), ax)
        name = self.estimator_name if name is None else name
        prefix = "" if name is None else f"{name}, "
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


@dataclass(eq=False, repr=False, kw_only=True)
class LinearRegionsDisplay:
    """The linear regions of a model over two features, and its decision boundary.

    Both are exact: the regions are polygons, in each of which the model is one
    logistic regression, so the boundary inside it is a straight line. A region is
    coloured by the class predicted there, the paler the less certain it is at the
    centre; where the boundary crosses it, each side has its own colour.

    Make it with :meth:`from_estimator`; the parameters become attributes.

    Parameters
    ----------
    regions : list of ndarray of shape (n_vertices, 2)
        The linear regions.

    pieces : list of ndarray of shape (n_vertices, 2)
        The regions, split along the decision boundary.

    piece_classes : array-like of int of shape (n_pieces,)
        Index of the class predicted in each piece.

    piece_probabilities : array-like of shape (n_pieces,)
        Its probability at the centre of the piece.

    boundary : list of ndarray of shape (2, 2)
        The segments of the decision boundary.

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
        The data, one collection a class; without y, one in all.

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : Of any classifier, on a grid.

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

    regions: list[np.ndarray]
    pieces: list[np.ndarray]
    piece_classes: ArrayLike
    piece_probabilities: ArrayLike
    boundary: list[np.ndarray]
    classes: ArrayLike
    feature_names: Sequence[str]
    points: ArrayLike | None = None
    y: ArrayLike | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        features: Sequence[int | str] = (0, 1),
        others: ArrayLike | None = None,
        feature_names: ArrayLike | None = None,
        margin: float = 0.05,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the linear regions of a fitted model over two of its features.

        Parameters
        ----------
        estimator : fitted estimator
            As for :func:`.to_mlp_classifier`: before the classifier may be scalers,
            imputation and a :class:`PiecewiseLinearEncoder`.

        X : array-like of shape (n_samples, n_features)
            Data, as the model takes them; they are drawn, and the axes span their
            range.

        y : array-like of shape (n_samples,), default=None
            Labels, to draw each class in its colour.

        features : sequence of two int or str, default=(0, 1)
            The features of the axes, by index or name.

        others : array-like of shape (n_features,), default=None
            A row that says where all other features are held. By default the median
            of X. The data are drawn whatever their other features are.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features. By default those seen in fit, or x0, x1, ...

        margin : float, default=0.05
            How far to go beyond the range of X, as a share of it.

        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

        **kwargs : dict
            Passed to matplotlib's ``scatter`` for the data.

        Returns
        -------
        display : LinearRegionsDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        ValueError
            If `features` are not two features of the model, or an array is not what
            it should be.

        TypeError, NotFittedError
            If the model is not fitted, or a step is of another kind.

        Notes
        -----
        It takes time for each region. A hundred units in one layer make some thousand
        regions and take about a second.
        """
        model = Network.of(estimator)
        classes = model.classifier.classes_
        names = check_feature_names(feature_names, model)
        shown = _two_features(features, names)
        points = validate_data(model.first_step, X, dtype=np.float64, reset=False)
        reference = np.median(points, axis=0) if others is None else others
        reference = column_or_1d(reference, dtype=np.float64)
        if len(reference) != len(names):
            raise ValueError(
                f"others must hold a value for each of the {len(names)} features. Got "
                f"{len(reference)}."
            )
        if y is not None:
            y = classes[class_codes(y, points, classes)]
        points = points[:, shown]

        low, high = points.min(axis=0), points.max(axis=0)
        spread = np.where(high > low, high - low, 1)
        low, high = low - margin * spread, high + margin * spread
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        # The network as a function of the two features, with all others held.
        (W_1_T, b_1), *deeper = model.layers
        held = np.delete(np.arange(len(names)), shown)
        b_1 = b_1 + reference[held] @ W_1_T[held]
        cells = linear_cells([(W_1_T[shown], b_1), *deeper], corners)

        pieces, logits, boundary = [], [], []
        for cell in cells:
            cell_pieces = decision_pieces(cell)
            pieces += cell_pieces
            logits += [cell.A @ P.mean(axis=0) + cell.c for _, P in cell_pieces]
            boundary += boundary_segments(cell, cell_pieces)
        piece_classes = np.array([k for k, _ in pieces])
        proba = likelihood_of(len(classes)).proba(np.array(logits))
        display = cls(
            regions=[cell.vertices for cell in cells],
            pieces=[P for _, P in pieces],
            piece_classes=piece_classes,
            piece_probabilities=proba[np.arange(len(pieces)), piece_classes],
            boundary=boundary,
            classes=classes,
            feature_names=[str(name) for name in names[shown]],
            points=points,
            y=y,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Plot regions, boundary and data.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure.

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
        # White where all classes are equally probable, and half the colour of the class
        # where it is certain, so that the data stand out.
        chance = 1 / len(classes)
        certainty = (np.asarray(self.piece_probabilities) - chance) / (1 - chance)
        strength = 0.06 + 0.5 * np.clip(certainty, 0, 1)[:, np.newaxis]
        faces = 1 - strength * (1 - palette[np.asarray(self.piece_classes)])
        # Edges in the colour of the faces, or hairlines would show between the pieces.
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


def _two_features(features: Sequence[int | str], names: np.ndarray) -> list[int]:
    """Indices of two different features that are given by index or name."""
    known = names.tolist()
    chosen = [known.index(f) if f in known else f for f in features]
    indices = [f for f in chosen if isinstance(f, int | np.integer)]
    valid = [int(f) for f in indices if 0 <= f < len(known)]
    if len(chosen) != 2 or len(set(valid)) != 2:
        raise ValueError(
            "features must be two different features, by name or by an index from 0 "
            f"to {len(known) - 1}. Got {features!r}."
        )
    return valid
