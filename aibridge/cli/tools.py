"""`aibridge tools`: the tools of MCP servers as they were first seen, what has changed since, and its approval."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from aibridge.cli.common import Commands, add_command, complain, configured, console, printable

if TYPE_CHECKING:
    from aibridge.store.pins import Pin

LIST = """\
Lists the tools that gateways on this database have seen, and shows what has changed since they
were first seen or approved. What changed is marked, and withheld where tools.pinning is enforce.
"""

APPROVE = """\
Takes changed tools as good, as they are now: one, all of a server, or all there are. Read
`aibridge tools list` first: a description is an instruction to the model. It also shows a hash
of each change; with --seen, only what you have read is approved, and nothing that came since.
Gateways that run offer an approved tool within seconds.
"""


def add(commands: Commands) -> None:
    parser = commands.add_parser("tools", help="what MCP servers' tools were when they were first seen, and are now")
    actions = parser.add_subparsers(title="commands", metavar="COMMAND")
    add_command(
        actions, "list", show, summary="list the tools and what has changed", description=LIST,
        examples="  aibridge tools list\n",
    )  # fmt: skip
    approving = add_command(
        actions, "approve", approve, summary="take changed tools as good", description=APPROVE,
        examples="  aibridge tools approve wiki read_page --seen 3f9a07c2b1d4\n  aibridge tools approve --all\n",
    )  # fmt: skip
    approving.add_argument("server", nargs="?", metavar="SERVER", help="the server's name in the settings")
    approving.add_argument("tool", nargs="?", metavar="TOOL", help="the tool's own name; without it, all of the server")
    approving.add_argument("--all", action="store_true", help="all changed tools of all servers")
    approving.add_argument("--seen", metavar="HASH", help="of the change that was read, as the list shows it")


def show(args: argparse.Namespace) -> int:
    import asyncio

    pins = asyncio.run(_pins(configured(args).recorder.url))
    if not pins:
        print("No tools have been seen yet: a gateway that runs with MCP servers notes them here.")
        return 0
    _table(pins)
    for pin in pins:
        if pin.changed_definition is not None:
            print(f"\n{printable(pin.server)} {printable(pin.tool)} has changed since it was good ({_short(pin)}):")
            for line in difference(pin):
                print(f"  {printable(line)}")
    return 0


def approve(args: argparse.Namespace) -> int:
    import asyncio

    if args.all == bool(args.server):
        complain("aibridge tools approve: name a server, or say --all")
        return 2
    approved = asyncio.run(_approved(configured(args).recorder.url, args.server, args.tool, args.seen))
    for pin in approved:
        print(f"approved {printable(pin.server)} {printable(pin.tool)}")
    if not approved and not args.all:
        wanted = " ".join(name for name in (args.server, args.tool) if name)
        what = "such change" if args.seen else "change"
        return complain(f"{wanted!r} has no {what} to approve: aibridge tools list shows what has one")
    return 0


def difference(pin: Pin) -> Iterator[str]:
    """The lines of both definitions, those marked `-` that were, and those marked `+` that are."""
    before, after = _lines(pin.definition), _lines(pin.changed_definition)
    for number, line in enumerate(unified_diff(before, after, n=2, lineterm="")):
        if number > 1 and not line.startswith("@@"):  # what comes first names files
            yield line


def _lines(definition: dict[str, Any]) -> list[str]:
    """A definition a line for each thing that may change."""
    import msgspec

    lines: list[str] = []
    for key in ("description", "inputSchema", "annotations"):
        value = definition.get(key)
        text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
        lines += [f"{key}:", *(f"  {line}" for line in text.splitlines())]
    return lines


async def _pins(url: str) -> Sequence[Pin]:
    from aibridge.store.pins import open_pins

    async with open_pins(url) as pins:
        return await pins.list()


async def _approved(url: str, server: str | None, tool: str | None, seen: str | None) -> Sequence[Pin]:
    from aibridge.store.pins import open_pins

    async with open_pins(url) as pins:
        return await pins.approve(server, tool, seen=seen)


def _table(pins: Sequence[Pin]) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    table = Table("server", "tool", "state", "first seen", box=ROUNDED)
    for pin in pins:
        cells = (pin.server, pin.tool, _state(pin), f"{pin.first_seen_at:%Y-%m-%d %H:%M} UTC")
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    console().print(table)


def _short(pin: Pin) -> str:
    return (pin.changed_hash or "")[:12]


def _state(pin: Pin) -> str:
    if pin.changed_definition is not None:
        return "changed"
    return "as first seen" if pin.approved_at is None else "approved"
