"""Searching bytes for a secret: as it is, and in every encoding that software is in the habit of using."""

from __future__ import annotations

import base64
import json
import urllib.parse


def encodings(secret: bytes) -> list[bytes]:
    """The bytes as they are, and as they would look written down."""
    forms = [secret, secret.hex().encode(), secret.hex().upper().encode(), secret[::-1]]
    for offset in range(3):
        # base64 of the bytes inside something longer: whatever comes before shifts them.
        core = base64.b64encode(bytes(offset) + secret)[(offset * 8 + 5) // 6 :][: len(secret) * 4 // 3 - 2]
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    forms.append(urllib.parse.quote_from_bytes(secret).encode())
    try:
        text = secret.decode("utf-8")
    except UnicodeDecodeError:
        return forms
    return [*forms, text.encode("utf-16-le"), text.encode("utf-16-be"), json.dumps(text)[1:-1].encode()]


def find(hay: bytes, needles: dict[str, bytes]) -> list[str]:
    """The names of those needles that lie in the hay."""
    return [name for name, needle in needles.items() if any(form in hay for form in encodings(needle))]
