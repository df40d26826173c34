"""Two states of all points compared, such as two commits or two versions of a library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.measures.recall_intervals import (
    Difference,
    RecallEstimate,
    judge_differences,
    recall_difference,
)
from harness.measures.verdicts import Ratio, estimate, judge
from harness.report.comparing.history import PointHistory, State, commit_words, day_of


@dataclass(frozen=True)
class StateName:
    """What names a state of several points: the commits, or one library with its version.

    `when` is the time of the newest state of it, ISO 8601.
    """

    commits: tuple[str, ...]
    library: str
    when: str

    @property
    def words(self) -> str:
        """As readers choose it, such as "faiss-cpu 1.15.1, until 2026-11-28"."""
        name = self.library or f"commit {commit_words(self.commits)}"
        return f"{name}, {'until ' if self.library else ''}{day_of(self.when)}"

    def is_of(self, state: State) -> bool:
        return self.library in _libraries(state) if self.library else self.commits == state.commits


@dataclass(frozen=True, eq=False)
class StateDifference:
    """A point in two states: `ratio` is the QPS of the new one over that of the old one.

    `recall` is the difference in recall over the same queries, new less old, with an interval over
    them; None where the answers of either are unknown, or of different queries.
    """

    point: PointHistory
    old: State
    new: State
    ratio: Ratio
    recall: Difference | None

    @property
    def differs(self) -> bool:
        """Whether an interval says that speed or recall differ."""
        real = self.recall is not None and self.recall.real
        return real or self.ratio.verdict in ("faster", "slower")


def state_names(found: Sequence[PointHistory], most: int) -> list[StateName]:
    """Return the newest states that can be chosen, at most so many, the oldest of them first.

    Versions of a library can be where several states differ in it.
    """
    states = [state for one in found for state in one.states]
    versions: dict[str, set[str]] = defaultdict(set)
    newest: dict[tuple[tuple[str, ...], str], str] = {}
    for state in states:
        for name, version in state.libraries.items():
            versions[name].add(version)
    for state in states:
        varied = (n for n, v in state.libraries.items() if len(versions[n]) > 1)
        libraries = [f"{name} {state.libraries[name]}" for name in varied]
        commits = [(state.commits, "")] if state.commits else []
        for key in [*commits, *(((), library) for library in libraries)]:
            newest[key] = max(newest.get(key, ""), state.when)
    names = [StateName(commits, library, when) for (commits, library), when in newest.items()]
    names.sort(key=lambda one: (one.when, one.library, one.commits))
    return names[-most:]


def compare_states(
    found: Sequence[PointHistory], old: StateName, new: StateName
) -> list[StateDifference]:
    """Compare all points that have both states, each the newest of its name.

    Ratios, intervals and verdicts are computed as those of steps, and corrected for all points of a
    comparison group together; those of recall as well.
    """
    pairs = [pair for one in found for pair in _pair(one, old, new)]
    pairs.sort(key=lambda pair: pair[0].group)  # stable
    return [
        one
        for _, group in groupby(pairs, key=lambda pair: pair[0].group)
        for one in _judged(list(group))
    ]


_Pair = tuple[PointHistory, State, State]


def _pair(one: PointHistory, old: StateName, new: StateName) -> Iterator[_Pair]:
    before = [state for state in one.states if old.is_of(state)]
    after = [state for state in one.states if new.is_of(state)]
    if before and after and before[-1] is not after[-1]:
        yield one, before[-1], after[-1]


def _judged(pairs: Sequence[_Pair]) -> list[StateDifference]:
    ratios = judge([estimate(new.speeds, old.speeds) for _, old, new in pairs])
    both = [number for number, (_, old, new) in enumerate(pairs) if _are_comparable(old, new)]
    recalls = judge_differences([_recall_estimate(*pairs[number][1:]) for number in both])
    differences = dict(zip(both, recalls, strict=True))
    return [
        StateDifference(*pair, ratio, differences.get(number))
        for number, (pair, ratio) in enumerate(zip(pairs, ratios, strict=True))
    ]


def _recall_estimate(old: State, new: State) -> RecallEstimate:
    return recall_difference(new.query_recall[None], old.query_recall[None])


def _are_comparable(old: State, new: State) -> bool:
    return len(old.query_recall) > 0 and old.query_recall.shape == new.query_recall.shape


def _libraries(state: State) -> set[str]:
    return {f"{name} {version}" for name, version in state.libraries.items()}
