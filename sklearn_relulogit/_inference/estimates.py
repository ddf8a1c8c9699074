"""Numbers with their standard errors, as a table."""

import html
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import norm

from .._checks import Interval, check_arguments
from .._optional import optional_import

# A pandas.DataFrame; pandas has no types.
DataFrame: TypeAlias = Any


# How many estimates a text shows. Frames have all.
SHOWN = 60


def normal_quantile(level: float) -> float:
    """How many standard errors a central interval reaches to either side.

    Raises
    ------
    ValueError
        Unless ``0 < level < 1``.
    """
    inside = Interval(Real, 0, 1, closed="neither")
    check_arguments("the interval", {"level": [inside]}, level=level)
    return float(norm.ppf((1 + level) / 2))


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Estimates with their standard errors.

    Made by :meth:`Inference.coefficients` and :meth:`Inference.effects`.

    Attributes
    ----------
    names : list of str
        What each estimate belongs to.

    estimate : ndarray of shape (n_estimates,)
        The estimates. NaN where the data do not determine one.

    std_error : ndarray of shape (n_estimates,)
        Their standard errors.

    title : str
        What the estimates are, and in which units.

    has_tests : bool
        Whether `z` and `p_value` have a meaning.

    labels : list or None
        The class that each estimate is of, for more than two classes.

    step : ndarray of shape (n_estimates,) or None
        By how much the column was changed, in its own units; NaN for a change from
        one category to another. None for coefficients.
    """

    names: list[str]
    estimate: np.ndarray
    std_error: np.ndarray
    title: str
    has_tests: bool = False
    labels: list[Any] | None = None
    step: np.ndarray | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.names)

    @property
    def z(self) -> np.ndarray:
        """The estimates in units of their standard errors.

        Raises
        ------
        AttributeError
            If the fit had a penalty, which biases the estimates towards zero.
        """
        if not self.has_tests:
            raise AttributeError(
                "Fit with alpha=0 for z and p_value: a penalised model has no tests, "
                "since its estimates are biased towards zero."
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate / self.std_error

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p-values of Wald tests that the true value is zero.

        Raises
        ------
        AttributeError
            As `z`.
        """
        return 2 * norm.sf(np.abs(self.z))

    def interval(self, level: float = 0.9) -> np.ndarray:
        """Intervals that hold the true value with a probability of `level`.

        Parameters
        ----------
        level : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_estimates, 2)
            Lower and upper ends.
        """
        margin = normal_quantile(level) * self.std_error
        return np.stack([self.estimate - margin, self.estimate + margin], axis=1)

    def table(self, level: float = 0.9) -> dict[str, Any]:
        """The columns of the table by their names."""
        lower, upper = self.interval(level).T
        table: dict[str, Any] = {"estimate": self.estimate}
        table["std_error"] = self.std_error
        if self.has_tests:
            table |= {"z": self.z, "p_value": self.p_value}
        table |= {"lower": lower, "upper": upper}
        return table

    def to_frame(self, level: float = 0.9) -> DataFrame:
        """The table as a frame.

        Parameters
        ----------
        level : float, default=0.9
            The level of the intervals.

        Returns
        -------
        frame : pandas.DataFrame
            Columns "estimate", "std_error", "lower" and "upper". With `alpha=0` it also
            has "z" and "p_value", for effects also "step". The index holds the names,
            and with more than two classes also the classes.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = optional_import("pandas", "pandas", "A table of estimates")
        index = pd.Index(self.names, name="name")
        if self.labels is not None:
            pairs = [self.names, self.labels]
            index = pd.MultiIndex.from_arrays(pairs, names=["name", "class"])
        table = self.table(level)
        if self.step is not None:
            table["step"] = self.step
        return pd.DataFrame(table, index)

    def _texts(self, level: float) -> tuple[list[str], list[list[str]]]:
        """The heads of the columns and the rows, as texts."""
        table = self.table(level)
        tail = (1 - level) / 2
        heads = {
            "estimate": "estimate",
            "std_error": "std error",
            "z": "z",
            "p_value": "p",
            "lower": f"{tail:.4g}",
            "upper": f"{1 - tail:.4g}",
        }
        formats = {"z": "{:.2f}", "p_value": "{:.3g}"}
        columns = [self.names]
        if self.labels is not None:
            pairs = zip(self.names, self.labels, strict=True)
            columns = [[f"{name}: {label}" for name, label in pairs]]
        for name, values in table.items():
            form = formats.get(name, "{:.4g}")
            columns.append([form.format(value) for value in values])
        rows = [list(row) for row in zip(*columns, strict=True)]
        left = len(rows) - SHOWN
        if left > 1:
            more = [f"and {left} more", *[""] * len(table)]
            rows = [*rows[:SHOWN], more]
        return ["", *(heads[name] for name in table)], rows

    def __repr__(self) -> str:
        heads, rows = self._texts(0.9)
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        lines = [self.title]
        for first, *others in [heads, *rows]:
            cells = [
                text.rjust(width)
                for text, width in zip(others, widths[1:], strict=True)
            ]
            lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads, rows = self._texts(0.9)
        head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
        body = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(first)}</th>'
            + "".join(
                f'<td style="text-align:right">{html.escape(text)}</td>'
                for text in others
            )
            + "</tr>"
            for first, *others in rows
        )
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
