"""The cluster file: where the nodes are, what kind of machine they must be, what they share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.registry.schema.checking import check
from harness.registry.yaml_source import Document, read_yaml

_GIB = 2**30
_MOST_NODES = 1024

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Nodes = Annotated[int, Field(ge=1, le=_MOST_NODES)]
Address = Annotated[str, StringConstraints(pattern=r"^(tcp|tls)://[^\s/:]+:\d{1,5}$")]
Walltime = Annotated[str, StringConstraints(pattern=r"^(\d+-)?\d{1,3}:\d{2}:\d{2}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MachineClass(_Strict):
    cpu: Text | None = None
    """Name of the processor, as `annharness doctor` prints it."""
    cores: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Cores that a process may use."""
    memory_gib: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Memory, in whole GiB."""


class Tls(_Strict):
    ca: Text
    """File of the certificate authority."""
    cert: Text
    """File of the certificate."""
    key: Text
    """File of its key."""


class Batch(_Strict):
    nodes: Nodes
    """How many jobs are asked for, each of them one node."""
    queue: Text | None = None
    """Queue or partition."""
    account: Text | None = None
    """Account or project that pays."""
    cores: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Cores asked for."""
    memory: Text = "4GB"
    """Memory asked for."""
    exclusive: bool = True
    """Ask for a node without other jobs, where the system has a word for it (not SGE)."""
    directives: list[Text] = []
    """More lines for the head of the job script."""
    before: list[Text] = []
    """Lines of shell that the job runs first, such as `module load`."""
    python: Text | None = None
    """The interpreter on the nodes; by default the path of the one that runs here."""
    interface: Text | None = None
    """Network interface by which nodes and scheduler talk, such as `ib0`."""


def _different(hosts: list[str]) -> list[str]:
    if len(set(hosts)) < len(hosts):
        raise ValueError("each host once")
    return hosts


def _without_variables(path: str) -> str:
    if path.startswith("~") or "$" in path:
        raise ValueError("a path without `~` and `$`, which no shell replaces there")
    return path


def _absolute(path: str) -> str:
    if not path.startswith(("/", "~", "$")):
        raise ValueError("an absolute path; it may begin with `~` or `$VARIABLE` of the node")
    return path


class Ssh(_Strict):
    hosts: Annotated[
        list[Text], Field(min_length=1, max_length=_MOST_NODES), AfterValidator(_different)
    ]
    """Hosts that `ssh HOST` reaches without a password; the first runs the scheduler too."""
    python: Annotated[Text, AfterValidator(_without_variables)] | None = None
    """Path of the interpreter on the hosts, without `~` and `$`; by default that of this one."""
    interface: Text | None = None
    """Network interface by which they talk to each other and to this machine, such as `eth1`."""


class ClusterSettings(_Strict):
    scheduler: Address | None = None
    """Address of a scheduler that runs, `tcp://HOST:PORT` or `tls://HOST:PORT`."""
    local: Nodes | None = None
    """That many workers on this machine, to try it out; they take turns."""
    slurm: Batch | None = None
    """Nodes from Slurm."""
    pbs: Batch | None = None
    """Nodes from PBS."""
    lsf: Batch | None = None
    """Nodes from LSF."""
    sge: Batch | None = None
    """Nodes from SGE."""
    ssh: Ssh | None = None
    """Hosts of one's own."""
    shared: Text | None = None
    """Folder that all nodes can read and write: a path, or a URL that fsspec knows."""
    scratch: Annotated[Text, AfterValidator(_absolute)] | None = None
    """Absolute path of a folder on each node for the cache and for temporary files, made if it is
    missing; `~` and `$VARIABLE`, such as `$TMPDIR`, are those of the node. Default: the user's
    folders."""
    scratch_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """The most that copies of datasets may take there; those used longest ago make room."""
    walltime: Walltime | None = None
    """How long a node lives, `HH:MM:SS` or `D-HH:MM:SS`."""
    wait: Annotated[float, Field(gt=0, le=7 * 86_400)] = 600.0
    """Seconds to wait for the first node, or for another one when none is left."""
    machine: MachineClass = MachineClass()
    """Which machines to use, if there are several kinds."""
    tls: Tls | None = None
    """Certificates for a `tls://` address."""

    @model_validator(mode="after")
    def _one_kind(self) -> ClusterSettings:
        if len(self._kinds()) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}")
        if self.tls is not None and self.kind in ("local", "ssh"):
            raise ValueError("tls is for a scheduler that runs, or for a batch system")
        return self

    def _kinds(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    @property
    def kind(self) -> str:
        """Which of the first seven keys is given."""
        return self._kinds()[0]

    @property
    def walltime_seconds(self) -> float | None:
        """How long a node lives, None if it has no end."""
        if self.walltime is None:
            return None
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60.0 + seconds

    @property
    def scratch_bytes(self) -> int | None:
        """The most that copies of datasets may take on a node."""
        return None if self.scratch_gib is None else int(self.scratch_gib * _GIB)


KINDS = ("scheduler", "local", "slurm", "pbs", "lsf", "sge", "ssh")


def read_cluster(text: str) -> ClusterSettings:
    """Return the cluster of `--cluster`: a file, the address of a scheduler, or `local:N`.

    Raises
    ------
    UserError
        If it is none of them, or for every mistake in the file.
    """
    local = re.fullmatch(r"local:(\d{1,4})", text)
    if local and 1 <= int(local[1]) <= _MOST_NODES:
        return ClusterSettings(local=int(local[1]))
    if re.fullmatch(r"(tcp|tls)://\S+", text):
        return _checked({"scheduler": text}, text)
    path = user_path(text)
    if path.is_file():
        document = read_yaml(path)
        return check(ClusterSettings, document.data, document)
    raise UserError(
        f"no cluster is called {text!r}",
        where="cluster",
        expected="a cluster file, the address of a Dask scheduler (tcp://HOST:PORT), or local:N",
        hint="local:2 tries a run out on this machine",
    )


def _checked(data: dict[str, Any], where: str) -> ClusterSettings:
    return check(ClusterSettings, data, Document(Path(where), data, {}))
