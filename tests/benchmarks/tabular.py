"""Tables: this package and the models that people use, all with defaults.

    python tests/benchmarks/tabular.py run OUT          every model on the report half
    python tests/benchmarks/tabular.py choose OUT       the encoder, on the other half
    python tests/benchmarks/tabular.py tables OUT       the tables of the page, from OUT
    python tests/benchmarks/tabular.py plots OUT DIR    the pictures of the page

Needs the environment of ``tests/benchmarks/tabular.txt``. Every model gets the raw
frame, with categories and gaps, and the preparation that its documentation recommends.
Its time includes both, on one thread. Each result is appended to OUT/results.jsonl at
once, and the probabilities of the test rows are saved beside it. So an interrupted run
continues where it stopped. ``--only`` names the models to run: after a change of ours,
delete its lines and run it alone.
"""

import argparse
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import halves, load, preprocessing
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler
from threadpoolctl import threadpool_limits

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    tabular_pipeline,
)

# Deep networks take thousands of passes on one core: only for sets of so many rows.
MAX_ROWS_DEEP = 20_000
# A thousand trees, for each class if there are more than two: only up to so many
# numbers times trees of a round.
MAX_NUMBERS_CATBOOST = 3_000_000


class Categories(TransformerMixin, BaseEstimator):
    """Strings as pandas' categories, with new ones as gaps; other columns unchanged.

    With ``as_strings`` they stay strings, with "nan" for a gap. ``fill`` fills the gaps
    of numbers with their medians.
    """

    def __init__(self, as_strings: bool = False, fill: bool = False) -> None:
        self.as_strings = as_strings
        self.fill = fill

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Categories":
        self.categories_ = {
            name: np.unique(X[name].dropna().astype(str))
            for name in X.select_dtypes(object)
        }
        self.medians_ = X.drop(columns=list(self.categories_)).median()
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        X = X.fillna(self.medians_) if self.fill else X.copy()
        for name, categories in self.categories_.items():
            column = X[name].astype(object)
            if self.as_strings:
                X[name] = column.where(column.notna(), "nan").astype(str)
            else:
                X[name] = pd.Categorical(column, categories=categories)
        return X


def xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    clf = XGBClassifier(enable_categorical=True, random_state=seed, n_jobs=1)
    return make_pipeline(Categories(), clf)


def lightgbm(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    clf = LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)
    return make_pipeline(Categories(), clf)


