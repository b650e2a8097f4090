"""The vocabulary: values that cannot change and do not tell secrets."""

from __future__ import annotations

import dataclasses

import pytest

from aibridge import model
from aibridge.model import Credential, Image, Text, ToolResult

VALUES = [item for item in vars(model).values() if dataclasses.is_dataclass(item)]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_frozen(value: type) -> None:
    assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]  # private, but the only witness
    assert "__slots__" in vars(value)


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ((b"authorization", b"Bearer sk-123"), b"sk-123"),
        ((b"x-api-key", b"sk-123"), b"sk-123"),
    ],
)
def test_a_credential_knows_its_secret_and_does_not_show_it(header: tuple[bytes, bytes], secret: bytes) -> None:
    credential = Credential("byok", header, "sk-…3")
    assert credential.secret == secret
    assert "123" not in repr(credential)
    assert "sk-…3" in repr(credential)


def test_a_result_in_words() -> None:
    result = ToolResult((Text("a"), Image("image/png", "AAAA" * 4), Text("b")))
    assert result.text == "a\n[image: image/png, 12 bytes]\nb"
    assert result.error is None


def test_an_empty_result() -> None:
    assert ToolResult(()).text == ""


def test_a_failure_is_told_to_the_model_and_to_the_record() -> None:
    failure = ToolResult.failure("no such city")
    assert (failure.text, failure.error) == ("Error: no such city", "no such city")
