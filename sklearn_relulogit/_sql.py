"""A fitted model as one SQL query: a common table expression for each layer."""

import warnings
from collections.abc import Sequence
from itertools import count
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer

from ._explain.frames import is_missing
from ._explain.network import Network, dense
from ._explain.piecewise import NotPiecewise, Piecewise
from ._optional import optional_import
from ._tables.dates import DateParts
from ._tables.outputs import (
    CONSTANT,
    ColumnsMixed,
    column_of_output,
    compose,
    is_left_out,
    parts_of,
)
from ._tables.reader import TableReader
from ._tables.readings import GAP, Categories
from ._tables.text import are_whole

# Their outputs jump, but not from one category to another.
UNKNOWN = Binarizer, DateParts, KBinsDiscretizer, MissingIndicator


def to_sql(
    model: BaseEstimator,
    table: str | Sequence[str],
    *,
    keep: Sequence[str] = (),
    materialized: bool = True,
) -> str:
    """A query that computes the logits of the rows of a table.

    The database then needs neither Python nor this package. The query is tested with
    SQLite and DuckDB. It is standard SQL but for the word MATERIALIZED, and names are
    in double quotes.

    Parameters
    ----------
    model : fitted estimator
        A :class:`.ReLULogisticClassifier` or :class:`.ReLULogisticClassifierCV`, a
        :class:`~sklearn.pipeline.Pipeline` that ends in one, such as a
        :func:`.tabular_pipeline`, or a fitted search over these. Before the classifier
        may be scalers, :class:`~sklearn.impute.SimpleImputer`, selections, a
        :class:`.PiecewiseLinearEncoder`, encoders of categories, and a
        :class:`~sklearn.compose.ColumnTransformer` or
        :class:`~sklearn.pipeline.FeatureUnion` of these.

    table : str or sequence of str
        The name of the table, or the names of its schema and of the table. Its columns
        have the names that `fit` saw, or x0, x1, ... after a fit to an array.

    keep : sequence of str, default=()
        Columns of the table that the result has too, in front, such as its key.

    materialized : bool, default=True
        Whether the database is told to keep the units of each layer. SQLite, DuckDB and
        PostgreSQL understand this. Others do not need it or have their own way; with
        False, SQLite computes a unit again for each unit behind it.

    Returns
    -------
    query : str
        A SELECT statement. Its column "logit" is ``model.decision_function``: the
        log-odds of ``classes_[1]``, in nats. With more than two classes there is a
        column "logit_LABEL" for each.

    Raises
    ------
    TypeError
        If the model does not end in a classifier of this package, or a step before it
        cannot be written, such as one that mixes columns or reads dates.

    ValueError
        If the names of two columns differ only in upper and lower case, or a category
        is a whole number that double precision cannot hold.

    ImportError
        If there are categories in named columns, and pandas is not installed.

    NotFittedError
        Before `fit`.

    See Also
    --------
    sklearn_relulogit.onnx.register : For the same pipelines, with dates.

    Notes
    -----
    The logits agree to rounding: that of float64, or of float32 after a fit in it.

    A gap is NULL. A floating NaN, which some databases have beside it, must become NULL
    first. Where Python raises an error, for a gap or a category that the model has no
    value for, the logit is NULL.

    Numbers are numbers in the table too, also where `fit` read them from text. SQLite
    takes other text, such as an empty one, for 0 without an error. The probability is
    ``1 / (1 + exp(-logit))``.

    Examples
    --------
    >>> import sqlite3
    >>> import pandas as pd
    >>> from sklearn_relulogit import ReLULogisticClassifier, tabular_pipeline
    >>> from sklearn_relulogit.export import to_sql
    >>> X = pd.DataFrame(
    ...     {
    ...         "age": [22.0, 38.0, None, 35.0, 54.0, 2.0] * 20,
    ...         "town": ["Cherbourg", "Queenstown", None] * 40,
    ...     }
    ... )
    >>> y = ["no", "yes", "yes", "yes", "no", "yes"] * 20
    >>> model = tabular_pipeline(ReLULogisticClassifier(random_state=0)).fit(X, y)
    >>> database = sqlite3.connect(":memory:")
    >>> X.to_sql("people", database, index_label="id")
    120
    >>> query = to_sql(model, "people", keep=["id"])
    >>> id, logit = database.execute(f"{query} ORDER BY id").fetchone()
    >>> bool(abs(logit - model.decision_function(X)[0]) < 1e-9)
    True
    """
    network = Network.of(model, same_predictions=True)
    parts = [table] if isinstance(table, str) else [*table]
    try:
        columns, features = _first_expressions(network)
    except (NotPiecewise, ColumnsMixed) as unknown:
        raise TypeError(
            "Do what this step does in the table, before the fit, and leave it out of "
            "the pipeline: scalers, SimpleImputer, PiecewiseLinearEncoder, selections "
            "and encoders of categories can be written in SQL. Got "
            f"{unknown.step!r}."
        ) from None
    stages = [[f"{x} AS x{j}" for j, x in columns.items()]]
    stages.append([f"{z} AS z{k}" for k, z in enumerate(features)])
    units = [f"z{k}" for k in range(len(features))]
    clf = network.classifier
    *hidden, last = zip(clf.coefs_, clf.intercepts_, strict=True)
    for W_T, b in hidden:
        sums = [f"{total} AS a{k}" for k, total in enumerate(_affine(W_T, b, units))]
        # NULL stays NULL, since it is not less than 0.
        relu = "CASE WHEN a{0} <= 0 THEN 0e0 ELSE a{0} END AS h{0}"
        stages += [sums, [relu.format(k) for k in range(len(b))]]
        units = [f"h{k}" for k in range(len(b))]
    names = ["logit"] if len(last[1]) == 1 else [f"logit_{c}" for c in clf.classes_]
    logits = zip(_affine(*last, units), map(_name, names), strict=True)
    # Inside the query a column that is kept has a name that can be no other's.
    stages[0] += [f"t.{_name(column)} AS k{i}" for i, column in enumerate(keep)]
    for stage in stages[1:]:
        stage += [f"k{i}" for i in range(len(keep))]
    source, expressions = ".".join(map(_name, parts)) + " AS t", []
    for i, stage in enumerate(stages):
        name = _name(f"{parts[-1]} {i}")
        how = "MATERIALIZED " if materialized else ""
        body = f"SELECT {', '.join(stage) or '0'} FROM {source}"
        expressions.append(f"{name} AS {how}(\n  {body}\n)")
        source = name
    kept = [f"k{i} AS {_name(column)}" for i, column in enumerate(keep)]
    results = ", ".join(kept + [f"{logit} AS {name}" for logit, name in logits])
    return f"WITH {', '.join(expressions)}\nSELECT {results} FROM {source}"


