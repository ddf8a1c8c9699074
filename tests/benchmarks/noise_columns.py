"""The cost of fifty noise columns beside five features that matter.

usage: python tests/benchmarks/noise_columns.py [--repeats N] [--rows N ...]

It prints the expected log-loss minus that of the true probabilities, in thousandths of
a nat. The models are the default, the same with all relevances 1, the default without
the noise, and peers with their defaults (CatBoost if it is installed).
"""

import argparse
import importlib.util
import time

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegressionCV
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier

N_TEST, N_NOISE = 20_000, 50


def linear(X):
    return X[:, :5] @ [1.5, -1.0, 0.7, 0.5, -0.5]


def bent(X):
    step = np.where(X[:, 3] > 0.5, 1.0, -0.3)
    bends = 1.5 * np.abs(X[:, 0]) + X[:, 1] * X[:, 2]
    return bends + step - 0.7 * X[:, 4] - 1.2


def lasso(X, y):
    clf = LogisticRegressionCV(
        Cs=8, penalty="l1", solver="liblinear", scoring="neg_log_loss"
    )
    return clf.fit(X, y)


def catboost(X, y):
    from catboost import CatBoostClassifier

    clf = CatBoostClassifier(
        verbose=0, thread_count=1, random_seed=0, allow_writing_files=False
    )
    return clf.fit(X, y)


def ours(X, y, **parameters):
    return ReLULogisticClassifier(random_state=0, n_threads=1, **parameters).fit(X, y)


def excesses(law, n, seed):
    """The excess of each model, in thousandths of a nat, and its seconds."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5 + N_NOISE))
    X_test = rng.standard_normal((N_TEST, 5 + N_NOISE))
    y = (rng.random(n) < expit(law(X))).astype(int)
    p = expit(law(X_test))

    def excess(fit, n_features):
        start = time.process_time()
        clf = fit(X[:, :n_features], y)
        seconds = time.process_time() - start
        q = clf.predict_proba(X_test[:, :n_features])[:, 1].clip(1e-12, 1 - 1e-12)
        loss = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        return 1000 * loss.mean(), seconds

    every = X.shape[1]
    default = ours(X, y)
    models = {
        "default": (ours, every),
        "relevances 1": (lambda X, y: ours(X, y, alpha=default.alpha_), every),
        "no noise": (ours, 5),
    }
    if n <= 3000:
        models["LASSO"] = (lasso, every)
    if importlib.util.find_spec("catboost"):
        models["CatBoost"] = (catboost, every)
    return {name: excess(*model) for name, model in models.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=[300, 3000, 30_000])
    args = parser.parse_args()
    with threadpool_limits(1):
        for law in (linear, bent):
            for n in args.rows:
                found = [excesses(law, n, seed) for seed in range(args.repeats)]
                line = [
                    f"{name} {np.mean([one[name][0] for one in found]):.1f} "
                    f"({np.mean([one[name][1] for one in found]):.1f} s)"
                    for name in found[0]
                ]
                print(f"{law.__name__:6s} {n:6d} rows: " + ", ".join(line), flush=True)


if __name__ == "__main__":
    main()
