"""Losses, sizes and threads for docs/comparison.md, on the quickstart's table.

usage: python tests/benchmarks/comparison.py [NAME ...]    (all models, or those named)

Models have their defaults, but enough iterations to end. For each it prints the
log-loss of five folds in nats, and the size of its pickle. It also prints whether fits
with one and two threads predict the same bits.
Needs ``pip install -e ".[examples]" catboost interpret-core``.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline

TABLE = Path(__file__).parents[2] / "examples" / "nhefs.csv"


def prepared(classifier):
    """A classifier after indicators, mean imputation and a scaler."""
    numbers = make_column_selector(dtype_include=["number", "bool"])
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            remainder=OneHotEncoder(handle_unknown="ignore"),
        ),
        classifier,
    )


def models(X, n_threads):
    """The models by name, with the frame for each."""
    from catboost import CatBoostClassifier
    from interpret.glassbox import ExplainableBoostingClassifier

    categories = X.select_dtypes(exclude=["number", "bool"]).columns
    typed = X.astype(dict.fromkeys(categories, "category"))
    texts = X.fillna(dict.fromkeys(categories, "gap"))
    clf = ReLULogisticClassifier(random_state=0, n_threads=n_threads)
    catboost = CatBoostClassifier(
        cat_features=list(categories),
        verbose=0,
        random_seed=0,
        thread_count=n_threads,
        allow_writing_files=False,
    )
    return {
        "LogisticRegression": (prepared(LogisticRegression(max_iter=1000)), X),
        "MLPClassifier": (prepared(MLPClassifier(random_state=0, max_iter=1000)), X),
        "HistGradientBoosting": (HistGradientBoostingClassifier(random_state=0), typed),
        "CatBoost": (catboost, texts),
        "EBM": (ExplainableBoostingClassifier(n_jobs=n_threads), X),
        "tabular_pipeline()": (tabular_pipeline(clf), X),
    }


def main():
    people = pd.read_csv(TABLE)
    X, y = people.drop(columns="died"), (people["died"] == "yes").astype(int)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    print(f"{'':22}log-loss   pickle, KiB   same bits")
    for name in sys.argv[1:] or models(X, 1):
        proba = {}
        for n_threads in (1, 2):
            model, frame = models(X, n_threads)[name]
            with threadpool_limits(n_threads):
                model.fit(frame, y)
                proba[n_threads] = model.predict_proba(frame)
        size = len(pickle.dumps(model)) / 1024
        model, frame = models(X, 1)[name]
        losses = []
        with threadpool_limits(1):
            for train, test in folds:
                model.fit(frame.iloc[train], y[train])
                losses.append(log_loss(y[test], model.predict_proba(frame.iloc[test])))
        same = "yes" if np.array_equal(proba[1], proba[2]) else "no"
        loss = np.mean(losses)
        print(f"{name:22}{loss:8.3f}{size:14.0f}{same:>12}", flush=True)


if __name__ == "__main__":
    main()
