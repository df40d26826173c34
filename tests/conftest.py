"""What tests of several packages share: a small file, a folder of one's own, the command."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import settings

from harness.data.cache.folder import COMPILED
from harness.files.source_code import source_sha256
from harness.running.blocks import Origin
from harness.running.executors.compiled_code import compiled_folder
from harness.running.plan import library_versions
from tests.forked import Forks
from tests.s3 import Bucket, S3Server

# A shared machine stalls now and then: no example may fail for that. CI repeats what it tried.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

KEPT = Path(__file__).parents[1] / ".pytest_cache"
"""What numba compiles, for most of a minute, is kept here for all processes and later sessions."""


def _of_workers(plugin: Path) -> Path:
    """The folder in which workers find what numba compiles for entries that require nothing."""
    origin = Origin("", str(plugin), source_sha256(plugin), library_versions([]))
    return compiled_folder(KEPT, origin)


# Read by numba when it is imported. What tests compile in their own process are our kernels.
os.environ["NUMBA_CACHE_DIR"] = str(_of_workers(KEPT.parent / "algorithms" / "quantization"))

LONG = {
    *("test_documented_commands.py", "test_wheel.py", "test_peers.py"),
    *("test_cluster_runs.py", "test_cluster_kills.py"),
    *("test_cluster_data.py", "test_cluster_s3.py"),
    *("test_quantization_kernels.py", "test_search.py"),
    *("test_shipped_adapters.py", "test_surroundings.py", "test_kills_and_trials.py"),
    *("test_meddling.py", "test_faults.py", "test_site_browser.py", "test_site_pages_browser.py"),
}
"""Files that take minutes: they begin first, so that no process ends alone with one of them."""

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first is the same engine without windows, in which a page opens with less work."""
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the user's state folder holds out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session, so that the bundled data are prepared once."""
    folder = tmp_path_factory.mktemp("session-cache")
    (folder / COMPILED).symlink_to(KEPT / COMPILED)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Give Chromium, opened once."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed: apt-get install chromium-headless-shell")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Give an S3 of this machine, started once."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.end()


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Give an empty bucket. Processes started from here on know the way to it, and to no other."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    return Bucket(f"bucket-{secrets.token_hex(8)}")


@pytest.fixture(scope="session")
def write_small_hdf5():
    """Write 300 rows of 8 dimensions with 20 queries, in ann-benchmarks' schema."""
    return _write_small_hdf5


@pytest.fixture
def small_hdf5(tmp_path: Path) -> Path:
    """Give such a file, `small.hdf5`, with the angular metric."""
    return _write_small_hdf5(tmp_path / "small.hdf5", "angular")


def _write_small_hdf5(path: Path, distance: str) -> Path:
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file["train"] = rng.standard_normal((300, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = distance
        file.attrs["point_type"] = "float"
    return path


class Command:
    """`annharness` as a user gives it, in an empty folder; the output has no colours."""

    def __init__(self, folder: Path, cache: Path, forks: Forks) -> None:
        self._folder = folder
        self._forks = forks
        self._env = {
            **os.environ,
            "ANNHARNESS_DATA": str(cache),
            "XDG_DATA_HOME": str(folder / "user-data"),
            "ANNHARNESS_PLUGINS": str(Path(__file__).parent / "faults"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }

    def find_first_in(self, folder: Path) -> None:
        """Look for programs in a folder first, for stand-ins."""
        self._env["PATH"] = f"{folder}{os.pathsep}{self._env['PATH']}"

    def __call__(
        self, *arguments: object, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return self._forks.call(list(map(str, arguments)), self._folder, self._env, timeout)

    def forked_from(self, forks: Forks, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end, forked from a process that was started in a way of its own."""
        return Command(self._folder, Path(self._env["ANNHARNESS_DATA"]), forks)(*arguments)

    def raw(self, program: list[str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run any program in the same folder and environment."""
        return subprocess.run(
            program,
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a verb and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=self._folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What calls of the command line are forked from."""
    with Forks() as forks:
        yield forks


@pytest.fixture
def command(tmp_path: Path, session_cache: Path, forks: Forks) -> Command:
    """Give the command line."""
    return Command(tmp_path, session_cache, forks)
