"""What can be done with links: looked at, limited, made, ended; and what is remembered of them."""

from __future__ import annotations

import http.client
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from consigne.format import keys
from consigne.format.link import parse_link
from consigne.protocol import b64u, link_capsule_route
from tests.cli.shell import Shell

NOTE = "hello\n\x1b[31mred\u202e"


def days_from_now(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)) / timedelta(days=1)


def test_ls_lists_and_counts_nothing(shell: Shell) -> None:
    file = shell.write("bag/a.txt", b"x" * 1536)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    (shell.here / "bag/empty").mkdir()
    link = shell.put("bag", "--note", NOTE, "--downloads", "1")["link"]
    listed = shell.must("ls", link)
    assert listed.out.splitlines() == [
        "   1.5 KiB  2023-11-14 22:13  bag/a.txt",
        "                              bag/empty/",
    ]
    assert listed.err.startswith("note: hello\nnote: \\x1b[31mred\\u202e\n1 file, 1.5 KiB, expires ")
    assert shell.must("ls", link, "-q").err == ""

    told = shell.must("ls", link, "--json").json
    assert told["files"] == [
        {"path": "bag/a.txt", "size": 1536, "type": "text/plain", "modified": "2023-11-14T22:13:20Z"},
        {"path": "bag/empty/", "size": 0, "type": None, "modified": None},
    ]
    assert (told["note"], told["bytes"], told["complete"]) == (NOTE, 1536, True)
    assert (told["downloads"], told["downloads_left"]) == (0, 1)


def test_names_from_a_link_cannot_move_the_cursor(shell: Shell) -> None:
    """The format refuses control characters; what is left is still shown as plain text."""
    shell.write("bag/\u00a0\u200b.txt")
    link = shell.put("bag")["link"]
    assert shell.must("ls", link).out.endswith("bag/\\xa0\\u200b.txt")


