"""Configurations of other harnesses multiply out as there, with names from the source."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from harness.contracts import UserError
from harness.registry import load_registry
from harness.registry.foreign_grids import read_foreign
from harness.registry.settings import Facts, settings
from harness.registry.signatures import parameter_names

MODULE = """
import a_library_that_is_not_installed
from ..parent.module import Parent

class Mine(Parent):
    def __init__(self, metric, dim, trees, method_param, seed=0):
        pass
"""
PARENT = """
class Parent:
    def set_query_arguments(self, trees, search_k):
        pass
"""
CONFIG = """
float:
  any:
  - base_args: ['@metric', '@dimension']
    constructor: Mine
    disabled: true
    docker_tag: x
    module: ann_benchmarks.algorithms.mine
    name: mine
    run_groups:
      one:
        args: [[10, 20], {M: 8, efConstruction: '@count'}]
        query_args: [[1, 2], 1e-3]
      two:
        arg_groups: [30, {M: [8, 16], efConstruction: 100}]
        args: {}
  - constructor: Mine
    docker_tag: x
    module: ann_benchmarks.algorithms.mine
    name: other
    run_groups: {empty: {args: []}}
  euclidean:
  - base_args: ['@metric']
    constructor: Mine
    docker_tag: x
    module: ann_benchmarks.algorithms.mine
    name: other
    run_groups: {empty: {args: []}}
"""


@pytest.fixture
def folder(tmp_path):
    """Write the folder of an adapter and of the one that it derives from."""
    for name, source in {"mine": MODULE, "parent": PARENT}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text(source)
    (tmp_path / "mine" / "config.yml").write_text(CONFIG)
    return tmp_path / "mine"


def entry(tmp_path, folder, text=""):
    plugin = tmp_path / "plugins" / "algorithms" / "theirs"
    plugin.mkdir(parents=True, exist_ok=True)
    more = textwrap.indent(textwrap.dedent(text), "  ")
    head = f"mine:\n  from: ann-benchmarks\n  path: {folder}\n"
    (plugin / "config.yml").write_text(head + more)
    return load_registry([tmp_path / "plugins"]).algorithm("mine")


def test_names_come_from_the_source_through_base_classes(folder):
    module = folder / "module.py"
    assert parameter_names(module, "Mine", "__init__")[:3] == ["metric", "dim", "trees"]
    assert parameter_names(module, "Mine", "set_query_arguments") == ["trees", "search_k"]
    assert parameter_names(module, "Mine", "query") == []
    assert parameter_names(folder / "none.py", "Mine", "query") == []


def test_run_groups_multiply_and_dictionaries_are_spread(folder):
    adapter = read_foreign("ann-benchmarks", folder, "mine", "here")
    found = list(adapter.settings("angular", k=10, d=50))
    assert [build for build, search in found if search.get("trees_") != 2] == [
        {"dim": 50, "trees": 10, "M": 8, "efConstruction": 10},
        {"dim": 50, "trees": 20, "M": 8, "efConstruction": 10},
        {"dim": 50, "trees": 30, "M": 8, "efConstruction": 100},
        {"dim": 50, "trees": 30, "M": 16, "efConstruction": 100},
    ]
    # A name of the build cannot be one of the search; and in YAML 1.1 `1e-3` is text.
    assert found[0][1] == {"trees_": 1, "search_k": "1e-3"}
    assert found[-1][1] == {}
    assert adapter.metrics == ("angular", "euclidean")


def test_an_own_space_goes_before_any(folder):
    adapter = read_foreign("ann-benchmarks", folder, None, "here")
    assert adapter.name == "other"  # the only one that is not disabled
    assert {group.space: group.arguments for group in adapter.run_groups} == {
        "angular": ((),),
        "euclidean": (("@metric",),),
    }


def test_an_entry_overrides_by_name_and_run_groups_are_groups(tmp_path, folder):
    facts = Facts(k=10, n=100, d=50, metric="angular")
    text = "algorithm: mine\nbuild: {trees: 5}\ngroups: {smoke: {build: {M: 4}}}\n"
    mine = entry(tmp_path, folder, text)
    assert {s.build["trees"] for s in settings(mine, facts)} == {5}
    assert [s.build["M"] for s in settings(mine, facts, group="two")] == [8, 16]
    assert {s.build["M"] for s in settings(mine, facts, group="smoke")} == {4}
    [only] = settings(mine, facts, group="two", build={"M": 12})
    assert only.build == {"dim": 50, "trees": 5, "M": 12, "efConstruction": 100}
    unsupported = Facts(k=10, n=100, d=50, metric="inner_product")
    assert all("metric inner_product" in str(s.refusal) for s in settings(mine, unsupported))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "several algorithms"),
        ("algorithm: mime", "did you mean 'mine'"),
        ("algorithm: mine\nbuild: {tree: 5}", "did you mean 'trees'"),
        ("algorithm: mine\nmetrics: [inner_product]", "has no settings for inner_product"),
        ("algorithm: mine\nadapter: a:B", "unknown key 'adapter'"),
        ("algorithm: mine\nrequires: ['no such thing!']", "not a pip requirement"),
    ],
)
def test_mistakes_are_told(tmp_path, folder, text, told):
    if not text:
        config = (folder / "config.yml").read_text().replace("disabled: true", "disabled: false")
        (folder / "config.yml").write_text(config)
    with pytest.raises(UserError) as error:
        entry(tmp_path, folder, text)
    assert told in error.value.describe()
    assert str(tmp_path) in error.value.describe()


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("float: [1, 2]", "not a configuration"),
        ("float: {any: [{name: x}]}", "not a configuration"),
        ("bit: {}", "no algorithm for dense rows"),
        ("float: !!python/object:os.system {}", "cannot read the file"),
        ("a: [", "cannot read the file"),
        (CONFIG.replace("ann_benchmarks.algorithms.mine", "elsewhere"), "no such module"),
        (CONFIG.replace("run_groups: {empty: {args: []}}", "run_groups: 5"), "not a configuration"),
    ],
)
def test_broken_configurations_are_told(folder, config, told):
    (folder / "config.yml").write_text(config)
    with pytest.raises(UserError) as error:
        read_foreign("ann-benchmarks", folder, None, "here")
    assert told in error.value.describe()


def test_the_folder_must_be_one(tmp_path):
    with pytest.raises(UserError, match=r"no module\.py"):
        read_foreign("vibe", Path(tmp_path), None, "here")
