"""Adapters as other harnesses have them run as they stand: small ones of our own in their style."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

import harness
from harness.contracts import UserError
from harness.running.machine.facts import this_machine
from harness.tuning.model import KnownBuild
from harness.tuning.request import TuneOptions, TuneRequest

BASE = '''
import numpy as np
from ..base.module import BaseANN

class Brute(BaseANN):
    """Normalises in place, as many do: it must get its own, writable, raw rows."""

    def __init__(self, metric, share, method_param=None):
        assert metric == "angular", metric
        self.share = share
        self.param = method_param or {}
        self.name = "brute(%s)" % share
        self.compared = 17

    def fit(self, X):
        lengths = np.linalg.norm(X, axis=1)
        assert lengths.std() > 0.1, "these rows were normalised before"
        X /= lengths[:, np.newaxis]
        self.rows = X[: int(len(X) * self.share)]

    def set_query_arguments(self, most, unused=0):
        self.most = most

    def query(self, v, n):
        v /= np.linalg.norm(v)
        self.compared += len(self.rows)
        return list(np.argsort(-(self.rows @ v))[: min(n, self.most)])

    def get_additional(self):
        return {"dist_comps": self.compared, "list": [1, 2], "note": "text"}

    def done(self):
        print("the adapter was told that it is done")
'''
SIBLING = """
from ...constants import INDEX_DIR
from ...distance import compute_distance, metrics
from ...util import get_bool_env_var
from ..brute.module import Brute

assert INDEX_DIR == "indices" and not get_bool_env_var("NO_SUCH_FLAG", False)
assert abs(compute_distance("angular", [1.0, 0.0], [0.0, 2.0]) - 1) < 1e-12
assert "euclidean" in metrics

class Prepared(Brute):
    def __init__(self, metric, method_param):
        super().__init__(metric, method_param["share"])

    def prepare_query(self, v, n):
        self.asked = Brute.query(self, v, n)

    def run_prepared_query(self):
        self.found = self.asked

    def get_prepared_query_results(self):
        return self.found

    def query(self, v, n):
        raise AssertionError("a prepared query is not asked like this")

    def set_query_arguments(self, most):
        self.most = most

    def get_additional(self):
        return {"dist_comps": float("nan")}
"""
BATCHED = """
import numpy as np
from ..base.module import BaseANN

class Batched(BaseANN):
    def __init__(self, metric):
        self.metric = metric

    def fit(self, X):
        self.rows = X / np.linalg.norm(X, axis=1)[:, None]

    def query(self, v, n):
        return np.argsort(-(self.rows @ v))[:n]
"""
BROKEN = """
import no_such_library
from ..base.module import BaseANN

class Broken(BaseANN):
    pass
"""
RUN_GROUPS = {
    "brute": (
        "Brute",
        """
        small: {args: [[0.5, 1.0]], query_args: [[3, 50]]}
        large: {arg_groups: [1.0, {R: [8, 16], L: 4}], args: {}, query_args: [[50], [0, 1]]}
        """,
    ),
    "prepared": (
        "Prepared",
        """
        only: {arg_groups: [{share: [1.0]}], args: {}, query_args: [[50]]}
        """,
    ),
    "batched": (
        "Batched",
        """
        only: {args: []}
        """,
    ),
    "broken": (
        "Broken",
        """
        only: {args: []}
        """,
    ),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Write the folders and return the plug-in root whose entries name them."""
    sources = {"brute": BASE, "prepared": SIBLING, "batched": BATCHED, "broken": BROKEN}
    entries = []
    for name, source in sources.items():
        folder = tmp_path / "checkout" / "algorithms" / name
        folder.mkdir(parents=True)
        (folder / "module.py").write_text(source)
        constructor, groups = RUN_GROUPS[name]
        (folder / "config.yml").write_text(config(name, constructor, groups, "ann_benchmarks"))
        entries.append(f"theirs-{name}: {{from: ann-benchmarks, path: {folder}}}")
    plugin = tmp_path / "plugins" / "algorithms" / "theirs"
    plugin.mkdir(parents=True)
    (plugin / "config.yml").write_text("\n".join(entries) + "\n")
    return tmp_path / "plugins"


def config(name: str, constructor: str, groups: str, package: str) -> str:
    head = f"""
        float:
          angular:
          - base_args: ['@metric']
            constructor: {constructor}
            disabled: false
            module: {package}.algorithms.{name}
            name: {name}
            run_groups:
    """
    inner = textwrap.indent(textwrap.dedent(groups).strip(), "      ")
    return textwrap.dedent(head).strip() + "\n" + inner + "\n"


