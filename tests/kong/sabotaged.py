"""`aws-masker-pluginserver` with an exception planted where the plugin calls the PDK.

The file that the environment variable SABOTAGE names says where: a function's name and the exception's, or nothing.
The exception's text is what the plugin was about to send, so that it holds values.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kong_plugins.aws_masker.pluginserver.channel import Channel
from kong_plugins.aws_masker.pluginserver.main import main

_PLAN = Path(os.environ["SABOTAGE"])
_put = Channel.put


def _sabotaged(channel: Channel, call: Mapping[str, Any]) -> None:
    method, _, name = _PLAN.read_text().partition(" ")
    if call["Method"] == method:
        _PLAN.write_text("")  # once
        raise getattr(builtins, name)(repr(call["Args"]))
    _put(channel, call)


if __name__ == "__main__":
    setattr(Channel, "put", _sabotaged)  # noqa: B010 - mypy forbids the plain way
    main()
