"""docs/configuration.md is made from the settings."""

from __future__ import annotations

from pathlib import Path

from kong_plugins.aws_masker.cli.reference import render
from kong_plugins.aws_masker.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_document_is_current() -> None:
    """The document is what the settings give; if not: python -m kong_plugins.aws_masker.cli.reference > FILE."""
    assert DOCUMENT.read_text() == render()


def test_document_is_complete() -> None:
    """Every setting has a row with its default and its bounds."""
    rows = {line.split("`")[1]: line for line in render().splitlines() if line.startswith("| `")}
    assert set(rows) >= set(Settings.model_fields)
    assert "`false`" in rows["mask_public_ips"]
    assert "60 to 31,536,000 | `604800`" in rows["mapping_ttl"]
