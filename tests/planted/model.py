"""What a planted value is: a template whose holes are secret and whose literal pieces are public.

`arn:aws:iam::{account}:role/{name}` says at once what must never reach the upstream (the account, the name) and what
must stay for the model to understand the text (`arn:aws:iam::`, `:role/`). Everything is drawn from a seeded generator,
and credentials are put together at run time, so that no file of the repository holds anything that looks like one.
"""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

LOWER = string.ascii_lowercase
DIGITS = string.digits
HEX = "0123456789abcdef"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE64 = string.ascii_letters + DIGITS + "+/"

# Made-up words, so that a name can neither stand in a carrier by chance nor be an ordinary word.
_OWNERS = ("globex", "initech", "hooli", "vandelay", "wernham", "tyrell", "cyberdyne", "massivedyn")
_THINGS = ("ledger", "payslips", "telemetrix", "invoicing", "checkout", "geodata", "claimsapi", "riskcalc")
_STAGES = ("prod", "stg", "uat", "preprod", "euw1", "blue", "canary", "dr")


class Secret(NamedTuple):
    """A part of a planted value that must not reach the upstream."""

    kind: str
    text: str


class Context(NamedTuple):
    """The words around a value that make it certain: how the tools that print or take it call it."""

    key: str = "Value"
    """JSON key of the API, e.g. `FunctionName`."""
    cli: str = "tool run --value"
    """A command and the flag that takes the value."""
    tf: str = "example_thing"
    """Terraform resource type."""
    attr: str = "value"
    """Terraform attribute, also used as YAML and Helm key."""
    cfn: str = "Example::Thing"
    """CloudFormation resource type; its property is `key`."""
    env: str = "SOME_VALUE"
    """An environment variable as people name it."""


NO_CONTEXT = Context()
"""What stands around a value that is certain by its shape."""


@dataclass(frozen=True)
class Planted:
    """One value to plant: its text, its secret and public parts, and its context."""

    family: str
    kind: str
    """id, token (base64-like), account, ip, host, arn, uri or name: decides which carriers make sense."""
    text: str
    secrets: tuple[Secret, ...]
    public: tuple[str, ...]
    context: Context = NO_CONTEXT
    shaped: bool = True
    """False where only a context makes it certain."""


