"""Which files a scan reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

STDIN = "-"


def is_excluded(path: str, globs: Sequence[str]) -> bool:
    """Tell whether a glob matches the path, one of its folders, or the name of one of them."""
    if not globs:
        return False
    pure = PurePath(path)
    parts = [pure, *pure.parents]
    return any(fnmatchcase(part.name, glob) or fnmatchcase(part.as_posix(), glob) for part in parts for glob in globs)


def files(paths: Sequence[str], globs: Sequence[str], on_error: Callable[[OSError], None]) -> Iterator[str]:
    """Yield the files of `paths`, each once: folders are walked, without `.git`, links and devices.

    A file that is named is taken, whatever it is. A folder that cannot be read goes to `on_error`.
    """
    seen: set[str] = set()
    for path in paths:
        for file in _below(path, globs, on_error) if path != STDIN and Path(path).is_dir() else (path,):
            if file not in seen and not is_excluded(file, globs):
                seen.add(file)
                yield file


def _below(root: str, globs: Sequence[str], on_error: Callable[[OSError], None]) -> Iterator[str]:
    for folder, folders, names in os.walk(root, onerror=on_error):
        # In place, and sorted: os.walk goes on with what is left, and a report must not depend on the file system.
        folders[:] = sorted(name for name in folders if name != ".git" and not is_excluded(name, globs))
        for name in sorted(names):
            file = os.path.normpath(Path(folder, name))
            # A link's target is scanned where it lies, or is not part of the tree; reading a pipe would wait for ever.
            if Path(file).is_file() and not Path(file).is_symlink():
                yield file
