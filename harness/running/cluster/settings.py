"""The cluster file: where the nodes are, what kind of machine they must be, what they share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.registry.schema import check
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
    """Of which kind a node must be; what is left out may be anything, but the same on all."""

    cpu: Text | None = None
    cores: Annotated[int, Field(ge=1, le=100_000)] | None = None
    memory_gib: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Tls(_Strict):
    """Files of the certificates for `tls://` addresses."""

    ca: Text
    cert: Text
    key: Text


class Batch(_Strict):
    """Nodes from a batch system, each a job of its own."""

    nodes: Nodes
    queue: Text | None = None
    account: Text | None = None
    cores: Annotated[int, Field(ge=1, le=100_000)] = 1
    memory: Text = "4GB"
    exclusive: bool = True
    directives: list[Text] = []
    before: list[Text] = []
    python: Text | None = None
    interface: Text | None = None


class Ssh(_Strict):
    """Nodes reached by SSH without a password; the first host also runs the scheduler."""

    hosts: Annotated[list[Text], Field(min_length=1, max_length=_MOST_NODES)]
    python: Text | None = None


class ClusterSettings(_Strict):
    """The keys of a cluster file; exactly one of the first seven says where the nodes are."""

    scheduler: Address | None = None
    local: Nodes | None = None
    slurm: Batch | None = None
    pbs: Batch | None = None
    lsf: Batch | None = None
    sge: Batch | None = None
    ssh: Ssh | None = None
    shared: Text | None = None
    scratch: Text | None = None
    scratch_gib: Annotated[float, Field(gt=0, le=1e6)] | None = None
    walltime: Walltime | None = None
    wait: Annotated[float, Field(gt=0, le=7 * 86_400)] = 600.0
    machine: MachineClass = MachineClass()
    tls: Tls | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ClusterSettings:
        if len(self._kinds()) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}")
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
        where="--cluster",
        expected="a cluster file, the address of a Dask scheduler (tcp://HOST:PORT), or local:N",
        hint="local:2 tries a run out on this machine",
    )


def _checked(data: dict[str, Any], where: str) -> ClusterSettings:
    return check(ClusterSettings, data, Document(Path(where), data, {}))