def _word(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _name(rng: random.Random) -> str:
    return f"{rng.choice(_OWNERS)}-{rng.choice(_THINGS)}-{rng.choice(_STAGES)}{rng.randrange(10, 99)}"


def _camel(rng: random.Random) -> str:
    return f"{rng.choice(_OWNERS).title()}{rng.choice(_THINGS).title()}Writer{rng.randrange(10, 99)}"


def _plain_camel(rng: random.Random) -> str:
    return f"{rng.choice(_OWNERS).title()}{rng.choice(_THINGS).title()}Reader"


def _dashed_ip(rng: random.Random) -> str:
    return f"10-{rng.randrange(1, 250)}-{rng.randrange(1, 250)}-{rng.randrange(2, 250)}"


def _dashed_public_ip(rng: random.Random) -> str:
    return f"54-{rng.randrange(1, 250)}-{rng.randrange(1, 250)}-{rng.randrange(2, 250)}"


def secret_key(rng: random.Random) -> str:
    """40 characters as IAM makes them: both cases, digits, `/` or `+` inside, none at the ends."""
    middle = [*rng.sample(BASE64[:62], 34), "/", "+", rng.choice(DIGITS), rng.choice(LOWER)]
    rng.shuffle(middle)
    return rng.choice(string.ascii_letters) + "".join(middle) + rng.choice(string.ascii_letters)


def _ipv6(rng: random.Random) -> str:
    groups = ":".join(_word(rng, HEX[1:], 4) for _ in range(2))
    return f"fd{_word(rng, HEX, 2)}:{groups}::{_word(rng, HEX[1:], 3)}"


_HOLES: dict[str, Callable[[random.Random], str]] = {
    "account": lambda rng: rng.choice("3456789") + _word(rng, DIGITS, 11),
    "name": _name,
    "under": lambda rng: _name(rng).replace("-", "_"),
    "dotted": lambda rng: _name(rng).replace("-", ".", 1),
    "upper": lambda rng: _name(rng).upper(),
    "camel": _camel,
    "plaincamel": _plain_camel,
    "email": lambda rng: f"{rng.choice(_OWNERS)}.{rng.choice(_THINGS)}@{rng.choice(_OWNERS)}-corp.example",
    "hex6": lambda rng: _word(rng, HEX, 6),
    "hex8": lambda rng: _word(rng, HEX, 7) + rng.choice(DIGITS),
    "hex10": lambda rng: _word(rng, HEX, 9) + rng.choice(DIGITS),
    "hex16": lambda rng: _word(rng, HEX, 15) + rng.choice(DIGITS),
    "hex17": lambda rng: "0" + _word(rng, HEX, 15) + rng.choice(DIGITS),
    "hex32": lambda rng: _word(rng, HEX, 31) + rng.choice(DIGITS),
    "HEX32": lambda rng: _word(rng, HEX, 31).upper() + rng.choice(DIGITS),
    "hex40": lambda rng: _word(rng, HEX, 39) + rng.choice(DIGITS),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "digits10": lambda rng: rng.choice("123456789") + _word(rng, DIGITS, 9),
    "alnum4": lambda rng: _word(rng, LOWER, 2) + _word(rng, DIGITS, 1) + _word(rng, LOWER, 1),
    "alnum8": lambda rng: _word(rng, LOWER + DIGITS, 6) + _word(rng, DIGITS, 1) + _word(rng, LOWER, 1),
    "alnum10": lambda rng: _word(rng, LOWER + DIGITS, 8) + _word(rng, DIGITS, 1) + _word(rng, LOWER, 1),
    "alnum12": lambda rng: "c" + _word(rng, LOWER + DIGITS, 9) + _word(rng, DIGITS, 1) + _word(rng, LOWER, 1),
    "alnum13": lambda rng: _word(rng, LOWER + DIGITS, 11) + _word(rng, DIGITS, 1) + _word(rng, LOWER, 1),
    "alnum26": lambda rng: _word(rng, LOWER + DIGITS, 26),
    "alnum32": lambda rng: _word(rng, LOWER + DIGITS, 31) + _word(rng, DIGITS, 1),
    "ALNUM12": lambda rng: _word(rng, LOWER.upper() + DIGITS, 10) + _word(rng, DIGITS, 1) + "Q",
    "ALNUM13": lambda rng: _word(rng, LOWER.upper() + DIGITS, 11) + _word(rng, DIGITS, 1) + "Q",
    "ALNUM20": lambda rng: _word(rng, LOWER.upper() + DIGITS, 18) + _word(rng, DIGITS, 1) + "Q",
    "ALNUM26": lambda rng: _word(rng, LOWER.upper() + DIGITS, 24) + _word(rng, DIGITS, 1) + "Q",
    "mixed6": lambda rng: "".join(rng.choice(a) for a in (LOWER.upper(), LOWER, DIGITS, LOWER, LOWER.upper(), LOWER)),
    "mixed9": lambda rng: "".join(rng.choice(a) for a in (LOWER.upper(), DIGITS, LOWER) * 3),
    "base32": lambda rng: "QYZ"[rng.randrange(3)] + _word(rng, BASE32, 15),
    "base32of17": lambda rng: "Q" + _word(rng, BASE32, 16),
    "secretkey": secret_key,
    "token": lambda rng: _word(rng, BASE64, 340) + "==",
    "bedrocktail": lambda rng: _word(rng, BASE64[:62], 106) + "==",
    "ip10": lambda rng: f"10.{rng.randrange(1, 250)}.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}",
    "ip172": lambda rng: f"172.{rng.randrange(16, 32)}.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}",
    "ip192": lambda rng: f"192.168.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}",
    "ip100": lambda rng: f"100.{rng.randrange(65, 127)}.{rng.randrange(1, 250)}.{rng.randrange(2, 250)}",
    "net10": lambda rng: f"10.{rng.randrange(1, 250)}.0.0",
    "net172": lambda rng: f"172.{rng.randrange(17, 31)}.{rng.randrange(1, 250)}.0",
    "net192": lambda rng: f"192.168.{rng.randrange(1, 250)}.128",
    "ipv6": _ipv6,
    "dashedip": _dashed_ip,
    "dashedpublicip": _dashed_public_ip,
}

NAMES = frozenset({"name", "under", "dotted", "upper", "camel", "plaincamel", "email"})
"""Holes that hold names without a shape of their own."""


def _public(literal: str) -> str:
    """Return what of a literal piece has to stay: joints between two secrets may go, as may the end of a name."""
    rest = literal[literal.find(".") :] if literal.startswith("-") and "." in literal else literal
    meaningless = rest.startswith("-") or sum(character.isalpha() for character in rest) < 2
    return "" if meaningless else rest


def plant(
    family: str, template: str, seed: int, *, kind: str = "id", shaped: bool = True, context: Context = NO_CONTEXT
) -> Planted:
    """Fill `template`; `{region}` is public, `{loose}` may stay or not, `{name:2}` is a second, different name."""
    rng = random.Random(f"{seed} {family} {template}")
    text, literal = "", ""
    secrets: list[Secret] = []
    public: list[str] = []
    for piece, hole, _, _ in string.Formatter().parse(template):
        text += piece
        literal += piece
        if hole is None:
            continue
        if hole == "loose":
            text += "2024-05-01T10:11:12.123"
            public.append(literal)
            literal = ""
            continue
        if hole == "region":
            region = rng.choice(("us-east-1", "eu-west-1", "ap-northeast-2", "eu-central-1"))
            text += region
            literal += region
            continue
        filled = _HOLES[hole](rng)
        while any(filled == known.text for known in secrets):
            filled = _HOLES[hole](rng)
        text += filled
        secrets.append(Secret(hole, filled))
        public.append(literal)
        literal = ""
    public.append(literal)
    known = () if kind in ("name", "token") else tuple(piece for piece in map(_public, public) if piece)
    return Planted(family, kind, text, tuple(secrets), known, context, shaped)
