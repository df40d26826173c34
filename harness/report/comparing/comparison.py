"""Is one side faster than the other at the same recall? Ratios with intervals and verdicts."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, groupby
from math import isfinite
from operator import eq

import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.measures.frontier import pareto_frontier, qps_at_recall
from harness.measures.verdicts import Estimate, Ratio, Speeds, estimate, judge, verdict_words
from harness.report.analysis.curves import measured_curve
from harness.report.analysis.points import (
    ComparisonGroup,
    comparison_groups,
    known,
    prepare,
    rows_of,
)
from harness.report.analysis.recommendations import LEVELS
from harness.report.quantities import human
from harness.report.texts import interval_notes, ratio_text, stated_mark, stated_notes
from harness.results.table.speeds import SPEED_COLUMNS, speeds_of_row
from harness.text import Json

_MOST_SHOWN = 6


@dataclass(frozen=True)
class Comparison:
    """QPS of the new side over that of the old at one recall of one comparison group.

    `ratio`, with its interval and verdict, need not be new_qps / old_qps: it is taken over builds
    of the same blocks where there are some. See `harness.measures.verdicts`. `stated` says that a
    side has points without answers, whose recall is as their sender states.
    """

    dataset: str
    k: int
    mode: str
    threads: int
    machine: str
    old: str
    new: str
    recall: float
    old_qps: float
    new_qps: float
    ratio: Ratio
    stated: bool = False


@dataclass(frozen=True)
class _Reached:
    """A curve at a recall: QPS, the speeds of its builds, and whether it has all answers."""

    qps: float
    speeds: Speeds
    has_answers: bool


_Curve = Mapping[float, _Reached]


@dataclass(frozen=True)
class _Unjudged:
    """A comparison without its verdict, which depends on how many are made together."""

    conditions: tuple[str, int, str, int, str]
    recall: float
    old: tuple[str, float]
    new: tuple[str, float]
    estimate: Estimate
    stated: bool

    @property
    def swapped(self) -> _Unjudged:
        """The same with old and new swapped."""
        return replace(self, old=self.new, new=self.old, estimate=self.estimate.swapped)

    def judged(self, ratio: Ratio) -> Comparison:
        (old, old_qps), (new, new_qps) = self.old, self.new
        figures = (self.recall, old_qps, new_qps, ratio, self.stated)
        return Comparison(*self.conditions, old, new, *figures)


def speeds_at(points: pd.DataFrame, recall: float) -> Speeds | None:
    """Return the speeds of a curve's builds at a recall, read off the frontier of the points.

    None if the points do not reach the recall. Below the lowest recall of the frontier they are
    those of its fastest point; between two points the logarithm is linear in recall.
    """
    frontier = points.iloc[pareto_frontier(points["recall"], points["qps"])]
    rows = list(rows_of(frontier[["recall", *SPEED_COLUMNS]]))
    recalls = [row["recall"] for row in rows]
    upper = bisect_left(recalls, recall)
    if upper == len(rows):
        return None
    above = speeds_of_row(rows[upper])
    if upper == 0 or recalls[upper] == recall:
        return above
    share = (recall - recalls[upper - 1]) / (recalls[upper] - recalls[upper - 1])
    return Speeds.between(speeds_of_row(rows[upper - 1]), above, share)


def compare_curves(
    table: pd.DataFrame, old: str, new: str, levels: Sequence[float] = LEVELS
) -> list[Comparison]:
    """Compare two algorithms or labels of one table.

    A label comes before an algorithm of the same name. No curve is compared with itself, unless
    both names are the same.

    Raises
    ------
    UserError
        If the table has no such algorithm or label, or no group in which both reach a level.
    """
    prepared = prepare(table)
    before, after = (_named(prepared, name) for name in (old, new))
    return _compared(_pairs(before, after, lambda a, b: a != b or old == new), levels)


def compare_tables(
    old: pd.DataFrame, new: pd.DataFrame, levels: Sequence[float] = LEVELS
) -> list[Comparison]:
    """Compare each curve of one table with the curve of the same name in another.

    Raises
    ------
    UserError
        If the tables have no curve in common that reaches a level, on the same kind of machine.
    """
    return _compared(_pairs(prepare(old), prepare(new), eq), levels)


def compare_machines(
    old: pd.DataFrame, new: pd.DataFrame, levels: Sequence[float] = LEVELS
) -> list[Comparison]:
    """Compare each curve on one machine with the curve of the same name on another.

    By what was measured: the reference index, which makes days comparable, would cancel the
    machines as well. The intervals need three builds a side.

    Raises
    ------
    UserError
        As `compare_tables`.
    """
    return compare_tables(_as_measured(old), _as_measured(new), levels)


def _as_measured(table: pd.DataFrame) -> pd.DataFrame:
    """The table of a machine without its name, blocks and reference index."""
    builds = table["block_ids"].map(len)
    no_levels = builds.map(lambda count: (np.empty((0, 1)),) * count)
    return table.assign(
        machine="",
        qps=table["measured_qps"],
        block_ids=builds.map(lambda count: ("",) * count),
        reference_log_seconds=builds.map(lambda count: np.full(count, np.nan)),
        reference_levels=no_levels,
        round_levels=no_levels,
    )


def compare_every_pair(
    group: ComparisonGroup, names: Sequence[str], levels: Sequence[float] = LEVELS
) -> Iterator[Comparison]:
    """Yield the comparisons of every two of these curves, in both directions.

    Verdicts are corrected for the recalls at which a pair is compared.
    """
    curves = {name: _reached(rows, levels) for name, rows in _curves(group.points).items()}
    for old, new in combinations([name for name in names if name in curves], 2):
        found = list(_at_levels(group, (old, curves[old]), (new, curves[new])))
        yield from _judged(found)
        yield from _judged([one.swapped for one in found])


def slower_than(found: Sequence[Comparison], share: float) -> list[Comparison]:
    """Return the comparisons in which the new side is slower, by at least a share of QPS."""
    return [one for one in found if _is_slower(one.ratio, share)]


def undecided_about(found: Sequence[Comparison], share: float) -> list[Comparison]:
    """Return the comparisons in which the new side may be slower by at least a share of QPS.

    Their interval includes that ratio, or is unknown, and `slower_than` does not return them.
    """
    return [o for o in found if not (o.ratio.low > 1 - share or _is_slower(o.ratio, share))]


def table_of_comparisons(found: Sequence[Comparison]) -> pd.DataFrame:
    """Return the comparisons as a table of figures, a row each; what is unknown is NaN."""
    return pd.DataFrame([_figures(one) for one in found])


def to_json(found: Sequence[Comparison]) -> str:
    """Return the comparisons as a JSON list; what is unknown of an interval is null."""
    rows = [_figures(one) for one in found]
    for row in rows:
        row.update({name: None for name in ("ratio", "low", "high") if not isfinite(row[name])})
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def to_markdown(found: Sequence[Comparison]) -> str:
    """Return the comparisons as a Markdown table, with what its intervals are below it."""
    from harness.report.export.tables import markdown_table

    lines = table_rows(found)
    return markdown_table(list(lines[0]), [list(row.values()) for row in lines]) + (
        f"\n{caption(found)}\n"
    )


def table_rows(found: Sequence[Comparison]) -> list[dict[str, str]]:
    """Return comparisons as rows of text; identical ones at several recalls make one row.

    Mode, threads and machine are included if they differ.
    """
    conditions = ("mode", "threads", "machine")
    several = [name for name in conditions if len({getattr(one, name) for one in found}) > 1]
    rows = []
    for _, group in groupby(found, key=lambda one: repr(replace(one, recall=0.0))):
        one, *others = group
        recalls = (f"{one.recall:g}", *(f"{other.recall:g}" for other in others[-1:]))
        rows.append(
            {
                "dataset": one.dataset,
                "k": str(one.k),
                **{name: str(getattr(one, name)) for name in several},
                "old": one.old,
                "new": one.new,
                "recall": " to ".join(recalls) + stated_mark(not one.stated),
                "old QPS": human(one.old_qps),
                "new QPS": human(one.new_qps),
                "ratio": ratio_text(one.ratio),
                "verdict": verdict_words(one.ratio),
            }
        )
    return rows


def caption(found: Sequence[Comparison]) -> str:
    """Return the text below a table of comparisons, which explains its intervals."""
    told = interval_notes(one.ratio for one in found)
    return ". ".join(["ratio: new QPS over old", *told, *stated_notes(not o.stated for o in found)])


def _is_slower(ratio: Ratio, share: float) -> bool:
    return ratio.verdict == "slower" and ratio.value <= 1 - share


def _figures(one: Comparison) -> Json:
    ratio = asdict(one.ratio)
    return {**asdict(one), "ratio": ratio.pop("value"), **ratio}


def _named(prepared: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = prepared[prepared["curve"] == name]
    if rows.empty:
        rows = prepared[prepared["algorithm"] == name]
    if rows.empty:
        names = sorted({*prepared["curve"], *prepared["algorithm"]})
        raise UserError(
            f"no results of {name!r}, neither a folder nor an algorithm or label",
            expected="one of " + ", ".join(names) if names else "any results at all",
        )
    return rows


_Pair = tuple[ComparisonGroup, tuple[str, pd.DataFrame], tuple[str, pd.DataFrame]]


def _pairs(
    old: pd.DataFrame, new: pd.DataFrame, are_compared: Callable[[str, str], bool]
) -> Iterator[_Pair]:
    """Pairs of curves of the same rows, k, mode, number of threads and machine.

    `are_compared` is asked with the names of two curves.
    """
    others = {_conditions(group): group for group in comparison_groups(new)}
    for group in comparison_groups(old):
        other = others.get(_conditions(group))
        if other is None:
            continue
        # A dataset of one name may have got other rows meanwhile.
        others_points = dict(iter(other.points.groupby("fingerprint")))
        for fingerprint, points in group.points.groupby("fingerprint"):
            theirs = _curves(others_points.get(fingerprint, other.points[:0])).items()
            for curve in _curves(points).items():
                yield from ((group, curve, o) for o in theirs if are_compared(curve[0], o[0]))


def _conditions(group: ComparisonGroup) -> tuple[str, int, str, int, str]:
    return group.dataset, group.k, group.mode, group.threads, group.machine


def _curves(points: pd.DataFrame) -> dict[str, pd.DataFrame]:
    measured = known(points, "recall", "qps")
    return {str(name): rows for name, rows in measured.groupby("curve", sort=True)}


def _compared(pairs: Iterable[_Pair], levels: Sequence[float]) -> list[Comparison]:
    """Return all comparisons, corrected for their number."""
    pairs = list(pairs)
    found = _judged(
        one
        for group, (old, before), (new, after) in pairs
        for one in _at_levels(
            group, (old, _reached(before, levels)), (new, _reached(after, levels))
        )
    )
    if not found:
        raise _nothing_to_compare(pairs, levels)
    return found


def _nothing_to_compare(pairs: Sequence[_Pair], levels: Sequence[float]) -> UserError:
    """The error that says what is missing: something in common, or recall."""
    if not pairs:
        return UserError(
            "nothing to compare",
            expected="the same rows, k, mode, threads and machine on both sides",
            hint="run the same suite for both sides on one machine; machine:NAME compares machines",
        )
    curves = [curve for _, *both in pairs for curve in both]
    highest = {f"{points['recall'].max():.3f} of {name}" for name, points in curves}
    return UserError(
        "nothing to compare: no recall that is asked for is reached on both sides",
        expected=f"a recall of at least {min(levels):g}",
        got="at most " + ", ".join(sorted(highest)[:_MOST_SHOWN]),
        hint="compare at a lower recall",
    )


def _reached(points: pd.DataFrame, levels: Sequence[float]) -> _Curve:
    """The curve at the levels that it reaches."""
    curve, has_answers = measured_curve(points), bool(points["has_answers"].all())
    found = {level: speeds_at(points, level) for level in levels}
    return {
        level: _Reached(qps_at_recall(curve, level).value, speeds, has_answers)
        for level, speeds in found.items()
        if speeds is not None
    }


def _at_levels(
    group: ComparisonGroup, old: tuple[str, _Curve], new: tuple[str, _Curve]
) -> Iterator[_Unjudged]:
    """The comparisons of two curves at the levels that both reach, still without their ratio."""
    for level, before in old[1].items():
        if (after := new[1].get(level)) is not None:
            sides = (old[0], before.qps), (new[0], after.qps)
            ratio = estimate(after.speeds, before.speeds)
            stated = not (before.has_answers and after.has_answers)
            yield _Unjudged(_conditions(group), level, *sides, ratio, stated)


def _judged(unjudged: Iterable[_Unjudged]) -> list[Comparison]:
    """The comparisons with their ratios, corrected for their number."""
    found = list(unjudged)
    ratios = judge([one.estimate for one in found])
    return [one.judged(ratio) for one, ratio in zip(found, ratios, strict=True)]
