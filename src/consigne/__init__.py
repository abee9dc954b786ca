"""Consigne: a file host that cannot read what it keeps.

`from consigne import Client` gives the library; the names below are loaded when
they are first asked for, so that a command that needs no network loads none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consigne.version import __version__

__all__ = ["Client", "ConsigneError", "__version__"]

if TYPE_CHECKING:
    from consigne.client import Client
    from consigne.errors import ConsigneError


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name == "Client":
        from consigne.client import Client

        return Client
    if name == "ConsigneError":
        from consigne.errors import ConsigneError

        return ConsigneError
    raise AttributeError(name)
