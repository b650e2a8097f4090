"""Whatever a client sends, a strict fake finds words for it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.testing import strict_chat, strict_messages, strict_responses
from aibridge.testing.strict_responses import Said

WORDS = """
    a b user assistant tool system text tool_use tool_result thinking redacted_thinking server_tool_use message custom
    web_search_tool_result function function_call function_call_output reasoning item_reference object enabled any
"""
KEYS = """
    model max_tokens messages input tools tool_choice role content type text id name tool_use_id tool_call_id output
    tool_calls function arguments call_id summary encrypted_content thinking signature data parameters input_schema
    properties required system conversation previous_response_id cache_control stream_options
"""
WORD, KEY = st.sampled_from(WORDS.split()), st.sampled_from(KEYS.split())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=5),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEY, VALUES, max_size=5)
BODIES = st.builds(
    lambda body, name, items, more: {"model": "x", "max_tokens": 9, **body, name: items, **more},
    OBJECTS,
    st.sampled_from(["messages", "input"]),
    st.lists(st.builds(lambda word, rest: {"role": word, "content": word, **rest}, WORD, OBJECTS)),
    OBJECTS,
)


@given(body=BODIES, said=st.lists(OBJECTS))
def test_odd_requests_are_refused_and_nothing_breaks(body: Any, said: list[Any]) -> None:
    typed = [{**block, "type": str(block.get("type"))} for block in said]
    told = [
        *strict_chat.faults(body),
        *strict_messages.faults(body, [typed]),
        *strict_responses.faults(body, [Said([], output=said, id="a")]),
    ]
    assert all(fault.message for fault in told)


@pytest.mark.parametrize(
    "odd", [{"id": [1], "type": "reasoning"}, {"id": {}, "type": "message", "encrypted_content": []}]
)
def test_ids_of_an_odd_kind(odd: Any) -> None:
    said = [Said([], output=[odd, odd])]
    for item in (odd, {"type": "item_reference", "id": 1}, {"role": "assistant", "id": {}}):
        assert strict_responses.faults({"input": [odd, item, {"role": "assistant", "id": []}]}, said)
