"""Telling a host of an object and its links, so that telling it again changes nothing.

A `Plan` is all that is random or chosen in one put: the owner, what the capsules'
salts follow from, the options. The same plan makes the same requests with the same bytes; it is what
the journal keeps, and what makes every step here repeatable.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from consigne.client.answers import broken
from consigne.client.journal import secrets_of
from consigne.client.patience import Patience
from consigne.client.sending import Upload
from consigne.errors import ConsigneError, HostError, UsageError
from consigne.format import capsule, keys
from consigne.format.content import Layout, Sealer
from consigne.format.link import Fragment, Kind, Link
from consigne.format.manifest import FileEntry, LinkEntry, Manifest, encode
from consigne.format.secret import Secret
from consigne.protocol import b64u, part_count, token_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consigne import protocol
    from consigne.client.remote import Remote
    from consigne.client.source import SourceFile


@dataclass(frozen=True)
class PutOptions(Secret):
    """What a link allows. `expires_in` in seconds, None for the host's default.

    Raises UsageError `usage` for a note that no manifest can hold.
    """

    expires_in: int | None = None
    downloads: int | None = None
    password: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            (self.note or "").encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError("usage", "The note is not valid Unicode text.") from None


@dataclass(frozen=True)
class Plan(Secret):
    """One put: its owner, its first link's reader, secrets that make capsules repeatable."""

    owner: keys.Owner
    reader: keys.Reader
    options: PutOptions
    link_salt_secret: bytes = field(repr=False)
    owner_salt_secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls, options: PutOptions) -> Self:
        """A plan that nobody ever had."""
        return cls._of(keys.Owner.fresh(), options, capsule.fresh_salt(), capsule.fresh_salt())

    @classmethod
    def remembered(cls, head: dict[str, Any], options: PutOptions) -> Self | None:
        """The plan that a journal holds; None where it holds none."""
        found = secrets_of(head, "owner", "link_salt_secret", "owner_salt_secret")
        return cls._of(keys.Owner(found[0]), options, found[1], found[2]) if found is not None else None

    def is_of(self, head: dict[str, Any]) -> bool:
        """Whether it is the journal's plan, password and all."""
        return bool(head.get("token_hash") == b64u(token_hash(self.reader.token)))

    @classmethod
    def _of(
        cls, owner: keys.Owner, options: PutOptions, link_salt_secret: bytes, owner_salt_secret: bytes
    ) -> Self:
        reader = keys.reader(owner.link_secret(keys.FIRST_LINK), options.password)
        return cls(owner, reader, options, link_salt_secret, owner_salt_secret)

    def head(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {
            "owner": b64u(self.owner.secret),
            "link_salt_secret": b64u(self.link_salt_secret),
            "owner_salt_secret": b64u(self.owner_salt_secret),
            "token_hash": b64u(token_hash(self.reader.token)),
        }

    def link(self, base: str) -> Link:
        """The first download link."""
        secret = self.owner.link_secret(keys.FIRST_LINK)
        return Link(base, Fragment(Kind.DOWNLOAD, secret, password=self.options.password is not None))

    def manage(self, base: str) -> Link:
        """The manage link."""
        return Link(base, Fragment(Kind.MANAGE, self.owner.secret))

    def manifest(self, files: tuple[FileEntry, ...]) -> Manifest:
        """The share's manifest, as its owner sees it."""
        return Manifest(
            object_id=self.owner.object_id,
            key=self.owner.content_key,
            owner_hash=self.owner.owner_hash,
            length=sum(entry.size for entry in files),
            files=files,
            note=self.options.note,
            links=(LinkEntry(keys.FIRST_LINK, password=self.options.password is not None),),
        )


def begin(remote: Remote, plan: Plan, length: int | None) -> protocol.ObjectState:
    """Make the object, or find it as an earlier try left it. `length`: of the ciphertext."""
    owner = plan.owner
    try:
        return remote.create_object(
            {
                "id": b64u(owner.object_id),
                "commitment": b64u(owner.commitment),
                "owner_hash": b64u(owner.owner_hash),
                "length": length,
                "expires_in": plan.options.expires_in,
            }
        )
    except HostError as error:
        if error.code != "object-exists":
            raise
        return remote.object_state(owner.object_id, owner.token)


def announce(remote: Remote, plan: Plan, manifest: Manifest) -> None:
    """Make the first link and both capsules; from here on the link opens."""
    owner = plan.owner
    make_link(remote, owner, keys.FIRST_LINK, plan.reader, plan.options, manifest, plan.link_salt_secret)
    sealed = seal_for_owner(owner, manifest, plan.owner_salt_secret)
    remote.put_owner_capsule(owner.object_id, owner.token, sealed, None)


def make_link(
    remote: Remote,
    owner: keys.Owner,
    number: int,
    reader: keys.Reader,
    options: PutOptions,
    manifest: Manifest,
    salt_secret: bytes,
) -> protocol.LinkState:
    """One link with its capsule: the manifest with this link's seed, without the list of links."""
    state = remote.put_link(
        reader.link_id,
        owner.token,
        {
            "object": b64u(owner.object_id),
            "token_hash": b64u(token_hash(reader.token)),
            "expires_in": options.expires_in if number != keys.FIRST_LINK else None,
            "downloads": options.downloads,
        },
    )
    plain = encode(replace(manifest, seed=owner.link_seed(number), links=(), note=options.note))
    sealed = capsule.seal(reader.root, reader.link_id, plain, capsule.salt_of(salt_secret, plain))
    remote.put_link_capsule(reader.link_id, owner.token, sealed)
    return state


def seal_for_owner(owner: keys.Owner, manifest: Manifest, salt_secret: bytes) -> bytes:
    """The owner capsule."""
    plain = encode(manifest)
    return capsule.seal(owner.capsule_root, owner.object_id, plain, capsule.salt_of(salt_secret, plain))


def upload_of(
    remote: Remote, plan: Plan, layout: Layout, files: Sequence[SourceFile], part_size: int
) -> Upload:
    """What the sending engine needs to know."""
    owner = plan.owner
    return Upload(
        remote, owner.object_id, owner.token, Sealer(owner.content_keys()), layout, part_size, files
    )


def durable_parts(state: protocol.ObjectState) -> frozenset[int]:
    """The parts that the host says it has.

    Raises HostError `host-broken` for a list that does not fit the object.
    """
    most = part_count(state["length"], state["part_size"]) if state["length"] is not None else 10_000
    parts: set[int] = set()
    for first, last in state["parts"]:
        if not 0 <= first <= last < most:
            raise broken()
        parts.update(range(first, last + 1))
    return frozenset(parts)


def remove_quietly(remote: Remote, plan: Plan) -> None:
    """Take back what will never be completed; the host's sweep would, in days."""
    with suppress(ConsigneError):
        remote.remove(plan.owner.object_id, plan.owner.token, Patience(seconds=0, tries=0))
