"""First step of a table's pipeline: read columns as numbers, dates or categories."""

import re
import warnings
from collections import Counter
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._checks import Interval, check_parameters
from .._optional import optional_import
from .columns import (
    Content,
    are_plain,
    check_table,
    column,
    content,
    families,
    raise_unreadable,
)
from .readings import (
    GAP,
    Categories,
    Dates,
    Numbers,
    Reading,
    Unreadable,
    counts_of_texts,
)
from .text import (
    Ambiguous,
    are_whole,
    date_style,
    is_gap,
    is_zoned,
    number_style,
    slips,
)

# Distinct whole numbers identify rows if the column's name says so too: it has a word
# for a key, for a row, for a thing that rows describe, or it is empty.
KEY = r"id|ids|uid|uuid|guid|key|no|nr|num|number|code|seqno?|seqn"
ROW = (
    "case|row|record|obs|observation|subject|patient|person|customer|client|user|"
    "member|account|employee|student|applicant|passenger|household"
)
# Alone these may mean amounts, as a column "loan" does.
OTHERS = (
    "pat|p|cust|acct|emp|order|invoice|transaction|trans|loan|policy|contract|product|"
    "prod|item|ticket|device|session"
)
NO_NAME = r"|#|unnamed: ?\d+(\.\d+)*|index|idx|level_\d+|rownames?|row\.names"
ID = re.compile(
    rf"(?i:(.*[\W_])?({KEY}|ssn|sku|isbn|ean|gtin|mrn|barcode)\.?|{ROW}|{NO_NAME}|"
    rf"(id|{ROW}|{OTHERS})({KEY}|case)|id_(\d+|ref)|.*nummer|.*nr|num[eé]ro|serial|"
    r"identifiant|matricule)|.*[a-z](Id|ID|Key|No|Nr|Num|Number|Code)"
)

# Text identifies rows if a smaller share of the rows has a value that others have too.
MIN_REPEATED = 0.1


class Found(NamedTuple):
    """What `fit` finds in a column."""

    reading: Reading
    # Whether it identifies rows.
    is_id: bool = False
    # An example if text is converted; otherwise the reason why it is not.
    example: str | None = None
    doubt: str | None = None
    # What the column would be without a few of its values.
    nearly: str | None = None


