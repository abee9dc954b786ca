"""Opening links: a capsule fetched, unsealed, its manifest checked.

Nothing of what a host says changes how a link is opened: whether a password goes
with it stands in the link, what Argon2id costs stands in the format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consigne.errors import HostError, PasswordError
from consigne.format import capsule, keys, manifest

if TYPE_CHECKING:
    from consigne.client.remote import Remote
    from consigne.format.link import Fragment


@dataclass(frozen=True)
class OpenedLink:
    """What a download link opens."""

    reader: keys.Reader
    manifest: manifest.Manifest


@dataclass(frozen=True)
class OpenedObject:
    """What a manage link opens. `capsule` is the owner capsule's present bytes."""

    owner: keys.Owner
    manifest: manifest.Manifest
    capsule: bytes = field(repr=False)


def open_link(remote: Remote, fragment: Fragment, password: str | None) -> OpenedLink:
    """The share behind a download link; counts nothing.

    Raises PasswordError `password-needed`, `password-wrong`, `slow-down`,
    `link-locked`; GoneError; AuthenticityError.
    """
    reader = reader_of(fragment, password)
    try:
        sealed = remote.link_capsule(reader.link_id, reader.token)
    except HostError as error:
        if error.code == "token-wrong" and fragment.password:
            raise capsule.wrong_password() from None
        raise
    plain = capsule.unseal(reader.root, reader.link_id, sealed, password=fragment.password)
    return OpenedLink(reader, manifest.parse_for_link(plain, fragment.secret))


def reader_of(fragment: Fragment, password: str | None) -> keys.Reader:
    """The right that a link gives, with its password if it needs one.

    A password that is not needed is ignored. Raises PasswordError `password-needed`.
    """
    if not fragment.password:
        return keys.reader(fragment.secret, None)
    if password is None:
        raise PasswordError(
            "password-needed",
            "This link needs a password.",
            hint="Give it with --password or --password-file.",
        )
    return keys.reader(fragment.secret, password)


def open_object(remote: Remote, fragment: Fragment) -> OpenedObject:
    """The object behind a manage link. Raises GoneError, AuthenticityError."""
    owner = keys.Owner(fragment.secret)
    sealed = remote.owner_capsule(owner.object_id, owner.token)
    plain = capsule.unseal(owner.capsule_root, owner.object_id, sealed)
    return OpenedObject(owner, manifest.parse_for_owner(plain, owner), sealed)
