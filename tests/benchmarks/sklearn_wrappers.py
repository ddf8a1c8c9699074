"""scikit-learn's own tests of meta-estimators, with our classifier inside.

    python tests/benchmarks/sklearn_wrappers.py
    python tests/benchmarks/sklearn_wrappers.py ensemble.tests.test_voting

Runs whole test modules of the installed scikit-learn twice, with warnings as errors:
unchanged, and with `ReLULogisticClassifier` in place of `LogisticRegression` (see
`sklearn_suite` for the adapter). For each module it prints how many tests ran, and how
many of them fitted the classifier. It also prints the tests that only
`LogisticRegression` passes, with the reason if one is known.
"""

import contextlib
import importlib
import io
import os
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model
from sklearn_suite import AsLogisticRegression

MODULES = [
    "ensemble.tests.test_voting",
    "ensemble.tests.test_stacking",
    "ensemble.tests.test_bagging",
    "ensemble.tests.test_weight_boosting",
    "feature_selection.tests.test_from_model",
    "feature_selection.tests.test_rfe",
    "feature_selection.tests.test_sequential",
    "frozen.tests.test_frozen",
    "inspection.tests.test_partial_dependence",
    "inspection.tests.test_permutation_importance",
    "inspection._plot.tests.test_boundary_decision_display",
    "metrics._plot.tests.test_common_curve_display",
    "metrics._plot.tests.test_confusion_matrix_display",
    "metrics._plot.tests.test_det_curve_display",
    "metrics._plot.tests.test_precision_recall_display",
    "metrics._plot.tests.test_roc_curve_display",
    "metrics.tests.test_score_objects",
    "model_selection.tests.test_classification_threshold",
    "model_selection.tests.test_search",
    "model_selection.tests.test_validation",
    "semi_supervised.tests.test_self_training",
    "tests.test_calibration",
    "tests.test_metaestimators",
    "tests.test_metaestimators_metadata_routing",
    "tests.test_multiclass",
    "tests.test_multioutput",
    "tests.test_pipeline",
    "utils.tests.test_response",
]

# Reasons why a test that LogisticRegression passes fails here and does not apply.
REASONS: dict[str, str] = {
    "test_rfe_sparse_coef": "sparsify: there is no such method",
    # So does LogisticRegression with tol=1e-10.
    "test_multiclass_multioutput_estimator_predict_proba": (
        "wants seven digits of the peer's own fit"
    ),
    "test_roc_curve_display_plotting_from_cv_results": (
        "wants the last digit of a spread of the peer's own fits"
    ),
    # A column of splines that varies by 1e-7 beside others.
    "test_cv_results_multi_size_array": "a warning of features on different scales",
}


class Fitted(AsLogisticRegression):
    """Remembers that it was fitted."""

    n_fits = 0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        Fitted.n_fits += 1
        return super().fit(X, y, sample_weight)

    @property
    def partial_fit(self) -> Any:
        # The peer has none.
        raise AttributeError(
            "'LogisticRegression' object has no attribute 'partial_fit'"
        )


# The name that the tests expect, also in messages and representations.
Fitted.__name__ = Fitted.__qualname__ = "LogisticRegression"


class Plugin:
    """Collects the outcome of each test, and whether it fitted the classifier."""

    def __init__(self) -> None:
        self.outcomes: dict[str, tuple[str, bool, str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        np.random.seed(0)  # noqa: NPY002, the one that random_state=None stands for
        before = Fitted.n_fits
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                return (yield)
            finally:
                item.user_properties.append(("used", Fitted.n_fits > before))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        what = str(getattr(report.longrepr, "reprcrash", report.longrepr or ""))
        used = dict(report.user_properties).get("used", False)
        test = report.nodeid.split("::", 1)[1]
        reason = what.splitlines()[0][-200:] if what else ""
        self.outcomes[test] = report.outcome, used, reason


def run(name: str, classifier: type) -> dict[str, tuple[str, bool, str]]:
    """Test -> (outcome, whether the classifier was fitted, reason)."""
    module = f"sklearn.{name}"
    # The tests import the class by its name, and some are parametrised by it.
    importlib.import_module(module.rpartition(".")[0])
    sys.modules.pop(module, None)
    peer = sklearn.linear_model.LogisticRegression
    sklearn.linear_model.LogisticRegression = classifier
    plugin = Plugin()
    arguments = ["--pyargs", module, "-p", "no:cacheprovider", "-c", os.devnull]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.main([*arguments, "--tb=short", "-W", "ignore"], plugins=[plugin])
    finally:
        sklearn.linear_model.LogisticRegression = peer
        sys.modules.pop(module, None)
    return plugin.outcomes


def main(names: list[str]) -> int:
    ran = applied = passed = unexplained = 0
    known = set()
    for name in names or MODULES:
        theirs = run(name, sklearn.linear_model.LogisticRegression)
        ours = run(name, Fitted)
        both = {test for test, (outcome, *_) in theirs.items() if outcome == "passed"}
        apply = {test for test in both if ours.get(test, ("", False))[1]}
        worse = sorted(test for test in both if ours.get(test, ("",))[0] != "passed")
        print(
            f"{name}: {len(theirs)} ran, {len(both)} pass, of which {len(apply)} fit "
            f"the classifier; {len(worse)} do not pass with ours",
            flush=True,
        )
        for test in worse:
            outcome, _, what = ours.get(test, ("missing", False, ""))
            reason = REASONS.get(test.split("[")[0])
            if outcome == "skipped":
                # The adapter has no such parameter.
                reason = what.partition("Skipped: ")[2].rstrip("')")
            known.add(test.split("[")[0])
            unexplained += reason is None
            print(f"    {test}: {reason or f'{outcome.upper()} {what}'}")
        ran, applied = ran + len(theirs), applied + len(apply)
        passed += len(apply - set(worse))
    print(f"{ran} ran, {applied} fit the classifier, {passed} of these pass with ours")
    if not names:
        for test in sorted(REASONS.keys() - known):
            print(f"no longer fails: {test}")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
