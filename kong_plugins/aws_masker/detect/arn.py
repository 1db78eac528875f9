r"""ARNs: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.

Partition, service, region, resource type and the separators stay; the account id and the names change, each by itself,
so that an account in an ARN is the same as in a registry's address, and a name in an ARN the same as on a command line.
Also percent-encoded (`arn%3Aaws%3A...`, as in the console's URLs) and with escaped slashes (`role\/x`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import REGION, UUID, Pattern
from kong_plugins.aws_masker.detect.resource_id import ANY_PREFIX as RESOURCE_PREFIXES
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, moved, run_end, starts_clean

PLAIN = bytes(sorted(ALNUM)) + b"_./:*?@+#=-"
_BODY = PLAIN + b"\x00"
_QUOTE = ord('"')
_LONGEST = 2048
"""Bytes; IAM allows 2,048 for an ARN."""
_ENCODED = ((b"%3A", b"\x00\x00:"), (b"%3a", b"\x00\x00:"), (b"%2F", b"\x00\x00/"), (b"%2f", b"\x00\x00/"))

_BY_SERVICE = {
    b"s3": "bucket", b"sns": "topic", b"sqs": "queue", b"dynamodb": "table", b"lambda": "function",
    b"kinesis": "stream",
    b"rds": "database", b"logs": "loggroup", b"secretsmanager": "secret", b"ssm": "parameter", b"ecr": "repository",
    b"codecommit": "repository", b"cloudformation": "stack", b"eks": "cluster", b"ecs": "cluster",
    b"elasticache": "cluster", b"kafka": "cluster", b"redshift": "cluster", b"elasticmapreduce": "cluster",
    b"elasticloadbalancing": "load_balancer", b"firehose": "stream", b"docdb": "database", b"neptune": "database",
}  # fmt: skip
_BY_TYPE = {
    b"role": "role", b"assumed-role": "role", b"instance-profile": "role", b"user": "user", b"federated-user": "user",
    b"group": "group", b"policy": "policy", b"table": "table", b"function": "function", b"cluster": "cluster",
    b"log-group": "loggroup", b"secret": "secret", b"parameter": "parameter", b"repository": "repository",
    b"stack": "stack", b"alias": "alias", b"key-pair": "keypair", b"loadbalancer": "load_balancer",
    b"stream": "stream", b"deliverystream": "stream", b"distribution": "distribution", b"hostedzone": "hosted_zone",
    b"queue": "queue", b"topic": "topic", b"bucket": "bucket",
}  # fmt: skip
_WHOLE_REST = frozenset((b"secret", b"parameter"))
"""Types whose name may hold slashes and is one name all the same."""

_KEPT = frozenset(
    b"app net gwy listener listener-rule targetgroup index stream log-stream service-role aws-service-role "
    b"aws-reserved sso.amazonaws.com aws aws-managed root default latest LATEST instance cluster ecs eks lambda "
    b"rds codebuild apigateway restapis apis stages resources methods deployments authorizers GET POST PUT DELETE "
    b"PATCH HEAD OPTIONS ANY vpc task service container-instance task-definition task-set snapshot "
    b"cluster-snapshot es og pg subgrp cluster-pg ri db proxy target-group proxy-endpoint secgrp rds-snapshot "
    b"awsbackup backup export global-table backup stage endpoint topic error slowquery postgresql mysql audit "
    b"general dataplane application performance host containerinsights crawler job workflow trigger catalog "
    b"database userDefinedFunction connection workgroup rule event-bus event-source-mapping layer "
    b"code-signing-config hostedzone healthcheck change trafficpolicy nodegroup addon fargateprofile id "
    b"autoScalingGroupName webacl rulegroup ipset regexpatternset regional global identityprovider access-entry "
    b"podidentityassociation accesspoint object job outpost dimension-reduction".split()
)
_WITHOUT_TYPES = frozenset((b"sns", b"sqs", b"codecommit", b"codepipeline"))
"""Services whose ARNs name the resource right behind the account id."""
_PUBLIC_ROLES = (b"AWSServiceRoleFor",)
_PERMISSION_SET = b"AWSReservedSSO_"
_OF_AWS = Pattern(
    rb"(?:(?:AWS)?(?:Administrator|PowerUser|ReadOnly|ViewOnly|SystemAdministrator|DatabaseAdministrator|SecurityAudit)"
    rb"(?:Access)?|Billing|DataScientist|NetworkAdministrator|SupportUser|ServiceCatalog[A-Za-z]+Access)_"
)
"""Permission sets that IAM Identity Center offers; all others have names that a customer gave."""
_PUBLIC_TYPES = frozenset((b"foundation-model", b"default-prompt-router", b"system-defined-inference-profile"))
_VERSION = Pattern(rb"(?:v?[0-9]{1,6}|\$?LATEST)")
_LONGEST_VERSION = len("v123456")
_ADDED = Pattern(rb"-(?:[0-9A-Za-z]{6}|resource-[a-z2-7]{16}|AWSRESOURCE[A-Z2-7]{20})\z")
"""What Secrets Manager adds to a secret's name, or what stands for it in masked text."""
_UUID = Pattern(UUID)
_SHAPED = Pattern(
    rb"(?:"
    + RESOURCE_PREFIXES
    + rb")-(?:[0-9a-f]{8}|[0-9a-f]{17}|[0-9a-f]{32}|[0-9a-f]{40})|mrk-[0-9a-f]{32}|"
    + REGION
    + rb"(?:_[0-9A-Za-z]{9,55})?"
)
"""A region, or what another detector finds by its own shape."""


