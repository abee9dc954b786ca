"""Settings: where they come from, what is refused, and that docs/settings.md lists them all."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from consigne.errors import UsageError
from consigne.server.settings import PREFIX, Settings, about, flag_of, resolve

DOCS = (Path(__file__).parents[2] / "docs/settings.md").read_text()
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def from_file(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "consigne.toml"
    file.write_text(text)
    return resolve({}, {}, file)


def test_flags_before_environment_before_file_before_default(tmp_path: Path) -> None:
    file = tmp_path / "consigne.toml"
    file.write_text("head_size = 3000\nkeep_alive = 3\nmax_downloads = 3\n")
    environment = {"CONSIGNE_HEAD_SIZE": "2000", "CONSIGNE_KEEP_ALIVE": "2", "CONSIGNE_URL": "http://x"}
    settings = resolve({"head_size": "1024", "keep_alive": None}, environment, file)
    assert (settings.head_size, settings.keep_alive, settings.max_downloads) == (1024, 2, 3)
    assert settings.connections == Settings().connections


def test_an_empty_variable_is_none() -> None:
    assert resolve({}, {"CONSIGNE_LISTEN": ""}).listen == Settings().listen


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("max_length", "2GiB", 2 * 2**30),
        ("max_length", "1 KiB", 1024),
        ("max_length", "12345", 12345),
        ("max_expires_in", "40d", 40 * 86400),
        ("default_expires_in", "90m", 5400),
        ("sweep_interval", "0.5", 0.5),
        ("sweep_interval", "2h", 7200.0),
        ("connections", "7", 7),
        ("listen", "[::1]:80", "[::1]:80"),
        ("listen", ":8080", ":8080"),
        ("base_path", "/a/b.c", "/a/b.c"),
        ("log_level", "debug", "debug"),
        ("store", "file:///x", "file:///x"),
    ],
)
def test_values(name: str, value: str, meaning: object) -> None:
    found = getattr(resolve({name: value}, {}), name)
    assert found == meaning
    assert type(found) is type(meaning)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_length", "0"),
        ("max_length", "2 GB"),
        ("max_length", "-5"),
        ("max_length", "1.5GiB"),
        ("max_length", "1e9"),
        ("max_length", "9" * 30),
        ("max_length", "٣"),
        ("max_length", ""),
        ("connections", "5m"),
        ("connections", "five"),
        ("sweep_interval", "nan"),
        ("sweep_interval", "0"),
        ("default_expires_in", "7w"),
        ("listen", "8080"),
        ("listen", "host:99999"),
        ("listen", "a b:80"),
        ("listen", "host:80\n"),
        ("base_path", "files"),
        ("base_path", "/files/"),
        ("base_path", "/a//b"),
        ("base_path", "/../x"),
        ("base_path", "/{x}"),
        ("log_level", "trace"),
        ("log_level", "INFO"),
        ("store", "s3://bucket"),
        ("store", "file://relative"),
        ("catalog", "postgresql://x"),
        ("catalog", "sqlite:///relative"),
        ("data", ""),
        ("data", "a\0b"),
    ],
)
def test_bad_values_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve({name: value}, {})
    assert caught.value.code == "setting-invalid"
    assert flag_of(name) in str(caught.value)
    assert caught.value.hint == about(FIELDS[name]).docs
    if value:
        with pytest.raises(UsageError, match=PREFIX + name.upper()):
            resolve({}, {PREFIX + name.upper(): value})


def test_the_two_expiries_agree() -> None:
    with pytest.raises(UsageError, match="default_expires_in"):
        resolve({"default_expires_in": "9d", "max_expires_in": "8d"}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 1", "unknown setting: port"),
        ("connections = true", "`connections`"),
        ("connections = 1.5", "`connections`"),
        ("listen = 8080", "`listen`"),
        ("connections = [1]", "`connections`"),
        ("listen =", "not TOML"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        from_file(tmp_path, text)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        resolve({}, {}, tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'listen = "\xe9"')
    with pytest.raises(UsageError, match="not TOML"):
        resolve({}, {}, tmp_path / "latin.toml")


def test_places_follow_from_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = resolve({"data": "here"}, {})
    assert settings.data == str(tmp_path / "here")
    assert settings.store_folder == tmp_path / "here/store"
    assert settings.catalog_file == tmp_path / "here/catalog.db"
    moved = resolve({"store": "file:///s", "catalog": "sqlite:////c/d.db"}, {})
    assert (str(moved.store_folder), str(moved.catalog_file)) == ("/s", "/c/d.db")


def test_listen_is_taken_apart() -> None:
    settings = resolve({"listen": "[::1]:81"}, {})
    assert (settings.host, settings.port) == ("::1", 81)


def test_the_docs_list_every_setting_with_its_default_and_words() -> None:
    rows = {
        name: (default, words)
        for name, default, words in re.findall(r"^\| `(\w+)` \| `(.*?)` \| (.+) \|$", DOCS, re.MULTILINE)
    }
    told = {name: (shown(field), about(field).docs) for name, field in FIELDS.items()}
    assert rows == told


def shown(field: dataclasses.Field[object]) -> str:
    """A default as people write it."""
    value = field.default
    if isinstance(value, str):
        return f'"{value}"'
    assert isinstance(value, int | float)
    units = {
        "size": [("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)],
        "time": [("d", 86400)],
        "seconds": [("m", 60)],
    }
    for unit, size in units.get(about(field).kind, []):
        if value >= 2 * size and value % size == 0 and not (unit == "m" and value < 600):
            return f'"{int(value // size)}{unit}"'
    return f"{value:g}" if value < 10**6 else str(value)
