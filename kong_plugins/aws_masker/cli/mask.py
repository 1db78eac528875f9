"""`aws-masker mask`: text in, masked text out."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kong_plugins.aws_masker.cli import mapping as mappings
from kong_plugins.aws_masker.cli.edge import write
from kong_plugins.aws_masker.cli.options import config_option, key_options, open_masker, read_text
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.text import Text

EPILOG = """
\b
Examples:
  aws-masker mask main.tf > main.masked.tf
  kubectl logs api | aws-masker mask --mapping m.json > masked.log
  aws-masker restore answer.md --mapping m.json
"""


@click.command(short_help="Mask a text.", epilog=EPILOG)
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--mapping",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write what `restore` needs to this file. It holds the originals in clear, readable by you only; what it "
    "holds from earlier runs is kept and used.",
)
@config_option
@key_options
@click.option("--tenant", default="", metavar="NAME", help="Whose placeholders: another tenant's differ.")
def mask(file: BinaryIO, mapping: Path | None, config: Path | None, key_file: Path | None, tenant: str) -> None:
    """Mask FILE (or standard input) as plain text and print it.

    The same key gives the same placeholders in every run. Without --mapping nothing is kept, and the output cannot be
    turned back. Escapes, as in JSON strings, are not decoded; the proxy decodes them.
    """
    settings = load_settings(config)
    masker = open_masker(settings, key_file)
    memory = mappings.load_or_empty(mapping) if mapping else None
    data = read_text(file, settings)
    session = masker.session(tenant) if memory is None else masker.session(tenant, memory)
    masked = session.mask([Text(data)])[0]
    if mapping:
        # Before the output: masked text must not exist without its way back.
        mappings.merge(mapping, session.mapping)
    write(data if masked is None else masked)
