"""Agents that run tools of their own: beside ours in one round, and over the next turns of their conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.aimock import Aimock, call, when
from tests.e2e.clients.conftest import News
from tests.e2e.clients.pages import QUESTION, pages
from tests.e2e.clients.running import prepare, run, skip_unless_installed
from tests.served import Gateway

WORD = "quince"  # in the file that they read
PAGES = {page.name: page for page in pages()}


@dataclass(frozen=True, slots=True)
class Agent:
    """What is different about an agent: its tool that reads a file, and how it goes on with its conversation."""

    page: str
    command: int  # which of the page's
    tool: str
    argument: str
    value: str
    replaced: tuple[str, str]  # in the command, so that it may use its tool
    resumed: tuple[str, str]  # in the command, so that it goes on

    def ask(self, question: str, *, again: bool = False) -> str:
        command = PAGES[self.page].commands[self.command].replace(*self.replaced)
        return (command.replace(*self.resumed) if again else command).replace(QUESTION, question)


CODEX = (
    "codex exec --skip-git-repo-check --sandbox danger-full-access",
    "codex exec resume --last --skip-git-repo-check",
)
# With all its tools its requests would be too long for the provider's journal.
CLAUDE = "claude --tools=Read --allowedTools=Read -p"
AGENTS = [
    Agent("claude-code", 0, "Read", "file_path", "{}", ("claude -p", CLAUDE), (" -p", " -c -p")),
    Agent("codex", 0, "exec_command", "cmd", "cat {}", ("read-only", "danger-full-access"), CODEX),
    *(Agent("opencode", n, "read", "filePath", "{}", ("", ""), (" run", " run --continue")) for n in range(3)),
]


def contents(value: Any) -> Iterator[str]:
    """Every text in a request."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from contents(one)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: f"{agent.page}-{agent.command}")
def test_an_agent_s_own_tools_work_beside_ours_and_the_provider_sees_all_of_it_again(
    agent: Agent, gateway: Gateway, aimock: Aimock, news: News, path: Path, tmp_path: Path
) -> None:
    page = PAGES[agent.page]
    skip_unless_installed(page, path)
    work = prepare(page, tmp_path, gateway.url)
    (work / "notes.txt").write_text(f"{WORD}\n")
    own = call(agent.tool, **{agent.argument: agent.value.format(work / "notes.txt")})
    think = {"reasoning": "Both tools are needed."}
    aimock.script(
        when("What do the notes say?", answers={**think, "toolCalls": [call("bmcp_http_echo", message="ours"), own]}),
        when("What do the notes say?", told=WORD, answers={"content": "They name a fruit."}),
        when("Which one?", answers={"content": "The apple-like one."}),
        {"match": {}, "response": {"content": "Nothing."}},
    )

    first = run(agent.ask("What do the notes say?"), tmp_path, work, path, gateway.url)

    assert "They name a fruit." in first.output, first.output
    mixed, *_ = rows = [row for row in news() if row["route"] in page.routes]
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["client_session_id"] for row in rows} == {mixed["client_session_id"]}
    tools = {row["tool"]: row["injected"] for row in gateway.rows("aibridge_tool_usages", mixed["id"])}
    assert tools == {"echo": 1, agent.tool: 0}
    assert rows[-1]["thread_parent_id"] in {row["id"] for row in rows}
    asked = next(body for body in aimock.requests() if WORD in json.dumps(body))
    assert "Echo: ours" in list(contents(asked))

    second = run(agent.ask("Which one?", again=True), tmp_path, work, path, gateway.url)

    assert "The apple-like one." in second.output, second.output
    assert {(row["status"], row["error_message"]) for row in news()} == {("completed", None)}
    asked = next(body for body in aimock.requests() if "Which one?" in json.dumps(body))
    assert "Echo: ours" in list(contents(asked))
