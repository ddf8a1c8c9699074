"""PiecewiseLinearEncoder: ramps written out, in ReLU units, and at home in frames."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from conftest import installed_checks
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline

from sklearn_relulogit import PiecewiseLinearEncoder, ReLULogisticClassifier

RNG = np.random.RandomState(0)
X = np.column_stack(
    [
        RNG.standard_normal(300),
        RNG.exponential(size=300) * 1e5,
        RNG.randint(0, 4, 300),
        RNG.randint(0, 2, 300),
        np.full(300, 7.0),
        np.where(RNG.rand(300) < 0.3, np.nan, RNG.rand(300)),
    ]
)


@installed_checks(
    [PiecewiseLinearEncoder(), PiecewiseLinearEncoder(3, add_indicator=False)]
)
def test_estimator_checks(estimator, check):
    check(estimator)


def literal_outputs(x, n_bins, ramp_scale):
    """The outputs of a column, by interpolation, and sorted values for quantiles."""
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
    # The tolerance tells right from slightly wrong.
    assert not np.allclose(Z, expected + 1e-11, rtol=0, atol=1e-12)


def test_number_of_bins():
    def n_bins(encoder):
        return [max(len(knots) - 1, 0) for knots in encoder.knots_]

    # One of 100 rows each, 210 of which have the last column; and few distinct values.
    assert n_bins(PiecewiseLinearEncoder().fit(X)) == [3, 3, 3, 0, 0, 2]
    assert n_bins(PiecewiseLinearEncoder().fit(np.repeat(X, 3, 0))) == [
        *(8, 8, 3, 0, 0, 6)
    ]
    assert n_bins(PiecewiseLinearEncoder().fit(X[:199])) == [0] * 6
    # Of 50 rows for each of the classes; numbers are none.
    y = np.arange(300) % 3
    assert n_bins(PiecewiseLinearEncoder().fit(X, y)) == [2, 2, 2, 0, 0, 0]
    assert n_bins(PiecewiseLinearEncoder().fit(X, y / 9)) == [3, 3, 3, 0, 0, 2]
    for no_classes in (np.repeat("one", 300), np.arange(300), np.full(300, np.nan)):
        assert n_bins(PiecewiseLinearEncoder().fit(X, no_classes))[0] == 3
    assert n_bins(PiecewiseLinearEncoder(20).fit(X)) == [20, 20, 3, 0, 0, 20]
    # Half of the values are 0, so that quantiles are equal.
    x = np.r_[np.zeros(50), np.arange(1, 51)][:, np.newaxis]
    assert n_bins(PiecewiseLinearEncoder(8).fit(x)) == [4]


def test_weights_are_repeats_and_weight_zero_is_absence():
    s = RNG.randint(0, 4, len(X)).astype(float)
    weighted = PiecewiseLinearEncoder(8).fit(X, sample_weight=s)
    repeated = PiecewiseLinearEncoder(8).fit(np.repeat(X, s.astype(int), axis=0))
    tenths = PiecewiseLinearEncoder(8).fit(X, sample_weight=s / 10)
    for a, b, c in zip(weighted.knots_, repeated.knots_, tenths.knots_, strict=True):
        assert_array_equal(a, b)
        assert_array_equal(a, c)
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-12)
    unweighted = PiecewiseLinearEncoder(8).fit(X)
    assert abs(weighted.transform(X) - unweighted.transform(X))[:, 0].max() > 0.01


def test_order_of_rows_does_not_matter():
    order = RNG.permutation(len(X))
    a, b = (PiecewiseLinearEncoder().fit(rows) for rows in (X, X[order]))
    assert_allclose(a.transform(X), b.transform(X), atol=1e-12)


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
    # V and c, linear, belong to the layer of the network that follows.
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
        at_zero = rows == 0  # relu(x) - relu(-x) has no slope there, and x has.
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
    x = np.array([[1.0, np.nan, np.nan], [2, 5, np.nan], [4, 6, np.nan]])
    # Of ten gaps and more.
    few = PiecewiseLinearEncoder(2).fit(np.repeat(x, 9, axis=0))
    assert "x1_missing" not in few.get_feature_names_out()
    x = np.repeat(x, 10, axis=0)
    encoder = PiecewiseLinearEncoder(2).fit(x)
    assert encoder.get_feature_names_out().tolist() == [
        *("x0", "x0_ramp1", "x0_ramp2", "x1", "x1_missing", "x2")
    ]
    # A gap that fit never saw, and a column of nothing else.
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
    # A constant column stays 0 whatever comes later.
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
    trusted = ["sklearn_relulogit._tables.encoder.PiecewiseLinearEncoder"]
    assert skops.io.get_untrusted_types(data=data) == trusted
    for copy in (
        pickle.loads(pickle.dumps(encoder)),
        skops.io.loads(data, trusted=trusted),
        clone(encoder).fit(X),
    ):
        assert_array_equal(copy.transform(X), encoder.transform(X))
        assert_array_equal(copy.local_linear(X), encoder.local_linear(X))
