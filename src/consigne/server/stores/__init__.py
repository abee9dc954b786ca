"""Where bytes lie: the contract that every store keeps, and its errors.

A store holds two kinds of things, and understands neither:

- **objects**: ciphertext, written in parts at `part * part_size`, in any order,
  several at once, each part perhaps more than once with the same bytes;
- **capsules**: small blobs under a name, replaced whole.

What every store promises (tests/server/test_stores.py runs over all of them):

1. When `write_part`, `put_capsule`, `delete_capsule` or `delete_object` returns,
   what it did survives a power cut: file and every folder entry that leads to it.
2. When it raises, the part may be partly there or not at all. Nobody asks for it
   before the catalog says that it is durable, so nothing needs undoing.
3. A body shorter than announced is ShortBody, a longer one TooLong; no byte
   outside [part * part_size, part * part_size + length) is ever touched.
4. A capsule comes in as a draft, piece by piece, whose hash `draft_capsule` tells;
   `put_capsule` gives it its name. Under that name it is seen whole or not at all,
   the former one until the new one is, and whoever reads it has the one he began.
   A draft that gets no name goes by `delete_temporary`, or is a leftover.
5. Deleting what is not there is fine. Whoever reads while an object is deleted
   gets its bytes or StoreDamaged, never other bytes.
6. `read` gives exactly the bytes asked for, in order, in pieces of bounded size
   that stay valid only until the next one is asked for; or raises StoreDamaged.
7. `names` lists all that is there in bounded memory, leftovers of crashes as
   "temporary", for the sweep. Day 0 stands for an unknown day.
8. Nothing kept tells the order of arrival within a day, nor who brought it.
9. No error text holds a path, an id or a name.
10. One process has a store at a time: `open` of another is StoreInUse. It keeps one
   `identity`, which tells the catalog that speaks of it from any other.
11. `warm` says that an object's readers may come soon. It returns at once, changes
   nothing that anybody can ask for, and never raises.
"""

from __future__ import annotations

from typing import NamedTuple


class StoreError(Exception):
    """The store could not do what was asked. The text names no path and no id."""


class StoreFull(StoreError):  # noqa: N818  reads as what happened
    """No room is left (or no quota)."""


class StoreFailed(StoreError):  # noqa: N818  the same
    """The disk or the service beneath answered with an error."""


class StoreInUse(StoreError):  # noqa: N818  the same
    """Another process has this store open."""


class StoreDamaged(StoreError):  # noqa: N818  the same
    """Bytes that must be there are not."""


class ShortBody(Exception):  # noqa: N818  the sender's doing, not an error of the store
    """The body ended before its announced length."""


class TooLong(Exception):  # noqa: N818  the same
    """The body went on after its announced length."""


class Draft(NamedTuple):
    """A capsule that came in whole and has no name yet: `name` is for `delete_temporary`."""

    name: str
    digest: bytes  # SHA-256


class StoredName(NamedTuple):
    """One thing that lies in a store: `kind` is "object", "capsule" or "temporary".

    `name` is the object id in base64url, the capsule's name, or what `delete_temporary`
    takes; `day` counts days since 1970 from its last write.
    """

    kind: str
    name: str
    day: int
