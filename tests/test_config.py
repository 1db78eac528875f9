"""The configuration file: both syntaxes, and errors that tell the place but never a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.settings import CustomPattern, Settings

TOML = """
mask_private_ips = false
allowlist = ["logs"]
max_entries = 500
[[custom_patterns]]
name = "ticket"
pattern = "OPS-[0-9]+"
"""
YAML = """
mask_private_ips: false
allowlist: [logs]
max_entries: 500
custom_patterns:
  - {name: ticket, pattern: "OPS-[0-9]+"}
"""
EXPECTED = Settings(
    mask_private_ips=False,
    allowlist=("logs",),
    max_entries=500,
    custom_patterns=(CustomPattern(name="ticket", pattern="OPS-[0-9]+"),),
)
MARK = "planted-value"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.yaml", YAML), ("a.yml", YAML), ("A.TOML", TOML)])
def test_both_syntaxes_give_the_same_settings(name: str, text: str, tmp_path: Path) -> None:
    """The suffix chooses the syntax; the fields are those of `Settings`."""
    assert load_settings(written(tmp_path / name, text)) == EXPECTED


def test_no_file_and_an_empty_file_are_the_defaults(tmp_path: Path) -> None:
    """Nothing configured is everything at its default."""
    assert load_settings() == Settings()
    assert load_settings(written(tmp_path / "a.yaml", "# nothing\n")) == Settings()
    assert load_settings(written(tmp_path / "a.toml", "")) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.json", "{}", "must end in"),
        ("a.toml", f'allowlist = ["{MARK}"\nx', "line 2"),
        ("a.toml", f'allowlist = ["{MARK}', "not valid TOML"),
        ("a.yaml", f"allowlist:\n - [{MARK}", "line 2"),
        ("a.yaml", f"allowlist: *{MARK}", "line 1"),
        ("a.yaml", f"? [{MARK}]\n: 1", "not valid YAML"),
        ("a.yaml", f"allowlist: [{MARK}, 2024-99-99]", "not valid YAML"),
        ("a.yaml", f"- {MARK}", "a mapping"),
        ("a.yaml", f"1: {MARK}", "a mapping"),
        ("a.yaml", f"max_entries: {MARK}", "max_entries"),
        ("a.yaml", f"mask_everything: {MARK}", "mask_everything"),
        ("a.toml", f'mapping_ttl = 1\nallowlist = ["{MARK}"]', "mapping_ttl"),
        ("a.toml", b"# \xff " + MARK.encode(), "not UTF-8"),
    ],
)
def test_errors_tell_file_and_reason_but_no_value(name: str, text: str | bytes, reason: str, tmp_path: Path) -> None:
    """Whatever is wrong, the error names the file and the reason, and repeats nothing that the file holds."""
    path = written(tmp_path / name, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert MARK not in str(caught.value)


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    """A missing file and a directory are errors of the configuration."""
    (tmp_path / "d.toml").mkdir()
    for name in ("missing.toml", "d.toml"):
        with pytest.raises(ConfigError, match=name):
            load_settings(tmp_path / name)
