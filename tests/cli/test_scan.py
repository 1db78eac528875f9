"""`scan`: what it finds and where, what it shows, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Leaks = Callable[..., list[str]]
ROOT = Path(__file__).parents[2]


def findings(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """The findings of `--format json`."""
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


def test_finds_every_value_where_it_stands(run: Run, text: bytes, planted: dict[str, str], folder: Path) -> None:
    """Line and column of every finding cut exactly a value out of the file, and every planted value is found."""
    (folder / "main.tf").write_bytes(text)
    result = run("scan", "--format", "json", "main.tf")
    assert result.returncode == 1
    lines = text.decode().split("\n")
    cut = set()
    for finding in findings(result):
        assert finding["path"] == "main.tf"
        assert finding["line"] == finding["end_line"]
        value = lines[finding["line"] - 1][finding["column"] - 1 : finding["end_column"] - 1]
        cut.add((finding["family"], value))
    assert cut >= set(planted.items())


@pytest.mark.parametrize("form", ["table", "json", "sarif"])
def test_shows_no_value(run: Run, text: bytes, leaks: Leaks, folder: Path, form: str) -> None:
    """No format shows a value in full, on standard output, standard error or in the file."""
    (folder / "main.tf").write_bytes(text)
    printed = run("scan", "--format", form, ".")
    written = run("scan", "--format", form, "--output", "../report", ".")
    report = (folder.parent / "report").read_bytes()
    assert (printed.returncode, written.returncode, written.stdout) == (1, 1, b"")
    assert report == printed.stdout
    assert b"ec2_instance" in report
    assert leaks(printed.stdout, printed.stderr, written.stderr) == []


def test_preview(run: Run, planted: dict[str, str]) -> None:
    """A finding shows at most four characters and at most a third of the value, and its length."""
    for family in ("access_key", "private_ip"):
        value = planted[family]
        (finding,) = findings(run("scan", "--format", "json", "-", input=value.encode()))
        shown = value[: min(4, len(value) // 3)]
        assert finding["preview"] == f"{shown}... ({len(value)} characters)"


def test_nothing_found(run: Run, folder: Path) -> None:
    """A clean tree ends with 0, an empty table and a summary."""
    (folder / "README").write_text("Nothing to see here; version 1.2.3, at 12:34:56.\n")
    result = run("scan", ".")
    assert (result.returncode, result.stdout) == (0, b"")
    assert result.stderr == b"0 findings in 1 file\n"


def test_standard_input(run: Run, text: bytes) -> None:
    """`-` scans standard input."""
    result = run("scan", "--format", "json", "-", input=text)
    assert result.returncode == 1
    assert {finding["path"] for finding in findings(result)} == {"-"}


def test_what_is_walked(run: Run, planted: dict[str, str], folder: Path) -> None:
    """Folders are walked without .git, links and pipes; binary files are counted; hidden files are scanned."""
    value = planted["ec2_instance"]
    for name in ("a/b/deep.txt", ".env", ".git/config", "sub/.git/config", "a/spaced näme.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(value)
    (folder / "image.png").write_bytes(b"\x89PNG\0" + value.encode())
    (folder / "link").symlink_to(folder / ".env")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    result = run("scan", "--format", "json", ".")
    assert [finding["path"] for finding in findings(result)] == [".env", "a/spaced näme.txt", "a/b/deep.txt"]
    assert json.loads(result.stdout)["skipped_binary_files"] == 1
    assert result.stderr == b"3 findings in 3 files, 1 binary file skipped\n"


def test_a_file_counts_once(run: Run, planted: dict[str, str], folder: Path) -> None:
    """A file that is named several times, by itself and by its folder, is scanned once."""
    (folder / "a").mkdir()
    (folder / "a" / "f.txt").write_text(planted["ec2_instance"])
    assert len(findings(run("scan", "--format", "json", "a", "a/f.txt", "a/"))) == 1


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        ([], {"a/vendor/x.py", "a/y.lock", "vendor/z.py", "w.py"}),
        (["vendor"], {"a/y.lock", "w.py"}),
        (["*.lock"], {"a/vendor/x.py", "vendor/z.py", "w.py"}),
        (["a/vendor"], {"a/y.lock", "vendor/z.py", "w.py"}),
        (["a/*"], {"vendor/z.py", "w.py"}),
        (["vendor", "*.lock"], {"w.py"}),
    ],
)
def test_exclude(run: Run, planted: dict[str, str], folder: Path, globs: list[str], left: set[str]) -> None:
    """--exclude leaves out what it matches by name or path, walked or named (as pre-commit names files)."""
    files = ("a/vendor/x.py", "a/y.lock", "vendor/z.py", "w.py")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(planted["ec2_instance"])
    options = [option for glob in globs for option in ("--exclude", glob)]
    for paths in (
        [
            ".",
        ],
        list(files),
    ):
        found = findings(run("scan", "--format", "json", *options, *paths))
        assert {finding["path"] for finding in found} == left


def test_what_cannot_be_scanned(run: Run, planted: dict[str, str], folder: Path) -> None:
    """A missing or too large file is told on standard error and ends with 2; the others are scanned all the same."""
    (folder / "small.toml").write_text("max_decompressed_size = 1024")
    (folder / "fits.txt").write_text(planted["ec2_instance"].ljust(1024))
    (folder / "large.txt").write_text(planted["ec2_instance"].ljust(1025))
    result = run("scan", "--config", "small.toml", "--format", "json", "fits.txt", "large.txt", "missing.txt")
    assert result.returncode == 2
    assert [finding["path"] for finding in findings(result)] == ["fits.txt"]
    assert b"not scanned: large.txt: over 1024 bytes" in result.stderr
    assert b"not scanned: missing.txt: No such file or directory" in result.stderr
    assert len(json.loads(result.stdout)["not_scanned"]) == 2


def test_config(run: Run, text: bytes, planted: dict[str, str], folder: Path) -> None:
    """Switches, allowlist and custom patterns of --config hold for a scan."""
    (folder / "c.toml").write_text(
        f'mask_private_ips = false\nallowlist = ["{planted["bucket"]}"]\n'
        "[[custom_patterns]]\nname = 'greeting'\npattern = 'what a [a-z]+'\n"
    )
    plain = {finding["family"] for finding in findings(run("scan", "--format", "json", "-", input=text))}
    found = {
        finding["family"]
        for finding in findings(run("scan", "--config", "c.toml", "--format", "json", "-", input=text))
    }
    assert plain - found == {"private_ip", "bucket"}
    assert found - plain == {"custom_greeting"}


def test_utf16_and_line_ends(run: Run, planted: dict[str, str], folder: Path) -> None:
    """UTF-16 with its mark is read, CRLF ends a line, and several values on one line have their own columns."""
    value = planted["ec2_instance"]
    text = f"ä first\r\n  {value}, {value}\r\n\r\nü {value}"
    expected = [(2, 3), (2, 5 + len(value)), (4, 3)]
    for name, encoding in (("u8", "utf-8"), ("u16", "utf-16")):
        (folder / name).write_bytes(text.encode(encoding))
        found = findings(run("scan", "--format", "json", name))
        assert [(finding["line"], finding["column"]) for finding in found] == expected


def test_names_cannot_steer_the_terminal(run: Run, planted: dict[str, str], folder: Path) -> None:
    """A file name with control characters, markup or broken UTF-8 is shown harmless, in every format."""
    (folder / "\x1b[31m[bold]x").write_text(planted["ec2_instance"])
    (folder / os.fsdecode(b"\xff.txt")).write_text(planted["ec2_instance"])
    for form in ("table", "json", "sarif"):
        result = run("scan", "--format", form, ".")
        assert result.returncode == 1
        assert b"\x1b" not in result.stdout + result.stderr
        assert form == "sarif" or "\N{REPLACEMENT CHARACTER}[31m[bold]x" in result.stdout.decode()


def test_sarif(run: Run, text: bytes, folder: Path) -> None:
    """The SARIF log holds what the 2.1.0 standard asks for and what code hosts need, and no snippet or fingerprint."""
    (folder / "ä b.tf").write_bytes(text)
    log = json.loads(run("scan", "--format", "sarif", ".", "missing").stdout)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run_object,) = log["runs"]
    driver = run_object["tool"]["driver"]
    assert driver["name"] == "aws-masker"
    assert run_object["columnKind"] == "unicodeCodePoints"
    (invocation,) = run_object["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "missing" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert len(run_object["results"]) >= 9
    for result in run_object["results"]:
        rule = driver["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert rule["shortDescription"]["text"]
        assert result["level"] == "warning"
        assert result["message"]["text"].startswith(result["ruleId"])
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"] == {"uri": "%C3%A4%20b.tf"}
        region = location["physicalLocation"]["region"]
        assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert all(isinstance(number, int) and number >= 1 for number in region.values())
        assert not {"fingerprints", "partialFingerprints"} & set(result)


def test_sarif_paths(run: Run, planted: dict[str, str], folder: Path) -> None:
    """A path below the current folder becomes relative, one outside a file URI, standard input a name."""
    inside, outside = folder / "in.txt", folder.parent / "out.txt"
    for path in (inside, outside):
        path.write_text(planted["ec2_instance"])
    result = run("scan", "--format", "sarif", inside, outside, "-", input=planted["ec2_instance"].encode())
    results = json.loads(result.stdout)["runs"][0]["results"]
    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results]
    assert uris == ["in.txt", outside.as_uri(), "stdin"]


def test_reader_goes_away(
    started: Callable[..., subprocess.Popen[bytes]], planted: dict[str, str], folder: Path
) -> None:
    """If nobody reads the report to its end, as with `| head`, the scan ends quietly."""
    (folder / "many.txt").write_text(f"{planted['ec2_instance']}\n" * 5000)
    process = started("scan", "--format", "json", "many.txt")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b"5000 findings in 1 file\n"
    assert process.wait() == 141


def test_hook(run: Run, planted: dict[str, str], folder: Path) -> None:
    """The pre-commit hook's entry is a command that fails on a file with a value and passes on one without."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    assert (program, hook["language"]) == ("aws-masker", "python")
    (folder / "bad.tf").write_text(planted["ec2_instance"])
    (folder / "good.tf").write_text("fine")
    assert run(*arguments, "bad.tf", "good.tf").returncode == 1
    assert run(*arguments, "good.tf").returncode == 0
