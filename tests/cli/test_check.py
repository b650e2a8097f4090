"""aibridge check, with a real MCP server and a real database."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

CLOCK = f"{{command: {sys.executable}, args: [-m, aibridge.testing.demo]}}"


def rows(out: str) -> list[list[str]]:
    """The cells of all tables."""
    return [line.strip("│ ").replace("│", " ").split() for line in out.splitlines() if line.startswith("│")]


def test_all_is_well_with_the_defaults(run: Run) -> None:
    status, out, err = run("check")
    assert (status, err) == (0, "")
    assert ["/openai", "openai", "https://api.openai.com/v1", "0", "fallback"] in rows(out)
    assert out.endswith("All is well: aibridge serve is ready to begin.\n")
    assert Path("aibridge.db").exists()


def test_servers_and_tools_are_listed_with_the_names_that_models_see(run: Run) -> None:
    Path("aibridge.yaml").write_text(f"mcp_servers: {{clock: {CLOCK}, wiki: {{url: 'http://x', disabled: true}}}}")
    status, out, err = run("check")
    assert (status, err) == (0, "")
    assert ["clock", "connected", "1"] in rows(out)
    assert ["wiki", "disabled"] in rows(out)
    assert ["clock", "now", "bmcp_clock_now"] in rows(out)


def test_tools_for_one_actor_only_are_listed_too(run: Run) -> None:
    Path("aibridge.yaml").write_text(f"mcp_servers: {{clock: {CLOCK[:-1]}, actors: [ada]}}}}")
    assert ["clock", "now", "bmcp_clock_now"] in rows(run("check").out)


def test_every_fault_is_a_line(run: Run) -> None:
    Path("aibridge.yaml").write_text(
        """
        server: {host: 0.0.0.0}
        providers: {openai: {byok: never, ca_file: nowhere.pem}}
        mcp_servers: {gone: {command: no-such-program}, refused: {url: 'http://127.0.0.1:9/mcp'}}
        recorder: {url: "sqlite:///nowhere/a.db"}
        """
    )
    status, out, err = run("check")
    assert status == 1
    assert "All is well" not in out
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "server.host",
        "providers.openai",
        "providers.openai.ca_file",
        "mcp_servers.gone",
        "mcp_servers.refused",
        "recorder.url",
    ]
    assert "no-such-program" in err
    assert "make the directory nowhere" in err


def test_a_gateway_without_providers_serves_nothing(run: Run) -> None:
    Path("aibridge.yaml").write_text("providers: {}")
    status, _, err = run("check")
    assert (status, err) == (1, "providers: there are none, so nothing can be served\n")


def test_a_server_that_hangs_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aibridge.cli.check.CONNECT_SECONDS", 0.2)
    Path("aibridge.yaml").write_text("mcp_servers: {stuck: {command: sleep, args: ['60']}}")
    status, out, err = run("check")
    assert (status, err) == (1, "mcp_servers.stuck: not connected after 0.2 s\n")
    assert ["stuck", "connecting", "0"] in rows(out)
