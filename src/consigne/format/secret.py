"""What holds a secret does not give it away by accident.

Fields that hold one are `field(repr=False)`, so that neither a log nor a traceback
nor a test report shows them; `tests/test_habits.py` fills every field of every class
and looks. What is built on `Secret` cannot be pickled either, or copied so.
"""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Base of what holds secrets. Whoever wants them out has to name the field, or `encode`."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret: it is not pickled")
