"""The study of the defaults, on real data, with our settings and other models.

    python tests/benchmarks/defaults.py choose OUT   settings, on half of the sets
    python tests/benchmarks/defaults.py report OUT   results, on the other half
    python tests/benchmarks/defaults.py tables OUT   the tables of both, from OUT
    python tests/benchmarks/defaults.py plots OUT DIR the pictures of the page

Each result is appended to OUT/results.jsonl at once, so an interrupted run continues
where it stopped. ``--splits`` and ``--max-rows`` make it smaller. Log-loss is in nats,
as the mean over the splits of a set. Times are processor seconds with one BLAS thread,
so that other work on the machine counts little.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import halves, load, preprocessing
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, ReLULogisticClassifierCV

GRID = [0.01, 0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 100.0]
CV_GRID = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1]

Model = Callable[[int], Any]


def ours(**kwargs: Any) -> Model:
    return lambda seed: ReLULogisticClassifier(random_state=seed, **kwargs)


PEERS: dict[str, Model] = {
    "LogisticRegression": lambda seed: LogisticRegression(max_iter=5000),
    "MLP adam": lambda seed: MLPClassifier(random_state=seed),
    "MLP lbfgs": lambda seed: MLPClassifier(solver="lbfgs", random_state=seed),
    "HistGradientBoosting": lambda seed: HistGradientBoostingClassifier(
        random_state=seed
    ),
}

# One change from the default at a time.
CHOICES: dict[str, Model] = {
    "default": ours(),
    **{f"alpha={alpha:g}": ours(alpha=alpha) for alpha in GRID},
    **{
        f"hidden={hidden}": ours(hidden_layer_sizes=hidden)
        for hidden in [(), (30,), (300,), (50, 50)]
    },
    **{f"tol={tol:g}": ours(tol=tol) for tol in (1e-3, 1e-5)},
    "n_init=3": ours(n_init=3),
    "early_stopping": ours(early_stopping=True),
    "early_stopping, alpha=0.0001": ours(early_stopping=True, alpha=1e-4),
    **PEERS,
}

REPORT: dict[str, Model] = {
    "default": ours(),
    "CV": lambda seed: ReLULogisticClassifierCV(random_state=seed),
    **PEERS,
}

# Sets on which ten more fits take minutes at most.
NUMBERS: dict[str, Model] = {f"alpha={alpha:g}": ours(alpha=alpha) for alpha in GRID}
MAX_NUMBERS_ALONE = 2e5

# All use the same penalties and folds, on sets where the others take minutes at most.
SEARCHES: dict[str, Model] = {
    "CV, same grid": lambda seed: ReLULogisticClassifierCV(
        alphas=CV_GRID, random_state=seed
    ),
    "GridSearchCV": lambda seed: GridSearchCV(
        ReLULogisticClassifier(random_state=seed),
        {"alpha": CV_GRID},
        scoring="neg_log_loss",
    ),
}
MAX_SEARCH_NUMBERS = 4e4


def split(name: str, seed: int, max_rows: int) -> tuple[np.ndarray, ...]:
    """Training and test data, with a pipeline's preprocessing."""
    X, y = load(name)
    if len(y) > max_rows:
        X, _, y, _ = train_test_split(
            X, y, train_size=max_rows, stratify=y, random_state=seed
        )
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    transform = preprocessing().fit(X)
    return transform.transform(X), transform.transform(X_test), y, y_test


def measure(model: Any, data: tuple[np.ndarray, ...]) -> dict[str, Any]:
    X, X_test, y, y_test = data
    with warnings.catch_warnings(record=True) as caught:
        # Warnings are counted with the ends; peers often reach their limits.
        warnings.simplefilter("always", ConvergenceWarning)
        start = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - start
    proba = model.predict_proba(X_test)
    result = {
        "nll": log_loss(y_test, proba, labels=model.classes_),
        "accuracy": float(np.mean(model.classes_[proba.argmax(axis=1)] == y_test)),
        "seconds": seconds,
        "n_warnings": len(caught),
    }
    for name in ("alpha_", "stop_reason_", "n_evaluations_", "loss_", "best_score_"):
        if hasattr(model, name):
            result[name.rstrip("_")] = getattr(model, name)
    if getattr(model, "alpha_losses_", None):
        result["n_tried"] = len(model.alpha_losses_)
    return result


def run(
    part: str, names: list[str], out: Path, n_splits: int, max_rows: int, only: str
) -> None:
    path = out / "results.jsonl"
    done = set()
    if path.exists():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        done = {(line["name"], line["model"], line["seed"]) for line in lines}
    models = CHOICES if part == "choose" else REPORT
    for seed in range(n_splits):
        for name in names:
            data = split(name, seed, max_rows)
            of_set = dict(models)
            if part == "report" and data[0].size <= MAX_NUMBERS_ALONE:
                of_set |= NUMBERS
            if part == "report" and data[0].size <= MAX_SEARCH_NUMBERS:
                of_set |= SEARCHES
            for label, model in of_set.items():
                if (name, label, seed) in done or (only and only not in label):
                    continue
                result = measure(model(seed), data)
                line = {"part": part, "name": name, "model": label, "seed": seed}
                line |= {"n": len(data[2]), "p": data[0].shape[1], **result}
                with path.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            print(f"split {seed}  {name}", flush=True)


def results(out: Path, part: str) -> pd.DataFrame:
    table = pd.read_json(out / "results.jsonl", lines=True)
    return table[table.part == part]


