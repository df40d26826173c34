"""`annharness check`: one line for each check, and the exit status."""

from __future__ import annotations

from pathlib import Path

PLANTED = Path(__file__).parents[1] / "checks" / "plugins"


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
    assert "expected: One neighbour can be asked for" in done.stdout
    assert "got:      crashed: ended by SIGSEGV" in done.stdout
    assert "3 checks: 2 passed, 1 failed" in done.stdout
    assert "planted-flat\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_rows_may_come_from_a_file(command, small_hdf5):
    done = command("check", "exact", "--dataset", small_hdf5, "--only", "k-all")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_installed_is_skipped_by_name(command, tmp_path):
    folder = tmp_path / "mine" / "algorithms" / "absent"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text("import no_such_library\n")
    (folder / "config.yml").write_text(
        "absent: {adapter: 'adapter:A', about: It., metrics: [angular], requires: [no-such-lib]}\n"
    )
    done = command("check", "absent", "--plugins", tmp_path / "mine")
    assert done.returncode == 0
    assert "not installed: no-such-lib (pip install 'no-such-lib')" in done.stdout


def test_wrong_names_exit_2(command, tmp_path):
    for arguments, message in (
        (["exakt"], "did you mean 'exact'"),
        (["exact", "--only", "k-on"], "did you mean 'k-one'"),
        (["exact", "--dataset", "glove-50-10"], "did you mean 'glove-50-10k'"),
    ):
        done = command("check", *arguments)
        assert done.returncode == 2, done.stdout
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_expected_failures_must_name_a_check(command, tmp_path):
    folder = tmp_path / "mine" / "algorithms" / "typing_error"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text("")
    (folder / "config.yml").write_text(
        "typing-error: {adapter: 'adapter:A', about: It., metrics: [angular],\n"
        "  expected_failures: {recal: why}}\n"
    )
    done = command("check", "typing-error", "--plugins", tmp_path / "mine")
    assert done.returncode == 2
    assert "did you mean" in done.stderr
