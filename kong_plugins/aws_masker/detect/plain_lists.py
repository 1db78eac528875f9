"""Names in lists that AWS's `List...` operations answer with, under keys of anybody's: `"clusters": ["orders-1"]`.

They are names if the answer's metadata stands beside the list, or if the list is all that stands between the braces of
an answer, as the AWS CLI prints it. Only EKS has `nodegroups`.
"""

from __future__ import annotations

from collections.abc import Sequence

from kong_plugins.aws_masker.detect.detector import Detector
from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.detect.spans import NAME_CHARS, Span, look_back, run_end
from kong_plugins.aws_masker.detect.words import is_reference, is_word, literal

_NEAR = 600
_MOST = 1000
_GAP = rb"(?:[ \t\r\n]|\\n){0,40}"
_QUOTE = rb"\\{0,3}\""
_NEXT = Pattern(_QUOTE + _GAP + rb"," + _GAP + _QUOTE)
_ALONE_BEFORE = Pattern(rb"(?:^|\n|\\n|\x00)" + rb"\{" + _GAP + rb"\\{0,3}$")
_ALONE_BEHIND = Pattern(_QUOTE + _GAP + rb"\]" + _GAP + rb"(?:," + _GAP + _QUOTE + rb"[nN]extToken\\{0,3}\"|\})")


def _is_answer(text: bytes, start: int, end: int) -> bool:
    """Tell whether the list from `start` to its last value's end is a part of an answer of AWS's, or all of one."""
    before = look_back(text, start, _NEAR)
    if b"ResponseMetadata" in before or b"ResponseMetadata" in text[end : end + _NEAR].partition(b"\x00")[0]:
        return True
    return _ALONE_BEHIND.match(text[end : end + 160]) > 0 and _ALONE_BEFORE.search(before[-64:]) is not None


def _find(text: bytes, start: int, end: int) -> Sequence[Span]:
    key = text[start:end].split(b'"')[1].rstrip(b"\\")
    family = "cluster" if key == b"clusters" else "resource"
    spans: list[Span] = []
    position = end
    for _ in range(_MOST):
        name = literal(text, position, b'"\\')
        if len(name) >= 3 and b"/" not in name and not is_word(name) and not is_reference(name):
            spans.append(Span(position, position + len(name), family, spread=True))
        position = run_end(text, position, NAME_CHARS, 255)
        width = _NEXT.match(text[position : position + 96])
        if width <= 0:
            break
        position += width
    return spans if spans and (key == b"nodegroups" or _is_answer(text, start, position)) else ()


DETECTOR = Detector(
    name="plain_lists",
    families=("cluster", "resource"),
    summary="names in lists of clusters, projects and applications that AWS answers with",
    pattern=rb"\"(?:clusters|nodegroups|projects|applications|deploymentGroups)"
    + _QUOTE
    + _GAP
    + rb":"
    + _GAP
    + rb"\["
    + _GAP
    + _QUOTE,
    find=_find,
    bare=False,
    positives=(
        '{\n    "clusters": [\n        "«orders-1»",\n        "example",\n        "«sbx-ditto»"\n    ]\n}\n',
        '{"ResponseMetadata": {}, "projects": ["«custodian-build-python»"]}',
        r"{\n    \"projects\": [\n        \"«acme-build-2»\"\n    ],\n    \"nextToken\": \"x\"}",
        '{"x": {"nodegroups": ["«ng-7»"]}}',
    ),
    negatives=(
        '{"jest": {"projects": ["acme-web-1", "acme-api-2"]}}',
        '{"projects": ["packages/a-1"], "clusters": ["<rootDir>/x-1"]}',
        '{"clusters": ["default", "test"]}',
        '{"x": 1, "applications": ["word-7"]}',
    ),
)
