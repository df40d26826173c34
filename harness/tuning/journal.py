"""The journal of a search: all trials so far, so that the same command goes on from there."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.contracts import UserError
from harness.files.replacing import replacing
from harness.measures.tuning import Float64, time_size_frontier
from harness.results.identity import hash_of
from harness.text import Json, plain
from harness.tuning.contenders import build_id
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
            stored = _Stored.model_validate(plain(json.loads(text), values=1 << 22))
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
                hint="make room, then give the same command again: it goes on from the last block",
            ) from error

    def of(self, label: str) -> list[Trial]:
        """Return the trials of a label."""
        return [trial for trial in self.trials if trial.label == label]

    def builds(self, label: str) -> set[str]:
        """Return the `build_id` of each build of a label that was tried, and not lost."""
        return {build_id(trial.build) for trial in self.of(label) if not trial.is_lost}

    def count(self, label: str) -> int:
        """Return how many builds of a label were tried, the best ones only once."""
        return len(self.builds(label))

    def spent(self, label: str) -> float:
        """Return the seconds that a label has spent."""
        return max((trial.spent_seconds for trial in self.of(label)), default=0.0)

    def best(self, label: str, goal: Goal) -> list[Trial]:
        """Return the best so far of a label: none, one, or those of the frontier by their bytes.

        One: the best of the last block that had one, since the best so far is in each. Of the
        frontier only one is, so builds of several blocks are compared, by their times relative to
        the reference index. Of a build that was made again, the last one counts.
        """
        own = self.of(label)
        if not goal.is_frontier:
            return [trial for trial in reversed(own) if trial.is_best][:1]
        last = {build_id(trial.build): trial.block for trial in own if not trial.is_lost}
        newest = [trial for trial in own if trial.block == last.get(build_id(trial.build))]
        return [newest[i] for i in time_size_frontier(*_times_and_sizes(newest))]

    def least_known(self, label: str, best: Sequence[Trial]) -> list[Trial]:
        """Return the one of the best so far that was built least often, the earliest of these."""
        made = {(trial.block, build_id(trial.build)) for trial in self.of(label)}
        counts = Counter(build for _, build in made)
        return sorted(best, key=lambda t: (counts[build_id(t.build)], t.spent_seconds))[:1]

    def last_block(self, label: str) -> Sequence[Trial]:
        """Return the trials of the last block of a label."""
        own = self.of(label)
        return [trial for trial in own if trial.block == own[-1].block]

    def seconds_per_build(self, label: str) -> float | None:
        """Return the seconds that each build of the last block took of which something is known."""
        found, spent = None, 0.0
        for _, block in itertools.groupby(self.of(label), key=lambda trial: trial.block):
            trials = list(block)
            if not all(trial.is_lost for trial in trials):
                count = len({build_id(trial.build) for trial in trials})
                found = (trials[0].spent_seconds - spent) / count
            spent = trials[0].spent_seconds
        return found

    def nearest_miss(self, label: str) -> Trial | None:
        """Return the trial of the highest recall, the smallest if all were too large."""
        own = self.of(label)
        missed = [trial for trial in own if trial.recall is not None]
        if missed:
            return max(missed, key=lambda trial: trial.recall or 0.0)
        sized = [trial for trial in own if trial.bytes_per_vector is not None]
        return min(sized, key=lambda trial: trial.bytes_per_vector or 0.0, default=None)


def _times_and_sizes(trials: Sequence[Trial]) -> tuple[Float64, Float64]:
    """`(trials,)` logarithms of times relative to the reference, and bytes; NaN where unknown."""
    times = [trial.times_reference or math.nan for trial in trials]
    sizes = [trial.bytes_per_vector or math.nan for trial in trials]  # 0 if it is not known
    return np.log(np.array(times, dtype=np.float64)), np.array(sizes, dtype=np.float64)
