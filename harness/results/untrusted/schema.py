"""The schema of the JSON in stored files: headers, failures, facts and provenance of builds.

Names that become parts of paths must match a pattern. All other text is cleaned, so that files of
older releases with odd characters stay readable.
"""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Mode
from harness.results.identity import PROTOCOL
from harness.results.point import MOST_SEQUENCE, BuildFacts, Failure, PointHeader, Status
from harness.text import Json, clean, plain_json

MOST_SECONDS = 1e9
"""No time that is stored is longer."""

MOST_BYTES = 1 << 60
"""No size that is stored is larger."""

MOST_JSON_CHARACTERS = 16 << 20
"""Of one text: a header, the facts of a build, a failure."""

LABEL_CHARACTERS = 300
"""Of the name of a curve or a machine."""

_TEXT_CHARACTERS = 1 << 16
_MOST_ROWS = 1 << 40
_NAME = "[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}"


def _cleaned(text: str) -> str:
    return clean(text, _TEXT_CHARACTERS)


def _reason(text: str) -> str:
    return clean(text)


def _shortened(text: str) -> str:
    return clean(text, LABEL_CHARACTERS)


def _up_to(most: float) -> AfterValidator:
    """From 0 to a limit, or NaN where it is not known."""

    def check(value: float) -> float:
        if value < 0 or value > most:
            raise ValueError(f"a number from 0 to {most:g} is expected")
        return value

    return AfterValidator(check)


Text = Annotated[str, AfterValidator(_cleaned)]
Label = Annotated[str, AfterValidator(_shortened)]
Reason = Annotated[str, AfterValidator(_reason)]
Name = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=1 << 31)]
Positive = Annotated[int, Field(ge=1, le=1 << 31)]
Figure = Annotated[float, _up_to(MOST_BYTES)]
Seconds = Annotated[float, _up_to(MOST_SECONDS)]
Rate = Annotated[float, Field(gt=0, lt=1e9)]
PlainData = dict[Text, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=True)


class _Open(BaseModel):
    """A model that accepts unknown keys."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=True)


class _Machine(_Strict):
    cpu: Label
    cores: Count
    memory_bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)]


class _Load(_Strict):
    rate: Rate | None
    p99_ms: Rate | None
    drop_ms: Rate

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> _Load:
        if (self.rate is None) == (self.p99_ms is None):
            raise ValueError("a rate or a bound is expected, and not both")
        return self


class _Identity(_Strict):
    dataset: Name
    fingerprint: Digits
    metric: Metric
    algorithm: Name
    adapter_sha256: Text
    build: PlainData
    search: PlainData
    k: Positive
    mode: Mode
    threads: Positive
    build_threads: Positive
    machine: _Machine
    versions: dict[Text, Text]
    protocol: Count = PROTOCOL
    load: _Load | None = None

    @model_validator(mode="after")
    def _has_load_in_its_mode(self) -> _Identity:
        if (self.mode == "load") != (self.load is not None):
            raise ValueError("a load in another mode, or the mode load without one")
        return self


class _Header(_Strict):
    identity: _Identity
    label: Label
    name: Reason
    n: Annotated[int, Field(ge=1, le=_MOST_ROWS)]
    d: Positive
    nq: Positive
    in_answers: bool = True


class _Source(_Open):
    commit: Text | None = None
    dirty: bool | None = None


class _Conditions(_Open):
    grade: Text | None = None


class _Tuned(_Open):
    recall: float | None = None
    spent_seconds: Seconds | None = None
    seed: int | None = None
    trials: dict[Text, Count] = {}
    sample_trials: dict[Text, Count] = {}


class _Provenance(_Open):
    finished_at: Text = ""
    sequence: Annotated[int, Field(ge=0, le=MOST_SEQUENCE)] = 0
    source: _Source | Text | None = None
    machine: PlainData | None = None
    conditions: _Conditions | None = None
    suite: Text | None = None
    command: list[Text] | None = None
    tuned: _Tuned | None = None


class _Failure(_Strict):
    header: _Header
    status: Status
    reason: Reason
    log_tail: Text = ""
    peak_bytes: Figure | None = None
    seconds: Seconds | None = None
    build_number: Count | None = None
    provenance: _Provenance = _Provenance()


class _Libraries(_Open):
    versions: dict[Text, Text] = {}
    pools: list[PlainData] = []


class _Facts(_Open):
    build_seconds: Seconds
    prepare_seconds: Seconds
    index_bytes: Figure
    measured_index_bytes: Figure
    warnings: list[Reason]
    peak_bytes: Figure = math.nan
    seed: int | None = None
    repeats_asked: Count = 0
    libraries: _Libraries | None = None
    index_bytes_are_measured: bool = False
    processors_used: Figure | None = None
    distance_computations: Figure | None = None


def header_of(text: str) -> PointHeader:
    """Return the header of a result file.

    Raises
    ------
    ValueError
        If it is none.
    """
    return PointHeader.from_json(_checked(_Header, text))


def require_sound(header: PointHeader) -> None:
    """Raise ValueError unless a header can be read back as it is."""
    if header_of(json.dumps(header.to_json())) != header:
        raise ValueError("a name with control characters, or one that is too long")


def failure_of(text: str) -> Failure:
    """Return the failure of a failure file; raises as `header_of`."""
    return Failure.from_json(_checked(_Failure, text))


def facts_of(text: str) -> BuildFacts:
    """Return the facts of a build; raises as `header_of`."""
    return BuildFacts.from_json(_checked(_Facts, text))


def provenance_of(text: str) -> Json:
    """Return the provenance of a build; raises as `header_of`."""
    return _checked(_Provenance, text)


def is_name(text: str) -> bool:
    """Whether a name can be part of a path as it is."""
    return re.fullmatch(_NAME, text) is not None


def _checked(model: type[BaseModel], text: str) -> Json:
    if len(text) > MOST_JSON_CHARACTERS:
        raise ValueError(f"JSON of {len(text):,} characters, at most {MOST_JSON_CHARACTERS:,}")
    try:
        data = model.model_validate(plain_json(text, _TEXT_CHARACTERS))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise ValueError(f"{where}: {fault['msg']}") from error
    return data.model_dump(exclude_unset=True)