def run(command, tmp_path, checkout, algorithms, **more):
    suite = tmp_path / "s.yml"
    lines = [f"{key}: {value}" for key, value in more.items()]
    head = [
        "k: 5",
        "datasets: small.hdf5",
        "builds: 1",
        "repeats: 2",
        "least_seconds: 0",
        "precision: off",
    ]
    suite.write_text("\n".join([*head, *lines, f"algorithms: {algorithms}"]) + "\n")
    done = command("run", suite, "--plugins", checkout)
    return done, harness.load_results(tmp_path / "results")


@pytest.mark.slow
def test_they_run_as_they_stand(tmp_path, small_hdf5, command, checkout):
    algorithms = "{theirs-brute: {group: small}, theirs-prepared: , theirs-broken: , exact: }"
    done, frame = run(command, tmp_path, checkout, algorithms)
    assert done.returncode == 1, done.stderr
    rows = {(row["algorithm"], row["name"]): row for row in frame.to_dict("records")}
    whole = rows["theirs-brute", "share=1 | most=50"]
    assert (whole["status"], whole["recall@5"]) == ("ok", 1)
    assert (
        whole["distance_computations"]
        == 2 * rows["theirs-brute", "share=0.5 | most=50"]["distance_computations"]
    )
    assert whole["distance_computations"] == whole["n"]
    # The index is small: its memory may have been there before.
    assert whole["size_scope"] in ("unknown", "measured, below the rows", "measured")
    assert set(frame.loc[frame["algorithm"] == "exact", "size_scope"]) == {"computed"}
    assert rows["theirs-prepared", ""]["recall@5"] == 1
    assert np.isnan(rows["theirs-prepared", ""]["distance_computations"])
    assert rows["theirs-brute", "share=1 | most=3"]["recall@5"] == pytest.approx(0.6)
    assert rows["theirs-brute", "share=0.5 | most=50"]["recall@5"] < 0.9
    broken = next(row for (name, _), row in rows.items() if name == "theirs-broken")
    assert (broken["status"], "no_such_library" in broken["reason"]) == ("error", True)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_they_are_tuned_among_the_settings_of_their_file(
    tmp_path, small_hdf5, checkout, session_cache, monkeypatch
):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    suite = {
        "k": 5, "datasets": str(small_hdf5), "algorithms": ["theirs-brute"], "builds": 1,
        "repeats": 1, "least_seconds": 0.05, "precision": "off",
    }  # fmt: skip
    (tmp_path / "s.yml").write_text(yaml.safe_dump(suite))
    found = harness.tune(
        tmp_path / "s.yml", recall=0.99, budget=60, results=tmp_path / "results",
        plugins=checkout, progress=False,
    )  # fmt: skip
    tried = {tuple(sorted(t["build"].items())) for t in found.trials.to_dict("records")}
    theirs = [{"share": s} for s in (0.5, 1.0)] + [{"share": 1.0, "R": r, "L": 4} for r in (8, 16)]
    assert tried == {tuple(sorted(build.items())) for build in theirs}
    [row] = found.table.to_dict("records")  # of its run group, not laid over those of the other
    assert (row["label"], row["build"]["share"]) == ("theirs-brute-tuned", 1.0)
    assert row["search"]["most"] == 50
    assert found.met.all()
    assert yaml.safe_load(found.suite.read_text())["tuned"]["trials"] == {"theirs-brute": 4}


def contender_of(checkout: Path, variant: dict, name: str, folder: Path, dataset: Path):
    suite = {"k": 5, "datasets": str(dataset), "algorithms": {name: variant}}
    request = TuneRequest.of(suite, TuneOptions(0.9, 10), folder, [checkout])
    [contender] = request.contenders(request.asked.plan(this_machine()))
    return contender


def test_what_a_suite_lays_over_their_settings_stays_so_when_they_are_tuned(
    tmp_path, small_hdf5, checkout, session_cache, monkeypatch
):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    variant = {"group": "small", "build": {"share": [0.25, 0.75]}}
    one = contender_of(checkout, variant, "theirs-brute", tmp_path, small_hdf5)
    builds = list(one.proposals((), [], seed=0))
    assert builds == [{"share": 0.25}, {"share": 0.75}]
    assert [search for search, _ in one.settings(builds[0])] == [{"most": 3}, {"most": 50}]
    assert list(one.proposals([KnownBuild(builds[0])], builds, seed=0)) == builds[1:]


