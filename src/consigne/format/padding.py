"""Padmé: lengths that tell little (Nikitin et al., "Reducing Metadata Leakage", PETS 2019).

A length keeps only its highest bits, about log2(log2(L)) of them; the rest is
rounded up. At most 6.25 % more from 4 to 64 KiB, 3.1 % above, 1.6 % above 4 GiB.
"""

from __future__ import annotations

from typing import Final

MINIMUM: Final = 4096


def padme(length: int) -> int:
    """`length`, at least 1, rounded up to the next Padmé size, bytes; integers only."""
    exponent = length.bit_length() - 1
    kept_bits = exponent.bit_length()
    mask = (1 << exponent - kept_bits) - 1
    return (length + mask) & ~mask


def padded(length: int) -> int:
    """Size of a content or manifest of `length` bytes once padded: at least 4,096."""
    return padme(max(length, MINIMUM))
