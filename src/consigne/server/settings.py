"""Every setting of a host, listed once: name, default, bounds, a sentence.

The fields of `Settings` are the list. `resolve` fills them from flags, else
`CONSIGNE_<NAME>`, else the TOML file of --config, else the default, and refuses
by name whatever cannot be used. docs/settings.md is held equal by a test.

Sizes are bytes ("64MiB" is understood), times seconds ("10m", "7d" too).
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consigne import protocol
from consigne.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "CONSIGNE_"
SIZES: Final = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
TIMES: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": protocol.DAY}
LOG_LEVELS: Final = ("error", "info", "debug")
BASE_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
LISTEN: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]*):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class About:
    """What a setting means and may be: `kind` is text, count, size, time or seconds."""

    docs: str
    kind: str = "text"
    least: float = 0
    most: float = 2**53 - 1


def _setting(
    default: object, docs: str, kind: str = "text", *, least: float = 0, most: float = 2**53 - 1
) -> Any:  # noqa: ANN401  a field of any type, as dataclasses.field gives
    """Declare one setting."""
    return dataclasses.field(default=default, metadata={"about": About(docs, kind, least, most)})


@dataclass(frozen=True)
class Settings:
    """How one host runs. Immutable; all paths absolute once resolved."""

    data: str = _setting(".data", "Folder that holds the catalog, the store and the lock of this host.")
    store: str = _setting("", "Where ciphertext lies: file:///absolute/folder. Empty: `store` in `data`.")
    catalog: str = _setting(
        "", "The database of objects and links: sqlite:////absolute/file. Empty: `catalog.db` in `data`."
    )
    listen: str = _setting("127.0.0.1:8080", "HOST:PORT to listen on; port 0 takes a free one.")
    base_path: str = _setting("", "Path in front of everything, such as /files, when behind a proxy.")
    default_expires_in: int = _setting(
        7 * protocol.DAY, "How long an object is kept when its uploader names no time.", "time", least=60
    )
    max_expires_in: int = _setting(
        30 * protocol.DAY, "The longest time from now that an uploader may ask for.", "time", least=60
    )
    max_length: int = _setting(
        100 * 2**30, "Most bytes of ciphertext in one object.", "size", least=1, most=protocol.MAX_CONTENT
    )
    max_downloads: int = _setting(1_000_000, "Highest download limit that a link may have.", "count", least=1)
    max_capsule: int = _setting(
        protocol.MAX_CAPSULE,
        "Most bytes of a capsule, the sealed list of names.",
        "size",
        least=8192,
        most=protocol.MAX_CAPSULE,
    )
    min_free: int = _setting(
        64 * protocol.MIB, "Bytes kept free on the disk: uploads are refused below it.", "size"
    )
    requests_at_once: int = _setting(
        256,
        "Requests served at once, and as many transfers beside them; more are answered `busy`.",
        "count",
        least=1,
        most=100_000,
    )
    connections: int = _setting(
        1024, "Connections open at once; more are answered `busy` and closed.", "count", least=1, most=100_000
    )
    head_size: int = _setting(
        32 * 1024, "Most bytes of a request's line and headers.", "size", least=1024, most=protocol.MIB
    )
    head_timeout: float = _setting(
        10.0,
        "Time for a request's head to arrive, or a small body, and for a new connection's first.",
        "seconds",
        least=0.1,
    )
    body_timeout: float = _setting(
        30.0, "Longest time without a byte, while a body comes in or goes out.", "seconds", least=0.1
    )
    body_min_rate: int = _setting(
        1024, "Bytes a second that a body must reach on average of each body_timeout.", "size"
    )
    keep_alive: float = _setting(
        75.0, "How long an idle connection is kept after a request.", "seconds", least=0.1
    )
    stop_timeout: float = _setting(
        30.0, "How long running requests may go on after SIGTERM or SIGINT.", "seconds", least=0
    )
    sweep_interval: float = _setting(
        600.0, "Time between two sweeps of what expired, was removed or was left.", "seconds", least=0.1
    )
    unfinished_days: int = _setting(
        2, "Days without a new part after which an incomplete object is swept.", "count", least=1, most=3650
    )
    log_level: str = _setting("info", "error, info or debug; no level logs ids, tokens or addresses.")

    @property
    def host(self) -> str:
        """The address part of `listen`, without brackets; all interfaces where it is empty."""
        return _listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port part of `listen`."""
        return _listen(self.listen)[1]

    @property
    def data_folder(self) -> Path:
        """`data` as an absolute path."""
        return Path(self.data).absolute()

    @property
    def store_folder(self) -> Path:
        """The folder of the disk store."""
        return Path(self.store.removeprefix("file://")) if self.store else self.data_folder / "store"

    @property
    def catalog_file(self) -> Path:
        """The file of the SQLite catalog."""
        if self.catalog:
            return Path(self.catalog.removeprefix("sqlite:///"))
        return self.data_folder / "catalog.db"


