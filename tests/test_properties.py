"""Properties that hold for every problem, with problems from hypothesis.

The suite runs a few of each, always the same. For many new ones, run

    python -m pytest tests/test_properties.py \\
        --hypothesis-profile=full --hypothesis-show-statistics
"""

import copy
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
LABELS = {
    "int": lambda codes: codes - 3,
    "uint8": lambda codes: codes.astype(np.uint8),
    "float": lambda codes: codes * 2.0 - 1,
    "str": lambda codes: np.array([f"class {c:02d}" for c in codes]),
    "object": lambda codes: np.array([chr(97 + c) for c in codes], dtype=object),
    "list": lambda codes: [int(c) for c in codes],
    "bool": lambda codes: codes > 0,
}
# The largest scale at which nothing may overflow, also with several layers.
MODERATE = 1e3


@dataclass
class Problem:
    """Data and parameters."""

    X: Any
    y: Any
    sample_weight: Any
    parameters: dict[str, Any]
    scale: float

    @property
    def dense(self):
        """X as an array."""
        return self.X.toarray() if scipy.sparse.issparse(self.X) else np.asarray(self.X)

    def make(self, **changes):
        return ReLULogisticClassifier(**(self.parameters | changes))

    def fit(self, clf, X=None, y=None, sample_weight=None):
        """Fit; warnings other than those of a limit are errors."""
        with warnings.catch_warnings():
            # Short fits are intended.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # scikit-learn warns about many classes, as there are here.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            return clf.fit(
                self.X if X is None else X,
                self.y if y is None else y,
                self.sample_weight if sample_weight is None else sample_weight,
            )


SMALL = st.integers(1, 8)
SCALES = {
    "any": st.one_of(st.just(0), st.integers(-300, 300)),
    "moderate": st.integers(-3, 2),
}
ALPHAS = st.one_of(
    st.sampled_from([0.0, 1e-300, 1e-4, 0.1, 1.0, 10.0, 1e4]), st.floats(0, 100)
)


def features(draw, rng, n, p):
    """Rows of some distribution, with zeros, repeats and constants."""
    kind = draw(st.sampled_from(["normal", "integer", "zeros", "constant", "cauchy"]))
    X = {
        "normal": lambda: rng.standard_normal((n, p)),
        "integer": lambda: rng.randint(-3, 4, (n, p)).astype(float),
        "zeros": lambda: np.zeros((n, p)),
        "constant": lambda: np.ones((n, 1)) * rng.standard_normal(p),
        "cauchy": lambda: np.clip(rng.standard_cauchy((n, p)), -1e6, 1e6),
    }[kind]()
    X[rng.uniform(size=X.shape) < draw(st.sampled_from([0, 0, 0.5, 0.9]))] = 0
    if p > 1 and draw(st.booleans()):
        X[:, 0] = X[:, -1]
    if p > 2 and draw(st.booleans()):
        X[:, 1] = 3.0
    return X


def in_some_type(draw, X):
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32]))
    if dtype == np.float32:
        X = np.clip(X, -3e38, 3e38)
    return X.astype(dtype)


def in_some_form(draw, X):
    """The same numbers as an array of any strides, a list, or any sparse matrix."""
    form = draw(st.sampled_from(["C", "F", "strided", "reversed", "list", *FORMATS]))
    if form in FORMATS:
        array = draw(st.booleans())
        container = getattr(scipy.sparse, f"{form}_{'array' if array else 'matrix'}")
        with warnings.catch_warnings():
            # DIA is for few diagonals, and these are many.
            warnings.simplefilter("ignore", scipy.sparse.SparseEfficiencyWarning)
            return container(X)
    return {
        "C": lambda: X,
        "F": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=0)[::2],
        "reversed": lambda: X[::-1, ::-1],
        "list": lambda: X.tolist(),
    }[form]()


def labels(draw, rng, n, n_classes):
    codes = rng.randint(0, n_classes, n)
    if draw(st.booleans()):
        # All classes except the first have one member.
        codes[:] = 0
        codes[1:n_classes] = np.arange(1, n_classes)
    codes[: min(2, n)] = [0, 1]
    return LABELS[draw(st.sampled_from(sorted(LABELS)))](codes)


