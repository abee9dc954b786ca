"""What the host may say about itself, configured in one place.

No log line at any level holds an id, a token, an address, a header or a path of
an object: errors are named by their type and the line of ours that met them, and
`str(error)` is never written, since a library may quote what it was given.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Final

LOG: Final = logging.getLogger("consigne.server")
PACKAGE: Final = Path(__file__).parent


def configure(level: str) -> None:
    """Log to standard error at `level` (error, info, debug); nothing else in the process logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    # asyncio's own lines quote addresses and reprs of whatever failed.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    LOG.handlers[:] = [handler]
    LOG.propagate = False
    LOG.setLevel(level.upper())


def unexpected(error: BaseException) -> None:
    """Note a failure that nobody foresaw, by type and by our last line that it went through."""
    LOG.error("%s at %s", type(error).__name__, place(error))


def place(error: BaseException) -> str:
    """File and line of ours, nearest to where `error` was raised."""
    ours = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(PACKAGE)
    ]
    return ours[-1] if ours else "elsewhere"
