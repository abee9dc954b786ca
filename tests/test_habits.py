"""Habits that hold in all of src: secrets do not print, files are private, nothing is run.

Each class with fields is filled with marks and printed; each call that makes a file or
a folder is read. What may be seen, or made for others to read, is named below.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import consigne
from consigne.client.registering import Plan, PutOptions
from consigne.format import keys, link
from consigne.format.manifest import FileEntry, Manifest

SOURCE = Path(__file__).parent.parent / "src"

# Text and bytes that may be seen, wherever they stand. Everything else hides.
SEEN = {
    *("object_id", "object", "link_id", "id", "hash", "owner_hash", "token_hash"),  # what a host knows
    *("digest", "capsule", "version", "kind", "name", "method", "statements"),  # of the host's own rows
    *("title", "hint", "about", "examples", "docs", "expires", "type", "modified", "base"),
    *("path", "local", "entry", "into", "only", "paths", "roots", "refused", "renamed"),  # this machine's
}
SEEN_IN = {
    ("SourceFile", "entry"),
    ("Collection", "files"),
    ("Collection", "skipped"),
    ("OpenDownload", "ticket"),  # a row: holds the hash of a ticket
    ("Returned", "ticket"),  # the same
    ("TicketRow", "link"),  # an id
    ("OpenLink", "link"),  # a row
    ("OpenDownload", "link"),  # a row
    *(("Settings", name) for name in ("data", "store", "catalog", "listen", "base_path", "log_level")),
}


def classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(consigne.__path__, "consigne."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and value.__module__ == module.name:
                yield value


def fields_of(kind: type) -> dict[str, str]:
    """Field → annotation, of a dataclass or a NamedTuple."""
    if dataclasses.is_dataclass(kind):
        return {field.name: str(field.type) for field in dataclasses.fields(kind)}
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = kind.__annotations__
        return {name: getattr(hints[name], "__forward_arg__", str(hints[name])) for name in kind._fields}
    return {}


WITH_FIELDS = [kind for kind in classes() if fields_of(kind)]


def filled(kind: type) -> Any:  # noqa: ANN401 - of any class
    """An instance whose every field holds a mark of its own, whatever its type."""
    marks = {
        name: f"mark-{name}-mark".encode() if "bytes" in hint else f"mark-{name}-mark"
        for name, hint in fields_of(kind).items()
    }
    if issubclass(kind, tuple):
        return kind(*marks.values())
    instance = object.__new__(kind)
    for name, mark in marks.items():
        object.__setattr__(instance, name, mark)
    return instance


def can_hold_a_secret(hint: str) -> bool:
    """Numbers and flags hold none, and buffers print an address. Another class of ours is judged there."""
    return bool(re.search(r"\b(str|bytes|Namespace)\b", hint)) and not hint.startswith("Callable")


@pytest.mark.parametrize("kind", WITH_FIELDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_field_prints_that_was_not_judged(kind: type) -> None:
    instance = filled(kind)
    if kind is link.Link:  # prints its fragment's kind
        object.__setattr__(instance, "fragment", filled(link.Fragment))
        object.__setattr__(instance.fragment, "kind", link.Kind.DOWNLOAD)
    texts = [repr(instance), str(instance), f"{instance}", f"{[instance]!r}", f"{instance!s:>200}"]
    for name, hint in fields_of(kind).items():
        if any(f"mark-{name}-mark" in text for text in texts) and can_hold_a_secret(hint):
            assert name in SEEN or (kind.__name__, name) in SEEN_IN, f"{kind.__name__}.{name} is printed"


def test_there_are_classes_to_look_at() -> None:
    assert len(WITH_FIELDS) > 50
    assert {keys.Owner, link.Fragment, Manifest, PutOptions} <= set(WITH_FIELDS)


def test_no_class_writes_a_text_of_its_own() -> None:
    """A `__str__` would be written by every log; a link's whole text is asked for by name."""
    own = {kind.__name__ for kind in classes() for name in ("__str__", "__format__") if name in vars(kind)}
    assert own - {"Kind"} == set()  # an IntEnum
    generated = {kind.__name__ for kind in WITH_FIELDS}
    assert {kind.__name__ for kind in classes() if "__repr__" in vars(kind)} - generated - {"Kind"} == set()


