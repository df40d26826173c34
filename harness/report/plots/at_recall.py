"""The cost of one recall with each algorithm: speed, build time, size and memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from harness.measures.at_recall import qps_at_recall
from harness.report.curves import measured_curve
from harness.report.looks import Look
from harness.report.plots.bars import draw_panels
from harness.report.plots.figure import conclude, new_figure, scope_notes
from harness.report.points import Scene, known
from harness.report.quantities import shortened
from harness.report.recommendations import common_level, representatives
from harness.report.sizes import size_notes

_MOST = 12
_LONGEST = 30
_PANELS = ("qps", "build_seconds", "bytes_per_vector", "peak_rss_bytes")


def at_recall(scene: Scene, looks: Mapping[str, Look], level: float | None = None) -> Figure | None:
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
    level = common_level(scene) if level is None else level
    rows = representatives(scene, level) if level is not None else scene.points.iloc[:0]
    if level is None or rows.empty:
        return None
    usable = known(scene.points, "recall", "qps")
    speeds = np.array(
        [
            qps_at_recall(measured_curve(usable[usable["curve"] == name]), level)
            for name in rows["curve"]
        ]
    )
    shown = rows.assign(qps=speeds[:, 0], qps_low=speeds[:, 1], qps_high=speeds[:, 2])
    shown = shown.sort_values("qps", ascending=False, kind="stable").head(_MOST)
    shown = shown.assign(_name=[shortened(name, _LONGEST) for name in shown["curve"]])
    figure = new_figure(height=max(0.55, 0.35 + 0.06 * len(shown)))
    draw_panels(figure, shown, _PANELS, looks)
    left_out = len(rows) - len(shown)
    notes = [f"{left_out} slower ones are not shown."] if left_out else []
    notes += scope_notes(shown["qps_scope"])
    notes += [f"{note}." for note in size_notes(shown["size_scope"])]
    conclude(figure, scene, f"{scene.dataset}: what recall {level:g} costs", notes)
    return figure
