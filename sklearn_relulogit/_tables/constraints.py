"""Monotonic constraints on the columns of a table, passed on to their features."""

from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline

from .._checks import check_signs

# Estimators that may contain a classifier with constraints.
AROUND = (
    CalibratedClassifierCV,
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)


def constrained(
    pipeline: Pipeline, monotonic_cst: Mapping[Hashable, int]
) -> "MonotonicPipeline":
    """A pipeline of `tabular_pipeline` with constraints and a clone of its classifier.

    Raises
    ------
    TypeError
        If the constraints are not a dict, or the classifier has no such parameter.

    ValueError
        If a constraint is not -1, 0 or 1.
    """
    *before, (name, classifier) = pipeline.steps
    check_constraints(monotonic_cst, classifier)
    # Another pipeline with the same classifier may have no constraints.
    steps = [*before, (name, clone(classifier))]
    return MonotonicPipeline(steps, monotonic_cst=monotonic_cst)


def check_constraints(monotonic_cst: Any, classifier: Any) -> None:
    """Raise an error unless the constraints are valid and the classifier takes them."""
    if not isinstance(monotonic_cst, Mapping):
        raise TypeError(
            "Pass monotonic_cst as a dict by the names of columns, such as "
            f"{{'income': 1}}. Got {monotonic_cst!r}."
        )
    check_signs(monotonic_cst.values())
    if parameter_of(classifier) is None:
        raise TypeError(
            "Pass an estimator that has the parameter monotonic_cst, such as "
            "ReLULogisticClassifier(), or a search, a calibration or a threshold of "
            f"one. Got {classifier!r}."
        )


class MonotonicPipeline(Pipeline):
    """A pipeline of `tabular_pipeline` whose classifier is monotone in columns.

    The number of features of a column is known only after the earlier steps are fitted.
    So `fit` gives the classifier an array-like that is computed when the classifier
    reads it. After `fit` the classifier's parameter `monotonic_cst` is the array.

    Parameters
    ----------
    steps : list of (str, object)
        The last one has a parameter `monotonic_cst`, or is a search over such a
        classifier. One before is the ColumnTransformer "columns".
    monotonic_cst : dict of str to {-1, 0, 1}, or None
        The constraints, by the names of the columns.
    transform_input, memory, verbose
        As in :class:`~sklearn.pipeline.Pipeline`.
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        monotonic_cst: Mapping[Hashable, int] | None = None,
        transform_input: list[str] | None = None,
        memory: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            steps, transform_input=transform_input, memory=memory, verbose=verbose
        )
        self.monotonic_cst = monotonic_cst

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps, the last one with the constraints.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            The table.

        y : array-like of shape (n_samples,)
            The classes.

        **params : dict
            As for :meth:`sklearn.pipeline.Pipeline.fit`.

        Returns
        -------
        self : object
            The fitted pipeline.

        Raises
        ------
        ValueError
            If `monotonic_cst` has values other than -1, 0 and 1, or names that are not
            columns of numbers.
        """
        last, classifier = self.steps[-1]
        name = parameter_of(classifier)
        if self.monotonic_cst is not None and is_classifier(classifier):
            check_constraints(self.monotonic_cst, classifier)
        if name is None:  # A slice without the classifier, or one without constraints.
            return super().fit(X, y, **params)
        signs = None
        if self.monotonic_cst is not None:
            signs = SignsOfFeatures(self, self.monotonic_cst)
        name = f"{last}__{name}"
        before = self.get_params()[name]
        self.set_params(**{name: signs})
        try:
            super().fit(X, y, **params)
        except BaseException:
            self.set_params(**{name: before})
            raise
        return self.set_params(**{name: None if signs is None else np.asarray(signs)})


class SignsOfFeatures:
    """An array-like of the constraint of each feature of the classifier.

    It is computed at each access. A copy is the array at that time.
    """

    def __init__(self, pipeline: Pipeline, signs: Mapping[Hashable, int]) -> None:
        self.pipeline, self.signs = pipeline, signs

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        signs = signs_of_features(self.pipeline.named_steps["columns"], self.signs)
        return signs.astype(dtype or signs.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> np.ndarray:
        return np.asarray(self)


def parameter_of(estimator: Any) -> str | None:
    """The name of the parameter `monotonic_cst`, maybe of an inner estimator.

    Outer estimators may only search, calibrate or move the threshold. These pass on
    the same features and keep the order of the probabilities.
    """
    prefix = ""
    while isinstance(estimator, AROUND):
        prefix, estimator = prefix + "estimator__", estimator.estimator
    has = hasattr(estimator, "get_params")
    if has and "monotonic_cst" in estimator.get_params(deep=False):
        return f"{prefix}monotonic_cst"
    return None


def signs_of_features(
    columns: ColumnTransformer, signs: Mapping[Hashable, int]
) -> np.ndarray:
    """The constraint of each output of a fitted ColumnTransformer.

    All outputs of a column of numbers rise with it, except the indicator of its gaps,
    which is free.

    Raises
    ------
    ValueError
        If a name is not a column of numbers.
    """
    names = list(getattr(columns, "feature_names_in_", ()))
    if not names:
        raise ValueError(
            "Pass X as a DataFrame with strings for names: the monotonic_cst of "
            "tabular_pipeline goes by the names of columns."
        )
    encoder, chosen = next(
        (transformer, keys)
        for name, transformer, keys in columns.transformers_
        if name == "numbers"
    )
    numbers = [key if isinstance(key, str) else names[key] for key in chosen]
    wanted = {str(name): sign for name, sign in signs.items()}
    others = [name for name in wanted if name not in numbers]
    if others:
        raise ValueError(
            "Name columns of numbers in the monotonic_cst of tabular_pipeline. "
            + " ".join(
                f"{name!r} {'holds none' if name in names else 'is no column of X'}."
                for name in others[:5]
            )
        )
    # A negative weight reverses the outputs.
    weight = (columns.transformer_weights or {}).get("numbers", 1.0)
    found = np.zeros(max(block.stop for block in columns.output_indices_.values()))
    if numbers:
        of_columns = np.array([wanted.get(name, 0) for name in numbers])
        rises = encoder.value_of_missing_ == 0
        of_outputs = of_columns[encoder.column_of_output_] * rises
        found[columns.output_indices_["numbers"]] = np.sign(weight) * of_outputs
    return found
