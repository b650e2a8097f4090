"""Which headers pass, in both directions."""

from __future__ import annotations

import pytest

from aibridge.errors import ClientError
from aibridge.gateway.headers import (
    actor_headers,
    first,
    first_values,
    forwardable,
    refuse_control_characters,
    returnable,
)
from aibridge.model import Actor


@pytest.mark.parametrize(
    "name",
    [
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"),
        *("host", "accept-encoding", "content-length", "forwarded", "x-forwarded-for", "x-forwarded-proto"),
        *(
            "x-aibridge-tools",
            "x-aibridge-key",
            "cookie",
            "proxy-authorization",
            "authorization",
            "x-api-key",
            "expect",
        ),
    ],
)
def test_what_concerns_this_hop_alone_does_not_go_on(name: str) -> None:
    assert forwardable(((name.encode(), b"x"), (b"openai-beta", b"y"))) == ((b"openai-beta", b"y"),)


def test_everything_else_goes_on_byte_for_byte_repetitions_too() -> None:
    headers = ((b"anthropic-beta", b"a, b"), (b"anthropic-beta", b"c"), (b"x-odd", b"\xff"))
    assert forwardable(headers) == headers


def test_headers_that_connection_names_pass_in_neither_direction() -> None:
    headers = ((b"connection", b"Keep-Alive, X-One"), (b"connection", b"x-two"), (b"x-one", b"1"), (b"x-two", b"2"))
    assert forwardable(headers) == ()
    assert returnable(headers) == []


@pytest.mark.parametrize(
    "name", ["set-cookie", "content-length", "content-encoding", "transfer-encoding", "connection"]
)
def test_what_the_provider_says_to_us_alone_does_not_come_back(name: str) -> None:
    assert returnable(((name.encode(), b"x"), (b"x-request-id", b"r"))) == [(b"x-request-id", b"r")]


def test_a_blank_header_is_none() -> None:
    assert first(first_values(((b"a", b"  "),)), b"a") is None
    assert first(first_values(()), b"a") is None
    assert first(first_values(((b"a", b" x "), (b"a", b"y"))), b"a") == "x"


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b", b"\x1b[31m", b"\x7f"])
def test_a_control_character_is_refused_and_the_header_named(value: bytes) -> None:
    with pytest.raises(ClientError, match="'user-agent' holds a control character") as refused:
        refuse_control_characters(((b"user-agent", value),))
    assert refused.value.status == 400


def test_a_tab_is_fine() -> None:
    refuse_control_characters(((b"user-agent", b"a\tb"),))


def test_who_asks_is_told_in_headers_that_can_hold_it() -> None:
    good = {"team": "red", "Level": 3, "beta": True}
    bad = {"bad name": "x", "line": "a\r\nb", "list": ["x"], "": "x", "ü": "x"}
    assert actor_headers(Actor("zoë", metadata=good | bad)) == (
        (b"x-ai-bridge-actor-id", "zoë".encode()),
        (b"x-ai-bridge-actor-metadata-team", b"red"),
        (b"x-ai-bridge-actor-metadata-level", b"3"),
        (b"x-ai-bridge-actor-metadata-beta", b"true"),
    )
    assert actor_headers(Actor("a\nb")) == ()


def test_what_clients_say_of_actors_goes_nowhere_and_neither_does_what_is_withheld() -> None:
    sent = (
        (b"x-ai-bridge-actor-id", b"root"),
        (b"x-ai-bridge-actor-metadata-a", b"b"),
        (b"x-user", b"u"),
        (b"x-b", b"c"),
    )
    assert forwardable(sent) == sent[2:]
    assert forwardable(sent, frozenset({b"x-user"})) == sent[3:]