def sample_weights(draw, rng, n, scales):
    weights = {
        "none": lambda: None,
        "uniform": lambda: rng.uniform(0, 3, n),
        "zeros": lambda: np.maximum(rng.randint(-1, 3, n), np.arange(n) == 0),
        "tiny": lambda: np.full(n, 1e-30),
        "huge": lambda: np.full(n, 1e30),
    }
    usual = ["none", "uniform", "zeros"]
    kinds = usual if scales == "moderate" else sorted(weights)
    return weights[draw(st.sampled_from(kinds))]()


@st.composite
def problems(draw, scales="any", max_iter=30, auto=True, max_layers=6):
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.one_of(st.integers(2, 30), st.integers(2, 300)))
    p = draw(st.one_of(SMALL, st.integers(1, 50)))
    n_classes = draw(st.one_of(st.just(2), st.integers(2, min(20, n))))
    X = features(draw, rng, n, p)
    scale = 10.0 ** draw(SCALES[scales])
    if draw(st.booleans()):
        X *= scale
    else:
        X[:, -1] *= scale
    X = in_some_form(draw, in_some_type(draw, X))
    y = labels(draw, rng, n, n_classes)
    weights = sample_weights(draw, rng, n, scales)
    alpha = draw(ALPHAS)
    # It costs as much as ten of these fits.
    if auto and draw(st.integers(0, 9)) == 0:
        alpha = "auto"
    hidden = draw(st.lists(st.one_of(SMALL, st.integers(1, 64)), max_size=max_layers))
    parameters = {
        "hidden_layer_sizes": tuple(hidden),
        "alpha": alpha,
        "class_weight": draw(st.sampled_from([None, None, "balanced"])),
        "max_iter": draw(st.integers(1, max_iter)),
        "tol": draw(st.sampled_from([1e-4, 0.0, 1e-2, 1e-8])),
        "history_size": draw(st.sampled_from([30, 1, 5])),
        "n_threads": draw(st.sampled_from([1, 2])),
        "random_state": draw(st.integers(0, 100)),
    }
    return Problem(X, y, weights, parameters, scale)


def copies(problem):
    """Copies of all given arrays; sparse ones by their parts."""
    X = problem.X
    if scipy.sparse.issparse(X):
        names = ["data", "indices", "indptr", "row", "col", "offsets"]
        parts = [np.array(getattr(X, n)) for n in names if hasattr(X, n)]
        parts.append(X.toarray())
    else:
        parts = [np.array(X)]
    weight = problem.sample_weight
    return [*parts, np.array(problem.y), np.array(0 if weight is None else weight)]


def may_overflow(problem):
    weight = np.max(problem.sample_weight if problem.sample_weight is not None else 1.0)
    largest = np.abs(problem.dense).max()
    return largest > MODERATE or weight < 1e-20 or weight > 1e20


@given(problems())
def test_a_fit_is_right_or_says_why_not(problem):
    before = copies(problem)
    clf = problem.make()
    try:
        problem.fit(clf)
    except ValueError as error:
        assert "overflows the range of float" in str(error)
        assert may_overflow(problem)
        assert vars(clf).keys() == problem.make().get_params().keys()
        assume(False)
    for array, original in zip(copies(problem), before, strict=True):
        assert_array_equal(array, original)

    dtype = clf.coefs_[0].dtype
    eps = np.finfo(dtype).eps
    for array in clf.coefs_ + clf.intercepts_:
        assert np.isfinite(array).all()
    proba, log_proba = clf.predict_proba(problem.X), clf.predict_log_proba(problem.X)
    n_classes = len(np.unique(problem.y))
    assert proba.shape == log_proba.shape == (problem.dense.shape[0], n_classes)
    assert np.isfinite(log_proba).all()
    assert (proba >= 0).all()
    assert_allclose(proba.sum(axis=1), 1, rtol=10 * n_classes * eps)
    assert_allclose(np.exp(log_proba), proba, rtol=0, atol=100 * eps)
    predicted = clf.predict(problem.X)
    # Among equal ones any is allowed.
    chosen = np.searchsorted(clf.classes_, predicted)
    assert_array_equal(proba[np.arange(len(proba)), chosen], proba.max(axis=1))
    assert np.isin(predicted, problem.y).all()

    assert clf.n_iter_ == len(clf.loss_curve_) <= problem.parameters["max_iter"]
    assert (np.diff(clf.loss_curve_) <= 0).all()
    assert np.isfinite(clf.loss_)
    if clf.n_iter_:
        assert clf.loss_ == clf.loss_curve_[-1]

    again = problem.fit(problem.make())
    assert again.loss_curve_ == clf.loss_curve_
    for a, b in zip(clf.coefs_, again.coefs_, strict=True):
        assert_array_equal(a, b)


