"""Labels, secrets that do not print, and rights that only weaken."""

from __future__ import annotations

import pickle

import pytest

from consigne.format import keys, labels
from consigne.format.link import Fragment, Kind, Link


def test_no_label_stands_twice() -> None:
    values = [value for name, value in vars(labels).items() if name.isupper() and isinstance(value, str)]
    values.append("object-id")
    assert len(values) == len(set(values))
    assert len(values) > 10


def test_secrets_do_not_print() -> None:
    owner = keys.Owner(bytes(range(32)))
    reader = keys.reader(owner.link_secret(0), None)
    link = Link("http://h", Fragment(Kind.DOWNLOAD, owner.link_secret(0)))
    for thing in (owner, reader, owner.content_keys(), link, link.fragment):
        text = repr(thing)
        for secret in (owner.secret, owner.token, owner.content_key, owner.link_secret(0), reader.token):
            assert secret.hex() not in text
            assert repr(secret)[2:-1] not in text
            assert link.fragment.encode() not in text


def test_secrets_are_not_pickled() -> None:
    with pytest.raises(TypeError, match=r"^Owner holds a secret: it is not pickled$"):
        pickle.dumps(keys.Owner(bytes(32)))


def test_an_owner_is_nobody_who_ever_was() -> None:
    owners = {keys.Owner.fresh().secret for _ in range(100)}
    assert len(owners) == 100
    assert {len(secret) for secret in owners} == {32}


def test_link_numbers_are_never_the_first() -> None:
    assert all(0 <= keys.fresh_link_number() <= keys.MAX_LINK_NUMBER for _ in range(100))
    assert len({keys.fresh_link_number() for _ in range(100)}) == 100
