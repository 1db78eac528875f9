"""The demonstration shows both sides of a conversation and tells the truth about it."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from kong_plugins.aws_masker.demo.run import run
from kong_plugins.aws_masker.demo.scene import PLANTED
from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.settings import Settings

OFF = Settings.model_validate({name: False for name in Settings.model_fields if name.startswith("mask_")})


def _shown(text: str | None = None, settings: Settings | None = None, width: int = 400) -> tuple[int, str]:
    """Run the demonstration on a wide terminal without colour; return the exit status and what is on it."""
    console = Console(file=io.StringIO(), width=width)
    status = run(text, console, settings)
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def _sides(shown: str) -> tuple[str, str]:
    """Return what stands in the engineer's column, and in the provider's."""
    rows = [line.split("│") for line in shown.splitlines() if line.count("│") == 3]
    return "\n".join(row[1] for row in rows), "\n".join(row[2] for row in rows)


def test_the_engineer_has_every_value_and_the_provider_none() -> None:
    """The left column holds all planted values, the right one none, and the verdict says so."""
    status, shown = _shown()
    engineer, provider = _sides(shown)
    assert {name for name, value in PLANTED.items() if value not in engineer} == set()
    assert {name for name, value in PLANTED.items() if value in provider} == set()
    assert f"OK: none of the {len(PLANTED)} planted values" in shown
    assert status == 0


def test_the_verdict_is_bad_if_values_get_through() -> None:
    """With masking switched off, every planted value is reported by its name, and the status is 1."""
    status, shown = _shown(settings=OFF)
    verdict = shown[shown.index("FAILED") :]
    assert all(name in verdict for name in PLANTED)
    assert not any(value in verdict for value in PLANTED.values())
    assert status == 1


def test_it_fits_a_narrow_terminal() -> None:
    """At 80 columns no line is longer, and there are no control characters of colours."""
    _, shown = _shown(width=80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_text_of_ones_own() -> None:
    """The provider got it masked, the engineer got it back as it was."""
    status, shown = _shown("Why is i-0f3c9a71be5d24806 slow?")
    engineer, provider = _sides(shown)
    assert engineer.count("i-0f3c9a71be5d24806") == 2
    assert "i-0f3c9a71be5d24806" not in provider
    assert provider.count("slow?") == 2
    assert "OK: the text came back exactly as it was written." in shown
    assert status == 0


def test_text_without_values() -> None:
    """It says that there was nothing to mask."""
    status, shown = _shown("Why is the sky blue?")
    assert "Nothing in this text" in shown
    assert status == 0


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optional dependency is named, with the command."""
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(ConfigError, match=r"pip install 'kong-aws-masker\[demo\]'"):
        run()
