"""Docs that are true: every error code, every block of the library's page, every link between pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consigne.protocol import PROBLEMS
from tests.processes import Host

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("spec/*.md"), *ROOT.glob("benchmarks/*.md")]
)
RAISED = re.compile(
    r"(?:ConsigneError|UsageError|GoneError|PasswordError|AuthenticityError|HostError|LocalError|TransientError)"
    r"\(\s*\"([a-z-]+)\""
)


def raised_codes() -> set[str]:
    sources = (path.read_text() for path in (ROOT / "src/consigne").rglob("*.py"))
    return {code for source in sources for code in RAISED.findall(source)}


def documented_codes() -> set[str]:
    text = (ROOT / "docs/errors.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z-]+)`", row.split("|")[1])}


def test_every_error_code_is_documented_and_nothing_else_is() -> None:
    assert len(raised_codes()) > 30
    assert raised_codes() - documented_codes() == set()
    assert documented_codes() - raised_codes() - set(PROBLEMS) - {"host-redirects"} == set()


def test_the_librarys_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.DOTALL)
    assert len(blocks) >= 6
    with Host(tmp_path / "host") as host:
        names: dict[str, object] = {"url": host.url, "folder": str(tmp_path)}
        for block in blocks:
            exec(compile(block, "docs/library.md", "exec"), names)  # noqa: S102 - our own page
        names["client"].close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readmes_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pages = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    for target in re.findall(r"`?make ([a-z]+)", pages):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE) or target == "help", target


def test_every_setting_of_the_makefile_is_documented() -> None:
    """`make help` lists every target that a person may want."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())  # type: ignore[index]
    assert targets - set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE)) <= {"lint"}


def test_ci_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci/run").read_text().strip().splitlines()
    assert script[-1] == "exec make test"
