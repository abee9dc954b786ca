"""Write the test vectors of format 1, or check that they are what this would write.

    python spec/generate.py            writes spec/vectors/ anew
    python spec/generate.py --check    exits 1 where a file differs

Nothing here is random and nothing is imported from the package: the vectors are
computed a second time, from primitives, out of what spec/format.md says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generate_capsules import capsules
from generate_content import contents, layouts, padme_tables, streams
from generate_keys import derivations, links
from generate_manifests import manifests
from generate_paths import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from generate_primitives import Vector

FOLDER = Path(__file__).parent / "vectors"

KINDS: dict[str, Callable[[], Iterator[tuple[str, Vector]]]] = {
    "derivation": derivations,
    "link": links,
    "padme": padme_tables,
    "layout": layouts,
    "stream": streams,
    "content": contents,
    "capsule": capsules,
    "manifest": manifests,
    "path": paths,
}


def scenarios() -> dict[str, str]:
    """Give every file's name and text."""
    files: dict[str, str] = {}
    for kind, generate in KINDS.items():
        for what, vector in generate():
            name = f"{kind}-{what}.json"
            if name in files or vector["kind"] != kind:
                raise ValueError(name)
            # Escapes only: a lone surrogate has no other form, and no editor changes it.
            files[name] = json.dumps(vector, indent=2, ensure_ascii=True) + "\n"
    return files


def on_disk() -> dict[str, str]:
    """Read the files that are there."""
    return {path.name: path.read_text(encoding="ascii") for path in FOLDER.glob("*")}


def write(files: dict[str, str]) -> None:
    """Make the folder hold these files and no others."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*"):
        path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="ascii", newline="\n")


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description="Write the test vectors of format 1.")
    parser.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    check = parser.parse_args().check
    wanted = scenarios()
    if not check:
        write(wanted)
        print(f"{len(wanted)} vectors in {FOLDER}")
        return 0
    there = on_disk()
    differing = sorted(n for n in wanted.keys() | there.keys() if wanted.get(n) != there.get(n))
    for name in differing:
        print(f"differs: {name}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
