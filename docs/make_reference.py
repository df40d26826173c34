"""Write the generated parts of the pages, and notebooks: `python docs/make_reference.py`.

A page marks where a part belongs, and everything around it is written by hand:

    <!-- generated: suite-keys -->
    <!-- end of generated -->

`PARTS` maps each name to the function that returns the part's Markdown. To add a part, add a
function to `PARTS` and the two marks to a page. Pages in `NOTEBOOKS` are written as notebooks, too:
their Python blocks are the cells, and what they show of the output is left out.
`tests/house/test_docs.py` compares all of it with the code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import harness
import harness.api
from harness.checks.catalog import check_function, names_of_checks, rule_of
from harness.cli.verbs import VERBS, loaded
from harness.data.formats import FORMATS
from harness.interop.package import MANIFEST, Manifest
from harness.registry import load_registry
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.schema.entries import (
    AlgorithmSchema,
    DatasetSchema,
    EntrySchema,
    ForeignSchema,
)
from harness.registry.schema.known_step import KnownStepSchema
from harness.registry.schema.suite import SuiteSchema
from harness.registry.suites import read_suite, suite_names
from harness.results.table.columns import COLUMNS, Column
from harness.running.cluster.cluster_file import ClusterSettings

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTEBOOKS = (DOCS / "tutorial" / "founding-experiment.md",)
FIGURES = "harness.report.plots.all_figures.Figures"
PART = re.compile(
    r"(?P<start><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end of generated -->)", re.S
)


def generated_pages() -> list[Path]:
    """Return the pages that have generated parts, and the notebooks."""
    pages = [page for page in sorted(DOCS.rglob("*.md")) if PART.search(page.read_text())]
    return [*pages, *(page.with_suffix(".ipynb") for page in NOTEBOOKS)]


def generated(page: Path) -> str:
    """Return the text that such a page should have."""
    if page.suffix == ".ipynb":
        return notebook_of(page.with_suffix(".md").read_text())
    return PART.sub(_filled, page.read_text())


def _filled(match: re.Match[str]) -> str:
    return f"{match['start']}\n{PARTS[match['name']]().strip()}\n\n{match['end']}"


# Commands ----------------------------------------------------------------------------------------


def commands() -> str:
    """Return the list of commands, and a section for each of them, from its own help."""
    found = list(_verbs())
    summaries = (f"- [{name}](#{_anchor(name)}): {_first_line(one)}" for name, one in found)
    return "\n".join([*summaries, "", *(_command(name, one) for name, one in found)])


def _verbs() -> Iterator[tuple[str, Any]]:
    for name, command in ((name, loaded(name)) for name in VERBS):
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {k}", c) for k, c in inner.items()) if inner else [(name, command)]


def _anchor(name: str) -> str:
    return f"annharness {name}".replace(" ", "-")


def _first_line(command: Any) -> str:
    return _joined(command.help.strip().split("\n\n")[0])


def _command(name: str, command: Any) -> str:
    lines = [f"## annharness {name}\n", _help(command.help), ""]
    lines += [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
    return "\n".join(lines).rstrip() + "\n"


def _help(text: str) -> str:
    """Paragraphs as they are; examples, each a paragraph of its own in the help, as one block."""
    told = [_joined(paragraph) for paragraph in text.strip().split("\n\n")]
    told = [line.removeprefix("Example: ") for line in told if line != "Examples:"]
    examples = [line for line in told if line.startswith("annharness ")]
    words = [line for line in told if line not in examples]
    return "\n\n".join([*words, "```text\n" + "\n".join(examples) + "\n```"])


def _parameter(parameter: Any) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    has_default = isinstance(default, (str, int, float, Path)) and not isinstance(default, bool)
    shown = f" Default: `{default}`." if has_default and "default" not in parameter.help else ""
    return f"- `{names}`: {parameter.help}{shown}"


# Packages of results -----------------------------------------------------------------------------


def packages() -> str:
    """Return a table of the packages of results that the repository holds."""
    found = sorted((DOCS / "results" / "packages").glob("*.zip"))
    rows = (f"| {' | '.join(_package(path))} |\n" for path in found)
    head = "| package | points | size | datasets | measured on | at commit |\n"
    return head + "|---|---:|---:|---|---|---|\n" + "".join(rows)


def _package(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        said = Manifest.model_validate_json(archive.read(MANIFEST))
    yield f"`{path.stem}`"
    yield str(len(said.points))
    yield f"{path.stat().st_size / 1e6:.2f} MB"
    yield ", ".join(sorted({f"`{point.dataset}`" for point in said.points}))
    yield ", ".join(said.machines)
    yield ", ".join(f"`{commit[:10]}`" for commit in said.commits)


# Keys of YAML files ------------------------------------------------------------------------------


def keys_of(model: type[BaseModel], but: type[BaseModel] | None = None) -> str:
    """Return a table of a model's keys, and one for each key that has keys itself.

    Keys that `but` has as well are left out.
    """
    schema = model.model_json_schema(by_alias=True)
    known = set(but.model_fields) if but else set()
    return "\n\n".join(_key_tables(model, schema, schema.get("$defs", {}), known))


def _key_tables(model: type[BaseModel], schema: Any, inner: Any, but: set[str]) -> Iterator[str]:
    told = _attribute_docstrings(model)
    rows: list[tuple[str, ...]] = []
    nested: dict[str, list[str]] = {}
    fields = [(name, field) for name, field in model.model_fields.items() if name not in but]
    for name, field in sorted(fields, key=lambda item: not item[1].is_required()):
        key = field.alias or name
        kind = schema["properties"][key]
        rows.append((f"`{key}`", _kind(kind), _default(field), told[name]))
        for found in re.findall(r"#/\$defs/(\w+)", str(kind)):
            nested.setdefault(found, []).append(f"`{key}`")
    yield _table(("key", "value", "default", "meaning"), rows)
    for found, keys in nested.items():
        yield f"### Keys of {', '.join(keys[:-1])}{' and ' * (len(keys) > 1)}{keys[-1]}"
        yield from _key_tables(_sibling(model, found), inner[found], inner, set())


def _sibling(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return the model of a name in another one's module."""
    return getattr(inspect.getmodule(model), name)  # type: ignore[no-any-return]


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the strings that stand below the fields of a class and its bases."""
    found = {}
    for one in reversed([c for c in model.__mro__ if c.__module__ == model.__module__]):
        body = ast.parse(inspect.getsource(one)).body[0].body  # type: ignore[attr-defined]
        for field, told in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(told, ast.Expr):
                found[ast.unparse(field.target)] = _joined(ast.literal_eval(told.value))
    return found


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default in ([], {}):
        return ""
    if isinstance(field.default, list):
        return f"`[{', '.join(map(str, field.default))}]`"
    return f"`{str(field.default).lower()}`"


def _kind(schema: Any) -> str:
    """Return in words what values a JSON schema allows."""
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return ", or ".join(kinds)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"`{str(value).lower()}`" for value in values)
    if schema.get("type") == "array":
        return f"list: {_kind(schema['items'])}"
    if schema.get("type") in ("integer", "number"):
        return _number(schema)
    return {"string": "text", "boolean": "`true` or `false`"}.get(schema.get("type"), "mapping")


def _number(schema: Any) -> str:
    bounds = {
        "minimum": "from {:g}",
        "exclusiveMinimum": "above {:g}",
        "maximum": "to {:,}",
        "exclusiveMaximum": "below {:,.0f}",
    }
    told = [words.format(schema[name]) for name, words in bounds.items() if name in schema]
    kind = "whole number" if schema["type"] == "integer" else "number"
    return " ".join([kind, *told])


# The registry, formats and checks ----------------------------------------------------------------


def algorithms() -> str:
    """Return a table of the algorithms of this repository."""
    own = [one for one in load_registry().algorithms.values() if _is_ours(one.folder.path)]
    extras = _extras()
    rows = [
        (f"`{e.name}`", e.about, e.family or "", _metrics(e), _library(e, extras), _grid(e))
        for e in own
    ]
    heads = ("name", "what it is", "family", "metrics", "library", "the grid varies")
    return _table(heads, rows)


def _is_ours(folder: Path) -> bool:
    return folder.resolve().is_relative_to(ROOT)


def _metrics(entry: AlgorithmDefinition) -> str:
    return "all" if len(entry.metrics) == 3 else ", ".join(entry.metrics)


def _extras() -> dict[str, str]:
    """Return the extra of pyproject.toml that installs each optional library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    libraries = {n: r for n, r in project["optional-dependencies"].items() if n not in _BUNDLES}
    return {Requirement(one).name: name for name, found in libraries.items() for one in found}


