"""How a scan is reported: a table for people, JSON for programs; SARIF has its own module."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import IO, Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kong_plugins.aws_masker.cli.edge import FAILED, FOUND, printable
from kong_plugins.aws_masker.cli.findings import Finding


@dataclass
class Scan:
    """What a scan found, and what it could not look at."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """One line for each file or folder that should have been scanned and was not."""
    scanned: int = 0
    binary: int = 0
    """Files skipped because they are binary."""

    @property
    def status(self) -> int:
        """The exit status: what was not scanned weighs more than what was found."""
        return FAILED if self.problems else FOUND if self.findings else 0

    @property
    def summary(self) -> str:
        """One line for people."""
        skipped = f", {_count(self.binary, 'binary file')} skipped" if self.binary else ""
        failed = f", {_count(len(self.problems), 'path')} not scanned" if self.problems else ""
        return f"{_count(len(self.findings), 'finding')} in {_count(self.scanned, 'file')}{skipped}{failed}"


def table(scan: Scan, stream: IO[str]) -> None:
    """Print the findings as a table; nothing if there are none."""
    if not scan.findings:
        return
    rows = grid("File", "Line", "Column", "Family", "Starts with")
    for finding in scan.findings:
        rows.add_row(
            Text(printable(finding.path)), str(finding.line), str(finding.column), finding.family, Text(finding.preview)
        )
    console(stream).print(rows)


def as_json(scan: Scan) -> bytes:
    """Return the scan as a JSON document."""
    document: dict[str, Any] = {
        "findings": [{**finding._asdict(), "path": printable(finding.path)} for finding in scan.findings],
        "scanned_files": scan.scanned,
        "skipped_binary_files": scan.binary,
        "not_scanned": scan.problems,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def grid(*columns: str) -> Table:
    """Return an empty table whose cells fold instead of losing text."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        rows.add_column(column, overflow="fold")
    return rows


def console(stream: IO[str]) -> Console:
    """Return a console on `stream`; what is no terminal gets lines as long as they need to be."""
    wide = None if stream.isatty() or "COLUMNS" in os.environ else 1000
    return Console(file=stream, width=wide, highlight=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
