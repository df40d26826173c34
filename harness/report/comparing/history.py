"""The same point over commits and library versions, and the steps in its speed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby, pairwise
from math import exp, isfinite

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.verdicts import Estimate, Ratio, Speeds, estimate, judge, verdict_words
from harness.registry.known_steps import KnownStep
from harness.report.analysis.points import prepare, rows_of
from harness.report.quantities import human
from harness.report.texts import interval_notes, ratio_text
from harness.results.table.columns import Row
from harness.results.table.conditions import CONDITIONS
from harness.results.table.speeds import speeds_of_row
from harness.text import Json

_SHOWN_DIGITS = 10
_STEPS = ("faster", "slower")
_POINT = (*CONDITIONS, "curve", "question", "fingerprint")


@dataclass(frozen=True, eq=False)
class State:
    """A point as it was measured at one time.

    `when` is ISO 8601, "" if unknown. `qps` and its bounds are at the conditions of the newest
    state of the point, as the reference index links them. `recall` is at the k of the point.
    `changed` says what differs from the state before, `libraries` maps those that it was measured
    with to their versions. `speeds` are those of its builds,
    `query_recall` is the recall of each query, `(nq,)`, or none where the answers are not known.
    `known` says why a step to this state is accepted, "" if nobody does.
    """

    when: str
    commits: tuple[str, ...]
    qps: float
    qps_low: float
    qps_high: float
    recall: float
    bytes_per_vector: float
    changed: tuple[str, ...]
    libraries: Mapping[str, str]
    speeds: Speeds
    query_recall: NDArray[np.float64]
    known: str = ""


@dataclass(frozen=True, eq=False)
class Step:
    """A change in speed whose interval excludes 1; `moment` is its day, perhaps with the time."""

    state: State
    ratio: Ratio
    moment: str

    @property
    def kind(self) -> str:
        """`faster`, `slower`, or `known` if it is accepted."""
        return "known" if self.state.known else self.ratio.verdict


@dataclass(frozen=True, eq=False)
class PointHistory:
    """A point's states, oldest first; there are two or more.

    `n` is the number of base rows. `changes` are the ratios of the QPS of each state to that of the
    one before, `overall` that of the newest to the first. They are judged together for all points
    of one comparison group.
    """

    dataset: str
    k: int
    mode: str
    threads: int
    machine: str
    algorithm: str
    curve: str
    parameters: str
    question: str
    n: int
    states: tuple[State, ...]
    changes: tuple[Ratio, ...]
    overall: Ratio

    @property
    def group(self) -> str:
        """The comparison group in one line, such as "glove-100: k = 10, AMD EPYC, 2 cores"."""
        return f"{self.dataset}: {self.brief}"

    @property
    def brief(self) -> str:
        """The conditions of the group: what is left of `group` without the dataset."""
        threads = f"{self.threads} threads" if self.threads != 1 else ""
        batch = "batch" if self.mode == "batch" else ""
        facts = filter(None, (f"k = {self.k}", threads, batch, self.machine))
        return ", ".join(facts)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The states at which the speed changed: the interval of the change excludes 1."""
        each = zip(self.states[1:], self.changes, self.moments[1:], strict=True)
        steps = (Step(*one) for one in each)
        return tuple(step for step in steps if step.ratio.verdict in _STEPS)

    @property
    def moments(self) -> tuple[str, ...]:
        """The day of each state, with the time (UTC) if one day has several states."""
        days = [day_of(state.when) for state in self.states]
        if len(set(days)) == len(days):
            return tuple(days)
        return tuple(minute_of(state.when) for state in self.states)


def histories(tables: Iterable[pd.DataFrame], last: int | None = None) -> list[PointHistory]:
    """Return the points that were measured several times, in the order of their names.

    A state is a point as one folder holds it: measured by one version of its adapter, with some
    versions of its libraries. Points of different machines or data are different points. A state
    that is in several folders counts once.

    Parameters
    ----------
    tables
        As from `harness.load_results`, with stale points, one for each folder.
    last
        Only so many newest states of each point; all by default. Fewer comparisons have narrower
        intervals.
    """
    rows = [row for table in tables for row in rows_of(prepare(table, stale=True))]
    known = [row for row in rows if _is_known(row)]
    found = []
    for _, group in groupby(sorted(known, key=_conditions), key=_conditions):
        found += _judged(list(_series(list(group), last)))
    return found


