"""What displays share: figures, and bars with names on the left, numbers on the right.

Names are wrapped, and numbers stand in a column of their own beside the axes, so that
neither runs over a bar or out of the figure.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._optional import optional_import

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Characters of a line of a name, and lines of it that are shown.
LINE, MAX_LINES = 24, 3

# Inches of a line of text, of the space around a bar, and of what is above and below.
LINE_HEIGHT, BAR_SPACE, AROUND = 0.17, 0.19, 1.25

BOX_STYLE: dict[str, Any] = {
    "orientation": "horizontal",
    "widths": 0.6,
    "whis": (5, 95),
    "showfliers": False,
    "patch_artist": True,
    "boxprops": {"facecolor": "lightsteelblue"},
    "medianprops": {"color": "black"},
}
RAISES, LOWERS = "tab:red", "tab:blue"


def figure_and_axes(
    display: type, ax: "Axes | None", figsize: tuple[float, float] | None = None
) -> tuple["Figure | SubFigure", "Axes"]:
    """The given axes and their figure, or new ones if none are given."""
    plt = optional_import("matplotlib.pyplot", "plot", display.__name__)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax.figure, ax


def wrap(label: str, max_lines: int = MAX_LINES) -> str:
    """A label in lines of at most 24 characters, shortened if there are too many.

    Lines end at spaces and underscores, or within a part that is longer than a line.
    """
    lines = [""]
    for part in re.findall(r"[^ _]*[ _]?", label):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > LINE:
            lines.append("")
        while len(part) > LINE:
            lines[-1:] = [part[:LINE], ""]
            part = part[LINE:]
        lines[-1] += part
    lines = [line.rstrip() for line in lines if line.strip()]
    if len(lines) > max_lines:
        last = lines[max_lines - 1][: LINE - 2]
        lines = [*lines[: max_lines - 1], f"{last} …"]
    # matplotlib takes a dollar sign for mathematics.
    return "\n".join(lines).replace("$", r"\$")


def wrap_with_value(name: str, value: str) -> str:
    """A name in up to two lines, and a value beside or below it."""
    if len(name) + len(value) < LINE:
        return wrap(f"{name} {value}")
    return f"{wrap(name, 2)}\n{wrap(value, 2)}"


def wrap_title(title: str) -> str:
    """A title in lines that fit a figure."""
    return "\n".join(textwrap.wrap(title, 48)).replace("$", r"\$")


def bar_figure(
    display: type, ax: "Axes | None", labels: Sequence[str]
) -> tuple["Figure | SubFigure", "Axes"]:
    """Axes for a horizontal bar for each label; new ones are as high as these need."""
    return figure_and_axes(display, ax, (6.4, max(AROUND + _height(labels), 2.4)))


def _height(labels: Sequence[str], space: float = BAR_SPACE) -> float:
    lines = max((label.count("\n") + 1 for label in labels), default=1)
    return len(labels) * (LINE_HEIGHT * lines + space)


def finish_bars(
    ax: "Axes", labels: Sequence[str], numbers: Sequence[str] | None = None
) -> None:
    """Names at the left, numbers at the right, the first bar at the top.

    In axes that are not high enough for the names these are written smaller.
    """
    positions = range(len(labels))
    ax.set_yticks(positions, labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    texts = list(ax.get_yticklabels())
    for y, text in zip(positions, numbers or (), strict=False):
        written = ax.text(
            1.01,
            y,
            text,
            transform=ax.get_yaxis_transform(),
            verticalalignment="center",
            clip_on=False,
        )
        texts.append(written)
    figure = ax.get_figure(root=True)
    height = ax.get_window_extent().height / (figure.dpi if figure else 100)
    needed = _height(labels, space=0.05)
    if height < needed:
        for written in texts:
            written.set_fontsize(max(10 * height / needed, 5))


def signed_colours(values: np.ndarray) -> list[Any]:
    """Red for what raises the log-odds, blue for what lowers them."""
    return [RAISES if value > 0 else LOWERS for value in values]
