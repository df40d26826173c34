"""Safe reading of YAML, with the line of every key, and numbers as in YAML 1.2."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from harness.contracts import UserError
from harness.text import Json

KeyPath = tuple[str | int, ...]

_MAX_FILE_BYTES = 4 << 20
MAX_NODES = 100_000
_MAX_DEPTH = 100
_TOO_DEEP = "YAML nested too deeply"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
_INTEGER = re.compile(r"[-+]?[0-9]+")
_PREFIXED_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(frozen=True)
class Document:
    """A YAML file as plain Python data, with the line of each key and item."""

    path: Path
    data: Any
    lines: dict[KeyPath, int]

    def key_text(self, key_path: KeyPath) -> str:
        """Return a path of keys as the file has it, such as `algorithms.pq.1.build`.

        Without the index of a scalar that stands for a list of one.
        """
        data, parts = self.data, []
        for part in key_path:
            if isinstance(part, str) or isinstance(data, list):
                parts.append(str(part))
                try:
                    data = data[part]
                except (KeyError, IndexError, TypeError):
                    data = None
        return ".".join(parts)

    def place(self, key_path: KeyPath) -> str:
        """Return `file:line` of a key, or of the nearest thing around it that has a line.

        A document that is no file has no lines; then this is the path of the key.
        """
        if not self.lines:
            return f"{self.path}: {self.key_text(key_path)}".rstrip(": ")
        while key_path:
            # A scalar may stand for a list of one: then the path has an index that the file lacks.
            named = tuple(part for part in key_path if isinstance(part, str))
            for candidate in (key_path, named):
                if candidate in self.lines:
                    return f"{self.path}:{self.lines[candidate]}"
            key_path = key_path[:-1]
        return f"{self.path}:{self.lines.get((), 1)}"


_LONGEST_NUMBER = 400
_AS_UTF8 = "save the file as UTF-8"


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises
    ------
    UserError
        If it cannot be read, is no YAML, holds a tag, a duplicate key or a key that is not text.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        got = f"the byte 0x{error.object[error.start]:02x} at {error.start:,}"
        raise UserError("no UTF-8 text", where=str(path), got=got, hint=_AS_UTF8) from error
    return parse_yaml(text, path)


def read_text(path: Path) -> str:
    """Return the text of a YAML file.

    Raises
    ------
    UserError
        If it is no regular file, or more than 4 MiB.
    OSError, UnicodeDecodeError
        If it cannot be read.
    """
    if path.exists() and not path.is_file():  # to open a pipe would block
        raise UserError("no regular file", where=str(path), expected="YAML")
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise UserError("YAML file too large", where=str(path), expected="at most 4 MiB")
    return data.decode("utf-8")


def parse_yaml(text: str, path: Path) -> Document:
    """Parse YAML text as `read_yaml` does; `path` is used in messages."""
    try:
        _refuse_depth(text, path)
        # Only nodes are composed here: nothing is constructed by a loader, whatever the tags say.
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, path) from error
    builder = _Builder(path)
    data = None if node is None else builder.build(node, ())
    return Document(path, data, builder.lines)


def _refuse_depth(text: str, path: Path) -> None:
    """Refuse deep nesting before composing, which recurses in C without a limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            expected = f"at most {_MAX_DEPTH} levels"
            where = _place(path, event.start_mark)
            raise UserError(_TOO_DEEP, where=where, expected=expected)


def _place(path: Path, mark: Any) -> str:
    """`file:line` of a mark, where there is one."""
    return str(path) if mark is None else f"{path}:{mark.line + 1}"


def _syntax_error(error: yaml.YAMLError, text: str, path: Path) -> UserError:
    if isinstance(error, ReaderError):  # a character that may stand nowhere
        line = text.encode()[: error.position].count(b"\n") + 1
        return UserError(f"not valid YAML: {error.reason}", where=f"{path}:{line}")
    problem = getattr(error, "problem", None) or str(error)
    where = _place(path, getattr(error, "problem_mark", None))
    return UserError(f"not valid YAML: {problem}", where=where)


@dataclass
class _Builder:
    path: Path
    lines: dict[KeyPath, int] = field(default_factory=dict)
    open_nodes: set[int] = field(default_factory=set)

    def build(self, node: yaml.Node, at: KeyPath) -> Any:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if len(at) > _MAX_DEPTH:  # by aliases of aliases, which the text does not show
            raise self._error(_TOO_DEEP, node)
        if id(node) in self.open_nodes:
            raise self._error("an alias that contains itself", node)
        if len(self.lines) > MAX_NODES:
            raise self._error("too many values (aliases multiply)", node)
        self.open_nodes.add(id(node))
        try:
            return self._value(node, at)
        finally:
            self.open_nodes.discard(id(node))

    def _value(self, node: yaml.Node, at: KeyPath) -> object:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, "tag:yaml.org,2002:seq")
            return [self.build(item, (*at, i)) for i, item in enumerate(node.value)]
        self._refuse_tag(node, "tag:yaml.org,2002:map")
        return self._mapping(node, at)

    def _mapping(self, node: yaml.Node, at: KeyPath) -> Json:
        result: Json = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                is_scalar = isinstance(key_node, yaml.ScalarNode)
                got = repr(key_node.value) if is_scalar else "a list or mapping"
                raise self._error("a key must be text", key_node, got=got)
            if key in result:
                first = self.lines[(*at, key)]
                raise self._error(f"duplicate key {key!r}, first on line {first}", key_node)
            self.lines[(*at, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*at, key))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.style in ("'", '"', "|", ">"):
            self._refuse_tag(node, "tag:yaml.org,2002:str")
            return node.value
        if node.tag.startswith("!") or "python" in node.tag:
            raise self._error(f"tags are not allowed: {node.tag}", node)
        return plain_scalar(node.value)

    def _refuse_tag(self, node: yaml.Node, expected: str) -> None:
        if node.tag != expected:
            raise self._error(f"tags are not allowed: {node.tag}", node)

    def _error(self, what: str, node: yaml.Node, got: str | None = None) -> UserError:
        return UserError(what, where=f"{self.path}:{node.start_mark.line + 1}", got=got)


def plain_scalar(text: str) -> object:
    """Return the value of an unquoted scalar by YAML 1.2's core schema.

    A number of more than 400 characters stays text, which no key takes for a number.
    """
    if len(text) > _LONGEST_NUMBER:
        return _CONSTANTS.get(text, text)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float("-inf" if text.startswith("-") else "inf")
    return text
