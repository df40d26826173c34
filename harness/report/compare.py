"""Is one side faster than the other at the same recall? Ratios with intervals and verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.measures.statistics import Verdict, holm, verdict
from harness.report.build_speeds import BuildSpeeds, Pairing, ratio_of, speeds_at
from harness.report.fastest import LEVELS
from harness.report.points import Scene, known, prepare, scenes
from harness.report.quantities import human

Speeds = Mapping[float, BuildSpeeds]


@dataclass(frozen=True)
class Comparison:
    """QPS of the new side over that of the old at one recall of one scene.

    `ratio` above 1 means that the new side is faster. It is that of the QPS or of the pace of the
    builds (`harness.measures.pace`), whichever varies less, and need not be new_qps / old_qps.
    `p_value` is Holm's, over all comparisons made together; None where one build on a side leaves
    no interval.
    """

    dataset: str
    k: int
    threads: int
    machine: str
    old: str
    new: str
    recall: float
    old_qps: float
    new_qps: float
    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    pairing: Pairing
    verdict: Verdict


def compare_curves(
    table: pd.DataFrame, old: str, new: str, levels: Sequence[float] = LEVELS
) -> list[Comparison]:
    """Compare two algorithms or labels of one table, in pairs of builds that ran side by side.

    Raises
    ------
    UserError
        If the table has no such algorithm or label, or no scene in which both reach a level.
    """
    prepared = prepare(table)
    sides = [_named(prepared, name) for name in (old, new)]
    return _judged(_pairs(*sides, same_curves=False), levels, paired=True)


def compare_every_pair(
    scene: Scene, names: Sequence[str], levels: Sequence[float] = LEVELS
) -> Iterator[Comparison]:
    """Yield the comparisons of every two of these curves, each pair once, the first as the old.

    Verdicts of a pair are corrected for their number.
    """
    curves = _curves(scene, names)
    speeds = {name: _speeds(points, levels) for name, points in curves.items()}
    for old, new in combinations([name for name in names if name in speeds], 2):
        yield from _corrected(
            _at_levels(scene, (old, speeds[old]), (new, speeds[new]), paired=True)
        )


def compare_tables(
    old: pd.DataFrame, new: pd.DataFrame, levels: Sequence[float] = LEVELS
) -> list[Comparison]:
    """Compare each curve of one table with the curve of the same name in another.

    Raises
    ------
    UserError
        If the tables have no curve in common that reaches a level, on the same kind of machine.
    """
    return _judged(_pairs(prepare(old), prepare(new), same_curves=True), levels, paired=False)


def slower_than(found: Sequence[Comparison], share: float) -> list[Comparison]:
    """Return the comparisons in which the new side is slower, by at least a share of QPS."""
    return [one for one in found if one.verdict == "slower" and one.ratio <= 1 - share]


def to_json(found: Sequence[Comparison]) -> str:
    """Return the comparisons as a JSON list."""
    return json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False) + "\n"


def to_markdown(found: Sequence[Comparison]) -> str:
    """Return the comparisons as a Markdown table."""
    from harness.report.export import markdown_table

    return markdown_table(HEADINGS, [cells(one) for one in found])


HEADINGS = ["dataset", "k", "old", "new", "recall", "old QPS", "new QPS", "ratio", "verdict"]


def cells(one: Comparison) -> list[str]:
    """Return a comparison in words, one for each of `HEADINGS`."""
    bounds = "" if one.low is None else f" [{one.low:.2f}, {one.high:.2f}]"
    return [
        one.dataset, str(one.k), one.old, one.new, f"{one.recall:g}", human(one.old_qps),
        human(one.new_qps), f"{one.ratio:.2f}{bounds}", one.verdict,
    ]  # fmt: skip


def _named(prepared: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = prepared[(prepared["curve"] == name) | (prepared["algorithm"] == name)]
    if rows.empty:
        names = sorted({*prepared["curve"], *prepared["algorithm"]})
        raise UserError(
            f"no results of {name!r}, neither a folder nor an algorithm or label",
            expected="one of " + ", ".join(names) if names else "any results at all",
        )
    return rows


def _pairs(
    old: pd.DataFrame, new: pd.DataFrame, *, same_curves: bool
) -> Iterator[tuple[Scene, str, pd.DataFrame, str, pd.DataFrame]]:
    """Curves that may be compared: of one dataset, k, mode, number of threads and machine."""
    others = {_conditions(scene): scene for scene in scenes(new)}
    for scene in scenes(old):
        other = others.get(_conditions(scene))
        if other is None:
            continue
        ours, theirs = _curves(scene), _curves(other)
        for name, points in ours.items():
            for rival, rival_points in theirs.items():
                if not same_curves or name == rival:
                    yield scene, name, points, rival, rival_points


def _conditions(scene: Scene) -> tuple[object, ...]:
    return scene.dataset, scene.k, scene.mode, scene.threads, scene.machine


def _curves(scene: Scene, names: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    points = scene.points
    points = known(
        points if names is None else points[points["curve"].isin(names)], "recall", "qps"
    )
    timed = [isinstance(qps, np.ndarray) and len(qps) > 0 for qps in points["build_qps"]]
    points = points[np.array(timed, dtype=bool)]
    return {str(name): rows for name, rows in points.groupby("curve", sort=True)}


def _judged(
    pairs: Iterator[tuple[Scene, str, pd.DataFrame, str, pd.DataFrame]],
    levels: Sequence[float],
    *,
    paired: bool,
) -> list[Comparison]:
    """All comparisons, with p-values corrected for their number."""
    found = [
        one
        for scene, old, old_points, new, new_points in pairs
        for one in _at_levels(
            scene,
            (old, _speeds(old_points, levels)),
            (new, _speeds(new_points, levels)),
            paired=paired,
        )
    ]
    if not found:
        raise UserError(
            "nothing to compare",
            expected="the same dataset, k, mode, threads and machine on both sides, "
            f"and a recall of at least {min(levels):g}",
            hint="run the same suite for both sides on one machine, or lower --recall",
        )
    return _corrected(found)


def _speeds(points: pd.DataFrame, levels: Sequence[float]) -> Speeds:
    """The builds' speeds at the levels that the points reach."""
    found = {level: speeds_at(points, level) for level in levels}
    return {level: speeds for level, speeds in found.items() if len(speeds.qps)}


