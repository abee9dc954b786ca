"""`consigne admin …`: for the operator, beside the data.

`sweep` needs the data folder for itself: a running host sweeps on its own. `backup`
works beside a running host: the catalog first, in one consistent view, then the
store, so that every byte which the copied catalog speaks of was durable before.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consigne.cli import options
from consigne.cli.command import Command
from consigne.cli.hosting import declare_settings, server_missing, settings_of
from consigne.errors import LocalError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from consigne.cli.voice import Voice
    from consigne.server.service.sweep import SweepReport
    from consigne.server.settings import Settings

WHERE: Final = ("data", "store", "catalog", "unfinished_days")
COPIED: Final = ("objects", "capsules")  # of a store; `temporary` is nobody's

ABOUT_SWEEP: Final = """\
Delete now what expired, was removed, was never completed or was left by a crash. A
running host does this by itself every --sweep-interval; this is for one that is not
running. Standard output: nothing, or with --json what was deleted, as counts.
"""
ABOUT_BACKUP: Final = """\
Copy the catalog and the store into a new folder, beside a running host or not. The
copy is a data folder: `consigne serve --data DEST` runs it. What is removed while the
copy is made may be in its catalog without its bytes. Prints nothing on standard output.
"""


def _declare_sweep(parser: ArgumentParser) -> None:
    declare_settings(parser, WHERE)
    options.for_programs(parser)
    options.for_people(parser)


def _declare_backup(parser: ArgumentParser) -> None:
    parser.add_argument("dest", metavar="DEST", type=Path, help="a folder that is not there yet")
    declare_settings(parser, WHERE)
    options.for_people(parser)


def _sweep(given: Namespace, voice: Voice) -> None:
    report = asyncio.run(_swept(settings_of(given)))
    if voice.as_json:
        voice.result_json(asdict(report))
    voice.say(
        f"swept: {report.objects} objects, {report.links} links, {report.tickets} tickets, "
        f"{report.stray_objects + report.stray_capsules + report.temporaries} leftovers"
    )
    if report.store_skipped:
        voice.say("the catalog knows nothing at all: the store was left as it is")


async def _swept(settings: Settings) -> SweepReport:
    try:
        from consigne.server import main
    except ModuleNotFoundError as error:
        server_missing(error)
    with main.held(settings.data_folder):
        async with main.opened(settings) as service:
            return await service.sweep()


def _backup(given: Namespace, voice: Voice) -> None:
    settings = settings_of(given)
    if not settings.catalog_file.is_file():
        raise LocalError(
            "nothing-to-back-up", "There is no catalog here.", hint="Name the host's folder with --data."
        )
    dest: Path = given.dest.absolute()
    if os.path.lexists(dest):
        raise LocalError("file-exists", "The folder for the backup is there already.", hint="Name a new one.")
    partial = dest.with_name(dest.name + ".partial")
    if os.path.lexists(partial):
        raise LocalError(
            "file-exists",
            "A backup that was interrupted left a folder of the same name and .partial.",
            hint="Remove it, then give the command again.",
        )
    partial.mkdir(mode=0o700, parents=True)
    try:
        _copy_catalog(settings.catalog_file, partial / "catalog.db")
        copied = sum(_copy_files(settings.store_folder / name, partial / "store" / name) for name in COPIED)
        _copy_identity(settings.store_folder, partial / "store")
        os.sync()
        partial.rename(dest)
        _sync_folder(dest.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    voice.say(f"backed up: the catalog and {copied} files")


def _sync_folder(folder: Path) -> None:
    from consigne.server.folders import sync_folder

    sync_folder(folder)


def _copy_catalog(catalog: Path, target: Path) -> None:
    from consigne.server.catalog import connecting, migrating

    with closing(connecting.connect_reader(catalog)) as connection:
        migrating.back_up(connection, target)


def _copy_identity(source: Path, target: Path) -> None:
    """What says that catalog and store belong together; a host refuses them without."""
    from consigne.server.stores.disk import IDENTITY

    if (source / IDENTITY).is_file():
        target.mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(source / IDENTITY, target / IDENTITY)


def _copy_files(source: Path, target: Path) -> int:
    """Copy a tree with its times; how many files. What goes meanwhile is not missed."""
    count = 0
    for folder, _, names in os.walk(source):
        into = target / Path(folder).relative_to(source)
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            with suppress(FileNotFoundError):
                shutil.copy2(Path(folder) / name, into / name)
                count += 1
    return count


COMMANDS: Final = {
    "admin sweep": Command(_declare_sweep, _sweep, ABOUT_SWEEP),
    "admin backup": Command(_declare_backup, _backup, ABOUT_BACKUP),
}
