"""Contributions through skrub's transformers, if it is installed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier, contributions

# It is not a dependency, and no extra needs it.
skrub = pytest.importorskip("skrub")


N = 90


def frame():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, N),
            "reports": rng.poisson(1.0, N).astype(float),
            "city": rng.choice(["Bonn", "Ulm", "Jena"], N),
            "when": pd.date_range("2020-01-01", periods=N, freq="9D"),
            "note": [f"note {i % 37} of {i % 5}" for i in range(N)],
        }
    )
    X.loc[::7, "age"] = np.nan
    return X, X["reports"] + (X["city"] == "Ulm") + rng.standard_normal(N) > 1.2


X, Y = frame()
CLF = ReLULogisticClassifier((4,), alpha=1.0, random_state=0)


def encoders():
    one = skrub.TableVectorizer(
        cardinality_threshold=6, high_cardinality=skrub.StringEncoder(n_components=5)
    )
    ends = SimpleImputer(add_indicator=True), StandardScaler(), CLF
    yield make_pipeline(one, *ends)
    yield skrub.tabular_pipeline(CLF).set_params(tablevectorizer=one)
    yield make_pipeline(skrub.Cleaner(), one, *ends)
    squash = skrub.ApplyToCols(skrub.SquashingScaler(), cols=["age", "reports"])
    yield make_pipeline(squash, one, *ends)


@pytest.mark.parametrize("model", list(encoders()), ids=lambda model: model.steps[0][0])
@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_contributions_are_those_of_exchanged_columns(model, container):
    rows = container(X)
    model.fit(rows, Y)
    found = contributions(model, rows, rows[:1])
    assert found.columns.tolist() == X.columns.tolist()
    size = np.abs(found.values).sum(axis=1) + np.abs(found.baseline)
    error = found.values.sum(axis=1) + found.baseline - model.decision_function(rows)
    # skrub makes float32 of some columns.
    assert (np.abs(error) <= 1e-4 * size).all()
    if container is pl.DataFrame:
        return
    prepare, clf = model[:-1], model[-1]
    Z = np.asarray(prepare.transform(X), dtype=float)
    # The mean slopes on the line between the features.
    t = (np.arange(500)[:, None, None] + 0.5) / 500
    line = (Z[0] + t * (Z - Z[0])).reshape(-1, Z.shape[1])
    names = getattr(clf, "feature_names_in_", None)
    line = line if names is None else pd.DataFrame(line, columns=names)
    coef = clf.local_linear(line)[0].reshape(500, *Z.shape).mean(axis=0)
    for j, name in enumerate(X.columns):
        moved = X.copy()
        moved[name] = X[name].iloc[0]
        change = Z - np.asarray(prepare.transform(moved), dtype=float)
        expected = (coef * change).sum(axis=1)
        assert_allclose(found.values[:, j], expected, rtol=0.01, atol=0.03)
