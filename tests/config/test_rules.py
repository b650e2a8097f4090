"""What single values must be."""

import pytest

from tests.config.conftest import Faults, Load


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:80//", "http://[::1]:80"),
        ("HTTPS://Example.com", "HTTPS://Example.com"),
    ],
)
def test_a_base_url_loses_its_last_slash(settings: Load, written: str, kept: str) -> None:
    assert settings(f"providers: {{openai: {{base_url: '{written}'}}}}").providers["openai"].base_url == kept


@pytest.mark.parametrize(
    ("url", "fault", "shown"),
    [
        ("ftp://x", "must be a URL that begins with http:// or https:// and a host", "ftp://x"),
        ("api.example.com", "must be a URL that begins with http:// or https:// and a host", "api.example.com"),
        ("https:///v1", "must be a URL that begins with http:// or https:// and a host", "https:///v1"),
        ("http://x:99999", "must be a URL (Port out of range 0-65535)", "http://x:99999"),
        ("http://[::1", "must be a URL (Invalid IPv6 URL)", "http://[::1"),
        ("http://x/ y", "must be a URL without blanks", "http://x/ y"),
        ("http://x/#f", "must be a URL without a fragment (#…)", "http://x/#f"),
        ("http://x/?key=hush", "must be a URL without a query (?…): paths are appended to it", "http://x/?***"),
        (
            "https://me:hush@x/v1",
            "must be a URL without a user and password: credentials belong in headers or api_keys",
            "https://***@x/v1",
        ),
    ],
)
def test_a_base_url_is_http_and_nothing_but_an_address(faults: Faults, url: str, fault: str, shown: str) -> None:
    assert faults(f"providers: {{openai: {{base_url: '{url}'}}}}") == [
        f"aibridge.yaml: providers.openai.base_url: {fault}; it is '{shown}'"
    ]


def test_a_server_s_url_may_have_a_query_and_keeps_its_slash(settings: Load) -> None:
    read = settings("mcp_servers: {a: {url: 'http://x/mcp/?key=hush'}}")
    assert read.mcp_servers["a"].url == "http://x/mcp/?key=hush"


def test_a_proxy_may_have_a_password(settings: Load, faults: Faults) -> None:
    read = settings("providers: {openai: {proxy: 'http://me:secret@proxy:3128'}}")
    assert read.providers["openai"].proxy == "http://me:secret@proxy:3128"
    (line,) = faults("providers: {openai: {proxy: 'socks5://me:hush@proxy'}}")
    assert line.endswith("must be a URL that begins with http:// or https:// and a host; it is 'socks5://***@proxy'")


@pytest.mark.parametrize("url", ["sqlite:///a.db", "sqlite:////var/a.db", "postgresql://u:p@h/db"])
def test_records_go_to_sqlite_or_postgresql(settings: Load, url: str) -> None:
    assert settings(f"recorder: {{url: '{url}'}}").recorder.url == url


@pytest.mark.parametrize("url", ["mysql://u:hush@h/db", "a.db", "sqlite:"])
def test_and_nowhere_else(faults: Faults, url: str) -> None:
    (line,) = faults(f"recorder: {{url: '{url}'}}")
    assert "recorder.url: must be a URL that begins with sqlite:/// or postgresql://" in line
    assert "hush" not in line


@pytest.mark.parametrize("key", ["allow", "deny"])
def test_patterns_are_regular_expressions(faults: Faults, key: str) -> None:
    assert faults(f"mcp_servers: {{a: {{command: x, {key}: '*x'}}}}") == [
        f"aibridge.yaml: mcp_servers.a.{key}: must be a regular expression (nothing to repeat at position 0);"
        " it is '*x'"
    ]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("server.port", "65536", "must be at most 65535; it is 65536"),
        ("server.port", "-1", "must be at least 0; it is -1"),
        ("server.port", "http", "must be a whole number; it is 'http'"),
        ("server.port", "yes", "must be a number; it is true"),
        ("server.port", "", "must be a whole number, not null"),
        ("server.port", "[1]", "must be a whole number, not a list"),
        ("server.keepalive_seconds", "0", "must be above 0; it is 0"),
        ("server.keepalive_seconds", ".inf", "must be a finite number; it is inf"),
        ("server.shutdown_grace_seconds", "-1", "must be at least 0; it is -1"),
        ("server.host", "a b", "must be an address or a name; it is 'a b'"),
        ("server.host", "127", "must be text; put it in quotes; it is 127"),
        ("tools.max_rounds", "0", "must be at least 1; it is 0"),
        ("tools.prefix", "a.b", "must be 1 to 32 letters, digits, underscores and hyphens; it is 'a.b'"),
        ("tools.prefix", "a" * 33, f"must be 1 to 32 letters, digits, underscores and hyphens; it is '{'a' * 33}'"),
        ("telemetry.capture_content", "maybe", "must be true or false; it is 'maybe'"),
        ("telemetry.capture_content", "{}", "must be true or false, not a mapping"),
        ("telemetry.log_level", "trace", "must be 'debug', 'info', 'warning' or 'error'; it is 'trace'"),
        ("recorder.retention_days", "0", "must be above 0; it is 0"),
        ("recorder.spool_dir", "5", "must be a path; it is 5"),
        ("recorder.when_full", "drop", "must be 'refuse' or 'drop_and_count'; it is 'drop'"),
        ("recall.ttl_days", "soon", "must be a number; it is 'soon'"),
    ],
)
def test_a_value_out_of_bounds_is_shown(faults: Faults, key: str, value: str, fault: str) -> None:
    section, name = key.split(".")
    assert faults(f"{section}: {{{name}: {value}}}") == [f"aibridge.yaml: {key}: {fault}"]


def test_a_provider_is_tried_again_never_or_more_often(settings: Load, faults: Faults) -> None:
    assert settings("providers: {openai: {retries: {max: 0}}}").providers["openai"].retries.max == 0
    assert faults("providers: {openai: {retries: {max: -1}}}")[0].endswith("must be at least 0; it is -1")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("providers: {openai: {api_keys: [a hush]}}", "a key must be printable ASCII without spaces"),
        ("providers: {openai: {api_keys: [5]}}", "must be text; put it in quotes (its value is not shown)"),
        ("providers: {openai: {api_keys: 5}}", "must be a list (its value is not shown)"),
        ("providers: {openai: {extra_headers: {X-A: 5}}}", "must be text; put it in quotes (its value is not shown)"),
        ("providers: {openai: {extra_headers: {'X A': hush}}}", "'X A' is no name of an HTTP header"),
        (
            'mcp_servers: {a: {url: "http://x", headers: {X-A: "hush\\n"}}}',
            "the value of X-A holds a line break or another character that no header may",
        ),
        ("mcp_servers: {a: {command: x, env: {A: true}}}", "must be text; put it in quotes (its value is not shown)"),
        ("mcp_servers: {a: {command: x, args: [[hush]]}}", "must be text, not a list"),
        ("mcp_servers: {a: {command: x, args: [5]}}", "must be text; put it in quotes (its value is not shown)"),
        (
            "mcp_servers: {a: {url: 'http://x', headers: {X-A: 5}}}",
            "must be text; put it in quotes (its value is not shown)",
        ),
        ("mcp_servers: {a b: {command: x}}", "a server's name may hold letters, digits, underscores and hyphens only"),
        ("mcp_servers: {on: {command: x}}", "must be text"),
    ],
)
def test_a_value_that_may_be_a_secret_is_not(faults: Faults, section: str, fault: str) -> None:
    (line,) = faults(section)
    assert line.endswith(f": {fault}")
    assert "hush" not in line
