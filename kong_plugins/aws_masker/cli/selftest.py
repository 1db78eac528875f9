"""The parts of `doctor` that try the masker itself."""

from __future__ import annotations

from kong_plugins.aws_masker.cli.checks import Check
from kong_plugins.aws_masker.settings import Settings


def codings() -> Check:
    """Check that every content coding can be read and written."""
    raise NotImplementedError


def masking(settings: Settings) -> Check:
    """Mask and restore samples of every detector."""
    raise NotImplementedError