def test_info_of_a_download_link(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    link = shell.put("a.txt", "--note", NOTE)["link"]
    lines = shell.must("info", link).out.splitlines()
    assert lines[:3] == ["holds: 1 file, 5 B", "note: hello", "note: \\x1b[31mred\\u202e"]
    assert lines[3].startswith("expires: ")
    assert lines[4] == "downloads: 0 so far, any number left"
    told = shell.must("info", link, "--json").json
    assert (told["kind"], told["bytes"], told["note"]) == ("download", 5, NOTE)


def test_info_of_a_manage_link_gives_every_link_again(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    put = shell.put("a.txt", "--downloads", "3")
    second = shell.must("link", put["manage"], "--password-file", "-", "--json", stdin=b"secret\n").json
    told = shell.must("info", put["manage"], "--json").json
    assert told["kind"] == "manage"
    assert [link["link"] for link in told["links"]] == [put["link"], second["link"]]
    assert [link["password"] for link in told["links"]] == [False, True]
    assert [link["downloads_left"] for link in told["links"]] == [3, None]
    shown = shell.must("info", put["manage"]).out
    assert f"link: {put['link']}\n  0 so far, 3 left, expires " in shown
    assert f"link: {second['link']}\n  0 so far, any number left, password, expires " in shown


def test_a_link_opens_as_often_as_it_says(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    link = shell.put("a.txt", "--downloads", "2")["link"]
    shell.must("get", link, "-o", "one")
    assert shell.must("cat", link).out == "12345"
    failed = shell.fails(3, "downloads-used-up", "get", link, "-o", "three")
    assert failed.error["hint"]
    assert shell.must("ls", link, "--json").json["downloads_left"] == 0


def test_expiry_is_chosen_and_changed(shell: Shell) -> None:
    shell.write("a.txt")
    put = shell.put("a.txt", "--expire", "2d")
    assert 1 < days_from_now(put["expires"]) <= 3
    extended = shell.must("extend", put["manage"], "20d")
    assert 19 < days_from_now(extended.out) <= 21
    assert extended.err.startswith("expires: ")
    shorter = shell.must("extend", put["manage"], "3d", "--json").json
    assert 2 < days_from_now(shorter["expires"]) <= 4
    assert shell.must("mine", "--json").json["puts"][0]["expires"] == shorter["expires"]
    shell.fails(2, "limit", "extend", put["manage"], "4000w")


def test_removed_is_gone(shell: Shell) -> None:
    shell.write("a.txt")
    put = shell.put("a.txt")
    assert shell.must("rm", put["manage"]).err == "removed\n"
    for words in (("get", put["link"]), ("ls", put["link"]), ("info", put["link"]), ("info", put["manage"])):
        assert shell.fails(3, "gone", *words).error["hint"]
    shell.must("rm", put["manage"])  # what is wanted is so already
    assert shell.must("mine", "--json").json == {"puts": []}


def test_links_are_made_and_revoked(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    put = shell.put("a.txt")
    second = shell.must("link", put["manage"], "--downloads", "1", "--expire", "1d")
    assert second.err.startswith("expires: ")
    assert shell.must("cat", second.out).out == "12345"
    assert shell.must("revoke", put["manage"], put["link"]).err == "revoked\n"
    shell.fails(3, "gone", "get", put["link"])
    shell.fails(3, "downloads-used-up", "get", second.out, "-o", "there")
    assert [link["link"] for link in shell.must("info", put["manage"], "--json").json["links"]] == [
        second.out
    ]


@pytest.mark.slow
def test_links_of_the_wrong_kind(shell: Shell) -> None:
    shell.write("a.txt")
    put = shell.put("a.txt")
    for words in (("cat", put["manage"]), ("rm", put["link"]), ("revoke", put["manage"], put["manage"])):
        assert shell.run(*words).code == 2
        assert "link is needed here" in shell.run(*words).err
    shell.fails(2, "link-wrong-kind", "get", put["manage"])
    shell.fails(2, "link-wrong-kind", "ls", put["manage"])
    shell.fails(2, "link-wrong-kind", "extend", put["link"], "7d")
    shell.fails(2, "link-wrong-kind", "mine", "--forget", put["link"])


# ---------------------------------------------------------------- passwords


@pytest.mark.slow
def test_a_password_goes_with_the_link(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    shell.write("password.txt", "p\u00e4ss word\r\nnot this\n")
    link = shell.put("a.txt", "--password-file", "password.txt")["link"]
    shell.fails(4, "password-needed", "get", link)
    shell.fails(4, "password-wrong", "get", link, "--password-file", "-", stdin=b"wrong\n")
    # The same letters, composed otherwise, without a line ending.
    same = "pa\u0308ss word".encode()
    assert shell.must("cat", link, "--password-file", "-", stdin=same).out == "12345"
    shell.must("ls", link, "--password-file", "password.txt")
    shell.must("info", link, "--password-file", "password.txt")
    shell.must("get", link, "--password-file", "password.txt", "-o", "there")


def test_password_files_that_cannot_be_used(shell: Shell) -> None:
    shell.write("a.txt")
    shell.fails(7, "password-file", "put", "a.txt", "--password-file", "nowhere")
    shell.fails(7, "password-file", "put", "a.txt", "--password-file", "-", stdin=b"\xff\n")
    shell.fails(7, "password-file", "put", "a.txt", "--password-file", "-", stdin=b"x" * 70_000)
    shell.fails(2, "password-unusable", "put", "a.txt", "--password-file", "-", stdin=b"\nsecond\n")
    shell.fails(2, "no-terminal", "put", "a.txt", "--password")
    assert "--password-file" in shell.run("put", "a.txt", "--password").err
    shell.fails(2, "usage", "put", "a.txt", "--password", "--password-file", "-")


def test_a_person_is_asked_on_the_terminal(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    putting = shell.terminal("put", "a.txt", "--password")
    putting.wait_for("Password for the new link: ")
    putting.type("secret\n")
    putting.wait_for("The same again: ")
    putting.type("secret\n")
    put = putting.end()
    assert put.code == 0
    assert "secret" not in put.err

    catting = shell.terminal("cat", put.out)  # not told that one is needed: the link says it
    catting.wait_for("Password of the link: ")
    catting.type("secret\n")
    got = catting.end()
    assert (got.code, got.out) == (0, "12345")


def test_what_a_person_may_answer_wrongly(shell: Shell) -> None:
    shell.write("a.txt")
    differing = shell.terminal("put", "a.txt", "--password")
    differing.wait_for("new link: ")
    differing.type("one\n")
    differing.wait_for("again: ")
    differing.type("two\n")
    assert differing.end().code == 2
    assert "The two passwords differ." in differing.shown

    ended = shell.terminal("put", "a.txt", "--password")
    ended.wait_for("new link: ")
    ended.type("\x04")
    assert ended.end().code == 2

    interrupted = shell.terminal("put", "a.txt", "--password")
    interrupted.wait_for("new link: ")
    interrupted.interrupt()
    assert interrupted.end().code == 130


def test_unlock_after_too_many_guesses(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    put = shell.must("put", "a.txt", "--password-file", "-", "--json", stdin=b"secret").json
    guess(put["link"], 11)
    failed = shell.fails(4, "slow-down", "ls", put["link"], "--password-file", "-", stdin=b"secret")
    assert "seconds" in failed.error["message"]
    assert shell.must("unlock", put["manage"], put["link"]).err == "unlocked\n"
    assert shell.must("cat", put["link"], "--password-file", "-", stdin=b"secret").out == "12345"


def guess(link: str, times: int) -> None:
    """Wrong passwords, without the cost of trying them honestly."""
    parsed = parse_link(link)
    route = link_capsule_route(keys.link_id(parsed.fragment.secret))
    for _ in range(times):
        connection = http.client.HTTPConnection(urlsplit(parsed.base).netloc, timeout=10)
        connection.request("GET", route, headers={"Authorization": f"Bearer {b64u(bytes(32))}"})
        assert connection.getresponse().status in (403, 429)
        connection.close()


# ---------------------------------------------------------------- mine


def test_what_was_put_from_here(shell: Shell) -> None:
    assert shell.must("mine").err == "nothing was put from here\n"
    shell.write("a.txt", "12345")
    for name in "bcde":
        shell.write(f"{name}.txt")
    late = shell.put("a.txt", "--expire", "9d")
    early = shell.put(*(f"{name}.txt" for name in "bcde"), "--expire", "2d")
    shell.put("a.txt", "--no-receipt")
    told = shell.must("mine", "--json").json["puts"]
    assert [put["manage"] for put in told] == [early["manage"], late["manage"]]
    assert (told[1]["names"], told[1]["files"], told[1]["bytes"]) == (["a.txt"], 1, 5)
    lines = shell.must("mine").out.splitlines()
    assert lines[0].startswith("b.txt, c.txt, d.txt and 1 more: 4 files, 28 B, expires ")
    assert lines[1:3] == [f"  link: {early['link']}", f"  manage: {early['manage']}"]


def test_receipts_are_forgotten(shell: Shell) -> None:
    shell.write("a.txt")
    put = shell.put("a.txt")
    kept = shell.put("a.txt", "--expire", "2d")
    assert shell.must("mine", "--forget", put["manage"]).err == "1 receipt forgotten\n"
    shell.fails(3, "no-receipt", "mine", "--forget", put["manage"])
    shell.must("ls", put["link"])  # forgotten here, not removed there

    (receipt,) = (shell.here.parent / "data").rglob("*.json")
    receipt.write_text(receipt.read_text().replace(kept["expires"], "2020-01-01T00:00:00Z"))
    assert "which is past" in shell.must("mine").out
    forgotten = shell.must("mine", "--forget-expired", "--json").json
    assert forgotten == {"forgotten": [kept["manage"]]}
    assert shell.must("mine", "--forget-expired").err == "0 receipts forgotten\n"
    assert shell.must("mine", "--json").json == {"puts": []}


def test_what_is_no_receipt_is_left_alone(shell: Shell) -> None:
    shell.write("a.txt")
    shell.put("a.txt")
    (receipt,) = (shell.here.parent / "data").rglob("*.json")
    receipt.with_name("other.json").write_text('{"link": 1}')
    assert len(shell.must("mine", "--json").json["puts"]) == 1
