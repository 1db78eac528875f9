"""A plugin for the stock plugin server that does, in `access`, what its configuration says."""

from __future__ import annotations

import time
from typing import Any

Schema = [{"do": {"type": "string", "required": True}}]
version = "0.1.0"
priority = 100


class Plugin:
    """See above."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._do = config["do"]

    def access(self, kong: Any) -> None:
        """Replace the body, or fail in the way that is asked for."""
        if self._do == "raise":
            raise RuntimeError("planted")
        if self._do == "sleep":
            time.sleep(3)
        if self._do == "exit":
            kong.response.exit(403, b'{"message":"no"}', {"content-type": "application/json"})
        elif self._do == "forbidden":
            kong.service.response.get_status()
        else:
            body = kong.request.get_raw_body()
            kong.service.request.set_raw_body(b'{"masked":%d}' % len(body))
            kong.service.request.set_headers({"x-seen": [kong.request.get_method(), kong.request.get_path()]})
