"""Trials: builds that were tried, what came of them, and the goal of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harness.registry.grid import short_name
from harness.registry.schema.suite import Minimize
from harness.running.blocks import RaceFor
from harness.tuning.contenders import Contender

Known = Annotated[float, Field(allow_inf_nan=False)] | None


@dataclass(frozen=True)
class Goal:
    """What is asked for; `max_bytes` are per vector, `budget_seconds` for all contenders.

    `minimize` is one quantity, or `query` and `bytes`, for the frontier of the two.
    """

    recall: float
    minimize: tuple[Minimize, ...]
    max_bytes: float | None
    budget_seconds: float
    seed: int

    @property
    def is_frontier(self) -> bool:
        """Whether two quantities are to be small, so that several settings can be the best."""
        return len(self.minimize) > 1

    @property
    def race(self) -> RaceFor | None:
        """By what settings leave a block early; a slow one may be small or built soon."""
        races: dict[tuple[Minimize, ...], RaceFor] = {("query",): "time"}
        return "time and bytes" if self.is_frontier else races.get(self.minimize)


class Tried(BaseModel):
    """A search setting that was asked: recall on tuning queries, and roughly how fast it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recall: Known
    qps: Known


class Trial(BaseModel):
    """A build that was tried, with its best search setting; for a frontier, one of these.

    `status` is `reached`, `slower` (it reached the target, and left the race or, of unknown size,
    has no place on a frontier), `too_slow` (it takes far longer than another build that reaches the
    target, and has not reached it by then), `missed`, `too_large` (or of unknown size),
    `out_of_budget` (the end of the budget stopped it) or how it failed. `search`, `recall` (on the
    tuning queries), `qps` and `bytes_per_vector` (None if it is not known) are of the best setting
    that reached the target, else of the fastest that was too slow, else of the nearest miss.
    `times_reference` is the time of a query relative to the reference index in the same rounds, of
    those that stayed in the race; `rough_times_reference` is that when it was asked. `again`: a
    best build so far, built again beside others.
    `sample_rows` are those of the sample of which it was built, None if of all rows.
    `spent_seconds` is what its label had spent when its block had ended; before the block,
    `drawing_seconds` of these were spent on drawing samples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    block: str
    build: dict[str, Any]
    status: str
    reason: str = ""
    search: dict[str, Any] = {}
    recall: Known = None
    qps: Known = None
    times_reference: Known = None
    rough_times_reference: Known = None
    bytes_per_vector: Known = None
    build_seconds: Known = None
    again: bool = False
    sample_rows: int | None = None
    spent_seconds: float
    drawing_seconds: float = 0.0
    tried: tuple[Tried, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether a setting reached the target, in the bytes allowed."""
        return self.status in ("reached", "slower")

    @property
    def is_lost(self) -> bool:
        """Whether nothing is known of it, because its node went away."""
        return self.status == "lost"

    @property
    def is_out_of_budget(self) -> bool:
        """Whether the end of the budget stopped it."""
        return self.status == "out_of_budget"

    @property
    def is_known(self) -> bool:
        """Whether it says something of its build; if not, the build may be tried again."""
        return not (self.is_lost or self.is_out_of_budget)

    @property
    def if_out_of_budget(self) -> Trial:
        """This trial; `out_of_budget` if it timed out after the rest of the budget."""
        is_late = self.status == "timeout"
        return self.model_copy(update={"status": "out_of_budget"}) if is_late else self

    def name(self, contender: Contender) -> str:
        """Return the parameters in short, `M=16 | efSearch=80`."""
        definition = contender.definition
        build = short_name(self.build, definition.build)
        return " | ".join(filter(None, (build, short_name(self.search, definition.search))))
