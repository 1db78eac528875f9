"""What a placeholder that stands in an answer tells about itself: its family, and who made it."""

from __future__ import annotations

from typing import Literal

from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES
from kong_plugins.aws_masker.pseudonym.addresses import owns_account
from kong_plugins.aws_masker.pseudonym.heads import FORMS, OPAQUE_HEAD, forms_at, opaque_head
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.shapes import OPAQUE

Maker = Literal["own", "foreign", "unknown"]
"""This tenant and key; anything else, though it has a shape that only placeholders have; nobody can tell."""

CUSTOM = "custom"
_PUBLIC_V4 = tuple(b"%d" % octet for octet in range(240, 248))
_DIGITS = frozenset(b"234567")
_HEX = b"0123456789abcdef"


def maker_of(prf: Prf, placeholder: bytes) -> Maker:
    """Tell who made a placeholder (canonical spelling) that is in no mapping.

    Ids of hex digits, account ids and addresses look the same whether they are placeholders or real, so they are
    `unknown` unless they prove to be this tenant's own; addresses have no proof at all. What is `foreign` may be
    another tenant's placeholder, one of another key, or an invention of the model: without that key nobody can tell.
    """
    if placeholder.startswith(OPAQUE_HEAD) and OPAQUE.owns(prf, placeholder[: -OPAQUE.length], placeholder):
        return "own"
    forms = [(head, shape) for head, shape in forms_at(placeholder) if placeholder.startswith(head)]
    if any(shape.owns(prf, head, placeholder) for head, shape in forms) or owns_account(prf, placeholder):
        return "own"
    if _opaque_family(placeholder) is not None:
        return "foreign"
    for head, shape in forms:
        payload = placeholder[len(head) :].replace(b"-", b"")
        # a name with a digit in it: `function-internationalise` is a word, and what is all hex digits may be an id
        named = shape.is_base32 and head.endswith(b"-") and payload.strip(_HEX)
        if named and len(payload) == shape.length and not _DIGITS.isdisjoint(payload):
            return "foreign"
    return "unknown"


def family_of(placeholder: bytes) -> str:
    """Return the family of a placeholder by its shape; patterns of the user's own are all `CUSTOM`.

    Heads that several families share (UUIDs: KMS keys and Cognito pools) go to the first of them.
    """
    if placeholder[:1].isdigit() and b":" not in placeholder:
        return _number_family(placeholder)
    opaque = _opaque_family(placeholder)
    if opaque is not None:
        return opaque
    bare = placeholder.replace(b"-", b"")
    for head, shape in forms_at(placeholder):
        if placeholder.startswith(head) and len(head.replace(b"-", b"")) + shape.length == len(bare):
            return _BY_FORM[head, shape]
    return "public_ip" if placeholder.startswith(b"2001:") else "private_ip" if b":" in placeholder else CUSTOM


def _number_family(placeholder: bytes) -> str:
    if b"." not in placeholder and len(placeholder.replace(b"-", b"")) == 12 and placeholder.count(b"-") in (0, 2):
        return "account_id"
    return "public_ip" if placeholder.startswith(_PUBLIC_V4) else "private_ip"


def _opaque_family(placeholder: bytes) -> str | None:
    head = placeholder[: -OPAQUE.length]
    if not placeholder.startswith(OPAQUE_HEAD) or not placeholder.isalnum():
        return None
    return CUSTOM if head.startswith(_CUSTOM_HEAD) and head != _CUSTOM_HEAD else _BY_OPAQUE_HEAD.get(head)


_BY_FORM = {form: family for family in reversed(FORMS) for form in FORMS[family]}
_BY_OPAQUE_HEAD = {opaque_head(family): family for family in FAMILIES}
_CUSTOM_HEAD = opaque_head(CUSTOM_PREFIX)
