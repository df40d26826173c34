"""Row names in two flat arrays, so that 400,000 words need no Python objects until used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Words(Sequence[str]):
    """A read-only sequence of texts, kept as UTF-8 in one array.

    Parameters
    ----------
    text
        `(bytes,)` uint8, all texts one after the other.
    ends
        `(n,)` int64, where each text ends in `text`.
    """

    def __init__(self, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._text = text
        self._ends = ends

    @classmethod
    def pack(cls, words: Iterable[str]) -> Words:
        """Return the same texts in packed form."""
        encoded = [word.encode("utf-8", "surrogateescape") for word in words]
        ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends)

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The two arrays that it is made of."""
        return self._text, self._ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        start = int(self._ends[i - 1]) if i else 0
        return bytes(self._text[start : self._ends[i]]).decode("utf-8", "surrogateescape")
