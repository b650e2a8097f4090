"""`aibridge serve`: the gateway."""

from __future__ import annotations

import argparse
import errno
import socket
from typing import TYPE_CHECKING

from aibridge.cli.common import Commands, add_command, complain

if TYPE_CHECKING:
    from aibridge.config import Server, Settings, Source

DESCRIPTION = """\
Runs the gateway until it is told to stop (Ctrl-C or SIGTERM); open requests are then brought to
their end. When the settings file changes, and at SIGHUP, providers and MCP servers are read again.

Clients reach a provider under its name in the settings:
  http://127.0.0.1:8080/openai/v1      for what speaks OpenAI's API (OPENAI_BASE_URL)
  http://127.0.0.1:8080/anthropic      for what speaks Anthropic's  (ANTHROPIC_BASE_URL)
"""

EXAMPLES = """\
  aibridge serve                                keys from OPENAI_API_KEY and ANTHROPIC_API_KEY
  aibridge serve --port 9000
  aibridge serve --workers 4                    one process for each of four cores
  aibridge serve --config aibridge.yaml
  AIBRIDGE_TELEMETRY__LOG_LEVEL=debug aibridge serve
"""

_MOST_WORKERS = 256


def add(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, summary="run the gateway", description=DESCRIPTION, examples=EXAMPLES)
    parser.add_argument("--host", help="address to listen on (default: server.host, 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port to listen on; 0: a free one (default: server.port, 8080)")
    parser.add_argument(
        "--workers", metavar="N", type=_workers, help="processes that serve (default: server.workers, 1)"
    )


def run(args: argparse.Namespace) -> int:
    from aibridge.config import Source

    source = Source(args.config, args.host, args.port, args.workers)
    settings = source.read()
    try:
        return _serve(settings, source)
    except OSError as error:
        told = _cannot_listen(error, settings.server)
        if told is None:
            raise
        return complain(told)


def _serve(settings: Settings, source: Source) -> int:
    if settings.server.workers == 1:
        import aibridge.app

        return aibridge.app.serve(settings, source)

    import aibridge.workers.parent

    return aibridge.workers.parent.serve(settings, source)


def _cannot_listen(error: OSError, server: Server) -> str | None:
    """Why nothing can listen there, and what to do; None for any other error."""
    where = f"{server.host} port {server.port}"
    if isinstance(error, socket.gaierror):
        return f"server.host: {server.host} is no address of this machine ({error.strerror})"
    match error.errno:
        case errno.EADDRINUSE:
            return f"server.port: {where} is in use: stop what listens there, or choose another with --port"
        case errno.EACCES:
            return f"server.port: {where} is not for this user: choose one above 1023 with --port"
        case errno.EADDRNOTAVAIL:
            return f"server.host: {server.host} is no address of this machine: choose another with --host"
    return None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; ports are 0 to 65535")
    return int(text)


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers; 1 to {_MOST_WORKERS} are")
    return int(text)
