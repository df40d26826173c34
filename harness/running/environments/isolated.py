"""Isolated environments, for algorithms whose libraries conflict with the harness.

An environment is a venv below the cache folder, one for each set of requirements and each Python.
It holds what the entry requires and the few packages that the worker needs. The file
`environment.json` is written last: a folder without it is incomplete and is made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.contracts import UserError, bytes_below
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.files.replacing import written_whole
from harness.registry.algorithms import AlgorithmDefinition
from harness.running.environments.installers import InstallFailed, install
from harness.text import Json, clean

WORKER_REQUIRES = (
    "h5py>=3.10",
    "numpy>=1.26",
    "psutil>=5.9",
    "pydantic>=2.8",
    "pyyaml>=6.0.1",
    "threadpoolctl>=3.5",
)
"""What the worker may import; bounds low enough for libraries that want numpy 1."""

_RECORD = "environment.json"
_KEY_DIGITS = 12
_NAME_CHARACTERS = 48

Say = Callable[[str], None]


class EnvironmentFailed(Exception):
    """An environment could not be made; `log_tail` is the end of the installer's output."""

    def __init__(self, reason: str, log_tail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log_tail = log_tail


@dataclass(frozen=True)
class Environment:
    """A finished environment. `versions` maps all distributions in it by canonical name."""

    folder: Path
    requires: tuple[str, ...]
    python_version: str
    versions: Mapping[str, str]

    @property
    def python(self) -> Path:
        """The interpreter that workers are started with."""
        return self.folder / "bin" / "python"

    def provenance(self) -> Json:
        """Return plain data, stored with every result that was measured in it."""
        return {
            "requires": list(self.requires),
            "python": self.python_version,
            "versions": dict(self.versions),
        }


def find_environment(requires: Sequence[str]) -> Environment | None:
    """Return the finished environment of these requirements, if it is in the cache."""
    return _read(_folder(_canonical(requires)))


def make_environment(requires: Sequence[str], say: Say = lambda text: None) -> Environment:
    """Return the environment of these requirements; make it if it is missing.

    If several processes need the same one, one makes it and the others wait.

    Parameters
    ----------
    requires
        Pip requirements. Pin them: an environment is never updated.
    say
        Called with one line before the work begins and one when it is done.

    Raises
    ------
    EnvironmentFailed
        If the requirements cannot be installed. Nothing is left of the attempt.
    """
    wanted = _canonical(requires)
    folder = _folder(wanted)
    with cache_lock(f"environment-{folder.name}"):
        found = _read(folder)
        return found if found is not None else _make(folder, wanted, say)


class Environments:
    """The environments that a run needs; each is found or made only once."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, ...], Environment | EnvironmentFailed] = {}

    def make(self, definition: AlgorithmDefinition, say: Say) -> None:
        """Make the environment of an isolated algorithm; remember the reason of a failure."""
        if definition.isolated and definition.requires not in self._held:
            try:
                self._held[definition.requires] = make_environment(definition.requires, say)
            except EnvironmentFailed as failure:
                self._held[definition.requires] = failure

    def of(self, definition: AlgorithmDefinition) -> Environment | EnvironmentFailed | None:
        """Return where an algorithm runs, or why it cannot; None: where the harness runs."""
        if not definition.isolated:
            return None
        if definition.requires not in self._held:
            found = find_environment(definition.requires)
            missing = EnvironmentFailed("its environment has not been made", "")
            self._held[definition.requires] = missing if found is None else found
        return self._held[definition.requires]


def made_environments() -> Iterator[Environment]:
    """Yield every finished environment in the cache."""
    for path in sorted(_parent().glob(f"*/{_RECORD}")):
        found = _read(path.parent)
        if found is not None:
            yield found


def remove_environments() -> int:
    """Remove every environment, including incomplete ones; return the bytes that this freed."""
    freed = 0
    for folder in [path for path in _parent().iterdir() if path.is_dir()]:
        with cache_lock(f"environment-{folder.name}"):
            freed += bytes_below(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def _make(folder: Path, wanted: tuple[str, ...], say: Say) -> Environment:
    shown = ", ".join(wanted) or "the worker alone"
    say(f"making an environment for {shown}, once, in {folder}")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.EnvBuilder(symlinks=True).create(folder)
        install([*WORKER_REQUIRES, *wanted], folder / "bin" / "python")
        environment = Environment(
            folder, wanted, platform.python_version(), _installed_versions(folder)
        )
        _write(environment)
    except InstallFailed as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = f"no environment for {shown}: {error}"
        raise EnvironmentFailed(reason, error.log_tail) from error
    except (OSError, subprocess.SubprocessError, UserError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise EnvironmentFailed(f"no environment for {shown}: {error}", str(error)) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"made it in {time.monotonic() - began:.0f} s")
    return environment


def _write(environment: Environment) -> None:
    record = {key: value for key, value in asdict(environment).items() if key != "folder"}
    with written_whole(environment.folder / _RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def _read(folder: Path) -> Environment | None:
    """Return a finished environment; None if its record or its interpreter is missing."""
    try:
        record = json.loads((folder / _RECORD).read_text())
        found = Environment(
            folder,
            tuple(record["requires"]),
            str(record["python_version"]),
            dict(record["versions"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.python.exists() else None


def _installed_versions(folder: Path) -> dict[str, str]:
    """Versions of the distributions, by their metadata: nothing is imported."""
    variables = {"base": str(folder), "platbase": str(folder)}
    paths = {sysconfig.get_path(part, "venv", variables) for part in ("purelib", "platlib")}
    found = importlib.metadata.distributions(path=sorted(paths))
    return dict(sorted(_names_and_versions(found)))


def _names_and_versions(
    distributions: Iterable[importlib.metadata.Distribution],
) -> Iterator[tuple[str, str]]:
    from packaging.utils import canonicalize_name

    for distribution in distributions:
        name = distribution.metadata["Name"] or "unnamed"
        yield canonicalize_name(clean(name)), clean(distribution.version, _NAME_CHARACTERS)


def _canonical(requires: Sequence[str]) -> tuple[str, ...]:
    from packaging.requirements import Requirement

    return tuple(sorted({str(Requirement(text)) for text in requires}))


def _folder(wanted: tuple[str, ...]) -> Path:
    """Return the folder of an environment: a readable name, and a hash of its requirements."""
    facts = {
        "requires": [*wanted],
        "worker": [*WORKER_REQUIRES],
        "python": [platform.python_implementation(), platform.python_version()],
        "base": str(Path(sys.executable).resolve()),
        "machine": platform.machine(),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    words = re.sub(r"[^a-z0-9.]+", "-", " ".join(wanted).lower())[:_NAME_CHARACTERS].strip("-.")
    return _parent() / f"{words or 'plain'}-{digest[:_KEY_DIGITS]}"


def _parent() -> Path:
    return cache_subfolder("environments")
