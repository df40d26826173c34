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
    Step,
    commit_words,
    day_of,
    minute_of,
    step_words,
)
from harness.report.comparing.states import state_names
from harness.report.quantities import human
from harness.report.site.content import Content
from harness.report.site.payload import NO_FAMILY
from harness.report.site.pictures import history_picture
from harness.report.texts import level_text, notes, ratio_text
from harness.text import Json

_MOST_POINTS = 120
_MOST_ENTRIES = 100
_DAY_CHARACTERS = 10
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NEVER = "1970-01-01T00:00:00Z"


def history_values(content: Content) -> Json:
    """Return the history of each point by dataset; of many, those with steps come first."""
    found = sorted(content.history, key=_urgency)[:_MOST_POINTS]
    ordered = sorted(found, key=lambda one: one.group)  # stable
    ratios = [ratio for one in found for ratio in (*one.changes, one.overall)]
    times = sorted(_when(state) for one in found for state in one.states if state.when)
    within_days = any(one.moments[0] != day_of(one.states[0].when) for one in found)
    ends = times[:1] + times[-1:]
    steps = [step for one in content.history for step in one.steps]
    common = _common_libraries(found)
    return {
        "comparable": len(state_names(content.history, 2)) > 1,
        "groups": [
            {"title": title, "points": [_point(content, one, common) for one in group]}
            for title, group in groupby(ordered, key=lambda one: one.group)
        ],
        "ends": ends if within_days else [one[:_DAY_CHARACTERS] for one in ends],
        "within_days": within_days,
        "conditions": sorted({one.brief for one in found}),
        "families": sorted({_family(content, one) for one in found}),
        "libraries": sorted({name for one in found for name in _libraries(one)} - common),
        "left_out": len(content.history) - len(found),
        "steps": len(steps),
        "known": sum(step.kind == "known" for step in steps),
        "levels": sorted({level_text(ratio.level) for ratio in ratios}),
        "notes": notes(ratio.scope for ratio in ratios),
    }


def _urgency(one: PointHistory) -> int:
    """Points with a step come first, those whose steps are all known next."""
    if any(step.kind != "known" for step in one.steps):
        return 0
    return 1 if one.steps else 2


def _when(state: State) -> str:
    """The time of a state as inputs of dates and times have it, such as 2026-11-28T03:00."""
    return minute_of(state.when).replace(" ", "T")


def _family(content: Content, one: PointHistory) -> str:
    return content.families.get(one.algorithm, NO_FAMILY)


def _libraries(one: PointHistory) -> set[str]:
    """What any state was measured with, such as "faiss-cpu 1.15.1"."""
    return {f"{name} {version}" for s in one.states for name, version in s.libraries.items()}


def _common_libraries(found: Sequence[PointHistory]) -> set[str]:
    """What every point was measured with is no choice."""
    return set.intersection(*map(_libraries, found)) if found else set()


def _point(content: Content, one: PointHistory, common: set[str]) -> Json:
    size = one.states[-1].bytes_per_vector
    return {
        "anchor": anchor_of(one),
        "curve": one.curve,
        "page": content.algorithm_pages.get(one.algorithm),
        "parameters": one.parameters,
        "family": _family(content, one),
        "conditions": one.brief,
        "libraries": sorted(_libraries(one) - common),
        "n": one.n,
        "bytes_per_vector": f"{size:.6g}" if np.isfinite(size) else "",
        "overall": f"{ratio_text(one.overall)} {verdict_words(one.overall)}",
        "verdict": one.overall.verdict,
        "steps": [
            {"words": step_words(step), "kind": step.kind, "when": _when(step.state)}
            for step in one.steps
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
            "when": _when(state),
            "moment": moment,
            "commits": [
                {"words": commit_words([commit]), "url": content.choices.address_of(commit)}
                for commit in state.commits
            ],
            "qps": human(state.qps),
            "bounds": _bounds(state),
            "recall": f"{state.recall:.4f}",
            "change": change,
            "verdict": "known" if state.known else verdict,
            "changed": ", ".join(state.changed),
            "known": state.known,
        }
        for state, moment, change, verdict in zip(
            one.states, one.moments, changes, verdicts, strict=True
        )
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
    steps = [(one, step) for one in content.history for step in one.steps]
    steps.sort(key=lambda pair: _time(pair[1].state.when), reverse=True)
    times = [_time(state.when) for one in content.history for state in one.states]
    return {
        "title": content.choices.title,
        "updated": max(times, default=_NEVER),
        "id": _urn([content.choices.title, *sorted(content.judged)]),
        "entries": [
            {
                "id": _urn([anchor_of(one), step.state.when, *step.state.commits]),
                "updated": _time(step.state.when),
                "title": f"{one.curve} {one.parameters} on {one.dataset}: {_verdict(step)}",
                "text": step_words(step),
                "anchor": anchor_of(one),
            }
            for one, step in steps[:_MOST_ENTRIES]
        ],
    }


def _verdict(step: Step) -> str:
    return f"{step.ratio.verdict}, known" if step.state.known else step.ratio.verdict


def _time(when: str) -> str:
    """A time as Atom wants it; the epoch for any other text."""
    return when if _TIME.fullmatch(when) else _NEVER


def _urn(parts: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"urn:sha256:{digest[:32]}"
