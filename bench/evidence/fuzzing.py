"""The fuzzers of `tests/fuzz`, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from typing import NamedTuple

from tests.fuzz.harnesses import CORPUS, HARNESSES
from tests.fuzz.running import run

_PACKAGES = ("atheris", "brotli", "google-re2", "lupa", "orjson", "zstandard")


class Fuzzed(NamedTuple):
    """One harness at work."""

    claim: str
    """What holds for any input."""
    inputs: int
    failures: int
    kept: int
    """Inputs that are run again with the tests."""


def measure(seconds: int, versions: dict[str, str]) -> Mapping[str, Fuzzed] | str:
    """Run each harness for some seconds; return what came of it by name, or why that cannot be done here.

    `versions` takes the versions of the packages that matter.
    """
    try:
        versions.update({name: f"{name}-{metadata.version(name)}" for name in _PACKAGES})
    except metadata.PackageNotFoundError as error:
        return f"{error.name} is not installed"
    results = {}
    for name, harness in HARNESSES.items():
        done = run(name, seconds)
        claim = (sys.modules[harness.check.__module__].__doc__ or "").partition("\n")[0]
        results[name] = Fuzzed(claim, done.inputs, done.failures, len(list((CORPUS / name).iterdir())))
    return results
