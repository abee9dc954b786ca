"""AES-GCM ciphertexts that open under several keys: what commitments are there to refuse.

GCM's tag is a polynomial over the blocks of the ciphertext, evaluated at a point H that
follows from the key. With as many free blocks as there are keys, all tags can be made equal
by solving linear equations over GF(2^128): Dodis et al., "Fast Message Franking" (CRYPTO
2018); Len, Grubbs and Ristenpart, "Partitioning Oracle Attacks" (USENIX Security 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
ONE = 1 << 127  # GCM counts bits from the left
POLYNOMIAL = 0xE1 << 120


def colliding(
    pairs: Sequence[tuple[bytes, bytes]], nonce: bytes, ciphertext: bytes, free: int | None = None
) -> bytes:
    """`ciphertext` with a tag, made to open under each (key, associated data) of `pairs`.

    As many of its blocks as there are keys are overwritten, from block `free` on (the last
    ones if it is not said).
    """
    blocks = blocks_of(ciphertext)
    at = len(blocks) - len(pairs) if free is None else free
    assert len(ciphertext) % BLOCK == 0
    blocks[at : at + len(pairs)] = [0] * len(pairs)
    powers = [len(blocks) - block + 1 for block in range(at, at + len(pairs))]
    equations = []
    for key, associated in pairs:
        point, mask = encrypted(key, bytes(BLOCK)), encrypted(key, nonce + b"\0\0\0\1")
        # Each tag shall be zero: what the free blocks add must undo the rest.
        wanted = mask ^ ghash(point, associated, blocks)
        equations.append([*(power(point, exponent) for exponent in powers), wanted])
    blocks[at : at + len(pairs)] = solved(equations)
    return b"".join(block.to_bytes(BLOCK, "big") for block in blocks) + bytes(BLOCK)


def keystream(key: bytes, nonce: bytes, size: int) -> bytes:
    """What GCM adds to a plaintext."""
    return Cipher(algorithms.AES(key), modes.CTR(nonce + b"\0\0\0\2")).encryptor().update(bytes(size))


def added(one: bytes, other: bytes) -> bytes:
    """Both, bit by bit."""
    size = len(one)
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(size, "big")


def blocks_of(data: bytes) -> list[int]:
    return [
        int.from_bytes(data[at : at + BLOCK].ljust(BLOCK, b"\0"), "big") for at in range(0, len(data), BLOCK)
    ]


def encrypted(key: bytes, block: bytes) -> int:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block: AES itself
    return int.from_bytes(encryptor.update(block), "big")


def ghash(point: int, associated: bytes, blocks: list[int]) -> int:
    lengths = (8 * len(associated)) << 64 | 8 * BLOCK * len(blocks)
    return reduce(
        lambda sum_, block: times(sum_ ^ block, point), [*blocks_of(associated), *blocks, lengths], 0
    )


def times(one: int, other: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if other >> bit & 1:
            product ^= one
        one = one >> 1 ^ (POLYNOMIAL if one & 1 else 0)
    return product


def power(base: int, exponent: int) -> int:
    return reduce(times, [base] * exponent, ONE)


def inverse(value: int) -> int:
    """value^(2^128 - 2)."""
    result, square = ONE, value
    for _ in range(127):
        square = times(square, square)
        result = times(result, square)
    return result


def solved(rows: list[list[int]]) -> list[int]:
    """Gauss and Jordan: rows of coefficients, each with its sum at the end."""
    for column in range(len(rows)):
        pivot = next(row for row in range(column, len(rows)) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = inverse(rows[column][column])
        rows[column] = [times(scale, value) for value in rows[column]]
        for row in set(range(len(rows))) - {column}:
            factor = rows[row][column]
            rows[row] = [
                value ^ times(factor, own) for value, own in zip(rows[row], rows[column], strict=True)
            ]
    return [row[-1] for row in rows]