def means(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sets in rows, models in columns: means over the splits that all models have."""
    wide = table.pivot_table(index=["name", "seed"], columns="model", values=column)
    return wide.groupby("name").mean()


def summary(table: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Each model on all sets that all of these models have."""
    nll = means(table, "nll")[models].dropna()
    accuracy = means(table, "accuracy").loc[nll.index, models]
    seconds = means(table, "seconds").loc[nll.index, models]
    best = means(table, "nll").filter(regex="^alpha=").loc[nll.index].min(axis=1)
    columns = {
        "log-loss": nll.mean(),
        "median over the best alpha": nll.sub(best, axis=0).median(),
        "mean over the best alpha": nll.sub(best, axis=0).mean(),
        "log-loss rank": nll.rank(axis=1).mean(),
        "accuracy rank": accuracy.rank(axis=1, ascending=False).mean(),
        "seconds": seconds.sum(),
    }
    for peer in ("MLP adam", "LogisticRegression"):
        if peer in nll:
            columns[f"lower than {peer}"] = nll.lt(nll[peer], axis=0).mean()
    return pd.DataFrame(columns)


def print_tables(out: Path) -> None:
    pd.set_option(
        "display.width", 200, "display.max_columns", 30, "display.precision", 4
    )
    pd.set_option("display.max_rows", 200)
    main = ["default", *PEERS]
    for part, models in (("choose", CHOICES), ("report", REPORT | NUMBERS)):
        table = results(out, part)
        if not len(table):
            continue
        have = [model for model in models if model in set(table.model)]
        print(f"\n== {part}: {table.name.nunique()} sets, all settings")
        print(summary(table, have).to_string())
        compared = [model for model in (*main, "CV") if model in have]
        print(f"\n== {part}: ranks among these alone")
        print(summary(table, compared).to_string())
        ours = table[table.model == "default"]
        print("\nends of a default fit:", dict(ours.stop_reason.value_counts()))
        if "n_warnings" in ours:
            print("default fits with a warning:", int((ours.n_warnings > 0).sum()))
        wide = means(table, "nll")[compared]
        wide.insert(0, "n", table.groupby("name").n.first())
        wide.insert(1, "p", table.groupby("name").p.first())
        wide.insert(2, "alpha", ours.groupby("name").alpha.median())
        print(f"\n== {part}: log-loss of each set")
        print(wide.sort_values("n").to_string())
        print(f"\n== {part}: seconds of each set")
        print(means(table, "seconds")[compared].to_string())
    table = results(out, "report")
    if len(table) and set(SEARCHES) <= set(table.model):
        print_searches(table[table.model.isin(SEARCHES)])


def print_searches(table: pd.DataFrame) -> None:
    """The penalty by cross-validation, over the same penalties and folds."""
    print("\n== the penalty by cross-validation, the same grid and folds")
    first, peer = SEARCHES
    for column in ("nll", "best_score", "seconds"):
        wide = means(table, column)[[first, peer]].dropna()
        print(f"{column}: mean {wide.mean().to_dict()}, {len(wide)} sets")
        ratio = wide[peer] / wide[first]
        if column == "seconds":
            print(
                f"  times faster than {peer}: geometric mean "
                f"{np.exp(np.log(ratio).mean()):.1f}, total "
                f"{wide[peer].sum() / wide[first].sum():.1f}"
            )
        else:
            # Scores are negative: the ratio is above 1 where ours is better.
            print(f"  better than {peer} on {np.mean(ratio > 1):.2f} of them")


def plot_all(out: Path, folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    table = results(out, "report")
    nll = means(table, "nll")
    grid = nll.filter(regex="^alpha=")
    alphas = [float(name.removeprefix("alpha=")) for name in grid]
    order = np.argsort(alphas)
    grid, alphas = grid.iloc[:, order], np.array(alphas)[order]

    fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    best = grid.min(axis=1)
    for _, row in grid.sub(best, axis=0).iterrows():
        ax.plot(alphas, row + 1e-3, color="C0", alpha=0.35, lw=1)
    chosen = table[table.model == "default"].groupby("name").alpha.median()
    ax.plot(
        chosen,
        nll["default"].sub(best).reindex(chosen.index).clip(0) + 1e-3,
        "o",
        color="C1",
        label='alpha="auto"',
    )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="alpha",
        ylabel="test log-loss above the best alpha's, + 0.001 (nats)",
    )
    ax.legend()
    fig.savefig(folder / "alpha.svg")

    fig, ax = plt.subplots(figsize=(7, 0.28 * len(nll) + 1.2), layout="constrained")
    order = nll["default"].sub(nll["LogisticRegression"]).sort_values().index
    styles = {
        "LogisticRegression": "s",
        "MLP adam": "^",
        "HistGradientBoosting": "d",
        "CV": "x",
    }
    y = np.arange(len(order))
    for model, marker in styles.items():
        if model in nll:
            ax.plot(
                nll.loc[order, model] / nll.loc[order, "default"],
                y,
                marker,
                label=model,
                alpha=0.8,
            )
    ax.axvline(1, color="k", lw=1)
    ax.set(xscale="log", xlabel="test log-loss / that of the default (right: worse)")
    ticks = [0.8, 1, 1.5, 2, 3, 5, 8]
    ax.set_xticks(ticks, map(str, ticks))
    ax.minorticks_off()
    ax.set_yticks(y, order)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    fig.savefig(folder / "sets.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["choose", "report", "tables", "plots"])
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("plots"))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--max-rows", type=int, default=400_000)
    parser.add_argument("--only", default="", help="models whose label contains this")
    parser.add_argument("--sets", nargs="*", default=[], help="these sets alone")
    args = parser.parse_args()
    if args.command == "tables":
        print_tables(args.out)
    elif args.command == "plots":
        plot_all(args.out, args.folder)
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        names = halves()[0 if args.command == "choose" else 1]
        names = [name for name in names if not args.sets or name in args.sets]
        with threadpool_limits(1):
            run(args.command, names, args.out, args.splits, args.max_rows, args.only)


if __name__ == "__main__":
    main()
