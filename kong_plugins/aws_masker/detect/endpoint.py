"""Host names of AWS services: the labels that are one customer's own, found from the suffix backwards.

The shape stays: `NAME.HASH.REGION.rds.amazonaws.com` still says that it is a database in that region. Each service puts
its own labels elsewhere; what a service's endpoints look like is in AWS's "Service endpoints and quotas" and in the
pages of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from kong_plugins.aws_masker.detect.bucket import bucket_span
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import REGION, Pattern
from kong_plugins.aws_masker.detect.resource_id import ANY_PREFIX as RESOURCE_PREFIXES
from kong_plugins.aws_masker.detect.spans import ALNUM, HOST_CHARS, Span, moved, run_end, run_start

_LONGEST_HOST = 253
_REGION = Pattern(REGION)
_HEX32 = Pattern(rb"[0-9A-Fa-f]{32}")


class Label(NamedTuple):
    """One label of a host name and where it stands."""

    start: int
    value: bytes


class Host(NamedTuple):
    """The labels before the suffix, the text around them, and where the host ends."""

    text: bytes
    labels: list[Label]
    end: int

    def span(self, index: int, family: str, skip: int = 0, spread: bool = False) -> Span:
        """Return the span of label `index` without its first `skip` bytes."""
        label = self.labels[index]
        return Span(label.start + skip, label.start + len(label.value), family, spread)

    def own(self, before: int) -> list[int]:
        """Return the indices of the labels before `before` that are neither a region nor a part of every such host."""
        return [at for at in range(before) if self.labels[at].value and not _is_public(self.labels[at].value)]

    def path(self) -> int:
        """Return where the path behind the host begins (behind a port and the slash), or -1."""
        position = self.end
        if self.text[position : position + 1] == b":":
            position = run_end(self.text, position + 1, b"0123456789")
        behind = _behind_slash(self.text, position)
        return behind if behind > position else -1


_SLASHES = (b"/", b"\\/", b"\\\\/", b"%2F", b"%2f")


def _behind_slash(text: bytes, position: int) -> int:
    """Return where the text goes on behind a slash at `position`, however written; `position` if none is there."""
    for slash in _SLASHES:
        if text.startswith(slash, position):
            return position + len(slash)
    return position


Rule = Callable[[Host, int], Iterator[Span]]
"""`rule(host, index)`: index of the label that names the service."""


def _s3(host: Host, index: int) -> Iterator[Span]:
    if index:  # virtual-hosted style; a bucket's name may hold dots
        first, last = host.labels[0], host.labels[index - 1]
        end = last.start + len(last.value)
        if host.text[first.start : end] not in (b"dualstack", b"*") and host.labels[0].value != b"*":
            yield Span(first.start, end, "bucket", spread=True)
    elif (path := host.path()) >= 0:
        yield from bucket_span(host.text, path)


_OF_DATABASES = Pattern(
    rb"(?:postgres|postgresql|mysql2?|mariadb|redshift|oracle|mongodb|asyncpg|psycopg2?):[^ \n\x00]{0,80}$"
)
"""Before a host: the scheme of a database's address, where the path is the database's name."""
_DATABASE_CHARS = bytes(sorted(ALNUM)) + b"_-"
_RDS_KINDS = (b"cluster-ro-", b"cluster-custom-", b"cluster-", b"proxy-")


def _database(host: Host, index: int) -> Iterator[Span]:
    *_, name, owner = (-1, -1, *host.own(index))
    if name < 0:
        return
    yield host.span(name, "cluster" if host.labels[index].value.startswith(b"redshift") else "database", spread=True)
    value = host.labels[owner].value
    if len(value) == 12 and value.isdigit():
        yield host.span(owner, "account_id", spread=True)
    else:
        kind = next((kind for kind in _RDS_KINDS if value.startswith(kind)), b"")
        yield host.span(owner, "endpoint", skip=len(kind), spread=True)
    path = host.path()
    if path >= 0 and _OF_DATABASES.search(host.text[max(0, host.labels[0].start - 96) : host.labels[0].start]):
        end = run_end(host.text, path, _DATABASE_CHARS, 64)
        if end - path >= 2:
            yield Span(path, end, "database", spread=True)


def _first_label(family: str) -> Rule:
    """Return a rule for hosts with one label of the customer's: `ID.execute-api.REGION...`, `NAME-1.REGION.elb...`."""

    def rule(host: Host, index: int) -> Iterator[Span]:
        for at in host.own(index)[-1:]:  # the last: before it may stand what grep puts before a line
            value = host.labels[at].value
            skip = next((len(kind) for kind in (b"internal-", b"search-", b"vpc-") if value.startswith(kind)), 0)
            yield host.span(at, family, skip=skip, spread=True)

    return rule


