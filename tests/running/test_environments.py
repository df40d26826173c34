"""Environments of their own: made once and whole, or not at all, and told why."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from harness.registry import load_registry
from harness.running.environments import isolated as environments
from harness.running.environments.isolated import (
    EnvironmentFailed,
    Environments,
    find_environment,
    made_environments,
    make_environment,
    remove_environments,
)
from harness.running.plan import library_versions


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Give each test a cache, and environments that hold only what the test asks for."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(environments, "WORKER_REQUIRES", ())


def wheel(folder: Path, version: str, name: str = "tiny-ann") -> str:
    """Write a package of one module and return a requirement for it: no index is asked."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    files = {
        f"{module}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return f"{name} @ file://{path}"


def version_seen_by(environment: environments.Environment) -> str:
    code = "import tiny_ann; print(tiny_ann.__version__)"
    command = [environment.python, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_two_versions_of_one_library_stand_side_by_side(tmp_path):
    old = make_environment([wheel(tmp_path, "1.0")])
    new = make_environment([wheel(tmp_path, "2.0")])
    assert [version_seen_by(old), version_seen_by(new)] == ["1.0", "2.0"]
    assert old.versions == {"tiny-ann": "1.0"}
    assert list(made_environments()) == sorted([old, new], key=lambda e: e.folder)


def test_an_environment_is_made_once_and_does_not_see_ours(tmp_path):
    said: list[str] = []
    requires = [wheel(tmp_path, "1.0")]
    made = make_environment(requires, said.append)
    assert ("making" in said[0], "made" in said[1], len(said)) == (True, True, 2)
    assert make_environment(requires, said.append) == made == find_environment(requires)
    assert len(said) == 2
    done = subprocess.run([made.python, "-c", "import numpy"], capture_output=True, text=True)
    assert "No module named 'numpy'" in done.stderr


def test_versions_in_keys_are_those_of_the_environment(tmp_path):
    requires = (wheel(tmp_path, "3.1"),)
    environment = make_environment(requires)
    found = library_versions(requires, environment)
    assert found == {"numpy": "none", "faiss-cpu": "none", "numba": "none", "tiny-ann": "3.1"}
    assert library_versions(requires)["numpy"] != "none"


def test_what_cannot_be_installed_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(EnvironmentFailed) as failed:
        make_environment([f"tiny-ann @ file://{tmp_path}/none.whl"])
    assert "tiny-ann" in failed.value.reason
    assert "none.whl" in failed.value.log_tail
    assert list((tmp_path / "cache" / "environments").iterdir()) == []


def test_a_broken_off_environment_is_made_anew(tmp_path):
    requires = [wheel(tmp_path, "1.0")]
    made = make_environment(requires)
    (made.folder / "environment.json").unlink()
    (made.folder / "left-behind").write_text("half")
    assert find_environment(requires) is None
    assert version_seen_by(make_environment(requires)) == "1.0"
    assert not (made.folder / "left-behind").exists()


def test_an_environment_whose_interpreter_went_away_is_made_anew(tmp_path):
    requires = [wheel(tmp_path, "1.0")]
    made = make_environment(requires)
    made.python.unlink()
    assert find_environment(requires) is None
    assert version_seen_by(make_environment(requires)) == "1.0"


def _make_and_count(requires: list[str], counts: multiprocessing.Queue[int]) -> None:
    environments.WORKER_REQUIRES = ()
    said: list[str] = []
    make_environment(requires, said.append)
    counts.put(len(said))


def test_of_two_that_want_the_same_one_makes_it(tmp_path):
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    arguments = ([wheel(tmp_path, "1.0")], counts)
    both = [context.Process(target=_make_and_count, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    found = sorted(counts.get(timeout=60) for _ in both)
    for process in both:
        process.join()
    assert found == [0, 2]


def test_removing_frees_what_was_there(tmp_path):
    requires = [wheel(tmp_path, "1.0")]
    make_environment(requires)
    assert remove_environments() > 0
    assert find_environment(requires) is None
    assert remove_environments() == 0


def plugin(root: Path, entries: dict[str, list[str]]) -> Path:
    folder = root / "algorithms" / "lonely"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text(
        textwrap.dedent("""
            import numpy as np
            from harness.contracts import Algorithm

            class Adapter(Algorithm):
                def fit(self, base):
                    self.rows = base

                def query(self, query, k):
                    return np.argsort(-(self.rows @ query))[:k]

                def index_bytes(self):
                    return self.rows.nbytes
        """)
    )
    lines = []
    for name, requires in entries.items():
        lines += [f"{name}:", "  adapter: adapter:Adapter", "  about: x", "  metrics: [angular]"]
        lines += ["  environment: isolated", f"  requires: {json.dumps(requires)}"]
    (folder / "config.yml").write_text("\n".join(lines) + "\n")
    return root


def test_an_entry_says_that_it_wants_its_own(tmp_path):
    requirement = wheel(tmp_path, "1.0")
    root = plugin(tmp_path / "p", {"lonely": [requirement], "broken": ["tiny-ann @ file:///none"]})
    registry = load_registry([root])
    held = Environments()
    lonely, broken, exact = (registry.algorithm(n) for n in ("lonely", "broken", "exact"))
    assert lonely.missing() == []
    assert isinstance(held.of(lonely), EnvironmentFailed)
    held = Environments()
    for definition in (lonely, broken, exact):
        held.make(definition, lambda text: None)
    assert held.of(exact) is None
    assert held.of(lonely) == find_environment(lonely.requires)
    assert "no environment for tiny-ann" in str(held.of(broken))


@pytest.mark.network
def test_one_suite_compares_two_versions_of_a_library(tmp_path, small_hdf5, command):
    """NumPy 1 and NumPy 2, of all libraries: the worker itself must live with either."""
    entries = {"old": ["numpy==1.26.4"], "new": ["numpy==2.2.6"], "none": ["numpy==0.0.1"]}
    root = plugin(tmp_path / "p", entries)
    suite = tmp_path / "s.yml"
    suite.write_text(
        "k: 5\ndatasets: small.hdf5\nbuilds: 1\nrepeats: 2\nleast_seconds: 0\nprecision: off\n"
        "algorithms: {old: , new: , none: , exact: }\n"
    )
    done = command("run", suite, "--plugins", root, timeout=600)
    assert done.returncode == 1, done.stderr
    assert "making an environment for numpy==1.26.4" in done.stderr
    assert "no environment for numpy==0.0.1" in done.stdout
    import harness

    frame = harness.load_results(tmp_path / "results", overhead=True).set_index("algorithm")
    assert dict(frame["status"].drop("no-op")) == {
        "old": "ok",
        "new": "ok",
        "none": "error",
        "exact": "ok",
    }
    assert frame.loc["old", "recall@5"] == frame.loc["exact", "recall@5"] == 1
    again = command("run", suite, "--plugins", root, "-a", "old", "-a", "new")
    assert (again.returncode, "making" in again.stderr) == (0, False), again.stderr
    assert "0 builds to run" in again.stderr


def test_the_worker_asks_for_no_more_than_an_environment_holds():
    """Whatever a worker loads is in every environment, or comes with Python."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import threadpoolctl, harness.running.worker.entry\n"
        "import harness.running.worker.member_program\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    allowed = {"harness", "h5py", "numpy", "psutil", "pydantic", "yaml", "threadpoolctl"}
    builders = {"cython_runtime", "_cython"}  # what compiled packages leave behind
    loaded = {name for name in done.stdout.split() if not name.startswith("_cython_")}
    assert loaded - allowed - builders == set()


def test_a_member_loads_nothing_that_it_does_not_need():
    """Each build waits for these imports: the readers of files took a quarter of them."""
    code = (
        "import sys, harness.running.worker.entry, harness.running.worker.member_program\n"
        "unwanted = {'harness.data.formats', 'psutil', 'pydantic', 'pandas', 'pyarrow'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
