"""Which program calls, by the headers that each sends."""

from __future__ import annotations

import pytest

from aibridge.gateway.clients import client_of


@pytest.mark.parametrize(
    ("headers", "client", "session"),
    [
        ({"user-agent": "claude-cli/2.1.0 (external, cli)", "x-claude-code-session-id": "s"}, "Claude Code", "s"),
        ({"user-agent": "codex_exec/0.169", "session-id": "s"}, "Codex", "s"),
        ({"user-agent": "codex_cli_rs/0.50", "session_id": "s"}, "Codex", "s"),
        ({"user-agent": "Zed/1.0"}, "Zed", None),
        ({"user-agent": "GitHubCopilotChat/0.30", "x-interaction-id": "s"}, "GitHub Copilot (VS Code)", "s"),
        ({"user-agent": "copilot/1.0", "x-client-session-id": "s"}, "GitHub Copilot (CLI)", "s"),
        ({"user-agent": "Kilo-Code/7.7", "x-kilocode-taskid": "s"}, "Kilo Code", "s"),
        ({"user-agent": "Kilo-Code/7.7", "x-session-id": "s", "x-session-affinity": "s"}, "Kilo Code", "s"),
        ({"user-agent": "OpenAI/JS", "originator": "Kilo-Code"}, "Kilo Code", None),
        ({"user-agent": "Roo-Code/3"}, "Roo Code", None),
        ({"user-agent": "OpenAI/JS", "originator": "roo-code"}, "Roo Code", None),
        ({"user-agent": "coder-agents/1", "x-coder-chat-id": "s"}, "Coder Agents", "s"),
        ({"user-agent": "Charm Crush/1"}, "Charm Crush", None),
        ({"user-agent": "charm-crush/1"}, "Charm Crush", None),
        ({"user-agent": "connect-es/1", "x-cursor-client-version": "1.2"}, "Cursor", None),
        ({"user-agent": "opencode/1.18", "x-opencode-session": "s", "x-session-affinity": "t"}, "OpenCode", "s"),
        ({"user-agent": "opencode/1.18", "x-opencode-session": " ", "x-session-affinity": "t"}, "OpenCode", "t"),
        ({"user-agent": "mux/1", "x-mux-workspace-id": "s"}, "Mux", "s"),
        ({"user-agent": "xum/1"}, "Mux", None),
        ({"user-agent": "Junie:1"}, "Junie", None),
        ({"user-agent": "OpenAI/JS 5.20", "x-interaction-type": "conversation-user"}, "GitHub Copilot (CLI)", None),
        ({"user-agent": "python-httpx/0.28", "session-id": "s"}, "Unknown", None),
        ({}, "Unknown", None),
    ],
)
def test_clients_and_their_sessions(headers: dict[str, str], client: str, session: str | None) -> None:
    assert client_of({key.encode(): value.encode() for key, value in headers.items()}) == (client, session)
