"""The identity of a point: everything that could change its neighbours or speed, and its key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Load, Mode, Parameters
from harness.contracts.filters import FILTERED_SUFFIX
from harness.text import Json, counted

PROTOCOL = 2
"""Raised whenever the way of measuring changes, so that old and new figures never mix."""

_KEY_DIGITS = 12
_SLUG_CHARACTERS = 80


@dataclass(frozen=True)
class Machine:
    """The facts of a machine that change speed. No host name: two equal machines are one."""

    cpu: str
    cores: int
    memory_bytes: int

    def short(self) -> str:
        """Return one line for titles; imported results have only a name."""
        if not self.cores:
            return self.cpu
        return f"{self.cpu}, {counted(self.cores, 'core')}, {self.memory_bytes / 2**30:.0f} GiB"


LIBRARIES_IN_ALL_KEYS = {"numpy": "numpy", "faiss-cpu": "faiss", "numba": "numba"}
"""Distributions whose versions are in every key, with the packages that they are imported as."""

NOT_INSTALLED = "none"
"""The version, in a key, of a distribution that is not installed."""


@dataclass(frozen=True)
class PointIdentity:
    """One build and search setting of one algorithm on one dataset on one machine."""

    dataset: str
    fingerprint: str
    metric: Metric
    algorithm: str
    adapter_sha256: str
    build: Parameters
    search: Parameters
    k: int
    mode: Mode
    threads: int
    build_threads: int
    machine: Machine
    versions: Mapping[str, str]
    protocol: int = PROTOCOL
    load: Load | None = None

    @cached_property
    def key(self) -> str:
        """Hex digits that differ if anything differs that could change the figures."""
        return hash_of(self.to_json())

    @cached_property
    def build_key(self) -> str:
        """Key of the built index, common to all points that it serves."""
        built = {**self.to_json(), "search": None, "k": None}
        built.pop("load", None)
        return hash_of(built)

    @cached_property
    def question(self) -> str:
        """Hex digits of the point without the versions of code, data and libraries.

        Two points with equal `question` and different keys are versions of one point: the older
        one is stale.
        """
        asked = self.to_json()
        for name in ("fingerprint", "adapter_sha256", "versions", "protocol", "metric"):
            del asked[name]
        return hash_of(asked)

    @property
    def is_filtered(self) -> bool:
        """Whether each query has a filter; the fingerprint is then that of rows and filters."""
        return self.dataset.endswith(FILTERED_SUFFIX)

    def to_json(self) -> Json:
        """Return plain data; what only some points have is left out of the others."""
        data = asdict(self)
        if self.load is None:
            del data["load"]
        return data

    @classmethod
    def from_json(cls, data: Json) -> PointIdentity:
        """Return the identity that `to_json` wrote."""
        load = Load(**data["load"]) if "load" in data else None
        return cls(**{**data, "machine": Machine(**data["machine"]), "load": load})


def hash_of(data: Json) -> str:
    """Return the first hex digits of the sha256 of plain data; the order of keys has no effect."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]


def slug(name: str) -> str:
    """Return a file name of at most 80 plain characters."""
    text = re.sub(r"[^A-Za-z0-9.=-]+", "_", name).strip("._")
    return text[:_SLUG_CHARACTERS] or "default"
