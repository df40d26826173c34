"""The messages between the harness and a worker, and the private pipe that carries them.

A message is a frozen dataclass. On the pipe it is one frame: two sizes, the fields as JSON, and the
arrays as raw bytes. Nothing is pickled. The worker shares its process with an adapter, so the
parent trusts no frame: sizes are bounded, the kind must be known, every field is checked against
its type, all text from a worker is cleaned and shortened, and a message that does not fit raises
`ProtocolError`.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from harness.text import Json, clean, plain, told

_SIZES = struct.Struct("<IQ")  # bytes of JSON, bytes of arrays
_MOST_JSON_BYTES = 16 << 20
_MOST_ARRAY_BYTES = 4 << 30
_PLAIN_KINDS = "biufU"
_READ_BYTES = 1 << 20
_MOST_VALUES = 1 << 20  # the answers of a check among them

UNLIMITED_SECONDS = float(1 << 31)
"""A time limit that none reaches: infinity is no JSON."""

Arrays = Mapping[str, NDArray[np.generic]]


class ProtocolError(Exception):
    """The other side sent an invalid or unexpected message."""


# ---- from the harness to a worker ---------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """The first message: the input of the program, as plain data of its own specification."""

    spec: Json


@dataclass(frozen=True)
class BuildIndex:
    """Prepare and fit; the reply is `Built`."""


@dataclass(frozen=True)
class WarmUp:
    """Warm up a setting by the first queries of the order; the reply is `Answered`.

    There are `stop` of them, or as many as there is time for.
    """

    setting: int
    stop: int


@dataclass(frozen=True)
class TakeTurn:
    """Time the queries `start` to `stop` of the block's order; the reply is `Answered`.

    No further query begins after `seconds`. With a `rate` they are due by the schedule of the cycle
    at so many a second, all of them, and there is no such limit.
    """

    turn: int
    setting: int
    start: int
    stop: int
    seconds: float
    rate: float | None = None
    cycle: int = 0


@dataclass(frozen=True)
class Describe:
    """Ask for the bytes of the index under a setting; the reply is `Described`."""

    setting: int


@dataclass(frozen=True)
class CountDistances:
    """Ask how many rows a setting compares with the first queries of the order, `stop` of them.

    The reply is `Counted`.
    """

    setting: int
    stop: int


@dataclass(frozen=True)
class Finish:
    """Ask for diagnostics and libraries; the reply is `Finished`."""


@dataclass(frozen=True)
class Close:
    """Close the adapter and exit; the reply is `Done`."""


# ---- from a worker to the harness ---------------------------------------------------------------


@dataclass(frozen=True)
class Phase:
    """The phase that begins now, and its task if it has one. No reply is expected."""

    phase: str
    task: str | None


@dataclass(frozen=True)
class Ready:
    """Dataset and adapter are loaded."""


@dataclass(frozen=True)
class Built:
    """The index is built. Wall seconds; `measured_index_bytes` is the growth of memory."""

    prepare_seconds: float
    build_seconds: float
    measured_index_bytes: int
    seed: int | None


@dataclass(frozen=True)
class Answered:
    """Ids `(n, k)` int64 and seconds `(n,)` float64 of n queries, and the wall time of all.

    `turn` is that of the request, -1 for a warm-up. A turn at a rate has also the seconds of the
    adapter's calls, `service` `(n,)` float64, and `outcomes` `(n,)` int8, as in
    `harness.measures.load`.
    """

    turn: int
    ids: NDArray[Any]
    seconds: NDArray[Any]
    wall: float
    service: NDArray[Any] = field(default_factory=partial(np.empty, 0))
    outcomes: NDArray[Any] = field(default_factory=partial(np.empty, 0, np.int8))


@dataclass(frozen=True)
class Described:
    """The bytes that a deployed index needs, as the adapter states them."""

    index_bytes: int


@dataclass(frozen=True)
class Counted:
    """The distance computations of all these queries, as the adapter counts them; None if not."""

    distance_computations: int | None


@dataclass(frozen=True)
class Finished:
    """Diagnostics by `table/column`, the libraries in use, and warnings."""

    diagnostics: Arrays
    libraries: Json
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Failed:
    """The request failed, or, with a task, that task of a program. `status` is one of a point."""

    status: str
    reason: str
    task: str | None = None


@dataclass(frozen=True)
class Report:
    """The result of a task of a program that does not measure."""

    task: str
    found: Json


@dataclass(frozen=True)
class Done:
    """The worker exits."""


FromHarness = Start | BuildIndex | WarmUp | TakeTurn | Describe | CountDistances | Finish | Close
FromWorker = (
    Phase | Ready | Built | Answered | Described | Counted | Finished | Failed | Report | Done
)
Message = FromHarness | FromWorker
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}
_FROM_WORKER = frozenset(get_args(FromWorker))


# ---- frames -------------------------------------------------------------------------------------


def encoded(message: Message) -> bytes:
    """Return a message as one frame."""
    plain: Json = {}
    arrays: list[tuple[str, str, NDArray[np.generic]]] = []
    for one in fields(message):
        value = getattr(message, one.name)
        if isinstance(value, np.ndarray):
            arrays.append((one.name, "", np.ascontiguousarray(value)))
        elif _FITS_OF[type(message)][one.name] is _are_arrays:
            arrays.extend((one.name, name, np.ascontiguousarray(a)) for name, a in value.items())
        else:
            plain[one.name] = value
    parts = [[name, key, array.dtype.str, list(array.shape)] for name, key, array in arrays]
    head = {"kind": type(message).__name__, "fields": plain, "arrays": parts}
    text = json.dumps(head).encode()
    body = b"".join(array.tobytes() for _, _, array in arrays)
    return _SIZES.pack(len(text), len(body)) + text + body


def decoded(text: bytes, body: bytes) -> Message:
    """Return the message of a frame.

    Raises
    ------
    ProtocolError
        If it is none.
    """
    try:
        head = json.loads(text)
        kind = _KINDS[head["kind"]]
        values = dict(head["fields"])
        if kind in _FROM_WORKER:
            values = plain(values, values=_MOST_VALUES)
        fits = _FITS_OF[kind]
        values.update({name: {} for name, one in fits.items() if one is _are_arrays})
        _take_arrays(values, fits, head["arrays"], body)
        for name, value in values.items():
            if not fits[name](value):
                raise TypeError(f"{name} is {type(value).__name__}")
            if fits[name] is _are_texts:
                values[name] = tuple(value)
        message: Message = kind(**values)
    except Exception as error:  # numpy alone has several ways to refuse a type
        raise ProtocolError(f"no message: {told(error)}") from error
    return message


def _take_arrays(values: Json, fits: Mapping[str, _Fits], parts: Any, body: bytes) -> None:
    """Extract the arrays from the body of a frame."""
    offset = 0
    for name, key, dtype_name, shape in parts:
        dtype = np.dtype(str(dtype_name))
        if dtype.kind not in _PLAIN_KINDS or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError(f"an array of {dtype} {shape}")
        count = math.prod(shape)
        size = count * dtype.itemsize
        if offset + size > len(body):
            raise ValueError("an array that is longer than its frame")
        array = np.frombuffer(body, dtype, count, offset).reshape(shape) if count else np.empty(
            shape, dtype)  # fmt: skip
        if dtype.kind == "U":
            texts = [clean(text) for text in array.ravel().tolist()]
            array = np.array(texts, dtype=np.str_).reshape(shape)
        offset += size
        if fits[name] is _are_arrays:
            values[name][str(key)] = array
        elif fits[name] is _is_array:
            values[name] = array
        else:
            raise TypeError(f"{name} is no array")
    if offset != len(body):
        raise ValueError("a frame that is longer than its arrays")


# ---- the types of fields -------------------------------------------------------------------------

_Fits = Callable[[Any], bool]
"""Whether a value that was read fits the type of its field."""


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 1 << 53)


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray)


def _are_arrays(value: object) -> bool:
    return isinstance(value, dict)  # as `_is_json`, but fields of this type hold arrays


def _is_json(value: object) -> bool:
    return isinstance(value, dict)


def _or_none(fits: _Fits) -> _Fits:
    return lambda value: value is None or fits(value)


_FITS: Mapping[object, _Fits] = {
    float: _is_number,
    int: _is_whole,
    str: _is_text,
    float | None: _or_none(_is_number),
    int | None: _or_none(_is_whole),
    str | None: _or_none(_is_text),
    tuple[str, ...]: _are_texts,
    NDArray[Any]: _is_array,
    Arrays: _are_arrays,
    Json: _is_json,
}


_FITS_OF: Mapping[type[Any], Mapping[str, _Fits]] = {
    kind: {name: _FITS[hint] for name, hint in get_type_hints(kind).items()}
    for kind in _KINDS.values()
}
"""By kind and field; reading the annotations takes longer than all else of a turn's message."""


