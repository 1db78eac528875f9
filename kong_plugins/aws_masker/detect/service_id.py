"""Ids that only their key makes certain: a prefix, a hyphen, and letters and digits that look drawn by lot.

`"WorkspaceId": "ws-fs0qkfga4x47"`, `--server-id s-...`, `graph_id = "g-h8qku3w1j9"`. Each service has a prefix and an
alphabet of its own and adds new ones with every year, so what is asked is that the key says id and that the rest is no
word, number, version or date. Behind a prefix of AWS's less suffices than behind one that anybody may have chosen.
The prefixes come from the shapes in botocore's service models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from kong_plugins.aws_masker.detect import identifier, resource_id
from kong_plugins.aws_masker.detect.detector import Detector, nearby
from kong_plugins.aws_masker.detect.patterns import UUID, Pattern
from kong_plugins.aws_masker.detect.separators import SEPARATOR
from kong_plugins.aws_masker.detect.spans import ALNUM, Span, escape_ends_at, run_end

_PREFIXES = frozenset(
    b"a ai alloc app as benalloc benappl c ch compliance-inquiry ctx customer-agreement d da dc drs eng env g gs hrc "
    b"import le m o p pa pac pacinv partner pma pprofile pprofiletask prod rte sub t w wsa wsca wsi wsinst wsipg "
    b"wspool".split()
) | {
    prefix.encode()
    for prefix in (*resource_id.INSTANCE_PREFIXES, *resource_id.PREFIXES, *resource_id.LONG_PREFIXES, "cluster")
}
_OF_OTHERS = frozenset(
    b"chatcmpl cmpl call toolu msg req resp run thread asst file batch ftjob gen org sess proj sk pk rk".split()
)
"""Prefixes of language models' APIs, whose answers are pasted as well."""

_WORD = "[a-z][a-z0-9]{0,15}"
_VALUE = rf"{_WORD}(?:-{_WORD}){{0,3}}-(?:[0-9A-Za-z]{{7,40}}|{UUID.decode()})"
_SHORTEST, _LONGEST = 7, 40
_UUID = Pattern(UUID)
_SHORT = 4
"""Letters of a prefix that a UUID may follow; longer ones, such as `trace-`, are words of any program's."""
_VALUE_CHARS = bytes(sorted(ALNUM)) + b"-"
_WHOLE = Pattern(_VALUE.encode())
_OF_EC2 = Pattern(resource_id.PATTERN)
_ELSEWHERE = Pattern(
    UUID
    + b"|"
    + b"|".join(
        one.pattern
        for one in (identifier.DIRECTORY, identifier.ORGANIZATION, identifier.DB_RESOURCE, identifier.MULTI_REGION_KEY)
    )
)
"""What another detector finds by its own shape, or refuses for a reason of its own."""

_CASE_AT_RANDOM = Pattern(rb"[0-9A-Za-z]+[A-Z][a-z][A-Z][0-9A-Za-z]*")
_KINDS = bytes(
    32 if 97 <= byte <= 122 else 33 if 65 <= byte <= 90 else 34 if 48 <= byte <= 57 else byte for byte in range(256)
)


def _changes(value: bytes) -> int:
    """Count the changes between small letters, capitals and digits; `section2b` has two, `fs0qkfga4x47` six."""
    kinds = value.translate(_KINDS)
    return sum(one != other for one, other in pairwise(kinds))


@lru_cache(maxsize=1 << 12)
def _is_id(value: bytes) -> bool:
    """Tell whether `value` is a prefix and something random."""
    if value.count(b"-") >= 5 and _UUID.fullmatch(value[-36:]):
        prefix = value[:-37]
        return prefix in _PREFIXES or (len(prefix) <= _SHORT and prefix not in _OF_OTHERS)
    prefix, _, rest = value.rpartition(b"-")
    if prefix in _OF_OTHERS or not _SHORTEST <= len(rest) <= _LONGEST or resource_id.DATE.fullmatch(rest):
        return False
    digits = len(rest) - len(rest.translate(None, b"0123456789"))
    changes = _changes(rest)
    if prefix in _PREFIXES:
        if digits == len(rest):
            return digits >= 8
        return changes >= 2 and (digits > 0 or (_CASE_AT_RANDOM.fullmatch(rest) and 3 * changes > len(rest)))
    if len(rest) >= 12 and 0 < digits < len(rest) and not rest.strip(b"0123456789abcdef"):
        return True  # hex digits, and more of them than a commit is shortened to
    return digits >= 2 and len(rest) >= 8 and changes >= 4


def _starts(text: bytes, start: int) -> bool:
    """Tell whether a key's last word begins at `start`: `workspaceId`, `workspace_id`, `id`, but not `grid`."""
    if text[start] in b"dD":  # `dentifier`
        start -= 1
        if start < 0 or text[start] not in b"iI":
            return False
    before = text[start - 1 : start]
    return text[start : start + 1] == b"I" or not before.isalpha() or escape_ends_at(text, start)


def _ends(text: bytes, end: int, quoted: bool) -> bool:
    """Tell whether a value ends at `end`, and not only a part of a longer word, path or call."""
    behind = text[end : end + 1]
    if quoted:
        return behind in (b'"', b"'", b"`", b"\\")
    if behind in _ENDS:  # b"" as well
        return True
    return behind not in _GOES_ON and not text[end + 1 : end + 2].isalnum()


