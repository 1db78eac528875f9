"""Values that are never masked."""

from __future__ import annotations

from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.settings import Settings

PRESETS: dict[str, tuple[bytes, ...]] = {
    "aws-documentation": (
        rb"123456789012|1234-5678-9012|111122223333|1111-2222-3333|444455556666|4444-5555-6666|777788889999"
        rb"|123456789[0-9]{3}|(?:0{12}|1{12}|2{12}|3{12}|4{12}|5{12}|6{12}|7{12}|8{12}|9{12})",
        rb"A[A-Z]{3}[A-Z0-9]*EXAMPLE[A-Z0-9]*",
        rb"[A-Za-z0-9/+]*EXAMPLE(?:KEY|TOKEN)?[A-Za-z0-9/+=]*",
        rb"(?:amzn-s3-demo|DOC-EXAMPLE|doc-example)-[A-Za-z0-9.-]*",
        rb"[a-z-]+-(?:0?1234567890?abcdef0?|1234567890abcdef0|0abcdef1234567890|11111111|12345678|1a2b3c4d|0123456789abcdef0)",
        rb"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]+(?:/[0-9]+)?|2001:db8:[0-9a-f:]+(?:/[0-9]+)?",
        rb"1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
}
"""Patterns by preset. `aws-documentation`: what AWS's writers use (AWS Style Guide, "Example values")."""


class Allowlist:
    """Says whether a value is allowed to pass; immutable."""

    def __init__(self, settings: Settings) -> None:
        self._exact = frozenset(value.encode() for value in settings.allowlist)
        patterns = [pattern.encode() for pattern in settings.allowlist_patterns]
        patterns += [pattern for preset in settings.allowlist_presets for pattern in PRESETS[preset]]
        joined = b"|".join(b"(?:" + pattern + b")" for pattern in patterns)
        self._fullmatch = Pattern(joined, characters=True).fullmatch if patterns else None

    def __bool__(self) -> bool:
        """Tell whether there is anything on it."""
        return bool(self._exact) or self._fullmatch is not None

    def allows(self, value: bytes) -> bool:
        """Tell whether `value` passes unmasked."""
        return value in self._exact or (self._fullmatch is not None and self._fullmatch(value))
