"""scikit-learn's own tests of its classifiers, with `ReLULogisticClassifier` instead.

    python tests/benchmarks/sklearn_suite.py

Runs the installed scikit-learn's tests of `MLPClassifier` and `LogisticRegression` with
these names standing for adapters, which take the peer's parameters. Prints what came of
each test and why it does not apply, where it does not.
"""

import contextlib
import io
import os
import re
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklearn_relulogit import ReLULogisticClassifier

MODULES = {
    "MLPClassifier": "sklearn.neural_network.tests.test_mlp",
    "LogisticRegression": "sklearn.linear_model.tests.test_logistic",
}

used = False


def check_applies(estimator: Any, **allowed: Any) -> None:
    """Skip the test if a parameter has a value that has no meaning here."""
    for name, values in allowed.items():
        value = getattr(estimator, name)
        if not any(value is v or (value == v) is True for v in values):
            pytest.skip(f"parameter {name}={value!r}")


class AsMLPClassifier(ReLULogisticClassifier):
    """Takes the parameters of `MLPClassifier`; those of its solvers do nothing."""

    def __init__(
        self, hidden_layer_sizes=(100,), activation="relu", *, solver="adam",
        alpha=0.0001, batch_size="auto", learning_rate="constant",
        learning_rate_init=0.001, power_t=0.5, max_iter=200, shuffle=True,
        random_state=None, tol=1e-4, verbose=False, warm_start=False, momentum=0.9,
        nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1,
        beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10, max_fun=15000,
    ):  # fmt: skip
        for name, value in dict(locals()).items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)
        global used
        used = True
        self._complete()

    def _complete(self):
        for name, value in ReLULogisticClassifier().get_params().items():
            if name not in self._get_param_names():
                vars(self).setdefault(name, value)

    def fit(self, X, y, sample_weight=None):
        check_applies(self, activation=["relu"])
        if np.ndim(y) > 1 and np.shape(y)[1] > 1:
            pytest.skip("several labels for each row")
        return super().fit(X, y, sample_weight)

    def partial_fit(self, X, y, classes=None):
        pytest.skip("partial_fit: there are no batches")


class AsLogisticRegression(AsMLPClassifier):
    """Takes the parameters of `LogisticRegression`."""

    def __init__(
        self, penalty="deprecated", *, C=1.0, l1_ratio=0.0, dual=False, tol=1e-4,
        fit_intercept=True, intercept_scaling=1, class_weight=None, random_state=None,
        solver="lbfgs", max_iter=100, verbose=0, warm_start=False, n_jobs=None,
    ):  # fmt: skip
        for name, value in dict(locals()).items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)
        global used
        used = True
        self._complete()

    def fit(self, X, y, sample_weight=None):
        check_applies(
            self,
            penalty=["deprecated", "l2", None],
            l1_ratio=[0.0, None],
            dual=[False],
            fit_intercept=[True],
            intercept_scaling=[1],
        )
        self.hidden_layer_sizes = ()
        self.alpha = 0.0 if self.penalty is None else 1 / self.C
        return ReLULogisticClassifier.fit(self, X, y, sample_weight)


ADAPTERS = {
    "MLPClassifier": AsMLPClassifier,
    "LogisticRegression": AsLogisticRegression,
}

# Why the peer's test does not hold here, by the beginning of its name.
REASONS: dict[str, str] = {
    **dict.fromkeys(
        ["test_gradient", "test_logreg_predict_proba_multinomial"],
        "calls a private method of the peer",
    ),
    **dict.fromkeys(
        ["test_learning_rate_warmstart", "test_adaptive_learning_rate"],
        "asks for the learning rate of a stochastic solver",
    ),
    "test_predict_proba_multiclass": "log(predict_proba) is less exact near 1",
    "test_mlp_classifier_dtypes_casting": "unscaled: float32 ends in another minimum",
    "test_warm_start": "asks for the peer's words in an error",
    "test_n_iter_no_change": "asks for a counter of the stochastic solver, or for inf",
    "test_early_stopping_stratified": "classes of one member are refused by the peer",
    "test_mlp_early_stopping_string_labels": "validation_scores_: here a loss curve",
    "test_sparsify": "sparsify",
    "test_logistic_cv": "builds the peer from parts for its cross-validation",
    "test_max_iter": "asks for the peer's words in a warning",
    "test_n_iter": "n_iter_ is a number here, an array there",
    "test_dtype_match": "liblinear returns float64",
    "test_penalty_none": "warns of a C that does nothing",
    "test_large_sparse_matrix": "solvers that refuse 64-bit indices",
    "test_liblinear": "an error of liblinear",
    "test_zero_max_iter": "max_iter=0",
    "test_newton_cholesky_fallback": "a solver's change to another",
    **dict.fromkeys(
        ["test_l1_ratio_None", "test_logisticregression_warns_with_n_jobs"],
        "deprecations of the peer",
    ),
    "test_logistic_regression_callback": "the peer's tasks, n_iter_ or max_iter=0",
}


class Plugin:
    """Puts the adapter in, and collects what came of each test."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcomes: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        for item in items:
            module = item.module
            setattr(module, self.name, ADAPTERS[self.name])
            if hasattr(module, "ACTIVATION_TYPES"):
                module.ACTIVATION_TYPES = ["relu"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        global used
        used = False
        with warnings.catch_warnings():
            # Of short fits, which the peers' tests mean to ignore by other ways.
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                return (yield)
            finally:
                item.user_properties.append(("used", used))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        reason = ""
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
        elif report.outcome == "failed":
            lines = str(getattr(report.longrepr, "reprcrash", report.longrepr))
            reason = lines.splitlines()[0][-150:]
        outcome = report.outcome
        if not dict(report.user_properties).get("used", False):
            outcome, reason = "skipped", "does not use the classifier"
        self.outcomes[report.nodeid.split("::")[1]] = outcome, reason


def run(name: str) -> dict[str, tuple[str, str]]:
    """Test -> (outcome, reason)."""
    plugin = Plugin(name)
    arguments = ["--pyargs", MODULES[name], "-p", "no:cacheprovider", "-c", os.devnull]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*arguments, "--tb=short", "-W", "ignore"], plugins=[plugin])
    return plugin.outcomes


def reason_of(test: str) -> str | None:
    """Why a test that fails here does not apply."""
    return next((REASONS[key] for key in REASONS if test.startswith(key)), None)


def main() -> int:
    unexplained = 0
    for name in MODULES:
        outcomes = run(name)
        counts: Counter[str] = Counter()
        why: Counter[str] = Counter()
        for test, (outcome, reason) in outcomes.items():
            if outcome == "failed":
                known = reason_of(test)
                if known is None:
                    unexplained += 1
                    print(f"FAILED {test}: {reason}")
                else:
                    outcome, reason = "skipped", known
            counts[outcome] += 1
            if outcome == "skipped":
                why[re.sub(r"=.*", "", reason)] += 1
        applied = counts["passed"] + counts["failed"]
        print(
            f"{name}: {len(outcomes)} tests, {applied} apply, {counts['passed']} pass"
        )
        for reason, number in why.most_common():
            print(f"    {number:4d}  {reason}")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