OWNER = keys.Owner(bytes(range(32)))
READER = keys.reader(OWNER.link_secret(0), None)
MANIFEST = Plan(OWNER, READER, PutOptions(), b"", b"").manifest((FileEntry("a", 1),))
FRAGMENT = link.Fragment(link.Kind.MANAGE, OWNER.secret)
SECRETS: list[Any] = [
    OWNER,
    OWNER.content_keys(),
    READER,
    FRAGMENT,
    link.Link("https://h", FRAGMENT),
    MANIFEST,
    PutOptions(password="secret"),
    Plan(OWNER, READER, PutOptions(), b"", b""),
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: type(secret).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secrets_are_not_pickled(secret: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="holds a secret"):
        pickle.dumps(secret, protocol)


# ---------------------------------------------------------------- calls

MODULES = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
CALLS = [
    (file, ast.unparse(node.func), node)
    for file, tree in MODULES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.Call)
]
RUNNERS = {"subprocess", "pickle", "marshal", "shelve", "pty", "ctypes", "multiprocessing", "code"}
RUNNING = ("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "eval", "exec")
PRIVATE_FILE, PRIVATE_FOLDER = "384", "448"  # 0o600, 0o700, as `ast` writes numbers
# Files that a get makes for its user: readable as the umask says.
FOR_THE_USER = {"consigne/client/landing.py", "consigne/client/destination.py"}


def argument(call: ast.Call, place: int, name: str) -> str | None:
    """The text of an argument, by its place or its name."""
    named = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    value = named or (call.args[place] if len(call.args) > place else None)
    return None if value is None else ast.unparse(value)


def may_create(call: ast.Call, tree: ast.Module) -> bool:
    """Whether the flags of an `os.open` hold O_CREAT, or are not known here."""
    flags = argument(call, 1, "flags") or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) in flags:
                flags += ast.unparse(node.value)
    return "O_CREAT" in flags or "O_" not in flags


def test_nothing_is_run() -> None:
    """No shell, no other program, no code out of data."""
    for file, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {(node.module or "").split(".")[0]}
            else:
                continue
            assert not imported & RUNNERS, file
    for file, called, _ in CALLS:
        assert not any(called == name or called.startswith(name + ".") for name in RUNNING), (file, called)
        assert not called.startswith(("os.exec", "os.spawn")), (file, called)


def test_files_that_are_made_are_private() -> None:
    seen = 0
    for file, called, call in CALLS:
        if called == "os.open" and may_create(call, MODULES[file]):
            seen += 1
            allowed = {PRIVATE_FILE, "438"} if file in FOR_THE_USER else {PRIVATE_FILE}
            assert argument(call, 2, "mode") in allowed, f"{file}:{call.lineno} makes a file for all to read"
    assert seen >= 8


def test_folders_that_are_made_are_private() -> None:
    seen = 0
    for file, called, call in CALLS:
        if called == "os.makedirs" or called.split(".")[-1] == "mkdir":
            seen += 1
            mode = argument(call, 1 if called.startswith("os.") else 0, "mode")
            if (file, called) == ("consigne/client/moving.py", "os.mkdir"):
                continue  # the user's own, as the umask says
            assert mode == PRIVATE_FOLDER, f"{file}:{call.lineno} makes a folder for all to enter"
    assert seen >= 6


def test_files_are_not_made_in_passing() -> None:
    """`open` for writing creates 0666: it needs an opener. Nothing else makes a file but `os.open`."""
    for file, called, call in CALLS:
        where, method = f"{file}:{call.lineno}", called.split(".")[-1]
        if method == "open" and writes(argument(call, 0 if "." in called else 1, "mode")):
            assert argument(call, 7, "opener") == "private_opener", where
        assert method not in {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "mktemp"}, where
        if method == "touch" and file not in FOR_THE_USER:  # an empty probe, in a folder of its own
            assert file == "consigne/client/naming.py", where
        if method.startswith("Temporary"):
            assert method == "TemporaryDirectory", where  # 0700, as mkdtemp makes it


def writes(mode: str | None) -> bool:
    """Whether a literal mode of `open` may create a file."""
    return mode is not None and re.fullmatch(r"'[rwxabt+]*[wxa][rwxabt+]*'", mode) is not None


def test_no_security_rule_is_silenced() -> None:
    """ruff's S rules hold in all of src, but for what is named here."""
    silenced = [
        (path.name, rule)
        for path in SOURCE.rglob("*.py")
        for line in re.findall(r"#\s*noqa:([^\n]*)", path.read_text())
        for rule in re.findall(r"\bS\d{3}\b", line)
    ]
    assert set(silenced) <= {
        ("putting.py", "S105"),  # the name of a file looks like a password
        ("exchange.py", "S101"),
        ("objects.py", "S608"),  # see the next test
        ("links.py", "S608"),
    }
    settings = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert settings["select"] == ["ALL"]
    assert not any(rule.startswith("S") and rule[1:].isdigit() for rule in settings["ignore"])
    for place, rules in settings["per-file-ignores"].items():
        if place.startswith("src/"):
            assert set(rules) & {"S", *(rule for rule in rules if re.fullmatch(r"S\d+", rule))} <= {"S105"}


def test_statements_are_put_together_out_of_constants_only() -> None:
    statements = [
        (file, node)
        for file, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and re.match(r"f.(SELECT|INSERT|UPDATE|DELETE)\b", ast.unparse(node))
    ]
    assert len(statements) >= 3
    for file, statement in statements:
        for part in statement.values:
            if isinstance(part, ast.FormattedValue):
                assert ast.unparse(part.value).isupper(), f"{file}:{statement.lineno}"
