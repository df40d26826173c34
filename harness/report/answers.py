"""Answers for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.report.fastest import answers, optimism, pareto_points
from harness.report.points import Scene, prepare, rows_of, scenes
from harness.report.quantities import human

_MOST_ROWS = 24
_WIDE = 100


def print_frontiers(console: Console, table: pd.DataFrame) -> None:
    """Print the Pareto points of each scene of the table, and the fastest at usual recalls.

    Parameters
    ----------
    console
        Where to print.
    table
        As from `harness.load_results`, or a part of it.
    """
    for scene in scenes(prepare(table)):
        if scene.points.empty:
            continue
        console.print(pareto_table(scene, console.width))
        for line in _fastest(scene):
            console.print(line, highlight=False)
        console.print()


def pareto_table(scene: Scene, width: int = 120) -> Table:
    """Return the Pareto points of a scene, those of the overall frontier in bold.

    Below 100 columns, p99 and build time are left out so that names stay whole.
    """
    points = pareto_points(scene)
    table = Table(
        title=f"[bold]{escape(scene.dataset)}[/]: Pareto points",
        caption=f"{escape(scene.conditions)}. Bold: nothing is better in both.",
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    wide = width >= _WIDE
    table.add_column("algorithm", no_wrap=True, max_width=32)
    table.add_column("parameters")
    for name in (f"recall@{scene.k}", "QPS", "bytes/vec.", *(("p99", "build") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows_of(points.tail(_MOST_ROWS)):
        table.add_row(*_cells(row, wide=wide), style="bold" if row["overall"] else "")
    return table


def _cells(row: Mapping[str, Any], *, wide: bool) -> list[str]:
    more = [human(row["p99_ms"], "ms"), human(row["build_seconds"], "s")] if wide else []
    return [
        escape(str(row["curve"])),
        escape(str(row["words"])),
        f"{row['recall']:.3f}{_half_width(row, 'recall', '.3f')}",
        f"{human(row['qps'])}{_half_width(row, 'qps', '.0%')}",
        human(row["bytes_per_vector"]),
        *more,
    ]


def _half_width(row: Mapping[str, Any], name: str, style: str) -> str:
    """Half the interval, of QPS as a share; nothing if unknown."""
    half = (row[f"{name}_high"] - row[f"{name}_low"]) / 2
    half = half / row[name] if name == "qps" else half
    return "" if pd.isna(half) else f" ±{half:{style}}"


def _fastest(scene: Scene) -> list[str]:
    lines = []
    for answer in answers(scene):
        row = answer.row
        name = escape(f"{row['curve']} {row['words']}".strip())
        tied = f", tied with {escape(', '.join(answer.tied))}" if answer.tied else ""
        lines.append(f"fastest at recall {answer.level:g}: [bold]{name}[/], "
                     f"{human(row['qps'])} queries/s{tied}")  # fmt: skip
    gap = optimism(scene)
    if lines and not pd.isna(gap):
        side = "lower" if gap >= 0 else "higher"
        lines.append("[dim]Chosen on one half of the queries, recall on the other half is "
                     f"{abs(gap):.4f} {side} on average.[/]")  # fmt: skip
    return lines