_ENDS = b" \t\r\n,;<|)&\\\x1b\x00"
_GOES_ON = b"([{$*=_/"


def _span(text: bytes, start: int, end: int) -> Sequence[Span]:
    value = text[start:end]
    if _OF_EC2.fullmatch(value) and (found := resource_id.find(text, start, end)):
        return found
    if not _WHOLE.fullmatch(value) or _ELSEWHERE.fullmatch(value):
        return ()
    return (Span(start, end, "service_id", spread=True),) if _is_id(value) else ()


def _list(text: bytes, position: int) -> Iterator[Span]:
    """Yield the ids that follow the first one of a list."""
    for _ in range(100):
        gap = run_end(text, position, b"\"'`\\, \t\r\n-")
        end = run_end(text, gap, _VALUE_CHARS)
        if gap == position or not (found := _span(text, gap, end)):
            return
        yield from found
        position = end


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    plural = text[start + (9 if text[start] in b"dD" else 2)] in b"sS"
    goes_on = end < len(text) and text[end] in _VALUE_CHARS
    return (_check if plural or goes_on else _check_nearby)(text, start, end)


def _check(text: bytes, start: int, end: int) -> Sequence[Span]:
    begin = start + _KEY.match(text[start:end])
    value = begin + _SEPARATOR.match(text[begin:end])
    stop = run_end(text, value, _VALUE_CHARS)
    if not _starts(text, start) or not _ends(text, stop, text[value - 1 : value] in (b'"', b"'", b"`")):
        return ()
    found = _span(text, value, stop)
    return (*found, *_list(text, stop)) if found and text[begin - 1 : begin] in b"sS" else found


_check_nearby = nearby(back=20, ahead=8)(_check)
"""For one value, whose end is in sight; a list may be long."""

_KEY_PATTERN = rb"(?:[iI][dD]|dentifier|DENTIFIER)[sS]?"
"""Not from the first letter of `identifier` on, which announces a name as well: of two candidates that begin together
only the longer one is looked at."""
_KEY = Pattern(_KEY_PATTERN)
_SEPARATED = rf"(?:{SEPARATOR}|:\r?\n[ \t]{{0,32}}-[ \t][\"']?)".encode()  # the last one: a list of YAML's
_SEPARATOR = Pattern(_SEPARATED)

DETECTOR = Detector(
    name="service_id",
    families=("service_id", "resource_id", "ec2_instance"),
    summary="ids of a prefix and random letters and digits behind a key that says id",
    pattern=_KEY_PATTERN + _SEPARATED + _VALUE.encode(),
    find=_find,
    positives=(
        '"WorkspaceId": "«ws-fs0qkfga4x47»"',
        '{"OrganizationId":"«m-1b1b7fad4d0f46201e28b83cc422ce14»"}',
        r"{\"sourceServerID\": \"«s-7vF8Xmx5X2MbofZ2O»\"}",
        '"SourceBackupIds": ["«backup-WHb54JyjwPc»", "«backup-B4UEZva7W6v»"]',
        "aws workspaces describe-workspaces --workspace-ids «ws-fs0qkfga4x47» «ws-vayzd2kh26» --limit 2",
        'graph_id = "«g-h8qku3w1j9»"',
        "graph_identifier: «g-h8qku3w1j9»\n",
        "ids:\n  - «wsb-y272rbq15»\n",
        "client.describe_trusts(TrustIds=['«t-352a0066f9»'])",
        "<attachmentId>«attachment-7d8038f5»</attachmentId>",
        "WORKSPACE_ID=«ws-fs0qkfga4x47»",
        "BundleId=«wsb-y272rbq15»,VolumeEncryptionEnabled=true",
        "the workspace id `«ws-fs0qkfga4x47»` is",
        "|  WorkspaceId  |  «ws-fs0qkfga4x47»  |",
        '"VpcId": "«vpc-im7910pv»", "InstanceId": "«i-0123456789abcdef0»"',
        '"CrossClusterSearchConnectionId": "«ccs-876865f6-e37c-4533-8e7b-ce982ceecaed»"',
        '"SpotFleetRequestId": "«sfr-20704b88-c112-4227-b878-a5011b6b8c56»"',
        '"ThingId": "«thing-9a56yoqYxU2»", "ConfigId": "«rqlc-fb017689395648d1»"',
    ),
    negatives=(
        'id="section-heading1" data-id="col-md-10" id="menu-item-1234567"',
        '"id": "release-20240131", "runId": "nightly-202401311200"',
        '"id": "chatcmpl-9nKTzFJ0Hn0cYJXHyZ2sNeNqWgQ6O"',
        '"id": "req-876865f6-e37c-4533-8e7b-ce982ceecaed", "eventId": "event-876865f6-e37c-4533-8e7b-ce982ceecaed"',
        '"requestId": "a1b2c3d4-e5f6-4a5b-8c7d-9e0f1a2b3c4d"',
        '"moduleId": "react-es2015modules", "projectId": "acme-prod-394817"',
        "grid: row-9a56yoqYxU2, uuid = x-9a56yoqYxU2",
        'workspace_id = aws-9a56yoqYxU2(x), id: ws-fs0qkfga4x47_old, id = "ws-fs0qkfga4x47-old"',
        '"VpcId": "vpc-default", "SubnetId": "subnet-private1", "vpc_id": "vpc-MyTestVpc"',
        "--client-id web-application2",
    ),
)
