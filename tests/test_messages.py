"""Warnings and errors about the features, and the values from which they come."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._warnings import overflow_message

NAMES = ["height", "width", "depth"]


def signs(n=40):
    """Columns of plus and minus one, each half of the time, and labels of all three."""
    S = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    S = np.tile(S, (n // 8, 1))
    return S, (S.sum(axis=1) + np.arange(n) % 3 > 1).astype(int)


def told_of(X, X_val=None, **parameters):
    """All warnings of a fit."""
    y = signs(len(X))[1]
    given = {} if X_val is None else {"X_val": X_val, "y_val": signs(len(X_val))[1]}
    clf = ReLULogisticClassifier(**{"hidden_layer_sizes": (), "alpha": 1} | parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y, **given)
    return " ".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize(
    ("units", "low", "high"),
    [
        ([1.0, 1001.0, 2.0], "'height' varies by 1,", "'width' by 1e+03."),
        ([5.0, 2.0, 4e3], "'width' varies by 2,", "'depth' by 4e+03."),
        ([0.0, 1e-9, 2e-6], "'width' varies by 1e-09,", "'depth' by 2e-06."),
    ],
)
def test_scales_that_differ_by_more_than_a_thousand_are_told_of(units, low, high):
    X = signs()[0] * units
    told = told_of(pd.DataFrame(X, columns=NAMES))
    assert low in told
    assert high in told
    # Without names, numbers name the features.
    assert f"feature {NAMES.index(low.split(chr(39))[1])} varies" in told_of(X)


@pytest.mark.parametrize("units", [[1, 1000, 7], [0, 3, 4], [0, 0, 0], [2, 2, 2]])
def test_scales_that_differ_less_are_not(units):
    assert told_of(signs()[0] * units) == ""
    # Features without a penalty are not reported either.
    assert "scales" not in told_of(signs()[0] * [1, 1e4, 7], alpha=0.0)


@pytest.mark.parametrize(
    ("factor", "told"), [(10.1, True), (1 / 10.1, True), (9.9, False), (1 / 9.9, False)]
)
def test_other_units_of_validation_data_are_told_of_from_ten_on(factor, told):
    X = signs()[0]
    units = np.array([1, factor, 1])
    sentence = f"of feature 1 is 1 in X and {factor:.2g} in X_val."
    assert (sentence in told_of(X, X * units)) == told
    # A single such row does not count, and neither does a constant.
    rare = X.copy()
    rare[0] *= factor
    assert told_of(X, rare) == told_of(X, X * [1, 0, 1]) == ""


def test_the_worst_of_several_features_is_named():
    X = signs()[0]
    told = told_of(
        pd.DataFrame(X, columns=NAMES), pd.DataFrame(X * [1, 20, 50], columns=NAMES)
    )
    assert "of feature 'depth' is 1 in X and 50 in X_val." in told


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("sign", [1, -1])
def test_lost_digits_are_told_of_from_a_hundredth_on(dtype, sign):
    """Rounding errors are the mean times the epsilon of the type."""
    eps = float(np.finfo(dtype).eps)
    for share, lost in [(1 / 256, False), (1 / 64, True)]:
        mean = sign * 2 * share / eps  # A power of two, so that nothing is rounded.
        X = (signs()[0] * [3, 2, 4] + [1, mean, 0]).astype(dtype)
        told = told_of(pd.DataFrame(X, columns=NAMES))
        assert ("so far from zero" in told) == lost
    assert f"Feature 'width' is so far from zero, at {mean:.3g}," in told
    assert f"that {np.dtype(dtype)} cannot represent its variation of 2." in told


@pytest.mark.parametrize(
    ("largest", "weight_sum", "alpha", "culprit"),
    [
        ([1.0, 1e3, 2.0], 10.0, 1e2, "The largest absolute value in X is 1e+03, in "),
        ([1.0, 1e3, 2.0], 1e4, 1e2, "The sample weights sum to 1e+04."),
        ([1.0, 1e3, 2.0], 1e-4, 1e2, "The sample weights sum to 0.0001."),
        ([1.0, 1e3, 2.0], 1e2, 1e4, "alpha is 1e+04. Lower it."),
        ([1e-5, 1e-4, 1e-6], 1e2, 0.0, "The largest absolute value in X is 0.0001, "),
        ([0.0, 0.0, 0.0], 1e2, 0.0, "The sample weights sum to 100."),
    ],
)
def test_what_is_farthest_from_one_has_made_it_overflow(
    largest, weight_sum, alpha, culprit
):
    largest, names = np.array(largest), np.array(NAMES)
    told = overflow_message("It", largest, np.dtype("f4"), names, weight_sum, alpha)
    assert told.startswith(f"It overflows the range of float32. {culprit}")
    assert ("feature 'width'" in told) == ("X" in culprit)


def test_weights_that_overflow_are_named():
    X, y = signs()
    clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0)
    with pytest.raises(ValueError, match=r"float32. The sample weights sum to 4e\+38"):
        clf.fit(1e18 * X.astype(np.float32), y, np.full(40, 1e37))


def test_limits_of_a_search_are_told_of_if_they_ended_fits():
    X = np.random.RandomState(0).standard_normal((40, 3))
    told = told_of(X, alpha="auto", max_iter=2, hidden_layer_sizes=(3,), random_state=0)
    found = re.search(
        r"(\d+) of (\d+) fits reached max_iter \(now 2\) or max_fun", told
    )
    assert 0 < int(found[1]) <= int(found[2])
    assert "fits ended" not in told_of(X, alpha="auto")
