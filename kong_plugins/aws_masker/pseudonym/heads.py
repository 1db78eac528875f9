"""Which head and shape the placeholders of a family have."""

from __future__ import annotations

from collections.abc import Iterator

from kong_plugins.aws_masker.detect.access_key import PREFIXES as IAM_PREFIXES
from kong_plugins.aws_masker.detect.resource_id import INSTANCE_PREFIXES, LONG_PREFIXES
from kong_plugins.aws_masker.detect.resource_id import PREFIXES as RESOURCE_PREFIXES
from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES, NAME_FAMILIES
from kong_plugins.aws_masker.pseudonym import shapes
from kong_plugins.aws_masker.pseudonym.shapes import Shape

Form = tuple[bytes, Shape]
"""A head and the shape of what follows it."""

_WORDS = {family: family for family in sorted(NAME_FAMILIES)} | {
    "database": "db",
    "load_balancer": "lb",
    "endpoint": "ep",
}
"""The word before the hyphen of a name's placeholder: it tells the model what it looks at."""

_FIXED: dict[str, tuple[Form, ...]] = {
    "secret_key": ((b"AWSSECRET", shapes.SECRET),),
    "session_token": ((b"IQoJb3JpZ2lu", shapes.TOKEN),),
    "bedrock_key": ((b"ABSK", shapes.TOKEN), (b"bedrock-api-key-", shapes.TOKEN)),
    "db_resource": tuple((f"{prefix}-".encode(), shapes.DB_RESOURCE) for prefix in ("db", "cluster", "prx", "tgt")),
    "kms_key": ((b"aced", shapes.UUID), (b"mrk-", shapes.MULTI_REGION)),
    "cognito_pool": ((b"Pool", shapes.KEY16), (b"aced", shapes.UUID)),
    "hosted_zone": ((b"ZAWS", shapes.KEY16),),
    "distribution": ((b"EAWS", shapes.KEY16), (b"daws", shapes.NAME)),
    "eks_endpoint": ((b"ACED", shapes.HEX28),),
    "organization": ((b"o-", shapes.NAME), (b"ou-", shapes.UNIT), (b"r-", shapes.NAME)),
    "directory": tuple((f"{prefix}-".encode(), shapes.HEX17) for prefix in ("d", "ssoins", "ps", "tps")),
    "ec2_instance": tuple((f"{prefix}-".encode(), shapes.HEX17) for prefix in INSTANCE_PREFIXES),
    "resource_id": tuple(
        (f"{prefix}-".encode(), shapes.HEX17) for prefix in dict.fromkeys((*RESOURCE_PREFIXES, *LONG_PREFIXES))
    ),
    # `id-` stands for a prefix that is no head already; a name's word and Organizations' roots have theirs with NAME
    "service_id": (
        (b"id-", shapes.NAME),
        *(
            (f"{prefix}-".encode(), shapes.NAME)
            for prefix in dict.fromkeys((*INSTANCE_PREFIXES, *RESOURCE_PREFIXES, *LONG_PREFIXES))
            if prefix not in _WORDS.values() and prefix != "r"
        ),
    ),
    "access_key": tuple(
        (prefix.encode(), shapes.KEY16 if prefix in ("AKIA", "ASIA", "ABIA", "ACCA") else shapes.KEY17)
        for prefix in IAM_PREFIXES
    ),
}

FORMS: dict[str, tuple[Form, ...]] = _FIXED | {
    family: ((f"{word}-".encode(), shapes.NAME),) for family, word in _WORDS.items()
}
"""The forms of each family that keeps its structure by head and shape; account ids and addresses are not among them."""

_BY_HEAD = {family: {form[0]: form for form in forms} for family, forms in FORMS.items()}


def _index() -> dict[bytes, tuple[Form, ...]]:
    forms = dict.fromkeys(form for of_family in FORMS.values() for form in of_family)
    by_head: dict[bytes, list[Form]] = {}
    for form in sorted(forms, key=lambda form: -form[1].length):
        by_head.setdefault(form[0].lower(), []).append(form)
    return {head: tuple(found) for head, found in by_head.items()}


HEADS: dict[bytes, tuple[Form, ...]] = _index()
"""Every head in lower case, with the forms that it begins, longest first."""


def _beginnings() -> dict[bytes, tuple[tuple[bytes, tuple[Form, ...]], ...]]:
    found: dict[bytes, list[tuple[bytes, tuple[Form, ...]]]] = {}
    for head in sorted(HEADS, key=len, reverse=True):
        found.setdefault(head[:_BEGINNING], []).append((head, HEADS[head]))
    return {beginning: tuple(heads) for beginning, heads in found.items()}


_BEGINNING = min(map(len, HEADS))
_LONGEST_HEAD = max(map(len, HEADS))
_BEGINNINGS = _beginnings()
"""The heads, longest first, by their first characters: of hundreds of heads, each value is compared with a few."""


def forms_at(text: bytes) -> list[Form]:
    """Return the forms whose head `text` begins with, in whatever case, longest head first."""
    lowered = text[:_LONGEST_HEAD].lower()
    found: list[Form] = []
    for head, forms in _BEGINNINGS.get(lowered[:_BEGINNING], ()):
        if lowered.startswith(head):
            found += forms
    return found


OPAQUE_HEAD = b"AWS"
_TYPES = {"ec2_instance": "instance", "access_key": "accesskey", "resource_id": "resourceid"}


def form_of(family: str, value: bytes) -> Form:
    """Return the form of `value`'s placeholder: the one with the value's own prefix, where the family has several."""
    forms = FORMS[family]
    if len(value) == 36 and value.count(b"-") == 4:
        return next((form for form in forms if form[1] is shapes.UUID), forms[0])
    if family == "distribution":
        return forms[0 if value[:1].isupper() else 1]
    if len(forms) == 1:
        return forms[0]
    own = _BY_HEAD[family]
    for head, _ in forms_at(value):
        if head in own and value.startswith(head):
            return own[head]
    return forms[0]


def opaque_lengths(word: bytes) -> Iterator[int]:
    """Yield how long an opaque placeholder at the beginning of `word` (in capitals) may be, longest first."""
    if word.startswith(_CUSTOM_HEAD):  # the names of users' patterns are known to the mapping only
        yield from range(len(word), len(_CUSTOM_HEAD) + shapes.OPAQUE.length, -1)
    for head in _OPAQUE_HEADS:
        if word.startswith(head) and len(head) + shapes.OPAQUE.length <= len(word):
            yield len(head) + shapes.OPAQUE.length


def opaque_head(family: str) -> bytes:
    """Return the head of `family`'s opaque placeholders: `AWS` and its type in capitals."""
    name = _TYPES.get(family, family).replace("_", "").upper()
    return OPAQUE_HEAD + name.encode()


_OPAQUE_HEADS = sorted({opaque_head(family) for family in FAMILIES}, key=len, reverse=True)
_CUSTOM_HEAD = opaque_head(CUSTOM_PREFIX)
