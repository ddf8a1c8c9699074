"""The effect of untidy columns on a fit.

    python tests/benchmarks/untidy_columns.py

A table of two plain columns gets one more, untidy column. Each line prints the log-loss
of training rows and of new rows, divided by that without the column. If the column also
has a tidy form, it is divided by the loss with that form too. The last lines are wide
tables, with the seconds of the fit and of predictions.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline

N = 2000
RNG = np.random.default_rng(0)
TIDY = pd.DataFrame(
    {"age": RNG.normal(50, 15, N).round(), "sex": RNG.choice(["f", "m"], N)}
)
PRICE = RNG.lognormal(7, 1, N).round(2)
DAY = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 1400, N), "D")
TOWN = RNG.integers(0, 100, N)
OF_TOWN = RNG.normal(0, 1, 100)
CODE = RNG.integers(1, 6, N)
LOGIT = (
    (TIDY.age - 50) / 15
    + (TIDY.sex == "f")
    + 0.7 * np.log(PRICE / 1000)
    + np.cos(DAY.day_of_year / 365 * 2 * np.pi)
    + OF_TOWN[TOWN]
    + (CODE - 3) / 2
)
Y = np.where(RNG.logistic(size=N) < LOGIT, "yes", "no")
FIT, NEW = slice(0, N // 2), slice(N // 2, N)


def with_gaps(texts, gap="?"):
    return np.where(np.arange(N) % 11 == 0, gap, texts)


IDS = {
    "rows numbered": ("Unnamed: 0", np.arange(N)),
    "a number of each customer": ("customer_id", RNG.permutation(10 * N)[:N]),
    "a code of each order": ("order", [f"A-{i}" for i in RNG.permutation(N)]),
    "UUIDs": ("uuid", [RNG.bytes(16).hex() for _ in range(N)]),
    "names": ("name", [f"{RNG.choice(list('ABCDE'))}. Smith {i}" for i in range(N)]),
    "notes": ("note", [f"called {i} times, town {TOWN[i]}" for i in range(N)]),
}
SAY_NOTHING = {
    "random towns": ("place", [f"town {i}" for i in RNG.integers(0, 200, N)]),
    "random rare words": ("word", [f"w{i}" for i in RNG.integers(0, N, N)]),
}
OTHER_FORMS = {
    "decimals as text": (PRICE, with_gaps([f"{v:.2f}" for v in PRICE])),
    "thousands as text": (PRICE, with_gaps([f"{v:,.2f}" for v in PRICE], "n/a")),
    "money as text": (PRICE, with_gaps([f"${v:,.2f}" for v in PRICE], "")),
    "decimal commas": (PRICE, [f"{v:.2f}".replace(".", ",") for v in PRICE]),
    "dates as text": (DAY, DAY.strftime("%Y-%m-%d")),
    "European dates": (DAY, DAY.strftime("%d.%m.%Y")),
    "dates in time zones": (DAY, DAY.tz_localize("Asia/Tokyo")),
    "dates": (np.asarray((DAY - pd.Timestamp(0)).days), DAY),
}
OTHER_TYPES = {
    "text, then numbers": (CODE.astype(str), CODE),
    "text, then floats": (CODE.astype(str), CODE.astype(float)),
    "numbers, then text": (pd.Categorical(CODE), CODE.astype(str)),
    "text, then bytes": (CODE.astype(str), [str(v).encode() for v in CODE]),
    "zip codes": ([f"0{v}100" for v in CODE], CODE * 1000 + 100),
    "booleans as text": ((CODE > 3).astype(str), CODE > 3),
    "booleans, then 0 and 1": (pd.Categorical(CODE > 3), (CODE > 3).astype(int)),
    "intervals, then text": (
        pd.cut(CODE, [0, 2, 5]),
        pd.cut(CODE, [0, 2, 5]).astype(str),
    ),
}


def losses(column=None, later=None, name="column"):
    """The log-loss of the rows of the fit, and of new rows."""
    X = TIDY if column is None else TIDY.assign(**{name: column})
    X_later = X if later is None else TIDY.assign(**{name: later})
    model = tabular_pipeline(ReLULogisticClassifier(random_state=0))
    try:
        model.fit(X[FIT], Y[FIT])
        return np.array(
            [
                log_loss(Y[rows], model.predict_proba(X_later[rows]))
                for rows in (FIT, NEW)
            ]
        )
    except (TypeError, ValueError) as error:
        print(f"    {type(error).__name__}: {error}"[:100])
        return np.full(2, np.nan)


def show(what, found, expected):
    ratio = found / expected
    print(f"{what:32}{ratio[0]:9.3f}{ratio[1]:9.3f}", flush=True)


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{'loss over that without':32}  of the fit      new")
    tidy = losses()
    for what, (name, column) in {**IDS, **SAY_NOTHING}.items():
        show(what, losses(column, name=name), tidy)
    show("100 towns that say something", losses([f"t{i}" for i in TOWN]), tidy)
    print("loss over that of the typed column")
    for what, (typed, untidy) in OTHER_FORMS.items():
        show(what, losses(untidy), losses(typed))
    print("loss over that of the same type in the prediction")
    for what, (before, later) in OTHER_TYPES.items():
        show(what, losses(before, later), losses(before))
    for n_columns in (5000, 10000, 20000):
        X = pd.DataFrame(RNG.standard_normal((100, n_columns))).rename(columns=str)
        clf = ReLULogisticClassifier((3,), alpha=1.0, random_state=0)
        start = time.perf_counter()
        model = tabular_pipeline(clf).fit(X, Y[:100])
        fitted = time.perf_counter()
        model.predict(X)
        seconds = fitted - start, time.perf_counter() - fitted
        print(f"100 x {n_columns}: {seconds[0]:.1f} s, {seconds[1]:.1f} s", flush=True)


if __name__ == "__main__":
    main()
