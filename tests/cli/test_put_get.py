"""Files go up and come down again, as a person would do it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import Shell


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path under a folder; the content of files, None for folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def bag(shell: Shell) -> Path:
    """A folder with everything that is hard about folders."""
    shell.write("bag/a.txt", "a")
    shell.write("bag/deep/er/b.bin", os.urandom(600_000))
    shell.write("bag/nothing", b"")
    shell.write("bag/with space and 'quotes\".txt", "quoted")
    shell.write("bag/-dash", "dash")
    shell.write("bag/\u00fcml\u00e4ut \U0001f4e6.txt", "bag")
    (shell.here / "bag/empty/inside").mkdir(parents=True)
    for number in range(300):
        shell.write(f"bag/many/{number}.txt", f"file {number}")
    return shell.here / "bag"


def test_a_folder_comes_back_byte_for_byte(shell: Shell) -> None:
    bag(shell)
    done = shell.must("put", "bag")
    assert done.out.startswith(shell.environment["CONSIGNE_URL"] + "/d#")
    lines = done.err.splitlines()
    assert lines[0] == f"link: {done.out}"
    assert lines[1].startswith(f"manage: {shell.environment['CONSIGNE_URL']}/m#")
    assert lines[2].startswith("expires: ")
    assert lines[2].endswith("days")

    got = shell.must("get", done.out, "-o", "there")
    assert got.output == b""
    assert got.err.startswith("wrote: there/bag\n")
    assert tree(shell.here / "there/bag") == tree(shell.here / "bag")
    assert os.listdir(shell.here / "there") == ["bag"]


def test_json_tells_all_in_one_object(shell: Shell) -> None:
    shell.write("a.txt", "12345")
    done = shell.must("put", "a.txt", "--json")
    assert set(done.json) == {"link", "manage", "object", "bytes", "expires", "skipped"}
    assert (done.json["bytes"], done.json["skipped"]) == (5, [])
    assert json.loads(done.err) == {"begun": done.json}  # before the first byte went up

    got = shell.must("get", done.json["link"], "-o", "there", "--json")
    assert got.json == {"paths": ["there/a.txt"], "bytes": 5, "renamed": []}
    assert got.err == ""


def test_many_paths_of_all_kinds(shell: Shell) -> None:
    shell.write("one.txt", "1")
    shell.write("folder/two.txt", "2")
    shell.write("-three", "3")
    link = shell.must("put", "--quiet", "--", "one.txt", "folder/", "-three").out
    shell.must("get", link, "-o", "there")
    assert tree(shell.here / "there") == {
        "one.txt": b"1",
        "folder": None,
        "folder/two.txt": b"2",
        "-three": b"3",
    }


def test_options_may_stand_between_paths(shell: Shell) -> None:
    shell.write("one.txt")
    shell.write("two.txt")
    assert shell.put("one.txt", "--expire", "2d", "two.txt")["bytes"] == 14


def test_quiet_says_nothing(shell: Shell) -> None:
    shell.write("a.txt")
    done = shell.must("put", "a.txt", "-q")
    assert done.err == ""
    assert shell.must("get", done.out, "-o", "there", "-q").err == ""


def test_what_is_skipped_is_named(shell: Shell) -> None:
    shell.write("bag/file.txt")
    (shell.here / "bag/link").symlink_to("file.txt")
    os.mkfifo(shell.here / "bag/pipe")
    done = shell.must("put", "bag")
    assert "skipped: " in done.err
    assert "bag/link (symbolic link)" in done.err
    assert "bag/pipe (pipe)" in done.err
    told = shell.put("bag")["skipped"]
    assert [entry["reason"] for entry in told] == ["symbolic link", "pipe"]


def test_a_symbolic_link_that_was_named_is_followed(shell: Shell) -> None:
    shell.write("file.txt", "followed")
    (shell.here / "link.txt").symlink_to("file.txt")
    link = shell.must("put", "-q", "link.txt").out
    assert shell.must("cat", link).out == "followed"


def test_refused_names_stop_the_put_and_are_all_listed(shell: Shell) -> None:
    shell.write("bag/good.txt", "good")
    shell.write("bag/new\nline.txt")
    shell.write("bag/back\\slash.txt")
    failed = shell.fails(7, "path-refused", "put", "bag")
    assert "new\\nline.txt" in failed.error["message"]
    assert "back\\slash.txt" in failed.error["message"]
    assert "--skip-refused" in failed.error["hint"]

    told = shell.put("bag", "--skip-refused")
    assert len(told["skipped"]) == 2
    shell.must("get", told["link"], "-o", "there")
    assert tree(shell.here / "there/bag") == {"good.txt": b"good"}
    assert "\nskipped: " in "\n" + shell.must("put", "bag", "--skip-refused").err


def test_standard_input_and_output(shell: Shell) -> None:
    content = os.urandom(1_000_000)
    done = shell.must("put", "-", "--name", "random.bin", stdin=content)
    assert done.err.startswith("manage: ")  # its length was not known: the link comes at the end
    assert shell.must("get", done.out, "-o", "-").output == content
    assert shell.must("cat", done.out).output == content
    shell.must("get", done.out)
    assert (shell.here / "random.bin").read_bytes() == content

    empty = shell.must("put", "-", "--quiet").out
    assert shell.must("cat", empty).output == b""
    shell.must("get", empty)
    assert (shell.here / "stdin").read_bytes() == b""


@pytest.mark.parametrize(
    "words",
    [
        ("put", "-", "a.txt"),
        ("put", "a.txt", "--name", "b"),
        ("put", "-", "--password-file", "-"),
        ("get", "http://127.0.0.1:9/d#x", "-o", "-"),  # together with the --json of `fails`
        ("put", "a.txt", "--note", os.fsdecode(b"\xff")),
    ],
)
def test_what_cannot_be_together_is_refused(lonely: Shell, words: tuple[str, ...]) -> None:
    lonely.write("a.txt")
    lonely.fails(2, "usage", *words)


def test_only_some_files(shell: Shell) -> None:
    bag(shell)
    link = shell.must("put", "-q", "bag").out
    shell.must("get", link, "-o", "one", "--only", "bag/deep/er/b.bin")
    assert list(tree(shell.here / "one")) == ["bag", "bag/deep", "bag/deep/er", "bag/deep/er/b.bin"]
    shell.must("get", link, "-o", "some", "--only", "bag/many")
    assert tree(shell.here / "some/bag/many") == tree(shell.here / "bag/many")
    assert os.listdir(shell.here / "some/bag") == ["many"]
    assert shell.must("get", link, "-o", "-", "--only", "bag/a.txt").output == b"a"
    assert shell.must("cat", link, "bag/-dash").output == b"dash"
    shell.fails(2, "path-unknown", "get", link, "--only", "bag/none")
    assert shell.run("cat", link).code == 2
    assert "Name one of them" in shell.run("cat", link).err


def test_nothing_is_overwritten_without_force(shell: Shell) -> None:
    shell.write("a.txt", "new")
    link = shell.must("put", "-q", "a.txt").out
    shell.write("there/a.txt", "old")
    shell.write("there/other.txt", "stays")
    shell.fails(7, "file-exists", "get", link, "-o", "there")
    assert (shell.here / "there/a.txt").read_text() == "old"
    shell.must("get", link, "-o", "there", "--force")
    assert tree(shell.here / "there") == {"a.txt": b"new", "other.txt": b"stays"}


def test_files_that_cannot_be_read(shell: Shell) -> None:
    shell.fails(7, "file-missing", "put", "nowhere.txt")
    shell.fails(7, "nothing-to-put", "put", "/dev/null")
    shell.write("a.txt")
    shell.write("in-the-way")
    link = shell.must("put", "-q", "a.txt").out
    shell.fails(7, "local-failed", "get", link, "-o", "in-the-way")
    shell.fails(7, "local-failed", "put", "a.txt", XDG_STATE_HOME="/dev/null")


def test_the_same_put_at_the_same_time(shell: Shell) -> None:
    """Two commands of one put would be two writers of one object."""
    shell.write("a.bin", os.urandom(30_000_000))
    process = shell.start("put", "a.bin")
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(subprocess.signal.SIGSTOP)
    try:
        shell.fails(7, "journal-busy", "put", "a.bin")
    finally:
        process.send_signal(subprocess.signal.SIGCONT)
        process.communicate()
    assert process.returncode == 0


def test_the_host_of_a_put(shell: Shell) -> None:
    lonely_url = "http://127.0.0.1:9"
    shell.write("a.txt")
    url = shell.environment["CONSIGNE_URL"]
    assert shell.must("put", "a.txt", "--to", url + "/", CONSIGNE_URL=lonely_url).out.startswith(url + "/d#")
    shell.fails(6, "host-unreachable", "put", "a.txt", CONSIGNE_URL=lonely_url)
    shell.fails(2, "address-invalid", "put", "a.txt", "--to", "ftp://host")
    shell.fails(2, "address-insecure", "put", "a.txt", "--to", "http://host.invalid")
    shell.fails(2, "address-insecure", "ls", url.replace("127.0.0.1", "host.invalid") + "/d#EQ" + "A" * 44)
    shell.fails(
        6,
        "host-unreachable",
        "put",
        "a.txt",
        "--to",
        "http://host.invalid",
        "--insecure",
        CONSIGNE_PATIENCE="0",
    )
