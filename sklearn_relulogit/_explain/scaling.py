"""Scalers folded into the affine function behind them: coefficients of what they scale.

A scaler is z = a * x + t, column by column. So behind it

    coef . z + intercept = (coef * a) . x + (intercept + coef . t).
"""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted


def fold_scaling(
    coef: Any, intercept: Any, scaler: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and intercepts by the features that a scaler was given.

    Of an affine function of scaled features, such as the `coef_` of a linear model
    behind a scaler or what :meth:`ReLULogisticClassifier.local_linear` returns, it
    makes the same function of the features before scaling, in their own units.

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
    coef = _floating(coef)
    intercept = _floating(intercept)
    if coef.shape[:-1] != intercept.shape:
        raise ValueError(
            f"coef of shape {coef.shape} needs an intercept of shape "
            f"{coef.shape[:-1]}. Got one of shape {intercept.shape}."
        )
    # In float64, since a shift is often much larger than the spread.
    folded, shifted = coef.astype(np.float64), intercept.astype(np.float64)
    for step in reversed(scaling_steps(scaler)):
        a, t = _slope_and_shift(step)
        if len(a) != coef.shape[-1]:
            raise ValueError(
                f"{type(step).__name__} scales {len(a)} features, but coef has "
                f"{coef.shape[-1]}."
            )
        shifted += folded @ t
        folded *= a
    return folded.astype(coef.dtype), shifted.astype(intercept.dtype)


def scaling_steps(scaler: Any) -> list[Any]:
    """The fitted scalers of a pipeline, or of one scaler, in order.

    Raises
    ------
    TypeError, ValueError
        If a step is anything else, or clips.
    """
    if isinstance(scaler, Pipeline):
        return [step for _, part in scaler.steps for step in scaling_steps(part)]
    if scaler is None or scaler == "passthrough":
        return []
    if not isinstance(
        scaler, StandardScaler | MinMaxScaler | MaxAbsScaler | RobustScaler
    ):
        raise TypeError(
            f"Cannot fold {scaler!r} back to the features before it: it must be a "
            "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, a Pipeline of "
            "those or 'passthrough'. Where other steps come first, as in a pipeline "
            "of three, explain what follows them: pipeline[1:] with "
            "pipeline[:1].transform(X)."
        )
    if getattr(scaler, "clip", False):
        raise ValueError(
            f"{scaler!r} clips, which is not affine, so it cannot be folded back. "
            "Use clip=False."
        )
    check_is_fitted(scaler)
    return [scaler]


def _slope_and_shift(scaler: Any) -> tuple[np.ndarray, np.ndarray]:
    """The a and t, (n_features,), of z = a * x + t."""
    one, zero = np.ones(scaler.n_features_in_), np.zeros(scaler.n_features_in_)
    match scaler:
        case MinMaxScaler():
            return scaler.scale_, scaler.min_
        case MaxAbsScaler():
            return 1 / scaler.scale_, zero
        case StandardScaler():
            # mean_ is there without with_mean too.
            centre = scaler.mean_ if scaler.with_mean else zero
        case _:
            centre = zero if scaler.center_ is None else scaler.center_
    a = one if scaler.scale_ is None else 1 / scaler.scale_
    return a, -a * centre


def _floating(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
