"""Settings of a host, out of a TOML file or variables: within their bounds, or refused by name."""

from __future__ import annotations

import dataclasses

from consigne.errors import UsageError
from consigne.server.settings import PREFIX, Settings, about, resolve
from tests.fuzz import scratch
from tests.fuzz.target import Target

VARIABLES = b"# variables\n"


def check(data: bytes) -> None:
    try:
        settings = _from_variables(data) if data.startswith(VARIABLES) else _from_file(data)
    except UsageError as error:
        assert error.code == "setting-invalid"
        return
    for field in dataclasses.fields(settings):
        told, value = about(field), getattr(settings, field.name)
        if told.kind == "text":
            assert "\0" not in value
        else:
            assert told.least <= value <= told.most
    assert 0 <= settings.port < 2**16
    _ = settings.host, settings.store_folder, settings.catalog_file


def _from_file(data: bytes) -> Settings:
    file = scratch.folder("settings") / "consigne.toml"
    file.write_bytes(data)
    return resolve({}, {}, file)


def _from_variables(data: bytes) -> Settings:
    lines = data.decode("utf-8", "surrogateescape").splitlines()[1:]
    given = dict(line.partition("=")[::2] for line in lines)
    return resolve({}, {PREFIX + name.upper(): value for name, value in given.items()})


def seeds() -> list[bytes]:
    fields = dataclasses.fields(Settings)
    texts = {field.name: str(field.default) for field in fields}
    quoted = "\n".join(f'{name} = "{value}"' for name, value in texts.items())
    return [
        VARIABLES + "\n".join(f"{name}={value}" for name, value in texts.items()).encode(),
        quoted.encode(),
        b"max_length = inf\n",
        b"max_downloads = nan\n",
        b"max_capsule = " + b"9" * 5000,
        b"store = " + b"[" * 3000 + b"]" * 3000,
        b'max_length = "1 GiB"\nkeep_alive = 7.5\nlisten = "[::1]:80"\n',
        b'min_free = 64_000_000\nhead_timeout = "1.5m"\nbase_path = "/files"\n',
    ]


TARGET = Target(
    "host_settings",
    check,
    seeds,
    words=(
        b"inf",
        b"nan",
        b"-1",
        b"1e308",
        b"true",
        b"[",
        b'"""',
        b"= 1979-05-27",
        b"MiB",
        b"1.0",
        b"\nmax_length=9",
    ),
)
