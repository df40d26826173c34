"""The shape of registry and suite files; errors name file, line, key and the right name."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Family, Mode, Track
from harness.contracts.filters import FilterForm
from harness.registry.inheriting import with_inherited_keys
from harness.registry.names import check_entry_name, did_you_mean
from harness.registry.yaml_source import Document, KeyPath, read_yaml
from harness.text import REASON_CHARACTERS, is_clean, plain

_MAX_FAULTS_SHOWN = 5
_NAME_CHARACTERS = 100
_PATH_CHARACTERS = 4095
_MOST_ROWS = 1 << 40
_MOST_BYTES = 1 << 60
_MOST_THREADS = 1024
MOST_SEED = (1 << 63) - 1
"""Of a random generator."""

_SIZE = "a size such as 8GiB or 500MB"
_SHARE = "a share such as 5% or 0.05, or off"


def _refuse_odd_text(text: str) -> str:
    """Refuse what could not be stored and shown as it is."""
    if not is_clean(text, max(len(text), 1)):
        raise ValueError("text without control characters")
    return text


def _refuse_odd_values(value: object) -> object:
    """Refuse a parameter that could not be stored and shown as it is."""
    if [plain(value)] != [value]:  # in a list, NaN is what it is
        raise ValueError(
            f"text of at most {REASON_CHARACTERS:,} characters, without control characters"
        )
    return value


_Clean = AfterValidator(_refuse_odd_text)
_Stripped = StringConstraints(min_length=1, strip_whitespace=True, max_length=REASON_CHARACTERS)

Text = Annotated[str, _Stripped, _Clean]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_NAME_CHARACTERS), _Clean]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=_PATH_CHARACTERS), _Clean]
ParameterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=_NAME_CHARACTERS)
]
Parameter = Annotated[Any, AfterValidator(_refuse_odd_values)]
Locator = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$", max_length=REASON_CHARACTERS)
]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .=_+-]{0,60}$")]
Grid = dict[ParameterName, Parameter]


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def parse_size(value: object) -> Any:
    """Return bytes from a number or a text such as `8GiB`, `500 MB`."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9.]+)\s*([kMGT]?)(i?)B", value.strip())
    if match is None:
        raise ValueError(_SIZE)
    number, prefix, binary = match.groups()
    power = " kMGT".index(prefix or " ")
    try:
        return int(float(number) * (1024 if binary else 1000) ** power)
    except (ValueError, OverflowError):
        raise ValueError(_SIZE) from None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GroupSchema(_Strict):
    build: Grid = {}
    """Values that replace those of the entry."""
    search: Grid = {}
    """Values that replace those of the entry."""


def _as_axis(value: object) -> object:
    return {"values": value} if isinstance(value, list) else value


Number = TypeVar("Number", int, float)
_Range = Annotated[list[Number], Field(min_length=2, max_length=2)] | None


class AxisSchema(_Strict):
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
        if ends is not None and not (math.isfinite(sum(ends)) and ends[0] < ends[1]):
            raise ValueError("the least number, then a larger one")
        if self.log and (ends is None or ends[0] <= 0):
            raise ValueError("log: true for a range above 0")
        return self


Axes = dict[ParameterName, Annotated[AxisSchema, BeforeValidator(_as_axis)]]


class TuneSchema(_Strict):
    build: Axes = {}
    """The values of build parameters; those of others are the grid's."""
    search: Axes = {}
    """The values of search parameters; those of others are the grid's."""


Metrics = Annotated[list[Metric], Field(min_length=1)]


class _EntrySchema(_Strict):
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
    """Whether answers come nearest first by true distance."""
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    """The recall@10 that `smoke` reaches under its best search setting."""
    expected_failures: dict[Text, Text] = {}
    """Contract checks that cannot pass, by name, each with the reason."""
    in_answers: bool = True
    """`false` keeps the entry out of tables and recommendations."""
    pausable: bool = True
    """`false` if its processes cannot be stopped between turns."""


class AlgorithmSchema(_EntrySchema):
    adapter: Locator
    """`FILE:CLASS`, the adapter in the entry's folder."""
    filtered: FilterForm | None = None
    """What `query_filtered` takes; without it the entry searches no filtered queries."""
    about: Text
    """One sentence."""
    metrics: Metrics
    """The metrics that it can search."""
    one_of: list[Annotated[list[ParameterName], Field(min_length=2)]] = []
    """Lists of parameters of which each point has exactly one; the entry has one of them."""


