"""`detectors`: what is looked for, and whether it is on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker.families import FAMILIES
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def rows(result: subprocess.CompletedProcess[bytes]) -> dict[str, dict[str, Any]]:
    assert (result.returncode, result.stderr) == (0, b"")
    return {row["family"]: row for row in json.loads(result.stdout)}


def test_lists_every_family(run: Run) -> None:
    """Every family has a row with its switch, what it finds and an example in which it is really found."""
    masker = Masker(Settings(mask_public_ips=True), bytes(32))
    listed = rows(run("detectors", "--format", "json"))
    assert set(listed) == set(FAMILIES)
    for name, row in listed.items():
        assert row["switch"] == FAMILIES[name].switch
        assert row["finds"] == FAMILIES[name].summary
        assert name in {span.family for span in masker.scan([Text(row["example"].encode())])[0]}
    assert {name for name, row in listed.items() if row["state"] == "off"} == {"public_ip"}


def test_state_under_a_config(run: Run, folder: Path) -> None:
    """--config switches rows on and off and adds its own patterns."""
    (folder / "c.yaml").write_text(
        "mask_s3_buckets: false\nmask_public_ips: true\ncustom_patterns: [{name: ticket, pattern: 'OPS-[0-9]+'}]\n"
    )
    listed = rows(run("detectors", "--format", "json", "--config", "c.yaml"))
    assert {name for name, row in listed.items() if row["state"] == "off"} == {"bucket"}
    assert set(listed) - set(FAMILIES) == {"custom_ticket"}


def test_table(run: Run) -> None:
    """The table holds the same rows."""
    result = run("detectors")
    assert (result.returncode, result.stderr) == (0, b"")
    for name, family in FAMILIES.items():
        assert any(name in line and family.switch in line for line in result.stdout.decode().splitlines())
