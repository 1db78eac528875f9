"""Names and account ids in tables, by the heading of their column: Markdown, the AWS command line's, CSV.

A table is read from its heading down, row by row, and each row by one heading only, so that reading stays linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kong_plugins.aws_masker.detect.contexts import CONTEXTS
from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import REGION, Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, look_back
from kong_plugins.aws_masker.detect.words import is_literal_word, is_reference, is_word

_LONGEST_LINE = 4096
_MOST_ROWS = 5000
_MOST_CELLS = 128
_JOINTS = b" _-/.\t*`\"'"
_CELL_EDGES = b" \t*`\"'\r"

_STRONG: dict[bytes, str] = {
    **{key.replace(" ", "").encode(): one.family for one in CONTEXTS for key in one.strong},
    **dict.fromkeys(
        (b"resourceid", b"resourcename", b"lineitemresourceid", b"accountname", b"linkedaccountname"), "resource"
    ),
}
_WEAK: dict[bytes, str] = {
    **{key.replace(" ", "").encode(): one.family for one in CONTEXTS for key in one.weak},
    **{b"table": "table", b"function": "function", b"stack": "stack", b"secret": "secret", b"repository": "repository"},
    **{
        b"loadbalancer": "load_balancer",
        b"stream": "stream",
        b"rds": "database",
        b"s3": "bucket",
        b"ecr": "repository",
    },
}
"""Headings of other people's tables as well: a name only where the table shows that it is about AWS."""
_ABOUT_AWS = Pattern(
    rb"arn:aws|\b[aA][wW][sS]\b|amazonaws|\b" + REGION + rb"|(?i:account)|s3://|\b(?:S3|EC2|RDS|EKS|IAM)\b"
)
_ACCOUNT = Pattern(rb"(?i).*account.*|owner_?id")


class _Columns:
    """What the columns of a table hold, by their headings."""

    def __init__(self, headings: Sequence[bytes], about_aws: bool) -> None:
        plain = [heading.translate(None, _JOINTS).lower() for heading in headings]
        self.accounts = any(_ACCOUNT.fullmatch(one) for one in plain)
        known = _STRONG | _WEAK if about_aws or self.accounts else _STRONG
        self.families = {at: known[one] for at, one in enumerate(plain) if one in known}
        if b"creationdate" in plain and b"name" in plain:  # S3's list of buckets
            self.families[plain.index(b"name")] = "bucket"

    def spans(self, cells: Sequence[tuple[int, bytes]]) -> Iterator[Span]:
        """Yield what one row holds."""
        for at, (start, cell) in enumerate(cells):
            if self.accounts and len(cell) == 12 and cell.isdigit():
                yield Span(start, start + 12, "account_id", spread=True)
            elif at in self.families and _is_name(cell):
                yield Span(start, start + len(cell), self.families[at], spread=True)


def _is_name(cell: bytes) -> bool:
    plain = len(cell) < 3 or cell.strip(NAME_CHARS) or cell[:1] in b"-.+@" or cell.isdigit()
    return not plain and not is_word(cell) and not is_literal_word(cell) and not is_reference(cell)


def _cells(text: bytes, start: int, end: int, between: bytes) -> list[tuple[int, bytes]]:
    """Split a line at `between`; return where each cell begins, and its text without blanks, quotes and stars."""
    found = []
    for cell in text[start:end].split(between, _MOST_CELLS):
        bare = cell.strip(_CELL_EDGES)
        found.append((start + len(cell) - len(cell.lstrip(_CELL_EDGES)), bare))
        start += len(cell) + len(between)
    return found


def _line_start(text: bytes, position: int) -> int:
    """Return where the line that holds `position` begins in its text, or -1 if it is too long for a row."""
    floor = max(0, position - _LONGEST_LINE)
    start = max(text.rfind(b"\n", floor, position), text.rfind(b"\x00", floor, position)) + 1
    return start if start or position < _LONGEST_LINE else -1


def _line_end(text: bytes, start: int) -> int:
    """Return where the line at `start` ends, or -1 if it is too long for a row."""
    window = text[start : start + _LONGEST_LINE]
    line = window.partition(b"\n")[0].partition(b"\x00")[0]
    return start + len(line) if len(line) < _LONGEST_LINE else -1


def _find_ruled(text: bytes, start: int, end: int) -> Sequence[Span]:
    """The candidate is the begin of the line below the headings: `|---|`, `+-----+`."""
    head = _line_start(text, start)
    if head < 0 or b"|" not in text[head:start]:
        return ()
    about = _ABOUT_AWS.search(look_back(text, start, 600) + text[end : end + 600].partition(b"\n\n")[0]) is not None
    columns = _Columns([cell for _, cell in _cells(text, head, start, b"|")], about)
    if not columns.families and not columns.accounts:
        return ()
    rule_end = _line_end(text, start + 1)
    return list(_ruled_rows(text, rule_end + 1, columns)) if text[rule_end : rule_end + 1] == b"\n" else ()


