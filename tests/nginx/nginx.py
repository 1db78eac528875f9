"""A real nginx with Debian's Lua module, started with a configuration that does what Kong's does."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANDLER = ROOT / "kong" / "plugins" / "aws-masker-stream" / "handler.lua"
_TEMPLATE = Path(__file__).with_name("nginx.conf.in")
_MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/share/nginx/modules"))
_PATIENCE = 20.0


class NotAvailableError(Exception):
    """nginx or its Lua module is missing; the message says what."""


@dataclass(frozen=True)
class Urls:
    """Where clients find the API."""

    kong: str
    """With the plugins."""
    bare: str
    """Through nginx alone."""
    folder: Path
    """Where nginx runs."""

    def log(self) -> str:
        """Return the error log."""
        return (self.folder / "error.log").read_text(encoding="utf-8", errors="replace")


def installed() -> tuple[str, Path]:
    """Return the executable and the folder of its modules.

    Raises:
        NotAvailableError: one of them is missing.
    """
    binary = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin")))
    if binary is None:
        raise NotAvailableError("nginx is not installed")
    for folder in _MODULES:
        if (folder / "ngx_http_lua_module.so").exists() and (folder / "ndk_http_module.so").exists():
            return binary, folder
    raise NotAvailableError("nginx has no Lua module (libnginx-mod-http-lua)")


@contextlib.contextmanager
def nginx(folder: Path, upstream: str, sidecar: Path, handler: Path = HANDLER, workers: int = 1) -> Iterator[Urls]:
    """Run nginx in `folder`, in front of `upstream` (a URL); `handler` is the Lua plugin."""
    binary, modules = installed()
    (folder / "temp").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as kong, socket.create_server(("127.0.0.1", 0)) as bare:
        kong_at, bare_at = (f"127.0.0.1:{one.getsockname()[1]}" for one in (kong, bare))
        filled = {
            "MODULES": str(modules),
            "ROOT": str(ROOT),
            "USER": f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
            "WORKERS": str(workers),
            "SIDECAR": str(sidecar),
            "HANDLER": str(handler),
            "UPSTREAM": upstream.removeprefix("http://"),
            "LISTEN": kong_at,
            "BARE": bare_at,
        }
        text = _TEMPLATE.read_text()
        for name, value in filled.items():
            text = text.replace(f"@{name}@", value)
        (folder / "nginx.conf").write_text(text)
        fds = kong.fileno(), bare.fileno()
        process = subprocess.Popen(
            [binary, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"],
            stdin=subprocess.DEVNULL,
            pass_fds=fds,
            # The way in which nginx hands its sockets to a new version of itself: no port has to be guessed.
            env={"PATH": os.environ["PATH"], "NGINX": "".join(f"{fd};" for fd in fds)},
        )
        urls = Urls(f"http://{kong_at}", f"http://{bare_at}", folder)
        try:
            _wait(process, urls)
            yield urls
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _wait(process: subprocess.Popen[bytes], urls: Urls) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not (urls.folder / "nginx.pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"nginx does not start:\n{urls.log()}")
        time.sleep(0.01)