def resolve(
    flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Settings out of flags (None: not given), environment and a TOML file, in this order.

    Raises UsageError, naming the setting and where it came from.
    """
    from_file = _read_file(config) if config is not None else {}
    chosen: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        name, variable = field.name, PREFIX + field.name.upper()
        if flags.get(name) is not None:
            chosen[name] = _parse(field, flags[name], flag_of(name))
        elif environment.get(variable):
            chosen[name] = _parse(field, environment[variable], variable)
        elif name in from_file:
            chosen[name] = _parse(field, from_file[name], f"`{name}` in the file of --config")
    settings = Settings(**chosen)
    _check_together(settings)
    return dataclasses.replace(settings, data=str(settings.data_folder))


def flag_of(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def about(field: dataclasses.Field[Any]) -> About:
    """What a field of Settings means and may be."""
    known: About = field.metadata["about"]
    return known


def _read_file(config: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refusal("the file of --config cannot be read", error.strerror or "") from None
    except (ValueError, RecursionError):  # no TOML, no UTF-8, or more of it than any setting needs
        raise _refusal("the file of --config is not TOML", "See docs/settings.md for an example.") from None
    unknown = sorted(set(found) - {field.name for field in dataclasses.fields(Settings)})
    if unknown:
        raise _refusal(f"the file of --config has an unknown setting: {unknown[0]}", "See docs/settings.md.")
    return found


def _parse(field: dataclasses.Field[Any], value: object, source: str) -> str | int | float:
    told = about(field)
    if told.kind == "text":
        if not isinstance(value, str):
            raise _refusal(f"{source} must be text", told.docs)
        return _parse_text(field.name, value, source, told)
    number = _parse_number(told.kind, value)
    if number is None or not told.least <= number <= told.most:
        raise _refusal(f"{source} must be a {told.kind} from {told.least:g} to {told.most:g}", told.docs)
    return float(number) if told.kind == "seconds" else int(number)


def _parse_number(kind: str, value: object) -> float | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, float):
        return value if kind == "seconds" or value.is_integer() else None
    units = {"size": SIZES, "time": TIMES, "seconds": TIMES}.get(kind, {"": 1})
    match = re.fullmatch(r"([0-9]{1,16})(\.[0-9]{1,6})? ?([A-Za-z]{0,3})", str(value).strip(), re.ASCII)
    if match is None or match[3] not in units or (match[2] and kind != "seconds"):
        return None
    number = float(match[1] + match[2]) if match[2] else int(match[1])
    return number * units[match[3]]


def _parse_text(name: str, value: str, source: str, told: About) -> str:
    well = {
        "data": bool(value) and "\0" not in value,
        "store": _is_address(value, "file://"),
        "catalog": _is_address(value, "sqlite:///"),
        "listen": _is_listen(value),
        "base_path": BASE_PATH.fullmatch(value) is not None,
        "log_level": value in LOG_LEVELS,
    }
    if not well[name]:
        raise _refusal(f"{source} cannot be used as it is", told.docs)
    return value


def _is_address(value: str, scheme: str) -> bool:
    rest = value.removeprefix(scheme)
    return not value or (value.startswith(scheme) and rest.startswith("/") and "\0" not in rest)


def _is_listen(value: str) -> bool:
    match = LISTEN.fullmatch(value)
    return match is not None and int(match["port"]) < 2**16


def _listen(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _check_together(settings: Settings) -> None:
    if settings.default_expires_in > settings.max_expires_in:
        raise _refusal("default_expires_in is over max_expires_in", "Raise the one or lower the other.")


def _refusal(message: str, hint: str) -> UsageError:
    return UsageError("setting-invalid", message, hint=hint)
