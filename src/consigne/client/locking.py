"""An advisory lock on an open file, on Unix and Windows alike. Gone with its process."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    FAR = 1 << 40  # a byte that nobody reads: what is locked there cannot be read by others

    def try_lock(handle: int) -> bool:
        """Whether the file is ours now; never waits."""
        at = os.lseek(handle, 0, os.SEEK_CUR)
        try:
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, at, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Whether the file is ours now; never waits."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
