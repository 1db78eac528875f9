"""README.md shows what really happens; its placeholders are those of a key of 32 zero bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kong_plugins.aws_masker.cli.examples import EXAMPLES
from kong_plugins.aws_masker.cli.main import COMMANDS
from kong_plugins.aws_masker.errors import MaskerError
from kong_plugins.aws_masker.masking import Masker
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.text import Text

README = (Path(__file__).parents[2] / "README.md").read_text()


def masked(text: str) -> str:
    result = Masker(Settings(mask_public_ips=True), bytes(32)).session().mask([Text(text.encode())])[0]
    assert result is not None
    return result.decode()


def rows(first: str) -> list[list[str]]:
    """The cells of the table rows that begin with `first`."""
    lines = [line for line in README.splitlines() if line.startswith(f"| `{first}")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_before_and_after() -> None:
    """The text of the first screen becomes what is shown below it."""
    before, after = [block.split("\n```")[0] for block in README.split("```text\n")[1:3]]
    assert masked(before) == after


def test_every_switch_has_a_row() -> None:
    """The table of what is masked has every switch."""
    switches = [name for name in Settings.model_fields if name.startswith("mask_")]
    assert [row[0] for row in rows("mask_")] == switches


@pytest.mark.parametrize(("before", "after"), [row[1:] for row in rows("mask_")])
def test_examples(before: str, after: str) -> None:
    """Each example of the table becomes what stands beside it; a long one is cut off in both cells."""
    (example,) = [example for example in EXAMPLES.values() if example.startswith(before.rstrip("…"))]
    assert masked(example).startswith(after.rstrip("…"))
    assert after.endswith("…") or masked(example) == after


def test_errors() -> None:
    """The table of errors has every code with its status."""

    def tree(error: type[MaskerError]) -> list[type[MaskerError]]:
        return [error, *(below for child in error.__subclasses__() for below in tree(child))]

    known = tree(MaskerError)
    pairs = {(error.code, str(error.status)) for error in known}
    assert {(row[0], row[1]) for row in rows("AWS_MASKER_")} == pairs


def test_commands() -> None:
    """The table of the command line has every command."""
    assert {row[0].split()[1] for row in rows("aws-masker ")} == set(COMMANDS)
