"""Arrays and texts from HDF5 and npz files, in bounded memory and time.

Before anything is allocated, the declared sizes count against an allowance that grows with the size
of the file. Chunks are decompressed here, since HDF5's own filter has no limit. Links, inside the
file or to others, are not followed, and nothing is read twice under two names.
"""

from __future__ import annotations

import itertools
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.results.untrusted.checks import MOST_BYTES, check_truth, reading

_FREE_BYTES = 4 << 20
_BYTES_PER_STORED_BYTE = 32  # ours hold less than ten
_BYTES_PER_CHARACTER = 8  # of JSON, once it is read
_MOST_CHUNKS = 100_000
_MOST_OBJECTS = 50_000  # groups and arrays; 1,000 builds of ours have fewer
_MOST_TEXT_BYTES = 64 << 20
_MOST_TEXTS = 100_000  # of all columns together
_SHUFFLED = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]
_FILTERS: tuple[list[int], ...] = ([], [h5py.h5z.FILTER_DEFLATE], _SHUFFLED)

_NUMBERS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1")

Shape = tuple[int | None, ...]


class Allowance:
    """How many bytes the arrays of one file may still take."""

    def __init__(self, path: Path) -> None:
        self.file_bytes = path.stat().st_size
        self._left = min(_FREE_BYTES + _BYTES_PER_STORED_BYTE * self.file_bytes, MOST_BYTES)
        self._chunks = _MOST_CHUNKS
        self._texts = _MOST_TEXTS

    def take_texts(self, name: str, count: int) -> None:
        """Count texts of a column; raise ValueError if they are too many."""
        self._texts -= count
        if self._texts < 0:
            raise ValueError(f"{name}: more than {_MOST_TEXTS:,} texts")

    def take(self, name: str, shape: Sequence[int], itemsize: int, chunks: int = 0) -> None:
        """Count an array; raise ValueError if it is too large for its file."""
        self._left -= math.prod(shape) * itemsize
        self._chunks -= chunks
        if self._left < 0 or self._chunks < 0:
            raise ValueError(f"{name}: {tuple(shape)} is more than the file can hold")


