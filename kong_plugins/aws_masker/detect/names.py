"""Names without a shape of their own, by the key, flag or variable that they stand behind.

A candidate is a key and its separator; the value behind it is read here. Behind a key that only AWS uses
(`--db-instance-identifier`, `"FunctionName":`) any literal is a name; behind a common word (`bucket:`, `cluster =`)
only one that can be nothing else: quoted or on a line of its own, and no ordinary word. References (`var.bucket`,
`aws_s3_bucket.logs.id`, `!Ref`, `${...}`), types and calls are no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kong_plugins.aws_masker.detect.contexts import CONTEXTS
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.separators import SEPARATOR
from kong_plugins.aws_masker.detect.spans import ALNUM, NAME_CHARS, Span, look_back, run_end, run_start
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word


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
_LOOK_BACK = 48
"""Bytes before a key that tell what it is the key of."""
_QUOTES = b"\"'`"
_HOST_SUFFIXES = (
    b".amazonaws.com",
    b".amazonaws.com.cn",
    b".on.aws",
    b".cloudfront.net",
    b".internal",
    b".googleapis.com",
)
"""A host name has detectors of its own, which leave its public parts alone."""


class _Found(NamedTuple):
    """A key, its separator and the name behind them."""

    text: bytes
    key: int
    """Where the key begins."""
    separator: bytes
    strong: bool
    start: int
    end: int

    def cut_out(self) -> _Found:
        """Return the same with no more text around it than is looked at, but for assignments; see `_BLOCK`."""
        base = max(0, self.key - _LOOK_BACK)
        return self._replace(
            text=self.text[base : self.end + 2], key=self.key - base, start=self.start - base, end=self.end - base
        )

    @property
    def name(self) -> bytes:
        return self.text[self.start : self.end]

    @property
    def quoted(self) -> bool:
        return self.separator[-1:] in (b'"', b"'", b"`")

    @property
    def is_flag(self) -> bool:
        """True behind `--`, with further words between or not."""
        before = self.text[max(0, self.key - 32) : self.key].rpartition(b"--")
        return bool(before[1]) and not before[2].strip(_FLAG_CHARS)

    @property
    def line_ends(self) -> bool:
        behind = self.text[self.end : self.end + 2].lstrip(b" \x1b")
        return behind[:1] in (b"", b"\n", b"\r", b"\x00", b"#") or behind == b"\\n"


_FLAG_CHARS = bytes(sorted(ALNUM)) + b"-"


def _read(text: bytes, start: int, quoted: bool) -> int:
    """Return where the name that begins at `start` ends, or `start` if what stands there cannot be one."""
    end = run_end(text, start, NAME_CHARS)
    while text.startswith((b"\\/", b"%2F", b"%2f"), end) and end - start < _LONGEST:  # slashes, written otherwise
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


def _is_certain(found: _Found) -> bool:
    """Decide whether what stands behind the key is a name."""
    name = found.name
    mark = found.separator.strip(b" \t\r\n\\n" + _QUOTES)
    if is_literal_word(name) or is_reference(name) or _is_somebody_elses(found, mark) or _is_program_text(found, mark):
        return False
    if mark == b"," and not found.is_flag:  # getenv("KEY", "value"); else a list of words
        before = found.text[max(0, found.key - _LOOK_BACK) : found.key].rpartition(b"\n")[2]
        return _key(found).isupper() and b"env" in before.lower() and not is_word(name)
    if found.is_flag or (mark == b"=" and _key(found).isupper()):  # --key value, --key=value, KEY=value
        return found.strong or not is_word(name)
    if (
        found.quoted and mark not in (b"", b"-", b",") and found.strong and _is_parameter(found)
    ):  # "FunctionName": "main"
        return len(name) >= 3 or not is_word(name)
    return not is_word(name) and _is_literal(found, mark)


_is_certain_again = lru_cache(maxsize=1 << 12)(_is_certain)
"""Logs and answers of AWS's repeat keys, names and what stands around them."""


def _is_somebody_elses(found: _Found, mark: bytes) -> bool:
    """Tell whether the key is one of another trade's that has the same name."""
    key = _key(found)
    if key == b"role":  # of HTML's documents, by DPUB-ARIA
        return found.name.startswith(b"doc-")
    if key == b"lambda":  # lambda: x2
        return mark == b":" and not found.quoted and b"-" not in found.name
    return key.lower() == b"identifier" and not _is_attribute(found, mark)


