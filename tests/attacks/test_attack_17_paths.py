"""Attack 17: paths that want out. Nothing is written outside of the target folder, nothing overwritten.

A hostile uploader makes manifests by hand and a real host keeps them; `get`, with `--force`
and `--only` too, runs in a folder whose surroundings are compared before and after.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from consigne.client.journal import Journal
from consigne.format import keys
from consigne.protocol import b64u
from tests.attacks.hostile import Uploader, sampled
from tests.cli.shell import Shell
from tests.processes import Host

REFUSED = {
    "out of the folder": "../../x",
    "out of it, further in": "a/../../x",
    "out of it at the end": "a/..",
    "absolute": "/etc/x",
    "absolute twice": "//etc/x",
    "here": "./x",
    "a drive": "C:\\x",
    "a share of Windows": "\\\\host\\share\\x",
    "a backslash": "a\\..\\..\\x",
    "NUL": "x\0.txt",
    "a line feed": "x\ny",
    "an escape of a terminal": "x\x1b[2Jy",
    "C1": "x\x9by",
    "from right to left": "x\u202etxt.exe",
    "isolated": "x\u2066y",
    "a lone surrogate": "x\ud800",
    "5,000 characters": "x" * 5000,
    "256 bytes": "\u00e9" * 128,
    "deep and long": "/".join(["d" * 100] * 42),
    "empty": "",
    "nothing but a slash": "/",
    "an empty component": "a//x",
    "nothing but dots": "..",
}
TOGETHER = {
    "twice the same": ["x", "x"],
    "a file that is a folder": ["x", "x/y"],
    "a folder that is a file": ["x/", "x"],
    "a file on the way to another": ["a/b", "a/b/c/d"],
}
ALLOWED = [
    "CON", "NUL.txt", "C:x", "ends with a dot.", "ends with a space ", "__proto__", "constructor",
    "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9"), "READ.me", "Read.ME",
    "-rf", "~", "$(touch x)", "a;b", "*", "%2e%2e%2fx", "%00", "...", ". .", "..x", ".bashrc",
    "<img src=x onerror=alert(1)>",
    "\u2215etc\u2215x", "\uff0e\uff0e\uff0fx", "\u2024\u2024", "\u200f\u061cx",
]  # fmt: skip


@pytest.fixture
def uploader(standing: Host) -> Uploader:
    return Uploader(standing)


def gives(uploader: Uploader, paths: list[str]) -> str:
    """A link to files of seven bytes with these paths."""
    return uploader.gives(*((path, b"hostile") for path in paths))


def tree(folder: Path) -> dict[str, Any]:
    """All that stands in a folder: kinds, contents, and where links lead; but not the memory of a get."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if not name.startswith(("state", "home", "data")):
            found[name] = os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
    return found


def refuse(shell: Shell, link: str) -> None:
    """Every command refuses it, and the world is as it was."""
    shell.write("target/mine", "mine")
    before = tree(shell.here.parent)
    shell.fails(5, "manifest-invalid", "get", link, "-o", "target", "--force")
    done = shell.run("ls", link)
    assert done.code == 5
    assert done.output == b""
    assert "\x1b" not in done.err
    assert "\u202e" not in done.err
    assert shell.run("cat", link).code == 5
    assert tree(shell.here.parent) == before


@pytest.mark.parametrize("what", sampled(REFUSED, "out of the folder", "from right to left"))
def test_attack_17_refused_paths(shell: Shell, uploader: Uploader, what: str) -> None:
    refuse(shell, gives(uploader, [REFUSED[what], "innocent"]))


@pytest.mark.slow
@pytest.mark.parametrize("what", TOGETHER)
def test_attack_17_paths_in_each_others_way(shell: Shell, uploader: Uploader, what: str) -> None:
    files = [(path, 0 if path.endswith("/") else 7) for path in TOGETHER[what]]
    uploader.put(uploader.seal(b"hostile" * sum(size > 0 for _, size in files)))
    refuse(shell, uploader.link(uploader.manifest(*files)))


def test_attack_17_strange_names_are_files_like_any_other(shell: Shell, uploader: Uploader) -> None:
    """Names that only some systems reserve, and twins of case and of form: each its own file, here."""
    contents = {path: f"content of {number}".encode() for number, path in enumerate(ALLOWED)}
    contents |= {f"__proto__/{path}": b"in a folder" for path in ("CON", "~")}
    del contents["__proto__"]
    link = uploader.gives(*contents.items())
    before = tree(shell.here.parent)
    shell.must("get", link, "-o", "target")
    got = {
        str(path.relative_to(shell.here / "target")): path.read_bytes()
        for path in (shell.here / "target").rglob("*")
        if path.is_file()
    }
    assert got == contents
    outside = {name: value for name, value in tree(shell.here.parent).items() if "here/target" not in name}
    assert outside == before
    listed = shell.must("ls", link).out
    assert len(listed.splitlines()) == len(contents), "a name is one line"
    assert not any(mark in listed for mark in "\x1b\u200f\u061c"), "and moves no cursor"


