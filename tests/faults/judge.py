"""The invariant at the client: a whole and right answer, or a clear error; nothing of anybody else's; never nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson
import re2

from tests.faults.api import Sent
from tests.faults.plan import Request
from tests.faults.planted import owners, text_of

_CODE = re2.compile(r"^(AWS_MASKER_\d{4})")
_TRUNCATED = b'{"message":"The upstream server responded with 200"'
"""Kong keeps the status of an answer that breaks off while Kong collects it (`kong/init.lua`, `buffered_proxying`)."""
_ADDRESS = re2.compile(r"\b10\.[0-9]{1,3}\.[0-9]{1,3}\.")
"""All of a private address but its last octet, which placeholders keep. They cannot prove what they are."""
_OWN_CODE = re2.compile(rb"AWS_MASKER_\d{4}")


class Got(NamedTuple):
    """What a client got."""

    status: int = 0
    """0: no answer began."""
    body: bytes = b""
    ended: str = "whole"
    """"whole", "broken" (the connection), "left" (by the client) or "never"."""
    headers: bytes = b""


class Verdict(NamedTuple):
    """How a request ended, and what is wrong with that, if anything."""

    outcome: str
    violation: str = ""


def judge(request: Request, got: Got, sent: Sequence[Sent]) -> Verdict:  # noqa: PLR0911 - one for each case
    """Judge one request by what the API sent for it."""
    strangers = owners(got.headers + got.body) - {request.tenant}
    if strangers:
        return Verdict("violation", f"a value of tenant {sorted(strangers)} reached tenant {request.tenant}")
    if got.ended == "never":
        return Verdict("violation", "no end within the deadline")
    if got.status == 0:
        return Verdict("the client left" if got.ended == "left" else "connection error")
    if got.status != 200:
        return _error(request, got, sent)
    if not sent:
        return Verdict("violation", "an answer that the API never gave")
    if got.body.startswith(_TRUNCATED):
        return Verdict("Kong's own 200 for a cut answer")
    if request.upstream in ("garbage", "not http"):  # which nginx takes for HTTP/0.9
        return _garbage(got, sent[-1])
    return _stream(request, got, sent[-1]) if request.stream else _plain(request, got, sent[-1])


def _error(request: Request, got: Got, sent: Sequence[Sent]) -> Verdict:  # noqa: PLR0911 - one for each case
    if got.ended != "whole":
        return Verdict("the client left" if got.ended == "left" else "connection error")
    try:
        body = orjson.loads(got.body)
    except orjson.JSONDecodeError:
        if got.body == b"Internal Server Error":  # the server under the stand-in for Kong
            return Verdict(f"Kong's own {got.status}")
        return Verdict("violation", f"{got.status} with a body that is no JSON")
    if set(body) <= {"message", "request_id"}:
        return Verdict(f"Kong's own {got.status}")
    message = (body.get("error") or {}).get("message", "")
    code = _CODE.match(message)
    if code:
        shaped = (body.get("type") == "error") == (request.api == "messages") and "type" in body["error"]
        if not shaped and _api_unknown(request):
            return Verdict(f"{code[1]}, where Kong did not tell the API")
        return Verdict(code[1]) if shaped else Verdict("violation", "an error in another API's shape")
    if any(one.status == got.status and _is_right(request, message, one) for one in sent):
        return Verdict("the API's own error")
    return Verdict("violation", f"an unclear {got.status}")


def _api_unknown(request: Request) -> bool:
    """Whether the plugin could not know which API the client speaks: what tells it is the first that it asks for."""
    return request.way != "proxy" and request.call is not None and request.call[1] == 0


def _garbage(got: Got, sent: Sent) -> Verdict:
    if got.ended == "whole" and got.body != sent.body and not _OWN_CODE.search(got.body):
        return Verdict("violation", "other bytes than the API's")
    return Verdict("the API's garbage as it came" if got.ended == "whole" else "connection error")


def _plain(request: Request, got: Got, sent: Sent) -> Verdict:
    if got.ended != "whole":
        return Verdict("the client left" if got.ended == "left" else "broken off, and known to be")
    try:
        body = orjson.loads(got.body)
        said = body["content"][0]["text"] if request.api == "messages" else body["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError):
        if sent.kind == "early":
            return Verdict("the API's half answer as it came")
        return Verdict("violation", "200 with half an answer that looks whole")
    return _whole(request, said, sent)


def _stream(request: Request, got: Got, sent: Sent) -> Verdict:  # noqa: PLR0911 - one for each case
    said, finished, code = read(request.api, got.body)
    if code:
        return Verdict(f"{code} in a stream") if _begins(request, said, sent) else _other()
    if finished and got.ended != "left":
        return _whole(request, said, sent)
    if not _begins(request, said, sent):
        return _other()
    if got.ended == "left":
        return Verdict("the client left")
    if got.ended == "broken":
        return Verdict("broken off, and known to be")
    if sent.kind == "early":
        return Verdict("the API's half answer as it came")
    return Verdict("violation", "a stream that was cut ended as if it were whole")


def _other() -> Verdict:
    return Verdict("violation", "another text than the API's")


def _whole(request: Request, said: str, sent: Sent) -> Verdict:
    if _is_right(request, said, sent):
        return Verdict("right")
    kept = "\n".join([sent.masked, *(line for line, _ in sent.tail)])
    # a worker that takes over what another one had masked, and has no memory, masks its addresses once more
    if _ADDRESS.sub("10.", said) == _ADDRESS.sub("10.", kept):
        return Verdict("whole, placeholders kept")
    return _other()


def _is_right(request: Request, said: str, sent: Sent) -> bool:
    text = text_of(request.tenant, request.number, request.size)
    if not said.startswith(text):
        return False
    lines = said[len(text) :].split("\n")[1:]
    return len(lines) == len(sent.tail) and all(
        line in allowed for line, (_, allowed) in zip(lines, sent.tail, strict=True)
    )


def _begins(request: Request, said: str, sent: Sent) -> bool:
    """Whether `said` is a beginning of the right answer; its last word may be a piece of a placeholder."""
    text = text_of(request.tenant, request.number, request.size)
    sure = said[: max(said.rfind(" "), said.rfind("\n"), said.rfind("/"), said.rfind(":")) + 1]
    return said.startswith(text) or text.startswith(sure) or sent.masked.startswith(said)


def read(api: str, stream: bytes) -> tuple[str, bool, str]:
    """Return the text of a stream, whether it said that it is over, and the code of an error of ours in it.

    An event is one when the blank line behind it is there: clients drop what is left at the end of a stream.
    """
    text: list[str] = []
    finished, code = False, ""
    for line in stream[: stream.rfind(b"\n\n") + 2].split(b"\n"):
        data = line.removeprefix(b"data: ")
        finished = finished or data.strip() == b"[DONE]"
        if line.startswith(b"data: {"):
            try:
                event = orjson.loads(data)
            except orjson.JSONDecodeError:
                continue  # garbage
            match = _CODE.match(str((event.get("error") or {}).get("message", "")))
            code = match[1] if match else code
            finished = finished or event.get("type") == "message_stop"
            if api == "messages":
                text.append((event.get("delta") or {}).get("text", ""))
            else:
                text += [choice["delta"].get("content") or "" for choice in event.get("choices", [])]
    return "".join(text), finished, code