class CatBoost(BaseEstimator):
    """CatBoost, which needs the names of categories in ``fit``."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "CatBoost":
        from catboost import CatBoostClassifier

        self.categories = Categories(as_strings=True).fit(X)
        self.clf = CatBoostClassifier(
            cat_features=list(self.categories.categories_),
            random_seed=self.seed,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        )
        self.clf.fit(self.categories.transform(X), y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.clf.predict_proba(self.categories.transform(X))


def realmlp(seed: int) -> Any:
    from pytabkit import RealMLP_TD_Classifier

    clf = RealMLP_TD_Classifier(
        device="cpu",
        random_state=seed,
        n_threads=1,
        val_metric_name="cross_entropy",
        use_ls=False,
    )
    return make_pipeline(Categories(fill=True), clf)


def tabm(seed: int) -> Any:
    from pytabkit import TabM_D_Classifier

    clf = TabM_D_Classifier(
        device="cpu", random_state=seed, n_threads=1, val_metric_name="cross_entropy"
    )
    return make_pipeline(Categories(fill=True), clf)


def ours(seed: int) -> Any:
    return tabular_pipeline(ReLULogisticClassifier(random_state=seed))


def ours_scaled(seed: int) -> Any:
    return make_pipeline(preprocessing(), ReLULogisticClassifier(random_state=seed))


OURS = "tabular_pipeline()"
SCALED = "behind StandardScaler"
BASE = "HistGradientBoosting"
MODELS: dict[str, Callable[[int], Any]] = {
    "LogisticRegression": lambda seed: make_pipeline(
        preprocessing(), LogisticRegression(max_iter=5000)
    ),
    BASE: lambda seed: make_pipeline(
        Categories(), HistGradientBoostingClassifier(random_state=seed)
    ),
    OURS: ours,
    SCALED: ours_scaled,
    "XGBoost": xgboost,
    "LightGBM": lightgbm,
    "MLPClassifier": lambda seed: make_pipeline(
        preprocessing(), MLPClassifier(random_state=seed)
    ),
    "CatBoost": CatBoost,
    "RealMLP-TD": realmlp,
    "TabM-D": tabm,
}
DEEP = ("RealMLP-TD", "TabM-D")


def encoder(*in_front: Any, **parameters: Any) -> Callable[[int], Any]:
    """The pipeline with other parameters of its encoder, or steps before it."""

    def model(seed: int) -> Any:
        pipeline = tabular_pipeline(ReLULogisticClassifier(random_state=seed))
        numbers = make_pipeline(*in_front, PiecewiseLinearEncoder(**parameters))
        return pipeline.set_params(columns__numbers=numbers)

    return model


def indicators(**parameters: Any) -> Callable[[int], Any]:
    """The pipeline with other indicators of categories."""

    def model(seed: int) -> Any:
        pipeline = tabular_pipeline(ReLULogisticClassifier(random_state=seed))
        prefix = "columns__categories__onehotencoder__"
        return pipeline.set_params(**{prefix + k: v for k, v in parameters.items()})

    return model


def target_encoded(seed: int) -> Any:
    """The pipeline with all categories encoded by the target."""
    pipeline = tabular_pipeline(ReLULogisticClassifier(random_state=seed))
    of_many = pipeline[0].transformers[2][1]
    return pipeline.set_params(columns__categories=of_many)


def bend(X: Any) -> np.ndarray:
    """Numbers within three deviations nearly unchanged, and outliers pulled in."""
    X = np.asarray(X, dtype=float)
    return X / np.sqrt(1 + (X / 3) ** 2)


def clip(X: Any) -> np.ndarray:
    """Numbers within three deviations unchanged, and outliers at that distance."""
    return np.clip(np.asarray(X, dtype=float), -3, 3)


ROBUST = RobustScaler(unit_variance=True)

# One change at a time, on the choosing half.
CHOICES: dict[str, Callable[[int], Any]] = {
    OURS: ours,
    SCALED: ours_scaled,
    **{f"n_bins={n}": encoder(n_bins=n) for n in (0, 2, 4, 8, 16)},
    **{f"ramp_scale={s:g}": encoder(ramp_scale=s) for s in (0.125, 0.25, 1.0)},
    "outliers bent": encoder(ROBUST, FunctionTransformer(bend)),
    "outliers clipped": encoder(ROBUST, FunctionTransformer(clip)),
    "gaps by the median": encoder(SimpleImputer(strategy="median", add_indicator=True)),
    "no indicators of gaps": encoder(add_indicator=False),
    **{f"min_frequency={n}": indicators(min_frequency=n) for n in (1, 3, 30)},
    "all categories by the target": target_encoded,
}


def is_out_of_reach(model: str, name: str) -> bool:
    """Whether a model would take too many minutes on a set."""
    X, y = load(name)
    if model in DEEP:
        return len(X) > MAX_ROWS_DEEP
    n_classes = len(np.unique(y))
    n_numbers = X.size * (n_classes if n_classes > 2 else 1)
    return model == "CatBoost" and n_numbers > MAX_NUMBERS_CATBOOST


def processor_seconds() -> float:
    """The seconds of all processors, in this process and its children."""
    return sum(os.times()[:4])


def calibration_error(y: np.ndarray, proba: np.ndarray, n_bins: int = 10) -> float:
    """The mean distance of probability and frequency, over bins of equal counts.

    It is the mean over the classes, each against the others.
    """
    errors = []
    for k, p in enumerate(proba.T):
        order = np.argsort(p, kind="stable")
        hits = (y == k)[order]
        gaps = [
            abs(part.sum() - hit.sum())
            for part, hit in zip(
                np.array_split(p[order], n_bins),
                np.array_split(hits, n_bins),
                strict=True,
            )
        ]
        errors.append(sum(gaps) / len(y))
    return float(np.mean(errors))


def scores(y: np.ndarray, proba: np.ndarray) -> dict[str, float]:
    proba = proba.astype(np.float64)
    proba /= proba.sum(axis=1, keepdims=True)
    of_classes = proba[:, 1] if proba.shape[1] == 2 else proba
    return {
        "nll": log_loss(y, proba, labels=np.arange(proba.shape[1])),
        "accuracy": float(np.mean(proba.argmax(axis=1) == y)),
        "auc": roc_auc_score(y, of_classes, multi_class="ovr"),
        "calibration": calibration_error(y, proba),
    }


def split(
    name: str, seed: int, max_rows: int
) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Raw training and test rows, the same as those of defaults.py."""
    X, y = load(name)
    if len(y) > max_rows:
        X, _, y, _ = train_test_split(
            X, y, train_size=max_rows, stratify=y, random_state=seed
        )
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)


