"""How the demo looks."""

from io import StringIO

from rich.console import Console

from aibridge.cli.demo.records import Records
from aibridge.cli.demo.script import HiddenRound
from aibridge.cli.demo.show import Show

HIDDEN = HiddenRound(1, "bmcp_clock_now", '{"tz":"UTC"}', "12:30:00 UTC", 0.004)


def test_a_hidden_round_is_noted_beside_the_stream() -> None:
    out = StringIO()
    show = Show(Console(file=out, width=200))
    show.question("What time is it?")
    show.text("I will ")
    show.text("")
    show.text("look.")
    show.hidden_round(HIDDEN)
    show.text(" It is noon.")
    show.end_of_answer()
    assert out.getvalue() == (
        "\n"
        "you   What time is it?\n"
        "model I will look.\n"
        '      ↻ round 1: bmcp_clock_now({"tz":"UTC"}) → 12:30:00 UTC, 4 ms, hidden from the client\n'
        "      It is noon.\n"
    )


def test_an_answer_without_words_leaves_no_trace() -> None:
    out = StringIO()
    Show(Console(file=out, width=200)).end_of_answer()
    assert out.getvalue() == ""


def test_a_person_watches_on_a_terminal_only() -> None:
    assert Show(Console(force_terminal=True)).is_live
    assert not Show(Console(file=StringIO())).is_live


def test_the_records_are_tables() -> None:
    out = StringIO()
    interception = {"provider": "openai", "model": "m", "client": "Unknown", "status": "completed", "rounds": 2}
    Show(Console(file=out, width=200)).records(
        Records([interception], [{"prompt": "What [bold]time[/bold]?"}], [], [{"input_tokens": 10, "output_tokens": 5}])
    )
    assert "aibridge_interceptions" in out.getvalue()
    assert "What [bold]time[/bold]?" in out.getvalue()
    assert "completed" in out.getvalue()


def test_it_ends_with_how_to_point_an_agent_at_a_gateway() -> None:
    out = StringIO()
    Show(Console(file=out, width=80)).farewell()
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8080/anthropic claude" in out.getvalue()
    for agent in ("Claude Code", "Codex", "opencode", "Cursor"):
        assert f"\n{agent} " in out.getvalue()
    assert '{"provider": {"openai": {"options": {"baseURL": "http://127.0.0.1:8080/openai/v1"}}}}\n' in out.getvalue()
