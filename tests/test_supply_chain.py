"""An import and a fit use no network, write no files and leave nothing behind."""

import os
import subprocess
import sys
import textwrap

import pytest

QUIET = """
    import sys

    FORBIDDEN = ("socket.", "urllib.", "http.", "subprocess.", "os.system", "ftplib.")
    written = []

    def hook(event, arguments):
        if event.startswith(FORBIDDEN):
            raise RuntimeError(f"{event} {arguments}")
        if event == "open" and isinstance(arguments[1], str):
            if set(arguments[1]) & set("wax+"):
                written.append(arguments[0])

    import socket, subprocess, numpy, scipy.optimize, sklearn.linear_model, joblib
    import threadpoolctl
    joblib.cpu_count(only_physical_cores=False)
    # Older ones ask ldconfig where libc is, once a process.
    threadpoolctl.ThreadpoolController()
    sys.addaudithook(hook)
    sys.dont_write_bytecode = True

    before = set(sys.modules)
    import sklearn_relulogit
    optional = {"matplotlib", "pandas", "polars", "onnx", "skl2onnx", "onnxruntime"}
    optional &= set(sys.modules) - before
    from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    for clf in (
        ReLULogisticClassifier((5,), random_state=0, n_threads=2),
        ReLULogisticClassifier((5,), alpha=1.0, n_init=2, n_jobs=2, random_state=0),
        ReLULogisticClassifierCV((5,), alphas=[10.0, 1.0], cv=2, random_state=0),
    ):
        assert numpy.mean(clf.fit(X, y).predict(X) == y) > 0.9
    print(written)
    print(sorted(optional))
"""


def run(script, folder):
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = dict(os.environ) | {"TMPDIR": str(temporary), "TEMP": str(temporary)}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert [path.name for path in folder.rglob("*")] == ["temporary"]
    return result.stdout.splitlines()


def test_no_network_no_files_no_processes_no_warnings(tmp_path):
    assert run(QUIET, tmp_path) == ["[]", "[]"]


LONG = """
    import gc, os, resource, threading, warnings
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn_relulogit import ReLULogisticClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)  # short fits are meant
    rng = np.random.RandomState(0)
    X = rng.standard_normal((6000, 20))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)

    def state():
        gc.collect()
        with open("/proc/self/status") as status:
            memory = next(line for line in status if line.startswith("VmRSS"))
            memory = int(memory.split()[1]) / 1024
        return memory, threading.active_count(), len(os.listdir("/proc/self/fd"))

    def fits(n):
        for seed in range(n):
            clf = ReLULogisticClassifier(
                (8, 4), alpha="auto" if seed % 10 == 0 else 1.0, max_iter=3,
                n_threads=2, n_init=1 + seed % 2, n_jobs=2, random_state=seed,
                early_stopping=seed % 3 == 0,
            )
            rows = slice(None) if seed % 5 == 0 else slice(0, 300)
            clf.fit(X[rows], y[rows]).predict(X[rows])

    fits({warm_up})
    memory, threads, handles = state()
    fits({count})
    later = state()
    print(later[0] - memory < 10, later[1] == threads, later[2] == handles)
    print(f"{{later[0] - memory:+.1f}} MiB, {{threads}} -> {{later[1]}} threads, "
          f"{{handles}} -> {{later[2]}} handles")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_fits_leave_nothing_behind(tmp_path):
    count = int(os.environ.get("LONG_RUN_FITS", 100))
    lines = run(LONG.format(warm_up=50, count=count), tmp_path)
    print(*lines)
    assert lines[0] == "True True True", lines