def _first_expressions(network: Network) -> tuple[dict[int, str], list[str]]:
    """The user's columns that are used, and the features of the network, of these."""
    names = network.columns(np.empty((0, network.n_features)))
    known = _categories(network.steps, np.arange(len(names)))
    are_text = {j: any(isinstance(c, str) for c in of) for j, of in known.items()}
    jumps = np.array([are_text.get(j, False) for j in range(len(names))])
    f = network.piecewise(jumps)
    used = np.unique(f.column[f.column != CONSTANT]).tolist()
    _check_case([names[j] for j in used])
    is_read = any(isinstance(step, TableReader) for _, step in network.steps)
    columns = {}
    for j in used:
        if are_text.get(j):
            text = f"CAST(t.{_name(names[j])} AS VARCHAR)"
            columns[j] = _bare(text, known[j]) if is_read else text
        else:
            columns[j] = f"CAST(t.{_name(names[j])} AS DOUBLE PRECISION)"
    tables = {
        int(j): _encoded(network, names, known, int(j))
        for j in np.unique(f.column[f.jumps])
    }
    features = []
    for k, j in enumerate(f.column.tolist()):
        if f.jumps[k]:
            values, unseen, gap = tables[j]
            of_feature = [(category, Z[k]) for category, Z in values]
            features.append(_lookup(f"x{j}", of_feature, unseen[k], gap[k]))
        else:
            features.append(_pieces(f"x{j}", f.take(np.array([k]))))
    return columns, features


