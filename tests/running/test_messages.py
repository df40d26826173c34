"""Messages arrive as they were sent, and what is none is refused."""

from __future__ import annotations

import json
import socket
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.running.messages import (
    Answered,
    Built,
    Channel,
    Failed,
    Finished,
    Phase,
    ProtocolError,
    Report,
    Start,
    TakeTurn,
    decoded,
    encoded,
)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), Channel(theirs)


def test_messages_arrive_whole_and_in_order(ends):
    ours, theirs = ends
    ids = np.arange(6, dtype=np.int32).reshape(2, 3)
    seconds = np.array([0.5, 0.25])
    theirs.send(Phase("build", None))
    theirs.send(Answered(7, ids, seconds, 1.5))
    assert ours.wait() == Phase("build", None)
    answer = ours.wait()
    assert isinstance(answer, Answered)
    assert (answer.turn, answer.wall) == (7, 1.5)
    np.testing.assert_array_equal(answer.ids, ids)
    np.testing.assert_array_equal(answer.seconds, seconds)
    assert answer.ids.dtype == np.int32


def test_tables_text_and_none_arrive(ends):
    ours, theirs = ends
    tables = {"training/loss": np.array([1.0, 0.5]), "a/words": np.array(["x", "yz"])}
    theirs.send(Finished(tables, {"python": "3"}, ("one", "two")))
    found = ours.wait()
    assert isinstance(found, Finished)
    assert found.warnings == ("one", "two")
    np.testing.assert_array_equal(found.diagnostics["a/words"], ["x", "yz"])
    theirs.send(Built(0.1, 2, 3, None))
    assert ours.wait() == Built(0.1, 2, 3, None)


ODD = "\x1b[31m \ud800"
CLEAN = "\ufffd[31m \ufffd"


def test_whatever_a_worker_says_is_cleaned_and_shortened(ends):
    ours, theirs = ends
    tables = {"a/b": np.array([ODD, "x" * 3000])}
    libraries = {"versions": {ODD: ODD}, "pools": [{"version": ODD}]}
    theirs.send(Failed("error", ODD + "x" * 100_000, ODD))
    theirs.send(Phase(ODD, ODD))
    theirs.send(Report(ODD, {ODD: [ODD, {"a": ODD}]}))
    theirs.send(Finished(tables, libraries, (ODD,)))
    failed = ours.wait()
    assert isinstance(failed, Failed)
    assert (failed.reason[:7], len(failed.reason), failed.task) == (CLEAN, 2000, CLEAN)
    assert ours.wait() == Phase(CLEAN, CLEAN)
    assert ours.wait() == Report(CLEAN, {CLEAN: [CLEAN, {"a": CLEAN}]})
    found = ours.wait()
    assert isinstance(found, Finished)
    assert found.libraries == {"versions": {CLEAN: CLEAN}, "pools": [{"version": CLEAN}]}
    assert found.warnings == (CLEAN,)
    assert list(map(len, found.diagnostics["a/b"])) == [len(CLEAN), 2000]


def test_what_a_worker_is_to_do_arrives_as_it_is(ends):
    """Paths may hold bytes that are no text, and configurations more levels than reports."""
    ours, theirs = ends
    deep = json.loads("[" * 40 + "]" * 40)
    ours.send(Start({"path": "/data/\udcff", "deep": deep, "text": "x" * 5000}))
    assert theirs.wait() == Start({"path": "/data/\udcff", "deep": deep, "text": "x" * 5000})


def test_a_closed_pipe_ends_the_waiting(ends):
    ours, theirs = ends
    theirs.close()
    with pytest.raises(EOFError):
        ours.wait()


def test_a_frame_that_claims_to_be_endless_is_refused_before_it_is_read(ends):
    ours, theirs = ends
    theirs.end.sendall(struct.pack("<IQ", 10, 1 << 60))
    ours.fill()
    with pytest.raises(ProtocolError, match="a frame of"):
        ours.taken()


HEADS = [
    {"kind": "NoSuchThing", "fields": {}, "arrays": []},
    {"kind": "Phase", "fields": {"phase": 3, "task": None}, "arrays": []},
    {"kind": "Phase", "fields": {"phase": "x"}, "arrays": []},
    {"kind": "Phase", "fields": {"phase": "x", "task": None, "more": 1}, "arrays": []},
    {"kind": "TakeTurn", "fields": {"turn": True, "setting": 0, "start": 0, "stop": 1,
                                    "seconds": 1.0}, "arrays": []},
    {"kind": "Answered", "fields": {"turn": 1, "wall": 1.0, "ids": [1], "seconds": [1]},
     "arrays": []},
    {"kind": "Answered", "fields": {"turn": 1, "wall": 1.0},
     "arrays": [["ids", "", "|O", [1]], ["seconds", "", "<f8", [0]]]},
    {"kind": "Answered", "fields": {"turn": 1, "wall": 1.0},
     "arrays": [["ids", "", "<i8", [-1]], ["seconds", "", "<f8", [0]]]},
    {"kind": "Answered", "fields": {"turn": 1, "wall": 1.0},
     "arrays": [["ids", "", "<i8", [1 << 40]], ["seconds", "", "<f8", [0]]]},
    {"kind": "Finished", "fields": {"libraries": {}, "warnings": "no list"}, "arrays": []},
    {"kind": "Finished", "fields": {"libraries": {}, "warnings": []},
     "arrays": [["libraries", "x", "<i8", [0]]]},
    {"kind": "Answered", "fields": {"turn": 1, "wall": 1.0},
     "arrays": [["ids", "", "(1,", [0]], ["seconds", "", "<f8", [0]]]},
    {"kind": "Built", "fields": {"prepare_seconds": 10**400, "build_seconds": 1.0,
                                 "measured_index_bytes": 1, "seed": None}, "arrays": []},
    {"kind": "Report", "fields": {"task": "a", "found": {"a": json.loads("[" * 40 + "]" * 40)}},
     "arrays": []},
    {"kind": "Finished", "fields": {"libraries": {"a": 10**400}, "warnings": []}, "arrays": []},
    [],
    None,
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=lambda head: json.dumps(head)[:60])
def test_what_is_no_message_is_refused(head):
    with pytest.raises(ProtocolError):
        decoded(json.dumps(head).encode(), b"")


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_bytes_do_anything_but_fail_by_name(text, body):
    try:
        decoded(text, body)
    except ProtocolError:
        return


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_frame_is_refused_or_another_message(place, value):
    frame = bytearray(encoded(TakeTurn(1, 2, 3, 4, 5.0)))[struct.calcsize("<IQ") :]
    frame[place % len(frame)] = value
    try:
        decoded(bytes(frame), b"")
    except ProtocolError:
        return
