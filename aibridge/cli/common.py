"""What the commands share: `--config`, the settings behind it, and how a failure is told."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from aibridge.config import Settings

Commands = Any
"""The list that argparse keeps of a program's commands; its type has no public name."""


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """A command with the options that every command has."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_config(parser, default=os.environ.get("AIBRIDGE_CONFIG") or None)
    parser.set_defaults(run=run)
    return parser


def add_config(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    """`--config`; an action of a command takes it too, and without a default leaves the command's as it is."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=default,
        help="settings in YAML (default: $AIBRIDGE_CONFIG, else ./aibridge.yaml if present, else the defaults)",
    )


def configured(args: argparse.Namespace) -> Settings:
    """The settings that the command line and the environment ask for. Raises ConfigError."""
    from aibridge.config import load

    return load(args.config, os.environ)


def complain(*lines: str) -> int:
    """Tells a failure, a line each, and returns the status that goes with it."""
    for line in lines:
        print(line, file=sys.stderr)
    return 1


def console() -> Console:
    """Standard output. In a pipe or a log it is plain, and wide enough that no line is folded."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, emoji=False)


def quiet() -> None:
    """Keeps what the rooms log off standard error, where a command's own lines go."""
    logging.getLogger().addHandler(logging.NullHandler())


def printable(text: str) -> str:
    """Text from elsewhere without what could act on a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
