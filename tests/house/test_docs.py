"""Documentation that cannot go stale: every verb has help and an example, and is in the docs."""

from __future__ import annotations

import functools
import re
import runpy
from pathlib import Path

import pytest

from harness.cli.verbs import VERBS, loaded
from harness.registry import load_registry
from harness.registry.suites import read_suite, suite_names

HOUSE = Path(__file__).parents[2]
DOCS = HOUSE / "docs"
DOCUMENTS = [*sorted(HOUSE.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
REFERENCE = runpy.run_path(str(DOCS / "make_reference.py"))


@functools.cache
def verbs() -> dict[str, object]:
    found = {}
    for name, command in ((name, loaded(name)) for name in VERBS):
        below = getattr(command, "commands", None)
        if below is None:
            found[name] = command
        else:
            found.update({f"{name} {inner}": one for inner, one in below.items()})
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help_with_an_example(verb):
    text = verbs()[verb].help
    assert f"annharness {verb}" in text, f"the help of {verb!r} shows no example"
    for parameter in verbs()[verb].params:
        assert getattr(parameter, "help", None), f"{verb}: {parameter.name} has no help"


def name_of(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def test_every_generated_part_has_its_place():
    marks = re.compile(r"<!-- generated: (.*) -->")
    named = [name for path in DOCUMENTS for name in marks.findall(path.read_text())]
    assert sorted(named) == sorted(REFERENCE["PARTS"])


@pytest.mark.parametrize("path", REFERENCE["generated_pages"](), ids=name_of)
def test_generated_parts_are_up_to_date(path):
    assert path.read_text() == REFERENCE["generated"](path), "run: make reference"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_and_pictures_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), f"{path.name} points to {target}"


OF_THE_READER = re.compile(r"plugins/|datasets/mine/|module\.py|test_sign_bits|.*NAME")
"""Files that the reader of a document writes, not ours."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_files_in_documents_exist(path):
    named = re.findall(r"`([\w./-]+\.py)[` :]", path.read_text())
    missing = [name for name in named if not OF_THE_READER.match(name) and not is_ours(name)]
    assert path.name == "CHANGELOG.md" or not missing


def is_ours(name: str) -> bool:
    return any(f"/{file}".endswith(f"/{name}") for file in python_files())


@functools.cache
def python_files() -> list[str]:
    folders = ("harness", "algorithms", "datasets", "docs", "tests")
    return [str(p.relative_to(HOUSE)) for top in folders for p in (HOUSE / top).rglob("*.py")]


@pytest.mark.parametrize("top", ["harness", "algorithms", "tests", "docs"])
def test_modules_named_in_code_exist(top):
    files = set(python_files())
    for path in (HOUSE / top).rglob("*.py"):
        for name in re.findall(r"`(harness(?:\.[\w]+)+)`", path.read_text()):
            if name.endswith(".NAME") or name in ("harness.algorithms", "harness.datasets"):
                continue
            outer, _, last = name.rpartition(".")
            found = files.intersection(_places(name)) or any(
                defines((HOUSE / place).read_text(), last)
                for place in files.intersection(_places(outer))
            )
            assert found, f"{name_of(path)}: {name}"


def defines(module: str, name: str) -> bool:
    """Whether a module has a function, class, constant or import of this name, or exports it."""
    forms = (rf"^(def|class) {name}\b", rf"^{name}\b.*=", rf"^ *(from .*)?import .*\b{name}\b",
             rf"^ +{name},$", f'"{name}"')  # fmt: skip
    return any(re.search(form, module, flags=re.MULTILINE) for form in forms)


def test_a_word_in_a_docstring_defines_nothing():
    package = '"""Ranking: figures and ranking."""\nfrom harness.report.gone import points\n'
    assert not defines(package, "ranking")
    assert not defines(package, "gone")
    assert defines(package, "points")


def _places(name: str) -> list[str]:
    return [name.replace(".", "/") + end for end in (".py", "/__init__.py")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_in_documents_name_real_verbs(path):
    for verb in re.findall(r"^\$ annharness ([a-z]+)", path.read_text(), flags=re.MULTILINE):
        assert any(known.split()[0] == verb for known in verbs()), f"{path.name}: {verb}"


def test_registry_entries_tell_what_they_are():
    registry = load_registry()
    for entry in [*registry.algorithms.values(), *registry.datasets.values()]:
        assert entry.about.endswith("."), entry.name
    for name in suite_names():
        assert len(read_suite(name, registry.algorithms).about) > 20
