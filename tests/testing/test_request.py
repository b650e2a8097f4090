from typing import Any

import msgspec
import pytest

from aibridge.testing import Request
from aibridge.testing.chat import CHAT


def make(body: Any = None, **options: Any) -> Request:
    return Request("POST", "/v1/chat/completions", body=msgspec.json.encode(body), dialect=CHAT, **options)


def test_it_shows_what_http_carried() -> None:
    request = make({"a": 1}, query="beta=true", headers=[(b"authorization", b"Bearer x"), (b"a", b"1"), (b"a", b"2")])
    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "beta=true")
    assert request.headers["Authorization"] == "Bearer x"
    assert request.headers.getlist("a") == ["1", "2"]
    assert request.json == {"a": 1}
    assert repr(request) == """<Request POST /v1/chat/completions b'{"a":1}'>"""


def test_it_shows_what_was_asked() -> None:
    request = make({"model": "gpt-6", "stream": True, "stream_options": {"include_usage": True}})
    assert (request.model, request.stream, request.include_usage) == ("gpt-6", True, True)


@pytest.mark.parametrize("body", [None, {}, {"model": None, "tools": None, "stream_options": None}])
def test_what_is_missing_has_a_default(body: Any) -> None:
    request = make(body)
    assert (request.model, request.stream, request.include_usage) == ("fake-model", False, False)
    assert (request.messages, request.input, request.tools, request.tool_names) == ([], [], [], [])


def test_a_string_input_is_a_message_of_the_user() -> None:
    request = make({"input": "hello"})
    assert request.input == "hello"
    assert request.messages == [{"role": "user", "content": "hello"}]


def test_tools_are_named_whatever_their_kind() -> None:
    tools = [
        {"type": "function", "function": {"name": "a"}},
        {"type": "function", "name": "b"},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "web_search"},
    ]
    assert make({"tools": tools}).tool_names == ["a", "b", "c", "web_search"]


def test_json_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError):
        _ = Request("POST", "/", body=b"{", dialect=CHAT).json