_BUNDLES = ("dev", "docs", "peers")


def _library(entry: AlgorithmDefinition, extras: dict[str, str]) -> str:
    if not entry.requires:
        return "core"
    extra = {extras.get(Requirement(one).name) for one in entry.requires}
    where = ["environment of its own"] if entry.isolated else [f"extra `{x}`" for x in extra if x]
    return ", ".join([*(one.replace("==", " ") for one in entry.requires), *where])


def _grid(entry: AlgorithmDefinition) -> str:
    grids = {**entry.build, **entry.search}
    varied = [f"`{name}`" for name, v in grids.items() if isinstance(v, (list, tuple)) and v[1:]]
    return ", ".join(varied)


def datasets() -> str:
    """Return a table of the datasets of this repository."""
    own = [one for one in load_registry().datasets.values() if _is_ours(one.folder)]
    rows = [
        (
            f"`{e.name}`",
            e.about,
            e.metric,
            f"{e.base:,} x {e.dimension}",
            e.query_distribution or "",
            _state(e.untested),
        )
        for e in own
    ]
    return _table(
        ("name", "what it is", "metric", "size", "query distribution", "loaded end to end"), rows
    )


def suites() -> str:
    """Return a table of the suites that come with the harness."""
    algorithms = load_registry().algorithms
    rows = []
    for name in suite_names():
        suite = read_suite(name, algorithms)
        track = "filtered" if suite.track == "filtered" else suite.mode
        data = ", ".join(f"`{one}`" for one in suite.datasets)
        rows.append((f"`{name}`", suite.about, track, data))
    return _table(("name", "what it measures", "track or mode", "datasets"), rows)


