"""What tests of several rooms share: a small file, a folder of one's own, the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

CommandLine = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session, so that the bundled data are prepared once."""
    return tmp_path_factory.mktemp("session-cache")


@pytest.fixture
def small_hdf5(tmp_path: Path) -> Path:
    """300 rows of 8 dimensions with 20 queries, in ann-benchmarks' schema, angular."""
    return write_small_hdf5(tmp_path / "small.hdf5", "angular")


def write_small_hdf5(path: Path, distance: str) -> Path:
    """Write a small dataset file."""
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file["train"] = rng.standard_normal((300, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = distance
        file.attrs["point_type"] = "float"
    return path


@pytest.fixture
def command(tmp_path: Path, session_cache: Path) -> CommandLine:
    """Run `annharness` as a user would, in an empty folder; output without colours."""

    def run(*arguments: object, env: dict[str, str] | None = None, timeout: float = 120):
        return subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANNHARNESS_DATA": str(session_cache),
                "XDG_DATA_HOME": str(tmp_path / "user-data"),
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "OMP_WAIT_POLICY": "PASSIVE",
                **(env or {}),
            },
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
