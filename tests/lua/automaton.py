"""Regular expressions as they are used here, turned into the tables of a deterministic automaton.

LuaJIT has no RE2. A table of transitions does the same work in the same linear time, and as it is generated from the
patterns themselves, the two cannot drift apart. Understood is only what those patterns use; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Bytes = frozenset[int]

_NAMED = {"r": 13, "n": 10, "t": 9}
_DEAD = -1
_SELF = -2


@dataclass
class _Nfa:
    """Thompson's automaton: edges on sets of bytes, and empty ones."""

    steps: list[list[tuple[Bytes, int]]] = field(default_factory=list)
    empty: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        self.steps.append([])
        self.empty.append([])
        return len(self.steps) - 1


class _Parser:
    """Reads a pattern and builds its automaton; every method returns the state where its part ends."""

    def __init__(self, source: bytes) -> None:
        self._source = source.decode("latin-1")
        self._at = 0
        self._nfa = _Nfa()

    def build(self) -> tuple[_Nfa, int, int]:
        start = self._nfa.state()
        end = self._alternatives(start, fold=False)
        if self._at != len(self._source):
            raise ValueError(f"not understood: {self._source[self._at : self._at + 20]!r}")
        return self._nfa, start, end

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self, expected: str) -> bool:
        if self._source.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _alternatives(self, start: int, *, fold: bool) -> int:
        end = self._nfa.state()
        while True:
            begin = self._nfa.state()
            self._nfa.empty[start].append(begin)
            self._nfa.empty[self._sequence(begin, fold=fold)].append(end)
            if not self._take("|"):
                return end

    def _sequence(self, start: int, *, fold: bool) -> int:
        while self._peek() not in ("", "|", ")"):
            start = self._repeated(start, fold=fold)
        return start

    def _repeated(self, start: int, *, fold: bool) -> int:
        place = self._at
        end = self._atom(start, fold=fold)
        behind = self._at
        low, high = self._quantifier()
        rest = self._at
        if (low, high) == (1, 1):
            return end
        ends, state = ([start] if low == 0 else []), start
        for count in range(1, (high or max(low, 1)) + 1):
            self._at = place
            begin = self._nfa.state()  # a state of its own, so that no repetition leaks into what stands before
            self._nfa.empty[state].append(begin)
            state = self._atom(begin, fold=fold)
            if count >= low:
                ends.append(state)
        if high is None:
            self._nfa.empty[state].append(begin)
        self._at = rest
        assert behind <= rest
        out = self._nfa.state()
        for one in ends:
            self._nfa.empty[one].append(out)
        return out

    def _quantifier(self) -> tuple[int, int | None]:
        if self._take("?"):
            return 0, 1
        if self._take("*"):
            return 0, None
        if not self._take("{"):
            return 1, 1
        inside, _, rest = self._source[self._at :].partition("}")
        self._at = len(self._source) - len(rest)
        low, comma, high = inside.partition(",")
        return int(low), int(high if comma else low)

    def _atom(self, start: int, *, fold: bool) -> int:
        if self._take("(?i:") or self._take("(?:"):
            fold = fold or self._source[self._at - 2] == "i"
            end = self._alternatives(start, fold=fold)
            if not self._take(")"):
                raise ValueError("a group without an end")
            return end
        if self._peek() in "()*+?{.^$":
            raise ValueError(f"not understood: {self._source[self._at : self._at + 20]!r}")
        found = self._class() if self._take("[") else frozenset((self._byte(),))
        if fold:
            found |= {byte ^ 32 for byte in found if chr(byte).isascii() and chr(byte).isalpha()}
        end = self._nfa.state()
        self._nfa.steps[start].append((found, end))
        return end

    def _class(self) -> Bytes:
        if self._peek() == "^":
            raise ValueError("negated classes are not understood")
        found: set[int] = set()
        while not self._take("]"):
            low = self._byte()
            high = self._byte() if self._take("-") else low
            found.update(range(low, high + 1))
        return frozenset(found)

    def _byte(self) -> int:
        char = self._peek()
        self._at += 1
        if char != "\\":
            return ord(char)
        named = self._peek()
        self._at += 1
        if named == "x":
            self._at += 2
            return int(self._source[self._at - 2 : self._at], 16)
        if named in _NAMED:
            return _NAMED[named]
        if named.isalnum():
            raise ValueError(f"not understood: \\{named}")
        return ord(named)