def _is_known(row: Row) -> bool:
    measured = row["status"] == "ok" and row["in_answers"] and isfinite(row["measured_qps"])
    return bool(measured and isinstance(row["question"], str) and row["question"])


def _conditions(row: Row) -> tuple[str, ...]:
    return tuple(f"{row[name]:09}" if name == "k" else str(row[name]) for name in CONDITIONS)


def _series(rows: Sequence[Row], last: int | None) -> Iterator[list[Row]]:
    """The versions of each point of a group that has several, oldest first."""
    points: dict[tuple[object, ...], dict[tuple[object, ...], Row]] = {}
    for row in rows:
        versions = points.setdefault(tuple(row[name] for name in _POINT), {})
        versions[row["finished_at"], row["sequence"], row["key"]] = row
    for _, versions in sorted(points.items(), key=lambda item: tuple(map(str, item[0]))):
        ordered = [versions[key] for key in sorted(versions, key=lambda key: tuple(map(str, key)))]
        kept = ordered[-last:] if last is not None else ordered
        if len(kept) > 1:
            yield kept


def _judged(series: Sequence[Sequence[Row]]) -> list[PointHistory]:
    """The histories of one group, with ratios that are corrected for all of its comparisons."""
    estimates = [_estimates(rows) for rows in series]
    ratios = iter(judge([one for found in estimates for one in found]))
    judged = [[next(ratios) for _ in found] for found in estimates]
    return [_history(rows, found) for rows, found in zip(series, judged, strict=True)]


def _estimates(rows: Sequence[Row]) -> list[Estimate]:
    """Each state against the one before, and the newest against the first."""
    speeds = [speeds_of_row(row) for row in rows]
    pairs = [*pairwise(speeds), (speeds[0], speeds[-1])]
    return [estimate(new, old) for old, new in pairs]


def _history(rows: Sequence[Row], ratios: Sequence[Ratio]) -> PointHistory:
    newest = rows[-1]
    conditions = _reference(newest)
    before: list[Row | None] = [None, *rows[:-1]]
    return PointHistory(
        **{
            name: newest[name]
            for name in (*CONDITIONS, "algorithm", "curve", "parameters", "question", "n")
        },
        states=tuple(_state(*pair, conditions) for pair in zip(rows, before, strict=True)),
        changes=tuple(ratios[:-1]),
        overall=ratios[-1],
    )


def _reference(row: Row) -> float:
    """The mean log seconds of the reference index in a row's blocks; NaN without one."""
    return float(np.mean(row["reference_log_seconds"]))


def _state(row: Row, before: Row | None, conditions: float) -> State:
    own = _reference(row)
    factor = exp(own - conditions) if isfinite(own) and isfinite(conditions) else 1.0
    qps = row["measured_qps"] * factor
    return State(
        when=str(row["finished_at"]),
        commits=tuple(row["commits"]),
        qps=qps,
        qps_low=row["qps_low"] / row["qps"] * qps,
        qps_high=row["qps_high"] / row["qps"] * qps,
        recall=float(row["recall"]),
        bytes_per_vector=float(row["bytes_per_vector"]),
        changed=tuple(_changed(before, row)) if before is not None else (),
        libraries=row["libraries"],
        speeds=speeds_of_row(row),
        query_recall=_query_recall(row),
    )


def _query_recall(row: Row) -> NDArray[np.float64]:
    stored = row["query_recall"]
    return stored if isinstance(stored, np.ndarray) else np.empty(0)


def _changed(old: Row, new: Row) -> Iterator[str]:
    """What differs between two versions of a point, in words."""
    if old["adapter_sha256"] != new["adapter_sha256"]:
        yield "adapter"
    for name, version in sorted(new["versions"].items()):
        if name in old["versions"] and old["versions"][name] != version:
            yield f"{name} {old['versions'][name]} → {version}"
    if old["commits"] != new["commits"]:
        yield f"commit {commit_words(old['commits'])} → {commit_words(new['commits'])}"


def commit_words(commits: Sequence[str]) -> str:
    """Return the first digits of commits; "unknown" of none."""
    return ", ".join(commit[:_SHOWN_DIGITS] for commit in commits) or "unknown"


def day_of(when: str) -> str:
    """Return the day of a time; "unknown" if there is none."""
    return when[:10] or "unknown"


def minute_of(when: str) -> str:
    """Return such as "2026-11-28 03:00" in UTC; the day if the time is not known."""
    try:
        moment = datetime.fromisoformat(when)
        utc = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the latter near the first and the last year
        return day_of(when)
    return utc.strftime("%Y-%m-%d %H:%M") if utc else day_of(when)


