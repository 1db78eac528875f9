"""Claude Code as npm delivers it, and how to run it without a terminal."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "@anthropic-ai/claude-code"
_CACHE = Path(__file__).parents[2] / ".cache" / "claude-code"
_PATIENCE = 120
"""Seconds that one run may take; it takes about two."""


class NotAvailableError(Exception):
    """Claude Code cannot be installed on this machine; the message says why."""


@dataclass(frozen=True)
class ClaudeCode:
    """One engineer's Claude Code: an empty home, a project to work in, and the API's address."""

    binary: Path
    home: Path
    project: Path
    base_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """What else it finds in its environment."""

    def __call__(self, prompt: str, *options: str) -> str:
        """Run it once with `prompt` and return what it prints; it may use its tools without asking."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": self.base_url,
            "ANTHROPIC_API_KEY": "anything",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **self.environment,
        }
        command = [str(self.binary), "-p", prompt, *options, "--allowedTools", "Bash", "Read", "Write"]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"Claude Code failed with status {done.returncode}"
        return done.stdout


def install() -> Path:
    """Install Claude Code from npm unless it is here already, and return its executable.

    Raises:
        NotAvailableError: npm is missing, or the package has no executable for this machine.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise NotAvailableError("npm is not installed")
    _CACHE.mkdir(parents=True, exist_ok=True)
    package = _CACHE / "node_modules" / PACKAGE
    binary = _CACHE / "node_modules" / ".bin" / "claude"
    with (_CACHE / "lock").open("w") as lock:  # test processes run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _works(binary):
            # npm's newer versions run no install scripts unless told so; this package's own one links its executable.
            _run([npm, "install", "--prefix", str(_CACHE), "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE])
            _run([node, str(package / "install.cjs")])
            if not _works(binary):
                raise NotAvailableError(f"{PACKAGE} was installed but does not run here")
    return binary


def _works(binary: Path) -> bool:
    try:
        return subprocess.run([binary, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise NotAvailableError(f"{command[0]} did not end in time") from None
    if done.returncode:
        raise NotAvailableError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
