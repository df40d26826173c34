"""Ctrl-C ends a run even where a library swallows the first one."""

from __future__ import annotations

import subprocess
import sys

STUBBORN = """
import os, signal, time
from harness.cli import main
main._PATIENCE_SECONDS = 0.2
signal.signal(signal.SIGINT, main._interrupt)
for _ in range(2):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except BaseException as swallowed:
        print("swallowed", type(swallowed).__name__, flush=True)
    time.sleep(0.3)
print("still here", flush=True)
"""


def test_a_second_signal_ends_what_the_first_could_not():
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "swallowed _Interrupted\n"
    assert done.returncode == 130
