"""The values that keys may have: names, texts, numbers and sizes, each with its bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

from harness.contracts import UserError
from harness.text import REASON_CHARACTERS, is_clean, plain

MOST_ROWS = 1 << 40
MOST_BYTES = 1 << 60
MOST_SEED = (1 << 63) - 1
"""Of a random generator."""

ENTRY_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
"""What users type: algorithms, datasets, suites."""

_NAME_CHARACTERS = 100
_PATH_CHARACTERS = 4095
_SIZE = "a size such as 8GiB or 500MB"


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


def _refuse_no_values(value: object) -> object:
    if value == []:
        raise ValueError("at least one value")
    return value


def like(pattern: str, words: str) -> AfterValidator:
    """Return a check that all of a text is of a pattern, which `words` describe to the user."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(words)
        return text

    return AfterValidator(check)


_Clean = AfterValidator(_refuse_odd_text)
_Stripped = StringConstraints(min_length=1, strip_whitespace=True, max_length=REASON_CHARACTERS)

Text = Annotated[str, _Stripped, _Clean]
Name = Annotated[str, StringConstraints(min_length=1, max_length=_NAME_CHARACTERS), _Clean]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=_PATH_CHARACTERS), _Clean]
ParameterName = Annotated[
    str,
    StringConstraints(max_length=_NAME_CHARACTERS),
    like(r"[A-Za-z_][A-Za-z0-9_]*", "a name of letters, digits and underscores, no digit first"),
]
Parameter = Annotated[Any, AfterValidator(_refuse_odd_values)]
Locator = Annotated[
    str,
    StringConstraints(max_length=REASON_CHARACTERS),
    like(r"[A-Za-z_]\w*:[A-Za-z_]\w*", "FILE:NAME, the file without .py"),
]
Label = Annotated[
    str,
    like(
        r"[A-Za-z0-9][A-Za-z0-9 .=_+-]{0,60}",
        "at most 61 letters, digits, spaces and any of .=_+-, a letter or digit first",
    ),
]
Grid = dict[ParameterName, Annotated[Parameter, AfterValidator(_refuse_no_values)]]
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS)]
Bytes = Annotated[int, Field(ge=1, le=MOST_BYTES)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]


def as_list(value: object) -> object:
    """Return a list; any other value is the only one of it."""
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


class Strict(BaseModel):
    """A mapping with these keys alone, whose values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def check_entry_name(name: str, place: str) -> None:
    """Raise a `UserError` unless the name is one that users can type."""
    if not ENTRY_NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS:
        raise UserError(
            f"an entry cannot be called {name!r}",
            where=place,
            expected=f"at most {_NAME_CHARACTERS} lower-case letters, digits, dots and hyphens, a "
            "letter or digit first",
        )
