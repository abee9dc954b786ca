"""The client: puts and gets shares through a host that cannot read them.

client ──→ transfer ──→ sending, fetching ──→ remote ──→ answers
               └─────→ registering, opening, journal, source, destination
"""

from consigne.client.client import Client, LinkInfo, ObjectInfo, Share
from consigne.client.progress import Progress
from consigne.client.transfer import GetResult, PutResult

__all__ = ["Client", "GetResult", "LinkInfo", "ObjectInfo", "Progress", "PutResult", "Share"]
