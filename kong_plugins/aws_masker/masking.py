"""Text in, masked text and mapping out.

All texts of a request are searched before any is masked, so that a name that one text makes certain is masked in all of
them. Both is done window by window, which bounds the memory it takes; see `windows`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from io import BytesIO
from itertools import islice
from threading import Lock

from cachetools import LRUCache

from kong_plugins.aws_masker.allowlist import Allowlist
from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS, Detector
from kong_plugins.aws_masker.detect.engine import Scanner, resolve
from kong_plugins.aws_masker.detect.spans import Span, moved
from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES, NAME_FAMILIES
from kong_plugins.aws_masker.packed import Packed
from kong_plugins.aws_masker.pseudonym.addresses import Derived, Network
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.pseudonymizer import Pseudonymizer
from kong_plugins.aws_masker.restoring import StreamRestorer, restore
from kong_plugins.aws_masker.settings import CustomPattern, Settings
from kong_plugins.aws_masker.spreading import Remembered, Spreader, spellings, spreads
from kong_plugins.aws_masker.text import Entry, Lookup, Memory, NoMemory, Text
from kong_plugins.aws_masker.windows import Window, windows

__all__ = ["Masker", "StreamRestorer", "restore"]

_NO_MEMORY = NoMemory()
_VALUES_AT_HAND = 4096
"""Values of which it is known whether they are on the allowlist: most values come again and again."""
_SMALL = 1024 * 1024
"""Bytes of a request whose windows are kept from the search until the masking, and not made twice."""
_MEMORY_OF_WINDOWS = 4 * 1024 * 1024
"""Bytes of what is known of windows searched lately."""
_PIECES = 1024
"""Pieces of a masked text that wait to be written at once."""
_TENANTS_AT_HAND = 64
"""Tenants whose remembered names are kept ready to be searched for."""


class Masker:
    """Masks texts with one key and one set of settings; immutable, shared by all requests and threads."""

    def __init__(self, settings: Settings, key: bytes) -> None:
        """`key`: at least 32 secret bytes.

        Raises:
            ConfigError: if the key is too short.
        """
        self.settings = settings
        self._key = key
        Prf(key, "")
        self.enabled = frozenset(name for name, family in FAMILIES.items() if getattr(settings, family.switch))
        self._scanner = _scanner(self.enabled)
        self._custom = (
            Scanner((), [_custom(one) for one in settings.custom_patterns]) if settings.custom_patterns else None
        )
        self._on = self.enabled | {CUSTOM_PREFIX + one.name for one in settings.custom_patterns}
        self._allowlist = Allowlist(settings)
        self._allows = lru_cache(_VALUES_AT_HAND)(self._allowlist.allows)
        self._lock = Lock()
        self._searched: LRUCache[bytes, Packed] = LRUCache(_MEMORY_OF_WINDOWS, Packed.size)
        self._remembered: LRUCache[str, Remembered] = LRUCache(_TENANTS_AT_HAND)

    def session(self, tenant: str = "", memory: Memory = _NO_MEMORY) -> Session:
        """Begin the masking of one request of `tenant`.

        Without a `memory`, even an empty one, it is taken for a text that goes nowhere: see `Session._is_masked_text`.
        """
        prf = Prf(self._key, tenant)
        return Session(self, tenant, Pseudonymizer(prf, self.settings.preserve_structure), memory, prf.name)

    def lookup(self, values: Mapping[bytes, bytes], tenant: str = "", memory: Memory = _NO_MEMORY) -> Lookup:
        """Return what turns the placeholders of an answer back: this request's first, then those in the memory.

        Last come addresses that the model derived from the networks it was shown; see `pseudonym.addresses`.
        """
        derived = Derived(Prf(self._key, tenant), values)

        def lookup(placeholder: bytes) -> bytes | None:
            value = values.get(placeholder)
            if value is None and (entry := memory.entry(placeholder)) is not None:
                value = entry.value
            return derived.original(placeholder) if value is None else value

        return lookup

    def networks(self, placeholders: Iterable[bytes], tenant: str = "") -> list[Network]:
        """Return what turns back such addresses for a restorer that has no key."""
        return Derived(Prf(self._key, tenant), placeholders).networks()

    def scan(self, texts: Sequence[Text]) -> list[list[Span]]:
        """Return for each text the spans that would be masked, in order, without overlaps."""
        return self.session().scan(texts)

    def searched(self, window: Window, digest: Callable[[bytes], bytes]) -> tuple[Packed, list[Span]]:
        """Return the window's spans, packed and as they are, at once if the same window was searched lately.

        A conversation with a model is sent as a whole with every turn, so nearly all of a request was searched before.
        What is kept tells no value: `digest` is a keyed hash of one tenant's.
        """
        name = digest(window.buffer) + digest(window.layout())
        with self._lock:
            found = self._searched.get(name)
        if found is not None:
            return found, found.spans()
        spans = self._spans(window)
        packed = Packed(spans)
        if packed.size() <= _MEMORY_OF_WINDOWS:
            with self._lock:
                self._searched[name] = packed
        return packed, spans

    def _spans(self, window: Window) -> list[Span]:
        """Return the window's spans whose family is switched on and whose value is not on the allowlist."""
        buffer = window.buffer
        spans = self._scanner.scan(buffer)
        if self._custom is not None:  # in each text by itself: a user's pattern may run on, or ask for a text's end
            for start, end in zip(window.starts, window.ends, strict=True):
                own = self._custom.scan(buffer[start:end])
                spans += [Span(start + span.start, start + span.end, span.family) for span in own]
            spans = resolve(spans)
        return self.wanted(buffer, window.own(spans))

    def remembered(self, tenant: str, names: Sequence[Entry]) -> list[Spreader]:
        """Return what finds the names that the tenant's memory holds."""
        if not names:
            return []
        with self._lock:
            held = self._remembered.get(tenant)
        if held is None or held.names is not names:
            held = Remembered(names, held)
            with self._lock:
                self._remembered[tenant] = held
        return held.spreaders

    def wanted(self, buffer: bytes, spans: Iterable[Span]) -> list[Span]:
        """Return those of `spans` that are to be masked by the settings."""
        on = self._on
        if not self._allowlist:
            return [span for span in spans if span[2] in on]
        return [span for span in spans if span[2] in on and not self._allows(buffer[span[0] : span[1]])]


