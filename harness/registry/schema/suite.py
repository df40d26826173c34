"""The keys of suites."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from harness.contracts.definitions import Mode, Track
from harness.registry.schema.values import (
    MOST_BYTES,
    Grid,
    Label,
    Parameter,
    PathText,
    Seed,
    Strict,
    Text,
    as_list,
    parse_size,
)

_MOST_SECONDS = 1e9
_SHARE = "a share such as 5% or 0.05, or off"


class VariantSchema(Strict):
    group: Text | None = None
    """A group of the entry, whose grids replace those of the entry."""
    label: Label | None = None
    """Name of the curve; by default that of the entry."""
    build: Grid = {}
    """Values that replace those of the entry or group."""
    search: Grid = {}
    """Values that replace those of the entry or group."""


def _as_variants(value: object) -> object:
    return as_list({} if value is None else value)


def _seconds(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST_SECONDS:
        return float(value)
    return value


Count = Annotated[int, Field(ge=1, le=2**31)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, lt=_MOST_SECONDS)]
SecondsOrZero = Annotated[float, BeforeValidator(_seconds), Field(ge=0, lt=_MOST_SECONDS)]
Memory = Annotated[int, BeforeValidator(parse_size), Field(ge=1 << 20, le=MOST_BYTES)]


def _as_precision(value: object) -> object:
    """Turn `5%` into 0.05, and `off` (which YAML may read as false) into None."""
    if value is False or value == "off":
        return None
    if not isinstance(value, str):
        return value
    try:
        return float(value.strip().removesuffix("%")) / (100 if "%" in value else 1)
    except ValueError:
        raise ValueError(_SHARE) from None


Rate = Annotated[float, Field(gt=0, lt=_MOST_SECONDS)]


def _as_rates(value: object) -> object:
    return [_seconds(one) for one in value] if isinstance(value, list) else [_seconds(value)]


Precision = Annotated[float, Field(gt=0, lt=1)] | None


def _as_entries(value: object) -> object:
    """Turn a name or a list of names into a mapping of names to nothing."""
    value = [value] if isinstance(value, str) else value
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value)
    return value


Variants = Annotated[list[VariantSchema], BeforeValidator(_as_variants), Field(min_length=1)]


Minimize = Literal["query", "bytes", "build"]
"""What `annharness tune` makes small: time per query, bytes per vector, or time to build."""


class TunedSchema(Strict):
    recall: Annotated[float, Field(gt=0, le=1)]
    """The recall that was to be reached."""
    minimize: Annotated[list[Minimize], BeforeValidator(as_list), Field(min_length=1)] = ["query"]
    """What was to be small: `query` (seconds), `bytes` (per vector) or `build` (seconds)."""
    max_bytes: Annotated[float, Field(gt=0)] | None = None
    """The most bytes per vector, if they were limited."""
    budget_seconds: Annotated[float, Field(gt=0)]
    """The seconds that the search was allowed."""
    spent_seconds: Annotated[float, Field(ge=0)]
    """The seconds that it took."""
    seed: Seed = 0
    """The seed of the search."""
    trials: dict[Text, Annotated[int, Field(ge=0)]]
    """How many builds of all rows were tried, by label."""
    sample_trials: dict[Text, Annotated[int, Field(ge=1)]] = {}
    """How many builds of samples of the rows were tried before, by label."""
    space: dict[Text, Parameter]
    """What the parameters might be, by label."""


class SuiteSchema(Strict):
    about: Text = "a suite"
    """One sentence."""
    k: Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)]
    """Number of neighbours asked for; each number of a list is run."""
    datasets: Annotated[list[PathText], BeforeValidator(as_list), Field(min_length=1)]
    """Names or paths of datasets."""
    algorithms: Annotated[dict[Text, Variants], BeforeValidator(_as_entries), Field(min_length=1)]
    """Names of entries, each with nothing, a variant, or a list of variants; or names alone."""
    tuned: TunedSchema | None = None
    """How `annharness tune` found the parameters; stored with every result."""
    baseline: Text | None = None
    """A label: the run ends with the differences in recall to it."""
    track: Track = "plain"
    """`filtered`: the queries of each dataset that have a filter each, instead of its own."""
    mode: Mode = "single"
    """`single`: each query is timed; `batch`: all are given at once; `load`: they arrive."""
    threads: Threads = 1
    """Clients that ask at once (`single`, `load`), or size of the thread pool (`batch`)."""
    rates: Annotated[list[Rate], BeforeValidator(_as_rates), Field(min_length=1)] | None = None
    """Queries that arrive per second (`load`); each number of a list is run."""
    p99_ms: Annotated[Rate, BeforeValidator(_seconds)] | None = None
    """Bound of the 99th percentile of latency (`load`): the highest rate within it is searched."""
    drop_ms: Annotated[Rate, BeforeValidator(_seconds)] = 1000.0
    """A query that has waited for so long is dropped (`load`)."""
    build_threads: Threads | None = None
    """Size of the thread pool while building; by default all cores."""
    builds: Annotated[int, Field(ge=1, le=1000)] = 3
    """Least number of blocks, each with a build of its own of every index."""
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Least number of passes of each setting in a block."""
    precision: Annotated[Precision, BeforeValidator(_as_precision)] = 0.05
    """Half-width of QPS intervals to reach by further blocks, as `5%`; `off` for none."""
    extra_seconds: SecondsOrZero | None = None
    """Seconds for further blocks; by default half of those of the suite's own builds."""
    search_seconds: Seconds = 60.0
    """Seconds for the passes of one setting in a block; one pass is always made."""
    least_seconds: SecondsOrZero = 1.5
    """Seconds that the turns of a fast setting take in a block, by passes beyond `repeats`."""
    timeout: Seconds = 3600.0
    """Seconds for each build, and for each search setting in a block."""
    memory: Memory | None = None
    """Memory of all members of a block, as `8GiB`; by default 80 % of what the machine, container
    or job has free."""
