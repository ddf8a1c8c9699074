"""Categories as log-odds of the classes among their rows."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from .._checks import Interval, StrOptions, check_parameters
from .._rows.input import check_labels, encode_classes, to_host
from .columns import columns
from .readings import distinct

# The smallest m of "auto".
MIN_EQUIVALENT = 1.0
# Categories differ by more than chance above so many standard deviations.
SURE = 2.0


class TargetLogOdds(TransformerMixin, BaseEstimator):
    """Encode categories by the log-odds of the classes among their rows.

    Let category c have n_c rows, n_ck of them in class k, and let p_k be the share of
    class k in all rows. Then the outputs are

        z_ck = log((n_ck + m p_k) / (n_c + m)) - log p_k,

    or the single output z_c1 - z_c0 if there are two classes. An uninformative category
    is 0, and so is one that `fit` has not seen. The outputs need no scaling, since the
    weight of a log-odds is about 1 in a logistic model.

    `fit_transform` encodes each row by the rows of the other folds. So a row's own
    label is not in its features. `fit_transform` and `transform` shrink to the same
    shares, so their outputs have the same scale.

    :class:`~sklearn.preprocessing.TargetEncoder` gives means. With rare categories, the
    means of folds vary less than those of all rows. A scaler after it is fitted to the
    means of folds, and so enlarges the others without limit.

    Parameters
    ----------
    smooth : float or "auto", default="auto"
        The m above: each category gets this many more rows, with the shares of all
        rows. "auto" chooses m >= 1 from how much the categories differ beyond chance.
        If they do not differ by two standard deviations, all outputs are 0.

    n_folds : int, default=5
        Number of folds of `fit_transform`. It divides the rows by their order, with
        equal shares of the classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.

    encodings_ : list of dict of str to ndarray of shape (n_outputs_of_a_column,)
        The outputs of each category, for each column.

    column_of_output_ : ndarray of int, of shape (n_outputs,)
        The column of each output.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    References
    ----------
    D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical
    attributes in classification and prediction problems", SIGKDD Explorations 3 (2001).
    The source of the shrinkage to the shares of all rows.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "smooth": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, smooth: float | str = "auto", *, n_folds: int = 5) -> None:
        self.smooth = smooth
        self.n_folds = n_folds

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Count the classes of each category.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Columns of categories.

        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self : object
            The transformer.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: ArrayLike) -> np.ndarray:
        """Count the classes, and encode each row by the rows of the other folds.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Columns of categories.

        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_outputs)
            The encoded categories.

        Raises
        ------
        ValueError
            If y is not one column of labels of at least two classes.
        """
        check_parameters(self, self._parameter_constraints)
        validate_data(self, X, y, skip_check_array=True)
        check_labels(y)
        check_consistent_length(X, y)
        # The classifier warns if y is a column vector.
        self.classes_, k = encode_classes(column_or_1d(to_host(y)))
        shares = np.bincount(k) / len(k)
        fold = folds(k, self.n_folds)
        self.encodings_, outputs = [], []
        for column in columns(X):
            found, c = distinct(np.asarray(column, dtype=object))
            counts = np.zeros((self.n_folds, len(found), len(shares)))
            np.add.at(counts, (fold, c, k), 1.0)
            total = counts.sum(axis=0)
            auto = self.smooth == "auto"
            m = row_equivalent(total, shares) if auto else float(self.smooth)
            encoded = log_odds(total, shares, m)
            self.encodings_.append(dict(zip(found, encoded, strict=True)))
            outputs.append(log_odds((total - counts)[fold, c], shares, m))
        n_outputs = outputs[0].shape[1]
        self.column_of_output_ = np.repeat(np.arange(self.n_features_in_), n_outputs)
        return np.hstack(outputs)

    def transform(self, X: Any) -> np.ndarray:
        """Encode the categories of some rows.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Columns of categories.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_outputs)
            The encoded categories; 0 for those that `fit` has not seen.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        return np.hstack(
            [
                self._encode(of, np.asarray(column, dtype=object))
                for of, column in zip(self.encodings_, columns(X), strict=True)
            ]
        )

    def _encode(
        self, encoding: dict[str, np.ndarray], column: np.ndarray
    ) -> np.ndarray:
        """The outputs of a column."""
        found, codes = distinct(column)
        n_outputs = len(self.column_of_output_) // self.n_features_in_
        outputs = np.zeros((len(found), n_outputs))
        for i, category in enumerate(found):
            outputs[i] = encoding.get(category, 0.0)
        return np.asarray(outputs[codes])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the outputs: "town", or "town_yes" etc. for several classes.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; by default the names seen in `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of str objects of shape (n_outputs,)
            The names.
        """
        check_is_fitted(self)
        default = [f"x{j}" for j in range(self.n_features_in_)]
        names = getattr(self, "feature_names_in_", input_features or default)
        if len(self.classes_) == 2:
            return np.array([*names], dtype=object)
        return np.array(
            [f"{n}_{k}" for n in names for k in self.classes_], dtype=object
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags


def log_odds(counts: np.ndarray, shares: np.ndarray, m: float) -> np.ndarray:
    """The outputs for counts of the classes, (n, n_classes)."""
    n = counts.sum(axis=1, keepdims=True)
    # The terms are divided by m, since m may be infinite.
    z: np.ndarray = np.log((counts / m + shares) / (n / m + 1)) - np.log(shares)
    return z[:, 1:] - z[:, :1] if len(shares) == 2 else z


def row_equivalent(counts: np.ndarray, shares: np.ndarray) -> float:
    """The number of rows m that the shares of all rows are worth.

    Suppose the shares of a category have a Dirichlet distribution with the mean p and
    the sum m. Then the Pearson statistic of the category,

        sum_k (n_ck - n_c p_k)^2 / (n_c p_k),

    has the expectation (K - 1) (1 + (n_c - 1) r) with r = 1 / (m + 1). So r is a ratio
    of sums over the categories of two or more rows. If the categories differ no more
    than by chance, r is 0 and m infinite.
    """
    counts = counts[counts.sum(axis=1) > 1]
    n = counts.sum(axis=1, keepdims=True)
    expected = n * shares
    pearson = ((counts - expected) ** 2 / expected).sum() / (len(shares) - 1)
    # One category less, since the shares come from the same rows.
    freedom = len(counts) - 1
    excess = pearson - freedom
    if excess <= SURE * np.sqrt(2 * max(freedom, 1) / (len(shares) - 1)):
        return np.inf
    return float(max((n - 1).sum() / excess - 1, MIN_EQUIVALENT))


def folds(codes: np.ndarray, n_folds: int) -> np.ndarray:
    """A fold for each row, with equal shares of the classes in each."""
    shuffled = np.random.RandomState(0).permutation(len(codes))
    fold = np.empty(len(codes), dtype=int)
    fold[np.lexsort((shuffled, codes))] = np.arange(len(codes)) % n_folds
    return fold