class ForeignSchema(_EntrySchema):
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


class QueriesSchema(_Strict):
    draw: Literal["random"] | None = None
    """Draw `count` rows without replacement; the others, in order, are the base."""
    file: Literal[True] | PathText | None = None
    """`true` if the source brings its own queries, or the file that holds them."""
    first: Annotated[int, Field(ge=1, le=_MOST_ROWS)] | None = None
    """The base is the first so many rows, and queries come from the others."""
    count: Annotated[int, Field(ge=2, le=_MOST_ROWS)] | None = None
    """How many queries; with `first` by default all other rows."""
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    """Seed of `numpy.random.default_rng` for the draw."""

    @model_validator(mode="after")
    def _one_way(self) -> QueriesSchema:
        ways = [self.draw is not None, self.file is not None, self.first is not None]
        if sum(ways) != 1:
            raise ValueError("exactly one of draw: random, file: ..., first: N")
        if self.draw and self.count is None:
            raise ValueError("draw: random needs a count")
        return self


class SourceSchema(_Strict):
    kind: Literal["bundled", "package", "file", "url"]
    """Where it is."""
    format: Text
    """One of the [formats](datasets.md#formats), or `loader`."""
    path: PathText | None = None
    """For `bundled` a file of the entry's folder, for `file` one of this machine."""
    package: Annotated[Text, StringConstraints(pattern=r"^(pypi|npm|debian):\S+$")] | None = None
    """`pypi:NAME==VERSION`, `npm:NAME==VERSION` or `debian:NAME`."""
    url: Annotated[Text, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Address of the file."""
    member: PathText | None = None
    """The file inside an archive or a package."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hash of the file as read. By default the first fetch records it."""
    bytes: Annotated[int, Field(ge=1, le=_MOST_BYTES)] | None = None
    """Size of the file as read. By default the first fetch records it."""
    options: dict[Name, Parameter] = {}
    """Options of the format, such as `column`."""

    @model_validator(mode="after")
    def _has_its_place(self) -> SourceSchema:
        key = {"bundled": "path", "file": "path"}.get(self.kind, self.kind)
        if getattr(self, key) is None:
            raise ValueError(f"kind: {self.kind} needs {key}: ...")
        return self


class DatasetSchema(_Strict):
    like: Text | None = None
    """Another entry of the file, whose keys it takes; its own are laid over them."""
    about: Text
    """One sentence."""
    licence: Text
    """Licence of the data; `unknown` if its publisher states none."""
    metric: Metric
    """The metric of its neighbours."""
    dimension: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    """Dimensions of each row."""
    base: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    """Rows of the base, after the queries are taken out."""
    queries: QueriesSchema
    """Where the queries come from: exactly one of `draw`, `file` and `first`."""
    sources: Annotated[list[SourceSchema], Field(min_length=1)]
    """Places to get it from; the first that works is taken."""
    loader: Locator | None = None
    """`FILE:FUNCTION` in the entry's folder that reads what no format reads."""
    filtered: Locator | None = None
    """`FILE:FUNCTION` in the entry's folder that gives attributes and queries with filters."""
    untested: bool = False
    """`true` if the entry was never loaded end to end."""


class VariantSchema(_Strict):
    group: Text | None = None
    """A group of the entry, whose grids replace those of the entry."""
    label: Label | None = None
    """Name of the curve; by default that of the entry."""
    build: Grid = {}
    """Values that replace those of the entry or group."""
    search: Grid = {}
    """Values that replace those of the entry or group."""


_MOST_SECONDS = 1e9


def _as_variants(value: object) -> object:
    return _as_list({} if value is None else value)


def _seconds(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST_SECONDS:
        return float(value)
    return value


Count = Annotated[int, Field(ge=1, le=2**31)]
Threads = Annotated[int, Field(ge=1, le=_MOST_THREADS)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, lt=_MOST_SECONDS)]


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


class TunedSchema(_Strict):
    recall: Annotated[float, Field(gt=0, le=1)]
    """The recall that was to be reached."""
    minimize: Minimize = "query"
    """What was to be small: `query` (seconds), `bytes` (per vector) or `build` (seconds)."""
    max_bytes: Annotated[float, Field(gt=0)] | None = None
    """The most bytes per vector, if they were limited."""
    budget_seconds: Annotated[float, Field(gt=0)]
    """The seconds that the search was allowed."""
    spent_seconds: Annotated[float, Field(ge=0)]
    """The seconds that it took."""
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    """The seed of the search."""
    trials: dict[Text, Annotated[int, Field(ge=0)]]
    """How many builds were tried, by label."""
    space: dict[Text, Parameter]
    """What the parameters might be, by label."""


class SuiteSchema(_Strict):
    about: Text = "a suite"
    """One sentence."""
    k: Annotated[list[Count], BeforeValidator(_as_list), Field(min_length=1)]
    """Number of neighbours asked for; each number of a list is run."""
    datasets: Annotated[list[PathText], BeforeValidator(_as_list), Field(min_length=1)]
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
    extra_seconds: (
        Annotated[float, BeforeValidator(_seconds), Field(ge=0, lt=_MOST_SECONDS)] | None
    ) = None
    """Seconds for further blocks; by default half of those of the suite's own builds."""
    search_seconds: Seconds = 60.0
    """Seconds for the passes of one setting in a block; one pass is always made."""
    least_seconds: Annotated[float, BeforeValidator(_seconds), Field(ge=0, lt=_MOST_SECONDS)] = 1.5
    """Seconds that the turns of a fast setting take in a block, by passes beyond `repeats`."""
    timeout: Seconds = 3600.0
    """Seconds for each build, and for each search setting in a block."""
    memory: (
        Annotated[int, BeforeValidator(parse_size), Field(ge=1 << 20, le=_MOST_BYTES)] | None
    ) = None
    """Memory of all members of a block, as `8GiB`; by default 80 % of what is free."""


def read_entries(path: Path, kind: str, example: str) -> Document:
    """Read a registry file, whose top level maps names to entries.

    Entries that are `like` others have what they take from them.

    Raises
    ------
    UserError
        If it holds no entries of that kind, or one with a name that nobody can type.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict) or not document.data:
        raise UserError(f"no {kind} entries", where=str(path), expected=example)
    document = with_inherited_keys(document)
    for name in document.data:
        check_entry_name(name, document.place((name,)))
    return document


Model = TypeVar("Model", bound=BaseModel)


def check(model: type[Model], data: object, document: Document, at: KeyPath = ()) -> Model:
    """Return `data` as the model.

    Raises
    ------
    UserError
        All mistakes at once (up to five), each with file, line, key, what was expected and, for an
        unknown key, the nearest right one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(model, fault, document, at) for fault in error.errors()]
    raise _together(faults, document)


