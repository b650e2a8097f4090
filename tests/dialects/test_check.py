"""What is refused of a client's names."""

from __future__ import annotations

import pytest

from aibridge.dialects.check import refuse_control_characters
from aibridge.errors import ClientError


@pytest.mark.parametrize("bad", ["\n", "\r", "\t", "\x00", "\x1b[31m", "\x7f", "\x85"])
def test_a_control_character_is_refused_and_its_place_named(bad: str) -> None:
    with pytest.raises(ClientError, match="A name in 'tools' holds a control character") as refused:
        refuse_control_characters("tools", ["read", f"wri{bad}te"])
    assert refused.value.param == "tools"


def test_any_other_character_passes() -> None:
    refuse_control_characters("tools", ["read", "größe", "mcp__a-b.c/d", "🙂", ""])
