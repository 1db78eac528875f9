"""What stands between a key and its value, in every language that names and ids are written in."""

from __future__ import annotations

_COLOUR = r"(?:\x1b\[[0-9;]{0,8}m){0,2}"
_QUOTE = r"(?:\\{0,7}[\"'`]|\\u0022|&quot;|%22)"
_ANCHOR = r"(?:(?:&[0-9A-Za-z_-]{1,24}|!![a-z]{3,5})[ \t]{1,4})?"
_BLANK = r"[ \t]{0,32}"
_CALL = r"(?:aws\.String|String|str)?\("
_VALUE = r"(?i:(?:parameter_?)?value)"
SEPARATOR = "|".join(
    (
        # key: value, "key" => "value", | key | value |, d["key"] = "value", colours between
        rf"{_COLOUR}{_QUOTE}?\]?(?:\*\*)?{_COLOUR}{_BLANK}{_COLOUR}(?::-?|=>|:?=|\|{{1,2}}|%3[Aa]){_COLOUR}{_BLANK}{_COLOUR}(?:&?{_CALL}|{_ANCHOR}){_QUOTE}?",
        r":[ \t]{1,4}[|>][+-]?\r?\n[ \t]{1,32}",  # a block of YAML's
        rf"{_CALL}{_BLANK}{_QUOTE}",  # .bucketName("value")
        rf"[ \t]{{1,4}}(?:\\{{1,3}}\r?\n[ \t]{{0,32}}|\\n[ \t]{{0,32}})?{_QUOTE}?",  # --key value, key `value`
        r">",  # <Key>value</Key>
        rf"{_QUOTE}?{_BLANK}[:=]{_BLANK}\[[ \t\r\n]{{0,32}}{_QUOTE}?",  # "keys": ["value"
        rf"{_QUOTE},[ \t\r\n]{{0,32}}{_QUOTE}",  # ["--key", "value"], getenv("KEY", "value")
        rf"\r?\n[ \t]{{0,32}}-[ \t]{_QUOTE}?",  # - --key, and the value on the next line of a YAML list
        # - name: KEY, and the value as the next entry: containers' environments
        rf"{_QUOTE}?,?[ \t]{{0,8}}\r?\n?[ \t]{{0,32}}{_QUOTE}?{_VALUE}{_QUOTE}?{_BLANK}[:=]{_BLANK}{_QUOTE}?",
    )
)
"""RE2 between the last letter of a key, flag or variable and the first of its value."""
