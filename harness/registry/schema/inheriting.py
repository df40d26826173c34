"""Entries that share keys: `like: OTHER` takes what the entry OTHER of the same file says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from harness.contracts import UserError
from harness.errors import did_you_mean
from harness.registry.yaml_source import MAX_NODES, Document, KeyPath
from harness.text import Json

_LIKE = "like"
_TEMPLATE = "_"
_MOST_STEPS = 20  # from an entry to one that it is like, and on from there


def with_inherited_keys(document: Document) -> Document:
    """Return the entries of a file with all that they take from others, without the templates.

    An entry's own keys are laid over those that it takes: mappings key by key, at every depth;
    anything else replaces what was there. An entry whose name begins with an underscore is a
    template, which others are like. What is taken keeps the line on which it stands.

    Raises
    ------
    UserError
        If an entry is like one that is not there, or like itself by way of others.
    """
    inheriting = _Inheriting(document)
    names = [name for name in document.data if not name.startswith(_TEMPLATE)]
    entries = {name: inheriting.resolve(name, ()) for name in names}
    return replace(document, data=entries, lines=inheriting.lines())


class _Inheriting:
    """The entries of a file, and the lines of their keys, with what they have taken so far."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._entries: Json = {}
        self._lines: dict[str | int, dict[KeyPath, int]] = defaultdict(dict)
        for path, line in document.lines.items():
            if path:
                self._lines[path[0]][path[1:]] = line
        self._count = len(document.lines)

    def lines(self) -> dict[KeyPath, int]:
        """Return the line of every key, as a `Document` has it."""
        return {
            (name, *path): n for name, lines in self._lines.items() for path, n in lines.items()
        }

    def resolve(self, name: str, asked_by: tuple[str, ...]) -> object:
        """Return an entry with what it takes; `asked_by` are those that are like it."""
        if name not in self._entries:
            entry = self._document.data[name]
            if isinstance(entry, dict) and _LIKE in entry:
                other = self._other(name, entry[_LIKE], asked_by)
                entry = _laid_over(self.resolve(other, (*asked_by, name)), entry)
                self._take_lines(name, other)
            self._entries[name] = entry
        return self._entries[name]

    def _other(self, name: str, other: object, asked_by: tuple[str, ...]) -> str:
        others = [known for known in self._document.data if known != name]
        if other not in others:
            raise self._error(
                name,
                f"{name!r} is like {other!r}, which is no other entry of this file",
                expected="the name of another entry, or of a template",
                hint=did_you_mean(str(other), others),
            )
        if other in asked_by:
            circle = " -> ".join([*asked_by[asked_by.index(other) :], name, other])
            raise self._error(name, f"entries are like each other in a circle: {circle}")
        if len(asked_by) >= _MOST_STEPS:
            raise self._error(name, f"entries are like each other over {_MOST_STEPS} steps")
        return str(other)

    def _take_lines(self, name: str, other: str) -> None:
        own = self._lines[name]
        self._lines[name] = {**self._lines[other], **own}
        self._count += len(self._lines[name]) - len(own)
        if self._count > MAX_NODES:
            raise self._error(name, "too many values (entries that are like others multiply)")

    def _error(self, name: str, what: str, **more: str) -> UserError:
        return UserError(what, where=self._document.place((name, _LIKE)), **more)


def _laid_over(below: object, above: object) -> object:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    laid = {key: _laid_over(below[key], value) for key, value in above.items() if key in below}
    return {**below, **above, **laid}
