"""The service: all that the host does, free of HTTP. Endpoints call it, nothing else.

Ids and tokens come as 32 raw bytes. Every method answers a value of protocol.py or
raises Refusal; what it acknowledges is durable. The rules stand beside each other in
`uploads`, `sharing`, `capsules`, `downloads` and `sweep`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from consigne.server.catalog import gone
from consigne.server.policy.ranges import Range
from consigne.server.service.capsules import Capsules
from consigne.server.service.desk import stored
from consigne.server.service.downloads import Downloads
from consigne.server.service.sharing import Sharing
from consigne.server.service.slices import Slice
from consigne.server.service.sweep import Sweeping, SweepReport
from consigne.server.service.uploads import Uploads
from consigne.version import __version__

if TYPE_CHECKING:
    from consigne import protocol

__all__ = ["Range", "Service", "Slice", "SweepReport"]


class Service(Uploads, Sharing, Capsules, Downloads, Sweeping):
    """One host's rules over its catalog and store. Lives on one event loop."""

    async def service_info(self) -> protocol.Service:
        """What a client may know before it asks for anything."""
        return {
            "name": "Consigne",
            "version": __version__,
            "upload": "open",
            "max_length": self.settings.max_length,
            "max_expires_in": self.settings.max_expires_in,
            "default_expires_in": self.settings.default_expires_in,
            "max_downloads": self.settings.max_downloads,
            "max_capsule": self.settings.max_capsule,
        }

    async def ready(self) -> None:
        """Whether catalog and store answer. Refuses `storage-failed`, `storage-full`."""
        await self.read(partial(gone.has, known_id=b""))
        await stored(self.store.free())