class TableReader(  # type: ignore[call-arg]
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Read each column of a table as numbers, dates or categories.

    `fit` finds what each column holds. `transform` reads the same from columns of any
    type. The output is a table of the same library. It has numbers, dates without time
    zone, and categories as text. A column of few categories has a categorical type,
    others are strings. Columns whose values identify rows are left out.

    Parameters
    ----------
    max_indicators : int, default=40
        A column with more distinct categories becomes strings in the output.

        Categories with fewer rows share one category in columns of a categorical type,
        as do new categories. A column becomes strings if no category has this many
        rows.

    Attributes
    ----------
    readings_ : dict of str to Reading
        How each column is read; columns that are left out are missing.

    left_out_ : list of str
        The columns that are left out.

    column_of_output_ : ndarray of int, of shape (n_outputs,)
        The column of X of each output.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_indicators": [Interval(Integral, 0, None, closed="left")],
        "min_frequency": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, max_indicators: int = 40, min_frequency: int = 10) -> None:
        self.max_indicators = max_indicators
        self.min_frequency = min_frequency

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find what each column holds.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.

        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        TypeError
            If X is not a table, or a column holds neither numbers, dates nor
            categories.

        ValueError
            If two columns share a name, or all columns are left out.
        """
        check_parameters(self, self._parameter_constraints)
        names = check_table(X)
        self.n_features_in_ = len(names)
        self._is_of_array = isinstance(X, np.ndarray)
        if not self._is_of_array:
            self.feature_names_in_ = np.array(
                [str(name) for name in names], dtype=object
            )
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        found = {
            name: Found(Numbers())
            if plain and not ID.fullmatch(name.strip())
            else self._find(name, column(X, j))
            for j, (name, plain) in enumerate(
                zip(map(str, names), are_plain(X), strict=True)
            )
        }
        self.readings_ = {n: f.reading for n, f in found.items() if not f.is_id}
        self.left_out_ = [name for name, f in found.items() if f.is_id]
        self.column_of_output_ = np.flatnonzero([not f.is_id for f in found.values()])
        if not self.readings_:
            raise ValueError(
                "Add columns with information about the classes to X: it has "
                + (f"only {self.left_out_}, which identify rows." if found else "none.")
            )
        tell(found)
        return self

    def _find(self, name: str, values: Any) -> Found:
        """What a column holds."""
        held = content(values)
        match held.values.dtype.kind:
            case "M":
                return Found(Dates(is_zoned=held.is_zoned))
            case "O":
                return self._find_text(name, held)
        return Found(Numbers(), is_id(name, held.values))

    def _find_text(self, name: str, held: Content) -> Found:
        """What a column of objects holds."""
        kinds = families(held.values)
        if held.is_category or not kinds:
            return self._categories(held, counts_of_texts(held.values))
        if kinds == {"boolean"}:
            return Found(Numbers())
        if not kinds <= {"text", "number", "boolean"}:
            raise_unreadable(name, f"values of type {', '.join(sorted(kinds))}")
        counts = counts_of_texts(held.values)
        distinct = set(counts) - {GAP}
        doubt = None
        try:
            style = number_style(distinct)
            if style is not None and (
                len(distinct) > self.max_indicators or not are_whole(distinct)
            ):
                reading = Numbers(style)
                is_an_id = bool(ID.fullmatch(name.strip())) and is_id(
                    name, reading.read(held)
                )
                return Found(reading, is_an_id, example(distinct))
            style_of_dates = date_style(distinct)
            if style_of_dates is not None:
                dates = Dates(style_of_dates, is_zoned(distinct, style_of_dates))
                return Found(dates, example=example(distinct))
        except Ambiguous as ambiguous:
            doubt = str(ambiguous)
        if kinds != {"text"}:
            raise_unreadable(name, f"values of type {', '.join(sorted(kinds))}")
        nearly = None if doubt else self._nearly(distinct)
        return self._categories(held, counts)._replace(doubt=doubt, nearly=nearly)

    def _nearly(self, distinct: set[str]) -> str | None:
        """What a column of text would be without a few of its values."""
        found = slips(distinct)
        if found is None:
            return None
        kind, others = found
        rest = {text for text in distinct.difference(others) if not is_gap(text)}
        if kind == "numbers" and not self._would_be_numbers(rest):
            return None
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return f"{kind} except for {others[0]!r}{more}"

    def _would_be_numbers(self, distinct: set[str]) -> bool:
        """Whether texts are numbers rather than codes or categories."""
        try:
            style = number_style(distinct)
        except Ambiguous:
            return True
        return style is not None and (
            len(distinct) > self.max_indicators or not are_whole(distinct)
        )

    def _categories(self, held: Content, counts: Counter[str]) -> Found:
        """A column of categories."""
        types = families(held.values)
        few, frequent = self.max_indicators, self.min_frequency
        reading = Categories.of(counts, types, max_few=few, min_frequency=frequent)
        of_values = np.array([n for text, n in counts.items() if text != GAP])
        repeated = of_values[of_values > 1].sum()
        return Found(
            reading, len(of_values) > 1 and repeated < MIN_REPEATED * of_values.sum()
        )

    def transform(self, X: Any) -> Any:
        """Read the columns of some rows.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            A table with the columns of `fit`; the columns of a frame may be in any
            order.

        Returns
        -------
        table : DataFrame or array of shape (n_samples, n_outputs)
            The columns that are not left out.

        Raises
        ------
        ValueError
            If columns are missing, or one cannot be read as in `fit`.

        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        names = check_table(X)
        if isinstance(X, np.ndarray):
            return self._transform_array(X)
        if self._is_of_array:  # This warns of names and checks the number of columns.
            validate_data(self, X, skip_check_array=True, reset=False)
        named = enumerate(map(str, names))
        position = {str(j) if self._is_of_array else name: j for j, name in named}
        missing = [name for name in self.readings_ if name not in position]
        if missing:
            raise ValueError(
                f"Add the columns that X had in fit: columns are missing: {missing}."
            )
        chosen = [position[name] for name in self.readings_]
        plain = are_plain(X)[chosen]
        readings = self.readings_.items()
        as_it_is = [
            isinstance(r, Numbers) and p
            for (_, r), p in zip(readings, plain, strict=True)
        ]
        if all(as_it_is):
            return X.iloc[:, chosen].set_axis([*self.readings_], axis=1)
        table = {
            name: column(X, j) if same else self._read(name, reading, column(X, j))
            for (name, reading), j, same in zip(readings, chosen, as_it_is, strict=True)
        }
        if hasattr(X, "get_columns"):
            return type(X)([*table.values()])
        return type(X)(table, index=X.index)

    def _read(self, name: str, reading: Reading, like: Any) -> Any:
        """A column as it was read in `fit`, in its library."""
        try:
            values = reading.read(content(like))
        except Unreadable as unreadable:
            raise ValueError(
                f"Turn column {name!r} into {reading.kind}, as it was in fit: it holds "
                f"{unreadable}."
            ) from None
        levels = reading.levels if isinstance(reading, Categories) else None
        return as_column(name, values, levels, like)

    def _transform_array(self, X: np.ndarray) -> np.ndarray:
        validate_data(self, X, skip_check_array=True, reset=False)
        others = [n for n, r in self.readings_.items() if not isinstance(r, Numbers)]
        if others:
            raise ValueError(
                f"Pass a DataFrame with the columns of fit: {others} do not hold "
                "numbers."
            )
        return X[:, self.column_of_output_]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the outputs: the columns that are not left out.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str objects of shape (n_outputs,)
            The names.
        """
        check_is_fitted(self)
        names = [f"x{name}" if self._is_of_array else name for name in self.readings_]
        return np.array(names, dtype=object)

    def set_output(self, *, transform: Any = None) -> Self:
        """Do nothing: the output is always a table of the library of X.

        Parameters
        ----------
        transform : str or None
            Ignored.

        Returns
        -------
        self : object
            The transformer.
        """
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def as_column(
    name: str, values: np.ndarray, levels: list[str] | None, like: Any
) -> Any:
    """Values as a column of another's library; with levels, as a categorical."""
    if hasattr(like, "iloc"):
        pandas = optional_import("pandas", "pandas", "A DataFrame of pandas")
        return values if levels is None else pandas.Categorical(values, levels)
    polars = optional_import("polars", "polars", "A DataFrame of polars")
    if values.dtype.kind != "O":
        return polars.Series(name, values)
    dtype = polars.String if levels is None else polars.Enum(levels)
    return polars.Series(name, values.tolist(), dtype)


