"""What warnings and errors say: each sentence for numbers that are given."""

import numpy as np
import pytest
from sklearn_relulogit._messages import (
    different_scales,
    feature_name,
    limited_search,
    lost_digits,
    other_units,
    overflow_message,
)

NAMES = np.array(["height", "width", "depth"])


def test_features_have_names_or_numbers():
    assert feature_name(2, None) == "feature 2"
    assert feature_name(2, NAMES) == "feature 'depth'"


@pytest.mark.parametrize(
    ("units", "low", "high"),
    [
        ([1.0, 1001.0, 2.0], "'height' varies by 1,", "'width' by 1e+03."),
        ([5.0, 2.0, 4e3], "'width' varies by 2,", "'depth' by 4e+03."),
        ([np.inf, 1e-9, 2e-6], "'width' varies by 1e-09,", "'depth' by 2e-06."),
    ],
)
def test_scales_that_differ_by_more_than_a_thousand_are_told_of(units, low, high):
    told = different_scales(np.array(units), NAMES)
    assert low in told
    assert high in told
    assert "feature 1" in different_scales(np.array(units), None)


@pytest.mark.parametrize(
    "units", [[1.0, 1000.0, 7.0], [np.inf, 3.0, 4.0], [np.inf] * 3, [2.0] * 3]
)
def test_scales_that_differ_less_are_not(units):
    assert different_scales(np.array(units), NAMES) == ""


def units_told(sizes, sizes_val):
    return other_units(
        [np.array(size) for size in sizes], [np.array(size) for size in sizes_val], None
    )


@pytest.mark.parametrize("factor", [10.1, 1 / 10.1, 1e200, 1e-200])
def test_other_units_are_told_of_where_all_sizes_tell_them(factor):
    sizes = [[0.7, 2.0], [1.5, 5.0], [0.6, 1.7]]
    other = [[0.7, 2 * factor], [1.5, 5 * factor], [0.6, 1.7 * factor]]
    told = units_told(sizes, other)
    assert f"of feature 1 is 2 in X and {2 * factor:.2g} in X_val." in told
    # Quartiles of one side alone say nothing, and neither do those that are zero.
    assert units_told(sizes, other[:2]) == units_told(sizes[:2], other) == told
    assert units_told(sizes, [*other[:2], [0.6, 0.0]]) == told
    # One of the sizes may differ by chance.
    for k in range(3):
        same = [sizes[i] if i == k else other[i] for i in range(3)]
        assert units_told(sizes, same) == ""


def test_the_worst_of_several_features_is_named():
    told = units_told([[1.0, 1.0, 1.0], [2.0] * 3], [[1, 20, 50], [2, 60, 90]])
    assert "of feature 2 is 1 in X and 50 in X_val." in told


@pytest.mark.parametrize("factor", [10, 0.1, 1.0, 0.0, np.inf])
def test_other_units_are_not_told_of_up_to_ten(factor):
    """Of constants and of deviations that overflow nothing is known."""
    sizes = [[1.0, 2.0], [4.0, 8.0]]
    scaled = [[1.0, 2.0 * factor], [4.0, 8.0 * factor]]
    assert units_told(sizes, scaled) == units_told(scaled, sizes) == ""
    # The deviation must say something.
    assert units_told([[1.0, 0.0], sizes[1]], [[1.0, 0.0], [4.0, 800.0]]) == ""


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("sign", [1, -1])
def test_lost_digits_are_told_of_from_a_hundredth_on(dtype, sign):
    """Rounding errors are the mean times the epsilon of the type."""
    dtype = np.dtype(dtype)
    eps = np.finfo(dtype).eps
    units = np.array([3.0, 2.0, np.inf])
    for share, lost in [(0.009, False), (0.011, True)]:
        mean = np.array([1.0, sign * share * 2 / eps, 1e30])
        told = lost_digits(mean, units, dtype, NAMES)
        assert bool(told) == lost
    assert told.startswith(f"Feature 'width' is so far from zero, at {mean[1]:.3g},")
    assert f"that {dtype} does not hold what it varies by, 2." in told


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
    dtype = np.dtype("f4")
    told = overflow_message(
        "It", np.array(largest), dtype, NAMES, weight_sum=weight_sum, alpha=alpha
    )
    assert told.startswith(f"It overflows the range of float32. {culprit}")
    if "X" in culprit:
        assert "feature 'width'" in told
        assert told == overflow_message("It", np.array(largest), dtype, NAMES)


def test_limits_of_a_search_are_told_of_if_they_ended_fits():
    assert limited_search(0, 8, 10, 20) == ""
    told = limited_search(3, 8, 10, 20)
    assert "3 of 8 fits ended by max_iter (now 10) or max_fun (now 20)" in told
