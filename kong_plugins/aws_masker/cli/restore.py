"""`aws-masker restore`: masked text in, the originals back."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from kong_plugins.aws_masker.cli import mapping as mappings
from kong_plugins.aws_masker.cli.edge import write
from kong_plugins.aws_masker.masking import StreamRestorer

CHUNK = 64 * 1024  # bytes


@click.command(
    short_help="Turn a masked text back.", epilog="\b\nExample:\n  aws-masker restore answer.md --mapping m.json"
)
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The file that `mask --mapping` wrote.",
)
def restore(file: BinaryIO, mapping: Path) -> None:
    """Print FILE (or standard input) with every placeholder turned back.

    Works as the text arrives, so it can stand at the end of a pipe that goes on. Needs the mapping only, not the key.
    """
    restorer = StreamRestorer(mappings.load(mapping).value)
    # read1 returns what is there instead of waiting for a full chunk.
    read = getattr(file, "read1", file.read)
    while chunk := read(CHUNK):
        write(restorer.feed(chunk))
    write(restorer.flush())
