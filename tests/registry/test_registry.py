"""Entries, groups, grids and suites; every mistake names file, line and the nearest right name."""

from pathlib import Path

import pytest

from harness.contracts import UserError
from harness.contracts.definitions import Load
from harness.registry import load_registry
from harness.registry.grid import short_name
from harness.registry.settings import Facts, settings
from harness.registry.suites import overridden, read_suite, suite_names, suite_of

FACTS = Facts(k=10, n=1000, d=50, metric="angular")
ENTRY = """\
mine:
  adapter: adapter:Mine
  about: A test.
  metrics: [angular]
  build: {M: [5, 7], nbits: 4}
  search: {rerank: [0, 5, 20]}
  where: "rerank == 0 or rerank >= k"
  require: {"d % M == 0": "M must divide the dimension"}
  groups:
    smoke: {build: {M: [5]}, search: {rerank: 0}}
"""


@pytest.fixture
def plugin(tmp_path):
    """Write a plug-in folder below a root and return the root."""

    def write(text=ENTRY, folder="mine", kind="algorithms"):
        path = tmp_path / "plugins" / kind / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.yml").write_text(text)
        (path / "adapter.py").write_text("class Mine: ...\n")
        return tmp_path / "plugins"

    return write


def mine(root):
    return load_registry([root]).algorithm("mine")


def test_metrics_have_the_names_that_people_use(plugin):
    text = ENTRY.replace("[angular]", "[Cosine, angular, l2, dot]")
    definition = load_registry([plugin(text)]).algorithms["mine"]
    assert definition.metrics == ("angular", "euclidean", "inner_product")


def test_a_file_of_queries_is_named_by_the_source(plugin):
    text = (
        "rows:\n  about: x\n  licence: x\n  metric: l2\n  dimension: 2\n  base: 9\n"
        "  queries: {file: asked.npy}\n  sources: [{kind: file, path: rows.npy, format: npy}]\n"
    )
    with pytest.raises(UserError, match=r"options: \{queries: FILE\}") as refused:
        load_registry([plugin(text, kind="datasets")])
    assert "config.yml:7" in refused.value.describe()


def test_lists_multiply_where_drops_and_require_refuses(plugin):
    found = list(settings(mine(plugin()), FACTS))
    assert [(s.build["M"], s.search["rerank"]) for s in found] == [(5, 0), (5, 20), (7, 0), (7, 20)]
    assert [s.refusal for s in found[:2]] == [None, None]
    assert found[2].refusal == "M must divide the dimension (M=7 d=50)"
    assert not found[2].refusal_by_hand


def test_a_family_is_one_of_those_that_there_are(plugin):
    assert mine(plugin()).family is None
    assert mine(plugin(ENTRY.replace("  metrics", "  family: tree\n  metrics"))).family == "tree"
    with pytest.raises(UserError) as refused:
        mine(plugin(ENTRY.replace("  metrics", "  family: forest\n  metrics")))
    assert "'graph', 'partition'" in refused.value.describe()


def test_every_shipped_entry_has_a_family():
    """Except the one whose family depends on its parameter, and the one that is no index."""
    without = {e.name for e in load_registry().algorithms.values() if e.family is None}
    assert without == {"faiss", "no-op"}


@pytest.mark.parametrize("name", ["scann-tree", "scann-soar", "scann-core-tree"])
def test_trees_of_scann_refuse_to_go_without_the_reordering_that_they_cannot_skip(name):
    definition = load_registry().algorithm(name)
    without, with_it = settings(definition, FACTS, "smoke", search={"rerank": [0, 50]})
    assert without.refusal_by_hand
    assert "always re-orders" in without.refusal
    assert with_it.refusal is None


def test_groups_and_hand_written_grids_override_key_by_key(plugin):
    definition = mine(plugin())
    [only] = settings(definition, FACTS, group="smoke")
    assert only.build == {"M": 5, "nbits": 4}
    [by_hand] = settings(definition, FACTS, group="smoke", build={"M": 7})
    assert by_hand.refusal_by_hand


SIZES = ENTRY.replace("  groups:", "  one_of: [[M, bits]]\n  groups:").replace(
    '"d % M == 0"', '"M is null or d % M == 0"'
)


def test_of_parameters_that_exclude_each_other_the_one_that_is_named_counts(plugin):
    definition = mine(plugin(SIZES))
    by_default = list(settings(definition, FACTS))
    assert by_default == list(settings(mine(plugin(ENTRY)), FACTS))
    by_hand = list(settings(definition, FACTS, build={"bits": [20, 30]}, search={"rerank": 0}))
    assert [setting.build for setting in by_hand] == [
        {"bits": 20, "nbits": 4},
        {"bits": 30, "nbits": 4},
    ]
    assert [setting.build_name for setting in by_hand] == ["bits=20", "bits=30"]
    [over_a_group] = settings(definition, FACTS, "smoke", build={"bits": 20})
    assert over_a_group.build == {"bits": 20, "nbits": 4}


