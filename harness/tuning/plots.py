"""Figures of a search: what was tried; the best so far against the time spent, or a frontier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from harness.report.plots.figure import apply_scale, new_figure, save
from harness.report.plots.style import FAINT, head, settings
from harness.report.quantities import quantity
from harness.tuning.choosing import best_so_far
from harness.tuning.contenders import Contender
from harness.tuning.journal import Journal
from harness.tuning.trials import Goal, Trial

_FORMATS = ("png", "svg")
_AXES = {"query": "queries per second", "bytes": "bytes per vector", "build": "build seconds"}


def draw_search(journal: Journal, goal: Goal, contenders: Sequence[Contender]) -> list[Path]:
    """Draw both figures into the folder of the search and return their paths."""
    tried_ones = {trial.label for trial in journal.trials}
    contenders = [one for one in contenders if one.label in tried_ones]
    labels = [one.label for one in contenders]
    with mpl.rc_context(settings("screen")):
        tried = new_figure()
        _draw_tried(tried.subplots(), journal, labels, goal)
        has_samples = any(trial.sample_rows is not None for trial in journal.trials)
        notes = [_TRIED, _NO_SAMPLES] if has_samples else [_TRIED]
        head(tried, "What was tried", _conditions(journal, goal), notes)
        best, name = new_figure(), "frontier" if goal.is_frontier else "progress"
        if goal.is_frontier:
            _draw_frontier(best.subplots(), journal, contenders, goal)
            head(best, "Frontier of time and bytes", _conditions(journal, goal), [_FRONTIER])
        else:
            _draw_progress(best.subplots(), journal, contenders, goal)
            head(best, "Best so far", _conditions(journal, goal), [_PROGRESS])
        return [
            *save(tried, journal.folder / "tried", _FORMATS),
            *save(best, journal.folder / name, _FORMATS),
        ]


_TRIED = (
    "Faint: settings that were asked on the way, with their rough speed. Marks: the best settings "
    "of the builds. One reaches the target if its recall exceeds it by a margin."
)
_NO_SAMPLES = "Builds of samples of the rows are left out."
_PROGRESS = (
    "On the tuning queries, after each block. Another may turn out to be the best as more is "
    "known, and speeds are those of several blocks, so a line may fall; lines end with the search."
)
_FRONTIER = (
    "Settings that reach the target on the tuning queries. Lines join those that no other of the "
    "algorithm beats in both, by its speed over that of the reference beside it; the speeds drawn "
    "are those of several blocks."
)


def _conditions(journal: Journal, goal: Goal) -> str:
    limit = f", at most {goal.max_bytes:g} bytes" if goal.max_bytes is not None else ""
    return f"recall {goal.recall:g}{limit} · k = {journal.request['k']} · seed {goal.seed}"


def _draw_tried(axes: Axes, journal: Journal, labels: Sequence[str], goal: Goal) -> None:
    for number, label in enumerate(labels):
        trials = journal.on(label)
        colour = f"C{number}"
        asked = [(t.recall, t.qps) for trial in trials for t in trial.tried]
        _dots(axes, asked, ".", color=colour, alpha=0.3, markersize=3)
        for reached, mark, words in ((True, "o", "reaches"), (False, "x", "misses")):
            shown = [(t.recall, t.qps) for t in trials if t.reached is reached]
            _dots(axes, shown, mark, color=colour, label=f"{label}, {words} the target")
    axes.axvline(goal.recall, color=FAINT, linewidth=0.8)
    axes.set(xlabel="recall on the tuning queries", ylabel=_AXES["query"])
    whole = [trial for label in labels for trial in journal.on(label)]
    every = [t.qps for t in whole] + [one.qps for t in whole for one in t.tried]
    speeds = [qps for qps in every if qps is not None]
    if speeds:
        apply_scale(axes, "y", "log", quantity("qps"), speeds)
    if axes.get_legend_handles_labels()[1]:
        axes.legend()


def _dots(
    axes: Axes, points: Sequence[tuple[float | None, float | None]], mark: str, **style: Any
) -> None:
    known = [(x, y) for x, y in points if x is not None and y is not None]
    if known:
        axes.plot([x for x, _ in known], [y for _, y in known], mark, **style)


def _draw_frontier(
    axes: Axes, journal: Journal, contenders: Sequence[Contender], goal: Goal
) -> None:
    for number, contender in enumerate(contenders):
        label = contender.label
        reached = [(t.bytes_per_vector, t.qps) for t in journal.on(label) if t.reached]
        _dots(axes, reached, ".", color=f"C{number}", alpha=0.3)
        best = [(t.bytes_per_vector, t.qps) for t in best_so_far(journal, contender, goal)]
        _dots(axes, best, "o-", color=f"C{number}", label=label)
    axes.set(xlabel=_AXES["bytes"], ylabel=_AXES["query"])
    if axes.get_legend_handles_labels()[1]:
        axes.legend()


def _draw_progress(
    axes: Axes, journal: Journal, contenders: Sequence[Contender], goal: Goal
) -> None:
    for number, contender in enumerate(contenders):
        label = contender.label
        ends = {trial.block: trial.spent_seconds for trial in journal.on(label)}
        blocks = list(dict.fromkeys(trial.block for trial in journal.of(label)))  # of samples, too
        so_far = {
            block: best_so_far(journal, contender, goal, blocks[: blocks.index(block) + 1])
            for block in ends
        }
        found = [(ends[block], best[0]) for block, best in so_far.items() if best]
        if found:
            seconds = [*(end for end, _ in found), journal.spent(label)]
            values = [_value(best, goal) for _, best in found]
            axes.step(
                seconds, [*values, values[-1]], where="post", marker="o", color=f"C{number}",
                label=label,
            )  # fmt: skip
    axes.set(xlabel="seconds spent", ylabel=_AXES[goal.minimize[0]])
    if axes.get_legend_handles_labels()[1]:
        # Above the axes: inside, it would hide steps, of which matplotlib knows the corners alone.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False)


def _value(trial: Trial, goal: Goal) -> float:
    values = {"query": trial.qps, "bytes": trial.bytes_per_vector, "build": trial.build_seconds}
    return values[goal.minimize[0]] or float("nan")