def _state(untested: bool) -> str:
    return "no" if untested else "yes"


def formats() -> str:
    """Return a table of the file formats."""
    rows = [
        (
            f"`{one.name}`",
            ", ".join(f"`{ending}`" for ending in one.endings),
            "yes" if one.write or one.name == "hdf5" else "",
            "yes" if one.has_columns else "",
        )
        for one in FORMATS.values()
    ]
    return _table(("format", "endings", "`data convert` writes it", "`--column`"), rows)


def checks() -> str:
    """Return a table of the contract checks."""
    rows = [(f"`{name}`", rule_of(check_function(name)) + ".") for name in names_of_checks()]
    return _table(("check", "what holds"), rows)


# The results table -------------------------------------------------------------------------------


def table_columns() -> str:
    """Return a table of the columns of the results table; those of one meaning share a line."""
    groups = groupby(COLUMNS, key=lambda one: (_value(one), one.unit, one.meaning, one.export))
    rows = [
        ("<br>".join(f"`{one.name}`" for one in found), value, unit, meaning, export)
        for (value, unit, meaning, export), found in groups
    ]
    return _table(("column", "value", "unit", "meaning", "in exports"), rows)


def _value(column: Column) -> str:
    return f"{column.kind}, with `per_query`" if column.per_query else column.kind


# The Python API ----------------------------------------------------------------------------------


def api() -> str:
    """Return the directives that show the docstrings of the functions and what they return."""
    public = [name for name in harness.__all__ if inspect.isfunction(getattr(harness, name))]
    returned = [name for name in harness.api.__all__ if name not in harness.__all__]
    classes = [f"harness.api.{name}" for name in returned]
    return _directives([*(f"harness.{name}" for name in public), *classes, FIGURES])


def contracts() -> str:
    """Return the directives that show the docstrings of what plug-ins see."""
    return _directives(f"harness.contracts.{name}" for name in harness.contracts.__all__)


def _directives(names: Iterable[str]) -> str:
    shown = "\n\n".join(_directive(name) for name in names)
    return f"```{{eval-rst}}\n{shown}\n```"


def _directive(name: str) -> str:
    module, _, last = name.rpartition(".")
    target = getattr(importlib.import_module(module), last)
    if isinstance(target, type):
        return f".. autoclass:: {name}\n   :members:"
    return f".. autofunction:: {name}" if inspect.isfunction(target) else _data(name, last, target)


def _data(name: str, last: str, target: object) -> str:
    """Return a directive for a constant or type: autodoc would show the docstring of its type."""
    for file in (ROOT / "harness" / "contracts").glob("*.py"):
        for node, after in pairwise([*ast.parse(file.read_text()).body, ast.Pass()]):
            if last in _assigned(node):
                told = _joined(after.value.value) if isinstance(after, ast.Expr) else ""
                value = repr(target) if isinstance(target, tuple) else ast.unparse(node.value)
                return f".. py:data:: {name}\n   :value: {value}\n\n   {told}".rstrip()
    raise LookupError(name)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _joined(text: str) -> str:
    return " ".join(text.split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


# Notebooks ---------------------------------------------------------------------------------------


def notebook_of(page: str) -> str:
    """Return a page as a notebook without outputs."""
    pieces = re.split(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    cells = [
        _cell(number, "code" if number % 2 else "markdown", source)
        for number, piece in enumerate(pieces)
        if (source := SHOWN_OUTPUT.sub("", piece).strip())
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


SHOWN_OUTPUT = re.compile(r"^```text\n.*?^```$", re.M | re.S)


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    own = {"execution_count": None, "outputs": []} if kind == "code" else {}
    lines = source.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines, **own}


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "suites": suites,
    "suite-keys": lambda: keys_of(SuiteSchema),
    "algorithm-keys": lambda: keys_of(AlgorithmSchema),
    "foreign-keys": lambda: keys_of(ForeignSchema, but=EntrySchema),
    "dataset-keys": lambda: keys_of(DatasetSchema),
    "known-step-keys": lambda: keys_of(KnownStepSchema),
    "cluster-keys": lambda: keys_of(ClusterSettings),
    "algorithms": algorithms,
    "datasets": datasets,
    "formats": formats,
    "checks": checks,
    "table-columns": table_columns,
    "api": api,
    "contracts": contracts,
    "packages": packages,
}

if __name__ == "__main__":
    for page in generated_pages():
        page.write_text(generated(page))