def _ruled_rows(text: bytes, position: int, columns: _Columns) -> Iterator[Span]:
    for _ in range(_MOST_ROWS):
        end = _line_end(text, position)
        line = text[position:end].lstrip(b" \t")
        if end < 0 or line[:1] not in (b"|", b"+"):
            return
        if not line.translate(None, b"|+-: \t\r"):
            return  # the table's end, or another one's headings stand above
        yield from columns.spans(_cells(text, position, end, b"|"))
        if text[end : end + 1] != b"\n":
            return
        position = end + 1


RULED = Detector(
    name="ruled_table",
    families=tuple(dict.fromkeys(["account_id", *_STRONG.values(), *_WEAK.values()])),
    summary="names and account ids in tables of Markdown and of the command line, by the headings of the columns",
    pattern=rb"\n[ \t]{0,8}[|+]{1,3}[ :]{0,2}-{2}",
    find=_find_ruled,
    bare=False,
    positives=(
        "|  DBInstanceIdentifier  |  DBInstanceClass |\n+----+----+\n|  «orders-db»   |  db.t3.micro |\n"
        "|  «users-db»  |  db.t3.micro  |\n+----+----+\n",
        "| Account | ID | Bucket |\n|---|:--|---|\n| prod | «210987654321» | `«acme-prod-logs»` |\n"
        "| test | **«310987654321»** | «acme-test-logs» |\n\nprose\n",
        "||  CreationDate  |   Name  ||\n|+----+----+|\n||  2019-05-04  |  «acme-logs»  ||\n"
        "||  2019-05-04  |  «acme-x1»  ||\n",
        "| FunctionName | Runtime |\n| --- | --- |\n| «billing-7» | python3.12 |\n",
    ),
    negatives=(
        "| Role | Who |\n|---|---|\n| on-call-1 | jane-7 |\n",
        "| Order | Number |\n|---|---|\n| x | 210987654321 |\n",
        "| Bucket | Region |\n|---|---|\n| full of water | eu-west-1 |\n",
        "--- a/x\n+++ b/x\n+-- y",
    ),
)

_HEADING = Pattern(rb"[ \xef\xbb\xbf]{0,4}[\"']?[A-Za-z][A-Za-z0-9_ /():.-]{0,60}[\"']? {0,4}")
_NUMBER = Pattern(rb"[0-9]{5}")


def _is_heading(cell: bytes) -> bool:
    return not cell.strip() or (_HEADING.fullmatch(cell) and _NUMBER.search(cell) is None)


def _find_separated(text: bytes, start: int, end: int) -> Sequence[Span]:
    """The candidate is a heading about accounts, and what stands between it and the next one, or the line's end."""
    head, stop = _line_start(text, start), _line_end(text, start)
    if head < 0 or text[stop : stop + 1] != b"\n":
        return ()
    line = text[head:stop]
    between = max((b",", b";", b"\t"), key=line.count)
    headings = line.rstrip(b"\r").split(between)
    if not 2 <= len(headings) <= _MOST_CELLS or not all(map(_is_heading, headings)):
        return ()
    before = line[: start - head].rpartition(between)[0]
    if b"account" in before.lower():
        return ()  # the same headings again
    return list(_separated_rows(text, stop + 1, between, _Columns(headings, about_aws=True)))


def _separated_rows(text: bytes, position: int, between: bytes, columns: _Columns) -> Iterator[Span]:
    for _ in range(_MOST_ROWS):
        end = _line_end(text, position)
        if end <= position:
            return
        found = list(columns.spans(_cells(text, position, end, between)))
        if not any(span.family == "account_id" for span in found):
            return
        yield from found
        if text[end : end + 1] != b"\n":
            return
        position = end + 1


SEPARATED = Detector(
    name="separated_table",
    families=RULED.families,
    summary="account ids, and names beside them, in CSV by the headings of the columns",
    pattern=rb"(?i:account[_ -]?(?:u?ids?|number|name)?[\"']?(?:[,;\t]|\r?\n))",
    find=_find_separated,
    bare=False,
    positives=(
        "name,account_id,bucket\nprod,«210987654321»,«acme-logs»\ntest,«310987654321»,x\n",
        '"Linked account","Linked account name","Cost"\n"«210987654321»","«acme-prod»","12"\n',
        "id,bill/PayerAccountId,lineItem/UsageAccountId,lineItem/ResourceId\na,«210987654321»,«310987654321»,«acme-x1»\n",
        "STATUS;ACCOUNT_UID;RESOURCE_NAME\nFAIL;«210987654321»;«acme-logs»",
        "action\taccount_id\r\nACCEPT\t«210987654321»\r\n",
    ),
    negatives=(
        "the account, and 210987654321, which\n210987654321,x\n",
        "order,account_name\n210987654321x,me\n",
        "account_id, x = 1, 2\n210987654321, 3\n",
    ),
)