# ---- the pipe ------------------------------------------------------------------------------------


@dataclass
class Channel:
    """One end of the pipe. Not for several threads at once."""

    end: socket.socket
    _held: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self.end.fileno()

    def send(self, message: Message) -> None:
        """Send a message; blocks until the other side has read it.

        Raises
        ------
        OSError
            If the other side is gone.
        """
        self.end.sendall(encoded(message))

    def wait(self) -> Message:
        """Return the next message, however long it takes.

        Raises
        ------
        EOFError
            If the other side is gone.
        """
        while True:
            message = self.taken()
            if message is not None:
                return message
            if not self.fill():
                raise EOFError("the other side is gone")

    def fill(self) -> bool:
        """Read available bytes; blocks if there are none. False if the other side has closed."""
        try:
            chunk = self.end.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self._held += chunk
        return bool(chunk)

    def taken(self) -> Message | None:
        """Return the next complete message of the bytes read, or None.

        Raises
        ------
        ProtocolError
            If what was read is no frame.
        """
        if len(self._held) < _SIZES.size:
            return None
        text_bytes, body_bytes = _SIZES.unpack_from(self._held)
        if text_bytes > _MOST_JSON_BYTES or body_bytes > _MOST_ARRAY_BYTES:
            raise ProtocolError(f"a frame of {text_bytes:,} and {body_bytes:,} bytes")
        whole = _SIZES.size + text_bytes + body_bytes
        if len(self._held) < whole:
            return None
        text = bytes(self._held[_SIZES.size : _SIZES.size + text_bytes])
        body = bytes(self._held[_SIZES.size + text_bytes : whole])
        del self._held[:whole]
        return decoded(text, body)

    @property
    def is_empty(self) -> bool:
        """Whether all bytes read have been taken."""
        return not self._held

    def close(self) -> None:
        """Close this end."""
        self.end.close()
