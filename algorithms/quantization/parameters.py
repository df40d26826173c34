"""The build parameters that all entries of this folder have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.contracts import UserError

RotationKind = Literal["none", "random", "opq"]
CopyKind = Literal["float32", "float16", "uint8"]
ScanKind = Literal["auto", "bounded", "faiss"]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The size of the codes, the rotation before them, and the copy that re-ranking reads.

    Parameters
    ----------
    M, bits, bytes
        Exactly one of them. M is the number of subspaces (above d it means d). Where it does not
        divide d, some subspaces have a dimension fewer than others. Of `bits` or `bytes`, those of
        a vector's codes, M is as many as fit in.
    nbits
        Bits of each code: M nbits bits per vector.
    seed
        Of all that is drawn at random.
    rotation
        Turn the space first: `none`, `random` or `opq` (FAISS's `OPQMatrix`).
    rerank_copy
        What re-ranking reads: `float32`, `float16` or `uint8`.
    """

    M: int | None = None
    bits: int | None = None
    bytes: int | None = None
    nbits: int = 4
    seed: int = 0
    rotation: RotationKind = "none"
    rerank_copy: CopyKind = "float32"

    @property
    def codewords(self) -> int:
        """How many codewords a subspace has, K."""
        return 1 << self.nbits

    def subspaces(self, dimension: int) -> int:
        """Return how many subspaces there are: M, but no more than dimensions."""
        name, size = self._size()
        unit = {"M": self.nbits, "bits": 1, "bytes": 8}[name]
        if size % 1 or size * unit < self.nbits:
            raise UserError(
                f"{name} is out of range",
                where=f"build parameter {name}",
                expected=f"a whole number of at least {-(-self.nbits // unit)}",
                got=str(size),
            )
        return min(int(size) * unit // self.nbits, dimension)

    def _size(self) -> tuple[str, int]:
        sizes = {"M": self.M, "bits": self.bits, "bytes": self.bytes}
        given = {name: size for name, size in sizes.items() if size is not None}
        if len(given) != 1:
            raise UserError(
                "the size of the codes is not clear",
                where="build parameters",
                expected="exactly one of M, bits and bytes",
                got=", ".join(f"{name}={size}" for name, size in given.items()) or "none of them",
            )
        [(name, size)] = given.items()
        return name, size

    def require_nbits(self, most: int) -> None:
        """Refuse code sizes that cannot be stored."""
        if not 1 <= self.nbits <= most:
            raise UserError(
                "nbits is out of range",
                where="build parameter nbits",
                expected=f"1 to {most}",
                got=str(self.nbits),
            )
