"""Any two quantities against each other as LaTeX source for pgfplots, with the data inside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.report.analysis.curves import CurvePoints
from harness.report.analysis.points import ComparisonGroup
from harness.report.curve_styles import GREY
from harness.report.export.tables import latex
from harness.report.quantities import Quantity, Scale

_MARKS = {
    "o": "*", "s": "square*", "^": "triangle*", "D": "diamond*", "p": "pentagon*", "*": "star",
    "X": "x", "P": "+", "v": "triangle*, mark options={rotate=180}",
}  # fmt: skip
_OTHER_MARK = "otimes*"
_DASHES = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "dashdotted"}
_SIDES = ("low", "high")


def pgf_text(
    group: ComparisonGroup,
    curves: list[CurvePoints],
    shown: set[str],
    quantities: tuple[Quantity, Quantity],
    scales: tuple[Scale, Scale],
) -> str:
    r"""Return a LaTeX document of one `tikzpicture`: frontiers, error bars and a legend.

    It can be compiled as it is, or be `\input` where the package `standalone` is used.

    Parameters
    ----------
    group
        What the curves are of.
    curves
        In the order of the legend.
    shown
        Names of the curves in colour; the others are grey, without error bars.
    quantities, scales
        Of the x axis and of the y axis. pgfplots has no scale `error`: it is drawn linear.
    """
    title = group.dataset if group.heading is None else group.heading
    options = [f"title={{{latex(title)}}}"] if title else []
    for axis, item, scale in zip("xy", quantities, scales, strict=True):
        unit = f" ({item.unit})" if item.unit not in ("", "/s") else ""
        options.append(f"{axis}label={{{latex(item.title.format(k=group.k) + unit)}}}")
        options.extend([f"{axis}mode=log"] if scale == "log" else [])
    options += ["grid=major", "legend pos=outer north east", "legend cell align=left"]
    colours = (
        rf"\definecolor{{curve{number}}}{{HTML}}{{{_colour(curve, shown)[1:].upper()}}}"
        for number, curve in enumerate(curves)
    )
    plots = (
        line for n, c in enumerate(curves) for line in _plot(n, c, c.name in shown, quantities)
    )
    lines = (
        f"% {latex(group.conditions)}",
        r"\documentclass{standalone}",
        r"\usepackage{pgfplots}",
        r"\pgfplotsset{compat=1.16}",
        r"\begin{document}",
        *colours,
        r"\begin{tikzpicture}",
        r"\begin{axis}[",
        *(f"  {option}," for option in options),
        "]",
        *plots,
        r"\end{axis}",
        r"\end{tikzpicture}",
        r"\end{document}",
    )
    return "".join(f"{line}\n" for line in lines)


def _colour(curve: CurvePoints, shown: set[str]) -> str:
    return curve.style.colour if curve.name in shown else GREY


def _plot(
    number: int, curve: CurvePoints, in_colour: bool, quantities: tuple[Quantity, Quantity]
) -> Iterator[str]:
    """Yield the lines of one curve: its style, its frontier as a table, its name."""
    mark = _MARKS.get(curve.style.marker, _OTHER_MARK)
    bars = "x dir=both, x explicit, y dir=both, y explicit" if in_colour else "x dir=none"
    yield rf"\addplot[curve{number}, mark={mark}, {_DASHES[curve.style.dash]},"
    yield rf"  error bars/.cd, {bars}]"
    errors = ", ".join(f"{a} error {s}={a}{s}" for a in "xy" for s in ("minus", "plus"))
    yield rf"  table [x=x, y=y, {errors}] {{"
    yield "  x xminus xplus y yminus yplus"
    columns = [column for item in quantities for column in _columns(curve.frontier, item)]
    for row in zip(*columns, strict=True):
        yield "  " + " ".join(f"{value:.6g}" for value in row)
    yield "  };"
    yield rf"\addlegendentry{{{latex(curve.name)}}}"


def _columns(points: pd.DataFrame, item: Quantity) -> list[list[float]]:
    """Values, and the lengths of their bars down and up; 0 where no interval is known."""
    values = points[item.column].to_numpy(dtype=np.float64)
    columns = [values]
    for side in _SIDES:
        name = f"{item.column}_{side}"
        bound = points[name].to_numpy(dtype=np.float64) if name in points else values
        columns.append(np.where(np.isfinite(bound), np.abs(bound - values), 0.0))
    return [column.tolist() for column in columns]
