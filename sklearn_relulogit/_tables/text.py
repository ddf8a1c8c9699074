"""Numbers and dates that are written as text.

All values of a column must have one style, and the style must be unambiguous. Alone,
1,234 may be a thousand or one and a quarter, and 3/4/2024 may be in April or in March.
Then the column stays text.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from .columns import as_utc

# Texts that stand for gaps among numbers and dates: those of pandas' read_csv, and the
# marks of other programs.
GAPS = frozenset(
    {"", "?", "-", "--", ".", "n/a", "na", "nan", "none", "null", "nil", "missing"}
    | {"#n/a", "#na", "<na>", "nat", "unknown", "-nan", "1.#qnan", "1.#ind"}
)
SYMBOLS = "$€£¥%"

PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
WHOLE = re.compile(r"[+-]?\d+")
CODE = re.compile(r"[+-]?0\d+")

# Pairs of styles that differ in the order of day and month. A text that fits both of a
# pair is ambiguous.
DAYS_AND_MONTHS = [("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y")]
DAYS_AND_MONTHS += [("%d.%m.%Y", "%m.%d.%Y"), ("%d/%m/%y", "%m/%d/%y")]
NAMED_MONTHS = ["%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y"]
NAMED_MONTHS += ["%B %d, %Y", "%d %b, %Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m"]
TIMES = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]
ISO = "ISO 8601"

# The largest share of the distinct texts of a column that may count as slips.
MAX_SLIPS = 0.05


def is_gap(text: str) -> bool:
    """Whether a text among numbers or dates stands for a gap."""
    return text.strip().lower() in GAPS


class NumberStyle(NamedTuple):
    """How the numbers of a column are written.

    Attributes
    ----------
        Forms of the numbers: the regular expression of a number without its symbol, the
        mark between thousands ("" for none), and the decimal mark.
    symbol : str
        A symbol before or after each number, such as "$".
    """

    forms: tuple[tuple[str, str, str], ...] = ((PLAIN.pattern, "", "."),)
    symbol: str = ""

    def number(self, text: str) -> float | None:
        """The number that a text means; NaN for a gap, None for other text.

        The first form takes precedence, and the others must agree with it.
        """
        if is_gap(text):
            return np.nan
        text = text.strip()
        if self.symbol:
            text = text.replace(self.symbol, "", 1).strip()
        read = set()
        for form, (pattern, separator, decimal) in enumerate(self.forms):
            if re.fullmatch(pattern, text) is not None:
                read.add(float(text.replace(separator, "").replace(decimal, ".")))
                if form == 0:
                    break
        return read.pop() if len(read) == 1 else None

    @property
    def decimal(self) -> str:
        """The decimal mark of the first form."""
        return self.forms[0][2]

    def widened(self, styles: list["NumberStyle"]) -> "NumberStyle":
        """The same style with the forms of other styles added."""
        forms = [form for style in styles for form in style.forms]
        return self._replace(forms=tuple(dict.fromkeys([*self.forms, *forms])))


PLAIN_STYLE = NumberStyle()


def _grouped(separator: str, decimal: str) -> NumberStyle:
    """The style of numbers with a mark between thousands, and a decimal mark."""
    groups, mark = re.escape(separator), re.escape(decimal)
    pattern = rf"[+-]?(\d+|\d{{1,3}}({groups}\d{{3}})+)({mark}\d*)?"
    return NumberStyle(((pattern, separator, decimal),))


GROUPED = [
    _grouped(",", "."),
    _grouped(".", ","),
    _grouped(" ", "."),
    _grouped("'", "."),
]
GROUPED += [_grouped(" ", ","), _grouped("\u00a0", ","), _grouped("\u202f", ",")]


class Ambiguous(ValueError):
    """Text with two possible meanings."""


def number_style(texts: Iterable[str]) -> NumberStyle | None:
    """The style in which all texts except gaps are numbers, None if there is none.

    If one of the texts has a decimal mark, the style also reads such numbers with a
    mark between thousands. For example, after 12.50 it reads 1,234.50.

    Raises
    ------
    Ambiguous
        If two styles read different numbers.
    """
    known = sorted(text.strip() for text in texts if not is_gap(text))
    symbols = {mark for mark in SYMBOLS if known and mark in known[0]}
    symbol = symbols.pop() if len(symbols) == 1 else ""
    is_within = re.compile(rf"\d\s*[{SYMBOLS}]\s*\d")
    if symbol and all(t.count(symbol) == 1 and not is_within.search(t) for t in known):
        known = [text.replace(symbol, "").strip() for text in known]
    if not known or any(CODE.fullmatch(text) for text in known):
        return None
    if _all_match(PLAIN.pattern, known):
        has_mark = any("." in text for text in known)
        others = [style for style in GROUPED if style.decimal == "." and has_mark]
        return NumberStyle(symbol=symbol).widened(others)
    found = [style for style in GROUPED if _all_match(style.forms[0][0], known)]
    if not found:
        return None
    numbers = {tuple(map(style.number, known)) for style in found}
    if len(numbers) > 1:
        example = next(t for t in known if len({s.number(t) for s in found}) > 1)
        low, high = sorted({s.number(example) or 0.0 for s in found})[:2]
        raise Ambiguous(f"{example!r} may be {low:g} or {high:g}")
    marks = {s.decimal for s in found if any(s.decimal in text for text in known)}
    others = [style for style in GROUPED if style.decimal in marks] or found
    return found[0]._replace(symbol=symbol).widened(others)


def _all_match(pattern: str, texts: list[str]) -> bool:
    return all(map(re.compile(pattern).fullmatch, texts))


def are_whole(texts: Iterable[str]) -> bool:
    """Whether all texts are whole numbers, like codes of categories."""
    return all(map(WHOLE.fullmatch, texts))


def parse_date(text: str, style: str) -> datetime | None:
    """The date that a text means, or None."""
    text = text.strip()
    try:
        if style != ISO:
            date = datetime.strptime(text, style)
            # "2002-1" may mean the first half of a year.
            return date if style != "%Y-%m" or len(text) == 7 else None
        # Eight digits count as a number.
        return datetime.fromisoformat(text) if "-" in text[1:] else None
    except ValueError:
        return None


def date_style(texts: Iterable[str]) -> str | None:
    """The style in which all texts except gaps are dates, None if there is none.

    Raises
    ------
    Ambiguous
        If day and month may be exchanged.
    """
    known = [text for text in texts if not is_gap(text)]
    if not known or not any(mark in known[0] for mark in "-/. ,"):
        return None

    def reads(style: str) -> bool:
        first = parse_date(known[0], style)
        if first is None:  # Most columns are not dates.
            return False
        dates = (parse_date(text, style) for text in known)
        is_zoned = first.tzinfo is not None
        return all(d is not None and (d.tzinfo is not None) == is_zoned for d in dates)

    if reads(ISO):
        return ISO
    for (day_first, month_first), time in product(DAYS_AND_MONTHS, TIMES):
        found = [
            style + time for style in (day_first, month_first) if reads(style + time)
        ]
        if len(found) == 2:
            raise Ambiguous(f"{known[0]!r} may begin with the day or the month")
        if found:
            return found[0]
    named = (style + time for style, time in product(NAMED_MONTHS, TIMES))
    return next(filter(reads, named), None)


def slips(texts: Iterable[str]) -> tuple[str, list[str]] | None:
    """The kind of nearly all texts, "numbers" or "dates", and the others, sorted.

    None if there are no others or too many. Three texts decide first, since most
    columns are neither.
    """
    known = sorted(text for text in texts if not is_gap(text))
    n_most = int(MAX_SLIPS * len(known))
    if n_most == 0:
        return None
    examples = [known[len(known) * quarter // 4] for quarter in (1, 2, 3)]
    for kind, readers in (("numbers", _number_readers), ("dates", _date_readers)):
        found = []
        for reads in {reads for example in examples for reads in readers(example)}:
            others = list(islice((t for t in known if not reads(t)), n_most + 1))
            if 0 < len(others) <= n_most:
                found.append(others)
        if found:
            return kind, min(found, key=lambda others: (len(others), others))
    return None


class _IsNumber(NamedTuple):
    """Whether a text is a number of a style."""

    style: NumberStyle

    def __call__(self, text: str) -> bool:
        return self.style.number(text) is not None


class _IsDate(NamedTuple):
    """Whether a text is a date of a style, with a time zone or without one."""

    style: str
    is_zoned: bool

    def __call__(self, text: str) -> bool:
        date = parse_date(text, self.style)
        return date is not None and (date.tzinfo is not None) == self.is_zoned


def _number_readers(example: str) -> Iterator[_IsNumber]:
    """The styles of numbers that read a text."""
    for style, symbol in product([PLAIN_STYLE, *GROUPED], ["", *SYMBOLS]):
        reads = _IsNumber(style._replace(symbol=symbol))
        if symbol in example and reads(example):
            yield reads


def _date_readers(example: str) -> Iterator[_IsDate]:
    """The styles of dates that read a text."""
    forms = [form for pair in DAYS_AND_MONTHS for form in pair] + NAMED_MONTHS
    for style in [ISO, *map("".join, product(forms, TIMES))]:
        date = parse_date(example, style)
        if date is not None:
            yield _IsDate(style, date.tzinfo is not None)


def is_zoned(texts: Iterable[str], style: str) -> bool:
    """Whether the dates of a style have time zones."""
    date = next(parse_date(text, style) for text in texts if not is_gap(text))
    return date is not None and date.tzinfo is not None


def as_date(text: str, style: str, is_zoned: bool) -> np.datetime64 | None:
    """A date in UTC, NaT for a gap, None for other text."""
    date = None if is_gap(text) else parse_date(text, style)
    if date is not None and (date.tzinfo is not None) == is_zoned:
        return as_utc(date)
    return as_utc(None) if is_gap(text) else None
