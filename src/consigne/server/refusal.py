"""How the host says no: one exception, which the HTTP layer turns into a problem document.

A refusal names a key of `protocol.PROBLEMS` and nothing else of the request: no
id, token or address can reach a log or an answer through it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from consigne import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, most often not an error of the host
    """The request is refused.

    `code` is a key of protocol.PROBLEMS. `retry_after` is in seconds. `extra`
    holds further members of the problem document; it may replace `hint`.
    """

    def __init__(
        self, code: str, *, retry_after: int | None = None, extra: Mapping[str, object] = _NOTHING
    ) -> None:
        super().__init__(protocol.PROBLEMS[code].title)
        self.code = code
        self.retry_after = retry_after
        self.extra = extra
