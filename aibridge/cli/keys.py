"""`aibridge keys`: who may use the gateway, with `auth.mode: keys`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aibridge.cli.common import Commands, add_command, add_config, complain, configured, console, printable, quiet
from aibridge.cli.database import with_database

if TYPE_CHECKING:
    from datetime import datetime

    from aibridge.store.keys import Key

ROLES = ("user", "auditor", "admin")
"""The roles of aibridge.model, written out so that help imports nothing heavy."""

LONGEST_NAME = 256

DESCRIPTION = """\
Makes, lists and revokes the keys of the gateway, which callers need with auth.mode: keys.
A key is shown once, when it is made; the database holds no more than its digest.
"""

EXAMPLES = """\
  aibridge keys create --actor alice --metadata team=search
  KEY=$(aibridge keys create --actor carol --role auditor)
  aibridge keys list
  aibridge keys revoke aib_…x9Zq
"""


def add(commands: Commands) -> None:
    parser = add_command(
        commands, "keys", run, summary="make, list and revoke gateway keys", description=DESCRIPTION, examples=EXAMPLES
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    create = actions.add_parser("create", help="make a key and show it once", allow_abbrev=False)
    create.add_argument("--actor", required=True, type=_name, metavar="NAME", help="whose key it is")
    create.add_argument("--role", choices=ROLES, default="user", help="what they may see (default: user)")
    create.add_argument(
        "--metadata", action="append", default=[], type=_pair, metavar="K=V", help="noted with all that they ask"
    )
    create.set_defaults(do=_create)
    show = actions.add_parser("list", help="show all keys, masked", allow_abbrev=False)
    show.set_defaults(do=_list)
    revoke = actions.add_parser("revoke", help="make a key useless, within five seconds", allow_abbrev=False)
    revoke.add_argument("key", metavar="ID|HINT", help="as `list` shows it; a hint's last four characters will do")
    revoke.set_defaults(do=_revoke)
    for action in (create, show, revoke):
        add_config(action)


def run(args: argparse.Namespace) -> int:
    quiet()
    return int(args.do(args))


def _create(args: argparse.Namespace) -> int:
    from aibridge.store.keys import Keys

    metadata = dict(args.metadata)
    secret = with_database(configured(args), lambda engine: Keys(engine).create(args.actor, args.role, metadata))
    print(f"A key for {printable(args.actor)} ({args.role}). It is shown this once, so keep it safe:", file=sys.stderr)
    print(secret)
    print("Clients send it where a provider's key would go; docs/identity.md tells how.", file=sys.stderr)
    return 0


def _list(args: argparse.Namespace) -> int:
    from aibridge.store.keys import Keys

    keys = with_database(configured(args), lambda engine: Keys(engine).all())
    if keys:
        _show(keys)
    else:
        print("There are no keys yet: aibridge keys create --actor NAME makes one.", file=sys.stderr)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from aibridge.store.keys import Keys

    found = with_database(configured(args), lambda engine: Keys(engine).revoke_named(args.key))
    if not found:
        return complain(f"there is no good key {printable(args.key)}: aibridge keys list shows them")
    if len(found) > 1:
        ids = ", ".join(key.id for key in found)
        return complain(f"{printable(args.key)} means several keys: name one by its id ({ids})")
    print(f"Revoked {found[0].hint} of {printable(found[0].actor)}: gateways refuse it within five seconds.")
    return 0


def _show(keys: Sequence[Key]) -> None:
    from rich.box import ROUNDED
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "actor", "role", "key", "metadata", "created", "last used", "revoked", box=ROUNDED)
    for key in keys:
        metadata = " ".join(f"{name}={value}" for name, value in key.metadata.items())
        times = [_minute(when) for when in (key.created_at, key.last_used_at, key.revoked_at)]
        cells = (key.id, key.actor, key.role, key.hint, metadata, *times)
        table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))
    console().print(table)


def _minute(when: datetime | None) -> str:
    return when.strftime("%Y-%m-%d %H:%M") if when else "-"


def _name(text: str) -> str:
    """A name goes into records, logs and headers."""
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"a name has 1 to {LONGEST_NAME} printable characters")
    return text.strip()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form k=v")
    return name, value
