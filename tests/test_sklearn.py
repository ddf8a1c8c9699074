"""At home in scikit-learn: its estimator checks and its meta-estimators."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_relulogit import ReLULogisticClassifier


@parametrize_with_checks(
    [
        ReLULogisticClassifier(),
        ReLULogisticClassifier(()),
        ReLULogisticClassifier((8,), alpha=1.0),
        ReLULogisticClassifier((10, 8, 5)),
    ]
)
def test_estimator_checks(estimator, check):
    check(estimator)


def pipeline(**kwargs):
    return make_pipeline(
        StandardScaler(), ReLULogisticClassifier((5,), random_state=0, **kwargs)
    )


@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_cross_val_score_in_a_pipeline(load):
    scores = cross_val_score(pipeline(), *load(return_X_y=True), cv=3)
    assert scores.min() > 0.93


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_over_layers_and_penalties(n_jobs):
    grid = {
        "relulogisticclassifier__hidden_layer_sizes": [(), 4, (6, 3)],
        "relulogisticclassifier__alpha": [1.0, 10.0],
    }
    search = GridSearchCV(pipeline(), grid, scoring="neg_log_loss", cv=3, n_jobs=n_jobs)
    search.fit(*load_breast_cancer(return_X_y=True))
    assert search.best_score_ > -0.12
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 6


def test_calibration_and_bagging():
    X, y = load_breast_cancer(return_X_y=True)
    for meta in (
        CalibratedClassifierCV(pipeline(), cv=3),
        BaggingClassifier(pipeline(), n_estimators=3, random_state=0),
    ):
        assert meta.fit(X, y).score(X, y) > 0.95
        assert meta.predict_proba(X).shape == (len(y), 2)
