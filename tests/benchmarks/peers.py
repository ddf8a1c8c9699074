"""The same objective in other libraries, each with its best settings.

Every peer is a class with `evaluate(theta)`: value and gradient, as its optimiser would
get them. Ours and scikit-learn's also have `trace(seed)`, a whole fit. `Trace.to` gives
the seconds to the first point whose objective is not above a target, and whether there
was one. If not, it gives the seconds of the whole fit.
"""

import time
import warnings
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import Block, Parts
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import layer_shapes, unpack
from sklearn_relulogit._threads import ThreadedMap

N_THREADS = 2


class Reached(KeyboardInterrupt):
    """The target is reached. At an interrupt our fit ends in good order."""


class Trace(NamedTuple):
    """A fit: its length in seconds, the end and the value of each evaluation."""

    seconds: float
    ends: np.ndarray
    values: np.ndarray

    def to(self, target):
        """Seconds to the target, plus those after the last evaluation."""
        reached = self.values <= target
        if not reached.any():
            return self.seconds, False
        after = self.seconds - self.ends[-1]
        return float(self.ends[reached.argmax()] + after), True


def traced(fit, owner, method, *, target=-np.inf, clock=time.perf_counter):
    """The trace of a fit, up to a target, whose evaluations are calls of a method."""
    original = getattr(owner, method)
    ends, values = [], []

    def evaluate(self, *args):
        result = original(self, *args)
        values.append(float(result[0]))
        ends.append(clock() - start)
        if values[-1] <= target:
            raise Reached
        return result

    start = clock()
    with patch.object(owner, method, evaluate):
        try:
            fit()
        except KeyboardInterrupt:
            # Our fit continues another exception than the one it got.
            if values[-1] > target:
                raise
    return Trace(clock() - start, np.array(ends), np.array(values))


class Ours:
    name = "ours"

    def __init__(self, X, y, hidden, alpha, n_threads=N_THREADS):
        self.X, self.y, self.hidden, self.alpha = X, y, hidden, alpha
        self.n_threads = n_threads
        shapes = layer_shapes(X.shape[1], hidden, 2)
        ones = np.broadcast_to(X.dtype.type(1), len(y))
        self.map = ThreadedMap(n_threads)
        parts = Parts.of(Block(X, y, ones), shapes, self.map)
        self.objective = Objective(parts, shapes, alpha, X.dtype)

    def evaluate(self, theta):
        return self.objective(theta)

    def fit(self, seed, **kwargs):
        clf = ReLULogisticClassifier(
            self.hidden,
            alpha=self.alpha,
            random_state=seed,
            n_threads=self.n_threads,
            **kwargs,
        )
        with warnings.catch_warnings():
            # Many fits are cut short on purpose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return clf.fit(self.X, self.y)

    def trace(self, seed, settings=None, **kwargs):
        """A whole fit with its checks; other parameters have their defaults."""
        fit = partial(self.fit, seed, **(settings or {}))
        return traced(fit, Objective, "__call__", **kwargs)


class MLP:
    name = "MLPClassifier"

    def __init__(self, X, y, hidden, alpha):
        self.X, self.y, self.hidden, self.alpha = X, y, hidden, alpha

    def fit(self, seed, **kwargs):
        clf = MLPClassifier(
            self.hidden,
            solver="lbfgs",
            alpha=self.alpha,
            random_state=seed,
            **kwargs,
        )
        with warnings.catch_warnings():
            # Many fits are cut short on purpose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return clf.fit(self.X, self.y)

    def trace(self, seed, **kwargs):
        """A whole fit; other parameters have their defaults."""
        fit = partial(self.fit, seed)
        return traced(fit, MLPClassifier, "_loss_grad_lbfgs", **kwargs)

    def evaluation(self, theta):
        """Its solver's private method, the only way to time an evaluation."""
        clf = self.fit(0, max_iter=1)
        shapes = layer_shapes(self.X.shape[1], self.hidden, 2)
        sizes = [self.X.shape[1], *self.hidden, 1]
        clf._coef_indptr, clf._intercept_indptr, start = [], [], 0
        for n, m in shapes:
            clf._coef_indptr.append((start, start + n * m, (n, m)))
            start += n * m
        for m in sizes[1:]:
            clf._intercept_indptr.append((start, start + m))
            start += m
        layers = unpack(theta, shapes)
        packed = np.concatenate([W.ravel() for W, _ in layers] + [b for _, b in layers])
        y = self.y[:, np.newaxis].astype(self.X.dtype)
        activations = [self.X] + [None] * len(shapes)
        deltas = [None] * len(shapes)
        coefs = [np.empty(shape, self.X.dtype) for shape in shapes]
        intercepts = [np.empty(m, self.X.dtype) for _, m in shapes]

        return lambda: clf._loss_grad_lbfgs(
            packed, self.X, y, None, activations, deltas, coefs, intercepts
        )


class Torch:
    name = "torch"

    def __init__(self, X, y, hidden, alpha):
        import torch

        torch.set_num_threads(N_THREADS)
        self.torch = torch
        self.dtype = getattr(torch, str(X.dtype))
        self.X = torch.from_numpy(np.ascontiguousarray(X))
        self.sign = torch.from_numpy((2 * y - 1).astype(X.dtype))
        self.shapes = layer_shapes(X.shape[1], hidden, 2)
        self.alpha = alpha

    def parameters(self, theta):
        torch = self.torch
        return [
            torch.tensor(array, dtype=self.dtype, requires_grad=True)
            for layer in unpack(theta, self.shapes)
            for array in layer
        ]

    def loss(self, parameters):
        torch = self.torch
        Z = self.X
        for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            Z = torch.relu(torch.addmm(b, Z, W))
        Z = torch.addmm(parameters[-1], Z, parameters[-2])[:, 0]
        nll = torch.nn.functional.softplus(-self.sign * Z).sum()
        penalty = self.alpha / 2 * sum((W * W).sum() for W in parameters[::2])
        return (nll + penalty) / len(self.X)

    def evaluate(self, theta):
        parameters = self.parameters(theta)
        loss = self.loss(parameters)
        loss.backward()
        return float(loss.detach()), parameters


class JAX:
    name = "JAX + scipy"

    def __init__(self, X, y, hidden, alpha):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        shapes = layer_shapes(X.shape[1], hidden, 2)
        X, sign = jnp.asarray(X), jnp.asarray((2 * y - 1).astype(X.dtype))

        def loss(theta, X, sign):
            layers = unpack(theta.astype(X.dtype), shapes, jnp.reshape)
            Z = X
            for W, b in layers[:-1]:
                Z = jax.nn.relu(Z @ W + b)
            W, b = layers[-1]
            nll = jax.nn.softplus(-sign * (Z @ W + b)[:, 0]).sum()
            penalty = alpha / 2 * sum((W * W).sum() for W, _ in layers)
            return (nll + penalty) / len(X)

        compiled = jax.jit(jax.value_and_grad(loss))

        def evaluate(theta):
            value, gradient = compiled(theta, X, sign)
            return float(value), np.asarray(gradient, dtype=np.float64)

        self.evaluate = evaluate


def installed():
    """The peers that can be imported."""
    peers = []
    for peer, module in [(Torch, "torch"), (JAX, "jax")]:
        try:
            __import__(module)
        except ImportError:
            print(f"({module} is not installed: left out)")
        else:
            peers.append(peer)
    return peers
