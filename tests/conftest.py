"""Shared by several test modules: data, networks, scikit-learn's checks, a spy."""

import importlib.util
import os
import threading
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.likelihood import likelihood_of
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, n_parameters
from sklearn_relulogit._rows.distinct import merge_equal_rows

# scipy reads the first two at its import. The last one needs packages that the tests
# do not need.
collect_ignore = [
    "benchmarks/device.py",
    "benchmarks/fingerprints.py",
    "benchmarks/mutations.py",
]

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(
    not HAS_TORCH,
    reason="PyTorch is too large for every environment; .ci/run has one with it",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Two processes for the whole suite, and none beside this one for files of it."""
    return 0 if config.option.file_or_dir else 2


def pytest_report_header(config):
    """What this run leaves out."""
    chosen = config.option.markexpr
    left_out = ["slow tests (all: -m 'slow or not slow')"] * (chosen == "not slow")
    if not HAS_TORCH:
        left_out.append("tests that need PyTorch")
    return f"left out: {', '.join(left_out) or 'nothing'}"


def pytest_collection_modifyitems(items):
    """Leave out the example of `to_torch` where there is no PyTorch."""
    for item in items:
        if item.name == "sklearn_relulogit.export.to_torch":
            item.add_marker(needs_torch)


# The same few examples each time. --hypothesis-profile=full draws new ones:
# HYPOTHESIS_EXAMPLES for each property, by default 4000.
settings.register_profile(
    "quick",
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile(
    "full",
    settings.get_profile("quick"),
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", 4000)),
    derandomize=False,
    print_blob=True,
)
settings.load_profile("quick")

HIDDEN = [(), (5,), (4, 3), (6, 5, 4), (3, 4, 5, 3)]


def slow(*values):
    """Parameters of a test that the default run leaves out."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(params=HIDDEN, ids=str)
def hidden(request):
    return request.param


@cache
def _scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def cancer():
    """Two classes, 569 rows, 30 scaled features."""
    X, y = _scaled(load_breast_cancer)
    return X.copy(), y.copy()


@pytest.fixture
def iris():
    """Three classes, 150 rows, 4 scaled features."""
    X, y = _scaled(load_iris)
    return X.copy(), y.copy()


def parameters_of(clf):
    """All coefficients and intercepts of a fit, in one vector."""
    return np.concatenate([array.ravel() for array in clf.coefs_ + clf.intercepts_])


def assert_same_fit(a, b):
    """Check that two fits are the same to the last bit."""
    assert a.loss_curve_ == b.loss_curve_
    for p, q in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(p, q)


def assert_gradient(function, theta, gradient, rtol=1e-5):
    """Check a gradient by central differences, to ``rtol`` of its largest entry."""
    step = 1e-6
    differences = np.array(
        [
            (function(theta + step * e) - function(theta - step * e)) / (2 * step)
            for e in np.eye(len(theta))
        ]
    )
    np.testing.assert_allclose(
        gradient, differences, rtol=0, atol=rtol * np.abs(differences).max()
    )


def distinct(data, groups=None):
    """All distinct rows of a Block and their keys, in the form of a fit's rows."""
    return merge_equal_rows(data, max_numbers=2**30, groups=groups)


class Problem:
    """Random data and parameters, and objectives over them."""

    def __init__(self, hidden, *, n_classes=2, n_samples=23, n_features=4, seed=0):
        self.rng = np.random.RandomState(seed)
        self.X = self.rng.standard_normal((n_samples, n_features))
        self.y = self.rng.randint(0, n_classes, n_samples)
        self.s = np.ones(n_samples)
        self.shapes = layer_shapes(n_features, hidden, n_classes)
        self.likelihood = likelihood_of(self.shapes[-1][1])
        # Biases are random too, so that no ReLU sits on its kink.
        self.theta = self.rng.standard_normal(n_parameters(self.shapes))

    def objective(self, *, alpha=0.0, rows=None, dtype=np.float64, ordered_map=map):
        """The objective, over blocks of ``rows`` rows; by default over one block."""
        n, rows = len(self.y), rows or len(self.y)
        blocks = [
            Block(
                self.X[i : i + rows].astype(dtype),
                self.y[i : i + rows],
                self.s[i : i + rows].astype(dtype),
            )
            for i in range(0, n, rows)
        ]
        # Parts of one block and of several.
        items = [part for part in (blocks[:1], blocks[1:3], blocks[3:]) if part]
        parts = Parts(items, float(self.s.sum()), ordered_map=ordered_map)
        return Objective(parts, self.shapes, alpha, np.dtype(dtype))


@contextmanager
def watch_evaluations(*, at=None, error=None, action=None, method="__call__"):
    """Watch the evaluations of all objectives in this process.

    Parameters
    ----------
    at : int, optional
        The number of the evaluation at which to act, from 1; None for each of them.
    error : exception, optional
        Raised instead of the evaluation.
    action : callable, optional
        Called before the evaluation.
    method : {"__call__", "mean_nll"}
        Which evaluations count: with the gradient, or without it.

    Yields
    ------
    evaluations : list of (objective, theta)
        The evaluations that have begun.
    """
    evaluate = getattr(Objective, method)
    evaluations, lock = [], threading.Lock()

    def watched(self, theta):
        with lock:
            evaluations.append((self, theta.copy()))
            number = len(evaluations)
        if at in (None, number):
            if action is not None:
                action()
            if error is not None:
                raise error
        return evaluate(self, theta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objective, method, watched)
        yield evaluations


def _is_array_api(check):
    """Whether a scikit-learn check is about the array API."""
    return getattr(check, "func", check).__name__.startswith("check_array_api")


def _libraries(check):
    """The array libraries that a scikit-learn check needs."""
    names = set()
    for value in getattr(check, "keywords", {}).values():
        # An argument is the namespace, or the namespace and the device.
        names |= {value} if isinstance(value, str) else set()
        names |= {value[0]} if isinstance(value, tuple) else set()
    return names & {"array_api_strict", "cupy", "dpnp", "jax", "torch"}


def installed_checks(estimators, *, slow=(), array_api=False):
    """scikit-learn's estimator checks, as a decorator that parametrizes a test.

    These are all checks but those of the array API or, with ``array_api``, those of the
    installed libraries. (scikit-learn skips the rest by itself, but each of its
    hundreds of skips would look like a missing test.) Checks of the estimators in
    ``slow`` are marked slow.
    """
    mark = parametrize_with_checks([*estimators, *slow])
    names, checks = mark.args

    def is_wanted(parameters):
        _, check = getattr(parameters, "values", parameters)
        return _is_array_api(check) == array_api and all(
            importlib.util.find_spec(library) for library in _libraries(check)
        )

    def marked(parameters):
        values = getattr(parameters, "values", parameters)
        if values[0] not in slow:
            return parameters
        return pytest.param(*values, marks=pytest.mark.slow)

    return pytest.mark.parametrize(
        names, [marked(one) for one in checks if is_wanted(one)], **mark.kwargs
    )
