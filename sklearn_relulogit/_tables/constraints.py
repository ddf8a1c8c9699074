"""Constraints on the columns of a table, passed on to their features."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import combinations
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
from .outputs import column_of_output

# Estimators that may contain a classifier with constraints.
AROUND = (
    CalibratedClassifierCV,
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)


def constrained(pipeline: Pipeline, **constraints: Any) -> "ConstrainedPipeline":
    """A pipeline of `tabular_pipeline` with constraints and a clone of its classifier.

    Raises
    ------
    TypeError
        If a constraint has the wrong type, or the classifier has no such parameter.

    ValueError
        If a constraint is not allowed, or the classifier has one of its own.
    """
    *before, (name, classifier) = pipeline.steps
    check_constraints(classifier, constraints)
    for parameter in constraints:
        own = parameter_of(classifier, parameter)
        if own is not None and classifier.get_params()[own] is not None:
            raise ValueError(
                f"Pass {parameter} to tabular_pipeline, by the columns of the table, "
                f"or nowhere. The estimator has {own}={classifier.get_params()[own]!r}."
            )
    # Another pipeline with the same classifier may have no constraints.
    steps = [*before, (name, clone(classifier))]
    return ConstrainedPipeline(steps, **constraints)


def check_constraints(classifier: Any, constraints: Mapping[str, Any]) -> None:
    """Raise an error unless the constraints are valid and the classifier takes them."""
    for parameter, given in constraints.items():
        if given is None:
            continue
        if parameter == "monotonic_cst":
            _check_signs(given)
        else:
            _check_groups(given)
        if parameter_of(classifier, parameter) is None:
            raise TypeError(
                f"Pass an estimator that has the parameter {parameter}, such as "
                "ReLULogisticClassifier(), or a search, a calibration or a threshold "
                f"of one. Got {classifier!r}."
            )


def _check_signs(monotonic_cst: Any) -> None:
    if not isinstance(monotonic_cst, Mapping):
        raise TypeError(
            "Pass monotonic_cst as a dict by the names of columns, such as "
            f"{{'income': 1}}. Got {monotonic_cst!r}."
        )
    check_signs(monotonic_cst.values())


def _check_groups(interaction_cst: Any) -> None:
    if isinstance(interaction_cst, str):
        are_groups = interaction_cst in ("no_interactions", "pairwise")
    else:
        are_groups = isinstance(interaction_cst, list | tuple) and all(
            isinstance(group, list | tuple | set | frozenset)
            for group in interaction_cst
        )
    if not are_groups:
        raise TypeError(
            'Pass interaction_cst as "no_interactions", "pairwise" or a list of sets '
            "of the names of columns, such as [{'income', 'age'}]. Got "
            f"{interaction_cst!r}."
        )


class ConstrainedPipeline(Pipeline):
    """A pipeline of `tabular_pipeline` with constraints by the columns of the table.

    The number of features of a column is known only after the earlier steps are fitted.
    So `fit` gives the classifier parameters that are computed when the classifier reads
    them. After `fit` the classifier's parameters are the results.

    Parameters
    ----------
    steps : list of (str, object)
        The last one has the parameters of the constraints, or is a search over such a
        classifier. One before is the ColumnTransformer "columns".
    monotonic_cst : dict of str to {-1, 0, 1}, or None
        By the names of the columns.
    interaction_cst : "no_interactions", "pairwise", list of sets of str, or None
        By the names of the columns.
    transform_input, memory, verbose
        As in :class:`~sklearn.pipeline.Pipeline`.
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        monotonic_cst: Mapping[Hashable, int] | None = None,
        interaction_cst: Any = None,
        transform_input: list[str] | None = None,
        memory: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            steps, transform_input=transform_input, memory=memory, verbose=verbose
        )
        self.monotonic_cst = monotonic_cst
        self.interaction_cst = interaction_cst

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
            columns of numbers. Also if `interaction_cst` has other names than columns.
        """
        last, classifier = self.steps[-1]
        given = {
            "monotonic_cst": self.monotonic_cst,
            "interaction_cst": self.interaction_cst,
        }
        if is_classifier(classifier):  # Not a slice without the classifier.
            check_constraints(classifier, given)
        kinds: dict[str, type[SignsOfFeatures | GroupsOfFeatures]] = {
            "monotonic_cst": SignsOfFeatures,
            "interaction_cst": GroupsOfFeatures,
        }
        of_features: dict[str, SignsOfFeatures | GroupsOfFeatures | None] = {}
        for parameter, cst in given.items():
            name = parameter_of(classifier, parameter)
            if name is not None:
                lazy = None if cst is None else kinds[parameter](self, cst)
                of_features[f"{last}__{name}"] = lazy
        before = {name: self.get_params()[name] for name in of_features}
        self.set_params(**of_features)
        try:
            super().fit(X, y, **params)
        except BaseException:
            self.set_params(**before)
            raise
        return self.set_params(
            **{
                name: None if lazy is None else lazy.known()
                for name, lazy in of_features.items()
            }
        )


class SignsOfFeatures:
    """An array-like of the constraint of each feature of the classifier.

    It is computed at each access. A copy is the array at that time.
    """

    def __init__(self, pipeline: Pipeline, signs: Mapping[Hashable, int]) -> None:
        self.pipeline, self.signs = pipeline, signs

    def known(self) -> np.ndarray:
        """The array, once the steps before the classifier are fitted."""
        return signs_of_features(self.pipeline.named_steps["columns"], self.signs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        signs = self.known()
        return signs.astype(dtype or signs.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> np.ndarray:
        return self.known()


class GroupsOfFeatures(list[set[int]]):
    """A list of the groups of features that may interact, computed when it is read."""

    def __init__(self, pipeline: Pipeline, groups: Any) -> None:
        super().__init__()
        self.pipeline, self.groups = pipeline, groups

    def known(self) -> list[set[int]]:
        """The list, once the steps before the classifier are fitted."""
        return groups_of_features(self.pipeline, self.groups)

    def __iter__(self) -> Iterator[set[int]]:
        return iter(self.known())

    def __deepcopy__(self, memo: dict[int, Any]) -> list[set[int]]:
        return self.known()


def parameter_of(estimator: Any, parameter: str) -> str | None:
    """The name of the parameter of a constraint, maybe of an inner estimator.

    Outer estimators may only search, calibrate or move the threshold. These pass on
    the same features and keep the order of the probabilities. Only a sigmoid
    calibration may turn it round, where the scores rank the classes the wrong way.
    """
    prefix = ""
    while isinstance(estimator, AROUND):
        prefix, estimator = prefix + "estimator__", estimator.estimator
    has = hasattr(estimator, "get_params")
    if has and parameter in estimator.get_params(deep=False):
        return f"{prefix}{parameter}"
    return None


def groups_of_features(pipeline: Pipeline, groups: Any) -> list[set[int]]:
    """The groups of features that may interact, from those of the table's columns.

    All features of a column are in its groups. Columns in no group are a further one.

    Raises
    ------
    ValueError
        If a name is not a column.
    """
    columns = pipeline.named_steps["columns"]
    made_of = column_of_output(columns, columns.n_features_in_)
    features = [set(np.flatnonzero(made_of == j).tolist()) for j in set(made_of)]
    if isinstance(groups, str):
        size = 1 if groups == "no_interactions" else 2
        chosen = combinations(features, min(size, len(features)))
        return [set().union(*group) for group in chosen]
    names = _names(columns, "interaction_cst")
    wanted = [{str(name) for name in group} for group in groups]
    left_out = getattr(pipeline.named_steps.get("table"), "left_out_", [])
    unknown = sorted(set().union(*wanted).difference(names, left_out))
    if unknown:
        raise ValueError(
            "Name columns of X in the interaction_cst of tabular_pipeline. These are "
            f"none: {', '.join(map(repr, unknown[:5]))}."
        )
    # A column that identifies rows has no features.
    of_groups = [
        set(np.flatnonzero(np.isin(np.array(names)[made_of], list(group))).tolist())
        for group in wanted
    ]
    return [group for group in of_groups if group]


def _names(columns: ColumnTransformer, parameter: str) -> list[str]:
    """The names of the columns that a fitted ColumnTransformer got."""
    names = list(getattr(columns, "feature_names_in_", ()))
    if not names:
        raise ValueError(
            f"Pass X as a DataFrame with strings for names: the {parameter} of "
            "tabular_pipeline goes by the names of columns."
        )
    return names


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
    names = _names(columns, "monotonic_cst")
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
                f"{name!r} {'holds no numbers' if name in names else 'is not in X'}."
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
