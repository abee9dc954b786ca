"""Paths: judged as by whoever follows the spec's list word by word, one path against each other."""

from __future__ import annotations

from itertools import combinations

from consigne.format import paths
from tests.fuzz.target import Target
from tests.fuzz.vectors import load

CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
REFUSED = {chr(code) for code in (*CONTROLS, *range(0xD800, 0xE000), ord("\\"))}


def check(data: bytes) -> None:
    given = data.decode("utf-8", "surrogatepass").split("\n") if _is_text(data) else [data.decode("latin-1")]
    for path in given:
        assert (paths.refusal(path) is not None) == _is_refused(path), repr(path)
    kept = [path for path in given if paths.refusal(path) is None]
    assert (paths.conflict(kept) is not None) == _collide(kept), kept


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _is_refused(path: str) -> bool:
    components = path.removesuffix("/").split("/")
    if any(component in ("", ".", "..") for component in components) or REFUSED.intersection(path):
        return True
    return len(path.encode()) > 4096 or any(len(component.encode()) > 255 for component in components)


def _collide(kept: list[str]) -> bool:
    """Two equal paths; a file that is also a folder."""
    return any(
        one == other or (not one.endswith("/") and (other + "/").startswith(one + "/"))
        for pair in combinations(kept, 2)
        for one, other in (pair, pair[::-1])
    )


def seeds() -> list[bytes]:
    return ["\n".join(given["paths"]).encode("utf-8", "surrogatepass") for given in load("path")]


TARGET = Target(
    "path_lists",
    check,
    seeds,
    words=(b"\n", b"/", b"..", b"\na/", b"a/b", b"\xe2\x80\xae", b"e\xcc\x81", b"a" * 255),
    most=6000,
)
