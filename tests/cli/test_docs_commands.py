"""docs/commands.md says what the parser, the errors and the environment say, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consigne import errors
from consigne.cli import main, parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/commands.md").read_text()
SECTIONS = dict(
    re.findall(r"^## `consigne ([a-z ]+)[^`]*`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
)
OPTION = r"`(--?[a-z][a-z-]*)"


def test_every_command_has_a_section_in_the_order_of_the_help() -> None:
    assert [name.strip() for name in SECTIONS] == list(parser.TABLE)


@pytest.mark.parametrize("name", parser.TABLE)
def test_a_section_names_every_argument(name: str) -> None:
    section = next(text for heading, text in SECTIONS.items() if heading.strip() == name)
    _, declared = parser.load(name)
    settings = {"--config"} if name == "serve" else set()  # the rest of them: docs/settings.md
    options = {
        option
        for action in declared._actions
        for option in action.option_strings
        if option not in ("-h", "--help") and (not settings or option in settings)
    }
    rows = "\n".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))
    assert set(re.findall(OPTION, rows)) == options
    heading = re.search(rf"^## `consigne {name}([^`]*)`$", PAGE, re.MULTILINE)
    assert heading is not None
    positional = [str(action.metavar) for action in declared._actions if not action.option_strings]
    assert re.findall(r"[A-Z]+(?:-[A-Z]+)*", heading[1].split("[--")[0]) == positional


def test_exit_codes_are_those_of_the_errors() -> None:
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ConsigneError)
    }
    told = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)}
    assert told == codes | {0, main.UNEXPECTED, 130, 143, main.BROKEN_PIPE}


def test_every_variable_of_the_environment_is_told() -> None:
    used = set()
    for folder in ("cli", "client"):
        for path in (ROOT / "src/consigne" / folder).rglob("*.py"):
            used |= set(re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', path.read_text()))
    told = set(re.findall(r"^\| `([A-Z_]+)`", PAGE, re.MULTILINE))
    assert used - {"LOCALAPPDATA"} <= told
    assert told <= used | {"XDG_DATA_HOME", "XDG_STATE_HOME", "HTTPS_PROXY"}
