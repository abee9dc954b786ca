"""The vectors of the spec as seeds: whoever wrote them thought of every rule once."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "spec/vectors"


def load(kind: str) -> list[dict[str, Any]]:
    """What the vectors named `kind`-… give to a reader."""
    return [json.loads(path.read_text("ascii"))["given"] for path in sorted(VECTORS.glob(f"{kind}-*.json"))]


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def joined(pieces: list[Any]) -> bytes | None:
    """Bytes that a vector gives in pieces; None for those that are described by their length."""
    if not all(isinstance(piece, str) for piece in pieces):
        return None
    return b"".join(map(unb64u, pieces))
