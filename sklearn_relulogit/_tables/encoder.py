"""A fixed first layer of ReLU units for numeric columns: ramps between quantiles.

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
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._base import BaseReLULogistic
from .._checks import Interval, StrOptions, check_parameters
from .._rows.weights import check_sample_weight
from .._warnings import feature_name

# Of "auto": as many bins as have so many rows for each class, and no more than so many.
MAX_BINS = 8
ROWS_OF_A_BIN_AND_CLASS = 50
# Gaps of fewer rows than that have no indicator: its weight would be of a few rows.
MIN_GAPS = 10


class PiecewiseLinearEncoder(TransformerMixin, BaseEstimator):
    """Encode numeric columns by ramps between their quantiles.

    A column becomes several: itself, standardised; for each bin between two
    neighbouring quantiles a ramp, which rises within the bin and is constant outside;
    and, if it has enough gaps, an indicator of them. A linear function of the outputs
    is any piecewise linear function of the column with kinks at the quantiles, so that
    a network behind the encoder bends where the data are.

    A ramp is a difference of two ReLU units, so the encoder is a layer of a ReLU
    network that is not trained, and a classifier of this package behind it is a ReLU
    network of the original columns: see :ref:`tables <tables>`.

    Parameters
    ----------
    n_bins : int or "auto", default="auto"
        The largest number of bins, at least 0. "auto" is as many as have 50 rows each
        for every class in `y`, and 8 at most: one bin for each 100 rows where there
        are two classes, or where `y` is not given. Missing values do not count. A
        column of fewer distinct values than that has a bin between each two of them;
        where quantiles are equal, bins are merged; and where a single bin would be
        left, there is no ramp.

    ramp_scale : float, default=0.5
        The standard deviation of each ramp over the training data, where that of the
        column itself is 1. The smaller, the more a penalty prefers straight lines.

    add_indicator : bool, default=True
        Whether a column with gaps in at least 10 rows of the training data has an
        indicator of them, 1 where the value is missing and 0 elsewhere.

    Attributes
    ----------
    knots_ : list of ndarray
        For each column the ends of its bins, increasing; empty if it has no ramps.

    column_of_output_ : ndarray of int, of shape (n_outputs,)
        The column that each output is made from, as its position in X. The outputs of
        a column are neighbours: itself, its ramps, its indicator.

    lower_, upper_ : ndarray of shape (n_outputs,)
        The interval that each output clips its column to; infinite for the column
        itself.

    center_, scale_ : ndarray of shape (n_outputs,)
        The mean of the clipped column, and what its distance from that is divided by;
        infinite, so that the output is constant, for constant columns and indicators.

    value_of_missing_ : ndarray of shape (n_outputs,)
        What each output is where its column is missing: 1 for an indicator, and for
        other outputs 0, their mean.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    See Also
    --------
    tabular_pipeline : A classifier for a raw table, with this encoder in it.
    sklearn.preprocessing.KBinsDiscretizer : Steps in the place of ramps.
    sklearn.preprocessing.SplineTransformer : Smooth functions in the place of ramps.

    Notes
    -----
    A weight of k is the same as k copies of a row. A gap in a column that had none in
    the training data is encoded as the mean of each output.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in
    tabular deep learning", NeurIPS 2022, for ramps of bins.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relulogit import PiecewiseLinearEncoder
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [np.nan]])
    >>> encoder = PiecewiseLinearEncoder(n_bins=2).fit(np.repeat(X, 10, axis=0))
    >>> encoder.knots_
    [array([0., 1., 3.])]
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x0_ramp1', 'x0_ramp2', 'x0_missing']
    >>> print(encoder.transform(X).round(2))
    [[-1.34 -0.87 -0.45  0.  ]
     [-0.45  0.29 -0.45  0.  ]
     [ 0.45  0.29  0.15  0.  ]
     [ 1.34  0.29  0.75  0.  ]
     [ 0.    0.    0.    1.  ]]
    """

    _doc_link_module = BaseReLULogistic._doc_link_module
    _doc_link_template = BaseReLULogistic._doc_link_template

    # Weights that are routed to a classifier behind it need not be asked for here.
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
        """Find the quantiles, means and standard deviations of the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN is a missing value.

        y : array-like of shape (n_samples,), default=None
            Labels, whose number of classes counts for ``n_bins="auto"``. They are not
            used otherwise, and not at all if they are no classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, by default 1. Rows of weight 0 are left out.

        Returns
        -------
        self : object
            The fitted encoder.

        Raises
        ------
        ValueError
            If a parameter is outside what is allowed, X holds infinite values, or a
            weight is negative.
        """
        check_parameters(self, self._parameter_constraints)
        X = self._check(X, reset=True)
        weights = check_sample_weight(sample_weight, X).astype(np.float64)
        X, weights = X[weights > 0], weights[weights > 0]
        n_classes = count_classes(y)
        columns = [
            self._encode_column(j, column.astype(np.float64), weights, n_classes)
            for j, column in enumerate(X.T)
        ]
        outputs = [output for _, outputs in columns for output in outputs]
        self.knots_ = [knots for knots, _ in columns]
        self.column_of_output_ = np.array([output.column for output in outputs])
        self.lower_ = np.array([output.lower for output in outputs])
        self.upper_ = np.array([output.upper for output in outputs])
        self.center_ = np.array([output.center for output in outputs])
        self.scale_ = np.array([output.scale for output in outputs])
        self.value_of_missing_ = np.array([output.missing for output in outputs])
        return self

    def _encode_column(
        self, j: int, x: np.ndarray, weights: np.ndarray, n_classes: int
    ) -> tuple[np.ndarray, "list[Output]"]:
        """The knots and the outputs of column j, whose values are x."""
        known = ~np.isnan(x)
        n_missing = weights[~known].sum()
        x, weights = x[known], weights[known]
        knots = find_knots(x, weights, self._largest_n_bins(weights, n_classes))
        outputs = [Output.clipped(j, -np.inf, np.inf, x, weights)]
        outputs += [
            Output.clipped(j, a, b, x, weights, self.ramp_scale)
            for a, b in pairwise(knots)
        ]
        if not all(np.isfinite(output.center) for output in outputs):
            name = feature_name(j, getattr(self, "feature_names_in_", None))
            raise ValueError(
                f"Divide {name} by a large number before it is encoded: its standard "
                f"deviation overflows float64. Its largest absolute value is "
                f"{np.abs(x).max():.3g}."
            )
        if self.add_indicator and n_missing >= MIN_GAPS and len(x):
            outputs.append(Output(j, -np.inf, np.inf, 0.0, np.inf, 1.0))
        return knots, outputs

    def _largest_n_bins(self, weights: np.ndarray, n_classes: int) -> int:
        if self.n_bins != "auto":
            return int(self.n_bins)
        rows_of_a_bin = ROWS_OF_A_BIN_AND_CLASS * n_classes
        return int(min(MAX_BINS, weights.sum() // rows_of_a_bin))

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

        Output j of a row x is ``slopes[j] * x[column_of_output_[j]] + intercepts[j]``,
        to rounding, on the whole linear piece that the row lies on. At an end of a
        bin relu'(0) = 0 holds for both units of a ramp, as everywhere in this package:
        the slope at a knot is that to its left. Where a value is missing the slope is
        0 and the intercept is the output.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers; NaN is a missing value.

        Returns
        -------
        slopes : ndarray of shape (n_samples, n_outputs)
            The derivative of each output by its column, in the floating type of X.

        intercepts : ndarray of shape (n_samples, n_outputs)
            The rest.

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
            Names of the columns; by default those seen in `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of str objects of shape (n_outputs,)
            The names.

        Raises
        ------
        ValueError
            If `input_features` are not the names seen in `fit`, or not as many.

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
        """What the outputs of one column add to its name."""
        is_missing = self.value_of_missing_[outputs] == 1
        n_ramps = len(outputs) - 1 - np.count_nonzero(is_missing)
        ramps = [f"_ramp{i}" for i in range(1, n_ramps + 1)]
        return ["", *ramps, *(["_missing"] if is_missing.any() else [])]

    def _check_fitted(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self._check(X, reset=False)

    def _check(self, X: ArrayLike, *, reset: bool) -> np.ndarray:
        """X as float64 or float32, with NaN; infinite values are an error."""
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
        # From one of the values, which are often farther from zero than they vary.
        start = clipped.min()
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(clipped - start, weights=weights)
            squares = np.average((clipped - start - mean) ** 2, weights=weights)
        center = start + mean if np.isfinite(squares) else np.nan
        scale = np.sqrt(squares) / deviation
        return cls(column, lower, upper, center, scale if scale > 0 else np.inf, 0.0)


def count_classes(y: Any) -> int:
    """The number of classes in y; 2 where there are fewer, or y holds no classes."""
    if y is None:
        return 2
    y = np.asarray(y)
    if y.dtype.kind == "f" and (y % 1 != 0).any():
        return 2
    n_classes = len(set(y.ravel().tolist()))
    # Integers of which most are different are numbers.
    return n_classes if 2 <= n_classes <= y.size / 2 else 2


def find_knots(x: np.ndarray, weights: np.ndarray, n_bins: int) -> np.ndarray:
    """The ends of the bins of a column, increasing; none if there are no two bins.

    A knot at each distinct value, if there are no more than bins have ends, and else
    at the quantiles: the smallest values that a share of the weights does not exceed.
    """
    none = np.empty(0)
    if len(x) == 0 or n_bins < 2:
        return none
    distinct = np.unique(x)
    if len(distinct) <= n_bins + 1:
        knots = distinct
    else:
        # Less than a rounding error below each share, so that it counts as reached.
        shares = np.linspace(0, 1, n_bins + 1) * (1 - 1e-12)
        quantiles = np.quantile(x, shares, method="inverted_cdf", weights=weights)
        knots = np.unique(quantiles)
    return knots if len(knots) > 2 else none
