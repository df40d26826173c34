"""`annharness check`: one line for each check, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.conducting import check_entry
from harness.contracts import UserError

PLANTED = Path(__file__).parents[1] / "checks" / "plugins"


@pytest.fixture
def own_cache(monkeypatch, session_cache):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))


def lines_of(text: str) -> dict[str, str]:
    """Status by title."""
    found = [line.split() for line in text.splitlines() if line.startswith("  ")]
    return {parts[1]: parts[0] for parts in found if not parts[0].endswith(":")}


def test_a_shipped_adapter_passes_with_one_line_for_each_check(command):
    done = command("check", "no-op", "--only", "k-one", "--only", "recall")
    assert done.returncode == 0, done.stderr
    assert lines_of(done.stdout) == {
        "builds": "pass",
        "k-one": "pass",
        "recall[angular]": "expected",
        "recall[euclidean]": "expected",
        "recall[inner_product]": "expected",
    }
    assert "it does not search" in done.stdout
    assert "5 checks: 2 passed, 3 failed as declared" in done.stdout


def test_a_failure_says_what_was_expected_and_what_came_and_the_others_go_on(command):
    arguments = ["--plugins", PLANTED, "--only", "k-one", "--only", "k-all"]
    done = command("check", "planted-segfault", "planted-flat", *arguments)
    assert done.returncode == 1
    assert "expected: A search for one neighbour works" in done.stdout
    assert "got:      crashed: ended by SIGSEGV" in done.stdout
    assert "3 checks: 2 passed, 1 failed" in done.stdout
    assert "planted-flat\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_rows_may_come_from_a_file(own_cache, small_hdf5):
    verdicts = check_entry("exact", dataset=str(small_hdf5), only=["k-all"])
    assert [verdict.status for verdict in verdicts] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("dataset", "told"),
    [("", "this is no regular file"), ("smal.hdf5", "did you mean .*small.hdf5")],
)
def test_datasets_are_found_as_in_a_run(own_cache, small_hdf5, dataset, told):
    """A folder and a mistyped path were called unknown names of the registry."""
    with pytest.raises(UserError, match=told):
        check_entry("exact", dataset=str(small_hdf5.parent / dataset), only=["k-all"])


def write_entry(root: Path, name: str, entry: str) -> None:
    folder = root / "algorithms" / name
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text("import no_such_library\n")
    text = f"{name}: {{adapter: 'adapter:A', about: It., metrics: [angular], {entry}}}\n"
    (folder / "config.yml").write_text(text)


def test_what_is_not_installed_is_skipped_by_name(own_cache, tmp_path):
    write_entry(tmp_path, "absent", "requires: [no-such-lib]")
    [verdict] = check_entry("absent", [tmp_path])
    assert (verdict.title, verdict.status) == ("everything", "skip")
    assert verdict.why == "not installed: no-such-lib (pip install 'no-such-lib')"


def test_a_library_that_cannot_be_imported_is_named(own_cache, tmp_path):
    write_entry(tmp_path, "broken", "requires: []")
    verdicts = check_entry("broken", [tmp_path])
    assert verdicts[0].status == "fail"
    assert "No module named 'no_such_library'" in verdicts[0].got


def test_expected_failures_must_name_a_check(own_cache, tmp_path):
    write_entry(tmp_path, "mistyped", "expected_failures: {recal: why}")
    with pytest.raises(UserError, match=r"no check is called 'recal'"):
        check_entry("mistyped", [tmp_path])


def test_wrong_names_exit_2(command, own_cache):
    done = command("check", "exakt")
    assert done.returncode == 2
    assert "did you mean 'exact'" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(UserError, match="did you mean 'glove-50-10k'"):
        check_entry("exact", dataset="glove-50-10")
