"""What a journal says is durable, whole, and said by one holder."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consigne.client import locking
from consigne.client.journal import Journal
from consigne.client.sending import PartJournal
from consigne.errors import LocalError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "consigne/journals"


def test_a_journal_that_never_began_leaves_nothing(state: Path) -> None:
    with Journal.open("x") as journal:
        assert journal.head is None
    assert list(state.iterdir()) == []


def test_it_remembers_and_forgets(state: Path) -> None:
    with Journal.open("x") as journal:
        journal.start({"owner": "O"})
        journal.append(b"one")
        journal.append(b"two")
    with Journal.open("x") as journal:
        assert journal.head == {"owner": "O"}
        assert journal.records == [b"one", b"two"]
        journal.append(b"three")
    with Journal.open("x") as journal:
        assert journal.records == [b"one", b"two", b"three"]
        journal.restart({"owner": "P"})
    with Journal.open("x") as journal:
        assert (journal.head, journal.records) == ({"owner": "P"}, [b"one", b"two", b"three"])
        journal.discard()
    assert list(state.iterdir()) == []


def test_it_is_private(state: Path) -> None:
    with Journal.open("secret name") as journal:
        journal.start({})
        (file,) = state.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert "secret" not in file.name


def test_one_holder_at_a_time() -> None:
    with Journal.open("x") as journal:
        with pytest.raises(LocalError) as caught:
            Journal.open("x")
        assert caught.value.code == "journal-busy"
        with Journal.open("y"):
            pass
        journal.start({})
    with Journal.open("x") as journal:
        assert journal.head == {}


def test_a_discarded_journal_is_held_until_it_is_closed(state: Path) -> None:
    first = Journal.open("x")
    first.start({"number": 1})
    first.discard()
    with pytest.raises(LocalError):
        Journal.open("x")
    first.close()
    assert list(state.iterdir()) == []


def full_disk(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_journal_that_cannot_be_written_stops_everything_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record behind a torn one would not be read again: its part would be sealed anew, uncompared."""
    with Journal.open("x") as journal:
        journal.start({})
        with monkeypatch.context() as broken:
            broken.setattr("consigne.client.journal._flush", full_disk)
            with pytest.raises(LocalError) as caught:
                journal.append(b"one")
            assert caught.value.code == "journal-failed"
        with pytest.raises(LocalError):
            journal.append(b"two")


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 200), junk=st.binary(max_size=20))
def test_a_torn_record_counts_as_absent(cut: int, junk: bytes) -> None:
    records = [bytes([number]) * 10 for number in range(5)]
    with Journal.open("x") as journal:
        journal.start({"a": 1})
        for record in records:
            journal.append(record)
        path = journal._path
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)] + junk)
    with Journal.open("x") as journal:
        if journal.head is not None:
            whole = journal.records
            assert whole == records[: len(whole)]
            assert len(whole) >= 5 - (cut + 21) // 22
            journal.append(b"after")
            with pytest.raises(LocalError):
                Journal.open("x")
    with Journal.open("x") as journal:
        if journal.head is not None:
            assert journal.records == [*whole, b"after"]
        journal.start({})
        journal.discard()


def test_many_threads_append() -> None:
    with Journal.open("x") as journal:
        journal.start({})
        threads = [
            threading.Thread(target=lambda n=n: [journal.append(b"%d-%d" % (n, m)) for m in range(20)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal.open("x") as journal:
        assert sorted(journal.records) == sorted(b"%d-%d" % (n, m) for n in range(8) for m in range(20))


def test_other_tags_for_a_part_stop_the_put(state: Path) -> None:
    with Journal.open("x") as journal:
        journal.start({})
        PartJournal(journal).commit(3, b"t" * 16)
    with Journal.open("x") as journal:
        tags = PartJournal(journal)
        assert tags.parts == {3}
        tags.commit(3, b"t" * 16)
        with pytest.raises(LocalError) as caught:
            tags.commit(3, b"u" * 16)
        assert caught.value.code == "file-changed"
    assert list(state.iterdir()) == []


def test_a_journal_restored_over_a_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    with Journal.open("x") as journal:
        path = journal._path
        journal.start({})
    os.replace(path, tmp_path / "elsewhere")
    with Journal.open("x") as journal:
        assert journal.head is None
    assert list(state.iterdir()) == []


def test_a_journal_that_is_discarded_between_opening_and_locking(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = locking.try_lock, []

    def discarded_first(handle: int) -> bool:
        if not calls:
            (found,) = state.iterdir()
            found.unlink()
        calls.append(handle)
        return real(handle)

    monkeypatch.setattr(locking, "try_lock", discarded_first)
    with Journal.open("x") as journal:
        journal.start({"owner": "O"})
    assert len(calls) == 2
    assert len(list(state.iterdir())) == 1


def test_what_nobody_went_on_with_is_forgotten(state: Path) -> None:
    for name in ("old", "young"):
        with Journal.open(name) as journal:
            journal.start({"owner": name})
    old = state / Journal.name_for("old")
    os.utime(old, (0, 0))
    with Journal.open("another") as journal:
        journal.start({"owner": "another"})
    assert not old.exists()
    assert (state / Journal.name_for("young")).exists()
