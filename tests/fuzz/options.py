"""Configurations as Kong sends them: refused without repeating what is in them, or of use, custom patterns included."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson

from kong_plugins.aws_masker.errors import ConfigError, MaskingFailed
from kong_plugins.aws_masker.masking import Masker, restore
from kong_plugins.aws_masker.schema import settings_of
from kong_plugins.aws_masker.settings import PluginSettings, Settings
from kong_plugins.aws_masker.text import Text
from tests.fuzz.common import KEY
from tests.properties.texts import lookup_in

_LEAST = 8
"""Characters of a text that an error would not say by chance."""
_OURS_TO_SAY = (*PluginSettings.model_fields, "aws-documentation", "enforce", "observe")
_OURS = ("custom_patterns", "allowlist", "preserve_structure", "mask_public_ips")


def check(data: bytes) -> None:
    """Read a configuration; mask the text behind it with its patterns and its allowlist."""
    said, _, text = data.partition(b"\0")
    try:
        config = orjson.loads(said)
    except orjson.JSONDecodeError:
        return
    if not isinstance(config, dict):
        return
    try:
        settings = settings_of(config)
    except ConfigError as error:
        names = " ".join((*_OURS_TO_SAY, *_keys(config)))
        values = [one for one in _texts(list(config.values())) if one not in names]
        assert not any(one in error.detail for one in values), "an error repeats a value"
        return
    # a masker of each combination of families takes its time to be made
    own = {name: value for name, value in settings.model_dump().items() if name.startswith(_OURS)}
    masker = Masker(Settings(**own), KEY)
    (spans,) = masker.scan([Text(text)])
    assert all(0 <= span.start < span.end <= len(text) for span in spans), "a span outside of its text"
    assert all(a.end <= b.start for a, b in pairwise(spans)), "spans overlap"
    assert not any(text[span.start : span.end].decode("utf-8", "replace") in settings.allowlist for span in spans)
    session = masker.session()
    try:
        (masked,) = session.mask([Text(text)])
    except MaskingFailed:
        return
    if masked is not None and not any(one.lower() in text.lower() for one in session.mapping):
        assert restore(masked, lookup_in(session.mapping)) == text, "what was masked does not come back"


def _keys(node: Any) -> Iterator[str]:
    """Yield the names of options in a configuration, which errors are to say."""
    if isinstance(node, dict):
        yield from node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _keys(child)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str) and len(node) >= _LEAST:
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _texts(child)


def seeds() -> list[bytes]:
    """Return configurations, right and wrong, with texts to mask."""
    patterns = (
        "ACME-[0-9]{4,}",
        "(?i)secret\\s+(\\w+)",
        "[[:alpha:]]+@example[.]com",
        "x{2,1000}",
        "a|b*",
        "(?=look)",
        "(",
    )
    configs: list[dict[str, Any]] = [
        {"custom_patterns": [{"name": "badge", "pattern": pattern}], "allowlist": ["ACME-0000"], "redis_host": None}
        for pattern in patterns
    ]
    configs += [
        {"allowlist": {}, "allowlist_patterns": ["i-0f.*"], "allowlist_presets": ["aws-documentation"]},
        {"preserve_structure": False, "mask_public_ips": True, "__plugin_id": "x", "consumer_id": None},
        {"max_body_size": 1, "mapping_ttl": "soon", "key": "not long enough", "redis_prefix": "no spaces please"},
        {"key": "", "redis_password": "", "mode": "observe-nothing", "unheard_of": {"of": "a secret value"}},
        {"custom_patterns": [{"name": "x1", "pattern": "a"}, {"name": "x1", "pattern": "b"}], "key": KEY.hex()},
    ]
    text = b"badge ACME-12345 of i-0f3c9a71be5d24806, secret hunter2, ops@example.com, 52.1.2.3, xxxx\xc3\xa4"
    return [orjson.dumps(config) + b"\0" + text for config in configs]
