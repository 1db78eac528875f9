"""The corpora: packages of PyPI and npm and repositories, fetched by their ordinary clients into a folder, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "evidence"
_PATIENCE = 600
"""Seconds that one package may take."""


class NotFetchedError(Exception):
    """A package cannot be had here; the message names it."""


class Store:
    """A folder of packages and repositories, each under `pypi/NAME`, `sdist/NAME`, `npm/NAME` or `git/OWNER+NAME`."""

    def __init__(self, root: Path = CACHE) -> None:
        self.root = root
        self.versions: dict[str, str] = {}
        """The archive's name of every package that was asked for."""

    def wheel(self, name: str) -> Path:
        """Return the folder of what `pip install` would bring, without dependencies."""
        return self._unpacked("pypi", name, [*_PIP, name])

    def sdist(self, name: str) -> Path:
        """Return the folder of the source archive, which holds the tests."""
        return self._unpacked("sdist", name, [*_PIP, "--no-binary", name, name])

    def npm(self, name: str) -> Path:
        """Return the folder of an npm package."""
        npm = shutil.which("npm")
        if npm is None:
            raise NotFetchedError(f"{name}: npm is not installed")
        return self._unpacked("npm", name, [npm, "pack", "--silent", name])

    def git(self, name: str, *parts: str) -> Path:
        """Return the folder of a public repository of GitHub, `OWNER/NAME`, as it is now; of `parts` only, if given."""
        folder = self.root / "git" / name.replace("/", "+")
        done = folder.with_name(folder.name + ".archive")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            print(f"fetching {name} ...", file=sys.stderr)
            partial = ["--filter=blob:none", "--sparse"] if parts else []
            source = f"https://github.com/{name}.git"
            _run(["git", "clone", "--quiet", "--depth=1", *partial, source, "."], folder, name)
            if parts:
                _run(["git", "sparse-checkout", "set", *parts], folder, name)
            commit = subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
            ).stdout
            done.write_text(f"{name}@{commit[:12]}")
        self.versions[f"git/{name}"] = done.read_text()
        return folder

    def _unpacked(self, kind: str, name: str, command: list[str]) -> Path:
        folder = self.root / kind / name.replace("/", "+")
        done = folder.with_name(folder.name + ".archive")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            fetched = folder.with_name(folder.name + ".part")
            shutil.rmtree(fetched, ignore_errors=True)
            fetched.mkdir(parents=True)
            print(f"fetching {name} ...", file=sys.stderr)
            _run(command, fetched, name)
            archive = next((path for path in fetched.iterdir() if path.is_file()), None)
            if archive is None:
                raise NotFetchedError(f"{name}: nothing came")
            _unpack(archive, folder)
            done.write_text(archive.name)
            shutil.rmtree(fetched)
        self.versions[f"{kind}/{name}"] = done.read_text()
        return folder


_PIP = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]


def _run(command: list[str], folder: Path, name: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetchedError(f"{name}: {type(error).__name__}") from None
    if done.returncode:
        raise NotFetchedError(f"{name}: {command[0]} ended with status {done.returncode}")


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            target = (folder / member.name).resolve()
            if member.isfile() and target.is_relative_to(folder.resolve()) and len(member.name) < 200:
                packed.extract(member, folder, filter="data") if hasattr(tarfile, "data_filter") else packed.extract(
                    member, folder
                )


def files(folder: Path, suffixes: frozenset[str], largest: int = 2_000_000) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the text files below `folder`, in order; no links, nothing that is not UTF-8."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > largest:
            continue
        data = path.read_bytes()
        try:
            data.decode()
        except UnicodeDecodeError:
            continue
        yield str(path.relative_to(folder)), data