def _at_levels(
    scene: Scene, old: tuple[str, Speeds], new: tuple[str, Speeds], *, paired: bool
) -> list[Comparison]:
    """The comparisons of two curves at the levels that both reach, not yet judged."""
    return [
        _compared(scene, (old[0], new[0]), level, (before, new[1][level]), paired)
        for level, before in old[1].items()
        if level in new[1]
    ]


def _corrected(found: Sequence[Comparison]) -> list[Comparison]:
    corrected = holm([np.nan if one.p_value is None else one.p_value for one in found])
    return [
        replace(one, p_value=_number(p), verdict=verdict(one.ratio, float(p)))
        for one, p in zip(found, corrected, strict=True)
    ]


def _compared(
    scene: Scene,
    names: tuple[str, str],
    level: float,
    speeds: tuple[BuildSpeeds, BuildSpeeds],
    paired: bool,
) -> Comparison:
    before, after = speeds
    ratio, pairing = ratio_of(after, before, paired=paired)
    return Comparison(
        dataset=scene.dataset, k=scene.k, threads=scene.threads, machine=scene.machine,
        old=names[0], new=names[1], recall=level,
        old_qps=float(np.median(before.qps)), new_qps=float(np.median(after.qps)),
        ratio=ratio.value, low=_number(ratio.low), high=_number(ratio.high),
        p_value=_number(ratio.p_value), pairing=pairing, verdict="tied",
    )  # fmt: skip


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
