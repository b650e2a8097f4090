from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge.tools.schema import MAX_BYTES, encoded, repaired

EMPTY = {"type": "object", "properties": {}}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.fixed_dictionaries(
    {}, optional={"type": JSON_VALUES, "properties": JSON_VALUES, "required": JSON_VALUES, "title": JSON_VALUES}
)


def test_a_good_schema_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"b": {"$ref": "#/$defs/B"}, "a": {"type": "integer", "description": "how many"}},
        "$defs": {"B": {"type": "string"}},
        "additionalProperties": False,
        "required": ["b"],
    }
    assert json.loads(encoded(schema)) == schema
    assert list(json.loads(encoded(schema))["properties"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("given_schema", "mended"),
    [
        ({"type": "object"}, EMPTY),
        ({"type": "object", "properties": None}, EMPTY),
        ({"type": "object", "properties": ["a"]}, EMPTY),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": ["object", "null"], "properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": "string", "minLength": 3}, EMPTY),
        ({"type": "object", "required": None}, EMPTY),
        ({"type": "object", "required": []}, EMPTY),
        ({"type": "object", "required": "a"}, EMPTY),
        ({"type": "object", "required": ["a", 1, None]}, EMPTY | {"required": ["a"]}),
        ({}, EMPTY),
        (None, EMPTY),
        ([], EMPTY),
        ("object", EMPTY),
    ],
)
def test_what_providers_refuse_is_mended(given_schema: Any, mended: dict[str, Any]) -> None:
    assert repaired(given_schema) == mended


@given(SCHEMAS | JSON_VALUES)
def test_whatever_a_server_gives_providers_get_the_schema_of_an_object(schema: Any) -> None:
    mended = json.loads(encoded(schema))
    assert list(mended)[:2] == ["type", "properties"]
    assert mended["type"] == "object"
    assert isinstance(mended["properties"], dict)
    assert mended.get("required", ["x"])
    assert all(isinstance(name, str) for name in mended.get("required", []))


def test_a_schema_too_large_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert json.loads(encoded({"type": "object", "description": "x" * MAX_BYTES})) == EMPTY
    assert f"the limit is {MAX_BYTES}" in caplog.text


@pytest.mark.parametrize("fault", ["deep", "surrogate"])
def test_a_schema_that_cannot_be_encoded_is_left_out(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"properties": deep}
    with caplog.at_level(logging.WARNING):
        assert json.loads(encoded(deep if fault == "deep" else {"title": "\ud800"})) == EMPTY
    assert "can't be encoded" in caplog.text
