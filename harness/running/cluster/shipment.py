"""What travels to a node: a block, and references by which the node finds all that it needs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import harness
from harness.contracts import UserError
from harness.data.cache.cached import open_cached
from harness.files.yaml_text import yaml_text
from harness.registry.algorithms import read_algorithms
from harness.registry.plugins import PluginFolder
from harness.registry.yaml_source import read_yaml
from harness.results.identity import Machine
from harness.running.blocks import BlockSpec
from harness.running.machine.facts import source_provenance
from harness.text import Json

MOST_BUNDLE_BYTES = 16 << 20
_LEFT_OUT = ("__pycache__", ".git")


@dataclass(frozen=True)
class Release:
    """The harness itself: nodes with other code would measure something else."""

    version: str
    commit: str | None
    code_sha256: str

    def __str__(self) -> str:
        commit = self.commit[:10] if self.commit else "no commit known"
        return f"{self.version} ({commit}, code {self.code_sha256[:8]})"


@dataclass(frozen=True)
class Bundle:
    """A small plug-in: its files by their names in a root of plug-ins, `algorithms/NAME/...`.

    Adapters of another harness that its entries name travel with it, as `elsewhere/NAME/...`.
    """

    name: str
    sha256: str
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path) -> Bundle:
        """Read a plug-in folder.

        Raises
        ------
        UserError
            If it is too large to travel.
        """
        foreign, config = _elsewhere(PluginFolder("algorithms", folder))
        paths = _files_of(folder, folder.parent.parent) | foreign
        size = sum(path.stat().st_size for path in paths.values())
        if size > MOST_BUNDLE_BYTES:
            raise UserError(
                "the plug-in is too large to be sent to the nodes of a cluster",
                where=str(folder),
                expected=f"at most {MOST_BUNDLE_BYTES >> 20} MiB",
                got=f"{size >> 20} MiB",
                hint="keep large files elsewhere, or install it on every node as a package",
            )
        files = {name: path.read_bytes() for name, path in paths.items()} | config
        return cls(folder.name, _digest(files), files)

    def unpack(self, root: Path) -> None:
        """Write the files below a root of plug-ins.

        Raises
        ------
        ValueError
            If a name leads out of that root, or the contents are not those of the hash.
        """
        if not self.name.isidentifier() or self.sha256 != _digest(self.files):
            raise ValueError(f"the plug-in {self.name!r} did not arrive as it was sent")
        for name, content in self.files.items():
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise ValueError(f"a plug-in cannot hold a file {name!r}")
            path = root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass(frozen=True)
class Shipment:
    """A block for a node: `dataset` is the name of its dataset.

    `shared` is the URL of a folder that all nodes can read, `scratch_bytes` the most that copies
    of datasets may take on the node; None: no such folder, no such limit. Names of users and hosts
    stay out of what comes back, unless it is `signed`.
    """

    block: BlockSpec
    dataset: str
    bundles: tuple[Bundle, ...]
    release: Release
    machine: Machine
    shared: str | None = None
    scratch_bytes: int | None = None
    signed: bool = False

    def to_json(self) -> Json:
        """Return plain data."""
        coded = [
            {**asdict(one), "files": {name: _text(data) for name, data in one.files.items()}}
            for one in self.bundles
        ]
        return {**asdict(self), "bundles": coded}

    @classmethod
    def from_json(cls, data: Json) -> Shipment:
        """Return the shipment that `to_json` wrote."""
        bundles = tuple(
            Bundle(
                one["name"],
                one["sha256"],
                {n: base64.b64decode(text) for n, text in one["files"].items()},
            )
            for one in data["bundles"]
        )
        parts = {
            "block": BlockSpec.from_json(data["block"]),
            "bundles": bundles,
            "release": Release(**data["release"]),
            "machine": Machine(**data["machine"]),
        }
        return cls(**{**data, **parts})


def shipment_of(
    block: BlockSpec,
    machine: Machine,
    shared: str | None,
    scratch_bytes: int | None,
    *,
    signed: bool,
) -> Shipment:
    """Return what a node needs to measure a block of this machine's plan.

    Raises
    ------
    UserError
        If a plug-in is too large to travel.
    """
    folders = {Path(member.origin.folder) for member in block.members if member.origin}
    bundles = tuple(_bundle(folder) for folder in sorted(folders) if _is_foreign(folder))
    name = open_cached(Path(block.dataset)).name
    return Shipment(block, name, bundles, this_release(), machine, shared, scratch_bytes, signed)


@lru_cache(maxsize=1)
def this_release() -> Release:
    """Return the harness that runs here."""
    package = Path(harness.__file__).resolve().parent
    roots = [root for root in (package, package.parent / "algorithms") if root.is_dir()]
    files = {
        f"{number}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for number, root in enumerate(roots)
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".yml") and "__pycache__" not in path.parts
    }
    commit = source_provenance()["commit"]
    return Release(harness.__version__, commit, _digest(files))


def _is_foreign(folder: Path) -> bool:
    """Whether a plug-in is not one of those that come with the harness."""
    package = Path(harness.__file__).resolve().parent
    own = (package / "algorithms", package.parent / "algorithms")
    return not any(folder.resolve().is_relative_to(root) for root in own)


@lru_cache(maxsize=256)
def _bundle(folder: Path) -> Bundle:
    return Bundle.of(folder)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _elsewhere(plugin: PluginFolder) -> tuple[dict[str, Path], dict[str, bytes]]:
    """Return the adapters of another harness that a plug-in names outside its folder.

    First their files by their names in the bundle, then the plug-in's registry file with the
    adapters' paths in the bundle, if there are any.
    """
    data, roots = read_yaml(plugin.config).data, dict[Path, str]()
    files: dict[str, Path] = {}
    for definition in read_algorithms(plugin):
        adapter = definition.foreign
        if adapter is None or adapter.folder.is_relative_to(plugin.path.resolve()):
            continue
        parent = adapter.folder.parent  # siblings import from each other
        root = roots.setdefault(parent, f"elsewhere/{plugin.path.name}/{len(roots)}")
        for source in (*adapter.source_folders(), adapter.module_file.parent):
            files |= {f"{root}/{name}": path for name, path in _files_of(source, parent).items()}
        data[definition.name]["path"] = f"../../{root}/{adapter.folder.name}"
    config = plugin.config.relative_to(plugin.root).as_posix()
    return files, {config: yaml_text(data).encode()} if roots else {}


def _files_of(folder: Path, root: Path) -> dict[str, Path]:
    """Return the files below a folder by their names in `root`."""
    found = {path.relative_to(root): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): path
        for name, path in found.items()
        if not any(part in _LEFT_OUT for part in name.parts)
    }


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(json.dumps([name, len(content)]).encode())
        digest.update(content)
    return digest.hexdigest()
