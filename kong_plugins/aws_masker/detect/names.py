"""Names without a shape of their own, by the key, flag or variable that they stand behind.

A candidate is a key and its separator; the value behind it is read here. Flags and parameter names that only AWS uses
(`--db-instance-identifier`, `"FunctionName":`) make any value certain; a common word as a key (`bucket:`, `cluster =`)
needs a value that can be nothing else: quoted or on a line of its own, and no ordinary word. References (`var.bucket`,
`aws_s3_bucket.logs.id`, `!Ref`, `${...}`), types and calls are no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import re2

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, run_end
from kong_plugins.aws_masker.detect.words import is_word, may_spread


class Context(NamedTuple):
    """Keys that announce a name of one family; words of a key may be joined by `-`, `_` or nothing."""

    family: str
    strong: tuple[str, ...]
    """Parameter names of AWS's API and command line: nothing else is called that."""
    weak: tuple[str, ...] = ()
    """Words that other things are called as well."""


CONTEXTS = (
    Context("bucket", ("bucket name", "s3 bucket", "s3 bucket name"), ("bucket", "bucket id")),
    Context(
        "database",
        (
            *("db instance identifier", "db cluster identifier", "db snapshot identifier", "db cluster snapshot identifier"),
            *("db name", "global cluster identifier", "db proxy name", "db instance id", "db cluster id"),
        ),
        ("database name", "database", "rds instance", "db instance", "db cluster", "instance identifier", "db identifier"),
    ),
    Context(
        "cluster",
        ("cluster name", "cache cluster id", "replication group id", "ecs cluster", "eks cluster", "cluster identifier"),
        ("cluster",),
    ),
    Context("function", ("function name", "lambda function name"), ("lambda function", "lambda name", "lambda")),
    Context("role", ("role name", "instance profile name", "iam role", "iam instance profile"), ("role arn",)),
    Context("user", ("iam user name", "iam user"), ()),
    Context("policy", ("policy name",), ()),
    Context("secret", ("secret id", "secret name", "secrets manager secret"), ()),
    Context("parameter", ("ssm parameter name", "ssm parameter"), ()),
    Context("queue", ("queue name",), ("sqs queue", "queue")),
    Context("topic", ("topic name",), ("sns topic",)),
    Context("table", ("dynamodb table", "dynamodb table name", "dynamo table"), ("table name",)),
    Context("stream", ("stream name", "delivery stream name", "kinesis stream"), ()),
    Context("loggroup", ("log group name", "log group", "awslogs group"), ()),
    Context("repository", ("ecr repository", "repository name", "ecr repo", "ecr repository name"), ()),
    Context("stack", ("stack name", "cloudformation stack"), ()),
    Context("load_balancer", ("load balancer name", "load balancer names", "target group name"), ()),
    Context("keypair", ("key pair name", "key pair"), ("key name",)),
    Context(
        "resource",
        (
            *("auto scaling group name", "launch configuration name", "launch template name", "db subnet group name"),
            *("db parameter group name", "cache subnet group name", "file system name", "state machine name", "domain name id"),
            *("nodegroup name", "capacity provider name", "service discovery name", "rest api name", "user pool name"),
            *("db subnet group", "db parameter group", "option group name", "trail name", "rule name", "project name aws"),
        ),
        ("security group name", "nodegroup"),
    ),
)


def _spelled(phrase: str) -> str:
    return "[_-]?".join(phrase.split())


def _keys(strength: int) -> dict[bytes, tuple[str, bool]]:
    return {
        phrase.replace(" ", "").encode(): (context.family, strength == 1)
        for context in CONTEXTS
        for phrase in context[strength]
    }


_KEYS: dict[bytes, tuple[str, bool]] = _keys(2) | _keys(1)
"""Key without joints, lower-case, to family and whether it is strong."""

_KEY_PATTERN = "|".join(
    _spelled(phrase)
    for context in CONTEXTS
    for phrase in sorted((*context.strong, *context.weak), key=len, reverse=True)
)
_QUOTE = r"(?:\\{0,7}[\"'])"
_SEPARATOR = (
    rf"{_QUOTE}?[ \t]{{0,24}}(?::|=>|=|\|)[ \t]{{0,24}}(?:{_QUOTE}|`)?"  # key: value, key = "value", | key | value |
    rf"|[ \t]{{1,4}}(?:{_QUOTE}|`)?"  # --key value, key `value`
    r"|>"  # <Key>value</Key>
    rf"|{_QUOTE}?[ \t]{{0,8}}[:=][ \t]{{0,8}}\[[ \t\r\n]{{0,24}}{_QUOTE}?"  # "keys": ["value"
)

_NAME_CHARS = bytes(sorted(ALNUM)) + b"._-/+@"
_ENDS_QUOTED = frozenset(b"\"'`\\")
_REFERENCE = re2.compile(
    rb"(?:var|local|module|data|self|each|props|this|args|config|params?|event|process|os|env|settings|options|ctx|input|"
    rb"aws_[a-z0-9_]+|std|req|request|response|context|Ref|GetAtt|Sub|Fn|ImportValue|cfg|obj|opts|result|output|resource)\."
)


_HOST_SUFFIXES = (b".amazonaws.com", b".amazonaws.com.cn", b".on.aws", b".cloudfront.net", b".internal")
"""A host name has detectors of its own, which leave its public parts alone."""


class _Value(NamedTuple):
    start: int
    end: int
    quoted: bool
    spaced: bool
    """True if the separator is an equals sign with blanks around it, as in program text."""


def _separator(candidate: bytes) -> bytes:
    """Return the candidate's part behind the key."""
    for index in range(len(candidate) - 1, -1, -1):
        if candidate[index] in ALNUM:
            return candidate[index + 1 :]
    return candidate


