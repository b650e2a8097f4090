"""docs/providers.md: every snippet loads, and every arrow leads where the gateway would dial."""

import re
from pathlib import Path

import pytest

from aibridge.config import Settings, load
from aibridge.providers import DEFAULT_BASE_URLS, KINDS

PAGE = (Path(__file__).parents[2] / "docs/providers.md").read_text()
SECTIONS = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}


def snippet(section: str) -> str:
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(found)


def loaded(section: str, directory: Path) -> Settings:
    """The snippet's settings; every variable it names is set."""
    text = snippet(section)
    file = directory / "aibridge.yaml"
    file.write_text(text)
    return load(file, dict.fromkeys(re.findall(r"\$\{(\w+)", text), "a-key"))


def dialled(settings: Settings) -> dict[str, str]:
    """Each route, and the address that its requests go to."""
    return {
        f"/{name}{route.path}": (one.base_url or DEFAULT_BASE_URLS[one.type]) + route.upstream_path
        for name, one in settings.providers.items()
        for route in KINDS[one.type].intercepted
    }


@pytest.mark.parametrize("heading", SECTIONS)
def test_its_settings_load_and_lead_where_it_says(heading: str, tmp_path: Path) -> None:
    settings = loaded(SECTIONS[heading], tmp_path)
    arrows = dict(re.findall(r"^`(/[^`]+)` → `([^`]+)`", SECTIONS[heading], re.MULTILINE))

    assert arrows
    assert arrows.items() <= dialled(settings).items()
    assert all(one.api_keys for one in settings.providers.values())


def test_the_types_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    assert {name: re.findall(r"`([^`]+)`", routes) for name, routes, _ in rows} == {
        name: [route.path for route in kind.intercepted] for name, kind in KINDS.items()
    }
    headers = {name: key.strip("`").partition(":")[0].lower().encode() for name, _, key in rows}
    assert headers == {name: kind.auth_header for name, kind in KINDS.items()}


def test_the_hosts_that_users_ask_for_are_there() -> None:
    assert {"OpenAI", "Anthropic", "GitHub Copilot", "Azure OpenAI", "OpenRouter", "Ollama", "vLLM"} <= set(SECTIONS)
    assert {"LM Studio", "llama.cpp"} <= set(SECTIONS)