def _is_literal(found: _Found, mark: bytes) -> bool:
    """Tell whether the value, which is no ordinary word, is a literal: quoted, alone on its line, inside an element."""
    if found.quoted:
        return True
    if mark in (b"", b"-", b","):  # words in a sentence, but for a Dockerfile's `ENV KEY value`
        return _key(found).isupper() and b"ENV " in found.text[max(0, found.key - 40) : found.key]
    if mark.startswith(b">"):
        return found.text[found.end : found.end + 2] == b"</"
    return not _code_like(found)


_OTHER_WORDS = (b"execu", b"por", b"edi", b"varia", b"mu", b"prin", b"accep", b"adap", b"arc", b"sub")
"""Beginnings of words that end like a key: `executable_name`, `arcrole`."""
_OTHER_THINGS = (
    *(b"resource", b"Resource", b"action", b"zone", b"address", b"agent", b"response"),
    *(b"resource_", b"action_", b"zone_", b"address_", b"agent_", b"response_"),
)
"""What groups, policies and pools of other clouds are of: `resourceGroupName`."""
_OTHER_CLOUDS = Pattern(rb"(?:resource|data) \"(?:google|azurerm|azuread|azapi)_")
_BLOCK = 2048
"""Bytes before a key in which the block that it stands in begins."""


def _is_program_text(found: _Found, mark: bytes) -> bool:
    """Tell whether key and value are an identifier, a call or an alternation of a program, and no name of AWS's."""
    name, key = found.name, _key(found)
    plain = b"-" not in name and not any(48 <= byte <= 57 for byte in name)
    if _is_of_other_words(found, key, mark.startswith(b"("), plain) or name.endswith((b".html", b".")):
        return True
    if found.separator == b"|":  # `Database|DataSessionID|Topic`
        return plain
    if b"[" in mark and b"= " in found.separator and _is_parameter(found):  # const functionNames = ["parse"
        return plain
    if not found.quoted:
        return _is_expression(found, mark)
    return mark == b"=" and (b"roles/" in name or _is_of_another_cloud(found))


def _is_of_other_words(found: _Found, key: bytes, call: bool, plain: bool) -> bool:
    """Tell whether what stands before the key makes it another word, or another thing's."""
    before = found.text[max(0, found.key - _LOOK_BACK) : found.key]
    family = _KEYS[key.translate(None, b"_-").lower()][0]
    if before.endswith(_OTHER_WORDS) or (before.endswith(_OTHER_THINGS) and family in ("group", "policy", "resource")):
        return True
    own = (call and key == b"role") or ((call or plain) and key == b"function_name")
    if own and before.endswith(b"_"):
        return True  # register_role("title-reference"), use_function_name="group_concat"
    return _is_named_after(found.name, before[run_start(before, len(before), _KEY_CHARS, _LOOK_BACK) :] + key)


def _is_named_after(name: bytes, key: bytes) -> bool:
    """Tell whether a value repeats its key: 'default-role': 'default-role', domain_names = ["DOMAIN_NAME"]."""
    last = name.rpartition(b".")[2] if b"." in name else name
    return last.lower().rstrip(b"s") == key.lower().rstrip(b"s")


def _is_of_another_cloud(found: _Found) -> bool:
    """Tell whether the key stands in a Terraform block of Google's or Azure's that has nothing of AWS's in it."""
    before = look_back(found.text, found.key, _BLOCK)
    block = before[max(before.rfind(b'\nresource "'), before.rfind(b'\ndata "')) + 1 :]
    return _OTHER_CLOUDS.match(block) > 0 and b"aws" not in block and b"\n}" not in block


def _is_expression(found: _Found, mark: bytes) -> bool:
    """Tell whether an unquoted value is a property, a type, a keyword or a part of an address."""
    last = found.name.rpartition(b".")[2] if b"." in found.name else b""
    if (
        last == _key(found)
        or (len(found.name) <= 2 and mark == b"=")
        or (last[:1].isupper() and not last.isupper() and last.isalpha())
    ):
        return True  # queue: options.queue, role = roles.ExpressionRole
    if found.text[found.end : found.end + 1] == b"#":  # roles.html#math
        return True
    if mark not in (b"=", b"=>") or b" " not in found.separator:
        return False
    kind = found.name.partition(b".")[0] if b"." in found.name else b""
    return b"_" in kind or (_key(found).isupper() and not found.line_ends)  # = azurerm_resource_group.main.name


