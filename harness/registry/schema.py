"""The shape of registry and suite files; errors name file, line, key and the right name."""

from __future__ import annotations

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

from harness.contracts import UserError
from harness.metric import Metric
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


def _refuse_odd_values(value: Any) -> Any:
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
Grid = dict[ParameterName, Parameter]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def parse_size(value: Any) -> Any:
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
    search: Grid = {}


Metrics = Annotated[list[Metric], Field(min_length=1)]


class _EntrySchema(_Strict):
    """What every algorithm entry may say, wherever its adapter comes from."""

    requires: list[Text] = []
    environment: Literal["shared", "isolated"] = "shared"
    build: Grid = {}
    search: Grid = {}
    where: Text | None = None
    require: dict[Text, Text] = {}
    groups: dict[Name, GroupSchema] = {}
    exact_order: bool = False
    floor: Annotated[float, Field(ge=0, le=1)] | None = None
    expected_failures: dict[Text, Text] = {}
    in_answers: bool = True
    pausable: bool = True


class AlgorithmSchema(_EntrySchema):
    adapter: Locator
    about: Text
    metrics: Metrics


class ForeignSchema(_EntrySchema):
    """An adapter of another harness; what its own configuration says need not be said again."""

    from_: Annotated[Literal["ann-benchmarks", "vibe"], Field(alias="from")]
    path: PathText
    algorithm: Text | None = None
    about: Text | None = None
    metrics: Metrics | None = None


class QueriesSchema(_Strict):
    draw: Literal["random"] | None = None
    file: Literal[True] | PathText | None = None
    first: Annotated[int, Field(ge=1, le=_MOST_ROWS)] | None = None
    count: Annotated[int, Field(ge=2, le=_MOST_ROWS)] | None = None
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0

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
    format: Text
    path: PathText | None = None
    package: Annotated[Text, StringConstraints(pattern=r"^(pypi|npm|debian):\S+$")] | None = None
    url: Annotated[Text, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    member: PathText | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    bytes: Annotated[int, Field(ge=1, le=_MOST_BYTES)] | None = None
    options: dict[Name, Parameter] = {}

    @model_validator(mode="after")
    def _has_its_place(self) -> SourceSchema:
        key = {"bundled": "path", "file": "path"}.get(self.kind, self.kind)
        if getattr(self, key) is None:
            raise ValueError(f"kind: {self.kind} needs {key}: ...")
        return self


class DatasetSchema(_Strict):
    about: Text
    licence: Text
    metric: Metric
    dimension: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    base: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    queries: QueriesSchema
    sources: Annotated[list[SourceSchema], Field(min_length=1)]
    loader: Locator | None = None
    untested: bool = False


class VariantSchema(_Strict):
    group: Text | None = None
    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .=_+-]{0,60}$")] | None
    build: Grid = {}
    search: Grid = {}

    @model_validator(mode="before")
    @classmethod
    def _label_is_optional(cls, data: Any) -> Any:
        return {"label": None, **data} if isinstance(data, dict) else data


_MOST_SECONDS = 1e9


def _as_variants(value: Any) -> Any:
    return _as_list({} if value is None else value)


def _seconds(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and abs(value) < _MOST_SECONDS else value


Count = Annotated[int, Field(ge=1, le=2**31)]
Threads = Annotated[int, Field(ge=1, le=_MOST_THREADS)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, lt=_MOST_SECONDS)]


def _as_precision(value: Any) -> Any:
    """Turn `5%` into 0.05; `off`, which YAML reads as false, is no precision at all."""
    if value is False or value == "off":
        return None
    if not isinstance(value, str):
        return value
    try:
        return float(value.strip().removesuffix("%")) / (100 if "%" in value else 1)
    except ValueError:
        raise ValueError(_SHARE) from None


Precision = Annotated[float, Field(gt=0, lt=1)] | None


def _as_entries(value: Any) -> Any:
    """Take a list of names for a mapping of names to nothing."""
    is_list = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return dict.fromkeys(value) if is_list else value


Variants = Annotated[list[VariantSchema], BeforeValidator(_as_variants), Field(min_length=1)]


class SuiteSchema(_Strict):
    about: Text = "a suite"
    k: Annotated[list[Count], BeforeValidator(_as_list), Field(min_length=1)]
    datasets: Annotated[list[PathText], BeforeValidator(_as_list), Field(min_length=1)]
    algorithms: Annotated[dict[Text, Variants], BeforeValidator(_as_entries), Field(min_length=1)]
    baseline: Text | None = None
    mode: Literal["single", "batch"] = "single"
    threads: Threads = 1
    build_threads: Threads | None = None
    builds: Annotated[int, Field(ge=1, le=1000)] = 3
    repeats: Annotated[int, Field(ge=1, le=10_000)] = 5
    precision: Annotated[Precision, BeforeValidator(_as_precision)] = 0.05
    extra_seconds: (
        Annotated[float, BeforeValidator(_seconds), Field(ge=0, lt=_MOST_SECONDS)] | None
    ) = None
    search_seconds: Seconds = 60.0
    timeout: Seconds = 3600.0
    memory: (
        Annotated[int, BeforeValidator(parse_size), Field(ge=1 << 20, le=_MOST_BYTES)] | None
    ) = None


def read_entries(path: Path, kind: str, example: str) -> Document:
    """Read a registry file, whose top level maps the names of entries to what they say.

    Raises
    ------
    UserError
        If it holds no entries of that kind, or one with a name that nobody can type.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict) or not document.data:
        raise UserError(f"no {kind} entries", where=str(path), expected=example)
    for name in document.data:
        check_entry_name(name, document.place((name,)))
    return document


Model = TypeVar("Model", bound=BaseModel)


def check(model: type[Model], data: Any, document: Document, at: KeyPath = ()) -> Model:
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


def _fault(model: type[BaseModel], fault: Any, document: Document, at: KeyPath) -> UserError:
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


def message_of(fault: Any) -> str:
    """Return what was expected where a schema error was found."""
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys allowed where a schema error points to, found by walking the field types."""
    models: list[type[BaseModel]] = [GroupSchema, QueriesSchema, SourceSchema, VariantSchema]
    fields: dict[str, Any] = dict(model.model_fields)
    fields = {field.alias or name: field for name, field in fields.items()}
    for part in path:
        annotation = repr(fields[part].annotation) if part in fields else ""
        for inner in models:
            if inner.__name__ in annotation:
                fields = dict(inner.model_fields)
    return set(fields)


def shown(value: Any) -> str:
    """Return a value for a message, in at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
