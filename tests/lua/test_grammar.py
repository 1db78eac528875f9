"""The generated tables are those of the Python code at hand, and the automata are its patterns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.detect.patterns import Pattern
from kong_plugins.aws_masker.pseudonym import recognise
from tests.lua import generate
from tests.lua.automaton import Automaton, automaton
from tests.lua.texts import answers


def test_the_file_is_up_to_date() -> None:
    """Whoever changes a pattern, a rule or an error runs `python -m tests.lua.generate`."""
    assert generate.PATH.read_text() == generate.grammar()


def _longest(found: Automaton, text: bytes) -> int:
    state, longest = 0, 0 if found.accepting[0] else -1
    for at, byte in enumerate(text, 1):
        state = found.rows[state][found.classes[byte]]
        if state < 0:
            break
        longest = at if found.accepting[state] else longest
    return longest


_SMALL = (
    rb"a|ab|abc", rb"(?i:a-b)[0-9]{2,3}", rb"(?:a|b)*c", rb"a?b?c?", rb"[a-c.]{0,3}\.x?", rb"(?:ab){1,2}c",
    rb"\x1b\[[0-9;]*[mK]",
    rb"a(?:b|c(?:d)?)?", rb"(?:a{1,2}){2}", rb"\\{0,3}-", rb"\r?\n[ \t>|]{0,2}",
)  # fmt: skip


@pytest.mark.parametrize("source", _SMALL)
@settings(deadline=None, max_examples=60)
@given(text=st.text("abcABCDd0123456-.x\\[;mK\x1b\r\n\t >|", max_size=9).map(str.encode))
def test_an_automaton_matches_as_re2_does(source: bytes, text: bytes) -> None:
    """The longest match at the beginning of a text."""
    assert _longest(automaton(source), text) == Pattern(source).match(text)


_CANDIDATE = automaton(recognise._CANDIDATE.source)


@settings(deadline=None, max_examples=80)
@given(text=answers)
def test_candidates(text: bytes) -> None:
    """The pattern of all spellings, at every place of a text."""
    for at in range(len(text)):
        assert _longest(_CANDIDATE, text[at:]) == recognise._CANDIDATE.match(text[at:])


@pytest.mark.parametrize("source", [rb"a+", rb"[^a]", rb"\d", rb"^a", rb"a$", rb"(?:a", rb"(a)", rb"a)", rb"."])
def test_what_is_not_understood_is_refused(source: bytes) -> None:
    """Rather than read as something else."""
    with pytest.raises(ValueError, match=r"not understood|without an end"):
        automaton(source)
