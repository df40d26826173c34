"""The journal of a search: all trials so far, so that the same command continues from there."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.contracts import UserError
from harness.files.replacing import replacing
from harness.results.identity import hash_of
from harness.text import Json, plain_json
from harness.tuning.costs import known_builds
from harness.tuning.model import KnownBuild, build_id
from harness.tuning.trials import Goal, Trial

_NAME = "journal.json"
_MOST_CHARACTERS = 64 << 20


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid")

    request: Json
    trials: list[Trial]


@dataclass
class Journal:
    """The trials of one request, in a folder of their own; each block is stored when it ends."""

    folder: Path
    request: Json
    trials: list[Trial] = field(default_factory=list)

    @classmethod
    def opened(cls, parent: Path, name: str, request: Json) -> Journal:
        """Return the journal of a request, with what was tried before.

        Raises
        ------
        UserError
            If there is one that cannot be read.
        """
        folder = parent / f"{name}-{hash_of(request)}"
        path = folder / _NAME
        if not path.exists():
            return cls(folder, request)
        try:
            text = path.read_text(encoding="utf-8")
            if len(text) > _MOST_CHARACTERS:
                raise ValueError(f"{len(text):,} characters")
            stored = _Stored.model_validate(plain_json(text, values=1 << 22))
        except (OSError, ValueError, ValidationError) as error:
            raise UserError(
                "the journal of this search cannot be read",
                where=str(path),
                got=str(error).splitlines()[0],
                hint="move it away to begin again",
            ) from error
        return cls(folder, request, stored.trials)

    def add(self, trials: Iterable[Trial]) -> None:
        """Add the trials of a block, atomically.

        Raises
        ------
        UserError
            If they cannot be written.
        """
        self.trials.extend(trials)
        told = {"request": self.request, "trials": [t.model_dump() for t in self.trials]}
        path = self.folder / _NAME
        try:
            with replacing(path, durable=True) as temporary:
                temporary.write_text(json.dumps(told), encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"cannot write the journal: {error.strerror}",
                where=str(path),
                hint="make room, then repeat the command: it continues from the last block",
            ) from error

    def of(self, label: str) -> list[Trial]:
        """Return the trials of a label."""
        return [trial for trial in self.trials if trial.label == label]

    def on(self, label: str, sample_rows: int | None = None) -> list[Trial]:
        """Return the trials of a label on a sample of so many rows, or on all rows."""
        return [trial for trial in self.of(label) if trial.sample_rows == sample_rows]

    def builds(self, label: str, sample_rows: int | None = None) -> set[str]:
        """Return the `build_id` of each build of a label of which something is known."""
        return {build_id(one.build) for one in self.on(label, sample_rows) if one.is_known}

    def count(self, label: str) -> int:
        """Return how many builds of a label were tried, the best ones only once."""
        return len(self.builds(label))

    def sample_rows(self, label: str) -> list[int]:
        """Return the numbers of rows of the samples that a label was tried on, ascending."""
        found = {trial.sample_rows for trial in self.of(label)}
        return sorted(rows for rows in found if rows is not None)

    def sample_count(self, label: str) -> int:
        """Return how many builds of samples of the rows were tried."""
        return sum(len(self.builds(label, rows)) for rows in self.sample_rows(label))

    def spent(self, label: str) -> float:
        """Return the seconds that a label has spent."""
        return max((trial.spent_seconds for trial in self.of(label)), default=0.0)

    def known(self, label: str, goal: Goal) -> list[KnownBuild]:
        """Return what is known of each build of a label, in their order, each time it was made."""
        return known_builds(goal, self.of(label))

    def blocks(self, label: str) -> list[list[Trial]]:
        """Return the trials of a label, block by block."""
        by_block = itertools.groupby(self.of(label), key=lambda trial: trial.block)
        return [list(trials) for _, trials in by_block]

    def seconds_per_build(self, label: str, sample_rows: int | None = None) -> list[float]:
        """Return the seconds that each build of a block took, if something is known of one.

        The time to draw its sample is not a part of them.
        """
        return [
            (seconds - trials[0].drawing_seconds) / len({build_id(trial.build) for trial in trials})
            for trials, seconds in self._timed_blocks(label, sample_rows)
            if any(trial.is_known for trial in trials)
        ]

    def spent_on(self, label: str, sample_rows: int) -> float:
        """Return the seconds that the blocks on a sample took, and drawing it before them."""
        return sum(seconds for _, seconds in self._timed_blocks(label, sample_rows))

    def _timed_blocks(
        self, label: str, sample_rows: int | None
    ) -> Iterator[tuple[list[Trial], float]]:
        """The blocks on a sample, or on all rows, each with the seconds that it took."""
        before = 0.0
        for trials in self.blocks(label):
            if trials[0].sample_rows == sample_rows:
                yield trials, trials[0].spent_seconds - before
            before = trials[0].spent_seconds

    def nearest_miss(self, label: str) -> Trial | None:
        """Return the trial of the highest recall, or else the smallest of those `too_large`."""
        own = self.on(label)
        missed = [trial for trial in own if trial.recall is not None]
        if missed:
            return max(missed, key=lambda trial: trial.recall or 0.0)
        large = [trial for trial in own if trial.status == "too_large"]
        return min(large, key=lambda trial: trial.bytes_per_vector or math.inf, default=None)
