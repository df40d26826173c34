"""`annharness run` tells what it does before it measures, on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY = """\
slow:
  about: Rows that take three seconds to read.
  licence: none
  metric: angular
  dimension: 4
  base: 190
  queries: {draw: random, count: 10, seed: 0}
  sources: [{kind: bundled, path: rows.bin, format: loader}]
  loader: loader:load
"""
LOADER = """\
import time
import numpy as np
from harness.contracts import Vectors

def load(path, options):
    time.sleep(3)
    return Vectors(rows=np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32))
"""
SUITE = """\
k: [1]
datasets: slow
algorithms: {exact: }
builds: 1
repeats: 1
least_seconds: 0
precision: off
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """The arguments that run on a dataset which takes long to read, for the first time."""
    folder = tmp_path / "plugins" / "datasets" / "slow"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(ENTRY)
    (folder / "loader.py").write_text(LOADER)
    (folder / "rows.bin").write_bytes(b"rows")
    (tmp_path / "s.yml").write_text(SUITE)
    return ["run", "s.yml", "--plugins", str(tmp_path / "plugins")]


@pytest.mark.slow
def test_a_log_tells_what_is_read(command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^reading rows.bin, \d s$", done.stderr, re.MULTILINE)
    assert "measured now" in done.stdout
    assert "reading" not in done.stdout


@pytest.mark.slow
def test_a_terminal_shows_a_bar_whose_clock_goes_on(tmp_path: Path, arguments: list[str]) -> None:
    master, slave = pty.openpty()
    program = [sys.executable, "-m", "harness", *arguments]
    env = {**os.environ, "ANNHARNESS_DATA": str(tmp_path / "cache"), "TERM": "xterm"}
    with subprocess.Popen(
        program, cwd=tmp_path, env=env, stderr=slave, stdout=subprocess.DEVNULL
    ) as child:
        os.close(slave)
        shown = b""
        while piece := _read(master):
            shown += piece
        assert child.wait() == 0
    os.close(master)
    clocks = set(
        re.findall(rb"reading rows.bin[^\n\r]*0:00:0(\d)", re.sub(rb"\x1b\[[\d;?]*\w", b"", shown))
    )
    assert len(clocks) >= 2
    assert b"summing up" in shown


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # the other end is closed
        return b""
