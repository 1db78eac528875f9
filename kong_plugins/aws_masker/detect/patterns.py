"""How RE2 is used throughout the project."""

from __future__ import annotations

import re2

_MEMORY = 64 << 20
"""Bytes that RE2 may use for the states of its automaton; short of it, it would fall back to a slower engine."""


def options() -> re2.Options:
    """Return RE2's options for matching bytes, leftmost and longest, without groups."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1  # bytes are bytes: a value is ASCII, whatever stands around it
    chosen.longest_match = True
    chosen.never_capture = True
    chosen.max_mem = _MEMORY
    chosen.log_errors = False
    return chosen
