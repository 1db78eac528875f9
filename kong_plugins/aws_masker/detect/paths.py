"""Names behind a path that says what they are: the console's addresses, CodeCommit's, calls of the SDKs."""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.bucket import bucket_span
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, run_end
from kong_plugins.aws_masker.detect.words import is_word

_FAMILIES: tuple[tuple[bytes, str], ...] = (
    (b"/v1/repos/", "repository"),
    (b"://", "repository"),
    (b"/functions/", "function"),
    (b"/clusters/", "cluster"),
    (b"secret?name=", "secret"),
    (b"table?name=", "table"),
    (b"stackName=", "stack"),
    (b"Table(", "table"),
    (b"Queue(", "queue"),
)
_NAME_CHARS = bytes(sorted(ALNUM)) + b"._-"


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    anchor = text[start:end].rstrip(b"\"'")
    if anchor.startswith(b"s3/"):
        return bucket_span(text, end)
    family = next(family for suffix, family in _FAMILIES if anchor.endswith(suffix))
    stop = run_end(text, end, _NAME_CHARS)
    stop -= len(text[end:stop]) - len(text[end:stop].rstrip(b".-_"))
    if stop - end < 2 or (is_word(text[end:stop]) and not anchor.startswith(b"/v1")):
        return ()
    return (Span(end, stop, family, spread=True),)


DETECTOR = Detector(
    name="paths",
    families=("repository", "function", "cluster", "secret", "table", "stack", "queue", "bucket"),
    summary="names in the console's addresses, CodeCommit's, and calls of the SDKs",
    pattern=(
        rb"/v1/repos/|codecommit::[a-z0-9-]{4,24}://(?:[a-z0-9-]{1,32}@)?|#/functions/|s3/(?:buckets|object)/"
        rb"|(?:eks|ecs)/(?:home[^ \"'<>]{0,40}#?/|v2/)clusters/|secret\?name=|table\?name=|stackName="
        rb"|(?:dynamodb|ddb|dynamo)\.Table\([\"']|get_queue_by_name\(QueueName=[\"']|\.Queue\([\"']"
    ),
    find=_find,
    positives=(
        "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/«billing»",
        "git clone codecommit::eu-west-1://«billing-api»",
        "https://eu-west-1.console.aws.amazon.com/lambda/home?region=eu-west-1#/functions/«billing-7»?tab=code",
        "https://s3.console.aws.amazon.com/s3/buckets/«acme-prod-logs»?region=eu-west-1",
        'dynamodb.Table("«orders-7»")',
    ),
    negatives=("#/functions/", "codecommit::eu-west-1://", "dynamodb.Table(name)", "s3/buckets/"),
)
