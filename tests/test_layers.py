"""The arrows between the rooms, held: data flows one way, and the host cannot decrypt.

An import inside a function counts as much as one at the top.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# room → rooms it may import. Whatever is not named here may not be imported.
ALLOWED = {
    "consigne": {"client", "errors", "version"},
    "version": set(),
    "errors": set(),
    "protocol": set(),
    "format": {"errors", "protocol"},
    "client": {"errors", "protocol", "version", "format"},
    "server": {"errors", "protocol", "version"},
    "cli": {"errors", "protocol", "version", "format", "client", "server"},
}
REASONS = {
    ("server", "format"): "the host must hold no code to decrypt with",
    ("server", "client"): "the host must not reach into the client",
    ("format", "client"): "the format is bytes in, bytes out",
    ("client", "server"): "the client installs without the host",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports_of(path: Path) -> set[str]:
    """Every module of ours that a file imports for more than its types."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in ast.walk(guard)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {nearest(name) for name in found if name.split(".")[0] == "consigne"}


def nearest(name: str) -> str:
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "consigne"


GRAPH = {module: imports_of(path) for module, path in MODULES.items()}


@pytest.mark.parametrize("module", GRAPH)
def test_arrows_go_one_way(module: str) -> None:
    here = room(module)
    for imported in GRAPH[module]:
        there = room(imported)
        why = REASONS.get((here, there), "spec of the layers: docs/architecture.md")
        assert there == here or there in ALLOWED[here], f"{module} imports {imported}: {why}"


def test_no_circle_not_even_deferred() -> None:
    try:
        list(TopologicalSorter({module: GRAPH[module] - {module} for module in GRAPH}).static_order())
    except CycleError as error:
        pytest.fail(f"import circle: {error.args[1]}")


def test_only_remote_speaks_http() -> None:
    """One path out: what greps all traffic need only look at one file."""
    speakers = {
        module
        for module, path in MODULES.items()
        if room(module) in {"client", "cli"}
        and any(
            word in path.read_text() for word in ("import urllib3", "from urllib3", "http.client", "urlopen(")
        )
    }
    assert speakers <= {"consigne.client.remote", "consigne.client.addresses"}


def test_sql_stands_in_the_catalog_only() -> None:
    for module, path in MODULES.items():
        if not module.startswith("consigne.server.catalog"):
            assert "sqlite3" not in path.read_text(), module


def test_every_file_begins_with_its_strategy() -> None:
    for module, path in MODULES.items():
        assert ast.get_docstring(ast.parse(path.read_text())), module
