"""The schema of known steps: changes in speed that a maintainer knows of."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from harness.registry.schema.values import Name, Strict, Text, like

_DAY = "a day such as 2026-01-31, or with a time, 2026-01-31 09:30"


class KnownStepSchema(Strict):
    why: Text
    """What happened, and why it is accepted."""
    commit: Annotated[str, like(r"[0-9a-f]{7,64}", "at least 7 digits of a hash")] | None = None
    """The new commit of the harness, after the arrow; at least 7 digits, in quotes."""
    day: Annotated[str, like(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", _DAY)] | None = None
    """The day as `history` prints it, for all steps of that day; with the time, for one."""
    algorithm: Name | None = None
    """Only steps of this algorithm or curve."""
    dataset: Name | None = None
    """Only steps on this dataset."""

    @model_validator(mode="after")
    def _says_which(self) -> KnownStepSchema:
        if self.commit is None and self.day is None:
            raise ValueError("commit: or day: of the step")
        return self
