"""What can go wrong, as a tree sorted by whose fault it is.

Every error carries a stable `code` (the failure classes of spec/format.md, the
problem codes of spec/http-api.md, and a few of the client's own), a sentence for
a person, and where there is one a `hint` that says what to do. Programs tell
errors apart by type and `code`, never by text. No error text holds a secret: no
link, token, key, password, and no name out of a manifest that failed its checks.

    ConsigneError
    ├── UsageError           what the caller gave cannot be used     exit 2
    ├── GoneError            not found, expired, removed, used up    exit 3
    ├── PasswordError        needed, wrong, slowed down, locked      exit 4
    ├── AuthenticityError    bytes that are not what was given       exit 5
    ├── HostError            the host or the network                 exit 6
    └── LocalError           files on this machine                   exit 7
"""

from __future__ import annotations

from typing import ClassVar


class ConsigneError(Exception):
    """Any failure that Consigne foresees.

    `code` is stable and meant for programs, `str(error)` for people; `hint` says
    what a person can do about it, or is empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class UsageError(ConsigneError):
    """A link, an option or an argument that cannot be used as given."""

    exit_code = 2


class GoneError(ConsigneError):
    """What was asked for is not there (any more)."""

    exit_code = 3


class PasswordError(ConsigneError):
    """The link needs a password, or did not open with the one that was given."""

    exit_code = 4


class AuthenticityError(ConsigneError):
    """Bytes failed a check that only the right bytes pass.

    `segment` numbers the content segment that failed, where there is one.
    """

    exit_code = 5

    def __init__(self, code: str, message: str, *, hint: str = "", segment: int | None = None) -> None:
        super().__init__(code, message, hint=hint)
        self.segment = segment


class HostError(ConsigneError):
    """The host cannot be reached, refuses, or does not keep to the protocol.

    `status` is the HTTP status, where there was an answer; `retry_after` the
    seconds that the host asks to wait, where it asks.
    """

    exit_code = 6

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.status = status
        self.retry_after = retry_after


class LocalError(ConsigneError):
    """A file or folder on this machine: missing, in the way, changed, unreadable."""

    exit_code = 7
