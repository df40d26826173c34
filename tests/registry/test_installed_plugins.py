"""Plug-ins in installed packages are found by their entry points; broken ones break nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.registry import load_registry

GOOD = """\
{name}:
  adapter: adapter:Adapter
  about: A test.
  metrics: [angular]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install packages by hand: a folder of modules and metadata on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def write(package: str, folders: dict[str, str], value: str | None = None) -> Path:
        root = site / package
        root.mkdir()
        (root / "__init__.py").write_text("raise RuntimeError('nobody imports this')\n")
        for name, config in folders.items():
            folder = root / "algorithms" / name
            folder.mkdir(parents=True)
            (folder / "config.yml").write_text(config)
            (folder / "adapter.py").write_text("raise RuntimeError('nor this')\n")
        info = site / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        point = f"[annharness.plugins]\nmine = {value or package}\n"
        (info / "entry_points.txt").write_text(point)
        return root

    yield write
    for name in [name for name in sys.modules if name.startswith("annharness_test_")]:
        del sys.modules[name]


def source_of(registry, package):
    return next(source for source in registry.sources if source.package == package)


def test_an_installed_package_brings_entries(package):
    root = package("annharness_test_good", {"theirs": GOOD.format(name="theirs")})
    registry = load_registry()
    assert registry.algorithm("theirs").folder.path == root / "algorithms" / "theirs"
    source = source_of(registry, "annharness_test_good")
    assert (source.version, source.algorithms, source.problems) == ("1.2", ("theirs",), ())
    assert root in registry.roots


def test_broken_folders_are_named_and_the_others_stay(package):
    folders = {
        "theirs": GOOD.format(name="theirs"),
        "typo": "typo: {adaptor: a:B}\n",
        "exact": GOOD.format(name="another"),
        "taken": GOOD.format(name="exact"),
        "not-a-name": GOOD.format(name="x"),
        "no_yaml": "[",
    }
    package("annharness_test_half", folders)
    registry = load_registry()
    source = source_of(registry, "annharness_test_half")
    assert source.algorithms == ("theirs",)
    assert "exact" in registry.algorithms
    assert "another" not in registry.algorithms
    told = "\n".join(problem.describe() for problem in source.problems)
    for words in ("adaptor", "two plug-in folders", "two entries", "not-a-name", "no_yaml"):
        assert words in told
    assert len(registry.problems) == 5


def test_entry_points_that_lead_nowhere_are_named(package):
    package("annharness_test_empty", {})
    package("annharness_test_lost", {}, value="annharness_test_nowhere.plugins")
    told = [problem.describe() for problem in load_registry().problems]
    assert any("no plug-ins in the package" in text for text in told)
    assert any("no such package" in text and "annharness_test_lost 1.2" in text for text in told)


def test_a_subpackage_can_be_named(package):
    root = package("annharness_test_outer", {}, value="annharness_test_outer.inner")
    folder = root / "inner" / "algorithms" / "deep"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(GOOD.format(name="deep"))
    (folder / "adapter.py").write_text("")
    assert load_registry().algorithm("deep").folder.root == root / "inner"
