"""`consigne serve`: a host, with every setting as an option.

The options are made out of the list of settings in `consigne.server.settings`, so
that there is one list. The server's own code is loaded when a host is to run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from consigne.cli.command import Command
from consigne.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Container

    from consigne.cli.voice import Voice
    from consigne.server.settings import Settings

ABOUT: Final = """\
Run a host until it is told to stop (Ctrl-C, SIGTERM). Nothing has to be configured:
catalog and store lie in the folder that --data names. Each option can also be given
as CONSIGNE_<NAME> in the environment, or in the TOML file of --config; options go
before the environment, the environment before the file.
Standard output: nothing. Standard error: the address, then what an operator must know.
"""

EXAMPLES: Final = """\
examples:
  consigne serve
  consigne serve --data /srv/consigne --listen 0.0.0.0:8080 --max-length 10GiB
"""


def declare_settings(parser: ArgumentParser, only: Container[str] | None = None) -> None:
    """An option for each setting, or for `only` some."""
    from dataclasses import fields

    from consigne.server.settings import Settings, about, flag_of

    parser.add_argument("--config", metavar="FILE", type=Path, help="a TOML file of settings")
    for field in fields(Settings):
        if only is None or field.name in only:
            told = about(field)
            default = f" Default: {field.default}." if field.default not in ("", None) else ""
            parser.add_argument(
                flag_of(field.name),
                dest=field.name,
                metavar=told.kind.upper(),
                help=f"{told.docs}{default}".replace("%", "%%"),
            )


def settings_of(given: Namespace) -> Settings:
    """The settings that options, environment and file add up to. Raises UsageError."""
    from dataclasses import fields

    from consigne.server.settings import Settings, resolve

    flags = {field.name: getattr(given, field.name, None) for field in fields(Settings)}
    return resolve(flags, os.environ, given.config)


def server_missing(error: ModuleNotFoundError) -> NoReturn:
    """Say how to get what a host needs; a module of ours that is missing is a bug."""
    if (error.name or "").partition(".")[0] == "consigne":
        raise error
    raise UsageError(
        "server-missing", "What a host needs is not installed.", hint="pip install 'consigne[server]'"
    ) from None


def _declare(parser: ArgumentParser) -> None:
    declare_settings(parser)


def _run(given: Namespace, _voice: Voice) -> None:
    settings = settings_of(given)
    try:
        from consigne.server.main import serve
    except ModuleNotFoundError as error:
        server_missing(error)
    serve(settings)


COMMANDS: Final = {"serve": Command(_declare, _run, ABOUT, EXAMPLES)}
