"""imbalanced-learn, skops and MAPIE around our classifiers, with warnings as errors.

    pip install imbalanced-learn skops mapie
    python tests/benchmarks/other_packages.py

Each case follows the user guide of its package, with `LogisticRegression`, with
`ReLULogisticClassifier` and with `ReLULogisticClassifierCV`. Prints the cases that
`LogisticRegression` passes and one of ours does not, and counts.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skops.card
import skops.io
from imblearn import combine, ensemble, over_sampling, under_sampling
from imblearn.metrics import classification_report_imbalanced
from imblearn.model_selection import InstanceHardnessCV
from imblearn.pipeline import make_pipeline
from mapie.calibration import TopLabelCalibrator
from mapie.classification import CrossConformalClassifier, SplitConformalClassifier
from mapie.metrics.classification import classification_coverage_score
from mapie.risk_control import BinaryClassificationController, precision
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.preprocessing import StandardScaler, scale

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "LogisticRegression": LogisticRegression,
    "ReLULogisticClassifier": lambda: ReLULogisticClassifier((8,), random_state=0),
    "ReLULogisticClassifierCV": lambda: ReLULogisticClassifierCV(
        (4,), alphas=4, cv=3, random_state=0
    ),
}

# Two unbalanced classes, and three.
X, y = make_classification(
    400, 10, n_informative=5, weights=[0.85], class_sep=1.5, random_state=0
)
X = scale(X)
X3, y3 = load_iris(return_X_y=True)
X3 = scale(X3)

SAMPLERS = [
    over_sampling.RandomOverSampler,
    over_sampling.SMOTE,
    over_sampling.ADASYN,
    over_sampling.BorderlineSMOTE,
    over_sampling.SVMSMOTE,
    under_sampling.RandomUnderSampler,
    under_sampling.NearMiss,
    under_sampling.TomekLinks,
    under_sampling.EditedNearestNeighbours,
    under_sampling.AllKNN,
    under_sampling.NeighbourhoodCleaningRule,
    under_sampling.OneSidedSelection,
    combine.SMOTEENN,
    combine.SMOTETomek,
]


def sampled(sampler: type) -> Callable[[Any], None]:
    """A pipeline that samples the rows before they are fitted."""

    def case(clf: Any) -> None:
        make_pipeline(StandardScaler(), sampler(), clf).fit(X, y).predict_proba(X)

    return case


def saved_by_skops(clf: Any) -> None:
    model = make_pipeline(StandardScaler(), clf).fit(X, y)
    data = skops.io.dumps(model)
    types = skops.io.get_untrusted_types(data=data)
    loaded = skops.io.loads(data, trusted=types)
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    loaded.fit(X, y)
    with contextlib.redirect_stdout(io.StringIO()):
        skops.io.visualize(data, trusted=types)


def described_by_skops(clf: Any) -> None:
    card = skops.card.Card(clf.fit(X, y))
    card.add_metrics(accuracy=clf.score(X, y)).add_hyperparams()
    assert type(clf).__name__ in card.render()
    with tempfile.TemporaryDirectory() as folder:
        card.save(Path(folder) / "README.md")


def split_conformal(score: str, prefit: bool) -> Callable[[Any], None]:
    def case(clf: Any) -> None:
        training, others = train_test_split(np.arange(150), random_state=0, stratify=y3)
        if prefit:
            clf.fit(X3[training], y3[training])
        model = SplitConformalClassifier(
            clf,
            confidence_level=[0.8, 0.9],
            conformity_score=score,
            prefit=prefit,
            random_state=0,
        )
        if not prefit:
            model.fit(X3[training], y3[training])
        model.conformalize(X3[others], y3[others])
        _, sets = model.predict_set(X3)
        assert classification_coverage_score(y3, sets).min() > 0.7

    return case


def cross_conformal(score: str) -> Callable[[Any], None]:
    def case(clf: Any) -> None:
        model = CrossConformalClassifier(
            clf, confidence_level=0.9, conformity_score=score, cv=3, random_state=0
        )
        model.fit_conformalize(X3, y3)
        _, sets = model.predict_set(X3)
        assert classification_coverage_score(y3, sets).min() > 0.8

    return case


def controlled(clf: Any) -> None:
    model = BinaryClassificationController(
        predict_function=clf.fit(X, y).predict_proba,
        risk=precision,
        target_level=0.6,
        # No probability need be above the default's last, 0.99: its precision is nan.
        list_predict_params=np.linspace(0.1, 0.8, 8),
    )
    model.calibrate(X, y).predict(X)


CASES: dict[str, Callable[[Any], Any]] = {
    **{sampler.__name__: sampled(sampler) for sampler in SAMPLERS},
    "InstanceHardnessThreshold": lambda clf: under_sampling.InstanceHardnessThreshold(
        estimator=clf, cv=3
    ).fit_resample(X, y),
    "BalancedBaggingClassifier": lambda clf: (
        ensemble.BalancedBaggingClassifier(clf, n_estimators=3, random_state=0)
        .fit(X, y)
        .predict_proba(X)
    ),
    "EasyEnsembleClassifier": lambda clf: ensemble.EasyEnsembleClassifier(
        n_estimators=2, estimator=clf, random_state=0
    ).fit(X, y),
    "RUSBoostClassifier": lambda clf: ensemble.RUSBoostClassifier(
        clf, n_estimators=3, random_state=0
    ).fit(X, y),
    "scores of a pipeline": lambda clf: cross_val_score(
        make_pipeline(over_sampling.SMOTE(random_state=0), clf),
        X,
        y,
        scoring="balanced_accuracy",
        cv=3,
    ),
    "InstanceHardnessCV": lambda clf: cross_val_score(
        clf, X, y, cv=InstanceHardnessCV(clf, n_splits=3)
    ),
    "report": lambda clf: classification_report_imbalanced(y, clf.fit(X, y).predict(X)),
    "skops.io": saved_by_skops,
    "skops.card": described_by_skops,
    **{
        f"SplitConformalClassifier {score}, prefit={prefit}": split_conformal(
            score, prefit
        )
        for score in ("lac", "aps", "top_k")
        for prefit in (True, False)
    },
    "CrossConformalClassifier lac": cross_conformal("lac"),
    "CrossConformalClassifier aps": cross_conformal("aps"),
    "TopLabelCalibrator": lambda clf: (
        TopLabelCalibrator(estimator=clf, cv="split", calibrator="isotonic")
        .fit(X3, y3, random_state=0)
        .predict_proba(X3)
    ),
    "BinaryClassificationController": controlled,
}


def fault(case: Callable[[Any], Any], clf: Any) -> str | None:
    """What a case raises, if anything; a warning is an error."""
    np.random.seed(0)  # noqa: NPY002, the one that random_state=None stands for
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            case(clf)
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
    return None


def main() -> int:
    worse = 0
    for name, case in CASES.items():
        faults = {who: fault(case, make()) for who, make in CLASSIFIERS.items()}
        if faults.pop("LogisticRegression"):
            print(f"{name}: LogisticRegression does not pass either")
            continue
        for who, what in faults.items():
            if what is not None:
                worse += 1
                print(f"{name}, {who}: {what}")
    print(f"{len(CASES)} cases, two classifiers: {worse} fail that should not")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