def _segments(text: bytes, start: int) -> list[tuple[int, int, bytes]]:
    """Split `text` at colons and slashes into (start, end, value)."""
    found = []
    for part in text.replace(b"/", b":").split(b":"):
        value = part.rstrip(b"\x00")
        found.append((start, start + len(value), value))
        start += len(part) + 1
    return found


def _pieces(start: int, value: bytes, family: str) -> Iterator[Span]:
    """Yield the span of a name, or of its literal pieces if it holds wildcards."""
    if value.endswith(b".fifo"):
        value = value[:-5]  # says what kind of queue or topic it is
    if value.startswith(_PERMISSION_SET):
        own = _own_part(value)
        start, value = start + own, value[own:]
    if b"*" not in value and b"?" not in value:
        yield Span(start, start + len(value), family, spread=True)
        return
    for piece in value.replace(b"?", b"*").split(b"*"):
        if len(piece.strip(b"-_./:")) >= 3:
            yield Span(start, start + len(piece), family)
        start += len(piece) + 1


def _is_kept(value: bytes) -> bool:
    """Tell whether a part of a resource is public: a type, a version, a wildcard, a role of AWS's own."""
    return (
        not value
        or value in _KEPT
        or value.startswith(_PUBLIC_ROLES)
        or (len(value) <= _LONGEST_VERSION and _VERSION.fullmatch(value))
        or not value.strip(b"*?.-_@#=+")
        or (b"-" in value and _SHAPED.fullmatch(value))
        or value.endswith(b".amazonaws.com")
    )


def _names(service: bytes, rest: bytes, start: int) -> Iterator[Span]:
    """Yield the names in the resource part `rest` that begins at `start`."""
    segments = _segments(rest, start)
    family = _BY_SERVICE.get(service, "resource")
    if service == b"s3" and segments[0][2] not in (b"accesspoint", b"job", b"storage-lens"):
        yield from _pieces(start, segments[0][2], "bucket")
        return
    if service == b"execute-api":
        yield from _pieces(start, segments[0][2], "endpoint")
        return
    if len(segments) > 1 and service not in _WITHOUT_TYPES:
        kind = segments.pop(0)[2]
        family = _BY_TYPE.get(kind, family)
        if kind in _PUBLIC_TYPES or (kind == b"alias" and segments[0][2] == b"aws"):
            return
        if kind in _WHOLE_REST:
            yield from _whole_rest(kind, rest[segments[0][0] - start :], segments[0][0])
            return
        if kind == b"key" and service == b"kms":
            family = "kms_key"
    for begin, _, value in segments:
        if _is_kept(value) and not (family == "alias" and value.isalpha()):
            continue
        if len(value) == 12 and value.isdigit():  # arn:aws:organizations::...:account/o-.../210987654321
            yield Span(begin, begin + 12, "account_id", spread=True)
        elif family in ("kms_key", "distribution", "hosted_zone"):
            yield Span(begin, begin + len(value), family, spread=True)
        else:
            yield from _pieces(begin, value, "resource" if len(value) == 36 and _UUID.fullmatch(value) else family)
        if family not in ("loggroup", "role", "user", "policy"):
            family = "resource"  # what follows the name belongs to it, but is something else


def _own_part(value: bytes) -> int:
    """Return where a customer's own part of a permission set's role begins: `AWSReservedSSO_NAME_0123456789abcdef`."""
    return len(_PERMISSION_SET) + max(0, _OF_AWS.match(value[len(_PERMISSION_SET) :]))


def _whole_rest(kind: bytes, rest: bytes, start: int) -> Iterator[Span]:
    family = _BY_TYPE[kind]
    name = rest.split(b":")[0].rstrip(b"\x00")
    if kind == b"secret" and (added := _ADDED.search(name)) is not None:
        # Secrets Manager adds a hyphen and six characters to every name; the name stands elsewhere without them
        yield Span(start + added[0] + 1, start + added[1], "resource")
        name = name[: added[0]]
    if name.strip(b"*?/"):
        yield from _pieces(start, name, family)


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if start and text[start - 1] == _QUOTE and (quote := text.find(b'"', end, end + _SHORT)) >= 0:
        return moved(_spans_quoted(text[start : quote + 1]), start)
    return moved(_spans_from(text, start), start) if starts_clean(text, start) else ()


_SHORT = 256
"""Bytes that most ARNs are shorter than."""


