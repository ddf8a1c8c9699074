"""What each of the user's columns adds to the log-odds of each row.

The features z are those that the classifier sees. On the straight line from a
reference r to a row the network is piecewise affine. With G the mean of its
coefficients on the line

    f(z) = f(r) + sum_j [sum of G_k (z_k - r_k) over the features k of column j].

The brackets hold the contributions of the columns j; the baseline is f(r). Nothing is
sampled, and no step needs a slope.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, gen_batches

from .._base import over_rows
from .._model.path import path_slopes
from .._model.prediction import logits
from .._optional import optional_import
from .._tables.outputs import CONSTANT
from .frames import (
    Table,
    as_percent,
    as_table,
    as_text,
    column,
    column_index,
    on_host,
    take_rows,
    texts_apart,
)
from .network import Encoded, Network, dense, output_of_class

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any

# Number of local coefficients in memory at a time.
COEFFICIENTS = 2**22


@dataclass(frozen=True, eq=False, repr=False)
class Contributions:
    """What each column adds to the log-odds of each row.

    Made by :func:`contributions`. ``values.sum(axis=-1) + baseline`` is the model's
    `decision_function`.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_columns)
        The contribution of each column to the log-odds of ``classes[1]``, in nats. For
        more than two classes the shape is (n_samples, n_classes, n_columns), with the
        contributions to the logit of each class.

    baseline : float or ndarray of shape (n_classes,)
        The model's log-odds of ``classes[1]`` at the reference, or its logits. With
        several references it is their mean.

    columns : ndarray of shape (n_columns,)
        Names of the columns of `X`.

    X : table of shape (n_samples, n_columns)
        The rows, as they were given.

    classes : ndarray of shape (n_classes,)
        The class labels.

    reference : ndarray of shape (n_columns,) or None
        The row that all rows are compared with, if it is one.

    std : ndarray of the shape of `values`, or None
        Standard errors of the values, from :meth:`Inference.contributions`.

    against : str
        What the rows are compared with, in words.

    predicted : ndarray of shape (n_samples,) or None
        The predicted classes, if a threshold or calibration around the network decides.
        None if the most probable class is predicted.
    """

    values: np.ndarray
    baseline: Any
    columns: np.ndarray
    X: Table
    classes: np.ndarray
    reference: np.ndarray | None = None
    std: np.ndarray | None = None
    against: str = "at the reference"
    predicted: np.ndarray | None = None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.values)

    def __getitem__(self, rows: int | slice | np.ndarray) -> "Contributions":
        """Those of some rows, by position."""
        rows = np.atleast_1d(np.arange(len(self))[rows])
        X = take_rows(self.X, rows)
        std = None if self.std is None else self.std[rows]
        predicted = None if self.predicted is None else self.predicted[rows]
        values = self.values[rows]
        return replace(self, values=values, X=X, std=std, predicted=predicted)

    def __repr__(self) -> str:
        n_rows, n_columns = len(self), len(self.columns)
        if n_rows == 1:
            return self.to_text()
        lines = [f"Contributions: {n_rows} rows, {n_columns} columns."]
        sizes = self.importances().importances_mean
        lines += [
            f"{sizes[j]:8.3f}  {self.columns[j]}"
            for j in np.argsort(-sizes, kind="stable")[:10]
        ]
        if n_columns > 10:
            lines.append(f"{'':10}and {n_columns - 10} more")
        lines.insert(1, "Mean absolute contribution to the log-odds, in nats:")
        return "\n".join(lines)

    def of_class(self, class_label: Any = None) -> tuple[np.ndarray, float, str]:
        """Values, baseline and the name of the output that explains a class.

        Parameters
        ----------
        class_label : int, float, bool or str, default=None
            The class, where there are more than two.

        Returns
        -------
        values : ndarray of shape (n_samples, n_columns)
        baseline : float
        name : str
            Such as "log-odds of yes".

        Raises
        ------
        ValueError
            If `class_label` is missing or unknown.
        """
        k, name = output_of_class(self.classes, class_label)
        if self.values.ndim == 2:
            return self.values, float(self.baseline), name
        return self.values[:, k], float(self.baseline[k]), name

    def _towards(self, label: Any) -> np.ndarray:
        """What each column adds towards a class and away from others, (n, n_columns).

        With more than two classes, logits mean something by their differences alone, so
        these are those of the class less the mean of all.
        """
        known = self.classes.tolist()
        if label not in known:
            raise ValueError(f"The class must be one of {known}. Got {label!r}.")
        k = known.index(label)
        if self.values.ndim == 2:
            return self.values if k else -self.values
        return np.asarray(self.values[:, k] - self.values.mean(axis=1))

    def _proba(self, logits: np.ndarray) -> np.ndarray:
        """The probabilities of the classes, (..., n_classes)."""
        if self.values.ndim == 2:
            return np.stack([expit(-logits), expit(logits)], axis=-1)
        return np.asarray(softmax(logits, axis=-1))

    def column_values(self, name: int | str) -> np.ndarray:
        """The values of a column of the rows, by its name or index.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        j = column_index(name, self.columns.tolist())
        return column(self.X, j, self.columns[j])

    def values_in_words(self, row: int = 0) -> list[str]:
        """The value of each column in a row, such as "2 instead of 0"."""
        one = take_rows(self.X, np.arange(len(self))[[row]])
        values = [column(one, j, name)[0] for j, name in enumerate(self.columns)]
        if self.reference is None:
            return [as_text(value) for value in values]
        pairs = map(texts_apart, values, self.reference)
        return [
            text if text == other else f"{text} instead of {other}"
            for text, other in pairs
        ]

    def reasons(self, n: int = 4, towards: Any = None) -> list[list[str]]:
        """The columns that moved each row most towards a decision.

        Parameters
        ----------
        n : int, default=4
            How many columns to name at most.

        towards : int, float, bool or str, default=None
            The class that was decided. By default it is the predicted class of each
            row.

        Returns
        -------
        reasons : list of list of str
            For each row the columns with the largest contributions towards that class,
            the largest first. Columns that moved it away are left out.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        if towards is not None:
            labels = np.full(len(self), towards, dtype=object)
        elif self.predicted is not None:
            labels = self.predicted
        else:
            proba = self._proba(self.values.sum(axis=-1) + self.baseline)
            labels = self.classes[proba.argmax(axis=1)]
        moved = np.zeros((len(self), len(self.columns)))
        for label in set(labels.tolist()):
            moved[labels == label] = self._towards(label)[labels == label]
        order = np.argsort(-moved, axis=1, kind="stable")[:, :n]
        return [
            [str(self.columns[j]) for j in columns if row[j] > 0]
            for row, columns in zip(moved, order, strict=True)
        ]

    def to_text(
        self, row: int = 0, *, n_columns: int = 3, class_label: Any = None
    ) -> str:
        """Why a row got its prediction, in sentences.

        Parameters
        ----------
        row : int, default=0
            The position of the row.

        n_columns : int, default=3
            How many columns to name, those with the largest contributions.

        class_label : int, float, bool or str, default=None
            The class whose probability is explained. The default is ``classes[1]`` for
            two classes, and the most probable class for more.

        Returns
        -------
        text : str
            Such as "Probability of refused 58 %, against 11 % for the reference.
            Raised by reports 2 instead of 0 (+2.66). Lowered by income 7 instead of 3
            (-1.10)."
            In brackets are the contributions to the log-odds, in nats.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        proba = self._proba(self.values[row].sum(axis=-1) + self.baseline)
        if class_label is None:
            k = 1 if len(self.classes) == 2 else int(np.argmax(proba))
            class_label = self.classes[k]
        moved, words = self._towards(class_label)[row], self.values_in_words(row)
        k = self.classes.tolist().index(class_label)
        before = self._proba(np.asarray(self.baseline))[k]
        text = (
            f"Probability of {class_label} {as_percent(proba[k])}, "
            f"against {as_percent(before)} {self.against}."
        )
        order = np.argsort(-np.abs(moved), kind="stable")[:n_columns]
        for verb, sign in (("Raised", 1), ("Lowered", -1)):
            told = [
                f"{self.columns[j]} {words[j]} ({as_nats(moved[j])})"
                for j in order
                if sign * moved[j] > 0
            ]
            if told:
                text += f" {verb} by {', '.join(told)}."
        return text

    def to_frame(self) -> DataFrame:
        """Baseline and contributions of every row.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each row of X, with its index, or for more than two classes for
            each row and class. The columns are "baseline" and those of X.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = optional_import("pandas", "pandas", "A table of contributions")
        names = ["baseline", *self.columns]
        baselines = np.broadcast_to(self.baseline, self.values.shape[:-1])
        table = np.concatenate([baselines[..., np.newaxis], self.values], axis=-1)
        index = getattr(self.X, "index", None)
        index = pd.RangeIndex(len(self)) if index is None else index
        if self.values.ndim == 3:
            index = pd.MultiIndex.from_product(
                [index, self.classes], names=[index.name or "row", "class"]
            )
        return pd.DataFrame(table.reshape(-1, len(names)), index, names)

    def importances(self) -> Bunch:
        """How much each column contributes, over all rows.

        It has the attributes of :func:`sklearn.inspection.permutation_importance`, so
        the same code can report both.

        Returns
        -------
        importances : :class:`~sklearn.utils.Bunch`
            `importances`, (n_columns, n_samples), holds the absolute contribution to
            each row's log-odds, in nats. With more than two classes it is the mean over
            them. `importances_mean` and `importances_std`, (n_columns,), are mean and
            standard deviation over the rows.
        """
        sizes = np.abs(self.values)
        if sizes.ndim == 3:
            sizes = sizes.mean(axis=1)
        return Bunch(
            importances_mean=sizes.mean(axis=0),
            importances_std=sizes.std(axis=0),
            importances=sizes.T,
        )


def as_nats(value: float) -> str:
    """A contribution with its sign, and a digit however small it is."""
    return f"{value:+.2f}" if abs(value) >= 0.005 else f"{value:+.1g}"


def contributions(
    model: BaseEstimator,
    X: Table,
    reference: Table | Literal["absolute"] | None = None,
) -> Contributions:
    """What each column of X adds to the log-odds of each row, exactly.

    The contributions share out the difference between the log-odds at a row and at a
    reference. Each column gets the mean slope of the network on the straight line
    between the two, times the distance along that column. The columns are those of the
    user's table. Features made of one column, such as ramps and the indicators of its
    categories or gaps, are added up.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier` or :class:`ReLULogisticClassifierCV`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends with one and whose steps treat
        columns one by one. It may also be a fitted search, threshold or calibration of
        these. The network's log-odds before a calibration are explained.

    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_columns)
        Rows to explain, as the model takes them.

    reference : table of shape (n_rows, n_columns) or (n_columns,), or "absolute", \
default=None
        What the rows are compared with. By default it is the mean of the training data,
        in the features of the classifier. It may be one row, such as a typical case.
        Several rows give the mean of the contributions against each, in as many times
        the time. "absolute" is zero for all features.

    Returns
    -------
    contributions : Contributions
        `values`, `baseline` and `columns`, also as a table and as text.
        ``values.sum(axis=-1) + baseline`` is the classifier's decision function, to
        rounding.

    Raises
    ------
    TypeError
        If the model does not end with such a classifier, or a step mixes columns, as
        :class:`~sklearn.decomposition.PCA` does. The message names the step, and how
        to explain what comes behind it.

    ValueError
        If X or the reference is not what the model takes.

    NotFittedError
        Before `fit`.

    See Also
    --------
    local_linear : The coefficients, per unit of each column.
    ContributionsDisplay : The contributions of a row as a picture.

    Notes
    -----
    This is the value of Aumann and Shapley, also called integrated gradients [1]_. It
    has a closed form, since the network is piecewise affine. A column that equals the
    reference gets 0. If one column alone differs, its contribution is the change of the
    model's log-odds. Without hidden layers a contribution is the coefficient times the
    distance.

    The transformers of scikit-learn that treat columns one by one are known. Another
    transformer can be explained if it has a fitted attribute `column_of_output_`. This
    is an integer array of shape (n_outputs,) with the index of the column that each
    output is made of, -1 for a constant.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks",
       ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> from sklearn_relulogit import ReLULogisticClassifier, contributions
    >>> X = pd.DataFrame({"age": [30, 40, 50, 60] * 9, "city": list("abc") * 12})
    >>> y = (X["age"] + 9 * (X["city"] == "b") > 45).astype(int)
    >>> encode = make_column_transformer(
    ...     (StandardScaler(), ["age"]), (OneHotEncoder(), ["city"])
    ... )
    >>> clf = ReLULogisticClassifier((4,), alpha=1.0, random_state=0)
    >>> model = make_pipeline(encode, clf).fit(X, y)
    >>> found = contributions(model, X, reference=X.iloc[[0]])
    >>> found.columns.tolist()
    ['age', 'city']
    >>> logits = found.values.sum(axis=1) + found.baseline
    >>> bool(np.allclose(logits, model.decision_function(X)))
    True
    """
    network = Network.of(model)
    table = as_table(X)
    encoded, names = network.encode(table), network.columns(table)
    clf, n_features = network.classifier, len(encoded.column_of_feature)
    row = None
    weights: np.ndarray = np.ones(1)
    if reference is None:
        references, against = clf.feature_mean_[np.newaxis], "at the mean of the data"
    elif isinstance(reference, str):
        if reference != "absolute":
            raise ValueError(
                "reference must be None, 'absolute', or a row or rows of the user's "
                f"columns. Got {reference!r}."
            )
        references, against = np.zeros((1, n_features)), "with all features at zero"
    else:
        rows, transformed = network.features_of_reference(reference)
        references, weights = np.unique(transformed, axis=0, return_counts=True)
        against = f"for the mean of {len(transformed)} references"
        if len(transformed) == 1:
            against = "for the reference"
            of_columns = [column(rows, j, name)[0] for j, name in enumerate(names)]
            row = np.array(of_columns, dtype=object)
    weights = weights / weights.sum()
    references = np.array(references, dtype=np.float64)
    constant = encoded.column_of_feature == CONSTANT
    references[:, constant] = dense(encoded.features[:1])[:, constant]
    parts = (
        float(weight) * _along_the_line(clf, encoded, r)
        for weight, r in zip(weights, references, strict=True)
    )
    values: np.ndarray = functools.reduce(np.add, parts)
    layers = list(zip(clf.coefs_, clf.intercepts_, strict=True))
    baseline = weights @ logits(layers, references)
    if clf.n_outputs_ == 1:
        values, baseline = values[:, 0], baseline[0]
    columns = np.array(names, dtype=object)
    try:
        Network.of(model, same_predictions=True)
        predicted = None
    except TypeError:  # A threshold or calibration decides.
        predicted = on_host(model.predict(X))
    return Contributions(
        values, baseline, columns, table, clf.classes_, row, None, against, predicted
    )


def _along_the_line(clf: BaseEstimator, encoded: Encoded, r: np.ndarray) -> np.ndarray:
    """The contributions against the features r, (n_samples, m_L, n_columns)."""
    Z, slopes_to = encoded.features, functools.partial(path_slopes, r)
    step = max(COEFFICIENTS // (clf.n_outputs_ * len(r)), 1)
    values = []
    for rows in gen_batches(Z.shape[0], step):
        block = take_rows(Z, rows)
        slopes = over_rows(clf, slopes_to, block, "decision_function")
        distance = (dense(block) - r)[:, np.newaxis]
        values.append(encoded.by_column(slopes * distance).astype(slopes.dtype))
    return np.concatenate(values)
