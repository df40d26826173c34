"""`annharness new`: what it writes passes at once."""

from __future__ import annotations

import shlex
import sys

import pytest
import yaml

from harness.cli.commands.new import new
from harness.contracts import UserError
from harness.files.paths import identifier_of
from harness.registry.registry import load_registry
from harness.registry.scaffolding import class_name_of
from harness.registry.suites import read_suite


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))


@pytest.mark.slow
def test_a_new_algorithm_passes_its_checks_and_its_own_test(command, tmp_path):
    done = command("new", "my-index", "--plugins", "plugins")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "plugins" / "algorithms" / "my_index"
    files = ["adapter.py", "config.yml", "suite.yml", "test_my_index.py"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert len((folder / "adapter.py").read_text().splitlines()) <= 50
    assert "annharness check my-index --plugins plugins" in done.stdout
    tested = command.raw([sys.executable, "-m", "pytest", "-q", str(folder)])
    assert tested.returncode == 0, tested.stdout
    assert "failed" not in tested.stdout
    listed = command("list", "algorithms", "--plugins", "plugins")
    assert "my-index" in listed.stdout


@pytest.mark.slow
def test_a_new_dataset_passes_its_own_test(command, tmp_path):
    done = command("new", "2nd-set", "--dataset", "--out", "plugins")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "plugins" / "datasets" / "plugin_2nd_set"
    tested = command.raw([sys.executable, "-m", "pytest", "-q", str(folder)])
    assert tested.returncode == 0, tested.stdout
    verified = command("data", "verify", "2nd-set", "--plugins", "plugins")
    assert verified.returncode == 0, verified.stderr
    assert "300 rows" in verified.stdout


def test_the_suite_of_a_new_algorithm_names_it_beside_others(tmp_path):
    new("beside", out=tmp_path / "plugins")
    suite = yaml.safe_load((tmp_path / "plugins/algorithms/beside/suite.yml").read_text())
    assert list(suite["algorithms"]) == ["beside", "exact", "faiss-pq"]


def test_the_commands_it_prints_can_be_pasted(tmp_path, capsys):
    new("mine", plugins=[tmp_path / "my plugins"])
    printed = capsys.readouterr().out
    commands = [line for line in printed.splitlines() if line.startswith("  annharness ")]
    for line in commands:
        assert shlex.split(line)[-2:] == ["--plugins", str(tmp_path / "my plugins")]
    new("board", leaderboard=True, out=tmp_path / "my boards")
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last) == ["make", "-C", str(tmp_path / "my boards" / "board"), "site"]


def test_without_a_folder_it_goes_to_the_users_own(tmp_path, capsys):
    new("mine")
    assert list((tmp_path / "user-data").rglob("algorithms/mine/adapter.py"))
    assert "annharness check mine\n" in capsys.readouterr().out


def test_nothing_is_overwritten(command, tmp_path):
    new("mine", out=tmp_path / "plugins")
    adapter = tmp_path / "plugins/algorithms/mine/adapter.py"
    adapter.write_text("# edited\n")
    done = command("new", "mine", "--out", "plugins")
    assert done.returncode == 2
    assert "'mine' is taken" in done.stderr
    with pytest.raises(UserError, match="'exact' is taken"):
        new("exact", out=tmp_path / "plugins")
    (adapter.parent / "config.yml").unlink()  # no plug-in any more, yet somebody's folder
    with pytest.raises(UserError, match="there is a folder 'mine' already"):
        new("mine", out=tmp_path / "plugins")
    assert adapter.read_text() == "# edited\n"
    assert [path.name for path in adapter.parent.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["My_Index", "-x", "a b", "../up", ""])
def test_names_that_nobody_can_type_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="cannot be called"):
        new(name, out=tmp_path / "plugins")
    assert not (tmp_path / "plugins").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        new("mine", out=tmp_path / "file")


def test_folders_are_packages_and_classes_have_names():
    assert identifier_of("my-index.v2") == "my_index_v2"
    assert identifier_of("class") == "plugin_class"
    assert identifier_of("3d") == "plugin_3d"
    assert class_name_of("none") == "NoneIndex"
    assert class_name_of("my-index") == "MyIndex"
    assert class_name_of("3d") == "Plugin3d"


@pytest.mark.parametrize("name", ["123", "1e5", "null", "0x1f", "class"])
def test_names_that_yaml_takes_for_something_else_stay_names(tmp_path, name):
    root = tmp_path / "plugins"
    new(name, out=root)
    new(name, dataset=True, out=root)
    registry = load_registry([root])
    assert name in registry.datasets
    suite = root / "algorithms" / identifier_of(name) / "suite.yml"
    assert read_suite(suite, registry.algorithms).variants[0].label == name
