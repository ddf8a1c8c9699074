"""Encodings of columns with many categories, and which of them identify rows.

    python tests/benchmarks/many_categories.py [--rows 400] [--half 0]

It uses the tables of all_tables.py with such columns, every other one: half 0 to
choose, half 1 to report. The fit takes 60 % of the rows.

For each encoding it prints the log-loss divided by that of a fit without the columns.
The figures are the geometric mean for new rows, how often it is lower, and the largest.
The next is the number of tables where the training loss is more than a tenth higher.
Last it prints the effect of single columns on the loss of new rows, by the share of
rows whose value occurs in other rows too.
"""

import argparse
import warnings

import numpy as np
from all_tables import tables
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from sklearn_relulogit import (
    PiecewiseLinearEncoder,
    ReLULogisticClassifier,
    tabular_pipeline,
)
from sklearn_relulogit._tables import reader, target
from sklearn_relulogit._tables.target import TargetLogOdds


class AtLeast(TargetLogOdds):
    """With another smallest number of rows for "auto" to add to each category."""

    def __init__(self, least=1.0):
        super().__init__()
        self.least = least

    def fit_transform(self, X, y):
        usual, target.MIN_EQUIVALENT = target.MIN_EQUIVALENT, self.least
        try:
            return super().fit_transform(X, y)
        finally:
            target.MIN_EQUIVALENT = usual


class Standardised(TargetLogOdds):
    """Standardised by the values that predictions get."""

    def fit_transform(self, X, y):
        Z = super().fit_transform(X, y)
        self.scaler_ = StandardScaler().fit(super().transform(X))
        return self.scaler_.transform(Z)

    def transform(self, X):
        return self.scaler_.transform(super().transform(X))


WAYS = {
    "TargetEncoder, ramps": make_pipeline(TargetEncoder(), PiecewiseLinearEncoder()),
    "smooth=3": TargetLogOdds(3),
    "smooth=10": TargetLogOdds(10),
    "auto, at least 1": AtLeast(1.0),
    "auto, at least 3": AtLeast(3.0),
    "auto, at least 10": AtLeast(10.0),
    "auto, standardised": Standardised(),
}


# Kept for other reports.
KEPT = {"modeldata/mlc_churn", "modeldata/credit_data", "kernlab/spam"}


def losses(X, y, train, test, way=None):
    """The losses of new rows and of training rows."""
    model = tabular_pipeline(ReLULogisticClassifier(random_state=0))
    if way is not None:
        model.set_params(columns__many_categories=way)
    model.fit(X.iloc[train], y.iloc[train])
    return [
        max(log_loss(y.iloc[rows], model.predict_proba(X.iloc[rows])), 0.01)
        for rows in (test, train)
    ]


def columns_of_many(X):
    """The columns without indicators, and the share of repeated values in each."""
    readings = reader.TableReader().fit(X).readings_
    many = {}
    for name, reading in readings.items():
        if reading.kind == "categories" and not reading.are_few and name in X:
            counts = X[name].value_counts()
            many[name] = counts[counts > 1].sum() / counts.sum()
    return many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--half", type=int, default=0)
    parser.add_argument("--ways", nargs="*", default=[*WAYS], choices=[*WAYS])
    args = parser.parse_args()
    ways = [WAYS[name] for name in args.ways]
    warnings.simplefilter("ignore")
    reader.MIN_REPEATED = -1.0  # No column of text is left out.
    ratios, alone = [], []
    for index, (name, X, y) in enumerate(tables(max_rows=args.rows)):
        if index % 2 != args.half or name in KEPT:
            continue
        y = y[y.groupby(y).transform("size") >= 4]
        X = X.loc[y.index].drop(columns="rownames", errors="ignore")
        try:
            many = columns_of_many(X)
        except (TypeError, ValueError):
            continue
        if not many or len(many) == X.shape[1]:
            continue
        rows = np.arange(len(X))
        train, test = train_test_split(rows, stratify=y, test_size=0.4, random_state=0)
        try:
            without = losses(X.drop(columns=[*many]), y, train, test)
            found = [losses(X, y, train, test, way) for way in ways]
            for column, repeated in [*many.items()][:3]:
                others = [other for other in many if other != column]
                loss, _ = losses(X.drop(columns=others), y, train, test)
                alone.append((repeated, loss / without[0]))
        except ValueError as error:
            print(f"{name}: {error}"[:100])
            continue
        ratios.append(np.array(found) / without)
        shown = " ".join(f"{ratio:5.2f}" for ratio in ratios[-1][:, 0])
        print(f"{name:40} {shown}", flush=True)
    new, of_fit = np.moveaxis(np.array(ratios), 2, 0)
    for way, ratio, ratio_of_fit in zip(args.ways, new.T, of_fit.T, strict=True):
        print(
            f"{way:22} mean {np.exp(np.log(ratio).mean()):.3f}, lower on "
            f"{(ratio < 1).mean():.0%}, largest {ratio.max():.2f}; "
            f"{(ratio_of_fit > 1.1).sum()} of {len(ratio)} higher by a tenth in the fit"
        )
    repeated, ratio = np.array(alone).T
    for low, high in [(0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.01)]:
        here = (repeated >= low) & (repeated < high)
        mean = np.exp(np.log(ratio[here]).mean()) if here.any() else np.nan
        print(f"repeated {low} to {high}: {here.sum()} columns, mean {mean:.3f}")


if __name__ == "__main__":
    main()
