"""The events of a search, and followers that print them as lines or do nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from harness.files.progress import Progress, silent
from harness.running.listener import Listener, PlainLines, Silence
from harness.text import counted
from harness.tuning.contenders import Contender
from harness.tuning.trials import Trial

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchState:
    """How far the search of a contender is, after its last block.

    `best` is empty while nothing has reached the target; of a frontier it holds all members by
    ascending bytes. `share_seconds` is the part of the budget that the contender has. `builds` are
    of all rows, `sample_builds` of samples of the rows. `contender` is on a sample if the last
    block was.
    """

    contender: Contender
    builds: int
    sample_builds: int
    spent_seconds: float
    share_seconds: float
    best: Sequence[Trial]

    @property
    def label(self) -> str:
        """The name of the contender in the suite."""
        return self.contender.label


class SearchFollower(Protocol):
    """Follows a search."""

    def search_began(self, standings: Sequence[SearchState]) -> None:
        """All contenders, with what an earlier search has found."""

    def block_started(self, contender: Contender, builds: int) -> None:
        """A block of so many builds of a contender begins, on a sample of the rows or on all."""

    def phase(self, what: str, *, in_turns: bool) -> None:
        """Report what is done now; in turns, queries are timed."""

    def block_ended(self, standing: SearchState, reached: int, builds: int) -> None:
        """A block is over, in which so many of its trials have reached the target."""

    def block_lost(self, standing: SearchState, reason: str) -> None:
        """A block was lost, which ends the search of the contender."""

    def samples_missed(self, contender: Contender, reason: str) -> None:
        """Builds on samples of the rows would help a contender, but there are none."""


class SilentFollower:
    """A follower that does nothing."""

    def search_began(self, standings: Sequence[SearchState]) -> None:
        """Do nothing."""

    def block_started(self, contender: Contender, builds: int) -> None:
        """Do nothing."""

    def phase(self, what: str, *, in_turns: bool) -> None:
        """Do nothing."""

    def block_ended(self, standing: SearchState, reached: int, builds: int) -> None:
        """Do nothing."""

    def block_lost(self, standing: SearchState, reason: str) -> None:
        """Do nothing."""

    def samples_missed(self, contender: Contender, reason: str) -> None:
        """Do nothing."""


class SearchLines:
    """A line for each block, for logs, and one every two seconds within it."""

    def __init__(self, say: Say, progress: Progress) -> None:
        self._say = say
        self._progress = progress

    def search_began(self, standings: Sequence[SearchState]) -> None:
        """Write what an earlier search has found."""
        for standing in standings:
            if standing.builds or standing.sample_builds:
                self._say(f"{_head(standing)}; it continues")

    def block_started(self, contender: Contender, builds: int) -> None:
        """Write nothing: the builds are named one by one."""

    def phase(self, what: str, *, in_turns: bool) -> None:
        """Write what is done now and then."""
        self._progress(what, 0, 0)

    def block_ended(self, standing: SearchState, reached: int, builds: int) -> None:
        """Write what was found so far."""
        self._say(f"{_head(standing)}; {_found(standing, reached, builds)}")

    def block_lost(self, standing: SearchState, reason: str) -> None:
        """Write why the search ends."""
        self._say(lost_text(standing, reason))

    def samples_missed(self, contender: Contender, reason: str) -> None:
        """Write why there are none."""
        self._say(no_samples_text(contender, reason))


@dataclass(frozen=True)
class Outputs:
    """Where the output goes: lines, progress before measuring, the search, and the winners' run.

    All but `say` are opened for their part and closed after it, since a terminal shows one thing
    at a time.
    """

    say: Say = lambda line: None
    progress: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(silent)
    search: Callable[[], AbstractContextManager[SearchFollower]] = lambda: nullcontext(
        SilentFollower()
    )
    run: Callable[[], AbstractContextManager[Listener]] = lambda: nullcontext(Silence())

    @classmethod
    def by(cls, lines: PlainLines) -> Outputs:
        """Tell everything in lines."""
        return cls(
            lines.say,
            lambda: nullcontext(lines.progress),
            lambda: nullcontext(SearchLines(lines.say, lines.progress)),
            lambda: nullcontext(lines),
        )


def lost_text(standing: SearchState, reason: str) -> str:
    """Return why the search of a contender ends with a lost block."""
    return f"{standing.label}: the search ends, a block was lost: {reason}"


def no_samples_text(contender: Contender, reason: str) -> str:
    """Return why a contender has no builds on samples of the rows."""
    return f"{contender.label}: no builds on samples of the rows: {reason}"


def rows_text(contender: Contender) -> str:
    """Return "on 20,000 of 331,479 rows", and nothing if it is on all of them."""
    if contender.sample_rows is None:
        return ""
    return f"on {contender.sample_rows:,} of {contender.facts.n:,} rows"


def trial_text(contender: Contender, trial: Trial) -> str:
    """Return the parameters of a trial with its figures on the tuning queries."""
    facts = [
        f"recall {trial.recall:.4f}" if trial.recall is not None else "",
        f"{trial.qps:,.0f} queries/s" if trial.qps is not None else "",
        f"{trial.bytes_per_vector:,.1f} bytes" if trial.bytes_per_vector is not None else "",
    ]
    return ", ".join(filter(None, (trial.name(contender), *facts)))


def _head(standing: SearchState) -> str:
    count = counted(standing.builds, "build")
    sample = f" and {standing.sample_builds} of samples" if standing.sample_builds else ""
    return f"{standing.label}: {count}{sample} tried in {standing.spent_seconds:.0f} s"


def _found(standing: SearchState, reached: int, builds: int) -> str:
    on = rows_text(standing.contender)
    if on:
        return f"{on}, {reached} of {builds} reach the target"
    if not standing.best:
        why = "none has a known size" if reached else "none so far"
        return f"{reached} of {builds} reach the target; {why}"
    ends = [trial_text(standing.contender, standing.best[i]) for i in (0, -1)]
    if len(standing.best) > 1:
        return f"frontier of {len(standing.best)}, from {ends[0]} to {ends[1]}"
    return f"best so far {ends[0]}"
