"""Data flows one way, the core does no input or output, and every module can be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kong_plugins" / "aws_masker"
NAME = "kong_plugins.aws_masker"
MODULES = sorted(PACKAGE.rglob("*.py"))

CORE = (
    "errors",
    "settings",
    "text",
    "families",
    "detect",
    "pseudonym",
    "spreading",
    "allowlist",
    "restoring",
    "windows",
    "packed",
    "masking",
)
PURE = (*CORE, "wire", "pipeline")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "detect": ("detect", "families"),
    "pseudonym": ("pseudonym", "detect", "families", "errors"),
    "masking": CORE,
    "wire": ("wire", "errors", "settings", "text"),
    "pipeline": PURE,
    "vault": ("vault", "errors", "families", "text", "settings", "keys"),
}
"""For each part the parts that it may import; the edges (proxy, cli, plugin, ...) may import all of these."""

INPUT_AND_OUTPUT = {"os", "io", "socket", "asyncio", "anyio", "pathlib", "subprocess", "threading", "httpx2", "logging"}
_ALLOWED = {
    "masking.py": {"threading", "io"},  # a lock around what is kept between requests; buffers in memory
    "jsontext.py": {"io"},
}
LONGEST = 400


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return named | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def _title(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", [path for path in MODULES if _part(path) in MAY_IMPORT], ids=_title)
def test_imports_go_one_way(path: Path) -> None:
    """Edges know the pipeline, the pipeline knows the core; nothing points back."""
    own = {name.removeprefix(NAME + ".").split(".")[0] for name in _imports(path) if name.startswith(NAME + ".")}
    assert own <= set(MAY_IMPORT[_part(path)])


@pytest.mark.parametrize("path", [path for path in MODULES if _part(path) in PURE], ids=_title)
def test_the_core_does_no_input_or_output(path: Path) -> None:
    """The same core serves Kong, the proxy and the command line, so it must not know any of them."""
    imported = {name.split(".")[0] for name in _imports(path)}
    allowed = _ALLOWED.get(path.name, set())
    assert not (imported & INPUT_AND_OUTPUT) - allowed


@pytest.mark.parametrize("path", MODULES, ids=_title)
def test_a_module_can_be_read_in_one_go(path: Path) -> None:
    """A bound on its length, a docstring that says what it is for, and no pattern that could backtrack."""
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert path.name == "__init__.py" or ast.get_docstring(ast.parse(text))
    # the demo, the command line's reports and the schema match nothing that a request holds
    assert _part(path) in ("demo", "cli", "schema") or "re" not in _imports(path)
