"""What client and host say to each other: routes, sizes, problems, one derivation.

Both sides import this file and nothing of each other. spec/http-api.md is the
same in prose, spec/openapi.json for machines; tests hold the three equal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

# ---------------------------------------------------------------- routes

API: Final = "/api/v1"
SERVICE: Final = f"{API}/service"
OPENAPI: Final = f"{API}/openapi.json"
OBJECTS: Final = f"{API}/objects"


def object_route(object_id: bytes) -> str:
    """Path of one object: GET its state, PATCH its expiry, DELETE it (owner)."""
    return f"{API}/objects/{b64u(object_id)}"


def part_route(object_id: bytes, part: int) -> str:
    """Path of one part, counted from 0: PUT (owner)."""
    return f"{object_route(object_id)}/parts/{part}"


def complete_route(object_id: bytes) -> str:
    """POST here when every part is up (owner)."""
    return f"{object_route(object_id)}/complete"


def owner_capsule_route(object_id: bytes) -> str:
    """GET, PUT the owner capsule (owner)."""
    return f"{object_route(object_id)}/capsule"


def content_route(object_id: bytes) -> str:
    """GET, HEAD the ciphertext (ticket)."""
    return f"{object_route(object_id)}/content"


def link_route(link_id: bytes) -> str:
    """Path of one link: PUT, DELETE (owner of its object), GET (read token)."""
    return f"{API}/links/{b64u(link_id)}"


def link_capsule_route(link_id: bytes) -> str:
    """PUT (owner of its object), GET (read token) a link's capsule."""
    return f"{link_route(link_id)}/capsule"


def link_lock_route(link_id: bytes) -> str:
    """DELETE to unlock after too many wrong passwords (owner of its object)."""
    return f"{link_route(link_id)}/lock"


def downloads_route(link_id: bytes) -> str:
    """POST for a ticket (read token)."""
    return f"{link_route(link_id)}/downloads"


# ---------------------------------------------------------------- sizes

MIB: Final = 1024 * 1024
SEGMENT_SIZE: Final = 256 * 1024  # ciphertext; parts are a whole number of these
PART_SIZES: Final = (8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB)
UNKNOWN_LENGTH_PART_SIZE: Final = 16 * MIB
MAX_PARTS: Final = 10_000
MAX_CONTENT: Final = MAX_PARTS * PART_SIZES[-1]
CAPSULE_OVERHEAD: Final = 1 + 32 + 32 + 16
MAX_CAPSULE: Final = 64 * MIB + CAPSULE_OVERHEAD
MAX_JSON: Final = 16 * 1024
ID_SIZE: Final = 32
ID_TEXT: Final = 43  # 32 bytes in base64url without padding

DAY: Final = 86_400
TICKET_LIFETIME: Final = DAY
NOT_YET_WAIT: Final = 25.0


def part_size_for(length: int | None) -> int | None:
    """Smallest part size that holds `length` bytes of ciphertext in 10,000 parts.

    None for a length over MAX_CONTENT. An unknown length (None) takes 16 MiB.
    """
    if length is None:
        return UNKNOWN_LENGTH_PART_SIZE
    return next((size for size in PART_SIZES if length <= size * MAX_PARTS), None)