def weights_of(problem):
    """The weights of the loss, by their definition."""
    codes = np.searchsorted(np.unique(problem.y), problem.y)
    s = np.ones(len(codes)) if problem.sample_weight is None else problem.sample_weight
    s = np.asarray(s, dtype=float)
    if problem.parameters["class_weight"] == "balanced":
        totals = np.bincount(codes, s)
        present = totals > 0
        shares = np.where(present, totals * present.sum() / s.sum(), 1)
        s = s / shares[codes]
    return codes, s


def standard_scale(X, s, alpha, n_layers):
    """Centre and units of the features for the tolerance, and the features' size.

    The units are standard deviations, or a tenth of the largest distance from the mean
    if that is more; the penalty's part of the curvature is added.
    """
    rows = X[s > 0]
    centre = np.average(X, axis=0, weights=s)
    deviation = np.sqrt(np.average((X - centre) ** 2, axis=0, weights=s))
    reach = np.abs(rows - centre).max(axis=0)
    unit = np.maximum(deviation, reach / 10)
    varies = reach > 1e-12 * np.abs(centre)
    size = np.exp(np.log(unit[varies]).mean()) if varies.any() else 1.0
    unit[~varies] = size
    behind = size ** (1 / n_layers - 1)
    return centre, np.hypot(unit, np.sqrt(alpha / s.sum()) / behind), size


def gradient_norm(problem, clf):
    """The largest derivative of the mean objective, and the objective.

    The derivatives are by the parameters for standardised features, with the features'
    size shared among the layers.
    """
    X = problem.dense.astype(np.float64)
    codes, s = weights_of(problem)
    layers = [
        (W.astype(float), b.astype(float))
        for W, b in zip(clf.coefs_, clf.intercepts_, strict=True)
    ]
    Z = [X]
    for W, b in layers[:-1]:
        Z.append(np.maximum(Z[-1] @ W + b, 0))
    logits = Z[-1] @ layers[-1][0] + layers[-1][1]
    if logits.shape[1] == 1:
        logits = np.hstack([0 * logits, logits])
    rows = np.arange(len(codes))
    delta = softmax(logits, axis=1)
    delta[rows, codes] -= 1
    delta *= s[:, np.newaxis]
    if clf.n_outputs_ == 1:
        delta = delta[:, 1:]
    alpha, largest, L = clf.alpha_, 0.0, len(layers)
    centre, unit, size = standard_scale(X, s, alpha, L)
    a = size ** (-1 / L)
    # log(1 + sum of exp(z_j - z_y) over the others): exact for small losses too.
    differences = logits - logits[rows, codes][:, np.newaxis]
    differences[rows, codes] = -np.inf
    value = s @ np.logaddexp(0, logsumexp(differences, axis=1))
    for number in range(L, 0, -1):
        (W, _), z = layers[number - 1], Z[number - 1]
        value += alpha / 2 * (W**2).sum()
        by_W, by_b = z.T @ delta + alpha * W, delta.sum(axis=0)
        if number == 1:
            by_W = (by_W - np.outer(centre, by_b)) * size / unit[:, np.newaxis]
        by_b = by_b * size * a ** (number - 1)
        largest = max(largest, a * np.abs(by_W).max(), a * np.abs(by_b).max())
        delta = (delta @ W.T) * (z > 0)
    return largest / s.sum(), value / s.sum()


@given(problems(scales="moderate", max_iter=200))
def test_the_reported_loss_and_tolerance_are_true(problem):
    clf = problem.fit(problem.make())
    with unbalanced():
        before = problem.fit(problem.make())
    assert clf.loss_ <= before.loss_
    norm, value = gradient_norm(problem, before)
    float64 = clf.coefs_[0].dtype == np.float64
    for fitted, expected in [
        (before, value),
        (clf, gradient_norm(problem, clf)[1]),
    ]:
        assert_allclose(
            fitted.loss_,
            expected,
            rtol=1e-9 if float64 else 2e-3,
            atol=0 if float64 else 1e-5,
        )
    if in_the_space_of_the_rows(problem):
        return
    if before.stop_reason_ == "gradient tolerance" and float64:
        assert norm <= problem.parameters["tol"] * value * (1 + 1e-6) + 1e-10


