"""Fold a scaler into the affine function behind it, for the unscaled features.

A scaler maps each column to z = a * x + t. An affine function of z is one of x:

    coef . z + intercept = (coef * a) . x + (intercept + coef . t).
"""

import reprlib

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .piecewise import NotPiecewise, Piecewise, fold


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
    try:
        z = fold(scaler, Piecewise.lines(np.arange(coef.shape[-1]), 1.0))
    except NotPiecewise as other:
        raise TypeError(_advice(other.step)) from None
    if not z.is_affine:
        raise ValueError(
            f"Use scalers that do not clip, such as MinMaxScaler(clip=False): "
            f"{type(scaler).__name__} is not affine, so it cannot be folded back to "
            "the features before it."
        )
    if not np.array_equal(z.column, np.arange(coef.shape[-1])):
        raise TypeError(_advice(scaler))
    slope = z.slopes[:, 0]
    # In float64, since the mean of a feature is often much larger than its spread.
    shifted = intercept + coef @ (z.value - slope * z.at)
    return (coef * slope).astype(coef.dtype), np.asarray(shifted, dtype=intercept.dtype)


def _advice(step: BaseEstimator | str) -> str:
    # The representation of an estimator may take many lines.
    name = type(step).__name__
    step = f"a {name}" if isinstance(step, BaseEstimator) else reprlib.repr(step)
    return (
        "Explain what follows the steps that do not scale: pipeline[1:] with "
        "pipeline[:1].transform(X), where the first of them is such a step. Only a "
        "StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler, a Pipeline of "
        "those or 'passthrough' can be folded back to the features before it. Got "
        f"{step}."
    )


def _as_floating(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
