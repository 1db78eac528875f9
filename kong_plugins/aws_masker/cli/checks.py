"""What `doctor` looks at: each check tells what it found, and what to do if that is wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.errors import ConfigError, MaskerError
from kong_plugins.aws_masker.keys import MIN_KEY_SIZE, VARIABLE, default_key_file, load_key
from kong_plugins.aws_masker.proxy.upstream import Upstream
from kong_plugins.aws_masker.seal import SEAL, new_seal
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.wire.headers import Headers

UPSTREAM_TIMEOUT = 10.0  # seconds
LIBRARIES = (
    "ahocorasick-rs",
    "anyio",
    "brotli",
    "cachetools",
    "click",
    "cryptography",
    "google-re2",
    "httptools",
    "httpx2",
    "itsdangerous",
    "jinja2",
    "kong-pdk",
    "orjson",
    "prometheus-client",
    "protobuf",
    "pydantic",
    "pyyaml",
    "redis",
    "rich",
    "starlette",
    "structlog",
    "uvicorn",
    "zstandard",
)
"""Distributions that every platform needs; pyproject.toml says which versions."""


class Check(NamedTuple):
    """The outcome of one check."""

    name: str
    state: Literal["ok", "failed", "skipped"]
    detail: str
    remedy: str = ""
    """What to do, if it failed."""


def config(path: Path | None) -> tuple[Check, Settings]:
    """Check the configuration file; returns the settings to go on with, the defaults if the file is wrong."""
    try:
        settings = load_settings(path)
    except ConfigError as error:
        return Check("config", "failed", error.detail, "Correct the file; see docs/configuration.md."), Settings()
    return Check("config", "ok", str(path) if path else "no file, all settings at their defaults"), settings


def key(environ: Mapping[str, str], key_file: Path | None) -> Check:
    """Check that there is a key, that only its owner can read it, and where it comes from."""
    remedy = f"Set {VARIABLE} to at least {MIN_KEY_SIZE} bytes in hex or base64, for example from: openssl rand -hex 32"
    try:
        if environ.get(VARIABLE, "").strip():
            load_key(environ)
            return Check("key", "ok", f"from {VARIABLE}")
        path = key_file or default_key_file(environ)
        if not path.exists():
            return _missing(path)
        load_key(environ, path)
    except ConfigError as error:
        return Check("key", "failed", error.detail, remedy)
    return Check("key", "ok", f"from {path}, readable by its owner only")


def _missing(path: Path) -> Check:
    """Check that a key file can be made where there is none."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Check("key", "ok", f"none yet; {path} is made on first use")
    return Check("key", "failed", f"{path} cannot be made: {folder} is not writable", "Name another file: --key-file.")


def libraries() -> Check:
    """Check that the libraries are installed, and say their versions."""
    versions, missing = [], []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("libraries", "failed", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("libraries", "ok", ", ".join(versions))


def port(host: str, number: int) -> Check:
    """Check that the proxy could listen there."""
    where = f"{host}:{number}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            if os.name == "posix":  # elsewhere it would let two servers have the same port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        remedy = "Stop what listens there (a proxy that runs already?), or choose another port with --listen."
        return Check("port", "failed", f"{where}: {error.strerror}", remedy)
    return Check("port", "ok", f"{where} is free")


def upstream(url: str | None) -> Check:
    """Check that the API answers, whatever it says: a HEAD request without credentials, sent as the proxy sends."""
    if url is None:
        return Check("upstream", "skipped", "not asked for; give --upstream URL")
    try:
        status, _ = asyncio.run(_head(url))
    except ConfigError as error:
        return Check("upstream", "failed", error.detail, "For example: --upstream https://api.anthropic.com")
    except MaskerError as error:
        remedy = "Check the URL, DNS, the firewall, and SSL_CERT_FILE if your network has its own certificates."
        return Check("upstream", "failed", f"{error.code}: {error}", remedy)
    return Check("upstream", "ok", f"answers with HTTP {status}")


def kong(url: str | None, environ: Mapping[str, str], key_file: Path | None) -> Check:
    """Check that the masker in a Kong answers, and has our key: a request without credentials, sealed by the proxy."""
    if url is None:
        return Check("kong", "skipped", "not asked for; give --kong URL")
    try:
        seal = new_seal(load_key(environ, key_file))
        status, headers = asyncio.run(_head(url, b"/v1/messages", [(SEAL, seal.salt.encode())]))
    except ConfigError as error:
        return Check("kong", "failed", error.detail, "For example: --kong http://kong:8000, and Kong's AWS_MASKER_KEY.")
    except MaskerError as error:
        return Check("kong", "failed", f"{error.code}: {error}", "Is Kong running, and is this its proxy's address?")
    if not seal.is_proven(headers):
        remedy = "Enable the plugins on its routes, see docs/kong.md, and give proxy and Kong the same key."
        return Check("kong", "failed", f"HTTP {status} without the proof of the masker", remedy)
    return Check("kong", "ok", f"the masker in it answers and has the same key (HTTP {status})")


async def _head(url: str, path: bytes = b"/", headers: Headers = ()) -> tuple[int, Headers]:
    connection = Upstream(url, UPSTREAM_TIMEOUT)
    try:
        response = await connection.send("HEAD", path, [(b"host", connection.host), *headers], b"")
        await response.aclose()
        return response.status_code, response.headers.raw
    finally:
        await connection.aclose()
