"""The seal between the proxy and the plugin in the Kong behind it (`aws-masker proxy --kong`).

The proxy must not send a request to a Kong that does not mask: a route without the plugins, another service at that
address, one node of several that was set up wrongly. A check beforehand could be true of another route, node or moment.
So the body goes to Kong encrypted, and only the plugin, which has the masking key, can read it: whoever else gets it,
the LLM API included, gets noise. In the answer the plugin proves that it was there.

    X-AWS-Masker-Seal: <salt>      in the request, 16 random bytes in hex; the plugin takes it off
    X-AWS-Masker-Opened: <proof>   in the answer, 32 bytes in hex; the proxy takes it off

From masking key and salt come, by HKDF-SHA256 (RFC 5869), the body's key (AES-256-GCM; each key is used once, so that
its nonce is fixed) and the proof. A request without a body has the header all the same.
"""

from __future__ import annotations

import secrets
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kong_plugins.aws_masker.errors import NotMasked
from kong_plugins.aws_masker.wire.headers import Headers, values

SEAL = b"x-aws-masker-seal"
OPENED = b"x-aws-masker-opened"

_SALT_SIZE = 16
_KEY_SIZE = 32
_NONCE = bytes(12)
_INFO = b"aws-masker seal 1"


class Seal:
    """The seal of one request, as both sides see it."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        """`key`: the masking key; `salt`: 16 bytes that were never used before."""
        derived = HKDF(SHA256(), 2 * _KEY_SIZE, salt=salt, info=_INFO).derive(key)
        self._cipher = AESGCM(derived[:_KEY_SIZE])
        self.salt = salt.hex()
        self.proof = derived[_KEY_SIZE:].hex()

    def close(self, body: bytes) -> bytes:
        """Return the body as only the holder of the key can read it; no body stays none."""
        return self._cipher.encrypt(_NONCE, body, None) if body else b""

    def open(self, sealed: bytes) -> bytes:
        """Return the body.

        Raises:
            NotMasked: it was sealed with another key, or changed on the way.
        """
        try:
            return self._cipher.decrypt(_NONCE, sealed, None) if sealed else b""
        except InvalidTag:
            raise NotMasked("the proxy in front of Kong has another masking key, or the body was changed") from None

    def is_proven(self, headers: Headers) -> bool:
        """Return whether an answer's headers hold the proof that the plugin opened the request."""
        return any(compare_digest(given, self.proof.encode()) for given in values(headers, OPENED))


def new_seal(key: bytes) -> Seal:
    """Return a seal for a request."""
    return Seal(key, secrets.token_bytes(_SALT_SIZE))


def seal_of(headers: Headers, key: bytes) -> Seal | None:
    """Return the seal that a request came with, if it came with one.

    Raises:
        NotMasked: the header is not as the proxy writes it.
    """
    given = values(headers, SEAL)
    if not given:
        return None
    try:
        salt = bytes.fromhex(given[0].decode("ascii"))
    except ValueError:
        salt = b""
    if len(given) > 1 or len(salt) != _SALT_SIZE:
        raise NotMasked("the header of the proxy's seal is malformed")
    return Seal(key, salt)
