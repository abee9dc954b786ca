"""Everything that is fuzzed."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

NAMES = (
    "links",
    "capsules",
    "manifests",
    "json_texts",
    "path_lists",
    "contents",
    "heads",
    "conversations",
    "ranges",
    "bodies",
    "requests",
    "host_settings",
    "command_words",
    "journals",
    "receipts",
    "host_answers",
)


def named(name: str) -> Target:
    """The target in the module of this name."""
    target: Target = import_module(f"tests.fuzz.{name}").TARGET
    return target