def measure(model: Any, data: tuple[Any, ...]) -> tuple[dict[str, Any], np.ndarray]:
    X, X_test, y, y_test = data
    with warnings.catch_warnings(), threadpool_limits(1):
        # Peers often reach their limits or report progress.
        warnings.simplefilter("ignore")
        wall, processor = time.perf_counter(), processor_seconds()
        model.fit(X, y)
        wall, processor = time.perf_counter() - wall, processor_seconds() - processor
        proba = np.asarray(model.predict_proba(X_test))
    times = {"seconds": wall, "processor_seconds": processor}
    return scores(y_test, proba) | times, proba


def run(
    out: Path,
    names: list[str],
    models: dict[str, Callable[[int], Any]],
    n_splits: int,
    max_rows: int,
    part: str,
) -> None:
    path = out / "results.jsonl"
    done = set()
    if path.exists():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        done = {(line["name"], line["model"], line["seed"]) for line in lines}
    (out / "proba").mkdir(parents=True, exist_ok=True)
    # The slow ones last, so that an interrupted run has all sets of the others.
    for seed, (label, model), name in itertools.product(
        range(n_splits), models.items(), names
    ):
        _, y = load(name)
        if (name, label, seed) in done or is_out_of_reach(label, name):
            continue
        data = split(name, seed, max_rows)
        result, proba = measure(model(seed), data)
        np.save(out / "proba" / f"{name} {label} {seed}.npy", proba)
        line = {"part": part, "name": name, "model": label, "seed": seed, "n": len(y)}
        with path.open("a") as file:
            file.write(json.dumps(line | result) + "\n")
        print(
            f"split {seed}  {label:25} {name:15} {result['nll']:.4f}  "
            f"{result['processor_seconds']:.1f} s",
            flush=True,
        )