@lru_cache(maxsize=1 << 12)
def _is_public(label: bytes) -> bool:
    return _REGION.fullmatch(label) or label in _PUBLIC_LABELS


_PUBLIC_LABELS = frozenset(
    b"dualstack internal ng master replica clustercfg serverless runtime api data ats credential iot gr7 yl4 sk1 "
    b"auth vpce private fips console server www".split()
)


def _every_label(family: str) -> Rule:
    """Return a rule for hosts with several labels of the customer's: `master.NAME.HASH.use1.cache`, ..."""

    def rule(host: Host, index: int) -> Iterator[Span]:
        name_due = True
        for at in range(index):
            value = host.labels[at].value
            skip = 5 if value.startswith(b"boot-") else 0
            if _is_public(value) or not value or value.isdigit() or len(value) <= 4 or value[:2] == b"b-":
                continue
            yield host.span(at, family if name_due else "endpoint", skip=skip, spread=True)
            name_due = False

    return rule


def _eks(host: Host, index: int) -> Iterator[Span]:
    for at in host.own(index):
        if _HEX32.fullmatch(host.labels[at].value[-32:]):
            yield host.span(at, "eks_endpoint", skip=len(host.labels[at].value) - 32, spread=True)
    path = host.path()
    if path >= 0 and host.text[path : path + 2] == b"id":
        start = _behind_slash(host.text, path + 2)
        if _HEX32.fullmatch(host.text[start : start + 32]):
            yield Span(start, start + 32, "eks_endpoint", spread=True)


_REPOSITORY_CHARS = b"abcdefghijklmnopqrstuvwxyz0123456789._/-"


def _ecr(host: Host, index: int) -> Iterator[Span]:
    for at in range(index):
        value = host.labels[at].value
        if value[-12:].isdigit() and len(value) >= 12 and not value[-13:-12].isdigit():
            yield host.span(at, "account_id", skip=len(value) - 12, spread=True)
            break
    else:
        return
    path = host.path()
    if path < 0:
        return
    end = run_end(host.text, path, _REPOSITORY_CHARS)
    while (further := _behind_slash(host.text, end)) > end:  # escaped slashes between the parts of the name
        end = run_end(host.text, further, _REPOSITORY_CHARS)
    end -= len(host.text[path:end]) - len(host.text[path:end].rstrip(b"./-_"))
    if end > path:
        yield Span(path, end, "repository", spread=True)


_QUEUE_CHARS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


def _sqs(host: Host, index: int) -> Iterator[Span]:
    path = host.path()
    digits = run_end(host.text, path, b"0123456789") if path >= 0 else -1
    if digits - path != 12:
        return
    yield Span(path, digits, "account_id", spread=True)
    start = _behind_slash(host.text, digits)
    end = run_end(host.text, start, _QUEUE_CHARS)
    if end > start > digits:
        yield Span(start, end, "queue", spread=True)


def _access_point(host: Host, index: int) -> Iterator[Span]:
    for at in host.own(index)[-1:]:
        label = host.labels[at]
        name, hyphen, account = label.value.rpartition(b"-")
        if len(account) == 12 and account.isdigit():
            if hyphen:
                yield Span(label.start, label.start + len(name), "resource", spread=True)
            yield Span(label.start + len(name) + len(hyphen), label.start + len(label.value), "account_id", spread=True)


def _vpce(host: Host, index: int) -> Iterator[Span]:
    for at in range(index):
        label = host.labels[at].value
        begin = label.find(b"vpce-")
        if begin >= 0 and label.count(b"-", begin) >= 2:  # the id before it has a detector of its own
            yield host.span(at, "endpoint", skip=label.index(b"-", begin + 5) + 1, spread=True)


def _unknown_service(host: Host, index: int) -> Iterator[Span]:
    """Yield what looks like a customer's own before the name of a service that has no rule: letters with digits."""
    named = [at for at in range(index + 1) if not _is_public(host.labels[at].value)]
    for at in named[:-1]:
        value = host.labels[at].value
        digits = len(value) - len(value.translate(None, b"0123456789"))
        if len(value) >= 6 and 0 < digits < len(value) and not _OF_NOBODY.fullmatch(value):
            yield host.span(at, "endpoint", spread=True)


