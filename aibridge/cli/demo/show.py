"""How the demo looks, on a terminal and in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import ROUNDED
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aibridge.cli.demo.records import Records, Rows
from aibridge.cli.demo.script import HiddenRound

POINTERS = """\
Claude Code   ANTHROPIC_BASE_URL=http://127.0.0.1:8080/anthropic claude

Codex         in ~/.codex/config.toml:
                model_provider = "aibridge"
                [model_providers.aibridge]
                name = "aibridge"
                base_url = "http://127.0.0.1:8080/openai/v1"
                env_key = "OPENAI_API_KEY"
                wire_api = "responses"

opencode      in opencode.json:
                {"provider": {"openai": {"options": {"baseURL": "http://127.0.0.1:8080/openai/v1"}}}}

Cursor        Settings › Models › Override OpenAI Base URL: https://YOUR-HOST/openai/v1
              (Cursor's own servers call it, so it needs an address that they can reach)

any SDK       OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1
"""


class Show:
    """The demo's lines, in the order in which they are called for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in_line = False

    @property
    def is_live(self) -> bool:
        """Whether a person watches."""
        return self._console.is_terminal

    def stage(self, provider: str, gateway: str) -> None:
        self._line("aibridge demo: no key, no network", "bold")
        self._line()
        self._line(f"provider    {provider}  a script that speaks OpenAI's API", "dim")
        self._line("MCP server  clock  a process that speaks MCP; its tool is now(tz)", "dim")
        self._line(f"gateway     {gateway}  between the two", "dim")

    def question(self, text: str) -> None:
        self._line()
        self._line(f"you   {text}", "bold")
        self._write("model ")

    def text(self, text: str) -> None:
        """A piece of the answer, as it comes."""
        self._write(text)

    def hidden_round(self, hidden: HiddenRound) -> None:
        """A note beside the stream."""
        self._end_line()
        took = f"{hidden.seconds * 1000:.0f} ms"
        self._line(
            f"      ↻ round {hidden.number}: {hidden.tool}({hidden.arguments}) → {hidden.result}, {took},"
            " hidden from the client",
            "dim",
        )
        self._write("     ")

    def end_of_answer(self) -> None:
        self._end_line()

    def records(self, records: Records) -> None:
        self._heading("What was recorded, in a database that the demo takes away again")
        self._table(
            "aibridge_interceptions", records.interceptions, ["provider", "model", "client", "status", "rounds"]
        )
        self._table("aibridge_user_prompts", records.prompts, ["prompt"])
        self._table("aibridge_tool_usages", records.tools, ["tool", "input", "injected", "created_at", "completed_at"])
        self._table("aibridge_token_usages", records.tokens, ["input_tokens", "output_tokens"])

    def farewell(self) -> None:
        self._heading("Point your own agent at a gateway")
        self._line("Start one with `aibridge serve`, with your provider's key in OPENAI_API_KEY or ANTHROPIC_API_KEY.")
        self._line("Name your MCP servers in aibridge.yaml: config.example.yaml is a tour.")
        self._line()
        self._console.print(Text(POINTERS), soft_wrap=True, end="")

    def _heading(self, text: str) -> None:
        self._line()
        self._line(text, "bold")
        self._line()

    def _table(self, title: str, rows: Rows, columns: Sequence[str]) -> None:
        self._line(title, "dim")
        table = Table(box=ROUNDED)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(row[column])) for column in columns))
        self._console.print(table)

    def _line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _write(self, text: str) -> None:
        if text:
            self._in_line = True
            self._console.print(Text(text), soft_wrap=True, end="")

    def _end_line(self) -> None:
        if self._in_line:
            self._in_line = False
            self._line()
