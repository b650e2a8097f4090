"""What the sections ask for beyond single values."""

from typing import Any

import pytest
from pydantic import ValidationError

from aibridge.config import ConfigError, Settings
from tests.config.conftest import Faults, Load


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1


def test_what_may_be_a_secret_shows_in_no_repr(settings: Load) -> None:
    read = settings(
        """
        providers:
          openai: {api_keys: [hush1], extra_headers: {X-A: hush2}, proxy: "http://u:hush3@x"}
        mcp_servers:
          a: {command: x, args: [hush4], env: {A: hush5}}
          b: {url: "http://x?key=hush6", headers: {X-A: hush7}}
        recorder: {url: "postgresql://u:hush8@x/y"}
        """
    )
    assert "hush" not in repr(read) + str(read) + f"{read.providers} {read.mcp_servers}"


def test_a_provider_s_type_is_its_name(settings: Load) -> None:
    read = settings("providers: {copilot: {}, anthropic: , mine: {type: openai}}")
    assert {name: provider.type for name, provider in read.providers.items()} == {
        "copilot": "copilot",
        "anthropic": "anthropic",
        "mine": "openai",
    }


def test_a_name_that_is_no_type_needs_one(faults: Faults) -> None:
    assert faults("providers: {mine: {base_url: 'http://x'}}") == [
        "aibridge.yaml: providers.mine.type: is missing, and mine is no type; write openai, anthropic or copilot"
    ]


def test_a_type_that_does_not_exist_is_told(faults: Faults) -> None:
    assert faults("providers: {openai: {type: olama}}") == [
        "aibridge.yaml: providers.openai.type: must be 'openai', 'anthropic' or 'copilot'; it is 'olama'"
    ]


@pytest.mark.parametrize("name", ["Mine", "my_llm", "-a", "a-", "a--b", "a.b", "a b", "ä", "''"])
def test_a_provider_s_name_fits_a_route(faults: Faults, name: str) -> None:
    assert "a provider's name may hold lower-case letters" in faults(f"providers: {{{name}: {{type: openai}}}}")[0]


@pytest.mark.parametrize("name", ["v1", "api", "ui", "healthz", "readyz", "metrics"])
def test_a_provider_does_not_hide_our_own_routes(faults: Faults, name: str) -> None:
    assert faults(f"providers: {{{name}: {{type: openai}}}}") == [
        f"aibridge.yaml: providers.{name}: no provider may bear this name: aibridge serves /{name} itself"
    ]


def test_providers_may_be_none_at_all(settings: Load) -> None:
    assert settings("providers: {}").providers == {}


@pytest.mark.parametrize("text", ["[openai]", "openai", "5"])
def test_providers_are_a_mapping(faults: Faults, text: str) -> None:
    assert faults(f"providers: {text}")[0].startswith("aibridge.yaml: providers: must be a mapping of keys to values")


def test_a_circuit_breaker_may_be_switched_off(settings: Load) -> None:
    assert settings("providers: {openai: {circuit_breaker: null}}").providers["openai"].circuit_breaker is None
    assert settings("providers: {openai: {circuit_breaker: {open: 5}}}").providers["openai"].circuit_breaker is not None


@pytest.mark.parametrize(
    ("server", "transport"),
    [
        ("{command: x}", "stdio"),
        ("{command: x, type: stdio}", "stdio"),
        ("{url: http://x/mcp}", "streamable-http"),
        ("{url: http://x/mcp, type: http}", "streamable-http"),
        ("{url: http://x/sse, type: http}", "streamable-http"),
        ("{url: http://x/mcp, type: streamableHttp}", "streamable-http"),
        ("{url: http://x/mcp, transport: streamable-http}", "streamable-http"),
        ("{url: http://x/sse}", "sse"),
        ("{url: 'http://x/sse/?a=b'}", "sse"),
        ("{url: http://x/assess}", "streamable-http"),
        ("{url: http://x/events, type: sse}", "sse"),
    ],
)
def test_the_transport_is_guessed_where_it_is_absent(settings: Load, server: str, transport: str) -> None:
    assert settings(f"mcp_servers: {{a: {server}}}").mcp_servers["a"].transport == transport


