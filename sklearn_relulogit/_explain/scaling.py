"""Fold a scaler into the affine function behind it, for the unscaled features.

A scaler maps each column to z = a * x + t. An affine function of z is one of x:

    coef . z + intercept = (coef * a) . x + (intercept + coef . t).
"""

import reprlib

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

SCALERS = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)


def fold_scaling(
    coef: ArrayLike, intercept: ArrayLike, scaler: BaseEstimator | str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts for the features before scaling.

    An affine function of scaled features, such as the `coef_` of a linear model behind
    a scaler or what :meth:`ReLULogisticClassifier.local_linear` returns, is rewritten
    as the same function of the features before scaling, in their own units.

    Parameters
    ----------
    coef : array-like of shape (..., n_features)
        Coefficients of the scaled features.

    intercept : array-like of shape (...)
        Intercepts.

    scaler : fitted transformer
        A :class:`~sklearn.preprocessing.StandardScaler`,
        :class:`~sklearn.preprocessing.MinMaxScaler`,
        :class:`~sklearn.preprocessing.MaxAbsScaler` or
        :class:`~sklearn.preprocessing.RobustScaler`, or a
        :class:`~sklearn.pipeline.Pipeline` of those, whose steps may also be
        "passthrough".

    Returns
    -------
    coef : ndarray of shape (..., n_features)
        Coefficients of the features before scaling, of the floating type of `coef`.

    intercept : ndarray of shape (...)
        Intercepts.

    Raises
    ------
    TypeError
        If a step is no such scaler.

    ValueError
        If a scaler clips, which is not affine, or the number of features differs
        from that of `coef`.

    NotFittedError
        If a scaler is not fitted.

    See Also
    --------
    sklearn_relulogit.local_linear : Explains the rows given to a whole pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn_relulogit import fold_scaling
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> linear = model[-1]
    >>> coef, intercept = fold_scaling(linear.coef_, linear.intercept_, model[0])
    >>> bool(np.allclose(model.decision_function(X), X @ coef[0] + intercept))
    True
    """
    coef, intercept = _as_floating(coef), _as_floating(intercept)
    if coef.shape[:-1] != intercept.shape:
        raise ValueError(
            f"coef of shape {coef.shape} needs an intercept of shape "
            f"{coef.shape[:-1]}. Got one of shape {intercept.shape}."
        )
    # In float64, since the mean of a feature is often much larger than its spread.
    folded, shifted = coef.astype(np.float64), intercept.astype(np.float64)
    for step in reversed(scaling_steps(scaler)):
        a, t = slope_and_shift(step)
        if len(a) != coef.shape[-1]:
            raise ValueError(
                f"{type(step).__name__} scales {len(a)} features, but coef has "
                f"{coef.shape[-1]}."
            )
        shifted += folded @ t
        folded *= a
    return folded.astype(coef.dtype), shifted.astype(intercept.dtype)


def scaling_steps(scaler: BaseEstimator | str | None) -> list[BaseEstimator]:
    """The fitted scalers of a pipeline in order, or the one scaler that is given.

    Raises
    ------
    TypeError
        If a step is no scaler that can be folded.

    ValueError
        If a scaler clips.

    NotFittedError
        If a scaler is not fitted.
    """
    if isinstance(scaler, Pipeline):
        return [step for _, part in scaler.steps for step in scaling_steps(part)]
    if scaler is None or scaler == "passthrough":
        return []
    if not isinstance(scaler, SCALERS):
        raise TypeError(
            "Explain what follows the steps that do not scale: pipeline[1:] with "
            "pipeline[:1].transform(X), where the first of them is such a step. Only "
            "a StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler, a Pipeline "
            "of those or 'passthrough' can be folded back to the features before it. "
            f"Got {_short(scaler)}."
        )
    if getattr(scaler, "clip", False):
        raise ValueError(
            f"Use {type(scaler).__name__}(clip=False): this one clips, which is not "
            "affine, so it cannot be folded back to the features before it."
        )
    check_is_fitted(scaler)
    return [scaler]


def slope_and_shift(scaler: BaseEstimator) -> tuple[np.ndarray, np.ndarray]:
    """The a and t, (n_features,), of z = a * x + t."""
    match scaler:
        case MinMaxScaler():
            return scaler.scale_, scaler.min_
        case StandardScaler(with_mean=True):
            centre = scaler.mean_
        case RobustScaler(with_centering=True):
            centre = scaler.center_
        case _:
            centre = np.zeros(scaler.n_features_in_)
    a = np.ones_like(centre) if scaler.scale_ is None else 1 / scaler.scale_
    return a, -a * centre


def _short(step: BaseEstimator | str) -> str:
    """A step in a message: the representation of an estimator may take many lines."""
    name = type(step).__name__
    return f"a {name}" if isinstance(step, BaseEstimator) else reprlib.repr(step)


def _as_floating(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