_KEY_CHARS = bytes(sorted(ALNUM)) + b"_-"
_BEFORE_ATTRIBUTE = b"\x00 \t\"'+-~_abcdefghijklmnopqrstuvwxyz0123456789"
"""The text's begin, a diff's or a plan's sign, or the beginning of a variable's name."""


def _is_attribute(found: _Found, mark: bytes) -> bool:
    """Tell whether `identifier`, a word of every grammar and licence, is Terraform's: `identifier = "orders"`."""
    before = found.text[max(0, found.key - _LOOK_BACK) : found.key].rpartition(b"\n")[2]
    return (
        mark in (b"=", b":")
        and _key(found).islower()
        and not before.strip(_BEFORE_ATTRIBUTE)
        and b"." not in found.name
    )


def _is_parameter(found: _Found) -> bool:
    """Tell whether the key is spelled as a parameter of AWS's API: `FunctionName`, `clusterName`."""
    key = _key(found)
    return not key.islower() and not key.isupper()


def _key(found: _Found) -> bytes:
    return found.text[found.key : found.start - len(found.separator)]


def _code_like(found: _Found) -> bool:
    """Tell whether an unquoted value may be an expression of a program instead of a name."""
    name = found.name
    plain = b"-" not in name and not any(48 <= byte <= 57 for byte in name)
    if found.separator.endswith(b"= "):  # blanks as in program text: a hyphen makes it no identifier
        return not found.line_ends or (
            b"-" not in name and (not found.strong or (plain and (name.islower() or name.isupper())))
        )
    if b"." in name and b"-" not in name and not found.line_ends:  # queue: _queue2.default,
        return True
    return plain and not found.line_ends and not found.separator.strip(b" ").startswith(b"|")


@lru_cache(maxsize=1 << 12)
def _key_in(candidate: bytes) -> tuple[int, tuple[str, bool] | None]:
    """Return the length of the key that `candidate` begins with, and the family and strength of what it announces."""
    length = _KEY.match(candidate)
    key = candidate[:length]
    if key[1:] == b"sername" or key == b"USERNAME":
        return length, None  # anybody's; IAM says UserName and --user-name
    return length, _KEYS.get(key.translate(None, b"_-").lower())


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    length, known = _key_in(text[start:end])
    if known is None:
        return ()
    stop = start + length
    separator = text[stop:end]
    quoted = separator[-1:] in (b'"', b"'", b"`")
    behind = _read(text, end, quoted)
    found = _Found(text, start, separator, known[1], end, behind)
    if behind == end or not (_is_certain(found) if b"=" in separator else _is_certain_again(found.cut_out())):
        return ()
    spans = [Span(end + _public_prefix(found.name), behind - 5 * found.name.endswith(b".fifo"), known[0], spread=True)]
    if separator.rstrip(_QUOTES + b"\\ \t\r\n").endswith(b"[") or (found.is_flag and text[stop - 1] in b"sS"):
        spans += _rest_of_list(found, known[0])
    return spans


def _public_prefix(name: bytes) -> int:
    """Return the length of the part before a log group's own name: `/aws/lambda/`."""
    return name.index(b"/", 5) + 1 if name.startswith(b"/aws/") and b"/" in name[5:] else 0


def _rest_of_list(first: _Found, family: str) -> list[Span]:
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
        "{ queue: animation.opts.queue\n}; role = roles.ExpressionElementRole,",
        "    table_name = TABLENAMEDEFAULT\n",
        '"attribute.project_name" = "assertion.project_name", domain_names = ["DOMAIN_NAME"], table_name = k2\n',
        'resource_group_name = "vm-rg-1"; "resourceGroupName": "vm-rg-1"; role = "roles/run.developer2"',
        'resource "google_secret_manager_secret" "x" {\n  secret_id = "db-pass"\n',
        "group_name = azurerm_resource_group.main2.name\nsource = github.com/x/logging-bucket:v57.0.0-tf\n",
    ),
    bare=False,
)