def test_settings_that_a_suite_cannot_name_are_not_tuned(
    tmp_path, small_hdf5, checkout, session_cache, monkeypatch
):
    """Laid over `{R: 8}`, the values `{L: 4}` give both."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    odd = "odd: {arg_groups: [1.0, [{R: 8}, {L: 4}]], args: {}, query_args: [[50]]}"
    path = tmp_path / "checkout" / "algorithms" / "brute" / "config.yml"
    path.write_text(config("brute", "Brute", odd, "ann_benchmarks"))
    with pytest.raises(UserError, match="theirs-brute cannot be tuned here") as refused:
        contender_of(checkout, {}, "theirs-brute", tmp_path, small_hdf5)
    assert "differ in their parameters" in refused.value.describe()


@pytest.mark.slow
def test_batches_and_several_clients(tmp_path, small_hdf5, command, checkout):
    done, frame = run(command, tmp_path, checkout, "{theirs-batched: }", mode="batch", threads=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert frame.set_index("algorithm").loc["theirs-batched", "recall@5"] == 1
    clients = "{theirs-batched: , theirs-prepared: }"
    done, frame = run(command, tmp_path, checkout, clients, threads=2)
    rows = frame[frame["mode"] == "single"].set_index("algorithm")
    assert rows.loc["theirs-batched", "recall@5"] == 1
    assert "2 clients ask at once, it serves 1" in rows.loc["theirs-prepared", "reason"]


def test_a_changed_sibling_makes_other_points(tmp_path, checkout):
    from harness.files.source_code import source_sha256
    from harness.registry import load_registry

    folders = load_registry([checkout]).algorithm("theirs-prepared").source_folders
    assert [folder.name for folder in folders] == ["prepared", "brute"]
    before = source_sha256(*folders)
    module = tmp_path / "checkout" / "algorithms" / "brute" / "module.py"
    module.write_text(module.read_text() + "\nchanged = True\n")
    assert source_sha256(*folders) != before


@pytest.mark.slow
def test_vibe_gets_its_own_package_and_unit_rows(tmp_path, small_hdf5, command):
    folder = tmp_path / "vibe" / "algorithms" / "unit"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(
        textwrap.dedent("""
            import numpy as np
            from vibe.algorithms.base.module import BaseANN

            class Unit(BaseANN):
                def __init__(self, metric, M, efConstruction):
                    assert (metric, M, efConstruction) == ("normalized", 4, 100)

                def fit(self, X):
                    assert np.allclose(np.linalg.norm(X, axis=1), 1, atol=1e-5)
                    self.rows = X

                def set_query_arguments(self, ef):
                    assert ef == 10

                def query(self, v, n):
                    return np.argsort(-(self.rows @ v))[:n]
        """)
    )
    groups = "only: {args: {M: [4], efConstruction: [100]}, query_args: {ef: [10]}}"
    text = config("unit", "Unit", groups, "vibe").replace("angular:", "normalized:")
    (folder / "config.yml").write_text(text)
    plugin = tmp_path / "plugins" / "algorithms" / "theirs"
    plugin.mkdir(parents=True)
    (plugin / "config.yml").write_text(f"unit: {{from: vibe, path: {folder}}}\n")
    done, frame = run(command, tmp_path, tmp_path / "plugins", "{unit: }")
    assert done.returncode == 0, done.stdout + done.stderr
    row = frame.set_index("algorithm").loc["unit"]
    assert (row["recall@5"], row["build"]) == (1, {"M": 4, "efConstruction": 100})


def test_answers_are_cut_and_padded_to_k():
    from harness.foreign.adapter import padded

    assert padded([4, 2], 3).tolist() == [4, 2, -1]
    assert padded(np.array([4, 2, 9, 1], dtype=np.uint32), 3).tolist() == [4, 2, 9]
    assert padded((), 2).tolist() == [-1, -1]
    with pytest.raises(TypeError):
        padded([[1, 2]], 2)


def test_distances_by_their_names():
    from harness.foreign.distance import compute_distance, is_distance_valid

    assert compute_distance("euclidean", [0.0, 3.0], [4.0, 0.0]) == 5
    assert compute_distance("hamming", [1, 0, 1, 1], [1, 1, 1, 1]) == 0.25
    assert compute_distance("jaccard", [1, 2], [2, 3]) == pytest.approx(2 / 3)
    assert not is_distance_valid("jaccard", 1.0)
    with pytest.raises(KeyError):
        compute_distance("manhattan", [0.0], [1.0])