@dataclass(frozen=True)
class Automaton:
    """A small automaton that tells of each beginning of a text whether the whole of it matches.

    State 0 is the start. `rows[state]` has one target per class of bytes, -1 for none.
    """

    classes: list[int]
    """For each byte its class."""
    rows: list[list[int]]
    accepting: list[bool]


def automaton(source: bytes) -> Automaton:
    """Return the automaton of `source`, anchored at its beginning."""
    nfa, start, end = _Parser(source).build()
    classes, members = _classes(edge for edges in nfa.steps for edge, _ in edges)
    rows, accepting = _determined(nfa, start, end, members)
    return _small(classes, *_without_dead_ends(rows, accepting))


def _classes(sets: Iterable[Bytes]) -> tuple[list[int], list[int]]:
    """Return for each byte its class, and for each class one byte of it: bytes of one class are in the same sets."""
    distinct = list(dict.fromkeys(sets))
    signatures: dict[tuple[bool, ...], int] = {}
    classes = [signatures.setdefault(tuple(byte in one for one in distinct), len(signatures)) for byte in range(256)]
    return classes, [classes.index(number) for number in range(len(signatures))]


def _closures(nfa: _Nfa) -> list[Bytes]:
    """Return for each state those that can be reached without a byte and from which a byte leads on, or that end."""
    closures = []
    for first in range(len(nfa.steps)):
        found, waiting = {first}, [first]
        while waiting:
            for state in nfa.empty[waiting.pop()]:
                if state not in found:
                    found.add(state)
                    waiting.append(state)
        closures.append(frozenset(state for state in found if nfa.steps[state] or not nfa.empty[state]))
    return closures


def _determined(nfa: _Nfa, start: int, end: int, members: list[int]) -> tuple[list[list[int]], list[bool]]:
    closures = _closures(nfa)
    by_class: list[list[tuple[int, Bytes]]] = [
        [(number, closures[to]) for edge, to in steps for number, byte in enumerate(members) if byte in edge]
        for steps in nfa.steps
    ]
    numbers = {closures[start]: 0}
    waiting = [closures[start]]
    rows: list[list[int]] = []
    for states in waiting:
        targets: dict[int, set[int]] = {}
        for state in states:
            for number, closure in by_class[state]:
                targets.setdefault(number, set()).update(closure)
        row = [_DEAD] * len(members)
        for number, found in sorted(targets.items()):
            target = frozenset(found)
            if target not in numbers:
                numbers[target] = len(numbers)
                waiting.append(target)
            row[number] = numbers[target]
        rows.append(row)
    return rows, [end in states for states in waiting]


def _without_dead_ends(rows: list[list[int]], accepting: list[bool]) -> tuple[list[list[int]], list[bool]]:
    """Make transitions to states from which nothing is accepted any more transitions to nowhere."""
    before: list[set[int]] = [set() for _ in rows]
    for state, row in enumerate(rows):
        for target in row:
            if target != _DEAD:
                before[target].add(state)
    alive = {state for state, accepts in enumerate(accepting) if accepts}
    waiting = list(alive)
    while waiting:
        for state in before[waiting.pop()] - alive:
            alive.add(state)
            waiting.append(state)
    return [[target if target in alive else _DEAD for target in row] for row in rows], accepting


def _small(classes: list[int], rows: list[list[int]], accepting: list[bool]) -> Automaton:
    """Make one state of those that nothing tells apart: from the ends backwards, so that once over all is enough.

    A loop of one state is seen for what it is. States on longer loops stay apart, which is right, if not minimal.
    """
    same: dict[tuple[bool, tuple[int, ...]], int] = {}
    chosen: dict[int, int] = {}
    open_: set[int] = set()

    def choose(state: int) -> int:
        if state in chosen or state in open_:
            return chosen.get(state, state)
        open_.add(state)
        row = tuple(_SELF if to == state else to if to == _DEAD else choose(to) for to in rows[state])
        chosen[state] = same.setdefault((accepting[state], row), state)
        return chosen[state]

    choose(0)
    numbers: dict[int, int] = {}
    order = [0]
    for state in order:
        if state not in numbers:
            numbers[state] = len(numbers)
            order += [chosen[to] for to in rows[state] if to != _DEAD]
    return Automaton(
        classes,
        [[_DEAD if to == _DEAD else numbers[chosen[to]] for to in rows[state]] for state in numbers],
        [accepting[state] for state in numbers],
    )
