"""What an index costs: building, and everything at one recall, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator

from harness.measures.frontier import qps_at_recall
from harness.report.analysis.curves import measured_curve
from harness.report.analysis.points import ComparisonGroup, known, rows_of
from harness.report.analysis.recommendations import common_level, representatives
from harness.report.curve_styles import CurveStyle
from harness.report.plots.figure import conclude, new_figure, scope_notes
from harness.report.plots.style import INK
from harness.report.quantities import Quantity, human, quantity, shortened
from harness.report.texts import size_notes, size_text

_MOST = 14
_LONGEST = 44
_NARROW_PIXELS = 250
_CRAMPED_LETTERS = 12  # panels of fewer pixels than this many times the font's size
_ORDER = ["curve", "build_parameters", "bytes_per_vector"]
_REACH = 1.8  # an interval stretches the axis to at most this factor of the longest bar


def build_costs(
    group: ComparisonGroup,
    styles: Mapping[str, CurveStyle],
    names: Sequence[str] = ("build_seconds", "bytes_per_vector"),
    level: float | None = None,
) -> Figure:
    """Return one row per build (label and build parameters) with a panel of bars per quantity.

    With a recall as `level`, bars of builds none of whose points reaches it are hollow.
    """
    builds = _builds(group.points)
    if level is not None and len(builds):
        builds = builds.assign(_is_hollow=builds["_most_recall"] < level)
    shown = builds.head(_MOST).sort_values(_ORDER, kind="stable") if len(builds) else builds
    figure = new_figure(height=max(0.55, min(1.3, 0.3 + 0.08 * len(shown))))
    draw_panels(figure, shown, names, styles)
    left_out = len(builds) - len(shown)
    notes = [f"{left_out} more builds are not shown: slower or less accurate."] if left_out else []
    if any(quantity(name).is_size for name in names):
        notes += [f"{note}." for note in size_notes(shown["size_scope"])]
    if "_is_hollow" in shown and shown["_is_hollow"].any():
        notes.append(f"Hollow: no point of the build reaches recall {level:g}.")
    title = f"{group.dataset}: what an index costs"
    conclude(figure, group, title, notes, empty=shown.empty)
    return figure


def draw_panels(
    figure: Figure, rows: pd.DataFrame, names: Sequence[str], styles: Mapping[str, CurveStyle]
) -> None:
    """Draw a panel of horizontal bars per quantity; the column `_name` names the rows."""
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, rows, name, styles)
    panels[0].set_yticks(range(len(rows)), list(rows["_name"]) if len(rows) else [])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)


def _builds(points: pd.DataFrame) -> pd.DataFrame:
    """One row per build and size of its index, best recall first; `_name` is what it is called.

    A build has several sizes if a search setting needs the vectors for re-ranking.
    """
    if points.empty:
        return points
    ordered = points.sort_values(["recall", "qps"], ascending=False, kind="stable")
    ordered = ordered.assign(_size=ordered["bytes_per_vector"].round(1))
    build = ["algorithm", "curve", "build_parameters"]
    rows = ordered.drop_duplicates([*build, "_size"])
    several = rows.groupby(build, dropna=False)["_size"].transform("size") > 1
    words = rows["parameters"].where(several, rows["build_parameters"])
    most = ordered.groupby(build, dropna=False)["recall"].transform("max").loc[rows.index]
    names = [_name(pair) for pair in zip(rows["curve"], words, strict=True)]
    return rows.assign(_name=names, _most_recall=most)


def _texts(rows: pd.DataFrame, item: Quantity) -> list[str]:
    """The texts beside the bars, with measured sizes marked."""
    if item.is_size:
        return [size_text(row, item.column, item.unit) for row in rows_of(rows)]
    return [human(value, item.unit) for value in pd.to_numeric(rows[item.column])]


def _name(parts: tuple[str, str]) -> str:
    return shortened("  ".join(part for part in parts if part), _LONGEST)


def _panel(axes: Axes, rows: pd.DataFrame, name: str, styles: Mapping[str, CurveStyle]) -> None:
    item = quantity(name)
    values = pd.to_numeric(rows[item.column]).to_numpy(dtype=np.float64)
    places = np.arange(len(rows))
    colours = [styles[name].colour for name in rows["curve"]]
    drawn = axes.barh(places, np.nan_to_num(values), color=colours, alpha=0.75, height=0.62,
                     zorder=2)  # fmt: skip
    for bar, is_hollow in zip(drawn, rows.get("_is_hollow", ()), strict=False):
        if is_hollow:
            bar.set(facecolor="none", edgecolor=bar.get_facecolor(), linewidth=1.3)
    ends = values
    if f"{name}_low" in rows:
        low, high = (rows[f"{name}_{end}"].to_numpy(dtype=np.float64) for end in ("low", "high"))
        bars = np.nan_to_num(np.maximum([values - low, high - values], 0))
        axes.errorbar(np.nan_to_num(values), places, xerr=bars, fmt="none", ecolor=INK,
                      elinewidth=1.0, zorder=3)  # fmt: skip
        ends = np.fmax(values, high)
    most = _REACH * float(np.nanmax(values, initial=0.0))
    ends = np.nan_to_num(ends)
    for place, value, end, text in zip(places, values, ends, _texts(rows, item), strict=True):
        # An interval that leaves the axis would cross out its figure, which is then drawn above it.
        at, align = (end, "center") if end <= most else (np.nan_to_num(value), "bottom")
        axes.annotate(text, (at, place), xytext=(4, 1),
                      textcoords="offset points", va=align, size="small", color=INK, zorder=4,
                      path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
    ends = ends.clip(max=most)
    # Lengths of bars are compared, so they start at 0 and the axis is linear.
    axes.set_xlim(0, 1.3 * max(ends) if most > 0 else 1)
    cramped = axes.bbox.width < _CRAMPED_LETTERS * float(mpl.rcParams["font.size"])
    axes.set_title(item.brief.replace(" ", "\n", 1) if cramped else item.brief, loc="left")
    axes.xaxis.set_major_formatter(lambda value, _: human(value, item.unit) if value else "0")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    # The bars have their figures beside them, so the zero is enough if tick labels would touch.
    bins = MaxNLocator(nbins=3 if axes.bbox.width < _NARROW_PIXELS else 4)
    axes.xaxis.set_major_locator(FixedLocator([0]) if cramped else bins)


_MOST_CURVES = 12
_LONGEST_CURVE = 30
_PANELS = ("qps", "build_seconds", "bytes_per_vector", "peak_rss_bytes")


def at_recall(
    group: ComparisonGroup, styles: Mapping[str, CurveStyle], level: float | None = None
) -> Figure | None:
    """Return bars of QPS, build time, bytes per vector and peak memory at one recall.

    QPS is read off the frontier between the measured points; the other figures are those of the
    fastest measured point that reaches the recall.

    Parameters
    ----------
    level
        The recall; by default one that the most curves reach.

    Returns
    -------
    figure
        None if no point reaches the recall.
    """
    level = common_level(group) if level is None else level
    rows = representatives(group, level) if level is not None else group.points.iloc[:0]
    if level is None or rows.empty:
        return None
    usable = known(group.points, "recall", "qps")
    speeds = np.array(
        [
            qps_at_recall(measured_curve(usable[usable["curve"] == name]), level)
            for name in rows["curve"]
        ]
    )
    shown = rows.assign(qps=speeds[:, 0], qps_low=speeds[:, 1], qps_high=speeds[:, 2])
    shown = shown.sort_values("qps", ascending=False, kind="stable").head(_MOST_CURVES)
    shown = shown.assign(_name=[shortened(name, _LONGEST_CURVE) for name in shown["curve"]])
    figure = new_figure(height=max(0.55, 0.35 + 0.06 * len(shown)))
    draw_panels(figure, shown, _PANELS, styles)
    left_out = len(rows) - len(shown)
    notes = [f"{left_out} slower ones are not shown."] if left_out else []
    notes += scope_notes(shown["qps_scope"])
    notes += [f"{note}." for note in size_notes(shown["size_scope"])]
    conclude(figure, group, f"{group.dataset}: what recall {level:g} costs", notes)
    return figure
