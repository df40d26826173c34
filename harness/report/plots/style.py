"""Sizes and fonts of the figures: for a screen, a paper's column or a slide."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # matplotlib takes a second to load
    from matplotlib.figure import Figure

StyleName = Literal["screen", "paper", "slide"]

INK = "#1a1a1a"
FAINT = "#6b6b6b"
GRID = "#e3e3e3"

_SHARE_OF_LINES = 0.96  # of the width of a figure

_SIZES: dict[StyleName, tuple[float, float]] = {
    "screen": (7.6, 5.0),
    "paper": (3.5, 2.8),
    "slide": (10.0, 5.6),
}
_FONTS: dict[StyleName, float] = {"screen": 10.0, "paper": 7.0, "slide": 15.0}


def settings(style: StyleName) -> Any:  # matplotlib types the keys one by one
    """Return matplotlib's settings for a style, to be used with `matplotlib.rc_context`.

    Names of algorithms and parameters are plain text, not formulas; equal figures give equal SVG.
    """
    font = _FONTS[style]
    scale = font / 10
    return {
        "figure.figsize": _SIZES[style],
        "figure.dpi": 100,
        "savefig.dpi": 220 if style == "paper" else 160,
        "font.size": font,
        "font.family": "DejaVu Sans",
        "axes.titlesize": 1.1 * font,
        "axes.labelsize": font,
        "xtick.labelsize": 0.9 * font,
        "ytick.labelsize": 0.9 * font,
        "lines.linewidth": 1.8 * scale,
        "lines.markersize": 5.5 * scale,
        "axes.linewidth": 0.8 * scale,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.minor.visible": False,
        "ytick.minor.visible": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8 * scale,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,
        "svg.hashsalt": "annharness",
        "axes.unicode_minus": True,
    }


def head(figure: Figure, title: str, conditions: str, notes: list[str]) -> None:
    """Write the title, the conditions under it, and notes below the axes; fit the axes between."""
    font = figure_font(figure)
    inches = figure.get_size_inches()
    width = _SHARE_OF_LINES * 72 * inches[0]
    titles = wrapped(title, width, 1.2 * font, "bold")
    facts = wrapped(conditions, width, 0.88 * font)
    lines = [line for note in notes for line in wrapped(note, width, 0.8 * font)]
    line = 1.35 * font / 72 / inches[1]
    top = 1 - 0.4 * line
    lines_above = [(text, 1.2, INK) for text in titles] + [(text, 0.88, FAINT) for text in facts]
    for text, size, colour in lines_above:
        figure.text(0.012, top, text, size=size * font, color=colour, va="top", ha="left",
                    weight="bold" if size > 1 else "normal")  # fmt: skip
        top -= 1.1 * size * line
    for number, text in enumerate(reversed(lines)):
        figure.text(0.012, (0.3 + 0.85 * number) * line, text, size=0.8 * font, color=FAINT,
                    va="bottom", ha="left")  # fmt: skip
    bottom = (0.5 + 0.85 * len(lines)) * line if lines else 0.0
    figure.get_layout_engine().set(rect=(0.0, bottom, 1.0, top - 0.3 * line - bottom))  # type: ignore[union-attr, call-arg]


def figure_font(figure: Figure) -> float:
    """Return the base size of the text in a figure, in points."""
    import matplotlib as mpl

    return float(mpl.rcParams["font.size"])


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Return the text in lines of at most `width` points, at most three, the last cut.

    `size` is that of the font, in points. A line of unusually wide letters may be a little longer.
    """
    import textwrap

    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return []
    font = FontProperties(weight=weight, size=size)
    with quiet_fonts():
        drawn = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    characters = int(len(text) * width / drawn) if drawn > 0 else len(text)
    return textwrap.wrap(text, width=max(characters, 10), max_lines=3, placeholder=" …")


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Suppress warnings about characters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from")
        yield
