"""The build parameters that all entries of this folder have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.contracts import UserError

RotationKind = Literal["none", "random", "opq"]
CopyKind = Literal["float32", "float16", "uint8"]
ScanKind = Literal["auto", "bounded", "faiss"]


COARSE_BITS = 8


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
    coarse
        Whether one more byte of a row names the nearest of 256 centres, and the other codes are
        those of its residual. `bits` and `bytes` count that byte, M does not.
    """

    M: int | None = None
    bits: int | None = None
    bytes: int | None = None
    nbits: int = 4
    seed: int = 0
    rotation: RotationKind = "none"
    rerank_copy: CopyKind = "float32"
    coarse: bool = False

    @property
    def codewords(self) -> int:
        """How many codewords a subspace has, K."""
        return 1 << self.nbits

    def subspaces(self, dimension: int) -> int:
        """Return how many subspaces there are: M, but no more than dimensions."""
        name, size = self._size()
        unit = {"M": self.nbits, "bits": 1, "bytes": 8}[name]
        taken = COARSE_BITS if self.coarse and name != "M" else 0
        least = self.nbits + taken
        if size % 1 or size * unit < least:
            raise UserError(
                f"{name} is out of range",
                where=f"build parameter {name}",
                expected=f"a whole number of at least {-(-least // unit)}",
                got=str(size),
            )
        return min((int(size) * unit - taken) // self.nbits, dimension)

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

    def refuse_coarse(self, why: str) -> None:
        """Refuse coarse codes where there are none."""
        if self.coarse:
            raise UserError(why, where="build parameter coarse", expected="false", got="true")

    def require_nbits(self, most: int) -> None:
        """Refuse code sizes that cannot be stored."""
        if not 1 <= self.nbits <= most:
            raise UserError(
                "nbits is out of range",
                where="build parameter nbits",
                expected=f"1 to {most}",
                got=str(self.nbits),
            )