_OF_NOBODY = Pattern(
    rb"(?:ec2|ip)-[0-9A-Za-z-]+|[a-z]{3,5}[0-9]-az[0-9]|s3-?[a-z0-9-]*|route53[a-z-]*|compute-[0-9]|api\.?v?[0-9]|(?:"
    + RESOURCE_PREFIXES
    + rb")-[0-9a-f]{8,17}"
)
"""Labels with a detector of their own, zones, and names of services."""

_RULES: dict[bytes, Rule] = {
    b"s3": _s3, b"s3-accesspoint": _access_point, b"s3-control": _access_point, b"s3-object-lambda": _access_point,
    b"rds": _database, b"docdb": _database, b"neptune": _database, b"redshift": _database,
    b"redshift-serverless": _database,
    b"elb": _first_label("load_balancer"),
    b"eks": _eks,
    b"ecr": _ecr,
    b"sqs": _sqs, b"queue": _sqs,
    b"execute-api": _first_label("endpoint"),
    b"appsync-api": _first_label("endpoint"), b"appsync-realtime-api": _first_label("endpoint"),
    b"lambda-url": _first_label("endpoint"),
    b"es": _first_label("endpoint"), b"aoss": _first_label("endpoint"),
    b"cache": _every_label("cluster"), b"memorydb": _every_label("cluster"), b"kafka": _every_label("cluster"),
    b"dax-clusters": _every_label("cluster"), b"kafka-serverless": _every_label("cluster"),
    b"iot": _first_label("endpoint"), b"mq": _first_label("endpoint"), b"vpce": _vpce,
    b"amazoncognito": _first_label("endpoint"), b"auth": _first_label("endpoint"),
    b"elasticbeanstalk": _every_label("resource"), b"awsglobalaccelerator": _first_label("endpoint"),
    b"awsapprunner": _first_label("endpoint"),
    b"awsapps": _first_label("endpoint"), b"signin": _first_label("endpoint"),
    b"cloudfront": _first_label("distribution"),
    b"transfer": _first_label("endpoint"), b"notebook": _first_label("endpoint"), b"studio": _first_label("endpoint"),
}  # fmt: skip


def _rule(label: bytes) -> Rule | None:
    if label.startswith((b"s3-", b"s3express-")) and label not in _RULES:
        return _s3  # s3-website-eu-west-1, s3-accelerate, s3-us-west-2
    return _RULES.get(label)


@lru_cache(maxsize=1 << 12)
def _read(host: bytes, suffix: bytes) -> tuple[tuple[Label, ...], int, Rule] | None:
    """Read a host up to its suffix.

    Return its labels, with their places in `host`, the index of the one that names the service, and that one's rule.
    """
    begin = host.rfind(b"amazonaws.com") + 13 if b"amazonaws.com" in host else 0
    begin += len(host) - begin - len(host[begin:].lstrip(b"-._"))
    # the service itself may be part of the suffix: dabc.cloudfront.net, name.awsapps.com
    of_suffix = suffix[: suffix.index(b".", 1)] if suffix[1:].count(b".") and b"amazonaws" not in suffix else b""
    labels: list[Label] = []
    position = begin
    for value in (host[begin:] + of_suffix).split(b"."):
        labels.append(Label(position, value))
        position += len(value) + 1
    if len(labels) > 1 and labels[0].value == b"*":
        del labels[0]
    for index in range(len(labels) - 1, -1, -1):
        rule = _rule(labels[index].value.lower())
        if rule is not None:
            return tuple(labels[: index + 1]), index, rule
    return (tuple(labels), len(labels) - 1, _unknown_service) if len(labels) > 1 else None


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    behind = text[end : end + 1]
    if (behind and behind[0] in ALNUM) or behind == b"-":
        return ()
    begin = run_start(text, start, HOST_CHARS, _LONGEST_HOST)
    if text.startswith(_GOES_ON, end):
        return _spans(text, begin, start, end)
    return moved(_spans_alone(text[begin:end], start - begin), begin)


_GOES_ON = (b":", *_SLASHES)
"""Behind a host: a port, a path."""


