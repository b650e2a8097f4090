"""`aibridge demo`: the main job, shown with no key and no network, and checked while it is shown."""

from __future__ import annotations

import argparse

from aibridge.cli.common import Commands, add_command, complain, console, quiet

LIMIT = 30
"""Seconds after which the demo gives up."""

DESCRIPTION = """\
Shows the main job, with no key and no network: a scripted provider, a real MCP server, the
gateway between them, and the official openai client. The client asks for the time; the gateway
adds the MCP server's tool, runs the model's call itself and streams one answer; what happened is
recorded, and the records are shown. It ends with how to point your own agent at a gateway.

The demo fails (status 1) if any of this does not come out as it should. It uses settings of its
own and keeps nothing.
"""

EXAMPLES = """\
  aibridge demo
"""


def add(commands: Commands) -> None:
    add_command(
        commands, "demo", run, summary="see it work, with no key and no network", description=DESCRIPTION,
        examples=EXAMPLES,
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    import asyncio

    from aibridge.cli.demo.scene import Off, play
    from aibridge.cli.demo.show import Show

    quiet()
    try:
        asyncio.run(play(Show(console()), LIMIT))
    except Off as off:
        return complain(f"the demo failed: {off}")
    return 0
