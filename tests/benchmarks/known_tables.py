"""Tables with published results, by default settings, compared with boosting.

    python tests/benchmarks/known_tables.py adult [FOLDER]   Adult, the official split
    python tests/benchmarks/known_tables.py auc [FOLDER]     Adult, as in EBM's README
    python tests/benchmarks/known_tables.py small [FOLDER]   eight small tables of PMLB

Needs the environment of ``tests/benchmarks/tabular.txt``. FOLDER holds UCI's files
``adult-train.csv.xz`` and ``adult-test.csv.xz`` (``adult.data`` and ``adult.test``
without its first line), or the cache of the package ``pmlb``. Without FOLDER they are
fetched from OpenML, and by ``pmlb``. ``--only`` names the models to run.

adult: the fit takes 26,048 rows of the training part. Publications use as many, beside
rows for early stopping. The test part is for reporting only.
auc: three random quarters of the training part are test rows, and the rest is for the
fit. This is the protocol in the README of ``interpret``, the package of EBM.
small: means of four folds.
"""

import argparse
import itertools
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import fetch_openml
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tabular import BASE, MODELS, OURS, Categories, geometric, ours_scaled, scores
from threadpoolctl import threadpool_limits

from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline

ADULT = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status"),
    *("occupation", "relationship", "race", "sex", "capital-gain", "capital-loss"),
    *("hours-per-week", "native-country", "income"),
]
N_ADULT, N_TRAIN, RICH = 32_561, 26_048, 7841

SMALL = [
    *("cars", "glass2", "analcatdata_creditscore", "auto", "glass", "calendarDOW"),
    *("analcatdata_boxing1", "wine_quality_red"),
]


