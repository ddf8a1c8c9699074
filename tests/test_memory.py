"""Memory beyond the data: a few row blocks a thread and the optimiser's history."""

import importlib.util
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from conftest import slow
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._model.blocks import BLOCK_NUMBERS, MAX_PARTS
from sklearn_relulogit._optimize.lbfgs import MOST_PAIRS


def peak_of(function):
    """The largest number of bytes allocated while a function runs."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bound(clf, n_samples, itemsize, n_threads=2):
    """The bytes that the documentation promises."""
    n = sum(a.size for a in clf.coefs_ + clf.intercepts_)
    # A block's activations, masks and the likelihood's arrays.
    blocks = n_threads * 2 * BLOCK_NUMBERS * itemsize
    # Gradients of the parts, in float64; history and work space of L-BFGS.
    gradients = (MAX_PARTS + 10) * n * 8
    history = (2 * MOST_PAIRS + 15) * n * 8
    # Labels, their codes, and the arrays with which np.unique finds them.
    labels = 5 * 8 * n_samples
    return blocks + gradients + history + labels


@pytest.mark.parametrize(
    "kind", ["C", slow("F"), "float32", slow("strided"), slow("sparse")]
)
def test_fit_and_predict_take_no_copy_of_the_data(kind):
    rng = np.random.default_rng(0)
    # With so many numbers, over 2^24, the distinct rows are not copied.
    n_samples = 170_000
    if kind == "sparse":
        X = scipy.sparse.random_array(
            (n_samples, 200), density=0.5, rng=rng, format="csr"
        )
        size = X.data.nbytes
    else:
        X = rng.standard_normal((n_samples, 200 if kind == "strided" else 100))
        if kind == "float32":
            X = X.astype(np.float32)
        elif kind == "F":
            X = np.asfortranarray(X)
        elif kind == "strided":
            X = X[:, ::2]
        size = X.nbytes
    y = rng.integers(0, 2, n_samples)
    clf = ReLULogisticClassifier(
        (32, 32), alpha=5.0, max_iter=3, n_threads=2, random_state=0
    )

    def fit():
        with pytest.warns(ConvergenceWarning):
            clf.fit(X, y)

    peak = peak_of(fit)
    limit = bound(clf, n_samples, X.dtype.itemsize)
    assert peak < limit < 0.8 * size + 1e7
    assert peak_of(lambda: clf.predict_proba(X)) < limit
    # The test would notice all hidden activations at once.
    assert n_samples * 64 * X.dtype.itemsize > 0.9 * (limit - 5 * 8 * n_samples)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_the_distinct_rows_of_smaller_data_are_a_copy(container):
    """Two while they are sorted."""
    rng = np.random.default_rng(0)
    X = container(rng.standard_normal((30_000, 100)))
    y = rng.integers(0, 2, 30_000)
    clf = ReLULogisticClassifier((8,), alpha=5.0, max_iter=3, random_state=0)

    def fit():
        with pytest.warns(ConvergenceWarning):
            clf.fit(X, y)

    size = X.size * 8 if isinstance(X, np.ndarray) else X.nnz * 12
    assert peak_of(fit) < 2 * size + bound(clf, 30_000, 8)


SCRIPT = """
    import importlib.util, resource, sys, warnings
    import numpy as np
    from sklearn_relulogit import ReLULogisticClassifier

    def data_size():
        for line in open("/proc/self/status"):
            if line.startswith("VmData"):
                return int(line.split()[1]) * 1024

    # Few iterations are meant; any other warning is an error.
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="The fit ended by its iteration limit")
    X = np.load(sys.argv[1], mmap_mode="r")
    y = np.arange(len(X)) % 2
    clf = ReLULogisticClassifier(
        (32,), alpha=5.0, max_iter=2, n_threads=2, random_state=0
    )
    if importlib.util.find_spec("sklearn.callback"):  # 1.9 and newer
        from sklearn.callback import ProgressBar
        clf.set_callbacks(ProgressBar())
    clf.fit(X[:20_000], y[:20_000])  # BLAS has its buffers now
    limit = data_size() + {room} * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    clf.fit(X, y)
    print(clf.predict(X).shape, X.nbytes > 2 * {room} * 2**20)
    try:
        np.array(X)
    except MemoryError:
        print("the data do not fit")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and sets RLIMIT_DATA")
def test_a_memory_map_larger_than_the_memory_allowed(tmp_path):
    path = tmp_path / "X.npy"
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float64, (500_000, 60))
    for rows in range(0, len(X), 50_000):
        X[rows : rows + 50_000] = rng.standard_normal((50_000, 60))
    X.flush()
    del X
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT).format(room=100), str(path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = result.stdout.splitlines()
    assert lines[-2:] == ["(500000,) True", "the data do not fit"], result.stderr
    if importlib.util.find_spec("sklearn.callback"):
        assert "ReLULogisticClassifier" in lines[0]