def test_two_of_them_are_refused(plugin):
    definition = mine(plugin(SIZES))
    found = list(settings(definition, FACTS, build={"M": 5, "bits": 20}))
    assert {setting.refusal for setting in found} == {"exactly one of M, bits (M=5 bits=20)"}
    assert all(setting.refusal_by_hand for setting in found)


def test_an_unsupported_metric_is_a_refusal(plugin):
    facts = Facts(k=10, n=1000, d=50, metric="euclidean")
    assert {s.refusal for s in settings(mine(plugin()), facts)} == {
        "metric euclidean is not among angular"
    }


def test_short_names_hold_what_varies():
    grid = {"M": [5, 7], "nbits": 4, "eta": None}
    assert short_name({"M": 5, "nbits": 4, "eta": None}, grid) == "M=5"
    assert short_name({"M": 5, "nbits": 8, "eta": 2.5}, grid) == "M=5 nbits=8 eta=2.5"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metrics:", "metric:", "did you mean 'metrics'"),
        ("smoke: {build", "smoke: {biuld", "did you mean 'build'"),
        ("adapter: adapter:Mine", "adapter: nothing:Mine", "nothing.py is not in the folder"),
        ("adapter: adapter:Mine", "adapter: os.system", "wrong value for 'adapter'"),
        ("[angular]", "[jaccard]", "wrong value for 'metrics.0'"),
        ("rerank >= k", "rerank >= kk", "unknown name 'kk'"),
        ("rerank >= k", "rerank >= open('x')", "not allowed in an expression"),
        ("{rerank: [0, 5, 20]}", "{rerank: []}", "expected: at least one value"),
        ("build: {M: [5]}", "build: {M: []}", "wrong value for 'groups.smoke.build.M'"),
        ("nbits: 4", "n-bits: 4", "expected: a name of letters, digits and underscores"),
        ("nbits: 4", "n-bits: 4", "wrong value for 'build.n-bits'\n"),
        ("{rerank: [0, 5, 20]}", "{M: [1], rerank: 0}", "the parameter name 'M' is taken"),
        ("about: A test.", "about: 3", "wrong value for 'about'"),
        ("  about: A test.\n", "", "the key 'about' is missing"),
        (
            "about: A test.",
            "about: x\n  requires: ['not a requirement !!']",
            "not a pip requirement",
        ),
        ("  groups:", "  one_of: [[bits, bytes]]\n  groups:", "bytes is the default?"),
        ("  groups:", "  one_of: [[M, nbits]]\n  groups:", "got:      M, nbits"),
        ("  groups:", "  one_of: [[M]]\n  groups:", "wrong value for 'one_of.0'"),
        ("mine:", "Mine Thing:", "an entry cannot be called"),
        ("[5, 7]", "[5, 7", "not valid YAML"),
    ],
)
def test_a_mistake_names_file_line_and_mend(plugin, old, new, message):
    assert old in ENTRY
    root = plugin(ENTRY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_registry([root])
    assert message in str(caught.value)
    assert f"{root}/algorithms/mine" in str(caught.value)


def test_all_mistakes_of_a_file_are_told_at_once(plugin):
    root = plugin(ENTRY.replace("metrics:", "metric:").replace("search:", "serach:"))
    with pytest.raises(UserError) as caught:
        load_registry([root])
    assert "did you mean 'search'" in str(caught.value)
    assert "did you mean 'metrics'" in str(caught.value)
    assert "config.yml:6" in str(caught.value)


def test_two_folders_and_two_entries_of_one_name_are_errors(plugin, tmp_path):
    root = plugin()
    plugin(ENTRY, folder="other")
    with pytest.raises(UserError, match="two entries are called 'mine'"):
        load_registry([root])
    with pytest.raises(UserError, match="two plug-in folders are called 'exact'"):
        load_registry([plugin(ENTRY, folder="exact")])


def test_a_folder_must_be_importable(plugin):
    with pytest.raises(UserError, match="rename it, for example to 'my_index'"):
        load_registry([plugin(folder="my-index")])


def test_a_missing_library_is_listed_with_its_pip_line_and_breaks_nothing(plugin, command):
    root = plugin(ENTRY.replace("about:", "requires: ['no-such-package==1.2']\n  about:"))
    assert mine(root).missing() == ["no-such-package==1.2"]
    listed = command("list", "algorithms", "mine", "--plugins", root)
    assert listed.returncode == 0
    assert "not installed" in listed.stdout
    done = command("show", "mine", "--plugins", root)
    assert done.returncode == 0
    assert "pip install 'no-such-package==1.2'" in done.stdout


def test_a_plugins_folder_without_plugins_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no plug-ins here"):
        load_registry([tmp_path])


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_of_the_house_is_whole(name):
    suite = read_suite(name, load_registry().algorithms)
    assert suite.variants
    assert suite.about


SUITE = """\
k: 10
datasets: [glove-50-10k]
algorithms:
  exact:
  pq: {build: {M: [25]}}
builds: 2
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("k: 10", "k: 0", "greater than or equal to 1"),
        ("builds: 2", "repeats: 0", "greater than or equal to 1"),
        ("builds: 2", "buidls: 2", "did you mean 'builds'"),
        ("exact:", "exakt:", "did you mean 'exact'"),
        ("{M: [25]}", "{MM: [25]}", "pq has no build parameter 'MM'"),
        ("{build: {M: [25]}}", "{group: smokey}", "did you mean 'smoke'"),
        ("{build: {M: [25]}}", "{label: exact}", "stands for both"),
        ("builds: 2", "memory: much", "a size such as 8GiB"),
        ("builds: 2", "timeout: -1", "greater than 0"),
        ("builds: 2", "mode: fast", "'single', 'batch' or 'load'"),
        ("builds: 2", "mode: load", "the mode load has no rate"),
        ("builds: 2", "rates: [10]", "rates has no meaning in the mode single"),
        ("builds: 2", "mode: load\np99_ms: 50\ndrop_ms: 20", "p99_ms below drop_ms, 20"),
        ("builds: 2", "mode: load\nrates: [0]", "greater than 0"),
        ("k: 10", "", "the key 'k' is missing"),
    ],
)
def test_a_mistake_in_a_suite_names_file_and_line(tmp_path: Path, old, new, message):
    path = tmp_path / "mine.yml"
    path.write_text(SUITE.replace(old, new))
    with pytest.raises(UserError) as caught:
        read_suite(str(path), load_registry().algorithms)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_suite_under_load_has_a_load_for_each_rate_and_the_bound():
    keys = {"k": 10, "datasets": "any", "algorithms": ["exact"], "mode": "load"}
    known = load_registry().algorithms
    suite = read_suite({**keys, "rates": [100, 200, 100], "p99_ms": 5, "drop_ms": 50}, known)
    assert suite.loads == (Load(100, None, 50), Load(200, None, 50), Load(None, 5, 50))
    assert read_suite({**keys, "rates": 100}, known).loads == (Load(100, None, 1000),)
    assert read_suite("demo", known).loads == ()


def test_an_unknown_suite_gets_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'demo'"):
        read_suite("dmeo", load_registry().algorithms)


def test_a_suite_without_a_file_takes_the_grids_of_the_entries():
    suite = suite_of(["a.hdf5"], ["exact", "pq", "pq"], load_registry().algorithms)
    assert [variant.label for variant in suite.variants] == ["exact", "pq"]
    assert (suite.ks, suite.builds, suite.datasets) == ((10,), 3, ("a.hdf5",))
    with pytest.raises(UserError, match="did you mean 'pq'"):
        suite_of(["a.hdf5"], ["pqq"], load_registry().algorithms)


def test_options_override_a_suite_within_the_bounds_of_its_file():
    suite = read_suite("demo", load_registry().algorithms)
    other = overridden(suite, builds=2, k=[5, 5, 1], timeout=7.0, threads=None)
    assert (other.builds, other.ks, other.timeout) == (2, (5, 1), 7.0)
    assert (other.repeats, other.threads) == (suite.repeats, suite.threads)
    assert overridden(suite) == suite
    for wrong in ({"builds": 0}, {"builds": 10**9}, {"k": [0]}, {"timeout": float("nan")}):
        with pytest.raises(UserError, match=f"wrong value for {next(iter(wrong))}"):
            overridden(suite, **wrong)


@pytest.mark.parametrize("d", [1, 17, 25, 96, 384])
def test_the_demo_refuses_no_dimension(d):
    registry = load_registry()
    facts = Facts(k=10, n=1000, d=d, metric="angular")
    for variant in read_suite("demo", registry.algorithms).variants:
        definition = registry.algorithm(variant.algorithm)
        found = settings(definition, facts, variant.group, variant.build, variant.search)
        assert [setting.refusal for setting in found if setting.refusal] == []
