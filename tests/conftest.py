"""What several test modules share."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.likelihood import Logistic, Softmax
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, n_parameters

# It needs PyTorch, and sets what scipy reads at its import.
collect_ignore = ["benchmarks/device.py"]

# The same few examples each time; with --hypothesis-profile=full others, and
# HYPOTHESIS_EXAMPLES of them, by default 4000 for each property.
settings.register_profile(
    "quick",
    max_examples=25,
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


class Problem:
    """Random data and parameters, and objectives over them."""

    def __init__(self, hidden, *, n_classes=2, n_samples=23, n_features=4, seed=0):
        self.rng = np.random.RandomState(seed)
        self.X = self.rng.standard_normal((n_samples, n_features))
        self.y = self.rng.randint(0, n_classes, n_samples)
        self.s = np.ones(n_samples)
        self.likelihood = Logistic() if n_classes == 2 else Softmax()
        n_outputs = 1 if n_classes == 2 else n_classes
        self.shapes = layer_shapes(n_features, hidden, n_outputs)
        # Biases too are random, so that no ReLU sits on its kink.
        self.theta = self.rng.standard_normal(n_parameters(self.shapes))

    def objective(self, *, alpha=0.0, rows=None, dtype=np.float64, **kwargs):
        n, rows = len(self.y), rows or len(self.y)
        blocks = [
            Block(
                self.X[i : i + rows].astype(dtype),
                self.y[i : i + rows],
                self.s[i : i + rows].astype(dtype),
            )
            for i in range(0, n, rows)
        ]
        # Parts of one and of several blocks.
        parts = [blocks[:1], blocks[1:3], blocks[3:]]
        parts = Parts.of([part for part in parts if part])
        return Objective(
            parts, self.shapes, self.likelihood, alpha, np.dtype(dtype), **kwargs
        )


@pytest.fixture(params=HIDDEN, ids=str)
def hidden(request):
    return request.param
