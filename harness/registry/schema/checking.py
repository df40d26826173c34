"""Checks data against a schema; errors name file, line, key and the right name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.errors import UserError, did_you_mean
from harness.registry.schema.inheriting import with_inherited_keys
from harness.registry.schema.values import check_entry_name
from harness.registry.yaml_source import Document, KeyPath, read_yaml

_MAX_FAULTS_SHOWN = 5


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
    # Where a key itself is wrong, pydantic adds a part to its path.
    key_path: KeyPath = tuple(part for part in (*at, *fault["loc"]) if part != "[key]")
    key = document.key_text(key_path)[len(document.key_text(at)) :].strip(".") or "the whole entry"
    where = document.place(key_path)
    if fault["type"] == "extra_forbidden":
        name = str(fault["loc"][-1])
        known = _keys_at(model, fault["loc"][:-1])
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
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys allowed where a schema error points to, found by walking the field types."""
    for part in path:
        field = _fields(model).get(str(part))  # places of lists and names of groups are no fields
        model = next(_models_in(field.annotation if field else None), model)
    return sorted(_fields(model))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def shown(value: object) -> str:
    """Return a value for a message, in at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