@lru_cache(maxsize=1 << 12)
def _spans_alone(host: bytes, suffix: int) -> Sequence[Span]:
    """Return the spans in a host without a path, as the same ones come again and again; `suffix`: where that begins."""
    return _spans(host, 0, suffix, len(host))


def _spans(text: bytes, begin: int, start: int, end: int) -> Sequence[Span]:
    read = _read(text[begin:start], text[start:end])
    if read is None:
        return ()
    labels, index, rule = read
    host = Host(text, [Label(begin + label.start, label.value) for label in labels], end)
    return [span for span in rule(host, index) if span.end > span.start]


DETECTOR = Detector(
    name="endpoint",
    families=(
        *("bucket", "database", "cluster", "load_balancer", "endpoint", "eks_endpoint", "distribution", "repository"),
        *("queue", "account_id"),
    ),
    summary="the customer's own labels in host names of AWS services",
    pattern=(
        rb"\.amazonaws\.com(?:\.cn)?|\.on\.aws|\.api\.aws|\.cloudfront\.net|\.awsapps\.com|\.amazoncognito\.com"
        rb"|\.elasticbeanstalk\.com|\.awsglobalaccelerator\.com|\.awsapprunner\.com|\.signin\.aws\.amazon\.com|\.sagemaker\.aws"
    ),
    find=_find,
    positives=(
        "«acme-prod-logs».s3.eu-west-1.amazonaws.com/key and «a.b.c».s3.amazonaws.com",
        "https://s3.us-west-2.amazonaws.com/«acme-prod-logs»/key",
        "«orders-db».«c9akciq32rgo».eu-west-1.rds.amazonaws.com:5432",
        "jdbc:postgresql://«orders-db».«c9akciq32rgo».eu-west-1.rds.amazonaws.com:5432/«billing»?ssl=true",
        "mysql://app:x@«orders-db».«c9akciq32rgo».eu-west-1.rds.amazonaws.com/«billing»",
        "«orders».cluster-ro-«c9akciq32rgo».eu-west-1.rds.amazonaws.com",
        "internal-«front-1234567890».us-east-1.elb.amazonaws.com",
        "«front-0123456789abcdef».elb.us-east-1.amazonaws.com",
        "https://«0123456789ABCDEF0123456789ABCDEF».gr7.eu-west-1.eks.amazonaws.com",
        "https://oidc.eks.eu-west-1.amazonaws.com/id/«0123456789ABCDEF0123456789ABCDEF»",
        "«210987654321».dkr.ecr.eu-west-1.amazonaws.com/«team/api»:1.2.3",
        "https://sqs.us-east-1.amazonaws.com/«210987654321»/«jobs-prod»",
        "https://eu-west-1.queue.amazonaws.com/«210987654321»/«jobs-prod»",
        "«a1b2c3d4e5».execute-api.eu-west-1.amazonaws.com/prod",
        "master.«sessions».«ab12cd».use1.cache.amazonaws.com",
        "b-1.«events».«a1b2c3».c5.kafka.us-east-1.amazonaws.com",
        "search-«logs-abcdefghijklmnopqrstuvwxyz».eu-west-1.es.amazonaws.com",
        "https://«abcdefghijklmnopqrstuvwxyz0123456».lambda-url.eu-west-1.on.aws/",
        "«d111111abcdef8».cloudfront.net",
        "https%3A%2F%2F«acme-prod-logs».s3.amazonaws.com%2Fkey",
        "https://«25b4ae02».route53-recovery-cluster.us-west-2.amazonaws.com/v1",
        "«logs-in-cmghifkzgsjdtngpnnic5dkevu».us-east-1.osis.amazonaws.com",
        "«web-03e0899cd551e863e».«7d67968».vpc-lattice-svcs.us-east-1.on.aws",
    ),
    negatives=(
        "ec2.amazonaws.com sts.eu-west-1.amazonaws.com s3.amazonaws.com",
        "https://bedrock-runtime.us-west-2.amazonaws.com/model",
        "cloudfront.net amazonaws.com",
        "https://dynamodb.us-east-1.amazonaws.com",
        "models-v2-lex.us-east-1.amazonaws.com route53domains.us-east-1.amazonaws.com",
        "streams.dynamodb.eu-west-1.amazonaws.com",
        "portal.sso.us-east-1.amazonaws.com use1-az4.compute.us-east-1.amazonaws.com",
    ),
)
