"""AIBRIDGE_SERVER__PORT and its like."""

import pytest

from tests.config.conftest import Faults, Load


def test_a_variable_wins_over_the_file(settings: Load) -> None:
    read = settings("server: {host: localhost, port: 1}", AIBRIDGE_SERVER__PORT="9000")
    assert (read.server.host, read.server.port) == ("localhost", 9000)


def test_names_without_two_underscores_are_not_settings(settings: Load) -> None:
    assert settings("", AIBRIDGE_CONFIG="x", AIBRIDGE_PORT_8080_TCP="y", AIBRIDGE="z", OTHER__KEY="w") == settings("")


def test_values_are_yaml(settings: Load) -> None:
    read = settings(
        "",
        AIBRIDGE_PROVIDERS__OPENAI__API_KEYS="[one, '${TWO}', '${ABSENT}']",
        AIBRIDGE_PROVIDERS__OPENAI__CIRCUIT_BREAKER="null",
        AIBRIDGE_PROVIDERS__OPENAI__TIMEOUTS="{connect: 1.5}",
        AIBRIDGE_PROVIDERS__OPENAI__SEND_ACTOR_HEADERS="true",
        TWO="two",
    )
    provider = read.providers["openai"]
    assert provider.api_keys == ("one", "two")
    assert provider.circuit_breaker is None
    assert provider.timeouts.connect == 1.5
    assert provider.send_actor_headers is True


def test_one_api_key_needs_no_brackets(settings: Load) -> None:
    assert settings("", AIBRIDGE_PROVIDERS__OPENAI__API_KEYS="sk-1").providers["openai"].api_keys == ("sk-1",)


@pytest.mark.parametrize(
    ("value", "text"),
    [("^[a-z]+: #", "^[a-z]+: #"), ("*x|&y", "*x|&y"), ("1234", "1234"), ("", ""), ("'null'", "null"), ('"a"', "a")],
)
def test_text_is_taken_as_it_is_unless_it_is_quoted(settings: Load, value: str, text: str) -> None:
    read = settings("mcp_servers: {a: {command: x}}", AIBRIDGE_MCP_SERVERS__A__ENV__V=value)
    assert read.mcp_servers["a"].env["V"] == text


@pytest.mark.parametrize("value", ["null", "~", ""])
def test_text_may_be_taken_away(settings: Load, value: str) -> None:
    read = settings("telemetry: {otlp_endpoint: http://x}", AIBRIDGE_TELEMETRY__OTLP_ENDPOINT=value)
    assert read.telemetry.otlp_endpoint is None


def test_a_default_provider_can_be_changed_by_a_variable(settings: Load) -> None:
    read = settings("", AIBRIDGE_PROVIDERS__OPENAI__BASE_URL="http://x/v1/", OPENAI_API_KEY="sk-1")
    assert read.providers["openai"].base_url == "http://x/v1"
    assert read.providers["openai"].api_keys == ("sk-1",)
    assert "anthropic" in read.providers


def test_chosen_names_match_whatever_their_case_and_hyphens(settings: Load) -> None:
    text = "{providers: {my-llm: {type: openai}}, mcp_servers: {My_Wiki: {url: http://x}}}"
    read = settings(text, AIBRIDGE_PROVIDERS__MY_LLM__BYOK="never", AIBRIDGE_MCP_SERVERS__MY_WIKI__TIMEOUT="5")
    assert read.providers["my-llm"].byok == "never"
    assert read.mcp_servers["My_Wiki"].timeout == 5


def test_new_names_can_be_made(settings: Load) -> None:
    read = settings(
        "",
        AIBRIDGE_PROVIDERS__MY_LLM__TYPE="openai",
        AIBRIDGE_MCP_SERVERS__MY_WIKI__URL="http://x",
        AIBRIDGE_MCP_SERVERS__TIME="{command: uvx, args: [mcp-server-time]}",
    )
    assert list(read.providers) == ["openai", "anthropic", "my-llm"]
    assert read.mcp_servers["my_wiki"].transport == "streamable-http"
    assert read.mcp_servers["time"].args == ("mcp-server-time",)


def test_headers_and_variables_of_a_server_keep_their_names(settings: Load) -> None:
    text = "mcp_servers: {a: {command: x, env: {One: '1'}}, b: {url: http://x, headers: {X-Team: old}}}"
    read = settings(
        text,
        AIBRIDGE_MCP_SERVERS__A__ENV__ONE="uno",
        AIBRIDGE_MCP_SERVERS__A__ENV__NESTED__TOKEN="hush",
        AIBRIDGE_MCP_SERVERS__B__HEADERS__X_TEAM="new",
        AIBRIDGE_MCP_SERVERS__B__HEADERS__X_OTHER="other",
    )
    assert read.mcp_servers["a"].env == {"One": "uno", "NESTED__TOKEN": "hush"}
    assert read.mcp_servers["b"].headers == {"X-Team": "new", "x-other": "other"}


def test_an_unknown_setting_is_named_with_the_nearest(faults: Faults) -> None:
    assert faults("", AIBRIDGE_SERVR__PORT="1", AIBRIDGE_SERVER__PRT="1", AIBRIDGE_RECALL__="1") == [
        "AIBRIDGE_SERVER__PRT: server.prt: unknown key; did you mean port?",
        "AIBRIDGE_RECALL__: recall.: unknown key; known are enabled, ttl_days, max_bytes_per_turn",
        "AIBRIDGE_SERVR__PORT: servr: unknown key; did you mean server?",
    ]


def test_a_fault_names_the_variable_or_the_file_it_comes_from(faults: Faults) -> None:
    lines = faults(
        "mcp_servers: {a: {args: [x]}, b: {url: 'http://x', timeout: -1}}",
        AIBRIDGE_MCP_SERVERS__A__TIMEOUT="5",
        AIBRIDGE_MCP_SERVERS__B__DENY="(",
        AIBRIDGE_MCP_SERVERS__C__TIMEOUT="5",
    )
    assert [line.split(": ")[:2] for line in lines] == [
        ["aibridge.yaml", "mcp_servers.a"],
        ["AIBRIDGE_MCP_SERVERS__B__DENY", "mcp_servers.b.deny"],
        ["aibridge.yaml", "mcp_servers.b.timeout"],
        ["AIBRIDGE_MCP_SERVERS__C__TIMEOUT", "mcp_servers.c"],
    ]


def test_a_value_that_is_no_yaml_is_not_shown(faults: Faults) -> None:
    assert faults("", AIBRIDGE_PROVIDERS__OPENAI__API_KEYS="[hush", AIBRIDGE_SERVER__PORT="*hush") == [
        "AIBRIDGE_PROVIDERS__OPENAI__API_KEYS: providers.openai.api_keys: no valid YAML; put the value in quotes",
        "AIBRIDGE_SERVER__PORT: server.port: no valid YAML; put the value in quotes",
    ]


def test_a_fault_within_a_variable_s_value_names_the_variable(faults: Faults) -> None:
    assert faults("", AIBRIDGE_PROVIDERS__OPENAI__TIMEOUTS="{connect: -1}") == [
        "AIBRIDGE_PROVIDERS__OPENAI__TIMEOUTS: providers.openai.timeouts.connect: must be above 0; it is -1"
    ]


@pytest.mark.parametrize("text", ["server: 5", "server: [1]"])
def test_a_file_s_own_mistake_is_told_of_itself(faults: Faults, text: str) -> None:
    (line,) = faults(text, AIBRIDGE_SERVER__PORT="1")
    assert line.startswith("aibridge.yaml: server: must be a mapping of keys to values")
