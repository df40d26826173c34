"""Parts common to all figures: scales, title, conditions, failures, notes, and writing a file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from harness.contracts import UserError
from harness.files.replacing import written_whole
from harness.measures.verdicts import LEAST_BUILDS
from harness.report.analysis.points import ComparisonGroup, rows_of, title_of
from harness.report.curve_styles import CurveStyle
from harness.report.plots.style import FAINT, head, quiet_fonts
from harness.report.quantities import Quantity, Scale, human, shortened
from harness.report.scales import limits, log_ticks, share_ticks, transform
from harness.report.texts import UNKNOWN
from harness.text import first_of

_MOST_FAILURES = 2
_LONGEST = 60
_MOST_NAMES = 12
_LONGEST_NAME = 30
_NARROW = 10.0**0.7  # a log axis of a smaller factor gets round numbers as ticks
_LABELS = 14  # that fit an axis


def new_figure(height: float = 1.0) -> Figure:
    """Return an empty figure of the current style, `height` times as high."""
    figure = Figure(layout="constrained")
    width, usual = figure.get_size_inches()
    figure.set_size_inches(width, usual * height)
    return figure


def marker_size(style: CurveStyle) -> float:
    """Return the size in points at which a marker looks as large as the others."""
    return style.size * float(mpl.rcParams["lines.markersize"])


def conclude(
    figure: Figure, group: ComparisonGroup, title: str, notes: list[str], *, empty: bool = False
) -> None:
    """Write the texts around the axes; an empty figure says why it is empty."""
    if empty:
        for axes in figure.axes[1:]:
            axes.remove()
        axes = figure.axes[0]
        axes.set_axis_off()
        reason = "no point has these figures" if len(group.points) else "no point finished"
        axes.text(0.5, 0.5, reason, ha="center", va="center", color=FAINT, size="large",
                  transform=axes.transAxes)  # fmt: skip
    conditions = group.conditions
    if group.heading is not None:
        title, conditions = group.heading, group.conditions if group.heading else ""
    head(figure, title, conditions, [*notes, *failure_notes(group)])


def scope_notes(scopes: Iterable[str]) -> list[str]:
    """Return lines that explain QPS bars of these scopes, unless all are between builds."""
    found = set(scopes)
    notes = {
        "within one build": f"Bars of QPS within one build: ask for {LEAST_BUILDS} builds or more.",
        "unknown": f"Without bars of QPS: {UNKNOWN}.",
    }
    return [note for scope, note in notes.items() if scope in found]


def listed(names: Iterable[str]) -> str:
    """Return the first names in one line, long ones cut."""
    return first_of([shortened(name, _LONGEST_NAME) for name in sorted(names)], _MOST_NAMES)


def failure_notes(group: ComparisonGroup) -> list[str]:
    """Return lines that name the failed points and count the unsupported."""
    unsupported = group.failures["status"] == "unsupported"
    failed, notes = group.failures[~unsupported], []
    if len(failed):
        named = [
            shortened(title_of(row), _LONGEST) + f" ({row['status']})"
            for row in rows_of(failed.head(_MOST_FAILURES))
        ]
        more = len(failed) - len(named)
        rest = f" and {more} more" if more else ""
        notes.append(f"{len(failed)} failed: {', '.join(named)}{rest}.")
    if unsupported.any():
        notes.append(f"{int(unsupported.sum())} unsupported, not shown.")
    return notes


PGF = "tex"
"""Source for pgfplots, which `harness.report.plots.pgf` writes; the others are matplotlib's."""

FIGURE_FORMATS = ("png", "svg", "pdf", PGF)

# Creation dates and versions would make equal figures differ.
_NAMELESS: dict[str, dict[str, object]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "annharness"},
    "pdf": {"CreationDate": None, "Creator": "annharness", "Producer": None},
}


def check_formats(formats: Sequence[str]) -> None:
    """Raise a UserError that names the first format figures cannot be written in."""
    for name in formats:
        if name not in FIGURE_FORMATS:
            raise UserError(
                f"figures cannot be written as {name!r}", expected=", ".join(FIGURE_FORMATS)
            )


def save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write a figure as `stem.FORMAT` for each format and return the paths."""
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for path, kind in zip(paths, formats, strict=True):
        with written_whole(path) as temporary:
            _draw(figure, kind, temporary)
    return paths


def inline_image(figure: Figure) -> str:
    """Return a figure as an HTML element that holds its pixels."""
    pixels = BytesIO()
    _draw(figure, "png", pixels)
    return f'<img src="data:image/png;base64,{b64encode(pixels.getvalue()).decode()}">'


def _draw(figure: Figure, kind: str, target: Path | BytesIO) -> None:
    # Matplotlib reads these settings when it draws.
    settings = mpl.rc_context({"svg.hashsalt": "annharness", "text.parse_math": False})
    with settings, quiet_fonts():
        figure.savefig(target, format=kind, metadata=_NAMELESS[kind])


def apply_scale(
    axes: Axes, which: str, scale: Scale, quantity: Quantity, values: Sequence[float]
) -> None:
    """Set scale, limits and ticks of one axis (`which` is "x" or "y") to hold the values."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=np.float64)
    if scale == "log":
        known = known[known > 0]
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    if scale == "error":
        _set_scale(axes, which, "function", functions=transform(scale))
    else:
        _set_scale(axes, which, scale)
    low, high = limits(known, scale, quantity)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    ticks = _ticks(low, high, scale)
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    if scale != "error":
        axis.set_major_formatter(FuncFormatter(lambda value, _: human(value, quantity.unit)))
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}".lstrip("0") or "0"))


def _set_scale(axes: Axes, which: str, scale: str, **options: object) -> None:
    (axes.set_xscale if which == "x" else axes.set_yscale)(scale, **options)


def _ticks(low: float, high: float, scale: Scale) -> list[float] | None:
    """The positions of the ticks; None leaves them to matplotlib."""
    if scale == "error":
        return share_ticks(low, high, _LABELS)
    if scale != "log":
        return None
    if high / low < _NARROW:
        ticks = MaxNLocator(5).tick_values(low, high)
        return [float(tick) for tick in ticks if low <= tick <= high]
    return log_ticks(low, high)
