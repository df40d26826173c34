"""Display of a running search for parameters on a terminal: a live table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.cli.live import Redrawn, redrawing
from harness.text import counted
from harness.tuning.contenders import Contender
from harness.tuning.following import SearchState, lost_text, no_samples_text, rows_text
from harness.tuning.trials import Trial

_LABEL_CELLS = 18


class SearchTable(Redrawn):
    """A row for each algorithm: builds tried, time spent of the budget, and the best so far.

    `3 +24` are 3 builds of all rows, and 24 of samples of the rows.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._standings: dict[str, SearchState] = {}
        self._at_work: str | None = None
        self._block_began = self._began
        self._block = ""
        self._activity = "starting"
        self._in_turns = False
        self._notes: list[str] = []

    def search_began(self, standings: Sequence[SearchState]) -> None:
        """Lay out the table."""
        self._standings = {standing.label: standing for standing in standings}
        self._refresh()

    def block_started(self, contender: Contender, builds: int) -> None:
        """Show whose block begins."""
        self._at_work, self._activity = contender.label, "starting"
        self._block = f"block of {counted(builds, 'build')} {rows_text(contender)}".rstrip()
        self._block_began = time.monotonic()
        self._refresh()

    def phase(self, what: str, *, in_turns: bool) -> None:
        """Show what is done now. Called between turns, never while a query is timed."""
        self._in_turns = in_turns
        before, self._activity = self._activity, what
        self._refresh_if(what != before)

    def block_ended(self, standing: SearchState, reached: int, builds: int) -> None:
        """Show what was found."""
        self._end_block(standing)

    def block_lost(self, standing: SearchState, reason: str) -> None:
        """Show why the search of the algorithm ends."""
        self._notes.append(lost_text(standing, reason))
        self._end_block(standing)

    def samples_missed(self, contender: Contender, reason: str) -> None:
        """Show why there are none."""
        self._notes.append(no_samples_text(contender, reason))
        self._refresh()

    def _end_block(self, standing: SearchState) -> None:
        self._standings[standing.label] = standing
        self._at_work, self._in_turns = None, False
        self._refresh()

    def _is_in_turns(self) -> bool:
        return self._in_turns

    def _spent(self, standing: SearchState) -> float:
        """The seconds that an algorithm has spent, those of the block at work among them."""
        at_work = standing.label == self._at_work
        return standing.spent_seconds + (time.monotonic() - self._block_began) * at_work

    def _render(self) -> RenderableType:
        table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
        table.add_column("algorithm", no_wrap=True, max_width=_LABEL_CELLS)
        table.add_column("builds", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
        table.add_column("best so far", overflow="fold", ratio=1)
        for head in ("recall", "queries/s", "bytes"):
            table.add_column(head, justify="right", no_wrap=True)
        for standing in self._standings.values():
            spent = f"{self._spent(standing):.0f} of {standing.share_seconds:.0f}"
            sample = f" +{standing.sample_builds}" if standing.sample_builds else ""
            first = (Text(standing.label), f"{standing.builds}{sample}", spent)
            rows = [_cells(standing, trial) for trial in standing.best]
            for i, cells in enumerate(rows or [(Text("none reaches it yet", "dim"),)]):
                table.add_row(*(first if i == 0 else ("", "", "")), *cells)
        return Group(table, *self._status(), *(Text(line, "yellow") for line in self._notes))

    def _status(self) -> Iterator[RenderableType]:
        spent = sum(map(self._spent, self._standings.values()))
        budget = sum(standing.share_seconds for standing in self._standings.values())
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=max(budget, 1.0), completed=min(spent, budget), width=24),
            Text(f"{spent:.0f} of {budget:.0f} s"),
        )
        yield line
        if self._at_work is not None:
            activity = self._activity.removeprefix(f"{self._at_work} ")
            yield Text(
                f"{self._at_work}: {self._block}, {activity}", no_wrap=True, overflow="ellipsis"
            )


def _cells(standing: SearchState, trial: Trial) -> tuple[Text, str, str, str]:
    """The setting of a trial, with its figures on the tuning queries."""
    return (
        Text(trial.name(standing.contender) or "its only setting"),
        f"{trial.recall:.3f}" if trial.recall is not None else "",
        f"{trial.qps:,.0f}" if trial.qps is not None else "",
        f"{trial.bytes_per_vector:,.0f}" if trial.bytes_per_vector is not None else "",
    )


def live_search(console: Console) -> AbstractContextManager[SearchTable]:
    """Show the table of a search for the duration of the `with` statement."""
    return redrawing(SearchTable(console))