@contextmanager
def unbalanced():
    """Fits whose output biases stay where the optimiser left them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_relulogit._fit.balance", lambda *arguments: None)
        yield


def in_the_space_of_the_rows(problem):
    """Whether the fit uses the coordinates of the row space."""
    codes, s = weights_of(problem)
    rows = np.column_stack([problem.dense, codes])[s > 0]
    return problem.dense.shape[1] > 2 * len(np.unique(rows, axis=0))


def repeats_of(problem):
    """The problem with integer weights, with repeated rows, and these in any order."""
    X, y = problem.dense, np.asarray(problem.y)
    repeats = np.random.RandomState(0).randint(0, 3, len(y))
    assume(len(np.unique(y[repeats > 0])) == len(np.unique(y)))
    rows = np.repeat(np.arange(len(y)), repeats)
    shuffled = np.random.RandomState(1).permutation(rows)
    ones = np.ones(len(rows))
    return [(X, y, repeats), (X[rows], y[rows], ones), (X[shuffled], y[shuffled], ones)]


def objective_at(problem, clf, data):
    """The mean objective of other data at the parameters of a fit."""
    # The gradient is within this tolerance, so the fit ends where it begins.
    clf = copy.deepcopy(clf).set_params(warm_start=True, tol=1e300)
    with unbalanced():
        assert problem.fit(clf, *data).n_iter_ == 0
    return clf.loss_


@given(problems(scales="moderate", max_iter=10, auto=False))
def test_weights_are_repeats_and_their_order_does_not_matter(problem):
    """The objective and two steps are the same; later ones may separate at kinks."""
    same = repeats_of(problem)
    clf = problem.fit(problem.make(), *same[0])
    float64 = clf.coefs_[0].dtype == np.float64
    values = [objective_at(problem, clf, data) for data in same]
    assert_allclose(values, values[0], rtol=1e-10 if float64 else 1e-4, atol=1e-13)
    if float64:
        assert_allclose(values[0], clf.loss_, rtol=1e-12)
        losses = [problem.fit(problem.make(max_iter=2), *data).loss_ for data in same]
        assert_allclose(losses, losses[0], rtol=1e-7, atol=1e-10)


@given(problems(scales="moderate", max_iter=200, auto=False, max_layers=0))
def test_whole_fits_of_a_convex_objective_agree(problem):
    """All minimise the same function, as exactly as their gradients promise.

    For a convex F, F(a) - F(b) <= grad F(a) (a - b). The gradients are by the
    parameters for standardised features.
    """
    with unbalanced():
        fits = [problem.fit(problem.make(), *data) for data in repeats_of(problem)]
    assume(all(clf.stop_reason_ == "gradient tolerance" for clf in fits))
    float64 = fits[0].coefs_[0].dtype == np.float64
    X, y, repeats = repeats_of(problem)[0]
    same = replace(problem, X=X.astype(float), y=y, sample_weight=repeats)
    assume(not in_the_space_of_the_rows(same))
    _, s = weights_of(same)
    centre, unit, _ = standard_scale(same.dense, s, fits[0].alpha_, 1)
    a, *others = (
        np.append(clf.coef_ * unit, clf.intercept_ + clf.coef_.astype(float) @ centre)
        for clf in fits
    )
    for b, clf in zip(others, fits[1:], strict=True):
        largest = max(clf.loss_, fits[0].loss_)
        bound = problem.parameters["tol"] * largest * np.abs(a - b).sum()
        rounding = (1e-10 if float64 else 1e-4) * (1 + fits[0].loss_)
        assert abs(clf.loss_ - fits[0].loss_) <= bound + rounding


@given(problems(scales="moderate", max_iter=200, auto=False))
def test_whole_fits_under_a_strong_penalty_are_the_shares_of_the_classes(problem):
    """No hidden unit pays; in float64, since the condition number is high."""
    assume(problem.parameters["hidden_layer_sizes"])
    X, y, repeats = repeats_of(problem)[0]
    # Above the norm of X^T R, where a row of R is at most 2 sqrt(2) long.
    alpha = 1 + 10 * np.linalg.norm(X.astype(np.float64)) * np.sqrt(8 * len(y))
    shares = np.array([repeats[y == label].sum() for label in np.unique(y)])
    changes = {"alpha": alpha, "class_weight": None, "max_iter": 1000, "tol": 1e-12}
    for rows, labels, weights in repeats_of(problem):
        clf = problem.make(**changes, history_size=30)
        problem.fit(clf, rows.astype(np.float64), labels, weights)
        proba = clf.predict_proba(X.astype(np.float64))
        assert_allclose(proba, np.tile(shares / shares.sum(), (len(X), 1)), atol=1e-4)


@given(problems(scales="moderate", max_iter=10, auto=False))
def test_rows_and_hidden_units_in_any_order_predict_the_same(problem):
    clf = problem.fit(problem.make())
    X = problem.dense
    rng = np.random.RandomState(0)
    rows = rng.permutation(len(X))
    eps = np.finfo(clf.coefs_[0].dtype).eps
    f = clf.decision_function(X)
    atol = 1e4 * eps * max(1, np.abs(f).max())
    assert_allclose(clf.decision_function(X[rows]), f[rows], rtol=0, atol=atol)
    for l in range(1, len(clf.coefs_)):  # noqa: E741, the l of the formulas
        units = rng.permutation(len(clf.intercepts_[l - 1]))
        clf.coefs_[l - 1] = clf.coefs_[l - 1][:, units]
        clf.intercepts_[l - 1] = clf.intercepts_[l - 1][units]
        clf.coefs_[l] = clf.coefs_[l][units]
    assert_allclose(clf.decision_function(X), f, rtol=0, atol=atol)
    # The affine function at each row is that of the network.
    coef, intercept = clf.local_linear(X)
    linear = np.einsum("n...p,np->n...", coef, X) + intercept
    assert_allclose(linear, f, rtol=0, atol=10 * atol)


@given(problems(scales="moderate", max_iter=10, auto=False), st.integers(0, 2))
def test_predictions_of_other_scales_are_finite_or_an_error(problem, sign):
    clf = problem.fit(problem.make())
    X = problem.dense.astype(np.float64)
    for exponent in (30, 200, 300, 305):
        far = np.clip(X, -1e3, 1e3) * 10.0**exponent * [1, -1, 0][sign]
        try:
            log_proba = clf.predict_log_proba(far)
            proba = clf.predict_proba(far)
        except ValueError as error:
            assert "overflows the range" in str(error)
            continue
        assert np.isfinite(log_proba).all()
        assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


@given(problems(max_iter=5, auto=False), st.sampled_from([[3.0], [10.0, 0.1], 2]))
def test_the_search_of_the_penalty_too(problem, alphas):
    parameters = {k: v for k, v in problem.parameters.items() if k != "alpha"}
    codes = np.searchsorted(np.unique(problem.y), problem.y)
    n = len(codes)
    splits = [(np.arange(n), np.arange(n)[:1]), (np.arange(n)[: n - 1], [n - 1])]
    clf = ReLULogisticClassifierCV(**parameters, alphas=alphas, cv=splits)
    new = vars(clf).keys()
    try:
        problem.fit(clf)
    except ValueError as error:
        assert may_overflow(problem) or "sample_weight in a fold" in str(error)
        assert "overflows" in str(error) or "sample_weight" in str(error)
        assert vars(clf).keys() == new
        assume(False)
    assert np.isfinite(clf.best_score_)
    assert clf.alpha_ in clf.alphas_
    assert_allclose(clf.predict_proba(problem.X).sum(axis=1), 1, rtol=1e-5)


def test_a_wrong_gradient_is_seen():
    """The check of the tolerance fails for a fit that claims too much."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((50, 3)), rng.randint(0, 2, 50)
    parameters = {"alpha": 1.0, "class_weight": None, "tol": 1e-6}
    problem = Problem(X, y, None, parameters | {"hidden_layer_sizes": ()}, 1.0)
    clf = problem.fit(problem.make())
    assert clf.stop_reason_ == "gradient tolerance"
    norm, value = gradient_norm(problem, clf)
    assert norm <= 1e-6 * value
    clf.coefs_[0] += 1e-4
    worse, value_there = gradient_norm(problem, clf)
    assert worse > 1e-6 * value
    assert value_there > value


@pytest.mark.parametrize("n_rows", [1, 2])
def test_one_row_is_an_error_and_two_are_a_fit(n_rows):
    X, y = np.arange(n_rows)[:, np.newaxis] * 1.0, np.arange(n_rows)
    clf = ReLULogisticClassifier((2,), random_state=0)
    if n_rows == 1:
        with pytest.raises(ValueError, match="at least 2 classes"):
            clf.fit(X, y)
    else:
        assert clf.fit(X, y).predict(X).shape == (2,)
