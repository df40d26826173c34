"""Suites: which algorithms run on which datasets, and how they are measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import harness
from harness.contracts import UserError
from harness.contracts.definitions import Load, Mode, Parameters, Track
from harness.contracts.filters import FILTERED_SUFFIX, POST_FILTER
from harness.errors import did_you_mean
from harness.files.paths import require_file, user_path
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.grid import require_size
from harness.registry.schema.checking import check, message_of, shown
from harness.registry.schema.suite import SuiteSchema, VariantSchema
from harness.registry.schema.values import ENTRY_NAME
from harness.registry.yaml_source import Document, parse_yaml, read_yaml
from harness.text import Json


@dataclass(frozen=True)
class Variant:
    """One way in which a suite uses an algorithm; `label` is its name in plots."""

    algorithm: str
    label: str
    group: str | None
    build: Parameters
    search: Parameters
    origin: str


@dataclass(frozen=True)
class Suite:
    """A checked suite; the field names and units are those of the file.

    `precision` is the half-width of QPS intervals to reach, as a share, None for none;
    `extra_seconds` is the time for that beyond `builds` and `repeats`, None for half of the time
    that those took. `baseline` is the label that the recall of the others is compared with, query
    by query. `tuned` says how the parameters were found, if `tune` found them. `loads` are those of
    the mode `load`, each a point of every setting.
    """

    name: str
    about: str
    ks: tuple[int, ...]
    datasets: tuple[str, ...]
    variants: tuple[Variant, ...]
    baseline: str | None
    tuned: Json | None
    track: Track
    mode: Mode
    loads: tuple[Load, ...]
    threads: int
    build_threads: int | None
    builds: int
    repeats: int
    precision: float | None
    extra_seconds: float | None
    search_seconds: float
    least_seconds: float
    timeout: float
    memory_bytes: int | None
    path: Path


def suite_folder() -> Path:
    """Return the folder of the suites that come with the harness."""
    return Path(harness.__file__).resolve().parent / "suites"


def suite_names() -> list[str]:
    """Return the names of the suites that come with the harness."""
    return sorted(path.stem for path in suite_folder().glob("*.yml"))


def read_suite(
    suite: str | Path | Mapping[str, Any], algorithms: Mapping[str, AlgorithmDefinition]
) -> Suite:
    """Return a suite by name, from a file, or from the keys that a file would have.

    Raises
    ------
    UserError
        For an unknown suite, and for every mistake in it, with file and line.
    """
    if isinstance(suite, Mapping):
        document = _document_of(suite)
    else:
        document = read_yaml(_suite_path(str(suite)))
    schema = check(SuiteSchema, document.data, document)
    variants = [
        _variant(name, variant, i, algorithms, document)
        for name, listed in schema.algorithms.items()
        for i, variant in enumerate(listed)
    ]
    _check_labels(variants)
    _check_load(schema, document)
    baseline = _baseline(schema.baseline, variants, document)
    datasets = _dataset_paths(schema.datasets, document.path)
    return _suite(schema, document.path.stem, document.path, variants, datasets, baseline)


def _document_of(keys: Mapping[str, Any]) -> Document:
    """Hold the keys of a suite to the bounds of a file: as text, which is read as a file is."""
    try:
        text = json.dumps(keys, ensure_ascii=False)  # JSON is YAML
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the suite cannot be written as YAML: {error}",
            expected="dictionaries, lists, text, numbers, True, False and None",
        ) from error
    return replace(parse_yaml(text, Path(_MAPPING)), lines={})


def suite_of(
    datasets: Sequence[str], names: Sequence[str], algorithms: Mapping[str, AlgorithmDefinition]
) -> Suite:
    """Return a suite without a file: algorithms with the grids of their entries, k = 10.

    Raises
    ------
    UserError
        For an unknown algorithm.
    """
    for name in names:
        if name not in algorithms:
            raise UserError(
                f"no algorithm is called {name!r}",
                where="algorithms (-a)",
                hint=did_you_mean(name, algorithms),
            )
    schema = _checked({})
    unique = dict.fromkeys(names)
    variants = [Variant(name, name, None, {}, {}, _COMMAND_LINE) for name in unique]
    return _suite(schema, "no-suite", Path(_COMMAND_LINE), variants, datasets, None)


def overridden(suite: Suite, **given: Any) -> Suite:
    """Return the suite with other values of some keys of its file; None leaves a key as it is.

    Raises
    ------
    UserError
        For a value that a suite file may not have either.
    """
    asked = {key: value for key, value in given.items() if value is not None}
    schema = _checked({"k": list(suite.ks), **asked})
    values = {key: getattr(schema, key) for key in asked if key != "k"}
    return replace(suite, ks=tuple(dict.fromkeys(schema.k)), **values)


_MAPPING = "a-mapping"  # the name of a suite that is none of a file
_COMMAND_LINE = "the command line"
_ANYTHING = {"k": 10, "datasets": ["any"], "algorithms": ["any"]}  # what a schema cannot lack


def _checked(given: Parameters) -> SuiteSchema:
    """Hold what options ask for to the bounds of a suite file; names are checked elsewhere."""
    try:
        return SuiteSchema.model_validate({**_ANYTHING, **given})
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"wrong value for {fault['loc'][0]}",
            expected=message_of(fault),
            got=shown(fault["input"]),
        ) from error


def _suite(
    schema: SuiteSchema,
    name: str,
    path: Path,
    variants: Sequence[Variant],
    datasets: Iterable[str],
    baseline: str | None,
) -> Suite:
    return Suite(
        name=name,
        about=schema.about,
        ks=tuple(dict.fromkeys(schema.k)),
        datasets=on_track(schema.track, datasets),
        variants=tuple(variants),
        baseline=baseline,
        tuned=schema.tuned.model_dump() if schema.tuned is not None else None,
        track=schema.track,
        mode=schema.mode,
        loads=_loads(schema),
        threads=schema.threads,
        build_threads=schema.build_threads,
        builds=schema.builds,
        repeats=schema.repeats,
        precision=schema.precision,
        extra_seconds=schema.extra_seconds,
        search_seconds=schema.search_seconds,
        least_seconds=schema.least_seconds,
        timeout=schema.timeout,
        memory_bytes=schema.memory,
        path=path,
    )


def on_track(track: Track, datasets: Iterable[str]) -> tuple[str, ...]:
    """Return the names of datasets, each once, that are asked for on a track."""
    if track == "filtered":
        datasets = (name.removesuffix(FILTERED_SUFFIX) + FILTERED_SUFFIX for name in datasets)
    return tuple(dict.fromkeys(datasets))


def _suite_path(name_or_path: str) -> Path:
    path = user_path(name_or_path)
    if path.suffix in (".yml", ".yaml") or path.is_file():
        require_file(path, "check the path of the suite")
        return path
    names = suite_names()
    if name_or_path in names:
        return suite_folder() / f"{name_or_path}.yml"
    raise UserError(
        f"no suite is called {name_or_path!r}",
        expected="one of " + ", ".join(names) + ", or the path of a .yml file",
        hint=did_you_mean(name_or_path, names),
    )


def _dataset_paths(names: Sequence[str], suite_path: Path) -> list[str]:
    """Resolve dataset paths against the suite's folder, then the working folder."""
    resolved = []
    for name in names:
        beside = suite_path.parent / user_path(name)
        is_path = not ENTRY_NAME.fullmatch(name) or (Path(name).suffix and beside.is_file())
        resolved.append(str(beside) if is_path and beside.is_file() else name)
    return resolved


