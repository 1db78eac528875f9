"""`aws-masker scan`: which values of which files would be masked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.progress import track

from kong_plugins.aws_masker.cli import report, walk
from kong_plugins.aws_masker.cli.edge import printable, write
from kong_plugins.aws_masker.cli.findings import SNIFFED, as_text, find
from kong_plugins.aws_masker.cli.options import config_option, format_option
from kong_plugins.aws_masker.cli.report import Scan
from kong_plugins.aws_masker.cli.sarif import as_sarif
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.masking import Masker

EPILOG = """
\b
Examples:
  aws-masker scan .
  git diff | aws-masker scan -
  aws-masker scan --exclude node_modules --exclude '*.lock' src infra
  aws-masker scan --format sarif --output aws-masker.sarif .

\b
Exit status: 0 nothing found, 1 something found, 2 something could not be scanned.
"""


@click.command(short_help="Find values in files: for CI and pre-commit.", epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(allow_dash=True))
@format_option("table", "json", "sarif")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave out files and folders whose name or path matches; may be given several times.",
)
@config_option
@click.pass_context
def scan(  # noqa: PLR0913  one for each option
    context: click.Context,
    *,
    paths: tuple[str, ...],
    form: str,
    output: Path | None,
    exclude: tuple[str, ...],
    config: Path | None,
) -> None:
    """Say where in the files and folders PATH... (`-`: standard input) there are values that would be masked.

    Folders are walked, without .git; binary files are skipped and counted. No value is shown but for its first
    characters. The allowlist of --config holds here too.
    """
    settings = load_settings(config)
    # A scan makes no placeholders, so any key does.
    masker = Masker(settings, os.urandom(32))
    result = Scan()

    def unreadable(error: OSError) -> None:
        result.problems.append(f"{printable(error.filename)}: {error.strerror}")

    todo = list(walk.files(paths, exclude, unreadable))
    terminal = sys.stderr.isatty()
    for path in track(todo, "Scanning", console=Console(stderr=True), transient=True, disable=not terminal):
        try:
            _scan_file(masker, path, settings.max_decompressed_size, result)
        except OSError as error:
            result.problems.append(f"{printable(path)}: {error.strerror}")
    _report(result, form, output)
    context.exit(result.status)


def _scan_file(masker: Masker, path: str, limit: int, result: Scan) -> None:
    """Scan one file into `result`; `limit` in bytes."""
    if path == walk.STDIN:
        data = _read(sys.stdin.buffer, limit)
    else:
        with Path(path).open("rb") as file:
            data = _read(file, limit)
    if len(data) > limit:
        result.problems.append(f"{printable(path)}: over {limit} bytes (max_decompressed_size)")
        return
    text = as_text(data)
    if text is None:
        result.binary += 1
        return
    result.scanned += 1
    result.findings += find(masker, path, text)


def _read(file: IO[bytes], limit: int) -> bytes:
    """Return all of `file` or a little over `limit` bytes of it; of a binary file only its beginning."""
    head = file.read(SNIFFED)
    return head if as_text(head) is None else head + file.read(max(0, limit + 1 - len(head)))


def _report(result: Scan, form: str, output: Path | None) -> None:
    """Print the report, or write it to `output`; problems and the summary go to standard error."""
    for problem in result.problems:
        click.echo(f"not scanned: {problem}", err=True)
    click.echo(result.summary, err=True)
    if form == "table":
        if output:
            with output.open("w", encoding="utf-8") as file:
                report.table(result, file)
        else:
            report.table(result, sys.stdout)
        return
    document = as_sarif(result) if form == "sarif" else report.as_json(result)
    if output:
        output.write_bytes(document)
    else:
        write(document)
