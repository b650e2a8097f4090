"""How a fault is told."""

import pytest

from aibridge.config.faults import ConfigError, line, show
from tests.config.conftest import Faults


def test_the_line_of_the_promise(faults: Faults) -> None:
    assert faults("providers: {openai: {timeouts: {conect: 5}}}") == [
        "aibridge.yaml: providers.openai.timeouts.conect: unknown key; did you mean connect?"
    ]


@pytest.mark.parametrize(
    ("key", "near"), [("Server", "server"), ("AUTH", "auth"), ("mcp_server", "mcp_servers"), ("provider", "providers")]
)
def test_the_nearest_key_is_named(faults: Faults, key: str, near: str) -> None:
    assert faults(f"{key}: {{}}") == [f"aibridge.yaml: {key}: unknown key; did you mean {near}?"]


def test_without_a_near_one_all_are_named(faults: Faults) -> None:
    assert faults("auth: {xyz: 1}") == [
        "aibridge.yaml: auth.xyz: unknown key; known are mode, header, role_header, trusted_proxies"
    ]


def test_the_value_of_an_unknown_key_is_not_shown(faults: Faults) -> None:
    assert "hush" not in "".join(faults("providers: {openai: {api_key: hush}}"))


def test_a_key_that_is_no_text_is_told(faults: Faults) -> None:
    assert faults("server: {8080: x}") == ["aibridge.yaml: server.8080: a key must be text; put it in quotes"]


def test_an_error_has_its_lines() -> None:
    error = ConfigError("a", "b")
    assert isinstance(error, ValueError)
    assert error.lines == ("a", "b")
    assert str(error) == "a\nb"


def test_a_line_has_no_empty_parts() -> None:
    assert line("a.yaml", ("b", "c"), "wrong") == "a.yaml: b.c: wrong"
    assert line("", (), "wrong") == "wrong"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        (True, "true"),
        (False, "false"),
        ("a\nb", r"'a\nb'"),
        ("http://me:hush@x/y", "'http://***@x/y'"),
        ("me:hush@x", "'***@x'"),
        ("http://x/y?key=hush", "'http://x/y?***'"),
        ("x" * 100, "'" + "x" * 59 + "…'"),
    ],
)
def test_a_value_is_shown_short_and_without_secrets(value: object, shown: str) -> None:
    assert show(value) == shown
