"""At home in scikit-learn: its estimator checks and its meta-estimators."""

import numpy as np
import pytest
import sklearn
from conftest import installed_checks, slow
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import ReLULogisticClassifier


@installed_checks(
    [
        ReLULogisticClassifier((8,), random_state=0),
        ReLULogisticClassifier(()),
        ReLULogisticClassifier((8,), alpha=1.0, random_state=0),
    ],
    slow=[
        ReLULogisticClassifier(random_state=0),
        ReLULogisticClassifier(
            (10, 8, 5), early_stopping=True, class_weight="balanced", random_state=0
        ),
        ReLULogisticClassifier((8,), n_init=3, n_jobs=2, random_state=0),
        ReLULogisticClassifier((8,), warm_start=True, random_state=0),
    ],
)
# Some checks have random labels. The warning that nothing predicts them is right.
@pytest.mark.filterwarnings("ignore:The fitted network is a constant. no penalty")
@pytest.mark.filterwarnings("ignore:Leave out the rows of the classes")
def test_estimator_checks(estimator, check):
    check(estimator)


def test_coefficients_of_other_models_are_an_attribute_error():
    clf = ReLULogisticClassifier((3,))
    with pytest.raises(AttributeError, match="no attribute 'coef_': it is not fitted"):
        _ = clf.coef_
    clf.fit(*load_iris(return_X_y=True))
    assert not hasattr(clf, "coef_")
    with pytest.raises(AttributeError, match="has hidden layers; see intercepts_"):
        _ = clf.intercept_


def test_the_html_representation_links_to_the_docs(monkeypatch):
    # tests/test_docs.py compares the links themselves.
    monkeypatch.setattr(ReLULogisticClassifier, "_doc_link_template", "https://a/b")
    monkeypatch.setattr(ReLULogisticClassifier, "_doc_link_module", "sklearn_relulogit")
    assert "https://a/b" in ReLULogisticClassifier()._repr_html_()


def test_metadata_routing_through_a_pipeline(cancer):
    X, y = cancer
    s = np.random.RandomState(0).randint(0, 3, len(y))
    X_val, y_val = X[:100], y[:100]
    with sklearn.config_context(enable_metadata_routing=True):
        clf = ReLULogisticClassifier((5,), random_state=0, early_stopping=True)
        clf.set_fit_request(sample_weight=True, X_val=True, y_val=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, clf, transform_input=["X_val"])
        model.fit(X, y, sample_weight=s, X_val=X_val, y_val=y_val)

        scaler = StandardScaler().fit(X)
        direct = ReLULogisticClassifier((5,), random_state=0, early_stopping=True)
        direct.fit(
            scaler.transform(X),
            y,
            sample_weight=s,
            X_val=scaler.transform(X_val),
            y_val=y_val,
        )
        assert model[-1].validation_loss_curve_ == direct.validation_loss_curve_


def pipeline(**kwargs):
    return make_pipeline(
        StandardScaler(), ReLULogisticClassifier((5,), random_state=0, **kwargs)
    )


@pytest.mark.parametrize("n_jobs", [None, slow(2)])
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
