"""Rules that say, for each place of a JSON tree, what its strings are; and the walk that applies them.

A `Rule` belongs to a place of the tree, whatever stands there: a string is treated as the rule's `leaf` says, each
element of an array follows the same rule, and each member of an object the rule in `fields` under its key, or `other`.
An API's rules (`wire.providers`) serve requests, answers and stream events alike, so that what is masked on the way out
and what is restored on the way back cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from kong_plugins.aws_masker.wire.jsontext import MAX_DEPTH, NotJsonError

Scope = tuple["str | int | None", ...]
"""Values of the index fields on the way down to a string of a stream event, and the string's key: names a block."""


class Leaf(Enum):
    """What a string is, and so what happens to it."""

    TEXT = auto()
    """Prose of the protocol: masked and restored, without the key that it stands under."""
    DATA = auto()
    """A value in free-form data: masked with its nearest key as context, and restored."""
    KEY = auto()
    """A key of free-form data: masked and restored."""
    NUMBER = auto()
    """A whole number of several digits in free-form data, such as an account id: masked and restored as DATA is."""
    JSON = auto()
    """A JSON text inside a string: its own strings are masked and restored as DATA."""
    KEEP = auto()
    """Belongs to the protocol (an id, a type, a signature): never touched."""
    SIGNED = auto()
    """Text under a signature: never touched, but what it would have masked is counted."""
    ATTRIBUTION = auto()
    """A system text, which is the client's attribution line or else TEXT."""
    URL = auto()
    """An address; a `data:` address is treated by what it holds, any other is TEXT."""
    BLOB = auto()
    """Base64 of unknown contents or a `data:` address: text inside is masked, binary data kept."""
    BINARY = auto()
    """Base64 of an image, sound, film or PDF: kept if it is base64, else TEXT."""
    ENCODED = auto()
    """Base64 of a text file, however short: the text is masked."""
    REQUEST = auto()
    """Base64 of another request of the same API, as a JSON text: masked by the same rules."""
    PIECE = auto()
    """A piece of a text that arrives over several stream events."""
    JSON_PIECE = auto()
    """The same of a JSON text, into which a restored value must go JSON-escaped."""


class Rule:
    """What the strings at one place of a tree are; immutable once its module is loaded."""

    __slots__ = ("fields", "kept", "keys", "leaf", "other", "pick", "scope")

    def __init__(
        self,
        leaf: Leaf = Leaf.TEXT,
        fields: Mapping[str, Rule] | None = None,
        other: Rule | None = None,
        *,
        pick: Callable[[dict[str, Any]], Rule] | None = None,
        scope: tuple[str, ...] = (),
    ) -> None:
        """`other` is for members not named in `fields`; without one the rule serves them itself.

        `pick`: chooses the rule of an object by looking at it. `scope`: fields of the object that tell, in a stream,
        which block a piece belongs to. In an object at a place of DATA the keys are data as well.
        """
        self.leaf = leaf
        self.fields: dict[str, Rule] = dict(fields or {})
        self.other: Rule = other or self
        self.keys = leaf is Leaf.DATA
        self.kept = leaf is Leaf.KEEP  # asked for every string: looking up an enum's member takes its time
        self.pick = pick
        self.scope = scope


Visit = Callable[[int, str, Leaf, str, Scope], None]
"""Called with each string's number, value, kind, nearest key and scope. A NUMBER has the next string's number."""

_SMALLEST_NUMBER = 1_000_000
"""Smallest integer looked at. What has fewer digits identifies nothing, and lists of tokens are full of it."""


def scope_of(rule: Rule, node: Mapping[str, Any], scope: Scope) -> Scope:
    """Return `scope` with the values of `node`'s own index fields added; anything but a scalar counts as missing."""
    values = (node.get(name) for name in rule.scope)
    return (*scope, *(value if isinstance(value, (str, int)) else None for value in values))


class Walk:
    """One walk over a tree in document order; `strings` counts the keys and values met."""

    __slots__ = ("_visit", "strings")

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self.strings = 0

    def over(self, node: Any, rule: Rule, key: str = "", scope: Scope = (), depth: int = 0) -> None:
        """Visit every string under `node`, which stands at `rule`'s place.

        Raises:
            NotJsonError: nested deeper than MAX_DEPTH.
        """
        kind = node.__class__
        if kind is str:
            token = self.strings
            self.strings = token + 1
            if not rule.kept:
                self._visit(token, node, rule.leaf, key, scope)
        elif kind is dict:
            self._object(node, rule, scope, depth)
        elif kind is list:
            if depth >= MAX_DEPTH:
                raise NotJsonError("nested too deeply")
            for child in node:
                self.over(child, rule, key, scope, depth + 1)
        elif kind is int and rule.keys and node >= _SMALLEST_NUMBER:
            self._visit(self.strings, str(node), Leaf.NUMBER, key, scope)

    def _object(self, node: dict[str, Any], rule: Rule, scope: Scope, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise NotJsonError("nested too deeply")
        if rule.pick is not None:
            rule = rule.pick(node)
        if rule.scope:
            scope = scope_of(rule, node, scope)
        fields, other, visit = rule.fields, rule.other, self._visit
        for name, child in node.items():
            token = self.strings
            self.strings = token + 1
            if rule.keys:
                visit(token, name, Leaf.KEY, "", scope)
            below = fields.get(name, other)
            if child.__class__ is str:  # the same as over() does, without a call for the commonest case
                self.strings = token + 2
                if not below.kept:
                    visit(token + 1, child, below.leaf, name, scope)
            else:
                self.over(child, below, name, scope, depth + 1)
