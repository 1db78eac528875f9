"""Names without a shape of their own, by the key, flag or variable that they stand behind.

A candidate is a key and its separator; the value behind it is read here. Behind a key that only AWS uses
(`--db-instance-identifier`, `"FunctionName":`) any literal is a name; behind a common word (`bucket:`, `cluster =`)
only one that can be nothing else: quoted or on a line of its own, and no ordinary word; see `certainty`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kong_plugins.aws_masker.detect.certainty import BLOCK, LOOK_BACK, QUOTES, Found, is_certain
from kong_plugins.aws_masker.detect.composed import parts
from kong_plugins.aws_masker.detect.contexts import CONTEXTS
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.separators import SEPARATOR
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, moved, run_end
from kong_plugins.aws_masker.detect.words import is_word


def _spelled(phrase: str) -> str:
    return "[_-]?".join(phrase.split())


def _keys(strong: bool) -> dict[bytes, tuple[str, bool]]:
    return {
        phrase.replace(" ", "").encode(): (context.family, strong)
        for context in CONTEXTS
        for one in (context.strong if strong else context.weak)
        for phrase in ((one, one + "s") if strong else (one,))
    }


_KEYS: dict[bytes, tuple[str, bool]] = _keys(False) | _keys(True)
"""Key without joints, lower-case, to family and whether it is strong."""

_KEY_PATTERN = (
    "(?i:"
    + "|".join(_spelled(phrase) for one in CONTEXTS for phrase in (*(f"{key}s?" for key in one.strong), *one.weak))
    + ")"
)
_KEY = Pattern(_KEY_PATTERN.encode())

_LONGEST = 255
_QUOTE = ord('"')
_HOST_SUFFIXES = (
    b".amazonaws.com",
    b".amazonaws.com.cn",
    b".on.aws",
    b".cloudfront.net",
    b".internal",
    b".googleapis.com",
)
"""A host name has detectors of its own, which leave its public parts alone."""


_SLASHES = (b"\\/", b"%2F", b"%2f")
_READ_ON = (*_SLASHES, b"$", b"{", b"#", b"%", b"<", b"!", b"\n", b"\r")
"""Behind what stands behind a key, or in its place: more of a name, or what it is put together from."""


def _read(text: bytes, start: int, quoted: bool) -> int:
    """Return where the name that begins at `start` ends, or `start` if what stands there cannot be one."""
    end = run_end(text, start, NAME_CHARS)
    while text.startswith(_SLASHES, end) and end - start < _LONGEST:  # slashes, written otherwise
        end = run_end(text, end + (2 if text[end] == ord("\\") else 3), NAME_CHARS)
    behind = text[end : end + 1]
    if quoted:
        if behind not in (b'"', b"'", b"`", b"\\"):
            return start
    else:
        end -= len(text[start:end]) - len(text[start:end].rstrip(b"./+@"))
        if behind in (b"(", b"{", b"[", b"$", b"*", b":"):
            return start
    usable = (
        2 <= end - start <= _LONGEST and text[start] not in b"-.+@" and not text[start:end].endswith(_HOST_SUFFIXES)
    )
    return end if usable else start


class _Key(NamedTuple):
    """What a candidate, a key and its separator, tells by itself."""

    key: bytes
    separator: bytes
    family: str
    strong: bool
    repeats: bool
    """True if what the check says is worth remembering: it does not look far, and no list may follow."""
    of_json: bool
    """True if, behind a quote, nothing that stands before the key matters: `"key": "value"`, and lists of words."""


@lru_cache(maxsize=1 << 12)
def _key_in(candidate: bytes) -> _Key | None:
    """Return the key that `candidate` begins with, or None if it announces nothing."""
    length = _KEY.match(candidate)
    key, separator = candidate[:length], candidate[length:]
    if key[1:] == b"sername" or key == b"USERNAME":
        return None  # anybody's; IAM says UserName and --user-name
    plain = key.translate(None, b"_-").lower()
    if plain not in _KEYS:
        return None
    family, strong = _KEYS[plain]
    between = separator.translate(None, b" \t\r\n\\")
    in_list = between == b'","'
    looks_far = b"=" in separator or _opens_list(separator) or (in_list and strong)
    repeats = not looks_far and key[-1:] not in b"sS"
    of_json = (between == b'":"' and plain != b"identifier") or (in_list and not key.isupper())
    return _Key(key, separator, family, strong, repeats, of_json)


def _opens_list(separator: bytes) -> bool:
    return separator.rstrip(QUOTES + b"\\ \t\r\n").endswith(b"[")


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if start and text[start - 1] == _QUOTE == text[end - 1] and (quote := text.find(b'"', end, end + _LONGEST)) > 0:
        found = _spans_in_json(text[start - 1 : quote + 2], end - start + 1)
        if found is not None:
            return moved(found, start - 1)
    key = _key_in(text[start:end])
    if key is None:
        return ()
    if key.repeats:
        stop = run_end(text, end, NAME_CHARS)
        if stop - end <= _LONGEST and not text.startswith(_READ_ON, stop):
            back = min(start, LOOK_BACK)
            return moved(_spans_again(text[start - back : stop + 2], back, key), start - back)
    return _spans(text, start, key)


@lru_cache(maxsize=1 << 11)
def _spans_in_json(text: bytes, end: int) -> Sequence[Span] | None:
    """Return the spans in a key in quotes, its separator and a value in quotes, which begins at `end`.

    Return None if what stands around them matters as well.
    """
    key = _key_in(text[1:end])
    if key is None:
        return ()
    return _spans(text, 1, key) if key.repeats and key.of_json else None


@lru_cache(maxsize=1 << 12)
def _spans_again(text: bytes, start: int, key: _Key) -> Sequence[Span]:
    """Return the spans in a piece of a text: logs and answers repeat keys, names and what stands around them."""
    return _spans(text, start, key)


def _spans(text: bytes, start: int, key: _Key) -> Sequence[Span]:
    """Return the spans behind the key that begins at `start`."""
    begin = start + len(key.key) + len(key.separator)
    end = _read(text, begin, key.separator[-1:] in (b'"', b"'", b"`"))
    found = Found(text, start, key.separator, key.family, key.strong, begin, end)
    if end == begin:
        return _composed(found)
    if not is_certain(found):
        return ()
    name = found.name
    spans = [Span(begin + _public_prefix(name), end - 5 * name.endswith(b".fifo"), key.family, spread=True)]
    if found.text.startswith(_CHANGED, end):
        spans += _changed(found, end + len(_CHANGED))
    if _opens_list(key.separator) or (found.is_flag and key.key[-1:] in b"sS"):
        spans += _rest_of_list(found, key.family)
    return spans


def _composed(found: Found) -> list[Span]:
    """Return the parts that are written out of a name that is put together; each is asked about as if it were all."""
    spans: list[Span] = []
    before = found.text[max(0, found.key - BLOCK) : found.start]
    key = found.key - found.start + len(before)
    is_text = found.quoted or found.is_flag or not found.separator.endswith(b" ")
    for start, end, wrapped in parts(found.text, found.start, is_text):
        name = found.text[start:end]
        if is_word(name) and not (found.strong or found.family == "bucket"):
            continue  # cluster: `worker-${number}`
        quote = b'"' if wrapped else b""
        begin = len(before) + len(quote)
        name += b"-0"  # what is filled in: all of it is no word, even if this part may be one
        text = before + quote + name + (b'"' if wrapped or found.quoted else b"\n")
        alone = found._replace(
            text=text, key=key, separator=found.separator + quote, start=begin, end=begin + len(name)
        )
        if is_certain(alone):
            spans.append(Span(start, end, found.family))
    return spans


_OF_AWS = Pattern(rb"(?:/|\\/|%2[Ff])aws(?:/|\\/|%2[Ff])[0-9A-Za-z_-]+(?:/|\\/|%2[Ff])")


def _public_prefix(name: bytes) -> int:
    """Return the length of the part before a log group's own name: `/aws/lambda/`, its slashes perhaps encoded."""
    return max(0, _OF_AWS.match(name)) if b"aws" in name else 0


