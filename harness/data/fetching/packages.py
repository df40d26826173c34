"""Files of packages, through the ordinary client of each ecosystem, as it is configured here.

An installed package is read where it is. Otherwise the client downloads its archive, without
dependencies and without running anything of it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.fetching.marks import mark
from harness.files.progress import Progress, silent
from harness.files.temporary import temporary_folder

_TIMEOUT_SECONDS = 3600


@dataclass(frozen=True)
class Package:
    """A package's name, as in `pypi:NAME==VERSION`; without a version, any version."""

    ecosystem: str
    name: str
    version: str | None

    @classmethod
    def parse(cls, text: str) -> Package:
        """Read `ecosystem:name==version`.

        Raises
        ------
        UserError
            If it is not of that form.
        """
        match = re.fullmatch(r"(pypi|npm|debian):(@?[\w./+-]+?)(?:==(\S+))?", text)
        if match is None or ".." in match[2]:
            expected = "pypi:NAME==VERSION, npm:NAME==VERSION or debian:NAME"
            raise UserError("not the name of a package", expected=expected, got=text)
        return cls(match[1], match[2], match[3])

    def __str__(self) -> str:
        return f"{self.ecosystem}:{self.name}" + (f"=={self.version}" if self.version else "")

    @property
    def slug(self) -> str:
        """The same, fit for a folder's name."""
        return re.sub(r"[^\w.+-]+", "_", str(self))


def installed_file(package: Package, member: str) -> Path | None:
    """Return a file of the package if the package is installed here in that version."""
    if package.ecosystem == "debian":
        path = Path("/") / member
        return path if path.is_file() else None
    if package.ecosystem != "pypi":
        return None
    try:
        distribution = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if package.version not in (None, distribution.version):
        return None
    path = Path(str(distribution.locate_file(member)))
    return path if path.is_file() else None


def folder_of(package: Package) -> Path:
    """Return the folder of the package's archive; users may place it there by hand."""
    return cache_subfolder("downloads") / package.slug


def archive_of(package: Package, progress: Progress = silent) -> Path:
    """Return the package's archive in the cache; its client downloads it if it is missing.

    Raises
    ------
    UserError
        If the client is absent or fails, with what it said last.
    """
    folder = folder_of(package)
    with cache_lock(f"package-{package.slug}"):
        found = _archive_in(folder)
        if found is None:
            progress(f"fetching {package}", 0, 0, "bytes")
            _download(package, folder)
            found = _archive_in(folder)
    if found is None:
        raise UserError(f"the client downloaded no archive of {package}", where=str(folder))
    return found


def _archive_in(folder: Path) -> Path | None:
    files = [path for path in sorted(folder.glob("*")) if path.is_file()]
    return files[0] if files else None


def _download(package: Package, folder: Path) -> None:
    """Download into a folder beside, which takes the right name only when all went well."""
    with temporary_folder(folder.parent, "package") as scratch:
        whole = scratch / "whole"
        whole.mkdir()
        _CLIENTS[package.ecosystem](package, whole)
        shutil.rmtree(folder, ignore_errors=True)
        mark(whole, folder)
        whole.replace(folder)


def _pypi(package: Package, folder: Path) -> None:
    wanted = package.name + (f"=={package.version}" if package.version else "")
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), wanted]
    _call(package, command, folder, has_client=_has_pip())


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _npm(package: Package, folder: Path) -> None:
    wanted = package.name + (f"@{package.version}" if package.version else "")
    command = ["npm", "pack", wanted, "--ignore-scripts", "--silent"]
    _call(package, command, folder, has_client=shutil.which("npm") is not None)


def _debian(package: Package, folder: Path) -> None:
    wanted = package.name + (f"={package.version}" if package.version else "")
    command = ["apt-get", "download", wanted, "-q"]
    _call(package, command, folder, has_client=shutil.which("apt-get") is not None)


_CLIENTS: dict[str, Callable[[Package, Path], None]] = {
    "pypi": _pypi,
    "npm": _npm,
    "debian": _debian,
}
_CLIENT_NAMES = {"pypi": "pip", "npm": "npm", "debian": "apt-get"}


def _call(package: Package, command: Sequence[str], folder: Path, *, has_client: bool) -> None:
    client = _CLIENT_NAMES[package.ecosystem]
    if not has_client:
        raise UserError(
            f"the client {client!r} is not installed here",
            where=str(package),
            hint=f"install {client}, or place the package's archive in {folder_of(package)}",
        )
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{client} failed: {error}", where=str(package)) from error
    if done.returncode != 0:
        last = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()][-3:]
        raise UserError(
            f"{client} could not fetch the package",
            where=str(package),
            got=" / ".join(last) or f"exit status {done.returncode}",
            hint=f"fetch it where there is a network and place its archive in {folder_of(package)}",
        )
