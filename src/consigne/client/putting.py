"""The story of a put, from top to bottom.

Judge the files, find the plan of an interrupted put or make a fresh one, tell the
host, show the link, send what is missing, look at the files once more, complete.
What is done is in the journal before it is done, so that the same command, given
again after any interruption, goes on where it was.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consigne.client import receipts, registering
from consigne.client.answers import broken
from consigne.client.crew import Crew
from consigne.client.journal import Journal
from consigne.client.patience import Patience
from consigne.client.progress import Meter
from consigne.client.registering import Plan, PutOptions
from consigne.client.sending import PartJournal, Sender, senders_for, turns_for
from consigne.client.source import Collection, file_changed
from consigne.errors import ConsigneError, GoneError, LocalError
from consigne.format.content import Layout
from consigne.protocol import b64u, part_size_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from consigne import protocol
    from consigne.client.progress import Watcher
    from consigne.client.remote import Remote
    from consigne.client.sending import Upload


@dataclass(frozen=True)
class PutResult:
    """What a put gives. `bytes`: of the files; `expires`: RFC 3339, UTC."""

    link: str = field(repr=False)
    manage: str = field(repr=False)
    object: str
    bytes: int
    expires: str
    resumed: bool = False
    skipped: list[tuple[str, str]] = field(default_factory=list, repr=False)


def put(
    remote: Remote,
    found: Collection,
    options: PutOptions,
    watcher: Watcher,
    on_link: Callable[[PutResult], None],
    *,
    receipt: bool,
) -> PutResult:
    """Put files; returns when the host has all of it durably.

    Raises LocalError, HostError and the rest of the tree; after anything but
    `file-changed` the same call goes on where this one ended.
    """
    layout = Layout.of_content(found.length)
    with Journal.open(_put_name(remote, found, options)) as journal:
        plan, state = _plan(remote, found, options, journal, layout)
        manifest = plan.manifest(found.entries)
        registering.announce(remote, plan, manifest)
        result = _put_result(remote, plan, found, state)
        on_link(result)
        upload = registering.upload_of(remote, plan, layout, found.files, state["part_size"])
        try:
            _send(upload, PartJournal(journal), registering.durable_parts(state), watcher)
            _check_unchanged(found)
        except LocalError as error:
            if error.code == "file-changed":
                _take_back(upload, journal)
            raise
        state = _complete(upload)
        if receipt:
            keep_receipt(result, found)
        journal.discard()
        return result


def _put_name(remote: Remote, found: Collection, options: PutOptions) -> str:
    """What makes a put the same put: host, absolute paths, options."""
    chosen = [options.expires_in, options.downloads, options.note, options.password is not None]
    return json.dumps(["put", remote.base, found.roots, chosen])


def _plan(
    remote: Remote, found: Collection, options: PutOptions, journal: Journal, layout: Layout
) -> tuple[Plan, protocol.ObjectState]:
    """The plan to go on with, when nothing speaks against it; a fresh one otherwise."""
    if journal.head is not None:
        remembered = _go_on(remote, found, options, journal, layout)
        if remembered is not None:
            return remembered
    plan = Plan.fresh(options)
    journal.start({**plan.head(), "fingerprint": found.fingerprint()})
    state = _checked_begin(remote, plan, layout)
    if state["parts"]:  # of an object that nobody ever had: the host would have us send nothing
        raise broken()
    return plan, state


def _go_on(
    remote: Remote, found: Collection, options: PutOptions, journal: Journal, layout: Layout
) -> tuple[Plan, protocol.ObjectState] | None:
    """The journal's plan and the object's state, or None when it must not be gone on with.

    Not when the journal is another version's, files changed, the password is another,
    the object is gone, or the host has a part whose tags the journal lacks (it may come
    from a backup): then a fresh owner secret is the only safe way.
    """
    head = journal.head or {}
    plan = Plan.remembered(head, options)
    if plan is None:
        return None
    if plan.is_of(head) and head.get("fingerprint") == found.fingerprint():
        try:
            state = _checked_begin(remote, plan, layout)
        except GoneError:
            return None
        if registering.durable_parts(state) <= PartJournal(journal).parts:
            return plan, state
    registering.remove_quietly(remote, plan)
    return None


def _checked_begin(remote: Remote, plan: Plan, layout: Layout) -> protocol.ObjectState:
    """The object's state. Its part size is not the host's to choose: tags are kept by part.

    Raises HostError `host-broken` for any other object than the one that was meant.
    """
    length = layout.ciphertext_length
    state = registering.begin(remote, plan, length)
    as_told = (b64u(plan.owner.object_id), length, part_size_for(length))
    if (state["id"], state["length"], state["part_size"]) != as_told:
        raise broken()
    return state


def _complete(upload: Upload) -> protocol.ObjectState:
    length = upload.layout.ciphertext_length
    state = upload.remote.complete(upload.object_id, upload.owner_token, length)
    if not state["complete"] or state["length"] != length:
        raise broken()
    return state


def _send(upload: Upload, tags: PartJournal, durable: frozenset[int], watcher: Watcher) -> None:
    missing = [part for part in range(upload.parts) if part not in durable]
    already = sum(upload.part_length(part) for part in durable)
    meter = Meter(upload.layout.ciphertext_length, already)
    turn = turns_for(upload)
    crew: Crew[int] = Crew(
        senders_for(upload, len(missing)),
        lambda: Sender(upload, tags.commit, meter, Patience(meter, crew.stopped), turn),
        lambda: watcher.look(meter),
    )
    crew.run(missing)


def _check_unchanged(found: Collection) -> None:
    """Never a mixed file: what changed while it was read fails before it is complete."""
    changed = found.changed()
    if changed is not None:
        raise file_changed(changed)


def _take_back(upload: Upload, journal: Journal) -> None:
    """What was begun with other files can never be completed: its link shall not wait for it."""
    journal.discard()
    with suppress(ConsigneError):
        upload.remote.remove(upload.object_id, upload.owner_token, Patience(seconds=0, tries=0))


def _put_result(remote: Remote, plan: Plan, found: Collection, state: protocol.ObjectState) -> PutResult:
    return PutResult(
        link=plan.link(remote.base).encode(),
        manage=plan.manage(remote.base).encode(),
        object=b64u(plan.owner.object_id),
        bytes=found.length,
        expires=state["expires"],
        resumed=bool(state["parts"]),
        skipped=found.skipped,
    )


def keep_receipt(result: PutResult, found: Collection) -> None:
    """Remember a put, for `mine`."""
    names = list(dict.fromkeys(file.entry.path.split("/", 1)[0] for file in found.files))
    receipts.keep(
        receipts.Receipt(
            link=result.link,
            manage=result.manage,
            names=names[: receipts.NAMES_KEPT],
            files=len(found.files),
            bytes=result.bytes,
            expires=result.expires,
        )
    )
