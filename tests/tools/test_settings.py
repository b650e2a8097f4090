from __future__ import annotations

import pytest

from aibridge.tools.settings import ServerSettings


@pytest.mark.parametrize(
    ("allow", "deny", "permitted"),
    [
        (None, None, {"read_page", "read_delete", "write"}),
        ("^read_", None, {"read_page", "read_delete"}),
        (None, "_delete$", {"read_page", "write"}),
        ("^read_", "_delete$", {"read_page"}),
        ("page", None, {"read_page"}),
    ],
)
def test_allow_and_deny_are_searched_for_and_deny_wins(
    allow: str | None, deny: str | None, permitted: set[str]
) -> None:
    settings = ServerSettings("s", "stdio", command="c", allow=allow, deny=deny)
    assert {tool for tool in ("read_page", "read_delete", "write") if settings.permits(tool)} == permitted


def test_a_server_is_for_everyone_unless_it_names_its_actors() -> None:
    assert ServerSettings("s", "stdio", command="c").serves("anybody")
    mine = ServerSettings("s", "stdio", command="c", actors=frozenset({"me"}))
    assert mine.serves("me")
    assert not mine.serves("you")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transport": "stdio"}, "mcp_servers.x: a stdio server needs a `command`"),
        ({"transport": "sse"}, "mcp_servers.x: a sse server needs a `url`"),
        ({"transport": "stdio", "command": "c", "deny": "("}, "mcp_servers.x.deny: '(' is no regular expression"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        ServerSettings("x", **settings)  # type: ignore[arg-type]  # as they come from a file
    assert str(raised.value).startswith(message)


def test_an_address_is_shown_without_its_secrets() -> None:
    url = "https://user:secret-1@mcp.example:8443/mcp?key=secret-2#secret-3"
    assert ServerSettings("s", "sse", url=url).public_address == "https://mcp.example:8443/mcp"


def test_a_command_is_shown_without_its_arguments() -> None:
    assert ServerSettings("s", "stdio", command="uvx", args=["x", "--token=secret"]).public_address == "uvx"


def test_secrets_are_not_in_the_repr() -> None:
    settings = ServerSettings(
        "s", "stdio", command="c", args=["secret-1"], env={"K": "secret-2"}, headers={"A": "secret-3"}
    )
    assert "secret" not in repr(settings)
    assert set(settings.secrets) == {"secret-1", "secret-2", "secret-3"}
