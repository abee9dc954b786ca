"""Capsules: those that were sealed open, and no other bytes do, with a password or without."""

from __future__ import annotations

from consigne.errors import AuthenticityError, PasswordError
from consigne.format import capsule
from tests.fuzz.target import Target

ROOT, BOUND_TO, SALT = bytes(32), b"i" * 32, b"s" * 32
PLAIN = b'{"note":"x"}'
SEALED = [capsule.seal(ROOT, BOUND_TO, PLAIN, salt) for salt in (SALT, b"t" * 32)]
CODES = ("capsule-tampered", "capsule-newer", "password-wrong")


def check(data: bytes) -> None:
    for password in (False, True):
        try:
            plain = capsule.unseal(ROOT, BOUND_TO, data, password=password)
        except (AuthenticityError, PasswordError) as error:
            assert error.code in CODES
            assert password or error.code != "password-wrong"
            assert data not in SEALED
        else:
            assert data in SEALED
            assert plain.rstrip(b" ") == PLAIN


def seeds() -> list[bytes]:
    other_link = capsule.seal(ROOT, b"j" * 32, PLAIN, SALT)
    changed = [_changed(at) for at in (0, 1, capsule.COMMIT_AT, capsule.SEALED_AT, -1)]
    return [*SEALED, *changed, other_link, SEALED[0][: capsule.SEALED_AT], b"\x02", b""]


def _changed(at: int) -> bytes:
    data = bytearray(SEALED[0])
    data[at] ^= 1
    return bytes(data)


TARGET = Target("capsules", check, seeds, words=(SALT, b"\x01", b"\x02"), most=4500)