def adult(folder: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Adult with its training part first, and who earns more than 50,000 dollars."""
    if folder is None:
        table = fetch_openml("adult", version=2, as_frame=True).frame
        table.columns = ADULT
    else:
        parts = [
            pd.read_csv(
                folder / f"adult-{part}.csv.xz",
                names=ADULT,
                skipinitialspace=True,
                na_values="?",
            )
            for part in ("train", "test")
        ]
        table = pd.concat(parts, ignore_index=True)
    y = table.pop("income").astype(str).str.startswith(">50K").to_numpy().astype(int)
    if len(y) != 48_842 or y[:N_ADULT].sum() != RICH:
        raise ValueError("The training part of Adult does not come first.")
    for name in table.select_dtypes(["object", "category", "string"]):
        known = table[name].notna()
        table[name] = table[name].astype(object).where(known, np.nan)
    return table, y


def ebm(seed: int) -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier

    clf = ExplainableBoostingClassifier(random_state=seed, n_jobs=1)
    return make_pipeline(Categories(as_strings=True), clf)


def without_units(seed: int) -> Any:
    return tabular_pipeline(ReLULogisticClassifier((), random_state=seed))


def one_hot() -> Any:
    """Indicators of categories and unchanged numbers, as in EBM's notebook."""
    indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    strings = make_column_selector(dtype_include=object)
    return make_column_transformer((indicators, strings), remainder="passthrough")


def logistic_regression(seed: int) -> Any:
    clf = LogisticRegression(random_state=seed)
    return make_pipeline(one_hot(), StandardScaler(), clf)


def xgboost_one_hot(seed: int) -> Any:
    from xgboost import XGBClassifier

    return make_pipeline(one_hot(), XGBClassifier(random_state=seed, n_jobs=1))


LINEAR = "hidden_layer_sizes=()"
OF_ADULT = {
    OURS: MODELS[OURS],
    LINEAR: without_units,
    **{name: MODELS[name] for name in (BASE, "XGBoost", "LightGBM", "CatBoost")},
    "EBM": ebm,
}
OF_AUC = {
    OURS: MODELS[OURS],
    LINEAR: without_units,
    "LogisticRegression": logistic_regression,
    "XGBoost": xgboost_one_hot,
    "EBM": ebm,
}
OF_SMALL = {
    OURS: MODELS[OURS],
    "behind StandardScaler": ours_scaled,
    "gradient boosting": lambda seed: GradientBoostingClassifier(random_state=seed),
    "random forest": lambda seed: RandomForestClassifier(random_state=seed),
}


def report_adult(folder: Path | None, only: list[str]) -> None:
    table, income = adult(folder)
    train = np.random.default_rng(0).permutation(N_ADULT)[:N_TRAIN]
    X, X_test = table.iloc[train], table.iloc[N_ADULT:]
    y, y_test = income[train], income[N_ADULT:]
    print(f"{len(y)} rows for the fit, {len(y_test)} to test")
    print(f"{'':24}cross-entropy    AUC  accuracy  processor s")
    for name, model in OF_ADULT.items():
        if only and name not in only:
            continue
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            start = time.process_time()
            fitted = model(0).fit(X, y)
            seconds = time.process_time() - start
            proba = np.asarray(fitted.predict_proba(X_test), dtype=float)
        score = scores(y_test, proba)
        auc = roc_auc_score(y_test, proba[:, 1])
        print(
            f"{name:24}{score['nll']:13.4f}{auc:7.4f}{score['accuracy']:10.4f}"
            f"{seconds:13.1f}",
            flush=True,
        )


def report_auc(folder: Path | None, only: list[str]) -> None:
    table, income = adult(folder)
    X, y = table[:N_ADULT], income[:N_ADULT]
    splits = StratifiedShuffleSplit(n_splits=3, test_size=0.25, random_state=1337)
    print(f"{'':24}   AUC     sd  processor s")
    for name, model in OF_AUC.items():
        if only and name not in only:
            continue
        areas = []
        start = time.process_time()
        for train, test in splits.split(X, y):
            with warnings.catch_warnings(), threadpool_limits(1):
                warnings.simplefilter("ignore")
                fitted = model(1337).fit(X.iloc[train], y[train])
                proba = fitted.predict_proba(X.iloc[test])[:, 1]
            areas.append(roc_auc_score(y[test], proba))
        seconds = time.process_time() - start
        mean, deviation = np.mean(areas), np.std(areas)
        print(f"{name:24}{mean:6.4f} {deviation:6.4f}{seconds:13.1f}", flush=True)


def small(name: str, folder: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of PMLB; all columns are numbers, and categories are whole numbers."""
    path = None if folder is None else folder / name / f"{name}.tsv.gz"
    if path is None or not path.exists():
        from pmlb import fetch_data

        table = fetch_data(name, local_cache_dir=folder)
    else:
        table = pd.read_csv(path, sep="\t")
    y = np.unique(table.pop("target"), return_inverse=True)[1]
    return table, y


def report_small(folder: Path | None, only: list[str]) -> None:
    lines = []
    models = {k: v for k, v in OF_SMALL.items() if not only or k in only}
    for name, (label, model) in itertools.product(SMALL, models.items()):
        X, y = small(name, folder)
        folds = StratifiedKFold(4, shuffle=True, random_state=0)
        start = time.process_time()
        of_folds = []
        for train, test in folds.split(X, y):
            fitted = model(0).fit(X.iloc[train], y[train])
            of_folds.append(scores(y[test], fitted.predict_proba(X.iloc[test])))
        mean = pd.DataFrame(of_folds)[["nll", "accuracy"]].mean()
        seconds = time.process_time() - start
        lines.append({"name": name, "model": label, "seconds": seconds} | dict(mean))
    table = pd.DataFrame(lines)
    for column in ("nll", "accuracy"):
        wide = table.pivot_table(index="name", columns="model", values=column)
        print(f"== {column}\n{wide.loc[SMALL, list(models)].round(3).to_string()}\n")
        if column == "nll" and "gradient boosting" in wide:
            ratios = wide.div(wide["gradient boosting"], axis=0)
            print("geometric mean over gradient boosting's:")
            print(geometric(ratios)[list(models)].round(3).to_string(), "\n")
    print(table.groupby("model").seconds.sum().round(1).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    reports = {"adult": report_adult, "auc": report_auc, "small": report_small}
    parser.add_argument("command", choices=reports)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[], help="these models alone")
    args = parser.parse_args()
    reports[args.command](args.folder, args.only)


if __name__ == "__main__":
    main()
