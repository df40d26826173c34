"""The page of the history of points, and its feed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from harness.measures.verdicts import verdict_words
from harness.report.comparing.history import (
    PointHistory,
    State,
    commit_words,
    day_of,
    step_words,
)
from harness.report.quantities import human
from harness.report.site.content import Content
from harness.report.site.payload import NO_FAMILY
from harness.report.site.pictures import history_picture
from harness.report.texts import level_text, notes, ratio_text
from harness.text import Json

_MOST_POINTS = 120
_MOST_ENTRIES = 100
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NEVER = "1970-01-01T00:00:00Z"


def history_values(content: Content) -> Json:
    """Return the history of each point by dataset; of many, those with steps come first."""
    found = sorted(content.history, key=lambda one: not one.steps)[:_MOST_POINTS]
    ordered = sorted(found, key=lambda one: one.group)  # stable
    ratios = [ratio for one in found for ratio in (*one.changes, one.overall)]
    days = sorted(day_of(state.when) for one in found for state in one.states if state.when)
    return {
        "groups": [
            {"title": title, "points": [_point(content, one) for one in group]}
            for title, group in groupby(ordered, key=lambda one: one.group)
        ],
        "days": [days[0], days[-1]] if days else [],
        "families": sorted({_family(content, one) for one in found}),
        "left_out": len(content.history) - len(found),
        "steps": sum(len(one.steps) for one in content.history),
        "levels": sorted({level_text(ratio.level) for ratio in ratios}),
        "notes": notes(ratio.scope for ratio in ratios),
    }


def _family(content: Content, one: PointHistory) -> str:
    return content.families.get(one.algorithm, NO_FAMILY)


def _point(content: Content, one: PointHistory) -> Json:
    return {
        "anchor": anchor_of(one),
        "curve": one.curve,
        "page": content.algorithm_pages.get(one.algorithm),
        "parameters": one.parameters,
        "family": _family(content, one),
        "overall": f"{ratio_text(one.overall)} {verdict_words(one.overall)}",
        "verdict": one.overall.verdict,
        "steps": [
            {"words": step_words(state, ratio), "verdict": ratio.verdict, "day": day_of(state.when)}
            for state, ratio in one.steps
        ],
        "picture": history_picture(one),
        "states": _states(content, one),
    }


def _states(content: Content, one: PointHistory) -> list[Json]:
    """The states as text, newest first."""
    changes = ["", *(f"{ratio_text(ratio)} {verdict_words(ratio)}" for ratio in one.changes)]
    verdicts = ["", *(ratio.verdict for ratio in one.changes)]
    rows = [
        {
            "day": day_of(state.when),
            "commits": [
                {"words": commit_words([commit]), "url": content.choices.address_of(commit)}
                for commit in state.commits
            ],
            "qps": human(state.qps),
            "bounds": _bounds(state),
            "recall": f"{state.recall:.4f}",
            "change": change,
            "verdict": verdict,
            "changed": ", ".join(state.changed),
        }
        for state, change, verdict in zip(one.states, changes, verdicts, strict=True)
    ]
    return rows[::-1]


def _bounds(state: State) -> str:
    if not np.isfinite([state.qps_low, state.qps_high]).all():
        return "unknown"
    return f"{human(state.qps_low)} to {human(state.qps_high)}"


def anchor_of(one: PointHistory) -> str:
    """Return the id of a point on the page."""
    text = "\n".join((one.question, one.dataset, one.machine, one.curve))
    return f"point-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def feed_values(content: Content) -> Json:
    """Return the entries of the feed: every step, the newest first."""
    steps = [(one, state, ratio) for one in content.history for state, ratio in one.steps]
    steps.sort(key=lambda step: _time(step[1].when), reverse=True)
    times = [_time(state.when) for one in content.history for state in one.states]
    return {
        "title": content.choices.title,
        "updated": max(times, default=_NEVER),
        "id": _urn([content.choices.title, *sorted(content.judged)]),
        "entries": [
            {
                "id": _urn([anchor_of(one), state.when, *state.commits]),
                "updated": _time(state.when),
                "title": f"{one.curve} {one.parameters} on {one.dataset}: {ratio.verdict}",
                "text": step_words(state, ratio),
                "anchor": anchor_of(one),
            }
            for one, state, ratio in steps[:_MOST_ENTRIES]
        ],
    }


def _time(when: str) -> str:
    """A time as Atom wants it; the epoch for any other text."""
    return when if _TIME.fullmatch(when) else _NEVER


def _urn(parts: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"urn:sha256:{digest[:32]}"
