"""What is shown on a terminal cannot control it, and odd words end in no traceback."""

from __future__ import annotations

import io
import os
import sys

import h5py
import numpy as np
import pytest
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.progress import shown_progress
from harness.cli.terminal import Terminal, drop_odd_sizes
from harness.contracts import UserError

ODD = "\x1b]0;title\x07 \x9b31m \u202e \ud800"
LONG = "x" * 5000


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    return tmp_path


def table_of(text):
    table = Table(text)
    table.add_row(Text(text))
    return table


RENDERABLES = [ODD, Text(ODD), table_of(ODD), Panel(Text(ODD))]


@pytest.mark.parametrize("renderable", RENDERABLES, ids=lambda one: type(one).__name__)
def test_control_characters_are_shown_as_marks(renderable):
    out = io.StringIO()
    Terminal(file=out, width=80, markup=False, color_system=None).print(renderable)
    text = out.getvalue()
    assert not set(text) & set(ODD) - set("0]1m3;elit ")
    assert "\ufffd]0;title" in text


def test_colours_of_our_own_stay():
    out = io.StringIO()
    Terminal(file=out, width=80, force_terminal=True, color_system="standard").print(
        Text(ODD, style="red")
    )
    assert out.getvalue().startswith("\x1b[31m\ufffd]0;title")


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("value", ["9" * 5000, "999999999", "0", "-5", "\N{SUPERSCRIPT TWO}", "x"])
def test_odd_sizes_of_the_terminal_are_as_if_they_were_not_given(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    drop_odd_sizes()
    assert name not in os.environ


def test_the_size_of_a_terminal_stays(monkeypatch):
    monkeypatch.setenv("COLUMNS", "132")
    drop_odd_sizes()
    assert os.environ["COLUMNS"] == "132"


VERBS = [
    ["recommend", "--results"],
    ["plot", "--results"],
    ["plot", "-o"],
    ["publish"],
    ["export", "-o"],
    ["compare", "-o", "x.md", "a"],
    ["compare", "a", "b", "--results"],
    ["compare", "a", "b", "-o"],
    ["import"],
    ["run", "demo", "--dry-run", "--results"],
    ["run", "demo", "--dry-run", "-d"],
    ["run"],
    ["list", "--plugins"],
    ["new", "mine", "--out"],
    ["check", "exact", "--dataset"],
    ["data", "info"],
    ["data", "verify"],
    ["data", "fetch"],
    ["data", "add", "mine"],
    ["data", "convert", "in.npy"],
]


@pytest.mark.parametrize(
    ("path", "words"),
    [(LONG, "is too long"), ("~no-such-user/x.md", "names no user"), ("a\0b.md", "NUL")],
    ids=["long", "nobody's", "NUL"],
)
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_paths_that_no_file_can_have_are_refused_by_every_verb(verb, path, words):
    done = CliRunner().invoke(app, [*verb, path])
    assert isinstance(done.exception, UserError), done.output
    told = done.exception.describe()
    assert words in told
    assert len(told) < 1000


@pytest.mark.parametrize("verb", [["recommend", "--results"], ["export", "-o"], ["import"]])
def test_an_empty_path_is_not_the_current_folder(verb):
    done = CliRunner().invoke(app, [*verb, ""])
    assert isinstance(done.exception, UserError), done.output
    assert "without a character" in done.exception.describe()


@pytest.mark.parametrize(
    "arguments",
    [
        ["new", LONG],
        ["data", "add", LONG, "x.npy", "--metric", "ip"],
        ["data", "fetch", "glove-50-10k", "--k", "5", "--memory", "9" * 400 + "GiB"],
        ["run", "-d", "", "-a", "exact", "--dry-run"],
        ["run", "demo", "--dry-run", "--precision", "0"],
        ["show", LONG],
        ["list", "\x1b[31m" + LONG],
    ],
    ids=lambda arguments: " ".join(arguments)[:20],
)
def test_odd_words_are_refused_in_short(arguments):
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UserError), done.output
    told = done.exception.describe()
    assert len(told) < 2000
    assert "\x1b" not in told


def test_text_that_a_registry_file_cannot_hold_is_not_written_into_one(home, small_hdf5):
    add = ["data", "add", "mine", "small.hdf5", "--metric", "angular"]
    for licence in ("\x1b[31m", LONG):
        done = CliRunner().invoke(app, [*add, "--licence", licence])
        assert isinstance(done.exception, UserError)
    odd = home / "a\x1b[31mb.hdf5"
    odd.write_bytes(small_hdf5.read_bytes())
    done = CliRunner().invoke(app, ["data", "add", "mine", str(odd), "--metric", "angular"])
    assert "a registry file cannot hold this text" in str(done.exception)
    assert CliRunner().invoke(app, add).exit_code == 0
    assert CliRunner().invoke(app, ["list", "mine"]).exit_code == 0


def test_names_of_files_from_strangers_do_not_reach_the_terminal(home, command):
    folder = home / "theirs" / "results" / "\x1b[31mred\x1b]0;title\x07"
    folder.mkdir(parents=True)
    with h5py.File(folder / "\x9b1m.hdf5", "w") as file:
        file.attrs["dataset"] = ODD.replace("\ud800", "")
        file["times"] = np.ones(3)
    done = command("import", "theirs")
    assert done.returncode == 1
    assert "left out theirs/results/\ufffd[31mred" in done.stderr
    assert not set(done.stderr) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.slow
def test_words_of_data_do_not_reach_the_terminal(home, command):
    words = [f"\x1b[31mred\x9b\u202e{i}" for i in range(40)]
    words[5] = "word5"
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(map(str, rng.standard_normal(4)))}\n" for word in words]
    (home / "words.txt").write_bytes("".join(lines).encode() + b"odd\xff 1 2 3 4\n")
    options = ["--metric", "angular", "--holdout", "5"]
    done = command("data", "add", "words", "words.txt", "--format", "glove-text", *options)
    assert done.returncode == 0, done.stderr
    done = command("data", "show", "words", "--query", "word5", "--k", "30")
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout) & {"\x1b", "\x9b", "\u202e"}
    assert "\ufffd[31mred" in done.stdout


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_takes_names_as_they_are(monkeypatch):
    """A file called `[/x].hdf5` is no mark-up."""
    monkeypatch.setattr(sys, "stderr", shown := FakeTerminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with shown_progress() as progress:
        progress("reading [/x]\x9b1m.hdf5", 1, 2)
    assert "reading [/x]\ufffd1m" in shown.getvalue()
