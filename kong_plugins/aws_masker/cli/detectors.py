"""`aws-masker detectors`: what is looked for, and what of it is switched on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click
import orjson
from rich.text import Text

from kong_plugins.aws_masker.cli import report
from kong_plugins.aws_masker.cli.edge import write
from kong_plugins.aws_masker.cli.examples import EXAMPLES
from kong_plugins.aws_masker.cli.options import config_option, format_option
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.families import CUSTOM_PREFIX, FAMILIES
from kong_plugins.aws_masker.settings import Settings


class Row(NamedTuple):
    """One family of values."""

    family: str
    state: str
    switch: str
    finds: str
    example: str


@click.command(
    short_help="List what is looked for.",
    epilog="\b\nExamples:\n  aws-masker detectors\n  aws-masker detectors --config masker.toml --format json",
)
@format_option("table", "json")
@config_option
def detectors(form: str, config: Path | None) -> None:
    """List the families of values that are looked for: the setting that switches each, its state, and an example."""
    rows = _rows(load_settings(config))
    if form == "json":
        write(orjson.dumps([row._asdict() for row in rows], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    grid = report.grid("Family", "State", "Switch", "Finds", "Example")
    for row in rows:
        state = Text(row.state, "green" if row.state == "on" else "yellow")
        grid.add_row(row.family, state, row.switch, Text(row.finds), Text(row.example))
    report.console(sys.stdout).print(grid)


def _rows(settings: Settings) -> list[Row]:
    rows = [
        Row(name, "on" if getattr(settings, family.switch) else "off", family.switch, family.summary, EXAMPLES[name])
        for name, family in FAMILIES.items()
    ]
    return rows + [
        Row(f"{CUSTOM_PREFIX}{custom.name}", "on", "custom_patterns", "a pattern of the configuration", custom.pattern)
        for custom in settings.custom_patterns
    ]
