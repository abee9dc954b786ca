"""`consigne`: from the words of a command line to an exit code.

Everything that can go wrong ends here, as one line `error:` and one line `hint:`.
No traceback reaches a user; `CONSIGNE_DEBUG=1` shows it to whoever hunts a bug.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from consigne.cli import interruption
from consigne.cli.voice import Voice
from consigne.errors import ConsigneError, LocalError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNEXPECTED = 1
BROKEN_PIPE = 141  # 128 + SIGPIPE: what a shell shows for a writer whose reader left


def run() -> NoReturn:
    """Entry of the console script."""
    # Ten thousand files are a hundred thousand objects and no cycles: a tenth of the time went
    # into looking for some.
    gc.set_threshold(100_000, 50, 50)
    code = main(sys.argv[1:])
    interruption.hear_no_more()
    interruption.leave_at_once_if_threads_linger(code)
    sys.exit(code)


def main(words: Sequence[str]) -> int:
    """Do what the words say; the exit code."""
    options = words[: words.index("--")] if "--" in words else words
    voice = Voice(as_json="--json" in options)
    try:
        voice.open_streams()
        interruption.listen()
        _obey(words, voice)
        voice.flush()
    except BrokenPipeError:  # `consigne cat … | head`: whoever read has enough
        return BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        return interruption.acknowledge(interrupt, voice)
    except ConsigneError as error:
        voice.fail(error)
        return error.exit_code
    except OSError as error:
        return _local_trouble(error, voice)
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback
        return _unexpected(error, voice)
    return 0


def _obey(words: Sequence[str], voice: Voice) -> None:
    from consigne.cli import parser

    chosen = parser.understand(words)
    if isinstance(chosen, str):
        voice.result(chosen)
        return
    voice.quiet = chosen.given.quiet
    chosen.command.run(chosen.given, voice)


def _local_trouble(error: OSError, voice: Voice) -> int:
    """The library names hosts' and network trouble itself: what is left is this machine's."""
    from consigne.client.source import show

    _show_traceback()
    where = f"{show(os.fsdecode(error.filename))}: " if isinstance(error.filename, str | bytes) else ""
    trouble = LocalError("local-failed", f"{where}{error.strerror or 'it failed'}.")
    voice.fail(trouble)
    return trouble.exit_code


def _unexpected(error: Exception, voice: Voice) -> int:
    """Name the failure by its type alone: its text may quote a link or a password."""
    _show_traceback()
    voice.fail(
        ConsigneError(
            "unexpected",
            f"Something unexpected happened ({type(error).__name__}).",
            hint="Please report it. CONSIGNE_DEBUG=1 shows more, possibly secrets too.",
        )
    )
    return UNEXPECTED


def _show_traceback() -> None:
    if os.environ.get("CONSIGNE_DEBUG") == "1":
        import traceback

        traceback.print_exc()


if __name__ == "__main__":
    run()
