"""What earlier releases have stored loads, and predicts what it did then."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn.exceptions import InconsistentVersionWarning

from sklearn_relulogit import trusted_types

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("stored/*/*.json"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture
def expected(folder):
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def load(function, *args, **kwargs):
    """Load a file of another release of scikit-learn."""
    with warnings.catch_warnings():
        # It is about scikit-learn's classes, and these are ours.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return function(*args, **kwargs)


def test_a_pickle(folder, expected):
    steps = load(pickle.loads, (folder / "steps.pkl").read_bytes())
    rows = pd.DataFrame(expected["rows"])
    rows["when"] = pd.to_datetime(rows["when"].replace("NaT", None))
    read = steps["table"].transform(rows)
    for name, outputs in expected["outputs"].items():
        found = steps[name].transform(read.iloc[:, expected["columns"][name]])
        assert_allclose(found, outputs, rtol=0, atol=1e-9, err_msg=name)
    Z = np.array(expected["features"])
    proba = steps["classifier"].predict_proba(Z)
    assert_allclose(proba, expected["probabilities"], rtol=0, atol=1e-9)


def test_a_file_of_skops(folder, expected):
    clf = load(skops.io.load, folder / "classifier.skops", trusted=trusted_types())
    proba = clf.predict_proba(np.array(expected["features"]))
    assert_allclose(proba, expected["probabilities"], rtol=0, atol=1e-9)


def test_a_graph_of_onnx(folder, expected):
    session = onnxruntime.InferenceSession(
        (folder / "table.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    feed = {
        name: np.array(
            column, dtype=object if isinstance(column[0], str) else np.float64
        )[:, np.newaxis]
        for name, column in expected["feed"].items()
    }
    _, proba = session.run(None, feed)
    assert_allclose(proba, expected["probabilities"], rtol=0, atol=1e-5)
    # The tolerance tells right from wrong.
    assert np.ptp(expected["probabilities"]) > 0.1


def test_there_is_a_file():
    assert FOLDERS
