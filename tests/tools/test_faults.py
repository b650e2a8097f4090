from __future__ import annotations

import httpx2
import pytest
from mcp import MCPError

from aibridge.tools.faults import ServerDown, explain
from aibridge.tools.words import one_line

REFUSED = httpx2.HTTPStatusError(
    "for url http://user:secret@host/sse?key=secret",
    request=httpx2.Request("GET", "http://host"),
    response=httpx2.Response(401),
)
GROUP = ExceptionGroup("a", [ExceptionGroup("b", [ServerDown("gone"), ValueError("later")])])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MCPError(-32000, "Connection closed"), "Connection closed"),
        (ServerDown(""), "ServerDown"),
        (FileNotFoundError(2, "No such file", "uvy"), "the command 'uvy' was not found"),
        (TimeoutError(), "it took too long"),
        (ValueError("3 validation errors for X\nthe input was: all of it"), "ValueError: 3 validation errors for X"),
        (RuntimeError(), "RuntimeError"),
        (GROUP, "gone"),
        (REFUSED, "the server answered 401 Unauthorized"),
    ],
)
def test_errors_are_told_in_words(error: Exception, words: str) -> None:
    assert explain(error) == words


def test_secrets_are_not_told() -> None:
    error = RuntimeError("refused token-123 at http://host")
    assert explain(error, ["token-123"]) == "RuntimeError: refused *** at http://host"


def test_one_line_has_no_control_characters_and_an_end() -> None:
    assert one_line("a\r\n\x1b[31mb\0\u2028c") == "a [31mb c"
    assert one_line("x" * 1000, 10) == "x" * 9 + "…"
