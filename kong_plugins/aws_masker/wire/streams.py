"""Event streams restored on the fly.

How it works
------------
A model's text arrives in pieces, and a placeholder may be cut anywhere between two of them. The rules of the API
(`wire.providers`) mark the strings of an event that are pieces, and the *scope*, the index fields above such a string,
names the block that the piece belongs to. Each block has a restorer of its own, so blocks in flight side by
side do not mix. For each event:

1. Strings that stand by themselves are restored whole.
2. Each piece is fed to its block's restorer and replaced by what that gives: the piece itself in nearly all cases (and
   then the event goes out as its raw bytes), less at its end where a placeholder may have begun, more where
   one is completed. An event whose text is wholly held back still goes out, with an empty text: it may carry more than
   the text (usage, a sequence number, the role), and all SDKs take empty deltas, as the providers send them too.
3. The API says which blocks end with this event. What such a block still holds back is appended to its piece if the
   event has one, and goes out before the event otherwise, as an extra event: the block's last delta, cut down to
   the way to its text, so that clients, which add up all strings of a delta, count nothing else twice.

At the end of the stream, and before `[DONE]`, all blocks end. Restorers work on text, events are cut by `wire.sse` or
`wire.eventstream` alone, and neither sees the chunks of the transport; so any chunking gives the same bytes, and any
cutting of the same text into deltas the same text.

Memory and time are bounded: a restorer holds back at most a placeholder's length, at most MAX_BLOCKS blocks are open
(the oldest is then ended early), and an event has at most MAX_PIECES pieces (what is more is restored by itself). What
cannot be read as events any more ends the work on events, and all blocks are flushed: see the two restorers.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from kong_plugins.aws_masker.wire import eventstream
from kong_plugins.aws_masker.wire.jsontext import JsonText, NotJsonError, dumped, to_str
from kong_plugins.aws_masker.wire.providers.common import FREE, Policy
from kong_plugins.aws_masker.wire.restoring import Changes, Piece, Piecewise, Restoring, restored
from kong_plugins.aws_masker.wire.rules import Leaf, Rule, Scope, scope_of
from kong_plugins.aws_masker.wire.sse import Reader

MAX_BLOCKS = 1000
"""Most blocks open at once; real answers have a few dozen."""

MAX_PIECES = 32
"""Most pieces of one event that are joined with those of other events; real events have one, or one for each choice."""

_DONE = b"[DONE]"


class Event(Protocol):
    """An event, however its stream is cut."""

    @property
    def raw(self) -> bytes:
        """All its bytes as they came."""

    @property
    def data(self) -> bytes | None:
        """What it brings; None where there is nothing to restore in it."""

    def with_data(self, data: bytes) -> bytes:
        """Return its bytes with other data."""

    def like(self, data: bytes) -> bytes:
        """Return the bytes of one more such event, which brings `data`."""


class _Block:
    """A text in flight: its restorer, and the last event that brought a piece of it."""

    __slots__ = ("event", "restorer", "tree")

    def __init__(self, restorer: Piecewise, event: Event) -> None:
        self.restorer = restorer
        self.event = event
        self.tree: Any = None


class _Met(NamedTuple):
    """A piece met in the event at hand."""

    token: int
    old: bytes
    new: bytes


class EventRestorer:
    """Restores one stream of server-sent events.

    From the first byte on of an event that outgrows the limit, all passes through one text restorer, values
    JSON-escaped.
    """

    def __init__(self, policy: Policy, restoring: Restoring, limit: int) -> None:
        """`limit`: most bytes of one event."""
        self._restoring = restoring
        self._limit = limit
        self._reader = Reader()
        self._blocks = Blocks(policy, restoring)
        self._overflow: Piecewise | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for these bytes of the stream."""
        if self._overflow is not None:
            return self._overflow.feed(data)
        out: list[bytes] = []
        for event in self._reader.feed(data):
            if self._overflow is not None:
                out.append(self._overflow.feed(event.raw))
            elif len(event.raw) > self._limit:
                out.append(self._overflowed(event.raw))
            else:
                out.append(self._blocks.restored(event))
        if len(self._reader) > self._limit or self._overflow is not None:
            rest = self._reader.rest()
            out.append(self._overflow.feed(rest) if self._overflow is not None else self._overflowed(rest))
        return b"".join(out)

    def close(self) -> bytes:
        """Return what is still held back, and an unfinished last event as it came: the stream has ended."""
        if self._overflow is not None:
            return self._overflow.flush()
        return self._blocks.end() + self._reader.rest()

    def _overflowed(self, data: bytes) -> bytes:
        self._overflow = self._restoring.pieces(escaped=True)
        return self._blocks.end() + self._overflow.feed(data)


