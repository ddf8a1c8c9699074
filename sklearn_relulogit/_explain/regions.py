"""Which linear regions of the network a data set visits, and what holds in each."""

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler

from .._base import over_rows
from .._model.affine import activation_patterns, affine_functions
from .._model.arrays import Matrix
from .._model.blocks import OrderedMap
from .._model.parameters import Layers
from .._optional import optional_import
from .frames import Table, as_table, table_of_numbers
from .network import Network, class_codes

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any


@dataclass(frozen=True, eq=False, repr=False)
class LinearRegions:
    """The linear regions that a data set visits, the most visited first.

    In each region the model is one logistic regression. Made by
    :func:`linear_regions`.

    Attributes
    ----------
    labels : ndarray of shape (n_samples,)
        The region of each row, an index into the arrays below.

    counts : ndarray of shape (n_regions,)
        How many rows each region has, in descending order.

    representatives : ndarray of shape (n_regions,)
        The index of the first row of each region.

    patterns : ndarray of shape (n_regions, n_hidden_units)
        Which hidden units are active, bool, the first layer first.

    coef : ndarray of shape (n_regions, n_features)
        The coefficients, as :func:`local_linear` gives them. Of shape (n_regions,
        n_classes, n_features) for more than two classes.

    intercept : ndarray of shape (n_regions,) or (n_regions, n_classes)
        The intercepts.

    mean_proba : ndarray of shape (n_regions, n_classes)
        Mean predicted probabilities of the rows.

    observed : ndarray of shape (n_regions, n_classes) or None
        Share of the rows of each class. None without y.

    feature_names : ndarray of shape (n_features,)
        Names of the features.

    feature_std : ndarray of shape (n_features,)
        Standard deviation of each feature over all rows.

    classes : ndarray of shape (n_classes,)
        The class labels.

    hidden_layer_sizes : tuple of int
        How many of the units belong to each layer.
    """

    labels: np.ndarray
    counts: np.ndarray
    representatives: np.ndarray
    patterns: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    mean_proba: np.ndarray
    observed: np.ndarray | None
    feature_names: np.ndarray
    feature_std: np.ndarray
    classes: np.ndarray
    hidden_layer_sizes: tuple[int, ...]

    def __len__(self) -> int:
        """How many regions there are."""
        return len(self.counts)

    def __repr__(self) -> str:
        n_samples, largest = len(self.labels), self.counts[0]
        single = np.sum(self.counts == 1)
        active = np.average(self.patterns, axis=0, weights=self.counts)
        always, never = np.sum(active == 1), np.sum(active == 0)
        lines = [
            f"LinearRegions: {len(self)} for {n_samples} rows; the largest has "
            f"{largest} ({largest / n_samples:.1%}), {single} have one.",
            f"Of {len(active)} hidden units {always} are active at every row, {never} "
            f"at none; {len(active) - always - never} make the regions.",
        ]
        if 2 * single > n_samples:
            lines.append(
                "Most rows have a region of their own: see features() for the "
                "coefficients over all rows. Smaller layers, or a larger alpha, give "
                "fewer regions."
            )
        return "\n".join(lines)

    def to_frame(self) -> DataFrame:
        """Intercept and coefficients of every region.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each region, or for more than two classes for each region and
            class. The columns are "intercept" and the names of the features.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        columns = ["intercept", *self.feature_names]
        values = np.concatenate([self.intercept[..., np.newaxis], self.coef], axis=-1)
        rows = values.reshape(-1, len(columns))
        return _pandas().DataFrame(rows, self._index(), columns)

    def summary(self, n_regions: int = 10, n_features: int = 3) -> DataFrame:
        """The largest regions in words: how many rows, what is predicted, and why.

        Parameters
        ----------
        n_regions : int, default=10
            How many regions, the largest first.

        n_features : int, default=3
            How many features to name. They have the largest effects of a change by one
            standard deviation, ``abs(coef) * feature_std``.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each region, or for more than two classes for each region and
            class. The columns are "rows", their "share" of all rows, and the "mean
            probability", with two classes of ``classes[1]``. If y is known there is an
            "observed rate". "largest effects" names features with their coefficients,
            per unit of the feature.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        rows = []
        for region, count in enumerate(self.counts[:n_regions]):
            for k, _, coef in self._outputs():
                row = {
                    "rows": count,
                    "share": count / len(self.labels),
                    "mean probability": self.mean_proba[region, k],
                }
                if self.observed is not None:
                    row["observed rate"] = self.observed[region, k]
                effects = np.abs(coef[region]) * self.feature_std
                row["largest effects"] = ", ".join(
                    f"{self.feature_names[j]} {coef[region, j]:+.3g}"
                    for j in np.argsort(-effects, kind="stable")[:n_features]
                )
                rows.append(row)
        return _pandas().DataFrame(rows, self._index(n_regions))

    def features(self) -> DataFrame:
        """How the coefficient of each feature varies over the rows.

        Rows need not share a region, so it also works for large networks.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each feature, or for more than two classes for each class and
            feature. The columns are the "mean", "min", "5%", "median", "95%" and "max"
            of its coefficients over the rows, and the share of rows where it is
            "positive". "effect" is the mean of ``abs(coef)`` times the feature's
            standard deviation. The features are sorted by it.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = _pandas()
        index = pd.Index(self.feature_names, name="feature")
        share = self.counts / len(self.labels)
        frames = {}
        for _, label, coef in self._outputs():
            quantile = partial(
                np.quantile, coef, axis=0, weights=self.counts, method="inverted_cdf"
            )
            columns = {
                "mean": share @ coef,
                "min": coef.min(axis=0),
                "5%": quantile(0.05),
                "median": quantile(0.5),
                "95%": quantile(0.95),
                "max": coef.max(axis=0),
                "positive": share @ (coef > 0),
                "effect": share @ np.abs(coef) * self.feature_std,
            }
            frames[label] = pd.DataFrame(columns, index).sort_values(
                "effect", ascending=False, kind="stable"
            )
        frame = pd.concat(frames, names=["class"])
        return frame.droplevel("class") if self.coef.ndim == 2 else frame

    def _index(self, n_regions: int | None = None) -> Any:
        """The index of a table of the largest regions, or of each class in them."""
        pd = _pandas()
        regions = range(len(self))[:n_regions]
        if self.coef.ndim == 2:
            return pd.RangeIndex(regions, name="region")
        names = ["region", "class"]
        return pd.MultiIndex.from_product([regions, self.classes], names=names)

    def _outputs(self) -> list[tuple[int, Any, np.ndarray]]:
        """Index and label of the class of each output, and its coefficients."""
        if self.coef.ndim == 2:
            return [(1, self.classes[1], self.coef)]
        return [(k, label, self.coef[:, k]) for k, label in enumerate(self.classes)]


def linear_regions(
    model: BaseEstimator,
    X: Matrix,
    y: ArrayLike | None = None,
) -> LinearRegions:
    """Group the rows of a data set by the linear regions of the network.

    Rows at which the same hidden units are active share a region. In a region the
    network is one affine function (see :meth:`ReLULogisticClassifier.local_linear`). So
    the model consists of as many logistic regressions as there are regions.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier`, or a :class:`~sklearn.pipeline.Pipeline` that
        ends with one and whose steps treat columns one by one. It may also be a fitted
        search, threshold or calibration of these.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The data, as the model takes them.

    y : array-like of shape (n_samples,), default=None
        Labels, to compare the predictions in each region with the outcomes.

    Returns
    -------
    regions : LinearRegions
        The regions with their rows and coefficients, by the features of X in their own
        units. `summary`, `features` and `to_frame` show them as tables.

    Raises
    ------
    TypeError
        If the model is not such an estimator, a step mixes columns, or the slope of a
        step is not known.

    ValueError
        If an array is not what the model takes.

    NotFittedError
        Before `fit`.

    Notes
    -----
    Behind ramps, clipping or imputation the rows of a region also share the pieces of
    these. Behind encoders they share the codes of categories. Behind smooth steps every
    row has its own region.

    A network with m hidden units in one layer has up to ``2 ** m`` regions. With a
    hundred units nearly every row has its own. The coefficients take memory for each
    region, class and feature.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, linear_regions
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ReLULogisticClassifier((3,), random_state=0)
    ... ).fit(X, y)
    >>> regions = linear_regions(model, X, y)
    >>> int(regions.counts.sum())
    569
    >>> regions.summary().columns.tolist()
    ['rows', 'share', 'mean probability', 'observed rate', 'largest effects']
    """
    network = Network.of(model)
    clf = network.classifier
    X = as_table(X)
    encoded = network.encode(X)
    pieces = network.pieces(X, encoded)
    names = network.columns(X)
    codes = None if y is None else class_codes(y, X, clf.classes_)

    packed, first, labels, coef, intercept = over_rows(
        clf, partial(_group_rows, pieces.key), encoded.features, "local_linear"
    )
    counts = np.bincount(labels)

    def means(values: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(counts), values.shape[1]))
        np.add.at(sums, labels, values)
        return sums / counts[:, np.newaxis]

    sizes = tuple(len(b) for b in clf.intercepts_[:-1])
    if clf.n_outputs_ == 1:
        coef, intercept = coef[:, 0], intercept[:, 0]
    coef, intercept = encoded.fold(coef, intercept, pieces.take(first))
    n_classes = len(clf.classes_)
    return LinearRegions(
        labels=labels,
        counts=counts,
        representatives=first,
        patterns=np.unpackbits(packed, axis=1, count=sum(sizes)).astype(bool),
        coef=coef,
        intercept=intercept,
        mean_proba=means(clf.predict_proba(encoded.features)),
        observed=None if codes is None else means(np.eye(n_classes)[codes]),
        feature_names=np.array(names, dtype=object),
        feature_std=_deviations(X, names),
        classes=clf.classes_,
        hidden_layer_sizes=sizes,
    )


def _group_rows(
    key: np.ndarray, layers: Layers, X: Matrix, ordered_map: OrderedMap
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Group the rows by their linear region and by their bytes of the key.

    Returns for each region its activation pattern, in the bytes of `numpy.packbits`,
    and the index of its first row. Then follow the region of each row, the
    coefficients, (n_regions, m_L, p), and the intercepts, (n_regions, m_L). The regions
    are in descending order of their number of rows, then in the order of first rows.
    """
    packed = activation_patterns(layers, X, ordered_map)
    _, first, labels, counts = np.unique(
        np.hstack([packed, key]),
        axis=0,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    order = np.lexsort((first, -counts))
    first = first[order]
    coef, intercept = affine_functions(layers, X[first], ordered_map)
    return packed[first], first, np.argsort(order)[labels], coef, intercept


def _deviations(X: Table, names: list[str]) -> np.ndarray:
    """The standard deviation of each column; zero if it holds no numbers."""
    if issparse(X):
        return np.asarray(np.sqrt(StandardScaler(with_mean=False).fit(X).var_))
    found = np.ma.masked_invalid(table_of_numbers(X, names)).std(axis=0)
    return np.ma.filled(found, 0.0)


def _pandas() -> Any:
    return optional_import("pandas", "pandas", "A table of the linear regions")
