"""The likelihoods against arithmetic of 400 digits, at any logit."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relulogit._model.likelihood import Logistic, Softmax

# 1 + exp(-744) needs 324 digits to differ from 1.
mpmath.mp.dps = 400

MARGINS = [0.0, 1e-300, 1e-17, 1e-8, 0.3, 1.0, 5.0, 17.0, 36.7, 37.0, 100.0, 500.0]
MARGINS += [700.0, 744.0]


def exact_softmax(row, y):
    """nll, residual and log-probabilities of one row."""
    E = [mpmath.exp(mpmath.mpf(float(z))) for z in row]
    total = mpmath.fsum(E)
    nll = mpmath.log(total / E[y])
    residual = [
        -mpmath.fsum(E[:k] + E[k + 1 :]) / total if k == y else e / total
        for k, e in enumerate(E)
    ]
    return nll, residual, [mpmath.log(e / total) for e in E]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("margin", MARGINS)
def test_logistic_is_exact_to_rounding(margin, y, sign, dtype):
    z = dtype(sign * margin)
    # An exact value below the floating type's normal range has no relative accuracy to
    # keep.
    tiny = float(np.finfo(dtype).tiny)
    rtol = 8 * float(np.finfo(dtype).eps)
    (nll,), residual = Logistic().nll_and_residual(np.array([[z]]), np.array([y]))
    log_proba = Logistic().log_proba(np.array([[z]]))
    proba = Logistic().proba(np.array([[z]]))
    assert nll.dtype == residual.dtype == log_proba.dtype == proba.dtype == dtype
    exact_nll, exact_residual, exact_log_proba = exact_softmax([0.0, z], y)
    assert_allclose(nll, float(exact_nll), rtol=rtol, atol=tiny)
    assert_allclose(residual[0, 0], float(exact_residual[1]), rtol=rtol, atol=tiny)
    assert_allclose(
        log_proba[0], np.array(exact_log_proba, float), rtol=rtol, atol=tiny
    )
    exact_proba = [float(mpmath.exp(p)) for p in exact_log_proba]
    assert_allclose(proba[0], exact_proba, rtol=rtol, atol=tiny)


@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.0, 0.0],
        [1.0, -2.0, 0.5],
        [500.0, 0.0, -500.0],
        [-700.0, -701.0, -703.0],
        [40.0, 0.0, 39.0],
        [600.0, 600.0, 1.0],
        [1.0, 1.0 - 2**-53, -80.0],
    ],
)
@pytest.mark.parametrize("y", [0, 1, 2])
def test_softmax_is_exact_to_rounding(row, y):
    Z = np.array([row])
    (nll,), residual = Softmax().nll_and_residual(Z, np.array([y]))
    exact_nll, exact_residual, exact_log_proba = exact_softmax(row, y)
    tiny = float(np.finfo(float).tiny)
    assert_allclose(nll, float(exact_nll), rtol=1e-15 * 8, atol=tiny)
    assert_allclose(
        residual[0], np.array(exact_residual, float), rtol=1e-15 * 8, atol=tiny
    )
    assert_allclose(
        Softmax().log_proba(Z)[0], np.array(exact_log_proba, float), rtol=1e-15 * 8
    )
    assert_allclose(
        Softmax().proba(Z)[0],
        [float(mpmath.exp(p)) for p in exact_log_proba],
        rtol=1e-15 * 8,
        atol=tiny,
    )


def test_the_usual_formulas_would_fail_these_tests():
    """Clipping, or subtracting close numbers, would fail the tests above."""
    z = 500.0
    exact_nll, exact_residual, _ = exact_softmax([0.0, z], 1)
    softplus = np.logaddexp(0, z) - z
    assert abs(softplus - float(exact_nll)) > 0.9 * float(exact_nll)
    residual = 1 / (1 + np.exp(-z)) - 1
    assert abs(residual - float(exact_residual[1])) > 0.9 * abs(
        float(exact_residual[1])
    )


def test_softmax_of_0_and_f_is_the_logistic_likelihood():
    rng = np.random.RandomState(0)
    f = np.concatenate([rng.standard_normal(50) * 10, [-800.0, 800.0, 0.0]])[:, None]
    y = rng.randint(0, 2, len(f))
    Z = np.hstack([np.zeros_like(f), f])
    nll, residual = Logistic().nll_and_residual(f, y)
    nll_2, residual_2 = Softmax().nll_and_residual(Z, y)
    assert_allclose(nll_2, nll, rtol=1e-14)
    assert_allclose(residual_2[:, 1:], residual, rtol=1e-14)
    assert_allclose(residual_2[:, :1], -residual, rtol=1e-14)
    assert_allclose(Softmax().proba(Z), Logistic().proba(f), rtol=1e-14)
    assert_allclose(Softmax().log_proba(Z), Logistic().log_proba(f), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_probabilities_are_finite_for_any_finite_logit(dtype):
    huge = np.finfo(dtype).max
    with np.errstate(over="ignore"):
        log_proba = Logistic().log_proba(np.array([[huge], [-huge], [0]], dtype))
        assert np.isfinite(log_proba).all()
        assert_array_equal(log_proba[0], [-huge, 0])
        log_proba = Softmax().log_proba(np.array([[huge, -huge, 0]], dtype))
    assert_array_equal(log_proba, np.array([[0, -huge, -huge]], dtype))
