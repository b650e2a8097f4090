"""The vocabulary: values that cannot change and do not tell secrets."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec import Struct

from aibridge import model
from aibridge.model import Credential, Image, Text, ToolResult, new_id

VALUES = [item for item in vars(model).values() if isinstance(item, type) and item.__module__ == model.__name__]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_frozen(value: type) -> None:
    assert issubclass(value, Struct)
    assert value.__struct_config__.frozen


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


def test_ids_begin_with_the_time_and_are_never_the_same() -> None:
    made = [new_id(datetime(2026, 11, 20, tzinfo=UTC)) for _ in range(500)]
    assert len({*made}) == 500
    assert {UUID(one).version for one in made} == {7}
    assert {one[:13] for one in made} == {"01a1f640-bc00"}


def test_nor_in_a_process_that_was_forked() -> None:
    made = (
        "import os; from datetime import datetime, UTC; from aibridge.model import new_id; now = datetime.now(UTC)\n"
        'new_id(now); child = os.fork(); os.write(1, new_id(now).encode() + b"\\n"); child and os.wait()'
    )
    ran = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True)
    one, other = ran.stdout.split()
    assert one != other
