"""The Pareto points, latency under load and the recommendations, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.measures.choosing import NOT_REACHED
from harness.report.analysis.by_filter import (
    LEAST_QUERIES,
    LEVEL,
    FilteredPoint,
    at_each_filter,
    below_k,
    crossings_in_words,
    filtered_points,
    share_text,
)
from harness.report.analysis.highest_recall import BestOfCurve, highest_recalls
from harness.report.analysis.points import (
    ComparisonGroup,
    comparison_groups,
    prepare,
    rows_of,
    title_of,
)
from harness.report.analysis.pricing import COST
from harness.report.analysis.recommendations import (
    Recommendation,
    optimism,
    optimism_text,
    pareto_points,
    recommendations,
    why_not_reached,
)
from harness.report.analysis.under_load import (
    DUE,
    LATE,
    bound_text,
    highest_text,
    offered_text,
    settings_under_load,
)
from harness.report.quantities import human
from harness.report.texts import (
    corrected_text,
    mark,
    notes,
    plus_minus,
    size_notes,
    size_text,
    stated_mark,
    stated_notes,
)
from harness.results.table.columns import Row
from harness.text import counted, first_of

_MOST_ROWS = 24
_MOST_RIVALS = 6
_WIDE = 100
_CAPTION = (
    "Chosen by recall on the tuning queries; the recall shown is of the held-out queries",
    "Bold: nothing is better in both",
)
_HELD_OUT = "Recall is that of the held-out queries"
_RECALL_MARKS = {"": " ", "lower": " ", "undecided": "?", "higher": "+"}
_NEAR = "*: within a factor of 2 of the harness overhead (no-op)"


def print_frontiers(console: Console, table: pd.DataFrame) -> None:
    """Print the Pareto points of each group of the table, and the recommendations.

    Of groups that were measured under load, print latency and rates.

    Parameters
    ----------
    console
        Where to print.
    table
        As from `harness.load_results`, or a part of it.
    """
    prepared = prepare(table)
    for group in comparison_groups(prepared, under_load=True):
        if not group.points.empty:
            for part in _load_parts(group):
                console.print(part, highlight=False)
            console.print()
    for group in comparison_groups(prepared):
        if group.points.empty:
            continue
        console.print(pareto_table(group, console.width))
        console.print()
        console.print(recommendation_lines(recommendations(group)), highlight=False)
        console.print()
        points = filtered_points(group)
        if points:
            console.print(filter_table(group, points))
            console.print()


def pareto_table(group: ComparisonGroup, width: int = 120) -> Table:
    """Return the Pareto points of a group, those of the overall frontier in bold.

    Below 100 columns, p99 and build time are left out so that names stay complete. Of many points,
    those that are recommended or on the overall frontier come first, then those of high recall.
    """
    points = pareto_points(group)
    worth = ["recommended", "overall", "held_out_recall"]
    worthiest = points.sort_values(worth, kind="stable").tail(_MOST_ROWS)
    shown = points[points.index.isin(worthiest.index)]
    table = Table(
        title=f"[bold]{escape(group.dataset)}[/]: Pareto points",
        caption=escape(". ".join([group.conditions, *_CAPTION, *_notes(points, len(shown))])),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    wide = width >= _WIDE
    table.add_column("algorithm", no_wrap=True, max_width=32)
    table.add_column("parameters")
    for name in (f"recall@{group.k}", "QPS", "bytes/vec.", *(("p99", "build") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows_of(shown):
        table.add_row(*_cells(row, wide=wide), style="bold" if row["overall"] else "")
    return table


def filter_table(group: ComparisonGroup, points: list[FilteredPoint]) -> Table:
    """Return the fastest point of each class of filters at a recall, beside the exact scan."""
    told = crossings_in_words(points, LEVEL)
    table = Table(
        title=f"[bold]{escape(group.dataset)}[/]: fastest at recall {LEVEL:g} by filter",
        caption=escape(". ".join([*told, "?: its bar of QPS overlaps with another one",
                                  f"Queries with fewer than k matches: {below_k(points):,}",
                                  f"Classes of fewer than {LEAST_QUERIES} queries are not shown"])),
        title_justify="left", caption_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for name in ("rows that match", "correlation", "queries", "fastest", "recall", "QPS", "exact"):
        table.add_column(name, justify="left" if name in ("correlation", "fastest") else "right")
    for at in at_each_filter(points, LEVEL):
        if (one := at.fastest) is None:
            continue
        table.add_row(
            share_text(at.filters.selectivity),
            at.filters.correlation,
            f"{at.queries:,}",
            escape(f"{one.curve} {one.parameters}") + (" ?" if at.undecided else ""),
            f"{one.recall.value:.3f}",
            f"{human(one.qps.value)} {plus_minus(*one.qps)}".strip(),
            human(at.exact.qps.value) if at.exact else "",
        )
    return table


def recommendation_lines(found: Sequence[Recommendation]) -> Group:
    """Return a line for each recommendation, and below them what holds of all."""
    lines = Table.grid(padding=(0, 1))
    lines.add_column(no_wrap=True)
    lines.add_column()
    for one in found:
        lines.add_row(f"fastest at recall {one.level:g}:", _sentence(one))
    told = notes(ratio.scope for one in found for _, ratio in one.equal)
    told += stated_notes(one.row["has_answers"] for one in found)
    if found:
        gap = optimism_text(optimism(found))
        told.insert(0, f"{_HELD_OUT}; on the tuning queries it is {gap} on average.")
    return Group(lines, *("", *(f"[dim]{note}[/]" for note in told)) if told else ())


def print_recommendations(
    console: Console,
    table: pd.DataFrame,
    levels: Sequence[float],
    max_bytes: float | None = None,
) -> bool:
    """Print the recommendations of each group; return whether any point reaches a level.

    Parameters
    ----------
    table
        As from `harness.load_results`, or a part of it: all of it may be recommended.
    levels
        Recalls. One that no point reaches is named, with the highest recall that there is.
    max_bytes
        The bytes per vector that the table was limited to, to say so.
    """
    reached = False
    told = [
        group
        for group in comparison_groups(prepare(table, stale=True))
        if not (group.points.empty and group.failures.empty)
    ]
    for number, group in enumerate(told):
        if number:
            console.print()
        found = {one.level: one for one in recommendations(group, levels)}
        console.print(f"[bold]{escape(group.dataset)}[/]: {escape(group.conditions)}\n")
        for level in levels:
            budget = f", at most {max_bytes:g} bytes per vector" if max_bytes is not None else ""
            console.print(f"[bold]fastest at recall {level:g}{budget}[/]", highlight=False)
            missing = escape(why_not_reached(group))
            facts = _block_facts(found[level]) if level in found else [missing]
            for fact in facts:
                console.print(Padding(fact, (0, 0, 0, 2), expand=False), highlight=False)
        scopes = [one.row["qps_scope"] for one in found.values()]
        scopes += [ratio.scope for one in found.values() for _, ratio in one.equal]
        marks = notes(scopes) + size_notes(one.row["size_scope"] for one in found.values())
        marks += stated_notes(one.row["has_answers"] for one in found.values())
        for note in ["", *marks] if marks else []:
            console.print(f"[dim]{note}[/]")
        reached = reached or any(one.reached for one in found.values())
    return reached


def print_highest_recalls(
    console: Console, table: pd.DataFrame, max_bytes: float | None = None
) -> None:
    """Print the best point of each curve in each group, by recall.

    Parameters
    ----------
    table
        As from `harness.load_results` with `per_query=True`, or a part of it.
    max_bytes
        The bytes per vector that the table was limited to, to say so.
    """
    budget = f", at most {max_bytes:g} bytes per vector" if max_bytes is not None else ""
    groups = comparison_groups(prepare(table, stale=True))
    told = [(group, found) for group in groups if (found := highest_recalls(group))]
    for number, (group, found) in enumerate(told):
        if number:
            console.print()
        console.print(_highest_recall_table(group, found, budget))
    answerless = int(
        ((table["status"] == "ok") & table["in_answers"] & ~table["has_answers"]).sum()
    )
    if answerless:
        points = counted(answerless, "point")
        console.print(f"[dim]{points} without answers cannot be compared over the queries[/]")


def _highest_recall_table(
    group: ComparisonGroup, found: Sequence[BestOfCurve], budget: str
) -> Table:
    first = found[0]
    levels = [one.behind.level for best in found for one in best.recalls if one.behind]
    caption = [group.conditions, f"Chosen by the tuning queries. {_HELD_OUT}"]
    if levels:
        told = f"differences paired over the queries, {corrected_text(levels[0])}"
        caption.append(f"?: undecided whether below the first, +: above it ({told})")
    caption += size_notes(best.row["size_scope"] for best in found)
    table = Table(
        title=f"[bold]{escape(group.dataset)}[/]: highest recall{budget}",
        caption=escape(". ".join(caption)),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("algorithm", no_wrap=True, max_width=32)
    table.add_column("parameters")
    measures = [one.measure.removeprefix("recall ") for one in first.recalls]
    for name in ("bytes/vec.", *measures, "QPS"):
        table.add_column(name, justify="right", no_wrap=True)
    for best in found:
        table.add_row(
            escape(best.row["curve"]),
            escape(best.row["parameters"]),
            size_text(best.row),
            *(f"{one.value:.3f}{_RECALL_MARKS[one.verdict]}" for one in best.recalls),
            human(best.row["qps"]),
            style="bold" if best is first else "",
        )
    return table


def _block_facts(one: Recommendation) -> list[str]:
    """A fact a line, with what the recommendation costs."""
    lead, *rivals = _facts(one)
    costs = [f"{size_text(one.row)} bytes per vector"]
    costs.append(f"built in {human(one.row['build_seconds'], 's')}")
    if isfinite(price := one.row[COST]):
        costs.append(f"a million queries cost {human(price)}")
    warnings = [f"warning: {escape(text)}" for text in one.row["warnings"]]
    return [lead, ", ".join(costs), *rivals, *warnings]


def _sentence(one: Recommendation) -> str:
    return "; ".join(_facts(one))


def _facts(one: Recommendation) -> list[str]:
    """The recommended point, the curves equal to it, and the undecided ones."""
    row = one.row
    low, high = row["held_out_recall_low"], row["held_out_recall_high"]
    name = escape(title_of(row))
    speed = f"{human(one.qps)} queries/s {plus_minus(one.qps, one.qps_low, one.qps_high)}"
    how = f" ({one.report})" if one.report != "cross-fitted" else ""
    undecided = [f"{_listed(names)} ({words})" for words, names in one.undecided_names.items()]
    lead = "" if one.reached else f"{NOT_REACHED}; fastest that may reach it: "
    return [
        f"{lead}[bold]{name}[/], recall {row['held_out_recall']:.3f} [{low:.3f}, {high:.3f}]"
        f"{stated_mark(row['has_answers'])}, {speed.strip()}{mark(row['qps_scope'])}{how}",
        *([f"equal within 5 %: {_listed(one.equal_names)}"] if one.equal else []),
        *([f"undecided: {', '.join(undecided)}"] if undecided else []),
    ]


def _listed(names: Sequence[str]) -> str:
    return first_of(list(map(escape, names)), _MOST_RIVALS)


def _cells(row: Row, *, wide: bool) -> list[str]:
    more = [human(row["p99_ms"], "ms"), human(row["build_seconds"], "s")] if wide else []
    half = (row["held_out_recall_high"] - row["held_out_recall_low"]) / 2
    qps = f"{human(row['qps'])}{'*' if row['near_no_op'] else ''}"
    spread = plus_minus(row["qps"], row["qps_low"], row["qps_high"])
    return [
        escape(str(row["curve"])),
        escape(str(row["parameters"])),
        f"{row['held_out_recall']:.3f} ±{half:.3f}{stated_mark(row['has_answers'])}",
        f"{qps} {spread}{mark(row['qps_scope'])}".strip(),
        size_text(row),
        *more,
    ]


def _notes(points: pd.DataFrame, shown: int) -> list[str]:
    """The meaning of the marks of the table, and what is left out."""
    found = notes(points["qps_scope"]) + size_notes(points["size_scope"])
    found += stated_notes(points["has_answers"])
    found += [_NEAR] if points["near_no_op"].any() else []
    return found + ([f"{len(points) - shown} more are not shown"] if len(points) > shown else [])


def _load_parts(group: ComparisonGroup) -> Iterator[RenderableType]:
    """Yield latency at each rate, and the highest rate within a bound, for each setting."""
    yield f"[bold]{escape(group.dataset)}[/]: under load"
    for setting in settings_under_load(group):
        points = pd.concat([setting.at_rates, setting.searched])
        name = f"{setting.curve} {setting.parameters}".strip()
        stated = stated_mark(points["has_answers"].all())
        recall = f"recall@{group.k} {points['recall'].iloc[0]:.3f}{stated}"
        yield Text.assemble("\n", (name, "bold"), f"   {recall}")
        if len(setting.at_rates):
            yield Padding(_rates_table(setting.at_rates), (0, 0, 0, 2))
        for row in rows_of(setting.searched):
            yield f"  highest rate with p99 {bound_text(row)}: {highest_text(row)}"
    captions = [group.conditions, DUE]
    captions += [LATE] if group.points["late_generator"].any() else []
    captions += stated_notes(group.points["has_answers"])
    yield Text("\n" + ". ".join(captions), "dim italic")


def _rates_table(points: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("offered/s", "achieved/s", "p50", "p99", "dropped"):
        table.add_column(name, justify="right", no_wrap=True, min_width=10)
    for row in rows_of(points):
        rates = (offered_text(row), human(row["achieved_qps"]))
        latencies = (human(row["p50_ms"], "ms"), human(row["p99_ms"], "ms"))
        table.add_row(*rates, *latencies, f"{row['dropped_share']:.1%}")
    return table
