"""Whether what stands behind a key is a name, and not a part of a program, an ordinary word or somebody else's.

References (`var.bucket`, `aws_s3_bucket.logs.id`, `!Ref`, `${...}`), types and calls are no names.
"""

from __future__ import annotations

from typing import NamedTuple

from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import ALNUM, look_back, run_start
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word

LOOK_BACK = 48
"""Bytes before a key that tell what it is the key of."""
DIMENSION = 160
"""Bytes before a key in which a list of CloudWatch's begins."""
QUOTES = b"\"'`"


class Found(NamedTuple):
    """A key, its separator and the name behind them."""

    text: bytes
    key: int
    """Where the key begins."""
    separator: bytes
    family: str
    strong: bool
    start: int
    end: int

    @property
    def name(self) -> bytes:
        """Return what may be a name."""
        return self.text[self.start : self.end]

    @property
    def quoted(self) -> bool:
        """True if a quote stands right before the name."""
        return self.separator[-1:] in (b'"', b"'", b"`")

    @property
    def is_flag(self) -> bool:
        """True behind `--`, with further words between or not, and for PowerShell's `-BucketName`."""
        text = self.text[max(0, self.key - 32) : self.key]
        before = text.rpartition(b"--")
        if before[1] and not before[2].strip(_FLAG_CHARS):
            return True
        return text.endswith(b" -") and self.text[self.key : self.key + 1].isupper() and _is_parameter(self)

    @property
    def line_ends(self) -> bool:
        """True if nothing but a comment follows the name on its line."""
        behind = self.text[self.end : self.end + 2].lstrip(b" \x1b")
        return behind[:1] in (b"", b"\n", b"\r", b"\x00", b"#") or behind == b"\\n"


_FLAG_CHARS = bytes(sorted(ALNUM)) + b"-"


def is_certain(found: Found) -> bool:
    """Decide whether what stands behind the key is a name."""
    name = found.name
    mark = found.separator.strip(b" \t\r\n\\n" + QUOTES)
    if is_literal_word(name) or is_reference(name) or _is_somebody_elses(found, mark) or _is_program_text(found, mark):
        return False
    if mark == b"," and not found.is_flag:  # getenv("KEY", "value"); else a list of words
        before = found.text[max(0, found.key - LOOK_BACK) : found.key].rpartition(b"\n")[2]
        of_environment = _key(found).isupper() and b"env" in before.lower()
        return (of_environment or _is_dimension(found)) and not is_word(name)
    if found.is_flag or (mark == b"=" and _key(found).isupper()):  # --key value, --key=value, KEY=value
        return found.strong or not is_word(name)
    if (
        found.quoted and mark not in (b"", b"-", b",") and found.strong and _is_parameter(found)
    ):  # "FunctionName": "main"
        return len(name) >= 3 or not is_word(name)
    return not is_word(name) and _is_literal(found, mark)


def _is_dimension(found: Found) -> bool:
    """Tell whether key and name stand in a list of CloudWatch's: `["AWS/Lambda", "Errors", "FunctionName", "x-1"]`."""
    before = found.text[max(0, found.key - DIMENSION) : found.key]
    return found.strong and _is_parameter(found) and b'"AWS/' in before[before.rfind(b"[") :]


def _is_somebody_elses(found: Found, mark: bytes) -> bool:
    """Tell whether the key is one of another trade's that has the same name."""
    key = _key(found)
    if key == b"role":  # of HTML's documents, by DPUB-ARIA
        return found.name.startswith(b"doc-")
    if key == b"lambda":  # lambda: x2
        return mark == b":" and not found.quoted and b"-" not in found.name
    return key.lower() == b"identifier" and not _is_attribute(found, mark)


def _is_literal(found: Found, mark: bytes) -> bool:
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
BLOCK = 2048
"""Bytes before a key in which the block that it stands in begins."""


def _is_program_text(found: Found, mark: bytes) -> bool:
    """Tell whether key and value are an identifier, a call or an alternation of a program, and no name of AWS's."""
    name, key = found.name, _key(found)
    plain = b"-" not in name and not any(48 <= byte <= 57 for byte in name)
    if _is_of_other_words(found, key, mark.startswith(b"("), plain) or name.endswith((b".html", b".")):
        return True
    if found.separator == b"|":  # `Database|DataSessionID|Topic`
        return plain
    if mark == b"||":  # process.env.BUCKET || "acme-logs", but: options.queue || "queue-1"
        return not key.isupper()
    if b"[" in mark and b"= " in found.separator and _is_parameter(found):  # const functionNames = ["parse"
        return plain
    if not found.quoted:
        return _is_expression(found, mark)
    return mark == b"=" and (b"roles/" in name or _is_of_another_cloud(found))


def _is_of_other_words(found: Found, key: bytes, call: bool, plain: bool) -> bool:
    """Tell whether what stands before the key makes it another word, or another thing's."""
    before = found.text[max(0, found.key - LOOK_BACK) : found.key]
    if before.endswith(_OTHER_WORDS):
        return True
    if before.endswith(_OTHER_THINGS) and found.family in ("group", "policy", "resource"):
        return True
    own = (call and key == b"role") or ((call or plain) and key == b"function_name")
    if own and before.endswith(b"_"):
        return True  # register_role("title-reference"), use_function_name="group_concat"
    return _is_named_after(found.name, before[run_start(before, len(before), _KEY_CHARS, LOOK_BACK) :] + key)


def _is_named_after(name: bytes, key: bytes) -> bool:
    """Tell whether a value repeats its key: 'default-role': 'default-role', domain_names = ["DOMAIN_NAME"]."""
    last = name.rpartition(b".")[2] if b"." in name else name
    return last.lower().rstrip(b"s") == key.lower().rstrip(b"s")


def _is_of_another_cloud(found: Found) -> bool:
    """Tell whether the key stands in a Terraform block of Google's or Azure's that has nothing of AWS's in it."""
    before = look_back(found.text, found.key, BLOCK)
    block = before[max(before.rfind(b'\nresource "'), before.rfind(b'\ndata "')) + 1 :]
    return _OTHER_CLOUDS.match(block) > 0 and b"aws" not in block and b"\n}" not in block


def _is_expression(found: Found, mark: bytes) -> bool:
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


def _is_attribute(found: Found, mark: bytes) -> bool:
    """Tell whether `identifier`, a word of every grammar and licence, is Terraform's: `identifier = "orders"`."""
    before = found.text[max(0, found.key - LOOK_BACK) : found.key].rpartition(b"\n")[2]
    return (
        mark in (b"=", b":")
        and _key(found).islower()
        and not before.strip(_BEFORE_ATTRIBUTE)
        and b"." not in found.name
    )


def _is_parameter(found: Found) -> bool:
    """Tell whether the key is spelled as a parameter of AWS's API: `FunctionName`, `clusterName`."""
    key = _key(found)
    return not key.islower() and not key.isupper()


def _key(found: Found) -> bytes:
    return found.text[found.key : found.start - len(found.separator)]


def _code_like(found: Found) -> bool:
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