def _read(text: bytes, start: int, separator: bytes) -> _Value | None:
    """Read the name at `start`; None if what stands there cannot be one."""
    end = run_end(text, start, _NAME_CHARS)
    quoted = separator[-1:] in (b'"', b"'", b"`")
    if quoted:
        if end >= len(text) or text[end] not in _ENDS_QUOTED:
            return None
    else:
        end -= len(text[start:end]) - len(text[start:end].rstrip(b"./+@"))
    if not 2 <= end - start <= 255 or text[start] in b"-./+@" and text[start : start + 1] != b"/":
        return None
    if text[end : end + 1] in (b"(", b"{", b"[", b"$", b"*", b":") and not quoted:
        return None
    return _Value(start, end, quoted, separator.strip(b"\"'\\") in (b" = ", b" =", b"= "))


def _code_like(text: bytes, value: _Value) -> bool:
    """Tell whether an unquoted value may be an expression of a program instead of a name."""
    name = text[value.start : value.end]
    if _REFERENCE.match(name) or value.spaced:
        return True
    plain = b"-" not in name and not any(48 <= byte <= 57 for byte in name)
    line_ends = text[value.end : value.end + 1] in (b"", b"\n", b"\r", b"\x00") or text[value.end : value.end + 2] == b"\\n"
    return plain and not line_ends


def _is_certain(text: bytes, start: int, candidate: bytes, value: _Value, strong: bool) -> bool:
    """Decide whether the value behind a key is a name; `start` is where the key begins."""
    name = text[value.start : value.end]
    separator = _separator(candidate)
    flag = text[max(0, start - 32) : start].rpartition(b"--")
    is_flag = bool(flag[1]) and not flag[2].strip(bytes(sorted(ALNUM)) + b"-")
    marked = any(mark in separator for mark in (b":", b"=", b">", b"|"))
    if not marked and not is_flag:
        return value.quoted and separator.startswith(b" ") and not is_word(name)  # bucket `acme-logs`
    if is_flag:
        return strong or not is_word(name)
    if value.quoted:
        return not is_word(name) or (strong and _is_parameter(candidate) and len(name) >= 3 and not _spoken(name))
    if separator.startswith(b">"):
        return text[value.end : value.end + 2] == b"</" and not is_word(name)
    return not is_word(name) and not _code_like(text, value)


def _is_parameter(candidate: bytes) -> bool:
    """Tell whether the key is spelled as a parameter of AWS's API: `FunctionName`, `clusterName`."""
    return candidate[:1].isupper() or any(65 <= byte <= 90 for byte in candidate)


def _spoken(name: bytes) -> bool:
    return name.lower() in (b"string", b"none", b"null", b"true", b"false", b"default", b"name", b"value", b"postgres", b"mysql")


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    candidate = text[start:end]
    separator = _separator(candidate)
    key = candidate[: len(candidate) - len(separator)]
    known = _KEYS.get(key.replace(b"_", b"").replace(b"-", b"").lower())
    if known is None:
        return ()
    value = _read(text, end, separator)
    if value is None or text[value.start : value.end].endswith(_HOST_SUFFIXES) or not _is_certain(text, start, candidate, value, known[1]):
        return ()
    name = text[value.start : value.end]
    spans = [Span(value.start, value.end, known[0], may_spread(name))]
    if separator.rstrip(b"\"'\\ \t\r\n").endswith(b"["):
        spans += _rest_of_list(text, value, known[0])
    return spans


def _rest_of_list(text: bytes, value: _Value, family: str) -> list[Span]:
    """Return the further names of a list: `"names": ["a-1", "b-2"]`."""
    spans = []
    position = value.end
    for _ in range(100):
        gap = run_end(text, position, b"\"'\\, \t\r\n")
        if gap == position or b"," not in text[position:gap]:
            break
        end = run_end(text, gap, _NAME_CHARS)
        if end - gap < 2 or is_word(text[gap:end]):
            break
        spans.append(Span(gap, end, family, may_spread(text[gap:end])))
        position = end
    return spans


DETECTOR = Detector(
    name="names",
    families=tuple(context.family for context in CONTEXTS),
    summary="names behind keys, flags and variables that say what they are",
    pattern=rf"(?i:{_KEY_PATTERN})(?:{_SEPARATOR})".encode(),
    find=_find,
    positives=(
        '"BucketName": "«acme-prod-logs»"',
        r'{\"FunctionName\": \"«billing»\"}',
        'bucket = "«acme-prod-logs»"',
        "bucket: «acme-prod-logs»",
        "aws s3api get-object --bucket «acme-prod-logs» --key x",
        "aws rds describe-db-instances --db-instance-identifier «orders»",
        "LOG_BUCKET=«acme-prod-logs»",
        "<BucketName>«acme-prod-logs»</BucketName>",
        '"LoadBalancerNames": ["«front-1»", "«front-2»"]',
        "the bucket `«acme-prod-logs»` is",
        "|  ClusterName  |  «sessions-prod»  |",
    ),
    negatives=(
        "bucket = aws_s3_bucket.logs.id",
        "bucket = var.bucket_name",
        "bucket: bucketName,",
        "Bucket: !Ref LogBucket",
        'Bucket=os.environ["BUCKET"]',
        "database: postgres",
        "the bucket is full and the cluster was down",
        "--bucket $BUCKET --bucket <bucket-name>",
        'resource "aws_s3_bucket" "logs" {',
        "feedback: it works",
        "def get_bucket(bucket: str) -> None",
        "cluster: default",
        "token_bucket = TokenBucket(rate)",
    ),
    bare=False,
)
