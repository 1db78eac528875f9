"""Event streams: whatever comes, and however it is cut, the same goes out, and nothing fails."""

from __future__ import annotations

from kong_plugins.aws_masker.demo import anthropic_api, openai_chat, openai_responses
from kong_plugins.aws_masker.demo.answers import Answer, Call, Say
from kong_plugins.aws_masker.demo.received import Received
from kong_plugins.aws_masker.wire.providers import Api, policy_of
from kong_plugins.aws_masker.wire.sse import Reader
from kong_plugins.aws_masker.wire.streams import EventRestorer
from tests.fuzz.bytestream import Input
from tests.fuzz.common import PLACEHOLDERS, Restoring

_APIS = list(Api)
_LIMITS = (1 << 20, 64, 4096)


def _restored(api: Api, limit: int, pieces: list[bytes]) -> bytes:
    restorer = EventRestorer(policy_of(api), Restoring(), limit)
    return b"".join([*map(restorer.feed, pieces), restorer.close()])


def check(data: bytes) -> None:
    """Read and restore a stream, in one piece and in many."""
    given = Input(data)
    api, limit, cuts = given.pick(_APIS), given.pick(_LIMITS), given.cuts()
    stream = given.rest
    readers = Reader(), Reader()
    events = [event for piece in cuts.of(stream) for event in readers[0].feed(piece)]
    at_once = list(readers[1].feed(stream))
    assert b"".join(event.raw for event in events) + readers[0].rest() == stream, "bytes were lost"
    assert b"".join(event.raw for event in at_once) + readers[1].rest() == stream, "bytes were lost"
    # the LF of a CRLF may come out by itself
    assert [(one.data, one.name) for one in events if one.data is not None] == [
        (one.data, one.name) for one in at_once if one.data is not None
    ]
    out = _restored(api, limit, list(cuts.of(stream)))
    if limit == _LIMITS[0]:  # a bound that is met is met at another place with other cuts
        assert out == _restored(api, limit, [stream]), "cut differently, it is restored differently"


def seeds() -> list[bytes]:
    """Return streams of each API with placeholders, and streams with unusual line ends."""
    said = " and ".join(one.decode() for one in PLACEHOLDERS[::40])
    said += f" and {PLACEHOLDERS[5].decode()[:9]}"  # held back to the end
    answer = Answer((Say(said), Call("Bash", {"command": f"echo {PLACEHOLDERS[3].decode()} \u00e4"})), interleaved=True)
    received = Received({"model": "m", "messages": [{"role": "user", "content": "?"}], "tools": [{"name": "Bash"}]})
    streams = {
        Api.ANTHROPIC: anthropic_api.events(answer, received),
        Api.OPENAI_CHAT: openai_chat.chunks(answer, received),
        Api.OPENAI_RESPONSES: openai_responses.events(openai_responses.response(answer, received)),
    }
    made = [(api, b"".join(events)) for api, events in streams.items()]
    odd = b"\xef\xbb\xbfdata: {}\r\n\r\ndata:a\rdata:b\r\r: comment\n\nevent:x\ndata\n\nid: 1\ndata: [DONE]\n\n"
    made += [(api, odd) for api in streams] + [(api, stream[:400].replace(b"\n", b"\r\n")) for api, stream in made]
    return [bytes([_APIS.index(api), 0, 5, 1, 60]) + stream for api, stream in made]
