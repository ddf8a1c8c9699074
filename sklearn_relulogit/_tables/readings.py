"""How to read a column, in `fit` and later, as numbers, dates or categories.

Later tables may have other types than the table of `fit`: "1" for 1, or the text of a
date. A value with only one possible meaning is read as such. Other values raise an
error, since they would silently become gaps or new categories.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from .columns import Content, as_utc, families, family
from .text import ISO, PLAIN_STYLE, NumberStyle, are_whole, as_date

# The names of gaps and of rare or new categories, as in scikit-learn's encoders.
GAP, RARE = "nan", "infrequent_sklearn"
# Replaces a category if a value may mean either of two.
TWO = ""


class Unreadable(ValueError):
    """A value of another kind than its column had in `fit`."""


def as_text(value: Any) -> str:
    """A value as text: the same for 1, 1.0, Decimal(1) and b"1"."""
    match family(value):
        case "gap":
            return GAP
        case "text":
            return value.decode() if isinstance(value, bytes) else str(value)
        case "date":
            return str(as_utc(value))
        case "number" if value == value:
            is_whole = isinstance(value, Integral) or value % 1 == 0
            return str(int(value)) if is_whole else repr(float(value))
        case "number":
            return GAP
    return str(value)


def distinct(values: np.ndarray) -> tuple[list[Any], np.ndarray]:
    """The distinct values of a column, and which of them each value is."""
    items = values.tolist() if values.dtype.kind != "M" else [*values]
    keys = items
    if len(set(map(type, items))) > 1:  # True and 1 differ.
        keys = [(type(item), item) for item in items]
    found = dict(zip(reversed(keys), reversed(items), strict=True))
    index = {key: i for i, key in enumerate(found)}
    codes = np.fromiter(map(index.__getitem__, keys), np.intp, len(keys))
    return [*found.values()], codes


def counts_of_texts(values: np.ndarray) -> Counter[str]:
    """The count of each text among the values of a column."""
    found, codes = distinct(values)
    counts: Counter[str] = Counter()
    for value, n in zip(found, np.bincount(codes).tolist(), strict=True):
        counts[as_text(value)] += n
    return counts


def each(values: np.ndarray, of_one: Callable[[Any], Any], dtype: Any) -> np.ndarray:
    """A function of each value, computed once for each distinct value.

    Raises
    ------
    Unreadable
        If the function returns None.
    """
    found, codes = distinct(values)
    images = np.empty(len(found), dtype=dtype)
    for i, value in enumerate(found):
        image = of_one(value)
        if image is None:
            raise Unreadable(f"{value!r}")
        images[i] = image
    return np.asarray(images[codes])


def texts(values: np.ndarray) -> np.ndarray:
    """The values of a column as text."""
    return each(values, as_text, object)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers or booleans.

    Attributes
    ----------
    style : NumberStyle
        How the numbers that are text are written.
    """

    kind: ClassVar[str] = "numbers"
    style: NumberStyle = PLAIN_STYLE

    def read(self, column: Content) -> np.ndarray:
        """The numbers of a column, NaN for gaps."""
        values = column.values
        if values.dtype.kind == "O":
            return each(values, self._number, np.float64)
        if values.dtype.kind == "M":
            raise Unreadable("dates")
        return values

    def _number(self, value: Any) -> float | None:
        match family(value):
            case "gap":
                return np.nan
            case "number" | "boolean":
                return float(value)
            case "text":
                text = as_text(value)
                truth = {"true": 1.0, "false": 0.0}.get(text.strip().lower())
                return self.style.number(text) if truth is None else truth
        return None


@dataclass(frozen=True)
class Dates:
    """A column of dates and times.

    Attributes
    ----------
    style : str
        How the dates that are text are written.
    is_zoned : bool
        Whether they have time zones.
    """

    kind: ClassVar[str] = "dates"
    style: str = ISO
    is_zoned: bool = False

    def read(self, column: Content) -> np.ndarray:
        """The dates of a column, those with time zones in UTC; NaT for gaps."""
        values = column.values
        if values.dtype.kind == "O":
            return each(values, self._date, "datetime64[us]")
        if values.dtype.kind != "M":
            if not np.isnan(values.astype(np.float64)).all():
                raise Unreadable("numbers")
            return np.full(len(values), np.datetime64("NaT", "us"))
        if column.is_zoned != self.is_zoned and not np.isnat(values).all():
            raise Unreadable(f"dates with{'' if column.is_zoned else 'out'} time zones")
        return values

    def _date(self, value: Any) -> np.datetime64 | None:
        match family(value):
            case "gap":
                return np.datetime64("NaT", "us")
            case "text":
                return as_date(as_text(value), self.style, self.is_zoned)
        return None


@dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes
    ----------
    of_text : dict of str to str
        The category of each text: itself, or the category of all rare ones.
    meanings : dict of str to dict of str to str
        The same for values of other types than in `fit`, by type: "text", "number" or
        "boolean". Values of a type that is missing here raise an error.
    types : tuple of str
        The types of the values in `fit`.
    are_few : bool
        Whether there are few enough for an indicator each.
    """

    kind: ClassVar[str] = "categories"
    of_text: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, dict[str, str]] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    are_few: bool = False

    @classmethod
    def of(
        cls, counts: Counter[str], types: set[str], *, max_few: int, min_frequency: int
    ) -> Self:
        """The categories of texts and types; if few, rare ones are merged."""
        known = {text: n for text, n in counts.items() if text != GAP}
        are_few = len(known) <= max_few
        are_few &= not known or max(known.values()) >= min_frequency
        of_text = {
            text: RARE if are_few and n < min_frequency else text
            for text, n in known.items()
        }
        if GAP in counts:
            of_text[GAP] = GAP
        return cls(of_text, meanings([*known], types), tuple(sorted(types)), are_few)

    @property
    def levels(self) -> list[str] | None:
        """The categories, if there are few."""
        return sorted({*self.of_text.values(), GAP, RARE}) if self.are_few else None

    def read(self, column: Content) -> np.ndarray:
        """The categories of a column as text; new ones and new gaps count as rare."""
        if not self.types or families(column.values) <= {*self.types}:
            return each(column.values, lambda v: self._known(as_text(v)), object)
        return each(column.values, self._meant, object)

    def _known(self, text: str) -> str:
        known = self.of_text.get(text)
        return self.of_text.get(bare_text(text), RARE) if known is None else known

    def _meant(self, value: Any) -> str | None:
        kind, text = family(value), as_text(value)
        if kind in ("gap", *self.types) or text == GAP:
            return self._known(text)
        if not self.meanings.get(kind):
            return None
        key = text.lower() if kind == "boolean" else text
        if kind == "text":
            key = plain_text(text)
        meant = self.meanings[kind].get(key, RARE)
        return None if meant == TWO else self._known(meant)


Reading: TypeAlias = Numbers | Dates | Categories


def bare_text(text: str) -> str:
    """A text without spaces around it; whole numbers without zero decimals."""
    text = text.strip()
    whole, _, decimals = text.partition(".")
    return whole if are_whole([whole]) and not decimals.strip("0") else text


def plain_text(text: str) -> str:
    """The text of a number or a boolean in the form used here, other text unchanged."""
    if are_whole([text]):
        return str(int(text))
    number = PLAIN_STYLE.number(text)
    if number is not None and not np.isnan(number):
        return as_text(number)
    return text.lower() if text.lower() in ("true", "false") else text


def meanings(categories: list[str], types: set[str]) -> dict[str, dict[str, str]]:
    """The category that a value of another type means, if that is certain."""
    if len(types) != 1:
        return {}
    meant: dict[str, str] = {}
    for text in categories:
        plain = plain_text(text)
        meant[plain] = TWO if plain in meant else text
    truths = {key: text for key, text in meant.items() if key in ("true", "false")}
    numbers = {
        key: text for key, text in meant.items() if PLAIN_STYLE.number(key) is not None
    }
    of_digit = {"0": "false", "1": "true"}
    zero_one = {of_digit[n]: text for n, text in numbers.items() if n in of_digit}
    match [*types]:
        case ["text"]:
            return {"number": numbers, "boolean": truths or zero_one}
        case ["number"]:
            return {"text": numbers, "boolean": zero_one}
        case ["boolean"]:
            ones = {n: truths[t] for n, t in of_digit.items() if t in truths}
            return {"number": ones, "text": truths | ones}
    return {"text": {text: text for text in categories}}