def _variant(
    name: str,
    schema: VariantSchema,
    position: int,
    algorithms: Mapping[str, AlgorithmDefinition],
    document: Document,
) -> Variant:
    at = ("algorithms", name, position)
    if name not in algorithms:
        raise UserError(
            f"no algorithm is called {name!r}",
            where=document.place(at),
            hint=did_you_mean(name, algorithms),
        )
    definition = algorithms[name]
    if schema.group is not None and schema.group not in definition.groups:
        raise UserError(
            f"{name} has no group {schema.group!r}",
            where=document.place((*at, "group")),
            hint=did_you_mean(schema.group, definition.groups),
        )
    _check_grid(definition, "build", schema.build, at, document)
    _check_grid(definition, "search", schema.search, at, document)
    variant = definition.variant(schema.group, schema.build, schema.search)
    count = definition.settings_count(variant)
    require_size(count, name, document.place(at))
    return Variant(
        algorithm=name,
        label=schema.label or name,
        group=schema.group,
        build=schema.build,
        search=schema.search,
        origin=document.place(at),
    )


def _check_grid(
    definition: AlgorithmDefinition,
    part: str,
    grid: Parameters,
    at: tuple[str | int, ...],
    document: Document,
) -> None:
    known = definition.parameter_names(part)
    if part == "search":
        known = known | {POST_FILTER}
    for name in grid:
        place = document.place((*at, part, name))
        if name not in known:
            raise UserError(
                f"{definition.name} has no {part} parameter {name!r}",
                where=place,
                expected="one of " + ", ".join(sorted(known)) if known else "no parameters",
                hint=did_you_mean(name, known),
            )


def _baseline(name: str | None, variants: Sequence[Variant], document: Document) -> str | None:
    labels = {variant.label for variant in variants}
    if name is not None and name not in labels:
        raise UserError(
            f"the baseline {name!r} is not a label of the suite",
            where=document.place(("baseline",)),
            hint=did_you_mean(name, labels),
        )
    return name


def _loads(schema: SuiteSchema) -> tuple[Load, ...]:
    """The given rates, and the highest one within the bound."""
    rates = dict.fromkeys(schema.rates or ())
    bounds = () if schema.p99_ms is None else (schema.p99_ms,)
    return (
        *(Load(rate, None, schema.drop_ms) for rate in rates),
        *(Load(None, bound, schema.drop_ms) for bound in bounds),
    )


def _check_load(schema: SuiteSchema, document: Document) -> None:
    """Refuse rates in other modes, and the mode `load` without any."""
    under_load = schema.mode == "load"
    if under_load and schema.rates is None and schema.p99_ms is None:
        raise UserError(
            "the mode load has no rate",
            where=document.place(("mode",)),
            expected="rates, such as [100, 200], or a bound, such as p99_ms: 5",
            hint="give the queries per second that arrive, or what p99 is to be found for",
        )
    for key in sorted({"rates", "p99_ms", "drop_ms"} & schema.model_fields_set):
        if not under_load:
            raise UserError(
                f"{key} has no meaning in the mode {schema.mode}",
                where=document.place((key,)),
                hint=f"add `mode: load`, or take out {key}",
            )
    if schema.p99_ms is not None and schema.p99_ms >= schema.drop_ms:
        raise UserError(
            "queries would be dropped before they miss the bound",
            where=document.place(("p99_ms",)),
            expected=f"p99_ms below drop_ms, {schema.drop_ms:g}",
            got=f"{schema.p99_ms:g}",
            hint="raise drop_ms",
        )


def _check_labels(variants: Sequence[Variant]) -> None:
    owners: dict[str, str] = {}
    for variant in variants:
        owner = owners.setdefault(variant.label, variant.algorithm)
        if owner != variant.algorithm:
            raise UserError(
                f"the label {variant.label!r} stands for both {owner} and {variant.algorithm}",
                where=variant.origin,
                hint="give one of them another label",
            )
