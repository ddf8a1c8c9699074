"""PiecewiseLinearEncoder: its formulas written out, as ReLU units, and with frames."""

import pickle
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from conftest import installed_checks
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline

from sklearn_relulogit import PiecewiseLinearEncoder, ReLULogisticClassifier

RNG = np.random.RandomState(0)


def columns_of_many_kinds(n, rng=RNG):
    return np.column_stack(
        [
            rng.standard_normal(n),
            rng.exponential(size=n) * 1e5,
            rng.randint(0, 4, n),
            rng.randint(0, 2, n),
            np.full(n, 7.0),
            np.where(rng.rand(n) < 0.3, np.nan, rng.rand(n)),
        ]
    )


X = columns_of_many_kinds(300)


@installed_checks(
    [PiecewiseLinearEncoder(), PiecewiseLinearEncoder(3, add_indicator=False)]
)
def test_estimator_checks(estimator, check):
    check(estimator)


def literal_outputs(x, n_bins, ramp_scale):
    """The outputs of a column, by interpolation and with quantiles of sorted values."""
    known = np.sort(x[~np.isnan(x)])
    columns = [x]
    values = sorted(set(known))
    if len(values) > n_bins + 1 and n_bins > 0:
        ranks = [
            max(int(np.ceil(i * len(known) / n_bins)), 1) for i in range(n_bins + 1)
        ]
        values = sorted({known[rank - 1] for rank in ranks})
    if len(values) > 2 and n_bins > 1:
        columns += [np.interp(x, [a, b], [0, 1]) for a, b in pairwise(values)]
    standard = []
    for i, column in enumerate(columns):
        deviation = np.nanstd(column) or np.inf
        unit = deviation / (1 if i == 0 else ramp_scale)
        standard.append(np.nan_to_num((column - np.nanmean(column)) / unit))
    if np.isnan(x).any():
        standard.append(np.isnan(x).astype(float))
    return standard


@pytest.mark.parametrize("n_bins", [0, 1, 2, 3, 5, 8, 40])
@pytest.mark.parametrize("ramp_scale", [0.5, 1.0])
def test_outputs_are_those_of_the_formula(n_bins, ramp_scale):
    encoder = PiecewiseLinearEncoder(n_bins, ramp_scale=ramp_scale).fit(X)
    expected = [literal_outputs(x, n_bins, ramp_scale) for x in X.T]
    assert_array_equal(
        encoder.column_of_output_, np.repeat(range(6), [len(part) for part in expected])
    )
    expected = np.column_stack([column for part in expected for column in part])
    Z = encoder.transform(X)
    assert_allclose(Z, expected, rtol=0, atol=1e-12)
    # A slightly wrong value fails.
    assert not np.allclose(Z, expected + 1e-11, rtol=0, atol=1e-12)


def test_number_of_bins():
    def n_bins(encoder):
        return [max(len(knots) - 1, 0) for knots in encoder.knots_]

    # A bin for each 100 rows (the last column has 210), and few distinct values.
    assert n_bins(PiecewiseLinearEncoder().fit(X)) == [3, 3, 3, 0, 0, 2]
    many = columns_of_many_kinds(900)
    assert n_bins(PiecewiseLinearEncoder().fit(many)) == [8, 8, 3, 0, 0, 6]
    assert n_bins(PiecewiseLinearEncoder().fit(X[:199])) == [0] * 6
    # With 50 rows for each class; numbers are not classes.
    y = np.arange(300) % 3
    assert n_bins(PiecewiseLinearEncoder().fit(X, y)) == [2, 2, 2, 0, 0, 0]
    assert n_bins(PiecewiseLinearEncoder().fit(X, y / 9)) == [3, 3, 3, 0, 0, 2]
    for no_classes in (np.repeat("one", 300), np.arange(300), np.full(300, np.nan)):
        assert n_bins(PiecewiseLinearEncoder().fit(X, no_classes))[0] == 3
    assert n_bins(PiecewiseLinearEncoder(20).fit(X)) == [20, 20, 3, 0, 0, 20]
    # Half of the values are 0, which is a knot; the others share the remaining bins.
    x = np.r_[np.zeros(50), np.arange(1, 51)][:, np.newaxis]
    (knots,) = PiecewiseLinearEncoder(8).fit(x).knots_
    assert_array_equal(knots, [0, 1, 8, 15, 22, 29, 36, 43, 50])


