"""Ids and names in Terraform's state and plans as JSON: `"type": "aws_iam_user"` says what the attributes are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect import resource_id
from kong_plugins.aws_masker.detect.blocks import FAMILIES, family_of
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, look_back
from kong_plugins.aws_masker.detect.words import is_word

_READ = 16 * 1024
"""Bytes behind a type in which its attributes are read; the next type ends them."""
_NEXT = Pattern(rb"\"[tT]ype\"[ \t\r\n]{0,8}:[ \t]{0,4}\"aws_")
_ATTRIBUTES = Pattern(rb"\"(?:attributes|values|after|before|[aA]ttrs)\"[ \t]{0,4}:[ \t\r\n]{0,4}\{")
_TOKEN = Pattern(rb"[{}\[\]]|\"(?:[^\"\\]|\\.)*\"")
_VALUE_BEHIND = Pattern(rb"[ \t]{0,4}:[ \t]{0,4}\"")
_DATA_BEFORE = Pattern(rb"\"mode\"[ \t]{0,4}:[ \t]{0,4}\"data\"[ \t\r\n,]{0,40}\"$")
_ID_BEFORE = Pattern(rb"\"[iI]d\"[ \t]{0,4}:[ \t]{0,4}\"[^\"\\\n]{3,255}\"[ \t\r\n,]{1,40}\"$")
_NAMING = frozenset((b'"id"', b'"name"', b'"user"', b'"group"', b'"role"', b'"bucket"', b'"function"'))
_BETWEEN = b":,|"
"""Ids of what belongs to two things are made of both: `role:policy`."""
_EC2_ID = Pattern(resource_id.PATTERN)
_CAMEL = Pattern(rb"[a-z][A-Z][a-z]")
"""Two words in one, as in `GameScores`: here it can be nothing but a name."""


def _pieces(start: int, value: bytes, family: str) -> Iterator[Span]:
    """Yield the names in an id that is made of several, which no other detector knows by their shape."""
    if value.startswith((b"arn:", b"http")) or b" " in value:
        return
    plain = value.translate(bytes(32 if byte in _BETWEEN else byte for byte in range(256)))
    for piece in plain.split(b" "):
        odd = len(piece) < 3 or piece.strip(NAME_CHARS) or piece.isdigit() or b".amazonaws.com" in piece
        if not odd and (not is_word(piece) or _CAMEL.search(piece) is not None) and not _EC2_ID.fullmatch(piece):
            yield Span(start, start + len(piece), family, spread=True)
        start += len(piece) + 1


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    before = look_back(text, start, 340)
    if before[-1:] != b'"' or _DATA_BEFORE.search(before) is not None:
        return ()
    family = family_of(text[start:end].rpartition(b'"aws_')[2])
    return [*_id_before(before, start, family), *_attributes(text, end, family)]


def _id_before(before: bytes, start: int, family: str) -> Iterator[Span]:
    """Yield what the id right before the type tells."""
    if (place := _ID_BEFORE.search(before)) is not None:
        first = before.index(b'"', before.index(b":", place[0]) + 1) + 1
        yield from _pieces(start - len(before) + first, before[first : before.index(b'"', first)], family)


def _attributes(text: bytes, position: int, family: str) -> Iterator[Span]:
    """Yield what names the resource among the attributes of each of its instances, and not what stands deeper."""
    window = text[position : position + _READ].partition(b"\x00")[0]
    if (following := _NEXT.search(window)) is not None:
        window = window[: following[0]]
    at = 0
    while (place := _ATTRIBUTES.search(window, at)) is not None:
        depth, at = 1, place[1]
        while depth and (token := _TOKEN.search(window, at)) is not None:
            first, at = token
            if window[first : first + 1] != b'"':
                depth += 1 if window[first : first + 1] in b"{[" else -1
            elif (
                depth == 1 and window[first:at] in _NAMING and (width := _VALUE_BEHIND.match(window[at : at + 12])) > 0
            ):
                start = at + width
                at = max(window.find(b'"', start), start)
                yield from _pieces(position + start, window[start:at], family)
                at += 1
        if depth:
            return


DETECTOR = Detector(
    name="terraform_state",
    families=FAMILIES,
    summary="ids and names of resources in Terraform's state and plans as JSON, by the resource's type",
    pattern=rb"[tT]ype\"[ \t\r\n]{0,8}:[ \t]{0,4}\"aws_[a-z0-9_]{2,60}\"",
    find=_find,
    bare=False,
    positives=(
        '{"mode": "managed", "type": "aws_iam_user", "name": "bob", "instances": [{"attributes": {\n'
        '  "id": "«acme-bob»", "name": "«acme-bob»", "tags": {"name": "x-1"}, "path": "/"}}]}',
        '{"Id": "«acme-logs»",\n  "Type": "aws_s3_bucket"}',
        '{"type": "aws_iam_role_policy", "values": {"id": "«deployer-1»:«allow-all»", "role": "«deployer-1»"}}',
        '{"type": "aws_dynamodb_table", "instances": [{"attributes": {"id": "«GameScores»", "x": [{"name": "y-1"}]}},'
        ' {"attributes": {"id": "«acme-2»"}}]}',
        '"type": "aws_vpc", "change": {"before": null, "after": {"id": "vpc-0a1b2c3d", "name": "«acme-vpc»"}}',
    ),
    negatives=(
        '{"mode": "data", "type": "aws_ami", "instances": [{"attributes": {"id": "acme-1", "name": "acme-2"}}]}',
        '{"type": "google_x", "values": {"id": "acme-1"}}',
        '{"type": "aws_db_parameter_group", "values": {"parameter": [{"name": "character_set-1"}]}}',
        '{"type": "aws_region", "values": {"id": "eu-west-1", "name": "eu-west-1"}}',
    ),
)
