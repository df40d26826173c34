"""Checked definitions of datasets: plain data that packages exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness.contracts.dataset import Metric

Mode = Literal["single", "batch", "load"]
"""Queries are asked one after another, all in one call, or when they are due by a schedule."""


def timed_one_by_one(mode: Mode, threads: int) -> bool:
    """Return whether every query has a time of its own that nothing ran beside."""
    return mode == "single" and threads == 1


@dataclass(frozen=True)
class Load:
    """How queries arrive in the mode `load`: at a rate, or at the highest that keeps a bound.

    `rate` is in queries per second. `p99_ms` is the bound of the 99th percentile of the time from
    when a query is due; it is None if `rate` is given, and `rate` if it is. A query that has waited
    for `drop_ms` is dropped.
    """

    rate: float | None
    p99_ms: float | None
    drop_ms: float

    def text(self) -> str:
        """Return one line: `200 queries/s`, or `p99 <= 5 ms`."""
        return f"{self.rate:g} queries/s" if self.rate is not None else f"p99 <= {self.p99_ms:g} ms"


Track = Literal["plain", "filtered"]
"""Whether queries are asked as they are, or each with a filter that its answers must match."""

Family = Literal["graph", "partition", "quantization", "tree", "exhaustive", "system"]
"""How a search narrows down the rows that it looks at; see docs/reference/algorithm-entries.md."""

FAMILIES: tuple[Family, ...] = get_args(Family)
"""All families, in the order in which they are shown."""

Parameters = Mapping[str, Any]
"""Parameters of an algorithm or options of a format by name: plain data, as YAML knows them."""

QueryDistribution = Literal["same", "other"]
"""Whether queries are distributed as the base is: held out from it, or from the same source."""

SourceKind = Literal["bundled", "package", "file", "url"]


@dataclass(frozen=True)
class Source:
    """One place to get a dataset's rows from; an entry lists them in order of preference.

    `kind` is `bundled` (`path` inside the plug-in's folder), `package` (`package` as
    `ecosystem:name==version`), `file` (`path` on this machine) or `url`. `member` is the file
    inside an archive or package. `sha256` and `bytes` are of the file as read (the member, for a
    package or an archive); None where nobody could verify them yet.
    """

    kind: SourceKind
    format: str
    path: str | None = None
    package: str | None = None
    url: str | None = None
    member: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    options: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class QuerySplit:
    """How base and queries are split.

    - `file`: the source brings them.
    - `random`: `count` rows drawn without replacement by `default_rng(seed)`; the rest is base.
    - `first`: the base is the first `first` rows; `count` queries are drawn by `seed` from the
      rest, in the order drawn (all of the rest, in order, if `count` is None).
    """

    kind: Literal["file", "random", "first"]
    count: int | None = None
    first: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FilterFiles:
    """Files with the attributes of the source's rows, and with the filters of queries.

    Paths are absolute or from the entry's folder, or names in the source. Without `filters`, they
    are drawn from the attributes.
    """

    attributes: str
    filters: str | None = None


@dataclass(frozen=True)
class DatasetDefinition:
    """One entry of a dataset registry file. `folder` is the plug-in's folder."""

    name: str
    about: str
    licence: str
    metric: Metric
    dimension: int
    base: int
    split: QuerySplit
    sources: tuple[Source, ...]
    folder: Path
    origin: str  # "path/config.yml:12", for messages
    loader: str | None = None  # "file:function" in the folder, if a format is not enough
    untested: bool = False
    filtered: str | FilterFiles | None = None  # "file:function" in the folder, or files
    query_distribution: QueryDistribution | None = None  # None if it is not known
