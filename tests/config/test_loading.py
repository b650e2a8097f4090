"""Where settings come from, and that all faults come out together."""

from pathlib import Path

import pytest

from aibridge.config import ConfigError, Settings, load
from tests.config.conftest import Faults, Load

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_any_file_the_defaults_hold() -> None:
    settings = load(None, {})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert list(settings.providers) == ["openai", "anthropic"]
    assert settings.recorder.url == "sqlite:///aibridge.db"


def test_the_default_providers_have_the_keys_of_the_environment() -> None:
    settings = load(None, {"OPENAI_API_KEY": "sk-1"})
    assert settings.providers["openai"].api_keys == ("sk-1",)
    assert settings.providers["anthropic"].api_keys == ()


def test_aibridge_yaml_of_the_working_directory_is_read() -> None:
    Path("aibridge.yaml").write_text("server: {port: 9000}")
    assert load(None, {}).server.port == 9000


def test_a_named_file_is_read_instead() -> None:
    Path("aibridge.yaml").write_text("server: {port: 9000}")
    Path("other.yaml").write_text("server: {port: 9001}")
    assert load(Path("other.yaml"), {}).server.port == 9001


def test_a_byte_order_mark_is_no_matter() -> None:
    Path("bom.yaml").write_bytes(b"\xef\xbb\xbfserver: {port: 9000}")
    assert load(Path("bom.yaml"), {}).server.port == 9000


@pytest.mark.parametrize("text", ["", "# nothing but a comment", "---", "server:", "providers:\nmcp_servers:\n"])
def test_what_is_left_empty_has_its_defaults(settings: Load, text: str) -> None:
    assert settings(text) == Settings()


def test_the_example_needs_no_environment() -> None:
    settings = load(EXAMPLE, {})
    assert settings.providers["local"].base_url == "http://127.0.0.1:11434/v1"
    assert all(server.disabled for server in settings.mcp_servers.values())


def test_the_example_shows_the_defaults() -> None:
    """But for the provider and the servers that it adds."""
    example, defaults = load(EXAMPLE, {}), Settings()
    for section in ("server", "auth", "tools", "recorder", "recall", "telemetry"):
        assert getattr(example, section) == getattr(defaults, section)
    assert example.providers["anthropic"] == defaults.providers["anthropic"]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^nowhere\.yaml: there is no such file$"):
        load(Path("nowhere.yaml"), {})


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_a_file_in_another_encoding_is_refused() -> None:
    Path("latin.yaml").write_bytes("server: {host: münchen}".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yaml: no UTF-8 text: byte 16"):
        load(Path("latin.yaml"), {})


def test_all_faults_are_told_together(faults: Faults) -> None:
    text = """
    server: {port: 0.5, hots: x}
    auth: {mode: open}
    recorder: {url: "${DATABASE}"}
    """
    assert faults(text, AIBRIDGE_TOOLS__PARALLEL="0") == [
        "aibridge.yaml: recorder.url: the environment variable DATABASE is not set;"
        " set it, or write ${DATABASE:-default}",
        "aibridge.yaml: server.port: must be a whole number; it is 0.5",
        "aibridge.yaml: server.hots: unknown key; did you mean host?",
        "aibridge.yaml: auth.mode: must be 'none', 'keys' or 'header'; it is 'open'",
        "AIBRIDGE_TOOLS__PARALLEL: tools.parallel: must be at least 1; it is 0",
    ]


def test_an_unset_variable_is_a_fault_even_if_the_value_would_do(faults: Faults) -> None:
    assert faults("mcp_servers: {a: {command: '${PROGRAM}'}}") == [
        "aibridge.yaml: mcp_servers.a.command: the environment variable PROGRAM is not set;"
        " set it, or write ${PROGRAM:-default}"
    ]


def test_the_block_of_an_ide_can_be_pasted_under_its_own_name(settings: Load) -> None:
    pasted = '{"mcpServers": {"time": {"type": "stdio", "command": "uvx", "args": ["mcp-server-time"]}}}'
    assert settings(pasted).mcp_servers["time"].args == ("mcp-server-time",)


def test_but_not_under_both_names(faults: Faults) -> None:
    assert faults("{mcpServers: {}, mcp_servers: {}}") == [
        "aibridge.yaml: mcpServers: means the same as mcp_servers: write only one of them"
    ]


def test_the_error_leads_nowhere_with_values(settings: Load) -> None:
    with pytest.raises(ConfigError) as refusal:
        settings("providers: {openai: {api_keys: [hush hush]}}")
    assert refusal.value.__suppress_context__
