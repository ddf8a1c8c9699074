"""Without hidden layers it is logistic regression."""

from itertools import product

import numpy as np
import pytest
from conftest import slow
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier
from sklearn_relulogit._threads import single_threaded_blas


def load(name):
    loader, classes = {
        "breast cancer": (load_breast_cancer, (0, 1)),
        "digits 3 and 8": (load_digits, (3, 8)),
        "iris 1 and 2": (load_iris, (1, 2)),
        "iris": (load_iris, range(3)),
        "wine": (load_wine, range(3)),
        "digits": (load_digits, range(10)),
    }[name]
    X, y = loader(return_X_y=True)
    chosen = np.isin(y, classes)
    return StandardScaler().fit_transform(X[chosen]), y[chosen]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        *product(["breast cancer", "digits 3 and 8", "iris 1 and 2"], [0.5, 10.0]),
        *product(["iris", "wine"], [0.5, 10.0]),
        ("digits", 10.0),
        slow("digits", 0.5),
    ],
)
def test_probabilities_equal_those_of_logistic_regression(name, alpha, weighted):
    X, y = load(name)
    s = np.random.RandomState(0).uniform(0, 3, len(y)) if weighted else None
    ours = ReLULogisticClassifier((), alpha=alpha, tol=1e-9, max_iter=5000)
    ours.fit(X, y, sample_weight=s)
    exactly = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 500}

    def peer(C):
        # Several BLAS threads would wait for each other at these sizes.
        with single_threaded_blas():
            return LogisticRegression(C=C, **exactly).fit(X, y, sample_weight=s)

    theirs = peer(1 / alpha)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-6)

    # The test would notice a penalty that is wrong by one part in a thousand.
    wrong = peer(1.001 / alpha)
    difference = wrong.predict_proba(X) - ours.predict_proba(X)
    assert np.abs(difference).max() > 5e-6