def _spans_from(text: bytes, start: int) -> Sequence[Span]:
    """Return the spans in the ARN that begins at `start`, counted from there."""
    stop = run_end(text, start, PLAIN, _LONGEST)
    body = text[start:stop]
    if text[stop : stop + 1] in (b"%", b"\\"):
        body = _decoded(text[start : start + _LONGEST])
    following = body.find(b"arn:aws", 8)
    return _spans_in(body if following < 0 else body[:following])


@lru_cache(maxsize=1 << 10)
def _spans_quoted(text: bytes) -> Sequence[Span]:
    """Return the spans in the ARN that `text` begins with; the same ARNs come again and again."""
    return _spans_from(text, 0)


def _decoded(window: bytes) -> bytes:
    """Return the ARN that `window` begins with, decoded where it is encoded, each byte where it stands."""
    window = window.replace(b"\x00", b"\n")
    if b"%" in window[:8]:
        for encoded, plain in _ENCODED:
            window = window.replace(encoded, plain)
    window = window.replace(b"\\/", b"\x00/")
    return window[: run_end(window, 0, _BODY)]


@lru_cache(maxsize=1 << 10)
def _spans_in(body: bytes) -> tuple[Span, ...]:
    """Return the spans in an ARN, counted from its beginning."""
    fields = body.rstrip(b".:/=?\x00").split(b":", 5)
    if len(fields) < 6:
        return ()
    service, account, rest = (fields[index].rstrip(b"\x00") for index in (2, 4, 5))
    spans: list[Span] = []
    offset = sum(len(field) + 1 for field in fields[:4])
    if len(account) == 12 and account.isdigit():
        spans.append(Span(offset, offset + 12, "account_id", spread=True))
    elif account == b"aws":
        return ()
    if service == b"s3" and account:
        service = b"s3-of-an-account"  # access points, jobs, access grants: no bucket, whose ARN has no account
    if not (service == b"bedrock" and not account):
        spans += _names(service, rest, offset + len(fields[4]) + 1)
    return tuple(spans)


DETECTOR = Detector(
    name="arn",
    families=(
        *(
            "account_id",
            "bucket",
            "database",
            "load_balancer",
            "cluster",
            "function",
            "role",
            "user",
            "group",
            "policy",
        ),
        *("secret", "parameter", "queue", "topic", "table", "stream", "loggroup", "repository", "stack", "alias"),
        *("keypair", "resource", "endpoint", "kms_key", "distribution", "hosted_zone"),
    ),
    summary="account ids and names in ARNs, also percent-encoded; partition, service, region and type stay",
    pattern=rb"arn(?::|%3[Aa])aws[a-z-]{0,12}(?::|%3[Aa])",
    find=_find,
    positives=(
        "arn:aws:iam::«210987654321»:role/«deploy-prod»",
        "arn:aws:s3:::«acme-prod-logs»/2024/x.gz",
        "arn:aws:lambda:eu-west-1:«210987654321»:function:«billing»:42",
        "arn:aws-cn:dynamodb:cn-north-1:«210987654321»:table/«orders-prod»/index/«by-date»",
        "arn:aws:secretsmanager:eu-west-1:«210987654321»:secret:«prod/db/main»-«AbC123»",
        "arn:aws:kms:eu-west-1:«210987654321»:key/«12345678-abcd-4bcd-8bcd-123456789abc»",
        "arn:aws:sqs:us-east-1:«210987654321»:«jobs».fifo, and",
        "arn%3Aaws%3Aiam%3A%3A«210987654321»%3Arole%2F«deploy-prod»",
        r'"arn:aws:iam::«210987654321»:role\/«team»\/«deploy-prod»"',
        "arn:aws:iam::«210987654321»:role/«ops-7»,Allow",
        "arn:aws:kms:eu-west-1:«210987654321»:alias/«lambda»",
        "arn:aws:kms:eu-west-1:«210987654321»:alias/aws/lambda",
        "arn:aws:iam::«210987654321»:root",
        "arn:aws:iam::«210987654321»:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_«ops-x_0123456789abcdef»",
        "arn:aws:sts::«210987654321»:assumed-role/AWSReservedSSO_AdministratorAccess_«0123456789abcdef»/«jane@x.example»",
        "arn:aws:lambda:eu-west-1:«210987654321»:layer:«acme-layer-1»",
        "arn:aws:s3:eu-west-1:«210987654321»:accesspoint/«acme-reports»",
        "s3://arn:aws:s3:eu-west-1:«210987654321»:accesspoint/«acme-reports»",
        "arn:aws:s3:::«acme-»*/*",
        "arn:aws:sts::«210987654321»:assumed-role/«admin»/«jane@example.com»",
        "arn:aws:logs:eu-west-1:«210987654321»:log-group:/aws/lambda/«billing»:*",
        "arn:aws:elasticloadbalancing:eu-west-1:«210987654321»:loadbalancer/app/«front»/«0123456789abcdef»",
    ),
    negatives=(
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "arn:aws:s3:::*",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:iam",
        "barn:aws:iam::210987654321x",
    ),
    bare=False,
)
