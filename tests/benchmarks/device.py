"""Arrays on a device: correctness against numpy, and speed.

python tests/benchmarks/device.py                     PyTorch on the processor
python tests/benchmarks/device.py --device cuda       on a GPU
python tests/benchmarks/device.py --library cupy      CuPy, on its current device
    --rows 1000000 --features 100 --hidden 256,256    another problem for the speed

Needs torch (and cupy), and array-api-compat. First it compares the loss and its
gradient at one point, and whole fits, with numpy in float64. Then it times one
evaluation (median of interleaved runs), and fits with a fixed number of iterations.
These run with numpy on the processor, with the same code on the device, and with
PyTorch's autograd and torch.optim.LBFGS there. Run it alone on the machine.
"""

import argparse
import os
import platform
import statistics
import time
import warnings

os.environ["SCIPY_ARRAY_API"] = "1"  # before scipy is imported

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.arrays import Numpy, namespace, to_numpy
from sklearn_relulogit._model.blocks import Block, Parts, row_blocks
from sklearn_relulogit._model.objective import Objective
from sklearn_relulogit._model.parameters import (
    initial_theta,
    layer_shapes,
    unpack,
)
from sklearn_relulogit._threads import (
    ThreadedMap,
    effective_n_threads,
    single_threaded_blas,
)

REPEATS = 5
HISTORY = 30


def make_data(n_rows, n_features, n_classes, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32).astype(dtype)
    score = X[:, 0] * X[:, 1] + X[:, 2] + rng.standard_normal(n_rows)
    y = np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score)
    return X, y


class Device:
    """The device of the arrays."""

    def __init__(self, library, name):
        self.library, self.name = library, name

    def send(self, a):
        if self.library == "torch":
            return torch.tensor(a, device=self.name)
        import cupy

        return cupy.asarray(a)

    def wait(self):
        if self.library == "cupy":
            import cupy

            cupy.cuda.Device().synchronize()
        elif self.name.startswith("cuda"):
            torch.cuda.synchronize(self.name)
        elif self.name == "mps":
            torch.mps.synchronize()

    def has(self, dtype):
        return np.dtype(dtype) == np.float32 or self.name != "mps"

    def __str__(self):
        if self.library == "cupy":
            import cupy

            return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        if self.name.startswith("cuda"):
            return torch.cuda.get_device_name(self.name)
        threads = f", {torch.get_num_threads()} threads"
        return self.name + (threads if self.name == "cpu" else "")


def objective_of(X, y, hidden, alpha, ordered_map=map):
    """The objective of all rows, with numpy or on a device."""
    xp = namespace(X)
    codes = y if xp is Numpy else xp.to_device(y)
    ones = np.ones(len(y), str(X.dtype).rpartition(".")[2])
    shapes = layer_shapes(X.shape[1], hidden, int(y.max()) + 1)
    data = Block(X, codes, ones if xp is Numpy else xp.to_device(ones))
    parts = Parts(
        row_blocks(data, shapes),
        float(len(y)),
        weighted=False,
        xp=xp,
        ordered_map=ordered_map,
    )
    return Objective(parts, shapes, alpha, ones.dtype)


def fit(X, y, hidden, **parameters):
    clf = ReLULogisticClassifier(
        hidden, random_state=0, history_size=HISTORY, **parameters
    )
    with warnings.catch_warnings(), sklearn.config_context(array_api_dispatch=True):
        # The number of iterations is fixed on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(X, y)


class Autograd:
    """The same objective by PyTorch's autograd, and its own L-BFGS."""

    def __init__(self, X, y, theta, shapes, alpha):
        self.X, self.n_rows, self.alpha = X, X.shape[0], alpha
        self.binary = shapes[-1][1] == 1
        y = torch.as_tensor(y, device=X.device)
        self.y = y.to(X.dtype) if self.binary else y
        self.parameters = [
            torch.tensor(a, dtype=X.dtype, device=X.device, requires_grad=True)
            for layer in unpack(theta, shapes)
            for a in layer
        ]

    def loss(self):
        Z = self.X
        weights, biases = self.parameters[::2], self.parameters[1::2]
        for index, (W_T, b) in enumerate(zip(weights, biases, strict=True)):
            Z = torch.addmm(b, Z, W_T)
            if index < len(weights) - 1:
                Z = torch.relu(Z)
        functional = torch.nn.functional
        nll = (
            functional.binary_cross_entropy_with_logits(
                Z[:, 0], self.y, reduction="sum"
            )
            if self.binary
            else functional.cross_entropy(Z, self.y, reduction="sum")
        )
        penalty = sum((W_T * W_T).sum() for W_T in weights) * (self.alpha / 2)
        return (nll + penalty) / self.n_rows

    def evaluate(self):
        for parameter in self.parameters:
            parameter.grad = None
        loss = self.loss()
        loss.backward()
        return loss

    def fit(self, max_iter):
        optimizer = torch.optim.LBFGS(
            self.parameters,
            max_iter=max_iter,
            max_eval=10 * max_iter,
            tolerance_grad=0,
            tolerance_change=0,
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        )
        n_evaluations = 0

        def closure():
            nonlocal n_evaluations
            n_evaluations += 1
            return self.evaluate()

        optimizer.step(closure)
        return float(self.loss().detach()), n_evaluations


