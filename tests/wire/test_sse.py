from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.wire.sse import Event, Reader, event_of

Cut = Callable[[bytes, list[int]], list[bytes]]
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data:  c",
        b"event: e",
        b"event:",
        b": ping",
        b"id: 1",
        b"retry: 5",
        b"x",
        b"",
        b"",
    ]
)
STREAMS = st.lists(st.tuples(LINES, ENDS)).map(lambda rows: b"".join(line + end for line, end in rows))


def read(parts: list[bytes]) -> tuple[list[Event], bytes]:
    reader = Reader()
    return [event for part in parts for event in reader.feed(part)], reader.rest()


@settings(deadline=None)
@given(STREAMS, st.booleans(), st.lists(st.integers(min_value=0)))
def test_any_cut_gives_the_same_events(cuts: Cut, stream: bytes, bom: bool, places: list[int]) -> None:
    """Events do not depend on the chunks of the transport, and together they are every byte of the stream."""
    stream = b"\xef\xbb\xbf" + stream if bom else stream
    whole = read([stream])
    assert read(cuts(stream, places)) == whole
    assert read([stream[place : place + 1] for place in range(len(stream))]) == whole
    assert b"".join(event.raw for event in whole[0]) + whole[1] == stream


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_fields(end: bytes) -> None:
    """Names and data are read as the standard says, with every kind of line end."""
    lines = [
        b"\xef\xbb\xbfevent: e",
        b": note",
        b"data: one",
        b"data:two",
        b"data",
        b"id: 7",
        b"",
        b"data: next",
        b"",
        b"",
    ]
    events, rest = read([end.join(lines)])
    events = [event for event in events if event.data is not None]
    assert [(event.name, event.data) for event in events] == [(b"e", b"one\ntwo\n"), (b"", b"next")]
    assert rest == b""


def test_an_event_is_handed_out_as_soon_as_it_ends() -> None:
    """Nothing waits for the byte after an event, also not for the LF after its last CR."""
    reader = Reader()
    assert [event.data for event in reader.feed(b"data: a\r\n\r")] == [b"a"]
    assert [event.raw for event in reader.feed(b"\ndata: b\n\n")] == [b"\n", b"data: b\n\n"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_other_data_in_the_same_event(end: bytes) -> None:
    """Only the data lines change; name, comments, id and line ends stay."""
    lines = [b"event: e", b"data: one", b": note", b"data: two", b"id: 7", b"", b""]
    (event, *_), _ = read([end.join(lines)])
    (changed, *_), _ = read([event.with_data(b"new")])
    assert (changed.name, changed.data) == (b"e", b"new")
    assert b": note" in changed.raw and changed.raw.endswith(b"id: 7" + end + event.raw[-1:])
    (changed, *_), _ = read([event.with_data(b"x\ny")])
    assert changed.data == b"x\ny"


def test_one_line_of_data_keeps_its_spelling() -> None:
    """`data:x` without a space stays without one."""
    ((event,), _) = read([b"data:x\nevent: e\n\n"])
    assert event.with_data(b"y") == b"data:y\nevent: e\n\n"
    assert event.with_data(b"y\nz") == b"data:y\ndata: z\nevent: e\n\n"


def test_an_unfinished_event_is_the_rest() -> None:
    """What no blank line ends is no event, and is not lost either."""
    assert read([b"data: a\n\ndata: b\n"])[1] == b"data: b\n"


def test_a_long_event_in_small_parts_is_searched_once() -> None:
    """The search for a line's end goes on where it stopped, so a byte is not looked at once for each part."""
    reader = Reader()
    looked = 0
    for _ in range(1000):
        before = reader._seen
        assert list(reader.feed(b"data: " if not before else b"x" * 100)) == []
        looked += reader._seen - before
    assert looked == len(reader)


def test_a_new_event() -> None:
    """It reads back as what it was made of."""
    ((event,), _) = read([event_of(b"e", b"{}", b"\n")])
    assert (event.name, event.data) == (b"e", b"{}")
    assert event_of(b"", b"1", b"\r\n") == b"data: 1\r\n\r\n"


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_byte_is_searched_a_few_times(end: bytes) -> None:
    """Where one kind of line end is missing, it is not looked for anew on every line."""
    searched = 0

    class Counting(bytearray):
        def find(self, *asked: Any) -> int:
            nonlocal searched
            found = super().find(*asked)
            searched += (found if found >= 0 else [*asked, len(self)][2]) - asked[1]
            return found

    reader = Reader()
    reader._buffer = Counting()
    stream = (b"data: x" + end + end) * 1000
    assert len([one for one in reader.feed(stream) if one.data == b"x"]) == 1000
    assert searched < 4 * len(stream)
