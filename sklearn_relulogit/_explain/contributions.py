"""What each of the user's columns adds to the log-odds of each row.

In the linear region of a row the network is A z + c, where z are the features that the
classifier sees. Each feature is made of one of the user's columns. With reference r

    A z + c = sum_j [sum of A_k (z_k - r_k) over the features k of column j] + A r + c.

In brackets are the contributions of the columns j; the rest is the baseline. Nothing is
sampled, and no step needs a slope.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, gen_batches

from .._optional import optional_import
from .columns import CONSTANT
from .frames import (
    Table,
    as_one_or_more_rows,
    as_table,
    as_text,
    column,
    column_index,
    take_rows,
)
from .network import Encoded, Network, dense, output_of_class

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any

# Local coefficients that are held at a time.
COEFFICIENTS = 2**22


@dataclass(frozen=True, eq=False, repr=False)
class Contributions:
    """What each column adds to the log-odds of each row.

    Made by :func:`contributions`. ``values.sum(axis=-1) + baseline`` is the model's
    `decision_function`.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_columns)
        The contribution of each column to the log-odds of ``classes[1]``, in nats. Of
        shape (n_samples, n_classes, n_columns) for more than two classes, to the logit
        of each.

    baseline : ndarray of shape (n_samples,) or (n_samples, n_classes)
        What is left: the linear function of the row's region, at the reference.

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
    """

    values: np.ndarray
    baseline: np.ndarray
    columns: np.ndarray
    X: Table
    classes: np.ndarray
    reference: np.ndarray | None = None
    std: np.ndarray | None = None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.values)

    def __getitem__(self, rows: int | slice | np.ndarray) -> "Contributions":
        """Those of some rows, by position."""
        rows = np.atleast_1d(np.arange(len(self))[rows])
        return Contributions(
            self.values[rows],
            self.baseline[rows],
            self.columns,
            take_rows(self.X, rows),
            self.classes,
            self.reference,
            None if self.std is None else self.std[rows],
        )

    def __repr__(self) -> str:
        n_rows, n_columns = len(self), len(self.columns)
        if n_rows == 1:
            return "\n".join(
                f"{name}: {self.to_text(class_label=label)}"
                for name, label in self._outputs()
            )
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

    def _outputs(self) -> list[tuple[str, Any]]:
        """The name of each output, and the label that asks for it."""
        labels = [None] if self.values.ndim == 2 else self.classes.tolist()
        return [(output_of_class(self.classes, label)[1], label) for label in labels]

    def of_class(self, class_label: Any = None) -> tuple[np.ndarray, np.ndarray, str]:
        """Values, baseline and the name of the output that explains a class.

        Parameters
        ----------
        class_label : int, float, bool or str, default=None
            The class, where there are more than two.

        Returns
        -------
        values : ndarray of shape (n_samples, n_columns)
        baseline : ndarray of shape (n_samples,)
        name : str
            Such as "log-odds of yes".

        Raises
        ------
        ValueError
            If `class_label` is missing or unknown.
        """
        k, name = output_of_class(self.classes, class_label)
        if self.values.ndim == 2:
            return self.values, self.baseline, name
        return self.values[:, k], self.baseline[:, k], name

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
        texts = [
            as_text(column(one, j, name)[0]) for j, name in enumerate(self.columns)
        ]
        if self.reference is None:
            return texts
        pairs = zip(texts, map(as_text, self.reference), strict=True)
        return [
            text if text == other else f"{text} instead of {other}"
            for text, other in pairs
        ]

    def reasons(self, row: int = 0, class_label: Any = None) -> list[tuple[int, str]]:
        """The columns of a row by their contributions, the largest first, in words.

        Returns
        -------
        reasons : list of (int, str)
            The index of each column, and its name and value, such as
            "derogatory reports 2 instead of 0".
        """
        values, _, _ = self.of_class(class_label)
        order = np.argsort(-np.abs(values[row]), kind="stable")
        words = self.values_in_words(row)
        return [(int(j), f"{self.columns[j]} {words[j]}") for j in order]

    def to_text(
        self, row: int = 0, *, n_columns: int = 3, class_label: Any = None
    ) -> str:
        """The largest contributions of a row in one line.

        Parameters
        ----------
        row : int, default=0
            The position of the row.

        n_columns : int, default=3
            How many columns to name.

        class_label : int, float, bool or str, default=None
            The class whose logit is explained, where there are more than two.

        Returns
        -------
        text : str
            Such as "+3.67 derogatory reports 2 instead of 0; -0.20 ...".
        """
        values, _, _ = self.of_class(class_label)
        reasons = self.reasons(row, class_label)[:n_columns]
        return "; ".join(f"{values[row, j]:+z.2f} {text}" for j, text in reasons)

    def to_frame(self) -> DataFrame:
        """Baseline and contributions of every row.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each row of X, with its index, or for each row and class where
            there are more than two classes; columns "baseline" and those of X.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = optional_import("pandas", "pandas", "A table of contributions")
        names = ["baseline", *self.columns]
        table = np.concatenate([self.baseline[..., np.newaxis], self.values], axis=-1)
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
        that what reports one reports the other.

        Returns
        -------
        importances : :class:`~sklearn.utils.Bunch`
            `importances`, (n_columns, n_samples): the absolute contribution to each
            row's log-odds, in nats, with more than two classes its mean over them;
            `importances_mean` and `importances_std`, (n_columns,): mean and standard
            deviation over the rows.
        """
        sizes = np.abs(self.values)
        if sizes.ndim == 3:
            sizes = sizes.mean(axis=1)
        return Bunch(
            importances_mean=sizes.mean(axis=0),
            importances_std=sizes.std(axis=0),
            importances=sizes.T,
        )


def contributions(
    model: BaseEstimator,
    X: Table,
    reference: Table | Literal["absolute"] | None = None,
) -> Contributions:
    """What each column of X adds to the log-odds of each row, exactly.

    In the linear region of a row the model is a logistic regression of the features
    that the classifier sees, with its own coefficients. The contribution of a column is
    the sum, over the features that are made of it, of the coefficient times the
    distance of the feature from that of a reference. Columns are those of the user's
    table: the indicators of a category, the pieces of a spline or the flag of a missing
    value are added up under the column that they are made of.

    Parameters
    ----------
    model : fitted estimator
        A :class:`ReLULogisticClassifier` or :class:`ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends with one and whose steps treat
        columns one by one, or a fitted search, threshold or calibration of either.
        What is explained are the log-odds of the network, before a calibration.

    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_columns)
        Rows to explain, as the model takes them.

    reference : table of shape (n_rows, n_columns) or (n_columns,), or "absolute", \
default=None
        What the rows are compared with. One row, such as a typical case: each
        contribution is that of the column's difference from it. Several: the mean of
        the contributions against each. None: the mean of the data of the fit, by
        the features that the classifier was given. "absolute": zero, so that a
        contribution is the coefficient times the feature.

    Returns
    -------
    contributions : Contributions
        `values`, `baseline` and `columns`, and the same as a table and as text.
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
    The baseline is what the linear function of the *row's* region says of the
    reference. Where the reference lies in another region, that differs from the
    model's own decision function of the reference.

    Of scikit-learn's transformers those that treat columns one by one are known.
    Another transformer can be explained if it has a fitted attribute
    `column_of_output_`, an integer array of shape (n_outputs,): the index of the column
    that each output is made of, -1 for a constant.

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
    encoded = network.encode(table)
    reference_row = None
    if reference is None:
        r = network.classifier.feature_mean_
    elif isinstance(reference, str):
        if reference != "absolute":
            raise ValueError(
                "reference must be None, 'absolute', or a row or rows of the user's "
                f"columns. Got {reference!r}."
            )
        r = np.zeros(len(encoded.column_of_feature))
    else:
        rows = as_one_or_more_rows(reference)
        r = dense(network.transform(rows)).mean(axis=0, dtype=np.float64)
        if len(r) != len(encoded.column_of_feature):
            raise ValueError(
                "reference must have the columns of X, of which there are "
                f"{table.shape[1]}. Got {rows.shape[1]}."
            )
    names = network.columns(table)
    if reference is not None and not isinstance(reference, str) and rows.shape[0] == 1:
        reference_row = np.array(
            [column(rows, j, name)[0] for j, name in enumerate(names)], dtype=object
        )
    values, baseline = _against(network, encoded, r)
    return Contributions(
        values,
        baseline,
        np.array(names, dtype=object),
        table,
        network.classifier.classes_,
        reference_row,
    )


def _against(
    network: Network, encoded: Encoded, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values and baselines against the features r, (n_features,)."""
    Z, clf = encoded.features, network.classifier
    constant = encoded.column_of_feature == CONSTANT
    step = max(COEFFICIENTS // (clf.n_outputs_ * len(r)), 1)
    values, baselines = [], []
    for rows in gen_batches(Z.shape[0], step):
        block = take_rows(Z, rows)
        coef, intercept = clf.local_linear(block)
        z = dense(block).astype(np.float64, copy=False)
        if coef.ndim == 3:
            z = z[:, np.newaxis]
        at = np.where(constant, z, r)
        values.append(encoded.by_column(coef * (z - at)))
        baselines.append((coef * at).sum(axis=-1) + intercept)
    dtype = coef.dtype
    return np.concatenate(values).astype(dtype), np.concatenate(baselines).astype(dtype)