@lru_cache(maxsize=4)
def _scanner(enabled: frozenset[str]) -> Scanner:
    """Return the scanner of some families: one for all instances, as its automata take megabytes once they are warm."""
    wanted = [one for one in DETECTORS if enabled.intersection(one.families)]
    alone = [one for one in RUN_DETECTORS if enabled.intersection(one.families)]
    return Scanner(wanted, alone)


def _custom(pattern: CustomPattern) -> Detector:
    return Detector(
        name=pattern.name,
        families=(CUSTOM_PREFIX + pattern.name,),
        summary="a pattern of the user's own",
        pattern=pattern.pattern.encode(),
        find=partial(_whole, CUSTOM_PREFIX + pattern.name),
        positives=(),
        negatives=(),
        characters=True,
    )


def _whole(family: str, _text: bytes, start: int, end: int) -> Sequence[Span]:
    return (Span(start, end, family),)


class Session:
    """The masking of one request; see `text.MaskSession`. Not to be shared by threads."""

    def __init__(
        self,
        masker: Masker,
        tenant: str,
        pseudonymizer: Pseudonymizer,
        memory: Memory,
        digest: Callable[[bytes], bytes],
    ) -> None:
        self._masker = masker
        self._tenant = tenant
        self._digest = digest
        self._pseudonymizer = pseudonymizer
        self._memory = memory
        self._masked_before = False
        self._owned: dict[tuple[str, bytes], bool] = {}
        self._assigned: dict[tuple[str, bytes], bytes | None] = {}
        self.mapping: dict[bytes, Entry] = {}
        self.known: dict[bytes, Entry] = {}
        self.counts: dict[str, int] = {}

    def mask(self, texts: Sequence[Text]) -> list[bytes | None]:
        """Return each text masked, or None where nothing in it changes.

        Raises:
            MaskingFailed: if no placeholder is free for a value, which takes two collisions at once.
        """
        counts: Counter[str] = Counter(self.counts)
        masked: list[bytes | None] = [None] * len(texts)
        for window, spans in self._find(texts):
            for at, written in self._masked(window, spans, counts):
                masked[window.first + at] = written
        self.counts = dict(counts)
        return masked

    def _masked(self, window: Window, spans: Sequence[Span], counts: Counter[str]) -> Iterator[tuple[int, bytes]]:
        """Yield the texts that change, masked, with their places in the window."""
        buffer, assigned = window.buffer, self._assigned
        for at, parts in window.parts(spans):
            pieces: list[bytes] = []
            families: list[str] = []
            written = BytesIO()  # grows in place and gives its buffer away: no second copy of a large text
            done = window.starts[at]
            for start, end, family, _ in parts:
                key = (family, buffer[start:end])
                placeholder = assigned[key] if key in assigned else self._placeholder(key)
                if placeholder is None:
                    continue
                families.append(family)
                pieces += (buffer[done:start], placeholder)
                done = end
                if len(pieces) >= _PIECES:
                    written.writelines(pieces)
                    pieces.clear()
            if families:
                counts.update(families)
                written.writelines((*pieces, buffer[done : window.ends[at]]))
                yield at, written.getvalue()

    def inspect(self, texts: Sequence[Text]) -> dict[str, int]:
        """Count by family what would be masked, without masking: for signed blocks that must not be touched."""
        return dict(Counter(span.family for spans in self.scan(texts) for span in spans))

    def scan(self, texts: Sequence[Text]) -> list[list[Span]]:
        """Return for each text the spans that would be masked, in order, without overlaps."""
        found: list[list[Span]] = [[] for _ in texts]
        for window, spans in self._find(texts):
            for at, parts in window.parts(spans):
                own = [one for one in parts if not self._owns(one.family, window.buffer[one.start : one.end])]
                found[window.first + at] += moved(own, -window.starts[at])
        return found

    def _find(self, texts: Sequence[Text]) -> Iterator[tuple[Window, Sequence[Span]]]:
        """Yield each window with its spans in order."""
        searched: list[Packed | list[Span]] = []
        kept: list[Window] = []
        size = 0
        values: set[tuple[str, bytes]] = set()
        certain: dict[bytes, str] = {}
        for window in windows(texts):
            size += len(window.buffer)
            kept = [*kept, window] if size <= _SMALL else []
            packed, spans = self._masker.searched(window, self._digest)
            searched.append(spans if size <= _SMALL else packed)
            self._learn(window.buffer, spans, values, certain)
            del window  # it may be large, and is about to be made anew
        self._masked_before = self._is_masked_text(values)
        spreaders = [Spreader(certain)] if certain else []
        spreaders += self._masker.remembered(self._tenant, self._memory.names())
        for window, found in zip(kept or windows(texts), searched, strict=True):
            spans = found.spans() if isinstance(found, Packed) else found
            yield window, self._settled(window, spans, certain, spreaders)

    def _settled(
        self, window: Window, spans: list[Span], certain: Mapping[bytes, str], spreaders: Sequence[Spreader]
    ) -> list[Span]:
        """Add the places of known names. One name has one family in the whole request."""
        buffer = window.buffer
        settled = _of_one_family(buffer, spans, certain)
        places = set(zip(*islice(zip(*settled, strict=True), 3), strict=True))
        more: list[Span] = []
        for spreader in spreaders:
            more += self._masker.wanted(buffer, window.own(list(spreader.spans(buffer, places))))
        return _of_one_family(buffer, resolve((*settled, *more)), certain) if more else settled

    def _learn(
        self, buffer: bytes, spans: Iterable[Span], values: set[tuple[str, bytes]], certain: dict[bytes, str]
    ) -> None:
        """Add to `values` what was found, and to `certain`, with its family, what is to be masked wherever it stands.

        The first place in a request decides a name's family, so that what is appended later changes nothing before it.
        """
        found = dict.fromkeys([(family, buffer[start:end], spread) for start, end, family, spread in spans])
        for family, value, spread in found:
            values.add((family, value))
            if spread and value not in certain and spreads(family, value) and not self._owns(family, value):
                for spelling in spellings(family, value):
                    certain[spelling] = family

    def _is_masked_text(self, values: Collection[tuple[str, bytes]]) -> bool:
        """Tell whether the private IPv4 addresses of a text are placeholders already; they cannot prove it themselves.

        They are if every address is remembered as a placeholder, and none as an address. An address that has never been
        masked passes by that only if it is alone in its request and equals one of n remembered placeholders: with a
        probability of n / 2**24 in 10.0.0.0/8.

        Who has no memory at all, as `aws-masker mask` without a mapping, and so sends nothing to anybody either, gets
        another answer: they are if the text has other values and each of these proves to be ours. A request must not
        be judged so: a real address may stand beside a placeholder that was pasted.
        """
        if self._memory is _NO_MEMORY:
            others = [value for value in values if not _is_private_v4(*value)]
            return bool(others) and all(self._owns(*value) for value in others)
        inside = [value for value in values if _is_private_v4(*value)]
        return bool(inside) and all(self._is_remembered_placeholder(*value) for value in inside)

    def _is_remembered_placeholder(self, family: str, value: bytes) -> bool:
        entry = self._memory.entry(value)
        if entry is None or entry.family != family:
            return False
        own = self._memory.entry(self._pseudonymizer.placeholder(family, value))
        return own is None or own.value != value

    def _owns(self, family: str, value: bytes) -> bool:
        if _is_private_v4(family, value):
            return self._masked_before
        key = (family, value)
        owned = self._owned.get(key)
        if owned is None:
            owned = self._owned[key] = self._pseudonymizer.owns(family, value)
        return owned

    def _placeholder(self, key: tuple[str, bytes]) -> bytes | None:
        """Return the placeholder for a value of a family, or None if it is one itself, and keep it for the next one."""
        family, value = key
        placeholder: bytes | None = None
        if not self._owns(family, value):
            placeholder = self._assign(family, value)
        elif (entry := self._memory.entry(value)) is not None:
            self.known[value] = entry
        self._assigned[key] = placeholder
        return placeholder

    def _assign(self, family: str, value: bytes) -> bytes:
        for make in (self._pseudonymizer.placeholder, self._pseudonymizer.opaque):
            placeholder = make(family, value)
            held = self.mapping.get(placeholder) or self._memory.entry(placeholder)
            if held is None or held.value == value:
                self.mapping[placeholder] = Entry(value, family)
                return placeholder
        raise MaskingFailed("no free placeholder")


def _of_one_family(buffer: bytes, spans: Iterable[Span], certain: Mapping[bytes, str]) -> list[Span]:
    """Return `spans`, those of certain names with the family that the name has in this request."""
    return [
        span._replace(family=own)
        if span[2] in NAME_FAMILIES and (own := certain.get(buffer[span[0] : span[1]], span[2])) != span[2]
        else span
        for span in spans
    ]


def _is_private_v4(family: str, value: bytes) -> bool:
    return family == "private_ip" and b":" not in value
