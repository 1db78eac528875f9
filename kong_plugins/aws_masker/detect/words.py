"""What no name is: words of English and of the trade, and stand-ins such as `my-bucket` in documents.

A bucket may well be called `logs`. In an ARN or a URL that is masked; but the word must not then disappear from every
sentence of the request, nor may `database: postgres` turn the engine's name into somebody's database.
"""

from __future__ import annotations

from functools import lru_cache

from kong_plugins.aws_masker.detect.patterns import REGION, Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, NAME_CHARS, run_end

_LONGEST = 255
_LONGEST_WORD = 11
"""A name of letters only that is longer is taken for a compound such as `acmeprodlogs`, unless it is listed below."""

_LONG_WORDS = frozenset(
    b"acceleration administration administrator architecture applications authentication authorization "
    b"availability autoscaling certificate cloudformation cloudfrontdistribution collaboration communication "
    b"compatibility compression configuration configurations connectivity containerinsights customresource "
    b"decentralized description destination development distribution documentation elasticsearch environment "
    b"environments experimental functionality getting-started identification implementation implementations "
    b"information infrastructure initialization instrumentation integration integrations intelligence "
    b"international internationalization introduction investigation kubernetes loadbalancer localization "
    b"maintenance management microservice microservices misconfiguration notification notifications observability "
    b"optimization orchestration organization organizations parameterization partitioning performance permissions "
    b"personalization placeholder postgresql preproduction presentation processing production provisioning "
    b"recommendation recommendations registration reliability replication representation requirements "
    b"responsibility schedulerservice serialization specification subscription subscriptions synchronization "
    b"telecommunications terraformstate transaction transactions transformation transformations troubleshooting "
    b"undefined unauthorized unavailable understanding unspecified verification versioning virtualization "
    b"visualization vulnerabilities vulnerability".split()
)

_STAND_INS = frozenset(
    b"my-bucket mybucket my_bucket bucket-name bucketname bucket_name your-bucket your-bucket-name yourbucket "
    b"example-bucket my-function function-name my-cluster cluster-name my-table table-name my-role role-name my-stack "
    b"stack-name my-queue my-topic my-secret secret-name my-db db-name your-name some-name read-only read-write "
    b"us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1 ap-northeast-1 "
    b"ap-northeast-2 ap-southeast-1 ap-southeast-2 ap-south-1 sa-east-1 ca-central-1".split()
)

_NOUNS = (
    rb"(?:s3[-_]?)?(?:bucket|function|lambda|table|role|cluster|queue|topic|stack|db|database|instance|key|key[-_]?pair|"
    rb"secret|user|group|policy|alias|repo|repository|stream|domain|asg|template|app|application|project|resource|value)s?"
)
_TEMPLATE = Pattern(
    rb"(?i)(?:your|my|some|the|example)[-_](?:aws[-_])?"
    + _NOUNS
    + rb"(?:[-_](?:name|id))?|"
    + _NOUNS
    + rb"[-_](?:name|id)"
)
_VERSION = Pattern(rb"v?[0-9]+(?:\.[0-9A-Za-z]+)*|v[0-9]+\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.]+)?|0x[0-9A-Fa-f]+")
_REGION = Pattern(REGION + rb"[a-z]?")
_LITERALS = frozenset(
    b"true false none null nil yes no on off default string str int bool float bytes object number boolean value "
    b"undefined n/a all any self postgres postgresql mysql mariadb aurora oracle user assistant system tool developer "
    b"admin root function".split()
)


_REFERENCES = frozenset(
    b"var local module data self each props this args config param params event process os env settings options ctx "
    b"input std req request response context Ref GetAtt Sub Fn ImportValue cfg obj opts result output resource".split()
)
"""What an expression of Terraform, CloudFormation or a program begins with, before its first dot."""


@lru_cache(maxsize=1 << 12)
def is_literal_word(value: bytes) -> bool:
    """Tell whether `value` is a keyword, a type or a stand-in: never a name, not even where only a name may stand."""
    if value.isalnum():
        return value.lower() in _LITERALS
    return (b"-" in value or b"_" in value) and _TEMPLATE.fullmatch(value)


def literal(text: bytes, start: int, ends: bytes) -> bytes:
    """Return the name from `start` to one of `ends` or the text's end; nothing if it is a keyword, or none is there."""
    end = run_end(text, start, NAME_CHARS, _LONGEST)
    name = text[start:end]
    ended = end == len(text) or text[end] in ends
    return name if ended and len(name) >= 2 and name[0] not in b"-.+@" and not is_literal_word(name) else b""


def is_reference(name: bytes) -> bool:
    """Tell whether `name` is an expression such as `var.bucket` or `aws_s3_bucket.logs.id`."""
    first, dot, rest = name.partition(b".")
    capitalised = first[:1].isupper() and first.isalnum() and not first.isupper()
    type_of_program = capitalised and b"-" not in name and not rest[:1].isdigit()  # no member begins with a digit
    return bool(dot) and (first in _REFERENCES or first.startswith(b"aws_") or type_of_program)


@lru_cache(maxsize=1 << 12)
def is_word(value: bytes) -> bool:
    """Tell whether `value` may be an ordinary word, a number, a version or a document's stand-in."""
    lowered = value.lower()
    if lowered in _STAND_INS or is_literal_word(value):
        return True
    if _REGION.fullmatch(value):
        return True
    if value[:1] in b"v0123456789" and _VERSION.fullmatch(value):
        return True
    if not value.isalpha():
        return not any(byte in ALNUM for byte in value)
    return len(value) <= _LONGEST_WORD or lowered in _LONG_WORDS


def may_spread(value: bytes) -> bool:
    """Tell whether a certain name is distinctive enough to be masked wherever it stands by itself in the request."""
    return len(value) >= 5 and not is_word(value)
