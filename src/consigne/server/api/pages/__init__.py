"""The pages of a host without the web client: what this is, and the line to paste.

No script, no image, no request to anywhere: the policy allows the one style sheet in
the page, by its hash. What follows `#` in an address never leaves the browser, so
these pages are the same for everybody.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from consigne.server.api.endpoints import Endpoint, Table

PAGES: Final = {"/": "welcome.html", "/d": "download.html", "/m": "manage.html"}
STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def pages() -> Table:
    """The routes of the pages."""
    endpoints = {path: _page(name) for path, name in PAGES.items()}
    return {path: {"GET": page, "HEAD": page} for path, page in endpoints.items()}


def _page(name: str) -> Endpoint:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": _policy(text),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }

    async def page(_request: Request) -> Response:
        return HTMLResponse(text, headers=headers)

    return page


def _policy(text: str) -> str:
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() + "'"
        for style in STYLE.findall(text)
    ]
    styles = " ".join(hashes) or "'none'"
    return (
        f"default-src 'none'; style-src {styles}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