@pytest.mark.parametrize(
    ("server", "fault"),
    [
        ("{}", "must have a command (a local program) or a url (a remote server); neither is here"),
        ("", "must have a command (a local program) or a url (a remote server); neither is here"),
        ("{command: ''}", "must have a command (a local program) or a url (a remote server); neither is here"),
        (
            "{command: x, url: http://x}",
            "must have a command (a local program) or a url (a remote server); both are here",
        ),
        ("{command: x, type: http}", "has a command, which does not go with the transport streamable-http"),
        ("{url: http://x, type: stdio}", "has a url, which does not go with the transport stdio"),
        ("{url: http://x, args: [a]}", "args has no use beside a url"),
        ("{url: http://x, env: {A: b}}", "env has no use beside a url"),
        ("{command: x, headers: {A: b}}", "headers has no use beside a command"),
        ("{command: x, type: stdio, transport: stdio}", "type and transport mean the same: write only one of them"),
    ],
)
def test_a_server_is_reached_in_one_way(faults: Faults, server: str, fault: str) -> None:
    assert faults(f"mcp_servers: {{a: {server}}}") == [f"aibridge.yaml: mcp_servers.a: {fault}"]


def test_what_an_ide_writes_beside_it_is_accepted(settings: Load) -> None:
    read = settings("mcp_servers: {a: {type: sse, url: http://x, env: {}, args: [], disabled: true}}")
    assert read.mcp_servers["a"].disabled


def test_a_wrong_server_tells_its_true_faults_only(faults: Faults) -> None:
    assert faults("mcp_servers: {a: {url: 'ftp://x', timeout: 0}}") == [
        "aibridge.yaml: mcp_servers.a.url: must be a URL that begins with http:// or https:// and a host;"
        " it is 'ftp://x'",
        "aibridge.yaml: mcp_servers.a.timeout: must be above 0; it is 0",
    ]


@pytest.mark.parametrize("server", ["uvx", "[uvx]"])
def test_a_server_is_a_mapping(faults: Faults, server: str) -> None:
    assert faults(f"mcp_servers: {{a: {server}}}")[0].startswith("aibridge.yaml: mcp_servers.a: must be a mapping")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LocalHost", "::1", "[::1]"])
def test_without_keys_it_listens_on_loopback(host: str) -> None:
    Settings().check_listen(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "localhost.example.com"])
def test_and_nowhere_else(host: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings().check_listen(host)
    assert refusal.value.lines == (
        f"server.host: {host} can be reached from other machines, and auth.mode none asks nobody for a key;"
        " listen on 127.0.0.1, or set auth.mode to keys",
    )


@pytest.mark.parametrize("network", ["10.0.0.0/8", "127.0.0.1", "::1", "fd00::/8"])
def test_a_proxy_is_trusted_by_its_address(network: str) -> None:
    settings = Settings.model_validate({"auth": {"mode": "header", "trusted_proxies": [network]}})
    settings.check_listen("0.0.0.0")


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"mode": "header"}, "mode header needs trusted_proxies"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "must be an address, or a network such as"),
        ({"trusted_proxies": ["proxy.local"]}, "must be an address, or a network such as"),
        ({"header": "x user"}, "must be the name of an HTTP header"),
        ({"role_header": "x:role"}, "must be the name of an HTTP header"),
    ],
)
def test_who_may_speak_for_others_is_said_clearly(auth: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.model_validate({"auth": auth})


def test_with_keys_it_may_listen_anywhere() -> None:
    Settings.model_validate({"auth": {"mode": "keys"}}).check_listen("0.0.0.0")


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ({}, "127.0.0.1", 8080),
        ({"host": "::1"}, "::1", 8080),
        ({"port": 0}, "127.0.0.1", 0),
        ({"host": "localhost", "port": 1}, "localhost", 1),
    ],
)
def test_another_address_can_be_given(given: dict[str, Any], host: str, port: int) -> None:
    settings = Settings().listening(**given)
    assert (settings.server.host, settings.server.port) == (host, port)
    assert settings.tools == Settings().tools
