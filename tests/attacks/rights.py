"""Every request of the API that needs a right, taken from the API's own description.

`requests(owner)` fills spec/openapi.json in for one object with one link, so that a
route that is added later is attacked without anybody thinking of it: one without a
body here is a KeyError.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from consigne import protocol
from tests.hosts import CAPSULE, Answer, Owner, ask

OWNER, READER, TICKET = "owner", "reader", "ticket"
OPENAPI = Path(__file__).parents[2] / "spec/openapi.json"
METHODS = ("get", "head", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Asking:
    """One request, and whose right it takes. A dict goes as JSON."""

    right: str
    method: str
    path: str
    body: object = None

    def by(self, port: int, token: bytes | None, **headers: str) -> Answer:
        return ask(port, self.method, self.path, token, self.body, **headers)

    def __str__(self) -> str:
        return f"{self.method} {self.path.removeprefix(protocol.API)}"


def bodies(owner: Owner) -> dict[tuple[str, str], object]:
    """What each request that takes a body would say, if it were allowed to."""
    return {
        ("patch", "/objects/{id}"): {"expires_in": 60},
        ("put", "/objects/{id}/parts/{part}"): b"evil" * 250,
        ("post", "/objects/{id}/complete"): {"length": 1000},
        ("put", "/objects/{id}/capsule"): CAPSULE + b"evil",
        ("put", "/links/{id}"): owner.new_link(1),
        ("put", "/links/{id}/capsule"): CAPSULE + b"evil",
        ("post", "/links/{id}/downloads"): b"",
    }


def requests(owner: Owner) -> list[Asking]:
    """All of them, about this owner's object and link."""
    said, found = bodies(owner), []
    for route, methods in json.loads(OPENAPI.read_text())["paths"].items():
        short = route.removeprefix(protocol.API)
        known = owner.link if "/links/" in route else owner.id
        for method in METHODS:
            if security := methods.get(method, {}).get("security"):
                body = said[method, short] if method in ("put", "post", "patch") else None
                path = route.replace("{id}", protocol.b64u(known)).replace("{part}", "0")
                found.append(Asking(next(iter(security[0])), method.upper(), path, body))
    return found