def correctness(device):
    print("\nAgainst numpy in float64, 2000 x 20, relative differences:\n")
    print(
        "| classes | layers | type | loss | gradient | numpy's gradient | fit's loss |"
    )
    print("|---|---|---|---|---|---|---|")
    for n_classes in (2, 3):
        for hidden in ((), (50,), (30, 20)):
            X, y = make_data(2000, 20, n_classes, np.float64)
            exact = objective_of(X, y, hidden, 50.0)
            theta = np.random.RandomState(0).standard_normal(len(exact._penalty)) / 5
            value, gradient = exact(theta)
            loss = fit(X, y, hidden, alpha=50.0, tol=1e-6).loss_
            for dtype in filter(device.has, (np.float64, np.float32)):
                X_there = device.send(X.astype(dtype))
                there = objective_of(X_there, y, hidden, 50.0)(theta)
                here = objective_of(X.astype(dtype), y, hidden, 50.0)(theta)
                loss_there = fit(X_there, device.send(y), hidden, alpha=50.0, tol=1e-6)
                size = np.abs(gradient).max()
                print(
                    f"| {n_classes} | {hidden} | {np.dtype(dtype)} "
                    f"| {abs(there[0] - value) / value:.1e} "
                    f"| {np.abs(there[1] - gradient).max() / size:.1e} "
                    f"| {np.abs(here[1] - gradient).max() / size:.1e} "
                    f"| {(loss_there.loss_ - loss) / loss:+.1e} |",
                    flush=True,
                )


def interleaved(functions):
    """Median seconds of each."""
    times = [[] for _ in functions]
    for repeat in range(REPEATS + 1):
        for function, of_function in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            if repeat:  # the first run warms up
                of_function.append(time.perf_counter() - start)
    return [statistics.median(of_function) for of_function in times]


def speed(device, n_rows, n_features, hidden, max_iter):
    alpha = 1e-3 * n_rows
    print(f"\n{n_rows} x {n_features}, {hidden}, two classes, alpha={alpha:g}:\n")
    print("| type | what | numpy | device | autograd there |")
    print("|---|---|---|---|---|")
    for dtype in filter(device.has, (np.float64, np.float32)):
        X, y = make_data(n_rows, n_features, 2, dtype)
        X_there, y_there = device.send(X), device.send(y)
        with ThreadedMap(effective_n_threads(None)) as threads, single_threaded_blas():
            here = objective_of(X, y, hidden, alpha, threads)
            there = objective_of(X_there, y, hidden, alpha)
            theta = initial_theta(here.shapes, np.random.RandomState(0))
            by_autograd = None
            if device.library == "torch":
                by_autograd = Autograd(X_there, y, theta, here.shapes, alpha)

            def evaluate_by_autograd(by_autograd=by_autograd):
                by_autograd.evaluate()
                device.wait()

            functions = [lambda: here(theta), lambda: there(theta)]
            if by_autograd:
                functions.append(evaluate_by_autograd)
            seconds = interleaved(functions)
        cells = [f"{1e3 * s:.2f} ms" for s in seconds] + ["-"] * (3 - len(seconds))
        name = np.dtype(dtype).name
        print(f"| {name} | evaluation | {' | '.join(cells)} |", flush=True)

        cells = []
        for data in ((X, y), (X_there, y_there)):
            start = time.perf_counter()
            clf = fit(*data, hidden, alpha=alpha, max_iter=max_iter, tol=0)
            seconds = time.perf_counter() - start
            cells.append((seconds, clf.n_evaluations_, clf.loss_))
        if by_autograd:
            start = time.perf_counter()
            loss, n_evaluations = by_autograd.fit(max_iter)
            cells.append((time.perf_counter() - start, n_evaluations, loss))
        cells = [f"{s:.2f} s, {n} evaluations, loss {loss:.6f}" for s, n, loss in cells]
        cells += ["-"] * (3 - len(cells))
        print(f"| {name} | {max_iter} iterations | {' | '.join(cells)} |", flush=True)


def memory(device, n_rows, n_features, hidden):
    """The most bytes of the device that one fit uses beyond the data."""
    if device.library != "torch" or not device.name.startswith("cuda"):
        return
    X, y = make_data(n_rows, n_features, 2, np.float32)
    X = device.send(X)
    before = torch.cuda.memory_allocated(device.name)
    torch.cuda.reset_peak_memory_stats(device.name)
    fit(X, y, hidden, alpha=1.0, max_iter=2)
    peak = torch.cuda.max_memory_allocated(device.name) - before
    print(f"\nMemory of the device in a fit, beyond X: {peak / 2**20:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", choices=["torch", "cupy"], default="torch")
    parser.add_argument("--device", default="cpu", help="of PyTorch")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--hidden", default="100")
    parser.add_argument("--iterations", type=int, default=30)
    options = parser.parse_args()
    hidden = tuple(int(size) for size in options.hidden.split(",") if size)
    device = Device(options.library, options.device)
    assert not isinstance(device.send(np.zeros(1, np.float32)), np.ndarray)
    assert isinstance(to_numpy(device.send(np.zeros(1, np.float32))), np.ndarray)
    print(f"{options.library} on {device}, beside {platform.processor() or 'the'} CPU")
    correctness(device)
    speed(device, options.rows, options.features, hidden, options.iterations)
    memory(device, options.rows, options.features, hidden)


if __name__ == "__main__":
    main()
