"""The story of a put whose length nobody knows, from top to bottom (see `streaming`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from consigne.client import registering
from consigne.client.answers import broken
from consigne.client.crew import Crew
from consigne.client.patience import Patience
from consigne.client.progress import Meter, Watcher
from consigne.client.putting import PutResult, keep_receipt
from consigne.client.registering import Plan, PutOptions
from consigne.client.source import Collection, SourceFile
from consigne.client.streaming import SENDERS, SealedPart, StreamSealer, StreamSender
from consigne.errors import LocalError
from consigne.format import paths
from consigne.format.content import Layout
from consigne.format.manifest import FileEntry
from consigne.protocol import UNKNOWN_LENGTH_PART_SIZE, b64u

if TYPE_CHECKING:
    from consigne.client.remote import Remote


def put_stream(
    remote: Remote, stream: BinaryIO, name: str, options: PutOptions, watcher: Watcher, *, receipt: bool
) -> PutResult:
    """Begin the object, send parts while the stream gives them, complete, make the link."""
    reason = paths.refusal(name)
    if reason is not None or "/" in name:
        raise LocalError("path-refused", f"This name cannot be given: {reason or 'it names a folder'}.")
    plan = Plan.fresh(options)
    state = registering.begin(remote, plan, None)
    if state["part_size"] != UNKNOWN_LENGTH_PART_SIZE or state["parts"]:
        raise broken()
    upload = registering.upload_of(remote, plan, Layout(0), (), state["part_size"])
    sealer = StreamSealer(stream, upload.sealer, upload.part_size)
    meter = Meter(None)
    crew: Crew[SealedPart] = Crew(
        SENDERS,
        lambda: StreamSender(upload, meter, Patience(meter, crew.stopped)),
        lambda: watcher.look(meter),
    )
    try:
        crew.run(sealer.parts())
    except BaseException:
        registering.remove_quietly(remote, plan)
        raise
    if not remote.complete(upload.object_id, upload.owner_token, sealer.ciphertext_length)["complete"]:
        raise broken()
    entry = FileEntry(name, sealer.length)
    registering.announce(remote, plan, plan.manifest((entry,)))
    result = PutResult(
        plan.link(remote.base).encode(),
        plan.manage(remote.base).encode(),
        b64u(upload.object_id),
        sealer.length,
        state["expires"],
    )
    if receipt:
        keep_receipt(result, Collection(files=[SourceFile("", entry, (0, 0, 0, 0))]))
    return result
