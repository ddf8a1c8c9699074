"""The picture of the README and of the start page.

usage: python tests/benchmarks/start_picture.py docs/_static/start.png

Left: the people of the quickstart in fifths by predicted risk, with predicted and
observed deaths. Right: why one person got their probability, and how certain it is.
Needs ``pip install -e ".[examples]"``.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sklearn_relulogit import (
    ContributionsDisplay,
    ReLULogisticClassifier,
    inference,
    tabular_pipeline,
)

TABLE = Path(__file__).parents[2] / "examples" / "nhefs.csv"
BLUE, GREY = "#1f5fa8", "#8a8a8a"


def fifths(model, X, died):
    """Mean probability and share of deaths in each fifth of the people, in percent."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    p = cross_val_predict(model, X, died, cv=folds, method="predict_proba")[:, 1]
    groups = np.array_split(np.argsort(p), 5)
    return np.array([[100 * p[g].mean(), 100 * died[g].mean()] for g in groups]).T


def main(path):
    people = pd.read_csv(TABLE)
    X, y = people.drop(columns="died"), people["died"]
    died = (y == "yes").to_numpy()
    categories = X.select_dtypes(exclude=["number", "bool"]).columns
    model = tabular_pipeline(ReLULogisticClassifier(random_state=0))
    boosting = HistGradientBoostingClassifier(random_state=0)
    typed = X.astype(dict.fromkeys(categories, "category"))

    plt.rcParams |= {"font.size": 9, "axes.titlesize": 10, "savefig.dpi": 130}
    figure = plt.figure(figsize=(9, 3.7), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.35])
    ax = left.subplots()
    ax.plot([0, 70], [0, 70], color="black", linewidth=0.8, linestyle=":")
    for name, fitted, table, style in (
        ("tabular_pipeline()", model, X, {"color": BLUE, "marker": "o"}),
        ("HistGradientBoosting", boosting, typed, {"color": GREY, "marker": "s"}),
    ):
        ax.plot(*fifths(fitted, table, died), label=name, **style)
    ax.set(
        title="Are the probabilities right?",
        xlabel="Predicted, % of the fifth",
        ylabel="Died, % of the fifth",
    )
    ax.legend(loc="upper left", frameon=False)

    found = inference(model.fit(X, y), X, y).contributions(X[100:101])
    ContributionsDisplay(found).plot(ax=right.subplots(), max_columns=6)
    figure.savefig(path)


if __name__ == "__main__":
    main(sys.argv[1])
