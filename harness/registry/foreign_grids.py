"""Configurations of ann-benchmarks and VIBE, expanded to settings with named parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Literal

import yaml

from harness.contracts import UserError
from harness.contracts.dataset import METRICS, Metric
from harness.contracts.definitions import Parameters
from harness.errors import did_you_mean
from harness.registry.grid import MOST_SETTINGS, overlaid, require_size, size_of
from harness.registry.signatures import parameter_names, sibling_folders
from harness.registry.yaml_source import read_text
from harness.text import REASON_CHARACTERS, Json, plain, told

Kind = Literal["ann-benchmarks", "vibe"]

_POINT_TYPES = ("float", "any")
_ANY = "any"
_TAKEN = {"k", "n", "d", "metric"}
_PACKAGES = {"ann-benchmarks": "ann_benchmarks", "vibe": "vibe"}
# The names of our metrics there; adapters for `normalized` get unit rows.
_SPACES: dict[str, dict[Metric, tuple[str, ...]]] = {
    "ann-benchmarks": {
        "angular": ("angular",),
        "euclidean": ("euclidean",),
        "inner_product": ("ip",),
    },
    "vibe": {
        "angular": ("cosine", "normalized"),
        "euclidean": ("euclidean",),
        "inner_product": ("ip",),
    },
}
_IN_ANY = {"ann-benchmarks": {"angular", "euclidean"}, "vibe": {"cosine", "euclidean", "ip"}}
_UNIT_ROWS = {"normalized"}


@dataclass(frozen=True)
class Argument:
    """One position of a call: a named value, a dictionary of named values, or the space's name."""

    name: str
    keys: tuple[str, ...] = ()
    is_space: bool = False


@dataclass(frozen=True)
class RunGroup:
    """One run group of a configuration, for one space: lists of positional arguments."""

    space: str
    name: str
    arguments: tuple[tuple[object, ...], ...]
    query_arguments: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class ForeignAdapter:
    """An adapter of another harness: its folder, how it is called, and the settings of its file.

    `module` and `constructor` are as in their configuration; `folder` holds `module.py`. The
    overlays are grids of our entry, laid over their settings.
    """

    kind: Kind
    folder: Path
    name: str
    module: str
    constructor: str
    run_groups: tuple[RunGroup, ...]
    build_overlay: Json = field(default_factory=dict)
    search_overlay: Json = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics for which the configuration has a space."""
        return tuple(metric for metric in METRICS if self.space(metric) is not None)

    def space(self, metric: Metric) -> str | None:
        """Return their name of a metric, or None if the configuration has nothing for it."""
        have = {group.space for group in self.run_groups}
        known = [name for name in _SPACES[self.kind][metric] if name in have]
        return known[0] if known else None

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The positions of the constructor's call."""
        calls = [call for group in self.run_groups for call in group.arguments]
        return _positions(self._names("__init__"), calls, _TAKEN)

    @cached_property
    def query_arguments(self) -> tuple[Argument, ...]:
        """The positions of the call of `set_query_arguments`; no name is one of the build's."""
        calls = [call for group in self.run_groups for call in group.query_arguments]
        taken = _TAKEN | set(_all_names(self.arguments))
        return _positions(self._names("set_query_arguments"), calls, taken)

    def settings(
        self, metric: Metric, k: int, d: int, run_group: str | None = None
    ) -> Iterator[tuple[Parameters, Parameters]]:
        """Yield build and search parameters by name, as their file asks for them."""
        settings = self._settings_of_file(metric, k, d, run_group)
        yield from overlaid(settings, self.build_overlay, self.search_overlay)

    def _settings_of_file(
        self, metric: Metric, k: int, d: int, run_group: str | None
    ) -> Iterator[tuple[Parameters, Parameters]]:
        space = self.space(metric)
        variables = {"@count": k, "@metric": space, "@dimension": d}
        for group in self.run_groups:
            if group.space != space or run_group not in (None, group.name):
                continue
            for call, query in product(group.arguments, group.query_arguments):
                substituted = [_substituted(value, variables) for value in call]
                yield _named(self.arguments, substituted), _named(self.query_arguments, query)

    def settings_count(self, run_group: str | None = None) -> int:
        """Return how many settings there are at most, of one run group or of all."""
        own = sum(
            len(group.arguments) * len(group.query_arguments)
            for group in self.run_groups
            if run_group in (None, group.name)
        )
        return own * size_of(self.build_overlay, self.search_overlay)

    def grid(self, part: Literal["build", "search"]) -> Json:
        """Return each parameter with its values: a list if it varies, else the one value."""
        values: dict[str, Json] = {}
        for metric in self.metrics:
            for build, search in self.settings(metric, 1, 1):
                for name, value in (build if part == "build" else search).items():
                    values.setdefault(name, {})[json.dumps(value, sort_keys=True)] = value
        return {
            name: list(found.values()) if len(found) > 1 else next(iter(found.values()))
            for name, found in values.items()
        }

    def run_group_names(self) -> list[str]:
        """Return the names of the run groups, each once."""
        return list(dict.fromkeys(group.name for group in self.run_groups))

    def source_folders(self) -> tuple[Path, ...]:
        """Return the folders whose source can change an answer: its own and its siblings'."""
        return tuple(dict.fromkeys([self.folder, *sibling_folders(self.module_file)]))

    def call_for(self, metric: Metric) -> Json:
        """Return, as plain data, how a worker is to make and to call the adapter."""
        space = self.space(metric)
        return {
            "kind": self.kind,
            "folder": str(self.folder),
            "module": self.module,
            "constructor": self.constructor,
            "space": space,
            "unit_rows": space in _UNIT_ROWS,
            "arguments": [asdict(argument) for argument in self.arguments],
            "query_arguments": [asdict(argument) for argument in self.query_arguments],
        }

    @property
    def module_file(self) -> Path:
        """The file that holds the class: of the module that the configuration names."""
        inner = self.module.removeprefix(f"{_PACKAGES[self.kind]}.algorithms.")
        return self.folder.parent.joinpath(*inner.split("."), "module.py")

    def _names(self, method: str) -> list[str]:
        return parameter_names(self.module_file, self.constructor, method)


