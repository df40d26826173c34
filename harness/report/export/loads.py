"""The points that were measured under load, for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from harness.report.analysis.points import ComparisonGroup, rows_of
from harness.report.quantities import human
from harness.report.texts import plus_minus
from harness.results.table.columns import Row

_LATE = "!: the load generator began more than 1 % of the queries late, and did not keep the rate"


def load_table(group: ComparisonGroup) -> Table:
    """Return latency at each rate, and the highest rate within a bound, of a group under load."""
    points = group.points.sort_values(
        ["curve", "parameters", "offered_qps"], kind="stable", na_position="last"
    )
    captions = [group.conditions, "Latency from when a query was due"]
    captions += [_LATE] if points["late_generator"].any() else []
    table = Table(
        title=f"[bold]{escape(group.dataset)}[/]: under load",
        caption=escape(". ".join(captions)),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("algorithm", no_wrap=True, max_width=32)
    table.add_column("parameters")
    for name in (f"recall@{group.k}", "offered/s", "achieved/s", "p50", "p99", "dropped"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows_of(points):
        table.add_row(escape(str(row["curve"])), escape(str(row["parameters"])), *_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    recall, dropped = f"{row['recall']:.3f}", f"{row['dropped_share']:.1%}"
    late = "!" if row["late_generator"] else ""
    if row["offered_qps"] == row["offered_qps"]:
        rates = (human(row["offered_qps"]) + late, human(row["achieved_qps"]))
        return [recall, *rates, human(row["p50_ms"], "ms"), human(row["p99_ms"], "ms"), dropped]
    bounds = (row["max_rate_qps"], row["max_rate_qps_low"], row["max_rate_qps_high"])
    found = f"at most {human(bounds[0])} {plus_minus(*bounds)}".strip()
    return [recall, found + late, "", "", f"<= {human(row['p99_bound_ms'], 'ms')}", ""]
