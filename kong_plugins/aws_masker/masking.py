"""Text in, masked text and mapping out.

The texts of a request are joined into one buffer, so that one scan finds everything and a name that one text makes
certain is masked in all of them. A text that stands under a JSON key is preceded by that key, as it would be in JSON
text, so that detection needs no second way to learn what a name is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock

from cachetools import LRUCache

from kong_plugins.aws_masker.allowlist import Allowlist
from kong_plugins.aws_masker.detect import DETECTORS, RUN_DETECTORS, Detector
from kong_plugins.aws_masker.detect.engine import Scanner, resolve
from kong_plugins.aws_masker.detect.spans import Span
from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES, NAME_FAMILIES
from kong_plugins.aws_masker.pseudonym.addresses import Derived, Network
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.pseudonymizer import Pseudonymizer
from kong_plugins.aws_masker.restoring import StreamRestorer, restore
from kong_plugins.aws_masker.settings import CustomPattern, Settings
from kong_plugins.aws_masker.spreading import Spreader, spellings, spreads
from kong_plugins.aws_masker.text import Entry, Lookup, Memory, NoMemory, Text

__all__ = ["Masker", "StreamRestorer", "restore"]

_NO_MEMORY = NoMemory()
_TENANTS_AT_HAND = 64
"""Tenants whose remembered names are kept ready to be searched for."""


class Document:
    """The texts of a request in one buffer, and where each of them lies."""

    def __init__(self, texts: Sequence[Text]) -> None:
        pieces: list[bytes] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        length = 0
        for text in texts:
            before = b'\x00"' + text.key + b'": "' if text.key else b"\x00"
            pieces += (before, text.value, b'"' if text.key else b"")
            self.starts.append(length + len(before))
            self.ends.append(length + len(before) + len(text.value))
            length = self.ends[-1] + len(pieces[-1])
        self.buffer = b"".join(pieces)

    def parts(self, span: Span) -> Iterator[tuple[Span, int]]:
        """Yield what of `span` lies in a text, with the index of that text: all of it, unless a pattern ran too far."""
        index = max(0, bisect_right(self.starts, span.start) - 1)
        while index < len(self.starts) and self.starts[index] < span.end:
            start, end = max(span.start, self.starts[index]), min(span.end, self.ends[index])
            if start < end:
                yield (span if (start, end) == span[:2] else Span(start, end, span.family)), index
            index += 1


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
        wanted = [one for one in DETECTORS if self.enabled.intersection(one.families)]
        alone = [one for one in RUN_DETECTORS if self.enabled.intersection(one.families)]
        self._scanner = Scanner(wanted, alone)
        self._custom = (
            Scanner((), [_custom(one) for one in settings.custom_patterns]) if settings.custom_patterns else None
        )
        self._allowlist = Allowlist(settings)
        self._lock = Lock()
        self._remembered: LRUCache[int, tuple[Sequence[Entry], Spreader | None]] = LRUCache(_TENANTS_AT_HAND)

    def session(self, tenant: str = "", memory: Memory = _NO_MEMORY) -> Session:
        """Begin the masking of one request of `tenant`."""
        return Session(self, Pseudonymizer(Prf(self._key, tenant), self.settings.preserve_structure), memory)

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

    def spans(self, document: Document) -> list[Span]:
        """Return the spans whose family is switched on and whose value is not on the allowlist."""
        buffer = document.buffer
        spans = self._scanner.scan(buffer)
        if self._custom is not None:  # in each text by itself: a user's pattern may run on, or ask for a text's end
            for start, end in zip(document.starts, document.ends, strict=True):
                own = self._custom.scan(buffer[start:end])
                spans += [Span(start + span.start, start + span.end, span.family) for span in own]
            spans = resolve(spans)
        return [span for span in spans if self.wants(buffer, span)]

    def remembered(self, names: Sequence[Entry]) -> Spreader | None:
        """Return what finds the names that a tenant's memory holds; made anew only for a sequence not seen before."""
        if not names:
            return None
        with self._lock:
            known = self._remembered.get(id(names))
        if known is None or known[0] is not names:
            families: dict[bytes, str] = {}
            for value, family in names:
                if spreads(family, value):
                    families.update((spelling, family) for spelling in spellings(family, value))
            known = (names, Spreader(families) if families else None)
            with self._lock:
                self._remembered[id(names)] = known  # holds `names`, so that the id stays its own
        return known[1]

    def wants(self, buffer: bytes, span: Span) -> bool:
        """Tell whether `span` is to be masked by the settings."""
        on = span.family in self.enabled or span.family.startswith(CUSTOM_PREFIX)
        return on and not self._allowlist.allows(buffer[span.start : span.end])


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

    def __init__(self, masker: Masker, pseudonymizer: Pseudonymizer, memory: Memory) -> None:
        self._masker = masker
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
        document = Document(texts)
        buffer = document.buffer
        pieces: dict[int, list[bytes]] = {}
        done = document.starts.copy()
        counts: Counter[str] = Counter(self.counts)
        for span, owner in self._find(document):
            placeholder = self._placeholder(span.family, buffer[span.start : span.end])
            if placeholder is None:
                continue
            counts[span.family] += 1
            pieces.setdefault(owner, []).extend((buffer[done[owner] : span.start], placeholder))
            done[owner] = span.end
        self.counts = dict(counts)
        masked: list[bytes | None] = [None] * len(texts)
        for owner, parts in pieces.items():
            masked[owner] = b"".join((*parts, buffer[done[owner] : document.ends[owner]]))
        return masked

    def inspect(self, texts: Sequence[Text]) -> dict[str, int]:
        """Count by family what would be masked, without masking: for signed blocks that must not be touched."""
        return dict(Counter(span.family for spans in self.scan(texts) for span in spans))

    def scan(self, texts: Sequence[Text]) -> list[list[Span]]:
        """Return for each text the spans that would be masked, in order, without overlaps."""
        document = Document(texts)
        found: list[list[Span]] = [[] for _ in texts]
        for span, owner in self._find(document):
            if not self._owns(span.family, document.buffer[span.start : span.end]):
                start = document.starts[owner]
                found[owner].append(Span(span.start - start, span.end - start, span.family, span.spread))
        return found

    def _find(self, document: Document) -> Iterator[tuple[Span, int]]:
        """Yield the spans in order, each with the index of its text; one name has one family in the whole request."""
        buffer = document.buffer
        spans = self._masker.spans(document)
        self._masked_before = self._is_masked_text([(span.family, buffer[span.start : span.end]) for span in spans])
        certain = self._certain(buffer, spans)
        remembered = self._masker.remembered(self._memory.names())
        spreaders = [Spreader(certain)] if certain else []
        spreaders += [remembered] if remembered is not None else []
        if spreaders:
            more = (span for spreader in spreaders for span in spreader.spans(buffer))
            spans = resolve((*spans, *(span for span in more if self._masker.wants(buffer, span))))
        for whole in spans:
            for span, owner in document.parts(whole):
                family = certain.get(buffer[span.start : span.end]) if span.family in NAME_FAMILIES else None
                yield (span if family is None else span._replace(family=family)), owner

    def _certain(self, buffer: bytes, spans: Iterable[Span]) -> dict[bytes, str]:
        """Return the values of this request that are to be masked wherever they stand, and their families.

        The first place in a request decides a name's family, so that what is appended later changes nothing before it.
        """
        certain: dict[bytes, str] = {}
        for span in spans:
            value = buffer[span.start : span.end]
            if (
                value not in certain
                and span.spread
                and spreads(span.family, value)
                and not self._owns(span.family, value)
            ):
                certain.update((spelling, span.family) for spelling in spellings(span.family, value))
        return certain

    def _is_masked_text(self, values: Sequence[tuple[str, bytes]]) -> bool:
        """Tell whether the private IPv4 addresses of a text are placeholders already; they cannot prove it themselves.

        They are if the text has other values and each of these proves to be ours, since masking would not have left a
        foreign one; or if every address is remembered as a placeholder, and none as an address. An address that has
        never been masked passes by that only if it is alone in its request and equals one of n remembered placeholders:
        with a probability of n / 2**24 in 10.0.0.0/8.
        """
        others = [value for value in values if not _is_private_v4(*value)]
        if others and all(self._owns(*value) for value in others):
            return True
        inside = [value for value in values if _is_private_v4(*value)]
        return bool(inside) and all(self._is_remembered_placeholder(*value) for value in set(inside))

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
        if key not in self._owned:
            self._owned[key] = self._pseudonymizer.owns(family, value)
        return self._owned[key]

    def _placeholder(self, family: str, value: bytes) -> bytes | None:
        """Return the placeholder for `value`, or None if it is one itself."""
        key = (family, value)
        if key not in self._assigned:
            if self._owns(family, value):
                self._assigned[key] = None
                if (entry := self._memory.entry(value)) is not None:
                    self.known[value] = entry
            else:
                self._assigned[key] = self._assign(family, value)
        return self._assigned[key]

    def _assign(self, family: str, value: bytes) -> bytes:
        for make in (self._pseudonymizer.placeholder, self._pseudonymizer.opaque):
            placeholder = make(family, value)
            held = self.mapping.get(placeholder) or self._memory.entry(placeholder)
            if held is None or held.value == value:
                self.mapping[placeholder] = Entry(value, family)
                return placeholder
        raise MaskingFailed("no free placeholder")


def _is_private_v4(family: str, value: bytes) -> bool:
    return family == "private_ip" and b":" not in value
