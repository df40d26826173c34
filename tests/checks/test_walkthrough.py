"""The tutorial "Your own algorithm" as a reader follows it: its commands and files, as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness

HOUSE = Path(__file__).parents[2]
DOCUMENT = HOUSE / "docs" / "tutorial" / "your-own-algorithm.md"
STEP = re.compile(r"(?:^`(?P<path>[^`]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.M | re.S)
SET_UP = ["make setup", "source .venv/bin/activate"]


def steps() -> list[tuple[str, str]]:
    """Commands as `("", line)` and files as `(path, text)`, in the order of the document."""
    found = []
    walk_through = DOCUMENT.read_text().partition("## A dataset")[0]
    for match in STEP.finditer(walk_through):
        if match["kind"] == "console":
            lines = [line for line in match["text"].splitlines() if line.startswith("$ ")]
            found += [("", line.removeprefix("$ ")) for line in lines]
        elif match["path"]:
            found.append((match["path"], match["text"]))
    return found


def test_nine_commands_and_thirty_lines_are_enough():
    commands = [text for path, text in steps() if not path]
    lines = [line for path, text in steps() if path for line in text.splitlines() if line.strip()]
    assert commands[: len(SET_UP)] == SET_UP
    assert len(commands) <= 9
    assert len(lines) <= 30
    assert f"{len(lines)} lines" in DOCUMENT.read_text()


@pytest.mark.slow
def test_the_walk_through_leads_to_a_published_curve(tmp_path, session_cache):
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANNHARNESS_DATA": str(session_cache),
        "XDG_DATA_HOME": str(tmp_path / "user-data"),
    }
    for path, text in steps()[len(SET_UP) :]:
        if path:
            assert (tmp_path / path).is_file(), "the document edits what `new` has written"
            (tmp_path / path).write_text(text)
            continue
        done = subprocess.run(text, shell=True, cwd=tmp_path, env=env, capture_output=True)
        assert done.returncode == 0, f"{text}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    frame = harness.load_results(tmp_path / "results")
    assert {"sign-bits", "exact", "faiss-pq"} <= set(frame["algorithm"])
    assert set(frame["status"]) == {"ok"}
    assert len(frame[frame["algorithm"] == "sign-bits"]) == 6
    assert list((tmp_path / "figures").rglob("*qps-recall.png"))
    assert "sign-bits" in (tmp_path / "site" / "index.html").read_text()
