"""Where the keys come from.

The masking key: `AWS_MASKER_KEY`, else a key file, which can be made on first use.

The key decides every placeholder. Two processes with the same key give the same placeholders; whoever holds the key can
test guesses against a placeholder. Hence it is never echoed, and a file that others may read is refused.

The vault key encrypts what is kept in Redis; without one the masking key does.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
import string
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kong_plugins.aws_masker.errors import ConfigError

VARIABLE = "AWS_MASKER_KEY"
VAULT_VARIABLE = "AWS_MASKER_VAULT_KEY"
VAULT_FILE_VARIABLE = "AWS_MASKER_VAULT_KEY_FILE"
OLD_VAULT_VARIABLE = "AWS_MASKER_VAULT_KEYS_OLD"
MIN_KEY_SIZE = 32
"""Bytes, after decoding."""
_MAX_FILE_SIZE = 4096
_HEX = frozenset(string.hexdigits)
_URL_SAFE = str.maketrans("-_", "+/")


def load_key(environ: Mapping[str, str], key_file: Path | None = None, create: bool = False) -> bytes:
    """Return the key, at least 32 bytes: from `AWS_MASKER_KEY` if set and not empty, else from the key file.

    Both hold it in hexadecimal or in base64 (standard or URL-safe, with or without padding).

    Args:
        environ: The environment variables.
        key_file: The file to read; by default `default_key_file(environ)`.
        create: Make a missing key file, with a fresh random key and readable by its owner only.

    Raises:
        ConfigError: there is no key, it is malformed or too short, or the file is open to others.
    """
    from_environment = environ.get(VARIABLE, "").strip()
    if from_environment:
        return _decode(from_environment, VARIABLE)
    path = default_key_file(environ) if key_file is None else key_file
    try:
        if create and not path.exists():
            _create(path)
        return _decode(_read(path), f"key file {path}")
    except FileNotFoundError:
        raise ConfigError(f"no key: {VARIABLE} is not set and key file {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"key file {path}: {error.strerror or type(error).__name__}") from None


def vault_keys(
    environ: Mapping[str, str], given: str | None = None, old: Sequence[str] = ()
) -> tuple[bytes | None, list[bytes]]:
    """Return the vault key, None if there is none, and the earlier ones, at least 32 bytes each.

    Args:
        environ: The environment variables.
        given: The option `vault_key`; else AWS_MASKER_VAULT_KEY, else the file that AWS_MASKER_VAULT_KEY_FILE names.
        old: The option `vault_keys_old`; else AWS_MASKER_VAULT_KEYS_OLD, with commas between.

    Raises:
        ConfigError: a key is malformed or too short, or the file cannot be read or is open to others.
    """
    variable, path = environ.get(VAULT_VARIABLE, "").strip(), environ.get(VAULT_FILE_VARIABLE, "")
    key: bytes | None = None
    if given is not None:
        key = _decode(given.strip(), "vault_key")
    elif variable:
        key = _decode(variable, VAULT_VARIABLE)
    elif path:
        try:
            key = _decode(_read(Path(path)), f"key file {path}")
        except OSError as error:
            raise ConfigError(f"key file {path}: {error.strerror or type(error).__name__}") from None
    if old:
        return key, [_decode(text.strip(), "vault_keys_old") for text in old]
    texts = filter(None, map(str.strip, environ.get(OLD_VAULT_VARIABLE, "").split(",")))
    return key, [_decode(text, OLD_VAULT_VARIABLE) for text in texts]


def default_key_file(environ: Mapping[str, str]) -> Path:
    """Return `aws-masker/key` in the user's state directory (XDG Base Directory Specification 0.8).

    Raises:
        ConfigError: the user has no home directory.
    """
    state = environ.get("XDG_STATE_HOME", "")
    if state and Path(state).is_absolute():  # the specification has relative paths ignored
        return Path(state) / "aws-masker" / "key"
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        raise ConfigError(f"no key: {VARIABLE} is not set and there is no home directory for a key file") from None
    return home / ".local" / "state" / "aws-masker" / "key"


def _decode(text: str, source: str) -> bytes:
    if _HEX.issuperset(text):
        if len(text) % 2:  # else a hexadecimal key that lost a digit would pass as base64
            raise ConfigError(f"{source}: an odd number of hexadecimal digits")
        key = bytes.fromhex(text)
    else:
        standard = text.translate(_URL_SAFE).rstrip("=")
        try:
            key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{source}: neither hexadecimal nor base64") from None
    if len(key) < MIN_KEY_SIZE:
        raise ConfigError(f"{source}: {len(key)} bytes where at least {MIN_KEY_SIZE} are needed")
    return key


def _read(path: Path) -> str:
    # O_NONBLOCK: a named pipe must be refused below, not waited for. Windows has neither it nor permission bits.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"key file {path}: not a regular file")
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"key file {path}: open to other users; run: chmod 600 {path}")
        content = file.read(_MAX_FILE_SIZE + 1)
    if len(content) > _MAX_FILE_SIZE:
        raise ConfigError(f"key file {path}: too long to be a key")
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"key file {path}: neither hexadecimal nor base64") from None


def _create(path: Path) -> None:
    """Make the key file, complete from the moment that it is seen; leave one that another process made first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # O_EXCL, mode 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(MIN_KEY_SIZE) + "\n")
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike rename, never replaces the file of whoever was first
    finally:
        draft.unlink()