class FrameRestorer:
    """Restores one stream of eventstream frames.

    From the first byte on that cannot be read as a frame (a wrong checksum, one that is larger than the limit, a cut
    end), all passes as it came: a byte that changes in it could make worse what is broken. Nothing can leak that way,
    as what the API sends holds placeholders only.
    """

    def __init__(self, policy: Policy, restoring: Restoring, limit: int) -> None:
        """`limit`: most bytes of one frame."""
        self._reader = eventstream.Reader(limit)
        self._blocks = Blocks(policy, restoring)

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for these bytes of the stream."""
        if self._reader.is_lost:
            return data
        out: list[bytes] = []
        for frame in self._reader.feed(data):
            if frame.kind == b"event":
                out.append(self._blocks.restored(frame))
            else:  # the API gives up, and says why
                out += (self._blocks.end(), self._blocks.alone(frame))
        if self._reader.is_lost:
            out += (self._blocks.end(), self._reader.rest())
        return b"".join(out)

    def close(self) -> bytes:
        """Return what is still held back, and an unfinished last frame as it came: the stream has ended."""
        return self._blocks.end() + self._reader.rest()


class Blocks:
    """The blocks in flight of one stream, whatever its events look like."""

    def __init__(self, policy: Policy, restoring: Restoring) -> None:
        self._policy = policy
        self._restoring = restoring
        self._blocks: dict[Scope, _Block] = {}

    def restored(self, event: Event) -> bytes:
        """Return the event restored, as far as it is settled, after what it lets go of."""
        if event.data is None:
            return event.raw
        if event.data.strip() == _DONE:
            return self.end() + event.raw
        try:
            return self._restored(event, JsonText(event.data))
        except NotJsonError:
            return event.with_data(self._restoring.whole(event.data))

    def alone(self, event: Event) -> bytes:
        """Return an event restored that has no part in any block, whatever it says."""
        if event.data is None:
            return event.raw
        try:
            data = restored(event.data, FREE, self._restoring)
        except NotJsonError:
            data = self._restoring.whole(event.data)
        return event.raw if data == event.data else event.with_data(data)

    def end(self) -> bytes:
        """Return what is held back of all blocks, in events of their own."""
        return self._end(list(self._blocks))

    def _restored(self, event: Event, text: JsonText) -> bytes:
        pieces: list[Piece] = []
        changes = Changes(text, self._restoring, pieces)
        changes.over(self._policy.event)
        changes.check()  # now: no piece of an event that is not understood must have changed its block
        met: dict[Scope, _Met] = {}
        extras: list[bytes] = []
        for piece in pieces[:MAX_PIECES]:
            if piece.name not in self._blocks and len(self._blocks) >= MAX_BLOCKS:
                extras.append(self._end([next(iter(self._blocks))]))
            block = self._block(piece, event)
            block.event, block.tree = event, text.tree
            met[piece.name] = _Met(piece.token, piece.text, block.restorer.feed(piece.text))
            _change(changes, piece, met[piece.name].new)
        for piece in pieces[MAX_PIECES:]:
            _change(changes, piece, self._restoring.whole(piece.text, escaped=piece.leaf is Leaf.JSON_PIECE))
        ended = list(self._policy.ended(text.tree, self._blocks)) if isinstance(text.tree, dict) else []
        for name in ended:
            if name in met:
                _append(changes, met[name], self._blocks.pop(name).restorer.flush())
            else:
                extras.append(self._end([name]))
        data = changes.applied()
        own = event.raw if data is text.raw else event.with_data(data)
        return b"".join([*extras, own]) if extras else own

    def _block(self, piece: Piece, event: Event) -> _Block:
        block = self._blocks.get(piece.name)
        if block is None:
            block = _Block(self._restoring.pieces(escaped=piece.leaf is Leaf.JSON_PIECE), event)
            self._blocks[piece.name] = block
        return block

    def _end(self, names: list[Scope]) -> bytes:
        """End the blocks; return the extra events with what they held back."""
        extras: list[bytes] = []
        for name in names:
            block = self._blocks.pop(name)
            held = block.restorer.flush()
            if held:
                tree = _cut_down(block.tree, self._policy.event, name, to_str(held))
                extras.append(block.event.like(dumped(tree)))
        return b"".join(extras)


def _change(changes: Changes, piece: Piece, new: bytes) -> None:
    if new != piece.text:
        changes.edits.change(piece.token, new)


def _append(changes: Changes, piece: _Met, held: bytes) -> None:
    """Let `piece`, the last of its block, also bring what the block held back."""
    if held:
        changes.edits.strings[piece.token] = piece.new + held
        if piece.new + held == piece.old:
            del changes.edits.strings[piece.token]


def _cut_down(root: Any, rule: Rule, name: Scope, text: str) -> Any:
    """Return the event `root` with nothing but the way to the piece of block `name`, which becomes `text`.

    The root keeps its plain fields (`id`, `model`, `sequence_number`, ...) and empty lists in the place of lists.
    """

    def cut(node: Any, rule: Rule, key: str, scope: Scope, *, is_root: bool) -> Any:
        if isinstance(node, str):
            is_piece = rule.leaf in (Leaf.PIECE, Leaf.JSON_PIECE)
            return text if is_piece and (*scope, key) == name else None
        if isinstance(node, list):
            found = [cut(child, rule, key, scope, is_root=False) for child in node]
            return [child for child in found if child is not None][:1] or None
        if not isinstance(node, dict):
            return None
        rule = rule.pick(node) if rule.pick else rule
        scope = scope_of(rule, node, scope)
        on_way: dict[str, Any] = {}
        is_on_way = False
        for field, child in node.items():
            below = rule.fields.get(field, rule.other)
            found = cut(child, below, field, scope, is_root=False)
            if found is not None:
                on_way[field] = found
                is_on_way = True
            elif child is None or field in rule.scope or (field == "type" and not rule.scope):
                on_way[field] = child
            elif is_root and isinstance(child, list):
                on_way[field] = []
            elif is_root and not isinstance(child, dict) and below.leaf not in (Leaf.PIECE, Leaf.JSON_PIECE):
                on_way[field] = child
        return on_way if is_on_way else None

    return cut(root, rule, "", (), is_root=True)
