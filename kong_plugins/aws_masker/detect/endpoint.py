"""Host names of AWS services: the labels that are one customer's own, found from the suffix backwards.

The shape stays: `NAME.HASH.REGION.rds.amazonaws.com` still says that it is a database in that region. Each service puts
its own labels elsewhere; what a service's endpoints look like is in AWS's "Service endpoints and quotas" and in the
pages of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import re2

from kong_plugins.aws_masker.detect.bucket import bucket_span
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.spans import HOST_CHARS, Span, ends_clean, run_end, run_start

_LONGEST_HOST = 253
_REGION = re2.compile(rb"(?:us-gov|us-isob?|eusc-de|[a-z]{2})-[a-z]{4,14}-[0-9]")
_HEX32 = re2.compile(rb"[0-9A-Fa-f]{32}")


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

    def path(self) -> int:
        """Return where the path behind the host begins (behind a port and the slash), or -1."""
        position = self.end
        if self.text[position : position + 1] == b":":
            position = run_end(self.text, position + 1, b"0123456789")
        for slash in (b"/", b"\\/", b"%2F", b"%2f"):
            if self.text[position : position + len(slash)] == slash:
                return position + len(slash)
        return -1


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


_RDS_KINDS = (b"cluster-ro-", b"cluster-custom-", b"cluster-", b"proxy-")


def _database(host: Host, index: int) -> Iterator[Span]:
    if index < 3:
        return
    family = "cluster" if host.labels[index].value.startswith(b"redshift") else "database"
    yield host.span(index - 3, family, spread=True)
    kind = next((kind for kind in _RDS_KINDS if host.labels[index - 2].value.startswith(kind)), b"")
    if not (host.labels[index - 2].value.isdigit() and len(host.labels[index - 2].value) == 12):
        yield host.span(index - 2, "endpoint", skip=len(kind), spread=True)
    else:
        yield host.span(index - 2, "account_id", spread=True)


def _first_label(family: str) -> Rule:
    """Return a rule for hosts whose first label is the customer's: `ID.execute-api.REGION...`, `NAME-1.REGION.elb...`."""

    def rule(host: Host, index: int) -> Iterator[Span]:
        own = [at for at in range(index) if host.labels[at].value != b"dualstack" and not _is_public(host.labels[at].value)]
        for at in own[:1]:
            value = host.labels[at].value
            skip = next((len(p) for p in (b"internal-", b"search-", b"vpc-") if value.startswith(p)), 0)
            yield host.span(at, family, skip=skip)

    return rule


def _is_public(label: bytes) -> bool:
    return _REGION.fullmatch(label) is not None or label in _PUBLIC_LABELS


_PUBLIC_LABELS = frozenset(
    b"dualstack internal ng master replica clustercfg serverless runtime api data ats credential iot gr7 yl4 sk1 "
    b"vpce private fips console server www".split()
)


def _every_label(family: str) -> Rule:
    """Return a rule for hosts with several labels of the customer's: `master.NAME.HASH.use1.cache`, `b-1.NAME.HASH.c5.kafka`."""

    def rule(host: Host, index: int) -> Iterator[Span]:
        name_due = True
        for at in range(index):
            value = host.labels[at].value
            short = value.isdigit() or len(value) <= 4 or value.startswith((b"b-", b"boot-"))
            if _is_public(value) or short:
                continue
            yield host.span(at, family if name_due else "endpoint", spread=True)
            name_due = False

    return rule


def _eks(host: Host, index: int) -> Iterator[Span]:
    if index and _HEX32.fullmatch(host.labels[0].value):
        yield host.span(0, "eks_endpoint")
    path = host.path()
    if path >= 0 and host.text[path : path + 3] == b"id/" and _HEX32.fullmatch(host.text[path + 3 : path + 35]):
        yield Span(path + 3, path + 35, "eks_endpoint")


_REPOSITORY_CHARS = b"abcdefghijklmnopqrstuvwxyz0123456789._/-"


