"""ARNs with parts that are filled in later: by a template, a format string, or by joining strings.

`arn:${AWS::Partition}:s3:::acme-logs`, `f"arn:aws:iam::{account}:role/deploy"`, `"arn:aws:sqs:" + region + ":" + ...`,
CloudFormation's `Fn::Join`. What is filled in is read as a wildcard; what is written out is as much somebody's name as
in a whole ARN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect import arn
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import Span, run_end, starts_clean

_LONGEST = 1024
_MOST_PARTS = 24
_LOOK_AHEAD = 240
_OPEN = (
    rb"\$\{[^{}\n]{0,80}\}|#\{[^{}\n]{0,80}\}|\{\{[^{}\n]{1,60}\}\}|\{[^{}\n\"]{0,60}\}|<[^<>\n]{1,40}>|%[sd]|%\([a-z_]{1,40}\)s"
    rb"|\$\([^()\n]{1,60}\)|\$[A-Za-z_][A-Za-z0-9_]{0,40}"
)
OPEN_PART = Pattern(_OPEN)
"""What a template, a shell or a format string fills in."""
_QUOTE = rb"\\{0,3}[\"'`]"
_JOIN = rb"(?:[ \t]{0,4}[+.][ \t]{0,4}|,[ \t\r\n]{0,40}|[ \t]{0,4}\r?\n[ \t]{0,40}-[ \t]{1,4})"
_EXPRESSION = (
    rb"(?:!(?:Ref|Sub|GetAtt|ImportValue)[ \t]{1,4}[A-Za-z0-9:.-]{1,60}|[A-Za-z_][A-Za-z0-9_.()\[\]]{0,60}"
    rb"|\{[ \t\r\n]{0,40}\\{0,3}\"(?:Ref|Fn::(?:Sub|ImportValue))\\{0,3}\"[ \t]{0,2}:[ \t]{0,2}"
    rb"\\{0,3}\"[^\"\n]{1,60}\"[ \t\r\n]{0,40}\})"
)
_JOINED = Pattern(_QUOTE + _JOIN + _QUOTE)
_WRAPPED = Pattern(rb"\r?\n[0-9]{1,11}:")
"""A terminal's line end inside the account id."""
_JOINED_TO_OPEN = Pattern(_QUOTE + _JOIN + _EXPRESSION + rb"(?:" + _JOIN + _QUOTE + rb")?")


def _parts(text: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of the ARN at `start`: where each stands, and what it says, `*` for what is filled in."""
    position, limit = start, start + _LONGEST
    for _ in range(_MOST_PARTS):
        end = run_end(text, position, arn.PLAIN, limit - position)
        part = text[position:end]
        if position > start and b"arn:" in part:
            return  # the next one
        if part:
            yield position, part
        ahead = text[end : end + _LOOK_AHEAD].partition(b"\x00")[0]
        if (width := OPEN_PART.match(ahead)) > 0 or (width := _JOINED_TO_OPEN.match(ahead)) > 0:
            yield end, b"*"
        elif _WRAPPED.match(ahead) > 0 and text[end - 1 : end].isdigit():
            width = ahead.index(b"\n") + 1
        elif (width := _JOINED.match(ahead)) <= 0:
            return
        position = end + width


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    if not starts_clean(text, start):
        return ()
    parts = list(_parts(text, start))
    if len(parts) < 2 and text[start + 4 : start + 5] != b"*":
        return ()  # a whole one
    return list(_placed(arn.DETECTOR.find(b"".join(part for _, part in parts), 0, 0), parts))


def _placed(found: Sequence[Span], parts: Sequence[tuple[int, bytes]]) -> Iterator[Span]:
    """Yield what was found in the joined parts where it stands in the text, cut where a part ends."""
    offset = 0
    for place, part in parts:
        for span in found:
            first, last = max(span.start, offset), min(span.end, offset + len(part))
            if first < last and part != b"*":
                whole = last - first == span.end - span.start
                yield Span(place + first - offset, place + last - offset, span.family, span.spread and whole)
        offset += len(part)


DETECTOR = Detector(
    name="open_arn",
    families=arn.DETECTOR.families,
    summary="names in ARNs with parts that a template, a format string or a program fills in",
    pattern=rb"arn:(?:aws[a-z-]{0,12}:|\*:|[\"']|(?:" + _OPEN + rb"):)",
    find=_find,
    bare=False,
    positives=(
        'f"arn:aws:iam::{account}:role/«acme-deployer»"',
        '"arn:aws:iam::%s:role/«acme-deployer»" % account',
        "!Sub arn:aws:iam::${AWS::AccountId}:policy/«acme-admins»",
        '"arn:${data.aws_partition.current.partition}:iam::«210987654321»:role/«acme-deployer»"',
        "arn:${Partition}:s3:::«acme-logs»/*",
        "arn:*:s3:::«acme-logs»",
        "`arn:aws:lambda:${region}:${account}:function:«billing-7»`",
        "arn:aws:iam::<account>:role/«acme-deployer»",
        'ROLE="arn:aws:iam::${ACCOUNT}:role/«acme-»$STAGE«-deployer»"',
        '"arn:aws:s3:::" + "«acme-logs»"',
        "'arn:aws:iam::' + '«210987654321»' + ':role/' + '«acme-deployer»'",
        '"arn:aws:sqs:" + region + ":" + account + ":«acme-jobs»"',
        "Fn::Join: ['', ['arn:aws:iam::', !Ref AWS::AccountId, ':role/«acme-deployer»']]",
        "- - 'arn:aws:iam::'\n  - !Ref AWS::AccountId\n  - ':role/«acme-deployer»'\n",
        '["", ["arn:",\n {\n "Ref": "AWS::Partition"\n },\n ":s3:::«acme-logs»/*"]]',
        "arn:aws:iam::«21098765»\n«4321»:role/«acme-deployer»",
    ),
    negatives=(
        "arn:aws:iam::210987654321:role/deploy",
        "arn:{partition}:{service}:{region}:{account}:{resource}",
        "arn:aws:iam::${AWS::AccountId}:root",
        "arn:aws:s3:::${bucket}/*",
        'startswith("arn:"), "x"',
        "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess",
    ),
)
