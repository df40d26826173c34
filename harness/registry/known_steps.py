"""A file of known steps: changes in speed that a maintainer knows of, and why they are accepted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.files.paths import require_file, user_path
from harness.registry.schema.checking import check
from harness.registry.schema.known_step import KnownStepSchema
from harness.registry.yaml_source import read_yaml


@dataclass(frozen=True)
class KnownStep:
    """A step that is known; keys that are None hold for all. `origin` is "FILE:LINE".

    `day` is a day, which all steps of it fit, or a day with a time.
    """

    why: str
    commit: str | None
    day: str | None
    algorithm: str | None
    dataset: str | None
    origin: str

    def is_of(self, names: Collection[str], dataset: str) -> bool:
        """Whether it is a step of an algorithm or curve with these names on a dataset."""
        return self.algorithm in (None, *names) and self.dataset in (None, dataset)

    def is_at(self, commits: Collection[str], moments: Collection[str]) -> bool:
        """Whether it is a step to these new commits, at a time that is shown as one of these."""
        at_commit = self.commit is None or any(one.startswith(self.commit) for one in commits)
        return at_commit and self.day in (None, *moments)


def read_known_steps(path: str | Path) -> tuple[KnownStep, ...]:
    """Read a YAML list of known steps; an empty file has none.

    Raises
    ------
    UserError
        Names the file, the line and the key of each mistake.
    """
    path = user_path(path)
    require_file(path)
    document = read_yaml(path)
    if not isinstance(document.data, list | None):
        raise UserError(
            "no list of known steps",
            where=str(path),
            expected='- {commit: "1a2b3c4", why: ...}',
        )
    found = []
    for number, data in enumerate(document.data or ()):
        one = check(KnownStepSchema, data, document, (number,))
        origin = document.place((number,))
        found.append(KnownStep(one.why, one.commit, one.day, one.algorithm, one.dataset, origin))
    return tuple(found)
