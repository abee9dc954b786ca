"""What the host and whoever steals its disk can find of a put and a get: nothing.

Attack 9: every request, header and body between client and host. Attack 24: every
file on the host's disk. Attack 28: its log at the highest level. Each is searched
for what was put, in every encoding that software is in the habit of using.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Iterator

import pytest

from consigne.format import keys
from consigne.format.content import FIRST_CAPACITY
from consigne.format.link import parse_link
from consigne.version import __version__
from tests.processes import Host, User
from tests.proxy import Proxy
from tests.searching import find

NAME = "Schlüsselbund-für-Quelle.docx"
FOLDER = "Geheimordner-7731"
NOTE = "Treffpunkt: Gare de Lyon, Gleis 9"
PASSWORD = "korrektes Pferd Batterie"
SIZE = 1_234_567
MARK = b"THIS-IS-THE-PLAINTEXT-OF-THE-FILE-"


def secrets_of(link: str, manage: str) -> dict[str, bytes]:
    """All that must never leave the client's machine."""
    owner = keys.Owner(parse_link(manage).fragment.secret)
    secret = parse_link(link).fragment.secret
    reader = keys.reader(secret, PASSWORD)
    return {
        "owner secret": owner.secret,
        "content key": owner.content_key,
        "owner root": owner.capsule_root,
        "link seed": owner.link_seed(0),
        "link secret": secret,
        "password root": reader.root,
        "fragment": link.partition("#")[2].encode(),
        "manage fragment": manage.partition("#")[2].encode(),
        "name": NAME.encode(),
        "folder": FOLDER.encode(),
        "note": NOTE.encode(),
        "password": PASSWORD.encode(),
        "type": b"officedocument",
        "suffix": b".docx",
        "plaintext": MARK,
    }


def tokens_of(link: str, manage: str) -> dict[str, bytes]:
    """What goes over the wire but may not stay on the disk."""
    owner = keys.Owner(parse_link(manage).fragment.secret)
    reader = keys.reader(parse_link(link).fragment.secret, PASSWORD)
    return {"owner token": owner.token, "read token": reader.token}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Host, str, str]]:
    """A put with everything in it, looked at and got, recorded; the host logs all it can."""
    tmp_path = tmp_path_factory.mktemp("story")
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / NAME).write_bytes((MARK * (SIZE // len(MARK) + 1))[:SIZE])
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "wrong").write_text("falsch\n")
    with_password = ["--password-file", str(tmp_path / "password")]
    with Host(tmp_path / "host", {"log_level": "debug"}) as host, Proxy(host.port) as proxy:
        user = User(tmp_path / "home", proxy.url)
        put = json.loads(
            user.must("put", str(folder), "--note", NOTE, "--downloads", "3", "--json", *with_password)
        )
        link, manage = put["link"], put["manage"]
        user.must("ls", link, *with_password)
        user.must("get", link, "-o", str(tmp_path / "got"), *with_password)
        user.must("cat", link, f"{FOLDER}/{NAME}", *with_password)
        user.must("info", manage)
        user.must("link", manage)
        assert user.run("ls", link, "--password-file", str(tmp_path / "wrong")).returncode == 4
        assert (tmp_path / "got" / FOLDER / NAME).stat().st_size == SIZE
        yield proxy, host, link, manage


def test_the_searcher_finds_what_is_there() -> None:
    """The search must be able to fail: each form of a secret is found where it stands."""
    needle = bytes(range(40, 72))
    for form in (needle, needle.hex().encode(), base64.b64encode(b"xy" + needle + b"z"), needle[::-1]):
        assert find(b"..." + form + b"...", {"it": needle}) == ["it"]
    assert find(NOTE.encode("utf-16-le"), {"note": NOTE.encode()}) == ["note"]
    assert find(json.dumps(NAME).encode(), {"name": NAME.encode()}) == ["name"]
    assert find(urllib.parse.quote(NAME).encode(), {"name": NAME.encode()}) == ["name"]
    assert find(os.urandom(5000), {"it": needle}) == []


def test_attack_09_nothing_on_the_wire(story: tuple[Proxy, Host, str, str]) -> None:
    proxy, _, link, manage = story
    assert len(proxy.exchanges) > 15
    everything = b"".join(
        bytes(part) for e in proxy.exchanges for part in (e.head, e.body, e.answer_head, e.answer)
    )
    assert find(everything, secrets_of(link, manage)) == []
    # The true size, in any number of the conversation's heads and JSON.
    numbers = {
        int(number)
        for e in proxy.exchanges
        for text in (
            e.head,
            e.answer_head,
            e.body if len(e.body) < 5000 else b"",
            e.answer if len(e.answer) < 5000 else b"",
        )
        for number in re.findall(rb"\d+", bytes(text))
    }
    near = {SIZE + extra for extra in (0, 16, 40, 56, 40 + 16 * 5, FIRST_CAPACITY)}
    assert not numbers & near
    assert all("#" not in e.path and "?" not in e.path for e in proxy.exchanges)


def test_attack_13_no_id_in_a_page_address_and_no_fragment_anywhere(
    story: tuple[Proxy, Host, str, str],
) -> None:
    proxy, _, _, _ = story
    assert all(e.path.startswith("/api/v1/") for e in proxy.exchanges)
    assert not any(re.search(rb"(?i)\r\n(referer|cookie|origin):", e.head) for e in proxy.exchanges)


def test_attack_24_nothing_on_the_disk(story: tuple[Proxy, Host, str, str]) -> None:
    _, host, link, manage = story
    needles = {
        **secrets_of(link, manage),
        **tokens_of(link, manage),
        "user agent": f"consigne/{__version__}".encode(),
        "address": b"127.0.0.1",
    }
    files = [path for path in host.data.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in files:
        assert find(path.read_bytes(), needles) == [], path.name
        assert find(path.name.encode(), needles) == []
    host.stop()
    for path in host.data.rglob("*"):
        assert not path.is_file() or find(path.read_bytes(), needles) == [], path.name


def test_attack_28_nothing_in_the_log(story: tuple[Proxy, Host, str, str]) -> None:
    proxy, host, link, manage = story
    host.stop()
    log = host.log.read_bytes().replace(host.url.encode(), b"")  # the one line that says where it listens
    ids = {segment for e in proxy.exchanges for segment in e.path.split("/") if len(segment) == 43}
    needles = {
        **secrets_of(link, manage),
        **tokens_of(link, manage),
        **{f"id {number}": base64.urlsafe_b64decode(text + "=") for number, text in enumerate(sorted(ids))},
        "address": b"127.0.0.1",
        "user agent": b"consigne/",
    }
    assert find(log, needles) == []
    assert b"Traceback" not in log


def test_attack_14_only_padme_sizes_on_the_wire(story: tuple[Proxy, Host, str, str]) -> None:
    from consigne.format.content import Layout
    from consigne.format.padding import padme

    proxy, _, _, _ = story
    declared = [json.loads(e.body)["length"] for e in proxy.exchanges if e.path.endswith("/objects")]
    assert declared == [Layout(padme(SIZE)).ciphertext_length]
