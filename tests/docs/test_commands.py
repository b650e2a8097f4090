"""docs/commands.md has every command with every option, in the words of its help, and no other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aibridge.cli import _parser

PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text()
SECTIONS = dict(re.findall(r"^## (aibridge [a-z ]+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
OF_ALL = ("--help", "--config")


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands that do something: of one with actions, these."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for one in action.choices.values():
            yield from leaves(one)


def shown(action: argparse.Action) -> str:
    """An option as `--help` shows it, with its value."""
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value).replace("|", "\\|")
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {value}")


COMMANDS = {parser.prog: parser for parser in leaves(_parser())}


def test_every_command_has_its_section_and_no_other() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_it(command: str) -> None:
    actions = [one for one in COMMANDS[command]._actions if not set(one.option_strings) & set(OF_ALL)]
    rows = re.findall(r"^\| `(.+?)` \| (.*) \|$", SECTIONS[command], flags=re.MULTILINE)
    assert rows == [(shown(one), one.help or "") for one in actions]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_told_in_words_and_shown(command: str) -> None:
    words = SECTIONS[command].partition("```sh\n")
    assert len(words[0].strip()) > 40
    assert words[2].startswith(command)


def test_the_common_options_are_told_first() -> None:
    assert all(f"`{option}" in PAGE.partition("\n## ")[0] for option in (*OF_ALL, "aibridge --version"))