def read_foreign(kind: Kind, folder: Path, name: str | None, place: str) -> ForeignAdapter:
    """Read a folder with `module.py` and `config.yml`.

    Parameters
    ----------
    name
        Which entry of the file, where it has several. By default the only one that is not
        disabled; if all are, the only one.
    place
        Where the folder is named, for messages.

    Raises
    ------
    UserError
        If the folder or the entry is not there, or the file is not of that form.
    """
    for file in ("module.py", "config.yml"):
        if not (folder / file).is_file():
            raise UserError(
                f"no {file} in the folder of the adapter",
                where=place,
                expected=f"a folder with module.py and config.yml, as {kind} has them",
                got=str(folder),
            )
    path = folder / "config.yml"
    listed = list(_listed(kind, path))
    name = _chosen(listed, name, place, path)
    # As there: of several entries of one name for one space, the last counts, `any` being first.
    chosen = {space: entry for space, entry in listed if entry["name"] == name}
    calls = {(entry["module"], entry["constructor"]) for entry in chosen.values()}
    if len(calls) != 1:
        raise UserError("one name for several classes", where=str(path), got=str(sorted(calls)))
    [(module, constructor)] = calls
    try:
        groups = tuple(
            g for space, entry in chosen.items() for g in _run_groups(kind, space, entry)
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise _not_of_that_form(kind, path, error) from error
    found = ForeignAdapter(kind, folder, name, module, constructor, groups)
    require_size(found.settings_count(), str(name), str(path))
    if not found.module_file.is_file():
        raise UserError("no such module", where=str(path), got=str(found.module_file))
    return found


def _listed(kind: Kind, path: Path) -> Iterator[tuple[str, Json]]:
    """Yield every entry for dense rows with each space that it is for."""
    try:
        # By the other harness's own reading of YAML, 1.1: there `1e-3` is text, and `on` is true.
        data = yaml.safe_load(read_text(path))
        if plain(data) != data:
            raise ValueError(f"text with control characters, or of more than {REASON_CHARACTERS:,}")
        for point_type in _POINT_TYPES:
            spaces_there = data.get(point_type) or {}
            for space in sorted(spaces_there, key=lambda one: one != _ANY):
                entries = spaces_there[space]
                spaces = sorted(_IN_ANY[kind]) if space == _ANY else [space]
                for entry in entries:
                    _ = entry["name"], entry["module"], entry["constructor"], entry["run_groups"]
                    yield from ((one, entry) for one in spaces)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(f"cannot read the file: {error}", where=str(path)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_of_that_form(kind, path, error) from error


def _not_of_that_form(kind: str, path: Path, error: Exception) -> UserError:
    return UserError(
        f"not a configuration as {kind} has them",
        where=str(path),
        expected="float: {SPACE: [{name, module, constructor, run_groups, ...}]}",
        got=told(error),
    )


def _chosen(listed: Sequence[tuple[str, Json]], name: str | None, place: str, path: Path) -> str:
    names = list(dict.fromkeys(str(entry["name"]) for _, entry in listed))
    enabled = list(dict.fromkeys(e["name"] for _, e in listed if not e.get("disabled", False)))
    if name is not None and name in names:
        return name
    candidates = enabled or names
    if name is None and len(candidates) == 1:
        return str(candidates[0])
    if not names:
        raise UserError("no algorithm for dense rows", where=str(path))
    raise UserError(
        f"no algorithm {name!r} in {path}" if name else f"several algorithms in {path}",
        where=place,
        expected="algorithm: one of " + ", ".join(names),
        hint=did_you_mean(name, names) if name else f"add `algorithm: {names[0]}`",
    )


def _run_groups(kind: Kind, space: str, entry: Json) -> Iterator[RunGroup]:
    base = tuple(entry.get("base_args") or ())
    for name, group in entry["run_groups"].items():
        calls = [(*base, *call) for call in _calls(kind, group, "args", "arg_groups")]
        queries = list(_calls(kind, group, "query_args", "query_arg_groups")) or [()]
        yield RunGroup(space, str(name), tuple(calls), tuple(queries))


def _calls(kind: Kind, group: Json, plain: str, grouped: str) -> Iterator[tuple[object, ...]]:
    """Yield the positional arguments that a run group expands to."""
    if grouped in group:
        spread = [list(_dicts(v)) if isinstance(v, dict) else v for v in group[grouped]]
        yield from _products(spread)
    elif isinstance(group.get(plain), dict):
        for values in _dicts(group[plain]):
            yield tuple(values.values()) if kind == "vibe" else (values,)
    elif plain in group:
        for call in _products(group[plain]):
            yield tuple(_flat(value) if kind == "vibe" else value for value in call)


def _products(axes: Sequence[object]) -> Iterator[tuple[object, ...]]:
    listed = [axis if isinstance(axis, list) else [axis] for axis in axes]
    count = math.prod(map(len, listed))
    if count > MOST_SETTINGS:
        raise ValueError(f"{count:,} combinations, at most {MOST_SETTINGS:,} can be")
    yield from product(*listed)


def _dicts(axes: Json) -> Iterator[Json]:
    for values in _products(list(axes.values())):
        yield dict(zip(axes, values, strict=True))


def _flat(value: object) -> object:
    return list(value.values()) if isinstance(value, dict) else value


def _substituted(value: object, variables: Json) -> object:
    """Replace `@metric` and similar words at any depth."""
    if isinstance(value, dict):
        return {key: _substituted(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_substituted(inner, variables) for inner in value]
    return variables.get(value, value) if isinstance(value, str) else value


def _positions(
    names: Sequence[str], calls: Sequence[tuple[object, ...]], taken: set[str]
) -> tuple[Argument, ...]:
    """Name every position that any of the calls has."""
    taken = set(taken)
    found = []
    for i in range(max((len(call) for call in calls), default=0)):
        name = names[i] if i < len(names) else f"argument{i + 1}"
        values = [call[i] for call in calls if len(call) > i]
        argument = _argument(name, values, taken)
        taken.update(_all_names([argument]))
        found.append(argument)
    return tuple(found)


def _argument(name: str, values: Sequence[Any], taken: set[str]) -> Argument:
    if all(isinstance(value, str) and value == "@metric" for value in values):
        return Argument(name, is_space=True)
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        if keys and not taken & set(keys) and all(_is_name(key) for key in keys):
            return Argument(name, keys=tuple(keys))
    return Argument(_free(name, taken))


def _is_name(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier()


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _all_names(arguments: Sequence[Argument]) -> Iterator[str]:
    for argument in arguments:
        if not argument.is_space:
            yield from argument.keys or (argument.name,)


def _named(arguments: Sequence[Argument], values: Sequence[Any]) -> Parameters:
    named: Json = {}
    for argument, value in zip(arguments, values, strict=False):
        if argument.keys:
            named.update(value)
        elif not argument.is_space:
            named[argument.name] = value
    return named