def _check_case(names: list[str]) -> None:
    """Raise an error if a database may take one column for another."""
    of_lower: dict[str, str] = {}
    for name in map(str, names):
        other = of_lower.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(
                "Rename columns before the fit, so that their names differ by more "
                "than upper and lower case, which many databases do not tell apart. "
                f"Got {other!r} and {name!r}."
            )


def _bare(x: str, categories: list[Any]) -> str:
    """A text as TableReader reads it: spaces around it count if `fit` saw them."""
    with_spaces = [_text(c) for c in map(str, categories) if c != c.strip(" ")]
    if not with_spaces:
        return f"TRIM({x})"
    return f"CASE WHEN {x} IN ({', '.join(with_spaces)}) THEN {x} ELSE TRIM({x}) END"


def _categories(steps: list[tuple[str, Any]], columns: np.ndarray) -> dict[int, Any]:
    """The categories of each column that is encoded, by the first step that has them.

    Raises
    ------
    NotPiecewise
        If a step has jumps that are not those of categories.
    """
    found: dict[int, Any] = {}
    for _, step in steps:
        if is_left_out(step):
            continue
        step = step.estimator if isinstance(step, FrozenEstimator) else step
        of_step: dict[int, list[Any]] = {}
        match step:
            case Pipeline():
                of_step = _categories(step.steps, columns)
            case ColumnTransformer() | FeatureUnion():
                for part, taken, *_ in parts_of(step, len(columns)):
                    more = _categories([("", part)], columns[taken])
                    for j, values in more.items():
                        of_step.setdefault(j, []).extend(values)
            case TableReader():
                readings = step.readings_.values()
                taken = columns[step.column_of_output_].tolist()
                for j, reading in zip(taken, readings, strict=True):
                    if isinstance(reading, Categories):
                        of_step[j] = _values(reading)
            case _ if isinstance(step, UNKNOWN):
                raise NotPiecewise(step)
            case _:
                encoded = getattr(step, "categories_", getattr(step, "encodings_", []))
                for j, values in enumerate(encoded):
                    of_step[int(columns[j])] = [*values]
        found = of_step | found
        columns = compose(columns, column_of_output(step, len(columns)))
    return found


def _values(reading: Categories) -> list[Any]:
    """The categories of a column as values of its type."""
    texts = [text for text in reading.of_text if text != GAP]
    match reading.types:
        case ("number",):
            return [int(t) if t.lstrip("-").isdigit() else float(t) for t in texts]
        case ("boolean",):
            return [text == "True" for text in texts]
    # As text "nan" is a gap, too.
    return [*texts, GAP]


def _encoded(
    network: Network, names: list[str], known: dict[int, Any], j: int
) -> tuple[list[tuple[Any, np.ndarray]], np.ndarray, np.ndarray]:
    """The features at each category of a column, at an unknown one and at a gap.

    Where that is an error they are NaN.
    """
    values = list(dict.fromkeys(c for c in known[j] if not is_missing(c)))
    inexact = [c for c in values if isinstance(c, Integral) and int(float(c)) != int(c)]
    if inexact:
        raise ValueError(
            f"Turn the categories of column {names[j]!r} into text before the fit: in "
            "SQL they are compared as numbers of double precision, which cannot hold "
            f"{inexact[0]}."
        )
    gap = next((c for c in known[j] if is_missing(c)), np.nan)
    is_text = any(isinstance(c, str) for c in values)
    taken = set(values)
    number = next(i for i in count() if i not in taken)
    unseen = "".join(map(str, values)) + "?" if is_text else number
    # In the other columns something that they may be.
    others = [
        next((c for c in known[i] if not is_missing(c)), 0.0) if i in known else 0.0
        for i in range(len(names))
    ]

    def features(categories: list[Any]) -> np.ndarray:
        X = np.array([others] * len(categories), dtype=object)
        X[:, j] = categories
        rows: Any = X
        if hasattr(network.first_step, "feature_names_in_"):
            pandas = optional_import("pandas", "pandas", "SQL of categories")
            types = {n: object if i in known else float for i, n in enumerate(names)}
            rows = pandas.DataFrame(X, columns=names, dtype=object).astype(types)
        with warnings.catch_warnings():
            # One of these categories is new on purpose. Other warnings are shown.
            warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
            return dense(network.transform(rows))

    def features_or_nan(categories: list[Any]) -> np.ndarray:
        try:
            return features(categories)
        except (TypeError, ValueError):
            return np.full((len(categories), at_known.shape[1]), np.nan)

    at_known = features(values)
    # Numbers of a floating type, where `fit` saw the text of whole ones.
    whole = [c for c in values if isinstance(c, str) and are_whole([c])]
    decimals = [text for text in (f"{c}.0" for c in whole) if text not in values]
    found = [*zip(values, at_known, strict=True)]
    if decimals:
        found += zip(decimals, features_or_nan(decimals), strict=True)
    return found, features_or_nan([unseen])[0], features_or_nan([gap])[0]


