"""docs/settings.md shows every setting with its default and its meaning, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from aibridge.config import Settings, shape

PAGE = (Path(__file__).parents[2] / "docs/settings.md").read_text()


def settings(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Each setting's key, default and description; `<name>` stands for a key that the user chooses."""
    for name, field in section.model_fields.items():
        key, kind = prefix + name, shape.core(field.annotation)
        if shape.is_mapping(kind) and shape.is_section(shape.member(kind, "")):
            yield from settings(shape.member(kind, ""), f"{key}.<name>.")
        elif shape.is_section(kind):
            yield from settings(kind, f"{key}.")
        else:
            yield key, default(field), str(field.description)


def default(field: Any) -> Any:
    if field.default_factory_takes_validated_data:
        return PydanticUndefined
    value = field.get_default(call_default_factory=True)
    return list(value) if isinstance(value, tuple) else value


KNOWN = {key: (default, description) for key, default, description in settings(Settings)}
ROWS = {
    key: (default, meaning)
    for key, default, meaning in re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*) \|$", PAGE, flags=re.MULTILINE)
}


def test_the_schema_is_read() -> None:
    assert {"server.port", "providers.<name>.timeouts.connect", "mcp_servers.<name>.env"} <= set(KNOWN)


def test_every_setting_is_documented_and_no_other() -> None:
    assert list(ROWS) == list(KNOWN)


@pytest.mark.parametrize("key", KNOWN)
def test_its_meaning_is_the_schema_s(key: str) -> None:
    assert ROWS[key][1] == KNOWN[key][1]


@pytest.mark.parametrize("key", KNOWN)
def test_its_default_is_the_schema_s(key: str) -> None:
    shown, expected = ROWS[key][0], KNOWN[key][0]
    if expected is PydanticUndefined:
        assert "`" not in shown, "a default that depends on other settings is told in words"
    else:
        assert yaml.safe_load(shown.strip("`")) == expected


def test_every_section_has_its_heading_and_its_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert f"\n## {name}\n\n{field.description}" in PAGE