_CHANGED = b'" -> "'
"""In Terraform's plans, between what is there and what will be."""


def _changed(found: Found, start: int) -> list[Span]:
    end = _read(found.text, start, quoted=True)
    return [Span(start, end, found.family, spread=True)] if end > start and not is_word(found.text[start:end]) else []


def _rest_of_list(first: Found, family: str) -> list[Span]:
    """Return the further names of a list: `"names": ["a-1", "b-2"]`."""
    spans = []
    text, position = first.text, first.end
    for _ in range(100):
        gap = run_end(text, position, b" " if first.is_flag else b"\"'\\, \t\r\n")
        if gap == position or (b"," not in text[position:gap] and not first.is_flag) or text[gap : gap + 1] == b"-":
            break
        end = run_end(text, gap, NAME_CHARS)
        if end - gap < 2 or is_word(text[gap:end]):
            break
        spans.append(Span(gap, end, family, spread=True))
        position = end
    return spans


DETECTOR = Detector(
    name="names",
    families=tuple(context.family for context in CONTEXTS),
    summary="names behind keys, flags and variables that say what they are",
    pattern=rf"{_KEY_PATTERN}(?:{SEPARATOR})".encode(),
    find=_find,
    positives=(
        '"BucketName": "«acme-prod-logs»"',
        r"{\"FunctionName\": \"«billing»\"}",
        'bucket = "«acme-prod-logs»"',
        "bucket: «acme-prod-logs»",
        "bucket = «acme-prod-logs»\n",
        "aws s3api get-object --bucket «acme-prod-logs» --key x",
        "aws s3api get-object --bucket \\\n    «acme-prod-logs» --key x",
        "aws rds describe-db-instances --db-instance-identifier «orders»",
        "LOG_BUCKET=«acme-prod-logs»",
        "ENV LOG_BUCKET «acme-prod-logs»",
        "<BucketName>«acme-prod-logs»</BucketName>",
        '"LoadBalancerNames": ["«front-1»", "«front-2»"]',
        "the bucket `«acme-prod-logs»` is",
        "|  ClusterName  |  «sessions-prod»  |",
        "- name: LOG_BUCKET\n  value: «acme-prod-logs»",
        '{"name": "LOG_BUCKET", "value": "«acme-prod-logs»"}',
        '\x1b[34;1m"BucketName"\x1b[0m: \x1b[32m"«acme-prod-logs»"\x1b[0m',
        'FunctionName: aws.String("«billing-7»")',
        'request.withBucketName("«acme-prod-logs»")',
        'os.environ["LOG_BUCKET"] = "«acme-prod-logs»"',
        'args: ["--cluster-name", "«sessions-prod»"]',
        '"StackNames": ["«orders-prod»", "«orders-test»"], "CacheClusterIds": ["«sessions-1»"]',
        'resource "aws_db_instance" "x" {\n  identifier = "«orders-7»"\n',
        'os.getenv("LOG_BUCKET", "«acme-prod-logs»")',
        'resource_bucket_name = "«acme-logs»"; x',
        'task_role = "«PayrollDeployer»"; lambda_function_name = "«billing_worker»"; |bucket|«acme-logs»|',
        'resource "google_x" "y" {\n}\nx {\n  secret_name = "«db-pass»"\n',
        'resource "google_storage_transfer_job" "x" {\n  aws_s3_data_source {\n    bucket_name = "«acme-logs»"\n',
        "db_name: «db1»\ntable_name: «t-2»\n",
        'bucket = "«acme»-${var.env}-logs"; Bucket=f"«acme»-{env}"; --bucket «acme-data»-$ENV',
        "RoleName: !Sub '«acme-role»-${AWS::Region}'\nbucketName: `«acme-logs»-${this.account}`",
        '{"BucketName": {"Fn::Sub": "«acme-data»-${Env}"}',
        r'"x": "{\"FunctionName\": {\"Fn::Sub\": \"«acme-fn»-${E}\"}}"}',
        '"BucketName": {"Fn::Join": ["-", ["«acme-logs»", {"Ref": "Env"}]]}',
        "TableName: !Join ['-', ['«acme»', 'logs']]",
        "Parameters:\n  BucketName:\n    Type: String\n    Description: x\n    Default: «acme-default»\n  Other:",
        '"BucketName": {"Type": "String", "Default": "«acme-default»"}',
        '~ bucket = "«acme-old»" -> "«acme-new»"',
        "Get-S3Object -BucketName «acme-logs» -Key x\nrm -r -FunctionName «billing-7»",
        '["AWS/Lambda", "Errors", "FunctionName", "«billing-7»", {"stat": "Sum"}]',
        "process.env.BUCKET || '«acme-logs»', ${BUCKET:-«acme-logs»}",
        'function_names = ["«billing_worker»"]; const functionNames = ["«billing-7»"]',
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
        '{"role": "user", "content": "x"}',
        '__all__ = ["Queue", "PriorityQueue2"]',
        "# SPDX-License-Identifier: Apache-2.0",
        "type Name = Identifier | ThisType4;",
        "export default { queue: _queue2.default, x: 1 }",
        "var PROPER_FUNCTION_NAME = FunctionName.PROPER2;",
        "{ lambda: 0x039b, x: 1 }",
        '"BUCKET", "DATETIME_DIFF2"',
        "sort(key=lambda: x2)",
        '<div role="doc-abstract2">',
        'executable_name = "python3.exe"; "xlink:arcrole": "xlinkArcrole"; table_name = "compilers." + name',
        "'default-role': 'default-role', _role: docs/ref/roles.html#math",
        "register_canonical_role('title-reference', f); spatial_function_name(\"DistanceSphere\")",
        'func(use_function_name="group_concat")',
        "'DataTopic|Database|DataSessionID|Topic|DDETerminate'",
        'const apiFunctionNames = ["formatWithCursor"]; AT_RULE_NAMES = new Set([])',
        'bucket = "prod-${var.env}-logs"; queue: `${x}`, role: `my-app-${id}`, table = "{}"',
        'resource "google_x" "y" {\n  secret_name = "acme-${var.env}"\n',
        '["Errors", "FunctionName", "billing-7"], options.queue || "queue-1", a -bucket x-1',
        'queue = workInProgress$jscomp$0.updateQueue\nbucket_name = "${var.project_id}-anonymization"',
        "{ queue: animation.opts.queue\n}; role = roles.ExpressionElementRole,",
        "    table_name = TABLENAMEDEFAULT\n",
        '"attribute.project_name" = "assertion.project_name", domain_names = ["DOMAIN_NAME"], table_name = k2\n',
        'resource_group_name = "vm-rg-1"; "resourceGroupName": "vm-rg-1"; role = "roles/run.developer2"',
        'resource "google_secret_manager_secret" "x" {\n  secret_id = "db-pass"\n',
        "group_name = azurerm_resource_group.main2.name\nsource = github.com/x/logging-bucket:v57.0.0-tf\n",
    ),
    bare=False,
)
