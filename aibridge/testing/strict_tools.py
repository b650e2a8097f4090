"""What OpenAI asks of the tools of a request, in both of its dialects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge.model import JSON
from aibridge.testing.fault import Fault, repeated

_NAME = re.compile(r"[A-Za-z0-9_-]*")
_LONGEST_NAME = 64


def tool_faults(functions: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Fault]:
    """Faults of functions, each with its place in the request, such as `tools[0].function`."""
    for place, function in functions:
        yield from name_faults(f"{place}.name", function.get("name"))
        if function.get("parameters") is not None:
            yield from _schema_faults(place, function)
    for name in repeated(function.get("name") for _, function in functions):
        yield Fault(f"Invalid 'tools': tool names must be unique, and '{name}' is not.", "tools", "invalid_value")


def name_faults(place: str, name: JSON) -> Iterator[Fault]:
    """Faults of a function's name."""
    if not isinstance(name, str):
        yield missing(place)
    elif not name:
        told = "Expected a string with minimum length 1, but got an empty string instead."
        yield Fault(f"Invalid '{place}': empty string. {told}", place, "empty_string")
    elif len(name) > _LONGEST_NAME:
        told = (
            f"Expected a string with maximum length {_LONGEST_NAME}, but got a string with length {len(name)} instead."
        )
        yield Fault(f"Invalid '{place}': string too long. {told}", place, "string_above_max_length")
    elif not _NAME.fullmatch(name):
        told = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        yield Fault(f"Invalid '{place}': string does not match pattern. {told}", place, "invalid_value")


def missing(place: str) -> Fault:
    """A parameter that must be there and is not."""
    return Fault(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")


def empty(place: str) -> Fault:
    """An array that must not be empty."""
    told = "Expected an array with minimum length 1, but got an empty array instead."
    return Fault(f"Invalid '{place}': empty array. {told}", place, "empty_array")


def wrong_type(place: str, expected: str, value: JSON) -> Fault:
    """A parameter of another type than it must be."""
    told = f"expected {expected}, but got {_kind(value)} instead."
    return Fault(f"Invalid type for '{place}': {told}", place, "invalid_type")


def _schema_faults(place: str, function: Mapping[str, Any]) -> Iterator[Fault]:
    problem = _schema_problem(function["parameters"])
    if problem:
        message = f"Invalid schema for function '{function.get('name')}': {problem}"
        yield Fault(message, f"{place}.parameters", "invalid_function_parameters")


def _schema_problem(schema: JSON) -> str | None:
    if not isinstance(schema, dict):
        return f"{schema!r} is not of type 'object'."
    if schema.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    if "properties" not in schema:
        return "In context=(), object schema missing properties."
    if not isinstance(schema["properties"], dict):
        return f"{schema['properties']!r} is not of type 'object'."
    required = schema.get("required", [])
    if not isinstance(required, list):
        return f"{required!r} is not of type 'array'."
    return next((f"{name!r} is not of type 'string'." for name in required if not isinstance(name, str)), None)


def _kind(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return "a number"
