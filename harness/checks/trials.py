"""A trial, one check on one case, as plain data for the child process; and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Parameters
from harness.contracts.filters import FilterForm
from harness.running.blocks import AdapterSpec, adapter_from_json
from harness.text import Json

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
    def from_report(cls, title: str, found: Json) -> Verdict:
        """Return the verdict that a child process reported."""
        known = ("status", "expected", "got", "why", "seconds")
        return cls(title, **{key: found[key] for key in known if key in found})


@dataclass(frozen=True)
class Case:
    """One index on the first `rows` rows of the sample, and one search of it for k neighbours.

    `note` describes what is special about it, for messages.
    """

    metric: Metric
    build: Parameters
    search: Parameters
    rows: int
    k: int
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """Declarations of the registry entry that the checks use.

    `floor` is the least recall@10 of the smoke group under its best search setting, `filtered` what
    `query_filtered` takes.
    """

    exact_order: bool
    floor: float
    filtered: FilterForm | None = None


@dataclass(frozen=True)
class Trial:
    """A check and its cases. `subject` distinguishes several trials of one check.

    `refusal` is the reason why the entry has no case for it: then it is skipped. `answers` are the
    neighbours from another process, for checks that compare with them.
    """

    check: str
    cases: tuple[Case, ...] = ()
    subject: str = ""
    refusal: str = ""
    answers: list[list[int]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The name that is shown, and by which a failure is declared."""
        return f"{self.check}[{self.subject}]" if self.subject else self.check

    @property
    def case(self) -> Case:
        """The first case."""
        return self.cases[0]

    def to_json(self) -> Json:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> Trial:
        """Return the trial that `to_json` wrote."""
        return cls(**{**data, "cases": tuple(Case(**case) for case in data["cases"])})


@dataclass(frozen=True)
class CheckSpec:
    """The work of the child process: trials of one entry, on the sample in `folder`.

    `adapters` maps each metric of the entry to the adapter's class.
    """

    folder: str
    entry: Entry
    trials: tuple[Trial, ...]
    adapters: Mapping[str, AdapterSpec]

    def to_json(self) -> Json:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> CheckSpec:
        """Return what `to_json` wrote."""
        return cls(
            folder=data["folder"],
            entry=Entry(**data["entry"]),
            trials=tuple(map(Trial.from_json, data["trials"])),
            adapters={m: adapter_from_json(a) for m, a in data["adapters"].items()},
        )