def of_splits(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sets and splits in rows, models in columns."""
    return table.pivot_table(index=["name", "seed"], columns="model", values=column)


def means(table: pd.DataFrame, column: str, models: list[str]) -> pd.DataFrame:
    """Sets in rows: means over the splits that all these models have."""
    return of_splits(table, column)[models].dropna().groupby("name").mean()


def geometric(ratios: pd.DataFrame) -> pd.Series:
    return np.exp(np.log(ratios).mean())


def summary(table: pd.DataFrame, models: list[str], base: str) -> pd.DataFrame:
    """Each model on all sets that all of these models have."""
    nll = means(table, "nll", models)
    others = {
        name: means(table, name, models)
        for name in ("accuracy", "auc", "calibration", "processor_seconds")
    }
    # The same network with a scaler is not a separate peer.
    peers = nll.drop(columns=SCALED)
    columns = {
        "log-loss rank": peers.rank(axis=1).mean(),
        f"log-loss / {base}'s": geometric(nll.div(nll[base], axis=0)),
        "log-loss": nll.mean(),
        "accuracy": others["accuracy"].mean(),
        "area under curve": others["auc"].mean(),
        "calibration error": others["calibration"].mean(),
        "seconds": others["processor_seconds"].sum(),
        "best on": peers.eq(peers.min(axis=1), axis=0).sum(),
    }
    n_splits = of_splits(table, "nll")[models].dropna().groupby("name").size()
    print(f"({len(nll)} sets; splits of a set: {n_splits.min()} to {n_splits.max()})")
    return pd.DataFrame(columns)


def print_tables(out: Path) -> None:
    pd.set_option("display.width", 250, "display.max_columns", 30)
    pd.set_option("display.max_rows", 200, "display.precision", 3)
    everything = pd.read_json(out / "results.jsonl", lines=True)
    table = everything[everything.part == "run"]
    if len(table):
        have = [model for model in MODELS if model in set(table.model)]
        for slow in ([], ["CatBoost"], ["CatBoost", "RealMLP-TD"], have):
            # Each slower model leaves fewer sets.
            models = [m for m in have if m not in ("CatBoost", *DEEP) or m in slow]
            print("\n== report half")
            print(summary(table, models, BASE).to_string())
        wide = of_splits(table, "nll")[have]
        wide.insert(0, "n", table.groupby(["name", "seed"]).n.first())
        wide["ours / scaled"] = wide[OURS] / wide[SCALED]
        wide = wide.sort_values(["n", "seed"])
        print("\n== log-loss of each set and split")
        print(wide.to_string())
        print("\n== seconds of each set and split, on one core")
        seconds = of_splits(table, "processor_seconds")
        print(seconds.loc[wide.index, have].to_string())
    table = everything[everything.part == "choose"]
    if len(table):
        print("\n== choosing half: log-loss over others'")
        print(choices(of_splits(table, "nll")).to_string())


def choices(nll: pd.DataFrame) -> pd.DataFrame:
    """Each encoder compared with no encoder, and with the default one."""
    columns = {}
    for label, base in (("scaler", SCALED), ("default", OURS)):
        ratios = nll.div(nll[base], axis=0)
        columns |= {
            f"over {label}": geometric(ratios),
            f"(error) {label}": np.log(ratios).sem(),
            f"nats over {label}": nll.sub(nll[base], axis=0).mean(),
            f"lower than {label}": ratios.lt(1).sum() / ratios.count(),
            f"worst over {label}": ratios.max(),
            f"on {label}": ratios.idxmax().str[0],
        }
    return pd.DataFrame({"splits": nll.count()} | columns)


def plot_all(out: Path, folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    everything = pd.read_json(out / "results.jsonl", lines=True)
    table = everything[everything.part == "run"]
    nll = of_splits(table, "nll")
    models = [model for model in MODELS if model in nll]
    colors = dict(zip(models, mpl.color_sequences["tab10"], strict=False))
    # Compared split by split, since not all models have all.
    ratios = np.exp(np.log(nll.div(nll[BASE], axis=0)).groupby("name").mean())
    order = ratios[OURS].sort_values(ascending=False).index

    fig, ax = plt.subplots(figsize=(7, 7.5), layout="constrained")
    y = np.arange(len(order))
    ax.hlines(y, 0.01, 100, color="0.93", lw=1, zorder=0)
    for model in models:
        style = {"marker": "o", "s": 26, "alpha": 0.55}
        if model == OURS:
            style = {"marker": "D", "s": 46, "zorder": 5, "edgecolor": "k"}
        ax.scatter(
            ratios.loc[order, model].clip(0.26, 3.85),
            y,
            label=model,
            color=colors[model],
            **style,
        )
    ax.axvline(1, color="k", lw=1)
    ax.set(
        xscale="log",
        xlim=(0.25, 4),
        ylim=(-1, len(order)),
        xlabel="test log-loss / HistGradientBoosting's (left: better; beyond: edge)",
    )
    ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    ax.minorticks_off()
    ax.set_yticks(y, order)
    fig.legend(loc="outside upper center", ncols=3, frameon=False)
    fig.savefig(folder / "sets.svg")

    peers = [model for model in models if model != SCALED]
    quick = [model for model in peers if model not in DEEP]
    panels = [quick] if quick == peers else [quick, peers]
    fig, axes = plt.subplots(
        1, len(panels), figsize=(5.2 * len(panels), 4.2), layout="constrained"
    )
    for ax, shown in zip(np.atleast_1d(axes), panels, strict=True):
        complete = means(table, "nll", shown)
        seconds = means(table, "processor_seconds", shown).sum()
        ranks = complete.rank(axis=1).mean()
        for model in shown:
            # To the right if another label is close above or below.
            right = model == BASE
            ax.scatter(seconds[model], ranks[model], color=colors[model], s=60)
            ax.annotate(
                model,
                (seconds[model], ranks[model]),
                xytext=(8, 0) if right else (0, 7),
                textcoords="offset points",
                ha="left" if right else "center",
                va="center" if right else "bottom",
                weight="bold" if model == OURS else "normal",
            )
        ax.set(
            xscale="log",
            xlabel=f"processor seconds to fit {len(complete)} sets",
            ylabel="mean rank by log-loss (lower: better)",
        )
        ax.margins(0.22, 0.15)
    fig.savefig(folder / "time.svg")

    fig, ax = plt.subplots(figsize=(5.2, 5), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.6", lw=1)
    shown = [m for m in (OURS, BASE, "CatBoost", "MLPClassifier") if m in models]
    fits = of_splits(table, "nll")[shown].dropna().index
    for model in shown:
        said, came = reliability(out, model, fits)
        ax.plot(said, came, "o-", ms=4, label=model, color=colors[model])
    ax.set(xlabel="predicted probability", ylabel="frequency", xlim=(0, 1), ylim=(0, 1))
    ax.set_aspect("equal")
    ax.legend(frameon=False)
    fig.savefig(folder / "calibration.svg")


def reliability(
    out: Path, model: str, fits: pd.MultiIndex, n_bins: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and frequencies by tenths, over all sets of two classes alike."""
    said, came = [], []
    for name, seed in fits:
        proba = np.load(out / "proba" / f"{name} {model} {seed}.npy")
        if proba.shape[1] == 2:
            y = split(name, seed, 400_000)[3]
            bins = np.minimum((proba[:, 1] * n_bins).astype(int), n_bins - 1)
            weight = np.bincount(bins, minlength=n_bins) / len(y)
            of_set = [
                np.bincount(bins, values, n_bins) / len(y)
                for values in (proba[:, 1], y)
            ]
            said.append([*of_set[0], *weight])
            came.append([*of_set[1], *weight])
    said, came = np.mean(said, axis=0), np.mean(came, axis=0)
    return said[:n_bins] / said[n_bins:], came[:n_bins] / came[n_bins:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["run", "choose", "tables", "plots"])
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("plots"))
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--max-rows", type=int, help="by default 2500 to choose by")
    parser.add_argument("--only", nargs="*", default=[], help="these models alone")
    parser.add_argument("--sets", nargs="*", default=[], help="these sets alone")
    args = parser.parse_args()
    if args.command == "tables":
        print_tables(args.out)
        return
    if args.command == "plots":
        plot_all(args.out, args.folder)
        return
    to_choose = args.command == "choose"
    models = CHOICES if to_choose else MODELS
    models = {k: v for k, v in models.items() if not args.only or k in args.only}
    names = halves()[0 if to_choose else 1]
    names = [name for name in names if not args.sets or name in args.sets]
    max_rows = args.max_rows or (2500 if to_choose else 400_000)
    run(args.out, names, models, args.splits, max_rows, args.command)


if __name__ == "__main__":
    main()