def is_id(name: str, values: np.ndarray) -> bool:
    """Whether a column's numbers are whole and distinct, and its name means a key."""
    if ID.fullmatch(name.strip()) is None or values.dtype.kind == "b":
        return False
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if len(known) < 2 or not np.isfinite(known).all() or (known % 1 != 0).any():
        return False
    return len(np.unique(known)) == len(known)


def example(texts_of_column: set[str]) -> str:
    """The text of a column that shows most of how its values are written."""
    known = (text for text in texts_of_column if not is_gap(text))
    return max(known, key=lambda text: (len(text), text))


def tell(found: dict[str, Found]) -> None:
    """Issue one warning that names the converted columns and those left out."""
    lines = []
    for kind in ("numbers", "dates"):
        read = [
            f"{name!r} ({f.example!r})"
            for name, f in found.items()
            if f.example is not None and f.reading.kind == kind and not f.is_id
        ]
        if read:
            lines.append(f"Text read as {kind}: {', '.join(read)}.")
    left_out = [name for name, f in found.items() if f.is_id]
    if left_out:
        lines.append(
            f"Left out, because they identify rows: {left_out}. Drop them from X. If "
            "they hold information about the classes, such as the title in a name, put "
            "it into a column of its own."
        )
    nearly = [f"{n!r} is {f.nearly}" for n, f in found.items() if f.nearly is not None]
    if nearly:
        lines.append(
            f"Text that is not read: {', '.join(nearly)}. To have it read, replace "
            "such values by numbers, dates or gaps."
        )
    for name, f in found.items():
        if f.doubt is not None:
            lines.append(
                f"Text taken for categories: {name!r}, because {f.doubt}. Convert it, "
                "for example by pandas.to_datetime(X[...], dayfirst=True) or "
                "X[...].str.replace(',', '').astype(float)."
            )
    if lines:
        warnings.warn(" ".join(lines), UserWarning, stacklevel=4)