def _lookup(x: str, values: list[tuple[Any, float]], unseen: float, gap: float) -> str:
    """A feature of a category."""
    of_value: dict[str, list[str]] = {}
    for category, z in values:
        is_text = isinstance(category, str)
        literal = _text(category) if is_text else _number(category)
        of_value.setdefault(_number(z), []).append(literal)
    of_value.pop(_number(unseen), None)
    whens = [f"WHEN {x} IS NULL THEN {_number(gap)}"]
    whens += [f"WHEN {x} IN ({', '.join(c)}) THEN {z}" for z, c in of_value.items()]
    return f"CASE {' '.join(whens)} ELSE {_number(unseen)} END"


def _pieces(x: str, f: Piecewise) -> str:
    """One feature that is piecewise affine."""
    knots = f.knots[0][np.isfinite(f.knots[0])]
    at = np.concatenate([knots[:1] if len(knots) else f.at, knots])
    pieces = [
        _number(value)
        if slope == 0
        else f"{_number(value)} + {_number(slope)} * ({x} - {_number(start)})"
        for value, slope, start in zip(
            f.on_line(at[:, np.newaxis])[:, 0], f.slopes[0, : len(at)], at, strict=True
        )
    ]
    if f.column[0] == CONSTANT:
        return pieces[0]
    is_gap = f"{x} IS NULL"
    if not np.isnan(f.marker[0]):
        is_gap += f" OR {x} = {_number(f.marker[0])}"
    whens = [f"WHEN {is_gap} THEN {_number(f.gap[0])}"]
    whens += [
        f"WHEN {x} <= {_number(q)} THEN {piece}"
        for q, piece in zip(knots, pieces, strict=False)
    ]
    return f"CASE {' '.join(whens)} ELSE {pieces[-1]} END"


def _affine(W_T: np.ndarray, b: np.ndarray, inputs: list[str]) -> list[str]:
    """The sums in front of the units of a layer."""
    sums = []
    for w, c in zip(W_T.T, b, strict=True):
        terms = zip(w, inputs, strict=True)
        sums.append(_sum([_number(c), *(f"{_number(v)} * {z}" for v, z in terms if v)]))
    return sums


def _sum(terms: list[str]) -> str:
    """A sum in halves: SQLite takes no expression deeper than a thousand."""
    if len(terms) <= 8:
        return " + ".join(terms)
    middle = len(terms) // 2
    return f"({_sum(terms[:middle])}) + ({_sum(terms[middle:])})"


def _number(value: float) -> str:
    """A number, NULL for NaN; with an exponent, without which it may be a decimal."""
    value = float(value)  # Of any whole number.
    if np.isnan(value):
        return "NULL"
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def _name(name: str) -> str:
    """A name in double quotes."""
    return '"' + str(name).replace('"', '""') + '"'


def _text(value: str) -> str:
    """A string in single quotes."""
    return "'" + value.replace("'", "''") + "'"
