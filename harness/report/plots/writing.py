"""All figures of a table, written to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from harness.report.looks import Look, looks
from harness.report.plots.bars import build_costs
from harness.report.plots.recall_curves import recall_curves
from harness.report.plots.saving import check_formats, save
from harness.report.plots.style import StyleName, settings
from harness.report.plots.tradeoff import tradeoff
from harness.report.plots.training import training_loss
from harness.report.points import Scene, prepare, scenes

Maker = Callable[[Scene, Mapping[str, Look]], Figure | None]

# A scene without a single finished point gets the first figure only, which names the failures.
MAKERS: dict[str, Maker] = {
    "qps-recall": tradeoff,
    "recall-1-at-n": recall_curves,
    "build-costs": build_costs,
    "training-loss": training_loss,
}
_LEAST_K_FOR_CURVES = 20


def write_plots(
    table: pd.DataFrame,
    out: Path,
    *,
    formats: Sequence[str] = ("png", "svg"),
    style: StyleName = "screen",
    stale: bool = False,
) -> list[Path]:
    """Write every figure that the table has points for, and return the paths.

    Parameters
    ----------
    table
        As from `harness.load_results`.
    out
        The folder; made if missing.
    formats
        Any of `png`, `svg`, `pdf`.
    style
        `screen`, `paper` (one column) or `slide`.
    stale
        Draw stale points as well.

    Returns
    -------
    paths
        In the order drawn; empty for an empty table.

    Raises
    ------
    UserError
        If a format is unknown or the folder cannot be written.
    """
    check_formats(formats)
    paths: list[Path] = []
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's own matplotlibrc must not change published figures
        mpl.rcParams.update(settings(style))
        for name, figure in figures(table, stale=stale):
            paths += save(figure, out / name, formats)
    return paths


def figures(table: pd.DataFrame, *, stale: bool = False) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of each picture of a table, in the style in force."""
    prepared = prepare(table, stale=stale)
    if prepared.empty:
        return
    chosen = looks(prepared["algorithm"])
    for scene in scenes(prepared):
        for name, maker in MAKERS.items():
            if _fits(scene, name) and (figure := maker(scene, chosen)) is not None:
                yield f"{scene.slug}-{name}", figure


def _fits(scene: Scene, name: str) -> bool:
    if scene.points.empty:
        return name == "qps-recall" and len(scene.failures) > 0
    return name != "recall-1-at-n" or scene.k >= _LEAST_K_FOR_CURVES
