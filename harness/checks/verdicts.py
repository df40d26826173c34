"""The verdict on a check, with what was expected and got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["pass", "fail", "skip", "expected"]


class Failed(Exception):
    """A broken rule of the contract: what was expected, and what came instead."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class Skipped(Exception):
    """A check that does not apply to this entry; the message says why."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    `title` is its name, with the metric or group it is about in brackets; `why` is the reason of a
    skip, or of a failure that the entry declares (`expected`).
    """

    title: str
    status: Status
    expected: str = ""
    got: str = ""
    why: str = ""
    seconds: float = 0.0

    @classmethod
    def from_report(cls, title: str, found: Mapping[str, Any]) -> Verdict:
        """Return the verdict that a child process reported."""
        known = ("status", "expected", "got", "why", "seconds")
        return cls(title, **{key: found[key] for key in known if key in found})
