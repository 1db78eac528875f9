"""Secret access keys, session tokens and Bedrock API keys.

A secret access key is 40 characters of base64's alphabet without any mark of its own. It is taken where a name beside
it says so, and otherwise where its characters are as mixed as those of random bytes; hex digests and words are not.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log2

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, escape_ends_at, look_back, run_end, starts_clean

_KEY_CHARS = bytes(sorted(ALNUM)) + b"/+"
_RUN_CHARS = frozenset(_KEY_CHARS + b"=_-")
_LOOK_BACK = 64
_KEY_LENGTH = 40
_SAYS_SECRET = Pattern(rb"(?i)secret[^\n\x00]{0,40}$|aws[a-z0-9_. -]{0,24}key[^0-9A-Za-z]{0,16}$")
_KEY_ID_BEFORE = Pattern(rb"A(?:KIA|SIA)[A-Z0-9]{16}[^0-9A-Za-z]{1,8}$")
_ENTROPY = 4.25
"""Bits a character; 40 random characters of the alphabet have 4.9 +- 0.1, words and paths mostly less than 4.2."""


def entropy(value: bytes) -> float:
    """Return the Shannon entropy of `value`, in bits a character."""
    return -sum(count / len(value) * log2(count / len(value)) for count in Counter(value).values())


_FEWEST_CHANGES = 15
"""Changes between small letters, capitals and digits; 40 random characters have 25 +- 3.5, names such as
`PolicyV1beta1RuntimeClassStrategyOptions` half of that."""
_KINDS_OF_CHARACTER = bytes(
    2 if 97 <= byte <= 122 else 1 if 65 <= byte <= 90 else 0 if 48 <= byte <= 57 else 3 for byte in range(256)
)


def _changes(value: bytes) -> int:
    kinds = value.translate(_KINDS_OF_CHARACTER)
    return sum(one != next_one for one, next_one in pairwise(kinds))


def _looks_random(value: bytes) -> bool:
    return (
        any(97 <= byte <= 122 for byte in value)
        and any(65 <= byte <= 90 for byte in value)
        and sum(48 <= byte <= 57 for byte in value) >= 2
        and value.count(b"/") <= 3
        and entropy(value) > _ENTROPY
        and _changes(value) >= _FEWEST_CHANGES
        and _letters_in_words(value) < _MOST_IN_WORDS
        and not _is_encoded_text(value)
    )


_MOST_IN_WORDS = 18
"""Small letters in runs of four and more; 40 random characters have 3 +- 3, names of classes and paths 20 and more."""
_ONLY_SMALL = bytes(byte if 97 <= byte <= 122 else 32 for byte in range(256))


def _letters_in_words(value: bytes) -> int:
    return sum(len(run) for run in value.translate(_ONLY_SMALL).split() if len(run) >= 4)


def _is_encoded_text(value: bytes) -> bool:
    """Tell whether `value` is base64 of printable text: 30 random bytes are that once in 10**13."""
    return b64decode(value).isascii() and b64decode(value).decode("ascii").isprintable()


_ESCAPED = ((b"\\\\/", b"/"), (b"\\/", b"/"), *((code, b"/") for code in (b"\\u002F", b"\\u002f", b"%2F", b"%2f")))
_ESCAPED += tuple((code, b"+") for code in (b"\\u002B", b"\\u002b", b"%2B", b"%2b"))
"""How JSON of .NET and PHP and URLs write the two characters of base64 that are no letters."""


def _unescaped(value: bytes) -> bytes:
    if b"\\" in value or b"%" in value:
        for code, plain in _ESCAPED:
            value = value.replace(code, plain)
    return value


def _own_start(text: bytes, start: int) -> int:
    """Return where a run that begins at `start` begins without the remains of an escape, or -1 if it is a part only."""
    before = text[start - 1 : start]
    if before in (b"\\", b"[", b";", b"%"):  # `\nwJalr...`, ESC[32mwJalr...
        escape = next((width for width in range(1, 6) if escape_ends_at(text, start + width)), 0)
        return start + escape
    return start if not before or before[0] not in _RUN_CHARS or before == b"=" else -1  # KEY=wJalr...


_ENCODED_LENGTHS = {(54, b"=="): 40, (55, b"="): 41}
"""Characters of base64 before the padding: of a key, and of a key and the line end that `echo` adds."""


def _is_encoded_key(text: bytes, start: int, end: int) -> bool:
    """Tell whether the run is base64 of a secret access key, as in Secrets of Kubernetes."""
    padding = text[end : end + 3].rstrip(b"\"'\\ \t\r\n,}\x00")
    if (end - start, padding) not in _ENCODED_LENGTHS:
        return False
    key = b64decode(text[start:end] + padding).removesuffix(b"\n")
    if len(key) != _KEY_LENGTH or key.translate(None, _KEY_CHARS):
        return False
    return _looks_random(key) or (
        _SAYS_SECRET.search(look_back(text, start, _LOOK_BACK)) is not None and _may_be_key(key)
    )


def _find_run(text: bytes, start: int, end: int) -> Sequence[Span]:
    start = _own_start(text, start)
    if start >= 0 and text[end : end + 1] == b"=" and _is_encoded_key(text, start, end):
        return (Span(start, end, "secret_key", spread=True),)
    if start < 0 or (end < len(text) and text[end] in _RUN_CHARS):
        return ()
    value = _unescaped(text[start:end])
    if len(value) > _KEY_LENGTH and len(value) == end - start:  # a path's slashes before it
        slashes = min(len(value) - len(value.lstrip(b"/")), len(value) - _KEY_LENGTH)
        start, value = start + slashes, value[slashes:]
    if len(value) != _KEY_LENGTH:
        return ()
    before = look_back(text, start, _LOOK_BACK)
    if _KEY_ID_BEFORE.search(before) or _looks_random(value) or (_SAYS_SECRET.search(before) and _may_be_key(value)):
        return (Span(start, end, "secret_key", spread=True),)
    return ()


def _may_be_key(value: bytes) -> bool:
    """Tell whether a value behind the word secret is neither a hex digest nor a path of plain words."""
    return bool(value.strip(b"0123456789abcdef")) and value.count(b"/") <= 5 and not value.islower()


SECRET_KEY = Detector(
    name="secret_key",
    families=("secret_key",),
    summary="secret access keys: 40 characters of base64's alphabet, by the name beside them or by their entropy",
    # a run of its own pass: it may be long, and must not hide what stands inside it from the other detectors
    run=(_KEY_CHARS + b"\\%", _KEY_LENGTH),
    pattern=rb"(?:[A-Za-z0-9/+]|\\{1,2}/|\\u002[BbFf]|%2[BbFf]){40,}",
    find=_find_run,
    positives=(
        "aws_secret_access_key = «" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "QRSTUVWX12»",
        "SecretAccessKey: «" + "abcdefghijABCDEFGHIJabcdefghij" + "ABCDEFGHIJ»",
        "AWS_SECRET_ACCESS_KEY: «"
        + b64encode(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + b"QRSTUVWX12").decode().rstrip("=")
        + "»==",
        "found «" + "q1W2e3R4t5Y6u7I8o9P0a1S2d3F4" + "g5H6j7K8l9Z0» in the dump",
    ),
    negatives=(
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "secret_version da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "com/amazonaws/services/s3/model/AmazonS3Exc",
        "PolicyV1beta1RuntimeClassStrategyOptions",
        "[x](docs/V1alpha2PodGroupResourceClaimStatus.md)",
        '"!UGF0aWVuY2UgaXMgdGhlIGtleSB0byBzdWNjZXNz"',
    ),
)


_TOKEN_CHARS = bytes(sorted(ALNUM)) + b"/+=_%-"
_SHORTEST_TOKEN = 60
"""Real tokens have several hundred characters; shorter ones are words and examples that were cut."""


def _find_token(text: bytes, start: int, end: int) -> Sequence[Span]:
    if text[start : start + 1] in b"sS":  # the candidate is a name and its separator, the token stands behind it
        start = end
    elif not starts_clean(text, start):
        return ()
    end = _token_end(text, start)
    return (Span(start, end, "session_token"),) if end - start >= _SHORTEST_TOKEN else ()


_TOKEN_GOES_ON = Pattern(rb"\\{1,2}/|\\u00(?:2[BbFf]|3[Dd])|(?:\\r)?\\n[ \t]{0,16}|\r?\n[ \t]{0,16}")
_SHORTEST_LINE = 60
"""Tokens are wrapped at 64 or 76 characters: by base64, in YAML blocks, in mails."""


def _token_end(text: bytes, start: int) -> int:
    """Return where a token ends that may hold escapes, or be wrapped into lines."""
    line = start
    while True:
        end = run_end(text, start, _TOKEN_CHARS)
        further = end + max(0, _TOKEN_GOES_ON.match(text[end : end + 20]))
        if further == end:
            return end
        if text[end : end + 2] not in (
            b"\\/",
            b"\\u",
            b"\\\\",
        ):  # a line end: behind a full line only
            if end - line < _SHORTEST_LINE or run_end(text, further, _TOKEN_CHARS) - further < _SHORTEST_LINE // 4:
                return end
            line = further
        start = further


SESSION_TOKEN = Detector(
    name="session_token",
    families=("session_token",),
    summary="STS session tokens, by their beginning or by the name beside them",
    # the beginnings are those of all tokens seen since 2015; STS promises neither a beginning nor a length
    pattern=rb"IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz|[FA]QoDYXdz|AQoEXAMPLE"
    rb"|(?i:session[_-]?token|security[_-]?token)(?:\\{0,3}[\"'])?[ \t]{0,8}(?:[:=>|]|%3D)[ \t]{0,8}(?:\\{0,3}[\"'])?",
    find=_find_token,
    positives=(
        "«" + "IQoJb3JpZ2lu" + "X2VjEA" * 20 + "»",
        "aws_session_token = «" + "Abc123/+" * 14 + "==»",
        "X-Amz-Security-Token=«" + "IQoJb3JpZ2lu" + "X2VjEA%2F" * 20 + "»&X-Amz-Date=1",
    ),
    negatives=("IQoJb3JpZ2luX2Vj short", "session_token = os.environ['AWS_SESSION_TOKEN']"),
)


def _find_bedrock(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start):
        return ()
    end = run_end(text, end, _KEY_CHARS)
    end = run_end(text, end, b"=")
    return (Span(start, end, "bedrock_key"),) if end - start >= 36 else ()


BEDROCK_KEY = Detector(
    name="bedrock_key",
    families=("bedrock_key",),
    summary="Bedrock API keys, long-term (`ABSK`) and short-term (`bedrock-api-key-`)",
    pattern=rb"ABSK|bedrock-api-key-",
    find=_find_bedrock,
    positives=(
        "AWS_BEARER_TOKEN_BEDROCK=«" + "ABSK" + "QmVkcm9ja0FQSUtleS" * 6 + "==»",
        "«bedrock-api-key-" + "YmVkcm9jay5hbWF6b25hd3MuY29t" * 4 + "=»",
    ),
    negatives=("ABSK", "bedrock-api-key-", "bedrock-api-key-name"),
)

_KEY_ID = Pattern(rb"A[KS]IA[A-Z2-7]{16}")
_TOKEN_BEGINS = b"IQoJb3JpZ2lu"
_SHIFTED = (
    *((b"QUtJQ", 0), (b"QVNJQ", 0), (b"FLSU", 1), (b"FTSU", 1), (b"BS0lB", 2), (b"BU0lB", 2)),
    *((b"SVFvSmIzSnBaMmx1", 0), (b"lRb0piM0pwWjJsd", 1), (b"JUW9KYjNKcFoybH", 2)),
)
"""What base64 makes of `AKIA`, `ASIA` and a token's beginning, by how many bytes of three stand before them."""
_CHARACTERS_BEFORE = (0, 2, 3)
"""Characters of base64 that begin before the value, by the same."""