@pytest.mark.parametrize("force", [False, True])
def test_attack_17_what_stands_there_is_not_followed(
    shell: Shell, uploader: Uploader, *, force: bool
) -> None:
    """Links that lie in the target folder, planted by an earlier share or somebody else."""
    shell.write("elsewhere/mine", "mine")
    target = shell.write("target/bag/keep", "kept").parent.parent
    (target / "bag/sub").symlink_to("../../elsewhere")
    (target / "bag/dangling").symlink_to("../../new")
    (target / "bag/file").symlink_to("../../elsewhere/mine")
    words = ["--force"] if force else []
    for paths in (["bag/sub/mine"], ["bag/sub/new"], ["bag/file"], ["bag/dangling"]):
        fresh = Uploader(uploader.host)
        shell.run("get", gives(fresh, paths), "-o", "target", *words)
    assert (shell.here / "elsewhere/mine").read_text() == "mine"
    assert sorted(os.listdir(shell.here / "elsewhere")) == ["mine"]
    assert not (shell.here / "new").exists()
    assert (target / "bag/keep").read_text() == "kept"
    if not force:
        assert (target / "bag/file").is_symlink()
        assert (target / "bag/dangling").is_symlink()


def test_attack_17_nothing_is_overwritten_without_force(shell: Shell, uploader: Uploader) -> None:
    shell.write("target/mine", "mine")
    shell.write("target/bag/mine", "mine")
    link = gives(uploader, ["mine", "bag/mine", "bag/new"])
    before = tree(shell.here)
    shell.fails(7, "file-exists", "get", link, "-o", "target")
    assert tree(shell.here) == before
    shell.fails(7, "file-exists", "get", link, "-o", "target", "--only", "bag")
    assert tree(shell.here) == before


def partial_of(shell: Shell, uploader: Uploader, target: str) -> str:
    """What a get of his link calls its partial folder."""
    link_id = b64u(keys.link_id(uploader.owner.link_secret(0)))
    name = json.dumps(["get", link_id, str((shell.here / target).resolve()), None])
    return f".consigne-{Journal.name_for(name)[:8]}.partial"


@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_attack_17_a_path_into_a_partial_folder(shell: Shell, uploader: Uploader, whose: str) -> None:
    """The uploader knows the link's id before the manifest, and may guess the folder.

    Files that land in a partial folder would be lost with it, or be taken for what another get
    has authenticated already. Not with --force, and not in another case either.
    """
    shell.write("target/mine", "mine")
    name = partial_of(shell, uploader, "target")
    if whose == "another's":
        name = ".Consigne-0a1b2c3d.Partial"
        shell.write(f"target/{name}/a", "authentic")
    before = tree(shell.here)
    link = gives(uploader, [f"{name}/a", "b"])
    shell.fails(7, "file-exists", "get", link, "-o", "target", "--force")
    shell.fails(7, "file-exists", "get", link, "-o", "target")
    assert tree(shell.here) == before
    assert shell.must("cat", link, f"{name}/a").output == b"hostile"


@pytest.mark.slow
def test_attack_17_as_deep_and_as_long_as_the_format_allows(shell: Shell, uploader: Uploader) -> None:
    """Allowed by the format, too much for this system: an error by name, and no half of it."""
    for path in ("/".join("d" * 2048), "/".join(["d" * 255] * 16)):
        fresh = Uploader(uploader.host)
        link = gives(fresh, [path, "short"])
        before = tree(shell.here)
        done = shell.run("get", link, "-o", "target", "--json")
        assert done.code in (0, 7), done.err
        if done.code == 7:
            assert done.error["code"] in ("path-refused", "file-unwritable", "local-failed")
            assert tree(shell.here) == before
        shell.must("ls", link)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [900, 996])
def test_attack_17_what_is_deep_goes_again(shell: Shell, uploader: Uploader, depth: int) -> None:
    """A share that does not authenticate leaves nothing, however deep it made us dig."""
    path = "/".join("d" * depth) + "/f"
    sealed = bytearray(uploader.seal(b"hostile"))
    sealed[-1] ^= 1
    uploader.put(bytes(sealed))
    link = uploader.link(uploader.manifest((path, 7)))
    code, name = (5, "content-tampered") if depth <= 900 else (7, "path-refused")
    shell.fails(code, name, "get", link, "-o", "target")
    assert not (shell.here / "target").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal there in tests")
def test_attack_17_a_note_and_a_type_move_no_cursor(shell: Shell, uploader: Uploader) -> None:
    """What is text is shown as text: on a terminal, in lines, and in JSON."""
    evil = "hello\n\x1b]0;title\x07\x1b[2J\x9b2J\u202eexe.txt\rlink: https://evil.example/"
    uploader.put(uploader.seal(b"hostile"))
    files = [{"path": "a", "size": 7, "type": evil, "modified": "9999-99-99T99:99:99Z"}]
    link = uploader.link(uploader.manifest(("a", 7), files=files, note=evil))
    for words in (("ls", link), ("info", link), ("ls", link, "--json"), ("get", link, "-o", "there")):
        done = shell.must(*words)
        for shown in (done.out, done.err):
            assert not any(mark in shown for mark in "\x1b\x07\x9b\u202e\r")
            assert not any(line.startswith("link: ") for line in shown.splitlines())
