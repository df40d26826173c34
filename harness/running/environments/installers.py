"""Installation of packages into an environment, by uv or pip as they are configured here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.text import clean

_TIMEOUT_SECONDS = 3600
_LOG_CHARACTERS = 16_000
_NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"}


class InstallFailed(Exception):
    """No client could install; the message is its last line, `log_tail` its output."""

    def __init__(self, reason: str, log_tail: str) -> None:
        super().__init__(reason)
        self.log_tail = log_tail


def install(requires: Sequence[str], python: Path) -> None:
    """Install requirements for the interpreter of a venv.

    uv is tried first, for its speed, then pip: the two are configured in different places.

    Raises
    ------
    InstallFailed
        If every client failed, or none is there.
    """
    said: list[str] = []
    for command in _clients(python):
        done = _call([*command, *requires])
        said.append(done)
        if not done:
            return
    if not said:
        raise InstallFailed("neither uv nor pip is installed here", "")
    raise InstallFailed(_verdict(said[-1]), "\n".join(said)[-_LOG_CHARACTERS:])


def _clients(python: Path) -> Iterator[list[str]]:
    """Yield the beginning of each client's command line."""
    to_venv = ["--python", str(python)]
    for uv in _uv():
        yield [*uv, "pip", "install", "--quiet", "--compile-bytecode", *to_venv]
    if importlib.util.find_spec("pip") is not None:
        options = ["--quiet", "--no-input", "--disable-pip-version-check"]
        yield [sys.executable, "-m", "pip", *to_venv, "install", *options]


def _uv() -> Iterator[list[str]]:
    if importlib.util.find_spec("uv") is not None:
        yield [sys.executable, "-m", "uv"]
    elif shutil.which("uv"):
        yield ["uv"]


def _call(command: Sequence[str]) -> str:
    """Run a client; return its output if it failed, otherwise an empty text."""
    environment = {name: text for name, text in os.environ.items() if name not in _NOT_INHERITED}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    said = clean(done.stdout.strip()[-_LOG_CHARACTERS:], _LOG_CHARACTERS)
    return said or f"exit status {done.returncode}"


def _verdict(said: str) -> str:
    """Return the line with the reason: the last that begins as an error."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines)[-1][:300]