def _find_encoded(text: bytes, start: int, end: int) -> Sequence[Span]:
    """Base64 of a credential, and what follows it: in files the secret key stands behind the key's id."""
    shift = next(shift for begin, shift in _SHIFTED if text.startswith(begin, start))
    first = start - _CHARACTERS_BEFORE[shift]
    encoded = text[max(first, 0) : first + 32]
    if first < 0 or len(encoded) < 28 or encoded.strip(_KEY_CHARS + b"="):
        return ()
    value = b64decode(encoded[: len(encoded) // 4 * 4] + b"====")[shift:]
    if not value.startswith(_TOKEN_BEGINS) and _KEY_ID.fullmatch(value[:20]) <= 0:
        return ()
    return (Span(first, _token_end(text, first), "secret_key"),)


ENCODED = Detector(
    name="encoded_credential",
    families=("secret_key",),
    summary="access keys and session tokens in base64, as in Secrets of Kubernetes, and what follows them there",
    pattern=rb"(?:" + b"|".join(begin for begin, _ in _SHIFTED) + rb")[A-Za-z0-9+/]{8}",
    find=_find_encoded,
    positives=tuple(
        f"data: {kept}«{encoded[len(kept) :]}»"
        for kept, text in (
            ("", "AKIA" + "QX4YZ7B2C3D5E6FA"),
            ("", "ASIA" + "QX4YZ7B2C3D5E6FA" + " wJalrXUtnFEMI/K7MDENG"),
            ("eDog", "x: " + "AKIA" + "QX4YZ7B2C3D5E6FA\n"),
            ("", "x" + "AKIA" + "QX4YZ7B2C3D5E6FA\n"),
            ("", "xy" + "IQoJb3JpZ2lu" + "X2VjEA" * 20),
        )
        if (encoded := b64encode(text.encode()).decode())
    ),
    negatives=("QUtJQSBpcyBhIHByZWZpeCBvZiBrZXlz", "FLSU0123456789abcdefghijklmnop"),
)
