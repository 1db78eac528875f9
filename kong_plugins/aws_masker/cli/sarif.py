"""A scan as SARIF 2.1.0 (OASIS), which code hosts show beside the lines.

No snippets, and no fingerprints made of the values: a hash of a 12-digit account id is as good as the id.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from kong_plugins.aws_masker import __version__
from kong_plugins.aws_masker.cli.findings import Finding
from kong_plugins.aws_masker.cli.report import Scan
from kong_plugins.aws_masker.cli.walk import STDIN
from kong_plugins.aws_masker.families import FAMILIES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(scan: Scan) -> bytes:
    """Return the scan as a SARIF log with one run."""
    families = sorted({finding.family for finding in scan.findings})
    index = {family: number for number, family in enumerate(families)}
    run = {
        "tool": {
            "driver": {"name": "aws-masker", "version": __version__, "rules": [_rule(family) for family in families]}
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not scan.problems,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": problem}} for problem in scan.problems
                ],
            }
        ],
        "results": [_result(finding, index[finding.family]) for finding in scan.findings],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _rule(family: str) -> dict[str, Any]:
    known = FAMILIES.get(family)
    return {
        "id": family,
        "shortDescription": {"text": known.summary if known else "A pattern of the configuration"},
        "defaultConfiguration": {"level": "warning"},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    return {
        "ruleId": finding.family,
        "ruleIndex": rule,
        "level": "warning",
        "message": {"text": f"{finding.family}: {finding.preview}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path)},
                    "region": {
                        "startLine": finding.line,
                        "startColumn": finding.column,
                        "endLine": finding.end_line,
                        "endColumn": finding.end_column,
                    },
                }
            }
        ],
    }


def _uri(path: str) -> str:
    """Return a relative reference for a path below the current folder, as code hosts expect, else a file URI."""
    if path == STDIN:
        return "stdin"
    file = Path(path)
    if file.is_absolute():
        try:
            file = file.relative_to(Path.cwd())
        except ValueError:
            return file.as_uri()
    return quote(os.fsencode(file.as_posix()))