def _together(faults: list[UserError], document: Document) -> UserError:
    if len(faults) == 1:
        return faults[0]
    shown = "\n".join(fault.describe() for fault in faults[:_MAX_FAULTS_SHOWN])
    return UserError(f"{len(faults)} mistakes in {document.path}\n{shown}")


def _fault(
    model: type[BaseModel], fault: ErrorDetails, document: Document, at: KeyPath
) -> UserError:
    key_path: KeyPath = (*at, *fault["loc"])
    key = document.key_text(key_path)[len(document.key_text(at)) :].strip(".") or "the whole entry"
    where = document.place(key_path)
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        known = sorted(_fields_at(model, fault["loc"][:-1]))
        expected = "one of " + ", ".join(known)
        hint = did_you_mean(name, known)
        return UserError(f"unknown key {name!r}", where=where, expected=expected, hint=hint)
    if fault["type"] == "missing":
        return UserError(f"the key {key!r} is missing", where=where, hint=f"add `{key}: ...`")
    return UserError(
        f"wrong value for {key!r}",
        where=where,
        expected=message_of(fault),
        got=shown(fault["input"]),
    )


def message_of(fault: ErrorDetails) -> str:
    """Return what was expected where a schema error was found."""
    if fault["type"] in ("dict_type", "model_type"):
        return "keys with values, `key: value`"
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys allowed where a schema error points to, found by walking the field types."""
    models: list[type[BaseModel]] = [
        GroupSchema, QueriesSchema, SourceSchema, VariantSchema, TuneSchema, AxisSchema
    ]  # fmt: skip
    fields = dict(model.model_fields)
    fields = {field.alias or name: field for name, field in fields.items()}
    for part in path:
        annotation = repr(fields[part].annotation) if part in fields else ""
        for inner in models:
            if inner.__name__ in annotation:
                fields = dict(inner.model_fields)
    return set(fields)


def shown(value: object) -> str:
    """Return a value for a message, in at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
