"""The same plan told again: equal bytes, or a refusal; never one key for two manifests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consigne.client import registering
from consigne.client.opening import open_link, open_object
from consigne.client.registering import Plan, PutOptions
from consigne.client.remote import Remote
from consigne.errors import HostError, UsageError
from consigne.format import keys
from consigne.format.content import Layout
from consigne.format.link import Fragment, Kind
from consigne.format.manifest import FileEntry
from tests.processes import Host

FILES = (FileEntry("a.md", 3, "text/markdown"),)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with Host(tmp_path_factory.mktemp("host")) as host:
        one = Remote(host.url)
        yield one
        one.close()


def begun(remote: Remote) -> Plan:
    plan = Plan.fresh(PutOptions())
    registering.begin(remote, plan, Layout.of_content(3).ciphertext_length)
    registering.announce(remote, plan, plan.manifest(FILES))
    return plan


def test_what_was_said_can_be_said_again(remote: Remote) -> None:
    plan = begun(remote)
    again = Plan.remembered(plan.head(), PutOptions())
    registering.announce(remote, again, again.manifest(FILES))
    opened = open_link(remote, Fragment(Kind.DOWNLOAD, plan.owner.link_secret(keys.FIRST_LINK)), None)
    assert opened.manifest.files == FILES


def test_another_manifest_is_another_key_and_the_host_keeps_the_first(remote: Remote) -> None:
    """A newer Python that knows another type for `.md`, say, between a put and its going on."""
    plan = begun(remote)
    other = plan.manifest((FILES[0]._replace(type=None),))
    for secret, manifest in ((plan.link_salt_secret, other), (plan.owner_salt_secret, other)):
        first = registering.seal_for_owner(plan.owner, plan.manifest(FILES), secret)
        second = registering.seal_for_owner(plan.owner, manifest, secret)
        assert first[:33] != second[:33], "one salt, and so one key and nonce, for two plaintexts"
    with pytest.raises(HostError) as caught:
        registering.announce(remote, plan, other)
    assert caught.value.code == "capsule-exists"
    opened = open_object(remote, Fragment(Kind.MANAGE, plan.owner.secret))
    assert opened.manifest.files == FILES


def test_a_note_that_no_manifest_can_hold_is_refused_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        PutOptions(note="\udcff")
    assert caught.value.code == "usage"
