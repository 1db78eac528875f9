"""The key: where it comes from, what is refused, and that it is never repeated."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.keys import VARIABLE, default_key_file, load_key

KEY = bytes(range(200, 240))  # its base64 has both characters in which the two alphabets differ
FORMS = {
    "lower-case hex": KEY.hex(),
    "upper-case hex": KEY.hex().upper(),
    "base64": base64.b64encode(KEY).decode(),
    "base64 without padding": base64.b64encode(KEY).decode().rstrip("="),
    "URL-safe base64": base64.urlsafe_b64encode(KEY).decode(),
    "surrounded by white space": f"  {KEY.hex()}\n",
}
BAD = {
    "31 bytes in hex": KEY[:31].hex(),
    "31 bytes in base64": base64.b64encode(KEY[:31]).decode(),
    "a hex digit lost": KEY.hex()[:-1],
    "neither hex nor base64": KEY.hex() + "!",
    "base64 cut after one character of four": "Zz" + "A" * 63,
    "not ASCII": "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64,
}


def private(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_sample_tells_the_alphabets_apart() -> None:
    """The two base64 forms above really differ."""
    assert FORMS["base64"] != FORMS["URL-safe base64"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read(form: str, tmp_path: Path) -> None:
    """The variable and the file take the key in the same forms."""
    assert load_key({VARIABLE: FORMS[form]}) == KEY
    assert load_key({}, private(tmp_path / "key", FORMS[form])) == KEY


@pytest.mark.parametrize("form", BAD)
def test_a_bad_key_is_refused_and_not_repeated(form: str, tmp_path: Path) -> None:
    """A bad key is an error that names its source and holds no part of it."""
    text = BAD[form]
    for environ, path in (({VARIABLE: text}, None), ({}, private(tmp_path / "key", text))):
        with pytest.raises(ConfigError) as caught:
            load_key(environ, path)
        shown = str(caught.value)
        assert (VARIABLE if path is None else str(path)) in shown
        assert not any(text[at : at + 8] in shown for at in range(len(text) - 7))


def test_the_variable_wins_and_an_empty_one_counts_as_unset(tmp_path: Path) -> None:
    """`AWS_MASKER_KEY` goes before the file; a compose file's empty variable does not."""
    path = private(tmp_path / "key", bytes(32).hex())
    assert load_key({VARIABLE: KEY.hex()}, path) == KEY
    assert load_key({VARIABLE: " "}, path) == bytes(32)


def test_the_default_file_is_in_the_state_directory(tmp_path: Path) -> None:
    """XDG_STATE_HOME decides if it is absolute, else the home directory."""
    assert default_key_file({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "aws-masker" / "key"
    in_home = tmp_path / ".local" / "state" / "aws-masker" / "key"
    assert default_key_file({"HOME": str(tmp_path)}) == in_home
    assert default_key_file({"HOME": str(tmp_path), "XDG_STATE_HOME": "relative"}) == in_home


def test_a_missing_file_is_an_error_unless_it_may_be_made(tmp_path: Path) -> None:
    """Without `create` nothing is written."""
    with pytest.raises(ConfigError, match="does not exist"):
        load_key({"XDG_STATE_HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_a_made_key_is_random_private_and_stays(tmp_path: Path) -> None:
    """First use makes the key for its owner only, whatever the umask; the next use finds it; no draft is left."""
    before = os.umask(0)
    try:
        key = load_key({"XDG_STATE_HOME": str(tmp_path)}, create=True)
    finally:
        os.umask(before)
    path = tmp_path / "aws-masker" / "key"
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["key"]
    assert load_key({"XDG_STATE_HOME": str(tmp_path)}, create=True) == key
    assert load_key({}, tmp_path / "other", create=True) != key


def test_processes_that_start_together_get_the_same_key(tmp_path: Path) -> None:
    """Whoever makes the file first decides; all others take that key."""
    script = (
        "import sys, time; from pathlib import Path; from kong_plugins.aws_masker.keys import load_key\n"
        "sys.stdin.readline(); print(load_key({}, Path(sys.argv[1]), create=True).hex())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "deep" / "key")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(keys) == 1
    assert len(bytes.fromhex(keys.pop())) == 32


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    """A key that others may read or replace is no secret: refused, with what to do about it."""
    path = private(tmp_path / "key", KEY.hex())
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key({}, path)


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    """A directory, a named pipe and a large file are errors; none is waited for or read whole."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path, pipe, private(tmp_path / "large", "0" * 5000)):
        with pytest.raises(ConfigError):
            load_key({}, path)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """Where no key file can be made, the error says so."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="key file"):
        load_key({}, tmp_path / "file" / "key", create=True)
