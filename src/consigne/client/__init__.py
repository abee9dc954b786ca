"""The client: puts and gets shares through a host that cannot read them.

    client ──→ putting ──→ source, registering, sending ──────→ remote ──→ answers
        └────→ getting ──→ opening, fetching, destination ────────┘
                   both ──→ journal, crew, patience, progress

Names are loaded when they are first asked for: `consigne mine` needs no network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consigne.client.client import Client, LinkInfo, ObjectInfo, Share
    from consigne.client.getting import GetResult
    from consigne.client.progress import Progress
    from consigne.client.putting import PutResult

__all__ = ["Client", "GetResult", "LinkInfo", "ObjectInfo", "Progress", "PutResult", "Share"]

_ROOMS = {"Progress": "progress", "GetResult": "getting", "PutResult": "putting"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(name)
    return getattr(import_module(f"consigne.client.{_ROOMS.get(name, 'client')}"), name)
