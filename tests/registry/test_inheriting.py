"""`like: OTHER`: entries that share keys, and mistakes in them, which keep file and line."""

import re
from pathlib import Path

import pytest

from harness.contracts import UserError
from harness.registry import load_registry

ENTRIES = """\
_shared:
  adapter: adapter:Mine
  metrics: [angular, euclidean]
  build: {M: [5, 7], nbits: 4}
  search: {rerank: [0, 20]}
  require: {"M >= 1": "M is at least 1"}
  groups:
    smoke: {build: {M: [5], nbits: [4]}, search: {rerank: 0}}

first:
  like: _shared
  about: The first.
  floor: 0.5

second:
  like: first
  about: The second.
  metrics: [angular]
  build: {nbits: [4, 8], depth: 2}
  require: {"depth >= 1": "depth is at least 1"}
  groups:
    smoke: {build: {nbits: [8]}}
"""


@pytest.fixture
def registry_of(tmp_path):
    """Write a registry file and read it."""

    def read(text, kind="algorithms"):
        folder = tmp_path / "plugins" / kind / "mine"
        folder.mkdir(parents=True)
        (folder / "config.yml").write_text(text)
        (folder / "adapter.py").write_text("class Mine: ...\n")
        return load_registry([tmp_path / "plugins"])

    return read


def test_an_entry_takes_all_that_it_does_not_say_itself(registry_of):
    algorithms = registry_of(ENTRIES).algorithms
    first, second = algorithms["first"], algorithms["second"]
    assert first.about == "The first."
    assert first.build == {"M": [5, 7], "nbits": 4}
    assert second.floor == first.floor == 0.5
    assert second.metrics == ("angular",)
    assert second.build == {"M": [5, 7], "nbits": [4, 8], "depth": 2}
    assert second.search == {"rerank": [0, 20]}
    assert [e.text for e, _ in second.require] == ["M >= 1", "depth >= 1"]
    assert second.groups["smoke"].build == {"M": [5], "nbits": [8]}
    assert second.groups["smoke"].search == {"rerank": 0}
    assert first.groups["smoke"].build == {"M": [5], "nbits": [4]}


def test_a_template_is_no_entry(registry_of):
    assert not any(name.startswith("_") for name in registry_of(ENTRIES).algorithms)


def test_the_order_of_entries_does_not_matter(registry_of):
    shared, first, second = ENTRIES.split("\n\n")
    algorithms = registry_of("\n\n".join([second, first, shared])).algorithms
    assert algorithms["second"].build == {"M": [5, 7], "nbits": [4, 8], "depth": 2}


def test_datasets_may_be_like_each_other(registry_of):
    text = """\
one:
  about: One.
  licence: none
  metric: angular
  dimension: 8
  base: 300
  queries: {draw: random, count: 20, seed: 1}
  sources: [{kind: file, path: /x.npy, format: npy}]
two:
  like: one
  about: Two.
  queries: {seed: 2}
"""
    two = registry_of(text, "datasets").datasets["two"]
    assert (two.base, two.split.count, two.split.seed) == (300, 20, 2)


def test_the_example_of_the_documentation_works(registry_of):
    text = (Path(__file__).parents[2] / "docs" / "reference" / "algorithm-entries.md").read_text()
    [example] = re.findall(r"```yaml\n(_signs:.*?)```", text, flags=re.DOTALL)
    algorithms = registry_of(example.replace("adapter:SignBits", "adapter:Mine")).algorithms
    assert algorithms["sign-bits-long"].build == {"bits": [1024, 2048], "seed": 0}
    assert algorithms["sign-bits-long"].metrics == ("angular",)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("{M: [5, 7], nbits: 4}", "[5]", 4, "wrong value for 'build'"),
        ("  metrics: [angular, euclidean]", "  metric: [angular]", 3, "did you mean 'metrics'"),
        ("M >= 1", "K >= 1", 6, "unknown name 'K'"),
        ("like: first", "like: frist", 16, "did you mean 'first'"),
        ("like: first", "like: second", 16, "'second' is like 'second'"),
        ("like: first", "like: [first]", 16, "no other entry of this file"),
        ("like: _shared", "like: second", 16, "in a circle: first -> second -> first"),
        ("  about: The second.\n", "  abuot: The second.\n", 17, "did you mean 'about'"),
        ("  adapter: adapter:Mine\n", "", 9, "the key 'adapter' is missing"),
    ],
)
def test_a_mistake_names_the_line_where_it_stands(registry_of, old, new, line, message):
    assert ENTRIES.count(old) == 1
    with pytest.raises(UserError) as caught:
        registry_of(ENTRIES.replace(old, new))
    assert message in str(caught.value)
    assert f"config.yml:{line}" in str(caught.value)


def test_long_chains_and_many_copies_are_refused(registry_of, tmp_path):
    chain = ["_0: {about: A.}", *(f"_{i}: {{like: _{i - 1}}}" for i in range(1, 2000))]
    with pytest.raises(UserError, match="over 20 steps"):
        registry_of("\n".join([*chain, "last: {like: _1999}"]))


def test_copies_do_not_multiply_without_end(registry_of):
    parameters = ", ".join(f"p{i}: {i}" for i in range(1000))
    copies = [f"e{i}: {{like: _big}}" for i in range(200)]
    with pytest.raises(UserError, match="entries that are like others multiply"):
        registry_of("\n".join([f"_big: {{build: {{{parameters}}}}}", *copies]))
