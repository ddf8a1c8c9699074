"""Fits saved and loaded by skops. (Pickles are in test_classifier.)"""

import numpy as np
import pytest
import skops.io
from conftest import slow
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier

OURS = ["sklearn_relulogit._classifier.ReLULogisticClassifier"]


def fitted(target="int", **parameters):
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = {"int": y, "str": np.array(["a", "b", "c"])[y], "binary": y == 2}[target]
    return ReLULogisticClassifier(**parameters).fit(X, y), X, y


FITS = {
    "defaults": {"random_state": 0},
    "strings": {"target": "str", "random_state": 0},
    "binary": {"target": "binary", "random_state": 0},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "numpy parameters": {
        "hidden_layer_sizes": np.array([4, 3]),
        "alpha": np.float64(3.0),
        "random_state": np.random.RandomState(0),
    },
    "early stopping": {"early_stopping": True, "random_state": 0},
    "warm start": {"warm_start": True, "random_state": 0},
    "class weights": {"class_weight": {0: 1.0, 1: 3.0, 2: 1.0}, "random_state": 0},
    "restarts": {"hidden_layer_sizes": (3,), "n_init": 2, "random_state": 0},
}


QUICK = {"binary", "no hidden layer", "numpy parameters", "early stopping", "restarts"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else slow(name) for name in FITS]
)
def test_skops_round_trip_trusts_nothing_but_the_class(name):
    clf, X, y = fitted(**FITS[name])
    data = skops.io.dumps(clf)
    assert skops.io.get_untrusted_types(data=data) == OURS
    loaded = skops.io.loads(data, trusted=OURS)
    assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    state = clf.__getstate__()
    assert state.keys() == vars(loaded).keys()
    for name in state.keys() - {"random_state"}:
        np.testing.assert_equal(vars(loaded)[name], state[name])
    assert clone(loaded).fit(X, y).loss_ == clone(clf).fit(X, y).loss_


def test_skops_round_trip_of_a_pipeline():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), ReLULogisticClassifier((5,)))
    model.set_output(transform="pandas").fit(X, y)
    data = skops.io.dumps(model)
    assert skops.io.get_untrusted_types(data=data) == OURS
    loaded = skops.io.loads(data, trusted=OURS)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException):
        skops.io.loads(data)
