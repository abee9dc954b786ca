"""What people see when they mistype: one line `error:`, one line `hint:`, never what they typed."""

from __future__ import annotations

import pytest

from consigne.version import __version__
from tests.cli.shell import Shell

SECRET = "http://127.0.0.1:9/m#IQAKp96zuBrn8fObcV95yK4P8WCzObLMLl1npEVqnh_Xvw"

MISTAKES = [
    (["putt"], "Unknown command: putt. Did you mean put?"),
    (["frobnicate"], "Unknown command: frobnicate."),
    ([SECRET], "This is no command."),
    ([""], "This is no command."),
    (["--json", "put"], "The command comes first, its options behind it."),
    (["admin"], "admin needs to know what to do: sweep or backup."),
    (["admin", "swep"], "admin needs to know what to do: sweep or backup."),
    (["put"], "Missing: PATH."),
    (["extend"], "Missing: MANAGE-LINK, TIME."),
    (["extend", SECRET, "soon"], "TIME: a time looks like 30m, 12h, 7d or 4w."),
    (["put", "a", "--expire", SECRET], "--expire: a time looks like 30m, 12h, 7d or 4w."),
    (["put", "a", "--downloads", "0"], "--downloads: a whole number from 1 on is needed."),
    (["put", "a", "--downloads", SECRET], "--downloads: a whole number from 1 on is needed."),
    (["put", "a", "--expire"], "--expire needs a value."),
    (["put", "a", f"--json={SECRET}"], "--json takes no value."),
    (["put", "a", "--expir", "7d"], "Unknown option: --expir. Did you mean --expire?"),
    (["put", "a", f"--bzzt={SECRET}"], "Unknown option: --bzzt."),
    (["put", "a", f"-{SECRET}"], "-h/--help takes no value."),
    (["get", SECRET, SECRET], "There are more arguments than this command takes."),
    (["get", "--", SECRET, SECRET], "There are more arguments than this command takes."),
    (
        ["put", "a", "--password", "--password-file", SECRET],
        "--password-file and --password exclude each other.",
    ),
    (["version", SECRET], "There are more arguments than this command takes."),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_mistakes_are_named_without_quoting_them(lonely: Shell, words: list[str], message: str) -> None:
    done = lonely.run(*words)
    assert (done.code, done.output) == (2, b"")
    if "--json" in words:
        assert done.error["message"] == message
    else:
        error, hint = done.err.splitlines()
        assert error == f"error: {message}"
        assert hint.startswith("hint: See: consigne")
        assert hint.endswith("--help")
    assert SECRET[24:] not in done.err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(lonely: Shell, words: list[str]) -> None:
    done = lonely.must(*words)
    assert "usage: consigne COMMAND" in done.out
    assert "\n  admin backup  " in done.out
    assert done.err == ""


@pytest.mark.parametrize("words", [["put", "--help"], ["put", "a", "-h"], ["put", "-qh"]])
def test_help_of_a_command_says_what_goes_in_and_out(lonely: Shell, words: list[str]) -> None:
    done = lonely.must(*words)
    assert done.out.startswith("usage: consigne put ")
    assert "Standard output: the link" in done.out
    assert "examples:" in done.out


def test_help_behind_two_dashes_is_a_name(lonely: Shell) -> None:
    lonely.write("--help")
    assert lonely.run("put", "--", "--help").code == 6  # a file, and no host to put it on
    assert lonely.run("put", "--", "--json").err == "error: --json: No such file or directory.\n"


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(lonely: Shell, word: str) -> None:
    assert lonely.must(word).out == f"consigne {__version__}"


def test_errors_are_json_for_programs(lonely: Shell) -> None:
    done = lonely.run("put", "a", "--json", "--expire", "x")
    assert done.error == {
        "code": "usage",
        "message": "--expire: a time looks like 30m, 12h, 7d or 4w.",
        "hint": "See: consigne put --help",
    }


@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_nobody_foresaw(lonely: Shell, debug: str) -> None:
    """No traceback, no text of the failure: it may quote anything. Unless it is asked for."""
    broken = lonely.here / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        f"import consigne.cli.durations as d\ndef until(_): raise KeyError({SECRET!r})\nd.until = until\n"
    )
    lonely.environment["PYTHONPATH"] = str(broken)
    receipts = lonely.here.parent / "data/consigne/receipts"
    receipts.mkdir(parents=True)
    (receipts / "a.json").write_text(
        '{"link": "l", "manage": "m", "names": [], "files": 1, "bytes": 1, "expires": "e"}'
    )
    process = lonely.start("mine", CONSIGNE_DEBUG=debug)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.decode().endswith(
        "error: Something unexpected happened (KeyError).\n"
        "hint: Please report it. CONSIGNE_DEBUG=1 shows more, possibly secrets too.\n"
    )
    assert (b"Traceback" in err) == (debug == "1")
    assert (SECRET.encode() in err) == (debug == "1")
