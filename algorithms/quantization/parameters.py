"""The build parameters that all entries of this folder have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.contracts import UserError

RotationKind = Literal["none", "random", "opq"]
CopyKind = Literal["float32", "uint8"]
ScanKind = Literal["auto", "bounded", "faiss"]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The size of the codes, the rotation before them, and the copy that re-ranking reads.

    Parameters
    ----------
    M, nbits
        Subspaces (any number; above d it means d), and bits of each code: M nbits bits per
        vector. Where M does not divide d, some subspaces have a dimension fewer than others.
    seed
        Of all that is drawn at random.
    rotation
        Turn the space first: `none`, `random` or `opq` (FAISS's `OPQMatrix`).
    rerank_copy
        What re-ranking reads: `float32` or `uint8`.
    """

    M: int
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
        if self.M < 1 or self.M % 1:
            raise UserError(
                "M is out of range",
                where="build parameter M",
                expected="a whole number of at least 1",
                got=str(self.M),
            )
        return min(int(self.M), dimension)

    def require_nbits(self, most: int) -> None:
        """Refuse code sizes that cannot be stored."""
        if not 1 <= self.nbits <= most:
            raise UserError(
                "nbits is out of range",
                where="build parameter nbits",
                expected=f"1 to {most}",
                got=str(self.nbits),
            )
