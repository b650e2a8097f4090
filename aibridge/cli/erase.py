"""`aibridge erase`: takes a person's words out of the records."""

from __future__ import annotations

import argparse
import sys

from aibridge.cli.common import Commands, add_command, complain, configured, printable, quiet
from aibridge.cli.database import with_database

DESCRIPTION = """\
Takes what a person wrote out of the records: prompts, the arguments and errors of tools, thoughts,
hidden turns, metadata, session ids. That they asked, when, which model, and the tokens stay.

Backups, logs and traces are out of its reach, and so is what running gateways hold in memory:
requests under way, records that wait in a spool, and hidden turns until they expire or the gateway
is restarted.
"""

EXAMPLES = """\
  aibridge erase --actor alice
  aibridge erase --actor alice --yes         asks nothing, for scripts
"""

_WORDS = {
    "interceptions": "interceptions",
    "user_prompts": "prompts",
    "tool_usages": "tool calls",
    "model_thoughts": "thoughts",
    "hidden_turns": "hidden turns",
}


def add(commands: Commands) -> None:
    parser = add_command(
        commands, "erase", run, summary="take a person's words out of the records", description=DESCRIPTION,
        examples=EXAMPLES,
    )  # fmt: skip
    parser.add_argument("--actor", required=True, metavar="NAME", help="whose words, exactly as recorded")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    from aibridge.store.erasure import count, erase

    quiet()
    settings, actor = configured(args), args.actor
    found = with_database(settings, lambda engine: count(engine, actor))
    if not any(found.values()):
        return complain(f"nothing is recorded of {printable(actor)}: names are exact")
    told = ", ".join(f"{number} {_WORDS[name]}" for name, number in found.items())
    if not args.yes and not _confirmed(f"Erase the words of {printable(actor)} in {told}? This cannot be undone"):
        return complain("nothing was erased")
    with_database(settings, lambda engine: erase(engine, actor))
    print(f"Erased the words of {printable(actor)} in {told}. Counts and times stay, and so do their keys.")
    return 0


def _confirmed(question: str) -> bool:
    """Whether the answer is a clear yes; where nobody can answer it is a no."""
    print(f"{question} [yes/no] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
