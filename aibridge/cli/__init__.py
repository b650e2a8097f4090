"""The command line. Each command has a file; what is heavy is imported when a command runs, so that help is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from aibridge import __version__
from aibridge.cli import check, demo, erase, export, keys, serve, tools
from aibridge.cli.common import complain

DESCRIPTION = """\
aibridge stands between AI clients (Claude Code, Codex, any OpenAI or Anthropic SDK) and their
providers. It adds the tools of your MCP servers to every request, runs them itself, and records
who asked what, which tools ran and what it cost.
"""

EXAMPLES = """\
to begin:
  aibridge demo                       see it work, without a key and without a network
  aibridge serve                      start it with the defaults on http://127.0.0.1:8080
  OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1 your-agent

with settings of your own (config.example.yaml is a tour, docs/settings.md has them all):
  aibridge check --config aibridge.yaml
  aibridge serve --config aibridge.yaml

exit status: 0 done, 1 failed, 2 wrong usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 when it is done, 1 when it failed, 2 for wrong usage."""
    _print_anything()
    parser = _parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # argparse's way: 0 after help, 2 after a complaint of its own
        return int(end.code or 0)
    if args.run is None:
        parser.print_help(sys.stderr)
        return 2
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    from aibridge.config import ConfigError
    from aibridge.errors import AibridgeError

    try:
        status = int(args.run(args))
        sys.stdout.flush()
    except ConfigError as error:
        return complain(*error.lines)
    except AibridgeError as error:
        return complain(error.message)
    except KeyboardInterrupt:
        return complain("interrupted")
    except BrokenPipeError:  # as in `aibridge check | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the exit would try again
        return 1
    return status


def _print_anything() -> None:
    """A terminal or log that is not UTF-8 gets question marks, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aibridge",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"aibridge {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (serve, demo, check, keys, export, erase, tools):
        command.add(commands)
    return parser
