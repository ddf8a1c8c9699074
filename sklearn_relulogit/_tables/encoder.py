"""A fixed first layer of ReLU units for numeric columns: ramps between knots.

Each output is a column x, clipped to an interval and standardised:

    out = (clip(x, a, b) - c) / s,    clip(x, a, b) = a + relu(x - a) - relu(x - b).
"""

from collections.abc import Iterable
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from .._base import BaseReLULogistic
from .._checks import Interval, StrOptions, check_parameters
from .._model.blocks import Block
from .._rows.distinct import copy_weight, distinct_rows, row_keys
from .._rows.weights import check_sample_weight
from .._warnings import feature_name
from .knots import find_knots, in_canonical_order

# "auto": each bin has so many rows of each class, and there are at most 8 bins.
MAX_BINS = 8
ROWS_OF_A_BIN_AND_CLASS = 50
# No indicator for fewer gaps than this: few rows would determine its weight.
MIN_GAPS = 10
# Relative rounding error of numbers of rows, whatever the unit of the weights.
ROUNDING = 1e-9


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    r"""Encode numeric columns by ramps between knots.

    A column becomes several outputs. The first is the column itself, standardised. Each
    bin between two neighbouring knots adds a ramp, which rises within the bin and is
    constant outside. If the column has enough gaps, an indicator of gaps is added. A
    linear function of the outputs is any piecewise linear function of the column with
    kinks at the knots. So a network after the encoder bends where the data are.

    Knots lie where there are many rows, and where the labels jump. The first knots are
    quantiles, and values that many rows share. A logistic regression on the ramps
    between them predicts how many rows of each class each value has. The column is cut
    where the labels of neighbouring values differ from this by more than chance. Such
    places are thresholds and values with a special meaning. Both neighbours of a cut
    become knots, so that the ramp between them is a step. The regression is repeated
    with the largest steps, and the search with it, until only chance is left.

    A ramp is a difference of two ReLU units. So the encoder is an untrained layer of a
    ReLU network, and a classifier of this package after it is a ReLU network of the
    original columns. See :ref:`tables <tables>`.

    Parameters
    ----------
    n_bins : int or "auto", default="auto"
        The largest number of bins of a column, before jumps cut it further. With 0
        there are no ramps; with 1 there are knots at jumps only. "auto" takes 1 to 8
        bins, with 50 rows each for every class in `y`. That is a bin for each 100 rows
        if there are two classes or no `y`. Missing values do not count. If a column has
        no more distinct values than the bins have ends, each two neighbours bound a
        bin. If only one bin would be left, there is no ramp.

    ramp_scale : float, default=0.5
        The standard deviation of each ramp over the training data; that of the column
        itself is 1. With a smaller value a penalty prefers straighter lines.

    add_indicator : bool, default=True
        Whether a column with gaps in at least 10 training rows gets an indicator: 1
        where the value is missing and 0 elsewhere.

    Attributes
    ----------
    knots_ : list of ndarray
        The ends of the bins of each column, increasing; empty if it has no ramps.

    column_of_output_ : ndarray of int, of shape (n_outputs,)
        The position in X of each output's column. The outputs of a column are
        neighbours: itself, its ramps, its indicator.

    lower_, upper_ : ndarray of shape (n_outputs,)
        The interval to which each output clips its column; infinite for the column
        itself.

    center_, scale_ : ndarray of shape (n_outputs,)
        The mean of the clipped column, and the divisor of its distance from the mean.
        The divisor is infinite, so that the output is constant, for constant columns
        and indicators.

    data_min_, data_max_ : ndarray of shape (n_features,)
        The smallest and the largest value of each column in `fit`; NaN if it had none.

    has_whole_numbers_ : ndarray of bool, of shape (n_features,)
        Whether all values of a column in `fit` were whole numbers.

    value_of_missing_ : ndarray of shape (n_outputs,)
        The value of each output where its column is missing: 1 for an indicator, and 0,
        the mean, for others.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    See Also
    --------
    tabular_pipeline : A classifier for a raw table, with this encoder in it.
    sklearn.preprocessing.KBinsDiscretizer : Steps in place of ramps.
    sklearn.preprocessing.SplineTransformer : Smooth functions in place of ramps.

    Notes
    -----
    A weight of k is the same as k copies of a row, and the unit of the weights does not
    matter. The weight of one row is the largest common divisor of the weights of
    distinct rows. If there is none, the number of rows is Kish's effective sample size.
    A gap in a column without gaps in the training data is encoded as the mean of each
    output.

    Cuts between neighbouring values maximise the gain in deviance, less 6 for each cut.
    A column is cut only if one of its cuts gains :math:`5 + \log n + 2 \log p`, for n
    rows and p columns. So columns of noise are hardly ever cut. With K classes, both
    numbers are K - 1 times as large. Columns of more than 256 distinct values are first
    cut between groups of values; each cut then moves to its best place.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in
    tabular deep learning", NeurIPS 2022, for ramps of bins.

    B. Jackson et al., "An algorithm for optimal partitioning of data on an interval",
    IEEE Signal Processing Letters 12, 2005, for the best cuts.

    Examples
    --------
    Without labels, knots are quantiles:

    >>> import numpy as np
    >>> from sklearn_relulogit import PiecewiseLinearEncoder
    >>> X = np.arange(100.0)[:, np.newaxis]
    >>> X[::5] = np.nan
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(X)
    >>> encoder.knots_
    [array([ 1., 49., 99.])]
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x0_ramp1', 'x0_ramp2', 'x0_missing']
    >>> print(encoder.transform([[1.0], [25.0], [49.0], [99.0], [np.nan]]).round(2))
    [[-1.7  -1.14 -0.39  0.  ]
     [-0.87 -0.38 -0.39  0.  ]
     [-0.03  0.38 -0.39  0.  ]
     [ 1.7   0.38  1.12  0.  ]
     [ 0.    0.    0.    1.  ]]

    With labels, also both sides of a threshold:

    >>> PiecewiseLinearEncoder(n_bins=2).fit(X, X[:, 0] >= 73).knots_
    [array([ 1., 49., 72., 73., 99.])]
    """

    _doc_link_module = BaseReLULogistic._doc_link_module
    _doc_link_template = BaseReLULogistic._doc_link_template

    # A classifier after the encoder gets routed weights without a request here.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sample_weight": False}

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_bins": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "ramp_scale": [Interval(Real, 0, None, closed="neither")],
        "add_indicator": ["boolean"],
    }

    def __init__(
        self,
        n_bins: int | str = "auto",
        *,
        ramp_scale: float = 0.5,
        add_indicator: bool = True,
    ) -> None:
        self.n_bins = n_bins
        self.ramp_scale = ramp_scale
        self.add_indicator = add_indicator

    def fit(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Find the knots, means and standard deviations of the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN is a missing value.

        y : array-like of shape (n_samples,), default=None
            Labels. Without them, or if they are numbers instead of classes, no jumps
            are searched. Names and order of the classes do not matter.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, by default 1. Rows of weight 0 are left out.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If a parameter is outside its range, X holds infinite values, or a weight is
            negative.
        """
        check_parameters(self, self._parameter_constraints)
        X = self._check(X, reset=True)
        weights = check_sample_weight(sample_weight, X).astype(np.float64)
        codes = codes_of_classes(y, len(X))
        # In this order, sums over rows are the same to the bit for any order of rows.
        order = np.lexsort((weights, codes))
        order = order[weights[order] > 0]
        X, codes, weights = X[order], codes[order], weights[order]
        weights = weights / weight_of_a_row(X, codes, weights)
        columns = [
            self._encode_column(j, column.astype(np.float64), codes, weights)
            for j, column in enumerate(X.T)
        ]
        outputs = [output for _, outputs, _ in columns for output in outputs]
        self.knots_ = [knots for knots, _, _ in columns]
        seen = [values for _, _, values in columns]
        ends = np.array([v[[0, -1]] if len(v) else [np.nan] * 2 for v in seen])
        self.data_min_, self.data_max_ = ends.T
        self.has_whole_numbers_ = np.array([bool((v % 1 == 0).all()) for v in seen])
        self.column_of_output_ = np.array([output.column for output in outputs])
        self.lower_ = np.array([output.lower for output in outputs])
        self.upper_ = np.array([output.upper for output in outputs])
        self.center_ = np.array([output.center for output in outputs])
        self.scale_ = np.array([output.scale for output in outputs])
        self.value_of_missing_ = np.array([output.missing for output in outputs])
        return self

    def _encode_column(
        self, j: int, x: np.ndarray, codes: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, "list[Output]", np.ndarray]:
        """The knots, the outputs and the distinct values of column j, of values x."""
        known = ~np.isnan(x)
        n_missing = np.sort(weights[~known]).sum() * (1 + ROUNDING)
        n_classes = int(codes.max()) + 1
        values, counts = tabulate(x[known], codes[known], weights[known], n_classes)
        totals = counts.sum(axis=1)
        outputs = [Output.clipped(j, -np.inf, np.inf, values, totals)]
        if not np.isfinite(outputs[0].center):
            name = feature_name(j, getattr(self, "feature_names_in_", None))
            raise ValueError(
                f"Divide {name} by a large number before it is encoded: its standard "
                f"deviation overflows float64. Its largest absolute value is "
                f"{np.abs(values).max():.3g}."
            )
        n_bins = self._largest_n_bins(totals.sum(), n_classes)
        knots = find_knots(values, counts, n_bins, self.n_features_in_)
        outputs += [
            Output.clipped(j, a, b, values, totals, self.ramp_scale)
            for a, b in pairwise(knots)
        ]
        if self.add_indicator and n_missing >= MIN_GAPS and len(values):
            outputs.append(Output(j, -np.inf, np.inf, 0.0, np.inf, 1.0))
        return knots, outputs, values

    def _largest_n_bins(self, n_rows: float, n_classes: int) -> int:
        if self.n_bins != "auto":
            return int(self.n_bins)
        rows_of_a_bin = ROWS_OF_A_BIN_AND_CLASS * max(n_classes, 2)
        return int(np.clip(n_rows * (1 + ROUNDING) // rows_of_a_bin, 1, MAX_BINS))

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Encode the columns of some rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN is a missing value.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_outputs)
            The outputs, in the floating type of X.

        Raises
        ------
        ValueError
            If X does not have the columns seen in `fit`, or holds infinite values.

        NotFittedError
            Before `fit`.
        """
        X = self._check_fitted(X)
        x = X[:, self.column_of_output_].astype(np.float64, copy=False)
        Z = (np.clip(x, self.lower_, self.upper_) - self.center_) / self.scale_
        return np.where(np.isnan(x), self.value_of_missing_, Z).astype(
            X.dtype, copy=False
        )

    def local_linear(self, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The affine function of its column that each output is around each row.

        On the linear piece around a row x, output j is
        ``slopes[j] * x[column_of_output_[j]] + intercepts[j]``, to rounding. At a knot
        the slope is that to its left, because relu'(0) = 0 everywhere in this package.
        Where a value is missing the slope is 0 and the intercept is the output.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN is a missing value.

        Returns
        -------
        slopes : ndarray of shape (n_samples, n_outputs)
            The derivative of each output by its column, in the floating type of X.

        intercepts : ndarray of shape (n_samples, n_outputs)
            The intercepts of these functions.

        Raises
        ------
        ValueError
            If X does not have the columns seen in `fit`, or holds infinite values.

        NotFittedError
            Before `fit`.
        """
        X = self._check_fitted(X)
        x = X[:, self.column_of_output_].astype(np.float64, copy=False)
        rises = (self.lower_ < x) & (x <= self.upper_)
        ends = np.clip(x, self.lower_, self.upper_)
        slopes = np.where(rises, 1 / self.scale_, 0.0)
        intercepts = (np.where(rises, 0.0, ends) - self.center_) / self.scale_
        intercepts = np.where(np.isnan(x), self.value_of_missing_, intercepts)
        return slopes.astype(X.dtype), intercepts.astype(X.dtype)

    def get_feature_names_out(
        self, input_features: Iterable[str] | None = None
    ) -> np.ndarray:
        """Names of the outputs: "age", "age_ramp1", ..., "age_missing".

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            Names of the columns; by default the names seen in `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of str objects of shape (n_outputs,)
            The names.

        Raises
        ------
        ValueError
            If `input_features` differ from the names seen in `fit`, also in number.

        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        seen = getattr(self, "feature_names_in_", None)
        if input_features is None:
            default = [f"x{j}" for j in range(self.n_features_in_)]
            names = np.asarray(default if seen is None else seen, dtype=object)
        else:
            names = np.asarray(input_features, dtype=object)
            if seen is not None and not np.array_equal(names, seen):
                raise ValueError(
                    "input_features is not equal to feature_names_in_, the names that "
                    f"were seen in fit: {seen.tolist()}. Got {names.tolist()}."
                )
            if names.shape != (self.n_features_in_,):
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(names)}"
                )
        of_columns = [
            self._suffixes(np.flatnonzero(self.column_of_output_ == j))
            for j in range(self.n_features_in_)
        ]
        return np.array(
            [
                name + suffix
                for name, suffixes in zip(names, of_columns, strict=True)
                for suffix in suffixes
            ],
            dtype=object,
        )

    def _suffixes(self, outputs: np.ndarray) -> list[str]:
        """The suffixes of the names of one column's outputs."""
        is_missing = self.value_of_missing_[outputs] == 1
        n_ramps = len(outputs) - 1 - np.count_nonzero(is_missing)
        ramps = [f"_ramp{i}" for i in range(1, n_ramps + 1)]
        return ["", *ramps, *(["_missing"] if is_missing.any() else [])]

    def _check_fitted(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self._check(X, reset=False)

    def _check(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        """X as float64 or float32, with NaN; infinite values raise an error."""
        checked: np.ndarray = validate_data(
            self,
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            reset=reset,
        )
        infinite = np.isinf(checked).any(axis=0)
        if infinite.any():
            name = feature_name(
                int(infinite.argmax()), getattr(self, "feature_names_in_", None)
            )
            raise ValueError(
                f"Replace the infinite values in {name}, for example by NaN, a missing "
                "value: input X contains infinity."
            )
        return checked

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Output(NamedTuple):
    """One output of the encoder: (clip(x, lower, upper) - center) / scale."""

    column: int
    lower: float
    upper: float
    center: float
    scale: float
    missing: float

    @classmethod
    def clipped(
        cls,
        column: int,
        lower: float,
        upper: float,
        x: np.ndarray,
        weights: np.ndarray,
        deviation: float = 1.0,
    ) -> Self:
        """A clipped column x, in a unit that gives it this standard deviation.

        A constant gets an infinite unit, so that the output is 0 for all values.
        """
        if len(x) == 0 or x.min() == x.max():
            return cls(column, lower, upper, x[0] if len(x) else 0.0, np.inf, 0.0)
        clipped = np.clip(x, lower, upper)
        # Relative to one value: values are often far from zero and vary little.
        start = clipped.min()
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(clipped - start, weights=weights)
            squares = np.average((clipped - start - mean) ** 2, weights=weights)
        center = start + mean if np.isfinite(squares) else np.nan
        scale = np.sqrt(squares) / deviation
        return cls(column, lower, upper, center, scale if scale > 0 else np.inf, 0.0)


def codes_of_classes(y: Any, n_rows: int) -> np.ndarray:
    """The classes of the rows as numbers 0, 1, ...; all 0 if y holds no classes."""
    none = np.zeros(n_rows, dtype=int)
    if y is None:
        return none
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or (y.dtype.kind == "f" and (y % 1 != 0).any()):
        return none
    check_consistent_length(none, y)
    labels = y.tolist()
    number = {label: code for code, label in enumerate(dict.fromkeys(labels))}
    # Integers that are mostly distinct are numbers, not classes.
    if len(number) > n_rows / 2:
        return none
    return np.array([number[label] for label in labels])


def weight_of_a_row(X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
    """The weight of one row: the common divisor of the weights of distinct rows.

    So a repeated row is the same as a heavier one, and weights may have any unit. If
    there is no divisor, the number of rows is Kish's effective sample size.
    """
    data = Block(X, codes, weights)
    _, _, weights = distinct_rows(data, row_keys(np.where(np.isnan(X), np.nan, X)))
    weights.sort()
    row = copy_weight(weights)
    copies = weights / row
    if (abs(copies - np.rint(copies)) < 1e-3).all():
        return row
    return float((weights**2).sum() / weights.sum())


def tabulate(
    x: np.ndarray, codes: np.ndarray, weights: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, increasing, and the weight of each class at each of them."""
    order = np.argsort(x, kind="stable")
    x = x[order] + 0.0  # A zero without a sign.
    is_new = np.diff(x, prepend=np.nan) != 0
    cell = n_classes * (np.cumsum(is_new) - 1) + codes[order]
    values = x[is_new]
    size = n_classes * len(values)
    counts = np.bincount(cell, weights[order], size).reshape(-1, n_classes)
    return values, in_canonical_order(counts)
