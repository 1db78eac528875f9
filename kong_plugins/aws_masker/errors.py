"""Every error of the project, drawn once.

    MaskerError
    ├── ConfigError            a setting, a key or a pattern is wrong        4001   500
    ├── RequestRefused         the request cannot be masked safely
    │   ├── UnreadableCoding   Content-Encoding unknown or broken            2003   415
    │   ├── UnsupportedContent a content type or charset with no known text  2003   415
    │   ├── MalformedBody      not the JSON, NDJSON or UTF-8 it claims       6002   422
    │   ├── BodyTooLarge       over the configured bound                     2004   413
    │   ├── TooManyHeaders     more headers than Kong hands to a plugin      2003   431
    │   ├── UpgradeRefused     another protocol: WebSocket, h2c              2003   426
    │   └── SignedBody         signed by AWS's SigV4, so it must not change  2005   400
    ├── MaskingFailed          masking itself failed                         2001   503
    ├── NotMasked              a request reached the guard without a mark    5002   503
    ├── VaultUnavailable       mappings cannot be read or kept               1001   503
    │   ├── VaultRefused       the store does not let us in                  1002   503
    │   └── VaultOperationFailed   the store could not do what it was asked  1003   503
    ├── RestoreFailed          restoring itself failed                       3001   500
    ├── UpstreamUnreachable    no connection, or a broken answer             7001   502
    └── UpstreamTimedOut       no answer in time                             7002   504

A message never holds a value: it is fixed wording plus, at most, a name from our own configuration. The codes continue
those of the plugin that this project replaces.
"""

from __future__ import annotations


class MaskerError(Exception):
    """Base of all errors of this project; `code`, `status` (HTTP) and a wording that is safe to show."""

    code = "AWS_MASKER_9999"
    status = 500
    wording = "unknown error"

    def __init__(self, detail: str = "") -> None:
        """`detail` refines the wording; it must never contain text from a request or response."""
        self.detail = detail
        super().__init__(f"{self.wording}: {detail}" if detail else self.wording)


class ConfigError(MaskerError):
    """A setting, a key or a pattern is wrong; raised when it is loaded."""

    code = "AWS_MASKER_4001"
    wording = "invalid configuration"


class RequestRefused(MaskerError):
    """The request cannot be masked safely, so nothing of it goes upstream."""

    code = "AWS_MASKER_2003"
    status = 415
    wording = "request refused"


class UnreadableCoding(RequestRefused):
    """The body's Content-Encoding is unknown, or the body is not validly encoded that way."""

    wording = "the request body's content encoding cannot be read"


class UnsupportedContent(RequestRefused):
    """The body's content type (or charset) may carry text in a shape that is not known here."""

    wording = "the request body's content type is not supported"


class MalformedBody(RequestRefused):
    """The body is not the JSON, NDJSON or UTF-8 text that it claims to be."""

    code = "AWS_MASKER_6002"
    status = 422
    wording = "the request body is malformed"


class BodyTooLarge(RequestRefused):
    """The body, as sent or decompressed, is over the configured bound (bytes)."""

    code = "AWS_MASKER_2004"
    status = 413
    wording = "the request body is too large"


class TooManyHeaders(RequestRefused):
    """Kong may have left headers out, so what the body is cannot be known."""

    status = 431
    wording = "the request has too many headers"


class UpgradeRefused(RequestRefused):
    """The client asks for another protocol (WebSocket, h2c), in which nothing could be masked."""

    status = 426
    wording = "only HTTP/1.1 requests can be masked"


class SignedBody(RequestRefused):
    """The body is under an AWS signature (SigV4) and would have to change. AWS would refuse it too, less clearly."""

    code = "AWS_MASKER_2005"
    status = 400
    wording = (
        "a request signed with AWS SigV4 cannot be masked, as masking changes what is signed; "
        "use a Bedrock API key, or let a gateway behind the masker sign"
    )


class MaskingFailed(MaskerError):
    """Masking failed for a reason of our own; nothing goes upstream."""

    code = "AWS_MASKER_2001"
    status = 503
    wording = "masking failed"


class NotMasked(MaskerError):
    """The masking plugin did not see this request, or failed on it: the guard (the Lua plugin) stops it."""

    code = "AWS_MASKER_5002"
    status = 503
    wording = "the request was not masked"


class VaultUnavailable(MaskerError):
    """Mappings can be neither read nor kept, and `redis_fallback` is off."""

    code = "AWS_MASKER_1001"
    status = 503
    wording = "the mapping store is not available"


class VaultRefused(VaultUnavailable):
    """The store does not take our user and password, or does not let that user do what it has to."""

    code = "AWS_MASKER_1002"
    wording = "the mapping store refuses access"


class VaultOperationFailed(VaultUnavailable):
    """The store could not do what it was asked: its memory is full, say."""

    code = "AWS_MASKER_1003"
    wording = "the mapping store failed"


class RestoreFailed(MaskerError):
    """Restoring an answer failed for a reason of our own."""

    code = "AWS_MASKER_3001"
    wording = "restoring the answer failed"


class UpstreamUnreachable(MaskerError):
    """The LLM API cannot be reached, or broke off before an answer began."""

    code = "AWS_MASKER_7001"
    status = 502
    wording = "the upstream API cannot be reached"


class UpstreamTimedOut(MaskerError):
    """The LLM API did not answer in time."""

    code = "AWS_MASKER_7002"
    status = 504
    wording = "the upstream API did not answer in time"