def literal_expected(x, y, knots):
    """The expected rows of classes 0 and 1 at each distinct value.

    By logistic regression on interpolation between the knots. At each knot one row
    with the share of the class is added.
    """
    hats = np.stack([np.interp(x, knots, unit) for unit in np.eye(len(knots))], axis=1)
    share = y.mean()
    prior = np.log(share / (1 - share))

    def loss(g):
        z = hats @ g
        strength = share * (1 - share) / 2
        nll = np.logaddexp(0, np.where(y, -z, z)).sum()
        gradient = hats.T @ (1 / (1 + np.exp(-z)) - y) + 2 * strength * (g - prior)
        return nll + strength * ((g - prior) ** 2).sum(), gradient

    g = minimize(loss, np.full(len(knots), prior), jac=True, tol=1e-14).x
    p = 1 / (1 + np.exp(-hats @ g))
    return np.array([[(1 - p[x == v]).sum(), p[x == v].sum()] for v in np.unique(x)])


def literal_cuts(observed, expected, cost):
    """The best of all sets of cuts, by trying each."""

    def gain(cuts):
        parts = pairwise([0, *cuts, len(observed)])
        sums = [(observed[a:b].sum(0), expected[a:b].sum(0)) for a, b in parts]
        deviances = [2 * (xlogy(O, O) - xlogy(O, E)).sum() for O, E in sums]  # noqa: E741
        return sum(deviances) - cost * len(cuts)

    places = range(1, len(observed))
    return max((c for r in places for c in combinations(places, r)), key=gain), gain


def literal_knots(x, y):
    """Both neighbours of each cut of a column of few values, from n_bins=1."""
    values = np.unique(x)
    observed = np.array([[sum(~y[x == v]), sum(y[x == v])] for v in values])
    knots = values[[0, -1]]
    proof = 5 + np.log(len(x))
    found = False
    while True:
        expected = literal_expected(x, y, knots)
        for cost in [*(proof * 4.0 ** np.arange(9, -1, -1)), 6]:
            cuts, gain = literal_cuts(observed, expected, cost)
            if gain(cuts) > gain(()):
                break
        if (cost == 6 and not found) or gain(cuts) <= gain(()):
            return knots
        found = True
        sides = [values[c + i] for c in cuts for i in (-1, 0)]
        knots = np.unique([*knots, *sides])
        if cost == 6:
            return knots


# By the last two, Newton steps that are too short have other knots.
@pytest.mark.parametrize("seed", [*range(4), 14, 23])
def test_knots_are_those_of_the_best_of_all_cuts(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 11, 400).astype(float) ** 2
    level = rng.normal(size=3)[np.digitize(x, [5, 50])] * 2 + 2 * (x == 25)
    y = rng.random(400) < 1 / (1 + np.exp(-level - x / 60))
    (knots,) = PiecewiseLinearEncoder(1).fit(x[:, np.newaxis], y).knots_
    expected = literal_knots(x, y)
    assert len(expected) > 3
    assert_array_equal(knots, expected)


def test_jumps_become_steps():
    rng = np.random.default_rng(0)
    n = 3000
    x = np.c_[rng.normal(size=n), rng.poisson(20, n)]
    y = (x[:, 0] > 0.5) ^ (rng.random(n) < 0.1)
    y[x[:, 1] == 17] = rng.random((x[:, 1] == 17).sum()) < 0.9
    encoder = PiecewiseLinearEncoder().fit(x, y)
    # A bin of neighbouring values is the step, at the threshold but for a few labels.
    knots, values = encoder.knots_[0], np.sort(x[:, 0])
    narrow = np.diff(np.searchsorted(values, knots)) == 1
    assert abs(knots[:-1][narrow] - 0.5).min() < 0.02
    # A value with a special meaning, and both of its neighbours.
    assert np.isin([16, 17, 18], encoder.knots_[1]).all()
    # A linear model after the ramps is then as good as the truth allows.
    model = make_pipeline(encoder, ReLULogisticClassifier((), random_state=0))
    assert model.fit(x, y).score(x, y) > 0.89
    without = PiecewiseLinearEncoder().fit(x)
    assert (np.diff(np.searchsorted(values, without.knots_[0])) > 300).all()
    assert PiecewiseLinearEncoder(0).fit(x, y).knots_[0].size == 0