def part_count(length: int, part_size: int) -> int:
    """How many parts hold `length` bytes; an empty object has none."""
    return -(-length // part_size)


def ticket_budget(length: int) -> int:
    """Bytes that one ticket may be served: a whole download, again, and some."""
    return 2 * length + 64 * MIB


# ---------------------------------------------------------------- values on the wire


def b64u(data: bytes) -> str:
    """base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64u(text: str, size: int = ID_SIZE) -> bytes:
    """`size` bytes out of their one canonical text; anything else is a ValueError."""
    if len(text) != -(-size * 4 // 3) or not text.isascii():
        raise ValueError("not base64url of the right length")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    if len(data) != size or b64u(data) != text:
        raise ValueError("not canonical base64url")
    return data


def derive_object_id(content_commitment: bytes, owner_hash: bytes) -> bytes:
    """The id that an object must have: HKDF-SHA256, as every derivation of format 1.

    Client and host both compute it (spec/format.md, "Secrets and rights"), so it
    stands here and not in `format`, which the host cannot import. 32 bytes in,
    32 bytes in, 32 bytes out; RFC 5869 with empty salt and one block of output.
    """
    pseudo_random_key = hmac.digest(bytes(32), content_commitment + owner_hash, "sha256")
    return hmac.digest(pseudo_random_key, b"consigne/v1/object-id\x01", "sha256")


def token_hash(token: bytes) -> bytes:
    """All that a host keeps of a token or a ticket: its SHA-256."""
    return hashlib.sha256(token).digest()


def etag_of(object_id: bytes) -> str:
    """The strong ETag of an object's content: what an id names never changes."""
    return f'"{b64u(object_id)}"'


def capsule_etag(capsule: bytes) -> str:
    """The strong ETag of an owner capsule: SHA-256 of its bytes."""
    return f'"{b64u(hashlib.sha256(capsule).digest())}"'


class NewObject(TypedDict):
    """POST /objects. `expires_in` in seconds; None for the host's default."""

    id: str
    commitment: str
    owner_hash: str
    length: int | None
    expires_in: int | None


class Completion(TypedDict):
    """POST /objects/{id}/complete: the ciphertext's length in bytes."""

    length: int


class Extension(TypedDict):
    """PATCH /objects/{id}: seconds from now."""

    expires_in: int


class LinkState(TypedDict):
    """What an owner sees of one link. `downloads_left` None: unlimited."""

    id: str
    expires: str
    downloads: int
    downloads_left: int | None
    locked: bool


class ObjectState(TypedDict):
    """GET, PATCH /objects/{id}, and the answer to POST …/complete.

    `parts` lists what is durable as [first, last] pairs; `length` is the
    ciphertext's, None while unknown; `expires` is RFC 3339 in UTC.
    """

    id: str
    complete: bool
    length: int | None
    part_size: int
    parts: list[list[int]]
    expires: str
    links: NotRequired[list[LinkState]]


class NewLink(TypedDict):
    """PUT /links/{id}. `expires_in` None: with the object; `downloads` None: unlimited."""

    object: str
    token_hash: str
    expires_in: int | None
    downloads: int | None


class LinkView(TypedDict):
    """GET /links/{id}: what whoever holds the link may know."""

    object: str
    complete: bool
    length: int | None
    part_size: int
    expires: str
    downloads: int
    downloads_left: int | None


class Ticket(TypedDict):
    """POST …/downloads."""

    ticket: str
    expires: str


class Service(TypedDict):
    """GET /service. Sizes in bytes, times in seconds."""

    name: str
    version: str
    upload: str
    max_length: int
    max_expires_in: int
    default_expires_in: int
    max_downloads: int
    max_capsule: int


# ---------------------------------------------------------------- problems

PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """One way in which the host says no (RFC 9457): stable code, status, words."""

    status: int
    title: str
    hint: str


PROBLEMS: Final[dict[str, Problem]] = {
    "bad-request": Problem(400, "The request is malformed.", "Compare it with /api/v1/openapi.json."),
    "id-mismatch": Problem(
        400, "The object id does not follow from commitment and owner hash.", "Derive it as format 1 says."
    ),
    "limit": Problem(
        400, "The request is over a limit of this host.", "GET /api/v1/service lists the limits."
    ),
    "token-missing": Problem(401, "A bearer token is needed.", "Send it in the Authorization header."),
    "token-wrong": Problem(403, "The token does not open this.", "Check the link and the password."),
    "ticket-spent": Problem(
        403, "This ticket was served its content twice over.", "Start a new download for a new ticket."
    ),
    "not-found": Problem(404, "There is nothing here.", "Check that the link is whole."),
    "method-not-allowed": Problem(405, "This path does not take that method.", "See /api/v1/openapi.json."),
    "too-slow": Problem(408, "The request took too long to arrive.", "Send it again; parts are idempotent."),
    "object-exists": Problem(409, "This object exists.", "GET it with the owner token to go on."),
    "object-complete": Problem(409, "This object is complete.", "Nothing more can be written to it."),
    "parts-missing": Problem(
        409, "Parts are missing.", "Send those listed in `missing`, then complete again."
    ),
    "part-busy": Problem(409, "This part is being received already.", "Wait, then send it again."),
    "length-mismatch": Problem(
        409, "The length does not match the object.", "Declared length, parts and final length must agree."
    ),
    "link-exists": Problem(409, "This link exists with other values.", "Make a new link."),
    "capsule-exists": Problem(
        409, "This link has another capsule.", "A capsule is written once; make a new link."
    ),
    "gone": Problem(410, "This has expired or was removed.", "Ask for a new link."),
    "downloads-used-up": Problem(
        410, "The downloads of this link are used up.", "Ask whoever gave the link for a new one."
    ),
    "length-required": Problem(411, "A Content-Length is needed.", "Chunked bodies are not taken."),
    "capsule-changed": Problem(
        412, "The owner capsule is another one by now.", "GET it, apply the change, send it with its ETag."
    ),
    "too-large": Problem(413, "The body is larger than it may be.", "GET /api/v1/service lists the limits."),
    "range-not-satisfiable": Problem(416, "The range lies outside the content.", "Ask within its length."),
    "link-locked": Problem(
        423,
        "Too many wrong passwords: the link is locked.",
        "Its owner can unlock it with `consigne unlock`.",
    ),
    "slow-down": Problem(429, "Too many wrong passwords: wait.", "Try again after Retry-After seconds."),
    "too-many-downloads": Problem(
        429, "Too many downloads of this link were started.", "Try again when some have ended."
    ),
    "head-too-large": Problem(431, "The request's head is too large.", "Send fewer or shorter headers."),
    "internal": Problem(500, "The host failed.", "Try again; if it stays, tell who runs the host."),
    "busy": Problem(503, "The host is busy.", "Try again after Retry-After seconds."),
    "not-yet": Problem(
        503, "These bytes are not here yet: the upload is under way.", "Try again after Retry-After seconds."
    ),
    "storage-full": Problem(507, "The host has no room left.", "Try again later, or another host."),
    "storage-failed": Problem(
        503, "The host's storage failed.", "Try again later; nothing acknowledged is lost."
    ),
}
