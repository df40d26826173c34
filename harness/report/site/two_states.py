"""Two states compared, on the page of the history: what its script shows of each pair."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from harness.measures.recall_intervals import Difference
from harness.measures.verdicts import verdict_words
from harness.report.comparing.history import PointHistory
from harness.report.comparing.states import (
    StateDifference,
    StateName,
    compare_states,
    state_names,
)
from harness.report.quantities import human
from harness.report.site.changes import anchor_of
from harness.report.texts import level_text, notes, ratio_text
from harness.text import Json

MOST_STATES = 12
"""Commits and versions that can be chosen: all pairs of them are compared."""

_MOST_COMPARISONS = 10_000  # of a point in two states: they take up to 6 s


def states_payload(found: Sequence[PointHistory]) -> Json:
    """Return the states that can be chosen, the newest last, and the comparison of each pair.

    `pairs` is keyed by the numbers of the older and the newer state. Texts are as shown: no ratio
    and no verdict is computed on the page.
    """
    most = MOST_STATES
    while most > 2 and len(found) * most * (most - 1) // 2 > _MOST_COMPARISONS:
        most -= 1
    names = state_names(found, most)
    numbered = [(str(number), name) for number, name in enumerate(names)]
    pairs = {
        f"{i},{j}": _compared(found, old, new) for (i, old), (j, new) in combinations(numbered, 2)
    }
    return {"states": [one.words for one in names], "pairs": pairs}


def _compared(found: Sequence[PointHistory], old: StateName, new: StateName) -> Json:
    compared = compare_states(found, old, new)
    differing = [one for one in compared if one.differs]
    verdicts = [one.ratio.verdict for one in compared]
    return {
        "points": len(compared),
        "equal": verdicts.count("equal"),
        "undecided": verdicts.count("undecided"),
        "levels": sorted({level_text(one.ratio.level) for one in compared}),
        "notes": notes(one.ratio.scope for one in differing),
        "rows": [_row(one) for one in differing],
    }


def _row(one: StateDifference) -> Json:
    point = one.point
    return {
        "anchor": anchor_of(point),
        "group": point.group,
        "curve": point.curve,
        "parameters": point.parameters,
        "qps": f"{human(one.old.qps)} → {human(one.new.qps)}",
        "ratio": ratio_text(one.ratio),
        "verdict": one.ratio.verdict,
        "words": verdict_words(one.ratio),
        "recall": f"{one.old.recall:.4f} → {one.new.recall:.4f}",
        "recall_words": _recall_words(one.recall),
    }


def _recall_words(one: Difference | None) -> str:
    if one is None:
        return "not compared: without answers of both"
    if not one.real:
        return "no difference that is sure"
    return f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