def test_a_column_of_many_values_is_cut_between_groups_of_them():
    """Of twenty values each, in which a few labels are no evidence, and many are."""
    x, y = np.arange(5120.0)[:, np.newaxis], np.arange(5120) % 20 == 0
    y[2560:2566] = True
    assert PiecewiseLinearEncoder(1).fit(x, y).knots_[0].size == 0
    y[2560:2600], y[2600] = True, False
    (knots,) = PiecewiseLinearEncoder(1).fit(x, y).knots_
    assert_array_equal(knots, [0, 2559, 2560, 2599, 2600, 5119])


def test_jumps_of_several_classes():
    rng = np.random.default_rng(1)
    x = rng.random((600, 1))
    y = np.digitize(x[:, 0], [0.2, 0.25, 0.6])
    y[::10] = rng.integers(0, 4, 60)
    (knots,) = PiecewiseLinearEncoder(1).fit(x, y).knots_
    assert len(knots) == 2 + 2 * 3
    assert_allclose(knots[1:-1], [0.2, 0.2, 0.25, 0.25, 0.6, 0.6], atol=0.01)


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.97, 0.03], [0.6, 0.3, 0.1]])
def test_noise_has_no_jumps(n, shares):
    rng = np.random.default_rng(n)
    noise = np.c_[rng.normal(size=(n, 25)), rng.poisson(4, size=(n, 25))]
    y = rng.choice(len(shares), n, p=shares)
    n_bins = int(np.clip(n // (50 * len(shares)), 1, 8))
    encoder = PiecewiseLinearEncoder().fit(noise, y)
    quantiles = PiecewiseLinearEncoder(n_bins).fit(noise)
    assert [k.tolist() for k in encoder.knots_] == [
        k.tolist() for k in quantiles.knots_
    ]


def stepped(n=400):
    """Columns with jumps, gaps, noise and few values, and labels of three classes."""
    rng = np.random.RandomState(5)
    x = columns_of_many_kinds(n, rng)
    y = np.digitize(x[:, 0], [-1, 0.3]) + (x[:, 2] == 1) * (rng.rand(n) < 0.6)
    x[y == 1, 5] = np.maximum(x[y == 1, 5], 0.4)
    return x, np.minimum(y, 2)


def test_weights_are_repeats_and_weight_zero_is_absence():
    X, y = stepped()
    s = RNG.randint(0, 4, len(X)).astype(float)
    for n_bins, labels in ((8, None), ("auto", y)):

        def fit(X, y=None, weights=None, n_bins=n_bins):
            return PiecewiseLinearEncoder(n_bins).fit(X, y, weights)

        repeats = s.astype(int)
        y_repeated = None if labels is None else np.repeat(labels, repeats)
        weighted = fit(X, labels, s)
        assert_same_bits(weighted, fit(np.repeat(X, repeats, axis=0), y_repeated))
        kept = s > 0
        y_kept = None if labels is None else labels[kept]
        assert_same_bits(weighted, fit(X[kept], y_kept, s[kept]))
        assert_same_bits(weighted, fit(X, labels, 4 * s))
        # In any unit, up to rounding.
        for unit in (0.1, 1 / s.sum(), 1e9):
            assert_close(weighted, fit(X, labels, s * unit))
        plain = fit(X, labels)
        assert abs(weighted.center_[0] - plain.center_[0]) > 0.001
        assert_same_bits(plain, fit(X, labels, np.full(len(X), 2.0)))
        assert_close(plain, fit(X, labels, np.full(len(X), 1 / len(X))))


def test_weights_without_a_unit_count_for_few_rows():
    rng = np.random.default_rng(0)
    noise, y = rng.normal(size=(1000, 20)), rng.random(1000) < 0.4
    s = np.exp(rng.normal(size=1000))
    for unit in (1e-3, 1, 1e6):
        encoder = PiecewiseLinearEncoder().fit(noise, y, unit * s)
        # Kish: the number of rows is (sum s)^2 / sum s^2.
        n_bins = int(s.sum() ** 2 / (s**2).sum() // 100)
        assert {len(knots) for knots in encoder.knots_} == {n_bins + 1}


def assert_same_bits(a, b):
    for p, q in zip(a.knots_, b.knots_, strict=True):
        assert_array_equal(p, q)
    for name in ("lower_", "upper_", "center_", "scale_", "value_of_missing_"):
        assert_array_equal(getattr(a, name), getattr(b, name))


def assert_close(a, b):
    for p, q in zip(a.knots_, b.knots_, strict=True):
        assert_array_equal(p, q)
    assert_allclose(a.center_, b.center_, rtol=1e-12)
    assert_allclose(a.scale_, b.scale_, rtol=1e-12)


def test_order_of_rows_does_not_matter():
    X, y = stepped()
    s = RNG.rand(len(X))
    order = RNG.permutation(len(X))
    for weights in (None, s, s.round(1)):
        moved = None if weights is None else weights[order]
        assert_same_bits(
            PiecewiseLinearEncoder().fit(X, y, weights),
            PiecewiseLinearEncoder().fit(X[order], y[order], moved),
        )


def test_names_and_order_of_classes_do_not_matter():
    X, y = stepped()
    plain = PiecewiseLinearEncoder().fit(X, y)
    assert len(plain.knots_[0]) > 4
    for labels in (
        2 - y,
        y.astype(float) * 1e6,
        np.array(["z", "b", "a"])[y],
        np.array(["z", 3, None], dtype=object)[y],
        pd.Series(y).map({0: "u", 1: "a", 2: "b"}).astype("category"),
        y[:, np.newaxis],
        pl.Series(y),
    ):
        assert_same_bits(plain, PiecewiseLinearEncoder().fit(X, labels))


def test_the_unit_and_the_zero_of_a_column_do_not_matter():
    X, y = stepped()
    plain = PiecewiseLinearEncoder().fit(X, y)
    for unit, zero in ((8.0, 0.0), (1000.0, 0.0), (0.3, 5.0), (1.0, -123.0)):
        moved = PiecewiseLinearEncoder().fit(X * unit + zero, y)
        for p, q in zip(plain.knots_, moved.knots_, strict=True):
            assert_array_equal(p * unit + zero, q)
        assert_allclose(moved.transform(X * unit + zero), plain.transform(X), atol=1e-9)


def test_labels_that_are_no_classes_are_not_used():
    X, y = stepped()
    plain = PiecewiseLinearEncoder().fit(X)
    for labels in (
        X[:, 1],
        np.arange(len(X)),
        np.full(len(X), np.nan),
        np.zeros(len(X)),
        np.column_stack([y, y]),
    ):
        assert_same_bits(plain, PiecewiseLinearEncoder().fit(X, labels))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        PiecewiseLinearEncoder().fit(X, y[1:])


def test_weights_are_routed_through_a_pipeline():
    X, y = stepped()
    s = RNG.randint(1, 4, len(X))
    direct = PiecewiseLinearEncoder().fit(X, y, s)
    with sklearn.config_context(enable_metadata_routing=True):
        encoder = PiecewiseLinearEncoder().set_fit_request(sample_weight=True)
        clf = ReLULogisticClassifier((), alpha=1.0).set_fit_request(sample_weight=True)
        model = make_pipeline(encoder, clf).fit(X, y, sample_weight=s)
    assert_same_bits(model[0], direct)


def as_relu_layer(encoder):
    """The encoder of columns without gaps as relu(X W + b) V + c, written out."""
    W, b, V, c = [], [], [], []
    m = len(encoder.column_of_output_)
    for k, j in enumerate(encoder.column_of_output_):
        lower, upper = encoder.lower_[k], encoder.upper_[k]
        unit = np.eye(encoder.n_features_in_)[j]
        if np.isinf(lower):  # x = relu(x) - relu(-x)
            units = [(unit, 0.0, 1.0), (-unit, 0.0, -1.0)]
            start = 0.0
        else:
            units = [(unit, -lower, 1.0), (unit, -upper, -1.0)]
            start = lower
        for w, shift, sign in units:
            W.append(w)
            b.append(shift)
            V.append(sign / encoder.scale_[k] * np.eye(m)[k])
        c.append((start - encoder.center_[k]) / encoder.scale_[k])
    return np.array(W).T, np.array(b), np.array(V), np.array(c)


def test_the_encoder_is_a_layer_of_relu_units_and_the_pipeline_equation_1():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(
        PiecewiseLinearEncoder(4), ReLULogisticClassifier((5, 4), random_state=0)
    ).fit(X, y)
    encoder, clf = model
    W, b, V, c = as_relu_layer(encoder)
    # V and c are linear, and belong to the next layer of the network.
    layers = [(W, b), (V @ clf.coefs_[0], c @ clf.coefs_[0] + clf.intercepts_[0])]
    layers += zip(clf.coefs_[1:], clf.intercepts_[1:], strict=True)
    Z = X
    for l, (W_T, b) in enumerate(layers):  # noqa: E741, the l of the formulas
        Z = (Z if l == 0 else np.maximum(Z, 0)) @ W_T + b
    assert_allclose(Z[:, 0], model.decision_function(X), rtol=0, atol=1e-9)


def test_slopes_are_those_of_the_relu_units_even_at_knots():
    filled = np.nan_to_num(X)
    encoder = PiecewiseLinearEncoder(4).fit(filled)
    W, b, V, _ = as_relu_layer(encoder)
    knots = np.zeros((3, X.shape[1]))
    knots[:, 0] = encoder.knots_[0][[0, 2, 4]]
    for rows in (filled, knots):
        slopes, _ = encoder.local_linear(rows)
        pos = rows @ W + b > 0  # relu'(0) = 0
        expected = np.einsum("jh,nh,hk->njk", W, pos, V)
        at_zero = rows == 0  # relu(x) - relu(-x) has no slope there, but x has one.
        for k, j in enumerate(encoder.column_of_output_):
            ok = ~at_zero[:, j] | np.isfinite(encoder.lower_[k])
            assert_allclose(slopes[ok, k], expected[ok, j, k], rtol=1e-12)
            others = np.delete(expected[:, :, k], j, axis=1)
            assert not others.any()


def test_slopes_are_finite_differences_and_the_affine_functions_hold():
    encoder = PiecewiseLinearEncoder(5).fit(X)
    slopes, intercepts = encoder.local_linear(X)
    x = np.nan_to_num(X[:, encoder.column_of_output_])
    Z = encoder.transform(X)
    assert_allclose(slopes * x + intercepts, Z, rtol=0, atol=1e-9)
    step = 1e-7 * np.nanstd(X, axis=0)
    ahead, behind = encoder.transform(X + step), encoder.transform(X - step)
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = (ahead - behind) / (2 * step)[encoder.column_of_output_]
    knots = [
        np.isin(X[:, j], encoder.knots_[j]) | (step[j] == 0)
        for j in encoder.column_of_output_
    ]
    smooth = ~np.column_stack(knots)
    assert smooth.mean() > 0.5
    scale = abs(slopes).max(axis=0) + 1e-300
    error = abs(slopes - np.nan_to_num(differences)) / scale
    assert error[smooth].max() < 1e-6
    assert (abs(1.001 * slopes - differences) / scale)[smooth].max() > 1e-4


def test_missing_values():
    x = np.column_stack(
        [np.arange(30.0), np.repeat([np.nan, 5, 6], 10), np.full(30, np.nan)]
    )
    # From ten gaps on.
    few = PiecewiseLinearEncoder(2).fit(x[1:])
    assert "x1_missing" not in few.get_feature_names_out()
    encoder = PiecewiseLinearEncoder(2).fit(x)
    assert encoder.get_feature_names_out().tolist() == [
        *("x0", "x0_ramp1", "x0_ramp2", "x1", "x1_missing", "x2")
    ]
    assert_array_equal(encoder.center_[[0, 3, 4, 5]], [14.5, 5.5, 0, 0])
    # A gap that fit never saw, and a column of gaps only.
    Z = encoder.transform([[np.nan, np.nan, 3.0]])
    assert_array_equal(Z, [[0, 0, 0, 0, 1, 0]])
    slopes, intercepts = encoder.local_linear([[np.nan, np.nan, 3.0]])
    assert not slopes.any()
    assert_array_equal(intercepts, Z)
    bare = PiecewiseLinearEncoder(2, add_indicator=False).fit(x)
    assert "x1_missing" not in bare.get_feature_names_out()
    assert_array_equal(bare.transform(x), encoder.transform(x)[:, [0, 1, 2, 3, 5]])


def test_float32_in_float32_out():
    single = X.astype(np.float32)
    encoder = PiecewiseLinearEncoder().fit(single)
    Z = encoder.transform(single)
    slopes, intercepts = encoder.local_linear(single)
    assert Z.dtype == slopes.dtype == intercepts.dtype == np.float32
    double = PiecewiseLinearEncoder().fit(single.astype(np.float64)).transform(single)
    assert_array_equal(Z, double)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_out(library):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    given = frame if library == "pandas" else pl.from_pandas(frame)
    encoder = PiecewiseLinearEncoder(2).set_output(transform=library).fit(given)
    Z = encoder.transform(given)
    assert isinstance(Z, (pd if library == "pandas" else pl).DataFrame)
    assert list(Z.columns) == encoder.get_feature_names_out().tolist()
    assert list(Z.columns[:4]) == ["a", "a_ramp1", "a_ramp2", "b"]
    assert Z.columns[-1] == "f_missing"
    assert_array_equal(np.asarray(Z), PiecewiseLinearEncoder(2).fit_transform(X))
    names = encoder.get_feature_names_out(list("abcdef"))
    assert_array_equal(names, Z.columns)
    with pytest.raises(ValueError, match="input_features is not equal"):
        encoder.get_feature_names_out(list("abcdeg"))


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "int64[pyarrow]"])
def test_nullable_columns(dtype):
    values = [0, 1, 1, None, 0]
    column = pd.array(values, dtype=dtype)
    Z = PiecewiseLinearEncoder().fit_transform(pd.DataFrame({"a": column}))
    plain = np.array(values, dtype=float)[:, np.newaxis]
    assert_array_equal(Z, PiecewiseLinearEncoder().fit_transform(plain))


def test_extreme_values():
    tiny = np.array([[5e-324], [1e-323], [0.0], [5e-324]])
    assert np.isfinite(PiecewiseLinearEncoder(3).fit_transform(tiny)).all()
    far = 1e15 + np.arange(10.0)[:, np.newaxis]
    assert_allclose(PiecewiseLinearEncoder(0).fit_transform(far).std(), 1)
    # A constant column stays 0 for all later values.
    constant = PiecewiseLinearEncoder().fit(np.ones((5, 1)))
    assert_array_equal(constant.transform([[1e300], [-3.0]]), [[0], [0]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_bins": -1}, "'n_bins' parameter of PiecewiseLinearEncoder must be"),
        ({"n_bins": "many"}, "'n_bins' parameter .* Got 'many'"),
        ({"ramp_scale": 0}, "'ramp_scale' parameter .* Got 0"),
        ({"add_indicator": "yes"}, "'add_indicator' parameter .* Got 'yes'"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        PiecewiseLinearEncoder(**parameters).fit(X)


def test_wrong_data():
    frame = pd.DataFrame(X.copy(), columns=list("abcdef"))
    frame.loc[3, "b"] = np.inf
    with pytest.raises(
        ValueError, match=r"^Replace the infinite values in feature 'b'"
    ):
        PiecewiseLinearEncoder().fit(frame)
    with pytest.raises(ValueError, match=r"^Divide feature 0 by a large number"):
        PiecewiseLinearEncoder().fit([[1e300], [-1e300], [0.0]])
    with pytest.raises(ValueError, match="Negative values in sample_weight"):
        PiecewiseLinearEncoder().fit(X, sample_weight=np.full(len(X), -1))
    encoder = PiecewiseLinearEncoder().fit(X)
    with pytest.raises(ValueError, match="should have length equal"):
        encoder.get_feature_names_out(["a"])


def test_copies():
    encoder = PiecewiseLinearEncoder(4).fit(X)
    data = skops.io.dumps(encoder)
    trusted = ["sklearn_relulogit.PiecewiseLinearEncoder"]
    assert skops.io.get_untrusted_types(data=data) == trusted
    for copy in (
        pickle.loads(pickle.dumps(encoder)),
        skops.io.loads(data, trusted=trusted),
        clone(encoder).fit(X),
    ):
        assert_array_equal(copy.transform(X), encoder.transform(X))
        assert_array_equal(copy.local_linear(X), encoder.local_linear(X))
