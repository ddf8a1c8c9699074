"""Dates as numbers: days, and the parts of the year, the week and the day."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .columns import A_DAY, columns, content

# The periods of the parts, each from 0 to 1, with their largest numbers of days.
PERIODS = {"year": 366, "week": 7, "day": 1}


def days(dates: np.ndarray) -> np.ndarray:
    """Days since 1 January 1970, NaN for NaT."""
    return np.asarray((dates - np.datetime64(0, "us")) / A_DAY)


def part_of(period: str, dates: np.ndarray) -> np.ndarray:
    """The elapsed part of the year, week or day at each date."""
    if period == "year":
        year = dates.astype("datetime64[Y]")
        length = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")
        return np.asarray((dates - year.astype(dates.dtype)) / length)
    # 1 January 1970 was a Thursday, and weeks begin on Monday.
    shift = 3 if period == "week" else 0
    return np.asarray((days(dates) + shift) % PERIODS[period] / PERIODS[period])


class DateParts(TransformerMixin, BaseEstimator):
    """Turn dates into numbers: days, and parts of the year, the week and the day.

    A part is used if it varies and the dates of `fit` span at least two periods.
    Otherwise it adds nothing to the days.

    Attributes
    ----------
    parts_ : list of (int, str)
        The column and the period of each output; "date" means the days since 1970.

    column_of_output_ : ndarray of int, of shape (n_outputs,)
        The column of each output.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find which parts vary.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Columns of dates.

        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        validate_data(self, X, skip_check_array=True)
        self.parts_ = []
        for j, column in enumerate(columns(X)):
            dates = content(column).values
            known = dates[~np.isnat(dates)]
            reach = np.ptp(days(known)) if len(known) else 0.0
            self.parts_ += [(j, "date")]
            self.parts_ += [
                (j, period)
                for period, length in PERIODS.items()
                if reach >= 2 * length and np.ptp(part_of(period, known)) > 0
            ]
        self.column_of_output_ = np.array([j for j, _ in self.parts_])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Turn dates into numbers.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Columns of dates.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_outputs)
            Days since 1970, and parts of a period from 0 to 1. NaN for gaps.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        dates = [content(column).values for column in columns(X)]
        return np.column_stack(
            [
                days(dates[j]) if part == "date" else part_of(part, dates[j])
                for j, part in self.parts_
            ]
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the outputs: "when", "when_year", "when_week", "when_day".

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str objects of shape (n_outputs,)
            The names.
        """
        check_is_fitted(self)
        names = self.feature_names_in_
        return np.array(
            [
                names[j] + ("" if part == "date" else f"_{part}")
                for j, part in self.parts_
            ],
            dtype=object,
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.two_d_array = False
        return tags