def _ecr(host: Host, index: int) -> Iterator[Span]:
    if index and host.labels[0].value.isdigit() and len(host.labels[0].value) == 12:
        yield host.span(0, "account_id", spread=True)
        path = host.path()
        if path >= 0:
            end = run_end(host.text, path, _REPOSITORY_CHARS)
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
    start = digits + len(host.text[digits : digits + 3]) - len(host.text[digits : digits + 3].lstrip(b"\\/"))
    if host.text[digits : digits + 3] in (b"%2F", b"%2f"):
        start = digits + 3
    end = run_end(host.text, start, _QUEUE_CHARS)
    if end > start > digits:
        yield Span(start, end, "queue", spread=True)


def _vpce(host: Host, index: int) -> Iterator[Span]:
    label = host.labels[0].value.lower()
    if label.startswith(b"vpce-") and label.count(b"-") >= 2 and index:
        cut = label.index(b"-", 5) + 1
        yield host.span(0, "endpoint", skip=cut)  # the id before it has a detector of its own


_RULES: dict[bytes, Rule] = {
    b"s3": _s3,
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
    b"elasticbeanstalk": _first_label("endpoint"), b"awsapprunner": _first_label("endpoint"),
    b"awsapps": _first_label("endpoint"), b"signin": _first_label("endpoint"), b"cloudfront": _first_label("distribution"),
    b"transfer": _first_label("endpoint"), b"notebook": _first_label("endpoint"), b"studio": _first_label("endpoint"),
}  # fmt: skip


def _rule(label: bytes) -> Rule | None:
    if label.startswith((b"s3-", b"s3express-")) and label not in (b"s3-control", b"s3-accesspoint"):
        return _s3  # s3-website-eu-west-1, s3-accelerate, s3-us-west-2
    return _RULES.get(label)


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not ends_clean(text, end) or (text[end : end + 1] == b"-" and not text[start:end].endswith(b"-")):
        return ()
    begin = run_start(text, start, HOST_CHARS, _LONGEST_HOST)
    labels: list[Label] = []
    position = begin
    suffix = text[start:end]
    # the service itself may be part of the suffix: dabc.cloudfront.net, name.awsapps.com
    host = text[begin:start] + (suffix[: suffix.index(b".", 1)] if suffix[1:].count(b".") and b"amazonaws" not in suffix else b"")
    for value in host.split(b"."):
        labels.append(Label(position, value))
        position += len(value) + 1
    if len(labels) > 1 and labels[0].value == b"*":
        del labels[0]
    for index in range(len(labels) - 1, -1, -1):
        rule = _rule(labels[index].value.lower())
        if rule is not None:
            return [span for span in rule(Host(text, labels, end), index) if span.end > span.start]
    return ()


DETECTOR = Detector(
    name="endpoint",
    families=(
        *("bucket", "database", "cluster", "load_balancer", "endpoint", "eks_endpoint", "distribution", "repository"),
        *("queue", "account_id"),
    ),
    summary="the customer's own labels in host names of AWS services",
    pattern=(
        rb"\.amazonaws\.com(?:\.cn)?|\.on\.aws|\.api\.aws|\.cloudfront\.net|\.awsapps\.com|\.amazoncognito\.com"
        rb"|\.elasticbeanstalk\.com|\.awsapprunner\.com|\.signin\.aws\.amazon\.com|\.sagemaker\.aws"
    ),
    find=_find,
    positives=(
        "«acme-prod-logs».s3.eu-west-1.amazonaws.com/key and «a.b.c».s3.amazonaws.com",
        "https://s3.us-west-2.amazonaws.com/«acme-prod-logs»/key",
        "«orders-db».«c9akciq32rgo».eu-west-1.rds.amazonaws.com:5432",
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
    ),
    negatives=(
        "ec2.amazonaws.com sts.eu-west-1.amazonaws.com s3.amazonaws.com",
        "https://bedrock-runtime.us-west-2.amazonaws.com/model",
        "cloudfront.net amazonaws.com",
        "https://dynamodb.us-east-1.amazonaws.com",
    ),
)
