"""What the model says to a Claude Code that looks at the planted project: read its code, then show its log."""

from __future__ import annotations

import orjson
import re2

from kong_plugins.aws_masker.demo.answers import Answer, Call, Say, Thinking
from kong_plugins.aws_masker.demo.received import Received


def find(pattern: str, text: str) -> str:
    """Return the first group of `pattern` in `text`; what no test expects where it is not there."""
    match = re2.search(pattern, text)
    return match.group(1) if match else "NOT-FOUND"


def read_main(received: Received) -> Answer:
    """Look into the project's code."""
    folder = find(r"Primary working directory: ([^\\]+)", orjson.dumps(received.body["system"]).decode())
    return Answer((Thinking(f"Look into {folder}."), Call("Read", {"file_path": f"{folder}/main.tf"})))


def show_log(received: Received) -> Answer:
    """Ask for the log of the instance that the code names."""
    instance = find(r'instance_id = "([^"]+)"', received.text)
    command = {"command": f"cat state.json console-{instance}.log", "description": f"Show the log of {instance}"}
    return Answer((Thinking(f"{instance}"), Say(f"Now the log of `{instance}`."), Call("Bash", command)))
