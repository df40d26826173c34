"""The first thing that a user sees: the help, quickly, and true."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.cli.verbs import VERBS, loaded


def test_the_help_and_the_version_import_no_verb():
    code = (
        "import sys; from harness.cli.main import app\n"
        "for arguments in (['--version'], ['-h']):\n"
        "    try: app(arguments)\n"
        "    except SystemExit as end: assert not end.code\n"
        "unwanted = {'numpy', 'pydantic', 'pandas', 'harness.cli.commands.run'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert harness.__version__ in done.stdout
    assert all(f" {name} " in done.stdout for name in VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_the_summary_of_a_verb_is_that_of_its_own_help(name):
    command = loaded(name)
    assert command.name == name
    assert command.help.split("\n\n")[0].replace("\n", " ").strip() == VERBS[name].summary


def test_a_verb_that_is_mistyped_is_guessed(command):
    done = command("rum")
    assert done.returncode == 2
    assert "Did you mean 'run'?" in done.stderr


@pytest.mark.parametrize("words", ["", "run", "export", "data", "data clean", "results pack"])
def test_the_help_shows_flags_without_a_type_and_examples_indented(words):
    done = CliRunner().invoke(app, [*words.split(), "--help"], terminal_width=120)
    assert done.exit_code == 0
    assert "--help" in done.output
    assert "<bool>" not in done.output
    assert ("--install-completion" in done.output) == (words == "")
    if "Examples:" in done.output:
        assert f"\n   annharness {words} " in done.output


@pytest.mark.parametrize("verb", ["run", "tune", "plot", "compare"])
def test_a_command_that_makes_no_table_yet_loads_no_pandas(verb):
    code = (
        "import sys; from harness.cli.main import app\n"
        f"try: app(['{verb}', '-h'])\n"
        "except SystemExit: print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
