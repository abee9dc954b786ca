"""How a link stands guessing: slowed from the tenth wrong token, locked at the hundredth.

Pure arithmetic. Two choices matter (docs/decisions/0012): while a delay runs, no
token is judged, not even the right one, so that waiting cannot be told from guessing;
and a right token forgives nothing, or each visit of someone with the password would
give whoever has only the link another hundred guesses.
"""

from __future__ import annotations

import math
from typing import Final

FREE: Final = 10  # wrong tokens before the first delay
LOCK: Final = 100
LONGEST: Final = 3600  # seconds


def is_locked(wrong: int) -> bool:
    """Whether only the owner can open the link again."""
    return wrong >= LOCK


def delay_after(wrong: int) -> int:
    """Seconds without judgement after so many wrong tokens in all."""
    if wrong < FREE:
        return 0
    return int(min(2 ** min(wrong - FREE, LONGEST.bit_length()), LONGEST))


def seconds_to_wait(now: float, not_before: int, wrong: int) -> int:
    """Seconds until a token is judged again, 0 if at once.

    No wait is longer than its delay: more than that is left over from a clock that
    has been set back since, and must not shut a link for months.
    """
    left = max(0, math.ceil(not_before - now))
    return left if left <= delay_after(wrong) + 1 else 0


def not_before_after(now: float, wrong: int) -> int:
    """The instant from which the next token may be judged; 0: at once."""
    delay = delay_after(wrong)
    return math.ceil(now + delay) if delay else 0
