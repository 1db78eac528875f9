"""Answers of models: placeholders of every family in all spellings, pieces of them, and anything else."""

from __future__ import annotations

from hypothesis import strategies as st

from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES
from kong_plugins.aws_masker.pseudonym.addresses import account, address
from kong_plugins.aws_masker.pseudonym.heads import FORMS, opaque_head
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.shapes import OPAQUE

_PRF = Prf(bytes(range(32)), "")
ACCOUNTS = {account(_PRF, value): value for value in (b"4" * 12, b"0" + b"5" * 11)}
"""Of account ids that are their own values; one of them is no number in JSON."""

_NUMBERS = (
    *ACCOUNTS,
    account(_PRF, b"4444-5555-6666"),
    *(
        address(_PRF, "private_ip", value)
        for value in (
            b"10.1.2.3", b"10.1.0.0/16", b"172.16.3.4", b"172-16-3-4", b"192.168.7.0/24", b"100.64.1.1",
            b"fd12:3456:789a::1", b"fd12:3456:789a::/48",
        )
    ),
    *(address(_PRF, "public_ip", value) for value in (b"3.4.5.6", b"3-4-5-6", b"3.4.0.0/16", b"2a05:d018::1")),
)  # fmt: skip

PLACEHOLDERS: list[bytes] = [
    *(shape.make(_PRF, head, family, b"value") for family, forms in FORMS.items() for head, shape in forms),
    *(OPAQUE.make(_PRF, opaque_head(family), family, b"value") for family in FAMILIES),
    *(OPAQUE.make(_PRF, opaque_head(CUSTOM_PREFIX + name), "custom", b"value") for name in ("x", "badge_number")),
    *_NUMBERS,
]
"""At least one of each family and each of its forms."""

MAPPING = {placeholder: b'<%d"\\\xc3\xa9\n\x7f\xed\xa0\xbd>' % at for at, placeholder in enumerate(PLACEHOLDERS)}
MAPPING |= ACCOUNTS
"""Values with all that JSON escapes, and a lone surrogate."""

_HYPHENS = st.sampled_from(
    (
        b"-",
        b"\\-",
        b"\\\\-",
        b"\\\\\\-",
        b"&#45;",
        b"&#x2D;",
        b"&#x2d;",
        b"&hyphen;",
        b"\xe2\x80\x90",
        b"\xe2\x80\x91",
        b"\xe2\x80\x93",
        b"\xe2\x88\x92",
    )
)
_BREAKS = st.sampled_from((b"\n", b"\r\n", b"\n    ", b"\n> ", b"\n |\t"))


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """A placeholder as a model may write it."""
    text = draw(st.sampled_from(PLACEHOLDERS))
    for change in draw(st.lists(st.sampled_from(("case", "hyphen", "hyphens", "break", "cut", "tail")), max_size=2)):
        place = draw(st.integers(0, len(text)))
        if change == "case":
            text = draw(st.sampled_from((text.upper(), text.lower(), text.title(), text.swapcase())))
        elif change == "hyphen":
            text = text.replace(b"-", draw(_HYPHENS), 1)
        elif change == "hyphens":
            text = text.replace(b"-", draw(_HYPHENS))
        elif change == "break":
            text = text[:place] + draw(_BREAKS) + text[place:]
        else:
            text = text[:place] if change == "cut" else text[place:]
    return text


_PARTS = st.sampled_from(
    (
        b"", b" ", b"7", b"12", b"aced", b"AWS", b"AWSSECRET", b"i-", b"2001:db8:", b"fc", b"10.", b"::",
        b"/24", b"/", b"-",
        b"&#4",
        b"&", b"\\", b"\xe2\x80", b"\r", b"\n", b"\\n", b"%3A", b"%20",
        b"\\u0020", b"\x1b[31m", b"\\u001b[1;31m", b"\\x1b[m", b".",
        b"0123456789" * 3, b"f" * 40, b"AWSCUSTOM" + b"Z" * 60,
    )
)  # fmt: skip
answers = st.lists(st.one_of(spelled(), spelled(), _PARTS, st.binary(max_size=6)), max_size=10).map(b"".join)
places = st.lists(st.integers(0, 1 << 16), max_size=12)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Cut `data` at places, taken modulo its length."""
    ends = sorted({place % (len(data) + 1) for place in at} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
