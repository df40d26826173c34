"""The identity of a point: everything that could change its neighbours or speed, and its key."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Load, Mode, Parameters
from harness.contracts.filters import FILTERED_SUFFIX
from harness.text import Json, counted

PROTOCOL = 2
"""Raised whenever the way of measuring changes, so that old and new figures never mix."""

_KEY_DIGITS = 12
_UNTIMED = "distance_computations"
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


def source_sha256(*folders: Path) -> str:
    """Return the sha256 of all Python code, except tests, below an adapter's folders.

    Comments and blank lines do not count, so changing them makes no result stale; nor do methods
    called `distance_computations`, which are called when everything has been timed and answered.
    """
    digest = hashlib.sha256()
    for folder in folders:
        sources = [path for path in folder.rglob("*.py") if not path.name.startswith("test_")]
        for path in sorted(sources):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(_code_that_counts(path.read_bytes())).digest())
    return digest.hexdigest()


@lru_cache(maxsize=512)  # called for every point
def _code_that_counts(source: bytes) -> bytes:
    """Return Python source without comments, blank lines, space at line ends and `_UNTIMED`.

    Text that is not valid Python is returned unchanged.
    """
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
        lines = source.decode(tokens[0].string).splitlines()
        dropped = _lines_of_untimed(source)
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
        return source
    strings = {
        line
        for token in tokens
        if token.start[0] != token.end[0]  # blank lines within a string are part of it
        for line in range(token.start[0], token.end[0])
    }
    for token in tokens:
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    kept = [
        text if number in strings else text.rstrip()
        for number, text in enumerate(lines, start=1)
        if (text.strip() or number in strings) and number not in dropped
    ]
    return "\n".join(kept).encode()


def _lines_of_untimed(source: bytes) -> set[int]:
    """Return the numbers of the lines of methods called `_UNTIMED`."""
    if _UNTIMED.encode() not in source:
        return set()
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return {
        number
        for parent in classes
        for node in parent.body
        if isinstance(node, ast.FunctionDef) and node.name == _UNTIMED
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
