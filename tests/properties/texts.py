"""Strategies: texts with values planted at arbitrary places, and the helpers to mask and restore them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from hypothesis import strategies as st

from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Entry, Lookup, Text
from tests.planted.arns import ARNS
from tests.planted.carriers import CARRIERS
from tests.planted.documents import DOCUMENTS
from tests.planted.hosts import HOSTS, URIS
from tests.planted.ids import IDS
from tests.planted.model import Planted
from tests.planted.names import NAMED
from tests.planted.negatives import NEGATIVES

KEY = bytes(range(32))
DEFAULTS = Settings()
SHAPED: tuple[Planted, ...] = tuple(p for p in (*IDS, *ARNS, *HOSTS, *URIS) if p.shaped)
ALL: tuple[Planted, ...] = (*IDS, *ARNS, *HOSTS, *URIS, *NAMED, *DOCUMENTS)

# The characters that detectors and placeholders care for, so that arbitrary texts come near them.
_SIGNS = st.text(alphabet="-./:_=\"'\\ \n\r\t@%+0123456789abcdefAKISZz{}[]<>|,;&ä한😀", max_size=12)
_WORDS = st.sampled_from(
    (
        "arn:aws:",
        "s3://",
        "i-",
        "bucket",
        '"Bucket": "',
        "--bucket ",
        ".amazonaws.com",
        "account ",
        "10.",
        "\\n",
        "fd00:",
    )
)
filler = st.one_of(_SIGNS, _WORDS, st.text(max_size=20), st.sampled_from(sorted(NEGATIVES.values(), key=len)[:40]))


@st.composite
def carried(draw: st.DrawFn) -> str:
    """One planted value in one carrier that fits."""
    planted = draw(st.sampled_from(ALL))
    fitting = [carrier for carrier in CARRIERS if planted.kind in carrier.kinds]
    return draw(st.sampled_from(fitting)).write(planted) if fitting else planted.text


texts = st.lists(st.one_of(filler, carried(), st.sampled_from(SHAPED).map(lambda p: p.text)), max_size=8).map("".join)
"""Arbitrary text with planted values anywhere in it, borders or not."""

surrogates = st.lists(st.one_of(texts, st.sampled_from(("\ud800", "\udfff", "\udc00x"))), max_size=4).map("".join)
encoded = st.one_of(texts.map(str.encode), surrogates.map(lambda text: text.encode("utf-8", "surrogatepass")))
"""UTF-8, lone surrogates in their 3-byte form."""

junk = st.lists(st.one_of(st.binary(max_size=40), encoded), max_size=5).map(b"".join)
"""Arbitrary bytes between values."""

keys = st.sampled_from([b"", b"Bucket", b"FunctionName", b"AccountId", b"text", b"KeyId", b"DBName"])
requests = st.lists(st.builds(Text, encoded, keys), min_size=1, max_size=4)
"""The texts of one request."""


@cache
def masker(settings: Settings = DEFAULTS, key: bytes = KEY) -> Masker:
    """Build a masker once for each key and settings."""
    return Masker(settings, key)


def lookup_in(mapping: Mapping[bytes, Entry]) -> Lookup:
    """Return the lookup of one mapping."""

    def lookup(placeholder: bytes) -> bytes | None:
        entry = mapping.get(placeholder)
        return None if entry is None else entry.value

    return lookup


def mask(request: Sequence[Text], by: Masker, tenant: str = "") -> tuple[list[bytes], dict[bytes, Entry]]:
    """Mask a request; return all its texts as they go out, and the mapping."""
    session = by.session(tenant)
    results = session.mask(request)
    return [t.value if new is None else new for t, new in zip(request, results, strict=True)], session.mapping
