"""From a value to its placeholder, and whether something is a placeholder already.

What is promised, and how each promise is kept:

*Deterministic.* A placeholder is a function of key, tenant, family and value, and of nothing else: no counter, no
store.

*One-way.* It is a keyed pseudo-random function of the value; without the key it tells nothing, and even with the key it
is turned back only by the mapping that was remembered (private IPv4 addresses excepted, whose permutation the key
inverts).

*Never given to two values.* Identities have at least 48 bits for names and keys, 40 for hex ids: 10,000 values of one
family collide with a probability of 2e-7 and 5e-5. Account ids have six digits (see `addresses`). Private IPv4
addresses cannot collide. Whoever masks compares with what the placeholder stands for already, and on a collision
takes the opaque form (65 bits) for the later value; so a collision costs a shape, never a wrong answer.

*Self-delimiting.* A head is followed by a fixed number of characters; accounts and addresses end where the digits end.
Opaque ones end where the mapping says. None occurs inside another: a payload has no hyphen, and a head no place in one.

*Masking masked text changes nothing.* A candidate whose tag proves that this key made it is left alone. A foreign
value is mistaken for one, and passes, with a probability of 2**-28 (hex ids), 10**-6 (account ids, which have no room
for more) or 2**-30 and less (all others). Private IPv4 addresses have no room for a proof at all: whether those of a
request are placeholders is told by the values around them and by the tenant's memory, see `masking.Session`; a text of
addresses only, without memory, is masked again (and restored all the same). Placeholders of public addresses lie where
no address to be masked does.

*Look-alikes come back unharmed.* Only what was put into a mapping is ever restored; a text that merely has the shape is
in none.
"""

from __future__ import annotations

from kong_plugins.aws_masker.pseudonym import addresses
from kong_plugins.aws_masker.pseudonym.heads import FORMS, OPAQUE_HEAD, form_of, forms_at, opaque_head
from kong_plugins.aws_masker.pseudonym.prf import Prf
from kong_plugins.aws_masker.pseudonym.shapes import OPAQUE

_TOKENS = ("session_token", "bedrock_key")
_ADDRESSES = ("private_ip", "public_ip", "public_dns")


class Pseudonymizer:
    """Makes and recognises the placeholders of one tenant; immutable."""

    def __init__(self, prf: Prf, preserve_structure: bool) -> None:
        """`preserve_structure`: keep the shape of values, or give opaque tokens."""
        self._prf = prf
        self._preserve = preserve_structure

    def placeholder(self, family: str, value: bytes) -> bytes:
        """Return the placeholder for `value`."""
        if not self._preserve:
            return self.opaque(family, value)
        if family in FORMS:
            head, shape = form_of(family, value)
            return shape.make(self._prf, head, family, value)
        try:
            if family == "account_id":
                return addresses.account(self._prf, value)
            if family in _ADDRESSES:
                return addresses.address(self._prf, family, value)
        except ValueError:  # what a longer value left over of an address is none
            pass
        return self.opaque(family, value)

    def opaque(self, family: str, value: bytes) -> bytes:
        """Return a placeholder of capitals and digits only, beginning with `AWS` and the family."""
        return OPAQUE.make(self._prf, opaque_head(family), family, value)

    def owns(self, family: str, value: bytes) -> bool:
        """Tell whether `value`, found as one of `family`, is a placeholder that this key and tenant made."""
        if OPAQUE_HEAD in value:
            # a placeholder between slashes may look like a secret key together with its neighbours
            parts = value.split(b"/") if family == "secret_key" else [value]
            if any(self._owns_opaque(part) for part in parts):
                return True
        if family == "account_id":
            return addresses.owns_account(self._prf, value)
        if b":" in value and family == "private_ip":
            return addresses.owns_v6(self._prf, value)
        for head, shape in forms_at(value):
            # being as long as it likes, a token swallows what stands right behind it
            whole = value[: len(head) + shape.length] if family in _TOKENS else value
            if value.startswith(head) and shape.owns(self._prf, head, whole):
                return True
        return False

    def _owns_opaque(self, value: bytes) -> bool:
        return value.startswith(OPAQUE_HEAD) and OPAQUE.owns(self._prf, value[: -OPAQUE.length], value)
