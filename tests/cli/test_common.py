"""What the commands share."""

import pytest

from aibridge.cli.common import complain, console, printable


def test_a_complaint_is_a_line_each_and_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("one", "two") == 1
    assert capsys.readouterr() == ("", "one\ntwo\n")


def test_a_log_gets_long_lines_whole_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("[bold]" + "word " * 30 + ":smile:", style="red")
    assert capsys.readouterr().out == "[bold]" + "word " * 30 + ":smile:\n"


def test_what_could_act_on_a_terminal_is_replaced() -> None:
    assert printable("a\x1b[31mb\nc ü\u202e") == "a�[31mb�c ü�"