class BoundedFile:
    """An open HDF5 file.

    All methods raise ValueError or KeyError for data that are missing or wrong.
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.root = file
        self._allowance = Allowance(path)
        self._names: dict[int, str] = {}

    def group(self, parent: h5py.Group, name: str) -> h5py.Group:
        """Return a group of a group."""
        found = self._linked(parent, name)
        if not isinstance(found, h5py.Group):
            raise ValueError(f"{name} is no group")
        return found

    def names(self, group: h5py.Group, most: int) -> list[str]:
        """Return the names of what is in a group, at most so many."""
        if len(group) > most:
            raise ValueError(f"{group.name}: {len(group):,} entries, at most {most:,} can be")
        return list(group)

    def array(
        self, parent: h5py.Group, name: str, types: Sequence[str], shape: Shape | None = None
    ) -> NDArray[Any]:
        """Return an array of one of these types, such as `f8`, and of this shape.

        None in `shape` is any length, None instead of it any shape.
        """
        found = self._dataset(parent, name)
        lengths = found.shape or ()
        fits = shape is None or (
            len(lengths) == len(shape)
            and all(e in (None, length) for e, length in zip(shape, lengths, strict=True))
        )
        if found.shape is None or not fits or found.dtype.str[1:] not in types:
            raise ValueError(f"{name}: {found.dtype} {found.shape}, expected {types[0]} {shape}")
        values = self._read(found, name)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def text(self, parent: h5py.Group, name: str) -> str:
        """Return a single text."""
        found = self._dataset(parent, name)
        if found.shape != () or h5py.check_string_dtype(found.dtype) is None:
            raise ValueError(f"{name} is no text")
        self._allowance.take(name, (), found.dtype.itemsize)
        return self._counted(found.asstr()[()])

    def column(self, parent: h5py.Group, name: str) -> NDArray[np.generic]:
        """Return a one-dimensional array of numbers or of texts."""
        found = self._dataset(parent, name)
        if h5py.check_string_dtype(found.dtype) is None:
            return self.array(parent, name, _NUMBERS, (None,))
        if len(found.shape or ()) != 1:
            raise ValueError(f"{name} is no column")
        return self._texts(found, name)

    def attribute(self, group: h5py.Group, name: str) -> str:
        """Return an attribute that is a text."""
        found = group.attrs.get_id(name)
        if found.shape != () or h5py.check_string_dtype(found.dtype) is None:
            raise ValueError(f"the attribute {name} is no text")
        return self._counted(group.attrs[name])

    def number(self, group: h5py.Group, name: str, kinds: str = "iu") -> int:
        """Return an attribute that is a number, a whole one by default."""
        found = group.attrs.get_id(name)
        if found.shape != () or found.dtype.kind not in kinds:
            raise ValueError(f"the attribute {name} is no such number")
        number: int = group.attrs[name].item()
        return number

    def scalar(self, group: h5py.Group, name: str) -> str | float:
        """Return an attribute that is a text, a number or a truth value."""
        if group.attrs.get_id(name).dtype.kind in "OS":
            return self.attribute(group, name)
        return self.number(group, name, "iufb")

    def _counted(self, text: object) -> str:
        if not isinstance(text, str):
            raise ValueError("a text that is not in UTF-8")
        self._allowance.take("a text", (len(text),), _BYTES_PER_CHARACTER)
        return text

    def _linked(self, parent: h5py.Group, name: str) -> object:
        link = parent.get(name, getlink=True)
        if link is None:
            raise KeyError(f"{name} is missing")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name} is a link")
        found = parent[name]
        if self._names.setdefault(h5py.h5o.get_info(found.id).addr, found.name) != found.name:
            raise ValueError(f"{name} has two names")
        if len(self._names) > _MOST_OBJECTS:
            raise ValueError(f"more than {_MOST_OBJECTS:,} groups and arrays")
        return found

    def _dataset(self, parent: h5py.Group, name: str) -> h5py.Dataset:
        found = self._linked(parent, name)
        if not isinstance(found, h5py.Dataset):
            raise ValueError(f"{name} is no array")
        if found.is_virtual or found.external:
            raise ValueError(f"{name} lies in another file")
        return found

    def _read(self, found: h5py.Dataset, name: str) -> NDArray[Any]:
        itemsize, chunks = found.dtype.itemsize, found.chunks
        if chunks is None:
            self._allowance.take(name, found.shape, itemsize)
            return np.asarray(found[()])
        counts = [-(-length // size) for length, size in zip(found.shape, chunks, strict=True)]
        self._allowance.take(name, found.shape, itemsize, math.prod(counts))
        if math.prod(chunks) > max(1, math.prod(found.shape)):
            self._allowance.take(name, chunks, itemsize)
        return _from_chunks(found)

    def _texts(self, found: h5py.Dataset, name: str) -> NDArray[np.generic]:
        """Read in parts: a few bytes may declare many long texts. Ours are never in chunks."""
        count, left = found.shape[0], _MOST_TEXT_BYTES
        if found.chunks is not None:
            raise ValueError(f"{name}: text in chunks")
        self._allowance.take(name, found.shape, found.dtype.itemsize)
        self._allowance.take_texts(name, count)
        step = max(1, _MOST_TEXT_BYTES // max(1, self._allowance.file_bytes))
        texts: list[str] = []
        for start in range(0, count, step):
            some = found.asstr()[start : start + step].tolist()
            left -= sum(map(len, some))
            if left < 0:
                raise ValueError(f"{name}: more than {_MOST_TEXT_BYTES:,} characters")
            texts += some
        return np.array(texts, dtype=object)


def _from_chunks(found: h5py.Dataset) -> NDArray[np.generic]:
    settings = found.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if filters not in _FILTERS:
        raise ValueError(f"{found.name}: packed by unknown filters {filters}")
    values = np.empty(found.shape, found.dtype)
    sizes = [range(0, n, size) for n, size in zip(found.shape, found.chunks, strict=True)]
    for start in itertools.product(*sizes):
        mask, raw = found.id.read_direct_chunk(start)
        if mask:
            raise ValueError(f"{found.name}: a chunk that skips filters")
        block = _unpacked(raw, filters, found.dtype, found.chunks)
        place = tuple(slice(a, a + size) for a, size in zip(start, found.chunks, strict=True))
        part = values[place]
        part[...] = block[tuple(slice(0, n) for n in part.shape)]
    return values


def _unpacked(
    raw: bytes, filters: list[int], dtype: np.dtype, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    size = math.prod(shape) * dtype.itemsize
    data = raw
    if h5py.h5z.FILTER_DEFLATE in filters:
        unpack = zlib.decompressobj()
        data = unpack.decompress(raw, size + 1)
    if len(data) != size:
        raise ValueError(f"a chunk of {len(data):,} bytes or more, expected {size:,}")
    if filters == _SHUFFLED:
        planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1)
        data = np.ascontiguousarray(planes.T).tobytes()
    return np.frombuffer(data, dtype).reshape(shape)


def read_truth(path: Path, k: int, *, filtered: bool) -> Truth:
    """Return stored true neighbours, `k` of each query.

    Raises
    ------
    BrokenResult
        If they are missing or cannot be read.
    """
    with reading(path):
        wanted = {"ids": "int64", "distances": "float64"}
        if not filtered:
            truth = Truth(*read_npz(path, wanted))
        else:
            facts = {"matches": "int64", "nearness": "float64"}
            ids, distances, matches, nearness = read_npz(path, wanted | facts)
            truth = Truth(ids, distances, matches[:, 0], nearness[:, 0])
        check_truth(truth)
        if truth.ids.shape[1] != k:
            raise ValueError(f"{truth.ids.shape[1]} neighbours, expected {k}")
        return truth


def read_npz(path: Path, wanted: Mapping[str, str]) -> list[NDArray[Any]]:
    """Return two-dimensional arrays of an npz file.

    Parameters
    ----------
    wanted
        Name to dtype.

    Raises
    ------
    ValueError, KeyError, OSError, zipfile.BadZipFile
        If they are not there, or not so.
    """
    allowance = Allowance(path)
    with zipfile.ZipFile(path) as archive:
        found = []
        for name, dtype in wanted.items():
            with archive.open(f"{name}.npy") as member:
                found.append(_read_npy(member, name, np.dtype(dtype), allowance))
    return found


def _read_npy(
    member: IO[bytes], name: str, dtype: np.dtype, allowance: Allowance
) -> NDArray[np.generic]:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"{name}: version {version} of numpy's format, expected 1.0")
    shape, by_columns, found = np.lib.format.read_array_header_1_0(member)
    if found != dtype or len(shape) != 2 or by_columns or min(shape) < 0:
        raise ValueError(f"{name}: {found} {shape}, expected two dimensions of {dtype}")
    allowance.take(name, shape, dtype.itemsize)
    size = math.prod(shape) * dtype.itemsize
    data = member.read(size)
    if len(data) != size or member.read(1):
        raise ValueError(f"{name}: not as many bytes as it says, {size:,}")
    return np.frombuffer(data, dtype).reshape(shape)