def with_known_steps(
    found: Iterable[PointHistory], known: Sequence[KnownStep]
) -> tuple[list[PointHistory], list[KnownStep]]:
    """Return the histories with steps marked that are known, and the known steps of none of them.

    A commit is that of a step only where the state before has another one: what changes later at
    the same commit is a step of its own. If several known steps fit a step, the first counts.
    """
    used: set[KnownStep] = set()
    marked = []
    for one in found:
        reasons: dict[State, str] = {}
        mine = [step for step in known if step.is_of((one.algorithm, one.curve), one.dataset)]
        before = {new: old for old, new in pairwise(one.states)}
        for state in (step.state for step in one.steps):
            commits = set(state.commits).difference(before[state].commits)
            fitting = [step for step in mine if step.is_at(commits, _moments(state.when))]
            used |= set(fitting)
            if fitting:
                reasons[state] = fitting[0].why
        states = (replace(state, known=reasons.get(state, "")) for state in one.states)
        marked.append(replace(one, states=tuple(states)))
    return marked, [step for step in known if step not in used]


def _moments(when: str) -> tuple[str, ...]:
    """A time as the day and the minute that are shown of it."""
    minute = minute_of(when)
    return day_of(when), minute, day_of(minute)


# As tables ---------------------------------------------------------------------------------------


def table_of_histories(found: Sequence[PointHistory]) -> pd.DataFrame:
    """Return the states as a table, a row each, with the ratio to the state before."""
    return pd.DataFrame([figures for one in found for figures in _figures(one)])


def to_json(found: Sequence[PointHistory]) -> str:
    """Return the states as a JSON list; what is unknown is null."""
    rows = [
        {name: None if isinstance(v, float) and not isfinite(v) else v for name, v in row.items()}
        for one in found
        for row in _figures(one)
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def to_markdown(found: Sequence[PointHistory]) -> str:
    """Return a Markdown table with a row for each point, and what its intervals are below it."""
    from harness.report.export.tables import markdown_table

    if not found:
        return "no history\n"
    rows = [list(summary_row(one).values()) for one in found]
    return markdown_table(list(summary_row(found[0])), rows) + f"\n{caption(found)}\n"


def caption(found: Sequence[PointHistory]) -> str:
    """Return the text below a table of histories, which explains its intervals."""
    return ". ".join(interval_notes(r for one in found for r in (*one.changes, one.overall)))


def summary_row(one: PointHistory) -> dict[str, str]:
    """Return a point's history as a row of text."""
    newest = one.states[-1]
    return {
        "dataset": one.dataset,
        "k": str(one.k),
        "curve": one.curve,
        "parameters": one.parameters,
        "states": str(len(one.states)),
        "from": day_of(one.states[0].when),
        "to": day_of(newest.when),
        "QPS": human(newest.qps),
        "newest over first": ratio_text(one.overall),
        "verdict": verdict_words(one.overall),
        "steps": "; ".join(map(step_words, one.steps)) or "none",
    }


def step_words(step: Step) -> str:
    """Return a step in words: when, the ratio, the verdict, what had changed, why it is known."""
    changed = f" ({', '.join(step.state.changed)})" if step.state.changed else ""
    known = f"; known: {step.state.known}" if step.state.known else ""
    ratio = f"{ratio_text(step.ratio)} {verdict_words(step.ratio)}"
    return f"{step.moment}: {ratio}{changed}{known}"


def _figures(one: PointHistory) -> Iterator[Json]:
    changes: list[Ratio | None] = [None, *one.changes]
    for state, change in zip(one.states, changes, strict=True):
        yield {
            **{name: getattr(one, name) for name in (*CONDITIONS, "algorithm", "curve")},
            "parameters": one.parameters,
            "when": state.when,
            "commits": list(state.commits),
            "qps": state.qps,
            "qps_low": state.qps_low,
            "qps_high": state.qps_high,
            "recall": state.recall,
            "bytes_per_vector": state.bytes_per_vector,
            "changed": list(state.changed),
            "known": state.known or None,
            **_change_figures(change),
        }


def _change_figures(change: Ratio | None) -> Mapping[str, object]:
    names = ("value", "low", "high", "level", "verdict", "scope")
    values = [getattr(change, name) if change is not None else None for name in names]
    return {name.replace("value", "ratio"): v for name, v in zip(names, values, strict=True)}
