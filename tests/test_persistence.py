"""Fits saved and loaded by skops, and the names of types in files.

More of pickles is in test_classifier.
"""

import importlib
import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from conftest import slow
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    ReLULogisticClassifierCV,
    contributions,
    inference,
    linear_regions,
    nearest_change,
    slope_bounds,
    tabular_pipeline,
    trusted_types,
)

OURS = ["sklearn_relulogit.ReLULogisticClassifier"]


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


def table(n=240):
    """Columns of all kinds, and labels."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, n),
            "price": [f"${price:,.2f}" for price in rng.uniform(1, 5000, n)],
            "since": pd.date_range("2020-01-01", periods=n),
            "until": pd.date_range("2021-01-01", periods=n).strftime("%d.%m.%Y"),
            "town": rng.choice(["Bonn", "Ulm"], n),
            "street": rng.choice([f"street {i}" for i in range(60)], n),
        }
    )
    return X, rng.random(n) < 0.5


def tabular(estimator=None, **kwargs):
    return tabular_pipeline(estimator or ReLULogisticClassifier((), alpha=1), **kwargs)


TABULAR = {
    "table": tabular(),
    "monotone": tabular(monotonic_cst={"age": 1}),
    "cross-validated": tabular(ReLULogisticClassifierCV((), alphas=[1, 10], cv=2)),
    "encoder": make_pipeline(PiecewiseLinearEncoder(), ReLULogisticClassifier(())),
}


@pytest.mark.filterwarnings("ignore:Text read as:UserWarning")
@pytest.mark.parametrize("kind", TABULAR)
def test_one_list_of_types_loads_every_file(kind):
    X, y = table()
    X = X[["age"]] if kind == "encoder" else X
    model = clone(TABULAR[kind]).fit(X, y)
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(trusted_types())
    loaded = skops.io.loads(data, trusted=trusted_types())
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException):
        skops.io.loads(data, trusted=trusted_types()[1:3])
    assert b"sklearn_relulogit._" not in pickle.dumps(model)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_types_are_found_under_public_names():
    for name in trusted_types():
        module, _, kind = name.rpartition(".")
        assert "._" not in name
        found = getattr(importlib.import_module(module), kind)
        assert (found.__module__, found.__qualname__) == (module, kind)
    assert trusted_types() == sorted(set(trusted_types()))


def test_results_are_pickled_under_public_names():
    clf, X, y = fitted("binary", hidden_layer_sizes=(3,), alpha=1.0, random_state=0)
    for result in (
        contributions(clf, X),
        linear_regions(clf, X),
        nearest_change(clf, X.iloc[[0]], bounds=dict.fromkeys(X, (0, 10))),
        slope_bounds(clf, [0], box=dict.fromkeys(X, (0, 10))),
        inference(clf, X, y).effects(),
    ):
        file = pickle.dumps(result)
        assert b"sklearn_relulogit._" not in file
        assert repr(pickle.loads(file)) == repr(result)
